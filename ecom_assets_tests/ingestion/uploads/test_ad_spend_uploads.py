"""Reports of ads as uploads: recognised, asked about, landed, restated by later ones, and taken
back.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ecom_assets.commerce.marketing.account_zones import AccountZones
from ecom_assets.commerce.marketing.spend import ad_spend, ad_spend_daily
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.ad_spend import FileAdSpend
from ecom_assets.ingestion.sources.cost_reading import AdSpendFileReading, spent_lines
from ecom_assets.ingestion.uploads.landed import empty_landed, land
from ecom_assets.ingestion.uploads.look import Chosen, keep_choices, look_at
from ecom_assets.ingestion.uploads.store import LOADED, Upload, Uploads
from ecom_assets.interfaces.dashboard.upload_words import fate_lines
from ecom_assets_tests.ingestion.uploads.lists import written
from ecom_assets_tests.ingestion.uploads.shop_exports import WEEK_1, export, sent, settings_of
from ecom_assets_tests.ingestion.uploads.test_lists import loaded

JUNE: Final = Days.between(date(2026, 6, 1), date(2026, 7, 1))
GOOGLE: Final = (
    'Campaign report\n"June 1, 2026 - June 2, 2026"\nDay,Campaign,Cost,Impr.,Clicks\n'
    '2026-06-01,Brand,"1,234.50",900,30\n2026-06-01,Shoes,20.00,100,4\n'
    'Total: Campaigns,--,"1,254.50",1000,34\n'
)
ANSWERS: Final = {"account_id": "one account", "currency": "EUR"}


def loaded_ads(home: Path, path: Path) -> Upload:
    uploads = Uploads(home)
    look = look_at(uploads, sent(home, path), settings_of(home), Chosen(answers=ANSWERS))
    upload = keep_choices(uploads, look)
    brought = land(uploads, upload, settings_of(home))
    return uploads.note(
        upload,
        state=LOADED,
        first_day=brought.first_day,
        last_day=brought.last_day,
        counted_count=brought.counted_count,
        amount=brought.amount,
        currency=brought.currency,
    )


def spent(home: Path) -> Mapping[str, Decimal]:
    """Return what each campaign cost in June by the uploads of a home."""
    con = connect()
    con.con.register("raw", FileAdSpend(con, settings_of(home)).received(JUNE).rows.to_pyarrow())
    rows = ad_spend_daily(ad_spend(con.table("raw"), JUNE), AccountZones(), JUNE)
    found: list[dict[str, Any]] = rows.to_pyarrow().to_pylist()
    return {row["campaign_name"]: row["spend_amount"] for row in found}


@pytest.mark.slow
def test_a_report_of_google_asks_for_its_account_and_its_currency(tmp_path: Path) -> None:
    home = tmp_path / "home"
    look = look_at(
        Uploads(home), sent(home, written(tmp_path / "ads.csv", GOOGLE)), settings_of(home)
    )
    assert (look.kind, look.refusal, look.mapping) == ("ad_spend", "", "google_ads")
    assert [question.key for question in look.open_questions] == ["account_id", "currency"]
    assert not look.is_ready
    ready = look_at(Uploads(home), look.upload, settings_of(home), Chosen(answers=ANSWERS))
    assert ready.is_ready
    assert (ready.rows["read"], ready.rows["counted"]) == (3, 2)
    assert ready.rows["rejected"] == {"total_line": 1}


@pytest.mark.slow
def test_a_later_report_restates_the_days_that_it_is_about_and_goes_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    loaded(home, export(tmp_path / "orders.csv", WEEK_1), "orders")
    loaded_ads(home, written(tmp_path / "ads.csv", GOOGLE))
    assert spent(home) == {"Brand": Decimal("1234.5"), "Shoes": Decimal(20)}
    again = GOOGLE.replace("20.00", "19.25")
    second = loaded_ads(home, written(tmp_path / "ads again.csv", again))
    assert second.counted_count == 2
    assert spent(home) == {"Brand": Decimal("1234.5"), "Shoes": Decimal("19.25")}
    empty_landed(Uploads(home), second)
    assert spent(home) == {"Brand": Decimal("1234.5"), "Shoes": Decimal(20)}


@pytest.mark.slow
def test_what_ads_cost_is_shown_by_currency_as_the_money_of_orders_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    google = sent(home, written(tmp_path / "ads.csv", GOOGLE))
    ready = look_at(Uploads(home), google, settings_of(home), Chosen(answers=ANSWERS))
    good, *others = fate_lines(ready)
    assert good == ("good", "2 of 3 rows would be counted", "\u20ac1,254.50 spent")
    assert others == [("info", "1 row would not be counted", "")]
    upload = loaded_ads(home, tmp_path / "ads.csv")
    assert (upload.amount, upload.currency) == (Decimal("1254.5"), "EUR")


def test_a_terminal_says_what_ads_cost_too(tmp_path: Path) -> None:
    mapping = written(
        tmp_path / "own.yaml",
        "name: own\ndescription: Ours.\nextends: google_ads\nfields:\n"
        "  account_id: {constant: one}\n  currency: {constant: EUR}\n",
    )
    path = written(tmp_path / "ads.csv", GOOGLE)
    reading = AdSpendFileReading.open([str(path)], str(mapping), settings_of(tmp_path / "home"))
    assert spent_lines(reading) == ["Money:", "  would count: 1,254.50 EUR spent, 2 rows"]
    assert spent_lines(object()) == []


def test_two_currencies_are_not_added_up(tmp_path: Path) -> None:
    home = tmp_path / "home"
    rows = (
        "spend_date,platform,account_id,campaign_name,spend_amount,currency\n"
        "2026-06-01,meta,1,Brand,5.25,EUR\n2026-06-01,meta,2,Brand,7,USD\n"
        "2026-06-02,meta,2,Brand,-1,USD\n2026-06-02,meta,2,Brand,,USD\n"
    )
    (tmp_path / "rates.csv").write_text("date,currency,rate\n1970-01-01,USD,0.5\n")
    settings = settings_of(home).model_copy(
        update={"currency": "EUR", "rates": tmp_path / "rates.csv"}
    )
    look = look_at(
        Uploads(home),
        sent(home, written(tmp_path / "both.csv", rows)),
        settings,
        Chosen(kind="ad_spend", mapping="native"),
    )
    assert fate_lines(look)[0] == (
        "good",
        "3 of 4 rows would be counted",
        "$6.00 and \u20ac5.25 spent",
    )
