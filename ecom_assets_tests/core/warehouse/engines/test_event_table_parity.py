"""A table of events gives the same tables, whether it lies in the warehouse's account or
is fetched from elsewhere.
"""

from datetime import date
from pathlib import Path

import ibis
import pytest

from ecom_assets.behaviour.events.contracts import RawEvents
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets_tests.core.warehouse.engines.graph import (
    run_everything,
    stored_tables,
    tables_up_to,
)
from ecom_assets_tests.core.warehouse.engines.shop_input import FIRST_DAY, LAST_DAY, write_shop
from ecom_assets_tests.core.warehouse.engines.snowflake_server import fresh_database
from ecom_assets_tests.ingestion.sources.event_table_rows import FIELDS, address

RANGES: list[tuple[date, date]] = [(FIRST_DAY, LAST_DAY)]


def failed(checks: dict[str, bool]) -> set[str]:
    return {name for name, passed in checks.items() if not passed}


@pytest.mark.slow
@pytest.mark.xdist_group("snowflake")
def test_a_table_in_the_account_and_one_fetched_from_it_give_the_same(
    account: Engine, snowflake_url: str, snowflake_server_port: int, tmp_path: Path
) -> None:
    paths = ",".join(write_shop(tmp_path))
    files = Settings(home=tmp_path / "files", events=paths)
    # Other tables are made of these and of `raw.events` alone: that both engines make the same of
    # the same rows is what `test_parity.py` shows.
    made = tables_up_to(Sessions, files)
    checks_of_files = run_everything(files, RANGES, only=made)
    # What files gave is put into a table, as a shop's own loader would have done.
    loader = Settings(home=tmp_path / "loader", events=paths, warehouse=snowflake_url)
    run_everything(loader, RANGES, only=[RawEvents])
    account.execute("CREATE SCHEMA sales")
    answer = (
        "COALESCE(received_at, DATEADD(SECOND, 86399, received_date::TIMESTAMP_NTZ)) AS received_at"
    )
    columns = ", ".join(FIELDS).replace("received_at", answer)
    rows = f"SELECT {columns} FROM raw.events WHERE malformed_row IS NULL"
    account.execute(f"CREATE TABLE sales.ecommerce_events AS {rows}")
    events = address(snowflake_url)
    elsewhere = Settings(home=tmp_path / "duckdb", events=events)
    inside = Settings(
        home=tmp_path / "snowflake", events=events, warehouse=fresh_database(snowflake_server_port)
    )
    checks = [run_everything(settings, RANGES, only=made) for settings in (elsewhere, inside)]
    fetched, computed = stored_tables(elsewhere, made), stored_tables(inside, made)
    assert fetched == computed
    assert failed(checks_of_files) == {
        "mart/shared_ids ids_are_not_shared",
        "raw/events amounts_can_be_read",
    }
    assert [failed(of_table) for of_table in checks] == [failed(checks_of_files)] * 2
    kept = (
        account.table(RawEvents).filter(ibis._.malformed_row.isnull()).count().to_pyarrow().as_py()
    )
    assert len(fetched["raw.events"]) == kept
    assert fetched["mart.sessions"] == stored_tables(files, [Sessions])["mart.sessions"]
