"""What `docs/metrics.md` says about customers, recomputed from its own input."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from ecom_assets.customers.contracts import CustomerProfiles, Customers
from ecom_assets.customers.queries import customer_counts
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.market_segments import market_segments
from ecom_assets_tests.markdown import Line, section
from ecom_assets_tests.platform import Platform
from ecom_assets_tests.test_metrics_doc import DAYS, PAGE, as_shown, rows_of, run, tables


@pytest.fixture
def platform() -> Iterator[Platform]:
    one = Platform()
    yield one
    one.close()


def described(platform: Platform) -> list[Line]:
    """Let the customers of the page be fetched and do what it says; return how it describes them."""
    answer, done, expected = tables("Fields of a customer")
    same = {"created_at": "2025-01-01T00:00:00Z", "updated_at": "2026-03-01T00:00:00Z"}
    platform.receive_customers([{**line, "id": int(line["id"]), **same} for line in answer], date(2026, 3, 10))
    run(platform, [row | {"cart_amount": Decimal(row["cart_amount"] or 0)} for row in rows_of(done)])
    return expected


def test_customers_are_described_as_the_page_says(platform: Platform) -> None:
    expected = described(platform)
    assert as_shown(platform.rows(Customers), expected) == expected
    counts = customer_counts(platform.table(Customers), market_segments().names)
    flaws = {"email": 2, "last_login_at": 2, "first_name": 1, "last_name": 1}
    assert (counts["mean_data_quality_score"], counts["flawed_fields"]) == (85, flaws)


def test_customers_are_counted_by_profile_as_the_page_says(platform: Platform) -> None:
    described(platform)
    (expected,) = tables("Profiles of customers")
    assert as_shown(platform.rows(CustomerProfiles), expected) == expected


def test_versions_begin_and_end_as_the_page_says(platform: Platform) -> None:
    answer, expected = tables("Versions of a customer")
    for line in answer:
        record = {"id": 1, "city": line["city"], "last_login_at": line["last_login_at"]}
        platform.receive_customers([record], date.fromisoformat(line["received_date"]))
    platform.run(DAYS, only=["customers"])
    assert as_shown(platform.rows(Customers), expected) == expected


def test_the_thresholds_of_the_page_are_those_of_the_settings() -> None:
    text = " ".join(section(PAGE, "Fields of a customer").text.split())
    one = Settings()
    assert f"`ECOM_CUSTOMER_ACTIVE_DAYS` ({one.customer_active_days})" in text
    assert f"from {one.engagement_high_sessions} sessions **and** {one.engagement_high_s} engaged seconds" in text
    assert f"`medium` from {one.engagement_medium_sessions} and {one.engagement_medium_s}, else `low`" in text
    assert f"`high` from {one.engagement_high_score:g} of 100 points (`ECOM_ENGAGEMENT_HIGH_SCORE`)" in text
    assert f"`medium` from {one.engagement_medium_score:g} (`ECOM_ENGAGEMENT_MEDIUM_SCORE`)" in text
    assert f"`premium` from {one.tier_premium_amount} (`ECOM_TIER_PREMIUM_AMOUNT`)" in text
    assert f"`enterprise` from {one.tier_enterprise_amount} (`ECOM_TIER_ENTERPRISE_AMOUNT`)" in text
