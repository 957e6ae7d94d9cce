"""Answers to trend queries, computed from clean events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ecom_assets.events.missing_properties import missing_property_warnings
from ecom_assets.events.missing_types import missing_type_warnings
from ecom_assets.tables.breakdown import Ends, binned_columns, in_order, open_columns, with_ends
from ecom_assets.tables.columns import ends_of_column
from ecom_assets.tables.conditions import Where, has_negation, number_columns_of
from ecom_assets.tables.days import ONE_DAY, Days, period_text
from ecom_assets.tables.query_runner import QueryRunner
from ecom_assets.trends.active import active_changes, active_on
from ecom_assets.trends.definition import ACTIVE, COUNTS, DISTINCT, ZERO, Series, Trend, names_of
from ecom_assets.trends.range import Range, number_of
from ecom_assets.trends.trend import (
    OTHER,
    events_of,
    flagged,
    has_no_values,
    needed,
    top_values,
    values,
    with_firsts,
    with_other,
    within,
)
from ecom_assets.trends.visitors import STATES, lifecycle, stickiness

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.sql import SQLBackend

EVENTS = "trend_events"
Line = list[float | None]
"""A value for each period; None where it is unknown."""
Lines = dict[str | None, Line]
"""Lines by value of the breakdown."""
Values = tuple[dict[str, Any], list[str]]
"""A part of an answer, and the event types that no event has."""


def trend_answer(con: SQLBackend | QueryRunner, events: ir.Table, trend: Trend, days: Range) -> dict[str, Any]:
    """Return the values of each series in each period; of other kinds, numbers of visitors.

    Args:
        con: The engine that has the events, or its runner.
        events: Rows of `CleanEvents`; for a lifecycle, and for first events, those of all days.
        trend: The definition.
        days: The days of the query and of the data.

    Raises:
        DefinitionError: The definition does not fit the events or the days.
    """
    days.check(trend)
    runner, definition, trend = QueryRunner.wrap(con), trend.to_mapping(), flagged(trend)
    events = runner.table(with_firsts, events, trend)
    trend = _with_bins(runner, events, trend, days)
    starts = days.starts(trend)
    count = {"trend": _values, "stickiness": _stickiness, "lifecycle": _lifecycle}[trend.kind]
    result, without_events = count(runner, events, trend, days)
    return {
        "definition": {**definition, "first_date": str(days.first), "last_date": str(days.last)},
        "periods": [period_text(start, days.timezone) for start in starts],
        "complete": [days.is_whole(start, trend) for start in starts],
        **result,
        "warnings": [*days.warnings(), *_missing(runner, events, result, trend, without_events)],
    }


def _conditions(trend: Trend) -> list[Where]:
    return [trend.where, *(one.where for one in trend.series)]


def _number_columns(trend: Trend) -> list[str]:
    """Return the columns that a trend adds up or averages, or compares with a number or in bins."""
    named = [column for where in _conditions(trend) for column in number_columns_of(where)]
    return [
        *named,
        *binned_columns(trend.by_columns),
        *(one.of for one in trend.series if one.of and one.measure != "distinct"),
    ]


def _is_bare(result: Mapping[str, Any], trend: Trend) -> bool:
    """Return whether a key of `properties` may be missing: something counts nothing, or counts what has no value."""
    counts = [*result["series"], *result.get("stickiness", ()), *result.get("lifecycle", ())]
    counted = {one["name"] for one in counts if _counts_something(one)}
    has_negations = any(map(has_negation, _conditions(trend)))
    return has_negations or len(counted) < len(trend.series) or has_no_values(one.get("breakdown") for one in counts)


def _counts_something(result: Mapping[str, Any]) -> bool:
    return bool(
        result.get("total") or result.get("visitor_count") or any(any(result.get(state, ())) for state in STATES)
    )


def _with_bins(runner: QueryRunner, events: ir.Table, trend: Trend, days: Range) -> Trend:
    """Return the trend with the edges of its bins, which are bounded by the numbers of its events in the range."""
    ends: dict[str, Ends] = {}
    for column in open_columns(trend.by_columns):
        (known,) = runner.rows(ends_of_column, _in_range(runner, events, replace(trend, by=None), days), column)
        ends[column] = known["least"], known["greatest"]
    by, limit = with_ends(trend.by_columns, trend.limit, ends)
    return replace(trend, by=by or None, limit=limit)


def _values(runner: QueryRunner, events: ir.Table, trend: Trend, days: Range) -> Values:
    stored, earlier = _stored(runner, EVENTS, events, trend, days), _before_too(runner, events, trend, days)
    groups = _groups(runner, stored if earlier is None else earlier, trend)
    result = _with_other(runner, stored, groups)
    active = {} if earlier is None else _active(runner, _with_other(runner, earlier, groups), trend, days)
    known_lines = [active.get(n) or _lines(runner, result, one, trend, days) for n, one in enumerate(trend.series)]
    lines = _filled(known_lines, groups, trend, days)
    before = _before(runner, events, trend, days, groups)
    totals = [
        {group: line[-1] for group, line in active[n].items() if line[-1] is not None} if n in active else total
        for n, total in enumerate(_totals(runner, result, trend))
    ]
    lines_by_group = {
        "series": _series(trend, groups, lines, before, totals),
        "formula": _formula(trend, groups, lines),
    }
    return lines_by_group, _without_events(trend, known_lines)


def _before_too(
    runner: QueryRunner, events: ir.Table, trend: Trend, days: Range, name: str = EVENTS
) -> ir.Table | None:
    """Store the events of the days before the range, too, by which visitors are active in it; None if none matter."""
    lengths = [ACTIVE[one.measure] for one in trend.series if one.measure in ACTIVE]
    if not lengths:
        return None
    earlier = replace(days, first=days.first - (max(lengths) - 1) * ONE_DAY)
    return _stored(runner, f"{name}_active", events, trend, earlier)


def _active(runner: QueryRunner, events: ir.Table, trend: Trend, days: Range) -> dict[int, Lines]:
    """Return the lines of the series of active visitors, by their place."""
    measured = {place: one for place, one in enumerate(trend.series) if one.measure in ACTIVE}
    return {place: _active_lines(runner, events, one, trend, days) for place, one in measured.items()}


def _active_lines(runner: QueryRunner, events: ir.Table, series: Series, trend: Trend, days: Range) -> Lines:
    changes: dict[str | None, dict[date, int]] = {}
    for row in runner.rows(active_changes, events, series):
        changes.setdefault(row["breakdown"], {})[row["event_date"]] = row["change"]
    return {
        group: [
            active_on(of_group, days.last_day_of(start, trend)) if days.is_known(start, trend) else None
            for start in days.starts(trend)
        ]
        for group, of_group in changes.items()
    }


def _without_events(trend: Trend, matches: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Return the event types of the series for which nothing was found."""
    return [one.event_type for one, part in zip(trend.series, matches, strict=True) if one.event_type and not part]


def _stored(runner: QueryRunner, name: str, events: ir.Table, trend: Trend, days: Range) -> ir.Table:
    """Store the events of the trend in a temporary table, because several queries read them."""
    return runner.stored(name, needed, _in_range(runner, events, trend, days), trend)


def _in_range(runner: QueryRunner, events: ir.Table, trend: Trend, days: Range) -> ir.Table:
    rows = runner.table(within, events, days.first, days.last)
    hours = Days.between(days.first, days.last + ONE_DAY) if trend.is_by_clock else None
    return runner.table(events_of, rows, trend, hours, days.timezone)


def _missing(
    runner: QueryRunner, events: ir.Table, result: Mapping[str, Any], trend: Trend, event_types: Sequence[str]
) -> list[str]:
    """Return a sentence for each event type, and for each key of `properties`, that no event has."""
    of_types = missing_type_warnings(runner, events, event_types)
    if not _is_bare(result, trend):
        return of_types
    return [*of_types, *missing_property_warnings(runner, events, trend.columns, _number_columns(trend))]


def _stickiness(runner: QueryRunner, events: ir.Table, trend: Trend, days: Range) -> Values:
    """Return, for each series and value of the breakdown, the visitors by the number of periods."""
    stored = _stored(runner, EVENTS, events, trend, days)
    groups = _groups(runner, stored, trend)
    result = _with_other(runner, stored, groups)
    length, results, by_series = len(days.starts(trend)), [], []
    for name, one in zip(names_of(trend.series), trend.series, strict=True):
        counts: dict[str | None, dict[int, int]] = {}
        for row in runner.rows(stickiness, result, one, trend.at_least):
            counts.setdefault(row["breakdown"], {})[int(row["period_count"])] = int(row["visitor_count"])
        by_series.append(counts)
        of_series = {"name": name, **one.to_mapping()}
        results += [{**of_series, "breakdown": group, **_sticky(counts.get(group, {}), length)} for group in groups]
    return {"series": [], "formula": None, "stickiness": results}, _without_events(trend, by_series)


def _sticky(counts: Mapping[int, int], length: int) -> dict[str, Any]:
    exactly = [counts.get(number, 0) for number in range(1, length + 1)]
    at_least = list(accumulate(reversed(exactly)))[::-1]
    rows = [
        {"period_count": number, "exactly": one, "at_least": more}
        for number, (one, more) in enumerate(zip(exactly, at_least, strict=True), start=1)
    ]
    return {"visitor_count": sum(exactly), "visitors": rows}


def _lifecycle(runner: QueryRunner, events: ir.Table, trend: Trend, days: Range) -> Values:
    """Return, for each series, the visitors of each state by period; null where nothing is known of a period."""
    stored = _stored(runner, EVENTS, events, trend, days.since_ever(trend))
    starts, results, by_series = days.starts(trend), [], []
    first = number_of(days.known_start(trend), trend)
    for name, one in zip(names_of(trend.series), trend.series, strict=True):
        rows = runner.rows(lifecycle, stored, one, trend)
        counts = {(int(row["number"]), row["state"]): int(row["visitor_count"]) for row in rows}
        by_series.append(counts)
        lines: dict[str, list[int | None]] = {state: [] for state in STATES}
        for start in starts:
            number, is_known = number_of(start, trend), days.is_known(start, trend)
            for state, line in lines.items():
                # Who was active before the first period of the data is not known.
                is_reported = is_known and (state != "dormant" or number > first)
                line.append(counts.get((number, state), 0) if is_reported else None)
        results.append({"name": name, **one.to_mapping(), **lines})
    return {"series": [], "formula": None, "lifecycle": results}, _without_events(trend, by_series)


def _groups(runner: QueryRunner, events: ir.Table, trend: Trend) -> list[str | None]:
    """Return the values of the breakdown, those with most events first; `[None]` without a breakdown."""
    if not trend.by:
        return [None]
    result = [row["breakdown"] for row in runner.rows(top_values, events, trend.limit + 1)]
    return [*in_order(trend.by_columns, result[: trend.limit]), *([OTHER] if len(result) > trend.limit else [])]


def _with_other(runner: QueryRunner, events: ir.Table, groups: Sequence[str | None]) -> ir.Table:
    if OTHER not in groups:
        return events
    return runner.table(with_other, events, [one for one in groups if one is not None])


def _filled(lines: Sequence[Lines], groups: Sequence[str | None], trend: Trend, days: Range) -> list[Lines]:
    """Return the lines of each series for every value of the breakdown, including values without events."""
    return [
        {group: result.get(group) or _line({}, one, trend, days) for group in groups}
        for one, result in zip(trend.series, lines, strict=True)
    ]


def _lines(runner: QueryRunner, events: ir.Table, series: Series, trend: Trend, days: Range) -> Lines:
    """Return the line of each value of the breakdown that has events of the series."""
    if series.measure in ACTIVE:
        return {}
    rows = runner.rows(values, events, series, by_period=True, first_only=trend.is_cumulative)
    result: dict[str | None, dict[date, float]] = {}
    for row in rows:
        result.setdefault(row["breakdown"], {})[row["period_date"]] = _rounded_value(row["value"], series)
    return {name: _line(by_period, series, trend, days) for name, by_period in result.items()}


def _line(by_period: Mapping[date, float], series: Series, trend: Trend, days: Range) -> Line:
    nothing = 0 if series.measure in ZERO else None
    line = [by_period.get(start, nothing) if days.is_known(start, trend) else None for start in days.starts(trend)]
    if trend.is_cumulative:
        line = list(accumulate(line, lambda before, now: None if now is None else (before or 0) + now))
    return line


def _rounded_value(value: float, series: Series) -> float:
    return int(value) if series.measure in {*COUNTS, DISTINCT} else value


def _totals(runner: QueryRunner, events: ir.Table, trend: Trend) -> list[dict[str | None, float]]:
    """Return the value of each series over the whole range, in which each visitor counts once."""
    result: list[dict[str | None, float]] = []
    for one in trend.series:
        if one.measure in ACTIVE:
            result.append({})
            continue
        rows = runner.rows(values, events, one, by_period=False)
        result.append({row["breakdown"]: _rounded_value(row["value"], one) for row in rows})
    return result


def _before(
    runner: QueryRunner, events: ir.Table, trend: Trend, days: Range, groups: Sequence[str | None]
) -> list[Lines] | None:
    """Return the lines of the range before, for the same values of the breakdown; None without a comparison."""
    if not trend.is_compared:
        return None
    earlier, length = days.before(), len(days.starts(trend))
    before = f"{EVENTS}_before"
    result = _with_other(runner, _stored(runner, before, events, trend, earlier), groups)
    wider = _before_too(runner, events, trend, earlier, before)
    active = {} if wider is None else _active(runner, _with_other(runner, wider, groups), trend, earlier)
    found = [active.get(n) or _lines(runner, result, one, trend, earlier) for n, one in enumerate(trend.series)]
    lines = _filled(found, groups, trend, earlier)
    # The two ranges can overlap different numbers of weeks or months: they are aligned at their first periods.
    return [{group: [*line, *[None] * length][:length] for group, line in one.items()} for one in lines]


def _series(
    trend: Trend,
    groups: Sequence[str | None],
    lines: Sequence[Lines],
    before: Sequence[Lines] | None,
    totals: Sequence[Mapping[str | None, float]],
) -> list[dict[str, Any]]:
    entries = []
    for number, (name, one) in enumerate(zip(names_of(trend.series), trend.series, strict=True)):
        empty = 0 if one.measure in ZERO else None
        for group in groups:
            entry = {"name": name, **one.to_mapping(), "breakdown": group, "total": totals[number].get(group, empty)}
            entry["values"] = smoothed(lines[number][group], trend.moving_average)
            if before is not None:
                entry["previous"] = smoothed(before[number][group], trend.moving_average)
            entries.append(entry)
    return entries


def _formula(trend: Trend, groups: Sequence[str | None], lines: Sequence[Lines]) -> list[dict[str, Any]] | None:
    if trend.formula is None:
        return None
    names = names_of(trend.series)
    entries = []
    for group in groups:
        rows = zip(*(line[group] for line in lines), strict=True)
        line = [trend.formula.value(dict(zip(names, row, strict=True))) for row in rows]
        entries.append({"breakdown": group, "values": smoothed(line, trend.moving_average)})
    return entries


def smoothed(line: Line, length: int) -> Line:
    """Return, for each period, the mean of the last `length` periods; None if one of them is unknown or missing."""
    if length == 1:
        return line
    windows = [line[max(0, end - length) : end] for end in range(1, len(line) + 1)]
    return [
        sum(one for one in window if one is not None) / length if len(window) == length and None not in window else None
        for window in windows
    ]
