"""Products bought together: pairs of products in orders, counted by day, so that they add up.

METRICS "Bought together"; docs/metrics/products.md.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.orders.orders import ALL, NONE
from ecom_assets.commerce.products.contracts import ProductsBoughtTogether
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.tables.queries import significant

MOST_PRODUCTS: Final = 50
"""The most products of an order that counts: one of a thousand has half a million pairs."""
FEWEST_ORDERS: Final = 5
"""The fewest orders with both products of a pair that is shown."""
ORDER: Final = ["order_date", "order_id"]
"""What an order is known by."""


def baskets(sold: ir.Table) -> ir.Table:
    """Return the products of each order, from rows of `Sales`: `order_date`, `order_id` and
    `product_id`; wherever products of one order are counted.

    What was free, and what is no item, such as a fee, is left out, and so are orders of more than
    `MOST_PRODUCTS`. Gift cards and parts of bundles are left out by mappings.
    """
    paid = sold.filter(
        sold.status == "shipped", sold.revenue_amount > 0, sold.item_id != ibis.literal(NONE)
    )
    products = paid.select(*ORDER, product_id="item_id").distinct()
    sizes = products.group_by(*ORDER).agg(product_count=products.count())
    small = sizes.filter(sizes.product_count <= MOST_PRODUCTS).drop("product_count")
    return products.semi_join(small, ORDER)


def products_bought_together(sold: ir.Table, days: Days) -> ir.Table:
    """Return the orders of each of `days` with each pair of products, from all rows of `Sales`.

    A product with itself has its orders, and `(all)` with itself all orders.
    """
    own = baskets(sold.filter(days.contain(sold.order_date)))
    other = own.select(
        other_date="order_date", other_order="order_id", other_product_id="product_id"
    )
    pairs = own.join(
        other,
        [
            own.order_date == other.other_date,
            own.order_id == other.other_order,
            own.product_id <= other.other_product_id,
        ],
    ).select("order_date", "product_id", "other_product_id")
    orders = own.select(*ORDER).distinct()
    every = ibis.literal(ALL)
    rows = union_all(pairs, orders.select("order_date", product_id=every, other_product_id=every))
    return rows.group_by(*ProductsBoughtTogether.key).agg(order_count=rows.count())


def pairs_of(daily: ir.Table, first_days: ir.Table, product_id: str) -> ir.Table:
    """Return the pairs of a product with enough orders, with what measures are computed from.

    Args:
        daily: All rows of `ProductsBoughtTogether`.
        first_days: The first day of each product, from which on it was on sale: `sold_id` and
            `first_date`.
        product_id: The product.

    Returns:
        Rows with `other_product_id`; `since_date`, from which on both were on sale; `joint_count`,
        `product_order_count`, `other_order_count` and `order_count`, the orders since then with
        both, with each, and all.
    """
    is_first = daily.product_id == product_id
    has_product = is_first | (daily.other_product_id == product_id)
    with_it = daily.filter(has_product, daily.product_id != daily.other_product_id)
    with_it = with_it.mutate(
        paired_id=(with_it.product_id == product_id).ifelse(
            with_it.other_product_id, with_it.product_id
        )
    )
    joint = with_it.group_by("paired_id").agg(joint_count=with_it.order_count.sum().cast("int64"))
    joint = joint.filter(joint.joint_count >= FEWEST_ORDERS)
    joint = joint.left_join(first_days, joint.paired_id == first_days.sold_id).drop("sold_id")
    own_first = first_days.filter(first_days.sold_id == product_id).first_date.max().as_scalar()
    joint = joint.mutate(since_date=ibis.greatest(joint.first_date, own_first)).drop("first_date")
    single = daily.filter(daily.product_id == daily.other_product_id).select(
        "order_date", "product_id", "order_count"
    )
    for name, ids in (
        ("product_order_count", product_id),
        ("other_order_count", None),
        ("order_count", ALL),
    ):
        joint = _since(joint, single, name, ids)
    return joint.rename(other_product_id="paired_id")


def _since(joint: ir.Table, single: ir.Table, name: str, product_id: str | None) -> ir.Table:
    """Add the orders with a product, by default the pair's other one, since both were on sale."""
    rows = single if product_id is None else single.filter(single.product_id == product_id)
    rows = rows.select(single_date="order_date", single_id="product_id", single_count="order_count")
    on = [joint.since_date <= rows.single_date]
    on += [joint.paired_id == rows.single_id] if product_id is None else []
    joined = joint.join(rows, on)
    counted = joined.group_by(*joint.columns).agg(counted=joined.single_count.sum().cast("int64"))
    return counted.rename({name: "counted"})


def with_measures(rows: Iterable[Row]) -> list[Row]:
    """Return rows of `pairs_of` with support, confidence, lift and leverage, the highest leverage
    first, by which they are ranked exactly.
    """
    ranked: list[tuple[Fraction, str, Row]] = []
    for row in rows:
        joint, own, other, whole = (
            int(row[name])
            for name in ("joint_count", "product_order_count", "other_order_count", "order_count")
        )
        leverage = Fraction(joint, whole) - Fraction(own * other, whole * whole)
        measures = {
            "support_rate": _plain(Fraction(joint, whole)),
            "confidence_rate": _plain(Fraction(joint, own)),
            "lift": _plain(Fraction(joint * whole, own * other)),
            "leverage": _plain(leverage),
        }
        ranked.append((-leverage, row["other_product_id"], {**row, **measures}))
    return [row for _, _, row in sorted(ranked, key=_by_rank)]


def _by_rank(entry: tuple[Fraction, str, Row]) -> tuple[Fraction, str]:
    negative_leverage, product_id, _ = entry
    return negative_leverage, product_id


def _plain(value: Fraction) -> float:
    return significant(float(value))
