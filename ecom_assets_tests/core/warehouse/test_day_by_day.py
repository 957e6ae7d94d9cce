"""Rows of another database: fetched a day at a time, again only where they changed,
and not at all in one account.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.core.errors import ConnectionLostError, WarehouseError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.received import SourceGate
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.engines.snowflake.engine import SnowflakeEngine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.raw_slices import (
    DayByDay,
    WithdrawalGuard,
    held_withdrawals,
    replace_day_by_day,
)
from ecom_assets.ingestion.sources.event_table import EventTable
from ecom_assets_tests.core.warehouse.engines.snowflake_server import (
    HASTY_S,
    fresh_database,
    plan_fault,
)
from ecom_assets_tests.ingestion.sources.event_table_rows import (
    DAYS,
    NOON,
    SECRET,
    address,
    settings_of,
    ship,
)


@pytest.fixture
def snowflake_url(snowflake_server_port: int) -> str:
    """Address of an empty database whose answers are not waited for, since some never come."""
    return fresh_database(snowflake_server_port, HASTY_S)


def fetch(settings: Settings, engine: Engine) -> int:
    """Fetch the days into a warehouse elsewhere; return how many rows were fetched."""
    with closing(EventTable(settings, now=lambda: NOON)) as table:
        return replace_day_by_day(engine, RawEvents, DayByDay(table, DAYS))[0].row_count


@pytest.fixture
def warehouse(home: Path) -> Iterator[Engine]:
    engine = new_engine(Settings(home=home)).open()
    yield engine
    engine.close()


def stored(engine: Engine) -> list[dict[str, Any]]:
    actual: list[dict[str, Any]] = engine.table(RawEvents).to_pyarrow().to_pylist()
    return actual


def test_a_day_is_fetched_once_and_again_when_a_row_of_it_changed(
    account: SnowflakeEngine, snowflake_url: str, home: Path, warehouse: Engine
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    assert fetch(settings, warehouse) == 3
    before = stored(warehouse)
    assert fetch(settings, warehouse) == 0
    assert stored(warehouse) == before
    account.execute(
        "UPDATE sales.ecommerce_events SET page_url = 'https://shop.example/x' WHERE event_id = "
        "'e2'"
    )
    assert fetch(settings, warehouse) == 1
    assert {row["page_url"] for row in stored(warehouse) if row["event_id"] == "e2"} == {
        "https://shop.example/x"
    }
    account.execute("DELETE FROM sales.ecommerce_events WHERE event_id = 'e1'")
    assert fetch(settings, warehouse) == 0
    assert sorted(row["event_id"] for row in stored(warehouse)) == ["e2", "e3"]


def test_a_day_whose_rows_went_missing_here_is_fetched_again(
    account: SnowflakeEngine, snowflake_url: str, home: Path, warehouse: Engine
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    assert fetch(settings, warehouse) == 3
    warehouse.clear([RawEvents])
    assert fetch(settings, warehouse) == 3


def test_a_killed_run_is_continued(
    account: SnowflakeEngine, snowflake_url: str, home: Path, warehouse: Engine
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url))

    def stop_at_the_second_day_with_rows(step: str) -> None:
        if step == "slice_written" and warehouse.row_count(RawEvents) == 2:
            raise KeyboardInterrupt

    warehouse.on_step = stop_at_the_second_day_with_rows
    with pytest.raises(KeyboardInterrupt):
        fetch(settings, warehouse)
    warehouse.on_step = lambda _step: None
    assert warehouse.row_count(RawEvents) == 1, "the 28th was done, the 29th was not"
    assert fetch(settings, warehouse) == 2
    assert warehouse.row_count(RawEvents) == 3


def test_a_connection_that_breaks_off_is_mended_and_each_day_is_whole(  # noqa: PLR0913, PLR0917 (fixtures)
    account: SnowflakeEngine,
    snowflake_url: str,
    snowflake_server_port: int,
    home: Path,
    warehouse: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", (0.0,))
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    plan_fault(snowflake_server_port, "^SELECT.*received_date.*2026-03-29.*malformed", gone=True)
    assert fetch(settings, warehouse) == 3
    assert sorted(row["event_id"] for row in stored(warehouse)) == ["e1", "e2", "e3"]


def test_a_connection_that_stays_lost_and_a_refusal_are_said(  # noqa: PLR0913, PLR0917 (fixtures)
    account: SnowflakeEngine,
    snowflake_url: str,
    snowflake_server_port: int,
    home: Path,
    warehouse: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ecom_assets.core.retrying.CONNECTION_PAUSES_S", (0.0,))
    ship(account)
    settings = settings_of(home, address(snowflake_url))
    plan_fault(snowflake_server_port, "^SELECT", errno=606, message="No active warehouse selected.")
    with pytest.raises(
        WarehouseError, match=r"resume the warehouse that ECOM_EVENTS names"
    ) as refusal:
        fetch(settings, warehouse)
    assert SECRET not in str(refusal.value)
    plan_fault(snowflake_server_port, "TO_VARCHAR", gone=True, times=2)
    with pytest.raises(ConnectionLostError, match="the connection was lost"):
        fetch(settings, warehouse)


def test_in_the_same_account_nothing_is_fetched(
    account: SnowflakeEngine, snowflake_url: str, home: Path
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url), warehouse=snowflake_url)
    table = EventTable(settings, warehouse=account, now=lambda: NOON)
    assert table.is_in_warehouse
    assert table.con is account.con
    written = account.replace(RawEvents, table.rows(DAYS), DAYS)
    assert written.row_count == 3
    assert "COPY" not in written.sql
    table.close()
    assert account.row_count(RawEvents) == 3, "closing the source leaves the warehouse open"


def test_a_day_that_the_table_has_lost_keeps_its_rows_until_somebody_lets_them_go(
    account: SnowflakeEngine, snowflake_url: str, home: Path, warehouse: Engine
) -> None:
    ship(account)
    settings = settings_of(home, address(snowflake_url))

    def fetch_guarded(*, allowed: bool = False) -> list[str]:
        guard = WithdrawalGuard(
            warehouse, SourceGate(), lambda _contract: (), "run", is_allowed=allowed
        )
        with closing(EventTable(settings, now=lambda: NOON)) as table:
            replace_day_by_day(warehouse, RawEvents, DayByDay(table, DAYS), guard.replace)
        return sorted(row["event_id"] for row in stored(warehouse))

    assert fetch_guarded() == ["e1", "e2", "e3"]
    account.execute("DELETE FROM sales.ecommerce_events WHERE event_id = 'e1'")
    for _ in range(2):
        assert fetch_guarded() == ["e1", "e2", "e3"]
    assert [str(row["received_date"]) for row in held_withdrawals(warehouse)] == ["2026-03-29"]
    assert fetch_guarded(allowed=True) == ["e2", "e3"]
    assert held_withdrawals(warehouse) == []
