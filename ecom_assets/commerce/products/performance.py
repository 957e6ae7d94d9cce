"""Product performance: how often each product was viewed, added to carts,
bought and refunded, by day.

A purchase event names one product of an order and no quantities, so sales are taken from orders as
soon as a single order line is stored, whatever a run was given. Without orders, a purchase event
counts as one item of its product, and its amount is the revenue. This is right for logs with one
event per bought item, such as REES46.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.products.contracts import ProductPerformance
from ecom_assets.commerce.products.measures import ProductMeasures, SoldMeasures, ViewMeasures
from ecom_assets.commerce.sales.sales import added_up, sales_of_events
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.measures import (
    aggregates,
    measures_of,
    unknown_measures,
    with_ratios,
)
from ecom_assets.core.tables.portable import union_all, union_distinct

ORDERS, EVENTS = "orders", "events"
TYPES = ("product_view", "add_to_cart", "remove_from_cart")
OF_SALES = ("purchase", "refund")
OF_VIEWS = tuple(measures_of(ViewMeasures))
AMOUNTS = tuple(
    name for name, measure in measures_of(SoldMeasures).items() if measure.shown_as == "money"
)
SOLD = tuple(name for name in measures_of(SoldMeasures) if name not in AMOUNTS)
COUNTS = (*OF_VIEWS, *SOLD)
PRICED = "priced_count"
"""Positive if an order, or an event of a purchase or refund, has an amount."""


def source_of_sales(sold: ir.Table) -> ir.Table:
    """Return one row with the `sales_source` of a shop:
    orders if `Sales` has a row, else events.
    """
    line = sold.limit(1)
    counted = line.agg(line_count=line.count())
    return counted.select(sales_source=(counted.line_count > 0).ifelse(ORDERS, EVENTS))


def days_of_other_source(performance: ir.Table, events: ir.Table, sold: ir.Table) -> ir.Table:
    """Return every `day` of `ProductPerformance` and `SessionEvents` if a stored row
    has another source of sales.

    This is so once: when the first order lines arrive, or when the last ones are withdrawn.
    """
    source = source_of_sales(sold)
    is_other = performance.sales_source != source.sales_source
    other = performance.join(source, is_other).select("event_date").limit(1)
    moved = other.agg(row_count=other.count()).filter(lambda counted: counted.row_count > 0)
    every = union_distinct(performance.select(day="event_date"), events.select(day="event_date"))
    return every.cross_join(moved).select("day")


def product_performance(
    events: ir.Table,
    sold: ir.Table,
    days: Days,
    not_recorded: frozenset[str] = frozenset(),
) -> ir.Table:
    """Return one row per day of `days` and product, from all rows of `SessionEvents` and `Sales`.

    Views are unknown on days without a single event, and where events do not record them.
    """
    source = source_of_sales(sold)
    events = events.filter(days.contain(events.event_date))
    watched = events.select(watched_date="event_date").distinct()
    of_events = source.filter(source.sales_source == EVENTS).select(is_counted=1)
    bought = events.cross_join(of_events).drop("is_counted")
    unnamed = _unnamed_days(bought)
    events = events.filter(events.product_id.notnull())
    parts = [
        _performance(events),
        _sold(sold, days),
        _bought(bought.filter(bought.product_id.notnull())),
    ]
    columns = ("event_date", "product_id", "product_category", *COUNTS, *AMOUNTS, PRICED)
    parts_union = union_all(*(part.select(*columns) for part in parts))
    rows = parts_union.group_by("event_date", "product_id").agg(
        product_category=parts_union.product_category.min(),
        **{name: parts_union[name].sum() for name in COUNTS},
        **{name: parts_union[name].sum().cast(MONEY) for name in AMOUNTS},
        **{PRICED: parts_union[PRICED].sum()},
    )
    rows = rows.mutate(
        **{
            name: ibis.null("int64")
            for name in OF_VIEWS
            if name in unknown_measures(ViewMeasures, not_recorded)
        }
    )
    # The sums with null for the amounts of sales without any amount.
    is_unpriced = (rows.purchase_count + rows.refunded_item_count > 0) & (rows[PRICED] == 0)
    unknown = {name: is_unpriced.ifelse(ibis.null(MONEY), rows[name]) for name in AMOUNTS}
    rows = _without_unnamed(
        _without_unwatched(rows.mutate(**unknown).drop(PRICED), watched), unnamed
    ).cross_join(source)
    return with_ratios(rows, ProductMeasures).select(*ProductPerformance.columns)


def _without_unwatched(rows: ir.Table, watched: ir.Table) -> ir.Table:
    """Return the sums with null for views on the days that are not among
    those with events, `watched`.
    """
    joined = rows.left_join(watched, rows.event_date == watched.watched_date)
    is_unknown = joined.watched_date.isnull()
    unknown = {
        name: is_unknown.ifelse(ibis.null("int64"), joined[name].cast("int64")) for name in OF_VIEWS
    }
    return joined.mutate(**unknown).drop("watched_date")


def _unnamed_days(events: ir.Table) -> ir.Table:
    """Return the days, as `unnamed_date`,
    with purchases or refunds of which none names a product.
    """
    sold = events.filter(events.event_type.isin(OF_SALES))
    by_day = sold.group_by("event_date").agg(named_count=sold.product_id.count())
    return by_day.filter(by_day.named_count == 0).select(unnamed_date="event_date")


def _without_unnamed(rows: ir.Table, unnamed: ir.Table) -> ir.Table:
    """Return the sums with null for sales on the days that `_unnamed_days` returns."""
    joined = rows.left_join(unnamed, rows.event_date == unnamed.unnamed_date)
    is_unknown = joined.unnamed_date.notnull()
    unknown = {
        name: is_unknown.ifelse(ibis.null(rows[name].type()), joined[name])
        for name in (*SOLD, *AMOUNTS)
    }
    return joined.mutate(**unknown).drop("unnamed_date")


def _performance(events: ir.Table) -> ir.Table:
    """Return views and carts, which only events have."""
    events = events.filter(events.event_type.isin(TYPES))
    each = events.group_by("event_date", "product_id", "visitor_id").agg(
        product_category=events.product_category.min(),
        **{f"{kind}_count": (events.event_type == kind).ifelse(1, 0).sum() for kind in TYPES},
    )
    has_viewed = each.product_view_count > 0
    rows = each.group_by("event_date", "product_id").agg(
        product_category=each.product_category.min(),
        viewing_visitor_count=has_viewed.ifelse(1, 0).sum(),
        cart_visitor_count=(has_viewed & (each.add_to_cart_count > 0)).ifelse(1, 0).sum(),
        **{f"{kind}_count": each[f"{kind}_count"].sum() for kind in TYPES},
    )
    return _completed(rows)


def _sold(sold: ir.Table, days: Days) -> ir.Table:
    """Return sales from order lines."""
    sold = sold.filter(days.contain(sold.order_date))
    result = added_up(sold, ["order_date", "item_id"], SoldMeasures)
    result = result.mutate(**{PRICED: ibis.literal(1, "int64")})
    return _completed(result.rename(event_date="order_date", product_id="item_id"))


def _bought(events: ir.Table) -> ir.Table:
    """Return sales from events of purchases and refunds."""
    sold = sales_of_events(events)
    sold = sold.mutate(revenue_amount=sold.revenue_amount.fill_null(ibis.literal(0, MONEY)))
    rows = sold.group_by("event_date", "product_id").agg(
        product_category=sold.product_category.min(),
        **aggregates(sold, SoldMeasures),
        **{PRICED: sold.cart_amount.count()},
    )
    return _completed(rows)


def _completed(rows: ir.Table) -> ir.Table:
    """Return the rows with zero, or null for the category, in the columns that they lack."""
    measures = {**measures_of(ViewMeasures), **measures_of(SoldMeasures)}
    nothing = {
        PRICED: ibis.literal(0, "int64"),
        **{name: ibis.literal(0, measures[name].type) for name in (*COUNTS, *AMOUNTS)},
        "product_category": ibis.null("string"),
    }
    return rows.mutate(
        **{name: value for name, value in nothing.items() if name not in rows.columns}
    )
