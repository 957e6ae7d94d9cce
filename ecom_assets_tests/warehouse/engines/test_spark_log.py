"""The log of which files count: one writer wins whole, transactions are all or nothing, and old files go in time.

Not here: writing files (`test_spark.py`).
"""

import os
import threading
import time
from pathlib import Path

import pytest

from ecom_assets.atomic_files import create_once
from ecom_assets.errors import ConnectionLostError, WarehouseError
from ecom_assets.warehouse.engines.spark import log as slice_log
from ecom_assets.warehouse.engines.spark.log import KEEP_S, Change, Manifest, Part, SliceLog, commit

ONE, TWO = "2026-03-01", "2026-03-02"


def table(root: Path, name: str = "visits") -> SliceLog:
    """Return the log of an empty table."""
    log = SliceLog(root / "mart" / name, root / "_transactions")
    log.publish(lambda newest: newest or Manifest({"visit_date": "date"}, "visit_date"))
    return log


def newest(log: SliceLog) -> Manifest:
    found = log.current()
    assert found is not None
    return found


def change(log: SliceLog, *days: str, to: str) -> Change:
    """Begin to replace days with a file each, named `to`."""
    return Change(log, newest(log), days, {day: Part(1, (f"version={to}/{day}.parquet",)) for day in days})


def files(log: SliceLog) -> list[str]:
    return sorted(newest(log).files)


def test_writers_of_different_days_both_stay(tmp_path: Path) -> None:
    log = table(tmp_path)
    first, second = change(log, ONE, to="a"), change(log, TWO, to="b")
    commit([first], tmp_path)
    commit([second], tmp_path)
    assert files(log) == [f"version=a/{ONE}.parquet", f"version=b/{TWO}.parquet"]


def test_of_two_that_began_on_one_day_the_later_must_begin_anew(tmp_path: Path) -> None:
    log = table(tmp_path)
    paused, quick = change(log, ONE, TWO, to="a"), change(log, TWO, to="b")
    commit([quick], tmp_path)
    with pytest.raises(ConnectionLostError, match="Another run replaced the same days"):
        commit([paused], tmp_path)
    assert files(log) == [f"version=b/{TWO}.parquet"]
    commit([change(log, ONE, TWO, to="c")], tmp_path)
    assert files(log) == [f"version=c/{ONE}.parquet", f"version=c/{TWO}.parquet"]


def test_a_whole_table_is_in_conflict_with_any_of_its_days(tmp_path: Path) -> None:
    log = table(tmp_path)
    emptied = Change(log, newest(log), None, {})
    commit([change(log, ONE, to="a")], tmp_path)
    with pytest.raises(ConnectionLostError):
        commit([emptied], tmp_path)
    assert files(log) == [f"version=a/{ONE}.parquet"]


def test_an_empty_slice_takes_its_day_out(tmp_path: Path) -> None:
    log = table(tmp_path)
    commit([change(log, ONE, TWO, to="a")], tmp_path)
    commit([Change(log, newest(log), (ONE,), {})], tmp_path)
    assert files(log) == [f"version=a/{TWO}.parquet"]


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    log = table(tmp_path)
    days = [f"2026-03-{n:02}" for n in range(1, 21)]

    def write(day: str) -> None:
        own = SliceLog(log.folder, tmp_path / "_transactions")
        commit([change(own, day, to=day)], tmp_path)

    writers = [threading.Thread(target=write, args=(day,)) for day in days]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(newest(log).slices) == days
    assert newest(log).number == 21


@pytest.fixture
def two_tables(tmp_path: Path) -> tuple[SliceLog, SliceLog]:
    """Two tables with a day each."""
    logs = (table(tmp_path, "visits"), table(tmp_path, "sessions"))
    for log in logs:
        commit([change(log, ONE, to="old")], tmp_path / "_transactions")
    return logs


def test_a_transaction_over_two_tables_shows_in_both_or_in_neither(
    two_tables: tuple[SliceLog, SliceLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits, sessions = two_tables
    seen: list[list[str]] = []

    def looking(path: Path, text: str) -> bool:
        seen.append([*files(visits), *files(sessions)])
        return create_once(path, text)

    monkeypatch.setattr(slice_log, "create_once", looking)
    commit([change(log, ONE, to="new") for log in two_tables], tmp_path / "_transactions")
    assert seen == [[f"version=old/{ONE}.parquet"] * 2] * 3, "two manifests and the mark that makes them count"
    assert [*files(visits), *files(sessions)] == [f"version=new/{ONE}.parquet"] * 2


def test_a_writer_that_dies_within_a_transaction_changed_nothing_and_is_in_nobodys_way(
    two_tables: tuple[SliceLog, SliceLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits, sessions = two_tables

    def dying(path: Path, text: str) -> bool:
        if path.parent.name == "_transactions":
            raise KeyboardInterrupt
        return create_once(path, text)

    monkeypatch.setattr(slice_log, "create_once", dying)
    with pytest.raises(KeyboardInterrupt):
        commit([change(log, ONE, to="never") for log in two_tables], tmp_path / "_transactions")
    monkeypatch.setattr(slice_log, "create_once", create_once)
    assert [*files(visits), *files(sessions)] == [f"version=old/{ONE}.parquet"] * 2
    commit([change(visits, TWO, to="next")], tmp_path / "_transactions")
    assert files(visits) == [f"version=next/{TWO}.parquet", f"version=old/{ONE}.parquet"]


def test_a_transaction_that_was_overtaken_cannot_commit_any_more(
    two_tables: tuple[SliceLog, SliceLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits, sessions = two_tables
    slow = [change(log, ONE, to="slow") for log in two_tables]

    def overtaken(path: Path, text: str) -> bool:
        if path.parent.name == "_transactions" and text == slice_log.COMMITTED:
            monkeypatch.setattr(slice_log, "create_once", create_once)
            commit([change(visits, TWO, to="quick")], tmp_path / "_transactions")
        return create_once(path, text)

    monkeypatch.setattr(slice_log, "create_once", overtaken)
    with pytest.raises(ConnectionLostError, match="nothing was changed"):
        commit(slow, tmp_path / "_transactions")
    assert files(visits) == [f"version=old/{ONE}.parquet", f"version=quick/{TWO}.parquet"]
    assert files(sessions) == [f"version=old/{ONE}.parquet"]


def test_replaced_files_stay_a_day_for_those_who_read_them(tmp_path: Path) -> None:
    log = table(tmp_path)
    for name in ("a", "b"):
        path = log.folder / f"version={name}" / f"{ONE}.parquet"
        path.parent.mkdir()
        path.write_text(name)
        commit([change(log, ONE, to=name)], tmp_path)
    half_written = log.folder / "version=c" / "part.parquet"
    half_written.parent.mkdir()
    half_written.write_text("another writer is at it")
    now_s = time.time()
    age_s = now_s - KEEP_S / 2
    for path in [*log.folder.rglob("*.parquet"), *log.folder.rglob("*.json")]:
        os.utime(path, (age_s, age_s))
    log.withdraw_old(now_s)
    assert len(list(log.folder.rglob("*.parquet"))) == 3
    os.utime(half_written, (now_s, now_s))
    log.withdraw_old(now_s + KEEP_S * 0.6)
    left = sorted(path.parent.name for path in log.folder.rglob("*.parquet"))
    assert left == ["version=a", "version=b", "version=c"], "the last manifest but one may be read still"
    commit([change(log, TWO, to="b")], tmp_path)
    log.withdraw_old(now_s + KEEP_S * 0.6)
    assert sorted(path.parent.name for path in log.folder.rglob("*.parquet")) == ["version=b", "version=c"]


def test_a_damaged_manifest_is_said_in_a_sentence(tmp_path: Path) -> None:
    log = table(tmp_path)
    (log.folder / "_log" / "0000000001.json").write_text("{")
    with pytest.raises(WarehouseError, match=r"0000000001.json is damaged; move the folder .*visits away"):
        SliceLog(log.folder, tmp_path).current()
