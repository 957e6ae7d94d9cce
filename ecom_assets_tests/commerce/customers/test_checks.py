"""The checks about segments and expected value: good data pass, and the one wrong row is found."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.customers.assets import VALUE_ASSETS
from ecom_assets.commerce.customers.checks import VALUE_CHECKS
from ecom_assets.commerce.customers.value import ValueRule
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.sales.contracts import Customer, Sales
from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import order_line
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import OrderPlatform, Platform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=60))
pytestmark = pytest.mark.xdist_group("customer_checks")
CHECKS = VALUE_CHECKS
ROWS = [
    order_line(
        f"o-{who}-{n}",
        MONDAY + timedelta(days=n * (who + 3) % 60),
        f"c{who}",
        payment_amount=5 + who * n % 7,
    )
    for who in range(12)
    for n in range(2 + who % 4)
] + [order_line("back", MONDAY, "zoe", status="refunded")]

# Each breaks the tables in one way, and these checks, no others, notice.
DAMAGE = {
    "a customer is in no segment": (
        "DELETE FROM mart.customer_segments WHERE customer_id = 'c3'",
        {
            "segmented_are_the_customers",
            "valued_are_the_segmented",
        },
    ),
    "an order is not counted": (
        "UPDATE mart.customer_segments SET order_count = 9 WHERE customer_id = 'c3'",
        {
            "segmented_are_the_customers",
        },
    ),
    "revenue is a cent off": (
        (
            "UPDATE mart.customer_segments SET revenue_amount = revenue_amount + 0.01 WHERE "
            "customer_id = 'c3'"
        ),
        {"segmented_are_the_customers"},
    ),
    "a customer has no value": (
        "DELETE FROM mart.lifetime_value WHERE customer_id = 'c3'",
        {
            "valued_are_the_segmented",
        },
    ),
    "a chance is missing without a reason": (
        "UPDATE mart.lifetime_value SET alive_probability = NULL WHERE customer_id = 'c3'",
        {"valued_are_the_segmented"},
    ),
    "there is a reason beside a value": (
        (
            "UPDATE mart.lifetime_value SET no_order_value_reason = 'no_spread' WHERE "
            "customer_id = 'c3'"
        ),
        {"valued_are_the_segmented"},
    ),
}


@pytest.fixture(scope="module")
def opened() -> Iterator[OrderPlatform]:
    platform = OrderPlatform()
    platform.receive(ROWS, DAYS)
    platform.run(
        DAYS,
        only=(
            "changed_order_days",
            "held_order_days",
            "duplicate_orders",
            "user_order_log",
            "customer",
            "sales",
        ),
    )
    fill(platform)
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: OrderPlatform) -> Iterator[OrderPlatform]:
    """A good shop; what a test damages is whole again after it."""
    with opened.made_good_again():
        yield opened


def fill(shop: Platform) -> None:
    """Compute segments and value of the orders and sessions that there are."""
    sold, sessions = shop.table(Sales), shop.table(Sessions)
    segments, value = VALUE_ASSETS
    shop.engine.replace(segments.contract, segments(sold, sessions), None)
    shop.engine.replace(value.contract, value(sold, sessions, ValueRule(), OrderRule()), None)


def evaluated(shop: Platform, check: TableCheck) -> CheckResult:
    return check.evaluate(DAYS, *(shop.table(table) for table in check.tables))


@pytest.mark.slow
def test_every_check_holds_on_good_data(shop: OrderPlatform) -> None:
    for check in CHECKS:
        result = evaluated(shop, check)
        assert (result.broken_count, result.examples) == (0, []), check.name
        assert result.looked_at_count == 12, "who only got money back is nobody's"


@each("damage", DAMAGE)
def test_the_one_wrong_row_is_found_by_the_checks_it_breaks(
    opened: OrderPlatform, damage: str
) -> None:
    statement, expected = DAMAGE[damage]
    with opened.made_good_again() as shop:
        shop.engine.execute(statement)
        results = {check.name: evaluated(shop, check) for check in CHECKS}
    assert {name for name, result in results.items() if result.broken_count} == expected
    for name in expected:
        assert len(results[name].examples) == 1
        assert "c3" not in str(results[name].examples), "examples name no customer"


@pytest.mark.slow
def test_where_a_shop_has_no_orders_there_is_nothing_to_compare_with(shop: OrderPlatform) -> None:
    shop.engine.execute(f"DELETE FROM {Customer.qualified_name()} WHERE true")
    by_name = {check.name: evaluated(shop, check) for check in CHECKS}
    result = by_name["segmented_are_the_customers"]
    assert (result.broken_count, result.looked_at_count) == (0, 0)
    assert by_name["valued_are_the_segmented"].looked_at_count == 12
