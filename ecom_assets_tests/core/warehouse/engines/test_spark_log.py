"""The log of which files count: one writer wins whole, transactions are all or nothing,
and old files go in time.

Files are Arrow's here, so that no Spark has to start.
"""

import os
import threading
import time
import uuid
from datetime import date
from pathlib import Path

import ibis
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from ecom_assets.core.errors import ConnectionLostError, WarehouseError
from ecom_assets.core.tables.portable import kind_of, schema_of
from ecom_assets.core.warehouse.engines.spark import log as spark_log
from ecom_assets.core.warehouse.engines.spark.log import (
    KEEP_HOURS,
    PENDING,
    TRANSACTIONS,
    Commits,
    DataFile,
    TableChange,
    TableLog,
    TableSnapshot,
)
from ecom_assets.orchestration.registry import ALL, NOTES

ONE, TWO = "2026-03-01", "2026-03-02"
COLUMNS = ibis.schema({"visit_date": "date", "visitor_id": "string"})
HOUR_S = 3600


def table(root: Path, name: str = "visits") -> TableLog:
    """Return the log of an empty table."""
    log = TableLog(root / "mart" / name)
    log.create(COLUMNS, "visit_date")
    return log


def written(log: TableLog, day: str, who: str) -> DataFile:
    """Write a file of one visitor, which counts for nothing yet."""
    path = log.folder / f"visit_date={day}" / f"{who}-{uuid.uuid4().hex[:4]}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"visitor_id": [who]}), path)
    return DataFile(
        path.relative_to(log.folder).as_posix(), path.stat().st_size, 1, {"visitor_id": 0}
    )


def change(log: TableLog, *days: str, to: str) -> TableChange:
    """Begin to replace days with a visitor each."""
    return TableChange(log, newest(log), days, {day: (written(log, day, to),) for day in days})


def newest(log: TableLog) -> TableSnapshot:
    actual = log.current()
    assert actual is not None
    return actual


def visitors(log: TableLog) -> list[tuple[str, str]]:
    """Return what another reader of Delta finds."""
    actual = (
        pl.scan_delta(str(log.folder)).select("visit_date", "visitor_id").sort(pl.all()).collect()
    )
    return [(str(day), who) for day, who in actual.rows()]


def test_writers_of_different_days_both_stay(tmp_path: Path) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    first, second = change(log, ONE, to="ann"), change(log, TWO, to="bob")
    commits.commit([first])
    commits.commit([second])
    assert visitors(log) == [(ONE, "ann"), (TWO, "bob")]


def test_of_two_that_began_on_one_day_the_later_must_begin_again(tmp_path: Path) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    paused, quick = change(log, ONE, TWO, to="ann"), change(log, TWO, to="bob")
    commits.commit([quick])
    with pytest.raises(ConnectionLostError, match="Another run replaced the same days"):
        commits.commit([paused])
    assert visitors(log) == [(TWO, "bob")]
    commits.commit([change(log, ONE, TWO, to="eva")])
    assert visitors(log) == [(ONE, "eva"), (TWO, "eva")]


def test_a_whole_table_is_in_conflict_with_any_of_its_days(tmp_path: Path) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    emptied = TableChange(log, newest(log), None, {})
    commits.commit([change(log, ONE, to="ann")])
    with pytest.raises(ConnectionLostError):
        commits.commit([emptied])
    assert visitors(log) == [(ONE, "ann")]


def test_an_empty_slice_takes_its_day_out_and_is_no_commit_where_there_is_none(
    tmp_path: Path,
) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    commits.commit([change(log, ONE, TWO, to="ann")])
    commits.commit([TableChange(log, newest(log), (ONE,), {})])
    assert visitors(log) == [(TWO, "ann")]
    version = newest(log).version
    commits.commit([TableChange(log, newest(log), (ONE,), {})])
    assert newest(log).version == version


def test_another_program_that_commits_in_between_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    mine = change(log, ONE, to="ann")
    theirs = table(tmp_path)
    other = change(theirs, TWO, to="bob")
    ask = TableChange.require_untouched

    def overtaken(answer: TableChange, seen: TableSnapshot) -> None:
        ask(answer, seen)
        if answer is mine:
            monkeypatch.setattr(TableChange, "require_untouched", ask)
            theirs.put(other)  # without the lock, as a program does that knows only Delta

    monkeypatch.setattr(TableChange, "require_untouched", overtaken)
    commits.commit([mine])
    assert visitors(log) == [(ONE, "ann"), (TWO, "bob")]


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    log = table(tmp_path)
    days = [f"2026-03-{n:02}" for n in range(1, 21)]

    def write(day: str) -> None:
        own = TableLog(log.folder)
        Commits(tmp_path).commit([change(own, day, to=f"v{day}")])

    writers = [threading.Thread(target=write, args=(day,)) for day in days]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert visitors(log) == [(day, f"v{day}") for day in days]
    assert newest(log).version == 20


@pytest.fixture
def two_tables(tmp_path: Path) -> tuple[TableLog, TableLog]:
    """Two tables with a day each."""
    logs = (table(tmp_path, "visits"), table(tmp_path, "sessions"))
    for log in logs:
        Commits(tmp_path).commit([change(log, ONE, to="old")])
    return logs


def seen_by_us(root: Path, *logs: TableLog) -> list[str]:
    """Return whose files a session of ours reads, table by table."""
    Commits(root).settle()
    return [Path(path).name.partition("-")[0] for log in logs for path in newest(log).files]


def test_a_transaction_over_two_tables_shows_in_both(
    two_tables: tuple[TableLog, TableLog], tmp_path: Path
) -> None:
    Commits(tmp_path).commit([change(log, ONE, to="new") for log in two_tables])
    assert [visitors(log) for log in two_tables] == [[(ONE, "new")]] * 2
    assert not (tmp_path / TRANSACTIONS / PENDING).exists()


def test_a_transaction_overtaken_in_a_table_changes_none(
    two_tables: tuple[TableLog, TableLog], tmp_path: Path
) -> None:
    visits, sessions = two_tables
    slow = [change(log, ONE, to="slow") for log in (visits, sessions)]
    Commits(tmp_path).commit([change(sessions, ONE, to="quick")])
    with pytest.raises(ConnectionLostError):
        Commits(tmp_path).commit(slow)
    assert seen_by_us(tmp_path, visits, sessions) == ["old", "quick"]


def test_a_writer_that_dies_before_its_transaction_counts_changed_nothing(
    two_tables: tuple[TableLog, TableLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(spark_log, "replacing_text", dying)
        with pytest.raises(KeyboardInterrupt):
            Commits(tmp_path).commit([change(log, ONE, to="never") for log in two_tables])
    assert seen_by_us(tmp_path, *two_tables) == ["old", "old"]


def test_a_writer_that_dies_between_two_tables_is_finished_by_who_comes_next(
    two_tables: tuple[TableLog, TableLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits, sessions = two_tables
    put = TableLog.put

    def dying(log: TableLog, change: TableChange, *, is_decided: bool = False) -> None:
        if log.folder == sessions.folder:
            raise KeyboardInterrupt
        put(log, change, is_decided=is_decided)

    with monkeypatch.context() as patched:
        patched.setattr(TableLog, "put", dying)
        with pytest.raises(KeyboardInterrupt):
            Commits(tmp_path).commit([change(log, ONE, to="new") for log in two_tables])
    assert [visitors(log) for log in two_tables] == [[(ONE, "new")], [(ONE, "old")]], (
        "as others see it meanwhile"
    )
    assert seen_by_us(tmp_path, sessions, visits) == ["new", "new"], "a reader finishes it first"
    Commits(tmp_path).commit([change(visits, TWO, to="next")])
    assert visitors(visits) == [(ONE, "new"), (TWO, "next")]


def test_a_transaction_that_counts_and_cannot_be_finished_says_so(
    two_tables: tuple[TableLog, TableLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(TableLog, "put", full)
        with pytest.raises(
            WarehouseError, match=r"counts, but could not be finished .*No space left"
        ):
            Commits(tmp_path).commit([change(log, ONE, to="new") for log in two_tables])
    assert seen_by_us(tmp_path, *two_tables) == ["new", "new"]


def test_a_commit_that_does_not_end_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_log, "PATIENCE_S", 0.02)
    log = table(tmp_path)
    mine = change(log, ONE, to="ann")
    with (
        Commits(tmp_path).exclusively(),
        pytest.raises(WarehouseError, match=r"in use by another commit.*_transactions/lock"),
    ):
        Commits(tmp_path).commit([mine])


def test_replaced_files_stay_a_day_for_those_who_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    now_s = time.time()
    for who, age_h in (("ann", 50), ("bob", KEEP_HOURS + 1), ("eva", KEEP_HOURS - 1)):
        monkeypatch.setattr(
            spark_log, "now_ms", lambda at_s=now_s - age_h * HOUR_S: int(at_s * 1000)
        )
        commits.commit([change(log, ONE, to=who)])
    for path in log.folder.rglob("*.parquet"):
        os.utime(path, (now_s - 100 * HOUR_S,) * 2)
    (log.folder / "_incoming-gone").mkdir()
    os.utime(log.folder / "_incoming-gone", (now_s - 100 * HOUR_S,) * 2)
    (log.folder / "_incoming-busy").mkdir()
    half_written = written(log, TWO, "kim")
    log.withdraw_old()
    left = sorted(path.name.partition("-")[0] for path in log.folder.rglob("*.parquet"))
    assert left == ["bob", "eva", "kim"], (
        "ann went when bob came, 25 hours ago; bob when eva came, 23 hours ago"
    )
    assert (log.folder / half_written.path).exists(), "another writer is at it"
    assert [path.name for path in log.folder.glob("_incoming-*")] == ["_incoming-busy"]
    DeltaTable(log.folder).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert [path.name.partition("-")[0] for path in log.folder.rglob("*.parquet")] == ["eva"], (
        "when asked, at once"
    )
    assert visitors(log) == [(ONE, "eva")]


def test_a_long_log_is_summed_up(tmp_path: Path) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    for n in range(1, 45):
        commits.commit([change(log, ONE, to=f"v{n}")])
    assert len(list((log.folder / "_delta_log").glob("*.checkpoint.parquet"))) == 2
    assert visitors(TableLog(log.folder)) == [(ONE, "v44")]


def test_a_table_that_another_process_recreated_is_seen(tmp_path: Path) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    for who in ("ann", "bob"):
        commits.commit([change(log, ONE, to=who)])
    assert newest(log).version == 2
    log.folder.rename(tmp_path / "gone")
    assert log.current() is None
    commits.commit([change(table(tmp_path), TWO, to="eva")])
    assert list(newest(log).slices) == [TWO]


def test_a_column_is_added_at_the_end_and_twice_is_once(tmp_path: Path) -> None:
    log = table(tmp_path)
    wider = ibis.schema({"visit_date": "date", "city": "string", "visitor_id": "string"})
    for _ in range(2):
        log.add_column("city", wider)
    assert list(newest(log).columns) == ["visit_date", "visitor_id", "city"]
    assert newest(log).version == 1


@pytest.mark.slow
def test_delta_keeps_the_types_of_every_contract(tmp_path: Path) -> None:
    for contract in (*ALL, *NOTES):
        log = TableLog(tmp_path / contract.qualified_name())
        log.create(schema_of(contract), contract.day_column)
        wanted = [(name, kind_of(kind)) for name, kind in schema_of(contract).items()]
        assert list(newest(log).columns.items()) == wanted, contract.qualified_name()


def test_statistics_let_readers_skip_files(tmp_path: Path) -> None:
    log, commits = table(tmp_path), Commits(tmp_path)
    commits.commit([change(log, ONE, to="ann")])
    (added,) = pa.table(DeltaTable(log.folder).get_add_actions(flatten=True)).to_pylist()
    assert (added["num_records"], added["null_count.visitor_id"]) == (1, 0)
    assert added["partition.visit_date"] == date(2026, 3, 1)


def test_a_folder_with_signs_and_spaces_is_one_like_any(tmp_path: Path) -> None:
    log = table(tmp_path / "our shop #1 é")
    Commits(tmp_path).commit([change(log, ONE, to="ann")])
    assert [path.partition("/")[0] for path in newest(TableLog(log.folder)).files] == [
        f"visit_date={ONE}"
    ]


def test_a_damaged_log_is_said_in_a_sentence(tmp_path: Path) -> None:
    log = table(tmp_path)
    (log.folder / "_delta_log" / f"{0:020}.json").write_text("{")
    with pytest.raises(
        WarehouseError, match=r"_delta_log is damaged .*Move the folder .*visits away"
    ) as answer:
        TableLog(log.folder).current()
    assert "\n" not in str(answer.value)
