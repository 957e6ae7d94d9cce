"""What files of ad spend say: their accounts, currencies and days, and when they arrived."""

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.commerce.marketing.assets import raw_ad_spend
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.errors import MappingError, SettingError, SourceError, UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.stated_currency import note_currencies
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.ad_spend import FileAdSpend
from ecom_assets.ingestion.sources.first_partition import remember_paths
from ecom_assets.ingestion.sources.home_notes import noted_paths
from ecom_assets_tests.builders import Row

D = Decimal
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp()
NATIVE = "spend_date,platform,account_id,campaign_id,campaign_name,spend_amount,currency\n"


def written(path: Path, content: str | bytes, at: float = NOON) -> Path:
    """Write a file at noon of 10 June 2026, or at another time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (at, at))
    return path


def read(folder: Path, ad_spend: str, **settings: Any) -> list[Row]:
    """Return the received rows of paths, each with its mapping."""
    own: dict[str, Any] = {"home": folder / "home", "orders": "orders.csv", **settings}
    output = FileAdSpend(connect(), Settings(ad_spend=ad_spend, **own)).received(Days(()))
    rows: list[Row] = (
        output.rows.order_by("source_file", "spend_date", "campaign_name").to_pyarrow().to_pylist()
    )
    return rows


def test_the_native_layout_keeps_six_digits_and_the_day_of_the_account(tmp_path: Path) -> None:
    path = written(
        tmp_path / "ads.csv", f"{NATIVE}2026-06-01,google_ads,shop,1,Brand,10.123456,eur\n"
    )
    (row,) = read(tmp_path, f"native={path}", timezone="America/New_York", currency="EUR")
    assert (row["account_spend_amount"], row["spend_amount"]) == (D("10.123456"),) * 2
    assert (str(row["spend_date"]), row["currency"]) == ("2026-06-01", "EUR")
    assert (str(row["received_date"]), row["received_at"]) == (
        "2026-06-10",
        datetime.fromtimestamp(NOON, UTC).replace(tzinfo=None),
    )


def test_a_time_with_an_offset_is_on_the_day_that_it_names(tmp_path: Path) -> None:
    path = written(
        tmp_path / "ads.csv",
        f"{NATIVE}2026-06-01T00:00:00+02:00,google_ads,shop,1,Brand,10,EUR\n",
    )
    (row,) = read(tmp_path, f"native={path}")
    assert str(row["spend_date"]) == "2026-06-01"


def test_two_currencies_are_one_by_the_rates_that_orders_use(tmp_path: Path) -> None:
    rates = written(tmp_path / "rates.csv", "date,currency,rate\n2026-05-01,USD,0.9\n")
    path = written(
        tmp_path / "ads.csv",
        f"{NATIVE}2026-06-01,google_ads,shop,1,Brand,10,EUR\n2026-06-01,meta,us,7,Sale,22,USD\n"
        "2026-06-01,meta,uk,8,Sale UK,5,GBP\n",
    )
    rows = read(tmp_path, f"native={path}", currency="EUR", rates=rates)
    assert {
        row["platform"] + row["account_id"]: (row["account_spend_amount"], row["spend_amount"])
        for row in rows
    } == {
        "google_adsshop": (D(10), D(10)),
        "metaus": (D(22), D("19.8")),
        "metauk": (D(5), None),
    }
    assert {row["unrated_currency"] for row in rows} == {None, "GBP"}


def test_spend_is_read_once_orders_and_events_have_said_the_shop_s_currency(tmp_path: Path) -> None:
    """Else 10 dollars of a shop whose purchases are in euros were 10 euros, in its first run."""
    path = written(tmp_path / "ads.csv", f"{NATIVE}2026-06-01,google_ads,shop,1,Brand,10,USD\n")
    for number, source in enumerate((RawEvents, UserOrderLog)):
        home = tmp_path / str(number)
        note_currencies(home, source.name, [date(2026, 6, 1)], {"EUR"})
        (row,) = read(tmp_path, f"native={path}", home=home)
        assert (row["spend_amount"], row["unrated_currency"]) == (None, "USD")
        assert asset_key(source) in raw_ad_spend.deps


def test_each_path_is_read_by_its_own_mapping(tmp_path: Path) -> None:
    mine = written(
        tmp_path / "mine.yaml",
        "extends: native\nfields:\n  account_id: {file_name: true}\n  platform: {constant: bing}\n",
    )
    first = written(tmp_path / "a.csv", f"{NATIVE}2026-06-01,google_ads,shop,1,Brand,10,EUR\n")
    header = NATIVE.replace("platform,account_id,", "")
    second = written(tmp_path / "outlet.csv", f"{header}2026-06-01,2,Shoes,5,EUR\n")
    rows = read(tmp_path, f"native={first},{mine}={second}")
    assert [(row["platform"], row["account_id"]) for row in rows] == [
        ("google_ads", "shop"),
        ("bing", "outlet"),
    ]


def test_a_path_without_its_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"write NAME=ads\.csv, where NAME is a mapping"):
        read(tmp_path, "ads.csv")
    with pytest.raises(UsageError, match="'meta=' names no file; write meta=PATH"):
        read(tmp_path, "native=ads.csv,meta=")
    with pytest.raises(MappingError, match="did you mean 'native'"):
        read(tmp_path, "nativ=ads.csv")


def test_paths_and_mappings_are_found_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Settings(
        ad_spend="native=ads.csv,mine.yaml=more/b.csv,fivetran=postgres://host/db/ads/spend",
        home=tmp_path,
        orders="orders.csv",
    )
    remember_paths(own)
    assert noted_paths(own)["ad_spend"] == (
        f"native={tmp_path}/ads.csv,{tmp_path}/mine.yaml={tmp_path}/more/b.csv,"
        "fivetran=postgres://host/db/ads/spend"
    )


def test_fivetran_s_table_is_read_in_its_database_and_each_state_is_a_load(tmp_path: Path) -> None:
    mine = written(
        tmp_path / "mine.yaml", "extends: fivetran\nfields:\n  currency: {constant: EUR}\n"
    )
    database = tmp_path / "fivetran.duckdb"
    with duckdb.connect(str(database)) as con:
        con.execute("CREATE SCHEMA ads")
        con.execute(
            "CREATE TABLE ads.campaign_report AS SELECT DATE '2026-06-01' AS date_day, "
            "'facebook_ads' AS platform, 9001 AS account_id, 7 AS campaign_id, "
            "'Sale' AS campaign_name, 10.5 AS spend, 3 AS clicks"
        )
    where = f"{mine}=duckdb://{database}/ads/campaign_report"
    (row,) = read(tmp_path, where)
    assert (row["platform"], row["account_id"], row["campaign_id"]) == ("meta", "9001", "7")
    assert (row["account_spend_amount"], row["currency"], row["source"]) == (
        D("10.5"),
        "EUR",
        where,
    )
    with pytest.raises(SourceError, match=r"The ad spend in ads\.nothing of .* cannot be read"):
        read(tmp_path, f"{mine}=duckdb://{database}/ads/nothing")
    with pytest.raises(SettingError, match="ECOM_AD_SPEND='duckdb:///' names no table"):
        read(tmp_path, f"{mine}=duckdb:///")


def test_two_exports_of_one_name_are_two_loads_or_refused(tmp_path: Path) -> None:
    row = "2026-06-01,google_ads,shop,1,Brand,10,EUR\n"
    for folder in ("monday", "tuesday"):
        written(tmp_path / "ads" / folder / "report.csv", NATIVE + row)
    rows = read(tmp_path, f"native={tmp_path}/ads")
    assert [row["source_file"] for row in rows] == ["monday/report.csv", "tuesday/report.csv"]
    with pytest.raises(SourceError, match=r"Two files of ad spend are called report\.csv"):
        read(
            tmp_path,
            f"native={tmp_path}/ads/monday/report.csv,native={tmp_path}/ads/tuesday/report.csv",
        )
