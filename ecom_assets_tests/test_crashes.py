"""Killed at any moment and run again,
`ecom run` leaves the tables of a run that nothing disturbed.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.core.warehouse.day_notes import EmptyDays
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets_tests import crash_driver
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import FEW_TABLES, small_shop
from ecom_assets_tests.crash_driver import UNREPORTED, Attempt
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.known_sql import share_sql

pytestmark = [pytest.mark.xdist_group("crashes"), pytest.mark.timeout(900)]

Logged = list[tuple[Any, ...]]
KILLED = -signal.SIGKILL
MOMENTS = seeds(range(40))
SEED = 20_261_120
STEPS = [
    ("file_creation", 1),
    *((step, 6) for step in ("slice_begun", "slice_written", "committed", UNREPORTED)),
]
"""The sixth table is `mart/session_days`, so that there are finished tables before it
and missing ones after it.
"""
AT_ONCE = 4
"""How many random kills come one after the other before a run that is left alone."""
ALL_TABLES: tuple[str, ...] = ()


@dataclass(frozen=True)
class Driver:
    """The process that runs and kills, the shop that is run over, and how long
    an undisturbed run takes.
    """

    process: "subprocess.Popen[str]"
    shop: Path

    def run(self, attempt: Attempt) -> tuple[int, float]:
        """Run once; return the exit code, negative for a signal, and the seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(attempt)) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["exit_code"], answer["took_s"]

    def new_home(self, folder: Path) -> Path:
        """Make a home with the shop's data and no warehouse."""
        return Path(shutil.copytree(self.shop, folder / "home"))


@dataclass(frozen=True)
class Undisturbed:
    """What a run comes to that nothing disturbs."""

    arguments: tuple[str, ...]
    home: Path
    tables: dict[str, tuple[int, int]]
    took_s: float


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    shop = tmp_path_factory.mktemp("shop") / "home"
    small_shop(shop)
    share_sql(shop)
    command = [sys.executable, "-m", crash_driver.__name__]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Driver(process, shop)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def undisturbed(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return run_once(driver, tmp_path_factory.mktemp("undisturbed"), ALL_TABLES)


@pytest.fixture(scope="module")
def few(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return run_once(driver, tmp_path_factory.mktemp("few"), FEW_TABLES)


def run_once(driver: Driver, folder: Path, arguments: tuple[str, ...]) -> Undisturbed:
    home = driver.new_home(folder)
    exit_code, took_s = driver.run(Attempt(str(home), arguments=arguments))
    assert exit_code == 0, Path(f"{home}.log").read_text()
    for file in home.glob(
        "statements.sqlite*"
    ):  # they say nothing of the run, and take most of its time to write
        shutil.copyfile(file, driver.shop / file.name)
    return Undisturbed(arguments, home, contents(home / "warehouse.duckdb"), took_s)


def assert_mended(driver: Driver, home: Path, undisturbed: Undisturbed) -> None:
    """Run again where a run was killed, and compare every table."""
    exit_code, _ = driver.run(Attempt(str(home), arguments=undisturbed.arguments))
    result = Path(f"{home}.log").read_text()
    assert exit_code == 0, result
    assert "damaged" not in result, "a kill leaves nothing that must be set aside"
    assert contents(home / "warehouse.duckdb") == undisturbed.tables
    assert [path.name for path in home.iterdir() if ".new-" in path.name] == []


WRITER = """
import os, signal, sys
from datetime import date
from pathlib import Path
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.day_notes import EmptyDays
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine

class Killed:
    def before(self): pass
    def after(self): os.kill(os.getpid(), signal.SIGKILL)

engine = DuckDBEngine(Path(sys.argv[1])).open()
day = date(2026, 1, 1)
for source, hooks in (("whole", None), ("half", Killed())):
    rows = engine.con.sql(f"SELECT DATE '{day}' AS received_date, '{source}' AS source_table")
    engine.replace(EmptyDays, rows, Days((day,)), hooks)
"""
"""Writes a day of a table, and is killed when it has written that day again, before it commits."""


def test_a_day_whose_writer_was_killed_is_as_before(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    killed = subprocess.run(
        [sys.executable, "-c", WRITER, str(warehouse)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == KILLED, killed.stderr
    engine = DuckDBEngine(warehouse).open()
    rows = engine.table(EmptyDays).to_pyarrow().to_pylist()
    engine.close()
    assert [row["source_table"] for row in rows] == ["whole"]


@pytest.mark.slow
def test_a_kill_at_each_step_is_mended(driver: Driver, few: Undisturbed, tmp_path: Path) -> None:
    """One after the other: a run that is killed mends, as far as it comes, what the one before
    left.
    """
    home = driver.new_home(tmp_path)
    for step, nth in STEPS:
        exit_code, _ = driver.run(Attempt(str(home), step, nth, arguments=few.arguments))
        assert exit_code == KILLED, step
        is_there = (home / "warehouse.duckdb").exists()
        assert is_there == (step != "file_creation"), "nothing under its name until it is whole"
    assert_mended(driver, home, few)


@pytest.mark.slow
def test_random_kills_are_mended_by_runs(
    driver: Driver, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    for first in range(0, len(MOMENTS), AT_ONCE):
        home = driver.new_home(tmp_path / str(first))
        for moment in MOMENTS[first : first + AT_ONCE]:
            share = (moment + random.Random(SEED + moment).random()) / 40  # noqa: S311 (no secret)
            exit_code, _ = driver.run(Attempt(str(home), kill_after_s=share * undisturbed.took_s))
            assert exit_code in {KILLED, 0}, "the last moments may come after the end"
        assert_mended(driver, home, undisturbed)


@pytest.mark.slow
def test_a_kill_as_a_warehouse_is_rewritten_changes_nothing(
    driver: Driver, few: Undisturbed, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(few.home, tmp_path / "home"))
    for step in ("slice_begun", "slice_written"):
        assert driver.run(Attempt(str(home), step, 4, arguments=few.arguments))[0] == KILLED
        assert contents_after_recovery(home) == few.tables


def contents_after_recovery(home: Path) -> dict[str, tuple[int, int]]:
    """Read the tables as the next to open the warehouse finds them."""
    DuckDBEngine(home / "warehouse.duckdb").open().close()
    return contents(home / "warehouse.duckdb")


@pytest.fixture(scope="module")
def late(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has published two days, and into which a third day's rows have come since,
    late ones among them.
    """
    home = in_a_small_shop(driver.new_home(tmp_path_factory.mktemp("late")))
    third = home / "sandbox" / "events" / "received_date=2026-01-03"
    aside = third.rename(home.parent / "third")
    assert driver.run(Attempt(str(home), arguments=FEW_TABLES))[0] == 0, Path(
        f"{home}.log"
    ).read_text()
    aside.rename(third)
    return home


@pytest.fixture(scope="module")
def logged(driver: Driver, late: Path, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """What a run logs that nothing disturbs."""
    home = in_a_small_shop(Path(shutil.copytree(late, tmp_path_factory.mktemp("logged") / "home")))
    assert driver.run(Attempt(str(home), arguments=FEW_TABLES))[0] == 0, Path(
        f"{home}.log"
    ).read_text()
    actual = logged_in(home)
    assert actual, "without late rows there is nothing to lose"
    return actual


@pytest.mark.slow
def test_killed_runs_lose_no_change_of_a_published_number_and_double_none(
    driver: Driver, late: Path, logged: Logged, tmp_path: Path
) -> None:
    home = in_a_small_shop(Path(shutil.copytree(late, tmp_path / "home")))
    for moment in (("slice_written", 5), ("slice_written", 8), ("committed", 8)):
        exit_code, _ = driver.run(Attempt(str(home), *moment, arguments=FEW_TABLES))
        assert exit_code == KILLED, moment
    for _ in range(2):
        assert driver.run(Attempt(str(home), arguments=FEW_TABLES))[0] == 0
    assert logged_in(home) == logged


def in_a_small_shop(home: Path) -> Path:
    """Let a day with few customers pass, by the settings file that a run in this home finds."""
    (home.parent / ".env").write_text("ECOM_ORDER_CUSTOMERS_OVER=0\n")
    return home


def logged_in(home: Path) -> Logged:
    """Return what was logged, but for times and runs."""
    of_runs = "published_run_id, run_id, restated_at"
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(
            f"SELECT * EXCLUDE ({of_runs}) FROM mart.restatements ORDER BY ALL"
        ).fetchall()
