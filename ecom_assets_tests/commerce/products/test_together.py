"""Products bought together: a story with numbers, and any orders against plain Python."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import ibis.expr.types as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.products.contracts import ProductsBoughtTogether
from ecom_assets.commerce.products.together import (
    FEWEST_ORDERS,
    MOST_PRODUCTS,
    pairs_of,
    products_bought_together,
    with_measures,
)
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row
from ecom_assets_tests.hypothesis_settings import examples

FIRST = date(2026, 3, 1)
ONE_DAY = timedelta(days=1)
Order = tuple[int, Sequence[str]]
"""The day of an order, from 0, and its products; one with `!` is given for nothing."""


def lines_of(orders: Iterable[Order]) -> list[Row]:
    """Return the order lines of orders."""
    rows = []
    for number, (day, products) in enumerate(orders):
        for place, product in enumerate(products):
            row: Row = dict.fromkeys(Sales.columns)
            rows.append(
                row
                | {
                    "uniq_id": f"{number}-{place}",
                    "order_id": f"o{number}",
                    "order_date": FIRST + day * ONE_DAY,
                    "customer_id": "anna",
                    "item_id": product.rstrip("!"),
                    "status": "shipped",
                    "revenue_amount": Decimal(0 if product.endswith("!") else 10),
                }
            )
    return rows


def together(orders: Sequence[Order], product: str) -> list[dict[str, Any]]:
    """Return the pairs of a product, with daily counts that are made a day at a time."""
    sold = in_memory(lines_of(orders), Sales)
    days = [FIRST + day * ONE_DAY for day in sorted({day for day, _ in orders})]
    counted = [row for day in days for row in rows_of(products_bought_together(sold, Days((day,))))]
    whole = rows_of(products_bought_together(sold, Days.from_dates(days)))
    assert sorted(map(repr, counted)) == sorted(map(repr, whole)), "days add up"
    daily: ir.Table = in_memory(counted, ProductsBoughtTogether)
    con = daily.get_backend()
    con.con.register("all_sales", sold.to_pyarrow())
    held = con.table("all_sales")
    first = held.group_by(sold_id=held.item_id).agg(first_date=held.order_date.min())
    return with_measures(rows_of(pairs_of(daily, first, product)))


def test_a_product_that_is_younger_is_compared_with_orders_since_it_was_on_sale() -> None:
    """Of ten orders with a hat the newer six have a scarf, which is sold from day 4 on; two of the
    eight orders since then have neither. So support is 6 of 8, confidence 6 of 6, and the lift
    6 · 8 / (6 · 6) = 4/3; over all twelve orders the lift would have been 6 · 12 / (10 · 6) = 1.2.
    """
    orders = [
        *((day, ["hat"]) for day in range(4)),
        *((4 + day, ["hat", "scarf", "gift!"]) for day in range(6)),
        (5, ["sock"]),
        (6, ["sock"]),
    ]
    (pair,) = together(orders, "hat")
    assert pair["other_product_id"] == "scarf"
    assert pair["since_date"] == date(2026, 3, 5)
    counts = ("joint_count", "product_order_count", "other_order_count", "order_count")
    assert [pair[name] for name in counts] == [6, 6, 6, 8]
    assert pair["support_rate"] == 0.75
    assert pair["confidence_rate"] == 1
    assert pair["lift"] == pytest.approx(4 / 3, abs=1e-5)
    assert pair["leverage"] == pytest.approx(6 / 8 - 6 * 6 / 64, abs=1e-5)
    assert together(orders, "gift") == []


def test_four_orders_are_too_few_and_an_order_of_a_thousand_products_does_not_count() -> None:
    four = [(0, ["hat", "scarf"])] * (FEWEST_ORDERS - 1)
    assert together(four, "hat") == []
    huge = (0, ["hat", "scarf", *(f"p{n}" for n in range(1_000))])
    assert together([*four, huge], "hat") == []
    largest = (0, ["hat", "scarf", *(f"p{n}" for n in range(MOST_PRODUCTS - 2))])
    assert [pair["joint_count"] for pair in together([*four, largest], "hat")] == [FEWEST_ORDERS]


ORDERS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.lists(st.sampled_from(("a", "b", "c", "d", "d!")), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=40,
)


@examples(60)
@given(orders=ORDERS)
def test_any_orders_are_counted_as_plain_python_counts_them(orders: list[Order]) -> None:
    baskets = [
        (day, {product for product in products if not product.endswith("!")})
        for day, products in orders
    ]
    baskets = [(day, products) for day, products in baskets if products]
    first = {
        product: min(day for day, own in orders if {product, f"{product}!"} & set(own))
        for product in "abcd"
        if any({product, f"{product}!"} & set(own) for _, own in orders)
    }
    expected = {}
    for other in sorted(set(first) - {"a"}):
        if "a" not in first:
            continue
        since = max(first["a"], first[other])
        recent = [products for day, products in baskets if day >= since]
        counts = Counter(
            pair
            for products in recent
            for pair in combinations_with_replacement(sorted(products), 2)
        )
        joint = counts["a", other]
        if joint >= FEWEST_ORDERS:
            own, theirs, whole = counts["a", "a"], counts[other, other], len(recent)
            leverage = Fraction(joint, whole) - Fraction(own * theirs, whole * whole)
            expected[other] = (joint, own, theirs, whole, leverage)
    actual = together(orders, "a")
    assert {
        pair["other_product_id"]: (
            pair["joint_count"],
            pair["product_order_count"],
            pair["other_order_count"],
            pair["order_count"],
        )
        for pair in actual
    } == {other: numbers[:4] for other, numbers in expected.items()}
    ranked = sorted(expected, key=lambda other: (-expected[other][4], other))
    assert [pair["other_product_id"] for pair in actual] == ranked
