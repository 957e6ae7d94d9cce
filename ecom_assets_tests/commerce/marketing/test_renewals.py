"""Renewals of subscriptions are apart: no ad brought them, and nobody is a new customer by one."""

from decimal import Decimal
from typing import Any, Final

import pytest

from ecom_assets.commerce.attribution.credit import SHARING
from ecom_assets.commerce.marketing.checks import (
    credit_of_ads_and_renewals_is_that_of_their_campaigns,
)
from ecom_assets.commerce.marketing.contracts import (
    CampaignCredit,
    CampaignTags,
    CustomerCohortValue,
    MarketingDaily,
)
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.marketing.shop import AdShop, spent, visit
from ecom_assets_tests.commerce.marketing.test_marketing_checks import result_of

D = Decimal
ORDERS: Final = (
    ("a1", "2026-03-02T12:00", "60", "anna", False),
    ("a2", "2026-03-09T03:00", "60", "anna", True),
    ("a3", "2026-04-06T03:00", "60", "anna", True),
    ("a3", "2026-04-07T12:00", "-20", "anna", None),
    ("b7", "2026-03-03T03:00", "40", "bob", True),
    ("b8", "2026-03-05T12:00", "15", "bob", False),
    ("c1", "2026-03-04T12:00", "50", "carl", None),
)
"""Anna subscribes, and her subscription orders twice; 20 of the last order go back, which says no
more than its number. Bob's subscription is older than the data; he orders once by hand. Carl has
none.
"""
CAMPAIGN_OF: Final = {"anna": "7", "bob": "spring", "carl": "spring"}
"""The ad that each clicked within 30 days before all orders, but Anna's of April."""
SPEND: Final = {"7": D(30), "spring": D(25)}


def subscriptions(*, says_renewals: bool) -> AdShop:
    """Run over a shop whose source says which orders are renewals, or does not."""
    shop = AdShop()
    for order, at, revenue, customer, is_renewal in ORDERS:
        said = is_renewal if says_renewals else None
        left = str(D(revenue) / 2)
        shop.order(order, at, revenue, customer=customer, left=left, is_renewal=said)
    return shop.fill(
        [
            spent("2026-03-02", "google_ads", "7:Coffee Club", "30"),
            spent("2026-03-02", "meta", "Spring", "25"),
        ],
        [
            visit("anna", "2026-03-02T11:00", "Paid Search", campaign_id="7"),
            visit("anna", "2026-04-01T11:00", "Paid Search", campaign_id="7"),
            visit("bob", "2026-03-02T11:00", "Paid Social", campaign="spring"),
            visit("carl", "2026-03-04T11:00", "Paid Social", campaign="spring"),
        ],
        first="2026-03-01",
        last="2026-04-30",
    )


def reference(*, says_renewals: bool) -> dict[str, Row]:
    """Return what each campaign brings, in plain Python: each customer clicked one ad alone."""
    renewals = {order for order, *_, is_renewal in ORDERS if is_renewal and says_renewals}
    firsts: dict[str, str] = {}
    for order, _, _, customer, _ in sorted(ORDERS, key=lambda row: row[1]):
        firsts.setdefault(customer, order)
    numbers = {name: dict.fromkeys(NUMBERS, D(0)) for name in SPEND}
    for order, _, revenue, customer, _ in ORDERS:
        of_ad, amount = numbers[CAMPAIGN_OF[customer]], D(revenue)
        kind = "renewal" if order in renewals else "credited"
        of_ad[f"{kind}_order_count"] += amount > 0
        of_ad[f"{kind}_revenue_amount"] += amount
        of_ad["contribution_before_ads_amount"] += 0 if order in renewals else amount / 2
        if order == firsts[customer] and order not in renewals:
            of_ad["new_customer_count"] += 1
            of_ad["first_order_revenue_amount"] += amount
    return numbers


NUMBERS: Final = (
    "credited_order_count",
    "credited_revenue_amount",
    "renewal_order_count",
    "renewal_revenue_amount",
    "new_customer_count",
    "first_order_revenue_amount",
    "contribution_before_ads_amount",
)


@pytest.mark.parametrize("says_renewals", [True, False])
def test_ads_have_what_they_brought_and_renewals_beside_it(says_renewals: bool) -> None:  # noqa: FBT001 (a case)
    by_campaign = {
        key: {name: row[name] for name in NUMBERS}
        for (_, key), row in subscriptions(says_renewals=says_renewals).marketing().items()
    }
    assert by_campaign == reference(says_renewals=says_renewals)


def test_roas_with_renewals_and_without() -> None:
    """Google brought 60 for 30, Meta 65 for 25; with renewals it would be 160 and 105."""
    roas = {
        says: {
            key: row["credited_revenue_amount"] / row["spend_amount"]
            for (_, key), row in subscriptions(says_renewals=says).marketing().items()
        }
        for says in (True, False)
    }
    assert roas[True] == {"7": 2, "spring": D("2.6")}
    assert roas[False] == {"7": D(160) / 30, "spring": D("4.2")}


def test_no_credit_is_lost_and_none_counts_twice() -> None:
    """Of each day, campaign and model, orders and renewals are what they are without the flag."""
    said, unsaid = subscriptions(says_renewals=True), subscriptions(says_renewals=False)
    assert said.rows(CampaignCredit) == unsaid.rows(CampaignCredit), "the credit of channels"
    for model in SHARING:
        assert _all_credit(said, model) == _all_credit(unsaid, model)
    for row in unsaid.rows(MarketingDaily):
        assert (row["renewal_order_count"], row["renewal_revenue_amount"]) == (0, 0)
    assert result_of(credit_of_ads_and_renewals_is_that_of_their_campaigns, said).broken_count == 0


def test_credit_of_renewals_that_ads_do_not_have_is_found() -> None:
    shop = subscriptions(says_renewals=True)
    rows = [row for row in shop.rows(MarketingDaily) if not row["renewal_order_count"]]
    shop.hold(MarketingDaily, rows)
    result = result_of(credit_of_ads_and_renewals_is_that_of_their_campaigns, shop)
    assert [str(row["day"]) for row in result.examples] == [
        *("2026-03-03", "2026-03-09", "2026-04-06"),
    ]


def _all_credit(shop: AdShop, model: str) -> dict[Any, Any]:
    sums = {
        (row["marketing_date"], row["campaign_key"]): (
            row["credited_order_count"] + row["renewal_order_count"],
            row["credited_revenue_amount"] + row["renewal_revenue_amount"],
        )
        for row in shop.rows(MarketingDaily)
        if row["model"] == model
    }
    return {key: values for key, values in sums.items() if any(values)}


def test_a_shop_that_says_of_each_order_that_it_is_no_renewal_has_the_numbers_of_one_silent() -> (
    None
):
    shops = []
    for said in (None, False):
        shop = AdShop()
        for order, at, revenue, customer, _ in ORDERS:
            shop.order(order, at, revenue, customer=customer, left="1", is_renewal=said)
        clicked = visit("anna", "2026-03-02T11:00", "Paid Search", campaign_id="7")
        spend = [spent("2026-03-02", "google_ads", "7:Coffee Club", "30")]
        shops.append(shop.fill(spend, [clicked], first="2026-03-01", last="2026-04-30"))
    for contract in (MarketingDaily, CustomerCohortValue, CampaignCredit, CampaignTags):
        assert shops[0].rows(contract) == shops[1].rows(contract)


def test_customers_are_worth_their_renewals_too_but_new_by_none() -> None:
    """In March 60 + 60 of Anna and 50 of Carl; in April 60 - 20. Bob was a customer before."""
    march = [
        row
        for row in subscriptions(says_renewals=True).rows(CustomerCohortValue)
        if row["first_channel"] == row["item_category"] == "(all)"
        and row["discount_code"] == row["country"] == "(all)"
    ]
    names = (
        *("customer_count", "order_count", "revenue_amount"),
        *("renewal_order_count", "renewal_revenue_amount"),
    )
    assert [[row[name] for name in names] for row in march] == [
        [2, 3, 170, 1, 60],
        [2, 1, 40, 1, 40],
    ]
    assert [row["cumulative_contribution_amount"] for row in march] == [85, 105]
