"""Touches: sessions with where they came from, told by their first event that has a source, as GA4 does.

Not here: what a source is (`traffic_source.py`), which channel it makes (`channel_groups.py`).
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.attribution import Arrivals, Touches
from ecom_assets.transforms.channel_groups import ChannelRule
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.stacking import stacked
from ecom_assets.transforms.traffic_source import DIRECT, NO_MEDIUM, NOT_SET, with_source

PIECE = ["event_date", "visitor_id", "piece_started_at"]
SOURCED = ("source", "medium", "campaign", "channel", "source_lists_version")


def arrivals(events: ir.Table, session_events: ir.Table, rule: ChannelRule) -> ir.Table:
    """The first event of each run of events, cut at midnight, that tells where the visitor came from.

    Args:
        events: Rows of `CleanEvents`.
        session_events: Rows of `SessionEvents`, of the same days.
        rule: Sites and own domains.
    """
    sourced = with_source(
        events.select("event_id", "event_date", "page_url", "referrer_url"), rule.lists, rule.own_domains
    )
    sourced = sourced.select("event_id", "event_date", "source", "medium", "campaign")
    placed = session_events.select("event_id", *PIECE, "event_at", "event_number")
    return _first(placed.join(sourced, ["event_date", "event_id"]), rule)


def whole_arrivals(placed: ir.Table, rule: ChannelRule) -> ir.Table:
    """The same of events that are numbered within whole sessions; their `event_date` is the session's first day."""
    return _first(with_source(placed, rule.lists, rule.own_domains), rule)


def _first(sourced: ir.Table, rule: ChannelRule) -> ir.Table:
    first = sourced.mutate(nth=ibis.row_number().over(ibis.window(group_by=PIECE, order_by="event_number")))
    first = first.filter(first.nth == 0)
    return first.mutate(
        channel=rule.channel(first.source, first.medium, first.campaign),
        source_lists_version=ibis.literal(rule.lists.version),
    ).select(*Arrivals.columns)


def touches(sessions: ir.Table, arrived: ir.Table, rule: ChannelRule, days: Days | None = None) -> ir.Table:
    """One row per session that started on `days` (all if None), but of those in which there were refunds alone.

    Args:
        sessions: All rows of `Sessions`.
        arrived: All rows of `Arrivals`.
        rule: Its version stands beside sessions that nothing is told of.
        days: Days on which sessions started.
    """
    sessions = sessions.filter(sessions.event_count > sessions.refund_count)
    if days is not None:
        sessions = sessions.filter(days.contain(sessions.started_date))
        arrived = arrived.filter(arrived.event_date >= ibis.literal(days.first)) if days.dates else arrived.limit(0)
    crosses = sessions.ended_date > sessions.started_date
    alone, crossing = (_narrow(sessions.filter(one)) for one in (~crosses, crosses))
    found = stacked(_of_one_piece(alone, arrived), _of_several(crossing, arrived))
    nothing = {"source": DIRECT, "medium": NO_MEDIUM, "campaign": NOT_SET, "channel": "Direct"}
    nothing["source_lists_version"] = rule.lists.version
    return found.mutate(**{name: found[name].fill_null(value) for name, value in nothing.items()}).select(
        *Touches.columns
    )


def _narrow(sessions: ir.Table) -> ir.Table:
    return sessions.select("session_id", "visitor_id", "started_at", "started_date", "is_bot", "ended_at")


def _of_one_piece(sessions: ir.Table, arrived: ir.Table) -> ir.Table:
    arrived = arrived.select("visitor_id", "piece_started_at", *SOURCED)
    is_same = [sessions.visitor_id == arrived.visitor_id, sessions.started_at == arrived.piece_started_at]
    return sessions.left_join(arrived, is_same).select(sessions, *(arrived[name] for name in SOURCED))


def _of_several(sessions: ir.Table, arrived: ir.Table) -> ir.Table:
    arrived = arrived.select("visitor_id", "piece_started_at", *SOURCED)
    inside = (sessions.started_at <= arrived.piece_started_at) & (arrived.piece_started_at <= sessions.ended_at)
    joined = sessions.left_join(arrived, [sessions.visitor_id == arrived.visitor_id, inside])
    joined = joined.select(sessions, "piece_started_at", *(arrived[name] for name in SOURCED))
    in_order = ibis.window(group_by="session_id", order_by="piece_started_at")
    numbered = joined.mutate(place=ibis.row_number().over(in_order))
    return numbered.filter(numbered.place == 0).select(*sessions.columns, *SOURCED)
