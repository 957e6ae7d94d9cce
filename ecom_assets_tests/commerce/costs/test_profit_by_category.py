"""Profit and sales by category: a line without one has that of its item, wherever it is asked."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any, Final

import pytest

from ecom_assets.behaviour.journeys.contracts import CategoryPerformance
from ecom_assets.commerce.costs.queries import profit
from ecom_assets.commerce.products.contracts import ProductPerformance, RawStock
from ecom_assets.commerce.products.queries import categories, sales_by_category
from ecom_assets.commerce.sales.contracts import Item, RevenueDaily, Sales
from ecom_assets.commerce.sales.sales import revenue_daily
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.queries import KnownDays, Period
from ecom_assets.outputs.serving.reading import WarehouseReading
from ecom_assets_tests.commerce.costs.shop import CostShop, cost, sale, shop_of

FIRST, LAST, CAPS_ONLY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)
SOLD: Final = [
    sale("a-1", "2026-03-02", "hat", "2", "40"),
    sale("a-2", "2026-03-02", "sock", "1", "10"),
    sale("b-1", "2026-03-03", "hat", "-1", "-20"),
    sale("c-1", "2026-03-03", "cap", "1", "15", item_category="Caps"),
    sale("d-1", "2026-03-04", "cap", "1", "15", item_category="Caps"),
]
"""Hats of the catalogue, a sock of which nobody knows a category, and a cap that says its own."""
CATALOGUE: Final = [
    {
        "record_number": number,
        "received_date": LAST,
        "product_id": item,
        "product_category": category,
        "source": "catalogue",
    }
    for number, (item, category) in enumerate((("hat", "Hats"), ("cap", "Not asked")), start=1)
]


def asked(shop: CostShop, *rows: dict[str, Any]) -> tuple[WarehouseReading, Period]:
    """Return what is asked of the shop with some rows of its catalogue, and its days."""
    items = {row["item_id"]: row["item_category"] for row in SOLD}
    named = [
        {"item_id": item, "item_name": item, "item_category": category, "order_count": 1}
        for item, category in items.items()
    ]
    for contract in (ProductPerformance, CategoryPerformance):
        shop.hold(contract, [])
    shop.hold(Item, named)
    shop.hold(RawStock, rows)
    days = Days((FIRST, LAST, CAPS_ONLY))
    shop.engine.replace(RevenueDaily, revenue_daily(shop.engine.table(Sales), days), days)
    known = {"orders": KnownDays(FIRST, CAPS_ONLY)}
    return WarehouseReading(shop.engine, CAPS_ONLY, known=known), Period("custom", FIRST, LAST)


@pytest.fixture(scope="module")
def shop() -> Iterator[CostShop]:
    shop = shop_of(SOLD, [cost("hat", "8"), cost("sock", "4"), cost("cap", "5")])
    yield shop
    shop.close()


@pytest.mark.slow
def test_a_line_without_a_category_has_that_of_the_catalogue(shop: CostShop) -> None:
    reading, days = asked(shop, *CATALOGUE)
    answer = profit(reading, days, "item_category")
    assert answer["category_source"] == "items"
    parts = {
        row["value"]: (row["revenue_amount"], row["gross_profit_amount"], row["order_count"])
        for row in answer["parts"]
    }
    # A hat of two came back: 20 - 8; the sock leaves 10 - 4, and the cap 15 - 5.
    assert parts == {"Hats": (20, 12, 1), "Caps": (15, 10, 1), "(none)": (10, 6, 1)}
    assert sum(row[1] for row in parts.values()) == answer["profit"]["gross_profit_amount"]
    revenue = {name: amount for name, (amount, *_) in parts.items()}
    sales = sales_by_category(reading, days)
    assert {name: row["revenue_amount"] for name, row in sales.items()} == revenue
    # The page of products names the item in place of `(none)`.
    listed = {
        row["product_category"]: row["revenue_amount"]
        for row in categories(reading, days)["categories"]
    }
    assert listed == {"sock" if name == "(none)" else name: revenue[name] for name in revenue}


@pytest.mark.slow
def test_a_suppliers_list_says_categories_as_a_catalogue_does() -> None:
    """The list of costs that gives the hat its cost says its category, too."""
    with closing(shop_of(SOLD, [cost("hat", "8", item_category="Hats")])) as supplied:
        reading, days = asked(supplied)
        parts = profit(reading, days, "item_category")["parts"]
        assert {row["value"]: row["gross_profit_amount"] for row in parts} == {
            "Hats": 12,
            "Caps": None,
            "(none)": None,
        }
        assert sales_by_category(reading, days)["Hats"]["revenue_amount"] == 20


def test_where_nobody_knows_more_it_has_none(shop: CostShop) -> None:
    reading, days = asked(shop)
    answer = profit(reading, days, "item_category")
    assert answer["category_source"] == "lines", "stored rows have these numbers"
    assert {row["value"]: row["revenue_amount"] for row in answer["parts"]} == {
        "Caps": 15,
        "(none)": 30,
    }
    assert sales_by_category(reading, days).keys() == {"Caps", "(none)"}


def test_lines_that_all_say_a_category_keep_it(shop: CostShop) -> None:
    reading, _ = asked(shop, *CATALOGUE)
    answer = profit(reading, Period("custom", CAPS_ONLY, CAPS_ONLY), "item_category")
    assert answer["category_source"] == "lines"
    assert [(row["value"], row["gross_profit_amount"]) for row in answer["parts"]] == [("Caps", 10)]
    by_channel = profit(reading, Period("custom", CAPS_ONLY, CAPS_ONLY), "channel")
    assert by_channel["category_source"] is None
