"""The daily funnels of sessions by device and channel, and carts and checkouts by these and by category."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.attribution.contracts import NO_CHANNEL
from ecom_assets.funnels.contracts import ConversionByDimension
from ecom_assets.funnels.daily import DailyFunnel, category_of, session_levels
from ecom_assets.sessions.rule import SessionRule
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all

TABLETS: Final = ("ipad", "tablet", "kindle", "silk/")
PHONES: Final = ("iphone", "ipod", "windows phone", "blackberry", "mobi")
COMPUTERS: Final = ("windows nt", "macintosh", "x11", "cros", "linux")
ANDROID: Final = "android"
"""Found in the user agents of phones and tablets with Android; only those of phones also have "mobile"."""


def device(user_agent: ir.StringValue, is_bot: ir.BooleanValue) -> ir.StringValue:
    """Return `desktop`, `mobile`, `tablet`, `robot`, or `other` if the user agent does not say which."""
    agent = user_agent.fill_null("").lower()
    return ibis.cases(
        (is_bot, "robot"),
        (_any(agent, TABLETS), "tablet"),
        (_any(agent, PHONES), "mobile"),
        (agent.contains(ANDROID), "tablet"),
        (_any(agent, COMPUTERS), "desktop"),
        else_="other",
    )


def _any(agent: ir.StringValue, words: tuple[str, ...]) -> ir.BooleanValue:
    return ibis.or_(*(agent.contains(word) for word in words))


PURCHASE = "purchase"
BEGUN = {"(cart)": "add_to_cart", "(checkout)": "checkout_start"}


@dataclass(frozen=True)
class Visits:
    """All rows of `CleanEvents`, `SessionEvents`, `SessionDays`, `Sessions` and `Touches`, in this order."""

    clean_events: ir.Table
    events: ir.Table
    fragments: ir.Table
    sessions: ir.Table
    touches: ir.Table


def conversion_by_dimension(visits: Visits, days: Days, funnels: Sequence[DailyFunnel], rule: SessionRule) -> ir.Table:
    """Return the number of sessions of each day that reached each step, by device, channel and category.

    Args:
        visits: The tables.
        days: Days on which the sessions started.
        funnels: The daily funnels; only those of sessions are counted.
        rule: The rule by which sessions were computed.
    """
    described = described_sessions(visits, days)
    parts = [_carts(described, name, event_type) for name, event_type in BEGUN.items()]
    for daily in funnels:
        if "session" not in daily.units:
            continue
        events = daily.events_of(visits.events)
        levels = session_levels(events, visits.fragments, visits.sessions, days, daily.of_sessions, rule)
        reached = levels.join(described, "session_id").select(described, levels.level)
        reached = _by(reached, ("channel", "device"))
        parts += [
            _counted(reached, daily.name, number, step.event_type, reached.level >= number)
            for number, step in enumerate(daily.funnel.steps, start=1)
        ]
    return union_all(*parts).select(*ConversionByDimension.columns)


def described_sessions(visits: Visits, days: Days) -> ir.Table:
    """Return one row per session of `days`: its day, channel, device, first category and counts of events."""
    mine = visits.sessions.filter(days.contain(visits.sessions.started_date))
    events = visits.clean_events.filter(days.contain(visits.clean_events.event_date))
    is_first = [mine.visitor_id == events.visitor_id, mine.started_at == events.event_at]
    first_event = mine.join(events, is_first).select(
        mine.session_id, events.event_id, device=device(events.user_agent, mine.is_bot)
    )
    first_event = first_event.group_by("session_id").agg(device=first_event.device.argmin(first_event.event_id))
    channels = visits.touches.filter(days.contain(visits.touches.started_date)).select("session_id", "channel")
    return (
        mine.left_join(first_event, "session_id")
        .select(mine, first_event.device)
        .left_join(channels, "session_id")
        .select(
            session_id=mine.session_id,
            cohort_date=mine.started_date,
            category=category_of(mine.first_product_category),
            channel=channels.channel.fill_null(NO_CHANNEL),
            device=first_event.device.fill_null("other"),
            add_to_cart_count=mine.add_to_cart_count,
            checkout_start_count=mine.checkout_start_count,
            purchase_count=mine.purchase_count,
        )
    )


def _carts(described: ir.Table, name: str, event_type: str) -> ir.Table:
    begun = _by(described.filter(described[f"{event_type}_count"] > 0), ("category", "channel", "device"))
    return union_all(
        _counted(begun, name, 1, event_type, begun.purchase_count >= 0),
        _counted(begun, name, 2, PURCHASE, begun.purchase_count > 0),
    )


def _by(rows: ir.Table, dimensions: Sequence[str]) -> ir.Table:
    """Return every row once per dimension, with its value of the dimension."""
    return union_all(*(rows.mutate(dimension=ibis.literal(one), value=rows[one]) for one in dimensions))


def _counted(rows: ir.Table, name: str, step: int, event_type: str, reached: ir.BooleanValue) -> ir.Table:
    counts = rows.group_by("cohort_date", "dimension", "value").agg(unit_count=reached.ifelse(1, 0).sum())
    return counts.mutate(
        funnel_name=ibis.literal(name), step=ibis.literal(step, "int64"), event_type=ibis.literal(event_type)
    ).select(*ConversionByDimension.columns)
