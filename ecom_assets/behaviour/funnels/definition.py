"""The definition of a funnel: steps, window, order, unit and times to convert,
and which of these go together.

Files, requests, options and forms give it, and funnels are computed from it.

A unit reaches level k if it has distinct events e1 … ek, ei matching step i, at t1 <= t2 <= … <= tk
with tk - t1 <= `within` seconds. This is ClickHouse's `windowFunnel(…, 'strict_once')`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import ValidationInfo, field_validator, model_validator

from ecom_assets.behaviour.funnels.steps import (
    ANY,
    MAX_STEPS,
    Exclusion,
    FunnelEvent,
    FunnelStep,
    TimeToConvert,
    exclusion_from_text,
    step_names,
)
from ecom_assets.behaviour.questions.fields import (
    DURATIONS,
    WEEKDAYS,
    Choices,
    CommandOption,
    Conditions,
    Count,
    Duration,
    FormField,
    FormLines,
    Name,
    breakdown,
    by_field,
    commas,
    field,
    limit_field,
    periods,
    week_start_field,
    where_field,
)
from ecom_assets.behaviour.questions.model import Definition, preset_field, presets_of
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.conditions import EVERYTHING, columns_of, number_columns_of
from ecom_assets.core.tables.values import (
    Preset,
    binned_columns,
    check_column,
    json_path,
    named_columns,
)

PRESETS: Final[Mapping[str, Preset]] = {
    "posthog": {
        "within": "14d",  # posthog.com/docs/product-analytics/funnels: conversion window
        "order": "ordered",  # same page: sequential
        # PostHog/posthog funnel-udf/src/steps.rs: an excluded event drops the attempt
        "exclusion_rule": "posthog",
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
FIVE_STEPS: Final = ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
"""The steps of the shipped funnel."""
MAX_WINDOW_S: Final = 100 * 366 * 86_400
GREATEST_LIMIT: Final = 1_000
EARLIEST: Final = {
    "ordered": "Ordered: other events may lie between",
    "strict_increase": "Times strictly increase",
    "clickhouse_default": "An event may be several steps",
}
"""Orders in which an attempt takes each next step as early as possible,
no matter which events are in between.
"""
INTERRUPTED: Final = {
    "strict_order": "Up to the first event that is not the next step",
    "allow_reentry": "With entering again",
    "strict_deduplication": "Strict, without repeats",
}
"""Orders of ClickHouse in which certain events end the stream of a unit."""
CONSECUTIVE: Final = {
    "exact": "Exact: nothing but the steps",
    "strict": "Strict, as PostHog: a repeated step does not count as another event",
}
"""Orders in which no other event may occur between steps."""
ORDERS: Final = {**EARLIEST, "any": "Any order", **CONSECUTIVE, **INTERRUPTED}
"""All orders, with what forms call them."""
ORDERS_ELSEWHERE: Final = {
    "strict": "strict",
    "exact": "exact",
    "unordered": "any",
    "any": "any",
    "this": "ordered",
    "specific": "ordered",
    "loose": "ordered",
    "sequential": "ordered (PostHog's word) or exact (Amplitude's)",
    "strict once": "ordered",
}
"""Names of orders in PostHog, Amplitude, Mixpanel and ClickHouse,
in lower case and without "order" at the end.
"""
UNIT_COLUMNS: Final = {"user": "visitor_id", "session": "session_id", "totals": "visitor_id"}
UNIT: Final = "unit"
"""The column of the units of `per: properties.key`."""
EXCLUSION_RULES: Final = {"mixpanel": "keeps the steps before it", "posthog": "drops the attempt"}
"""What an excluded event does."""
ORDER: Final = Choices("funnel's `order`", ORDERS, ORDERS_ELSEWHERE)
PER: Final = Choices("funnel's `per`", UNIT_COLUMNS)
EXCLUSION_RULE: Final = Choices("funnel's `exclusion_rule`", EXCLUSION_RULES)
OVER: Final = periods("funnel's `over`")
WEEK_START: Final = Choices("funnel's `week_start`", WEEKDAYS.labels)
STEPS_HELP: Final = (
    "Event types, in order; * is any event, and `b?` an optional step, which need not be taken"
)


class Funnel(Definition):
    """The definition of a funnel; see docs/metrics/funnels.md."""

    CALLED: ClassVar[str] = "a funnel definition"
    ABOUT: ClassVar[str] = "funnel"
    TITLES: ClassVar = {"what": "Steps"}
    PRESETS = PRESETS

    steps: tuple[FunnelStep, ...] = field(
        ...,
        "Steps",
        STEPS_HELP,
        min_length=1,
        max_length=MAX_STEPS,
        line=FunnelStep.from_text,
        parts=step_names,
        form=FormField("what", suggests="types", lines=FormLines("Step")),
        option=CommandOption(is_one=True),
    )
    within: Duration = field(
        "7d",
        "Window",
        f"Time from the first step to the last, {DURATIONS}",
        form=FormField(hint="7d", suggests="durations", about=("within", "duration")),
    )
    order: Annotated[str, ORDER] = field(
        "ordered",
        "Order",
        "What may lie between steps: docs/metrics/funnels.md",
        form=FormField(width=2),
    )
    per: Name = field(
        "user",
        "Count",
        "What is counted: user, session, totals, or the values of a properties.key",
        form=FormField(
            hint="properties.company",
            suggests="columns",
            options={"": "Visitors", "session": "Sessions", "totals": "Every attempt"},
        ),
    )
    by: breakdown("`by`") = by_field(  # type: ignore[valid-type]  # a type of a function
        "to compare, bins of numbers", about=("by", "breakdown")
    )
    over: Annotated[str | None, OVER] = field(
        None,
        "Over time, by",
        "Length of periods of entry, each of which is a cohort with a funnel of its own",
        form=FormField(options={"": "No"}),
    )
    exclude: tuple[Exclusion, ...] = field(
        [],
        "Does not count if in between",
        "Events that may not come between the steps; `a:2:3` only between steps 2 and 3",
        max_length=20,
        line=exclusion_from_text,
        parts=commas,
        form=FormField("counting", hint="remove_from_cart", suggests="types"),
    )
    where: Conditions = where_field()
    hold: tuple[Name, ...] = field(
        [],
        "Same value at every step",
        "Columns that keep one value throughout",
        max_length=10,
        parts=commas,
        form=FormField("counting", hint="product_id", suggests="columns"),
        option=CommandOption(is_one=True),
    )
    exclusion_rule: Annotated[str, EXCLUSION_RULE] = field(
        "mixpanel",
        "What is in between",
        "What an excluded event does: mixpanel keeps the steps before it, "
        "posthog drops the attempt",
        form=FormField("counting"),
        option=CommandOption(needs=("exclude", "says what an excluded event does")),
    )
    by_attribution: str = field(
        "first",
        "Breakdown's value from",
        "Whose value of `by` counts: first, last, all, step_2 and the like",
        max_length=10,
        form=FormField(
            "breakdown",
            hint="first, last, all, step_2",
            options={
                "": "The first step that has one",
                "last": "The last step that has one",
                "all": "Every step has it",
                **{f"step_{number}": f"Step {number}" for number in range(1, 6)},
            },
        ),
        option=CommandOption(needs=("by", "says whose value of --by counts")),
    )
    limit: Count = limit_field(25, GREATEST_LIMIT, "Other")
    week_start: Annotated[str, WEEK_START] = week_start_field()
    time_to_convert: TimeToConvert | None = field(
        None,
        "Between steps",
        "Two steps, the time between which is counted in bins, such as 1:3",
        form=FormField("times", hint="1:3", about=("time_to_convert",), address="times"),
    )
    preset: Annotated[str | None, presets_of(PRESETS)] = preset_field()

    @classmethod
    def filled(cls, options: NamedValues) -> NamedValues:
        """Return the options that are set, and the values of its preset;
        only cohorts by week have a weekday.
        """
        result = dict(super().filled(options))
        if options.get("week_start") is None and options.get("over") != "week":
            result.pop("week_start", None)
        return result

    @field_validator("exclude")
    @classmethod
    def _between_steps(
        cls, exclude: tuple[Exclusion, ...], info: ValidationInfo
    ) -> tuple[Exclusion, ...]:
        steps = info.data.get("steps")
        return (
            tuple(exclusion.completed_for(len(steps)) for exclusion in exclude)
            if steps
            else exclude
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.within < 1:
            raise DefinitionError(
                f"`within` is a time of at least one second, as in 30m or 7d; got {self.within!r}."
            )
        if self.within > MAX_WINDOW_S:
            raise DefinitionError(
                f"`within` is at most {MAX_WINDOW_S} s (100 years); got {self.within} s."
            )
        if json_path(self.per):
            check_column("`per`", self.per)
        else:
            PER.check(self.per)
        attributions = (
            "first",
            "last",
            "all",
            *(f"step_{n}" for n in range(1, len(self.steps) + 1)),
        )
        Choices("funnel's `by_attribution`", dict.fromkeys(attributions, "")).check(
            self.by_attribution
        )
        self._check_exclusions()
        for column in self.hold:
            check_column("`hold`", column)
        self._check_order()
        if self.week_start != "monday" and self.over != "week":
            raise DefinitionError(
                "`week_start` needs cohorts by week; leave it out, or set `over` to week."
            )
        if self.time_to_convert:
            self.time_to_convert.check(len(self.steps))
        if self.optional_steps:
            self._check_optional()
        return self

    def _check_exclusions(self) -> None:
        for exclusion in self.exclude:
            for number in range(exclusion.after, (exclusion.before or len(self.steps)) + 1):
                if exclusion.covers(self.steps[number - 1]):
                    raise DefinitionError(
                        f"The exclusion of {exclusion.event_type!r} is step {number} of the "
                        "funnel itself, and no event can be both taken and left out; exclude "
                        "another one, or exclude it between other steps."
                    )

    def _check_order(self) -> None:
        orders = ", ".join(EARLIEST)
        if self.exclude and self.order in INTERRUPTED:
            other_orders = ", ".join((*CONSECUTIVE, "any"))
            raise DefinitionError(
                f"The order {self.order!r} takes no exclusions; use one of {orders}, "
                f"{other_orders}, or leave them out."
            )
        if self.order == "any" and any(
            (exclusion.after, exclusion.before) != (1, len(self.steps))
            for exclusion in self.exclude
        ):
            raise DefinitionError(
                "Steps in any order have no first or second, so an exclusion is between all of "
                "them; leave out `after` and `before`."
            )
        if self.per == "totals" and self.order not in EARLIEST:
            raise DefinitionError(
                f"The order {self.order!r} has no totals; use one of {orders}, or count per user."
            )

    def _check_optional(self) -> None:
        """Refuse what a funnel with optional steps does not have."""
        if {1, len(self.steps)} & self.optional_steps:
            raise DefinitionError(
                "The first and the last step of a funnel have to be taken; make only steps "
                "between them optional."
            )
        if self.order not in EARLIEST:
            raise DefinitionError(
                f"The order {self.order!r} has no optional steps; use one of "
                f"{', '.join(EARLIEST)}, or leave them out."
            )
        if self.per == "totals":
            raise DefinitionError(
                "Totals have no optional steps; count per user or session, or leave them out."
            )
        if self.exclude and self.exclusion_rule != "posthog":
            raise DefinitionError(
                "In a funnel with optional steps an exclusion drops the whole unit; set the "
                "exclusion rule to posthog, or leave one of them out."
            )
        step_numbers = [
            ("An exclusion", number)
            for event in self.exclude
            for number in (event.after, event.before)
        ]
        if self.by_attribution.startswith("step_"):
            step_numbers.append(
                ("`by_attribution`", int(self.by_attribution.removeprefix("step_")))
            )
        if times := self.time_to_convert:
            step_numbers += [("`time_to_convert`", times.first), ("`time_to_convert`", times.last)]
        for subject, number in step_numbers:
            if number in self.optional_steps:
                raise DefinitionError(
                    f"{subject} names step {number}, which is optional; name steps that have to "
                    "be taken."
                )

    @property
    def events(self) -> list[FunnelEvent]:
        """The steps, and the events of the exclusions."""
        return [*self.steps, *self.exclude]

    @property
    def has_any_step(self) -> bool:
        """Whether any event can be a certain step."""
        return any(step.event_type == ANY for step in self.steps)

    @property
    def counts_firsts(self) -> bool:
        """Whether only the first event of a visitor can be a certain step."""
        return any(step.is_first for step in self.steps)

    @property
    def drops_attempts(self) -> bool:
        """Whether attempts with an excluded event are dropped with all of their steps."""
        return bool(self.exclude) and self.exclusion_rule == "posthog"

    @property
    def by_columns(self) -> tuple[str, ...]:
        """The columns of `by`; none without a breakdown."""
        return (self.by,) if isinstance(self.by, str) else tuple(self.by or ())

    @property
    def optional_steps(self) -> frozenset[int]:
        """The numbers of the steps that need not be taken."""
        return frozenset(number for number, step in enumerate(self.steps, start=1) if step.optional)

    @property
    def required_steps(self) -> list[int]:
        """The numbers of the steps that have to be taken, in order."""
        return [number for number, step in enumerate(self.steps, start=1) if not step.optional]

    def required(self) -> Self:
        """Return the funnel of the steps that have to be taken, by their numbers in it."""
        if not self.optional_steps:
            return self
        number_of = {
            number: position for position, number in enumerate(self.required_steps, start=1)
        }
        attribution = self.by_attribution
        if attribution.startswith("step_"):
            attribution = f"step_{number_of[int(attribution.removeprefix('step_'))]}"
        return self.changed(
            steps=tuple(self.steps[number - 1] for number in number_of),
            exclude=tuple(
                exclusion.changed(
                    after=number_of[exclusion.after],
                    before=number_of[exclusion.before or len(self.steps)],
                )
                for exclusion in self.exclude
            ),
            by_attribution=attribution,
            time_to_convert=None,
        )

    @property
    def columns(self) -> list[str]:
        """The columns and keys that the definition names, apart from those of the unit;
        with repetitions.
        """
        return [*self.condition_columns, *named_columns(self.by_columns)]

    @property
    def condition_columns(self) -> list[str]:
        """Those of `columns` by which events and units are chosen."""
        compared = [column for event in self.events for column in event.columns]
        own = [] if self.per in UNIT_COLUMNS else [self.per]
        return [
            *compared,
            *columns_of(self.where),
            *self.hold,
            *own,
        ]

    @property
    def number_columns(self) -> list[str]:
        """The columns that are compared with a number, or in bins."""
        conditions = (self.where, *(event.others for event in self.events))
        columns = [column for where in conditions for column in number_columns_of(where)]
        return [*columns, *binned_columns(self.by_columns)]

    @property
    def unit_column(self) -> str:
        """The column that identifies the unit in `per`."""
        return UNIT_COLUMNS.get(self.per, UNIT)

    def unit_columns(self, unit: str | Sequence[str] | None) -> list[str]:
        """Return the columns that identify a unit, without held ones;
        by default the column of `per`.
        """
        return (
            [self.unit_column] if unit is None else [unit] if isinstance(unit, str) else list(unit)
        )

    def counted_columns(self, units: Sequence[str]) -> list[str]:
        """Return the columns that identify what is counted:
        those of the unit and the held ones, each once.
        """
        return list(dict.fromkeys([*units, *self.hold]))

    def to_mapping(self) -> dict[str, Any]:
        """Return the definition as in a file, without choices that have no effect."""
        steps = [step.to_mapping() for step in self.steps]
        values: dict[str, Any] = {
            "steps": steps,
            "within": f"{self.within}s",
            "order": self.order,
            "per": self.per,
        }
        if self.where != EVERYTHING:
            values["where"] = self.where.to_mapping()
        if self.hold:
            values["hold"] = list(self.hold)
        if self.exclude:
            values["exclude"] = [exclusion.to_mapping() for exclusion in self.exclude]
            values["exclusion_rule"] = self.exclusion_rule
        if self.by is not None:
            by = self.by if isinstance(self.by, str) else list(self.by)
            values |= {"by": by, "by_attribution": self.by_attribution, "limit": self.limit}
        if self.over is not None:
            values |= {"over": self.over} | (
                {"week_start": self.week_start} if self.over == "week" else {}
            )
        if self.time_to_convert is not None:
            values["time_to_convert"] = self.time_to_convert.to_mapping()
        return values

    def file(self) -> dict[str, Any]:
        """Return the definition as a file: all that has an effect, with defaults."""
        return self.to_mapping()
