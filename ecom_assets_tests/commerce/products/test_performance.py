"""Products day by day, in any order of days, and the stock that needs attention: by story."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.commerce.products import stock as inventory
from ecom_assets.commerce.products.assets import inventory_alerts, product_performance
from ecom_assets.commerce.products.contracts import ProductPerformance, RawStock
from ecom_assets.commerce.products.stock import InventoryRule, SalesDays
from ecom_assets.commerce.sales.assets import SALES_ASSETS
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.definitions import event_assets
from ecom_assets.ingestion.sources.stock import stock_rows
from ecom_assets_tests.builders import DAY_ONE, Row, Step, as_table, journeys, order_line
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

ONE_DAY = timedelta(days=1)
EVENTS = ("duplicate_events", "events", "session_events")
ORDERS = ("changed_order_days", "held_order_days", "duplicate_orders", "user_order_log", "sales")


class ProductPlatform(Platform):
    """One warehouse with what products are made of: events and order lines."""

    def assets_of(self, settings: Settings) -> list[TableAsset]:
        """Return these assets, upstream first."""
        made = [*event_assets(settings), *SALES_ASSETS]
        needed = [
            asset
            for asset in made
            if asset.contract.layer != "raw" and asset.contract.name in {*EVENTS, *ORDERS}
        ]
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
    """A shop with orders, and one whose events alone say what was sold;
    what is stored makes the difference.
    """
    both = {source: ProductPlatform() for source in ("orders", "events")}
    yield both
    for platform in both.values():
        platform.close()


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
    order_line(
        "o-3",
        DAY_ONE,
        "dora",
        item_id="hat",
        quantity=1,
        payment_amount=Decimal("19.90"),
        status="refunded",
    ),
)
SOLD = ("purchase_count", "sold_item_count", "refunded_item_count", "revenue_amount")


@pytest.mark.slow
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
    assert products(
        shop, "viewing_visitor_count", "cart_visitor_count", "cart_rate", "product_category"
    ) == {
        "hat": (2, 1, 0.5, "hats"),
        "scarf": (0, 0, None, None),
    }
    assert products(shop, *SOLD)["hat"] == (2, 3, 1, Decimal("40.20"))
    assert products(shop, "purchases_per_cart", "purchases_per_view")["hat"] == (2.0, 2 / 3)
    assert products(shop, "purchases_per_cart", "purchases_per_view")["scarf"] == (0.0, None)


@pytest.mark.slow
def test_without_orders_purchase_events_say_what_was_sold(eventful: ProductPlatform) -> None:
    days = Days((DAY_ONE,))
    eventful.receive(journeys(PEOPLE), days)
    eventful.run(days)
    assert products(eventful, *SOLD, "sales_source") == {
        "hat": (1, 1, 0, Decimal("20.00"), "events"),
        "scarf": (0, 0, 0, Decimal("0.00"), "events"),
        "shoe": (0, 0, 1, Decimal("-5.50"), "events"),
    }


@pytest.mark.slow
def test_the_first_orders_change_the_source_of_every_day_and_the_last_ones_change_it_back(
    shop: ProductPlatform,
) -> None:
    first, second = Days((DAY_ONE,)), Days((DAY_ONE + ONE_DAY,))
    both = Days.from_dates([*first.dates, *second.dates])
    people = {
        **PEOPLE,
        "cleo": [("+1 09:00", "purchase", {"product_id": "hat", "cart_amount": Decimal("7.00")})],
    }
    shop.receive(journeys(people), both)
    shop.run(both)
    of_events = shop.rows(ProductPerformance)
    assert {row["sales_source"] for row in of_events} == {"events"}
    # Orders of the first day alone: on the second, nothing was ordered, whatever its purchase event
    # says.
    shop.order(LINES, first)
    shop.run(first)
    assert {
        (row["event_date"], row["product_id"], row["sales_source"])
        for row in shop.rows(ProductPerformance)
    } == {
        (DAY_ONE, "hat", "orders"),
        (DAY_ONE, "scarf", "orders"),
    }
    assert products(shop, *SOLD)["hat"] == (2, 3, 1, Decimal("40.20"))
    shop.order([], first)
    shop.run(first)
    assert shop.rows(ProductPerformance) == of_events


@pytest.mark.slow
def test_nobody_knows_the_views_of_a_day_without_any_event(shop: ProductPlatform) -> None:
    days = Days.between(DAY_ONE, DAY_ONE + 2 * ONE_DAY)
    later = order_line(
        "o-4", DAY_ONE + ONE_DAY, "anna", item_id="hat", payment_amount=Decimal("9.00")
    )
    shop.receive(journeys(PEOPLE), days)
    shop.order([*LINES, later, order_line("o-5", DAY_ONE, "anna", item_id="sock")], days)
    shop.run(days)
    views = {
        (row["event_date"], row["product_id"]): row["product_view_count"]
        for row in shop.rows(ProductPerformance)
    }
    assert views == {
        (DAY_ONE, "hat"): 3,
        (DAY_ONE, "scarf"): 0,
        (DAY_ONE, "sock"): 0,
        (DAY_ONE + ONE_DAY, "hat"): None,
    }


@pytest.mark.slow
def test_where_no_purchase_of_a_day_names_a_product_nobody_knows_what_was_sold(
    eventful: ProductPlatform,
) -> None:
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


@pytest.mark.slow
def test_one_purchase_that_names_its_product_explains_the_others_of_its_day(
    eventful: ProductPlatform,
) -> None:
    days = Days((DAY_ONE,))
    people: dict[str, Sequence[Step]] = {
        "anna": [("09:00", "product_view", {"product_id": "hat"}), ("09:03", "purchase", {})],
        "ben": [("09:00", "purchase", {"product_id": "shoe", "cart_amount": Decimal("7.00")})],
    }
    eventful.receive(journeys(people), days)
    eventful.run(days)
    assert products(eventful, *SOLD) == {
        "hat": (0, 0, 0, Decimal("0.00")),
        "shoe": (1, 1, 0, Decimal("7.00")),
    }


@pytest.mark.slow
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
    did = {
        (row["event_date"], row["product_id"], row["event_type"], row["user_id"]) for row in rows
    }
    actual = {(row["event_date"], row["product_id"]): row for row in shop.rows(ProductPerformance)}
    assert set(actual) == {key[:2] for key in seen}
    for (day, product), row in actual.items():
        assert [row[f"{kind}_count"] for kind in kinds[1:]] == [
            seen[day, product, kind] for kind in kinds[1:]
        ]
        viewers = {who for who in "abcdef" if (day, product, "product_view", who) in did}
        carters = {who for who in viewers if (day, product, "add_to_cart", who) in did}
        assert (row["viewing_visitor_count"], row["cart_visitor_count"]) == (
            len(viewers),
            len(carters),
        )


@pytest.mark.slow
def test_days_in_any_order_and_late_lines_end_as_all_at_once(shop: ProductPlatform) -> None:
    days = Days.between(DAY_ONE, DAY_ONE + 3 * ONE_DAY)
    lines = [
        order_line(f"o-{n}", DAY_ONE + (n % 3) * ONE_DAY, item_id=f"{n % 3}", quantity=n + 1)
        for n in range(8)
    ]
    # These arrive on the last day, for the first; one of them is a changed copy that takes a line
    # to another day.
    lines += [
        order_line("late", DAY_ONE, item_id="1", received_date=days.dates[-1]),
        order_line("o-0", DAY_ONE + ONE_DAY, item_id="0", quantity=9, received_date=days.dates[-1]),
    ]
    rows = journeys(
        {"anna": [(f"+{n} 09:00", "product_view", {"product_id": f"{n}"}) for n in range(3)]}
    )
    shop.receive(rows, days)
    shop.order(lines, days)
    shop.stock(days.dates[-1], *({"product_id": f"{n}", "stock": 1} for n in range(3)))
    shop.run(days)
    at_once = shop.state()
    emptied(shop)
    for day in reversed(days.dates):
        single_day = Days((day,))
        shop.receive(rows, single_day)
        shop.order(lines, single_day)
        if day == days.dates[-1]:
            shop.stock(day, *({"product_id": f"{n}", "stock": 1} for n in range(3)))
        shop.run(single_day)
    assert shop.state() == at_once
    assert at_once["mart.inventory_alerts"] == []


LAST = DAY_ONE + 200 * ONE_DAY
"""The day that the stock is of."""


@cache
def warehouse() -> Backend:
    """A DuckDB in memory whose tables the tests exchange."""
    con = connect()
    con.con.register("stock", stock_rows((), LAST, "test").to_pyarrow())
    con.con.register("products", as_table([], ProductPerformance))
    return con


@cache
def alerts_sql(days: SalesDays) -> str:
    """Compile once per days of sales."""
    con, rule = warehouse(), InventoryRule()
    return str(
        con.compile(
            inventory.inventory_alerts(con.table("stock"), con.table("products"), days, rule)
        )
    )


def alerts(
    sold: Mapping[str, Mapping[int, int]],
    *lines: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]] = (),
    unknown: Iterable[int] = (),
) -> dict[str, tuple[Any, ...]]:
    """Return alerts where items were sold so many days before the stock's day,
    but of unknown days.
    """
    answer = [
        {"event_date": LAST - ago * ONE_DAY, "product_id": product, "sold_item_count": count}
        for product, counts in sold.items()
        for ago, count in counts.items()
    ]
    stock = [
        stock_rows(reported_then, day, "test").to_pyarrow()
        for reported_then, day in ((earlier, DAY_ONE), (lines, LAST))
    ]
    con = warehouse().con
    con.register("products", as_table(answer, ProductPerformance))
    con.register("stock", pa.concat_tables(stock))
    first = max((ago for counts in sold.values() for ago in counts), default=-1)
    known = [LAST - ago * ONE_DAY for ago in range(first + 1) if ago not in set(unknown)]
    days = SalesDays.from_dates(known, LAST, InventoryRule())
    actual = con.sql(alerts_sql(days)).to_arrow_table().to_pylist()
    return {row["product_id"]: (row["alert"], row["days_of_cover"]) for row in actual}


LONG_AGO = {"ancient": {199: 1}}
"""So that sales reach back far enough to show what sells no more."""


def test_who_has_none_left_is_out_of_stock_below_zero_too() -> None:
    actual = alerts(LONG_AGO, {"product_id": "a", "stock": 0}, {"product_id": "b", "stock": "-3"})
    assert actual == {"a": ("out_of_stock", None), "b": ("out_of_stock", None)}


def test_stock_is_low_below_the_reorder_point() -> None:
    lines = [{"product_id": f"{n}", "stock": n, "reorder_point": 5} for n in (4, 5)]
    assert alerts({"4": {0: 1}, "5": {0: 1}}, *lines) == {"4": ("low", 4.0)}


def test_stock_is_low_if_it_lasts_less_long_than_a_delivery_takes() -> None:
    # 56 in 28 days are two a day: 14 last a week.
    lines = [{"product_id": f"{n}", "stock": 14, "lead_time_days": n} for n in (7, 8)]
    sold = {"7": {27: 56}, "8": {27: 56}}
    assert alerts(sold, *lines) == {"8": ("low", 7.0)}


def test_stock_that_lasts_more_than_180_days_is_too_much() -> None:
    # 28 in 28 days are one a day.
    lines = [{"product_id": f"{n}", "stock": n} for n in (180, 181)]
    sold = {"180": {27: 28}, "181": {0: 28}, **LONG_AGO}
    assert alerts(sold, *lines) == {"181": ("overstock", 181.0)}


def test_what_was_not_sold_in_90_days_is_dead() -> None:
    sold = {"89": {89: 1}, "90": {90: 1}, **LONG_AGO}
    lines = [{"product_id": name, "stock": 1} for name in ("89", "90", "never")]
    assert alerts(sold, *lines) == {"90": ("dead", None), "never": ("dead", None)}


@pytest.mark.parametrize(("first", "dead"), [(88, False), (89, True)])
def test_nothing_is_dead_while_sales_reach_back_less_than_90_days(
    first: int, *, dead: bool
) -> None:
    assert bool(alerts({"other": {first: 1}}, {"product_id": "never", "stock": 1})) is dead


def test_days_of_which_no_sales_are_known_are_not_in_the_mean() -> None:
    # 1,028 items in 28 days are 36.71 a day, and in the 24 that are known 42.83: 100 last 2.33
    # days.
    line = {"product_id": "a", "stock": 100, "lead_time_days": 3}
    sold = {"a": {27: 514, 0: 514}}
    assert alerts(sold, line)["a"] == ("low", pytest.approx(100 / (1028 / 28)))
    assert alerts(sold, line, unknown=(3, 4, 5, 6))["a"] == (
        "low",
        pytest.approx(100 / (1028 / 24)),
    )


def test_a_product_is_dead_after_90_known_days_without_a_sale() -> None:
    # Of the 90 days since "90" was sold, one is unknown: it may have been sold then.
    sold = {"90": {90: 1}, "91": {91: 1}, **LONG_AGO}
    lines = [{"product_id": name, "stock": 1} for name in sold]
    assert set(alerts(sold, *lines)) == {"90", "91", "ancient"}
    assert set(alerts(sold, *lines, unknown=(40,))) == {"91", "ancient"}
    assert set(alerts(sold, *lines, unknown=(95,))) == {"90", "91", "ancient"}


@examples(100)
@given(
    known=st.sets(st.integers(-5, 150), max_size=150),
    last_sold=st.integers(0, 150) | st.none(),
)
def test_days_of_sales_are_those_of_a_plain_count(known: set[int], last_sold: int | None) -> None:
    """The numbers are days before the stock's day; those below zero come after it."""
    days = SalesDays.from_dates((LAST - ago * ONE_DAY for ago in known), LAST, InventoryRule())
    assert len(days.sales_days) == sum(0 <= ago < 28 for ago in known)
    since = {ago for ago in known if ago >= 0 and (last_sold is None or ago < last_sold)}
    is_dead = days.dead_from is not None and (
        last_sold is None or LAST - last_sold * ONE_DAY <= days.dead_from
    )
    assert is_dead == (len(since) >= 90)


def test_where_sales_reach_back_ten_days_the_mean_is_of_ten() -> None:
    actual = alerts({"a": {9: 5, 0: 5}}, {"product_id": "a", "stock": 3, "lead_time_days": 4})
    assert actual == {"a": ("low", 3.0)}


def test_sales_after_the_stock_s_day_do_not_count() -> None:
    assert alerts({"a": {-1: 100}}, {"product_id": "a", "stock": 1, "lead_time_days": 9}) == {}


def test_of_several_lines_the_last_good_one_counts_and_only_the_newest_day() -> None:
    old = [{"product_id": "old", "stock": 0}]
    lines: list[Row] = [
        {"product_id": "a", "stock": 0},
        {"product_id": "a", "stock": 5},
        {"product_id": "a", "stock": "many"},
    ]
    assert alerts({"a": {0: 1}}, *lines, {"product_id": "b", "stock": 0}, earlier=old) == {
        "b": ("out_of_stock", None)
    }


def test_without_stock_there_are_no_alerts() -> None:
    assert alerts({"a": {0: 1}}) == {}


def test_a_rule_of_no_days_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match="dead_days of 0 says nothing about stock; give 1 or more"
    ):
        InventoryRule(dead_days=0)
