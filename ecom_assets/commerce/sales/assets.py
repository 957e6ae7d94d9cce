"""Assets of sales: the star schema, daily revenue, and customers by week.

Tables partitioned by day recompute every day that a run can change: see docs/adr/0003. City, item
and customer are always recomputed as a whole, from a few columns of all order lines, because any
line may be the latest of its city, item or customer.
"""

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.attribution.assets import (
    EVERY_CONVERSION,
    EVERY_TOUCH,
    days_of_changed_attribution,
)
from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.commerce.attribution.credit import AttributionRule, order_channels
from ecom_assets.commerce.orders import orders
from ecom_assets.commerce.orders.assets import EVERY_LINE, LINE_ASSETS, days_of_changed_orders
from ecom_assets.commerce.orders.contracts import ChangedOrderDays, PriceLog, UserOrderLog
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.sales import contracts, dimensions, discounts
from ecom_assets.commerce.sales import sales as sold_lines
from ecom_assets.commerce.sales.contracts import CustomerRetention, PurchaseRevenueDaily
from ecom_assets.commerce.sales.customer_retention import changed_weeks
from ecom_assets.commerce.sales.customer_retention import (
    customer_retention as compute_customer_retention,
)
from ecom_assets.core.tables.asset import Reads, asset_key, follows_sales, invalidation, table_asset
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.places import ReadPlaces, as_places
from ecom_assets.core.tables.portable import rows_of

EVERY_SALE = Reads(contracts.Sales, whole=True)


@table_asset(contracts.City, user_order_log=EVERY_LINE)
def city(user_order_log: ir.Table, places: ReadPlaces) -> ir.Table:
    """Compute the city dimension."""
    return dimensions.city(user_order_log, places())


item = table_asset(
    contracts.Item,
    lines=EVERY_LINE,
    prices=Reads(PriceLog, whole=True),
    order_visits=Reads(OrderVisits, whole=True),
)(dimensions.item)
item_prices = table_asset(
    contracts.ItemPrices, items=contracts.Item, prices=Reads(PriceLog, whole=True)
)(dimensions.item_prices)
customer = table_asset(contracts.Customer, deps=(city.key,), lines=EVERY_LINE)(dimensions.customer)
calendar = table_asset(
    contracts.Calendar, deps=(asset_key(UserOrderLog),), invalidated_by=days_of_changed_orders
)(dimensions.calendar)


@table_asset(
    contracts.Sales,
    conversions=EVERY_CONVERSION,
    touches=EVERY_TOUCH,
    invalidated_by=days_of_changed_attribution,
    deps=(calendar.key, city.key, item.key, customer.key),
    user_order_log=EVERY_LINE,
)
def sales(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    user_order_log: ir.Table,
    conversions: ir.Table,
    touches: ir.Table,
    attribution_rule: AttributionRule,
    order_rule: OrderRule,
    days: Days,
) -> ir.Table:
    """Turn order lines into sales with a channel."""
    channels = order_channels(conversions, touches, attribution_rule, days)
    return sold_lines.sales(user_order_log, channels, days, order_rule.currency)


product_sales_daily = table_asset(
    contracts.ProductSalesDaily, sold=EVERY_SALE, invalidated_by=days_of_changed_attribution
)(sold_lines.product_sales_daily)
revenue_daily = table_asset(
    contracts.RevenueDaily, sold=EVERY_SALE, invalidated_by=days_of_changed_attribution
)(sold_lines.revenue_daily)

discount_performance = table_asset(
    contracts.DiscountPerformance, sold=EVERY_SALE, invalidated_by=days_of_changed_attribution
)(discounts.discount_performance)


@invalidation(sales=contracts.Sales, changed_order_days=ChangedOrderDays)
def weeks_of_changed_sales(sales: ir.Table, changed_order_days: ir.Table, days: Days) -> ir.Table:
    """Return the weeks that the run can change."""
    return changed_weeks(sales, orders.changed_days(changed_order_days, days), days)


customer_retention = table_asset(
    CustomerRetention,
    sold=EVERY_SALE,
    customers=contracts.Customer,
    invalidated_by=weeks_of_changed_sales,
    automation=follows_sales(),
)(compute_customer_retention)
STAR_ASSETS = (
    city,
    item,
    item_prices,
    customer,
    calendar,
    sales,
    product_sales_daily,
    revenue_daily,
    discount_performance,
    customer_retention,
)
SALES_ASSETS = (*LINE_ASSETS, *STAR_ASSETS)
"""`mart.conversions` is computed between `LINE_ASSETS` and `STAR_ASSETS`."""


@table_asset(PurchaseRevenueDaily, follows="groups", events=CleanEvents)
def purchase_revenue_daily(events: ir.Table, places: ReadPlaces) -> ir.Table:
    """Sum purchases and refunds by day, category and place."""
    stated = as_places(rows_of(computed(sold_lines.places_of_purchases, {"events": events})))
    if any((part or "").strip() for place in stated for part in place):
        # Built each time: names of the data are in it.
        return sold_lines.purchase_revenue_daily(events, places().found_alone(stated))
    without = {"events": events, "found": {}}
    return computed(sold_lines.purchase_revenue_daily, without, PurchaseRevenueDaily)


PURCHASE_ASSETS = (purchase_revenue_daily,)
