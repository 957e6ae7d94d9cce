"""The checks about order lines and sales: good data pass, and the one wrong row is found."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from ecom_assets.commerce.orders.checks import order_checks
from ecom_assets.commerce.orders.contracts import HeldOrderDays, PriceLog, RawUserOrderLog
from ecom_assets.commerce.orders.held_days import OrderGate
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.sales.checks import SALES_CHECKS
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import order_line
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import NO_GATE, OrderPlatform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=7))
SAID = {"gross_amount": 22, "discount_amount": 2, "payment_fee_amount": 1}
MONEY_BACK = {"item_id": "refund", "payment_amount": 4, "status": "refunded"}
ROWS = (
    order_line("a", MONDAY, "anna", **SAID),
    order_line("a", MONDAY, "anna", received_date=MONDAY + timedelta(days=3), **SAID),
    order_line("b", MONDAY + timedelta(days=1), "ben", item_category="shoes", payment_amount=5),
    order_line("c", MONDAY + timedelta(days=2), "cara", city_id="2", status="refunded"),
    order_line("d", MONDAY + timedelta(days=6), "dora", payment_amount=-1),
    order_line("e", MONDAY, "eve", order_id="E"),
    order_line("f", MONDAY + timedelta(days=3), "eve", order_id="E", **MONEY_BACK),
)
PRICES = [
    {"item_name": "Hat", "received_date": MONDAY + timedelta(days=day), "price_amount": price}
    for day, price in ((0, 9), (4, 10))
]
SET_END = "UPDATE mart.item_prices SET valid_to_date = {} WHERE price_amount = {}"
ORDER_CHECKS = order_checks(OrderRule(), 3, by_day=False)
CHECKS = [*ORDER_CHECKS, *SALES_CHECKS]

# Each breaks the tables in one way, and these checks, no others, notice.
DAMAGE = {
    "a line is lost": (
        "DELETE FROM staging.user_order_log WHERE uniq_id = 'b'",
        {
            "received_lines_are_accounted_for",
            "sales_are_the_order_lines",
        },
    ),
    "a refused line is lost": (
        "DELETE FROM staging.quarantined_orders",
        {
            "received_lines_are_accounted_for",
        },
    ),
    "a surplus copy is counted twice": (
        "UPDATE staging.duplicate_orders SET surplus_count = 2",
        {
            "received_lines_are_accounted_for",
        },
    ),
    "a line moved and its old row stayed": (
        (
            "INSERT INTO staging.user_order_log SELECT * REPLACE (DATE '2026-03-01' AS order_date, "
            "DATE '2026-03-09' AS received_date) FROM staging.user_order_log WHERE uniq_id = 'a'"
        ),
        {"received_lines_are_accounted_for"},
    ),
    "an amount is a cent off": (
        "UPDATE mart.sales SET revenue_amount = revenue_amount + 0.01 WHERE uniq_id = 'b'",
        {
            "sales_are_the_order_lines",
            "items_add_up_to_sales",
            "dimensions_add_up_to_total",
            "new_and_returning_are_all",
        },
    ),
    "a refund is no item's": (
        (
            "UPDATE mart.sales SET uniq_id = 'f', item_id = 'refund', refund_line_id = NULL "
            "WHERE refund_line_id = 'f'"
        ),
        {"refunds_have_items"},
    ),
    "a refund has its tax in it": (
        "UPDATE staging.user_order_log SET payment_amount = 23.80 WHERE uniq_id = 'f'",
        {"refunds_are_no_more_than_sales", "sales_are_the_order_lines"},
    ),
    "a city is missing": ("DELETE FROM mart.city WHERE city_id = '2'", {"dimensions_are_there"}),
    "a price ends before the next": (
        SET_END.format("DATE '2026-03-12'", 9),
        {"prices_follow_each_other"},
    ),
    "a price ends after the next began": (
        SET_END.format("DATE '2026-03-14'", 9),
        {"prices_follow_each_other"},
    ),
    "two prices are current": (SET_END.format("NULL", 9), {"prices_follow_each_other"}),
    "no price is current": (SET_END.format("DATE '2026-03-16'", 10), {"prices_follow_each_other"}),
    "an item's day is lost": (
        "DELETE FROM mart.product_sales_daily WHERE order_date = DATE '2026-03-10'",
        {
            "items_add_up_to_sales",
        },
    ),
    "a category is lost": (
        "DELETE FROM mart.revenue_daily WHERE item_category = 'shoes'",
        {
            "dimensions_add_up_to_total",
        },
    ),
    "a total is wrong": (
        (
            "UPDATE mart.revenue_daily SET refunded_amount = -1 WHERE channel = '(all)' AND "
            "city_id = '(all)' AND item_category = '(all)' AND order_date = DATE '2026-03-11'"
        ),
        {"dimensions_add_up_to_total"},
    ),
    "somebody is neither new nor returning": (
        "UPDATE mart.customer_retention SET new_customers_count = 0",
        {
            "new_and_returning_are_all",
        },
    ),
    "a week's revenue is lost": (
        "UPDATE mart.customer_retention SET new_revenue_amount = 0",
        {
            "new_and_returning_are_all",
        },
    ),
}


def good_shop() -> Iterator[OrderPlatform]:
    platform = OrderPlatform()
    platform.engine.ensure(PriceLog)
    platform.engine.replace(PriceLog, in_memory(PRICES, PriceLog), DAYS)
    platform.receive(ROWS, DAYS)
    platform.run(DAYS)
    yield platform
    platform.close()


@pytest.fixture(scope="module")
def opened() -> Iterator[OrderPlatform]:
    yield from good_shop()


@pytest.fixture
def shop(opened: OrderPlatform) -> Iterator[OrderPlatform]:
    """A good shop; what a test damages is whole again after it."""
    with opened.made_good_again():
        yield opened


@pytest.fixture
def own_shop() -> Iterator[OrderPlatform]:
    """A good shop for a test that runs it again."""
    yield from good_shop()


def evaluated(shop: OrderPlatform, check: TableCheck, days: Days | None = DAYS) -> CheckResult:
    return check.evaluate(days, *(shop.table(table) for table in check.tables))


@pytest.mark.slow
@each("days", [DAYS, None])
def test_every_check_holds_on_good_data(opened: OrderPlatform, days: Days | None) -> None:
    for check in CHECKS:
        result = evaluated(opened, check, days)
        assert (result.broken_count, result.examples) == (0, []), check.name
        assert result.looked_at_count > 0, check.name


@pytest.mark.slow
@each("damage", DAMAGE)
def test_the_one_wrong_row_is_found_by_the_checks_it_breaks(
    opened: OrderPlatform, damage: str
) -> None:
    statement, expected = DAMAGE[damage]
    with opened.made_good_again() as shop:
        shop.engine.execute(statement)
        results = {check.name: evaluated(shop, check) for check in CHECKS}
    assert {name for name, result in results.items() if result.broken_count} == expected
    assert all(results[name].examples for name in expected)


def test_examples_name_no_customer(shop: OrderPlatform) -> None:
    shop.engine.execute("DELETE FROM mart.customer")
    [check] = [check for check in CHECKS if check.name == "dimensions_are_there"]
    shown = str(evaluated(shop, check).examples)
    assert "customer_id" in shown
    assert "anna" not in shown


@pytest.mark.slow
@pytest.mark.parametrize(("customers", "passes"), [(3, False), (4, True)])
def test_a_report_needs_more_customers_than_the_limit(
    own_shop: OrderPlatform, customers: int, *, passes: bool
) -> None:
    own_shop.receive([order_line(f"o-{n}", MONDAY, f"c-{n}") for n in range(customers)], DAYS)
    result = evaluated(own_shop, ORDER_CHECKS[1])
    assert (result.broken_count == 0) is passes
    assert (result.observed, result.limit) == (customers, 3)


@pytest.mark.slow
def test_a_report_must_be_there(own_shop: OrderPlatform) -> None:
    assert evaluated(own_shop, ORDER_CHECKS[0]).broken_count == 0
    own_shop.receive([], DAYS)
    result = evaluated(own_shop, ORDER_CHECKS[0])
    assert (result.broken_count, result.observed, result.limit) == (1, 0, 1)


@pytest.mark.slow
def test_refunds_with_a_tax_in_them_are_more_than_what_was_sold(own_shop: OrderPlatform) -> None:
    """Of three orders 2.16 more came back than the goods cost: 27.00 sold, 29.16 with 8 % tax. Of
    an exchange at a till, and of dollars whose rate rose, it is nothing that a mapping could mend.
    A free sample that was sent after the refund, of the first order, changes nothing.
    """
    back = {"status": "refunded", "payment_amount": Decimal("29.16")}
    dollars = {"received_currency": "usd", "currency": "EUR"}
    later = datetime(2026, 3, 11, 12)  # noqa: DTZ001 (UTC, as tables have it)
    of_till = {"ordered_at": later, "order_date": later.date()}
    lines = [
        order_line("a", MONDAY, "anna", order_id="A", payment_amount=27),
        order_line("b", later.date(), "anna", order_id="A", **back),
        order_line("g", MONDAY + timedelta(days=4), "anna", order_id="A", payment_amount=0),
        order_line("c", later.date(), "ben", order_id="B", payment_amount=27, **of_till),
        order_line("d", later.date(), "ben", order_id="B", **back, **of_till),
        order_line("e", MONDAY, "cara", order_id="C", payment_amount=27, **dollars),
        order_line("f", later.date(), "cara", order_id="C", **back, **dollars),
    ]
    own_shop.receive(lines, DAYS)
    own_shop.run(DAYS)
    [check] = [check for check in CHECKS if check.name == "refunds_are_no_more_than_sales"]
    result = evaluated(own_shop, check)
    assert (result.broken_count, result.looked_at_count) == (1, 1)
    assert str(result.metadata["sentence"]).startswith(
        "29.16 were paid back for 1 order whose goods were sold for 27.00, such as A; see whether "
    )


def held_sentence(
    observed: int, limit: int, *, others: int = 0, reason: str = "too_few_customers"
) -> str:
    [check, *_] = order_checks(OrderRule(), limit, by_day=True)
    held = [
        {
            "held_date": MONDAY + timedelta(days=number),
            "reason": reason,
            "observed_count": observed,
            "limit_count": limit,
            "held_row_count": 2,
            "held_at": datetime(2026, 3, 10),  # noqa: DTZ001 (UTC, as tables have it)
        }
        for number in reversed(range(1 + others))
    ]
    result = check.evaluate(DAYS, in_memory(held, HeldOrderDays))
    assert result.broken_count == 1 + others
    return str(result.metadata["sentence"])


def test_the_sentence_about_a_day_without_a_report_names_no_limit() -> None:
    assert held_sentence(0, 3, reason="report_missing") == (
        "The order lines of 2026-03-09 are held back and count nowhere: no order report came; "
        "load its report, or let the day in with `ecom release orders 2026-03-09`."
    )


def test_the_sentence_about_held_days_is_about_the_first_and_counts_the_others() -> None:
    assert held_sentence(1, 3, others=1) == (
        "The order lines of 2026-03-09 (and 1 more day, which `ecom status` lists) are held back "
        "and count nowhere: its order report has 1 customer, and 3 or fewer are too few; load a "
        "report of more customers, or let the day in with `ecom release orders 2026-03-09`; for a "
        "small shop, set ECOM_ORDER_CUSTOMERS_OVER lower."
    )
    assert " (and 2 more days, which `ecom status` lists) are held" in held_sentence(1, 3, others=2)


def test_no_lower_limit_is_suggested_where_there_is_none() -> None:
    assert held_sentence(0, 0).endswith(
        "its order report has 0 customers, and 0 or fewer are too few; load a report of more "
        "customers, or let the day in with `ecom release orders 2026-03-09`."
    )


@pytest.mark.slow
def test_held_days_are_reported_and_their_neighbours_go_on(own_shop: OrderPlatform) -> None:
    [held, *_, accounted] = order_checks(OrderRule(), 1, by_day=True)
    assert not held.blocking
    few = [order_line("o-1", MONDAY, "anna"), order_line("o-2", MONDAY, "anna", payment_amount=-1)]
    many = [order_line(f"p-{n}", MONDAY + timedelta(days=1), f"c-{n}") for n in range(2)]
    own_shop.rules["order_gate"] = OrderGate(1, lambda days: Days(days.dates[:3]))
    own_shop.receive([*few, *many], DAYS)
    own_shop.run(DAYS)
    result = evaluated(own_shop, held)
    assert (result.broken_count, result.looked_at_count) == (2, 7)
    assert [
        (example["day"], example["reason"], example["observed_count"], example["held_row_count"])
        for example in result.examples
    ] == [
        ("2026-03-09", "too_few_customers", 1, 1),
        ("2026-03-11", "report_missing", 0, 0),
    ]
    assert evaluated(own_shop, held, Days((MONDAY + timedelta(days=1),))).broken_count == 0
    assert evaluated(own_shop, accounted).broken_count == 0
    assert {row["uniq_id"] for row in own_shop.rows(Sales)} == {"p-0", "p-1"}
    own_shop.engine.execute(
        "UPDATE staging.held_order_days SET held_row_count = 2 WHERE reason = 'too_few_customers'"
    )
    assert evaluated(own_shop, accounted).broken_count == 1
    own_shop.rules["order_gate"] = NO_GATE


def test_checks_that_what_is_built_on_a_table_relies_on_hold_it_back() -> None:
    blocking = {check.name for check in CHECKS if check.blocking}
    assert blocking == {
        "amounts_are_of_one_currency",
        "report_was_generated",
        "report_has_enough_customers",
        "received_lines_are_accounted_for",
        "sales_are_the_order_lines",
    }


def test_money_is_compared_to_the_cent(shop: OrderPlatform) -> None:
    shop.engine.execute(
        "UPDATE mart.sales SET revenue_amount = revenue_amount - 0.01 WHERE uniq_id = 'a'"
    )
    [check] = [check for check in CHECKS if check.name == "sales_are_the_order_lines"]
    [example] = evaluated(shop, check).examples
    assert example["money_residue"] == Decimal("0.01")


UPLOADED = "upload-000001-001.parquet"
TUESDAY = MONDAY + timedelta(days=1)


@each(
    "files, uploaded_days, failed",
    [
        # A line of nobody: a report of it is incomplete, what a person sent is not.
        (["own.csv"], [], ["report_has_enough_customers"]),
        (["own.csv"], [MONDAY], ["report_has_enough_customers"]),
        ([UPLOADED, "own.csv"], [MONDAY], ["report_has_enough_customers"]),
        ([UPLOADED], [MONDAY], []),
        # No line: of an upload that was taken back its days stay.
        ([], [], ["report_was_generated", "report_has_enough_customers"]),
        ([], [TUESDAY], ["report_was_generated", "report_has_enough_customers"]),
        ([], [MONDAY], []),
    ],
)
def test_a_run_over_uploads_alone_waits_for_no_report(
    files: list[str], uploaded_days: list[date], failed: list[str]
) -> None:
    lines = [
        order_line(f"a-{number}", MONDAY, "anna", source_file=file) | {"customer_id": None}
        for number, file in enumerate(files)
    ]
    raw = in_memory(lines, RawUserOrderLog)
    gates = order_checks(OrderRule(), 0, by_day=False, uploaded_days=lambda: uploaded_days)[:2]
    results = {gate.name: gate.function(Days((MONDAY,)), raw) for gate in gates}
    assert failed == [
        name
        for name, result in results.items()
        if isinstance(result, CheckResult) and result.broken_count
    ]
