"""Measures: what is counted, added up and divided as the columns of a class declare it.

A subject's `measures.py` has classes of columns with numbers for people. A contract that inherits
from such a class has its columns; aggregates, sums over days, fields of answers, labels on pages
and traces follow from the declaration.

Terms: docs/glossary.md#measure.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, reduce
from operator import and_
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables import portable
from ecom_assets.core.tables.contract import Aggregate, Column, Ratio
from ecom_assets.core.tables.days import ONE_DAY, Days, start_of_week
from ecom_assets.core.tables.formats import plain_quantity
from ecom_assets.core.tables.queries import (
    ZERO,
    Period,
    Reading,
    in_period,
    mean,
    share,
    with_previous,
)


@cache
def measures_of(declared: type) -> Mapping[str, Column]:
    """Return the measures that a class declares or inherits, by name."""
    parents = [vars(parent) for parent in reversed(declared.__mro__)]
    return {
        name: value
        for names in parents
        for name, value in names.items()
        if isinstance(value, Column)
    }


@cache
def summable(declared: type) -> Mapping[str, Column]:
    """Return the measures that follow from those of single days: sums and their ratios."""
    added = _added(declared).keys()
    return {
        name: measure
        for name, measure in measures_of(declared).items()
        if measures_added(name, measure) <= added
    }


def measures_added(name: str, measure: Column) -> set[str]:
    """Return the names of the measures that one is the ratio of, or its own."""
    ratio = measure.counted_as
    return {ratio.part, ratio.whole} if isinstance(ratio, Ratio) else {name}


@cache
def _added(declared: type) -> Mapping[str, Column]:
    return {
        name: measure
        for name, measure in measures_of(declared).items()
        if measure.is_additive and not isinstance(measure.counted_as, Ratio)
    }


def aggregates(
    rows: ir.Table, declared: type, names: Collection[str] | None = None
) -> dict[str, ir.Value]:
    """Return the measures that are aggregates of rows; of those with some names, if these are said.

    A sum is null if its rows have no value, and 0 without rows.
    """
    return {
        name: _aggregate(rows, measure, measure.counted_as)
        for name, measure in measures_of(declared).items()
        if isinstance(measure.counted_as, Aggregate) and (names is None or name in names)
    }


def _aggregate(rows: ir.Table, measure: Column, aggregate: Aggregate) -> ir.Value:
    conditions = [
        rows[name] if value is True else rows[name] == value
        for name, value in aggregate.where.items()
    ]
    where = reduce(and_, conditions) if conditions else None
    row_count = rows.count(where=where)
    if not aggregate.is_sum:
        return rows[aggregate.column].nunique(where=where) if aggregate.column else row_count
    number = rows[aggregate.column] if aggregate.sign == 1 else -rows[aggregate.column]
    nothing = ibis.literal(0, measure.type)
    return (
        (row_count == 0)
        .ifelse(nothing, number.sum(where=where).cast(measure.type))
        .cast(measure.type)
    )


def with_ratios(rows: ir.Table, declared: type) -> ir.Table:
    """Return rows with the measures that are ratios of their columns."""
    ratios = {}
    for name, measure in measures_of(declared).items():
        if isinstance(ratio := measure.counted_as, Ratio):
            whole = rows[ratio.whole]
            if ratio.above_zero:
                whole = (whole > 0).ifelse(whole, ibis.null(whole.type()))
            value = portable.ratio(rows[ratio.part], whole)
            ratios[name] = 1 - value if ratio.is_rest else value
    return rows.mutate(**ratios)


def sums(rows: ir.Table, declared: type) -> dict[str, ir.Value]:
    """Return the sums of the measures that add up, as aggregates of daily rows.

    A sum is null if no row has a value.

    Of a measure that needs all, if one row has none.
    """
    return {name: sum_of(rows, name, measure) for name, measure in _added(declared).items()}


def sum_of(rows: ir.Table, name: str, measure: Column) -> ir.Value:
    """Return the sum of a measure over daily rows, as `sums` does."""
    total = rows[name].sum().cast(measure.type)
    if not needs_all(measure):
        return total
    return (rows[name].count() == rows.count()).ifelse(total, ibis.null(measure.type))


def needs_all(measure: Column) -> bool:
    """Return whether a sum of the measure is null if one of its rows has none."""
    return isinstance(measure.counted_as, Aggregate) and measure.counted_as.needs_all


def summed(rows: Sequence[Row], declared: type) -> Row:
    """Return the summable measures of several rows.

    A sum is None if there are rows, and none of them has a value.

    Of a measure that needs all, if one of them has none.
    """
    result: Row = {}
    for name, measure in _added(declared).items():
        values = [row[name] for row in rows if row[name] is not None]
        is_known = len(values) == len(rows) if needs_all(measure) else bool(values) or not rows
        result[name] = sum(values, zero_of(measure)) if is_known else None
    return completed(result, declared)


@cache
def unknown_measures(declared: type, not_recorded: frozenset[str]) -> frozenset[str]:
    """Return the measures of a class that need something that the events of a shop do not record:
    they are not known, whatever is counted.
    """
    measures = measures_of(declared)
    return frozenset(
        name
        for name, measure in measures.items()
        if not not_recorded.isdisjoint(
            need
            for part in {name, *measures_added(name, measure)} & measures.keys()
            for need in measures[part].needs
        )
    )


def completed(
    row: NamedValues | None, declared: type, not_recorded: frozenset[str] = frozenset()
) -> Row:
    """Return sums with the ratios that follow from them; zeros without a row.

    Measures that need what is not recorded are None.
    """
    added = _added(declared).items()
    result: Row = {
        name: plain_value(row[name], measure) if row else zero_of(measure)
        for name, measure in added
    }
    for name, measure in summable(declared).items():
        if isinstance(measure.counted_as, Ratio):
            result[name] = quotient(measure, measure.counted_as, result)
    unknown = unknown_measures(declared, not_recorded)
    return {name: None if name in unknown else result[name] for name in summable(declared)}


def quotient(measure: Column, ratio: Ratio, numbers: Row) -> Any:  # noqa: ANN401 (an amount or a share)
    """Return a measure that is the ratio of two numbers; None where it is not known."""
    part, whole = numbers[ratio.part], numbers[ratio.whole]
    part = whole - part if ratio.is_rest and None not in {part, whole} else part
    if ratio.above_zero and whole is not None and whole <= 0:
        return None
    return mean(part, whole) if measure.shown_as == "money" else share(part, whole)


def plain_value(value: Any, measure: Column) -> Any:  # noqa: ANN401 (a count or an amount, as an engine returns it)
    """Return a number of a measure, as an engine returns it, in the type of answers."""
    if value is None:
        return value
    return (
        plain_quantity(value)
        if measure.shown_as == "quantity"
        else int(value)
        if measure.type == "int64"
        else value
    )


def zero_of(measure: Column) -> Decimal | int:
    """Return what a sum or a count of no rows is."""
    return ZERO if measure.shown_as == "money" else 0


def meanings(measures: Mapping[str, Column]) -> dict[str, str]:
    """Return what measures or columns mean, by name."""
    return {name: measure.description for name, measure in measures.items()}


def sums_of_periods(
    reading: Reading, daily: ir.Table, day: str, period: Period, *declared: type
) -> tuple[Row | None, Row | None]:
    """Return the sums of daily rows over a period and over the one before; None without rows."""
    rows = with_previous(daily, day)
    numbers = {name: added for measures in declared for name, added in sums(rows, measures).items()}
    result = reading.rows(rows.group_by("is_current").agg(**numbers), period)
    by_period = {row["is_current"]: row for row in result}
    return by_period.get(1), by_period.get(0)


def numbers_over_time(  # noqa: PLR0913, PLR0917 (what is counted, and of which days)
    reading: Reading,
    daily: ir.Table,
    day: str,
    period: Period,
    by: Literal["day", "week"],
    declared: type,
    lacks: frozenset[str] = frozenset(),
) -> Mapping[date, Row]:
    """Return the measures of daily rows, of each day of a period or of each week by its Monday:
    zeros where nothing happened, None for those that need what `lacks` says.
    """
    rows = daily.filter(in_period(daily[day]))
    rows = rows.mutate(start=start_of_week(rows[day]) if by == "week" else rows[day])
    added = rows.group_by("start").agg(**sums(rows, declared))
    row_by_start = {row["start"]: row for row in reading.rows(added, period)}
    first, step = period.start_date, 1
    if by == "week":
        first, step = first - first.weekday() * ONE_DAY, 7
    starts = Days.through(first, period.end_date).dates[::step]
    return {start: completed(row_by_start.get(start), declared, lacks) for start in starts}
