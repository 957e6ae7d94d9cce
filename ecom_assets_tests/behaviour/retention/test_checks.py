"""The checks about cohorts and carts: the one wrong row is found.

That good data pass is asked in `test_checks.py`.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ecom_assets.behaviour.funnels.checks import carts_agree
from ecom_assets.behaviour.retention.checks import RETENTION_CHECKS
from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, Step, journeys
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))
PEOPLE: dict[str, list[Step]] = {
    "anna": [
        ("09:00", "add_to_cart", {"cart_amount": 20}),
        ("+1 10:00", "purchase", {"cart_amount": 20}),
    ],
    "ben": [("09:00", "page_view"), ("+2 09:00", "add_to_cart")],
}

# Each breaks the tables in one way, and these checks, no others, notice.
DAMAGE = {
    "a day's visitors are lost": (
        "DELETE FROM mart.returning_visitors_daily WHERE event_date = first_date",
        {
            "visitors_and_purchases_agree",
            "everybody_is_in_one_cohort",
        },
    ),
    "a day outlives its visitors": (
        "DELETE FROM mart.session_days WHERE visitor_id = 'ben'",
        {
            "visitors_and_purchases_agree",
        },
    ),
    "a purchase is a cent off": (
        "UPDATE mart.returning_visitors_daily SET revenue_amount = revenue_amount + 0.01",
        {
            "visitors_and_purchases_agree",
        },
    ),
    "somebody came before they first did": (
        (
            "UPDATE mart.returning_visitors_daily SET first_date = DATE '2027-01-01' WHERE "
            "event_date > first_date"
        ),
        {"visitors_and_purchases_agree"},
    ),
    "a cohort is lost": (
        "DELETE FROM mart.retention_cohorts WHERE period = 'week' AND cohort_by = 'first_activity'",
        {
            "everybody_is_in_one_cohort",
        },
    ),
    "cohorts outlive their days": (
        "DELETE FROM mart.returning_visitors_daily WHERE cohort_by = 'first_purchase'",
        {
            "everybody_is_in_one_cohort",
        },
    ),
    "a cohort has one too many": (
        "UPDATE mart.retention_cohorts SET visitor_count = visitor_count + 1",
        {
            "everybody_is_in_one_cohort",
            "retention_only_falls",
        },
    ),
    "more come back later on": (
        "UPDATE mart.retention_cohorts SET returned_on_or_after_count = 9 WHERE period_number = 1",
        {"retention_only_falls"},
    ),
    "more come on a day than from then on": (
        "UPDATE mart.retention_cohorts SET returned_on_count = 9 WHERE period_number = 1",
        {"retention_only_falls"},
    ),
    "a longer horizon leaves more behind": (
        "UPDATE mart.cart_abandonment SET abandoned_cart_count = 9 WHERE horizon_s = 604800",
        {"carts_agree"},
    ),
    "more are recovered than bought": (
        "UPDATE mart.cart_abandonment SET recovered_cart_count = 9",
        {"carts_agree"},
    ),
    "a session's cart is lost": (
        "DELETE FROM mart.cart_abandonment WHERE unit = 'session'",
        {"carts_agree"},
    ),
    "a session is lost": ("DELETE FROM mart.sessions", {"carts_agree"}),
}


@pytest.fixture(scope="module")
def good_shop() -> Iterator[Platform]:
    platform = Platform()
    platform.receive(journeys(PEOPLE), DAYS)
    platform.run(DAYS)
    yield platform
    platform.close()


def result(shop: Platform, table_check: TableCheck, days: Days | None) -> CheckResult:
    return table_check.evaluate(days, *(shop.table(table) for table in table_check.tables))


@pytest.mark.slow
@each("days", [DAYS, None])
@each("damage", DAMAGE)
def test_a_check_goes_red_when(good_shop: Platform, damage: str, days: Days | None) -> None:
    sql, expected = DAMAGE[damage]
    with good_shop.made_good_again() as shop:
        shop.engine.execute(sql)
        checks = (*RETENTION_CHECKS, carts_agree)
        actual = {check.name: result(shop, check, days) for check in checks}
    assert {name for name, row in actual.items() if row.broken_count} == expected
    assert all(row.examples for row in actual.values() if row.broken_count)
    assert "anna" not in str([row.examples for row in actual.values()])
