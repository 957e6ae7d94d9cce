"""Which category sold items without one have, in any order of rows and of files: by story, and as
plain Python has it.
"""

import random
import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import ibis.expr.types as ir
import pytest
from ibis.backends.duckdb import Backend as DuckDB

from ecom_assets.commerce.products.item_categories import (
    OF_CATEGORIES,
    item_categories,
    with_item_categories,
)
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets.interfaces.api.app import build_app
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.command import HEADER, ecom
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served

Row = dict[str, Any]
MONDAY, TUESDAY, WEDNESDAY = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)


def item(
    item_id: str,
    category: str = "(none)",
    name: str | None = None,
    bought_as: str | None = None,
) -> Row:
    """Return an item; purchase events may name it `bought_as`."""
    return {
        "item_id": item_id,
        "item_name": name or item_id,
        "item_category": category,
        "event_product_id": bought_as,
    }


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
    "the category of views that name it by its title": (
        [item("SKU-1", name="Sun Hat"), item("SKU-2", name="Sun Hat - Red"), item("SKU-3")],
        [viewed("Sun Hat", "Hats")],
        [],
        {"SKU-1": "Hats", "SKU-2": "Hats"},
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
    "the category of the views of what purchase events name so": (
        [item("SKU-1", bought_as="shopify_DE_7_42"), item("SKU-2", bought_as="Sun Hat")],
        [viewed("shopify_DE_7_42", "Home"), viewed("Sun Hat", "Hats"), viewed("SKU-3", "A")],
        [],
        {"SKU-1": "Home", "SKU-2": "Hats"},
    ),
    "that of its views in another country": (
        [item("SKU-1", bought_as="shopify_DE_7_42")],
        [viewed("shopify_US_7_42", "Home"), viewed("shopify_US_7_43", "Garden")],
        [],
        {"SKU-1": "Home"},
    ),
    "nothing where countries have other categories": (
        [item("SKU-1", bought_as="shopify_DE_7_42")],
        [viewed("shopify_DE_7_42", "Home"), viewed("shopify_US_7_42", "Garden")],
        [],
        {},
    ),
    "that of the catalogue by the id that purchase events have": (
        [item("SKU-1", bought_as="P-1")],
        [viewed("P-1", "Home")],
        [listed("P-1", "Lamps")],
        {"SKU-1": "Lamps"},
    ),
    "its own id before that of purchase events, and this before its title": (
        [item("SKU-1", bought_as="P-1"), item("SKU-2", name="Lamp", bought_as="P-2")],
        [],
        [
            listed("SKU-1", "Home"),
            listed("P-1", "Garden"),
            listed("P-2", "Toys"),
            listed("P-3", "Lamps", name="Lamp"),
        ],
        {"SKU-1": "Home", "SKU-2": "Toys"},
    ),
    "nothing where what purchase events name so has two categories": (
        [item("SKU-1", bought_as="P-1")],
        [],
        [listed("P-1", "Lamps"), listed("P-1", "Chairs")],
        {},
    ),
    "nothing of what purchase events name another item": (
        [item("SKU-1"), item("SKU-2", "Mine", bought_as="P-1")],
        [viewed("P-1", "Home")],
        [],
        {"SKU-2": "Mine"},
    ),
}


@pytest.fixture(scope="module")
def con() -> Iterator[DuckDB]:
    opened = connect()
    yield opened
    opened.disconnect()


@pytest.mark.slow
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


@pytest.mark.slow
@each("seed", range(60))
def test_items_have_what_plain_python_says(seed: int, con: DuckDB) -> None:
    """Items and products of few ids, titles and categories, so that many of them meet."""
    items, views, stock, costs = tables = random_shop(random.Random(seed))  # noqa: S311 (a story)
    found = said(con, *(table[::step] for table, step in zip(tables, (1, -1, 1, -1), strict=True)))
    assert {row["item_id"]: row["item_category"] for row in found} == {
        row["item_id"]: category
        for row in items
        if (category := reference(row, views, stock, costs)) is not None
    }
    assert len(found) == len({row["item_id"] for row in found})


def test_the_random_shops_have_what_they_are_about() -> None:
    """Of some items only what purchase events name them says a category."""
    learned = 0
    for seed in range(60):
        items, *others = random_shop(random.Random(seed))  # noqa: S311 (a story)
        for row in items:
            silent = {**row, "event_product_id": None}
            learned += reference(row, *others) != reference(silent, *others)
    assert learned > 20


IDS: Final = (
    "SKU-1",
    "SKU-2",
    "7",
    "42",
    "43",
    "shopify_DE_7_43",
    "shopify_DE_7_42",
    "shopify_US_7_42",
    "P-1",
    "P-2",
)
TITLES: Final = ("Lamp", "Lamp - Red", "Hat", None)
CATEGORIES: Final = ("Home", "Lamps", None)


def random_shop(dice: random.Random) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """Return items, views, stock and costs."""
    days = (MONDAY, TUESDAY)
    items = [
        item(
            name,
            dice.choice(("Mine", "(none)", "(none)", "(none)")),
            dice.choice(TITLES),
            dice.choice((None, *IDS)),
        )
        for name in dice.sample(IDS, 4)
    ]
    views = [
        viewed(name, dice.choice(CATEGORIES), day)
        for name in dice.sample((*IDS, "Lamp", "Hat"), 4)
        for day in dice.sample(days, dice.randint(1, 2))
    ]
    stock = [
        listed(name, dice.choice(CATEGORIES), dice.choice(days), dice.choice(TITLES))
        for name in dice.choices(IDS, k=dice.randint(0, 3))
    ]
    costs = [
        priced(name, dice.choice(CATEGORIES), dice.choice(days), name=dice.choice(TITLES))
        for name in dice.sample(IDS, dice.randint(0, 2))
    ]
    return items, views, stock, costs


def reference(
    sold: Row, views: Sequence[Row], stock: Sequence[Row], costs: Sequence[Row]
) -> str | None:
    """Return the category of an item as docs/metrics/products.md says it, or None."""
    if sold["item_category"] != "(none)":
        own: str = sold["item_category"]
        return own
    newest = max((row["received_date"] for row in stock), default=None)
    catalogue = [row for row in stock if row["received_date"] == newest]
    by_day = sorted(views, key=lambda row: row["event_date"])
    last_view = {row["product_id"]: row for row in by_day if row["product_category"]}
    by_whom = (
        [(row["product_id"], row["product_name"], row["product_category"]) for row in catalogue],
        [(row["item_id"], row["item_name"], row["item_category"]) for row in costs],
        [(name, name, row["product_category"]) for name, row in last_view.items()],
    )
    for products in by_whom:
        found: list[set[str]] = [set(), set(), set(), set()]
        for product_id, title, category in products:
            ways = (
                product_id == sold["item_id"],
                sold["item_id"] in parts_of(product_id) or is_bought_as(sold, product_id),
                title == sold["item_name"],
                title == re.sub(" - [^-]+$", "", sold["item_name"]),
            )
            for way, is_met in enumerate(ways):
                found[way] |= {category} if is_met and category else set()
        best = next(filter(None, found), None)
        if best:
            return min(best) if len(best) == 1 else None
    return None


def is_bought_as(sold: Row, product_id: str) -> bool:
    """Return whether purchase events name an item so, in whichever country."""
    bought_as = sold["event_product_id"] or ""
    variants = [parts[1] for name in (bought_as, product_id) if (parts := parts_of(name))]
    return bought_as == product_id or (len(variants) == 2 and variants[0] == variants[1])


def parts_of(product_id: str) -> tuple[str, ...]:
    """Return the ids of product and variant in an id of Shopify's feeds."""
    found = re.fullmatch("shopify_[A-Za-z]+_([0-9]+)_([0-9]+)", product_id)
    return found.groups() if found else ()


OF_STORY: Final = {"start_date": MONDAY, "end_date": MONDAY}
BOUGHT_AS: Final = "shopify_DE_7_42"
SOLD: Final = {"o1": ("SKU-1", 60), "o2": ("SKU-1", 40), "o3": ("SKU-2", 30)}
"""The item of each order, and what was paid."""
LINES: Final = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount,status"
)


@pytest.mark.slow
@each("first", ["orders", "events", "both"])
def test_categories_of_files_in_any_order_of_arrival(first: str, tmp_path: Path) -> None:
    """Two orders of `SKU-1` alone, 60.00 and 40.00, have purchase events that name variant 42,
    viewed in Hats: it has 100.00. Of `SKU-2` there is one order, of 30.00, which proves nothing.
    """
    folder = tmp_path / first
    folder.mkdir()
    (folder / "events.csv").write_text("\n".join([f"{HEADER},properties", *events_of_hats(), ""]))
    lines = [
        f"{n},{order}-1,2026-03-02 10:0{n}:00,1,Rome,c{n},Ann,Low,{sku},{sku},1,{paid},shipped"
        for n, (order, (sku, paid)) in enumerate(SOLD.items())
    ]
    (folder / "orders.csv").write_text("\n".join([LINES, *lines, ""]))
    files = {name: (f"--{name}", folder / f"{name}.csv") for name in ("orders", "events")}
    both = (*files["orders"], *files["events"])
    home = folder / "home"
    for run in (both,) if first == "both" else (files[first], both):
        made = ecom("run", *run, home=home)
        assert made.exit_code == 0, made.err
    with served(build_app(Settings(home=home))) as api:
        rows = api.json("/v1/analytics/categories", **OF_STORY)["categories"]
    revenue = {row["product_category"]: Decimal(row["revenue_amount"]) for row in rows}
    assert revenue == {"Hats": 100, "Coats": 0, "SKU-2": 30}


def events_of_hats() -> list[str]:
    """Return views of two variants, and a purchase event for each order."""
    views = [
        f"v{n},,product_view,2026-03-02T09:0{n}:00Z,{product},{category},s{n},,,,"
        for n, (product, category) in enumerate(
            [(BOUGHT_AS, "Hats"), (BOUGHT_AS, "Hats"), ("shopify_DE_8_51", "Coats")]
        )
    ]
    bought = [
        f"p{n},,purchase,2026-03-02T10:0{n}:00Z,"
        f"{BOUGHT_AS if sku == 'SKU-1' else 'shopify_DE_8_51'},,s{n},,,{paid},"
        f'"{{""transaction_id"": ""{order}""}}"'
        for n, (order, (sku, paid)) in enumerate(SOLD.items())
    ]
    return [*views, *bought]


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
