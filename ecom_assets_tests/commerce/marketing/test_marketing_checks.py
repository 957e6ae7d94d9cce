"""What checks say of a shop that buys ads."""

from decimal import Decimal

import pytest

from ecom_assets.commerce.attribution.contracts import ConversionCredit
from ecom_assets.commerce.attribution.credit import SHARING
from ecom_assets.commerce.marketing.checks import (
    credit_by_campaign_is_that_by_channel,
    platforms_claim_no_more_orders_than_there_are,
    spend_has_visits,
)
from ecom_assets.core.tables.check import CheckResult, TableCheck
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.commerce.costs.shop import day
from ecom_assets_tests.commerce.marketing.shop import AdShop, spent, visit
from ecom_assets_tests.commerce.marketing.test_performance import example

DAYS = Days.between(day("2026-03-01"), day("2026-05-01"))  # type: ignore[arg-type]  # dates are written


@pytest.fixture(scope="module")
def shop() -> AdShop:
    return example()


def result_of(check: TableCheck, shop: AdShop) -> CheckResult:
    return check.evaluate(DAYS, *(shop.table(contract) for contract in check.tables))


def test_a_campaign_with_spend_and_no_visits_is_named(shop: AdShop) -> None:
    result = result_of(spend_has_visits, shop)
    assert result.broken_count == 1
    assert result.examples == [{"platform": "meta", "campaign_name": "Unseen"}]
    assert str(result.metadata["sentence"]).startswith("Campaigns with spend and no visits: 1 of 2")


def test_no_campaign_lacks_visits_in_a_shop_that_knows_none(shop: AdShop) -> None:
    """As of orders alone: where there are no events, tags of addresses are not what is missing."""
    daily, campaigns, touches = (shop.table(contract) for contract in spend_has_visits.tables)
    result = spend_has_visits.evaluate(DAYS, daily, campaigns, touches.limit(0))
    assert (result.broken_count, result.metadata) == (0, {})


def test_few_clicks_may_have_led_to_no_visit_that_is_known() -> None:
    spend = [
        spent("2026-03-02", "meta", name, "5", click_count=count)
        for name, count in (("Few", 19), ("Enough", 20))
    ]
    visits = [visit("ann", "2026-03-01T09:00", "(direct)")]
    shop = AdShop().fill(spend, visits, first="2026-03-01", last="2026-03-05")
    result = result_of(spend_has_visits, shop)
    assert [row["campaign_name"] for row in result.examples] == ["Enough"]


def test_a_platform_that_claims_more_orders_than_there_are_is_named(shop: AdShop) -> None:
    """The shop has three orders; Meta claims two, and then four."""
    assert result_of(platforms_claim_no_more_orders_than_there_are, shop).broken_count == 0
    many = example(claims=4)
    result = result_of(platforms_claim_no_more_orders_than_there_are, many)
    assert result.broken_count == 1
    assert "than the shop's 3: meta." in str(result.metadata["sentence"])


def test_credit_of_a_channel_that_campaigns_do_not_have_is_found(shop: AdShop) -> None:
    row = {
        **dict.fromkeys(ConversionCredit.columns, ""),
        **dict.fromkeys((f"{m}_credit" for m in SHARING), Decimal(1)),
        **dict.fromkeys((f"{m}_revenue_amount" for m in SHARING), Decimal(5)),
        "unit": "order",
        "is_refund": False,
        "bought_date": day("2026-03-03"),
        "converted_date": day("2026-03-03"),
        "channel": "SMS",
    }
    shop.hold(ConversionCredit, [row])
    assert result_of(credit_by_campaign_is_that_by_channel, shop).broken_count > 0
