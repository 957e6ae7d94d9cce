"""In which time zone the days of ad accounts are, by what says it, and what is said of others."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from ecom_assets.commerce.marketing.account_zones import AccountZones
from ecom_assets.commerce.marketing.checks import zone_checks
from ecom_assets.commerce.marketing.contracts import AdSpendDaily
from ecom_assets.core.errors import SettingError
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.core.tables.check import CheckResult
from ecom_assets.core.tables.days import have_same_days
from ecom_assets.orchestration.rules import account_zones
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.marketing.spend_rows import DAY, AdShop, spend
from ecom_assets_tests.each import each

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
LATER = date(2026, 6, 11)
ONE_DAY = timedelta(days=1)


def zones_of(shop: AdShop) -> set[tuple[str, str, str, str | None]]:
    """Return the zone of each account and day, with what was spent."""
    return {
        (
            f"{row['platform']}/{row['account_id']}",
            f"{row['spend_date']:%d}",
            str(row["spend_amount"].normalize()),
            row["account_time_zone"],
        )
        for row in shop.rows(AdSpendDaily)
    }


def said(shop: AdShop) -> CheckResult:
    zones = account_zones(shop.settings)
    (check,) = zone_checks(zones)
    result = check.function(None, shop.engine.table(AdSpendDaily))
    assert isinstance(result, CheckResult)
    return result


def of_account(account: str, zone: str | None, **more: object) -> Row:
    row = {"file": f"{account}.csv", "account_id": account, "account_time_zone": zone} | more
    return spend("1 Brand", "5", **row)  # type: ignore[arg-type]  # the rest of a row


def test_a_source_says_it_then_the_shop_then_the_platform() -> None:
    shop = AdShop(
        timezone=BERLIN,
        ad_account_time_zones=f"google_ads/asked={NEW_YORK},google_ads/stated={NEW_YORK}",
    )
    rows = [of_account(account, None) for account in ("asked", "unknown")]
    rows += [of_account("stated", "Europe/Vienna"), of_account("t", None, platform="TikTok")]
    rows.append(of_account("r", None, platform="reddit_ads"))
    shop.load(*rows)
    assert zones_of(shop) == {
        ("google_ads/asked", "01", "5", NEW_YORK),
        ("google_ads/unknown", "01", "5", None),
        ("google_ads/stated", "01", "5", "Europe/Vienna"),
        ("TikTok/t", "01", "5", "UTC"),
        ("reddit_ads/r", "01", "5", "UTC"),
    }
    result = said(shop)
    assert (result.broken_count, result.looked_at_count) == (3, 5)
    assert result.metadata["sentence"] == (
        "Time zones of ad accounts that are not the shop's Europe/Berlin: 3, such as TikTok t UTC, "
        "google_ads asked America/New_York, reddit_ads r UTC; their days are shown as they are, "
        "so that spend near midnight may stand beside orders of another day."
    )


def test_another_setting_is_that_of_all_days_from_the_next_run_on() -> None:
    shop = AdShop(timezone=BERLIN)
    shop.load(of_account("1", None), of_account("1", None, on=DAY + ONE_DAY))
    assert [zone for *_, zone in zones_of(shop)] == [None, None]
    shop.rules["account_zones"] = AccountZones(BERLIN, {("google_ads", "1"): NEW_YORK})
    shop.load(of_account("1", None, arrived=LATER, on=DAY + 2 * ONE_DAY, file="new.csv"))
    assert [zone for *_, zone in zones_of(shop)] == [NEW_YORK] * 3


def test_a_zone_that_changes_between_loads_is_that_of_the_load_that_counts() -> None:
    """The account moves from New York to Berlin; the older day is not loaded again."""
    shop = AdShop(timezone=BERLIN)
    shop.load(of_account("1", NEW_YORK), of_account("1", NEW_YORK, on=DAY + ONE_DAY))
    moved = {"on": DAY + ONE_DAY, "arrived": LATER, "file": "moved.csv"}
    shop.load(of_account("1", BERLIN, **moved))
    assert zones_of(shop) == {
        ("google_ads/1", "01", "5", NEW_YORK),
        ("google_ads/1", "02", "5", BERLIN),
    }
    assert "1, such as google_ads 1 America/New_York;" in said(shop).metadata["sentence"]


def test_a_zone_that_is_no_name_of_iana_is_said_as_it_stands() -> None:
    shop = AdShop(timezone=BERLIN)
    shop.load(of_account("1", "PacificTimeUSCanadaTijuana"))
    assert "google_ads 1 PacificTimeUSCanadaTijuana" in said(shop).metadata["sentence"]


def test_an_account_of_the_setting_that_has_no_spend_is_said() -> None:
    shop = AdShop(ad_account_time_zones="google_ads/12=UTC")
    assert said(shop).broken_count == 0, "there is no spend at all"
    shop.load(of_account("1-2", None))
    assert (
        "ECOM_AD_ACCOUNT_TIME_ZONES that have no spend: google_ads/12;"
        in (said(shop).metadata["sentence"])
    )


@each(
    "zone, other, first, last, is_same",
    [
        (BERLIN, "Europe/Vienna", "2020-01-01", "2026-12-31", True),
        ("UTC", "Etc/GMT", "2026-01-01", "2026-12-31", True),
        ("UTC", "Africa/Abidjan", "2026-01-01", "2026-12-31", True),
        ("Europe/London", "UTC", "2026-01-01", "2026-03-28", True),
        # That day is an hour shorter in London.
        ("Europe/London", "UTC", "2026-01-01", "2026-03-29", False),
        (BERLIN, NEW_YORK, "2026-06-01", "2026-06-01", False),
        ("Nowhere/Land", "Nowhere/Land", "2026-06-01", "2026-06-01", True),
        ("../../etc/passwd", "UTC", "2026-06-01", "2026-06-01", False),
    ],
)
def test_zones_of_several_names_may_have_the_same_days(
    zone: str,
    other: str,
    first: str,
    last: str,
    is_same: bool,  # noqa: FBT001 (a case)
) -> None:
    days = date.fromisoformat(first), date.fromisoformat(last)
    assert have_same_days(zone, other, *days) is is_same
    assert have_same_days(other, zone, *days) is is_same


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("google_ads/1", "'google_ads/1' is not PLATFORM/ACCOUNT=ZONE, such as google_ads/123-"),
        (f"google_ads={NEW_YORK}", "is not PLATFORM/ACCOUNT=ZONE"),
        ("/1=UTC", "is not PLATFORM/ACCOUNT=ZONE"),
        ("google_ads/1=Berlin", "'Berlin' is not an IANA time zone, such as America/New_York"),
        ("google_ads/1=UTC,google_ads/1=Europe/Berlin", "google_ads/1 has two time zones"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence(
    value: str, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECOM_AD_ACCOUNT_TIME_ZONES", value)
    with pytest.raises(SettingError) as error:
        load_settings()
    assert reason in str(error.value)
    assert str(error.value).startswith("ECOM_AD_ACCOUNT_TIME_ZONES=")


def test_several_accounts_of_one_platform_have_their_own_zones() -> None:
    shop = AdShop(ad_account_time_zones=f"google_ads/My Shop=DE={BERLIN}, google_ads/2={NEW_YORK}")
    shop.load(of_account("My Shop=DE", None), of_account("2", None))
    assert {(account, zone) for account, _, _, zone in zones_of(shop)} == {
        ("google_ads/My Shop=DE", BERLIN),
        ("google_ads/2", NEW_YORK),
    }
