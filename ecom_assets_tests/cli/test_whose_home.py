"""Whose data a home has is remembered apart from the rows: own and simulated data never mix,
whatever was lost.
"""

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.definitions import build_definitions
from ecom_assets_tests.command import CommandResult, ecom, page_views, small_shop

RAW = ("--select", 'key:"raw/events"')
DAYS = ("2026-01-01", "2026-01-02")
OF_DAYS = ("--from", DAYS[0], "--to", DAYS[1])


def run(home: Path, *arguments: str | Path) -> CommandResult:
    return ecom("run", "--json", *arguments, *OF_DAYS, *RAW, home=home)


def origins(home: Path) -> list[str]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return [
            str(name)
            for (name,) in con.execute("SELECT DISTINCT source FROM raw.events").fetchall()
        ]


def empty(home: Path, *tables: str) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        for table in tables:
            con.execute(f"DELETE FROM {table}")


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Path:
    """Return a file of events that is loaded."""
    path = page_views(tmp_path / "events.csv", *DAYS)
    assert run(home, "--events", path).exit_code == 0
    return path


@pytest.mark.slow
def test_the_simulated_shop_is_not_loaded_over_own_data_whose_rows_are_gone(
    home: Path, own: Path
) -> None:
    empty(home, "raw.events")
    refused = run(home)
    assert refused.exit_code == 2
    assert refused.sentence == (
        f"This warehouse holds your own events, from {own}: name them again with --events or "
        "ECOM_EVENTS, or set ECOM_HOME to another folder for the sandbox shop."
    )
    assert origins(home) == []
    assert not (home / "sandbox").exists()


@pytest.mark.slow
def test_nor_where_the_home_alone_remembers_them(home: Path, own: Path) -> None:
    (home / "warehouse.duckdb").unlink()
    refused = run(home)
    assert (refused.exit_code, str(own) in refused.sentence) == (2, True)
    assert run(home, "--events", own).exit_code == 0


@pytest.mark.slow
def test_the_simulated_shop_whose_rows_are_gone_is_cleared_before_own_data(
    home: Path, tmp_path: Path
) -> None:
    small_shop(home, days=2, visitors=20)
    assert ecom("run", *OF_DAYS, "--select", '+key:"staging/events"', home=home).exit_code == 0
    empty(home, "raw.events")
    loaded = ecom("run", "--events", page_views(tmp_path / "own.csv", *DAYS), *RAW, home=home)
    assert loaded.exit_code == 0, loaded.err
    assert "The sandbox shop's tables were cleared" in loaded.err
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM staging.events").fetchone() == (0,)
    assert origins(home) == [str(tmp_path / "own.csv")]


def by_dagster(settings: Settings) -> str:
    """Load the events by a job of Dagster, and return its error; empty if there is none."""
    job = build_definitions(settings).resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(["raw", "events"])],
            tags={RANGE_START: DAYS[0], RANGE_END: DAYS[1]},
            raise_on_error=False,
        )
        failed = [
            event.step_failure_data.error for event in result.all_events if event.is_step_failure
        ]
    return "".join(str(error.cause.message) for error in failed if error and error.cause)


@pytest.mark.slow
def test_dagster_mixes_them_neither_way(home: Path, own: Path, tmp_path: Path) -> None:
    assert "This warehouse holds your own events" in by_dagster(Settings(home=home))
    assert origins(home) == [str(own)]
    sandbox = tmp_path / "sandbox_home"
    small_shop(sandbox, days=2, visitors=20)
    assert not by_dagster(Settings(home=sandbox))
    assert "This warehouse holds the simulated shop: run `ecom run`" in by_dagster(
        Settings(home=sandbox, events=str(own))
    )
    assert origins(sandbox) == ["sandbox"]
