"""The other files of an order report, in the layouts that occur: with ids or without,
with a header or without.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.commerce.orders import orders
from ecom_assets.commerce.orders.checks import report_checks
from ecom_assets.commerce.orders.contracts import (
    CustomerResearch,
    PriceLog,
    RawCustomerResearch,
    RawPriceLog,
    RawUserActivityLog,
    UserActivityLog,
)
from ecom_assets.core.errors import SourceError
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.order_reports.api import (
    fetch_history,
    fetch_increments,
    metrics_of,
)
from ecom_assets.ingestion.sources.order_reports.report_files import ReportFiles, has_report
from ecom_assets.ingestion.sources.report_paths import report_path
from ecom_assets_tests.command import small_shop
from ecom_assets_tests.ingestion.sources.test_order_report_api import FIRST, SECOND, order
from ecom_assets_tests.services import settings_for
from ecom_sandbox.services.orders import OrderService

BOTH = Days((FIRST, SECOND))
ORDERS = (
    "id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,"
    "quantity,payment_amount"
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[OrderService]:
    """A service whose report has an order of each of two days, and what a
    test writes into `report`.
    """
    lines = [
        ",".join(str(value) for name, value in fields.items() if name != "status")
        for fields in _orders()
    ]
    (tmp_path / "increments").mkdir()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "user_order_log.csv").write_text("\n".join([ORDERS, *lines]) + "\n")
    with OrderService(tmp_path / "increments", report=tmp_path / "report") as served:
        yield served


def _orders() -> list[dict[str, Any]]:
    return [order(1, FIRST, item_name="Lamp"), order(2, SECOND, item_name="Lamp")]


def stored(service: OrderService, tmp_path: Path, **files: str) -> tuple[ReportFiles, list[str]]:
    """Load a report with these files; return them as a source, and what was wrong with some."""
    for name, text in files.items():
        (tmp_path / "report" / f"{name}.csv").write_text(text)
    settings = settings_for(tmp_path / "home", orders=service)
    faults = fetch_history(settings)
    return ReportFiles(connect(), settings), faults


def rows_of(table: Any) -> list[dict[str, Any]]:
    actual: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return sorted(actual, key=str)  # the engine returns them in any order


def test_activities_are_clean_once_whether_the_file_has_ids_or_not(
    service: OrderService, tmp_path: Path
) -> None:
    with_ids = (
        "id,uniq_id,date_time,action_id,customer_id,quantity\n1,a,2026-01-01T10:00:00,3,anna,2\n"
        "9,a,2026-01-01T10:00:00,3,anna,2\n2,b,2026-01-02 11:00:00,1,ben,\n3,c,soon,1,ben,1\n"
        "4,d,2026-01-02T11:00:00,1,,1\n"
    )
    source, faults = stored(service, tmp_path, user_activity_log=with_ids)
    received = source.activities(BOTH)
    assert (faults, received.days, set(received.rows.columns)) == (
        [],
        BOTH,
        set(RawUserActivityLog.columns),
    )
    clean = sorted(rows_of(orders.user_activity_log(received.rows)), key=lambda row: row["uniq_id"])
    assert [
        (row["uniq_id"], row["activity_date"], row["action_id"], row["quantity"]) for row in clean
    ] == [
        ("a", FIRST, "3", 2),
        ("b", SECOND, "1", 1),
    ]
    assert set(clean[0]) == set(UserActivityLog.columns)
    reasons = [row["reject_reason"] for row in rows_of(orders.classified_activities(received.rows))]
    assert sorted(reason for reason in reasons if reason) == [
        "missing_customer",
        "unparseable_date_time",
    ]

    without = "date_time,action_id,customer_id,quantity\n" + 2 * "2026-01-01T10:00:00,3,anna,2\n"
    source, faults = stored(service, tmp_path, user_activity_log=without)
    equal = rows_of(orders.user_activity_log(source.activities(BOTH).rows))
    assert [row["quantity"] for row in equal] == [2, 2], (
        "equal lines without an id are two activities"
    )
    assert rows_of(source.activities(Days((SECOND,))).rows) == []
    source, faults = stored(
        service, tmp_path, user_activity_log=without.replace("date_time", "date_id")
    )
    assert (faults, rows_of(orders.user_activity_log(source.activities(BOTH).rows))) == ([], equal)


def test_market_research_counts_equal_lines_once(service: OrderService, tmp_path: Path) -> None:
    line = "2026-01-01T00:00:00,1,2,30,600.50\n"
    text = (
        "id,date_id,category_id,geo_id,sales_qty,sales_amt\n1,"
        + line
        + "2,"
        + line
        + "3,2026-01-02,1,2,x,1\n"
    )
    source, _ = stored(service, tmp_path, customer_research=text)
    received = source.research(BOTH)
    assert set(received.rows.columns) == set(RawCustomerResearch.columns)
    [row] = rows_of(orders.customer_research(received.rows))
    assert set(row) == set(CustomerResearch.columns)
    assert (row["research_date"], row["sales_quantity"], row["sales_amount"]) == (
        FIRST,
        30,
        Decimal("600.50"),
    )
    other = text.replace("date_id", "date_time").replace("id,date", "number,date")
    source, _ = stored(service, tmp_path, customer_research=other)
    assert len(rows_of(orders.customer_research(source.research(BOTH).rows))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Lamp,19.90\nHat,5\n,3\nLamp,21\nBag,much\n",
        "id,Name,price\n1,Lamp,19.90\n2,Hat,5\n3,,3\n4,Lamp,21\n5,Bag,much\n",
    ],
    ids=["without a header", "with a header"],
)
def test_prices_are_of_the_last_day_of_the_report(
    service: OrderService, tmp_path: Path, text: str
) -> None:
    source, _ = stored(service, tmp_path, price_log=text)
    received = source.prices(BOTH)
    assert (received.days, set(received.rows.columns)) == (
        Days((SECOND,)),
        set(RawPriceLog.columns),
    )
    assert [row["reject_reason"] for row in rows_of(received.rows.order_by("record_number"))] == [
        None,
        None,
        "missing_name",
        None,
        "unparseable_price",
    ]
    prices = rows_of(orders.price_log(received.rows).order_by("item_name"))
    assert [(row["item_name"], row["price_amount"]) for row in prices] == [
        ("Hat", Decimal(5)),
        ("Lamp", Decimal(21)),
    ]
    assert set(prices[0]) == set(PriceLog.columns)
    assert source.prices(Days((FIRST,))).days == Days(())


def test_what_cannot_be_read_is_refused_with_a_sentence_and_the_orders_are_loaded(
    service: OrderService, tmp_path: Path
) -> None:
    source, faults = stored(
        service, tmp_path, user_activity_log="when,who\n1,2\n", price_log="a,b,c\n1,2,3\n"
    )
    [fault] = faults
    assert "file user_activity_log.csv" in fault
    assert "gives a file without the columns date_time, action_id, customer_id" in fault
    assert fault.endswith("The orders are loaded all the same.")
    assert not report_path(tmp_path / "home", "user_activity_log").exists()
    assert source.activities(BOTH).days == Days(())
    with pytest.raises(
        SourceError,
        match=r"begins with a, b, c; a file of prices has the columns item_name and price",
    ):
        source.prices(BOTH)


def test_mostly_refused_lines_stop_what_is_built_on_them(
    service: OrderService, tmp_path: Path
) -> None:
    source, _ = stored(service, tmp_path, price_log="Lamp,19.90\nHat,much\nBag,more\n")
    [check] = [check for check in report_checks(0.5) if check.contract is RawPriceLog]
    result = check.evaluate(BOTH, source.prices(BOTH).rows)
    assert (check.blocking, result.broken_count, result.observed, result.limit) == (True, 1, 2, 1)
    assert "2 were refused (unparseable_price 2)" in result.metadata["sentence"]
    [lenient] = [check for check in report_checks(0.7) if check.contract is RawPriceLog]
    assert lenient.evaluate(BOTH, source.prices(BOTH).rows).broken_count == 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("shop")
    small_shop(home, days=2)
    return home


def test_the_sandbox_shop_s_report_has_all_four_files_and_they_agree_with_its_orders(
    shop: Path, tmp_path: Path
) -> None:
    with OrderService(shop / "sandbox" / "orders.parquet") as served:
        settings = settings_for(tmp_path, orders=served)
        assert (has_report(settings), fetch_history(settings), has_report(settings)) == (
            False,
            [],
            True,
        )
        lines = [row for day in BOTH.dates for row in served.rows_of(day)]
        source = ReportFiles(connect(), settings)
        activities = rows_of(orders.user_activity_log(source.activities(BOTH).rows))
        research = rows_of(orders.customer_research(source.research(BOTH).rows))
        prices = rows_of(orders.price_log(source.prices(BOTH).rows))
    shipped = [row for row in lines if row["status"] == "shipped"]
    assert len(activities) == len(lines)
    assert sum(row["sales_amount"] for row in research) == sum(
        row["payment_amount"] for row in shipped
    )
    assert {row["item_name"] for row in prices} == {row["item_name"] for row in shipped}


def test_other_files_of_increments_are_loaded_as_those_of_the_report(
    service: OrderService, tmp_path: Path
) -> None:
    header = "uniq_id,date_time,action_id,customer_id,quantity\n"
    research = "date_id,category_id,geo_id,sales_qty,sales_amt\n"
    source, _ = stored(
        service,
        tmp_path,
        user_activity_log=header
        + "a,2026-01-01T10:00:00,3,anna,2\nb,2026-01-02T09:00:00,3,anna,1\n",
        customer_research=research + "2026-01-01T00:00:00,1,2,30,600\n",
        price_log="Lamp,19.90\n",
    )
    third = SECOND + ONE_DAY
    for day, names in (
        (FIRST, ("user_activity_log",)),
        (third, ("user_activity_log", "customer_research", "price_log")),
    ):
        write_increment(tmp_path, day, names, header, research)
    increments = list(fetch_increments(source.settings, [FIRST, third], others_from=SECOND))
    assert [increment.faults for increment in increments] == [(), ()]
    # The increment of the first day is in the report; that of the third brings a late activity of
    # the second.
    days = Days((FIRST, SECOND, third))
    clean = rows_of(orders.user_activity_log(source.activities(days).rows))
    assert sorted((row["uniq_id"], row["activity_date"]) for row in clean) == [
        ("a", FIRST),
        ("b", SECOND),
        ("late", SECOND),
        ("new", third),
    ]
    assert len(rows_of(source.activities(Days((third,))).rows)) == 1
    assert len(rows_of(orders.customer_research(source.research(days).rows))) == 2
    prices = source.prices(days)
    assert [(row["received_date"], row["price_amount"]) for row in rows_of(prices.rows)] == [
        (SECOND, Decimal("19.90")),
        (third, Decimal("21.00")),
    ]
    assert prices.days == Days((SECOND, third))
    # The next report has all of it.
    assert fetch_history(source.settings) == []
    assert not list((source.settings.home / "order_reports").glob("other_increments/*/*.csv"))


def test_a_broken_other_file_of_an_increment_is_said_and_its_orders_are_loaded(
    service: OrderService, tmp_path: Path
) -> None:
    source, _ = stored(service, tmp_path)
    write_increment(tmp_path, SECOND, ("user_activity_log",), "nothing\n", "")
    [increment] = fetch_increments(source.settings, [SECOND])
    assert increment.row_count == 1
    [fault] = increment.faults
    assert "gives a file without the columns date_time, action_id, customer_id" in fault
    assert metrics_of([increment])["shortfall"] == fault


def write_increment(
    folder: Path, day: date, names: Iterable[str], header: str, research: str
) -> None:
    """Let the service have an increment with an order, and these other files."""
    lines = {
        "user_activity_log": (
            f"{header}late,2026-01-02T20:00:00,1,ben,1\nnew,2026-01-03T08:00:00,1,ben,1\n"
        ),
        "customer_research": research + "2026-01-03T00:00:00,1,2,5,100\n",
        "price_log": "Lamp,21\n",
    }
    increments = folder / "increments"
    pq.write_table(
        pa.Table.from_pylist([order(9, day, item_name="Lamp")]), increments / f"{day}.parquet"
    )
    (increments / str(day)).mkdir()
    for name in names:
        (increments / str(day) / f"{name}_inc.csv").write_text(lines[name])
