"""Order lines, received and clean, and the star schema that is built on them. Not here: how (`transforms/`).

Tables that are cut by day restate every day that a run can change: see docs/adr/0003. City, item and customer are
computed whole from a few columns of all order lines, because any line may be an item's or a customer's latest.
"""

import ibis.expr.types as ir

from ecom_assets.assets.behaviour import ALL_PIECES
from ecom_assets.assets.credit_days import (
    EVERY_CHANGED_DAY,
    EVERY_CONVERSION,
    EVERY_LINE,
    EVERY_TOUCH,
    restated_credit,
)
from ecom_assets.assets.table_asset import Reads, table_asset
from ecom_assets.automation.following import follows_sales
from ecom_assets.clock import Clock
from ecom_assets.contracts import sales as contracts
from ecom_assets.contracts.customer_retention import CustomerRetention
from ecom_assets.contracts.held_days import HeldOrderDays
from ecom_assets.contracts.orders import (
    ChangedOrderDays,
    DuplicateOrders,
    QuarantinedOrders,
    RawUserOrderLog,
    UserOrderLog,
)
from ecom_assets.sources.order_source import OrderSource
from ecom_assets.transforms import calendar as calendars
from ecom_assets.transforms import customer_retention as retention
from ecom_assets.transforms import held_days as holding
from ecom_assets.transforms import order_dimensions as dimensions
from ecom_assets.transforms import orders
from ecom_assets.transforms import sales as selling
from ecom_assets.transforms.attribution_rule import AttributionRule
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.held_days import OrderGate
from ecom_assets.transforms.order_channels import order_channels
from ecom_assets.transforms.orders import OrderRule
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.held_days import held_rows
from ecom_assets.warehouse.io_manager import Restated

EVERY_COPY = Reads(RawUserOrderLog, whole=True)
EVERY_HELD_DAY = Reads(HeldOrderDays, whole=True)
EVERY_SALE = Reads(contracts.Sales, whole=True)


@table_asset(RawUserOrderLog)
def raw_user_order_log(order_source: OrderSource, days: Days) -> Restated:
    """Take the order lines that arrived on `days` from the source."""
    found = order_source.received(days)
    return Restated(found.rows, found.days, found.metadata)


@table_asset(QuarantinedOrders, raw_user_order_log=RawUserOrderLog)
def quarantined_orders(raw_user_order_log: ir.Table, order_rule: OrderRule, days: Days) -> ir.Table:
    """Keep what is not clean, with the reason."""
    return orders.quarantined_orders(raw_user_order_log, order_rule, days)


def restated_arrivals(raw_user_order_log: ir.Table, order_rule: OrderRule, days: Days) -> ir.Table:
    """Days on which other copies of the lines arrived."""
    copies = orders.copies_of_arrivals(raw_user_order_log, order_rule, days)
    return copies.select(day="received_date").distinct()


@table_asset(ChangedOrderDays, raw_user_order_log=EVERY_COPY, restates=restated_arrivals)
def changed_order_days(raw_user_order_log: ir.Table, order_rule: OrderRule, days: Days) -> ir.Table:
    """Note which days of order the lines that arrived can change."""
    return orders.changed_order_days(raw_user_order_log, order_rule, days)


@table_asset(HeldOrderDays, raw_user_order_log=RawUserOrderLog)
def held_order_days(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw_user_order_log: ir.Table,
    order_rule: OrderRule,
    order_gate: OrderGate,
    clock: Clock,
    warehouse: Engine,
    days: Days,
) -> ir.Table:
    """Hold back the days whose lines are too few to be trusted, but for those that somebody has released."""
    counts = holding.order_day_counts(raw_user_order_log, order_rule, days).to_pyarrow().to_pylist()
    found = holding.held_order_days(counts, order_gate, days)
    return held_rows(warehouse, HeldOrderDays, holding.ORDERS, found, clock().replace(tzinfo=None))


@table_asset(DuplicateOrders, raw_user_order_log=EVERY_COPY, held_order_days=EVERY_HELD_DAY, restates=restated_arrivals)
def duplicate_orders(
    raw_user_order_log: ir.Table, held_order_days: ir.Table, order_rule: OrderRule, days: Days
) -> ir.Table:
    """Count the copies that are left out."""
    return orders.duplicate_orders(raw_user_order_log, held_order_days, order_rule, days)


def restated_orders(changed_order_days: ir.Table, days: Days) -> ir.Table:
    """Days of order of all copies of the lines that arrived."""
    return orders.changed_days(changed_order_days, days)


@table_asset(
    UserOrderLog,
    follows=(quarantined_orders.key, duplicate_orders.key),
    raw_user_order_log=EVERY_COPY,
    held_order_days=EVERY_HELD_DAY,
    changed_order_days=EVERY_CHANGED_DAY,
    restates=restated_orders,
)
def user_order_log(
    raw_user_order_log: ir.Table, held_order_days: ir.Table, order_rule: OrderRule, days: Days
) -> ir.Table:
    """Keep each clean line once."""
    return orders.user_order_log(raw_user_order_log, held_order_days, order_rule, days)


@table_asset(contracts.City, user_order_log=EVERY_LINE)
def city(user_order_log: ir.Table) -> ir.Table:
    """Describe the cities."""
    return dimensions.city(user_order_log)


@table_asset(contracts.Item, user_order_log=EVERY_LINE)
def item(user_order_log: ir.Table) -> ir.Table:
    """Describe the items."""
    return dimensions.item(user_order_log)


@table_asset(contracts.Customer, follows=(city.key,), user_order_log=EVERY_LINE)
def customer(user_order_log: ir.Table) -> ir.Table:
    """Describe the customers."""
    return dimensions.customer(user_order_log)


def restated_sales(changed_order_days: ir.Table, days: Days) -> ir.Table:
    """Days of order that what arrived on the run's days can change."""
    return orders.changed_days(changed_order_days, days)


@table_asset(
    contracts.Calendar,
    user_order_log=EVERY_LINE,
    changed_order_days=EVERY_CHANGED_DAY,
    restates=restated_sales,
)
def calendar(days: Days) -> ir.Table:
    """Describe the days."""
    return calendars.calendar(days)


@table_asset(
    contracts.Sales,
    conversions=EVERY_CONVERSION,
    touches=EVERY_TOUCH,
    restates=restated_credit,
    follows=(calendar.key, city.key, item.key, customer.key),
    session_days=ALL_PIECES,
    user_order_log=EVERY_LINE,
    changed_order_days=EVERY_CHANGED_DAY,
)
def sales(
    user_order_log: ir.Table, conversions: ir.Table, touches: ir.Table, attribution_rule: AttributionRule, days: Days
) -> ir.Table:
    """Turn lines into sales."""
    return selling.sales(user_order_log, order_channels(conversions, touches, attribution_rule, days), days)


@table_asset(
    contracts.ProductSalesDaily,
    sales=EVERY_SALE,
    user_order_log=EVERY_LINE,
    changed_order_days=EVERY_CHANGED_DAY,
    restates=restated_sales,
)
def product_sales_daily(sales: ir.Table, days: Days) -> ir.Table:
    """Add up each item's day."""
    return selling.product_sales_daily(sales, days)


@table_asset(
    contracts.RevenueDaily,
    sales=EVERY_SALE,
    conversions=EVERY_CONVERSION,
    session_days=ALL_PIECES,
    user_order_log=EVERY_LINE,
    changed_order_days=EVERY_CHANGED_DAY,
    restates=restated_credit,
)
def revenue_daily(sales: ir.Table, days: Days) -> ir.Table:
    """Add up each day, in total and by dimension."""
    return selling.revenue_daily(sales, days)


def restated_weeks(sales: ir.Table, changed_order_days: ir.Table, days: Days) -> ir.Table:
    """Weeks from the first one that the run can change."""
    return retention.changed_weeks(sales, orders.changed_days(changed_order_days, days), days)


@table_asset(
    CustomerRetention,
    sales=EVERY_SALE,
    customer=contracts.Customer,
    user_order_log=EVERY_LINE,
    changed_order_days=EVERY_CHANGED_DAY,
    restates=restated_weeks,
    automation=follows_sales(),
)
def customer_retention(sales: ir.Table, customer: ir.Table, days: Days) -> ir.Table:
    """Count each week's new, returning and refunded customers."""
    return retention.customer_retention(sales, customer, days)


LINE_ASSETS = (
    raw_user_order_log,
    quarantined_orders,
    changed_order_days,
    held_order_days,
    duplicate_orders,
    user_order_log,
)
STAR_ASSETS = (city, item, customer, calendar, sales, product_sales_daily, revenue_daily, customer_retention)
SALES_ASSETS = (*LINE_ASSETS, *STAR_ASSETS)
"""`mart/conversions` come between the two."""
