"""Products: what they were viewed and sold day by day, their stock, and which need attention. Not here: how."""

import ibis.expr.types as ir

from ecom_assets.assets.credit_days import EVERY_CHANGED_DAY, EVERY_LINE
from ecom_assets.assets.sales import EVERY_SALE, restated_sales
from ecom_assets.assets.table_asset import Reads, table_asset
from ecom_assets.contracts.inventory import InventoryAlerts, RawStock
from ecom_assets.contracts.performance import ProductPerformance
from ecom_assets.contracts.sessions import SessionEvents
from ecom_assets.sources.stock_source import StockSource
from ecom_assets.transforms import inventory
from ecom_assets.transforms import product_performance as performance
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.inventory_rule import InventoryRule
from ecom_assets.warehouse.io_manager import Restated


@table_asset(
    ProductPerformance,
    session_events=Reads(SessionEvents, whole=True),
    sales=EVERY_SALE,
    user_order_log=EVERY_LINE,
    changed_order_days=EVERY_CHANGED_DAY,
    restates=restated_sales,
)
def product_performance(
    session_events: ir.Table,
    sales: ir.Table,
    days: Days,
    sales_source: str,
    has_views: bool,  # noqa: FBT001 (what rules offer, by name)
) -> ir.Table:
    """Add up what each product's day came to."""
    return performance.product_performance(session_events, sales, days, sales_source, has_views=has_views)


@table_asset(RawStock)
def raw_stock(stock_source: StockSource, days: Days) -> Restated:
    """Ask how much there is; rows of other days stay as they were told."""
    found = stock_source.received(days).require_rows("stock")
    return Restated(found.rows, found.days, found.metadata)


@table_asset(
    InventoryAlerts, stock=Reads(RawStock, whole=True), product_performance=Reads(ProductPerformance, whole=True)
)
def inventory_alerts(stock: ir.Table, product_performance: ir.Table, inventory_rule: InventoryRule) -> ir.Table:
    """Say which products need attention."""
    return inventory.inventory_alerts(stock, product_performance, inventory_rule)


STOCK_ASSETS = (raw_stock, inventory_alerts)
"""Those that need a catalogue with stock."""
PRODUCT_ASSETS = (product_performance, *STOCK_ASSETS)
