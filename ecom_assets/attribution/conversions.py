"""Conversions, which channels get credit for: purchase events, and orders."""

import ibis
import ibis.expr.types as ir

from ecom_assets.attribution.contracts import Conversions
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.portable import union_all


def conversions(session_events: ir.Table, lines: ir.Table) -> ir.Table:
    """Return the purchases and refunds in events, and the orders and refunds in order lines.

    Args:
        session_events: Rows of `SessionEvents`.
        lines: Rows of `UserOrderLog`.
    """
    return union_all(purchases(session_events), orders(lines))


def purchases(session_events: ir.Table) -> ir.Table:
    """Return one row per purchase and refund event; its revenue is `cart_amount`, null if the event has none."""
    events = session_events.filter(session_events.event_type.isin(["purchase", "refund"]))
    is_refund = events.event_type == "refund"
    worth = events.cart_amount
    return events.select(
        converted_date=events.event_date,
        unit=ibis.literal("purchase"),
        conversion_id=events.event_id,
        visitor_id=events.visitor_id,
        is_refund=is_refund,
        converted_at=events.event_at,
        revenue_amount=is_refund.ifelse(-worth, worth).cast(MONEY),
    ).select(*Conversions.columns)


def orders(lines: ir.Table) -> ir.Table:
    """Return one row per order and day, and per refund and day; the lines of one order id are one order."""
    is_refund = lines.status == "refunded"
    signed = is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(MONEY)
    lines = lines.select(
        "customer_id", "order_id", "order_date", "ordered_at", is_refund=is_refund, revenue_amount=signed
    )
    whole = lines.group_by("order_date", "order_id", "customer_id", "is_refund").agg(
        converted_at=lines.ordered_at.min(), revenue_amount=lines.revenue_amount.sum().cast(MONEY)
    )
    return whole.select(
        converted_date=whole.order_date,
        unit=ibis.literal("order"),
        conversion_id=whole.order_id,
        visitor_id=whole.customer_id,
        is_refund=whole.is_refund,
        converted_at=whole.converted_at,
        revenue_amount=whole.revenue_amount,
    ).select(*Conversions.columns)
