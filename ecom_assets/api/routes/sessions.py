"""Routes for sessions: engagement, bounces and visitors by day, and custom sessions by POST."""

from datetime import date
from typing import Annotated, Any

import ibis.expr.types as ir
from fastapi import APIRouter, Query
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.models import PREVIOUS, change_of, of
from ecom_assets.api.parameters import Context, JustSliced, PagedDaysParameters
from ecom_assets.api.questions import QuestionEvents, SessionBody, check_session_ids, question_router
from ecom_assets.questions.answer import Answer, QuestionAnswer
from ecom_assets.sessions import queries as session_queries
from ecom_assets.sessions.answer import SessionQuestion, sessions_answer, stored_answer
from ecom_assets.sessions.contracts import EngagementDaily, Sessions
from ecom_assets.tables.conditions import EVERYTHING
from ecom_assets.tables.queries import Extent

router = APIRouter(tags=["behaviour"])
questions = question_router()


class EngagementNumbers(BaseModel):
    """The engagement in the sessions of a period; null if none of its days is known."""

    session_count: int | None = of(EngagementDaily.session_count, 10999)
    engaged_session_count: int | None = of(EngagementDaily.engaged_session_count, 7204)
    single_page_session_count: int | None = of(EngagementDaily.single_page_session_count, 2981)
    bot_session_count: int | None = of(EngagementDaily.bot_session_count, 14)
    engagement_rate: float | None = of(EngagementDaily.engagement_rate, 0.655)
    bounce_rate: float | None = of(EngagementDaily.bounce_rate, 0.345)
    single_page_rate: float | None = of(EngagementDaily.single_page_rate, 0.271)


EngagementChange = change_of("EngagementChange", EngagementNumbers, session_count=0.12)


class EngagementDay(EngagementNumbers):
    """The sessions and visitors of a day."""

    event_date: date = of(EngagementDaily.event_date)
    pages_per_session: float | None = of(EngagementDaily.pages_per_session, 3.1)
    mean_duration_s: float | None = of(EngagementDaily.mean_duration_s, 184.2)
    median_duration_s: float | None = of(EngagementDaily.median_duration_s, 94.0)
    daily_visitor_count: int = of(EngagementDaily.daily_visitor_count, 351)
    weekly_visitor_count: int = of(EngagementDaily.weekly_visitor_count, 2104)
    monthly_visitor_count: int = of(EngagementDaily.monthly_visitor_count, 8269)
    stickiness_rate: float | None = of(EngagementDaily.stickiness_rate, 0.042)


class EngagementAnswer(Answer):
    """The engagement of a period."""

    engagement: EngagementNumbers = Field(description="Of the period")
    previous: EngagementNumbers | None = Field(description=PREVIOUS)
    change: EngagementChange = Field(description="From that to this")  # type: ignore[valid-type]  # a model of a function
    total_count: int = Field(description="How many days there are", examples=[30])
    days: list[EngagementDay] = Field(description="Days on which anybody came, in order")


@router.get("/analytics/engagement", response_model=EngagementAnswer, summary="Sessions, bounces and visitors by day")
def engagement(context: Context, parameters: Annotated[PagedDaysParameters, Query()]) -> dict[str, Any]:
    """Return the engagement of a period and of the period before, and daily, weekly and monthly visitors by day."""
    period = context.period(parameters, "events")
    result = session_queries.engagement(context.reading, period, parameters.page)
    return context.answer(parameters, session_queries.DEFINITION, result, period)


class SessionsBody(SessionBody):
    """The definition of sessions; see docs/metrics.md. The days are those on which sessions start."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"session_rule": "ga4", "idle": "45m"}]})

    idle: str | None = Field(None, max_length=30, description="Silence that ends a session, such as 45m")


class SessionsAnswer(QuestionAnswer):
    """The totals of custom sessions."""

    events: int = Field(description="Events in the sessions")
    visitors: int = Field(description="Visitors in them")
    sessions: int = Field(description="Sessions that started on the days")
    engaged_sessions: int = Field(description="Of these, the engaged ones")
    bounce_rate: float | None = Field(description="Share of the others; null without sessions")
    pages_per_session: float | None = Field(description="Views per session; null without sessions")
    median_duration_s: float | None = Field(
        description="Median seconds from first to last event; null without sessions"
    )


@questions.post("/analytics/sessions", response_model=SessionsAnswer, summary="Custom sessions")
def custom_sessions(context: Context, parameters: JustSliced, body: SessionsBody) -> dict[str, Any]:
    """Return totals of sessions by another rule, or of some events only."""
    question = SessionQuestion.from_mapping(body.with_session_rule(context))
    check_session_ids(context, question.rule)
    require_personal(context.request.scope, question.columns)
    events_of_question = QuestionEvents(context, body)

    def count(con: SQLBackend, events: ir.Table, _extent: Extent) -> dict[str, Any]:
        tables = events_of_question.stored(con, question.rule) if question.where == EVERYTHING else None
        if tables:
            return stored_answer(tables.table(Sessions), question, events_of_question.days, tables.rows)
        return sessions_answer(con, events, question, events_of_question.days)

    return events_of_question.answer(parameters, count, reads_all=True)
