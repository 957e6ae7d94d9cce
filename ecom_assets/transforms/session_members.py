"""Which events are in which session, where sessions are known as pieces that are cut at midnight.

Not here: how pieces are cut and stitched (`sessions.py`).
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.days import Days
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.sessions import stitch
from ecom_assets.transforms.stacking import stacked

SESSION = ("visitor_id", "session_started_at")
"""What tells one session from another."""


def events_of_sessions(events: ir.Table, pieces: ir.Table, days: Days, rule: SessionRule) -> ir.Table:
    """Return the events of the sessions that started on `days`, those after midnight included.

    Args:
        events: All rows of `SessionEvents`, or those of them that matter.
        pieces: All rows of `SessionDays`.
        days: Days on which sessions start.
        rule: The rule that cut them.

    Returns:
        The events with `session_started_at` and `started_date` of their session.
    """
    candidates = pieces.filter(
        days.contain(pieces.event_date), pieces.is_near_previous_midnight | pieces.is_near_next_midnight
    )
    stitched = stitch(pieces, candidates, rule)
    started_date = stitched.event_date.min().over(ibis.window(group_by=list(SESSION)))
    stitched = stitched.mutate(started_date=started_date)
    # Other sessions of these visitors would have events of all history looked through.
    near = days.contain(stitched.started_date) | days.contain(stitched.event_date)
    stitched = stitched.filter(near).select(
        "event_date", "visitor_id", "session_started_at", "started_date", piece_started_at="started_at"
    )
    keys = ["event_date", "visitor_id", "piece_started_at"]
    alone = events.filter(days.contain(events.event_date)).anti_join(stitched, keys)
    alone = alone.mutate(session_started_at=alone.piece_started_at, started_date=alone.event_date)
    crossing = events.join(stitched.filter(days.contain(stitched.started_date)), keys).select(alone.columns)
    return stacked(alone, crossing)
