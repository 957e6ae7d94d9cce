"""Costs from a table of DuckDB, Postgres or Snowflake: read as files are, and kept as they were."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from ecom_assets.core.errors import EcomError, MappingError, SettingError, SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.snowflake.engine import SnowflakeEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources import cost_table
from ecom_assets.ingestion.sources.costs import FileCosts
from ecom_assets.ingestion.sources.presence import cost_kinds
from ecom_assets_tests.ingestion.sources.event_table_rows import address

CREATED = "CREATE TABLE prices.costs (item_id VARCHAR(9), unit_cost_amount NUMERIC(12, 4))"
HATS = "INSERT INTO prices.costs VALUES ('hat', 12.5), ('sock', NULL)"
CHANGED = "UPDATE prices.costs SET unit_cost_amount = 13 WHERE item_id = 'hat'"
OF_MAY = [(date(2026, 5, 1), "hat", Decimal("12.5")), (date(2026, 5, 1), "sock", None)]
OF_JUNE = [(date(2026, 6, 1), "hat", Decimal(13)), (date(2026, 6, 1), "sock", None)]
SECRET = "s3cret"  # noqa: S105 (what must never be shown)


def costs_on(day: str, home: Path, url: str, mapping: str = "costs") -> list[tuple[Any, ...]]:
    """Return the day, the item and the cost of each row that a run on a day receives."""
    settings = Settings(home=home, costs=url, costs_mapping=mapping)
    with pytest.MonkeyPatch.context() as patch:
        now = datetime.fromisoformat(day).replace(tzinfo=UTC)
        patch.setattr(cost_table, "today_in", lambda _timezone, _now: now.date())
        rows = FileCosts(connect(), settings).received(Days(())).rows.to_pyarrow().to_pylist()
    assert {row["source"] for row in rows} == {cost_table.shown_costs(settings)}
    assert not any("hunter2" in str(row) or SECRET in str(row) for row in rows)
    names = ("received_date", "item_id", "unit_cost_amount")
    return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


def check(home: Path, url: str, execute: Callable[[str], object]) -> None:
    """Read a table in May, in June when a cost has changed, and in July when nothing has."""
    for statement in ("CREATE SCHEMA prices", CREATED, HATS):
        execute(statement)
    assert costs_on("2026-05-01", home, url) == OF_MAY
    execute(CHANGED)
    assert costs_on("2026-06-01", home, url) == [*OF_MAY, *OF_JUNE]
    assert costs_on("2026-07-01", home, url) == [*OF_MAY, *OF_JUNE]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A DuckDB file with a table of costs."""
    path = tmp_path / "the shop.duckdb"
    with duckdb.connect(str(path)) as con:
        for statement in ("CREATE SCHEMA prices", CREATED, HATS):
            con.execute(statement)
    return path


def test_a_table_of_duckdb_is_kept_as_it_was_on_each_day_on_which_it_changed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "the shop.duckdb"

    def execute(statement: str) -> None:
        with duckdb.connect(str(path)) as con:
            con.execute(statement)

    check(tmp_path / "home", f"duckdb://{path}/prices/costs", execute)
    assert cost_kinds(Settings(costs=f"duckdb://{path}/prices/costs")) == {"duckdb"}


def test_a_file_that_is_open_as_the_warehouse_is_read_too(tmp_path: Path, shop: Path) -> None:
    con = connect()
    con.con.execute(f"ATTACH '{shop}' AS warehouse")
    settings = Settings(home=tmp_path / "home", costs=f"duckdb://{shop}/prices/costs")
    rows = FileCosts(con, settings).received(Days(())).rows.to_pyarrow().to_pylist()
    assert {row["item_id"] for row in rows} == {"hat", "sock"}


def test_a_table_of_postgres_is_read(tmp_path: Path, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as con:
        check(tmp_path, address(postgres_url, "/prices/costs"), con.execute)


@pytest.mark.xdist_group("snowflake")
def test_a_table_of_snowflake_is_read(
    tmp_path: Path, account: SnowflakeEngine, snowflake_url: str
) -> None:
    check(tmp_path, address(snowflake_url, "/PRICES/COSTS"), account.execute)


@pytest.mark.parametrize(
    ("url", "error", "sentence"),
    [
        (
            "duckdb://{shop}/prices/cost",
            SourceError,
            "The costs in prices.cost of duckdb://{shop} cannot be read (Catalog Error: Table with",
        ),
        (
            "duckdb:///nowhere/shop.duckdb/costs",
            SourceError,
            "The costs in main.costs of duckdb:///nowhere/shop.duckdb cannot be read (IO Error: ",
        ),
        (
            "duckdb:///nowhere/shop.duckdb/prices/costs",
            SourceError,
            "The costs in prices.costs of duckdb:///nowhere/shop.duckdb cannot be read (IO Error: ",
        ),
        ("duckdb://{shop}", SettingError, "names no table; write duckdb:///path/to/file.duckdb/"),
        ("duckdb://{shop}/prices/costs,more.csv", SettingError, "and something else"),
        (
            f"postgres://ann:{SECRET}@localhost:1/shop/costs",
            SourceError,
            "The costs in public.costs of postgres://ann@localhost:1/shop cannot be read",
        ),
        (f"postgres://ann:{SECRET}@localhost:1/shop", SettingError, "@localhost:1/shop' names no"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_without_secrets(
    tmp_path: Path, shop: Path, url: str, error: type[EcomError], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        costs_on("2026-05-01", tmp_path / "home", url.format(shop=shop))
    assert sentence.format(shop=shop) in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_table_without_a_column_of_the_mapping_is_refused(tmp_path: Path, shop: Path) -> None:
    with pytest.raises(MappingError, match=r"costs\.csv has no column 'Handle'"):
        costs_on("2026-05-01", tmp_path / "home", f"duckdb://{shop}/prices/costs", "shopify")
