"""The question of a trend: its series, periods and options.

`trend.py` computes it. METRICS "Trend".
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import ConfigDict, model_validator

from ecom_assets.behaviour.questions.fields import (
    WEEKDAYS,
    Choices,
    Conditions,
    Count,
    EventType,
    FormField,
    FormLines,
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
from ecom_assets.behaviour.questions.model import Question, QuestionPart, preset_field, presets_of
from ecom_assets.behaviour.trends.formula import MAX_LENGTH, Formula
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import NamedValues, without_none
from ecom_assets.core.tables.columns import EVERY, MAX_TIMES, OCCURRENCES
from ecom_assets.core.tables.conditions import columns_of, where_mapping
from ecom_assets.core.tables.days import CLOCK_S
from ecom_assets.core.tables.values import (
    Preset,
    by_columns,
    check_unit,
    named_columns,
)

MOST_DAYS: Final = {"minute": 2, "hour": 31}
"""The most days of a trend by such short periods."""
COUNTS: Final = ("count", "visitors")
PERCENTILES: Final = {"median": 50, "p25": 25, "p75": 75, "p90": 90, "p95": 95, "p99": 99}
ACTIVE: Final = {"wau": 7, "mau": 30}
"""Measures of distinct visitors over so many days up to the last of each period."""
STATISTICS: Final = ("mean", "min", "max", *PERCENTILES)
PER_VISITOR: Final = {f"{statistic}_per_visitor": statistic for statistic in STATISTICS}
"""Measures of a number per visitor, each with the statistic over visitors that it is."""
EACH: Final = ("sum", "mean", "min", "max")
"""How a measure of `PER_VISITOR` makes one number of the values of a visitor."""
DISTINCT: Final = "distinct"
"""The measure that counts different values of a column, such as products or the source's sessions.
"""
SUM: Final = "sum"
"""The measure that adds up a column; of events without any value of it, the sum is not known."""
MEASURES: Final = (*COUNTS, *ACTIVE, DISTINCT, SUM, *STATISTICS, *PER_VISITOR)
ADDITIVE: Final = (*COUNTS, SUM)
"""Measures that can be cumulative."""
ZERO: Final = (*ADDITIVE, *ACTIVE, DISTINCT)
"""Measures that are 0, not unknown, without events."""
MAX_SERIES: Final = 26
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
"""The defaults of other tools for trends, by the keys of a definition."""
ANY: Final = "*"
"""The event type of a series of any events."""
MEASURE_LABELS: Final = {
    "count": "Events",
    "visitors": "Visitors",
    "wau": "Visitors of 7 days",
    "mau": "Visitors of 30 days",
    DISTINCT: "Different values",
    "sum": "Sum",
    "mean": "Mean",
    "min": "Least",
    "max": "Greatest",
    "median": "Median",
    **{name: f"{name[1:]}th percentile" for name in PERCENTILES if name != "median"},
}
"""What forms and charts call the measures; one per visitor is called as its statistic."""
MEASURE: Final = Choices(
    "measure of a trend",
    {
        name: MEASURE_LABELS.get(name) or f"{MEASURE_LABELS[PER_VISITOR[name]]} per visitor"
        for name in MEASURES
    },
)
OCCURRENCE: Final = Choices("occurrence of a series", OCCURRENCES)
OF_EACH: Final = Choices("number of each visitor", {name: name for name in EACH})
KIND: Final = Choices(
    "kind of trend",
    {
        "trend": "Values by period",
        "stickiness": "Stickiness: in how many periods",
        "lifecycle": "Lifecycle: new, returning",
    },
)
SERIES_HELP: Final = (
    "EVENT, EVENT:visitors or EVENT:MEASURE(COLUMN), such as purchase:sum(cart_amount); * is any "
    "event, which is what is counted without a series. Measures: count, visitors, wau, mau, "
    "distinct, sum, mean, min, max, median, p25, p75, p90, p95, p99; mean_per_visitor, "
    "median_per_visitor and so on of the events of each visitor, or with (COLUMN) of what each "
    "adds up, with (mean(COLUMN)) of each one's mean. purchase:visitors:first_ever takes only a "
    "visitor's first purchase in all data, :first_time the first that meets the conditions"
)
_TEXT: Final = re.compile(
    r'\s*(?:"(?P<quoted>[^"]+)"|(?P<event>[^:]+?))\s*'
    r"(?::\s*(?P<measure>\w+)\s*(?:\(\s*(?:(?P<each>\w+)\s*\(\s*(?P<inner>[^()]+?)\s*\)|(?P<of>[^)]+?))\s*\))?\s*)?"
    r"(?::\s*(?P<occurrence>\w+)\s*)?"
)


class TrendSeries(QuestionPart):
    """A series: which events, and the measure of them."""

    CALLED: ClassVar[str] = "a series"

    event_type: EventType = field(
        ANY, "Event type", "What happens; * is anything", examples=["purchase"]
    )
    measure: Annotated[str, MEASURE] = field(
        "count",
        "Measure",
        "What is counted, or computed of `of`: its distinct values, a statistic, or one of "
        "a number per visitor",
    )
    of: Name | None = field(
        None,
        "Of",
        "Number column, for distinct any column; not for count and visitors",
        examples=["cart_amount"],
        form=FormField(hint="nothing", suggests="columns"),
    )
    each: Annotated[str | None, OF_EACH] = field(
        None,
        "each",
        "How a visitor's values of the column are combined, for measures per visitor; default sum",
    )
    where: Conditions = where_field("where")
    occurrence: Annotated[str, OCCURRENCE] = field(
        EVERY,
        "counts",
        "first_time: only a visitor's first that meets the conditions, in all data; first_ever: of "
        "its type",
    )

    @classmethod
    def from_text(cls, text: str) -> NamedValues:
        """Read `EVENT`, `EVENT:MEASURE` or `EVENT:MEASURE(COLUMN)`,
        each perhaps with `:first_time` or `:first_ever`.

        The event `*` is any event; one with a colon stands in double quotes. In place of the
        column, a measure per visitor may have what of it each visitor comes to, as in
        `purchase:median_per_visitor(mean(cart_amount))`.

        Raises:
            DefinitionError: The text has none of these forms.
        """
        match = _TEXT.fullmatch(text)
        if not match:
            raise DefinitionError(
                f"The series {text!r} is not understood; write EVENT:MEASURE(COLUMN), as in "
                "purchase:sum(cart_amount)."
            )
        measure, occurrence, property_name = (
            match["measure"],
            match["occurrence"],
            match["of"] or match["inner"],
        )
        if measure in OCCURRENCES and not (occurrence or property_name):
            measure, occurrence = None, measure
        event = match["event"] or match["quoted"]
        parts = {
            "event_type": event,
            "measure": measure,
            "of": property_name,
            "each": match["each"],
        }
        parts["occurrence"] = occurrence
        return without_none(parts)

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse a measure without its column, or a column that it cannot have."""
        is_count = self.measure in {*COUNTS, *ACTIVE}
        if (self.of is None) != is_count and self.measure not in PER_VISITOR:
            wanted = (
                "takes no column"
                if is_count
                else f"needs a column, as in {self.measure}(cart_amount)"
            )
            raise DefinitionError(f"The measure {self.measure} of a trend {wanted}.")
        if self.each is not None and (self.measure not in PER_VISITOR or self.of is None):
            raise DefinitionError(
                f"The measure {self.measure} of a trend takes a column as it is; {self.each} of a "
                "visitor's values is of measures such as "
                f"mean_per_visitor({self.each}(cart_amount))."
            )
        return self

    @property
    def counted_type(self) -> str | None:
        """The type of its events; None for any."""
        return None if self.event_type == ANY else self.event_type

    def to_mapping(self) -> dict[str, Any]:
        """Return the series for an answer."""
        mapping: dict[str, Any] = {"event_type": self.counted_type, "measure": self.measure}
        mapping |= {"of": self.of} if self.of else {}
        mapping |= {"each": self.each} if self.each else {}
        mapping |= where_mapping(self.where)
        return mapping | ({"occurrence": self.occurrence} if self.occurrence != EVERY else {})


class TrendQuestion(Question):
    """The definition of a trend; see docs/metrics/trends.md."""

    CALLED: ClassVar[str] = "a trend"
    ABOUT: ClassVar[str] = "trend"
    PRESETS = PRESETS
    TITLES: ClassVar = {"what": "Series"}
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"series": ["purchase:visitors", "*:visitors"], "formula": "A / B"}]
        }
    )

    series: tuple[TrendSeries, ...] = field(
        [ANY],
        "Series",
        SERIES_HELP,
        min_length=1,
        max_length=MAX_SERIES,
        line=TrendSeries.from_text,
        form=FormField(
            "what",
            hint="any event",
            suggests="types",
            lines=FormLines("Series", parts=("measure", "of"), has_letters=True),
        ),
    )
    period: Annotated[str, periods("period of a trend", by_minute=True)] = field(
        "day", "Periods", "Length of a period"
    )
    kind: Annotated[str, KIND] = field(
        "trend",
        "Show",
        "Values by period, visitors by the number of periods in which they did it, or new, "
        "returning, resurrecting and dormant visitors by period",
    )
    by: breakdown("`by` of a trend") = by_field(  # type: ignore[valid-type]  # a type of a function
        "whose values are compared, bins", about=("by", "breakdown")
    )
    limit: Count = limit_field(10, MAX_TIMES)
    where: Conditions = where_field()
    per: Annotated[Name, column("`per` of a trend", check_unit)] = field(
        "user",
        "Count",
        "user, or properties.key: its values, such as companies, take the place of visitors",
        form=FormField("counting", hint="visitors, or properties.company", suggests="columns"),
    )
    at_least: Count = field(
        1,
        "Events needed in a period",
        "How many events of a visitor a period of stickiness needs",
        ge=1,
        le=MAX_TIMES,
        form=FormField("counting", hint="1"),
    )
    week_start: Annotated[str, WEEKDAYS] = week_start_field()
    cumulative: bool = field(
        default=False,
        label="Added up",
        help="Whether a period has all that came since the first",
        form=FormField("counting"),
    )
    moving_average: Count = field(
        1,
        "Mean of periods",
        "Mean of so many periods up to each",
        ge=1,
        le=MAX_TIMES,
        form=FormField("counting", hint="7"),
    )
    formula: str | None = field(
        None,
        "Formula",
        "Arithmetic over the series A, B and so on, such as A / B",
        max_length=MAX_LENGTH,
        form=FormField(hint="A / B"),
    )
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Refuse parts that do not go together."""
        if self.at_least > 1 and self.kind != "stickiness":
            raise DefinitionError(
                f"A {self.kind} has no `at_least`; leave it out, or ask for stickiness."
            )
        self._check_measures()
        if self.arithmetic:
            self.arithmetic.check(names_of(self.series))
        if self.kind != "trend":
            self._check_visitors()
        return self

    def _check_measures(self) -> None:
        """Refuse measures that cannot be cumulated, or have no such periods."""
        odd = [series.measure for series in self.series if series.measure not in ADDITIVE]
        if self.cumulative and odd:
            raise DefinitionError(
                f"A {odd[0]} cannot be cumulated; only {', '.join(ADDITIVE)} can."
            )
        active = [series.measure for series in self.series if series.measure in ACTIVE]
        if active and self.is_by_clock:
            raise DefinitionError(
                f"{active[0]} counts whole days, so it has no {self.period}s; ask with another "
                "period."
            )

    def _check_visitors(self) -> None:
        """Refuse what the kinds that count visitors do not have."""
        measured = [series.measure for series in self.series if series.measure not in COUNTS]
        is_set_by_name = {f"{measured[0]} of a series": True} if measured else {}
        is_set_by_name |= {
            "formula": self.formula is not None,
            "moving average": self.moving_average > 1,
        }
        is_set_by_name |= {"running total": self.cumulative, "comparison": self.compare is not None}
        is_set_by_name["occurrence"] = self.counts_firsts
        is_set_by_name["breakdown"] = self.by is not None and self.kind == "lifecycle"
        for name, is_set in is_set_by_name.items():
            if is_set:
                raise DefinitionError(
                    f"A {self.kind} counts visitors, so it has no {name}; leave it out."
                )

    @cached_property
    def arithmetic(self) -> Formula | None:
        """The formula, as it is computed.

        Raises:
            DefinitionError: It is not understood.
        """
        return Formula(self.formula) if self.formula else None

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        conditions = [self.where, *(series.where for series in self.series)]
        columns = [column for where in conditions for column in columns_of(where)]
        unit = [] if self.per == "user" else [self.per]
        measured = [series.of for series in self.series if series.of]
        return [*columns, *named_columns(self.by_columns), *measured, *unit]

    @property
    def by_columns(self) -> tuple[str, ...]:
        """The columns of `by`; none without a breakdown."""
        return by_columns("`by` of a trend", self.by)

    @property
    def is_by_clock(self) -> bool:
        """Whether its periods are shorter than a day."""
        return self.period in CLOCK_S

    @property
    def counts_firsts(self) -> bool:
        """Whether a series counts only the first event of a visitor."""
        return any(series.occurrence != EVERY for series in self.series)

    @property
    def reads_all(self) -> bool:
        """Whether events before the range matter."""
        is_active = any(series.measure in ACTIVE for series in self.series)
        return self.kind == "lifecycle" or self.counts_firsts or is_active

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition for an answer."""
        mapping: dict[str, Any] = {
            "series": [series.to_mapping() for series in self.series],
            "period": self.period,
        }
        mapping |= {
            "week_start": self.week_start,
            "by": list(self.by) if isinstance(self.by, tuple) else self.by,
            "limit": self.limit,
            "cumulative": self.cumulative,
        }
        mapping |= {"moving_average": self.moving_average, "compare": self.compare}
        mapping["formula"] = self.arithmetic.text if self.arithmetic else None
        mapping |= {"kind": self.kind} if self.kind != "trend" else {}
        mapping |= {"per": self.per} if self.per != "user" else {}
        mapping |= {"at_least": self.at_least} if self.at_least > 1 else {}
        return mapping | where_mapping(self.where)


def names_of(series: Sequence[TrendSeries]) -> tuple[str, ...]:
    """Return the names of the series in a formula: A, B, C and so on."""
    return tuple(chr(ord("A") + number) for number in range(len(series)))
