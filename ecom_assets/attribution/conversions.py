"""Conversions, which channels get credit for: purchase events, and orders."""

import ibis
import ibis.expr.types as ir

from ecom_assets.attribution.contracts import Conversions
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.portable import union_all


def conversions(session_events: ir.Table, lines: ir.Table) -> ir.Table:
    """Return the purchases and refunds in `SessionEvents`, and the orders and refunds in rows of `UserOrderLog`."""
    return union_all(purchases(session_events), orders(lines))


def purchases(session_events: ir.Table) -> ir.Table:
    """Return one row per purchase and refund event; its revenue is `cart_amount`, null if the event has none."""
    events = session_events.filter(session_events.event_type.isin(["purchase", "refund"]))
    is_refund = events.event_type == "refund"
    worth = events.cart_amount
    events = events.mutate(
        unit=ibis.literal("purchase"), is_refund=is_refund, revenue_amount=is_refund.ifelse(-worth, worth).cast(MONEY)
    )
    events = events.rename(converted_date="event_date", conversion_id="event_id", converted_at="event_at")
    return events.select(*Conversions.columns)


def orders(lines: ir.Table) -> ir.Table:
    """Return one row per order and day, and per refund and day; the lines of one order id are one order."""
    is_refund = lines.status == "refunded"
    signed = is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(MONEY)
    lines = lines.select(
        converted_date="order_date",
        conversion_id="order_id",
        visitor_id="customer_id",
        is_refund=is_refund,
        ordered_at="ordered_at",
        revenue_amount=signed,
    )
    whole = lines.group_by("converted_date", "conversion_id", "visitor_id", "is_refund").agg(
        converted_at=lines.ordered_at.min(), revenue_amount=lines.revenue_amount.sum().cast(MONEY)
    )
    return whole.mutate(unit=ibis.literal("order")).select(*Conversions.columns)
