"""A run that was started without days, by whatever command, is refused in one
sentence and leaves every row.
"""

import json
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import asset_key, name_the_days
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.command import SMALL, ecom, environment, kill_group, small_shop
from ecom_assets_tests.each import each
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = pytest.mark.xdist_group("runs_without_days")
BIN = Path(sys.executable).parent
TODAY = date(2026, 3, 10)
"""The day of the sentence in the examples."""
LOADED = ("mart/sessions", "mart/revenue_daily", "staging/customers", "raw/stock")
CUT_BY_DAY = [contract for contract in ALL if contract.day_column]
NOTHING_WRITTEN = "Nothing was written: these tables are cut by day"


def test_the_sentence_has_what_each_command_takes() -> None:
    assert name_the_days(TODAY) == (
        "these tables are cut by day, so name the days: --partition 2026-03-09, or several with "
        "--partition-range 2026-03-03...2026-03-09, or where a command has neither "
        """--tags '{"dagster/partition": "2026-03-09"}'; `ecom run --select` takes the days of """
        "the data by itself."
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a simulated shop of two days, whose events, orders, customers and stock
    are loaded, and tables of them made.
    """
    home = tmp_path_factory.mktemp("no_days") / "home"
    small_shop(home, days=2, visitors=40)
    days = ("--from", "2026-01-01", "--to", "2026-01-02")
    chosen = ("--select", " or ".join(f'+key:"{key}"' for key in LOADED))
    loaded = ecom("run", "--json", *days, *chosen, home=home, env=SMALL)
    assert loaded.exit_code in {0, 1}, loaded.err
    counts = row_counts(home)
    assert all(counts[key.replace("/", ".")] for key in LOADED)
    return home


def row_counts(home: Path) -> dict[str, int]:
    """Return the number of rows of each table."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        names = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
        ).fetchall()
        return {
            name: con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for (name,) in names
        }


def sentences(result: Any) -> list[str]:
    """Return the error of each step that failed; that of the run where no step began."""
    failed = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    run = [event.event_specific_data.error for event in result.all_events if event.is_run_failure]
    return [str((error.cause or error).message) for error in (failed or run)]


@pytest.mark.slow
def test_a_job_is_refused_in_an_empty_home_too(home: Path) -> None:
    job = build_definitions(Settings(home=home)).resolve_job_def("events")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.get_asset_materialization_events()
    said = sentences(result)
    assert said
    assert all(NOTHING_WRITTEN in sentence for sentence in said)


@pytest.mark.slow
@each("name", ["events", "orders", "customers", "stock", "everything"])
def test_each_job_is_refused_before_anything_is_written(name: str, shop: Path) -> None:
    before = row_counts(shop)
    job = build_definitions(Settings(home=shop)).resolve_job_def(name)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        written = result.get_asset_materialization_events()
    assert not result.success
    assert not written
    assert sentences(result)
    assert all(NOTHING_WRITTEN in sentence for sentence in sentences(result))
    assert row_counts(shop) == before


@pytest.mark.slow
def test_each_table_that_is_cut_by_day_is_refused_by_itself(shop: Path) -> None:
    before = row_counts(shop)
    definitions = build_definitions(Settings(home=shop))
    job = definitions.resolve_job_def("everything")
    selected = set(job.asset_layer.executable_asset_keys)
    tested = [asset_key(contract) for contract in CUT_BY_DAY if asset_key(contract) in selected]
    assert len(tested) > 40
    with dg.DagsterInstance.ephemeral() as instance:
        for key in tested:
            result = job.execute_in_process(
                instance=instance, asset_selection=[key], raise_on_error=False
            )
            assert not result.get_asset_materialization_events(), key
            (sentence,) = sentences(result)
            assert NOTHING_WRITTEN in sentence, key
    assert row_counts(shop) == before


@pytest.mark.slow
def test_execute_in_process_raises_it(shop: Path) -> None:
    job = build_definitions(Settings(home=shop)).resolve_job_def("events")
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(UsageError, match="name the days: --partition 20"),
    ):
        job.execute_in_process(instance=instance)


COMMANDS = [
    ("dagster", "job", "execute", "-m", "ecom_assets.definitions", "-j", "orders"),
    ("dg", "launch", "--job", "customers"),
]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands_say_it(arguments: tuple[str, ...], shop: Path) -> None:
    before = row_counts(shop)
    program, *rest = arguments
    done = subprocess.run(
        [str(BIN / program), *rest],
        env=environment(shop),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert NOTHING_WRITTEN in done.stdout + done.stderr
    assert row_counts(shop) == before


@pytest.mark.slow
def test_the_tag_of_the_sentence_runs_a_day(shop: Path, home: Path) -> None:
    shutil.copytree(shop, home)
    tags = json.dumps({"dagster/partition": "2026-01-02"})
    command = [
        str(BIN / "dagster"),
        "job",
        "execute",
        "-m",
        "ecom_assets.definitions",
        "-j",
        "events",
        "--tags",
        tags,
    ]
    said = list[str]()
    with subprocess.Popen(
        command,
        env=environment(home),
        cwd=home.parent,  # where Dagster makes a folder that it removes at the end
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if "raw.events: " in line:  # what follows is a run like any other
                break
        kill_group(process.pid)
    assert "raw.events: " in said[-1], said[-20:]
    assert not [line for line in said if "Nothing was written" in line]
