"""The answer to a custom question about sessions: how many, how long, and of how many visitors.

METRICS "Session".
"""

from typing import Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import Field

from ecom_assets.behaviour.events.recorded import VIEWS
from ecom_assets.behaviour.identity.queries import device_warnings
from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, field_of, number
from ecom_assets.behaviour.questions.source import Keep, QuestionData
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.sessions.kernel import can_count, session_sums
from ecom_assets.behaviour.sessions.measures import SessionMeasures
from ecom_assets.behaviour.sessions.queries import known_totals, session_totals, totals_of
from ecom_assets.behaviour.sessions.question import SessionQuestion, known_session_rule
from ecom_assets.behaviour.sessions.sessions import whole_sessions
from ecom_assets.behaviour.sessions.text import lines
from ecom_assets.core.rows import Answer
from ecom_assets.core.tables.columns import meeting
from ecom_assets.core.tables.conditions import EVERYTHING
from ecom_assets.core.tables.days import Ends, days_definition, rows_between
from ecom_assets.core.tables.portable import count_of, has_kernels, union_distinct

NO_VIEWS: Final = (
    "Events are the order report's activities, none of which are views, so bounces and pages are "
    "not known."
)


class SessionsAnswer(QuestionAnswer):
    """The totals of custom sessions."""

    events: int | None = Field(description="Events in the sessions")
    visitors: int | None = number("Visitors", "count", "Different visitors in them")
    sessions: int | None = field_of(SessionMeasures.session_count)
    engaged_sessions: int | None = field_of(SessionMeasures.engaged_session_count)
    bounce_rate: float | None = field_of(SessionMeasures.bounce_rate)
    pages_per_session: float | None = field_of(SessionMeasures.pages_per_session)
    median_duration_s: float | None = field_of(SessionMeasures.median_duration_s)


def compute(question: SessionQuestion, data: QuestionData) -> Answer:
    """Return the totals of the sessions that started on the days.

    Raises:
        DefinitionError: The rule needs session ids that the events do not have.
    """
    question = question.changed(session_rule=known_session_rule(question.session_rule, data.source))
    totals = _of_stored(question, data) or totals_of_events(
        data.con, data.events, question, data.days, data.keep
    )
    warnings = device_warnings(data.events, data.extent.event_count)
    totals = known_totals(totals, data.source.not_recorded)
    if VIEWS in data.source.not_recorded:
        warnings = [*warnings, NO_VIEWS]
    return {
        "definition": question.to_mapping() | days_definition(data.days),
        **totals,
        "warnings": warnings,
    }


def _of_stored(question: SessionQuestion, data: QuestionData) -> Answer | None:
    """Return the totals of stored sessions; None if the question is about other events or rules."""
    if data.segment or data.keep or question.where != EVERYTHING or question.idle is not None:
        return None
    stored = data.opened.stored(str(question.session_rule))
    if stored is None:
        return None
    return session_totals(
        rows_between(stored.table(Sessions), "started_date", data.days), stored.rows
    )


def totals_of_events(
    con: SQLBackend,
    events: ir.Table,
    question: SessionQuestion,
    ends: Ends = (None, None),
    keep: Keep | None = None,
) -> Answer:
    """Return the totals of the sessions that events are cut into.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`, of all days.
        question: The query.
        ends: The first and the last day on which the sessions started; None for no limit.
        keep: Receives the sessions.
    """
    events = meeting(events, question.where)
    if has_kernels(con) and can_count(question.rule) and keep is None:
        sums = session_sums(con, events, question.rule, ends)
        if sums is not None:
            return totals_of(sums)
    rows = rows_between(
        whole_sessions(events, question.rule).select(*Sessions.columns), "started_date", ends
    )
    rows = keep(rows.order_by("started_at", "session_id")) if keep else rows
    totals = session_totals(rows)
    if (
        question.rule.source_session_alone
    ):  # a session has one visitor_id, even if it has events of several visitors
        totals["visitors"] = _visitor_count(events, rows, ends)
    return totals


def _visitor_count(events: ir.Table, sessions: ir.Table, ends: Ends) -> int:
    """Return the number of visitors in sessions that may have several."""
    if ends == (None, None):
        return count_of(events.select("visitor_id").distinct())
    by_source = events.filter(events.source_session_id.notnull())
    started = by_source.group_by("source_session_id").agg(started_date=by_source.event_date.min())
    of_source = by_source.semi_join(
        rows_between(started, "started_date", ends), "source_session_id"
    )
    return count_of(union_distinct(of_source.select("visitor_id"), sessions.select("visitor_id")))


SESSIONS: Final = Kind(
    "sessions",
    SessionQuestion,
    SessionsAnswer,
    compute,
    "How many sessions, how long and how engaged, by the rule of any tool",
    tool="custom_sessions",
    writes=("--out", "Write the sessions to this .parquet or .csv file."),
    lines=lines,
)
