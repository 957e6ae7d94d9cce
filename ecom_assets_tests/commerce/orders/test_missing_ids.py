r"""Ids for which a database wrote a word, such as `\N`: no line is another's copy by it."""

from datetime import date

import pytest

from ecom_assets.commerce.orders.contracts import QuarantinedOrders, UserOrderLog
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import order_line
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
WORDS = (r"\N", "NULL", "nan", "<NA>")


def test_lines_without_an_id_are_quarantined_one_by_one(shop: OrderPlatform) -> None:
    shop.receive([order_line(word, MONDAY) for word in WORDS * 2], Days((MONDAY,)))
    shop.run(Days((MONDAY,)))
    reasons = [row["reject_reason"] for row in shop.rows(QuarantinedOrders)]
    assert reasons == ["missing_uniq_id"] * 8
    assert shop.rows(UserOrderLog) == []


@pytest.mark.slow
@pytest.mark.parametrize("word", WORDS)
def test_lines_without_an_order_are_not_one_order(shop: OrderPlatform, word: str) -> None:
    lines = [
        order_line(f"u{number}", MONDAY, customer, order_id=word, record_id=word)
        for number, customer in enumerate(("anna", "ben", "cleo"))
    ]
    shop.receive(lines, Days((MONDAY,)))
    shop.run(Days((MONDAY,)))
    assert len({row["order_id"] for row in shop.rows(UserOrderLog)}) == 3
