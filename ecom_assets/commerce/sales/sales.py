"""Sales and daily revenue, from order lines or from purchase events; METRICS "Sales".

- `sales`: clean order lines as rows of `Sales`, in which refunds are negative
- `added_up`: the measures of `SalesMeasures` of such rows per unit, and from them `revenue_daily`
  and `product_sales_daily`
- `purchase_revenue_daily`: the same of purchase and refund events, for shops without orders

A new measure is a column of `SalesMeasures`, and nothing here.
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.orders import (
    ALL,
    CHARGES,
    NONE,
    PRICE_PARTS,
    REFUND_ITEM,
    order_key,
)
from ecom_assets.commerce.orders.refunds import refund_parts, spread_refunds
from ecom_assets.commerce.sales.contracts import (
    ProductSalesDaily,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.tables.contract import AMOUNT, MONEY, QUANTITY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.measures import aggregates, with_ratios
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.places import FoundPlaces, Places, distinct_places, with_names
from ecom_assets.core.tables.portable import union_all

DIMENSIONS = ("channel", "city_id", "item_category", "sales_channel")
ORDER = ["order_date", "order_id", "customer_id", "status"]


def sales(lines: ir.Table, channels: ir.Table, days: Days, currency: str = "") -> ir.Table:
    """Return the sales of `days`, from all rows of `UserOrderLog`.

    `channels` have the `channel` of each order, see `attribution/credit.py`; `currency` is that of
    lines that say none.
    """
    of_days = lines.filter(days.contain(lines.order_date))
    with_channel = of_days.left_join(channels, ORDER).select(of_days, channels.channel)
    with_channel = with_channel.mutate(channel=with_channel.channel.fill_null(NONE))
    return sales_of_lines(with_channel, refund_parts(of_days, lines, currency))


def sales_of_lines(lines: ir.Table, parts: ir.Table) -> ir.Table:
    """Return rows of `UserOrderLog` that have their `channel` as rows of `Sales`, with refunds
    without an item spread over the items of their order; `parts` are those of `refund_parts`.
    """
    is_refund = lines.status == "refunded"
    # An amount that a mapping calls a refund, such as shipping paid back, is no piece of anything.
    pieces = (lines.item_id == REFUND_ITEM).ifelse(ibis.literal(0, QUANTITY), lines.quantity)
    sold = lines.mutate(
        quantity=is_refund.ifelse(-pieces, pieces).cast(QUANTITY),
        revenue_amount=is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(AMOUNT),
        refund_line_id=ibis.null("string"),
        **{name: is_refund.ifelse(-lines[name], lines[name]).cast(AMOUNT) for name in CHARGES},
        **price_parts(lines),
    )
    return spread_refunds(sold.select(*Sales.columns), parts)


def price_parts(lines: ir.Table) -> dict[str, ir.DecimalValue]:
    """Return `gross_amount` and `discount_amount` of order lines, negative for refunds, which
    differ by what was paid: the discount is that of the line, else what was paid less than a price
    before discounts. Null where the line says neither.
    """
    is_refund, paid = lines.status == "refunded", lines.payment_amount
    missing = (lines.gross_amount >= paid).ifelse(lines.gross_amount - paid, ibis.null(AMOUNT))
    discount = ibis.coalesce(lines.discount_amount, missing)
    return {
        name: is_refund.ifelse(-part, part).cast(AMOUNT)
        for name, part in zip(PRICE_PARTS, (paid + discount, discount), strict=True)
    }


def product_sales_daily(sold: ir.Table, days: Days) -> ir.Table:
    """Return one row per day of `days` and item, from all rows of `Sales`."""
    sold = sold.filter(days.contain(sold.order_date))
    return added_up(sold, ["order_date", "item_id"]).select(*ProductSalesDaily.columns)


def revenue_daily(sold: ir.Table, days: Days) -> ir.Table:
    """Return the totals of each of `days` and the sums by each dimension, from all `Sales`.

    A dimension that is summed is `(all)`.
    """
    sold = sold.filter(days.contain(sold.order_date))
    parts = [
        added_up(sold, ["order_date", *kept], RevenueDaily).mutate(
            **{name: ibis.literal(ALL) for name in DIMENSIONS if name not in kept}
        )
        for kept in ((), *((name,) for name in DIMENSIONS))
    ]
    return union_all(*(part.select(*RevenueDaily.columns) for part in parts))


def added_up(sold: ir.Table, unit: Sequence[str], measures: type = SalesMeasures) -> ir.Table:
    """Return the measures of rows of `Sales` per unit.

    `order_key` defines which lines are one order.
    """
    return _measures_per_unit(
        sold.mutate(order_key=sold.order_id if "order_date" in unit else order_key(sold)),
        unit,
        measures,
    )


def _measures_per_unit(
    rows: ir.Table, unit: Sequence[str], measures: type = SalesMeasures
) -> ir.Table:
    """Return the measures of rows per unit.

    The rows have `order_key`, `customer_id`, `status`, and `quantity` and `revenue_amount`, both
    negative for refunds.
    """
    # Unknown customers are any number of people.
    rows = rows.mutate(customer_id=rows.customer_id.nullif(UNKNOWN_CUSTOMER))
    return with_ratios(rows.group_by(*unit).agg(**aggregates(rows, measures)), measures)


PURCHASE, REFUND = "purchase", "refund"
PLACE_NAMES = {
    "country": ("country", "country_name", "geo_country", "geo_country_name"),
    "region": ("region", "region_name", "geo_region", "geo_region_name", "state"),
    "city_name": ("city", "city_name", "geo_city"),
}
"""Names of JSON values, at any depth of an event's properties, that give the place of the event."""
PURCHASE_DIMENSIONS = ("product_category", *PLACE_NAMES)


def purchase_revenue_daily(events: ir.Table, found: FoundPlaces) -> ir.Table:
    """Return the totals of each day in `CleanEvents`, and the sums by category and by place.

    A dimension that is summed is `(all)`. `found` has the locations of the events' places.
    """
    bought = with_names(_purchases_with_places(events), found)
    parts = [
        purchase_totals(bought, ["event_date", *kept]).mutate(
            **{name: ibis.literal(ALL) for name in PURCHASE_DIMENSIONS if name not in kept}
        )
        for kept in ((), ("product_category",), tuple(PLACE_NAMES))
    ]
    return union_all(*(part.select(*PurchaseRevenueDaily.columns) for part in parts))


def purchases_and_refunds(events: ir.Table, places: Places) -> ir.Table:
    """Return the events of purchases and refunds, with their category and place."""
    bought = _purchases_with_places(events)
    return places.name(bought, bought, each_alone=True)


def places_of_purchases(events: ir.Table) -> ir.Table:
    """Return the distinct places that purchases and refunds state."""
    return distinct_places(_purchases_with_places(events))


def _purchases_with_places(events: ir.Table) -> ir.Table:
    bought = events.filter(events.event_type.isin([PURCHASE, REFUND]))
    return bought.mutate(
        product_category=bought.product_category.fill_null(NONE),
        **{level: _property_text(bought.properties, names) for level, names in PLACE_NAMES.items()},
    )


def purchase_totals(events: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return the measures of purchases and refunds per unit."""
    return _measures_per_unit(sales_of_events(events), unit)


def sales_of_events(events: ir.Table) -> ir.Table:
    """Return purchases and refunds as the sales that `_measures_per_unit` takes, each an order of
    one item.
    """
    events = events.filter(events.event_type.isin([PURCHASE, REFUND]))
    is_refund = events.event_type == REFUND
    money = events.cart_amount.cast(MONEY)
    return events.mutate(
        order_key=events.event_id,
        customer_id=events.visitor_id,
        status=is_refund.ifelse("refunded", "shipped"),
        quantity=is_refund.ifelse(-1, 1),
        revenue_amount=is_refund.ifelse(-money, money),
    )


def _property_text(properties: ir.StringColumn, names: Sequence[str]) -> ir.StringValue:
    """Return a text from the properties, found by a pattern: engines parse JSON differently."""
    return properties.re_extract(f'"({"|".join(names)})" *: *"([^"]*)"', 2).nullif("")
