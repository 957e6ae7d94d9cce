"""The route for custom attribution by POST: which channels the purchases are credited to."""

from typing import Any

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.api.auth.callers import require_personal
from ecom_assets.api.parameters import Context, JustSliced
from ecom_assets.api.questions import QuestionEvents, SessionBody, check_session_ids, question_router
from ecom_assets.attribution.answer import AttributionQuestion, StoredSessions, attribution_answer
from ecom_assets.attribution.channels import ChannelRule
from ecom_assets.attribution.contracts import Touches
from ecom_assets.questions.answer import QuestionAnswer
from ecom_assets.sessions.contracts import Sessions
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.sources.site_lists import source_lists
from ecom_assets.tables.queries import Extent

questions = question_router()


class AttributionBody(SessionBody):
    """The definition of attribution; see docs/metrics.md. The days are those of purchases."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "time_decay", "lookback": "30d"}]})

    model: str = Field(
        "last_non_direct",
        max_length=30,
        description="first, last, last_non_direct, linear, position, j, time_decay or markov",
    )
    lookback: str = Field("30d", max_length=30, description="How long before a purchase a visit counts")
    half_life: str = Field("7d", max_length=30, description="In which a visit's weight halves, with time_decay")
    two_touches: str = Field(
        "normalised", max_length=30, description="position and j of two visits: normalised or split"
    )


class CreditedChannel(BaseModel):
    """A channel, and what it is credited with."""

    channel: str = Field(description="Its name; (none) of purchases without a visit", examples=["Email"])
    credit: float = Field(description="Purchases that it is credited with")
    revenue: float = Field(description="What they brought, less refunds")
    removal_effect: float | None = Field(None, description="With markov: share of conversions lost without it")


class AttributionAnswer(QuestionAnswer):
    """The result of custom attribution."""

    model: str = Field(description="The model", examples=["time_decay"])
    conversions: int = Field(description="Purchases")
    total_count: int = Field(description="How many channels there are")
    channels: list[CreditedChannel] = Field(description="Most credit first")
    notes: list[str] = Field(description="What there is no credit for, a sentence each")


@questions.post("/analytics/attribution", response_model=AttributionAnswer, summary="Custom attribution")
def attribution(context: Context, parameters: JustSliced, body: AttributionBody) -> dict[str, Any]:
    """Return the channels that purchase events are credited to, by a model."""
    question = AttributionQuestion.from_mapping(body.with_session_rule(context))
    rule = SessionRule.preset(question.session_rule)
    check_session_ids(context, rule)
    require_personal(context.request.scope, question.columns)
    settings, events_of_question = context.settings, QuestionEvents(context, body)
    channels = ChannelRule(source_lists(), settings.own_domains, settings.ai_assistant_channel)

    def count(con: SQLBackend, events: ir.Table, _extent: Extent) -> dict[str, Any]:
        tables = events_of_question.stored(con, rule)
        stored = StoredSessions(tables.table(Sessions), tables.table(Touches)) if tables else None
        return attribution_answer(con, events, question, channels, events_of_question.days, stored)

    return events_of_question.answer(parameters, count, reads_all=True)
