"""Answers to trend queries, computed from clean events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate
from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.events.missing import (
    SourceNames,
    missing_property_warnings,
    missing_type_warnings,
)
from ecom_assets.behaviour.trends.question import (
    ACTIVE,
    COUNTS,
    DISTINCT,
    ZERO,
    TrendQuestion,
    TrendSeries,
    names_of,
)
from ecom_assets.behaviour.trends.range import TrendRange, number_of
from ecom_assets.behaviour.trends.trend import (
    STATES,
    active_changes,
    active_on,
    events_of,
    flagged,
    has_no_values,
    lifecycle,
    needed,
    shown_values,
    stickiness,
    values,
    with_firsts,
    with_other,
)
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.columns import ends_of
from ecom_assets.core.tables.conditions import has_negation, number_columns_of
from ecom_assets.core.tables.days import ONE_DAY, Days, period_text, rows_between
from ecom_assets.core.tables.portable import rows_of, stored
from ecom_assets.core.tables.values import binned_columns, open_columns, with_ends

EVENTS = "trend_events"
Line = list[float | None]
"""A value for each period; None where it is unknown."""
Lines = dict[str | None, Line]
"""Lines by value of the breakdown."""
Groups = Sequence[str | None]
"""The values of the breakdown to show; one None without a breakdown."""
Values = tuple[dict[str, Any], list[str]]
"""A part of an answer, and the event types that no event has."""


def trend_answer(
    con: SQLBackend,
    events: ir.Table,
    trend: TrendQuestion,
    days: TrendRange,
    source_names: SourceNames | None = None,
) -> Answer:
    """Return the values of each series in each period; of other kinds, numbers of visitors.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`; for a lifecycle, and for first events, those of all days.
        trend: The definition.
        days: The days of the query and of the data.
        source_names: The source's own names of event types, if they differ.

    Raises:
        DefinitionError: The definition does not fit the events or the days.
    """
    days.check(trend)
    definition, trend = trend.to_mapping(), flagged(trend)
    query = _Query(con, with_firsts(events, trend), trend, days).with_bins()
    starts = days.starts(trend)
    count = {"trend": _values, "stickiness": _stickiness, "lifecycle": _lifecycle}[trend.kind]
    result, without_events = count(query)
    return {
        "definition": {**definition, "first_date": str(days.first), "last_date": str(days.last)},
        "periods": [period_text(start, days.timezone) for start in starts],
        "complete": [days.is_whole(start, trend) for start in starts],
        **result,
        "warnings": _missing(query, result, without_events, source_names),
    }


@dataclass(frozen=True)
class _Query:
    """A trend over a range: the engine, all events, the definition, and the days."""

    con: SQLBackend
    events: ir.Table
    trend: TrendQuestion
    days: TrendRange

    def in_range(self, trend: TrendQuestion) -> ir.Table:
        """Return the events of a trend in the range."""
        days = self.days
        rows = rows_between(self.events, "event_date", (days.first, days.last))
        hours = Days.between(days.first, days.last + ONE_DAY) if trend.is_by_clock else None
        return events_of(rows, trend, hours, days.timezone)

    def stored(self, name: str) -> ir.Table:
        """Store the events of the trend in a temporary table, because several queries read them."""
        return stored(self.con, name, needed(self.in_range(self.trend), self.trend))

    def with_bins(self) -> _Query:
        """Return the query with the edges of its bins,
        which are bounded by the numbers of its events in the range.
        """
        trend = self.trend
        columns = open_columns(trend.by_columns)
        ends = {
            column: ends_of(self.in_range(trend.changed(by=None)), column) for column in columns
        }
        by, limit = with_ends(trend.by_columns, trend.limit, ends)
        return replace(self, trend=trend.changed(by=by or None, limit=limit))

    def groups(self, rows: ir.Table) -> list[str | None]:
        """Return the values of the breakdown, those with most events first;
        `[None]` without a breakdown.
        """
        by, limit = self.trend.by_columns, self.trend.limit
        return [*shown_values(rows, "breakdown", by, limit)] if by else [None]

    @property
    def named_series(self) -> list[tuple[str, TrendSeries]]:
        """Return each series with its name in a formula."""
        return list(zip(names_of(self.trend.series), self.trend.series, strict=True))

    def without_events(self, results: Sequence[Mapping[Any, Any]]) -> list[str]:
        """Return the event types of the series whose result is empty."""
        pairs = zip(self.trend.series, results, strict=True)
        return [
            series.counted_type for series, result in pairs if series.counted_type and not result
        ]


def _missing(
    query: _Query,
    result: NamedValues,
    event_types: Sequence[str],
    source_names: SourceNames | None,
) -> list[str]:
    """Return a sentence for each event type, and for each key of `properties`,
    that no event has.
    """
    trend = query.trend
    of_types = missing_type_warnings(query.con, query.events, event_types, source_names)
    conditions = [trend.where, *(series.where for series in trend.series)]
    counts = [*result["series"], *result.get("stickiness", ()), *result.get("lifecycle", ())]
    counted = {part["name"] for part in counts if _counts_something(part)}
    # A key may be missing only where something counts nothing, or counts what has no value.
    is_bare = len(counted) < len(trend.series) or has_no_values(
        part.get("breakdown") for part in counts
    )
    if not (is_bare or any(map(has_negation, conditions))):
        return of_types
    numbers = [
        *(column for where in conditions for column in number_columns_of(where)),
        *binned_columns(trend.by_columns),
        *(series.of for series in trend.series if series.of and series.measure != DISTINCT),
    ]
    return [*of_types, *missing_property_warnings(query.con, query.events, trend.columns, numbers)]


def _counts_something(result: NamedValues) -> bool:
    return bool(
        result.get("total")
        or result.get("visitor_count")
        or any(any(result.get(state, ())) for state in STATES)
    )


def _values(query: _Query) -> Values:
    trend = query.trend
    groups, rows, counted = _known_lines(query, EVENTS)
    lines, totals = _filled(query, counted, groups), _totals(query, rows, counted)
    series = _series(query, groups, lines, _before(query, groups), totals)
    result = {"series": series, "formula": _formula(trend, groups, lines, series)}
    return result, query.without_events(counted)


def _known_lines(
    query: _Query, name: str, groups: Groups | None = None
) -> tuple[Groups, ir.Table, list[Lines]]:
    """Return the values of the breakdown, the events stored under a name,
    and the lines of each series that has any.
    """
    rows, wider, lengths = (
        query.stored(name),
        None,
        [ACTIVE.get(series.measure, 0) for series in query.trend.series],
    )
    if any(lengths):  # events before the range say who is active in it
        first = query.days.first - (max(lengths) - 1) * ONE_DAY
        wider = replace(query, days=replace(query.days, first=first)).stored(f"{name}_active")
    groups = query.groups(rows if wider is None else wider) if groups is None else groups
    rows = with_other(rows, "breakdown", groups)
    wider = wider if wider is None else with_other(wider, "breakdown", groups)
    lines = [
        _lines(query, rows, series)
        if wider is None or series.measure not in ACTIVE
        else _active_lines(query, wider, series)
        for series in query.trend.series
    ]
    return groups, rows, lines


def _active_lines(query: _Query, events: ir.Table, series: TrendSeries) -> Lines:
    days, trend = query.days, query.trend
    changes: dict[str | None, dict[date, int]] = {}
    for row in rows_of(active_changes(events, series)):
        changes.setdefault(row["breakdown"], {})[row["event_date"]] = row["change"]
    return {
        group: [
            active_on(of_group, days.last_day_of(start, trend))
            if days.is_known(start, trend)
            else None
            for start in days.starts(trend)
        ]
        for group, of_group in changes.items()
    }


def _stickiness(query: _Query) -> Values:
    """Return, for each series and value of the breakdown, the visitors by the number of periods."""
    events = query.stored(EVENTS)
    groups = query.groups(events)
    rows = with_other(events, "breakdown", groups)
    length, results, by_series = len(query.days.starts(query.trend)), [], []
    for name, series in query.named_series:
        counts: dict[str | None, dict[int, int]] = {}
        for row in rows_of(stickiness(rows, series, query.trend.at_least)):
            counts.setdefault(row["breakdown"], {})[int(row["period_count"])] = int(
                row["visitor_count"]
            )
        by_series.append(counts)
        of_series = {"name": name, **series.to_mapping()}
        results += [
            {**of_series, "breakdown": group, **_sticky(counts.get(group, {}), length)}
            for group in groups
        ]
    return {"series": [], "formula": None, "stickiness": results}, query.without_events(by_series)


def _sticky(counts: Mapping[int, int], length: int) -> Row:
    exactly = [counts.get(number, 0) for number in range(1, length + 1)]
    at_least = list(accumulate(reversed(exactly)))[::-1]
    rows = [
        {"period_count": number, "exactly": exact, "at_least": more}
        for number, (exact, more) in enumerate(zip(exactly, at_least, strict=True), start=1)
    ]
    return {"visitor_count": sum(exactly), "visitors": rows}


def _lifecycle(query: _Query) -> Values:
    """Return, for each series, the visitors of each state by period;
    null where nothing is known of a period.
    """
    days, trend = query.days, query.trend
    events = replace(query, days=days.since_ever(trend)).stored(EVENTS)
    results, by_series = [], []
    first = number_of(days.known_start(trend), trend)
    for name, series in query.named_series:
        rows = rows_of(lifecycle(events, series, trend))
        counts = {(int(row["number"]), row["state"]): int(row["visitor_count"]) for row in rows}
        by_series.append(counts)
        lines: dict[str, list[int | None]] = {state: [] for state in STATES}
        for start in days.starts(trend):
            number, is_known = number_of(start, trend), days.is_known(start, trend)
            for state, line in lines.items():
                # Who was active before the first period of the data is not known.
                is_reported = is_known and (state != "dormant" or number > first)
                line.append(counts.get((number, state), 0) if is_reported else None)
        results.append({"name": name, **series.to_mapping(), **lines})
    return {"series": [], "formula": None, "lifecycle": results}, query.without_events(by_series)


def _filled(query: _Query, counted: Sequence[Lines], groups: Groups) -> list[Lines]:
    """Return the lines of each series for every value of the breakdown,
    including values without events.
    """
    return [
        {group: result.get(group) or _line(query, {}, series) for group in groups}
        for series, result in zip(query.trend.series, counted, strict=True)
    ]


def _lines(query: _Query, events: ir.Table, series: TrendSeries) -> Lines:
    """Return the line of each value of the breakdown that has events of the series."""
    rows = rows_of(values(events, series, by_period=True, first_only=query.trend.cumulative))
    result: dict[str | None, dict[date, float | None]] = {}
    for row in rows:
        result.setdefault(row["breakdown"], {})[row["period_date"]] = _rounded_value(
            row["value"], series
        )
    return {name: _line(query, by_period, series) for name, by_period in result.items()}


def _line(query: _Query, by_period: Mapping[date, float | None], series: TrendSeries) -> Line:
    days, trend, nothing = query.days, query.trend, 0 if series.measure in ZERO else None
    starts = days.starts(trend)
    are_known = [days.is_known(start, trend) for start in starts]
    line = [
        by_period.get(start, nothing) if is_known else None
        for start, is_known in zip(starts, are_known, strict=True)
    ]
    return (
        _running(line, [start in by_period for start in starts], are_known)
        if trend.cumulative
        else line
    )


def _running(line: Line, have_events: Sequence[bool], are_known: Sequence[bool]) -> Line:
    """Return the running sum of a line; null as long as there are events,
    and none of them has a number.
    """
    result: Line = []
    running: float = 0
    has_events, has_number = False, False
    for value, of_events, is_known in zip(line, have_events, are_known, strict=True):
        if not is_known:
            running, has_events, has_number = 0, False, False
        has_events = has_events or of_events
        has_number = has_number or (of_events and value is not None)
        running += value or 0
        result.append(None if not is_known or (has_events and not has_number) else running)
    return result


def _rounded_value(value: float | None, series: TrendSeries) -> float | None:
    return value if value is None or series.measure not in {*COUNTS, DISTINCT} else int(value)


def _totals(
    query: _Query, events: ir.Table, counted: Sequence[Lines]
) -> list[dict[str | None, float | None]]:
    """Return the value of each series over the whole range, in which each visitor counts once.

    Of active visitors it is the value of the last period.
    """
    totals: list[dict[str | None, float | None]] = []
    for series, lines in zip(query.trend.series, counted, strict=True):
        if series.measure in ACTIVE:
            totals.append(
                {group: line[-1] for group, line in lines.items() if line[-1] is not None}
            )
        else:
            rows = rows_of(values(events, series, by_period=False))
            totals.append({row["breakdown"]: _rounded_value(row["value"], series) for row in rows})
    return totals


def _before(query: _Query, groups: Groups) -> list[Lines] | None:
    """Return the lines of the range before, for the same values of the breakdown;
    None without a comparison.
    """
    if not query.trend.compare:
        return None
    earlier, length = (
        replace(query, days=query.days.compared(query.trend)),
        len(query.days.starts(query.trend)),
    )
    lines = _filled(earlier, _known_lines(earlier, f"{EVENTS}_before", groups)[2], groups)
    # The two ranges can overlap different numbers of weeks or months: they are aligned at their
    # first periods.
    return [
        {group: [*line, *[None] * length][:length] for group, line in by_group.items()}
        for by_group in lines
    ]


def _series(
    query: _Query,
    groups: Groups,
    lines: Sequence[Lines],
    before: Sequence[Lines] | None,
    totals: Sequence[Mapping[str | None, float | None]],
) -> list[Row]:
    entries, length = [], query.trend.moving_average
    for number, (name, series) in enumerate(query.named_series):
        empty = 0 if series.measure in ZERO else None
        for group in groups:
            entry = {
                "name": name,
                **series.to_mapping(),
                "breakdown": group,
                "total": totals[number].get(group, empty),
            }
            entry["values"] = smoothed(lines[number][group], length)
            if before is not None:
                entry["previous"] = smoothed(before[number][group], length)
            entries.append(entry)
    return entries


def _formula(
    trend: TrendQuestion,
    groups: Groups,
    lines: Sequence[Lines],
    series: Sequence[NamedValues],
) -> list[Row] | None:
    if trend.arithmetic is None:
        return None
    names = names_of(trend.series)
    entries = []
    for group in groups:
        rows = zip(*(line[group] for line in lines), strict=True)
        line = [trend.arithmetic.value(dict(zip(names, row, strict=True))) for row in rows]
        totals = {part["name"]: part["total"] for part in series if part["breakdown"] == group}
        entries.append(
            {
                "breakdown": group,
                "total": trend.arithmetic.value(totals),
                "values": smoothed(line, trend.moving_average),
            }
        )
    return entries


def smoothed(line: Line, length: int) -> Line:
    """Return, for each period, the mean of the last `length` periods;
    None if one of them is unknown or missing.
    """
    if length == 1:
        return line
    windows = [line[max(0, end - length) : end] for end in range(1, len(line) + 1)]
    return [_mean_of_whole(window, length) for window in windows]


def _mean_of_whole(window: Line, length: int) -> float | None:
    """Return the mean of a window; None if one of so many values is unknown or missing."""
    values = [value for value in window if value is not None]
    return sum(values) / length if len(values) == length else None
