"""How what to look at goes down: to sessions, orders, order lines and events, and to the stock."""

from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.contracts import Conversions, Touches
from ecom_assets.commerce.attribution.queries import counted_orders
from ecom_assets.commerce.conversion.conversion import described_sessions
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.products.performance import ORDERS, source_of_sales
from ecom_assets.commerce.products.stock import newest_stock
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.queries import ALL
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    TableTrace,
    TraceContext,
)


def _days(context: TraceContext) -> Days:
    return Days.through(context.row["first_date"], context.row["last_date"])


def _visits(context: TraceContext) -> ir.Table:
    """Return the sessions of people of the channel."""
    touches = context.table(Touches)
    return touches.filter(
        _days(context).contain(touches.started_date),
        touches.channel == context.row["subject"],
        ~touches.is_bot,
    )


def _sessions(context: TraceContext) -> ir.Table:
    """Return the sessions of the value of the dimension, those that went on and the others."""
    clean, sessions, touches = (context.table(table) for table in (CleanEvents, Sessions, Touches))
    described = described_sessions(clean, sessions, touches, _days(context))
    if context.row["dimension"] != ALL:
        described = described.filter(described[context.row["dimension"]] == context.row["subject"])
    within = sessions.filter(_days(context).contain(sessions.started_date))
    return within.semi_join(described, "session_id")


def _refunded_lines(context: TraceContext) -> ir.Table:
    sold = context.within(Sales, context.row["first_date"], context.row["last_date"])
    return sold.filter(sold.item_id == context.row["subject"], sold.status == "refunded")


def _refund_events(context: TraceContext) -> ir.Table:
    events = context.within(CleanEvents, context.row["first_date"], context.row["last_date"])
    return events.filter(events.product_id == context.row["subject"], events.event_type == "refund")


def _stock(context: TraceContext) -> ir.Table:
    return newest_stock(context.table(RawStock))


def _orders(context: TraceContext) -> ir.Table:
    """Return the lines of the orders whose visits count."""
    days = (context.row["first_date"], context.row["last_date"])
    orders = counted_orders(context.within(Conversions, *days))
    lines = context.within(UserOrderLog, *days)
    of_order = [
        lines.order_id == orders.conversion_id,
        lines.order_date == orders.converted_date,
        lines.customer_id == orders.customer_id.fill_null(orders.visitor_id),
    ]
    return lines.filter(lines.status == "shipped").semi_join(orders, of_order)


REFUNDED: Final = "the items of the product that were paid back"
STOCK: Final = "the products whose stock ends within their delivery time, as mart.inventory_alerts"


def _observed(context: TraceContext) -> Derivation:
    kind = context.row["kind"]
    if kind == "visits":
        return Count(Touches, _visits)
    if kind == "conversion":
        return Computed(
            "of these sessions, those that reached the step ÷ those that reached the step before",
            inputs=Count(Sessions, _sessions),
        )
    if kind == "meeting":
        return Computed(
            "revenue of these orders of whose visitors any visit is known ÷ revenue of all of them",
            inputs=Count(UserOrderLog, _orders),
        )
    if kind == "stock":
        return Computed(STOCK, inputs=Count(RawStock, _stock))
    (source,) = context.ask(source_of_sales(context.table(Sales)))
    if source["sales_source"] == ORDERS:
        return Computed(REFUNDED, inputs=Count(Sales, _refunded_lines))
    return Computed(REFUNDED, inputs=Count(CleanEvents, _refund_events))


NUMBERS: Final[dict[str, Derivation]] = {
    "observed_number": ByRow(_observed),
    "expected_number": Computed(
        "the median of the same weekdays of up to eight weeks before; the mean below 5; of meeting "
        "the share below which nothing is credited",
        ("observed_number",),
    ),
    "bound_number": Computed(
        "expected_number, less or more what chance exceeds once in a hundred looks at all numbers; "
        "of meeting expected_number",
        ("expected_number",),
    ),
    "weekly_amount": Computed(
        "what a day misses or pays back more than usual, at what one is worth on average, times 7",
        ("observed_number", "expected_number"),
    ),
}
TRACES: Final = (TableTrace(ShopFindings, "what-to-look-at", NUMBERS),)
