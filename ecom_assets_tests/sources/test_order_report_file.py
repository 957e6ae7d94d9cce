"""Whether a day's file of orders is whole, and landing it whole or not at all."""

import errno
import os
from datetime import date
from pathlib import Path

import pytest

from ecom_assets.errors import SourceError
from ecom_assets.sources.order_reports.api import count_rows, land, path_of
from ecom_assets_tests.command import real_file

FIRST = date(2026, 1, 1)
HEADER = (
    b"id,uniq_id,date_time,city_id,city_name,customer_id,first_name,last_name,item_id,item_name,quantity,"
    b"payment_amount,status\r\n"
)
ROW = b"1,u1,2026-01-01T10:00:00,1,Berlin,1,Ann,Adler,1,Lamp,1,20,shipped\r\n"


@pytest.mark.parametrize(
    ("body", "announced", "fault"),
    [
        (HEADER + ROW, None, ""),
        (HEADER + ROW, 1, ""),
        (HEADER.replace(b",status", b"") + ROW.replace(b",shipped", b""), None, ""),  # older files have no status
        (b"\xef\xbb\xbf" + HEADER + ROW, None, ""),
        (HEADER, 0, ""),
        (b"", 0, "gives an empty file"),
        (HEADER, None, "gives a file with a header and no rows"),
        (HEADER + ROW, 2, "gives a file with 1 of 2 announced rows"),
        (HEADER + ROW[:-2], None, f"gives a file whose last line is cut ({len(HEADER) + len(ROW) - 2} bytes)"),
        (HEADER + ROW + b"2,u2,2026\r\n", None, "gives a file whose last line has 3 of 13 values"),
        (HEADER + ROW + b'2,"u2\r\n', None, "gives a file that breaks off inside of a quoted value ("),
        (b"<html>\n", None, "gives a file without the columns id, uniq_id, date_time, "),
        (HEADER + b"\xff\r\n", None, f"gives a file that is not UTF-8 at byte {len(HEADER)}"),
    ],
)  # fmt: skip
def test_a_file_is_whole_or_what_is_wrong_is_said(body: bytes, announced: int | None, fault: str) -> None:
    assert count_rows(body, announced).fault[: len(fault) or None] == fault


@pytest.mark.parametrize(("name", "rows"), [("user_order_log_inc.csv", 1_144), ("user_order_log.csv", 22_391)])
def test_real_files_are_whole(name: str, rows: int) -> None:
    counted = count_rows(real_file(name).read_bytes(), rows)
    assert (counted.row_count, counted.fault) == (rows, "")


def test_a_full_disk_leaves_the_earlier_file_and_no_half_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = path_of(tmp_path, FIRST)
    land(HEADER + ROW, path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SourceError, match=r"cannot be written \(No space left on device\)"):
        land(HEADER + ROW + ROW, path)
    assert (path.read_bytes(), [one.name for one in path.parent.iterdir()]) == (HEADER + ROW, [path.name])


def test_where_a_day_lies(tmp_path: Path) -> None:
    assert path_of(tmp_path, FIRST) == tmp_path / "order_reports/increment_date=2026-01-01/user_order_log_inc.csv"
