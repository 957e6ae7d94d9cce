"""The question of retention: who starts, what counts as coming back, and in which periods.

METRICS "Retention".
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, ConfigDict, model_validator

from ecom_assets.behaviour.questions.fields import (
    AS_TEXT,
    EVENT_TYPE,
    WEEKDAYS,
    Choices,
    CommandOption,
    Conditions,
    Count,
    CountOrNone,
    Day,
    FormField,
    Name,
    breakdown,
    by_field,
    column,
    field,
    limit_field,
    periods,
    week_start_field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Question, preset_field, presets_of
from ecom_assets.core.errors import DefinitionError, UsageError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.columns import MAX_TIMES
from ecom_assets.core.tables.conditions import EVERYTHING, Where, number_columns_of
from ecom_assets.core.tables.days import check_age
from ecom_assets.core.tables.values import (
    Preset,
    binned_columns,
    by_columns,
    check_column,
    check_unit,
    named_columns,
)

ROLLING_S: Final = {"hour": 3_600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
"""The lengths of periods on the rolling clock, in seconds; a month has 30 days of 24 hours,
as in Amplitude.
"""
MAX_PERIOD: Final = 3_660
"""The highest number of a period: ten years of days."""
MAX_HOURLY_DAYS: Final = 31
MAX_HOUR: Final = MAX_HOURLY_DAYS * 24 - 1
"""The last hour that is reported by default."""
Bracket = tuple[int, int]


def brackets_from(raw: object) -> tuple[Bracket, ...]:
    """Return the brackets of a definition: text such as `0,1-3,4-7`, or pairs of periods.

    Raises:
        DefinitionError: They are neither, or below 0.
    """
    if isinstance(raw, str):
        return _brackets_of_text(raw)
    pairs = raw if isinstance(raw, list | tuple) else ()
    is_pair = [
        isinstance(pair, list | tuple) and [type(end) for end in pair] == [int, int]
        for pair in pairs
    ]
    if not pairs or not all(is_pair):
        raise DefinitionError(
            f"The brackets {raw!r} are not understood; write pairs of periods, as in [[0, 0], [1, "
            "3]]."
        )
    if any(min(pair) < 0 for pair in pairs):
        raise DefinitionError("Periods of a bracket are counted from 0; give no negative ones.")
    return tuple((first, last) for first, last in pairs)


def _brackets_of_text(text: str) -> tuple[Bracket, ...]:
    matches = [
        re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part) for part in text.split(",")
    ]
    if not all(matches):
        raise DefinitionError(
            f"The brackets {text!r} are not understood; write them as in 0,1-3,4-7,8-14."
        )
    return tuple((int(match[1]), int(match[2] or match[1])) for match in matches if match)


def _check_brackets(brackets: tuple[Bracket, ...]) -> None:
    in_order = all(first <= last <= MAX_PERIOD for first, last in brackets)
    apart = all(before[1] < after[0] for before, after in pairwise(brackets))
    if not brackets or not in_order or not apart:
        listed = ",".join(f"{first}-{last}" for first, last in brackets)
        raise DefinitionError(
            f"The brackets {listed!r} overlap, go backwards or pass {MAX_PERIOD}; write them in "
            "order, as in 0,1-3,4-7."
        )


DAILY_FROM_START: Final[Preset] = {"period": "day", "mode": "on_or_after", "clock": "rolling"}
DAILY_FROM_SUNDAY: Final[Preset] = {"period": "day", "mode": "on", "week_start": "sunday"}
PRESETS: Final[Mapping[str, Preset]] = {
    "n_day": {},
    # amplitude-docs retention-analysis/{calculation,time}: Return On or After, windows of 24 hours
    "amplitude": DAILY_FROM_START,
    # mixpanel/docs reports/retention: On or After, periods from each user's start
    "mixpanel": DAILY_FROM_START,
    # posthog.com product-analytics/retention: days, on; PostHog/posthog issue 25841: its weeks
    # begin on Sunday
    "posthog": DAILY_FROM_SUNDAY,
    # The function `retention` takes conditions, usually on dates; toStartOfWeek(t): mode 0, Sunday.
    "clickhouse": DAILY_FROM_SUNDAY,
    # Cohort exploration: a user is in the cohort of their first visit; each period is counted by
    # itself.
    "ga4": {"mode": "on", "starting": "first_time"},
}
"""What other tools do.

Amplitude also rounds times down to the hour before it counts; this preset does not.
"""
STARTS, EVENTS = "starts", "events"
PERIOD: Final = periods("period of retention")
MODE: Final = Choices(
    "mode of retention",
    {
        "on": "In the period (on)",
        "on_or_after": "In it or later",
        "bracket": "In brackets of periods",
    },
)
CLOCK: Final = Choices(
    "clock of retention", {"calendar": "The calendar", "rolling": "Each visitor's start"}
)
STARTING: Final = Choices(
    "starting of retention",
    {
        "first_time": "The first start that meets the conditions",
        "first_ever": "The first ever, if it meets them",
        "recurring": "Each start",
    },
)
RANGE: Final = Choices("range of retention", {EVENTS: "all events", STARTS: "starts"})
"""What the days of a question limit."""
PRESET: Final = Choices("preset", {**presets_of(PRESETS).labels, "n_day": "N-day retention"})
Brackets = Annotated[
    tuple[Bracket, ...],
    BeforeValidator(brackets_from, json_schema_input_type=list[Bracket] | str),
    AS_TEXT,
]
"""The first and the last period of each bracket; as text `0,1-3,4-7`."""
ANY: Final = "*"
"""Any event type, which is the default."""
OptionalEventType = Annotated[Name | None, EVENT_TYPE]


class RetentionQuestion(Question):
    """The definition of retention; see docs/metrics/retention.md."""

    CALLED: ClassVar[str] = "a retention"
    ABOUT: ClassVar[str] = "retention"
    PRESETS = PRESETS
    TITLES: ClassVar = {"what": "Who comes back"}
    WITHOUT: ClassVar = frozenset({"compare"})
    OF_COMMAND: ClassVar[NamedValues] = {"range_of": STARTS}
    BESIDE: ClassVar[frozenset[str]] = frozenset({"range_of", "whole_until"})
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"period": "week", "start": "purchase"}]}
    )

    start: OptionalEventType = field(
        None,
        "Started with",
        "Event type that puts a visitor into a cohort; default any",
        form=FormField("what", hint="anything", suggests="types"),
    )
    returning: OptionalEventType = field(
        None,
        "Came back with",
        "Event type that counts as coming back; default any",
        form=FormField("what", hint="anything", suggests="types"),
        option=CommandOption("--return"),
    )
    period: Annotated[str, PERIOD] = field(
        "week", "Periods", "Length of a period", form=FormField("what")
    )
    last_period: CountOrNone = field(
        None,
        "Up to period",
        "Periods after this one are left out; default none",
        ge=0,
        le=MAX_PERIOD,
        form=FormField("what", hint="12"),
        option=CommandOption("--periods"),
    )
    mode: Annotated[str, MODE] = field(
        "on", "Came back", "What counts as coming back in a period", form=FormField("what")
    )
    by: breakdown("`by` of retention") = by_field("of starts to compare, bins")  # type: ignore[valid-type]  # a type of a function
    range_of: Annotated[str, RANGE] = field(
        EVENTS,
        "These days limit",
        "What the days limit: the starts, so that earlier starts and later returns count; "
        "or all events",
        form=FormField("counting"),
    )
    clock: Annotated[str, CLOCK] = field(
        "calendar",
        "Periods of",
        "Periods of the calendar, or 1 h, 24 h, 7 d or 30 d from each start",
        form=FormField("counting"),
    )
    starting: Annotated[str, STARTING] = field(
        "first_time",
        "Cohort of",
        "The cohort of the first start that meets the conditions, of the first "
        "event of its type if it meets them, or of each",
        form=FormField("counting"),
    )
    brackets: Brackets = field(
        ((0, 0), (1, 3), (4, 7), (8, 14), (15, 30)),
        "Brackets",
        "Periods counted as one, such as 0,1-3,4-7, for the mode bracket",
        min_length=1,
        max_length=100,
        form=FormField("counting", hint="0-0, 1-2, 3-6", about=("brackets", "bracket")),
    )
    week_start: Annotated[str, WEEKDAYS] = week_start_field()
    sum_of: Annotated[Name | None, column("`sum_of` of retention", check_column)] = field(
        None,
        "Add up",
        "Number column or properties.key of returns to add up",
        form=FormField("how", hint="cart_amount", suggests="numbers"),
        option=CommandOption("--sum"),
    )
    where: Conditions = where_field()
    per: Annotated[Name, column("`per` of retention", check_unit)] = field(
        "user",
        "Count",
        "user, or properties.key: its values take the place of visitors",
        form=FormField("counting", hint="visitors, or properties.company", suggests="columns"),
    )
    start_where: Conditions = where_field(
        "Starts where", "What must hold of a start, as for `where`", hint="cart_amount > 20"
    )
    returning_where: Conditions = where_field(
        "Returns where",
        "What must hold of a return, as for `where`",
        hint="cart_amount > 20",
        option=CommandOption("--return-where"),
    )
    at_least: Count = field(
        1,
        "Returns needed",
        "How many returns a period or bracket needs",
        ge=1,
        le=MAX_TIMES,
        form=FormField("counting", hint="1"),
    )
    limit: Count = limit_field(10, 1_000)
    whole_until: Day | None = field(
        None,
        "Data are whole until",
        "Last day of which the data are whole; default the day before the newest",
        is_date=True,
        form=FormField("calendar"),
    )
    preset: Annotated[str | None, PRESET] = preset_field()

    @classmethod
    def filled(cls, options: NamedValues) -> NamedValues:
        """Return the options that are set, and the values of its preset;
        the first event in all data needs all of them.
        """
        result = dict(super().filled(options))
        if (
            result.get("starting") == "first_ever"
            and result.setdefault("range_of", STARTS) == EVENTS
        ):
            raise DefinitionError(
                "starting=first_ever is known of all data, but range_of=events leaves days out; "
                "use starts."
            )
        return result

    @classmethod
    def from_command(cls, options: NamedValues, file: NamedValues) -> Self:
        """Return the question of a command.

        Raises:
            UsageError: An option needs another one.
        """
        filled = dict(options)
        if "range_of" in filled and not {"start_date", "end_date", "last"} & filled.keys():
            RANGE.check(filled["range_of"])
            raise UsageError(
                "--range-of says what --from, --to or --last limit; give one of them, or leave it "
                "out."
            )
        if "brackets" in filled and filled.setdefault("mode", "bracket") != "bracket":
            raise UsageError(
                f"--brackets belong to --mode bracket, not to {filled['mode']}; leave one of them "
                "out."
            )
        return super().from_command(filled, file)

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse brackets that overlap, a day of another age,
        and periods of no fixed length on the rolling clock.
        """
        if self.mode == "bracket":
            _check_brackets(self.brackets)
        check_age(self.whole_until)
        if self.clock == "rolling" and self.period not in ROLLING_S:
            raise DefinitionError(
                f"A {self.period} has no fixed length, so the rolling clock has none; ask with "
                f"the calendar clock, or with {', '.join(ROLLING_S)}."
            )
        return self

    @property
    def start_type(self) -> str | None:
        """The event type that starts a cohort; None for any."""
        return None if self.start == ANY else self.start

    @property
    def return_type(self) -> str | None:
        """The event type that counts as coming back; None for any."""
        return None if self.returning == ANY else self.returning

    @property
    def is_recurring(self) -> bool:
        """Whether a visitor can be in several cohorts."""
        return self.starting == "recurring"

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        unit = [] if self.per == "user" else [self.per]
        return [
            *super().columns,
            *named_columns(self.by_columns),
            *filter(None, [self.sum_of]),
            *unit,
        ]

    @property
    def number_columns(self) -> list[str]:
        """The columns that it adds up, or compares with a number or in bins."""
        conditions = (self.where, self.start_where, self.returning_where)
        columns = [column for where in conditions for column in number_columns_of(where)]
        return [*columns, *binned_columns(self.by_columns), *filter(None, [self.sum_of])]

    @property
    def by_columns(self) -> tuple[str, ...]:
        """The columns of `by`; none without a breakdown."""
        return by_columns("`by` of retention", self.by)

    @property
    def reads_all(self) -> bool:
        """Whether the days limit the starts only."""
        return self.range_of == STARTS

    def cells(self, period_count: int) -> tuple[Bracket, ...]:
        """Return the first and last period of each cell,
        for data that cover `period_count` periods.
        """
        if self.mode == "bracket":
            return self.brackets
        default = MAX_HOUR if self.period == "hour" else period_count
        last = min(period_count - 1, default if self.last_period is None else self.last_period)
        return tuple((n, n) for n in range(last + 1))

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for an answer;
        what few have is named only where it is not as by default.
        """
        mapping: dict[str, Any] = {"start": self.start_type, "returning": self.return_type}
        mapping |= {name: getattr(self, name) for name in ("period", "mode", "clock", "week_start")}
        if self.mode == "bracket":
            mapping["brackets"] = [list(bracket) for bracket in self.brackets]
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
