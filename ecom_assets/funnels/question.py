"""The question of a funnel: its steps and how they are counted, as definitions, requests, options and forms have it."""

import csv
import re
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from ecom_assets.errors import DefinitionError, UsageError
from ecom_assets.funnels.definition import (
    EXCLUSION_RULES,
    GREATEST_LIMIT,
    MAX_STEPS,
    MIN_STEPS,
    ORDERS,
    ORDERS_ELSEWHERE,
    Exclusion,
    Funnel,
    FunnelStep,
    TimeToConvert,
    equalities,
)
from ecom_assets.questions.fields import (
    DURATIONS,
    WEEKDAYS,
    Choices,
    Conditions,
    Count,
    Duration,
    EventType,
    Name,
    asked,
    breakdown,
    commas,
    lines_of,
    periods,
    where_field,
)
from ecom_assets.questions.model import Definition, Part, Question, preset_field, presets_of
from ecom_assets.sessions.question import SessionRuleName, session_rule_field
from ecom_assets.tables.columns import EVERY, OCCURRENCES
from ecom_assets.tables.days import DayRange
from ecom_assets.tables.values import Preset, duration_text, parse_duration, split_columns

PRESETS: Final[Mapping[str, Preset]] = {
    "posthog": {
        "within": "14d",  # posthog.com/docs/product-analytics/funnels: conversion window
        "order": "ordered",  # same page: sequential
        "exclusion_rule": "posthog",  # PostHog/posthog funnel-udf/src/steps.rs: an excluded event drops the attempt
        "by_attribution": "first",  # same page: first touchpoint
        "limit": 25,  # PostHog/posthog posthog/hogql/constants.py BREAKDOWN_VALUES_LIMIT
        "week_start": "sunday",  # PostHog/posthog issue 49786: a project may choose Monday
    },
    "amplitude": {
        "within": "1d",  # amplitude-docs funnel-analysis: 24 hours from step 1
        "order": "ordered",  # same pages: this order
        "by_attribution": "step_1",  # same pages: a group-by applies to the first step only
    },
    "mixpanel": {
        "within": "7d",  # mixpanel/docs reports/funnels: conversion window
        "order": "ordered",  # same page: specific order
        "exclusion_rule": "mixpanel",  # same page: a user keeps the steps before the exclusion
        "by_attribution": "first",  # same page: First Step Defined, the first step that has a value
    },
    "clickhouse": {
        # windowFunnel without a mode; its window is an argument that has no default
        "order": "clickhouse_default",
        "week_start": "sunday",  # toStartOfWeek(t): mode 0
    },
    "ga4": {
        # A closed funnel has no limit of time: 100 years, the longest window here.
        "within": "36600d",
        "order": "ordered",  # support.google.com funnel exploration: steps are followed indirectly
    },
}


ORDER: Final = Choices("funnel's `order`", ORDERS, ORDERS_ELSEWHERE)
EXCLUSION_RULE: Final = Choices("funnel's `exclusion_rule`", EXCLUSION_RULES)
OCCURRENCE: Final = Choices("occurrence of a step", OCCURRENCES)
OVER: Final = periods("funnel's `over`")
WEEK_START: Final = Choices("funnel's `week_start`", WEEKDAYS.labels)
STEPS_HELP: Final = "Event types, in order; * is any event, and `b?` an optional step, which need not be taken"


class Happening(Part):
    """An event type with conditions."""

    CALLED: ClassVar[str] = "a funnel step"

    event_type: EventType = asked(..., "Event type", "What happens; * is anything", examples=["product_view"])
    where: Conditions = asked(
        [], "where", "Values of columns, or conditions as text such as `cart_amount > 20` or as {column, operator, "
        "value}; `properties.key` names a value inside the JSON column", examples=[{"product_category": "shoes"}],
    )  # fmt: skip

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any]:
        """Return the event type as a definition has it."""
        return {"event_type": text}

    @property
    def step(self) -> FunnelStep:
        """The step, as funnels are computed from it."""
        return FunnelStep(self.event_type, *equalities(self.where))


class Step(Happening):
    """A step: an event type with conditions, and which of a visitor's events count."""

    occurrence: Annotated[str, OCCURRENCE] = asked(
        EVERY, "counts", "first_time: only the first that meets the conditions, in all data; first_ever: of its type"
    )
    optional: bool = asked(
        default=False, label="optional", help="Whether it need not be taken; as text, `add_to_cart?`"
    )

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any]:
        """Return a step that is written as its event type, with `?` after it if it is optional."""
        return named_step(text)

    @property
    def step(self) -> FunnelStep:
        """The step, as funnels are computed from it."""
        return FunnelStep(self.event_type, *equalities(self.where), self.occurrence, self.optional)


def named_step(text: str) -> dict[str, Any]:
    """Return a step that is written as its event type, with `?` after it if it is optional."""
    name = text.strip()
    is_optional = len(name) > 1 and name.endswith("?")
    return {"event_type": name[:-1].rstrip(), "optional": True} if is_optional else {"event_type": text}


class Excluded(Happening):
    """An event that must not occur between two steps."""

    CALLED: ClassVar[str] = "an exclusion"

    after: Count = asked(1, "after", "The step after which it may not happen", ge=1, le=MAX_STEPS)
    before: Count | None = asked(
        None, "before", "The step before which it may not; default the last", ge=2, le=MAX_STEPS
    )

    @property
    def exclusion(self) -> Exclusion:
        """The exclusion, as funnels are computed from it."""
        return Exclusion(self.step, self.after, self.before)


def exclusion_of(text: str) -> dict[str, Any]:
    """Read `a` or `a:2:3`; an event type may hold colons itself."""
    name, *ends = text.rsplit(":", 2)
    if len(ends) == 2 and all(end.isdigit() for end in ends):  # noqa: PLR2004 (after and before)
        return {"event_type": name, "after": int(ends[0]), "before": int(ends[1])}
    if ends and ends[-1].isdigit():
        raise UsageError(f"--exclude {text!r} names one step; name both, as in {name}:1:2, or none.")
    return {"event_type": text}


class Times(Part):
    """Two steps, the time between which is counted in bins."""

    CALLED: ClassVar[str] = "`time_to_convert`"

    first: Count = asked(..., "from", "The earlier step", alias="from", ge=1, le=MAX_STEPS)
    last: Count = asked(..., "to", "The later step", alias="to", ge=1, le=MAX_STEPS)
    bins: Count | str | list[str] | None = asked(
        None, "bins", "A number of bins, the width of each, such as 1h, or where they end; default chosen"
    )

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any]:
        """Return two steps that are written as `1:3`."""
        match = re.fullmatch(r"\s*(\d{1,3})\s*[:-]\s*(\d{1,3})\s*", text)
        if not match:
            raise DefinitionError(f"`time_to_convert` names two steps, as in 1:3, or {{from, to, bins}}; got {text!r}.")
        return {"from": int(match[1]), "to": int(match[2])}

    @property
    def times(self) -> TimeToConvert:
        """The two steps with their bins, as funnels are computed from them."""
        if isinstance(self.bins, int) or self.bins is None:
            return TimeToConvert(self.first, self.last, self.bins)
        is_width = isinstance(self.bins, str)
        edges = [self.bins] if isinstance(self.bins, str) else self.bins
        return TimeToConvert(self.first, self.last, None, tuple(map(parse_duration, edges)), is_width)


def step_names(text: str) -> list[str]:
    """Return the event types of a list with commas; a type that contains a comma is in double quotes.

    Raises:
        UsageError: The quotes do not match.
    """
    try:
        (names,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise UsageError(
            f"--steps {text!r} is not understood; write event types between commas, one with a comma in double quotes."
        ) from error
    return [name.strip() for name in names]


class FunnelDefinition(Definition):
    """The definition of a funnel; see docs/metrics.md."""

    CALLED: ClassVar[str] = "a funnel definition"
    ABOUT: ClassVar[str] = "funnel"
    TITLES: ClassVar = {"what": "Steps", "how": "How", "more": "More"}
    PRESETS = PRESETS

    steps: tuple[Step, ...] = asked(
        ..., "Steps", STEPS_HELP, min_length=MIN_STEPS, max_length=MAX_STEPS, place="what", suggests="types",
        line=named_step, parts=step_names, is_one_option=True, row="Step",
    )  # fmt: skip
    within: Duration = asked(
        duration_text(Funnel.within_s), "Window", f"Time from the first step to the last, {DURATIONS}", hint="7d",
        about=("within", "duration"),
    )  # fmt: skip
    order: Annotated[str, ORDER] = asked(Funnel.order, "Order", "What may lie between steps: docs/metrics.md", width=2)
    per: Name = asked(
        Funnel.per, "Count", "What is counted: user, session, totals, or the values of a properties.key",
        hint="properties.company", suggests="columns",
        options={"": "Visitors", "session": "Sessions", "totals": "Every attempt"},
    )  # fmt: skip
    by: breakdown("`by`") = asked(  # type: ignore[valid-type]  # a type of a function
        None, "Break down by", "Column or properties.key to compare, bins of numbers such as cart_amount:bins=5 or "
        "cart_amount:edges=20,50, or up to 5 of these", hint="product_category, cart_amount:bins=5",
        suggests="columns", parts=split_columns, about=("by", "breakdown"),
    )  # fmt: skip
    over: Annotated[str | None, OVER] = asked(
        None,
        "Over time, by",
        "Length of periods of entry, each of which is a cohort with a funnel of its own",
        options={"": "No"},
    )
    exclude: tuple[Excluded, ...] = asked(
        [], "Without, between steps", "Events that may not come between the steps; `a:2:3` only between steps 2 and 3",
        max_length=20, hint="remove_from_cart", suggests="types", line=exclusion_of, parts=commas,
    )  # fmt: skip
    where: Conditions = where_field()
    hold: tuple[Name, ...] = asked(
        [], "Same value throughout", "Columns that keep one value throughout", max_length=10, hint="product_id",
        suggests="columns", parts=commas, is_one_option=True, place="more",
    )  # fmt: skip
    exclusion_rule: Annotated[str, EXCLUSION_RULE] = asked(
        Funnel.exclusion_rule, "What comes between", "What an excluded event does: mixpanel keeps the steps before it, "
        "posthog drops the attempt", place="more", needs=("exclude", "says what an excluded event does"),
    )  # fmt: skip
    by_attribution: str = asked(
        Funnel.by_attribution, "Breakdown's value from", "Whose value of `by` counts: first, last, all, step_2 and the "
        "like", max_length=10, hint="first, last, all, step_2", place="more",
        needs=("by", "says whose value of --by counts"),
    )  # fmt: skip
    limit: Count = asked(
        Funnel.limit, "Group the rest as Other", "How many values of `by` to show; the others are Other", ge=1,
        le=GREATEST_LIMIT, hint="25", place="more", needs=("by", "sets how many values of --by are shown"),
    )  # fmt: skip
    week_start: Annotated[str, WEEK_START] = asked(
        Funnel.week_start, "Weeks begin on", "Weekday on which weeks begin", place="more"
    )
    time_to_convert: Times | None = asked(
        None, "Time to convert, steps", "Two steps, the time between which is counted in bins, such as 1:3",
        hint="1:3", place="more", about=("time_to_convert",), address="times",
    )  # fmt: skip
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()

    @classmethod
    def filled(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is given, and the values of its preset; only cohorts by week have a weekday."""
        result = dict(super().filled(given))
        if given.get("week_start") is None and given.get("over") != "week":
            result.pop("week_start", None)
        return result

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse parts that do not go together."""
        _ = self.funnel
        return self

    @cached_property
    def funnel(self) -> Funnel:
        """The funnel, as it is computed.

        Raises:
            DefinitionError: Its parts do not go together.
        """
        plain = ("order", "per", "exclusion_rule", "by", "by_attribution", "limit", "where", "over", "week_start")
        return Funnel(
            tuple(one.step for one in self.steps),
            within_s=self.within,
            hold=self.hold,
            exclude=tuple(one.exclusion for one in self.exclude),
            time_to_convert=None if self.time_to_convert is None else self.time_to_convert.times,
            **{name: getattr(self, name) for name in plain},
        )

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return self.funnel.columns

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for an answer."""
        return self.funnel.to_mapping()

    def file(self) -> dict[str, Any]:
        """Return the definition as a file: all that has an effect, whatever is given."""
        return self.to_mapping()


EXTRAS: Final[Mapping[str, FieldInfo]] = {
    "step_where": asked(
        [], "", "What must hold of one step's event, with its number: '3: cart_amount > 10'. Several must all hold",
        place="", parts=lines_of,
    ),
    "occurrence": asked(
        [], "Step 1 counts", "first_ever or first_time: step 1 is the visitor's first event of its type in all data, "
        "or the first that meets the conditions. '2: first_time' is of step 2", place="more", parts=lines_of,
        options={name if name != EVERY else "": label for name, label in OCCURRENCES.items()},
    ),
    "bins": asked(
        None, "Bins", "A number of bins, the width of each, such as 1h, or where they end, such as 1m,10m,1h; "
        "chosen if not given", place="more", hint="12, 1h, or 1m, 10m, 1h",
        needs=("time_to_convert", "are those of --time-to-convert"),
    ),
}  # fmt: skip
"""What the command and the form say of a step, or of the time to convert, apart from it."""


def with_extras(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the definition of a funnel with the conditions and occurrences in its steps, and the bins in its times.

    Raises:
        UsageError: One does not begin with the number of a step, or a step has two occurrences.
    """
    extra = {name: definition.pop(name, None) for name in EXTRAS}
    if extra["bins"] and definition.get("time_to_convert"):
        definition["time_to_convert"] = {
            **Times.from_text(definition["time_to_convert"]), "bins": _bins(extra["bins"])
        }  # fmt: skip
    steps = [{**step} for step in definition.get("steps") or ()]
    for text in extra["step_where"] or ():
        place, condition = _of_step(text, len(steps), "--step-where", "cart_amount > 10")
        steps[place - 1]["where"] = [*steps[place - 1].get("where", ()), condition]
    for text in (extra["occurrence"] or ()) if steps else ():
        place, name = _of_step(text if ":" in text else f"1:{text}", len(steps), "--occurrence", "first_time")
        if "occurrence" in steps[place - 1]:
            raise UsageError(f"--occurrence is given twice of step {place}; leave one of them out.")
        steps[place - 1]["occurrence"] = name.strip()
    return definition | ({"steps": steps} if steps else {})


def _of_step(text: str, steps: int, option: str, example: str) -> tuple[int, str]:
    """Return the number of a step, and the text after it."""
    number, colon, value = text.partition(":")
    place = int(number) if number.strip().isdecimal() else 0
    if not colon or not 1 <= place <= steps:
        raise UsageError(
            f"{option} {text!r} does not begin with the number of a step, 1 to {steps}; write it as in "
            f"'{steps}: {example}'."
        )
    return place, value


def _bins(text: str) -> int | str | list[str]:
    if "," in text:
        return commas(text)
    return int(text) if text.strip().isdecimal() else text.strip()


class FunnelQuestion(FunnelDefinition, Question):
    """A custom funnel; see docs/metrics.md."""

    BESIDE: ClassVar[frozenset[str]] = frozenset({"from", "to", "session_rule"})
    EXTRAS = EXTRAS
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "steps": [{"event_type": name} for name in ("product_view", "add_to_cart", "purchase")],
                    "within": "7d",
                    "by": "product_category",
                }
            ]
        }
    )

    start_date: date | None = Field(None, description="First day whose events are looked at; default all")
    end_date: date | None = Field(None, description="Last of them, included")
    session_rule: SessionRuleName = session_rule_field(
        "When a session ends, for per=session; default as the preset or the settings say"
    )
    first: date | None = asked(
        None, "Entered from", "First day of entry, YYYY-MM-DD; later steps may follow any time", alias="from",
        is_date=True, place="more", about=("from", "first"), address="start_date",
    )  # fmt: skip
    last_day: date | None = asked(
        None, "Entered to", "Last day of entry, YYYY-MM-DD, included", alias="to", is_date=True, place="more",
        about=("to",), address="end_date",
    )  # fmt: skip

    @classmethod
    def folded(cls, definition: dict[str, Any]) -> dict[str, Any]:
        """Return the definition with the conditions and occurrences in its steps, and the bins in its times."""
        return with_extras(definition)

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        """Refuse days of entry beside days whose events are looked at, and days that leave first events out."""
        entered = self.entry_days
        if not (self.time_range or self.start_date or self.end_date):
            return self
        if self.funnel.counts_firsts:
            raise DefinitionError(
                "What a visitor did first is found in all data, but time_range, start_date and end_date leave days "
                "out; give the days of entry as from and to."
            )
        if entered.is_given:
            raise DefinitionError(
                "from, to and last are the days of entry, and time_range, start_date and end_date leave all events of "
                "other days out; give only one kind."
            )
        return self

    @property
    def days(self) -> DayRange:
        """The days whose events are looked at."""
        return DayRange.read(self.start_date, self.end_date, None, ("start_date", "end_date"))

    @property
    def entry_days(self) -> DayRange:
        """The days of entry.

        Raises:
            DefinitionError: They cannot be combined.
        """
        return DayRange.read(self.first, self.last_day, self.last, ("from", "to"))

    def as_of(self, newest: date) -> date:
        """Return the day as of which a visitor segment is: the last day of entry."""
        return self.last_day or super().as_of(newest)

    @property
    def read_columns(self) -> list[str]:
        """The columns that it is computed from: sessions are cut by the page."""
        return [*self.columns, *(["page_url"] if self.per == "session" else [])]
