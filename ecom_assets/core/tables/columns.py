"""Columns, keys of `properties` and conditions on them, as Ibis expressions.

What people name in a question is a column of the events, or `properties.key`, a value inside their
JSON column. `text_of` and `number_of` read either; `text_by` reads a part of a breakdown, bins
included; `holds` is a whole condition, never null. A value is compared as its own kind: the text
"2" is not the number 2. The conditions themselves, without expressions, are in `conditions.py`; a
new operator is a case of `_test`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, eq, ge, gt, le, lt, or_
from typing import Any, Final, cast

import ibis
import ibis.expr.types as ir

from ecom_assets.core.errors import DefinitionError, check_keys, quoted_value
from ecom_assets.core.tables.conditions import (
    EVERYTHING,
    NEGATED,
    Condition,
    Group,
    Where,
    where_from,
    where_mapping,
    with_event_types,
)
from ecom_assets.core.tables.portable import NO, dialect_of, rows_of
from ecom_assets.core.tables.values import (
    MAX_EXACT_DOUBLE,
    Ends,
    Scalar,
    bins_of,
    check_comparable,
    json_path,
    kind_of,
    open_columns,
    unknown_column,
    with_ends,
)

MAX_LISTED: Final = 50
"""The number of values up to which a list is compared value by value."""
MAX_SOUGHT: Final = 20
"""The number of values up to which a text is searched for them before it is parsed."""
EXACT: Final = "decimal(38, 6)"
"""The type in which numbers are summed and binned.

A sum of doubles would depend on the order of rows.
"""
_JSON_TYPES: Final = {"text": "str", "number": "float", "boolean": "bool"}
"""The attribute of an Ibis JSON value that holds the value of each kind."""


def column_of(rows: ir.Table, column: str) -> ir.Value:
    """Return a column, or the column `properties` for one of its keys.

    Raises:
        DefinitionError: The column is missing.
    """
    name = column.partition(".")[0]
    if name not in rows.columns:
        raise unknown_column(name, rows.columns)
    return rows[name]


def text_of(rows: ir.Table, column: str) -> ir.StringValue:
    """Return the value of a column or a `properties.key` as text; null if there is none.

    Raises:
        DefinitionError: The column is missing.
    """
    if not json_path(column):
        return column_of(rows, column).cast("string")
    keys, document = json_path(column), column_of(rows, column)
    # Only documents that can hold the key are parsed.
    read = _may_hold(document, keys[-1:]).ifelse(document.cast("string"), ibis.null("string"))
    value = _inside(read, keys)
    number = ibis.coalesce(value.int.cast("string"), _text_of_double(value.float))
    # Not asked whether it is null: DuckDB 2.0 fails at that in a filter where no row has a
    # document.
    truth = ibis.cases((value.bool, "true"), (~value.bool, "false"))
    # A document without the key is read once, not once for each kind of value.
    return value.notnull().ifelse(ibis.coalesce(value.str, number, truth), ibis.null("string"))


def _text_of_double(number: ir.FloatingValue) -> ir.StringValue:
    """Return a double as text, the same on every engine; null for infinity."""
    exact = (number.abs() <= MAX_EXACT_DOUBLE).ifelse(number, ibis.null("float64"))
    whole = exact.cast("int64")
    is_finite = number.abs() <= ibis.literal(str(sys.float_info.max)).cast("float64")
    return ibis.cases(
        (whole.cast("float64") == exact, whole.cast("string")), (is_finite, number.cast("string"))
    )


def text_by(rows: ir.Table, by: str) -> ir.StringValue:
    """Return the value of a part of a breakdown as text: the column's, or its bin's name.

    Raises:
        DefinitionError: The column is missing, or has bins and is not a number column.
    """
    bins = bins_of(by)
    if bins is None:
        return text_of(rows, by)
    number = exact_number_of(rows, bins.column)
    *lower, last = bins.labels
    cases = [
        (number < ibis.literal(edge, EXACT), name)
        for edge, name in zip(bins.edges, lower, strict=True)
    ]
    return ibis.cases((number.isnull(), ibis.null("string")), *cases, else_=last)


def with_edges(rows: ir.Table, by: Sequence[str], limit: int) -> tuple[tuple[str, ...], int]:
    """Return a breakdown whose bins have their edges, and how many of its values are shown.

    The least and greatest numbers of `rows` bound the bins. `limit` values are shown, unless they
    are bins.

    Raises:
        DefinitionError: A column is missing, or is not a number column.
    """
    return with_ends(by, limit, {column: ends_of(rows, column) for column in open_columns(by)})


def ends_of(rows: ir.Table, column: str) -> Ends:
    """Return the least and the greatest number of a column; None without any.

    Raises:
        DefinitionError: The column is missing, or is not a number column.
    """
    number = exact_number_of(rows, column).cast(EXACT)
    (row,) = rows_of(rows.agg(least=number.min(), greatest=number.max()))
    return row["least"], row["greatest"]


def label_of(rows: ir.Table, columns: Sequence[str], none: str) -> ir.StringValue:
    """Return the value of a breakdown as text.

    Those of several columns have ` / ` between them; a missing one is `none`.

    Raises:
        DefinitionError: A column is missing.
    """
    texts = [text_by(rows, column).fill_null(none) for column in columns]
    return texts[0] if len(texts) == 1 else ibis.literal(" / ").join(texts)


def number_of(rows: ir.Table, column: str) -> ir.NumericValue:
    """Return the number in a column or a `properties.key`; null if there is none.

    Raises:
        DefinitionError: The column is missing, or is not a number column.
    """
    if json_path(column):
        value = _json(rows, column)
        return ibis.coalesce(value.float, value.int.cast("float64"))
    value = column_of(rows, column)
    if not value.type().is_numeric():
        raise DefinitionError(
            f"{column} holds {kind_of_column(value)}, not numbers; name a number column."
        )
    return value


def exact_number_of(rows: ir.Table, column: str) -> ir.DecimalValue:
    """Return the number of `number_of` as a decimal.

    It is null in a key beyond 2**53, which engines round.

    Raises:
        DefinitionError: The column is missing, or is not a number column.
    """
    number = number_of(rows, column)
    if not json_path(column):
        return number.cast(EXACT)
    number = (number.abs() <= MAX_EXACT_DOUBLE).ifelse(number, ibis.null("float64"))
    # The whole part by itself: of a double, DuckDB makes decimals by 53 bits with all decimals,
    # Postgres by 15 digits.
    whole = number.cast("int64")
    return whole.cast(EXACT) + (number - whole).cast(EXACT)


def kind_of_column(column: ir.Value) -> str:
    """Return the kind of a column as in `kind_of`; for other types, the name of the type."""
    kind = column.type()
    if kind.is_boolean():
        return "boolean"
    return "text" if kind.is_string() else "number" if kind.is_numeric() else str(kind)


def comparable(rows: ir.Table, column: str, value: Scalar) -> ir.Value:
    """Return a column, or the values of a `properties.key` of the same kind as `value`.

    Raises:
        DefinitionError: The column is missing, or has values of another kind.
    """
    if json_path(column):
        typed: ir.Value = getattr(_json(rows, column), _JSON_TYPES[kind_of(value)])
        return typed
    result = column_of(rows, column)
    check_comparable(column, kind_of_column(result), value)
    return result


def meeting(rows: ir.Table, where: Where) -> ir.Table:
    """Return the rows that meet conditions."""
    return rows if where == EVERYTHING else rows.filter(holds(rows, where))


def holds(rows: ir.Table, where: Where) -> ir.BooleanValue:
    """Return whether a row meets the conditions; never null.

    Raises:
        DefinitionError: A column is missing, or is compared with a value of another kind.
    """
    if isinstance(where, Group):
        parts = [holds(rows, part) for part in where.parts]
        if not parts:
            return ibis.literal(value=where.kind == "all_of")
        return reduce(and_ if where.kind == "all_of" else or_, parts)
    if plain := NEGATED.get(where.operator):
        return ~holds(rows, Condition(where.column, plain, where.values))
    return _test(rows, where).fill_null(NO)


def _test(rows: ir.Table, where: Condition) -> ir.BooleanValue:
    """Return a condition that is not negated; null if the value is missing."""
    if where.operator == "is_set":
        return (
            text_of(rows, where.column)
            if json_path(where.column)
            else column_of(rows, where.column)
        ).notnull()
    if where.operator in {"contains", "matches"}:
        column, sought = column_of(rows, where.column), str(where.values[0])
        if not json_path(where.column) and not column.type().is_string():
            raise DefinitionError(
                f"{where.operator} looks into text, and {where.column} holds "
                f"{kind_of_column(column)}."
            )
        text = text_of(rows, where.column)
        return (
            text.lower().contains(sought.lower())
            if where.operator == "contains"
            else text.re_search(sought)
        )
    if where.operator in {"equals", "one_of"} and json_path(where.column):
        return _is_one_of(rows, where)
    columns = [
        comparable(rows, where.column, value)
        for value in {kind_of(value): value for value in where.values}.values()
    ]
    return (
        is_among(rows, columns[0], where.values)
        if where.operator == "one_of"
        else _compared(columns[0], where)
    )


def _is_one_of(rows: ir.Table, where: Condition) -> ir.BooleanValue:
    """Return whether a key has one of the values, each compared as its own kind."""
    kinds: dict[str, list[Scalar]] = {}
    for value in where.values:
        kinds.setdefault(kind_of(value), []).append(value)
    tests = {
        kind: is_among(rows, comparable(rows, where.column, of[0]), of).fill_null(NO)
        for kind, of in kinds.items()
    }
    if (texts := kinds.get("text")) and len(texts) <= MAX_SOUGHT:
        tests["text"] = _may_hold(column_of(rows, where.column), texts).ifelse(tests["text"], NO)
    return reduce(or_, tests.values())


def is_among(rows: ir.Table, value: ir.Value, values: Sequence[Scalar]) -> ir.BooleanValue:
    """Return whether a value of rows is one of others; by a join if these are many."""
    are_exact = set(map(type, values)) in ({str}, {int})
    if len(values) <= MAX_LISTED or not are_exact or not _joins_in_columns(rows):
        return cast("ir.BooleanValue", value.isin(values))
    listed = ibis.array(list(values)).unnest().name("value").as_table()
    return cast("ir.BooleanValue", value.isin(listed.value))


def _joins_in_columns(rows: ir.Table) -> bool:
    try:
        return dialect_of(rows.get_backend()).joins_in_columns
    except ibis.IbisError:  # rows of no engine
        return False


def _may_hold(document: ir.Value, values: Sequence[Scalar]) -> ir.BooleanValue:
    """Return whether JSON can hold one of some values or keys, escaped or not.

    Other documents need not be parsed; a search for text takes a fraction of the time.
    """
    text = document.cast("string")
    return reduce(or_, (text.contains(f'"{value}"') for value in values), text.contains("\\"))


COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "equals": eq,
    "greater": gt,
    "greater_or_equal": ge,
    "less": lt,
    "less_or_equal": le,
}
"""How a column is compared with a value, by the name of the operator."""


def _compared(value: Any, where: Condition) -> ir.BooleanValue:  # noqa: ANN401 (a value of any type)
    first, last = where.values[0], where.values[-1]
    result: ir.BooleanValue = (
        (value >= first) & (value <= last)
        if where.operator == "between"
        else COMPARISONS[where.operator](value, first)
    )
    return result


def _json(rows: ir.Table, column: str) -> ir.JSONValue:
    return _inside(column_of(rows, column), json_path(column))


def _inside(document: ir.Value, keys: Sequence[str]) -> ir.JSONValue:
    value: ir.JSONValue = document.cast("json")
    for key in keys:
        value = value[key]
    return value


KEYS = ("event_type", "where")


@dataclass(frozen=True)
class EventFilter:
    """Events of a type that meet conditions.

    Attributes:
        event_type: The type of the events; None for any type.
        where: What must hold of them.
    """

    event_type: str | None = None
    where: Where = EVERYTHING

    @classmethod
    def from_mapping(cls, raw: object, subject: str) -> EventFilter:
        """Build it from a definition file: an event type (`*` is any), or `{event_type, where}`.

        Raises:
            DefinitionError: It is neither, or a key is unknown.
        """
        if isinstance(raw, str) and raw:
            return cls(None if raw == "*" else raw)
        if not isinstance(raw, Mapping) or not isinstance(raw.get("event_type") or "", str):
            raise DefinitionError(
                f"{subject} is an event type or {{event_type, where}}; got {quoted_value(raw)}."
            )
        check_keys(raw, KEYS, subject)
        result = cls.from_mapping(raw["event_type"], subject) if raw.get("event_type") else cls()
        return cls(result.event_type, where_from(raw["where"]) if raw.get("where") else EVERYTHING)

    def translated(self, translate: Callable[[str], str]) -> EventFilter:
        """Return the filter with each event type translated, also in its conditions."""
        return EventFilter(
            self.event_type and translate(self.event_type), with_event_types(self.where, translate)
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as in a definition file; the inverse of `from_mapping`."""
        return {"event_type": self.event_type, **where_mapping(self.where)}

    def matches(self, events: ir.Table) -> ir.BooleanValue:
        """Return whether an event is one of them; never null.

        Raises:
            DefinitionError: A column is missing, or is compared with a value of another kind.
        """
        also = holds(events, self.where)
        return (
            also
            if self.event_type is None
            else also & (events.event_type == ibis.literal(self.event_type))
        )


FIRST: Final = "is_first_"
"""The prefix of the columns of `with_first`, before a number."""


def with_first(events: ir.Table, name: str, is_one: ir.BooleanValue) -> ir.Table:
    """Return the events with a boolean column: whether each is the first of its visitor among some.

    Of simultaneous events the one with the smallest id is first. `events` has all days; `is_one` is
    never null.
    """
    matches = events.filter(is_one).select("visitor_id", "event_at", "event_id")
    times = matches.group_by("visitor_id").agg(first_at=matches.event_at.min())
    earliest = matches.join(times, "visitor_id")
    earliest = earliest.filter(earliest.event_at == earliest.first_at)
    ids = earliest.group_by("visitor_id").agg(first_id=earliest.event_id.min())
    ids = ids.select("first_id", first_visitor_id="visitor_id")
    joined = events.left_join(ids, events.visitor_id == ids.first_visitor_id)
    is_first = (joined.event_id == joined.first_id).fill_null(NO)
    return joined.select(*events.columns, **{name: is_first})


EVERY, FIRST_TIME, FIRST_EVER = "every", "first_time", "first_ever"
OCCURRENCES: Final = {
    EVERY: "Every such event",
    FIRST_TIME: "A visitor's first that meets the conditions",
    FIRST_EVER: "A visitor's first ever, if it meets them",
}
"""Which events count: each; the first that meets the conditions; or the first, if it does."""
MAX_TIMES: Final = 1_000
"""How often something can be demanded to happen in a period."""
