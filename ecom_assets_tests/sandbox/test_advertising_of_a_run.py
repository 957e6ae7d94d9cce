"""A run over the simulated shop's visits, orders, costs and ads finds what ads bring as the shop
knows it: ROAS, cost per new customer, payback.

Everybody is signed in, so that nothing depends on who can be known again.
"""

import json
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app, build_stack
from ecom_assets_tests.command import FEW_ADS, ecom
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_sandbox.shop.living import LivingShop
from ecom_sandbox.shop.shop import generate

pytestmark = pytest.mark.xdist_group("sandbox_ads")
Row = dict[str, Any]
FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)
UNITS = {"campaign": "campaign_key", "platform": "platform"}
COUNTS = ("credited_order_count", "new_customer_count")
AMOUNTS = ("spend_amount", "credited_revenue_amount", "contribution_before_ads_amount")
RATIOS = ("roas", "break_even_roas")


def api_over(shop: Path, truth: Row, folder: Path) -> Iterator[Api]:
    """Run what is about ads over all days of a shop, and serve what that publishes."""
    tags = [
        f"{ad['tag']},{ad['name']}"
        for ad in truth["advertising"]["by_campaign"].values()
        if ad["tag"]
    ]
    (folder / "tags.csv").write_text("\n".join(["tag,campaign", *tags]) + "\n")
    env = {
        "ECOM_CATALOGUE": str(shop / "catalogue.parquet"),
        "ECOM_CAMPAIGN_TAGS": str(folder / "tags.csv"),
    }
    files = ("--events", shop / "events", "--orders", shop / "orders.parquet")
    more = ("--costs", shop / "costs.csv", "--ad-spend", f"native={shop / 'ad_spend'}")
    result = ecom("run", *files, *more, *FEW_ADS, home=folder / "home", env=env)
    assert result.exit_code == 0, result.err
    settings = Settings(home=folder / "home", api_timeout_s=300, adhoc_timeout_s=300)
    with served(build_stack(settings, build_app(settings))) as running:  # type: ignore[arg-type]
        yield running


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Row:
    """A shop of three months, in `folder`."""
    folder = tmp_path_factory.mktemp("ads") / "shop"
    days = (LAST - FIRST).days + 1
    written = generate(folder, days=days, visitors=250, seed=2, all_signed_in=True)
    return written | {"folder": folder}


@pytest.fixture(scope="module")
def api(truth: Row, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    yield from api_over(truth["folder"], truth, tmp_path_factory.mktemp("run"))


def known(row: Row, names: tuple[str, ...]) -> Row:
    """Return what a row or a truth says, amounts in cents; 0 of what is not known, such as the
    contribution of campaigns that are credited with nothing.
    """
    return {name: round(Decimal(str(row[name] or 0)), 2) for name in names}


def assert_is_truth(row: Row, truth: Row) -> None:
    """Find the numbers of a campaign, of a platform, or of all ads as the shop knows them."""
    names = (*(name for name in COUNTS if name in truth), *AMOUNTS, "cost_per_new_customer")
    names = tuple(name for name in names if name in truth)
    if row["click_count"] and not row["session_count"]:
        # Its tags are missing: that nothing is credited to it does not say that it brought nothing.
        assert {row[name] for name in ("credited_revenue_amount", "roas")} == {None}
        return
    assert known(row, names) == known(truth, names)
    for name in RATIOS:
        assert row[name] == pytest.approx(truth[name], abs=1e-6), name


@pytest.mark.slow
def test_what_ads_bring_is_the_truth(api: Api, truth: Row) -> None:
    ads = truth["advertising"]
    days = {"start_date": str(FIRST), "end_date": str(LAST), "model": "last_non_direct"}
    for dimension, unit in UNITS.items():
        answer = api.json("/analytics/marketing", dimension=dimension, **days)
        rows = {row[unit]: row for row in answer["parts"] if row["account_id"] != "(none)"}
        for name, expected in ads[f"by_{dimension}"].items():
            assert_is_truth(rows[name], expected)
        assert_is_truth(answer["ads"], ads["total"])
    # Something of everything: ads that earn what they cost, and some that bring nothing.
    ratios = [ad["roas"] / (ad["break_even_roas"] or 9) for ad in ads["by_campaign"].values()]
    assert min(ratios) == 0
    assert max(ratios) > 1
    assert ads["total"]["new_customer_count"] < ads["total"]["credited_order_count"]


@pytest.mark.slow
def test_cost_per_new_customer_and_payback_of_each_month_are_the_truth(
    api: Api, truth: Row
) -> None:
    cohorts = truth["advertising"]["cohorts"]
    assert [cohort["payback_months"] for cohort in cohorts.values()] == [2, None, None]
    for month, cohort in cohorts.items():
        first = date.fromisoformat(f"{month}-01")
        last = first + timedelta(days=monthrange(first.year, first.month)[1] - 1)
        asked = {"start_date": str(first), "end_date": str(last)}
        shop = api.json("/analytics/marketing", **asked)["shop"]
        assert shop["new_customer_count"] == cohort["new_customers"]
        names = ("spend_amount", "cost_per_new_customer")
        assert known(shop, names) == known(cohort, names)
        assert shop["payback_months"] == cohort["payback_months"], month


@pytest.mark.slow
def test_roas_of_a_shop_that_grew_is_the_truth(tmp_path: Path) -> None:
    """Days of two months, which were added in three steps; somebody who came in the first month
    buys in the second one.
    """
    shop = tmp_path / "shop"
    for until in (date(2026, 1, 31), date(2026, 2, 12), date(2026, 2, 20)):
        LivingShop(shop, until, new_people=60, days_before=10, all_signed_in=True).grow()
    truth = json.loads((shop / "truth.json").read_text())
    first = truth["settings"]["first_day"]
    days = {"start_date": first, "end_date": "2026-02-20", "model": "last_non_direct"}
    for api in api_over(shop, truth, tmp_path):
        for dimension, unit in UNITS.items():
            answer = api.json("/analytics/marketing", dimension=dimension, **days)
            rows = {row[unit]: row for row in answer["parts"] if row["account_id"] != "(none)"}
            for name, expected in truth["advertising"][f"by_{dimension}"].items():
                assert_is_truth(rows[name], expected)
            assert_is_truth(answer["ads"], truth["advertising"]["total"])
