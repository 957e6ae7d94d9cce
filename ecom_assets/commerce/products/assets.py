"""Assets of products: daily performance, the stock of the catalogue, and inventory alerts."""

from typing import Protocol

import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import SessionEvents
from ecom_assets.commerce.orders import orders
from ecom_assets.commerce.orders.assets import days_of_changed_orders
from ecom_assets.commerce.orders.contracts import ChangedOrderDays, HeldOrderDays
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.products import performance, stock, together
from ecom_assets.commerce.products.contracts import (
    InventoryAlerts,
    ProductPerformance,
    ProductsBoughtTogether,
    RawStock,
)
from ecom_assets.commerce.products.stock import InventoryRule
from ecom_assets.commerce.sales.assets import EVERY_SALE
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.commerce.sales.source_days import (
    KNOWN_FROM,
    EmptyDayMeaning,
    days_of_sales,
    days_with_rows,
)
from ecom_assets.core.tables.asset import Reads, asset_key, invalidation, table_asset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_distinct
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.engine import Engine


@invalidation(
    changed_order_days=ChangedOrderDays,
    product_performance=ProductPerformance,
    session_events=SessionEvents,
    sales=Sales,
)
def days_of_changed_sales(
    changed_order_days: ir.Table,
    product_performance: ir.Table,
    session_events: ir.Table,
    sales: ir.Table,
    days: Days,
) -> ir.Table:
    """Return the order days that the run can change,
    and every day if the source of sales has changed.
    """
    changed = orders.changed_days(changed_order_days, days).select("day")
    return union_distinct(
        changed, performance.days_of_other_source(product_performance, session_events, sales)
    )


product_performance = table_asset(
    ProductPerformance,
    follows="groups",
    events=Reads(SessionEvents, whole=True),
    sold=EVERY_SALE,
    invalidated_by=days_of_changed_sales,
)(performance.product_performance)


products_bought_together = table_asset(
    ProductsBoughtTogether, sold=EVERY_SALE, invalidated_by=days_of_changed_orders
)(together.products_bought_together)


class StockSource(Protocol):
    """A source of stock levels."""

    def received(self, days: Days) -> SliceOutput:
        """Return the stock on the newest of the days,
        or an output that leaves the table unchanged.
        """


# Stock of an earlier day is worth more than none, and costs of the catalogue seldom change.
@table_asset(RawStock, does_without_answer=True)
def raw_stock(stock_source: StockSource, days: Days) -> SliceOutput:
    """Fetch the stock from its source; rows of other days do not change."""
    return stock_source.received(days).require_rows("stock")


@table_asset(
    InventoryAlerts,
    deps=tuple(map(asset_key, (*KNOWN_FROM, HeldOrderDays))),
    raw=Reads(RawStock, whole=True),
    products=Reads(ProductPerformance, whole=True),
    sold=EVERY_SALE,
)
def inventory_alerts(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw: ir.Table,
    products: ir.Table,
    sold: ir.Table,
    inventory_rule: InventoryRule,
    order_rule: OrderRule,
    empty_days: EmptyDayMeaning,
    warehouse: Engine,
) -> ir.Table:
    """Find the products whose newest stock needs attention,
    by sales of the days of which sales are known.
    """
    dates = days_of_sales(warehouse, order_rule, empty_days)
    as_of_date = max(days_with_rows(warehouse, RawStock, "received_date"), default=None)
    days = stock.SalesDays.from_dates(dates, as_of_date, inventory_rule)
    raw = stock.with_vendor_days(raw, sold, inventory_rule)
    return stock.inventory_alerts(raw, products, days, inventory_rule)


STOCK_ASSETS = (raw_stock, inventory_alerts)
"""The assets that need a catalogue with stock."""
BASKET_ASSETS = (products_bought_together,)
"""The assets of products that need order lines."""
PRODUCT_ASSETS = (product_performance, *BASKET_ASSETS, *STOCK_ASSETS)
