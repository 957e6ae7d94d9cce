"""A funnel's conditions, held columns and breakdown as expressions over an events table.

Columns are checked against the table's types first, so that no engine compares values by an implicit cast.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.funnels.definition import Funnel, FunnelStep
from ecom_assets.tables.columns import comparable, kind_of_column, text_of
from ecom_assets.tables.portable import can_be_null
from ecom_assets.tables.values import check_comparable, json_path


def matches(events: ir.Table, step: FunnelStep) -> ir.BooleanValue:
    """Return whether an event matches a step; never null."""
    tests = [events.event_type == step.event_type]
    tests += [comparable(events, column, value) == value for column, value in step.where.items()]
    return ibis.and_(*tests).fill_null(ibis.literal(value=False))


def of_units(events: ir.Table, units: Sequence[str]) -> ir.Table:
    """Return the events that have a unit and a time; to Ibis, these columns are nullable in the result."""
    present = [events[column].notnull() for column in (*units, "event_at")]
    return can_be_null(events.filter(present), (*units, "event_at"))


def with_held(events: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the events with each held `properties.key` as a column."""
    inside = {column: text_of(events, column) for column in funnel.hold if json_path(column)}
    return events.mutate(**inside) if inside else events


def unit_columns(funnel: Funnel, unit: str | Sequence[str] | None) -> list[str]:
    """Return the columns that identify a unit, without held ones; by default the column of the funnel's `per`."""
    if unit is None:
        return [funnel.unit_column]
    return [unit] if isinstance(unit, str) else list(unit)


def counted_columns(units: Sequence[str], funnel: Funnel) -> list[str]:
    """Return the columns that identify what is counted: those of the unit and the held ones, each once."""
    return list(dict.fromkeys([*units, *funnel.hold]))


def check_columns(events: ir.Table, funnel: Funnel, needed: Sequence[str]) -> None:
    """Refuse a funnel that names missing columns, or compares columns with values that they never have.

    Args:
        events: Events.
        funnel: The definition.
        needed: Columns that are required in addition to those that the definition names.

    Raises:
        DefinitionError: A column does not fit; the message names the first.
    """
    conditions = [*funnel.steps, *(one.event for one in funnel.exclude)]
    asked = [(column, value) for step in conditions for column, value in step.where.items()]
    others = [*funnel.hold, *([funnel.by] if funnel.by else [])]
    named = [column.partition(".")[0] for column in (*(column for column, _ in asked), *others)]
    for column in (*needed, "event_at", "event_type", *named):
        if column not in events.columns:
            raise DefinitionError(f"The events have no column {column!r}; {did_you_mean(column, events.columns)}.")
    for column, value in asked:
        if not json_path(column):
            check_comparable(column, kind_of_column(events[column]), value)
