"""Orders by customer and day: from order lines,
or from purchase events if the shop has no orders.
"""

from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir

from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.portable import union_all


@dataclass(frozen=True)
class Purchases:
    """Orders, and the last day that they cover.

    `orders`: one row per order, or per session with purchases, with the columns `customer_id`,
    `order_date`, `last_order_date`, `order_count`, `shipped_amount` and `revenue_amount`. A refund
    without an order has no dates, and its `order_count` is 0. `as_of`: one row with `as_of_date`,
    the newest day in the data; null if there are no data.
    """

    orders: ir.Table
    as_of: ir.Table

    @classmethod
    def from_sales(cls, sold: ir.Table, until: date | None = None) -> "Purchases":
        """Return the orders in all rows of `Sales`; lines of one customer,
        day and order id are one order.

        Days after `until` are left out; None includes all.
        """
        sold = sold.filter(sold.customer_id != UNKNOWN_CUSTOMER)
        if until is not None:
            sold = sold.filter(sold.order_date <= ibis.literal(until))
        is_shipped = sold.status == "shipped"
        zero = ibis.literal(0, MONEY)
        # As `order_key` has it, but not as one text, which takes twice as long to group by.
        orders = sold.group_by("customer_id", "order_date", "order_id").agg(
            order_count=is_shipped.ifelse(1, 0).max().cast("int64"),
            shipped_amount=is_shipped.ifelse(sold.revenue_amount, zero).sum().cast(MONEY),
            revenue_amount=sold.revenue_amount.sum().cast(MONEY),
        )
        shipped_date = (orders.order_count > 0).ifelse(orders.order_date, ibis.null("date"))
        orders = orders.mutate(order_date=shipped_date, last_order_date=shipped_date).drop(
            "order_id"
        )
        return cls(orders, _newest(sold, "order_date", until))

    @classmethod
    def from_sessions(cls, sessions: ir.Table, until: date | None = None) -> "Purchases":
        """Return the purchases in all rows of `Sessions`, on the day on which the session started.

        Sessions have no amounts of refunds, so revenue is the amount of the purchases. Days after
        `until` are left out.
        """
        if until is not None:
            sessions = sessions.filter(sessions.started_date <= ibis.literal(until))
        bought = sessions.filter(sessions.purchase_count > 0)
        orders = bought.select(
            customer_id="visitor_id",
            order_date="started_date",
            last_order_date="started_date",
            order_count="purchase_count",
            shipped_amount="purchase_amount",
            revenue_amount="purchase_amount",
        )
        return cls(orders, _newest(sessions, "started_date", until))

    @classmethod
    def from_platform(cls, sold: ir.Table, sessions: ir.Table) -> "Purchases":
        """Return the orders in all rows of `Sales`; without a single one,
        the purchases in all rows of `Sessions`.
        """
        ordered, bought = cls.from_sales(sold), cls.from_sessions(sessions)
        no_order = ordered.as_of.filter(ordered.as_of.as_of_date.isnull()).select(no_order=1)
        instead = bought.orders.cross_join(no_order).drop("no_order")
        newest = ordered.as_of.cross_join(bought.as_of.rename(seen_date="as_of_date"))
        as_of = newest.select(as_of_date=ibis.coalesce(newest.as_of_date, newest.seen_date))
        return cls(union_all(ordered.orders, instead), as_of)


def _newest(rows: ir.Table, day: str, until: date | None) -> ir.Table:
    result = rows.agg(as_of_date=rows[day].max())
    if until is None:
        return result
    # The data are included until that day, even if nothing happened on it.
    return result.select(
        as_of_date=result.as_of_date.isnull().ifelse(ibis.null("date"), ibis.literal(until))
    )
