"""A funnel's conditions, held columns and breakdown as expressions over an events table.

Columns are checked against the table's types first, so that no engine compares values by an implicit cast.
"""

from collections.abc import Sequence
from functools import reduce

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.funnels.definition import Funnel, FunnelStep, Scalar, check_comparable, json_path, kind_of
from ecom_assets.tables.portable import can_be_null


def matches(events: ir.Table, step: FunnelStep) -> ir.BooleanValue:
    """Return whether an event matches a step; never null."""
    tests = [events.event_type == step.event_type]
    tests += [_equals(events, column, value) for column, value in step.where.items()]
    return ibis.and_(*tests).fill_null(ibis.literal(value=False))


def text_of(events: ir.Table, column: str) -> ir.StringValue:
    """Return the value of a column or a `properties.key` as text; null if there is none."""
    keys = json_path(column)
    if not keys:
        return events[column].cast("string")
    found = _json_value(events, column, keys)
    number = ibis.coalesce(found.int.cast("string"), found.float.cast("string"))
    truth = ibis.cases((found.bool.fill_null(ibis.literal(value=False)), "true"), (found.bool.notnull(), "false"))
    return ibis.coalesce(found.str, number, truth)


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
            check_comparable(column, _kind_of_column(events[column]), value)


def _kind_of_column(column: ir.Value) -> str:
    kind = column.type()
    if kind.is_boolean():
        return "boolean"
    return "text" if kind.is_string() else "number" if kind.is_numeric() else str(kind)


def _equals(events: ir.Table, column: str, value: Scalar) -> ir.BooleanValue:
    keys = json_path(column)
    if not keys:
        return events[column] == value
    typed = {"text": "str", "number": "float", "boolean": "bool"}[kind_of(value)]
    return getattr(_json_value(events, column, keys), typed) == value


def _json_value(events: ir.Table, column: str, keys: Sequence[str]) -> ir.JSONValue:
    document = events[column.partition(".")[0]].cast("json")
    return reduce(lambda json, key: json[key], keys, document)
