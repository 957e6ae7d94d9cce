"""Where order lines come from: the order report API through its files,
the sandbox's, or nowhere.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.errors import SettingError, SourceError
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import NoSource, SliceOutput
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.order_reports.api import fetch_history
from ecom_assets.ingestion.sources.order_reports.source import (
    ApiOrders,
    OrderReader,
    ReceivedOrderFiles,
    checked_days,
)
from ecom_assets.orchestration.sandbox import SandboxOrders
from ecom_assets.resources import order_source_of
from ecom_assets_tests.command import small_shop
from ecom_assets_tests.services import settings_for
from ecom_sandbox.services.orders import OrderService
from ecom_sandbox.services.service import Faults

FIRST, SECOND, THIRD = (date(2026, 1, day) for day in (1, 2, 3))
BEFORE = date(2025, 12, 31)


def nine_o_clock_of_the_third() -> datetime:
    return datetime(2026, 1, 3, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("shop")
    small_shop(home, days=3)
    return home


@pytest.fixture
def service(shop: Path) -> Iterator[OrderService]:
    with OrderService(shop / "sandbox" / "orders.parquet") as served:
        yield served


def reader(settings: Settings) -> OrderReader:
    return OrderReader(connect(), settings.timezone, settings.order_api_url)


def fetched(settings: Settings, *days: date) -> SliceOutput:
    return ApiOrders(reader(settings), settings, nine_o_clock_of_the_third).received(Days(days))


def days_of(received: SliceOutput) -> list[date]:
    actual: list[date] = sorted(received.rows.received_date.to_pyarrow().to_pylist())
    return actual


def test_lines_have_the_day_and_the_address_of_their_increment(
    service: OrderService, tmp_path: Path
) -> None:
    received = fetched(settings_for(tmp_path, orders=service), FIRST, SECOND)
    made = [FIRST] * len(service.rows_of(FIRST)) + [SECOND] * len(service.rows_of(SECOND))
    assert days_of(received) == made
    assert received.days == Days((FIRST, SECOND))
    assert set(received.rows.columns) == set(RawUserOrderLog.columns)
    assert set(received.rows.source.to_pyarrow().to_pylist()) == {service.api_url}
    assert received.metadata["increment_count"] == 2
    assert received.metadata["row_count"] == len(made)


def test_the_day_that_is_on_is_not_asked_for(service: OrderService, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, orders=service)
    received = fetched(settings, SECOND, THIRD)
    assert (set(days_of(received)), received.days) == ({SECOND}, Days((SECOND,)))
    nothing = fetched(settings, THIRD)
    assert (days_of(nothing), nothing.days) == ([], Days(()))
    assert nothing.metadata["not_fetched_because"] == "an increment is of a day that has ended"


def test_in_the_west_the_day_is_longer(service: OrderService, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, orders=service, timezone="Pacific/Honolulu")
    later = datetime(2026, 1, 3, 9, 59, tzinfo=UTC)
    assert checked_days(settings, Days((FIRST, SECOND)), lambda: later) == Days((FIRST,))
    assert checked_days(settings, Days((FIRST, SECOND)), lambda: later.replace(hour=10)) == Days(
        (FIRST, SECOND)
    )
    assert checked_days(settings, Days((SECOND,)), lambda: later) == Days(()), (
        "nobody owes orders of a day that is on"
    )


def test_a_service_that_forgets_a_day_takes_nothing_back(
    service: OrderService, shop: Path, tmp_path: Path
) -> None:
    before = days_of(fetched(settings_for(tmp_path, orders=service), FIRST))
    orders = pq.read_table(shop / "sandbox" / "orders.parquet")
    pq.write_table(orders.slice(0, 0), tmp_path / "none.parquet")
    with OrderService(tmp_path / "none.parquet") as forgetful:
        again = fetched(settings_for(tmp_path, orders=forgetful), FIRST)
    assert days_of(again) == before
    assert again.metadata["days_without_increment"] == str(FIRST)


def test_a_day_without_an_increment_is_no_part_of_the_slice_and_noted_as_absent(
    service: OrderService, tmp_path: Path
) -> None:
    received = fetched(settings_for(tmp_path, orders=service), BEFORE, FIRST)
    assert (received.days, received.absent) == (Days((FIRST,)), Days((BEFORE,)))
    assert received.origin == service.api_url


def test_an_increment_comes_beside_the_history_that_the_same_api_brought(
    service: OrderService, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, orders=service)
    assert fetch_history(settings) == []
    path = tmp_path / "order_reports" / "report" / "user_order_log.csv"
    assert "status" not in path.read_text(encoding="utf-8").splitlines()[0]
    received = fetched(settings, BEFORE, FIRST)
    shipped = [row for row in service.rows_of(FIRST) if row["status"] == "shipped"]
    assert len(days_of(received)) == len(service.rows_of(FIRST)) + len(shipped)
    assert (received.days, received.absent) == (Days((FIRST,)), Days((BEFORE,)))
    (tmp_path / "report").mkdir()
    (tmp_path / "nothing").mkdir()
    with OrderService(tmp_path / "nothing", report=tmp_path / "report") as empty:
        kept = fetched(settings_for(tmp_path, orders=empty), BEFORE, SECOND)
        assert (kept.days, kept.absent) == (Days((SECOND,)), Days((BEFORE,))), (
            "the stored history is of the API"
        )
        with pytest.raises(
            SourceError, match=r"has no file user_order_log; load your orders from a file once"
        ):
            fetch_history(settings_for(tmp_path, orders=empty))


def test_a_file_that_stays_short_stops_the_run_and_lands_nothing(
    service: OrderService, tmp_path: Path
) -> None:
    service.faults = Faults(short_files=9)
    with pytest.raises(SourceError, match="announced rows"):
        fetched(settings_for(tmp_path, orders=service), FIRST)
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.slow
def test_the_sandbox_shop_reports_all_its_lines_on_its_bad_day(shop: Path) -> None:
    settings = Settings(home=shop)
    source = order_source_of(connect(), settings)
    assert isinstance(source, SandboxOrders)
    received = source.received(Days((FIRST, SECOND, THIRD)))
    with OrderService(shop / "sandbox" / "orders.parquet") as calm:
        made = [row["uniq_id"] for day in (FIRST, SECOND, THIRD) for row in calm.rows_of(day)]
    assert sorted(received.rows.uniq_id.to_pyarrow().to_pylist()) == sorted(made)
    assert received.metadata["retry_counts"], "something went wrong on the way"
    assert None not in received.rows.item_category.to_pyarrow().to_pylist(), (
        "the catalogue has them"
    )


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, SandboxOrders),
        ({"orders": "some/orders"}, ReceivedOrderFiles),
        ({"order_api_url": "https://api.example.com"}, ApiOrders),
        ({"events": "some/events"}, NoSource),
    ],
)
def test_one_source_is_chosen_by_what_is_set(
    options: dict[str, Any], kind: type, tmp_path: Path
) -> None:
    assert isinstance(order_source_of(connect(), Settings(home=tmp_path, **options)), kind)


def test_files_and_the_api_together_are_refused() -> None:
    with pytest.raises(
        SettingError, match=r"ECOM_ORDERS='some/orders' is wrong: order lines come from an API"
    ):
        load_settings(orders="some/orders", order_api_url="https://api.example.com")
