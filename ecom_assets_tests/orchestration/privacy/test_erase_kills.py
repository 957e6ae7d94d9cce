"""Killed at each step and repeated, `ecom erase` and `ecom migrate` do all that they do."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.orchestration.privacy.pending import folder_of, pending_files
from ecom_assets_tests import crash_driver
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import FEW_TABLES, HEADER, ecom
from ecom_assets_tests.crash_driver import Attempt
from ecom_assets_tests.ingestion.uploads.shop_exports import sent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("privacy_kills"),
    pytest.mark.timeout(900),
]

ANN, BOB = "ann-4711", "bob-4712"
KILLED = -signal.SIGKILL
STEPS = (
    "nothing",
    "blocked",
    "files",
    "raw_rows",
    "ledger",
    "recomputed",
    "left_rows",
    "purged",
    "tools",
    "other_files",
    "verified",
)
"""What an erasure has done, in this order; a kill comes when it is done and not recorded."""
ERASE = ("--visitor", ANN, "--yes", "--json")


class Driver:
    """The process that runs commands and kills them."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take the process."""
        self.process = process

    def run(self, home: Path, command: str, *arguments: str, step: str = "") -> int:
        """Run a command, to its end or to a step; return its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        attempt = Attempt(str(home), step, 1, None, arguments, command, is_brief=True)
        self.process.stdin.write(json.dumps(asdict(attempt)) + "\n")
        self.process.stdin.flush()
        return int(json.loads(self.process.stdout.readline())["exit_code"])


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    command = [sys.executable, "-m", crash_driver.__name__]
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Driver(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home that has events of Ann and Bob, and a file of each as it was sent."""
    folder = tmp_path_factory.mktemp("shop")
    lines = [
        f"e{n},{who},page_view,2026-01-01T10:0{n}:00Z,,,s{n},https://shop.example/,,"
        for n, who in enumerate((ANN, BOB, ANN))
    ]
    home = folder / "home"
    landing = home / "landing" / "received_date=2026-01-01"
    landing.mkdir(parents=True)
    (landing / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    assert ecom("run", "--events", home / "landing", *FEW_TABLES, home=home).exit_code == 0
    for who in (ANN, BOB):
        (folder / f"{who}.csv").write_text(f"Email\n{who}\n")
        sent(home, folder / f"{who}.csv")
    return folder


def copy_of(shop: Path, folder: Path) -> Path:
    """Return a home of its own with what the shop has; a home is known by its address."""
    shutil.copytree(shop / "home", folder / "home")
    return folder / "home"


def test_an_erasure_killed_at_each_step_is_finished_by_the_same_command(
    driver: Driver, shop: Path, tmp_path: Path
) -> None:
    """One erasure is killed eleven times, when a step is done and not recorded, and once more when
    its receipt is written.
    """
    home = copy_of(shop, tmp_path / "killed")
    arguments = (*ERASE, "--events", str(home / "landing"))
    for step in STEPS:
        code = driver.run(home, "erase", *arguments, step=f"{step} is not recorded")
        assert code == KILLED, (step, Path(f"{home}.log").read_text())
    assert driver.run(home, "erase", *arguments, step="receipt is written") == KILLED
    assert driver.run(home, "erase", *arguments) == 0, Path(f"{home}.log").read_text()
    settings = Settings(home=home)
    assert pending_files(settings) == []
    assert list(folder_of(settings.home).glob("receipt-*.json"))
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        for sql in ("SELECT user_id FROM raw.events", "SELECT visitor_id FROM mart.sessions"):
            assert con.execute(sql).fetchall() == [(BOB,)]
    assert ANN not in (home / "landing" / "received_date=2026-01-01" / "events.csv").read_text()
    left = {upload.name: upload.has_original for upload in Uploads(home).every()}
    assert left == {f"{ANN}.csv": False, f"{BOB}.csv": True}
    verified = ecom("erase", "--visitor", ANN, "--verify", "--events", home / "landing", home=home)
    assert verified.exit_code == 0, verified.out


MIGRATION_STEPS = (
    "slice_begun",
    "slice_written",
    "committed",
    "table is renamed",
    "table is migrated",
    "table is renamed",
    "table is migrated",
)
"""The first five are of the first table, the others of the second one."""


def test_a_migration_killed_at_each_step_is_finished_by_the_same_command(
    driver: Driver, shop: Path, tmp_path: Path
) -> None:
    """Three tables are of an older version, and one migration is killed seven times: of each table,
    what is there is whole, before or after.
    """
    home = copy_of(shop, tmp_path / "old")
    expected = contents(home / "warehouse.duckdb")
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        for table in ("mart.sessions", "mart.session_days"):
            con.execute(f"ALTER TABLE {table} ADD COLUMN mood VARCHAR")
        con.execute("ALTER TABLE raw.events ALTER COLUMN received_date TYPE TIMESTAMP")
    whole = {name: count for name, (count, _) in expected.items()}
    for number, step in enumerate(MIGRATION_STEPS):
        assert driver.run(home, "migrate", "--yes", step=step) == KILLED, (number, step)
        if number == 0:
            assert "mart.sessions.mood: dropped" in Path(f"{home}.log").read_text()
        there = contents(home / "warehouse.duckdb")
        assert {name: there[name][0] for name in there} == {name: whole[name] for name in there}
    assert driver.run(home, "migrate", "--yes") == 0, Path(f"{home}.log").read_text()
    assert contents(home / "warehouse.duckdb") == expected
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        names = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert [name for (name,) in names if "__migrated" in name] == []
