"""Every engine gives the tables that the embedded one gives, row for row and value for value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecom_assets.contracts.registry import ALL
from ecom_assets.settings import Settings
from ecom_assets_tests.engines.graph import Rows, run_everything, stored_tables
from ecom_assets_tests.engines.shop_input import RANGES, write_shop
from ecom_assets_tests.engines.warehouses import OTHERS

TIMEZONE = "Europe/Berlin"
TABLES = [contract.qualified_name() for contract in ALL]


@dataclass(frozen=True)
class Left:
    """What the runs left behind: rows by table, and the last run's checks."""

    tables: Mapping[str, Rows]
    checks: Mapping[str, bool]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Addresses of the events that every engine is given."""
    return ",".join(write_shop(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="module")
def embedded(events: str, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What DuckDB makes of the events."""
    return everything_on("", events, tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="module", params=OTHERS)
def other(request: pytest.FixtureRequest, events: str, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What another engine makes of the same events."""
    warehouse: str = request.getfixturevalue(f"{request.param}_warehouse")
    return everything_on(warehouse, events, tmp_path_factory.mktemp(request.param))


def everything_on(warehouse: str, events: str, home: Path) -> Left:
    """Run everything, range by range, on a warehouse."""
    settings = Settings(home=home, warehouse=warehouse, events=events, timezone=TIMEZONE)
    checks = run_everything(settings, RANGES)
    return Left(stored_tables(settings), checks)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_the_same_row_for_row(embedded: Left, other: Left, table: str) -> None:
    assert embedded.tables[table], "an empty table would prove nothing"
    assert other.tables[table] == embedded.tables[table]


def test_every_check_says_the_same(embedded: Left, other: Left) -> None:
    assert other.checks == embedded.checks
    assert all(embedded.checks.values())
