"""Routes for retention: cohorts of visitors, and who is in a cell of custom retention by POST."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.parameters import Context, Paged, Sliced, of
from ecom_assets.api.routes.ad_hoc import ask, question_router
from ecom_assets.questions.answer import Answer, Money, QuestionAnswer
from ecom_assets.retention import queries as retention_queries
from ecom_assets.retention.answer import RetentionWhoAnswer, who_of
from ecom_assets.retention.contracts import RetentionCohorts
from ecom_assets.retention.counting import CellList
from ecom_assets.retention.queries import CohortsBy, Length
from ecom_assets.retention.question import RetentionQuestion

router = APIRouter(tags=["behaviour"])
questions = question_router()


class CohortPeriod(BaseModel):
    """A cohort in one of the periods since its start."""

    cohort_date: date = of(RetentionCohorts.cohort_date)
    period_number: int = of(RetentionCohorts.period_number, 1)
    visitor_count: int = of(RetentionCohorts.visitor_count, 1840)
    returned_on_count: int = of(RetentionCohorts.returned_on_count, 402)
    returned_on_or_after_count: int = of(RetentionCohorts.returned_on_or_after_count, 611)
    retention_on_rate: float = of(RetentionCohorts.retention_on_rate, 0.218)
    retention_on_or_after_rate: float = of(RetentionCohorts.retention_on_or_after_rate, 0.332)
    is_complete: bool = of(RetentionCohorts.is_complete)
    revenue_amount: Money = of(RetentionCohorts.revenue_amount, "5210.40")
    cumulative_revenue_amount: Money = of(RetentionCohorts.cumulative_revenue_amount, "17320.90")
    lifetime_value: float = of(RetentionCohorts.lifetime_value, 9.41)


class CohortsParameters(Paged):
    """Which cohorts to return."""

    cohort_by: CohortsBy = Field("first_activity", description="What begins a cohort, and counts as coming back")
    period: Length = Field("week", description="Length of a period")


class CohortsAnswer(Answer):
    """The cohorts of visitors."""

    cohort_by: CohortsBy = of(RetentionCohorts.cohort_by)
    period: Length = of(RetentionCohorts.period)
    total_count: int = Field(description="How many rows there are", examples=[15])
    cohorts: list[CohortPeriod] = Field(description="By the start of the cohort, then by period")


@router.get("/analytics/cohorts", response_model=CohortsAnswer, summary="Cohorts of visitors and who came back")
def cohorts(context: Context, parameters: Annotated[CohortsParameters, Query()]) -> dict[str, Any]:
    """Return, for each cohort of a day, week or month, how many visitors came back, and their revenue so far."""
    result = retention_queries.cohorts(context.reading, parameters.cohort_by, parameters.period, parameters.page)
    return context.answer(parameters, retention_queries.DEFINITION, result, "events")


class RetentionWhoParameters(Sliced):
    """Who to list of retention."""

    cohort: str = Field(max_length=40, description="Of this cohort, as the answer names it", examples=["2026-01-05"])
    period: str | None = Field(
        None, max_length=20, description="Of this period or bracket, as the answer names it; default the whole cohort"
    )
    returned: bool = Field(default=True, description="Whether those who came back in it, or those who did not")
    value: str | None = Field(None, max_length=500, description="Of this value of the breakdown; default all")
    limit: int = Field(100, ge=1, le=1_000, description="Most visitors to return")


@questions.post("/analytics/retention/who", response_model=RetentionWhoAnswer, summary="Who is in a cell of retention")
def retention_who(
    context: Context, parameters: Annotated[RetentionWhoParameters, Query()], body: RetentionQuestion
) -> QuestionAnswer:
    """Return who came back in a period of a cohort, or who did not; it needs the scope `personal`."""
    require_personal(context.request.scope, ["visitor_id"])
    most = parameters.offset + parameters.limit
    listed = CellList(parameters.cohort, parameters.period, most, parameters.returned, parameters.value)
    return ask(context, who_of(listed), body, parameters)
