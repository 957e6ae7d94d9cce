"""Arrival days: landing folders win, then received_at, the row's own day,
what is known of the file.
"""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.ingestion.sources.files.mapping import load_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.ingestion.sources.conftest import SHOP, Read, csv_text, rows_of, write

ECOMMERCE = load_mapping("ecommerce")


def at(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


def timed(path: Path, times: list[str], modified: str, received: list[str] | None = None) -> Path:
    """A file of one event per timestamp, last modified at a given moment."""
    rows = [
        {**SHOP[0], "event_id": f"e{number}", "event_timestamp": time}
        for number, time in enumerate(times, start=1)
    ]
    if received is not None:
        rows = [
            {**row, "received_at": received_at}
            for row, received_at in zip(rows, received, strict=True)
        ]
    write(path, csv_text(rows))
    os.utime(path, (at(modified), at(modified)))
    return path


def dates(rows: list[dict[str, object]]) -> list[str]:
    return [str(row["received_date"]) for row in rows]


def test_the_landing_folder_wins_over_received_at(tmp_path: Path, read: Read) -> None:
    timed(
        tmp_path / "shop" / "received_date=2026-01-09" / "x" / "e.csv",
        ["2026-01-01"],
        "2026-03-01",
        ["2026-01-05"],
    )
    [row] = read(tmp_path)
    assert (dates([row]), str(row["received_at"])) == (["2026-01-09"], "2026-01-05 00:00:00")


def test_received_at_counts_in_the_reporting_zone(tmp_path: Path, read: Read) -> None:
    received = ["2026-01-05T22:59:59Z", "2026-01-05T23:00:00Z"]  # midnight in Berlin is 23:00 UTC
    file = timed(tmp_path / "e.csv", ["2026-01-01", "2026-01-01"], "2026-03-01", received)
    assert dates(read(file)) == ["2026-01-05", "2026-01-05"]
    assert dates(read(file, timezone="Europe/Berlin")) == ["2026-01-05", "2026-01-06"]


def test_without_both_a_row_arrived_on_its_own_day(tmp_path: Path, read: Read) -> None:
    file = timed(tmp_path / "e.csv", ["2026-01-01T23:30:00Z", "2026-01-02"], "2026-01-02 12:00")
    assert dates(read(file)) == ["2026-01-01", "2026-01-02"]
    assert dates(read(file, timezone="Asia/Tokyo")) == ["2026-01-02", "2026-01-02"]


def test_rows_of_the_future_or_without_time_arrived_on_the_last_usable_day(
    tmp_path: Path, read: Read
) -> None:
    times = [
        "2026-01-01",
        "2026-01-04",
        "2099-01-01",
        "gibberish",
    ]  # the file was written on January 5
    assert dates(read(timed(tmp_path / "e.csv", times, "2026-01-05"))) == [
        "2026-01-01",
        "2026-01-04",
        "2026-01-04",
        "2026-01-04",
    ]


def test_a_file_without_any_usable_day_arrived_when_it_was_written(
    tmp_path: Path, read: Read
) -> None:
    assert (
        dates(read(timed(tmp_path / "e.csv", ["2099-01-01", ""], "2026-01-05")))
        == ["2026-01-05"] * 2
    )


def test_each_file_falls_back_on_its_own_day(tmp_path: Path, read: Read) -> None:
    timed(tmp_path / "a.csv", ["2026-01-01", "?"], "2026-02-01")
    timed(tmp_path / "b.csv", ["2026-01-03", "?"], "2026-02-01")
    assert {(row["source_file"], str(row["received_date"])) for row in read(tmp_path)} == {
        ("a.csv", "2026-01-01"),
        ("b.csv", "2026-01-03"),
    }


def landed(tmp_path: Path) -> RecordFiles:
    # Landed on the 2nd: events of Jan 1 and 2. On the 3rd: a late one of Dec 30. On the 5th: one of
    # it and one of 2099, which no day of events can be.
    root = tmp_path / "landing"
    timed(root / "received_date=2026-01-02" / "e.csv", ["2026-01-01", "2026-01-02"], "2026-02-01")
    timed(root / "received_date=2026-01-03" / "e.csv", ["2025-12-30"], "2026-02-01")
    timed(root / "received_date=2026-01-05" / "e.csv", ["2026-01-05", "2099-01-01"], "2026-02-01")
    return RecordFiles.open(duckdb.connect(), [root], ECOMMERCE)


def test_only_the_landing_folders_of_the_days_asked_for_are_opened(tmp_path: Path) -> None:
    files = landed(tmp_path)
    for path in (tmp_path / "landing").rglob("e.csv"):
        if "2026-01-03" not in str(path):
            path.unlink()
    sql = files.received_sql(date(2026, 1, 3), date(2026, 1, 4))
    assert [str(row["event_at"]) for row in rows_of(files.con, sql)] == ["2025-12-30 00:00:00"]


def test_days_are_half_open_and_a_day_without_a_folder_is_empty(tmp_path: Path) -> None:
    files = landed(tmp_path)
    for first, end, count in [
        (2, 3, 2),
        (2, 5, 3),
        (4, 5, 0),
        (5, None, 2),
        (None, 3, 2),
        (None, None, 5),
        (6, 9, 0),
    ]:
        sql = files.received_sql(
            date(2026, 1, first) if first else None, date(2026, 1, end) if end else None
        )
        assert len(rows_of(files.con, sql)) == count
    whole = [column[:2] for column in files.con.execute(files.received_sql()).description or ()]
    empty = [
        column[:2]
        for column in files.con.execute(files.received_sql(date(2030, 1, 1))).description or ()
    ]
    assert whole == empty


def test_received_days(tmp_path: Path) -> None:
    files = landed(tmp_path)
    assert files.received_days() == (date(2026, 1, 2), date(2026, 1, 5))


def test_days_without_landing_folders(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    timed(tmp_path / "a.csv", ["2026-01-01", "2026-01-03", "?"], "2026-02-01")
    timed(tmp_path / "b.csv", ["2026-01-08"], "2026-02-01")
    files = RecordFiles.open(con, [tmp_path], ECOMMERCE)
    assert files.received_days() == (date(2026, 1, 1), date(2026, 1, 8))
    sql = files.received_sql(date(2026, 1, 3), date(2026, 1, 8))
    assert [(row["event_timestamp"], str(row["received_date"])) for row in rows_of(con, sql)] == [
        ("2026-01-03", "2026-01-03"),
        ("?", "2026-01-03"),
    ]
    assert "b.csv" not in sql  # it holds no row of these days


def test_no_rows_have_no_days(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> None:
    files = RecordFiles.open(con, [write(tmp_path / "e.csv", ",".join(SHOP[0]) + "\n")], ECOMMERCE)
    assert files.received_days() is None
    assert rows_of(con, files.received_sql()) == []


def test_the_kind_of_a_file_is_recognized(tmp_path: Path) -> None:
    listed = landed(tmp_path).files()
    assert [(file.name, file.received_date) for file in listed] == [
        (f"received_date=2026-01-0{day}/e.csv", date(2026, 1, day)) for day in (2, 3, 5)
    ]
    assert all(
        file.size > 0 and file.modified_at == datetime(2026, 2, 1, tzinfo=UTC) for file in listed
    )


def test_a_landing_folder_without_a_date_and_a_zone_that_is_none_are_refused(
    tmp_path: Path, read: Read
) -> None:
    timed(tmp_path / "received_date=tomorrow" / "e.csv", ["2026-01-01"], "2026-02-01")
    with pytest.raises(SourceError, match="received_date=tomorrow"):
        read(tmp_path)
    with pytest.raises(UsageError, match="'Mars' is not a time zone"):
        read(timed(tmp_path / "e.csv", ["2026-01-01"], "2026-02-01"), timezone="Mars")


def test_amounts_that_are_none_stay_as_text(tmp_path: Path, read: Read) -> None:
    amounts = ["19.905", "-3", "1e2", "free", "9" * 20, ""]
    rows = [
        {**SHOP[0], "event_id": f"e{number}", "cart_value": amount}
        for number, amount in enumerate(amounts)
    ]
    actual = read(write(tmp_path / "e.csv", csv_text(rows)))
    assert [row["cart_value"] for row in actual] == [amount or None for amount in amounts]
    read_as = [None if row["cart_amount"] is None else str(row["cart_amount"]) for row in actual]
    assert read_as == ["19.9050", "-3.0000", "100.0000", None, "99999999999999.9999", None]
