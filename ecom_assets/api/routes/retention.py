"""Routes for retention: cohorts of visitors, and custom retention by POST."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import ibis.expr.types as ir
from fastapi import APIRouter, Query
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.models import of
from ecom_assets.api.parameters import Context, JustSliced, Paged, RequestContext, Sliced
from ecom_assets.api.questions import Body, Breakdown, Conditions, Name, QuestionEvents, Weekday, question_router
from ecom_assets.errors import DefinitionError
from ecom_assets.questions.answer import Answer, Money, PeriodStart, QuestionAnswer
from ecom_assets.retention import queries as retention_queries
from ecom_assets.retention.answers import CellList, Question, retention_answer, who_answer
from ecom_assets.retention.contracts import RetentionCohorts
from ecom_assets.retention.queries import CohortsBy, Length
from ecom_assets.retention.rule import MAX_LIMIT, MAX_PERIOD, RetentionRule
from ecom_assets.tables.days import ONE_DAY
from ecom_assets.tables.first_events import MAX_TIMES
from ecom_assets.tables.queries import Extent

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


class RetentionBody(Body):
    """The definition of retention; see docs/metrics.md."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"period": "week", "start": "purchase"}]})
    OF_DAYS = Body.OF_DAYS | {"range_of"}

    start: Name | None = Field(None, description="Event type that puts a visitor into a cohort; default any")
    returning: Name | None = Field(None, description="Event type that counts as coming back; default any")
    period: Literal["hour", "day", "week", "month", "quarter", "year"] = Field("week", description="Length of a period")
    mode: Literal["on", "on_or_after", "bracket"] = Field("on", description="What counts as coming back in N")
    clock: Literal["calendar", "rolling"] = Field("calendar", description="Periods of the calendar, or from each start")
    week_start: Weekday = Field("monday", description="Weekday on which weeks begin")
    brackets: list[tuple[StrictInt, StrictInt]] | None = Field(
        None, min_length=1, max_length=100, description="First and last period of each bracket, for mode=bracket"
    )
    last_period: StrictInt | None = Field(None, ge=0, le=MAX_PERIOD, description="Periods after this one are left out")
    starting: Literal["first_time", "first_ever", "recurring"] = Field(
        "first_time",
        description="The cohort of the first start that meets the conditions, of the first event of its type if it "
        "meets them, or of each",
    )
    where: Conditions
    start_where: Conditions
    returning_where: Conditions
    by: Breakdown | None = Field(
        None, description="Column of starts to compare, bins such as cart_amount:bins=5, or up to 5"
    )
    limit: int = Field(10, ge=1, le=MAX_LIMIT, description="How many values to show; the others are (other)")
    sum_of: Name | None = Field(None, description="Number column of returns that is added up")
    per: Name = Field("user", description="user, or properties.key: its values take the place of visitors")
    at_least: StrictInt = Field(1, ge=1, le=MAX_TIMES, description="Returns that a period needs")
    preset: Literal["n_day", "posthog", "amplitude", "mixpanel", "clickhouse", "ga4"] | None = Field(
        None, description="What this tool would do wherever the body says nothing"
    )
    range_of: Literal["starts", "events"] = Field(
        "events",
        description="What the days limit: the starts, so that earlier starts and later returns count; or all events",
    )

    @property
    def limits_starts(self) -> bool:
        """Return whether the days limit the starts; they must if the first event in all data is needed.

        Raises:
            DefinitionError: The body says that they limit all events.
        """
        if self.starting != "first_ever":
            return self.range_of == "starts"
        if "range_of" in self.model_fields_set and self.range_of == "events":
            raise DefinitionError(
                "starting=first_ever is known of all data, but range_of=events leaves days out; use starts."
            )
        return True


class Cohort(BaseModel):
    """The visitors who started in one period."""

    cohort: PeriodStart = Field(description="First day of the period; start of the hour, with the zone's offset")
    size: int = Field(description="Visitors")
    returned: list[int] = Field(description="Of these, those who came back, by period from 0")
    complete: list[bool] = Field(description="Whether the period is over for all of them")
    revenue: list[Money | None] = Field(description="What they had paid by then; null where events carry no money")
    lifetime_value: list[float | None] = Field(description="The same per visitor")
    sum: list[float] | None = Field(None, description="The sum of the column by then; null where none is requested")


class RetentionTotal(BaseModel):
    """The sums over all cohorts that are complete in a period."""

    period: str = Field(description="The period, from 0; or the bracket", examples=["1"])
    cohorts: int = Field(description="Cohorts that are complete")
    size: int = Field(description="Their visitors")
    returned: int = Field(description="Those who came back")
    rate: float | None = Field(description="The share of these; null where no cohort is complete")
    revenue: Money | None = Field(description="What they had paid by then")
    lifetime_value: float | None = Field(description="The same per visitor")
    sum: float | None = Field(None, description="The sum of the column by then; null where none is requested")
    sum_per_visitor: float | None = Field(None, description="The same per visitor")


class RetentionPart(BaseModel):
    """The retention of one value of the breakdown."""

    value: str = Field(description="The value; (none) for a missing one, (other) for those beyond the limit")
    cohorts: list[Cohort] = Field(description="By start")
    totals: list[RetentionTotal] = Field(description="By period")


class RetentionAnswer(QuestionAnswer):
    """The result of custom retention."""

    total_count: int = Field(description="How many cohorts there are")
    cohorts: list[Cohort] = Field(description="By start")
    totals: list[RetentionTotal] = Field(description="By period")
    breakdown: list[RetentionPart] = Field([], description="By value, those with most visitors first")
    warnings: list[str] = Field(description="Requested event types that no event has, a sentence each")


@questions.post("/analytics/retention", response_model=RetentionAnswer, summary="Custom retention")
def retention(context: Context, parameters: JustSliced, body: RetentionBody) -> dict[str, Any]:
    """Return custom retention over clean events; queries that need too much time or memory are refused."""
    return _counted(context, parameters, body, retention_answer)


class WhoParameters(Sliced):
    """Who to list of retention."""

    cohort: str = Field(max_length=40, description="Of this cohort, as the answer names it", examples=["2026-01-05"])
    period: str | None = Field(
        None, max_length=20, description="Of this period or bracket, as the answer names it; default the whole cohort"
    )
    returned: bool = Field(default=True, description="Whether those who came back in it, or those who did not")
    value: str | None = Field(None, max_length=500, description="Of this value of the breakdown; default all")
    limit: int = Field(100, ge=1, le=1_000, description="Most visitors to return")


class InCell(BaseModel):
    """Somebody in a cell."""

    visitor_id: str = Field(description="The visitor")


class RetentionWhoAnswer(QuestionAnswer):
    """Who is in a cell of custom retention."""

    cohort: str = Field(description="Of this cohort")
    period: str | None = Field(description="Of this period; null for the whole cohort")
    count: int = Field(description="How many they are")
    total_count: int = Field(description="How many are listed")
    who: list[InCell] = Field(description="In order of their ids")


@questions.post("/analytics/retention/who", response_model=RetentionWhoAnswer, summary="Who is in a cell of retention")
def retention_who(
    context: Context, parameters: Annotated[WhoParameters, Query()], body: RetentionBody
) -> dict[str, Any]:
    """Return who came back in a period of a cohort, or who did not; it needs the scope `personal`."""
    require_personal(context.request.scope, ["visitor_id"])
    most = parameters.offset + parameters.limit
    listed = CellList(parameters.cohort, parameters.period, most, parameters.returned, parameters.value)
    return _counted(context, parameters, body, lambda question, until: who_answer(question, listed, until))


def _counted(
    context: RequestContext,
    parameters: Sliced,
    body: RetentionBody,
    count: Callable[[Question, date | None], dict[str, Any]],
) -> dict[str, Any]:
    rule, events_of_question = RetentionRule.from_mapping(body.as_definition()), QuestionEvents(context, body)
    require_personal(context.request.scope, rule.columns)
    between = events_of_question.days if body.limits_starts else (None, None)

    def of_events(con: SQLBackend, events: ir.Table, extent: Extent) -> dict[str, Any]:
        question = Question(con, events, rule, events_of_question.timezone, extent.day_count, between=between)
        # The visitors of a segment may all have gone before the newest day of the data.
        last = None if body.segment is None else extent.last_date
        return count(question, last and last - ONE_DAY)

    return events_of_question.answer(parameters, of_events, reads_all=between != (None, None))
