"""Which category sold items without one have, in any order of rows: by story."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import ibis.expr.types as ir
import pytest
from ibis.backends.duckdb import Backend as DuckDB

from ecom_assets.commerce.products.item_categories import (
    OF_CATEGORIES,
    item_categories,
    with_item_categories,
)
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.each import each

Row = dict[str, Any]
MONDAY, TUESDAY, WEDNESDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)


def item(item_id: str, category: str = "(none)", name: str | None = None) -> Row:
    return {"item_id": item_id, "item_name": name or item_id, "item_category": category}


def viewed(product_id: str, category: str | None, day: date = MONDAY) -> Row:
    return {"event_date": day, "product_id": product_id, "product_category": category}


def listed(
    product_id: str, category: str | None, day: date = MONDAY, name: str | None = None
) -> Row:
    return {
        "received_date": day,
        "product_id": product_id,
        "product_name": name,
        "product_category": category,
    }


def priced(item_id: str, category: str | None, day: date = MONDAY, **more: Any) -> Row:
    """Return a row of a list of costs."""
    named = more.pop("name", None)
    return {
        "item_id": item_id,
        "item_category": category,
        "item_name": named,
        "received_date": day,
        "source": "costs",
        "source_file": "costs.csv",
        **more,
    }


STORIES: dict[str, tuple[list[Row], list[Row], list[Row], Row]] = {
    "the category of its views, by its own id": (
        [item("SKU-1")],
        [viewed("SKU-1", "Home")],
        [],
        {"SKU-1": "Home"},
    ),
    "the newest category of its views": (
        [item("SKU-1")],
        [viewed("SKU-1", "Home", TUESDAY), viewed("SKU-1", "Garden")],
        [],
        {"SKU-1": "Home"},
    ),
    "the catalogue before views": (
        [item("SKU-1")],
        [viewed("SKU-1", "Home")],
        [listed("SKU-1", "Lamps")],
        {"SKU-1": "Lamps"},
    ),
    "the newest catalogue": (
        [item("SKU-1"), item("SKU-2")],
        [],
        [listed("SKU-1", "Lamps", TUESDAY), listed("SKU-1", "Old"), listed("SKU-2", "Old")],
        {"SKU-1": "Lamps"},
    ),
    "a category of its own before both": (
        [item("SKU-1", "Mine")],
        [viewed("SKU-1", "Home")],
        [listed("SKU-1", "Lamps")],
        {"SKU-1": "Mine"},
    ),
    "the id of its variant": (
        [item("42")],
        [viewed("shopify_DE_7_42", "Home")],
        [],
        {"42": "Home"},
    ),
    "the id of its product, whose variants have one category": (
        [item("7")],
        [viewed("shopify_DE_7_42", "Home"), viewed("shopify_DE_7_43", "Home")],
        [],
        {"7": "Home"},
    ),
    "its own id before that of another one's variant": (
        [item("42")],
        [viewed("42", "Home"), viewed("shopify_DE_7_42", "Garden")],
        [],
        {"42": "Home"},
    ),
    "the title of its product, where orders have no id of it": (
        [item("Sun Hat"), item("Sun Hat - Red"), item("9", name="Sun Hat - Blue / M")],
        [],
        [listed("SKU-1", "Hats", name="Sun Hat")],
        {"Sun Hat": "Hats", "Sun Hat - Red": "Hats", "9": "Hats"},
    ),
    "its own title before that of a product that it could be a variant of": (
        [item("1", name="Lamp - Kids")],
        [],
        [listed("7", "Lamps", name="Lamp"), listed("8", "Toys", name="Lamp - Kids")],
        {"1": "Toys"},
    ),
    "its id before its title": (
        [item("SKU-1", name="Lamp")],
        [],
        [listed("SKU-1", "Home", name="Candle"), listed("SKU-2", "Lamps", name="Lamp")],
        {"SKU-1": "Home"},
    ),
    "nothing where two products of one title differ": (
        [item("1", name="Lamp")],
        [],
        [listed("7", "Lamps", name="Lamp"), listed("8", "Toys", name="Lamp")],
        {},
    ),
    "nothing where the id of another is its title": (
        [item("1", name="SKU-7")],
        [],
        [listed("SKU-7", "Lamps", name="Lamp")],
        {},
    ),
    "nothing where two products have the id": (
        [item("42")],
        [viewed("shopify_DE_7_42", "Home"), viewed("shopify_DE_42_8", "Garden")],
        [],
        {},
    ),
    "nothing where the catalogue has the id twice": (
        [item("42")],
        [viewed("42", "Garden")],
        [listed("42", "Lamps"), listed("42", "Chairs")],
        {},
    ),
    "nothing of what is no item": (
        [item("(none)"), item("refund")],
        [viewed("refund", "Home"), viewed("(none)", "Home")],
        [],
        {},
    ),
    "nothing of ids that only look alike": (
        [item("7"), item("SKU-1")],
        [viewed("myshopify_DE_7_42", "Home"), viewed("shopify_DE_7", "Home"), viewed("SKU-2", "A")],
        [],
        {},
    ),
    "nothing of views without one": ([item("SKU-1")], [viewed("SKU-1", None)], [], {}),
}


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDB]:
    opened = connect()
    yield opened
    opened.disconnect()


@each("story", STORIES)
def test_an_item_has(story: str, con: DuckDB) -> None:
    items, views, stock, expected = STORIES[story]
    for step in (1, -1):
        found = said(con, items[::step], views[::step], stock[::step])
        assert {row["item_id"]: row["item_category"] for row in found} == expected
        assert len(found) == len(expected)


OF_COSTS: dict[str, tuple[list[Row], list[Row], list[Row], Row]] = {
    "the category of a supplier's list, by its id or title": (
        [item("SKU-1"), item("9", name="Sun Hat - Red")],
        [],
        [priced("SKU-1", "Lamps"), priced("SKU-2", "Hats", name="Sun Hat")],
        {"SKU-1": "Lamps", "9": "Hats"},
    ),
    "the newest list that says one": (
        [item("SKU-1")],
        [],
        [priced("SKU-1", "Old"), priced("SKU-1", "New", TUESDAY), priced("SKU-1", None, WEDNESDAY)],
        {"SKU-1": "New"},
    ),
    "a list of costs before views": (
        [item("SKU-1")],
        [viewed("SKU-1", "Home")],
        [priced("SKU-1", "Lamps")],
        {"SKU-1": "Lamps"},
    ),
    "nothing of rows that their mapping leaves out": (
        [item("SKU-1")],
        [],
        [priced("SKU-1", "Lamps", left_out="no_variant")],
        {},
    ),
}


@each("story", OF_COSTS)
def test_an_item_has_of_costs(story: str, con: DuckDB) -> None:
    items, views, costs, expected = OF_COSTS[story]
    for step in (1, -1):
        found = said(con, items[::step], views[::step], [], costs[::step])
        assert {row["item_id"]: row["item_category"] for row in found} == expected


def test_the_catalogue_comes_before_a_list_of_costs(con: DuckDB) -> None:
    """Of stock and categories the shop sends a list each day, of costs when a supplier does."""
    found = said(con, [item("SKU-1")], [], [listed("SKU-1", "Mine")], [priced("SKU-1", "Theirs")])
    assert found == [{"item_id": "SKU-1", "item_category": "Mine"}]


def said(con: DuckDB, *rows_by_table: Sequence[Row]) -> list[Row]:
    """Return what is said of items by views, stock and costs, of which the last may lack."""
    return rows_of(categories_of(con, *rows_by_table))


def categories_of(con: DuckDB, *rows_by_table: Sequence[Row]) -> ir.Table:
    tables = []
    for number, contract in enumerate(OF_CATEGORIES):
        rows = rows_by_table[number] if number < len(rows_by_table) else ()
        con.con.register(contract.name, as_table(rows, contract))
        tables.append(con.table(contract.name))
    return item_categories(*tables)


def test_a_sale_keeps_its_own_category(con: DuckDB) -> None:
    """Of three sales of a lamp, one says that it is a gift; no sale comes twice or is lost."""
    sold = [
        {"uniq_id": "1", "item_id": "SKU-1", "item_category": "(none)"},
        {"uniq_id": "2", "item_id": "SKU-1", "item_category": "Gifts"},
        {"uniq_id": "3", "item_id": "SKU-2", "item_category": "(none)"},
    ]
    con.con.register("sold", as_table(sold, Sales))
    by_item = categories_of(con, [item("SKU-1")], [viewed("SKU-1", "Home")])
    found = rows_of(with_item_categories(con.table("sold"), by_item))
    assert {row["uniq_id"]: row["item_category"] for row in found} == {
        "1": "Home",
        "2": "Gifts",
        "3": "(none)",
    }
