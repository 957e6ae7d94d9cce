"""Products of events and of orders meet by id, by Shopify's ids of variants and products, or not at
all: then what the other source would say is not known.
"""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis.expr.types as ir
import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.products.contracts import ProductPerformance
from ecom_assets.commerce.products.queries import product, top_products, view_sentence
from ecom_assets.commerce.sales.contracts import Item
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.portable import no_rows, rows_of
from ecom_assets.core.tables.queries import KnownDays, Page, Period, StateRow, read_only
from ecom_assets.core.warehouse.local import connect, in_memory
from ecom_assets_tests.builders import Row
from ecom_assets_tests.command import HEADER, ecom
from ecom_sandbox.shop.exports import write_exports

DAY: Final = date(2026, 3, 2)
KNOWN: Final = KnownDays(DAY, DAY)
PERIOD: Final = Period("custom", DAY, DAY, {"orders": KNOWN, "events": KNOWN})
Numbers = tuple[int | None, int | None, int | None]
"""Views, purchases and revenue of a product."""


class Products:
    """What events and orders say of the products of a day, as queries read it."""

    newest_date = DAY
    timezone, currency = "Europe/Berlin", "EUR"
    not_recorded: frozenset[str] = frozenset()

    def __init__(
        self,
        viewed: Mapping[str, int],
        sold: Mapping[str, int],
        bought_as: Mapping[str, str] = {},
        titles: Mapping[str, str] = {},
    ) -> None:
        """Let products have been viewed so often, and sold for so much; `bought_as` has the ids by
        which purchase events name sold ones, `titles` those that are not the id.
        """
        self.known: Mapping[str, KnownDays] = {"orders": KNOWN, "events": KNOWN}
        numbers = dict.fromkeys(ProductPerformance.numbers(), 0)
        rows = [
            numbers
            | {
                "event_date": DAY,
                "product_id": name,
                "sales_source": "orders",
                "product_view_count": viewed.get(name, 0),
                "viewing_visitor_count": viewed.get(name, 0),
                "purchase_count": int(name in sold),
                "sold_item_count": int(name in sold),
                "shipped_amount": Decimal(sold.get(name, 0)),
                "revenue_amount": Decimal(sold.get(name, 0)),
            }
            for name in {**viewed, **sold}
        ]
        items = [
            {
                "item_id": name,
                "item_name": titles.get(name, name),
                "item_category": "hats",
                "event_product_id": bought_as.get(name),
            }
            for name in sold
        ]
        con = connect()
        self.tables: dict[type[Table], ir.Table] = {}
        for contract, some in ((ProductPerformance, rows), (Item, items)):
            con.con.register(contract.name, in_memory(some, contract).to_pyarrow())
            self.tables[contract] = con.table(contract.name)

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table; others have no row."""
        made = self.tables.get(contract)
        return no_rows(contract, self.tables[Item]) if made is None else made

    def events(self) -> ir.Table:
        """Return no event: nothing here is about them."""
        return self.table(CleanEvents)

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a result, with the days of a period."""
        return rows_of(question, period.parameters if period else None)

    def state(self, question: ir.Table) -> tuple[StateRow, ...]:
        """Return the rows of a result without a period."""
        return read_only(self.rows(question))


def top(shop: Products) -> tuple[float | None, dict[str, Numbers]]:
    """Return the share that is known, and the numbers of each product."""
    answer = top_products(shop, PERIOD, "revenue", None, Page(10))
    rows = {row["product_id"]: numbers_of(row) for row in answer["products"]}
    return answer["view_coverage_rate"], rows


def numbers_of(row: Mapping[str, Any]) -> Numbers:
    return row["product_view_count"], row["purchase_count"], row["revenue_amount"]


def test_views_of_a_product_of_shopify_are_of_the_variant_or_product_that_was_sold() -> None:
    """GA4 has 30 views of variant 22 in two countries, 5 of another variant of product 31, and 7 of
    what nobody bought; orders have the variant's id, and the product's.
    """
    viewed = {
        "shopify_DE_11_22": 20,
        "shopify_US_11_22": 10,
        "shopify_DE_31_32": 5,
        "shopify_DE_41_42": 7,
    }
    shop = Products(viewed, {"22": 60, "31": 40})
    assert top(shop) == (
        1,
        {"22": (30, 1, 60), "31": (5, 1, 40), "shopify_DE_41_42": (7, 0, 0)},
    )
    answer = product(shop, PERIOD, "22")
    assert answer is not None
    assert numbers_of(answer["product"]) == numbers_of(answer["trend"][0]) == (30, 1, 60)


def test_views_are_of_the_item_that_purchase_events_name_so() -> None:
    """Orders have SKUs, and GA4 Shopify's ids: purchase events of orders of `SKU-1` alone name
    variant 22, those of `SKU-2` a title.
    """
    viewed = {"shopify_DE_11_22": 20, "shopify_US_11_22": 10, "shopify_DE_11_23": 5, "Sun Hat": 7}
    bought_as = {"SKU-1": "shopify_DE_11_22", "SKU-2": "Sun Hat"}
    shop = Products(viewed, {"SKU-1": 60, "SKU-2": 40}, bought_as)
    assert top(shop) == (
        1,
        {"SKU-1": (30, 1, 60), "SKU-2": (7, 1, 40), "shopify_DE_11_23": (5, 0, 0)},
    )


def test_views_by_title_are_of_the_one_item_that_has_it() -> None:
    """Events know no ids: `Sun Hat` is one item, `Scarf` two, and `Cap` was not sold."""
    titles = {"SKU-1": "Sun Hat", "SKU-2": "Scarf", "SKU-3": "Scarf"}
    shop = Products({"Sun Hat": 20, "Scarf": 5, "Cap": 7}, dict.fromkeys(titles, 10), titles=titles)
    views = {name: numbers for name, (numbers, _, _) in top(shop)[1].items()}
    assert views == {"SKU-1": 20, "SKU-2": 0, "SKU-3": 0, "Scarf": 5, "Cap": 7}


@pytest.mark.parametrize("part", ["11", "22"])
def test_an_id_that_was_sold_as_it_is_stays(part: str) -> None:
    shop = Products({"shopify_DE_11_22": 20}, {part: 10, "shopify_DE_11_22": 60})
    assert top(shop)[1] == {part: (0, 1, 10), "shopify_DE_11_22": (20, 1, 60)}


def test_where_hardly_any_id_is_known_to_both_nothing_is_said_of_the_other() -> None:
    """Of 100.00 the hat has 10.00, and its views; nobody knows how often the coat was viewed, or
    what of `G-1` was sold.
    """
    shop = Products({"hat": 9, "G-1": 50}, {"hat": 10, "coat": 90})
    rate, rows = top(shop)
    assert rate == 0.1
    assert rows == {"coat": (None, 1, 90), "hat": (9, 1, 10), "G-1": (50, None, None)}
    answer = product(shop, PERIOD, "G-1")
    assert answer is not None
    assert answer["view_coverage_rate"] == 0.1
    assert numbers_of(answer["product"]) == (50, None, None)
    assert answer["product"]["purchases_per_view"] is None
    assert "10.0%" in view_sentence(rate)


def test_from_a_fifth_on_a_product_without_views_has_none() -> None:
    shop = Products({"hat": 9, "G-1": 50}, {"hat": 20, "coat": 80})
    assert top(shop) == (0.2, {"coat": (0, 1, 80), "hat": (9, 1, 20), "G-1": (50, 0, 0)})
    assert "lower bounds" in view_sentence(0.2)


@pytest.mark.parametrize("sold", [{}, {"hat": 0}])
def test_where_nothing_was_paid_there_is_no_share(sold: Mapping[str, int]) -> None:
    rate, rows = top(Products({"hat": 9}, sold))
    assert rate is None
    assert rows["hat"][0] == 9


HAT: Final = "shopify_DE_11_22"
VIEWS: Final = (HAT, HAT, "shopify_US_11_22", "22", "shopify_DE_31_32")
"""The products of five views: of the variant 22, and of another one."""


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "views"), [("22", 4), (HAT, 2)])
def test_the_views_of_a_product_go_down_to_those_of_all_its_ids(
    asked: str, views: int, tmp_path: Path
) -> None:
    """Four views are of what is sold as 22, two of them under the id that events have; whoever asks
    by that id is told of its own.
    """
    events = [
        f"e{n},ann,product_view,2026-03-02T09:0{n}:00Z,{product},,s,,,"
        for n, product in enumerate(VIEWS)
    ]
    (tmp_path / "events.csv").write_text("\n".join([HEADER, *events, ""]))
    orders = (
        "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
        "quantity,payment_amount,status\n"
        "1,o1-1,2026-03-02 10:00:00,1,Rome,ann,Ann,Low,22,Hat,1,60,shipped\n"
    )
    (tmp_path / "orders.csv").write_text(orders)
    home = tmp_path / "home"
    files = ("--events", tmp_path / "events.csv", "--orders", tmp_path / "orders.csv")
    made = ecom("run", *files, "--select", '+key:"mart/product_performance"', home=home)
    assert made.exit_code == 0, made.err
    words = ("--column", "product_view_count", "--where", f"product_id = '{asked}'", "--json")
    explained = ecom("explain", "mart.product_performance", *words, home=home)
    assert explained.exit_code == 0, explained.err
    number = explained.json["number"]
    assert (number["value"], number["adds_up"]) == (views, True)


@pytest.mark.slow
def test_skus_and_ids_of_shopify_meet_by_orders_of_one_item(tmp_path: Path) -> None:
    """The simulated shop, whose GA4 names a product of each purchase by Shopify's ids; which orders
    have one item, the files say.
    """
    truth = write_exports(tmp_path / "shop", sends="name", days=40, visitors=300)
    events, orders = (
        tmp_path / "shop" / name for name in ("ga4_events.jsonl", "shopify_orders.csv")
    )
    skus: dict[str, set[str]] = defaultdict(set)
    with orders.open(newline="") as lines:
        for line in csv.DictReader(lines):
            skus[line["Name"]].add(line["Lineitem sku"])
    rows = [json.loads(line) for line in events.read_text().splitlines()]
    for row in rows:
        if row["event_name"] == "purchase":
            bought = min(skus[row["ecommerce"]["transaction_id"]])
            row["items"] = [{"item_id": f"shopify_DE_7_{bought.removeprefix('SKU-')}"}]
    events.write_text("\n".join([*map(json.dumps, rows), ""]))
    home = tmp_path / "home"
    files = ("--events", events, "--events-mapping", "ga4_export", "--orders", orders)
    only = ("--orders-mapping", "shopify", "--select", '+key:"mart/item"')
    made = ecom("run", *files, *only, home=home)
    assert made.exit_code == 0, made.err
    assert truth["orders_met"] == truth["orders"]
    counts = Counter(sku for bought in skus.values() if len(bought) == 1 for sku in bought)
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as tables:
        learned = dict(tables.execute("SELECT item_id, event_product_id FROM mart.item").fetchall())
    assert len([sku for sku, count in counts.items() if count > 1]) > 2
    assert learned == {
        sku: f"shopify_DE_7_{sku.removeprefix('SKU-')}" if counts[sku] > 1 else None
        for sku in learned
    }
