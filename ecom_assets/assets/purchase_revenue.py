"""Sales as purchase events tell them, for shops without order lines. Not here: how (`transforms/`)."""

import ibis.expr.types as ir

from ecom_assets.assets.table_asset import table_asset
from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.sales import PurchaseRevenueDaily
from ecom_assets.transforms import purchase_revenue as purchases


@table_asset(PurchaseRevenueDaily, events=CleanEvents)
def purchase_revenue_daily(events: ir.Table) -> ir.Table:
    """Add up each day's purchases and refunds."""
    return purchases.purchase_revenue_daily(events)


PURCHASE_ASSETS = (purchase_revenue_daily,)
