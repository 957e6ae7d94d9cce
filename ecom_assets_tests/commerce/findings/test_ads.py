"""Which campaigns cost more than their orders leave, beyond chance.

Orders of 50 leave 20, so ads break even at a ROAS of 2.5. A week's spend of 700 takes
700 x 2.5 / 50 = 35 orders; chance alone leaves (the root of 35, less 2.326 / 2) squared = 22.6.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from ecom_assets.commerce.findings.ads import ad_findings, looked_at
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.findings.queries import findings
from ecom_assets.commerce.marketing.contracts import (
    DEFAULT_MODEL,
    AdCampaigns,
    AdSpendDaily,
    MarketingDaily,
)
from ecom_assets_tests.commerce.marketing.shop import AdShop, spent
from ecom_assets_tests.commerce.marketing.test_queries import ShopReading

LAST = date(2026, 3, 29)


def weeks(name: str, *orders: int, spend: int = 100, left: int = 20) -> Iterator[dict[str, Any]]:
    """Yield the days of a campaign; `orders` are those of each week, the newest last."""
    for number, count in enumerate(reversed(orders)):
        for day in range(7):
            placed = count if day == 0 else 0
            yield {
                "platform": "meta",
                "account_id": "1",
                "campaign_key": name,
                "campaign_name": name,
                "marketing_date": LAST - timedelta(days=7 * number + day),
                "spend_amount": spend,
                "credited_order_count": placed,
                "credited_revenue_amount": 50 * placed,
                "contribution_revenue_amount": 50 * placed,
                "contribution_before_ads_amount": left * placed,
            }


def found(*campaigns: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [row for days in campaigns for row in days]
    return list(ad_findings(looked_at(rows, LAST), LAST))


def test_a_campaign_that_fell_below_its_break_even_is_found_with_what_it_loses() -> None:
    (row,) = found(weeks("spring", 60, 60, 60, 60, 22))
    assert (row["subject"], row["kind"]) == ("spring (meta)", "ads")
    assert (row["observed_number"], row["expected_number"]) == (round(22 * 50 / 700, 4), 2.5)
    assert row["bound_number"] == pytest.approx(22.6 * 50 / 700, abs=0.01)
    assert row["weekly_amount"] == 700 - 22 * 20
    assert (row["first_date"], row["last_date"]) == (date(2026, 3, 23), LAST)


def test_what_chance_leaves_and_what_pays_is_not_found() -> None:
    assert found(weeks("spring", 60, 60, 60, 60, 23)) == []
    assert found(weeks("spring", 60, 60, 60, 60, 50)) == []


def test_more_campaigns_leave_more_to_chance() -> None:
    others = [weeks(f"other{n}", 60, 60, 60, 60, 60) for n in range(20)]
    assert found(weeks("spring", 60, 60, 60, 60, 22), *others) == []
    assert len(found(weeks("spring", 60, 60, 60, 60, 10), *others)) == 1


def test_little_spend_and_unknown_costs_are_not_looked_at() -> None:
    assert found(weeks("spring", 60, 60, 60, 60, 0, spend=20)) == []
    assert found(weeks("spring", 60, 60, 60, 60, 0, left=0)) == []


def test_only_who_may_see_costs_sees_which_campaigns_lose() -> None:
    """The newest day may not be over, so the week ends on the day before."""
    shop = AdShop()
    named = {"platform": "meta", "account_id": "1", "campaign_key": "spring"}
    shop.hold(AdSpendDaily, [spent("2026-03-29", "meta", "spring", "100")])
    shop.hold(AdCampaigns, [named | {"campaign_name": "spring", "is_brand": False, "channel": "x"}])
    numbers = dict.fromkeys(MarketingDaily.numbers(), 0) | {"model": DEFAULT_MODEL}
    shop.hold(MarketingDaily, [numbers | row for row in weeks("spring", 60, 60, 60, 60, 22)])
    shop.hold(ShopFindings, [])
    reading = ShopReading(shop)
    reading.newest_date = LAST + timedelta(days=1)
    (row,) = findings(reading, with_costs=True)
    assert row["title"] == "spring (meta) costs more than its orders leave"
    assert row["reason"].startswith("ROAS 1.57 from 2026-03-23 to 2026-03-29; orders pay for ads ")
    assert findings(reading) == []
