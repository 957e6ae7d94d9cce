"""The route for correlation by POST: what goes with the conversion of a funnel."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.models import QuestionAnswer
from ecom_assets.api.parameters import Context, JustSliced
from ecom_assets.api.questions import Body, Conditions, Name, QuestionEvents, RequestBody, question_router
from ecom_assets.api.routes.funnels import ExclusionBody, Order, StepBody
from ecom_assets.correlation.correlation import MAX_LIMIT, MAX_PROPERTIES, Correlation
from ecom_assets.correlation.queries import correlation_answer
from ecom_assets.funnels.answer import MOST_COMPILED_STEPS, check_published_columns
from ecom_assets.funnels.definition import MIN_STEPS

questions = question_router()


class FunnelOfCorrelation(RequestBody):
    """The funnel of a correlation, per visitor."""

    steps: list[StepBody | Name] = Field(min_length=MIN_STEPS, max_length=MOST_COMPILED_STEPS, description="In order")
    within: str = Field("7d", max_length=30, description="Time from first to last step, such as 30m, 12h or 7d")
    order: Order = Field("ordered", description="What may lie between steps: docs/metrics.md")
    where: Conditions
    exclude: list[ExclusionBody | Name] = Field(
        default_factory=list, max_length=20, description="Events that may not come between steps"
    )
    exclusion_rule: Literal["mixpanel", "posthog"] = Field("mixpanel", description="What an excluded event does")


class CorrelationBody(Body):
    """The definition of a correlation; see docs/metrics.md."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"funnel": {"steps": ["product_view", "purchase"]}, "properties": ["product_category"]}]
        }
    )

    funnel: FunnelOfCorrelation = Field(description="Whose conversion is looked at")
    properties: list[Name] = Field(
        default_factory=list, max_length=MAX_PROPERTIES, description="Columns or properties.key of the first step"
    )
    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="How many event types and values are returned")
    confidence: float = Field(0.95, ge=0.5, le=0.9999, description="Confidence of intervals")


class Correlated(BaseModel):
    """An event type, or a value of a property, and how it goes with conversion."""

    property: str | None = Field(description="The property; null for an event type")
    value: str = Field(description="Its value, or the event type", examples=["search"])
    converted_count: int = Field(description="Visitors with it who converted")
    other_count: int = Field(description="Visitors with it who entered and did not convert")
    odds_ratio: float = Field(description="How many times as high the odds to convert are with it")
    low: float = Field(description="Lower end of its interval")
    high: float = Field(description="Upper end of its interval")
    is_enough: bool = Field(description="Whether there are enough data for the interval to hold")


class CorrelationAnswer(QuestionAnswer):
    """The result of a correlation."""

    converted_count: int = Field(description="Visitors who converted")
    other_count: int = Field(description="Visitors who entered and did not convert")
    total_count: int = Field(description="How many event types and values are returned")
    correlations: list[Correlated] = Field(description="The strongest first, those with too few data last")
    warnings: list[str] = Field(description="Requested event types that no event has, a sentence each")


@questions.post(
    "/analytics/correlation", response_model=CorrelationAnswer, summary="What goes with the conversion of a funnel"
)
def correlation(context: Context, parameters: JustSliced, body: CorrelationBody) -> dict[str, Any]:
    """Return which event types and properties go with conversion, by odds ratios."""
    definition = Correlation.from_mapping(body.as_definition())
    require_personal(context.request.scope, [*definition.funnel.columns, *definition.properties])
    check_published_columns(definition.funnel, context.reading.lacking)
    return QuestionEvents(context, body).answer(
        parameters, lambda con, events, _: correlation_answer(con, events, definition)
    )
