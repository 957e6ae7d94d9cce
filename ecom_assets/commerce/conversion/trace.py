"""How the daily funnels by dimension are traced: to sessions."""

from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.trace import reaching_sessions
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.sessions.trace import sessions_of_day
from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.commerce.conversion.conversion import BEGUN, PURCHASE, described_sessions
from ecom_assets.core.tables.trace import Count, TableTrace, TraceContext


def _described_sessions(context: TraceContext) -> ir.Table:
    """Return the sessions of a row's day with its value of its dimension."""
    clean, sessions, touches = (context.table(table) for table in (CleanEvents, Sessions, Touches))
    described = described_sessions(clean, sessions, touches, context.days("cohort_date"))
    return described.filter(described[context.row["dimension"]] == context.row["value"])


def _sessions_of_dimension(context: TraceContext) -> ir.Table:
    row, described = context.row, _described_sessions(context)
    if row["funnel_name"] not in BEGUN:
        return reaching_sessions(context).semi_join(described, "session_id")
    sessions = sessions_of_day(context, "cohort_date").semi_join(described, "session_id")
    sessions = sessions.filter(sessions[f"{BEGUN[row['funnel_name']]}_count"] > 0)
    return sessions.filter(sessions[f"{PURCHASE}_count"] > 0) if row["step"] > 1 else sessions


TRACES: Final = (
    TableTrace(
        ConversionByDimension,
        "by-device-channel-and-category",
        {"unit_count": Count(Sessions, _sessions_of_dimension)},
    ),
)
