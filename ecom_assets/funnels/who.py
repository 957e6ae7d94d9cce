"""Who is at a step of a funnel."""

from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import DefinitionError
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.entries import Limits
from ecom_assets.funnels.optional_rules import required_steps
from ecom_assets.funnels.queries import answer_funnel
from ecom_assets.funnels.report import key_columns
from ecom_assets.sessions.rule import SessionRule


@dataclass(frozen=True)
class StepList:
    """Which list: of a step, at most so many, and perhaps only of those who did not get to the next one."""

    step: int
    limit: int
    only_stopped: bool = False


def who_answer(  # noqa: PLR0913, PLR0917 (each is a part of the question)
    con: SQLBackend, events: ir.Table, definition: Funnel, rule: SessionRule, limits: Limits, listed: StepList
) -> dict[str, Any]:
    """Return the units at a step, in order, and how many they are.

    Raises:
        DefinitionError: The funnel has no such step, or counts totals.
    """
    if listed.step > len(definition.steps):
        raise DefinitionError(f"Step {listed.step} is not one of the {len(definition.steps)} steps; give one of them.")
    if definition.per not in {"user", "session"}:
        raise DefinitionError(
            "The visitors at a step are listed per user or session, not for totals or properties; set per."
        )
    values: dict[str, Any] = {}

    def keep(chains: ir.Table) -> None:
        keys = key_columns(chains)
        rows = chains.filter(chains.step == listed.step)
        if listed.only_stopped:
            following = next((n for n in required_steps(definition) if n > listed.step), None)
            rows = rows if following is None else rows.anti_join(chains.filter(chains.step == following), keys)
        names = [*keys, *(name for name in ("event_at", "event_id") if name in chains.columns)]
        values["count"] = int(con.to_pyarrow(rows.count()).as_py())
        values["who"] = con.to_pyarrow(rows.select(*names).order_by(keys).limit(listed.limit)).to_pylist()

    answer = answer_funnel(con, events, definition, rule=rule, keep=keep, limits=limits)
    return {"definition": answer["definition"], "step": listed.step, **values}
