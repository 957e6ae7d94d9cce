"""A funnel asked of clean events, as the `ecom funnel` command and `POST /analytics/funnel` answer it.

Not here: what a funnel means (`transforms/funnel.py`, `transforms/funnel_chains.py`), and whether the kernel or the
expression counts it (`funnel_numbers.py`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.answers.funnel_numbers import fast_numbers, step_answers
from ecom_assets.answers.missing_types import Words, missing_property_warnings, missing_type_warnings
from ecom_assets.transforms.funnel_chains import funnel_chains
from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.funnel_report import OTHER, key_columns, labelled, step_numbers
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import session_events, source_session_of

Keep = Callable[[ir.Table], object]
Rows = list[dict[str, Any]]

SESSION = ("visitor_id", "session_started_at")


def answer_funnel(  # noqa: PLR0913 (each is a part of the question)
    con: SQLBackend,
    events: ir.Table,
    funnel: Funnel,
    *,
    rule: SessionRule | None = None,
    keep: Keep | None = None,
    words: Words | None = None,
) -> dict[str, Any]:
    """Answer with the definition, a number and times per step, the breakdown if one is asked for, and warnings.

    Args:
        con: The engine in which the events are.
        events: Rows of `CleanEvents`.
        funnel: The definition.
        rule: When a session ends, for a funnel per session; GA4's by default.
        keep: Called with the list of who is at each step: a row per unit and step, in order.
        words: The source's own words for event types, for the warnings.

    Raises:
        DefinitionError: A column is unknown, or the funnel cannot be computed.
    """
    events, unit = funnel_events(events, funnel, rule or SessionRule.preset("ga4"))
    numbers, breakdown = _numbers(con, events, funnel, unit, keep)
    return {
        "definition": json.loads(json.dumps(funnel.to_mapping())),
        "steps": step_answers(funnel, numbers),
        "breakdown": breakdown,
        "warnings": [
            *missing_type_warnings(con, events, _types_in_doubt(funnel, numbers), words),
            *missing_property_warnings(con, events, funnel),
        ],
    }


def _numbers(
    con: SQLBackend, events: ir.Table, funnel: Funnel, unit: list[str], keep: Keep | None
) -> tuple[Rows, Rows]:
    """Return a row per step, and the breakdown; let `keep` have the list of who is at each step."""
    numbers = None if funnel.by or keep else fast_numbers(con, events, funnel, unit)
    if numbers is not None:
        return numbers, []
    chains = funnel_chains(events, funnel, unit)
    with (labelled(chains, funnel) if funnel.by else chains).cache() as found:
        by_label = found_rows(con, step_numbers(found, ["label"])) if funnel.by else []
        if keep:
            keep(found.order_by("step", *key_columns(found)))
        return found_rows(con, step_numbers(found)), _breakdown(funnel, by_label)


def funnel_events(events: ir.Table, funnel: Funnel, rule: SessionRule) -> tuple[ir.Table, list[str]]:
    """Clean events with the columns that a funnel may name, and the columns of its unit.

    `session_id` and `cart_value` are there under the names that a shop gave them in, too.
    """
    events = events.mutate(session_id=events.source_session_id, cart_value=events.cart_amount)
    if funnel.per != "session":
        return events, [funnel.unit_column]
    events = session_events(events, rule, by_day=False).rename(session_started_at="piece_started_at")
    if not rule.trust_source_session_id:
        return events, [*SESSION]
    # Two sessions of one visitor may begin at one instant.
    return events.mutate(source_session=source_session_of(events)), [*SESSION, "source_session"]


def found_rows(con: SQLBackend, table: ir.Table) -> Rows:
    """The rows of a small table."""
    found: Rows = con.to_pyarrow(table).to_pylist()
    return found


def _breakdown(funnel: Funnel, rows: Rows) -> Rows:
    """An entry per value, the most frequent first, "Other" last."""
    by_label: dict[str, Rows] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    sizes = {label: sum(row["count"] for row in found if row["step"] == 1) for label, found in by_label.items()}
    in_order = sorted(by_label, key=lambda label: (label == OTHER, -sizes[label], label))
    return [{"value": label, "steps": step_answers(funnel, by_label[label])} for label in in_order]


def _types_in_doubt(funnel: Funnel, numbers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The types of steps that nobody took, and of exclusions; the others have an event, so nobody needs to look."""
    taken = {row["step"] for row in numbers if row["count"]}
    seen = {step.event_type for number, step in enumerate(funnel.steps, start=1) if number in taken}
    asked = [*(step.event_type for step in funnel.steps), *(one.event.event_type for one in funnel.exclude)]
    return [name for name in asked if name not in seen]
