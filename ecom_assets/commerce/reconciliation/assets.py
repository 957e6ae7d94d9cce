"""Assets of reconciliation: orders against events, and the published numbers that changed."""

from collections.abc import Iterable
from dataclasses import replace

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.attribution.assets import have_purchases
from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.commerce.attribution.order_sums import SentSums
from ecom_assets.commerce.attribution.order_visits import reconciled_days
from ecom_assets.commerce.orders.assets import EVERY_LINE
from ecom_assets.commerce.orders.contracts import ChangedOrderDays, UserOrderLog
from ecom_assets.commerce.reconciliation import differences
from ecom_assets.commerce.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
)
from ecom_assets.commerce.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.core.tables.asset import (
    Reads,
    TableAsset,
    asset_key,
    invalidation,
    table_asset,
)
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO, union_all, union_distinct
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.engine import Engine

EVERY_EVENT = Reads(CleanEvents, whole=True)


@invalidation(
    events=CleanEvents,
    user_order_log=UserOrderLog,
    changed_order_days=ChangedOrderDays,
    revenue_daily=RevenueDaily,
    purchase_revenue_daily=PurchaseRevenueDaily,
    compared=OrderEventReconciliationDaily,
)
def days_near_changes(  # noqa: PLR0913, PLR0917 (each is a table)
    events: ir.Table,
    user_order_log: ir.Table,
    changed_order_days: ir.Table,
    revenue_daily: ir.Table,
    purchase_revenue_daily: ir.Table,
    compared: ir.Table,
    sent_sums: SentSums,
    days: Days,
) -> ir.Table:
    """Return the days near those with events or orders that the run can change,
    sold days not compared before, and days compared when senders were thought to send other sums.

    Days that came when the shop had one of the two sources only have never been compared.
    """
    near = reconciled_days(events, user_order_log, changed_order_days, days)
    sold = union_all(
        revenue_daily.select(day="order_date"), purchase_revenue_daily.select(day="event_date")
    )
    is_other = compared.sent_sums.fill_null("") != sent_sums.text()
    return union_distinct(
        near.select("day"),
        sold.anti_join(compared, sold.day == compared.reconciled_date),
        compared.filter(is_other).select(day="reconciled_date"),
    )


order_event_reconciliation = table_asset(
    OrderEventReconciliation,
    events=EVERY_EVENT,
    lines=EVERY_LINE,
    order_visits=Reads(OrderVisits, whole=True),
    invalidated_by=days_near_changes,
    deps=(
        asset_key(RevenueDaily),
        asset_key(PurchaseRevenueDaily),
    ),  # which days have sales, see `days_near_changes`
    empty_unless=have_purchases,
)(differences.order_event_reconciliation)
order_event_reconciliation_daily = table_asset(
    OrderEventReconciliationDaily,
    events=EVERY_EVENT,
    lines=EVERY_LINE,
    differences=Reads(OrderEventReconciliation, whole=True),
    invalidated_by=days_near_changes,
    empty_unless=have_purchases,
)(differences.reconciliation_daily)
RECONCILIATION_ASSETS = (order_event_reconciliation, order_event_reconciliation_daily)
"""The assets that need both events and orders."""


@table_asset(Restatements)
def logged_restatements(warehouse: Engine) -> SliceOutput:
    """Report what the run has logged.

    The entries themselves are written together with the changed numbers.
    """
    return SliceOutput(warehouse.table(Restatements).filter(NO), Days(()))


def restatements(published: Iterable[Contract]) -> TableAsset:
    """Return the asset of the log, downstream of every table with published numbers."""
    return replace(logged_restatements, deps=tuple(asset_key(contract) for contract in published))
