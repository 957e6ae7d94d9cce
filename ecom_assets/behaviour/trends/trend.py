"""Trends: values of series of events by period, active visitors, stickiness and lifecycle.

METRICS "Trend".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.trends.question import (
    ACTIVE,
    COUNTS,
    DISTINCT,
    PER_VISITOR,
    PERCENTILES,
    SUM,
    TrendQuestion,
    TrendSeries,
)
from ecom_assets.core.tables.columns import (
    EVERY,
    EXACT,
    FIRST,
    FIRST_TIME,
    column_of,
    exact_number_of,
    holds,
    label_of,
    text_of,
    with_first,
)
from ecom_assets.core.tables.conditions import EVERYTHING
from ecom_assets.core.tables.days import (
    CLOCK_S,
    Days,
    hour_number,
    hour_start,
    period_number,
    period_start,
)
from ecom_assets.core.tables.portable import ratio, rows_of, union_all
from ecom_assets.core.tables.values import in_order

NONE, OTHER = "(none)", "(other)"


def events_of(
    events: ir.Table, trend: TrendQuestion, days: Days | None = None, timezone: str = "UTC"
) -> ir.Table:
    """Return the rows of `CleanEvents` of all series,
    with `breakdown` (null without one) and `period_date`.

    By the hour or minute, `period_date` is the UTC time at which it starts; `days` are then the
    days of the events.

    Raises:
        DefinitionError: A column is missing, or has another kind of value.
    """
    types = {series.counted_type for series in trend.series}
    of_type = reduce(
        or_,
        [events.event_type == name for name in sorted(filter(None, types))],
        ibis.literal(value=None in types),
    )
    rows = events.filter(of_type, holds(events, trend.where))
    by = label_of(rows, trend.by_columns, NONE) if trend.by else ibis.null("string")
    if days is not None:
        start = hour_start(rows.event_at, rows.event_date, days, timezone, CLOCK_S[trend.period])
        return rows.mutate(breakdown=by, period_date=start)
    return rows.mutate(
        breakdown=by, period_date=period_start(rows.event_date, trend.period, trend.week_start)
    )


def needed(rows: ir.Table, trend: TrendQuestion) -> ir.Table:
    """Return what the values of a trend are computed from; one row for all equal events,
    if only these are counted.
    """
    flags = {series.flag for series in trend.series if isinstance(series, FirstsSeries)}
    wanted = {"event_type", "breakdown", "period_date", *flags}
    of_visitors = {"visitors", *ACTIVE, *PER_VISITOR}
    if trend.kind != "trend" or any(series.measure in of_visitors for series in trend.series):
        wanted.add("visitor_id")
    if trend.kind == "trend" and all(
        series.measure in COUNTS and series.where == EVERYTHING for series in trend.series
    ):
        return counted(rows, [name for name in rows.columns if name in wanted])
    wanted |= {"event_date", *(column.partition(".")[0] for column in trend.columns)}
    return rows.select(*(name for name in rows.columns if name in wanted))


def with_units_as_visitors(events: ir.Table, trend: TrendQuestion) -> ir.Table:
    """Return the events with what `per` names in place of visitors."""
    if trend.per == "user":
        return events
    events = events.mutate(visitor_id=text_of(events, trend.per))
    return events.filter(events.visitor_id.notnull())


class FirstsSeries(TrendSeries):
    """A series of first events, with the column that says which events these are."""

    flag: str


def flagged(trend: TrendQuestion) -> TrendQuestion:
    """Return the trend that reads the columns of `with_firsts`."""
    flagged_series = tuple(
        series
        if series.occurrence == EVERY
        else FirstsSeries.model_construct(**dict(series), flag=f"{FIRST}{number}")
        for number, series in enumerate(trend.series, start=1)
    )
    return trend.changed(series=flagged_series)


def with_firsts(events: ir.Table, trend: TrendQuestion) -> ir.Table:
    """Return the rows of `CleanEvents` of all days by unit,
    with the column of each series of first events.

    The trend is `flagged`.

    Raises:
        DefinitionError: A column is missing.
    """
    for column in trend.columns:
        column_of(events, column)  # refuses an unknown one with those that events have
    events = with_units_as_visitors(events, trend)
    for series in trend.series:
        if not isinstance(series, FirstsSeries):
            continue
        is_first = _is_of_type(events, series)
        if series.occurrence == FIRST_TIME:
            is_first = is_first & holds(events, series.where) & holds(events, trend.where)
        events = with_first(events, series.flag, is_first)
    return events


def counted(events: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Return one row for all events with equal values in some columns, with `event_count`."""
    return events.group_by(*columns).agg(event_count=events.count())


def _event_count(events: ir.Table) -> ir.IntegerScalar:
    """Return how many events there are, also of rows of `counted`."""
    return events.event_count.sum() if "event_count" in events.columns else events.count()


def top_values(rows: ir.Table, column: str, limit: int) -> ir.Table:
    """Return the values of a breakdown's column with most rows or events;
    ties are in alphabetical order.
    """
    by_value = rows.group_by(column).agg(row_count=_event_count(rows))
    return by_value.order_by(ibis.desc("row_count"), column).limit(limit)


def shown_values(rows: ir.Table, column: str, by: Sequence[str], limit: int) -> list[str]:
    """Return the values of a breakdown's column to show, most rows or events first;
    `(other)` if there are more.
    """
    result = [row[column] for row in rows_of(top_values(rows, column, limit + 1))]
    return [*in_order(by, result[:limit]), *([OTHER] if len(result) > limit else [])]


def with_other(rows: ir.Table, column: str, shown: Sequence[str | None]) -> ir.Table:
    """Return the rows with every value of a breakdown's column beyond those that are
    shown replaced by `(other)`.
    """
    if OTHER not in shown:
        return rows
    kept = [value for value in shown if value is not None]
    return rows.mutate(
        **{column: rows[column].isin(kept).ifelse(rows[column], ibis.literal(OTHER))}
    )


def has_no_values(shown: Iterable[str | None]) -> bool:
    """Return whether, judging by the values of a breakdown,
    no event may have a value of one of its columns.
    """
    names = {label for label in shown if label != OTHER}
    return bool(names) and all(NONE in (label or "") for label in names)


def values(
    events: ir.Table, series: TrendSeries, *, by_period: bool, first_only: bool = False
) -> ir.Table:
    """Return the values of a series in rows of `events_of`: `breakdown`, `period_date` (with
    `by_period`) and `value`.

    With `first_only`, a visitor counts only in the period of their first event, so that a running
    sum counts distinct visitors.
    """
    rows = events.filter(is_of(events, series))
    units = ["breakdown", "period_date"] if by_period else ["breakdown"]
    if series.measure == "visitors" and first_only:
        rows = rows.group_by("breakdown", "visitor_id").agg(period_date=rows.period_date.min())
    if series.measure in COUNTS:
        value = (
            rows.visitor_id.nunique()
            if series.measure == "visitors" and not first_only
            else _event_count(rows)
        )
        return rows.group_by(units).agg(value=value.cast("float64"))
    if series.measure == DISTINCT:
        texts = rows.select(*units, text=text_of(rows, str(series.of)))
        return texts.group_by(units).agg(value=texts.text.nunique().cast("float64"))
    if series.measure in PER_VISITOR:
        return _statistic(_per_visitor(rows, series, units), units, PER_VISITOR[series.measure])
    numbers = rows.select(*units, number=exact_number_of(rows, str(series.of)))
    if (
        series.measure != SUM
    ):  # of events without any number the sum is not known; without events it is 0
        numbers = numbers.filter(numbers.number.notnull())
    return _statistic(numbers, units, series.measure)


def _per_visitor(rows: ir.Table, series: TrendSeries, units: Sequence[str]) -> ir.Table:
    """Return the number of each visitor; visitors without a value of the column are left out."""
    own = [*units, "visitor_id"]
    if series.of is None:
        return rows.group_by(own).agg(number=rows.count().cast(EXACT))
    numbers = rows.select(*own, number=exact_number_of(rows, series.of))
    numbers = numbers.filter(numbers.number.notnull())
    each = numbers.group_by(own).agg(number=_aggregate(numbers, series.each or "sum").cast(EXACT))
    return each.select(*units, "number")


def _statistic(numbers: ir.Table, units: Sequence[str], name: str) -> ir.Table:
    """Return a statistic of `number` in each unit, as `value`."""
    if name in PERCENTILES:
        return _percentile(numbers, list(units), PERCENTILES[name])
    return numbers.group_by(units).agg(value=_aggregate(numbers, name).cast("float64"))


def _aggregate(numbers: ir.Table, name: str) -> ir.NumericValue:
    """Return one of `EACH` of `number`."""
    number = numbers.number
    if name == "mean":
        return ratio(number.sum(), numbers.count())
    return {"sum": number.sum(), "min": number.min(), "max": number.max()}[name]


def is_of(events: ir.Table, series: TrendSeries) -> ir.BooleanValue:
    """Return whether an event belongs to a series."""
    result = holds(events, series.where)
    result = result & events[series.flag] if isinstance(series, FirstsSeries) else result
    return result if series.counted_type is None else result & _is_of_type(events, series)


def _is_of_type(events: ir.Table, series: TrendSeries) -> ir.BooleanValue:
    return (
        ibis.literal(value=True)
        if series.counted_type is None
        else events.event_type == series.counted_type
    )


def _percentile(numbers: ir.Table, units: list[str], percent: int) -> ir.Table:
    """Return the nearest-rank percentile:
    the smallest value that at least `percent` % of values do not exceed.
    """
    window = ibis.window(group_by=units, order_by="number")
    ranked = numbers.mutate(
        position=ibis.row_number().over(window) + 1,
        size=numbers.count().over(ibis.window(group_by=units)),
    )
    rank = (ranked.size * percent + 99) // 100
    at_rank = ranked.filter(ranked.position == rank.cast("int64"))
    return at_rank.select(*units, value=at_rank.number.cast("float64"))


STATES = ("new", "returning", "resurrecting", "dormant")


def stickiness(events: ir.Table, series: TrendSeries, at_least: int = 1) -> ir.Table:
    """Return how many visitors did something in how many periods: `breakdown`, `period_count`,
    `visitor_count`.

    Only periods with `at_least` so many of their events, rows of `events_of`, count.
    """
    rows = events.filter(is_of(events, series))
    if at_least > 1:
        times = rows.group_by("breakdown", "visitor_id", "period_date").agg(
            event_count=rows.count()
        )
        rows = times.filter(times.event_count >= at_least)
    periods = rows.group_by("breakdown", "visitor_id").agg(
        period_count=rows.period_date.nunique().cast("int64")
    )
    return periods.group_by("breakdown", "period_count").agg(visitor_count=periods.count())


def lifecycle(events: ir.Table, series: TrendSeries, trend: TrendQuestion) -> ir.Table:
    """Return how many visitors are in which state: `number` (of the period),
    `state` and `visitor_count`.

    A visitor is `new` in the first period in which they do something, `returning` in one right
    after another, `resurrecting` in one after a gap, and `dormant` in the first period of each gap.
    The events are rows of `events_of` from the first day of the data.
    """
    rows = events.filter(is_of(events, series))
    number = (
        hour_number(rows.period_date, CLOCK_S[trend.period])
        if trend.is_by_clock
        else period_number(rows.event_date, trend.period, trend.week_start)
    )
    active = rows.select("visitor_id", number=number).distinct()
    in_order = ibis.window(group_by="visitor_id", order_by="number")
    placed = active.mutate(
        before=active.number.lag().over(in_order), after=active.number.lead().over(in_order)
    )
    state = ibis.cases(
        (placed.before.isnull(), "new"),
        (placed.before == placed.number - 1, "returning"),
        else_="resurrecting",
    )
    gone = placed.filter(placed.after.isnull() | (placed.after > placed.number + 1))
    states = union_all(
        placed.select("number", state=state),
        gone.select(number=gone.number + 1, state=ibis.literal("dormant")),
    )
    return states.group_by("number", "state").agg(visitor_count=states.count())


def active_changes(events: ir.Table, series: TrendSeries) -> ir.Table:
    """Return by how much the number of active visitors changes on each day: `breakdown`,
    `event_date`, `change`.

    A visitor is active from a day with an event on for so many days, or until the next such day,
    from which it counts again. So the number on a day is how many began to be active up to it,
    minus how many ended. The events are rows of `events_of`, also of the days before the range that
    count for its first day.
    """
    rows = events.filter(is_of(events, series))
    days = rows.select("breakdown", "visitor_id", "event_date").distinct()
    in_order = ibis.window(group_by=["breakdown", "visitor_id"], order_by="event_date")
    placed = days.mutate(next_date=days.event_date.lead().over(in_order))
    over = (placed.event_date + ibis.interval(days=ACTIVE[series.measure])).cast("date")
    ends = ibis.least(over, placed.next_date.fill_null(over))
    changes = union_all(
        placed.select("breakdown", "event_date", change=ibis.literal(1, "int64")),
        placed.select("breakdown", event_date=ends, change=ibis.literal(-1, "int64")),
    )
    return changes.group_by("breakdown", "event_date").agg(
        change=changes.change.sum().cast("int64")
    )


def active_on(changes: Mapping[date, int], day: date) -> int:
    """Return how many visitors are active on a day."""
    return sum(change for at, change in changes.items() if at <= day)
