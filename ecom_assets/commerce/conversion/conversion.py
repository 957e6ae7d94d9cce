"""Daily funnels of sessions, and carts, by device, channel and category.

METRICS "By device, channel and category".
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.daily import DailyFunnel, category_of, entries_of
from ecom_assets.behaviour.sessions.devices import device
from ecom_assets.behaviour.sessions.sessions import UNIT
from ecom_assets.commerce.attribution.contracts import NO_CHANNEL
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all

PURCHASE = "purchase"
BEGUN = {"(cart)": "add_to_cart", "(checkout)": "checkout_start"}


def conversion_by_dimension(
    described: ir.Table, entries: ir.Table, funnels: Sequence[DailyFunnel]
) -> ir.Table:
    """Return the number of sessions of each day that reached each step, by device,
    channel and category.

    `described` is the result of `described_sessions`, and `entries` has the rows of `FunnelEntries`
    of these days. Only funnels of sessions are counted.
    """
    parts = [_carts(described, name, event_type) for name, event_type in BEGUN.items()]
    for daily in funnels:
        if "session" not in daily.units:
            continue
        of_sessions = entries_of(entries, daily).filter(lambda rows: rows.unit == "session")
        reached = of_sessions.join(described, of_sessions.unit_id == described.session_id)
        reached = _by(reached.select(described, of_sessions.last_step), ("channel", "device"))
        parts += [
            _counted(reached, daily.name, number, step.event_type, reached.last_step >= number)
            for number, step in enumerate(daily.funnel.steps, start=1)
        ]
    return union_all(*parts).select(*ConversionByDimension.columns)


def described_sessions(
    clean: ir.Table, sessions: ir.Table, touches: ir.Table, days: Days
) -> ir.Table:
    """Return one row per session of `days`: its day, channel, device,
    first category and counts of events.

    The tables are all rows of `CleanEvents`, `Sessions` and `Touches`.
    """
    sessions_of_days = sessions.filter(days.contain(sessions.started_date))
    events = clean.filter(days.contain(clean.event_date))
    is_first = [
        *(sessions_of_days[name] == events[name] for name in UNIT),
        sessions_of_days.started_at == events.event_at,
    ]
    first_event = sessions_of_days.join(events, is_first).select(
        sessions_of_days.session_id,
        events.event_id,
        device=device(events.user_agent, sessions_of_days.is_bot),
    )
    first_event = first_event.group_by("session_id").agg(
        device=first_event.device.argmin(first_event.event_id)
    )
    channels = touches.filter(days.contain(touches.started_date)).select("session_id", "channel")
    return (
        sessions_of_days.left_join(first_event, "session_id")
        .select(sessions_of_days, first_event.device)
        .left_join(channels, "session_id")
        .select(
            session_id=sessions_of_days.session_id,
            cohort_date=sessions_of_days.started_date,
            category=category_of(sessions_of_days.first_product_category),
            channel=channels.channel.fill_null(NO_CHANNEL),
            device=first_event.device.fill_null("other"),
            add_to_cart_count=sessions_of_days.add_to_cart_count,
            checkout_start_count=sessions_of_days.checkout_start_count,
            purchase_count=sessions_of_days.purchase_count,
        )
    )


def _carts(described: ir.Table, name: str, event_type: str) -> ir.Table:
    begun = _by(
        described.filter(described[f"{event_type}_count"] > 0), ("category", "channel", "device")
    )
    return union_all(
        _counted(begun, name, 1, event_type, begun.purchase_count >= 0),
        _counted(begun, name, 2, PURCHASE, begun.purchase_count > 0),
    )


def _by(rows: ir.Table, dimensions: Sequence[str]) -> ir.Table:
    """Return every row once per dimension, with its value of the dimension."""
    return union_all(
        *(
            rows.mutate(dimension=ibis.literal(dimension), value=rows[dimension])
            for dimension in dimensions
        )
    )


def _counted(
    rows: ir.Table, name: str, step: int, event_type: str, reached: ir.BooleanValue
) -> ir.Table:
    counts = rows.group_by("cohort_date", "dimension", "value").agg(
        unit_count=reached.ifelse(1, 0).sum()
    )
    return counts.mutate(
        funnel_name=ibis.literal(name),
        step=ibis.literal(step, "int64"),
        event_type=ibis.literal(event_type),
    ).select(*ConversionByDimension.columns)
