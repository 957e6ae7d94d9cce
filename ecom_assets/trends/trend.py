"""Trends: values of series of events by period, as Ibis expressions. METRICS "Trend".

Sums are exact decimals and percentiles are values that occur, so they do not depend on the order of rows or the engine.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from operator import or_
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, check_keys, did_you_mean
from ecom_assets.tables.breakdown import by_columns, named_columns
from ecom_assets.tables.columns import EXACT, holds, label_of, number_of, text_of
from ecom_assets.tables.conditions import EVERYTHING, Where, columns_of, where_from, where_mapping, with_event_types
from ecom_assets.tables.days import CLOCK_S, ONE_DAY, WEEKDAYS, Days, hour_start, period_start
from ecom_assets.tables.first_events import FIRST, with_first
from ecom_assets.tables.occurrence import EVERY, FIRST_TIME, MAX_TIMES, OCCURRENCES, check_occurrence
from ecom_assets.tables.portable import ratio
from ecom_assets.tables.presets import Preset, with_preset
from ecom_assets.tables.values import check_unit
from ecom_assets.trends.formula import Formula

PERIODS: Final = ("minute", "hour", "day", "week", "month", "quarter", "year")
KINDS: Final = ("trend", "stickiness", "lifecycle")
MOST_DAYS: Final = {"minute": 2, "hour": 31}
"""The most days of a trend by such short periods."""
COUNTS: Final = ("count", "visitors")
PERCENTILES: Final = {"median": 50, "p25": 25, "p75": 75, "p90": 90, "p95": 95, "p99": 99}
ACTIVE: Final = {"wau": 7, "mau": 30}
"""Measures of distinct visitors over so many days up to the last of each period."""
STATISTICS: Final = ("mean", "min", "max", *PERCENTILES)
PER_VISITOR: Final = {f"{one}_per_visitor": one for one in STATISTICS}
"""Measures of what each visitor comes to, and the statistic of the visitors that each is."""
EACH: Final = ("sum", "mean", "min", "max")
"""What of the numbers of a visitor a measure of `PER_VISITOR` takes."""
DISTINCT: Final = "distinct"
"""The measure that counts different values of a column, such as products or the source's sessions."""
MEASURES: Final = (*COUNTS, *ACTIVE, DISTINCT, "sum", *STATISTICS, *PER_VISITOR)
ADDITIVE: Final = (*COUNTS, "sum")
"""Measures that can be cumulative."""
ZERO: Final = (*ADDITIVE, *ACTIVE, DISTINCT)
"""Measures that are 0, not unknown, without events."""
MAX_SERIES: Final = 26
KEYS: Final = (
    "series", "period", "week_start", "by", "limit", "where", "cumulative",
    "moving_average", "compare", "formula", "kind", "per", "at_least", "preset",
)  # fmt: skip
"""The keys of a definition."""
NONE, OTHER = "(none)", "(other)"
_SERIES: Final = re.compile(
    r'\s*(?:"(?P<quoted>[^"]+)"|(?P<event>[^:]+?))\s*'
    r"(?::\s*(?P<measure>\w+)\s*(?:\(\s*(?:(?P<each>\w+)\s*\(\s*(?P<inner>[^()]+?)\s*\)|(?P<of>[^)]+?))\s*\))?\s*)?"
    r"(?::\s*(?P<occurrence>\w+)\s*)?"
)
PRESETS: Final[Mapping[str, Preset]] = {
    "posthog": {
        "week_start": "sunday",  # PostHog/posthog issue 49786: a project may choose Monday
        "limit": 25,  # PostHog/posthog posthog/hogql/constants.py BREAKDOWN_VALUES_LIMIT
    },
    "clickhouse": {"week_start": "sunday"},  # toStartOfWeek(t): mode 0
    # No default of theirs is known that differs from ours.
    "amplitude": {},
    "mixpanel": {},
    "ga4": {},
}
"""What other tools take for a trend where nothing else is said, by the keys of a definition."""


@dataclass(frozen=True)
class Series:
    """One line of a trend.

    Attributes:
        event_type: The type of the events; None for any type.
        measure: One of `MEASURES`: a count of events, of distinct visitors, of those of the 7 (`wau`) or 30 (`mau`)
            days up to the last of each period, of `distinct` values of `of`, or an aggregate of the numbers in `of`.
            `mean_per_visitor` and others like it are of one number for each visitor with such events: how many there
            are, or what `of` comes to.
        of: A number column or `properties.key`, for `distinct` one of any kind; required by all measures that do not
            count or can.
        each: What `of` comes to for a visitor, by a measure per visitor: one of `EACH`; the sum unless given.
        where: More conditions on the events.
        occurrence: Which of a visitor's events count: `every`, `first_time` (the first that meets the conditions of
            the series and of the trend) or `first_ever` (the first of the type, if that one meets them), in all data.
        flag: The column that says which events these are; None before `with_firsts`.
    """

    event_type: str | None
    measure: str = "count"
    of: str | None = None
    where: Where = EVERYTHING
    occurrence: str = EVERY
    flag: str | None = None
    each: str | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown measure, or a column that does not fit the measure.

        Raises:
            DefinitionError: The measure is unknown, lacks its column, or takes none.
        """
        check_occurrence(f"The series of {self.event_type or '*'!r}", self.occurrence)
        if self.measure not in MEASURES:
            raise DefinitionError(
                f"The measure {self.measure!r} of a trend is unknown; {did_you_mean(self.measure, MEASURES)}."
            )
        is_count = self.measure in {*COUNTS, *ACTIVE}
        if (self.of is None) != is_count and self.measure not in PER_VISITOR:
            wanted = "takes no column" if is_count else f"needs a column, as in {self.measure}(cart_amount)"
            raise DefinitionError(f"The measure {self.measure} of a trend {wanted}.")
        self._check_each()

    def _check_each(self) -> None:
        if self.each is None:
            return
        if self.measure not in PER_VISITOR or self.of is None:
            raise DefinitionError(
                f"The measure {self.measure} of a trend takes a column as it is; {self.each} of a visitor's values is "
                f"of measures such as mean_per_visitor({self.each}(cart_amount))."
            )
        if self.each not in EACH:
            raise DefinitionError(
                f"What each visitor comes to, {self.each!r}, is unknown; {did_you_mean(self.each, EACH)}."
            )

    @classmethod
    def parse(cls, text: str) -> "Series":
        """Parse `EVENT`, `EVENT:MEASURE` or `EVENT:MEASURE(COLUMN)`, each perhaps with `:first_time` or `:first_ever`.

        The event `*` is any event; one with a colon stands in double quotes. In place of the column, a measure per
        visitor may have what of it each visitor comes to, as in `purchase:median_per_visitor(mean(cart_amount))`.

        Raises:
            DefinitionError: The text has none of these forms.
        """
        match = _SERIES.fullmatch(text)
        if not match:
            raise DefinitionError(
                f"The series {text!r} is not understood; write EVENT:MEASURE(COLUMN), as in purchase:sum(cart_amount)."
            )
        event, measure, occurrence = match["event"] or match["quoted"], match["measure"], match["occurrence"]
        if measure in OCCURRENCES and not (occurrence or match["of"]):
            measure, occurrence = None, measure
        named = None if match["event"] == "*" else event
        of = match["of"] or match["inner"]
        return cls(named, measure or "count", of, occurrence=occurrence or EVERY, each=match["each"])

    @classmethod
    def from_mapping(cls, raw: object) -> "Series":
        """Build a series from a definition file: a text for `parse`, or `{event_type, measure, of, each, where}`.

        Raises:
            DefinitionError: It is neither, or a key or value does not fit.
        """
        if isinstance(raw, str):
            return cls.parse(raw)
        if not isinstance(raw, Mapping):
            raise DefinitionError(f"A series is a text or {{event_type, measure, of, where, occurrence}}; got {raw!r}.")
        check_keys(raw, ("event_type", "measure", "of", "each", "where", "occurrence"), "a series")
        where = where_from(raw["where"]) if raw.get("where") else EVERYTHING
        event = None if raw.get("event_type") == "*" else raw.get("event_type")
        occurrence, each = raw.get("occurrence") or EVERY, raw.get("each")
        return cls(event, raw.get("measure") or "count", raw.get("of"), where, occurrence, each=each)

    def translated(self, translate: Callable[[str], str]) -> "Series":
        """Return the series with each event type translated, also in its conditions."""
        own = self.event_type and translate(self.event_type)
        return replace(self, event_type=own, where=with_event_types(self.where, translate))

    def to_mapping(self) -> dict[str, Any]:
        """Return the series as in a definition file."""
        mapping: dict[str, Any] = {"event_type": self.event_type, "measure": self.measure}
        mapping |= {"of": self.of} if self.of else {}
        mapping |= {"each": self.each} if self.each else {}
        mapping |= where_mapping(self.where)
        return mapping | ({"occurrence": self.occurrence} if self.occurrence != EVERY else {})


@dataclass(frozen=True)
class Trend:
    """The definition of a trend: series by period, with an optional breakdown.

    Attributes:
        series: 1 to 26 series; a formula refers to them as A, B, C and so on.
        period: `minute`, `hour`, `day`, `week`, `month`, `quarter` or `year`, in the reporting time zone.
        week_start: The weekday on which weeks begin.
        by: The column, `properties.key` or bins of one to break down by, or several; None for no breakdown.
        limit: How many of its values to show, those with most events; the others are `(other)`.
        where: Conditions on the events of all series.
        is_cumulative: Whether a period includes all periods before it; visitors count once.
        moving_average: The number of periods, up to each, in the moving average; 1 for none.
        is_compared: Whether to add the values of the range of equal length before.
        formula: Arithmetic over the series, such as `A / B`, shown in addition to them; None for none.
        kind: `trend` for values by period; `stickiness` for visitors by the number of periods in which they did it;
            `lifecycle` for new, returning, resurrecting and dormant visitors by period.
        per: Who does it: `user` (visitor_id), or `properties.key` (each of its values, such as a company, takes the
            place of a visitor; events without one are ignored).
        at_least: How many events of a visitor a period of stickiness needs.
    """

    series: tuple[Series, ...]
    period: str = "day"
    week_start: str = "monday"
    by: str | tuple[str, ...] | None = None
    limit: int = 10
    where: Where = EVERYTHING
    is_cumulative: bool = False
    moving_average: int = 1
    is_compared: bool = False
    formula: Formula | None = None
    kind: str = "trend"
    per: str = "user"
    at_least: int = 1

    def __post_init__(self) -> None:
        """Refuse a definition that cannot be answered.

        Raises:
            DefinitionError: A value is unknown or out of range, or a measure or the formula does not fit.
        """
        if not 1 <= len(self.series) <= MAX_SERIES:
            raise DefinitionError(f"A trend has 1 to {MAX_SERIES} series, not {len(self.series)}.")
        choices = {"period": PERIODS, "week start": WEEKDAYS, "kind": KINDS}
        for (name, known), value in zip(choices.items(), (self.period, self.week_start, self.kind), strict=True):
            if value not in known:
                raise DefinitionError(f"The {name} {value!r} of a trend is unknown; {did_you_mean(value, known)}.")
        check_unit("`per` of a trend", self.per)
        columns = by_columns("`by` of a trend", self.by)
        object.__setattr__(self, "by", columns[0] if len(columns) == 1 else columns or None)
        numbers = {"limit": self.limit, "moving average": self.moving_average, "least number of events": self.at_least}
        for name, number in numbers.items():
            if type(number) is not int or not 1 <= number <= MAX_TIMES:
                raise DefinitionError(f"The {name} of a trend cannot be {number}; give 1 to {MAX_TIMES:,}.")
        if self.at_least > 1 and self.kind != "stickiness":
            raise DefinitionError(f"A {self.kind} has no `at_least`; leave it out, or ask for stickiness.")
        self._check_measures()
        if self.formula:
            self.formula.check(names_of(self.series))
        if self.kind != "trend":
            self._check_visitors()

    def _check_measures(self) -> None:
        """Refuse measures that cannot be cumulated, or have no such periods."""
        odd = [one.measure for one in self.series if one.measure not in ADDITIVE]
        if self.is_cumulative and odd:
            raise DefinitionError(f"A {odd[0]} cannot be cumulated; only {', '.join(ADDITIVE)} can.")
        active = [one.measure for one in self.series if one.measure in ACTIVE]
        if active and self.is_by_clock:
            raise DefinitionError(
                f"{active[0]} counts whole days, so it has no {self.period}s; ask with another period."
            )

    @property
    def columns(self) -> list[str]:
        """The columns that the trend breaks down by, measures, or compares with a value."""
        conditions = [self.where, *(one.where for one in self.series)]
        named = [column for where in conditions for column in columns_of(where)]
        unit = [] if self.per == "user" else [self.per]
        return [*named, *named_columns(self.by_columns), *filter(None, (one.of for one in self.series)), *unit]

    @property
    def by_columns(self) -> tuple[str, ...]:
        """The columns of `by`; none without a breakdown."""
        return by_columns("`by` of a trend", self.by)

    @property
    def is_by_clock(self) -> bool:
        """Whether its periods are shorter than a day."""
        return self.period in CLOCK_S

    @property
    def reads_all(self) -> bool:
        """Whether events before the range matter."""
        is_active = any(one.measure in ACTIVE for one in self.series)
        return self.kind == "lifecycle" or self.counts_firsts or is_active

    @property
    def counts_firsts(self) -> bool:
        """Whether a series counts only the first event of a visitor."""
        return any(one.occurrence != EVERY for one in self.series)

    def _check_visitors(self) -> None:
        """Refuse what the kinds that count visitors do not have."""
        measured = [one.measure for one in self.series if one.measure not in COUNTS]
        others = {f"{measured[0]} of a series": True} if measured else {}
        others |= {"formula": self.formula is not None, "moving average": self.moving_average > 1}
        others |= {"running total": self.is_cumulative, "comparison": self.is_compared}
        others["occurrence"] = self.counts_firsts
        others["breakdown"] = self.by is not None and self.kind == "lifecycle"
        for name, is_given in others.items():
            if is_given:
                raise DefinitionError(f"A {self.kind} counts visitors, so it has no {name}; leave it out.")

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any]) -> "Trend":
        """Build a trend from a definition file or the body of a request; it may name the `preset` of a tool.

        Raises:
            DefinitionError: A key is unknown, or a value does not fit.
        """
        check_keys(raw, KEYS, "a trend")
        raw = with_preset(PRESETS, raw, "trend")
        if not isinstance(raw.get("series"), list | tuple):
            raise DefinitionError("A trend needs `series`, a list.")
        given: dict[str, Any] = {
            name: raw[name]
            for name in ("period", "week_start", "by", "limit", "moving_average", "kind", "per", "at_least")
            if raw.get(name) is not None
        }
        return cls(
            tuple(Series.from_mapping(one) for one in raw["series"]),
            where=where_from(raw["where"]) if raw.get("where") else EVERYTHING,
            is_cumulative=bool(raw.get("cumulative")),
            is_compared=bool(raw.get("compare")),
            formula=Formula(raw["formula"]) if raw.get("formula") else None,
            **given,
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return the trend as in a definition file."""
        mapping: dict[str, Any] = {"series": [one.to_mapping() for one in self.series], "period": self.period}
        mapping |= {
            "week_start": self.week_start,
            "by": list(self.by) if isinstance(self.by, tuple) else self.by,
            "limit": self.limit,
            "cumulative": self.is_cumulative,
        }
        mapping |= {"moving_average": self.moving_average, "compare": self.is_compared}
        mapping["formula"] = self.formula.text if self.formula else None
        mapping |= {"kind": self.kind} if self.kind != "trend" else {}
        mapping |= {"per": self.per} if self.per != "user" else {}
        mapping |= {"at_least": self.at_least} if self.at_least > 1 else {}
        return mapping | where_mapping(self.where)


def names_of(series: Sequence[Series]) -> tuple[str, ...]:
    """Return the names of the series in a formula: A, B, C and so on."""
    return tuple(chr(ord("A") + number) for number in range(len(series)))


def events_of(events: ir.Table, trend: Trend, first: date, last: date, timezone: str = "UTC") -> ir.Table:
    """Return the events of all series, with `breakdown` (null without a breakdown) and `period_date`.

    By the hour or minute, `period_date` is the UTC time at which it starts.

    Args:
        events: Rows of `CleanEvents`.
        trend: The definition.
        first: The first day.
        last: The last day, included.
        timezone: The reporting time zone, in which hours begin.

    Raises:
        DefinitionError: A column is missing, or has another kind of value.
    """
    in_range = (events.event_date >= ibis.literal(first)) & (events.event_date <= ibis.literal(last))
    types = {one.event_type for one in trend.series}
    of_type = reduce(
        or_, [events.event_type == one for one in sorted(filter(None, types))], ibis.literal(value=None in types)
    )
    rows = events.filter(in_range, of_type, holds(events, trend.where))
    by = label_of(rows, trend.by_columns, NONE) if trend.by else ibis.null("string")
    if trend.is_by_clock:
        days = Days.between(first, last + ONE_DAY)
        start = hour_start(rows.event_at, rows.event_date, days, timezone, CLOCK_S[trend.period])
        return rows.mutate(breakdown=by, period_date=start)
    return rows.mutate(breakdown=by, period_date=period_start(rows.event_date, trend.period, trend.week_start))


def of_units(events: ir.Table, trend: Trend) -> ir.Table:
    """Return the events with what `per` names in place of visitors."""
    if trend.per == "user":
        return events
    events = events.mutate(visitor_id=text_of(events, trend.per))
    return events.filter(events.visitor_id.notnull())


def with_firsts(events: ir.Table, trend: Trend) -> tuple[ir.Table, Trend]:
    """Return the events with a column for each series of first events, and the trend that reads it.

    Args:
        events: Rows of `CleanEvents` of all days.
        trend: The definition.
    """
    series = []
    for number, one in enumerate(trend.series, start=1):
        if one.occurrence == EVERY:
            series.append(one)
            continue
        is_one = is_of(events, replace(one, where=EVERYTHING, flag=None))
        if one.occurrence == FIRST_TIME:
            is_one = is_one & holds(events, one.where) & holds(events, trend.where)
        events = with_first(events, f"{FIRST}{number}", is_one)
        series.append(replace(one, flag=f"{FIRST}{number}"))
    return events, replace(trend, series=tuple(series))


def counted(events: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Return one row for all events with equal values in some columns, with `event_count`."""
    return events.group_by(*columns).agg(event_count=events.count())


def _event_count(events: ir.Table) -> ir.IntegerScalar:
    """Return how many events there are, also of rows of `counted`."""
    return events.event_count.sum() if "event_count" in events.columns else events.count()


def top_values(events: ir.Table, limit: int) -> ir.Table:
    """Return the values of the breakdown with most events; ties are in alphabetical order."""
    by_value = events.group_by("breakdown").agg(event_count=_event_count(events))
    return by_value.order_by(ibis.desc("event_count"), "breakdown").limit(limit)


def with_other(events: ir.Table, kept: Sequence[str]) -> ir.Table:
    """Return the events with every value of the breakdown that is not in `kept` replaced by `(other)`."""
    return events.mutate(breakdown=events.breakdown.isin(kept).ifelse(events.breakdown, ibis.literal(OTHER)))


def values(events: ir.Table, series: Series, *, by_period: bool, first_only: bool = False) -> ir.Table:
    """Return the values of a series: `breakdown`, `period_date` (with `by_period`) and `value`.

    Args:
        events: Rows of `events_of`.
        series: The series.
        by_period: Whether to return a value for each period, or one for the whole range.
        first_only: Whether a visitor counts only in the period of their first event, so that a running sum counts
            distinct visitors.
    """
    rows = events.filter(is_of(events, series))
    units = ["breakdown", "period_date"] if by_period else ["breakdown"]
    if series.measure == "visitors" and first_only:
        rows = rows.group_by("breakdown", "visitor_id").agg(period_date=rows.period_date.min())
    if series.measure in COUNTS:
        value = rows.visitor_id.nunique() if series.measure == "visitors" and not first_only else _event_count(rows)
        return rows.group_by(units).agg(value=value.cast("float64"))
    if series.measure == DISTINCT:
        texts = rows.select(*units, text=text_of(rows, str(series.of)))
        return texts.group_by(units).agg(value=texts.text.nunique().cast("float64"))
    if series.measure in PER_VISITOR:
        return _statistic(_per_visitor(rows, series, units), units, PER_VISITOR[series.measure])
    numbers = rows.select(*units, number=number_of(rows, str(series.of)).cast(EXACT))
    return _statistic(numbers.filter(numbers.number.notnull()), units, series.measure)


def _per_visitor(rows: ir.Table, series: Series, units: Sequence[str]) -> ir.Table:
    """Return the number that each visitor comes to; visitors without a value of the column are left out."""
    own = [*units, "visitor_id"]
    if series.of is None:
        return rows.group_by(own).agg(number=rows.count().cast(EXACT))
    numbers = rows.select(*own, number=number_of(rows, series.of).cast(EXACT))
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


def is_of(events: ir.Table, series: Series) -> ir.BooleanValue:
    """Return whether an event belongs to a series."""
    also = holds(events, series.where)
    also = also & events[series.flag] if series.flag else also
    return also if series.event_type is None else also & (events.event_type == series.event_type)


def _percentile(numbers: ir.Table, units: list[str], percent: int) -> ir.Table:
    """Return the nearest-rank percentile: the smallest value that at least `percent` % of values do not exceed."""
    window = ibis.window(group_by=units, order_by="number")
    ranked = numbers.mutate(
        place=ibis.row_number().over(window) + 1, size=numbers.count().over(ibis.window(group_by=units))
    )
    rank = (ranked.size * percent + 99) // 100
    at_rank = ranked.filter(ranked.place == rank.cast("int64"))
    return at_rank.select(*units, value=at_rank.number.cast("float64"))
