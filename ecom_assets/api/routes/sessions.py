"""Routes for sessions: engagement, bounces and visitors by day."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ecom_assets.api.parameters import PREVIOUS, Context, PagedDaysParameters, change_of, of
from ecom_assets.questions.answer import Answer
from ecom_assets.sessions import queries as session_queries
from ecom_assets.sessions.contracts import EngagementDaily

router = APIRouter(tags=["behaviour"])


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
