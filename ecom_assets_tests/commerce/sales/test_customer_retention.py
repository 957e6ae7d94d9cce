"""Weekly retention, daily revenue and the calendar: stories with numbers,
and the definition in plain Python.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.commerce.orders.contracts import PriceLog
from ecom_assets.commerce.sales.contracts import (
    Calendar,
    CustomerRetention,
    Item,
    ProductSalesDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import OrderPlatform

SUNDAY = date(2026, 3, 8)
MONDAY = date(2026, 3, 9)
ONE_WEEK = timedelta(days=7)
DAYS = Days.between(SUNDAY, MONDAY + 3 * ONE_WEEK)


def run(shop: OrderPlatform, *rows: Row, days: Days = DAYS) -> None:
    shop.receive(rows, days)
    shop.run(days)


def week_of(shop: OrderPlatform, monday: date, category: str = "(all)", city: str = "(all)") -> Row:
    row: Row
    [row] = [
        row
        for row in shop.rows(CustomerRetention)
        if (row["week_start_date"], row["item_category"], row["city_id"])
        == (monday, category, city)
    ]
    return row


def people(week: Row) -> tuple[int, int, int]:
    return (
        week["new_customers_count"],
        week["returning_customers_count"],
        week["refunded_customers_count"],
    )


@pytest.mark.slow
def test_a_customer_is_new_in_the_week_of_the_first_order_ever_and_returning_later(
    shop: OrderPlatform,
) -> None:
    run(
        shop,
        order_line("a", SUNDAY, "anna"),
        order_line("b", MONDAY, "anna"),
        order_line("c", MONDAY, "ben"),
        order_line("d", MONDAY + timedelta(days=6), "ben"),
    )
    assert people(week_of(shop, SUNDAY - timedelta(days=6))) == (1, 0, 0)
    week = week_of(shop, MONDAY)
    assert people(week) == (1, 1, 0)
    assert (week["new_orders_count"], week["returning_orders_count"]) == (2, 1)
    assert (week["new_revenue_amount"], week["returning_revenue_amount"]) == (40, 20)
    assert (week["iso_year_number"], week["iso_week_number"]) == (2026, 11)


@pytest.mark.slow
def test_the_older_reading_counts_orders_in_the_week(shop: OrderPlatform) -> None:
    run(
        shop,
        order_line("a", SUNDAY, "anna"),
        order_line("b", MONDAY, "anna"),
        order_line("c", MONDAY, "ben"),
        order_line("d", MONDAY + timedelta(days=1), "ben"),
    )
    week = week_of(shop, MONDAY)
    assert (week["one_order_customers_count"], week["several_orders_customers_count"]) == (1, 1)


@pytest.mark.slow
def test_a_refund_stands_apart_and_its_customer_may_be_new_too(shop: OrderPlatform) -> None:
    run(
        shop,
        order_line("a", MONDAY, "anna"),
        order_line("a-r", MONDAY, "anna", status="refunded"),
        order_line("b-r", MONDAY, "ben", status="refunded", payment_amount=5),
    )
    week = week_of(shop, MONDAY)
    assert people(week) == (1, 0, 2)
    assert week["customers_count"] == 1
    assert week["new_revenue_amount"] == 20
    assert week["refunded_amount"] == -25


@pytest.mark.slow
def test_a_refund_is_no_first_order(shop: OrderPlatform) -> None:
    run(shop, order_line("a-r", SUNDAY, "anna", status="refunded"), order_line("b", MONDAY, "anna"))
    assert people(week_of(shop, MONDAY)) == (1, 0, 0)


@pytest.mark.slow
def test_new_is_said_of_the_customer_and_not_of_the_category_or_the_city(
    shop: OrderPlatform,
) -> None:
    run(
        shop,
        order_line("a", SUNDAY, "anna", item_category="hats"),
        order_line("b", MONDAY, "anna", item_category="shoes", city_id="2"),
        order_line("c", MONDAY, "ben", item_category="shoes", city_id="2"),
    )
    assert people(week_of(shop, MONDAY, "shoes", "2")) == (1, 1, 0)


@pytest.mark.slow
def test_a_line_without_a_category_counts_for_its_item_until_a_catalogue_names_it(
    shop: OrderPlatform,
) -> None:
    lines = (
        order_line("a", MONDAY, "anna", item_id="7"),
        order_line("b", MONDAY, "anna", item_id="8"),
    )
    run(shop, *({**line, "item_category": None} for line in lines))
    weeks = {row["item_category"] for row in shop.rows(CustomerRetention)}
    assert weeks == {"7", "8", "(all)"}
    assert people(week_of(shop, MONDAY)) == people(week_of(shop, MONDAY, "7")) == (1, 0, 0)
    run(shop, *({**line, "item_category": "hats"} for line in lines))
    assert {row["item_category"] for row in shop.rows(CustomerRetention)} == {"hats", "(all)"}


@pytest.mark.slow
def test_a_customer_of_two_cities_counts_in_each_and_once_in_the_total(shop: OrderPlatform) -> None:
    run(shop, order_line("a", MONDAY, city_id="1"), order_line("b", MONDAY, city_id="2"))
    assert (
        people(week_of(shop, MONDAY, city="1"))
        == people(week_of(shop, MONDAY, city="2"))
        == (1, 0, 0)
    )
    assert people(week_of(shop, MONDAY)) == (1, 0, 0)


@pytest.mark.slow
def test_an_older_order_that_comes_late_makes_a_later_week_s_customer_returning(
    shop: OrderPlatform,
) -> None:
    run(shop, order_line("b", MONDAY + ONE_WEEK, "anna"))
    assert people(week_of(shop, MONDAY + ONE_WEEK)) == (1, 0, 0)
    late = MONDAY + 2 * ONE_WEEK
    run(shop, order_line("a", MONDAY, "anna", received_date=late), days=Days((late,)))
    assert people(week_of(shop, MONDAY)) == (1, 0, 0)
    assert people(week_of(shop, MONDAY + ONE_WEEK)) == (0, 1, 0)


@pytest.mark.slow
def test_a_week_that_lost_its_only_order_is_gone(shop: OrderPlatform) -> None:
    run(shop, order_line("a", MONDAY))
    late = MONDAY + 2 * ONE_WEEK
    run(shop, order_line("a", late), days=Days((late,)))
    assert {row["week_start_date"] for row in shop.rows(CustomerRetention)} == {late}


# Daily revenue


@pytest.mark.slow
def test_a_day_s_revenue_is_what_was_shipped_less_what_was_refunded(shop: OrderPlatform) -> None:
    run(
        shop,
        order_line("a", MONDAY, "anna", quantity=3, payment_amount=30),
        order_line(
            "b", MONDAY, "ben", payment_amount=Decimal("10.50"), item_category="shoes", item_id="8"
        ),
        order_line("c", MONDAY, "ben", payment_amount=Decimal("0.50"), city_id="2"),
        order_line("r", MONDAY, "carl", payment_amount=4, status="refunded"),
    )
    rows = {
        (row["channel"], row["city_id"], row["item_category"]): row
        for row in shop.rows(RevenueDaily)
    }
    total = rows["(all)", "(all)", "(all)"]
    assert (total["shipped_amount"], total["refunded_amount"], total["revenue_amount"]) == (
        41,
        -4,
        37,
    )
    assert (total["order_count"], total["refund_count"], total["customer_count"]) == (2, 1, 2)
    assert (total["sold_item_count"], total["refunded_item_count"]) == (5, 1)
    assert total["average_order_value"] == pytest.approx(18.5)
    assert rows["(all)", "1", "(all)"]["revenue_amount"] == Decimal("36.50")
    assert rows["(all)", "2", "(all)"]["revenue_amount"] == Decimal("0.50")
    assert rows["(all)", "(all)", "shoes"]["revenue_amount"] == Decimal("10.50")
    assert rows["(none)", "(all)", "(all)"]["revenue_amount"] == 37
    items = {
        row["item_id"]: (row["revenue_amount"], row["order_count"])
        for row in shop.rows(ProductSalesDaily)
    }
    assert items == {"7": (Decimal("26.50"), 2), "8": (Decimal("10.50"), 1)}


@pytest.mark.slow
def test_a_day_of_refunds_alone_has_no_average(shop: OrderPlatform) -> None:
    run(shop, order_line("r", MONDAY, status="refunded"))
    assert {row["average_order_value"] for row in shop.rows(RevenueDaily)} == {None}


# Items


@pytest.mark.slow
def test_an_item_has_the_newest_price_that_a_report_has_of_its_name(shop: OrderPlatform) -> None:
    prices = [("Hat", MONDAY, 5), ("Hat", SUNDAY, 4), ("Shoe", SUNDAY, 9), ("Bag", MONDAY, 3)]
    names = ("item_name", "received_date", "price_amount")
    rows = [dict(zip(names, price, strict=True)) for price in prices]
    shop.engine.ensure(PriceLog)
    shop.engine.replace(PriceLog, in_memory(rows, PriceLog), DAYS)
    run(
        shop,
        order_line("a", MONDAY, item_id="7", item_name="Hat"),
        order_line("b", MONDAY, item_id="8", item_name="Shoe"),
        order_line("c", MONDAY, item_id="9", item_name=None),
    )
    actual = {
        row["item_id"]: (row["item_name"], row["price_amount"], row["price_date"])
        for row in shop.rows(Item)
    }
    shop.engine.replace(PriceLog, in_memory([], PriceLog), DAYS)
    assert actual == {
        "7": ("Hat", 5, MONDAY),
        "8": ("Shoe", 9, SUNDAY),
        "9": ("unknown", None, None),
    }


# The calendar


def test_the_calendar_is_python_s(shop: OrderPlatform) -> None:
    days = Days.between(date(2019, 12, 20), date(2021, 1, 15))
    shop.run(days, only=["calendar"])
    rows = shop.rows(Calendar)
    assert [row["calendar_date"] for row in rows] == list(days.dates)
    for row in rows:
        day = row["calendar_date"]
        assert (row["iso_year_number"], row["iso_week_number"], row["weekday_number"]) == tuple(
            day.isocalendar()
        )
        assert (row["year_number"], row["quarter_number"]) == (day.year, (day.month + 2) // 3)
        assert (row["month_number"], row["month_start_date"]) == (day.month, day.replace(day=1))
        assert row["week_start_date"] == day - timedelta(days=day.weekday())
        assert row["is_weekend"] == (day.weekday() >= 5)


# The definition, in plain Python


def expected_retention(sold: Sequence[Row]) -> dict[tuple[date, str, str], dict[str, Any]]:
    """METRICS word by word, one customer at a time."""
    first: dict[str, date] = {}
    for row in sold:
        if row["status"] == "shipped":
            first[row["customer_id"]] = min(
                first.get(row["customer_id"], date.max), row["order_date"]
            )
    cells: dict[tuple[date, str, str], list[Row]] = defaultdict(list)
    for row in sold:
        monday = row["order_date"] - timedelta(days=row["order_date"].weekday())
        own = row["item_id"] if row["item_category"] == "(none)" else row["item_category"]
        for category in (own, "(all)"):
            for city in (row["city_id"], "(all)"):
                cells[monday, category, city].append(row)
    return {cell: _counted(rows, first, cell[0]) for cell, rows in cells.items()}


def _counted(rows: Iterable[Row], first: dict[str, date], monday: date) -> dict[str, Any]:
    shipped = [row for row in rows if row["status"] == "shipped"]
    refunds = [row for row in rows if row["status"] == "refunded"]
    known = [row for row in shipped if row["customer_id"] != "(unknown)"]
    unknown = [row for row in shipped if row["customer_id"] == "(unknown)"]
    new = [row for row in known if first[row["customer_id"]] >= monday]
    returning = [row for row in known if first[row["customer_id"]] < monday]
    orders: dict[str, set[str]] = defaultdict(set)
    for row in known:
        orders[row["customer_id"]].add(row["order_id"])
    return {
        "customers_count": len(orders),
        "new_customers_count": len({row["customer_id"] for row in new}),
        "returning_customers_count": len({row["customer_id"] for row in returning}),
        "refunded_customers_count": len({row["customer_id"] for row in refunds} - {"(unknown)"}),
        "one_order_customers_count": sum(len(own) == 1 for own in orders.values()),
        "several_orders_customers_count": sum(len(own) > 1 for own in orders.values()),
        "new_orders_count": len({row["order_id"] for row in new}),
        "returning_orders_count": len({row["order_id"] for row in returning}),
        "refunded_orders_count": len({row["order_id"] for row in refunds}),
        "new_revenue_amount": sum(row["revenue_amount"] for row in new),
        "returning_revenue_amount": sum(row["revenue_amount"] for row in returning),
        "refunded_amount": sum(row["revenue_amount"] for row in refunds),
        "unknown_customer_orders_count": len({row["order_id"] for row in unknown}),
        "unknown_customer_revenue_amount": sum(row["revenue_amount"] for row in unknown),
    }


@pytest.mark.slow
@each("seed", seeds(range(40)))
def test_retention_is_its_definition(shop: OrderPlatform, seed: int) -> None:
    shop.clear()
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    rows = [
        order_line(
            f"o-{n}",
            dice.choice(DAYS.dates[:-1]),
            dice.choice((*"abcdef", "NA", r"\N")),
            city_id=dice.choice("12"),
            item_id=dice.choice("78"),
            item_category=dice.choice(("hats", None)),
            payment_amount=Decimal(dice.randint(0, 9999)) / 100,
            status=dice.choice((None, "shipped", "shipped", "refunded")),
        )
        for n in range(60)
    ]
    run(shop, *rows)
    names = [name for name in CustomerRetention.columns if name.endswith(("_count", "_amount"))]
    actual = {
        (row["week_start_date"], row["item_category"], row["city_id"]): {
            name: row[name] for name in names
        }
        for row in shop.rows(CustomerRetention)
    }
    assert actual == expected_retention(shop.rows(Sales))
