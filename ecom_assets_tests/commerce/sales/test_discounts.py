"""Prices before discounts, and what codes took off and brought in."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.orders.checks import (
    discounts_add_up_to_orders,
    discounts_are_within_prices,
    fees_are_small,
)
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.sales.contracts import DiscountPerformance, Sales
from ecom_assets.commerce.sales.discounts import OF_FEW, by_code, discounted, hidden
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=7))


def run(shop: OrderPlatform, *rows: Row) -> None:
    shop.receive(rows, DAYS)
    shop.run(DAYS)


def test_price_less_discount_is_what_was_paid(shop: OrderPlatform) -> None:
    run(
        shop,
        order_line("both", MONDAY, gross_amount=25, discount_amount=5),
        order_line("price", MONDAY, gross_amount=25),
        order_line("discount", MONDAY, discount_amount=5),
        order_line("neither", MONDAY),
        # A fee of 2.00 is in what was paid; the price below it says nothing.
        order_line("fee", MONDAY, gross_amount=23, discount_amount=5),
        order_line("low", MONDAY, gross_amount=19),
        order_line("back", MONDAY, gross_amount=25, status="refunded", is_restocked=False),
    )
    rows = {row["uniq_id"]: row for row in shop.rows(Sales)}
    parts = {name: (row["gross_amount"], row["discount_amount"]) for name, row in rows.items()}
    assert parts == {
        "both": (25, 5),
        "price": (25, 5),
        "discount": (25, 5),
        "neither": (None, None),
        "fee": (25, 5),
        "low": (None, None),
        "back": (-25, -5),
    }
    for row in rows.values():
        if row["gross_amount"] is not None:
            assert row["gross_amount"] - row["discount_amount"] == row["revenue_amount"]
    assert rows["back"]["is_restocked"] is False


CODED = (
    order_line("1", MONDAY, "anna", discount_amount=2, discount_codes="SPRING, VIP", order_id="A"),
    order_line("2", MONDAY, "anna", discount_amount=3, discount_codes="VIP", order_id="A"),
    order_line("3", MONDAY, "ben", discount_amount=4, order_id="B"),
    order_line("4", MONDAY, "cara", order_id="C"),
    order_line("5", MONDAY, "dora", discount_codes="VIP", status="refunded", order_id="D"),
)


def test_a_line_with_two_codes_counts_for_both_and_once_in_total(shop: OrderPlatform) -> None:
    run(shop, *CODED)
    names = ("order_count", "customer_count", "gross_sales_amount", "discount_amount")
    rows = {row["discount_code"]: row for row in shop.rows(DiscountPerformance)}
    assert {code: tuple(row[name] for name in names) for code, row in rows.items()} == {
        "SPRING": (1, 1, 22, 2),
        "VIP": (1, 1, 45, 5),
        "(none)": (1, 1, 24, 4),
        "(all)": (2, 2, 69, 9),
    }
    assert (rows["VIP"]["shipped_amount"], rows["VIP"]["discount_rate"]) == (40, 5 / 45)


@pytest.mark.slow
def test_codes_of_few_customers_are_one_row(shop: OrderPlatform) -> None:
    of_many = [
        order_line(f"m{n}", MONDAY, f"customer {n}", discount_amount=1, discount_codes="FALL")
        for n in range(5)
    ]
    run(shop, *CODED, *of_many)
    lines = by_code(discounted(shop.engine.table(Sales)))
    rows = hidden(lines).select("uniq_id", "discount_code").to_pyarrow().to_pylist()
    of_codes: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        of_codes[row["discount_code"]].add(row["uniq_id"])
    assert of_codes == {
        OF_FEW: {"1", "2"},
        "(none)": {"3"},
        "FALL": {f"m{n}" for n in range(5)},
    }
    assert len(rows) == 8, "a line with two such codes is there once"


@pytest.mark.slow
@examples(40)
@given(
    lines=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(1, 900),
            st.sets(st.sampled_from(["A", "B", "C", "D", "E", "F"])),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_sums_by_code_are_those_of_plain_python(
    opened: OrderPlatform, lines: list[tuple[int, int, set[str]]]
) -> None:
    opened.clear()
    rows = [
        order_line(
            str(n),
            MONDAY + timedelta(days=day),
            discount_amount=Decimal(cents) / 100,
            discount_codes=", ".join(sorted(codes)) or None,
        )
        for n, (day, cents, codes) in enumerate(lines)
    ]
    run(opened, *rows)
    sums: dict[Any, Decimal] = defaultdict(Decimal)
    for day, cents, codes in lines:
        for code in {*(codes or {"(none)"}), "(all)"}:
            sums[MONDAY + timedelta(days=day), code] += Decimal(cents) / 100
    actual = {
        (row["order_date"], row["discount_code"]): row["discount_amount"]
        for row in opened.rows(DiscountPerformance)
    }
    assert actual == sums


@pytest.mark.slow
def test_checks_find_discounts_and_fees_that_do_not_fit(shop: OrderPlatform) -> None:
    run(
        shop,
        order_line("1", MONDAY, order_id="A", gross_amount=25, discount_amount=5),
        order_line("2", MONDAY, order_id="B", gross_amount=4, discount_amount=5),
        # 5.00 of the order's discount are on no line.
        order_line("3", MONDAY, order_id="C", gross_amount=30, discount_amount=5),
        order_line("4", MONDAY, order_id="D", payment_fee_amount=4),
        order_line("5", MONDAY, order_id="E", payment_fee_amount=5),
        order_line("6", MONDAY, order_id="F"),
        # A discount of 10.00 is stated as 15.00 in all, though 20.00 were paid.
        order_line("7", MONDAY, order_id="G", gross_amount=30, discount_amount=15),
    )
    lines = shop.engine.table(UserOrderLog)
    found = {
        check.name: ([row["order_id"] for row in result.examples], result.looked_at_count)
        for check in (discounts_are_within_prices, discounts_add_up_to_orders, fees_are_small)
        for result in [check.evaluate(DAYS, lines)]
    }
    assert found == {
        "discounts_are_within_prices": (["B"], 4),
        "discounts_add_up_to_orders": (["C", "G"], 4),
        "fees_are_small": (["E"], 2),
    }
