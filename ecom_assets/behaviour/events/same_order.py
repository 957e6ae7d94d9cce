"""Purchases of one order that came several times: a thank-you page that is opened again sends one.

Each time it has another event id, and names the same order.
docs/metrics/events.md#purchases-of-one-order.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.tables.placeholders import MARKS, NOBODY, known
from ecom_assets.core.tables.portable import NO, text_digest, union_all
from ecom_assets.core.tables.spellings import order_name

ORDER_KEYS: Final = (
    "order_id",
    "orderId",
    "orderid",
    "order_number",
    "orderNumber",
    "transaction_id",
    "transactionId",
    "transactionid",
    "tr_orderid",
    "[$]order_id",
)
"""The keys of an event's `properties`, at any depth, that name an order, as regular expressions;
the first in it counts.
"""
NO_ORDERS: Final = (*MARKS, "0", "test")
"""Placeholders of orders."""
_NAMED: Final = f'"({"|".join(ORDER_KEYS)})"[ ]*:[ ]*"?([^",}}]+)'
END_OF_DAY: Final = ibis.timestamp("9999-12-30 00:00:00")
"""Sorts a row without a time of arrival after those that arrived on its day with one."""
OF_ROW: Final = ("event_id", "content_hash", "is_public", "received_date", "arrived_at", "event_at")
"""What rows have in common that are repeats, or none, together."""


def order_of(rows: ir.Table) -> ir.StringValue:
    """Return the order that a purchase names; null of others, and without one."""
    named = known(order_name(rows.properties.re_extract(_NAMED, 2)), NO_ORDERS).nullif("")
    is_purchase = (rows.event_type == "purchase").fill_null(NO)
    result: ir.StringValue = is_purchase.ifelse(named, ibis.null("string"))
    return result


def ids_of_repeated_orders(rows: ir.Table) -> ir.Table:
    """Return the `event_id` of purchases whose order another event of one user or device names.

    Args:
        rows: Received rows with their properties.
    """
    sold = rows.filter(rows.event_type == "purchase")
    keyed = _keyed(sold.mutate(order_hash=order_of(sold)), ("event_id",))
    keys = keyed.group_by("key").agg(low=keyed.event_id.min(), high=keyed.event_id.max())
    return keyed.semi_join(keys.filter(keys.low != keys.high), "key").select("event_id").distinct()


def repeated_purchases(copies: ir.Table, late_days: int) -> ir.Table:
    """Return the `OF_ROW` and the `order_hash` of purchases that repeat one of another time.

    The other one names the same order, product and amount (`order_hash`), is of the same user or
    device, and arrived before it, at most `late_days` + 1 days earlier. To a row that a public key
    sent, one that none sent may arrive until rows of its day are no longer accepted; and another
    that a public key sent is of the same device, as anybody can name a user.

    Args:
        copies: Clean rows with `order_hash`, `content_hash`, `is_public` as 0 or 1, and
            `arrived_at`, the time of arrival or `END_OF_DAY`.
        late_days: How many days after its own an event is accepted.
    """
    rows = _keyed(copies, (*OF_ROW, "order_hash", "event_date"))
    is_asked = (rows.is_public == 0) | (rows.of_device == 1)
    before = ibis.window(
        group_by=["key", "is_public", "received_date"],
        order_by=["arrived_at", "event_at"],
        rows=(None, -1),
    )
    rows = rows.mutate(
        is_asked=is_asked.ifelse(1, 0),
        before_low=rows.event_at.min().over(before),
        before_high=rows.event_at.max().over(before),
    )
    unit = ["key", "of_device", "is_public", "received_date", "event_date"]
    rows = rows.left_join(_other_days(rows, unit, late_days), unit)
    is_before = (rows.before_low != rows.event_at) | (rows.before_high != rows.event_at)
    is_beside = (rows.low != rows.event_at) | (rows.high != rows.event_at)
    is_repeat = (is_before.fill_null(NO) & (rows.is_asked == 1)) | is_beside.fill_null(NO)
    return rows.filter(is_repeat).select(*OF_ROW, "order_hash").distinct()


def _other_days(rows: ir.Table, unit: list[str], late_days: int) -> ir.Table:
    """Return the first and the last time of purchases that others can repeat, by `unit`."""
    daily = rows.group_by("key", "is_public", "received_date").agg(
        low=rows.event_at.min(), high=rows.event_at.max()
    )
    others = daily.select(
        other_key="key",
        is_other_public="is_public",
        other_date="received_date",
        low="low",
        high="high",
    )
    pairs = rows.select(*unit, "is_asked").distinct().join(others, [("key", "other_key")])
    near = (pairs.other_date + ibis.interval(days=late_days + 1)).cast("date")
    last = (pairs.event_date + ibis.interval(days=late_days)).cast("date")
    is_near = near >= pairs.received_date
    of_kind = (pairs.is_public == pairs.is_other_public) & (pairs.is_asked == 1)
    is_earlier = of_kind & (pairs.other_date < pairs.received_date)
    is_trusted = (pairs.is_public > pairs.is_other_public) & (pairs.other_date <= last)
    pairs = pairs.filter(is_near & (is_earlier | is_trusted))
    return pairs.group_by(unit).agg(low=pairs.low.min(), high=pairs.high.max())


def _keyed(rows: ir.Table, columns: tuple[str, ...]) -> ir.Table:
    """Return purchases of an order with a `key` of it and of their device, and again of their user;
    `of_device` is 1 or 0.
    """
    rows = rows.filter(rows.order_hash.notnull())
    parts = []
    for of_device, name in ((1, "anonymous_id"), (0, "user_id")):
        who = known(rows[name], NOBODY)
        key = text_digest(rows.order_hash).concat(text_digest(who.fill_null("")))
        parts.append(
            rows.filter(who.notnull()).select(*columns, key=key, of_device=ibis.literal(of_device))
        )
    return union_all(*parts)
