"""The question of a trend: its series and how they are counted, as definitions, requests, options and forms have it."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import ConfigDict, model_validator

from ecom_assets.errors import DefinitionError
from ecom_assets.questions.fields import (
    WEEKDAYS,
    Choices,
    Conditions,
    Count,
    EventType,
    Name,
    asked,
    breakdown,
    column,
    periods,
    where_field,
)
from ecom_assets.questions.model import Part, Question, preset_field, presets_of
from ecom_assets.tables.columns import EVERY, MAX_TIMES, OCCURRENCES
from ecom_assets.tables.values import check_unit, split_columns
from ecom_assets.trends.definition import EACH, KINDS, MAX_LENGTH, MAX_SERIES, MEASURES, PRESETS, Formula, Series, Trend

ANY: Final = "*"
MEASURE: Final = Choices("measure of a trend", {name: name for name in MEASURES})
OCCURRENCE: Final = Choices("occurrence of a series", OCCURRENCES)
OF_EACH: Final = Choices("number of each visitor", {name: name for name in EACH})
SERIES_HELP: Final = (
    "EVENT, EVENT:visitors or EVENT:MEASURE(COLUMN), such as purchase:sum(cart_amount); * is any event, which is what "
    "is counted without a series. Measures: count, visitors, wau, mau, distinct, sum, mean, min, max, median, p25, "
    "p75, p90, p95, p99; mean_per_visitor, median_per_visitor and so on of the events of each visitor, or with "
    "(COLUMN) of what each adds up, with (mean(COLUMN)) of each one's mean. purchase:visitors:first_ever takes only a "
    "visitor's first purchase in all data, :first_time the first that meets the conditions"
)
_TEXT: Final = re.compile(
    r'\s*(?:"(?P<quoted>[^"]+)"|(?P<event>[^:]+?))\s*'
    r"(?::\s*(?P<measure>\w+)\s*(?:\(\s*(?:(?P<each>\w+)\s*\(\s*(?P<inner>[^()]+?)\s*\)|(?P<of>[^)]+?))\s*\))?\s*)?"
    r"(?::\s*(?P<occurrence>\w+)\s*)?"
)


def series_of(text: str) -> dict[str, Any]:
    """Read `EVENT`, `EVENT:MEASURE` or `EVENT:MEASURE(COLUMN)`, each perhaps with `:first_time` or `:first_ever`.

    The event `*` is any event; one with a colon stands in double quotes. In place of the column, a measure per visitor
    may have what of it each visitor comes to, as in `purchase:median_per_visitor(mean(cart_amount))`.

    Raises:
        DefinitionError: The text has none of these forms.
    """
    match = _TEXT.fullmatch(text)
    if not match:
        raise DefinitionError(
            f"The series {text!r} is not understood; write EVENT:MEASURE(COLUMN), as in purchase:sum(cart_amount)."
        )
    measure, occurrence, of = match["measure"], match["occurrence"], match["of"] or match["inner"]
    if measure in OCCURRENCES and not (occurrence or of):
        measure, occurrence = None, measure
    event = match["event"] or match["quoted"]
    parts = {"event_type": event, "measure": measure, "of": of, "each": match["each"], "occurrence": occurrence}
    return {name: value for name, value in parts.items() if value is not None}


class TrendSeries(Part):
    """A series: which events, and the measure of them."""

    CALLED: ClassVar[str] = "a series"

    event_type: EventType = asked(ANY, "Event type", "What happens; * is anything", examples=["purchase"])
    measure: Annotated[str, MEASURE] = asked(
        Series.measure, "measure", "What is counted, or computed of `of`: its distinct values, a statistic, or one of "
        "a number per visitor",
    )  # fmt: skip
    of: Name | None = asked(
        None, "of", "Number column, for distinct any column; not for count and visitors", examples=["cart_amount"]
    )
    each: Annotated[str | None, OF_EACH] = asked(
        None, "each", "How a visitor's values of the column are combined, for measures per visitor; default sum"
    )
    where: Conditions = where_field("where")
    occurrence: Annotated[str, OCCURRENCE] = asked(
        EVERY, "counts", "first_time: only a visitor's first that meets the conditions, in all data; first_ever: of "
        "its type",
    )  # fmt: skip

    @classmethod
    def from_text(cls, text: str) -> Mapping[str, Any]:
        """Return the series that is written as `purchase:sum(cart_amount)`."""
        return series_of(text)

    @property
    def series(self) -> Series:
        """The series, as it is computed."""
        event = None if self.event_type == ANY else self.event_type
        return Series(event, self.measure, self.of, self.where, self.occurrence, each=self.each)


class TrendQuestion(Question):
    """The definition of a trend; see docs/metrics.md."""

    CALLED: ClassVar[str] = "a trend"
    ABOUT: ClassVar[str] = "trend"
    PRESETS = PRESETS
    TITLES: ClassVar = {"what": "Series", "how": "How", "more": "More"}
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"series": ["purchase:visitors", "*:visitors"], "formula": "A / B"}]}
    )

    series: tuple[TrendSeries, ...] = asked(
        [ANY], "Series", SERIES_HELP, min_length=1, max_length=MAX_SERIES, place="what", suggests="types",
        hint="purchase:sum(cart_amount)", line=series_of, row="Series", has_letters=True,
    )  # fmt: skip
    period: Annotated[str, periods("period of a trend", by_minute=True)] = asked(
        Trend.period, "Periods", "Length of a period"
    )
    kind: Annotated[str, Choices("kind of trend", KINDS)] = asked(
        Trend.kind, "Show", "Values by period, visitors by the number of periods in which they did it, or new, "
        "returning, resurrecting and dormant visitors by period",
    )  # fmt: skip
    by: breakdown("`by` of a trend") = asked(  # type: ignore[valid-type]  # a type of a function
        None, "Break down by", "Column or properties.key whose values are compared, bins such as cart_amount:bins=5 or "
        "cart_amount:edges=20,50, or up to 5 of these", hint="product_category, cart_amount:bins=5",
        suggests="columns", parts=split_columns, about=("by", "breakdown"),
    )  # fmt: skip
    limit: Count = asked(
        Trend.limit, "Group the rest as Other", "How many values of `by` to show; the others are (other)", ge=1,
        le=MAX_TIMES, hint="10", place="more", needs=("by", "sets how many values of --by are shown"),
    )  # fmt: skip
    where: Conditions = where_field()
    per: Annotated[Name, column("`per` of a trend", check_unit)] = asked(
        Trend.per, "Count", "user, or properties.key: its values, such as companies, take the place of visitors",
        hint="visitors, or properties.company", suggests="columns", place="more",
    )  # fmt: skip
    at_least: Count = asked(
        Trend.at_least, "Events needed in a period", "How many events of a visitor a period of stickiness needs", ge=1,
        le=MAX_TIMES, hint="1", place="more",
    )  # fmt: skip
    week_start: Annotated[str, WEEKDAYS] = asked(
        Trend.week_start, "Weeks begin on", "Weekday on which weeks begin", place="more"
    )
    cumulative: bool = asked(
        default=False, label="Added up", help="Whether a period has all that came since the first", place="more"
    )
    moving_average: Count = asked(
        Trend.moving_average, "Mean of periods", "Mean of so many periods up to each", ge=1, le=MAX_TIMES, hint="7",
        place="more",
    )  # fmt: skip
    compare: bool = asked(
        default=False, label="Range before", help="Whether the range of as many days before stands beside it",
        place="more",
    )  # fmt: skip
    formula: str | None = asked(
        None, "Formula", "Arithmetic over the series A, B and so on, such as A / B", max_length=MAX_LENGTH, hint="A / B"
    )
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse parts that do not go together."""
        _ = self.trend
        return self

    @cached_property
    def trend(self) -> Trend:
        """The trend, as it is computed.

        Raises:
            DefinitionError: Its parts do not go together.
        """
        plain = ("period", "week_start", "by", "limit", "where", "moving_average", "kind", "per", "at_least")
        return Trend(
            tuple(one.series for one in self.series),
            is_cumulative=self.cumulative,
            is_compared=self.compare,
            formula=Formula(self.formula) if self.formula else None,
            **{name: getattr(self, name) for name in plain},
        )

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return self.trend.columns

    @property
    def reads_all(self) -> bool:
        """Whether events before the range matter."""
        return self.trend.reads_all

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for an answer."""
        return self.trend.to_mapping()
