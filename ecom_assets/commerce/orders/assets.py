"""Assets of orders: lines as received, quarantined, surplus, held and clean,
and the days that a run changed.
"""

from typing import Protocol

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders import orders
from ecom_assets.commerce.orders.contracts import (
    ChangedOrderDays,
    CustomerResearch,
    DuplicateOrders,
    HeldOrderDays,
    OrderAccountingDaily,
    PriceLog,
    QuarantinedOrders,
    QuarantinedOrderSamples,
    RawCustomerResearch,
    RawPriceLog,
    RawUserActivityLog,
    RawUserOrderLog,
    UserActivityLog,
    UserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.held_days import (
    OrderGate,
    held_rows,
    order_day_counts,
    take_releases,
)
from ecom_assets.commerce.orders.held_days import held_order_days as compute_held_order_days
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.orders.waiting_days import (
    arrival_days,
    late_lines,
    waiting_rows,
    waiting_sentence,
    with_waiting_lines,
)
from ecom_assets.core.clock import Clock
from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.tables.asset import Reads, invalidation, table_asset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.received import FileRows, SliceOutput, sampled_rows
from ecom_assets.core.warehouse.day_notes import AbsentDays, noted_days
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import in_memory

EVERY_COPY = Reads(RawUserOrderLog, whole=True)
EVERY_HELD_DAY = Reads(HeldOrderDays, whole=True)
EVERY_WAITING_DAY = Reads(WaitingOrderDays, whole=True)
EVERY_LINE = Reads(UserOrderLog, whole=True)


class OrderSource(Protocol):
    """Source of order lines by arrival day."""

    def received(self, days: Days) -> SliceOutput:
        """Return the rows of `RawUserOrderLog` that arrived on `days`."""

    def file_rows(self, days: Days | None) -> list[FileRows] | None:
        """Return the row counts of the files that orders of `days` come from;
        None if no files are known.
        """

    def arrival_days(self, days: Days) -> Days:
        """Return those of `days` on which lines arrived, loaded or not,
        or of which nobody has asked the source yet.
        """


@table_asset(RawUserOrderLog)
def raw_user_order_log(order_source: OrderSource, days: Days) -> SliceOutput:
    """Load the order lines that arrived on `days` from the source."""
    return order_source.received(days)


quarantined_orders = table_asset(QuarantinedOrders, raw=RawUserOrderLog)(orders.quarantined_orders)


@table_asset(HeldOrderDays, raw_user_order_log=RawUserOrderLog)
def held_order_days(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw_user_order_log: ir.Table,
    order_rule: OrderRule,
    order_gate: OrderGate,
    clock: Clock,
    requests: Requests,
    warehouse: Engine,
    days: Days,
) -> ir.Table:
    """Hold back the days that do not pass the gate, except released ones."""
    counts = rows_of(order_day_counts(raw_user_order_log, order_rule, days))
    absent = noted_days(warehouse, AbsentDays, RawUserOrderLog.qualified_name())
    result = compute_held_order_days(counts, order_gate, days, absent)
    take_releases(warehouse, requests, result, days)
    return held_rows(warehouse, result, clock().replace(tzinfo=None))


@invalidation(waiting=WaitingOrderDays)
def days_with_waiting_lines(waiting: ir.Table) -> ir.Table:
    """Return the days of arrival whose lines wait, since any run can load what they wait for."""
    return with_waiting_lines(waiting).select(day="received_date").distinct()


@table_asset(
    WaitingOrderDays, raw=EVERY_COPY, held=EVERY_HELD_DAY, invalidated_by=days_with_waiting_lines
)
def waiting_order_days(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw: ir.Table,
    held: ir.Table,
    order_rule: OrderRule,
    order_source: OrderSource,
    warehouse: Engine,
    days: Days,
    run_days: Days,
) -> SliceOutput:
    """Let lines wait whose day of order was not loaded: of such a day they are only a part."""
    late = rows_of(late_lines(raw, held, order_rule, days))
    order_days = arrival_days(late)
    arrived = order_source.arrival_days(order_days).dates if late else ()
    absent = noted_days(warehouse, AbsentDays, RawUserOrderLog.qualified_name())
    loaded = {*warehouse.loaded_days(RawUserOrderLog, order_days).dates, *absent}
    warehouse.ensure(WaitingOrderDays)
    before = warehouse.slice_rows(WaitingOrderDays, days).to_pylist()
    rows = waiting_rows(late, before, arrived, loaded, run_days)
    return SliceOutput(in_memory(rows, WaitingOrderDays), days, warning=waiting_sentence(rows))


@invalidation(raw_user_order_log=RawUserOrderLog, waiting=WaitingOrderDays)
def days_of_other_copies(
    raw_user_order_log: ir.Table, waiting: ir.Table, order_rule: OrderRule, days: Days
) -> ir.Table:
    """Return the days on which other copies of the lines arrived,
    and lines that waited until now.
    """
    copies = orders.copies_of_arrivals(raw_user_order_log, waiting, order_rule, days)
    return copies.select(day="received_date").distinct()


@table_asset(
    ChangedOrderDays,
    also_reads=(ChangedOrderDays,),
    raw=EVERY_COPY,
    waiting=EVERY_WAITING_DAY,
    invalidated_by=days_of_other_copies,
)
def changed_order_days(
    raw: ir.Table, waiting: ir.Table, order_rule: OrderRule, warehouse: Engine, days: Days
) -> ir.Table:
    """Find the order days that arrivals can change.

    Those that they could change when they were run before stay: lines may have been withdrawn
    since, and then nothing else says which days they were of, and which refunds they had.
    """
    warehouse.ensure(ChangedOrderDays)
    before = warehouse.slice_rows(ChangedOrderDays, days).to_pylist()
    now = rows_of(orders.changed_order_days(raw, waiting, order_rule, days))
    pairs = {(row["received_date"], row["order_date"]) for row in (*before, *now)}
    return in_memory(
        ({"received_date": arrived, "order_date": ordered} for arrived, ordered in sorted(pairs)),
        ChangedOrderDays,
    )


duplicate_orders = table_asset(
    DuplicateOrders,
    raw=EVERY_COPY,
    held=EVERY_HELD_DAY,
    waiting=EVERY_WAITING_DAY,
    invalidated_by=days_of_other_copies,
)(orders.duplicate_orders)
days_of_changed_orders = invalidation(changed=ChangedOrderDays)(orders.changed_days)


user_order_log = table_asset(
    UserOrderLog,
    deps=(quarantined_orders.key, duplicate_orders.key, changed_order_days.key),
    raw=EVERY_COPY,
    held=EVERY_HELD_DAY,
    waiting=EVERY_WAITING_DAY,
    invalidated_by=days_of_changed_orders,
)(orders.user_order_log)


@table_asset(
    OrderAccountingDaily,
    raw_user_order_log=EVERY_COPY,
    user_order_log=EVERY_LINE,
    quarantined_orders=Reads(QuarantinedOrders, whole=True),
    duplicate_orders=Reads(DuplicateOrders, whole=True),
    held_order_days=EVERY_HELD_DAY,
    waiting_order_days=EVERY_WAITING_DAY,
    invalidated_by=days_of_other_copies,
)
def order_accounting_daily(  # noqa: PLR0913, PLR0917 (each is a table or the days)
    raw_user_order_log: ir.Table,
    user_order_log: ir.Table,
    quarantined_orders: ir.Table,
    duplicate_orders: ir.Table,
    held_order_days: ir.Table,
    waiting_order_days: ir.Table,
    days: Days,
) -> ir.Table:
    """Count the outcomes of the lines of each day of arrival."""
    outcomes = (
        user_order_log,
        quarantined_orders,
        duplicate_orders,
        held_order_days,
        waiting_order_days,
    )
    per_day = orders.order_accounting(days, raw_user_order_log, *outcomes)
    per_day = per_day.rename(received_date="day").select(*OrderAccountingDaily.columns)
    # A day without a report is held without lines, and only if a run asked for it.
    return per_day.filter(ibis.or_(*(per_day[name] > 0 for name in OrderAccountingDaily.numbers())))


@table_asset(QuarantinedOrderSamples, quarantined_orders=QuarantinedOrders)
def quarantined_order_samples(quarantined_orders: ir.Table, days: Days) -> ir.Table:
    """Keep a few of the lines that are not clean, by reason."""
    lines = quarantined_orders.mutate(money=quarantined_orders.payment_amount, is_about_money=True)
    return sampled_rows(lines, QuarantinedOrderSamples, days)


LINE_ASSETS = (
    raw_user_order_log,
    quarantined_orders,
    held_order_days,
    waiting_order_days,
    changed_order_days,
    duplicate_orders,
    user_order_log,
    order_accounting_daily,
    quarantined_order_samples,
)


class ReportSource(Protocol):
    """Source of the other files of an order report."""

    def activities(self, days: Days) -> SliceOutput:
        """Return the rows of `RawUserActivityLog` of `days`."""

    def research(self, days: Days) -> SliceOutput:
        """Return the rows of `RawCustomerResearch` of `days`."""

    def prices(self, days: Days) -> SliceOutput:
        """Return the rows of `RawPriceLog`, if the day of the report is among `days`."""


@table_asset(RawUserActivityLog, deps=(raw_user_order_log.key,))
def raw_user_activity_log(report_source: ReportSource, days: Days) -> SliceOutput:
    """Load the activities of the order report and of its increments, which come with the orders."""
    return report_source.activities(days)


@table_asset(RawCustomerResearch, deps=(raw_user_order_log.key,))
def raw_customer_research(report_source: ReportSource, days: Days) -> SliceOutput:
    """Load the market research of the order report and of its increments,
    which come with the orders.
    """
    return report_source.research(days)


@table_asset(RawPriceLog, deps=(raw_user_order_log.key,))
def raw_price_log(report_source: ReportSource, days: Days) -> SliceOutput:
    """Load the prices of the order report and of its increments, which come with the orders."""
    return report_source.prices(days)


user_activity_log = table_asset(UserActivityLog, raw=RawUserActivityLog)(orders.user_activity_log)
customer_research = table_asset(CustomerResearch, raw=RawCustomerResearch)(orders.customer_research)
price_log = table_asset(PriceLog, raw=RawPriceLog)(orders.price_log)
REPORT_ASSETS = (
    raw_user_activity_log,
    user_activity_log,
    raw_customer_research,
    customer_research,
    raw_price_log,
    price_log,
)
"""The other files of an order report that was loaded whole."""
