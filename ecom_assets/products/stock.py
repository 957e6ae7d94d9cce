"""Stock that needs attention: METRICS "Inventory alerts"."""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError
from ecom_assets.products.contracts import InventoryAlerts
from ecom_assets.tables.portable import NO, first_of_each, ratio


@dataclass(frozen=True)
class InventoryRule:
    """Thresholds of the alerts.

    `sales_days` (days, 28): mean daily sales are over this many days up to the day of the stock; four weeks, so that
    every weekday counts equally. `overstock_days` (days of cover, 180): more cover is overstock. `dead_days` (days,
    90): a product without a sale for this long is dead stock. If sales data are shorter than these, means are over the
    days that there are, and no product is called dead.
    """

    sales_days: int = 28
    overstock_days: int = 180
    dead_days: int = 90

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a length below one day."""
        for name in ("sales_days", "overstock_days", "dead_days"):
            if getattr(self, name) < 1:
                raise DefinitionError(f"{name} of {getattr(self, name)} says nothing about stock; give 1 or more.")


def newest_stock(raw: ir.Table) -> ir.Table:
    """Return the stock of the newest day in `RawStock`, one row per product: its last valid line."""
    newest = raw.mutate(newest_date=raw.received_date.max().over(ibis.window()))
    good = newest.filter(newest.received_date == newest.newest_date, newest.reject_reason.isnull())
    return first_of_each(good, "product_id", [good.record_number.desc()])


def inventory_alerts(raw: ir.Table, products: ir.Table, inventory_rule: InventoryRule) -> ir.Table:
    """Return one row per product that needs attention, from all rows of `RawStock` and `ProductPerformance`."""
    levels = stock_levels(raw, products, inventory_rule)
    return levels.filter(levels.alert.notnull()).select(*InventoryAlerts.columns)


def stock_levels(raw: ir.Table, products: ir.Table, rule: InventoryRule) -> ir.Table:
    """Return one row per product in `RawStock`, with days of cover and `alert`, which is null without an alert."""
    stock = newest_stock(raw)
    stock = stock.mutate(as_of_date=stock.received_date)
    sold = _sold(stock, products, rule)
    rows = stock.left_join(sold, "product_id").select(stock, sold.sold_item_count, sold.last_sold_date)
    sales = products.filter(products.sold_item_count > 0)
    rows = rows.cross_join(sales.agg(first_sold_date=sales.event_date.min()))  # earlier sales are unknown
    in_days = rows.as_of_date.delta(rows.first_sold_date, unit="day") + 1
    known_days = ibis.greatest(in_days.fill_null(0), 0).cast("int64")
    rows = rows.mutate(
        known_days=known_days,
        sold_item_count=rows.sold_item_count.fill_null(0),
        sales_days_count=ibis.least(known_days, ibis.literal(rule.sales_days, "int64")),
    )
    rows = rows.mutate(daily_sold_items=ratio(rows.sold_item_count, rows.sales_days_count))
    cover = ratio(rows.stock_count * rows.sales_days_count, rows.sold_item_count)
    rows = rows.mutate(days_of_cover=cover)
    is_still = rows.last_sold_date.isnull() | (rows.as_of_date.delta(rows.last_sold_date, unit="day") >= rule.dead_days)
    is_below, is_short = rows.stock_count < rows.reorder_point_count, rows.days_of_cover < rows.lead_time_days
    is_low = is_below.fill_null(NO) | is_short.fill_null(NO)
    alert = ibis.cases(
        (rows.stock_count <= 0, "out_of_stock"),
        (is_low, "low"),
        ((rows.days_of_cover > rule.overstock_days).fill_null(NO), "overstock"),
        (is_still & (rows.known_days >= rule.dead_days), "dead"),
        else_=ibis.null("string"),
    )
    return rows.mutate(alert=alert)


def _sold(stock: ir.Table, products: ir.Table, rule: InventoryRule) -> ir.Table:
    """Return the items sold within `sales_days` and the last day of a sale, by product."""
    as_of = stock.agg(as_of_date=stock.as_of_date.max())
    until = products.cross_join(as_of)
    until = until.filter(until.event_date <= until.as_of_date, until.sold_item_count > 0)
    first = (until.as_of_date - ibis.interval(days=rule.sales_days - 1)).cast("date")
    return until.group_by("product_id").agg(
        sold_item_count=until.sold_item_count.sum(where=until.event_date >= first).fill_null(0),
        last_sold_date=until.event_date.max(),
    )
