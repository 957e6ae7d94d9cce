"""What ads bring, as stories with numbers that a reader can redo."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from ecom_assets.commerce.attribution.contracts import Conversions
from ecom_assets.commerce.attribution.credit import SHARING
from ecom_assets.commerce.marketing.campaigns import CampaignRule, CampaignTag
from ecom_assets.commerce.marketing.contracts import (
    AdCampaigns,
    CampaignCredit,
    CampaignTags,
    CustomerCohortValue,
    MarketingDaily,
    SpendReconciliationDaily,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.marketing.shop import AdShop, spent, visit

D = Decimal
SEARCH, SOCIAL = "Paid Search", "Paid Social"


def example(claims: int = 2) -> AdShop:
    """Anna clicks an ad of Google, comes back by a letter, and buys for 100, of which 40 are left;
    a month later again for 50. Bob clicks an ad of Meta and buys for 60, of which 20 come back.
    """
    shop = AdShop()
    shop.order("a1", "2026-03-03T12:00", "100", customer="anna", left="40")
    shop.order("a2", "2026-04-20T12:00", "50", customer="anna", left="30")
    shop.order("b1", "2026-03-04T12:00", "60", customer="bob", left="25")
    shop.order("b1", "2026-03-09T12:00", "-20", customer="bob", left="-10")
    return shop.fill(
        [
            spent("2026-03-02", "google_ads", "7:Brand DE", "30", click_count=10),
            spent(
                "2026-03-04",
                "meta",
                "Spring",
                "20",
                platform_conversion_count=D(claims),
                platform_conversion_amount=D(80),
            ),
            spent("2026-03-05", "meta", "Unseen", "5"),
        ],
        [
            visit("anna", "2026-03-02T10:00", SEARCH, campaign_id="7", ad_platform="google_ads"),
            visit("anna", "2026-03-03T11:00", "Email", campaign="spring"),
            visit("bob", "2026-03-04T11:00", SOCIAL, campaign="spring", ad_platform="meta"),
            visit("carl", "2026-03-04T11:00", "Direct", ad_platform="meta"),
            visit("dora", "2026-03-04T11:00", "Paid Other", campaign="else"),
        ],
        first="2026-03-01",
        last="2026-04-30",
    )


def test_visits_meet_campaigns_by_id_then_by_name_then_their_platform_alone() -> None:
    shop = example()
    tags = {
        (row["channel"], row["campaign"]): (row["platform"], row["campaign_key"], row["matched_by"])
        for row in shop.rows(CampaignTags)
    }
    assert tags == {
        (SEARCH, "(not set)"): ("google_ads", "7", "campaign_id"),
        (SOCIAL, "spring"): ("meta", "spring", "campaign_name"),
        ("Direct", "(not set)"): ("meta", "(not set)", "click_id"),
        ("Paid Other", "else"): ("(none)", "else", "nothing"),
    }, "the letter that is called as a campaign is none"
    campaigns = {row["campaign_key"]: row for row in shop.rows(AdCampaigns)}
    assert {key for key, row in campaigns.items() if row["is_brand"]} == {"7"}
    assert campaigns["unseen"]["channel"] == "(none)"
    assert campaigns["spring"]["channel"] == SOCIAL


def test_credit_goes_to_the_day_of_the_order_and_beside_it_to_the_day_of_the_visit() -> None:
    """The last visit that is not direct before Anna's first order is the letter's; the first is the
    ad's.
    """
    shop = example()
    assert ("google_ads", "7") in shop.marketing()
    assert shop.marketing()["google_ads", "7"]["credited_revenue_amount"] == 0
    first = shop.marketing("first")
    google = first["google_ads", "7"]
    assert (google["credited_order_count"], google["credited_revenue_amount"]) == (1, 100)
    assert (google["new_customer_count"], google["first_order_revenue_amount"]) == (1, 100)
    assert google["contribution_before_ads_amount"] == 40
    assert google["spend_amount"] == 30, "the same under each model"
    spring = first["meta", "spring"]
    assert (spring["credited_order_count"], spring["credited_revenue_amount"]) == (1, 40)
    assert (spring["contribution_revenue_amount"], spring["new_customer_count"]) == (40, 1)
    assert spring["contribution_before_ads_amount"] == 15
    days = {
        row["marketing_date"].isoformat(): row
        for row in shop.rows(MarketingDaily)
        if row["model"] == "first" and row["campaign_key"] == "7"
    }
    assert days["2026-03-03"]["credited_revenue_amount"] == 100
    assert days["2026-03-03"]["touched_revenue_amount"] == 0
    assert days["2026-03-02"]["touched_revenue_amount"] == 100
    assert days["2026-03-02"]["spend_amount"] == 30


def test_what_nobody_says_is_not_known_and_ratios_need_spend() -> None:
    shop = example()
    rows = [row for row in shop.rows(MarketingDaily) if row["model"] == "linear"]
    (unseen,) = (row for row in rows if row["campaign_key"] == "unseen")
    assert (unseen["click_count"], unseen["platform_roas"], unseen["session_count"]) == (
        None,
        None,
        0,
    )
    assert (unseen["roas"], unseen["cost_per_new_customer"]) == (0, None)
    (spring,) = (row for row in rows if row["campaign_key"] == "spring" and row["spend_amount"])
    assert (spring["roas"], spring["platform_roas"]) == (3, 4)
    assert all(row["roas"] is None for row in rows if not row["spend_amount"])


def test_over_campaigns_credit_is_that_of_channels_of_each_model() -> None:
    rows = example().rows(CampaignCredit)
    for model in SHARING:
        assert sum(row[f"{model}_credit"] for row in rows) == 3
        assert sum(row[f"{model}_revenue_amount"] for row in rows) == 190


def test_claims_stand_beside_credit_and_clicks_beside_visits() -> None:
    rows = {
        (row["campaign_key"], row["marketing_date"].day): row
        for row in example().rows(SpendReconciliationDaily)
    }
    assert rows["spring", 4]["overclaimed_order_count"] == 1
    assert rows["7", 2]["click_without_session_count"] == 9


def cohorts(shop: AdShop, **cut: str) -> list[Row]:
    wanted = (
        dict.fromkeys(("first_channel", "item_category", "discount_code", "country"), "(all)") | cut
    )
    return [
        row
        for row in shop.rows(CustomerCohortValue)
        if all(row[name] == value for name, value in wanted.items())
    ]


def test_customers_are_worth_what_their_orders_leave_by_month() -> None:
    """Two customers of March: 100 + 60 - 20 in month 0, 50 in month 1."""
    march = cohorts(example())
    assert [(row["months_since_count"], row["revenue_amount"]) for row in march] == [
        (0, 140),
        (1, 50),
    ]
    assert [row["cumulative_contribution_amount"] for row in march] == [55, 85]
    assert [row["contribution_per_customer"] for row in march] == [27.5, 42.5]
    assert all(row["customer_count"] == 2 and row["is_complete"] for row in march)
    assert cohorts(example(), discount_code="(none)")[0]["customer_count"] == 2


def test_a_platform_that_a_shop_calls_otherwise_is_met_by_ids_and_names() -> None:
    shop = AdShop()
    shop.order("b1", "2026-03-04T12:00", "60", customer="bob")
    visits = [visit("bob", "2026-03-04T11:00", SEARCH, campaign_id="7", ad_platform="google_ads")]
    spend = [
        spent("2026-03-04", "Google", "7:Brand", "20"),
        spent("2026-03-04", "meta", "7:Brandy", "1"),
    ]
    shop.fill(spend, visits, first="2026-03-01", last="2026-03-05")
    assert shop.marketing()["Google", "7"]["credited_revenue_amount"] == 60
    is_brand = {row["campaign_name"]: row["is_brand"] for row in shop.rows(AdCampaigns)}
    assert is_brand == {"Brand": True, "Brandy": False}


def test_a_table_of_the_shop_says_which_campaign_a_tag_is_of() -> None:
    shop = AdShop()
    shop.rules["campaign_rule"] = CampaignRule((CampaignTag("fruehling", "spring sale"),))
    shop.order("b1", "2026-03-04T12:00", "60", customer="bob")
    shop.fill(
        [spent("2026-03-04", "meta", "Spring Sale", "20")],
        [visit("bob", "2026-03-04T11:00", SOCIAL, campaign="fruehling")],
        first="2026-03-01",
        last="2026-03-05",
    )
    assert shop.marketing()["meta", "spring sale"]["credited_revenue_amount"] == 60


def test_what_meets_two_campaigns_meets_neither() -> None:
    """Two campaigns of an account have one name; of the ids each is one alone."""
    shop = AdShop()
    visits = [
        visit("bob", "2026-03-04T11:00", SOCIAL, campaign="spring", ad_platform="meta"),
        visit("anna", "2026-03-04T11:00", SOCIAL, campaign_id="8", ad_platform="meta"),
    ]
    spend = [spent("2026-03-04", "meta", name, "20") for name in ("7:Spring", "8:Spring")]
    shop.fill(spend, visits, first="2026-03-01", last="2026-03-05")
    tags = {row["campaign_id"]: row for row in shop.rows(CampaignTags)}
    assert (tags["(not set)"]["matched_by"], tags["8"]["matched_by"]) == ("click_id", "campaign_id")
    assert tags["8"]["campaign_key"] == "8"


@pytest.mark.slow
def test_a_shop_without_order_lines_has_credit_of_purchase_events_until_its_orders_come() -> None:
    shop = AdShop()
    purchase = {
        "unit": "purchase",
        "conversion_id": "e1",
        "visitor_id": "bob",
        "is_refund": False,
        "converted_at": datetime(2026, 3, 4, 12),  # noqa: DTZ001 (as stored)
        "converted_date": date(2026, 3, 4),
        "revenue_amount": D(70),
    }
    shop.bought.append(purchase)
    clicked = [visit("bob", "2026-03-04T11:00", SEARCH, campaign_id="7", ad_platform="google_ads")]
    spend = [spent("2026-03-04", "google_ads", "7:Brand", "20")]
    shop.fill(spend, clicked, first="2026-03-01", last="2026-03-05")
    assert shop.marketing()["google_ads", "7"]["credited_revenue_amount"] == 70
    shop.order("b1", "2026-03-05T12:00", "60", customer="bob")
    shop.hold(Conversions, shop.bought)
    shop.run(Days((date(2026, 3, 5),)))
    assert shop.marketing()["google_ads", "7"]["credited_revenue_amount"] == 60
    assert {row["unit"] for row in shop.rows(CampaignCredit)} == {"order"}


def test_the_month_of_the_newest_day_is_over_with_its_last_day_only() -> None:
    for last, is_over in (("2026-03-30", False), ("2026-03-31", True)):
        shop = AdShop()
        shop.order("a1", "2026-03-03T12:00", "100", customer="anna", left="40")
        shop.fill([], [], first="2026-03-01", last=last)
        assert [row["is_complete"] for row in cohorts(shop)] == [is_over]


def test_new_customers_have_paid_and_visits_are_of_people() -> None:
    """Anna's first order is free; of the one that she pays, 20 go back on the same day. An order of
    nobody known is none of a new customer.
    """
    shop = AdShop()
    shop.order("free", "2026-03-02T12:00", "0", customer="anna", left="0")
    shop.order("paid", "2026-03-03T12:00", "100", customer="anna", left="40")
    shop.order("paid", "2026-03-03T18:00", "-20", customer="anna", left="-8")
    shop.order("till", "2026-03-03T12:00", "70", customer=UNKNOWN_CUSTOMER)
    ad = {"campaign_id": "7", "ad_platform": "google_ads"}
    shop.fill(
        [spent("2026-03-02", "google_ads", "7:Brand", "20")],
        [
            visit("anna", "2026-03-02T11:00", SEARCH, **ad),
            visit(UNKNOWN_CUSTOMER, "2026-03-03T11:00", SEARCH, **ad),
            visit("bot", "2026-03-03T11:00", SEARCH, is_bot=True, **ad),
        ],
        first="2026-03-01",
        last="2026-03-31",
    )
    google = shop.marketing()["google_ads", "7"]
    assert (google["session_count"], google["credited_order_count"]) == (2, 3)
    assert (google["new_customer_count"], google["first_order_revenue_amount"]) == (1, 100)
    (march,) = cohorts(shop)
    assert (march["customer_count"], march["order_count"], march["revenue_amount"]) == (1, 1, 80)
