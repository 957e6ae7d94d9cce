"""Stock that needs attention: METRICS "Inventory alerts"."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.products.contracts import InventoryAlerts, RawStock
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.copies import CopyRule, counted_copies
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.portable import NO, first_of_each, ratio


@dataclass(frozen=True)
class InventoryRule:
    """Thresholds of the alerts.

    `sales_days` (days, 28): mean daily sales are over this many days up to the day of the stock;
    four weeks, so that every weekday counts equally. `overstock_days` (days of cover, 180): more
    cover is overstock. `dead_days` (days, 90): a product without a sale for this long is dead
    stock. Only days count of which it is known what was sold: the mean is over as many of the 28 as
    are known, and a product is dead after 90 known days without a sale. `reorder_days` (days, 28):
    how long a reorder lasts after its delivery, as long as the sales that it is reckoned from.
    `delivery_days` (days): from an order to its arrival, where the catalogue does not say it of a
    product; None: it is not known. `vendor_days`: the same by vendor, in small letters, which comes
    first.
    """

    sales_days: int = 28
    overstock_days: int = 180
    dead_days: int = 90
    reorder_days: int = 28
    delivery_days: int | None = None
    vendor_days: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a length below one day."""
        for name in ("sales_days", "overstock_days", "dead_days", "reorder_days"):
            if getattr(self, name) < 1:
                raise DefinitionError(
                    f"{name} of {getattr(self, name)} says nothing about stock; give 1 or more."
                )


def _last_line(rows: ir.Table) -> list[ir.Value]:
    return [rows.record_number.desc()]


STOCK_COPIES: Final = CopyRule(("received_date", "product_id"), _last_line)
"""Of the lines of a product on a day, the last one counts."""


def newest_stock(raw: ir.Table) -> ir.Table:
    """Return the stock of the newest day in `RawStock`, one row per product: its last line.

    If that line is not valid, the product's stock is unknown: what an earlier line says is out of
    date.
    """
    newest = raw.mutate(newest_date=raw.received_date.max().over(ibis.window()))
    return _valid_lines(newest.filter(newest.received_date == newest.newest_date))


def _valid_lines(raw: ir.Table) -> ir.Table:
    """Return the last line of each product and day, where it is valid."""
    is_left_out = (raw.reject_reason == "left_out").fill_null(NO)
    last = counted_copies(raw.filter(raw.product_id.notnull() & ~is_left_out), STOCK_COPIES)
    return last.filter(last.reject_reason.isnull())


def with_vendor_days(raw: ir.Table, sold: ir.Table, rule: InventoryRule) -> ir.Table:
    """Return rows of `RawStock` with the days of a delivery that their vendor takes where the
    catalogue says none.

    Args:
        raw: Rows of `RawStock`.
        sold: All rows of `Sales`; of an item, the newest line that names a vendor counts.
        rule: The days by vendor.
    """
    if not rule.vendor_days:
        return raw
    named = sold.filter(sold.vendor.notnull())
    newest = first_of_each(named, "item_id", [named.ordered_at.desc(), named.uniq_id])
    vendor = newest.vendor.strip().lower()
    days = ibis.cases(
        *((vendor == name, ibis.literal(days, "int64")) for name, days in rule.vendor_days)
    )
    of_items = newest.select(vendor_item="item_id", vendor_days=days)
    joined = raw.left_join(of_items, raw.product_id == of_items.vendor_item)
    lead = ibis.coalesce(joined.lead_time_days, joined.vendor_days)
    return joined.mutate(lead_time_days=lead).select(*RawStock.columns)


@dataclass(frozen=True)
class SalesDays:
    """The days up to that of the stock of which it is known what was sold."""

    sales_days: tuple[date, ...]
    """Those among the last `sales_days` of the rule, the newest first."""
    dead_from: date | None
    """A product that was last sold on this day or before was not sold for `dead_days` of these
    days; None: there are fewer of them.
    """

    @classmethod
    def from_dates(
        cls, dates: Iterable[date], as_of_date: date | None, rule: InventoryRule
    ) -> "SalesDays":
        """Return the days of a rule that end with `as_of_date`, the day of the stock;
        None without stock.
        """
        if as_of_date is None:
            return cls((), None)
        newest_first = sorted((day for day in dates if day <= as_of_date), reverse=True)
        first = as_of_date - (rule.sales_days - 1) * ONE_DAY
        is_long = len(newest_first) >= rule.dead_days
        return cls(
            sales_days=tuple(day for day in newest_first if day >= first),
            dead_from=newest_first[rule.dead_days - 1] - ONE_DAY if is_long else None,
        )


def inventory_alerts(
    raw: ir.Table, products: ir.Table, days: SalesDays, rule: InventoryRule
) -> ir.Table:
    """Return one row per product that needs attention,
    from all rows of `RawStock` and `ProductPerformance`.
    """
    levels = stock_levels(raw, products, days, rule)
    return levels.filter(levels.alert.notnull()).select(*InventoryAlerts.columns)


def stock_levels(
    raw: ir.Table, products: ir.Table, days: SalesDays, rule: InventoryRule
) -> ir.Table:
    """Return one row per product in `RawStock`, with days of cover, what to reorder, and `alert`,
    which is null without an alert.
    """
    stock = newest_stock(raw)
    stock = stock.mutate(
        as_of_date=stock.received_date,
        lead_time_days=ibis.coalesce(
            stock.lead_time_days, ibis.literal(rule.delivery_days, "int64")
        ),
    )
    sold = _sold(stock, products, rule)
    rows = stock.left_join(sold, "product_id").drop("product_id_right")
    empty = _days_without_stock(raw, products, days)
    rows = rows.left_join(empty, "product_id").drop("product_id_right")
    known_count = ibis.literal(len(days.sales_days), "int64")
    rows = rows.mutate(
        sold_item_count=rows.sold_item_count.fill_null(0),
        sales_days_count=known_count,
        in_stock_days_count=known_count - rows.empty_days_count.fill_null(0),
    )
    rows = rows.mutate(daily_sold_items=ratio(rows.sold_item_count, rows.sales_days_count))
    cover = ratio(rows.stock_count * rows.sales_days_count, rows.sold_item_count)
    rows = rows.mutate(days_of_cover=cover)
    rows = rows.mutate(**_reorder(rows, rule))
    is_still = NO
    if days.dead_from is not None:
        is_still = rows.last_sold_date.isnull() | (rows.last_sold_date <= days.dead_from)
    is_below, is_short = (
        rows.stock_count < rows.reorder_point_count,
        rows.days_of_cover < rows.lead_time_days,
    )
    is_low = is_below.fill_null(NO) | is_short.fill_null(NO)
    alert = ibis.cases(
        (rows.stock_count <= 0, "out_of_stock"),
        (is_low, "low"),
        ((rows.days_of_cover > rule.overstock_days).fill_null(NO), "overstock"),
        (is_still, "dead"),
        else_=ibis.null("string"),
    )
    return rows.mutate(alert=alert)


def _sold(stock: ir.Table, products: ir.Table, rule: InventoryRule) -> ir.Table:
    """Return the items sold within `sales_days`, those of known amount with what was paid for them,
    and the last day of a sale, by product.
    """
    as_of = stock.agg(as_of_date=stock.as_of_date.max())
    until = products.cross_join(as_of)
    until = until.filter(until.event_date <= until.as_of_date, until.sold_item_count > 0)
    first = (until.as_of_date - ibis.interval(days=rule.sales_days - 1)).cast("date")
    is_late = until.event_date >= first
    is_priced = is_late & until.shipped_amount.notnull()
    return until.group_by("product_id").agg(
        sold_item_count=until.sold_item_count.sum(where=is_late).fill_null(0),
        priced_item_count=until.sold_item_count.sum(where=is_priced),
        paid_amount=until.shipped_amount.sum(where=is_priced),
        last_sold_date=until.event_date.max(),
    )


def _days_without_stock(raw: ir.Table, products: ir.Table, days: SalesDays) -> ir.Table:
    """Return the `empty_days_count` of products: of the known days of sales, those whose catalogue
    says that none was left, and on which none was sold. A day without a catalogue counts as one
    with stock.
    """
    dates = [ibis.literal(day) for day in days.sales_days] or [ibis.null("date")]
    lines = _valid_lines(raw.filter(raw.received_date.isin(dates)))
    empty = lines.filter(lines.stock_count <= 0).select("product_id", empty_date="received_date")
    sold = products.filter(products.sold_item_count > 0, products.event_date.isin(dates))
    empty = empty.anti_join(
        sold, [empty.product_id == sold.product_id, empty.empty_date == sold.event_date]
    )
    return empty.group_by("product_id").agg(empty_days_count=empty.count())


EXACT_TO: Final = 1e-9
"""What the quotient of two floats may be off: no further item is ordered for it."""


def _reorder(rows: ir.Table, rule: InventoryRule) -> dict[str, ir.Value]:
    """Return how many items to reorder, in whole ones, and what a day without stock costs."""
    sold, in_stock = rows.sold_item_count.cast("float64"), rows.in_stock_days_count
    needed_days = (rows.lead_time_days + rule.reorder_days).cast("float64")
    missing = ratio(sold * needed_days, in_stock) - rows.stock_count.cast("float64")
    whole = (missing - EXACT_TO).ceil().cast("int64")
    nothing = ibis.literal(0, "int64")
    price = ratio(rows.paid_amount, rows.priced_item_count)
    daily = ratio(sold, in_stock)
    return {
        "reorder_days_count": ibis.literal(rule.reorder_days, "int64"),
        "reorder_item_count": ibis.cases(
            (missing.isnull(), ibis.null("int64")), (whole > 0, whole), else_=nothing
        ),
        "day_without_stock_amount": (daily == 0).ifelse(daily, daily * price).cast(MONEY),
    }
