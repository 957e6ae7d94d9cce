"""Questions of one's own, asked of published clean events.

Not here: how they are counted (`funnel.py`, `retention.py`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.answers.funnel import answer_funnel
from ecom_assets.answers.missing_types import missing_type_warnings
from ecom_assets.answers.period import Period
from ecom_assets.answers.reading import Reading
from ecom_assets.answers.retention import Question, answer_activity, types_in_doubt
from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.retention import event_activity
from ecom_assets.transforms.retention_rule import RetentionRule
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.warehouse.funnel_kernel import suits


@dataclass(frozen=True)
class Extent:
    """How many events a question is of, and their days; these are None where there are none."""

    event_count: int
    first_date: date | None
    last_date: date | None

    @classmethod
    def of(cls, reading: Reading, events: ir.Table) -> "Extent":
        """Count the events."""
        days = events.event_date
        (row,) = reading.rows(events.agg(event_count=events.count(), first_date=days.min(), last_date=days.max()))
        return cls(**row)

    def period(self, newest: date) -> Period:
        """Return the days of the events; the newest day in the data where there are none."""
        return Period("custom", self.first_date or newest, self.last_date or newest)


def within(events: ir.Table, period: Period | None) -> ir.Table:
    """Return the events of a period, all of them without one."""
    return events if period is None else events.filter(period.contains(events.event_date))


def funnel_answer(con: SQLBackend, events: ir.Table, definition: Funnel, rule: SessionRule) -> dict[str, Any]:
    """Return INTERFACE's `funnel` of some events, by a connection to where they are."""
    return answer_funnel(con, events, definition, rule=rule)


MOST_COMPILED_STEPS: Final = 16
"""Steps of a funnel that the kernel does not count: the statement grows with their square, and has to be planned."""


def is_small_enough(con_name: str, definition: Funnel) -> bool:
    """Tell whether an engine can be asked the funnel: long ones only where the kernel counts them."""
    has_kernel = con_name == "duckdb" and definition.by is None and suits(definition)
    return has_kernel or len(definition.steps) <= MOST_COMPILED_STEPS


def check_columns(definition: Funnel, lacking: Collection[str]) -> None:
    """Refuse a funnel over columns that are not there: it would come out as nothing, which is no answer.

    Raises:
        DefinitionError: The first of them.
    """
    conditions = [*definition.steps, *(one.event for one in definition.exclude)]
    asked = [column for step in conditions for column in step.where]
    for column in (*asked, *definition.hold, *([definition.by] if definition.by else [])):
        name = "source_session_id" if column == "session_id" else column.partition(".")[0]
        if name in lacking:
            raise DefinitionError(f"What is published in Postgres has no {column!r} of events; ask without it.")


def retention_answer(
    con: SQLBackend, events: ir.Table, rule: RetentionRule, extent: Extent, timezone: str
) -> dict[str, Any]:
    """Return INTERFACE's `retention` of some events, by a connection to where they are."""
    first, last = extent.first_date, extent.last_date
    days = (last - first).days + 1 if first and last else 0
    answer = answer_activity(Question(con, event_activity(events, rule), rule, timezone, days))
    return answer | {"warnings": missing_type_warnings(con, events, types_in_doubt(rule, answer))}
