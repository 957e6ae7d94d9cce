"""How product performance and inventory alerts are traced: to events,
order lines and the catalogue.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.orders.orders import ALL
from ecom_assets.commerce.products.contracts import (
    InventoryAlerts,
    ProductPerformance,
    ProductsBoughtTogether,
    RawStock,
)
from ecom_assets.commerce.products.item_categories import sold_names, viewed_products
from ecom_assets.commerce.products.measures import ProductMeasures
from ecom_assets.commerce.products.performance import ORDERS, TYPES, source_of_sales
from ecom_assets.commerce.products.stock import newest_stock
from ecom_assets.commerce.products.together import ORDER, baskets
from ecom_assets.commerce.sales.contracts import Item, Sales
from ecom_assets.commerce.sales.trace import counted_as_orders, sales_derivations, with_status
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    RowsOf,
    ShownIds,
    Sum,
    TableTrace,
    TraceContext,
    ratio,
    ratios_of,
)


def _events(*kinds: str) -> RowsOf:
    """Return the events of some types that name a row's product on its day."""

    def rows(context: TraceContext) -> ir.Table:
        events = context.on_day(CleanEvents, "event_date")
        events = events.filter(
            events.event_type.isin(kinds), events.product_id == context.row["product_id"]
        )
        return events.mutate(sign=(events.event_type == "refund").ifelse(-1, 1))

    return rows


def _carts_of_viewers(context: TraceContext) -> ir.Table:
    return _events("add_to_cart")(context).semi_join(_events("product_view")(context), "visitor_id")


def _sales_of_product(context: TraceContext) -> ir.Table:
    row = context.row
    return context.where(Sales, order_date=row["event_date"], item_id=row["product_id"])


OF_ORDERS: Final = sales_derivations(Sales, _sales_of_product)


def _by_source(name: str, of_events: Derivation) -> ByRow:
    """Return how a number of sales is traced: to order lines,
    or to events for a shop without orders.
    """

    def derivation(context: TraceContext) -> Derivation:
        return OF_ORDERS[name] if context.row["sales_source"] == ORDERS else of_events

    return ByRow(derivation)


PERFORMANCE: Final[Mapping[str, Derivation]] = {
    **{f"{kind}_count": Count(CleanEvents, _events(kind)) for kind in TYPES},
    "viewing_visitor_count": Count(CleanEvents, _events("product_view"), unit="visitor_id"),
    "cart_visitor_count": Count(CleanEvents, _carts_of_viewers, unit="visitor_id"),
    "purchase_count": _by_source("order_count", Count(CleanEvents, _events("purchase"))),
    "sold_item_count": _by_source("sold_item_count", Count(CleanEvents, _events("purchase"))),
    "refunded_item_count": _by_source("refunded_item_count", Count(CleanEvents, _events("refund"))),
    "shipped_amount": _by_source(
        "shipped_amount", Sum(CleanEvents, _events("purchase"), "cart_amount")
    ),
    "refunded_amount": _by_source(
        "refunded_amount", Sum(CleanEvents, _events("refund"), "cart_amount")
    ),
    "revenue_amount": _by_source(
        "revenue_amount", Sum(CleanEvents, _events("purchase", "refund"), "cart_amount")
    ),
    **ratios_of(ProductMeasures),
}


def _stock_line(context: TraceContext) -> ir.Table:
    """Return the line of the catalogue with a row's stock."""
    newest = newest_stock(context.table(RawStock))
    return newest.filter(newest.product_id == context.row["product_id"])


def _sold_lately(context: TraceContext) -> ir.Table:
    """Return the sales of a row's product in the days that count for its stock."""
    sold = context.within(Sales, *_sales_days(context))
    return sold.filter(sold.item_id == context.row["product_id"])


def _bought_lately(context: TraceContext) -> ir.Table:
    events = context.within(CleanEvents, *_sales_days(context))
    return events.filter(
        events.event_type == "purchase", events.product_id == context.row["product_id"]
    )


def _sales_days(context: TraceContext) -> tuple[date, date]:
    last: date = context.row["as_of_date"]
    return last - timedelta(days=context.rules["inventory_rule"].sales_days - 1), last


def _sold_items(context: TraceContext) -> Derivation:
    """Return how sold items are traced: to sales, or to events for a shop without orders."""
    (source,) = context.ask(source_of_sales(context.table(Sales)))
    if source["sales_source"] == ORDERS:
        return Sum(Sales, with_status(_sold_lately, "shipped"), "quantity")
    return Count(CleanEvents, _bought_lately)


def _delivery_days(context: TraceContext) -> Derivation:
    """Return how the days of a delivery are traced: to the catalogue, where it says them."""
    (line,) = context.ask(_stock_line(context).select("lead_time_days"))
    if line["lead_time_days"] is None:
        return Computed(
            "the setting ECOM_VENDOR_DELIVERY_DAYS or ECOM_DELIVERY_DAYS when the table was made",
            (),
        )
    return Sum(RawStock, _stock_line, "lead_time_days")


SOLD: Final = ByRow(_sold_items)
STOCK: Final[Mapping[str, Derivation]] = {
    **{name: Sum(RawStock, _stock_line, name) for name in ("stock_count", "reorder_point_count")},
    "lead_time_days": ByRow(_delivery_days),
    "sold_item_count": SOLD,
    "sales_days_count": Computed(
        "those of the last days up to as_of_date, as many as the rule of inventory alerts has, of "
        "which it is known what was sold",
        ("as_of_date",),
    ),
    "daily_sold_items": ratio("sold_item_count", "sales_days_count"),
    "days_of_cover": ratio("stock_count", "daily_sold_items"),
    "in_stock_days_count": Computed(
        "sales_days_count less the days of which the catalogue says that none was left, and on "
        "which none was sold",
        ("sales_days_count",),
    ),
    "reorder_days_count": Computed("the setting ECOM_REORDER_DAYS when the table was made", ()),
    "reorder_item_count": Computed(
        "sold_item_count divided by in_stock_days_count, times the sum of lead_time_days and "
        "reorder_days_count, less stock_count; rounded up, at least 0",
        (
            "sold_item_count",
            "in_stock_days_count",
            "lead_time_days",
            "reorder_days_count",
            "stock_count",
        ),
    ),
    "day_without_stock_amount": Computed(
        "what was paid for the items sold in these days, divided by in_stock_days_count; items "
        "without a known amount at the mean price of the others",
        ("sold_item_count", "in_stock_days_count"),
    ),
}


def _pair_lines(context: TraceContext) -> ir.Table:
    """Return the paid lines, of either product, of the orders of a row's day that have both; of the
    row of all orders, those of any product.
    """
    sold = context.on_day(Sales, "order_date")
    counted = baskets(sold)
    pair = {context.row["product_id"], context.row["other_product_id"]}
    if ALL not in pair:
        counted = counted.filter(counted.product_id.isin(sorted(pair)))
        orders = counted.group_by(*ORDER).having(counted.count() == len(pair)).agg()
        counted = counted.semi_join(orders, ORDER)
    paid = sold.filter(sold.status == "shipped", sold.revenue_amount > 0)
    return paid.semi_join(
        counted,
        [*((paid[name], counted[name]) for name in ORDER), (paid.item_id, counted.product_id)],
    )


TOGETHER: Final[Mapping[str, Derivation]] = {
    "order_count": Count(Sales, counted_as_orders(_pair_lines))
}


def _shown_ids(performance: ir.Table, items: ir.Table) -> ir.Table:
    """Return by which id a viewed product is sold."""
    return sold_names(viewed_products(performance), items).rename(
        stored_id="viewed_id", shown_id="item_id"
    )


SHOWN: Final = ShownIds("product_id", _shown_ids, (ProductPerformance, Item))
TRACES: Final = (
    TableTrace(ProductsBoughtTogether, "bought-together", TOGETHER),
    TableTrace(ProductPerformance, "products", PERFORMANCE, SHOWN),
    TableTrace(InventoryAlerts, "inventory-alerts", STOCK),
)
