"""Products day by day: stories, and any order of days. Stock that needs attention: `test_stock.py`."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.definitions import event_assets
from ecom_assets.orders.contracts import RawUserOrderLog
from ecom_assets.products.assets import inventory_alerts, product_performance
from ecom_assets.products.contracts import ProductPerformance, RawStock
from ecom_assets.sales.assets import SALES_ASSETS
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.stock import stock_rows
from ecom_assets.tables.asset import TableAsset
from ecom_assets.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, Row, Step, as_table, journeys, order_line
from ecom_assets_tests.platform import Platform

ONE_DAY = timedelta(days=1)
EVENTS = ("duplicate_events", "events", "session_events")
ORDERS = ("changed_order_days", "held_order_days", "duplicate_orders", "user_order_log", "sales")


class ProductPlatform(Platform):
    """One warehouse with what products are made of: events and order lines."""

    def assets_of(self, settings: Settings) -> list[TableAsset]:
        """Return these assets, upstream first."""
        made = [*event_assets(settings), *SALES_ASSETS]
        needed = [one for one in made if one.contract.layer != "raw" and one.contract.name in {*EVENTS, *ORDERS}]
        return [*needed, product_performance, inventory_alerts]

    def order(self, lines: Iterable[Row], days: Days) -> None:
        """Let the given lines be what arrived on the given days."""
        arrived = [line for line in lines if line["received_date"] in days.dates]
        self.engine.con.con.register("ordered", as_table(arrived, RawUserOrderLog))
        self.engine.replace(RawUserOrderLog, self.engine.con.table("ordered"), days)

    def stock(self, day: date, *lines: Mapping[str, Any]) -> None:
        """Let the catalogue return these lines on a day."""
        self.engine.replace(RawStock, stock_rows(lines, day, "test"), Days((day,)))


@pytest.fixture(scope="module")
def opened() -> Iterator[dict[str, ProductPlatform]]:
    """A shop with orders, and one whose events alone say what was sold."""
    both = {source: ProductPlatform(sales_source=source) for source in ("orders", "events")}
    yield both
    for one in both.values():
        one.close()


@pytest.fixture
def shop(opened: dict[str, ProductPlatform]) -> ProductPlatform:
    return emptied(opened["orders"])


@pytest.fixture
def eventful(opened: dict[str, ProductPlatform]) -> ProductPlatform:
    return emptied(opened["events"])


def emptied(shop: ProductPlatform) -> ProductPlatform:
    shop.clear()
    for contract in (RawStock, RawUserOrderLog):
        shop.engine.ensure(contract)
        shop.engine.execute(f'DELETE FROM "{contract.layer}"."{contract.name}"')
    return shop


def products(shop: Platform, *names: str) -> dict[str, tuple[Any, ...]]:
    """Return columns of the first day's products."""
    rows = [row for row in shop.rows(ProductPerformance) if row["event_date"] == DAY_ONE]
    return {row["product_id"]: tuple(row[name] for name in names) for row in rows}


PEOPLE: dict[str, Sequence[Step]] = {
    "anna": [
        ("09:00", "product_view", {"product_id": "hat", "product_category": "hats"}),
        ("09:01", "product_view", {"product_id": "hat"}),
        ("09:02", "add_to_cart", {"product_id": "hat"}),
        ("09:03", "purchase", {"product_id": "hat", "cart_amount": Decimal("20.00")}),
    ],
    "ben": [
        ("09:00", "product_view", {"product_id": "hat"}),
        ("09:01", "add_to_cart", {"product_id": "scarf"}),
        ("09:02", "remove_from_cart", {"product_id": "scarf"}),
        ("09:30", "refund", {"product_id": "shoe", "cart_amount": Decimal("5.50")}),
    ],
}
LINES = (
    order_line("o-1", DAY_ONE, "anna", item_id="hat", quantity=2, payment_amount=Decimal("40.10")),
    order_line("o-2", DAY_ONE, "cara", item_id="hat", quantity=1, payment_amount=Decimal("20.00")),
    order_line("o-3", DAY_ONE, "dora", item_id="hat", quantity=1, payment_amount=Decimal("19.90"), status="refunded"),
)
SOLD = ("purchase_count", "sold_item_count", "refunded_item_count", "revenue_amount")


def test_views_and_carts_come_from_events_and_sales_from_orders(shop: ProductPlatform) -> None:
    days = Days((DAY_ONE,))
    shop.receive(journeys(PEOPLE), days)
    shop.order(LINES, days)
    shop.run(days)
    assert products(shop, "product_view_count", "add_to_cart_count", "remove_from_cart_count") == {
        "hat": (3, 1, 0),
        "scarf": (0, 1, 1),
    }
    # Of the two who viewed it one put it into the cart.
    assert products(shop, "viewing_visitor_count", "cart_visitor_count", "cart_rate", "product_category") == {
        "hat": (2, 1, 0.5, "hats"),
        "scarf": (0, 0, None, None),
    }
    assert products(shop, *SOLD)["hat"] == (2, 3, 1, Decimal("40.20"))
    assert products(shop, "purchases_per_cart", "purchases_per_view")["hat"] == (2.0, 2 / 3)
    assert products(shop, "purchases_per_cart", "purchases_per_view")["scarf"] == (0.0, None)


def test_without_orders_purchase_events_say_what_was_sold(eventful: ProductPlatform) -> None:
    days = Days((DAY_ONE,))
    eventful.receive(journeys(PEOPLE), days)
    eventful.run(days)
    assert products(eventful, *SOLD, "sales_source") == {
        "hat": (1, 1, 0, Decimal("20.00"), "events"),
        "scarf": (0, 0, 0, Decimal("0.00"), "events"),
        "shoe": (0, 0, 1, Decimal("-5.50"), "events"),
    }


def test_where_no_purchase_of_a_day_names_a_product_nobody_knows_what_was_sold(eventful: ProductPlatform) -> None:
    days = Days.between(DAY_ONE, DAY_ONE + 2 * ONE_DAY)
    people: dict[str, Sequence[Step]] = {
        "anna": [
            ("09:00", "product_view", {"product_id": "hat"}),
            ("09:03", "purchase", {"cart_amount": Decimal("20.00")}),
            ("+1 09:00", "product_view", {"product_id": "hat"}),
        ],
    }
    eventful.receive(journeys(people), days)
    eventful.stock(days.dates[-1], {"product_id": "hat", "stock": 5})
    eventful.run(days)
    names = ("product_view_count", *SOLD, "shipped_amount", "purchases_per_view")
    first, second = eventful.rows(ProductPerformance)
    assert [first[name] for name in names] == [1, None, None, None, None, None, None]
    # On the next day nothing was bought at all: that is known.
    assert [second[name] for name in names] == [1, 0, 0, 0, Decimal("0.00"), Decimal("0.00"), 0.0]


def test_one_purchase_that_names_its_product_explains_the_others_of_its_day(eventful: ProductPlatform) -> None:
    days = Days((DAY_ONE,))
    people: dict[str, Sequence[Step]] = {
        "anna": [("09:00", "product_view", {"product_id": "hat"}), ("09:03", "purchase", {})],
        "ben": [("09:00", "purchase", {"product_id": "shoe", "cart_amount": Decimal("7.00")})],
    }
    eventful.receive(journeys(people), days)
    eventful.run(days)
    assert products(eventful, *SOLD) == {"hat": (0, 0, 0, Decimal("0.00")), "shoe": (1, 1, 0, Decimal("7.00"))}


def test_products_are_counted_as_plain_python_counts_them(shop: ProductPlatform) -> None:
    dice = random.Random(5)  # noqa: S311 (stories, not secrets)
    days = Days.between(DAY_ONE, DAY_ONE + 3 * ONE_DAY)
    kinds = ("product_view", "product_view", "add_to_cart", "remove_from_cart")
    people = {
        who: [
            (f"+{n % 3} 10:{n:02}", dice.choice(kinds), {"product_id": dice.choice("xyz")})
            for n in range(dice.randint(1, 20))
        ]
        for who in "abcdef"
    }
    rows = journeys(people)
    shop.receive(rows, days)
    shop.run(days)
    seen = Counter((row["event_date"], row["product_id"], row["event_type"]) for row in rows)
    did = {(row["event_date"], row["product_id"], row["event_type"], row["user_id"]) for row in rows}
    actual = {(row["event_date"], row["product_id"]): row for row in shop.rows(ProductPerformance)}
    assert set(actual) == {key[:2] for key in seen}
    for (day, product), row in actual.items():
        assert [row[f"{kind}_count"] for kind in kinds[1:]] == [seen[day, product, kind] for kind in kinds[1:]]
        viewers = {who for who in "abcdef" if (day, product, "product_view", who) in did}
        carters = {who for who in viewers if (day, product, "add_to_cart", who) in did}
        assert (row["viewing_visitor_count"], row["cart_visitor_count"]) == (len(viewers), len(carters))


@pytest.mark.slow
def test_days_in_any_order_and_late_lines_end_as_all_at_once(shop: ProductPlatform) -> None:
    days = Days.between(DAY_ONE, DAY_ONE + 3 * ONE_DAY)
    lines = [order_line(f"o-{n}", DAY_ONE + (n % 3) * ONE_DAY, item_id=f"{n % 3}", quantity=n + 1) for n in range(8)]
    # These arrive on the last day, for the first; one of them is a changed copy that takes a line to another day.
    lines += [
        order_line("late", DAY_ONE, item_id="1", received_date=days.dates[-1]),
        order_line("o-0", DAY_ONE + ONE_DAY, item_id="0", quantity=9, received_date=days.dates[-1]),
    ]
    rows = journeys({"anna": [(f"+{n} 09:00", "product_view", {"product_id": f"{n}"}) for n in range(3)]})
    shop.receive(rows, days)
    shop.order(lines, days)
    shop.stock(days.dates[-1], *({"product_id": f"{n}", "stock": 1} for n in range(3)))
    shop.run(days)
    at_once = shop.state()
    emptied(shop)
    for day in reversed(days.dates):
        one = Days((day,))
        shop.receive(rows, one)
        shop.order(lines, one)
        if day == days.dates[-1]:
            shop.stock(day, *({"product_id": f"{n}", "stock": 1} for n in range(3)))
        shop.run(one)
    assert shop.state() == at_once
    assert at_once["mart.inventory_alerts"] == []
