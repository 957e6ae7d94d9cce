"""Routes for funnels: daily funnels with abandoned carts, and custom funnels by POST."""

from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.models import PREVIOUS, of
from ecom_assets.api.parameters import Context, JustSliced, Sliced, SlicedOfDays
from ecom_assets.api.problems import documented
from ecom_assets.api.questions import (
    Body,
    Breakdown,
    Name,
    QuestionEvents,
    RequestBody,
    Weekday,
    check_session_ids,
    question_router,
)
from ecom_assets.errors import DefinitionError
from ecom_assets.funnels import queries as funnel_queries
from ecom_assets.funnels.answer import (
    MOST_COMPILED_STEPS,
    StepList,
    funnel_answer,
    is_small_enough,
    who_answer,
)
from ecom_assets.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.funnels.definition import MAX_STEPS, MIN_STEPS, Funnel
from ecom_assets.funnels.entries import Limits
from ecom_assets.funnels.queries import By, Unit
from ecom_assets.funnels.question import FunnelDefinition
from ecom_assets.questions.answer import Answer, InUtc, Money, QuestionAnswer
from ecom_assets.questions.source import QuestionTooLargeError
from ecom_assets.sessions.rule import TOOL_RULES, SessionRule

router = APIRouter(tags=["conversion"])
questions = question_router()
Conditions = Annotated[list[StrictStr | dict[str, Any]], Field(max_length=50)]
StepConditions = (
    Conditions | Annotated[dict[Name, Any], Field(max_length=20)] | Annotated[StrictStr, Field(max_length=2_000)]
)
Order = Literal[
    "ordered", "strict_increase", "clickhouse_default", "strict_order", "allow_reentry", "strict_deduplication",
    "any", "exact", "strict",
]  # fmt: skip


class Step(BaseModel):
    """A step, and the number of units that reached it."""

    step: int = of(ConversionFunnel.step, 1)
    event_type: str = of(ConversionFunnel.event_type, "page_view")
    unit_count: int = of(ConversionFunnel.unit_count, 10985)
    conversion_from_start_rate: float | None = of(ConversionFunnel.conversion_from_start_rate, 1.0)
    conversion_from_previous_rate: float | None = of(ConversionFunnel.conversion_from_previous_rate, 1.0)


class LeftBehind(BaseModel):
    """The carts and checkouts of sessions, and those of them without a purchase."""

    cart_count: int | None = of(CartAbandonment.cart_count, 1101)
    abandoned_cart_count: int | None = of(CartAbandonment.abandoned_cart_count, 777)
    cart_abandonment_rate: float | None = of(CartAbandonment.cart_abandonment_rate, 0.706)
    checkout_count: int | None = of(CartAbandonment.checkout_count, 536)
    abandoned_checkout_count: int | None = of(CartAbandonment.abandoned_checkout_count, 212)
    checkout_abandonment_rate: float | None = of(CartAbandonment.checkout_abandonment_rate, 0.396)


class Abandonment(LeftBehind):
    """The carts and checkouts of sessions, with the amounts of the carts."""

    cart_amount: Money | None = of(CartAbandonment.cart_amount)
    abandoned_cart_amount: Money | None = of(CartAbandonment.abandoned_cart_amount)


class Funnelled(BaseModel):
    """A funnel and the carts of a period."""

    steps: list[Step] = Field(description="The steps in order; none where nobody came")
    conversion_rate: float | None = Field(
        description="Units at the last step among those at the first; null where nobody was", examples=[0.029]
    )
    abandonment: Abandonment = Field(description="Of sessions")


class ConversionChange(BaseModel):
    """The relative change of each rate; null after a zero, or if not all days of both periods are known."""

    conversion_rate: float | None = Field(description="Of the funnel", examples=[0.1])
    cart_abandonment_rate: float | None = of(CartAbandonment.cart_abandonment_rate)
    checkout_abandonment_rate: float | None = of(CartAbandonment.checkout_abandonment_rate)


class Part(LeftBehind):
    """The funnel and the carts of one device, channel or category; carts are null if the unit is visitors."""

    value: str = Field(description="The device, channel or category", examples=["mobile"])
    steps: list[Step] = Field(description="The steps in order")
    conversion_rate: float | None = Field(description="As above", examples=[0.028])


class ConversionAnswer(Answer, Funnelled):
    """A funnel and the carts of a period."""

    funnel_name: str = of(ConversionFunnel.funnel_name, "default")
    unit: Unit = of(ConversionFunnel.unit)
    by: By | None = Field(description="What the breakdown is by")
    previous: Funnelled | None = Field(description=PREVIOUS)
    change: ConversionChange = Field(description="From that to this")
    total_count: int = Field(description="How many values the breakdown has", examples=[4])
    breakdown: list[Part] = Field(description="By device, channel or category, most at step 1 first")


class ConversionParameters(SlicedOfDays):
    """Which funnel to return, with its unit and breakdown."""

    funnel: str | None = Field(
        None, max_length=200, description="Name of a daily funnel; default `default`, or the first by name"
    )
    unit: Unit = Field("session", description="What is counted")
    by: By | None = Field(None, description="Breakdown; device and channel are of sessions")


@router.get(
    "/analytics/conversion",
    response_model=ConversionAnswer,
    responses=documented(409),
    summary="Funnel and abandoned carts",
)
def conversion(context: Context, parameters: Annotated[ConversionParameters, Query()]) -> dict[str, Any]:
    """Return the steps of a daily funnel, from the first page to the purchase, and the abandoned carts."""
    period = context.period(parameters, "events")
    result = funnel_queries.conversion(context.reading, period, parameters.funnel, parameters.unit, parameters.by)
    return context.answer(parameters, funnel_queries.DEFINITION, parameters.cut(result, "breakdown"), period)


Duration = Annotated[str, Field(max_length=30)]


class EventBody(RequestBody):
    """An event type with conditions."""

    event_type: Name = Field(description="What happens", examples=["product_view"])
    where: StepConditions = Field(
        default_factory=list,
        description="Values of columns, or conditions as text such as `cart_amount > 20` or as {column, operator, "
        "value}; `properties.key` names a value inside the JSON column",
        examples=[{"product_category": "shoes"}],
    )


class StepBody(EventBody):
    """A step: an event type with conditions, and which of a visitor's events count."""

    occurrence: Literal["every", "first_time", "first_ever"] | None = Field(
        None, description="first_time: only the first that meets the conditions, in all data; first_ever: of its type"
    )
    optional: bool = Field(default=False, description="Whether it need not be taken; as text, `add_to_cart?`")


class ExclusionBody(EventBody):
    """An event that must not occur between two steps."""

    after: int = Field(1, ge=1, le=MAX_STEPS, description="The step after which it may not happen")
    before: int | None = Field(None, ge=2, le=MAX_STEPS, description="The step before which; default the last")


class TimesBody(RequestBody):
    """Two steps, and the bins of the time between them."""

    model_config = ConfigDict(populate_by_name=True)

    first: int = Field(alias="from", ge=1, le=MAX_STEPS, description="The earlier step")
    last: int = Field(alias="to", ge=1, le=MAX_STEPS, description="The later step")
    bins: StrictInt | Duration | list[Duration] | None = Field(
        None, description="A number of bins, the width of each, such as 1h, or where they end; default chosen"
    )


EXAMPLE: Final[dict[str, Any]] = {
    "steps": [{"event_type": name} for name in ("product_view", "add_to_cart", "purchase")],
    "within": "7d",
    "by": "product_category",
}


class FunnelBody(Body):
    """The definition of a funnel; see docs/metrics.md."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})
    OF_DAYS = Body.OF_DAYS | {"first", "last_day", "last", "session_rule"}

    steps: list[StepBody | Name] = Field(min_length=MIN_STEPS, max_length=MAX_STEPS, description="In order")
    within: str = Field("7d", max_length=30, description="Time from first to last step, such as 30m, 12h or 7d")
    order: Order = Field("ordered", description="What may lie between steps: docs/metrics.md")
    per: Name = Field("user", description="What is counted: user, session, totals, or the values of a properties.key")
    where: Conditions = Field(default_factory=list, description="What must hold of every event, as text or as JSON")
    hold: list[Name] = Field(default_factory=list, max_length=10, description="Columns that keep one value throughout")
    exclude: list[ExclusionBody | Name] = Field(
        default_factory=list, max_length=20, description="Events that may not come between steps"
    )
    exclusion_rule: Literal["mixpanel", "posthog"] = Field("mixpanel", description="What an excluded event does")
    by: Breakdown | None = Field(None, description="Column to compare, bins such as cart_amount:bins=5, or up to 5")
    by_attribution: str = Field("first", max_length=10, description="first, last, all or step_2 and the like")
    limit: int = Field(25, ge=1, le=1_000, description="How many values to show; the others are Other")
    first: date | None = Field(None, alias="from", description="First day of entry; later steps may follow any time")
    last_day: date | None = Field(None, alias="to", description="Last day of entry, included")
    last: str | None = Field(None, max_length=20, description="So many days up to the last one, such as 30d, not from")
    over: Literal["hour", "day", "week", "month", "quarter", "year"] | None = Field(
        None, description="Length of periods of entry"
    )
    week_start: Weekday = Field("monday", description="Weekday on which weeks begin")
    time_to_convert: TimesBody | None = Field(None, description="Two steps, the time between which is counted in bins")
    session_rule: str | None = Field(
        None,
        max_length=30,
        description="When a session ends, for per=session; default as the preset or the settings say",
    )
    preset: Literal["posthog", "amplitude", "mixpanel", "clickhouse", "ga4"] | None = Field(
        None, description="What this tool would do wherever the body says nothing"
    )

    def as_of(self, newest: date) -> date:
        """Return the last day of entry, as of which a visitor segment is."""
        return self.last_day or super().as_of(newest)

    def funnel(self) -> Funnel:
        """Return the definition."""
        return FunnelDefinition.from_mapping(self.as_definition()).funnel

    def rule(self, context: Context) -> SessionRule:
        """Return the session rule of the body, else of the preset's tool, if it has sessions, else of the settings.

        Raises:
            DefinitionError: The rule needs the session ids of the source, which are not published.
        """
        name = self.session_rule or TOOL_RULES.get(str(self.preset))
        rule = SessionRule.preset(name) if name else context.session_rule
        if self.per == "session":
            check_session_ids(context, rule)
        return rule

    def limits(self, timezone: str) -> Limits:
        """Return the days of entry.

        Raises:
            DefinitionError: They cannot be combined, with each other or with the days whose events are looked at.
        """
        limits = Limits.read(self.first, self.last_day, self.last, timezone)
        leaves_days_out = bool(self.time_range or self.start_date or self.end_date)
        if leaves_days_out and self.funnel().counts_firsts:
            raise DefinitionError(
                "What a visitor did first is found in all data, but time_range, start_date and end_date leave days "
                "out; give the days of entry as from and to."
            )
        if limits.is_given and leaves_days_out:
            raise DefinitionError(
                "from, to and last are the days of entry, and time_range, start_date and end_date leave all events of "
                "other days out; give only one kind."
            )
        return limits


class Entered(BaseModel):
    """The days on which units entered."""

    first_date: date = Field(description="First day of entry")
    last_date: date = Field(description="Last day of entry")
    timezone: str = Field(description="The time zone of the days")
    complete: bool = Field(description="Whether the window of every entry is over in the data")


class Bar(BaseModel):
    """A bar of a histogram: the number of units in a range of durations."""

    from_s: int = Field(description="From so many seconds on")
    to_s: int | None = Field(description="To so many; null for all that took longer")
    count: int = Field(description="Units")


class FunnelStepAnswer(BaseModel):
    """A step, with the number of units that reached it and the time that they took."""

    step: int = Field(description="Place of the step, from 1")
    event_type: str = Field(description="What happens")
    optional: bool | None = Field(
        None, exclude_if=lambda value: value is None, description="True for a step that need not be taken; else absent"
    )
    count: int = Field(description="Units that got there")
    conversion_from_start: float | None = Field(description="Share of those at step 1")
    conversion_from_previous: float | None = Field(description="Share of those at the step before that has to be taken")
    median_s_from_previous: float | None = Field(description="Median of the seconds since the step before")
    p90_s_from_previous: float | None = Field(description="90th percentile of these")
    median_s_from_start: float | None = Field(description="Median of the seconds since step 1")
    p90_s_from_start: float | None = Field(description="90th percentile of these")
    average_s_from_previous: float | None = Field(description="Mean of the seconds since the step before")
    average_s_from_start: float | None = Field(description="Mean of the seconds since step 1")
    histogram_from_previous: list[Bar] = Field(description="How long it took since the step before")


class FunnelPart(BaseModel):
    """The funnel of one value of the breakdown."""

    value: str | None = Field(description="The value; Other for those beyond the limit")
    values: list[str] = Field(description="The value of each column of the breakdown; Other alone")
    steps: list[FunnelStepAnswer] = Field(description="The steps in order")


class CohortOfEntry(BaseModel):
    """The funnel of those who entered in one period."""

    start: str = Field(description="When the period begins", examples=["2026-03-02"])
    complete: bool = Field(description="Whether the window of every entry is over in the data")
    steps: list[FunnelStepAnswer] = Field(description="The steps in order")
    breakdown: list[FunnelPart] | None = Field(None, description="By value, where `by` is requested, too")


class ConversionTimes(BaseModel):
    """How long units took between two steps."""

    from_step: int = Field(description="The earlier step")
    to_step: int = Field(description="The later step")
    count: int = Field(description="Units that took both")
    average_s: float | None = Field(description="Mean of the seconds")
    median_s: float | None = Field(description="Median of the seconds")
    p90_s: float | None = Field(description="90th percentile of the seconds")
    bins: list[Bar] = Field(description="How many took so long; half-open")


class FunnelAnswer(QuestionAnswer):
    """The result of a custom funnel."""

    steps: list[FunnelStepAnswer] = Field(description="The steps in order")
    total_count: int = Field(description="How many values the breakdown has, or with `over` how many cohorts there are")
    breakdown: list[FunnelPart] = Field(description="By value, the most frequent first")
    entries: Entered | None = Field(None, description="Days of entry, where they or cohorts are requested")
    cohorts: list[CohortOfEntry] | None = Field(None, description="By period of entry, with `over`")
    time_to_convert: ConversionTimes | None = Field(None, description="Between two steps, where it is requested")
    warnings: list[str] = Field(description="Requested event types that no event has, a sentence each")


@questions.post("/analytics/funnel", response_model=FunnelAnswer, summary="A custom funnel")
def funnel(context: Context, parameters: JustSliced, body: FunnelBody) -> dict[str, Any]:
    """Return a custom funnel over clean events; queries that need too much time or memory are refused."""
    definition = body.funnel()
    require_personal(context.request.scope, definition.columns)
    if not is_small_enough(definition, has_kernel=context.reading.has_kernel):
        raise QuestionTooLargeError(
            f"A funnel with a breakdown, exclusions, cohorts, times or this order has at most {MOST_COMPILED_STEPS} "
            f"steps here, not {len(definition.steps)}; ask for fewer, or use `ecom funnel`."
        )
    events_of_question, rule = QuestionEvents(context, body), body.rule(context)
    limits = body.limits(events_of_question.timezone)
    return events_of_question.answer(
        parameters, lambda con, events, _: funnel_answer(con, events, definition, rule=rule, limits=limits)
    )


class WhoParameters(Sliced):
    """Who to list of a funnel."""

    step: int = Field(1, ge=1, le=MAX_STEPS, description="Of this step, from 1")
    stopped: bool = Field(default=False, description="Whether only those who did not get to the step after it")
    limit: int = Field(100, ge=1, le=1_000, description="Most rows to return")


class AtStep(BaseModel):
    """Somebody at a step, or a session."""

    visitor_id: str = Field(description="The visitor")
    event_at: InUtc = Field(description="When they got to the step, in UTC")
    event_id: str | None = Field(None, description="The event with which they did")


class WhoAnswer(QuestionAnswer):
    """Who is at a step of a custom funnel."""

    step: int = Field(description="Of this step")
    count: int = Field(description="How many they are")
    total_count: int = Field(description="How many are listed")
    who: list[AtStep] = Field(description="By visitor")


@questions.post("/analytics/funnel/who", response_model=WhoAnswer, summary="Who is at a step of a funnel")
def funnel_who(context: Context, parameters: Annotated[WhoParameters, Query()], body: FunnelBody) -> dict[str, Any]:
    """Return who got to a step of a custom funnel; it needs the scope `personal`."""
    require_personal(context.request.scope, ["visitor_id"])
    definition = body.funnel()
    if not is_small_enough(replace(definition, by=None), has_kernel=False):
        raise QuestionTooLargeError(
            f"The visitors at a step are listed for funnels of at most {MOST_COMPILED_STEPS} steps here, not "
            f"{len(definition.steps)}; ask for fewer, or use `ecom funnel --who`."
        )
    events_of_question, rule = QuestionEvents(context, body), body.rule(context)
    limits = body.limits(events_of_question.timezone)
    listed = StepList(parameters.step, parameters.offset + parameters.limit, only_stopped=parameters.stopped)
    return events_of_question.answer(
        parameters, lambda con, events, _: who_answer(con, events, definition, rule, limits, listed)
    )
