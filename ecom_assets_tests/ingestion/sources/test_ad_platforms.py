"""The reports of each advertising platform: what is documented of their rows, made up here, adds up
without titles and totals.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ecom_assets.commerce.marketing.spend import classified
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.ad_spend import FileAdSpend
from ecom_assets.ingestion.sources.mapping_file import shipped_in
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.test_ad_spend import written

D = Decimal
GOOGLE: Final = """\
Campaign report
"June 1, 2026 - June 2, 2026"
Day,Customer ID,Campaign,Campaign ID,Currency code,Cost,Impr.,Clicks,Conversions,Conv. value
2026-06-01,123-456-7890,Brand DE,2001,EUR,"1,234.50","12,345",321,12.50,"2,500.00"
2026-06-02,123-456-7890,Brand DE,2001,EUR,65.50,655,20,--,--
2026-06-02,123-456-7890,Shoes,2002,EUR,0.00,0,0,0.00,0.00
Total: Campaigns,--,--,--,EUR,"1,300.00","13,000",341,12.50,"2,500.00"
Total: Account,--,--,--,EUR,"1,300.00","13,000",341,12.50,"2,500.00"
"""


class Sample(NamedTuple):
    """A report of a platform, and what it comes to."""

    mapping: str
    file: str
    content: str | bytes
    platform: str
    account: str | None
    currency: str | None
    spend: str
    clicks: int
    campaigns: tuple[str, ...]
    refused: tuple[str, ...] = ()
    conversions: str | None = None
    """Their number and what they are worth, as `12.5 of 2500`."""


SAMPLES: Final = (
    Sample(
        "google_ads",
        "google.csv",
        GOOGLE,
        "google_ads",
        "123-456-7890",
        "EUR",
        "1300.00",
        341,
        ("Brand DE", "Brand DE", "Shoes"),
        ("total_line", "total_line"),
        "12.5 of 2500",
    ),
    Sample(
        "google_ads",
        "excel.csv",
        "\N{BYTE ORDER MARK}".encode("utf-16-le")
        + GOOGLE.replace('"June 1, 2026 - June 2, 2026"', "June 1 2026 - June 2 2026")
        .replace(",", "\t")
        .replace('"1\t234.50"', "1,234.50")
        .replace('"12\t345"', "12,345")
        .replace('"1\t300.00"', "1,300.00")
        .replace('"13\t000"', "13,000")
        .replace('"2\t500.00"', "2,500.00")
        .encode("utf-16-le"),
        "google_ads",
        "123-456-7890",
        "EUR",
        "1300.00",
        341,
        ("Brand DE", "Brand DE", "Shoes"),
        ("total_line", "total_line"),
        "12.5 of 2500",
    ),
    Sample(
        "google_ads_api",
        "api.json",
        '[{"results": [{"customer": {"id": "1234567890", "currencyCode": "EUR", "timeZone": '
        '"Europe/Berlin"}, "campaign": {"id": "2001", "name": "Brand DE"}, "metrics": {'
        '"costMicros": "1234567", "clicks": "3", "impressions": "40", "conversions": 1.5, '
        '"conversionsValue": 90.25}, "segments": {"date": "2026-06-01"}}, {"customer": {"id": '
        '"1234567890", "currencyCode": "EUR"}, "campaign": {"id": "2002", "name": "Shoes"}, '
        '"metrics": {"clicks": "0", "impressions": "2"}, "segments": {"date": "2026-06-01"}}], '
        '"fieldMask": "campaign.id"}]',
        "google_ads",
        "1234567890",
        "EUR",
        "1.234567",
        3,
        ("Brand DE", "Shoes"),
        (),
        "1.5 of 90.25",
    ),
    Sample(
        "meta",
        "meta.csv",
        "Reporting starts,Reporting ends,Day,Account ID,Campaign name,Amount spent (EUR),"
        "Impressions,Link clicks,Purchases,Purchases conversion value\n"
        "2026-06-01,2026-06-02,2026-06-01,9001,New season,10.50,100,7,2,120.5\n"
        "2026-06-01,2026-06-02,2026-06-02,9001,New season,20.25,200,9,,\n"
        "2026-06-01,2026-06-02,,,,30.75,300,16,2,120.5\n",
        "meta",
        "9001",
        "EUR",
        "30.75",
        16,
        ("New season", "New season"),
        ("total_line",),
        "2 of 120.5",
    ),
    Sample(
        "meta",
        "week.csv",
        "Reporting starts,Reporting ends,Account ID,Campaign name,Amount spent (USD),Link clicks\n"
        "2026-06-01,2026-06-01,9001,New season,10.50,7\n"
        "2026-06-01,2026-06-07,9001,New season,20.25,9\n",
        "meta",
        "9001",
        "USD",
        "10.50",
        7,
        ("New season",),
        ("several_days",),
    ),
    Sample(
        "meta_api",
        "insights.json",
        '{"data": [{"account_id": "9001", "account_currency": "EUR", "campaign_id": "120210001", '
        '"campaign_name": "New season", "spend": "10.50", "impressions": "100", "clicks": "8", '
        '"date_start": "2026-06-01", "date_stop": "2026-06-01", "actions": [{"action_type": '
        '"link_click", "value": "7"}, {"action_type": "omni_purchase", "value": "2"}, '
        '{"action_type": "purchase", "value": "2"}], "action_values": [{"action_type": '
        '"omni_purchase", "value": "120.5"}]}, {"account_id": "9001", "account_currency": "EUR", '
        '"campaign_id": "120210002", "campaign_name": "Again", "spend": "1.5", "clicks": "1", '
        '"date_start": "2026-06-01", "date_stop": "2026-06-01"}], "paging": {"cursors": {}}}',
        "meta",
        "9001",
        "EUR",
        "12.00",
        9,
        ("Again", "New season"),
        (),
        "2 of 120.5",
    ),
    Sample(
        "tiktok",
        "tiktok.csv",
        "Campaign name,By Day,Account ID,Cost,Currency,Impressions,Clicks (destination),Conversions"
        "\nDance,2026-06-01,7001,5.25,EUR,1000,12,1\nDance,2026-06-02,7001,4.75,EUR,900,8,0\n"
        "Total of 2 results,-,-,10.00,-,1900,20,1\n",
        "tiktok",
        "7001",
        "EUR",
        "10.00",
        20,
        ("Dance", "Dance"),
        ("total_line",),
        "1 of 0",
    ),
    Sample(
        "microsoft_ads",
        "microsoft.csv",
        "Gregorian date,Account number,Campaign,Currency code,Spend,Impressions,Clicks,Conversions,"
        'Revenue\n6/1/2026,F100,Brand,USD,"1,000.25","5,000",50,3,150\n'
        "6/13/2026,F100,Shoes,USD,0.75,10,1,0,0\n",
        "microsoft_ads",
        "F100",
        "USD",
        "1001.00",
        51,
        ("Brand", "Shoes"),
        (),
        "3 of 150",
    ),
    Sample(
        "pinterest",
        "pinterest.csv",
        "Date,Ad account ID,Campaign name,Campaign ID,Spend in account currency,Impressions,"
        "Outbound clicks,Currency\n2026-06-01,5490,Boards,6260,3.141592,400,4,EUR\n",
        "pinterest",
        "5490",
        "EUR",
        "3.141592",
        4,
        ("Boards",),
    ),
    Sample(
        "linkedin",
        "linkedin.csv",
        "Campaign Performance Report (in UTC)\nReport Start: June 1 2026\nDate Generated: June 3"
        "\n\nStart Date (in UTC),Account Name,Currency,Campaign Name,Campaign ID,Total Spent,"
        "Impressions,Clicks\n06/01/2026,Shop,EUR,B2B,331,7.5,70,2\n06/02/2026,Shop,EUR,B2B,331,2.5,"
        "30,1\n",
        "linkedin",
        "Shop",
        "EUR",
        "10.0",
        3,
        ("B2B", "B2B"),
    ),
    Sample(
        "amazon_ads",
        "amazon.csv",
        "Date,Account ID,Campaign Name,Currency,Impressions,Clicks,Spend,7 Day Total Sales ,"
        '7 Day Total Orders (#)\n"Jun 01, 2026",A1,Sponsored,USD,1000,10,$12.34,"$1,100.00",4\n',
        "amazon_ads",
        "A1",
        "USD",
        "12.34",
        10,
        ("Sponsored",),
        (),
        "4 of 1100",
    ),
    Sample(
        "criteo",
        "criteo.csv",
        "AdvertiserId,Campaign,CampaignId,Day,Currency,AdvertiserCost,Clicks,Displays\n"
        "55012,Banner,770001,2026-06-01,EUR,8.125,16,4000\n",
        "criteo",
        "55012",
        "EUR",
        "8.125",
        16,
        ("Banner",),
    ),
    Sample(
        "ga4_cost",
        "ga4.csv",
        "date,source,medium,campaign,campaign_id,cost,clicks,impressions,account_id,currency\n"
        "2026-06-01,google,cpc,brand,2001,4.50,5,50,shop,EUR\n"
        "20260602,google,cpc,,,1.50,1,10,shop,EUR\n",
        "google_ads",
        "shop",
        "EUR",
        "6.00",
        6,
        ("brand", "cpc"),
    ),
    Sample(
        "fivetran",
        "fivetran.csv",
        "date_day,platform,account_id,account_name,campaign_id,campaign_name,clicks,impressions,"
        "spend,conversions,conversions_value,currency\n2026-06-01,facebook_ads,9001,Shop,120210001,"
        "New season,7,100,10.5,2,120.5,EUR\n",
        "meta",
        "9001",
        "EUR",
        "10.5",
        7,
        ("New season",),
        (),
        "2 of 120.5",
    ),
)


def read(folder: Path, sample: Sample) -> list[Row]:
    path = written(folder / sample.file, sample.content)
    settings = Settings(
        ad_spend=f"{sample.mapping}={path}", home=folder / "home", orders="orders.csv"
    )
    output = FileAdSpend(connect(), settings).received(Days(()))
    rows: list[Row] = classified(output.rows).to_pyarrow().to_pylist()
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.file)
def test_the_rows_of_a_platform_add_up_without_titles_and_totals(
    sample: Sample, tmp_path: Path
) -> None:
    rows = read(tmp_path, sample)
    counted = [row for row in rows if row["reject_reason"] is None]
    refused = sorted(row["reject_reason"] for row in rows if row["reject_reason"])
    assert refused == sorted(sample.refused)
    assert sum(row["spend_amount"] for row in counted) == D(sample.spend)
    assert sum(row["click_count"] for row in counted) == sample.clicks
    assert {(row["platform"], row["account_id"], row["currency"]) for row in counted} == {
        (sample.platform, sample.account, sample.currency)
    }
    assert tuple(sorted(row["campaign_name"] for row in counted)) == sample.campaigns
    if sample.conversions is not None:
        count, _, amount = sample.conversions.partition(" of ")
        assert sum(row["platform_conversion_count"] or 0 for row in counted) == D(count)
        assert sum(row["platform_conversion_amount"] or 0 for row in counted) == D(amount)


def test_every_shipped_mapping_has_a_sample() -> None:
    assert {sample.mapping for sample in SAMPLES} | {"native"} == {*shipped_in("ad_spend_mappings")}


def test_the_zone_of_an_account_is_read_where_a_source_says_it(tmp_path: Path) -> None:
    (of_api,) = (sample for sample in SAMPLES if sample.mapping == "google_ads_api")
    zones = [row["account_time_zone"] for row in read(tmp_path, of_api)]
    assert sorted(map(str, zones)) == ["Europe/Berlin", "None"], "one row says it"
    native = Sample(
        "native",
        "native.csv",
        "spend_date,platform,account_id,campaign_name,spend_amount,currency,account_time_zone\n"
        "2026-06-01,meta,1,Brand,5,EUR,America/New_York\n2026-06-01,meta,2,Brand,5,EUR,--\n",
        "meta",
        "1",
        "EUR",
        "10",
        0,
        (),
    )
    zones = [row["account_time_zone"] for row in read(tmp_path, native)]
    assert sorted(map(str, zones)) == ["America/New_York", "None"]


@pytest.mark.parametrize(
    "head",
    [
        (
            "Berichtsstart,Kampagnenname,Impressionen,Link-Klicks,Ausgegebener Betrag (EUR),Käufe,"
            "Conversion-Wert für Käufe"
        ),
        (
            "Début des rapports,Nom de la campagne,Impressions,Clics sur un lien,"
            "Montant dépensé (EUR),Achats,Valeur de conversion des achats"
        ),
        (
            "Inicio del informe,Nombre de la campaña,Impresiones,Clics en el enlace,"
            "Importe gastado (EUR),Compras,Valor de conversión de compras"
        ),
    ],
)
def test_a_report_of_meta_in_another_language_is_read_whole(tmp_path: Path, head: str) -> None:
    path = written(tmp_path / "ads.csv", f"{head}\n2026-06-01,Brand,900,40,12.50,3,150.00\n")
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"), MappingKind.AD_SPEND)
    proposal = search.proposal({}, OWN)
    assert {one.key: one.guess for one in proposal.questions}["platform"] == "meta"
    counts = ("impression_count", "click_count", "platform_conversion_count")
    for name in (*counts, "spend_amount", "platform_conversion_amount"):
        assert f"  {name}: " in proposal.text
