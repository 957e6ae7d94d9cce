"""Stock from a file, an API and the sandbox: what comes is kept, and what cannot be read is said.

Not here: alerts (`products/test_performance.py`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from ecom_assets.core.errors import EcomError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.ingestion.sources.stock import (
    NO_STOCK,
    ApiStock,
    fetch_catalogue,
    has_stock,
)
from ecom_assets.ingestion.sources.stock_reading import FileStock, StockFileReading
from ecom_assets.orchestration.sandbox import SandboxStock
from ecom_assets_tests.ingestion.sources.workbook import write_ods, write_xlsx
from ecom_assets_tests.services import BASE_S
from ecom_sandbox.services.pages import CatalogueService
from ecom_sandbox.services.service import Faults, ServiceRequest, ServiceResponse
from ecom_sandbox.shop.shop import generate

TODAY = date(2026, 3, 10)
DAYS = Days((date(2026, 3, 9), TODAY))
PRODUCTS = [
    {"product_id": f"p{n}", "name": f"N{n}", "stock": n, "reorder_point": 2} for n in range(5)
]


def rows(received: SliceOutput) -> list[dict[str, Any]]:
    actual: list[dict[str, Any]] = received.rows.order_by("record_number").to_pyarrow().to_pylist()
    return actual


# A file


def of_file(path: Path, text: str) -> SliceOutput:
    path.write_text(text)
    return FileStock(Settings(home=path.parent, catalogue=path)).received(DAYS)


def test_a_file_counts_as_of_the_newest_of_the_run_s_days(tmp_path: Path) -> None:
    actual = of_file(
        tmp_path / "c.csv", "product_id,name,stock,reorder_point,lead_time_days\nhat,Hat,7,10,3\n"
    )
    assert actual.days == Days((TODAY,))
    [row] = rows(actual)
    assert (
        row["received_date"],
        row["record_number"],
        row["product_name"],
        row["product_category"],
    ) == (
        TODAY,
        1,
        "Hat",
        None,
    )
    assert (row["stock_count"], row["reorder_point_count"], row["lead_time_days"]) == (7, 10, 3)
    assert row["reject_reason"] is None


def test_the_stock_of_several_locations_of_a_product_is_added_up(tmp_path: Path) -> None:
    lines = (
        "LAMP,Vienna,0,\nLAMP,Warehouse,40,\nTRAY,Vienna,4,10\nTRAY,Warehouse,5,10\n"
        "MUG,Vienna,3,\nMUG,Warehouse,not stocked,\nHAT,,7,\nCAP,Vienna,1,\nCAP,Vienna,2,\n"
    )
    actual = rows(of_file(tmp_path / "c.csv", f"product_id,location,stock,reorder_point\n{lines}"))
    stock = {row["product_id"]: (row["stock_count"], row["reject_reason"]) for row in actual}
    assert stock == {
        "LAMP": (40, None),
        "TRAY": (9, None),
        "MUG": (None, "unparseable_stock"),
        "HAT": (7, None),
        "CAP": (2, None),
    }, "a later line about one location replaces the one before it"


def test_a_catalogue_may_say_what_products_cost(tmp_path: Path) -> None:
    """What cannot be read is kept as it came, and refuses no stock."""
    stated = ("12.3456789", "0", "-3", "twelve", "1e12", "")
    lines = "".join(f"p{n},5,{text}\n" for n, text in enumerate(stated))
    actual = rows(of_file(tmp_path / "c.csv", f"product_id,stock,unit_cost_amount\n{lines}"))
    assert [row["unit_cost_amount"] for row in actual] == [
        Decimal("12.345679"),
        0,
        *[None] * 4,
    ]
    assert [row["received_unit_cost_amount"] or "" for row in actual] == [*stated]
    assert {row["reject_reason"] for row in actual} == {None}


def test_costs_of_a_catalogue_without_stock_are_not_read_and_that_is_said(tmp_path: Path) -> None:
    output = of_file(tmp_path / "c.csv", "product_id,category,unit_cost_amount\nhat,Hats,12\n")
    assert "are not read, as it has no column stock; give them to ECOM_COSTS" in output.warning


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",5,,", "missing_product_id"),
        ("hat,,,", "missing_stock"),
        ("hat,many,,", "unparseable_stock"),
        ("hat,1.5,,", "unparseable_stock"),
        ("hat,NaN,,", "unparseable_stock"),
        ("hat,99999999999999999999,,", "unparseable_stock"),
        ("hat,1,-1,", "unparseable_reorder_point"),
        ("hat,1,,soon", "unparseable_lead_time"),
        ("hat,-4,,", None),
        ("hat,12.0,0,0", None),
    ],
)
def test_a_line_that_says_nothing_is_kept_with_its_reason(
    tmp_path: Path, line: str, reason: str | None
) -> None:
    [row] = rows(
        of_file(tmp_path / "c.csv", f"product_id,stock,reorder_point,lead_time_days\n{line}\n")
    )
    assert row["reject_reason"] == reason
    assert row["received_stock"] == (line.split(",")[1] or None)


def test_a_line_may_lack_its_last_cells_by_setting_and_by_upload(tmp_path: Path) -> None:
    """A file of stock is read in one way, wherever it comes from."""
    path = tmp_path / "c.csv"
    of_setting = rows(of_file(path, "product_id,stock,name\nhat,5\ncap,6,Cap\n"))
    reading = StockFileReading.open([str(path)], "catalogue", Settings(home=tmp_path))
    for lines in (of_setting, reading.lines):
        assert [
            (line["product_id"], line["stock_count"], line["reject_reason"]) for line in lines
        ] == [("hat", 5, None), ("cap", 6, None)]


def test_parquet_is_read_too(tmp_path: Path) -> None:
    pq.write_table(pa.table({"product_id": [1, 2], "stock": [3.0, None]}), tmp_path / "c.parquet")
    actual = rows(
        FileStock(Settings(home=tmp_path, catalogue=tmp_path / "c.parquet")).received(DAYS)
    )
    assert [(row["product_id"], row["stock_count"], row["reject_reason"]) for row in actual] == [
        ("1", 3, None),
        ("2", None, "missing_stock"),
    ]


@pytest.mark.parametrize("ending", ["xlsx", "ods"])
def test_a_workbook_has_stock(tmp_path: Path, ending: str) -> None:
    """Numbers are those of the cells, whatever the sheet shows,
    and names of columns have any case.
    """
    table = [("Product_ID", "Name", "Stock"), ("hat", "Hat", 7), (100, "Cap", 12)]
    path = tmp_path / f"c.{ending}"
    if ending == "xlsx":
        write_xlsx(path, {"Stock": table})
    else:
        write_ods(path, "Stock", table)
    actual = rows(FileStock(Settings(home=tmp_path, catalogue=path)).received(DAYS))
    assert [(row["product_id"], row["product_name"], row["stock_count"]) for row in actual] == [
        ("hat", "Hat", 7),
        ("100", "Cap", 12),
    ]


def test_a_catalogue_of_categories_only_has_no_stock_and_that_is_said(tmp_path: Path) -> None:
    actual = of_file(tmp_path / "c.csv", "product_id,category\nhat,hats\n")
    assert (actual.days, rows(actual)) == (Days(()), [])
    assert actual.metadata["not_fetched_because"] == f"{tmp_path / 'c.csv'} has no column stock"


def test_a_catalogue_without_a_line_says_that_there_is_nothing(tmp_path: Path) -> None:
    actual = of_file(tmp_path / "c.csv", "product_id,stock\n")
    assert (actual.days, rows(actual)) == (Days((TODAY,)), [])


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("sku,stock\nhat,1\n", "has a column stock but no column product_id"),
        (
            None,
            "there is no such file; give ECOM_CATALOGUE a file with the columns product_id",
        ),
    ],
)
def test_a_catalogue_of_no_products_is_refused(
    tmp_path: Path, text: str | None, result: str
) -> None:
    path = tmp_path / "c.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SourceError, match=result):
        FileStock(Settings(home=tmp_path, catalogue=path)).received(DAYS)


# An API


@pytest.fixture
def api(tmp_path: Path) -> Iterator[CatalogueService]:
    pq.write_table(pa.Table.from_pylist(PRODUCTS), tmp_path / "catalogue.parquet")
    with CatalogueService(tmp_path / "catalogue.parquet") as service:
        yield service


def settings(api: CatalogueService, home: Path, **options: Any) -> Settings:
    answer: dict[str, Any] = {
        "catalogue_api_url": api.api_url,
        "catalogue_api_key": SecretStr(api.key),
        "source_retry_base_s": BASE_S,
    }
    return Settings(home=home, **(answer | options))


def test_all_products_come_with_faults(
    api: CatalogueService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecom_assets.ingestion.sources.stock.PAGE_SIZE", 2)
    api.faults = Faults(rate_limited=1, retry_after="0", server_errors=1, dropped=1, truncated=1)
    assert [
        product["product_id"] for product in fetch_catalogue(settings(api, tmp_path)).products
    ] == [f"p{n}" for n in range(5)]
    assert api.counts.request_count == 7  # three pages, and four attempts that failed


@pytest.mark.parametrize(
    ("hour", "fetched_of"),
    [(1, date(2026, 3, 10)), (23, date(2026, 3, 10)), (49, None), (-25, None)],
)
def test_stock_is_of_the_newest_day_if_that_is_today_or_yesterday(
    api: CatalogueService, tmp_path: Path, hour: int, fetched_of: date | None
) -> None:
    """At one o'clock of the 10th, an hour before its end, at one of the 12th,
    and at 23 of the 8th.
    """
    now = datetime.fromtimestamp(datetime(2026, 3, 10, tzinfo=UTC).timestamp() + hour * 3600, UTC)
    actual = ApiStock(settings(api, tmp_path), lambda: now).received(DAYS)
    assert actual.days == Days((fetched_of,) if fetched_of else ())
    assert len(rows(actual)) == (5 if fetched_of else 0)
    assert ("not_fetched_because" in actual.metadata) is (fetched_of is None)
    assert actual.metadata.get("request_count") == (1 if fetched_of else None)


@pytest.mark.parametrize(
    ("options", "result"),
    [
        (
            {"catalogue_api_key": SecretStr("wrong")},
            "answers 403.*set ECOM_CATALOGUE_API_KEY to one that it takes",
        ),
        (
            {"catalogue_api_key": SecretStr("käse")},
            "ECOM_CATALOGUE_API_KEY holds characters that no HTTP header",
        ),
        (
            {"catalogue_api_url": "http://127.0.0.1:9"},
            "does not answer.*ECOM_CATALOGUE_API_URL is right",
        ),
    ],
)
def test_a_refusing_api_is_reported(
    api: CatalogueService, tmp_path: Path, options: dict[str, Any], result: str
) -> None:
    with pytest.raises(EcomError, match=result) as refused:
        fetch_catalogue(settings(api, tmp_path, **options))
    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (
            {"page": 1, "total": 2, "total_pages": 1, "data": [{"product_id": "a"}]},
            "announced 2 products and returned 1",
        ),
        (
            {"page": 2, "total": 1, "total_pages": 1, "data": [{}]},
            "asked for page 1 and answers with page 2",
        ),
        (
            {"page": 1, "total": 1, "total_pages": 1, "data": ["a"]},
            "is none: data.0: Input should be",
        ),
        ([], "is none: the answer: Input should be"),
    ],
)
def test_an_answer_that_is_no_page_is_refused(
    api: CatalogueService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: object,
    result: str,
) -> None:
    def other(_self: CatalogueService, _request: ServiceRequest) -> ServiceResponse:
        return ServiceResponse.json(answer)

    monkeypatch.setattr(CatalogueService, "answer", other)
    with pytest.raises(SourceError, match=result):
        fetch_catalogue(settings(api, tmp_path))


# The sandbox, and none


def test_the_sandbox_reports_its_stock_on_its_last_day_only(tmp_path: Path) -> None:
    mine = Settings(home=tmp_path)
    generate(mine.sandbox_folder, days=2, visitors=20)
    source = SandboxStock(mine, lambda _settings: None)
    assert source.received(Days((date(2026, 1, 1),))).days == Days(())
    actual = source.received(Days((date(2026, 1, 1), date(2026, 1, 2))))
    answer = rows(actual)
    assert (actual.days, len(answer)) == (Days((date(2026, 1, 2),)), 480)
    assert all(row["reject_reason"] is None and row["lead_time_days"] >= 3 for row in answer)
    assert any(row["stock_count"] == 0 for row in answer)


def test_a_shop_without_a_catalogue_has_no_stock() -> None:
    assert (
        NO_STOCK.received(DAYS)
        .metadata["not_fetched_because"]
        .startswith("neither ECOM_CATALOGUE_API_URL nor")
    )
    assert not has_stock(Settings(events="clicks.csv"))
    assert has_stock(Settings(events="clicks.csv", catalogue=Path("c.csv")))
    assert has_stock(
        Settings(orders="orders.csv", catalogue_api_url="https://shop.example/products")
    )
    assert has_stock(Settings())
