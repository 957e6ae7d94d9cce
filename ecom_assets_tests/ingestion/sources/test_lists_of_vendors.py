"""Reports of ads, lists of customers and of stock, of vendors that no shipped mapping is of: what
each is shows in its columns, and what it comes to can be added up by a reader.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets.core.errors import DefinitionError, EcomError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.cost_reading import AdSpendFileReading
from ecom_assets.ingestion.sources.proposal.fields import MappingKind
from ecom_assets.ingestion.sources.proposal.proposal import OWN, MappingSearch, read_by
from ecom_assets.ingestion.sources.proposal.questions import LABELS
from ecom_assets.ingestion.sources.reading import CustomerFileReading
from ecom_assets.ingestion.sources.stock_reading import StockFileReading
from ecom_assets_tests.ingestion.sources.conftest import write
from ecom_assets_tests.ingestion.sources.test_drafts_add_up import asked


def search_of_listed(path: Path, lines: Sequence[str]) -> MappingSearch:
    """Return the search over a file of the kind that its columns show."""
    write(path, "\n".join([*lines, ""]))
    settings = Settings(home=path.parent / "home")
    kind = MappingSearch([str(path)], settings).listed_kind
    return MappingSearch([str(path)], settings, kind)


def spent(search: MappingSearch, answers: dict[str, str]) -> list[tuple[Decimal | None, str]]:
    """Return the spend that counts, of each currency."""
    assert {*asked(search, answers)} <= answers.keys()
    with read_by(search, search.proposal(answers, OWN)) as reading:
        assert isinstance(reading, AdSpendFileReading)
        return [(money.amount, money.currency) for money in reading.spent]


OF_ADS = {"platform": "other", "account_id": "one account", "currency": "EUR"}


def test_a_report_that_calls_impressions_displays_is_one_of_ads(tmp_path: Path) -> None:
    lines = [
        "Day;Advertiser;Campaign ID;Campaign;Currency;Displays;Clicks;Advertiser Cost;Revenue",
        "2026-03-01;Shop;33;Lower funnel;EUR;5000;40;11.40;30.00",
        "2026-03-02;Shop;33;Lower funnel;EUR;5100;41;12.60;0.00",
    ]
    search = search_of_listed(tmp_path / "report.csv", lines)
    assert search.kind is MappingKind.AD_SPEND
    assert {*asked(search, {})} == {"platform", "account_id"}
    assert spent(search, OF_ADS) == [(Decimal("24.00"), "EUR")]


def test_spend_of_far_more_than_ads_cost_is_asked_whether_it_counts_millionths(
    tmp_path: Path,
) -> None:
    """1,250 of an impression would be 1,250,000 of a thousand; in millionths it is 1.25."""
    stats = [(1_250_000, 1_000, 10), (1_750_000, 1_400, 12)]
    lines = [
        json.dumps(
            {
                "start_time": f"2026-03-0{day}T00:00:00.000-07:00",
                "campaign": "Teens",
                "stats": {"spend": spend, "impressions": shown, "swipes": swipes},
            }
        )
        for day, (spend, shown, swipes) in enumerate(stats, start=1)
    ]
    search = search_of_listed(tmp_path / "report.ndjson", lines)
    assert search.kind is MappingKind.AD_SPEND
    assert "such as 1250000 of stats.spend" in asked(search, {})["units"]
    for units, total in (("millionths", 3), ("whole units", 3_000_000)):
        assert spent(search, {**OF_ADS, "units": units}) == [(Decimal(total), "EUR")]


def test_whole_spend_of_usual_ads_is_not_asked_about(tmp_path: Path) -> None:
    """90,000 yen for 60,000 impressions are 1.50 each."""
    lines = [
        "Date,Campaign,Impressions,Clicks,Cost,Currency",
        "2026-03-01,Haru,30000,400,44000,JPY",
        "2026-03-02,Haru,30000,410,46000,JPY",
    ]
    search = search_of_listed(tmp_path / "report.csv", lines)
    assert search.kind is MappingKind.AD_SPEND
    assert "units" not in asked(search, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "total", "currency"),
    [
        (
            (
                "Дата;Кампания;№ Кампании;Показы;Клики;Расход (руб.)",  # noqa: RUF001 (Cyrillic it is)
                *(f"{day}.03.2026;Поиск;7788;900;30;1500,25" for day in range(11, 21)),
                "Итого;;;9000;300;15 002,50",
            ),
            "15002.50",
            "RUB",
        ),
        (
            (
                "日,キャンペーン名,キャンペーンID,インプレッション数,クリック数,コスト,通貨",
                "2026/3/1,春,55,30000,400,44000,JPY",
                "2026/3/13,春,55,30001,401,46000,JPY",
            ),
            "90000",
            "JPY",
        ),
        (
            (
                "Date,Hour,Campaign,Spend (USD),Impressions,Clicks",
                "2026-03-13,1,Display,0.50,100,1",
                "2026-03-13,2,Display,0.50,100,1",
            ),
            "1.00",
            "USD",
        ),
    ],
    ids=["Russian", "Japanese", "by the hour"],
)
def test_a_report_of_ads_in_another_language_has_the_currency_that_it_names(
    tmp_path: Path, lines: Sequence[str], total: str, currency: str
) -> None:
    search = search_of_listed(tmp_path / "report.csv", lines)
    assert search.kind is MappingKind.AD_SPEND
    answers = {name: OF_ADS[name] for name in ("platform", "account_id")}
    assert {*asked(search, {})} == answers.keys()
    assert spent(search, answers) == [(Decimal(total), currency)]


def test_a_report_of_months_is_refused_with_what_to_export(tmp_path: Path) -> None:
    lines = ["Month,Campaign,Cost,Currency,Impressions", "2026-01,Brand,700.50,EUR,9000"]
    search = search_of_listed(tmp_path / "report.csv", lines)
    with pytest.raises(DefinitionError, match="Export the report by day: a sum of several days"):
        search.proposal({}, OWN)


def test_a_log_of_what_people_clicked_is_no_report_of_ads(tmp_path: Path) -> None:
    lines = [
        "user_id,event,time,campaign,clicks",
        "u1,page_view,2026-03-01 10:00:00,spring,1",
        "u2,page_view,2026-03-01 11:00:00,spring,2",
    ]
    assert search_of_listed(tmp_path / "log.csv", lines).kind is None


def test_customers_without_an_address_have_the_id_that_the_list_gives_each(tmp_path: Path) -> None:
    lines = [
        "Reference ID,First Name,Surname,Email Address,Square Customer ID,Lifetime Spend",
        ",Ann,Lee,ann@mail.example,SQ1,$10.00",
        ",Bob,May,,SQ2,$20.00",
        ",Cyd,Ray,cyd@mail.example,SQ3,$30.00",
    ]
    path = write(tmp_path / "customers.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    proposal = search.proposal({}, OWN)
    assert proposal.kind is MappingKind.CUSTOMERS
    with read_by(search, proposal) as reading:
        assert isinstance(reading, CustomerFileReading)
        ids = [record.customer.id for record in reading.records if record.customer]
    assert ids == ["SQ1", "SQ2", "SQ3"]


def test_a_list_of_customers_that_says_more_than_a_shipped_mapping_takes_is_read_whole(
    tmp_path: Path,
) -> None:
    """It has all columns that Shopify's mapping needs, and consent under another name."""
    lines = [
        "Email,First Name,Last Name,City,Country,Email Marketing Consent,Profile Created On",
        "ann@mail.example,Ann,Lee,Lyon,France,SUBSCRIBED,2025-05-01 08:00:00+00:00",
        "bob@mail.example,Bob,May,Nice,France,NEVER_SUBSCRIBED,2025-05-02 08:00:00+00:00",
    ]
    path = write(tmp_path / "profiles.csv", "\n".join([*lines, ""]))
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"))
    with read_by(search, search.proposal({})) as reading:
        assert isinstance(reading, CustomerFileReading)
        people = [record.customer for record in reading.records if record.customer]
    assert [person.has_email_consent for person in people] == [True, False]
    assert [str(person.created_at)[:10] for person in people] == ["2025-05-01", "2025-05-02"]


def test_a_quantity_beside_a_place_is_how_many_there_are(tmp_path: Path) -> None:
    lines = [
        "Product/Internal Reference,Product/Display Name,Location/Display Name,Quantity",
        "DESK,Desk,WH/Stock,20.0",
        "DESK,Desk,WH2/Stock,5.0",
        "LAMP,Lamp,WH/Stock,7.0",
    ]
    search = search_of_listed(tmp_path / "quants.csv", lines)
    assert search.kind is MappingKind.STOCK
    with read_by(search, search.proposal({}, OWN)) as reading:
        assert isinstance(reading, StockFileReading)
        totals = {row["product_id"]: row["stock"] for row in reading.totals}
    assert totals == {"DESK": "25", "LAMP": "7.0"}


def test_a_cost_is_guessed_where_a_name_says_one_in_a_word(tmp_path: Path) -> None:
    lines = [
        "ProductKey,ProductSKU,ProductName,ProductCost,ProductPrice",
        "214,HL-1,Helmet,13.09,34.99",
        "215,HL-2,Helmet black,12.03,33.64",
    ]
    search = search_of_listed(tmp_path / "products.csv", lines)
    assert search.kind is MappingKind.COSTS
    (question,) = (one for one in search.proposal({}, OWN).questions if not one.is_optional)
    assert (question.key, question.guess) == ("unit_cost_amount", "ProductCost")


def test_stock_in_a_column_of_each_place_is_asked_whether_all_of_it_counts(tmp_path: Path) -> None:
    """Of mugs 4 are in the shop and 26 in the warehouse; of vases there are none in the shop."""
    lines = [
        "handle,sku,name,supply_price,retail_price,inventory_Shop,inventory_Warehouse",
        "mug,M1,Mug,3.00,9.95,4,26",
        "vase,V1,Vase,5.00,19.95,,7",
    ]
    search = search_of_listed(tmp_path / "inventory.csv", lines)
    assert search.kind is MappingKind.STOCK
    assert (
        "inventory_Shop, inventory_Warehouse may each be of one place" in asked(search, {})["stock"]
    )
    for answer, stock in (
        ("those of all places together", {"M1": 30, "V1": 7}),
        ("inventory_Warehouse", {"M1": 26, "V1": 7}),
    ):
        with read_by(search, search.proposal({"stock": answer}, OWN)) as reading:
            assert isinstance(reading, StockFileReading)
            assert {line["product_id"]: line["stock_count"] for line in reading.lines} == stock
            costs = {line["product_id"]: line["unit_cost_amount"] for line in reading.lines}
        assert costs == {"M1": Decimal(3), "V1": Decimal(5)}


@pytest.mark.parametrize("kind", list(MappingKind))
def test_a_file_of_words_leaves_only_questions_that_have_a_label(
    tmp_path: Path, kind: MappingKind
) -> None:
    """Whatever somebody says that such a file is, it is asked about, or refused in a sentence."""
    path = write(tmp_path / "words.csv", "colour,shape\nred,round\nblue,flat\ngreen,round\n")
    search = MappingSearch([str(path)], Settings(home=tmp_path / "home"), kind)
    try:
        questions = search.proposal({}, OWN).questions
    except EcomError as error:
        assert "colour (" in str(error)  # noqa: PT017 (either is right)
        return
    assert questions
    assert {question.key for question in questions} <= LABELS.keys()
