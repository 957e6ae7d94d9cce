"""A warehouse that is locked, damaged, on a full disk or not writable: one sentence,
and the same tables afterwards.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.warehouse.engines.duckdb import engine
from ecom_assets.core.warehouse.engines.duckdb import engine as embedded
from ecom_assets_tests.cli.contents import contents
from ecom_assets_tests.command import CommandResult, ecom, page_views, small_shop

pytestmark = pytest.mark.xdist_group("cli_bad_warehouse")
FEW_OF_EVENTS = (
    "--select",
    '+key:"staging/events" or +key:"staging/quarantined_events" or +key:"staging/duplicate_events"',
)
"""Words by which a run makes as much as can be damaged."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a small shop was run, undisturbed."""
    home = tmp_path_factory.mktemp("finished") / "home"
    small_shop(home)
    assert ecom("run", *FEW_OF_EVENTS, home=home).exit_code == 0
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    monkeypatch.setattr(embedded, "LOCK_PATIENCE_S", 0.3)
    return Path(shutil.copytree(finished, tmp_path / "home"))


@pytest.fixture
def home_of_nothing(tmp_path: Path) -> Path:
    """A home in which nothing was run."""
    return tmp_path / "new"


def warehouse(home: Path) -> Path:
    return home / "warehouse.duckdb"


@pytest.fixture
def holder(home: Path) -> Iterator[int]:
    """Another process that has the warehouse open."""
    script = (
        f"import duckdb; con = duckdb.connect({str(warehouse(home))!r}); print('open', "
        "flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("command", [("run",), ("status",)])
def test_a_warehouse_of_another_process_is_said_to_be_in_use(
    home: Path, holder: int, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_S", 0.3)
    result = ecom(*command, home=home)
    assert result.exit_code == 1
    assert re.fullmatch(
        rf"{warehouse(home)} is in use by process {holder} \(.*import duckdb.*\), "
        r"which began .* 20\d\d; "
        "wait for its run to end, or stop it.",
        result.sentence,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("holder")
def test_doctor_finds_the_lock(home: Path) -> None:
    result = ecom("doctor", home=home)
    assert result.exit_code == 1
    assert "FAIL warehouse" in result.out
    assert "is in use by process" in result.out


def cut_short(path: Path) -> None:
    os.truncate(path, 20_000)


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def leave_a_foreign_log(path: Path) -> None:
    other = path.with_name("other.duckdb")
    script = (
        f"import duckdb, os; con = duckdb.connect({str(other)!r}); con.execute('create table t (i "
        "int)');con.execute('insert into t values (1)'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    other.with_name("other.duckdb.wal").rename(f"{path}.wal")
    other.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        *(
            pytest.param(damage, marks=pytest.mark.slow)
            for damage in (overwrite, empty, leave_a_foreign_log)
        ),
    ],
)
def test_a_damaged_file_is_set_aside_aloud_and_rebuilt(
    home: Path, finished: Path, damage: object
) -> None:
    assert callable(damage)
    damage(warehouse(home))
    refused = ecom("status", home=home)
    assert (refused.exit_code, refused.sentence) == (
        1,
        f"{warehouse(home)} is damaged; `ecom run` sets it aside and rebuilds it.",
    )
    assert_rebuilt(ecom("run", "--json", *FEW_OF_EVENTS, home=home), home, finished)


@pytest.mark.slow
def test_a_part_that_cannot_be_read_is_found_by_the_run_that_reads_it(
    home: Path, finished: Path
) -> None:
    garble_a_part_that_holds_rows(warehouse(home))
    assert ecom("doctor", "--json", home=home).json[3]["ok"], "the file opens"
    assert_rebuilt(ecom("run", "--json", *FEW_OF_EVENTS, home=home), home, finished)


def garble_a_part_that_holds_rows(path: Path) -> None:
    with duckdb.connect(str(path), read_only=True) as con:
        parts = con.execute(
            "SELECT block_id FROM pragma_storage_info('raw.events') WHERE persistent"
        ).fetchall()
    block, header = 262_144, 12_288
    with path.open("r+b") as file:
        for (number,) in {part for part in parts if part[0] >= 0}:
            file.seek(header + number * block + 4000)
            file.write(os.urandom(64))


def assert_rebuilt(result: CommandResult, home: Path, finished: Path) -> None:
    assert result.exit_code == 0, result.err
    assert result.sentence.startswith(
        f"{warehouse(home)} was damaged; it was set aside as {warehouse(home)}.damaged-"
    )
    assert contents(warehouse(home)) == contents(warehouse(finished))
    assert [path.name for path in home.glob("*.damaged-*") if path.suffix != ".wal"] != []
    assert not list(home.glob("*.is-damaged"))


def leave_a_log(path: Path) -> Path:
    """Kill a process that has just committed, so that its changes are in the log only."""
    script = (
        f"import duckdb, os; con = duckdb.connect({str(path)!r});con.execute('DELETE FROM "
        "raw.events'); con.execute('DELETE FROM staging.events'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    return path.with_name(f"{path.name}.wal")


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm",
    [
        "cut",
        *(
            pytest.param(damage, marks=pytest.mark.slow)
            for damage in ("none", "zeroed", "garbled", "gone")
        ),
    ],
)
def test_whatever_happens_to_the_log_the_next_run_gives_the_same_tables(
    home: Path, finished: Path, harm: str
) -> None:
    log = leave_a_log(warehouse(home))
    data = log.read_bytes()
    changed = {
        "none": data,
        "cut": data[:-20],
        "zeroed": bytes(len(data)),
        "garbled": data[: len(data) // 2] + os.urandom(40) + data[len(data) // 2 + 40 :],
    }
    log.unlink() if harm == "gone" else log.write_bytes(changed[harm])
    result = ecom("run", "--json", *FEW_OF_EVENTS, home=home)
    assert result.exit_code == 0, result.err
    assert contents(warehouse(home)) == contents(warehouse(finished))


@pytest.mark.slow
def test_a_file_that_is_gone_is_recreated_whatever_log_it_left(home: Path, finished: Path) -> None:
    leave_a_log(warehouse(home))
    warehouse(home).unlink()
    assert ecom("run", "--json", *FEW_OF_EVENTS, home=home).exit_code == 0
    assert contents(warehouse(home)) == contents(warehouse(finished))


@pytest.mark.slow
def test_a_folder_in_the_file_s_place_is_not_touched(home: Path) -> None:
    warehouse(home).unlink()
    warehouse(home).mkdir()
    result = ecom("run", home=home)
    assert result.exit_code == 1
    assert result.sentence.startswith(
        f"{warehouse(home)} cannot be opened: IO Error: Could not read from file"
    )
    assert warehouse(home).is_dir()


def test_a_path_that_cannot_be_written_is_named(home_of_nothing: Path, tmp_path: Path) -> None:
    result = ecom(
        *("run", "--events", page_views(tmp_path / "events.csv", "2026-03-02")),
        home=home_of_nothing,
        env={"ECOM_WAREHOUSE": "duckdb:////proc/warehouse.duckdb"},
    )
    assert result.exit_code == 1
    assert result.sentence.startswith("/proc/warehouse.duckdb: IO Error: Cannot open file")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "none", mount_point],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only the superuser may mount the small disk that this test fills")
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "--lazy", mount_point], check=True)


def fill(disk: Path) -> None:
    """Write until nothing more fits."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["ECOM_HOME", "ECOM_WAREHOUSE"])
def test_a_full_disk_is_reported_and_changes_nothing(
    home: Path, finished: Path, tiny_disk: Path, setting: str
) -> None:
    moved = Path(shutil.copytree(home, tiny_disk / "home")) if setting == "ECOM_HOME" else home
    file = (
        Path(shutil.copy(warehouse(home), tiny_disk / "own.duckdb"))
        if setting == "ECOM_WAREHOUSE"
        else warehouse(moved)
    )
    before = contents(file)
    with pytest.raises(OSError, match="No space left"):
        fill(tiny_disk)
    result = ecom(
        "run", "--json", *FEW_OF_EVENTS, home=moved, env={"ECOM_WAREHOUSE": f"duckdb://{file}"}
    )
    assert result.exit_code == 1
    assert "Traceback" not in result.err
    assert result.err.startswith("ecom: ")
    assert "space" in result.err or "full" in result.err
    (tiny_disk / "filler").unlink()
    assert contents(file) == before == contents(warehouse(finished))
    assert not list(file.parent.glob("*.damaged-*"))


def test_a_file_on_a_disk_that_may_only_be_read_is_left_alone(
    tiny_disk: Path, tmp_path: Path
) -> None:
    home = tiny_disk / "home"
    home.mkdir()
    with duckdb.connect(str(warehouse(home))) as con:
        con.execute("CREATE SCHEMA staging; CREATE TABLE staging.events AS SELECT 7 AS event_id")
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    events = page_views(tmp_path / "events.csv", "2026-03-02")
    result = ecom("run", *FEW_OF_EVENTS, "--events", events, home=home)
    assert result.exit_code in {1, 2}
    assert "ead-only file system" in result.sentence
    with duckdb.connect(str(warehouse(home)), read_only=True) as con:
        assert con.execute("SELECT event_id FROM staging.events").fetchone() == (7,)
