"""Answers to trend queries, computed from clean events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.events.missing_types import missing_type_warnings
from ecom_assets.tables.days import ONE_DAY, WEEKDAYS
from ecom_assets.trends.trend import (
    ADDITIVE,
    COUNTS,
    OTHER,
    Series,
    Trend,
    events_of,
    names_of,
    top_values,
    values,
    with_other,
)

EVENTS = "trend_events"
Line = list[float | None]
"""A value for each period; None where it is unknown."""
Lines = dict[str | None, Line]
"""Lines by value of the breakdown."""


@dataclass(frozen=True)
class Range:
    """The first and last day of a query, inclusive, and those of the data."""

    first: date
    last: date
    known_first: date
    known_last: date

    @classmethod
    def of_question(cls, known: tuple[date, date], asked: tuple[date | None, date | None]) -> "Range":
        """Return the days that are asked for; an end that is not given is that of the data, if it is on its side."""
        first = asked[0] or min(known[0], asked[1] or known[0])
        return cls(first, asked[1] or max(known[1], first), *known)

    def warnings(self) -> list[str]:
        """Return a sentence if there are no data of any of the days."""
        if self.first <= self.known_last and self.last >= self.known_first:
            return []
        asked = f"{self.first} to {self.last}"
        return [f"The data are of {self.known_first} to {self.known_last}, so nothing is known of {asked}."]

    def before(self) -> "Range":
        """Return the range of equal length before this one."""
        length = self.last - self.first + ONE_DAY
        return Range(self.first - length, self.last - length, self.known_first, self.known_last)

    def starts(self, trend: Trend) -> list[date]:
        """Return the first day of each period that overlaps the range."""
        found = [period_of(self.first, trend)]
        while (following := _next(found[-1], trend.period)) <= self.last:
            found.append(following)
        return found

    def is_whole(self, start: date, trend: Trend) -> bool:
        """Return whether the range and the data have all days of a period; the newest day may still be incomplete."""
        last = _next(start, trend.period) - ONE_DAY
        return max(self.first, self.known_first) <= start and last <= self.last and last < self.known_last

    def is_known(self, start: date, trend: Trend) -> bool:
        """Return whether there are data for any day of the period within the range."""
        first, last = max(start, self.first), min(_next(start, trend.period) - ONE_DAY, self.last)
        return first <= self.known_last and last >= self.known_first


def period_of(day: date, trend: Trend) -> date:
    """Return the first day of the period that contains a day."""
    if trend.period == "day":
        return day
    if trend.period == "month":
        return day.replace(day=1)
    return day - (day.weekday() - WEEKDAYS.index(trend.week_start)) % 7 * ONE_DAY


def _next(start: date, period: str) -> date:
    if period == "month":
        return (start.replace(day=28) + 4 * ONE_DAY).replace(day=1)
    return start + (7 if period == "week" else 1) * ONE_DAY


def trend_answer(
    con: SQLBackend, events: ir.Table, trend: Trend, known: tuple[date, date], asked: tuple[date | None, date | None]
) -> dict[str, Any]:
    """Return the values of each series in each period.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`.
        trend: The definition.
        known: The first and the last day of the data.
        asked: The first and the last day of the query; None for those of the data.

    Raises:
        DefinitionError: The definition does not fit the events.
    """
    days = Range.of_question(known, asked)
    stored = _stored(con, events, trend, days)
    groups = _groups(stored, trend)
    found = _with_other(stored, groups)
    starts = days.starts(trend)
    known_lines = [_lines(found, one, trend, days) for one in trend.series]
    warned = [
        one.event_type for one, line in zip(trend.series, known_lines, strict=True) if one.event_type and not line
    ]
    lines = _filled(known_lines, groups, trend, days)
    before = _before(con, events, trend, days, groups)
    return {
        "definition": {**trend.to_mapping(), "first_date": str(days.first), "last_date": str(days.last)},
        "periods": [str(start) for start in starts],
        "complete": [days.is_whole(start, trend) for start in starts],
        "series": _series(trend, groups, lines, before, _totals(found, trend)),
        "formula": _formula(trend, groups, lines),
        "warnings": [*days.warnings(), *missing_type_warnings(con, events, warned)],
    }


def _stored(con: SQLBackend, events: ir.Table, trend: Trend, days: Range) -> ir.Table:
    """Store the events of the trend in a temporary table, because several queries read them."""
    return con.create_table(EVENTS, events_of(events, trend, days.first, days.last), temp=True)


def _groups(events: ir.Table, trend: Trend) -> list[str | None]:
    """Return the values of the breakdown, those with most events first; `[None]` without a breakdown."""
    if not trend.by:
        return [None]
    found = [row["breakdown"] for row in top_values(events, trend.limit + 1).to_pyarrow().to_pylist()]
    return found if len(found) <= trend.limit else [*found[: trend.limit], OTHER]


def _with_other(events: ir.Table, groups: Sequence[str | None]) -> ir.Table:
    return events if groups == [None] else with_other(events, [one for one in groups if one is not None])


def _filled(lines: Sequence[Lines], groups: Sequence[str | None], trend: Trend, days: Range) -> list[Lines]:
    """Return the lines of each series for every value of the breakdown, including values without events."""
    return [
        {group: found.get(group) or _line({}, one, trend, days) for group in groups}
        for one, found in zip(trend.series, lines, strict=True)
    ]


def _lines(events: ir.Table, series: Series, trend: Trend, days: Range) -> Lines:
    """Return the line of each value of the breakdown that has events of the series."""
    rows = values(events, series, by_period=True, first_only=trend.is_cumulative)
    found: dict[str | None, dict[date, float]] = {}
    for row in rows.to_pyarrow().to_pylist():
        found.setdefault(row["breakdown"], {})[row["period_date"]] = _as_told(row["value"], series)
    return {name: _line(by_period, series, trend, days) for name, by_period in found.items()}


def _line(by_period: Mapping[date, float], series: Series, trend: Trend, days: Range) -> Line:
    nothing = 0 if series.measure in ADDITIVE else None
    line = [by_period.get(start, nothing) if days.is_known(start, trend) else None for start in days.starts(trend)]
    if trend.is_cumulative:
        line = list(accumulate(line, lambda before, now: None if now is None else (before or 0) + now))
    return line


def _as_told(value: float, series: Series) -> float:
    return int(value) if series.measure in COUNTS else value


def _totals(events: ir.Table, trend: Trend) -> list[dict[str | None, float]]:
    """Return the value of each series over the whole range, in which each visitor counts once."""
    found = []
    for one in trend.series:
        rows = values(events, one, by_period=False).to_pyarrow().to_pylist()
        found.append({row["breakdown"]: _as_told(row["value"], one) for row in rows})
    return found


def _before(
    con: SQLBackend, events: ir.Table, trend: Trend, days: Range, groups: Sequence[str | None]
) -> list[Lines] | None:
    """Return the lines of the range before, for the same values of the breakdown; None without a comparison."""
    if not trend.is_compared:
        return None
    earlier, length = days.before(), len(days.starts(trend))
    asked = events_of(events, trend, earlier.first, earlier.last)
    stored = con.create_table(f"{EVENTS}_before", asked, temp=True)
    found = _with_other(stored, groups)
    lines = _filled([_lines(found, one, trend, earlier) for one in trend.series], groups, trend, earlier)
    # The two ranges can overlap different numbers of weeks or months: they are aligned at their first periods.
    return [{group: [*line, *[None] * length][:length] for group, line in one.items()} for one in lines]


def _series(
    trend: Trend,
    groups: Sequence[str | None],
    lines: Sequence[Lines],
    before: Sequence[Lines] | None,
    totals: Sequence[Mapping[str | None, float]],
) -> list[dict[str, Any]]:
    told = []
    for number, (name, one) in enumerate(zip(names_of(trend.series), trend.series, strict=True)):
        empty = 0 if one.measure in ADDITIVE else None
        for group in groups:
            entry = {"name": name, **one.to_mapping(), "breakdown": group, "total": totals[number].get(group, empty)}
            entry["values"] = smoothed(lines[number][group], trend.moving_average)
            if before is not None:
                entry["previous"] = smoothed(before[number][group], trend.moving_average)
            told.append(entry)
    return told


def _formula(trend: Trend, groups: Sequence[str | None], lines: Sequence[Lines]) -> list[dict[str, Any]] | None:
    if trend.formula is None:
        return None
    names = names_of(trend.series)
    told = []
    for group in groups:
        rows = zip(*(line[group] for line in lines), strict=True)
        line = [trend.formula.value(dict(zip(names, row, strict=True))) for row in rows]
        told.append({"breakdown": group, "values": smoothed(line, trend.moving_average)})
    return told


def smoothed(line: Line, length: int) -> Line:
    """Return, for each period, the mean of the last `length` periods; None if one of them is unknown or missing."""
    if length == 1:
        return line
    windows = [line[max(0, end - length) : end] for end in range(1, len(line) + 1)]
    return [
        sum(one for one in window if one is not None) / length if len(window) == length and None not in window else None
        for window in windows
    ]
