"""Order lines become clean ones: each once, the latest received copy,
and what is not clean has a reason.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.commerce.orders.checks import ACCOUNTED
from ecom_assets.commerce.orders.contracts import (
    ORDER_REJECT_REASONS,
    DuplicateOrders,
    QuarantinedOrders,
    RawUserOrderLog,
    UserOrderLog,
)
from ecom_assets.commerce.orders.orders import order_accounting
from ecom_assets.commerce.sales.contracts import (
    City,
    Customer,
    CustomerRetention,
    RevenueDaily,
    Sales,
)
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=14))


def run(shop: OrderPlatform, *rows: Row, days: Days = DAYS) -> None:
    shop.receive(rows, days)
    shop.run(days)


def kept(shop: OrderPlatform) -> list[tuple[str, Any]]:
    return [(row["uniq_id"], row["payment_amount"]) for row in shop.rows(UserOrderLog)]


BROKEN: dict[str, Row] = {
    "malformed_row": {"malformed_row": "1;2"},
    "left_out": {"left_out": "test_order"},
    "implausible_date": {"received_at": datetime(1970, 1, 1)},  # noqa: DTZ001 (UTC, as tables have it)
    "missing_uniq_id": {"uniq_id": None},
    "unparseable_date_time": {"ordered_at": None, "order_date": None, "date_time": "yesterday"},
    "future_date_time": {"order_date": WEDNESDAY},
    "missing_customer": {"customer_id": None},
    "missing_amount": {"payment_amount": None},
    "negative_amount": {"payment_amount": Decimal("-0.01")},
    "amount_too_large": {"payment_amount": Decimal("100000000.01")},
    "unknown_status": {"status": "lost"},
    "broken_proof": {"left_out": "holds: Total = Net + Tax"},
}


def test_a_line_that_is_not_clean_is_kept_apart_with_the_reason(shop: OrderPlatform) -> None:
    """Each line is named by what is wrong with it, in the name of its item."""
    lines = [
        order_line(f"o-{number}", MONDAY, item_name=reason) | broken
        for number, (reason, broken) in enumerate(BROKEN.items())
    ]
    run(shop, *lines)
    reasons = {row["item_name"]: row["reject_reason"] for row in shop.rows(QuarantinedOrders)}
    assert reasons == {reason: reason for reason in ORDER_REJECT_REASONS}
    assert shop.rows(UserOrderLog) == []


def test_the_first_reason_that_applies_is_given(shop: OrderPlatform) -> None:
    everything = {
        name: value for broken in reversed(BROKEN.values()) for name, value in broken.items()
    }
    run(shop, order_line("o-1", MONDAY) | everything)
    assert [row["reject_reason"] for row in shop.rows(QuarantinedOrders)] == ["malformed_row"]


def test_the_other_side_of_each_limit_is_clean(shop: OrderPlatform) -> None:
    tomorrow: Row = {"order_date": TUESDAY, "ordered_at": datetime(2026, 3, 10, 0, 30)}  # noqa: DTZ001 (UTC, as tables have it)
    largest: Row = {"payment_amount": 100_000_000, "quantity": 1_000_000}
    run(
        shop,
        order_line("early", MONDAY, **tomorrow),
        order_line("gift", MONDAY, payment_amount=0, customer_id="0"),
        order_line("whole stock", MONDAY, **largest),
    )
    assert kept(shop) == [("early", 20), ("gift", 0), ("whole stock", 100_000_000)]


ATTRIBUTES: list[tuple[Row, Decimal | int | None]] = [
    ({"quantity": Decimal(0), "status": "refunded"}, 0),
    ({"quantity": Decimal("1.5")}, Decimal("1.5")),
    ({"quantity": Decimal("0.35")}, Decimal("0.35")),
    ({"quantity": Decimal(-2), "status": "refunded"}, 2),
    ({"quantity": Decimal(-2)}, None),
    ({"quantity": None, "received_quantity": "some"}, None),
    ({"quantity": None, "received_quantity": None}, None),
    ({"quantity": Decimal(1_000_001)}, None),
    ({"item_id": None, "quantity": Decimal(1)}, 1),
    ({"received_tax_amount": "some", "quantity": Decimal(1)}, 1),
]
"""What a line says, and its number of items."""


def test_an_attribute_that_is_not_known_leaves_the_money_of_its_line(
    shop: OrderPlatform, subtests: pytest.Subtests
) -> None:
    lines = [
        order_line(f"o-{number}", MONDAY, payment_amount=30, order_id=f"order {number}") | said
        for number, (said, _) in enumerate(ATTRIBUTES)
    ]
    run(shop, *lines)
    rows = {row["uniq_id"]: row for row in shop.rows(UserOrderLog)}
    assert len(rows) == len(ATTRIBUTES)
    for number, (attributes, expected) in enumerate(ATTRIBUTES):
        with subtests.test(str(attributes)):
            line = rows[f"o-{number}"]
            assert (line["payment_amount"], line["quantity"]) == (30, expected)
            assert (line["item_id"] == "(none)") == ("item_id" in attributes)
            assert line["tax_amount"] is None


def test_a_placeholder_is_no_item_and_its_line_counts(shop: OrderPlatform) -> None:
    """`0` is an item: the real order history sells it 332 times."""
    placeholders = ("NA", "-", "undefined", r"\N", "(not set)")
    lines = [
        order_line(f"o-{number}", MONDAY, payment_amount=30, item_id=item, item_name=item)
        for number, item in enumerate(placeholders)
    ]
    run(shop, *lines, order_line("p", MONDAY, payment_amount=5, item_id="0", item_name="NAs & Co"))
    rows = [
        (row["item_id"], row["item_name"], row["payment_amount"]) for row in shop.rows(UserOrderLog)
    ]
    assert rows == [("(none)", None, 30)] * len(placeholders) + [("0", "NAs & Co", 5)]


@pytest.mark.slow
@pytest.mark.parametrize("customer", ["NA", "nan", r"\N", "undefined"])
def test_revenue_of_unknown_customers_is_in_all_tables_that_add_up_to_it(
    shop: OrderPlatform, customer: str
) -> None:
    """Anna buys for 20, two unknown people for 30 and 5: 55 in sales, by day, by week,
    and by customer.
    """
    lines = [
        order_line("o-1", MONDAY, payment_amount=20, customer_id="anna"),
        order_line("o-2", MONDAY, payment_amount=30, customer_id=customer),
        order_line("o-3", MONDAY, payment_amount=5, customer_id=customer),
    ]
    run(shop, *lines)
    assert sum(row["revenue_amount"] for row in shop.rows(Sales)) == 55
    assert {row["customer_id"]: row["revenue_amount"] for row in shop.rows(Customer)} == {
        "anna": 20,
        "(unknown)": 35,
    }
    dimensions = ("channel", "city_id", "item_category", "sales_channel")
    (day,) = (
        row for row in shop.rows(RevenueDaily) if {row[name] for name in dimensions} == {"(all)"}
    )
    assert (day["revenue_amount"], day["order_count"], day["customer_count"]) == (55, 3, 1)
    (week,) = (
        row
        for row in shop.rows(CustomerRetention)
        if row["item_category"] == row["city_id"] == "(all)"
    )
    named = week["new_revenue_amount"] + week["returning_revenue_amount"]
    assert (named, week["unknown_customer_revenue_amount"]) == (20, 35)
    assert week["unknown_customer_orders_count"] == 2


def test_a_line_without_status_was_shipped_and_raw_keeps_that_it_had_none(
    shop: OrderPlatform,
) -> None:
    run(shop, order_line("o-1", MONDAY), order_line("o-2", MONDAY, status="refunded"))
    assert [row["status"] for row in shop.rows(UserOrderLog)] == ["shipped", "refunded"]
    assert sorted(str(row["status"]) for row in shop.rows(RawUserOrderLog)) == ["None", "refunded"]


@pytest.mark.slow
def test_copies_that_differ_in_id_only_are_one_line(shop: OrderPlatform) -> None:
    run(shop, *(order_line("o-1", MONDAY, id=str(n), id_number=n) for n in (1, 2, 10)))
    assert [row["id"] for row in shop.rows(UserOrderLog)] == ["10"]
    assert [row["surplus_count"] for row in shop.rows(DuplicateOrders)] == [2]


@pytest.mark.slow
def test_the_latest_arrival_counts_whatever_day_it_says(shop: OrderPlatform) -> None:
    corrected = order_line("o-1", TUESDAY, received_date=WEDNESDAY, payment_amount=25)
    run(shop, order_line("o-1", MONDAY), corrected)
    assert [(row["order_date"], row["payment_amount"]) for row in shop.rows(UserOrderLog)] == [
        (TUESDAY, 25)
    ]
    [surplus] = shop.rows(DuplicateOrders)
    assert (surplus["received_date"], surplus["order_date"]) == (MONDAY, MONDAY)
    assert (surplus["surplus_count"], surplus["kept_received_date"]) == (1, WEDNESDAY)


@pytest.mark.slow
def test_a_correction_months_later_moves_the_line_in_a_run_over_its_day_of_arrival_alone(
    shop: OrderPlatform,
) -> None:
    run(shop, order_line("o-1", MONDAY), order_line("o-2", MONDAY), order_line("o-3", TUESDAY))
    later = MONDAY + timedelta(days=90)
    run(
        shop,
        order_line("o-1", TUESDAY, received_date=later, payment_amount=25),
        order_line("o-4", later),
        days=Days((later,)),
    )
    sold = [(row["uniq_id"], row["order_date"], row["revenue_amount"]) for row in shop.rows(Sales)]
    assert sold == [
        ("o-1", TUESDAY, 25),
        ("o-2", MONDAY, 20),
        ("o-3", TUESDAY, 20),
        ("o-4", later, 20),
    ]
    once_more = shop.state()
    shop.run(Days.between(MONDAY, later + timedelta(days=1)))
    shop.run(Days((later,)))
    after = shop.state()
    # Days on which nothing happened are in the calendar once they were run.
    assert {**after, "mart.calendar": []} == {**once_more, "mart.calendar": []}


def test_lines_of_a_customer_at_one_instant_are_one_order_unless_the_source_says_otherwise(
    shop: OrderPlatform,
) -> None:
    run(
        shop,
        order_line("a", MONDAY),
        order_line("b", MONDAY),
        order_line("c", MONDAY, customer_id="ben"),
        order_line("d", MONDAY, order_id="X-1"),
    )
    ids = [row["order_id"] for row in shop.rows(UserOrderLog)]
    assert ids == ["anna-1773057600", "anna-1773057600", "ben-1773057600", "X-1"]


def test_refunds_are_negative_sales(shop: OrderPlatform) -> None:
    run(
        shop,
        order_line("o-1", MONDAY, quantity=2),
        order_line("o-1-r", TUESDAY, quantity=2, status="refunded"),
    )
    assert [(row["quantity"], row["revenue_amount"]) for row in shop.rows(Sales)] == [
        (2, 20),
        (-2, -20),
    ]
    [anna] = shop.rows(Customer)
    assert (anna["shipped_amount"], anna["refunded_amount"], anna["revenue_amount"]) == (20, -20, 0)
    assert (anna["order_count"], anna["first_order_date"], anna["last_order_date"]) == (
        1,
        MONDAY,
        MONDAY,
    )


def test_a_city_has_region_and_country_where_its_name_is_known_or_the_source_says_it(
    shop: OrderPlatform,
) -> None:
    run(
        shop,
        order_line("a", MONDAY),
        order_line("b", MONDAY, city_id="2", city_name="Ярославль"),
        order_line("c", MONDAY, city_id="3", city_name="Nowhere"),
        order_line("d", MONDAY, city_id="4", city_name="Springfield", country="United States"),
        order_line("e", MONDAY, city_id=None, city_name=None),
    )
    actual = [
        (row["city_id"], row["city_name"], row["region"], row["country"]) for row in shop.rows(City)
    ]
    assert actual == [
        ("(none)", "unknown", "unknown", "unknown"),
        ("1", "Berlin", "Berlin", "Germany"),
        ("2", "Ярославль", "Yaroslavl Oblast", "Russia"),
        ("3", "Nowhere", "unknown", "unknown"),
        ("4", "Springfield", "unknown", "United States"),
    ]


def test_a_dimension_shows_what_the_latest_line_says(shop: OrderPlatform) -> None:
    run(
        shop,
        order_line("a", MONDAY, first_name="Ann", city_id="1"),
        order_line("b", WEDNESDAY, first_name="Anna", city_id="2"),
        order_line("c", TUESDAY, first_name="An", city_id="3"),
    )
    [anna] = shop.rows(Customer)
    assert (anna["first_name"], anna["city_id"], anna["order_count"]) == ("Anna", "2", 3)


def test_a_category_or_city_that_calls_itself_all_does_not_pass_for_the_total(
    shop: OrderPlatform,
) -> None:
    run(shop, order_line("a", MONDAY, city_id="(all)", item_category="(all)"))
    [sold] = shop.rows(Sales)
    assert (sold["city_id"], sold["item_category"], sold["channel"]) == (
        "(none)",
        "(none)",
        "(none)",
    )


@pytest.mark.slow
def test_each_received_line_is_clean_quarantined_or_surplus_on_the_day_it_came(
    shop: OrderPlatform,
) -> None:
    run(
        shop,
        order_line("a", MONDAY),
        order_line("a", MONDAY, received_date=TUESDAY),
        order_line("b", MONDAY, status="lost"),
        order_line("b", MONDAY, received_date=TUESDAY),
    )
    per_day = order_accounting(DAYS, *(shop.table(table) for table in ACCOUNTED)).order_by("day")
    actual = shop.engine.con.to_pyarrow(per_day).to_pylist()
    assert [tuple(row.values()) for row in actual] == [
        (MONDAY, 2, 0, 1, 1, 0, 0, 0),
        (TUESDAY, 2, 2, 0, 0, 0, 0, 0),
    ]
