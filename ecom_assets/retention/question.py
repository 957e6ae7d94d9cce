"""The question of retention: who starts, what counts as coming back, and in which periods."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, ConfigDict, model_validator

from ecom_assets.errors import DefinitionError, UsageError
from ecom_assets.questions.fields import (
    AS_TEXT,
    EVENT_TYPE,
    WEEKDAYS,
    Choices,
    Conditions,
    Count,
    CountOrNone,
    Name,
    asked,
    breakdown,
    column,
    lines_of,
    periods,
    where_field,
)
from ecom_assets.questions.model import Question, preset_field, presets_of
from ecom_assets.retention.rule import (
    CLOCKS,
    MAX_LIMIT,
    MAX_PERIOD,
    MODES,
    PRESETS,
    STARTINGS,
    Bracket,
    RetentionRule,
    brackets_from,
)
from ecom_assets.tables.columns import MAX_TIMES
from ecom_assets.tables.values import check_column, split_columns

STARTS, EVENTS = "starts", "events"
RANGES: Final = {EVENTS: "all events", STARTS: "starts"}
"""What the days of a question limit."""
PERIOD: Final = periods("period of retention")
MODE: Final = Choices("mode of retention", MODES)
CLOCK: Final = Choices("clock of retention", CLOCKS)
STARTING: Final = Choices("starting of retention", STARTINGS)
RANGE: Final = Choices("range of retention", RANGES)
PRESET: Final = Choices("preset", {**presets_of(PRESETS).labels, "n_day": "N-day retention"})
Brackets = Annotated[
    tuple[Bracket, ...], BeforeValidator(brackets_from, json_schema_input_type=list[Bracket] | str), AS_TEXT
]
"""The first and the last period of each bracket; as text `0,1-3,4-7`."""
OptionalEventType = Annotated[Name | None, EVENT_TYPE]


class RetentionQuestion(Question):
    """The definition of retention; see docs/metrics.md."""

    CALLED: ClassVar[str] = "a retention"
    ABOUT: ClassVar[str] = "retention"
    PRESETS = PRESETS
    TITLES: ClassVar = {"what": "Who comes back", "more": "More"}
    OF_COMMAND: ClassVar[Mapping[str, Any]] = {"range_of": STARTS}
    BESIDE: ClassVar[frozenset[str]] = frozenset({"range_of", "whole_until"})
    model_config = ConfigDict(json_schema_extra={"examples": [{"period": "week", "start": "purchase"}]})

    start: OptionalEventType = asked(
        None, "Started with", "Event type that puts a visitor into a cohort; any if not given", place="what",
        hint="anything", suggests="types",
    )  # fmt: skip
    returning: OptionalEventType = asked(
        None, "Came back with", "Event type that counts as coming back; any if not given", place="what",
        option="--return", hint="anything", suggests="types",
    )  # fmt: skip
    period: Annotated[str, PERIOD] = asked(RetentionRule.period, "Periods", "Length of a period", place="what")
    last_period: CountOrNone = asked(
        None, "Up to period", "Periods after this one are left out; all are shown if not given", ge=0, le=MAX_PERIOD,
        place="what", option="--periods", hint="12",
    )  # fmt: skip
    mode: Annotated[str, MODE] = asked(
        RetentionRule.mode, "Came back", "What counts as coming back in a period", place="what"
    )
    by: breakdown("`by` of retention") = asked(  # type: ignore[valid-type]  # a type of a function
        None, "Break down by", "Column or properties.key of starts to compare, bins such as cart_amount:bins=5 or "
        "cart_amount:edges=20,50, or up to 5 of these", place="what", hint="product_category, cart_amount:bins=5",
        suggests="columns", parts=split_columns,
    )  # fmt: skip
    range_of: Annotated[str, RANGE] = asked(
        EVENTS, "These days limit", "What the days limit: the starts, so that earlier starts and later returns count; "
        "or all events", place="more",
    )  # fmt: skip
    clock: Annotated[str, CLOCK] = asked(
        RetentionRule.clock, "Periods of", "Periods of the calendar, or 1 h, 24 h, 7 d or 30 d from each start",
        place="more",
    )  # fmt: skip
    starting: Annotated[str, STARTING] = asked(
        RetentionRule.starting, "Cohort of", "The cohort of the first start that meets the conditions, of the first "
        "event of its type if it meets them, or of each", place="more",
    )  # fmt: skip
    brackets: Brackets = asked(
        RetentionRule.brackets, "Brackets", "Periods counted as one, such as 0,1-3,4-7, for the mode bracket",
        place="more", hint="0-0, 1-2, 3-6", about=("brackets", "bracket"), min_length=1, max_length=100,
    )  # fmt: skip
    week_start: Annotated[str, WEEKDAYS] = asked(
        RetentionRule.week_start, "Weeks begin on", "Weekday on which weeks begin", place="more"
    )
    sum_of: Annotated[Name | None, column("`sum_of` of retention", check_column)] = asked(
        None, "Add up", "Number column or properties.key of returns to add up", place="more", option="--sum",
        hint="cart_amount", suggests="columns",
    )  # fmt: skip
    where: Conditions = where_field()
    per: Name = asked(
        RetentionRule.per, "Count", "user, or properties.key: its values take the place of visitors", place="more",
        hint="visitors, or properties.company", suggests="columns",
    )  # fmt: skip
    start_where: Conditions = asked(
        [], "Starts where", "What must hold of a start, as for `where`", place="more", hint="cart_amount > 20",
        parts=lines_of,
    )  # fmt: skip
    returning_where: Conditions = asked(
        [], "Returns where", "What must hold of a return, as for `where`", place="more", option="--return-where",
        hint="cart_amount > 20", parts=lines_of,
    )  # fmt: skip
    at_least: Count = asked(
        RetentionRule.at_least, "Returns needed", "How many returns a period or bracket needs", ge=1, le=MAX_TIMES,
        place="more", hint="1",
    )  # fmt: skip
    limit: Count = asked(
        RetentionRule.limit, "Group the rest as Other", "How many values of `by` to show; the others are (other)", ge=1,
        le=MAX_LIMIT, place="more", hint="10", needs=("by", "sets how many values of --by are shown"),
    )  # fmt: skip
    whole_until: date | None = asked(
        None, "Data are whole until", "Last day of which the data are whole; the day before the newest if not given",
        place="more", is_date=True,
    )  # fmt: skip
    preset: Annotated[str | None, PRESET] = preset_field()

    @classmethod
    def filled(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is given, and the values of its preset; the first event in all data needs all of them."""
        result = dict(super().filled(given))
        if result.get("starting") == "first_ever" and result.setdefault("range_of", STARTS) == EVENTS:
            raise DefinitionError(
                "starting=first_ever is known of all data, but range_of=events leaves days out; use starts."
            )
        return result

    @classmethod
    def from_command(cls, options: Mapping[str, Any], file: Mapping[str, Any]) -> Self:
        """Return the question of a command.

        Raises:
            UsageError: An option needs another one.
        """
        given = dict(options)
        if "range_of" in given and not {"start_date", "end_date", "last"} & given.keys():
            RANGE.check(given["range_of"])
            raise UsageError("--range-of says what --from, --to or --last limit; give one of them, or leave it out.")
        if "brackets" in given and given.setdefault("mode", "bracket") != "bracket":
            raise UsageError(f"--brackets belong to --mode bracket, not to {given['mode']}; leave one of them out.")
        return super().from_command(given, file)

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse parts that do not go together."""
        _ = self.rule
        return self

    @cached_property
    def rule(self) -> RetentionRule:
        """The rule, as retention is computed.

        Raises:
            DefinitionError: Its parts do not go together.
        """
        return RetentionRule(**{name: getattr(self, name) for name in RetentionRule.__dataclass_fields__})

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return self.rule.columns

    @property
    def reads_all(self) -> bool:
        """Whether the days limit the starts only."""
        return self.range_of == STARTS

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for an answer."""
        return self.rule.to_mapping()
