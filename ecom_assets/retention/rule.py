"""The retention rule: who is in a cohort, and what counts as a return. METRICS "Retention"."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from ecom_assets.errors import DefinitionError
from ecom_assets.tables.conditions import EVERYTHING, Where, columns_of, number_columns_of
from ecom_assets.tables.values import Preset, binned_columns, by_columns, check_unit, named_columns

MODES: Final = {
    "on": "In the period (on)",
    "on_or_after": "In it or later",
    "bracket": "In brackets of periods",
}
CLOCKS: Final = {"calendar": "The calendar", "rolling": "Each visitor's start"}
STARTINGS: Final = {
    "first_time": "The first start that meets the conditions",
    "first_ever": "The first ever, if it meets them",
    "recurring": "Each start",
}
ROLLING_S: Final = {"hour": 3_600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
"""The lengths of periods on the rolling clock, in seconds; a month has 30 days of 24 hours, as in Amplitude."""
MAX_PERIOD: Final = 3_660
"""The highest number of a period: ten years of days."""
MAX_HOURLY_DAYS: Final = 31
MAX_HOUR: Final = MAX_HOURLY_DAYS * 24 - 1
"""The last hour that is reported by default."""
MAX_LIMIT: Final = 1_000
Bracket = tuple[int, int]


@dataclass(frozen=True)
class RetentionRule:
    """The definition of retention: how many visitors who started in a period came back N periods later.

    Attributes:
        start: The event type that puts a visitor into a cohort; None, or `*`, is any type.
        returning: The event type that counts as a return; None, or `*`, is any type.
        period: `hour`, `day`, `week`, `month`, `quarter` or `year`, in the reporting time zone.
        mode: `on` counts visitors who came in exactly period N (N-day retention), `on_or_after` in N or any later one
            (unbounded retention), `bracket` in any period of a bracket.
        clock: `calendar` counts calendar periods; `rolling` counts 1 h, 24 h, 7 x 24 h or 30 x 24 h from the start of
            each visitor, exact to the microsecond.
        week_start: The weekday on which weeks begin; Monday by default, as in ISO 8601.
        brackets: The first and last period of each bracket, both included, for the mode `bracket`.
        last_period: The last period to report; None reports all. `on_or_after` counts later visits in any case.
        starting: `first_time` puts a visitor into the cohort of their first start event only, the first that meets all
            conditions; `first_ever` into that of their first event of the type `start`, if it meets them; `recurring`
            into the cohort of each period that has a start, at the first of that period.
        start_where: More conditions on start events.
        returning_where: More conditions on returns.
        where: Conditions on all events; others are ignored.
        by: The column, `properties.key` or bins of one to break down by, or several: its value in the event of the
            start.
        limit: How many of its values to show, those with most visitors; the others are `(other)`.
        sum_of: A number column or `properties.key` of returns to add up for each cohort; None for none.
        at_least: How many returns a period needs to count as one in which a visitor came back; in the mode `bracket`
            how many a bracket needs.
        per: Who starts and comes back: `user` (visitor_id), or `properties.key` (each of its values, such as a
            company, takes the place of a visitor; events without one are ignored).
    """

    start: str | None = None
    returning: str | None = None
    period: str = "week"
    mode: str = "on"
    clock: str = "calendar"
    week_start: str = "monday"
    brackets: tuple[Bracket, ...] = ((0, 0), (1, 3), (4, 7), (8, 14), (15, 30))
    last_period: int | None = None
    starting: str = "first_time"
    start_where: Where = EVERYTHING
    returning_where: Where = EVERYTHING
    where: Where = EVERYTHING
    by: str | tuple[str, ...] | None = None
    limit: int = 10
    sum_of: str | None = None
    per: str = "user"
    at_least: int = 1

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for parts that do not go together, or invalid brackets."""
        for name in ("start", "returning"):
            if getattr(self, name) == "*":
                object.__setattr__(self, name, None)
        columns = by_columns("`by` of retention", self.by)
        object.__setattr__(self, "by", columns[0] if len(columns) == 1 else columns or None)
        check_unit("`per` of retention", self.per)
        if self.mode == "bracket":
            _check_brackets(self.brackets)
        if self.clock == "rolling" and self.period not in ROLLING_S:
            raise DefinitionError(
                f"A {self.period} has no fixed length, so the rolling clock has none; ask with the calendar clock, or "
                f"with {', '.join(ROLLING_S)}."
            )

    @property
    def is_recurring(self) -> bool:
        """Return whether a visitor can be in several cohorts."""
        return self.starting == "recurring"

    @property
    def has_any_start(self) -> bool:
        """Return whether every event is a start event."""
        return self.start is None and self.start_where == EVERYTHING and self.starting != "first_ever"

    @property
    def has_any_return(self) -> bool:
        """Return whether every event is a return."""
        return self.returning is None and self.returning_where == EVERYTHING

    @property
    def columns(self) -> list[str]:
        """Return the columns that the rule names, beside those that every rule reads."""
        conditions = (self.where, self.start_where, self.returning_where)
        named = [column for where in conditions for column in columns_of(where)]
        unit = [] if self.per == "user" else [self.per]
        return [*named, *named_columns(self.by_columns), *filter(None, [self.sum_of]), *unit]

    @property
    def number_columns(self) -> list[str]:
        """Return the columns that the rule adds up, or compares with a number or in bins."""
        conditions = (self.where, self.start_where, self.returning_where)
        named = [column for where in conditions for column in number_columns_of(where)]
        return [*named, *binned_columns(self.by_columns), *filter(None, [self.sum_of])]

    @property
    def by_columns(self) -> tuple[str, ...]:
        """Return the columns of `by`; none without a breakdown."""
        return by_columns("`by` of retention", self.by)

    def cells(self, period_count: int) -> tuple[Bracket, ...]:
        """Return the first and last period of each cell, for data that cover `period_count` periods."""
        if self.mode == "bracket":
            return self.brackets
        default = MAX_HOUR if self.period == "hour" else period_count
        last = min(period_count - 1, default if self.last_period is None else self.last_period)
        return tuple((n, n) for n in range(last + 1))

    def to_mapping(self) -> dict[str, Any]:
        """Return the rule as a mapping for JSON; what few rules have is named only where it is not as by default."""
        plain = ("start", "returning", "period", "mode", "clock", "week_start")
        mapping: dict[str, Any] = {name: getattr(self, name) for name in plain}
        if self.mode == "bracket":
            mapping["brackets"] = [list(one) for one in self.brackets]
        mapping["last_period"] = self.last_period
        if self.starting != "first_time":
            mapping["starting"] = self.starting
        for name in ("where", "start_where", "returning_where"):
            where: Where = getattr(self, name)
            mapping |= {name: where.to_mapping()} if where != EVERYTHING else {}
        by = list(self.by) if isinstance(self.by, tuple) else self.by
        mapping |= {"by": by, "limit": self.limit} if by else {}
        mapping |= {"sum_of": self.sum_of} if self.sum_of else {}
        mapping |= {"at_least": self.at_least} if self.at_least > 1 else {}
        return mapping | ({"per": self.per} if self.per != "user" else {})


def parse_brackets(text: str) -> tuple[Bracket, ...]:
    """Return the brackets from text such as `0,1-3,4-7`; raise `DefinitionError` for other text."""
    match = [re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part) for part in text.split(",")]
    if not all(match):
        raise DefinitionError(f"The brackets {text!r} are not understood; write them as in 0,1-3,4-7,8-14.")
    return tuple((int(one[1]), int(one[2] or one[1])) for one in match if one)


def brackets_from(raw: object) -> tuple[Bracket, ...]:
    """Return the brackets of a definition: text as in `parse_brackets`, or pairs of periods."""
    if isinstance(raw, str):
        return parse_brackets(raw)
    pairs = (
        [tuple(one) if isinstance(one, list | tuple) else one for one in raw] if isinstance(raw, list | tuple) else []
    )
    matches = [one for one in pairs if isinstance(one, tuple) and [type(end) for end in one] == [int, int]]
    if len(matches) != len(pairs) or not pairs:
        raise DefinitionError(
            f"The brackets {raw!r} are not understood; write pairs of periods, as in [[0, 0], [1, 3]]."
        )
    if any(min(one) < 0 for one in matches):
        raise DefinitionError("Periods of a bracket are counted from 0; give no negative ones.")
    return tuple((first, last) for first, last in matches)


def _check_brackets(brackets: tuple[Bracket, ...]) -> None:
    in_order = all(first <= last <= MAX_PERIOD for first, last in brackets)
    apart = all(before[1] < after[0] for before, after in pairwise(brackets))
    if not brackets or not in_order or not apart:
        listed = ",".join(f"{first}-{last}" for first, last in brackets)
        raise DefinitionError(
            f"The brackets {listed!r} overlap, go backwards or pass {MAX_PERIOD}; write them in order, as in 0,1-3,4-7."
        )


DAILY_FROM_START: Final[Preset] = {"period": "day", "mode": "on_or_after", "clock": "rolling"}
DAILY_FROM_SUNDAY: Final[Preset] = {"period": "day", "mode": "on", "week_start": "sunday"}
PRESETS: Final[Mapping[str, Preset]] = {
    "n_day": {},
    # amplitude-docs retention-analysis/{calculation,time}: Return On or After, windows of 24 hours
    "amplitude": DAILY_FROM_START,
    # mixpanel/docs reports/retention: On or After, periods from each user's start
    "mixpanel": DAILY_FROM_START,
    # posthog.com product-analytics/retention: days, on; PostHog/posthog issue 25841: its weeks begin on Sunday
    "posthog": DAILY_FROM_SUNDAY,
    # The function `retention` takes conditions, usually on dates; toStartOfWeek(t): mode 0, Sunday.
    "clickhouse": DAILY_FROM_SUNDAY,
    # Cohort exploration: a user is in the cohort of their first visit; each period is counted by itself.
    "ga4": {"mode": "on", "starting": "first_time"},
}
"""What other tools do. Amplitude also rounds times down to the hour before it counts; this preset does not."""
