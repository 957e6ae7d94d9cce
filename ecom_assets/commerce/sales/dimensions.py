"""The dimensions of the star schema: days, cities, items and customers.

Cities, items and customers have the attributes of their latest line.

All but the calendar are computed from a few columns of all order lines.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.new_customers import with_first_paid
from ecom_assets.commerce.orders.orders import WHOLE_ORDERS, WITHOUT_ITEM, order_key
from ecom_assets.commerce.sales.contracts import Calendar, City, Customer, Item, ItemPrices
from ecom_assets.core.tables.days import (
    Days,
    day_table,
    iso_week_number,
    iso_year_number,
    month_start,
    start_of_week,
    weekday_number,
)
from ecom_assets.core.tables.measures import aggregates
from ecom_assets.core.tables.places import UNKNOWN, Places
from ecom_assets.core.tables.portable import first_of_each

SATURDAY = 6


def calendar(days: Days) -> ir.Table:
    """Return one row per day."""
    table = day_table(days)
    monday = start_of_week(table.day)
    weekday = weekday_number(table.day)
    return table.select(
        calendar_date=table.day,
        year_number=table.day.year().cast("int64"),
        quarter_number=table.day.quarter().cast("int64"),
        month_number=table.day.month().cast("int64"),
        month_start_date=month_start(table.day),
        iso_year_number=iso_year_number(monday),
        iso_week_number=iso_week_number(monday),
        week_start_date=monday,
        weekday_number=weekday,
        is_weekend=weekday >= SATURDAY,
    ).select(*Calendar.columns)


def city(lines: ir.Table, places: Places) -> ir.Table:
    """Return one row per city of `UserOrderLog`, with its region and country."""
    latest = _latest(lines, "city_id", ("city_name", "region", "country"))
    named = places.name(latest, lines)
    return named.mutate(lookup_version=ibis.literal(places.version)).select(*City.columns)


LEAST_ORDERS = 2
"""Fewer orders of an item alone do not say by which id events name it."""


def item(lines: ir.Table, prices: ir.Table, order_visits: ir.Table) -> ir.Table:
    """Return one row per item of `UserOrderLog`, with its newest price of `PriceLog` by name, and
    the id that events have of it, by `OrderVisits`.
    """
    latest = _latest(lines, "item_id", ("item_name", "item_category"))
    newest = prices.group_by("item_name").agg(received_date=prices.received_date.max())
    priced = prices.semi_join(newest, ["item_name", "received_date"])
    priced = priced.select(
        priced_name="item_name", price_amount="price_amount", price_date="received_date"
    )
    named = latest.left_join(priced, latest.item_name == priced.priced_name)
    named = named.mutate(item_name=named.item_name.fill_null(UNKNOWN))
    products = _event_products(lines, order_visits)
    named = named.left_join(products, named.item_id == products.sold_id)
    return named.select(*Item.columns)


def _event_products(lines: ir.Table, order_visits: ir.Table) -> ir.Table:
    """Return by which id events name items (`sold_id`) that have another one in orders.

    A purchase event names one product, so that those count whose orders have one item.
    """
    sold = lines.filter(
        lines.status == "shipped", lines.item_id.notin((*WITHOUT_ITEM, *WHOLE_ORDERS))
    )
    orders = sold.group_by("order_id", "order_date").agg(
        first=sold.item_id.min(), last=sold.item_id.max()
    )
    orders = orders.filter(orders.first == orders.last)
    named = order_visits.filter(order_visits.kind == "purchase", order_visits.product_id.notnull())
    pairs = named.join(orders, ["order_id", "order_date"])
    products = pairs.group_by("product_id").agg(
        sold_id=pairs.first.min(), last=pairs.first.max(), order_count=pairs.count()
    )
    products = products.filter(
        products.sold_id == products.last,
        products.order_count >= LEAST_ORDERS,
        products.sold_id != products.product_id,
    )
    return products.group_by("sold_id").agg(event_product_id=products.product_id.min())


def item_names(lines: ir.Table) -> ir.Table:
    """Return the items of `UserOrderLog` with their names, as `item` does, without prices."""
    latest = _latest(lines, "item_id", ("item_name", "item_category"))
    return latest.mutate(item_name=latest.item_name.fill_null(UNKNOWN))


def item_prices(items: ir.Table, prices: ir.Table) -> ir.Table:
    """Return one row per price of each item; days in a row with one price are one row."""
    in_order = ibis.window(group_by="item_name", order_by="received_date")
    logged = prices.mutate(price_before=prices.price_amount.lag().over(in_order))
    changes = logged.filter(
        logged.price_before.isnull() | (logged.price_before != logged.price_amount)
    )
    spans = changes.select(
        "item_name",
        "price_amount",
        valid_from_date="received_date",
        valid_to_date=changes.received_date.lead().over(in_order),
    )
    # An item without a name is called unknown too, and has no price.
    priced = items.filter(items.price_date.notnull()).select("item_id", "item_name")
    return priced.join(spans, "item_name").select(*ItemPrices.columns)


def customer(lines: ir.Table) -> ir.Table:
    """Return one row per customer of `UserOrderLog`."""
    latest = _latest(lines, "customer_id", ("first_name", "last_name", "city_id"))
    is_shipped = lines.status == "shipped"
    paid = is_shipped.ifelse(lines.payment_amount, -lines.payment_amount)
    sold = lines.mutate(order_key=order_key(lines), revenue_amount=paid)
    sums = sold.group_by("customer_id").agg(
        first_order_date=sold.order_date.min(where=is_shipped),
        last_order_date=sold.order_date.max(where=is_shipped),
        **aggregates(sold, Customer),
    )
    joined = latest.join(sums, "customer_id")
    return with_first_paid(joined, sold.mutate(is_refund=~is_shipped)).select(*Customer.columns)


def _latest(lines: ir.Table, key: str, attributes: Sequence[str]) -> ir.Table:
    """Return one row per key with the attributes of its latest line.

    Of simultaneous lines it is the last alphabetically.
    """
    # The latest line of each key is found first: to sort all lines takes ten times as long.
    latest = lines.group_by(key).agg(ordered_at=lines.ordered_at.max())
    seen = lines.semi_join(latest, [key, "ordered_at"]).select(key, *attributes).distinct()
    order = [seen[name].fill_null("").desc() for name in attributes]
    return first_of_each(seen, key, order)
