"""What queries make of the shop of `test_performance.py`: ratios, parts, and expectations."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import ibis.expr.types as ir
import pytest

from ecom_assets.commerce.costs.contracts import ProfitDaily
from ecom_assets.commerce.customers.contracts import LifetimeValue
from ecom_assets.commerce.marketing import queries
from ecom_assets.commerce.marketing.contracts import AdSpendDaily
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.discounts import OF_FEW
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.queries import KnownDays, Period, StateRow, read_only
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.marketing.shop import AdShop, spent, visit
from ecom_assets_tests.commerce.marketing.test_performance import example

pytestmark = pytest.mark.slow
D = Decimal
DAYS: Final = KnownDays(date(2026, 3, 1), date(2026, 4, 30))
MARCH: Final = Period("custom", date(2026, 3, 1), date(2026, 3, 31), {"orders": DAYS})


class ShopReading:
    """The tables of a shop in memory as queries read them."""

    newest_date = date(2026, 4, 30)
    timezone, currency = "Europe/Berlin", "EUR"
    not_recorded: frozenset[str] = frozenset()

    def __init__(self, shop: AdShop) -> None:
        """Read the tables of a shop."""
        self.shop = shop
        self.known: Mapping[str, KnownDays] = {"orders": DAYS, "events": DAYS}

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a whole table."""
        return self.shop.engine.table(contract)

    def events(self) -> ir.Table:
        """Return nothing: no query here reads events."""
        raise NotImplementedError

    def rows(self, question: ir.Table, period: Period | None = None) -> list[Row]:
        """Return the rows of a result, with the days of a period."""
        params: Any = period.parameters if period else None
        result: list[Row] = question.to_pyarrow(params=params).to_pylist()
        return result

    def state(self, question: ir.Table) -> tuple[StateRow, ...]:
        """Return the rows of a result without a period."""
        return read_only(self.rows(question))


def total(contract: type[Table], **numbers: Decimal) -> Row:
    """Return the row with the total of a day."""
    names = {name: "(all)" for name in contract.key if name != contract.day_column}
    return {
        **dict.fromkeys(contract.numbers(), 0),
        **names,
        "order_date": date(2026, 3, 3),
        **numbers,
    }


@pytest.fixture(scope="module")
def reading() -> ShopReading:
    shop = example()
    shop.hold(RevenueDaily, [total(RevenueDaily, revenue_amount=D(440))])
    shop.hold(ProfitDaily, [total(ProfitDaily, contribution_before_ads_amount=D(155))])
    expected = {
        **dict.fromkeys(LifetimeValue.numbers(), 1),
        "customer_id": "anna",
        "as_of_date": date(2026, 4, 30),
        "expected_order_count": 0.5,
        "expected_order_value": 50.0,
    }
    shop.hold(LifetimeValue, [expected])
    return ShopReading(shop)


def test_the_shop_has_ratios_without_a_model(reading: ShopReading) -> None:
    shop = queries.shop(reading, MARCH)
    assert (shop["spend_amount"], shop["mer"], shop["spend_share"]) == (55, 8, 0.125)
    assert (shop["new_customer_count"], shop["cost_per_new_customer"]) == (2, D("27.5"))
    assert shop["acquisition_mer"] == round(160 / 55, 6)
    assert shop["contribution_after_ads_amount"] == 100
    assert shop["payback_months"] == 0, "each left 27.50 in March"


def test_channels_have_the_spend_of_campaigns_whose_visits_came_by_them(
    reading: ShopReading,
) -> None:
    parts = queries.parts(reading, MARCH, "first", "channel", reading.not_recorded)
    left = {row["channel"]: row["contribution_after_ads_amount"] for row in parts}
    assert left == {
        "Paid Search": 10,
        "Paid Social": -5,
        "(none)": None,
        "Direct": None,
        "Paid Other": None,
    }


def test_what_one_platform_claims_is_no_roas_of_what_others_cost(reading: ShopReading) -> None:
    """Meta claims 80 for the 25 that it cost, 3.2 times; Google, which cost 30, says nothing."""
    answer = queries.marketing(reading, MARCH, dimension="platform")
    ads, parts = answer["ads"], {row["platform"]: row for row in answer["parts"]}
    assert (ads["platform_conversion_amount"], ads["platform_roas"]) == (80, None)
    assert {name: row["platform_roas"] for name, row in parts.items() if row["spend_amount"]} == {
        "meta": 3.2,
        "google_ads": None,
    }
    campaigns = queries.marketing(reading, MARCH)["parts"]
    (spring,) = (row for row in campaigns if row["campaign_key"] == "spring")
    assert spring["platform_roas"] == 4


def test_what_does_not_meet_is_a_list_of_its_own(reading: ShopReading) -> None:
    answer = queries.marketing(reading, MARCH)
    lists = (answer["spend_without_visits"], answer["visits_without_spend"])
    assert [[row["campaign_key"] for row in rows] for rows in lists] == [
        ["unseen"],
        ["else", "(not set)"],
    ]


def test_profit_goes_on_to_what_is_left_after_ads(reading: ShopReading) -> None:
    steps = queries.steps_after_ads(reading, MARCH)
    assert [(row["step"], row["step_amount"]) for row in steps] == [
        ("ad_spend", -55),
        ("contribution_after_ads", 100),
    ]


def test_expected_orders_leave_as_much_as_the_orders_of_the_cohort(reading: ShopReading) -> None:
    """Net sales of 190 left 85; of anna half an order of 50 is expected."""
    (row,) = queries.cohort_value(reading)["expected"]
    assert row["expected_contribution_amount"] == D(25) * 85 / 190
    assert row["contribution_rate"] == round(85 / 190, 6)


def test_weeks_have_what_happened_in_them(reading: ShopReading) -> None:
    weeks = queries.marketing_over_time(reading, MARCH, "week")
    assert [(str(week), row["spend_amount"]) for week, row in weeks.items()][:2] == [
        ("2026-02-23", 0),
        ("2026-03-02", 55),
    ]


def test_without_events_nobody_knows_what_ads_brought(reading: ShopReading) -> None:
    """Spend, claims and the whole shop are known; visits and credit are not, which is not 0."""
    alone = ShopReading(reading.shop)
    alone.known = {"orders": DAYS}
    answer = queries.marketing(alone, MARCH)
    ads = answer["ads"]
    unknown = ("session_count", "credited_revenue_amount", "roas", "cost_per_new_customer")
    assert {ads[name] for name in unknown} == {None}
    assert ads["spend_amount"] == 55
    assert (answer["shop"]["mer"], answer["shop"]["new_customer_count"]) == (8, 2)
    assert {row["roas"] for row in answer["models"]} == {None}
    assert sum(row["spend_amount"] or 0 for row in answer["parts"]) == 55
    assert (answer["spend_without_visits"], answer["claims"]) == ([], [])
    assert {row["roas"] for row in queries.marketing_over_time(alone, MARCH, "week").values()} == {
        None
    }


@pytest.mark.parametrize("dimension", ["campaign", "platform", "channel"])
def test_what_no_account_says_was_spent_is_not_known_to_be_nothing(
    reading: ShopReading, dimension: queries.Dimension
) -> None:
    """Dora came by an ad of a campaign `else`, of which no list of spend says a word."""
    answer = queries.marketing(reading, MARCH, dimension=dimension)
    names = {"campaign": "else", "platform": "(none)", "channel": "Paid Other"}
    key = "campaign_name" if dimension == "campaign" else dimension
    parts = {str(row[key]): row for row in answer["parts"]}
    unspent = parts.pop(names[dimension])
    assert unspent["session_count"] == 1
    assert [unspent[name] for name in (*queries.OF_SPEND, "roas")] == [None] * 4
    assert sum(row["spend_amount"] or 0 for row in parts.values()) == 55
    lone = {row["campaign_name"]: row["spend_amount"] for row in answer["visits_without_spend"]}
    assert lone["else"] is None
    assert queries.marketing(reading, MARCH)["ads"]["roas"] is not None


def test_codes_of_few_customers_are_one_for_who_may_not_see_people() -> None:
    """Five customers with one code, and two with a code of their own; each leaves 4 of 10."""
    shop = AdShop()
    codes = (*["SPRING"] * 5, "ANNA10", "BOB10, SPRING")
    for number, code in enumerate(codes):
        shop.order(f"o{number}", "2026-03-03T12:00", "10", customer=f"c{number}", left="4")
        shop.sold[-1]["discount_codes"] = code
    shop.fill([], [], first="2026-03-01", last="2026-03-31")
    reading = ShopReading(shop)

    def by_code(*, shows_people: bool) -> dict[str, tuple[Any, ...]]:
        result = queries.cohort_value(reading, "discount_code", shows_people=shows_people)
        numbers = ("customer_count", "revenue_amount", "contribution_per_customer")
        return {row["value"]: tuple(row[n] for n in numbers) for row in result["cohorts"]}

    of_spring = {"SPRING": (6, 60, 4)}
    assert by_code(shows_people=True) == of_spring | {"ANNA10": (1, 10, 4), "BOB10": (1, 10, 4)}
    assert by_code(shows_people=False) == of_spring | {OF_FEW: (2, 20, 4)}


def test_accounts_of_another_zone_than_the_shop_s_are_named_and_nothing_is_moved() -> None:
    zones = [
        ("google_ads", "1", "Europe/Vienna"),  # the days of Berlin
        ("google_ads", "2", "America/New_York"),
        ("google_ads", "2", "Europe/Berlin"),  # as it was until February
        ("meta", "1", None),
        ("tiktok", "1", "UTC"),
    ]
    shop = AdShop()
    shop.hold(
        AdSpendDaily,
        [
            spent("2026-03-09", platform, f"{number}:Brand", "5", account_id=account)
            | {"account_time_zone": zone}
            for number, (platform, account, zone) in enumerate(zones)
        ],
    )
    reading = ShopReading(shop)
    assert [tuple(row.values()) for row in queries.other_zones(reading, MARCH)] == [
        ("google_ads", "2", "America/New_York"),
        ("tiktok", "1", "UTC"),
    ]
    reading.timezone = "UTC"
    named = [row["account_time_zone"] for row in queries.other_zones(reading, MARCH)]
    assert named == ["Europe/Vienna", "America/New_York", "Europe/Berlin"]


def test_customers_have_paid_back_in_months_that_are_over_for_all_of_them() -> None:
    """Anna leaves 10 in March and 30 in April, Bob 15 in April; each cost 30."""
    shop = AdShop()
    shop.order("a1", "2026-03-03T12:00", "100", customer="anna", left="10")
    shop.order("a2", "2026-04-03T12:00", "100", customer="anna", left="30")
    shop.order("b1", "2026-04-03T12:00", "100", customer="bob", left="15")
    both = Period("custom", date(2026, 3, 1), date(2026, 4, 30), {"orders": DAYS})
    for last, paid_back in (("2026-04-30", 1), ("2026-04-29", None)):
        reading = ShopReading(shop.fill([], [], first="2026-03-01", last=last))
        assert queries.payback_months(reading, MARCH, D(30)) == paid_back
        assert queries.payback_months(reading, both, D(30)) is None, "April has no month 1 yet"


APRIL: Final = Period("custom", date(2026, 4, 1), date(2026, 4, 30), {"orders": DAYS})


@pytest.fixture(scope="module")
def half_known() -> ShopReading:
    """Ten orders of 40.00 a month; an ad brought one of those of March, and two of those of April.
    The others are of people whose visits nobody knows.
    """
    shop = AdShop()
    visits = []
    for month, met in (("03", 1), ("04", 2)):
        for n in range(10):
            who = f"{month}-{n}"
            shop.order(f"o{who}", f"2026-{month}-05T12:00", "40", customer=who)
            if n < met:
                at = f"2026-{month}-05T11:00"
                ad = {"campaign_id": "7", "ad_platform": "google_ads"}
                visits.append(visit(who, at, "Paid Search", **ad))
    spend = [
        spent(f"2026-{month}-05", "google_ads", "7:Brand", "20", click_count=9)
        for month in ("03", "04")
    ]
    spend.append(spent("2026-04-05", "google_ads", "8:Unseen", "10", click_count=4))
    shop.fill(spend, visits, first="2026-03-01", last="2026-04-30")
    shop.hold(RevenueDaily, [total(RevenueDaily, revenue_amount=D(400))])
    shop.hold(ProfitDaily, [])
    return ShopReading(shop)


def test_below_a_fifth_of_the_revenue_what_ads_brought_is_not_known(
    half_known: ShopReading,
) -> None:
    """Visits of 40.00 of 400.00 are known in March: 40.00 ÷ 20.00 would say that ads brought twice
    what they cost, and nobody knows.
    """
    answer = queries.marketing(half_known, MARCH)
    assert answer["visit_coverage_rate"] == 0.1
    of_ads = ("roas", "credited_revenue_amount", "cost_per_new_customer")
    assert [answer["ads"][name] for name in of_ads] == [None] * 3
    assert (answer["ads"]["spend_amount"], answer["ads"]["session_count"]) == (20, 1)
    assert {row["roas"] for row in answer["models"]} == {None}
    assert {row["roas"] for row in answer["parts"]} == {None}
    assert {row["touched_order_count"] for row in answer["claims"]} == {None}
    by_day = queries.marketing_over_time(half_known, MARCH, "day")
    assert {row["credited_revenue_amount"] for row in by_day.values()} == {None}


def test_from_a_fifth_on_it_stands_with_its_share(half_known: ShopReading) -> None:
    answer = queries.marketing(half_known, APRIL)
    assert answer["visit_coverage_rate"] == 0.2
    assert answer["ads"]["roas"] == round(80 / 30, 6)
    assert answer["change"]["roas"] is None, "nobody knows what it was in March"


def test_a_campaign_that_was_clicked_and_has_no_visit_brought_what_nobody_knows(
    half_known: ShopReading,
) -> None:
    parts = {row["campaign_name"]: row for row in queries.marketing(half_known, APRIL)["parts"]}
    assert (parts["Brand"]["roas"], parts["Unseen"]["roas"]) == (4.0, None)
    assert parts["Unseen"]["session_count"] == 0
