"""Workbooks and Parquet files are measured before they are read: small files that would take
gigabytes are refused with what is in them, and no others.
"""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import SourceError
from ecom_assets.core.reading_child import FOREIGN_FILE
from ecom_assets.ingestion.sources.files import measured
from ecom_assets_tests.ingestion.sources.bound_files import BOUND_FILES
from ecom_assets_tests.ingestion.sources.workbook import write_ods, write_xlsx

SAID = {
    "last cell": r"last.xlsx has cells as far as row 1,048,576 and column 16,384",
    "far cell": r"far.xlsx has cells as far as row 100,000 and column 703",
    "one text": r"text.xlsx has [\d,]+ cells with [\d,]+ MB of text",
    "repeated rows": r"repeated.ods has 80,000,002 cells",
    "one value": r"value.parquet has values of more than 400 MB in 20,000 rows",
}


@pytest.mark.parametrize("kind", BOUND_FILES)
def test_a_small_file_that_would_take_gigabytes_is_refused_by_what_it_has(
    kind: str, tmp_path: Path
) -> None:
    path = BOUND_FILES[kind](tmp_path)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(SourceError, match=SAID[kind]):
        require_readable(path)


def require_readable(path: Path) -> None:
    if path.suffix == ".parquet":
        measured.require_readable_parquet(path, path.name)
    else:
        measured.require_readable_workbook(path, path.name, FOREIGN_FILE)


def test_usual_files_are_measured_by_what_they_hold(tmp_path: Path) -> None:
    rows = [("id", "name"), *((number, f"product {number}") for number in range(100))]
    for path in (
        write_xlsx(tmp_path / "usual.xlsx", {"A": rows, "B": rows[:3]}),
        write_ods(tmp_path / "usual.ods", "A", rows),
    ):
        limits = measured.limits_of_workbook(path)
        measured.require_readable_workbook(path, path.name, limits)
    table = {"id": range(1000), "name": [f"product {number % 10}" for number in range(1000)]}
    pq.write_table(pa.table(table), tmp_path / "usual.parquet")
    extent = measured.parquet_extent(tmp_path / "usual.parquet", most_bytes=1)
    assert extent.row_count == 1000
    assert measured.parquet_bytes(tmp_path / "usual.parquet") > 0


def test_the_texts_of_a_dictionary_count_as_often_as_they_stand(tmp_path: Path) -> None:
    values = ["a" * 100] * 900 + ["b" * 3000] * 100  # 90,000 and 300,000 bytes
    lists = [["c" * 10, "d" * 20]] * 1000  # 30,000 bytes
    pq.write_table(pa.table({"text": values, "texts": lists}), tmp_path / "a.parquet")
    assert (
        measured._dictionary_bytes(  # noqa: SLF001 (what the whole rests on)
            tmp_path / "a.parquet", ["text", "texts.list.element"], 10**9
        )
        == 390_000 + 30_000
    )


def test_a_large_workbook_may_take_more_than_a_small_one(tmp_path: Path) -> None:
    small = write_xlsx(tmp_path / "small.xlsx", {"A": [("id",), (1,)]})
    large = tmp_path / "large.xlsx"
    with large.open("wb") as file:
        os.truncate(file.fileno(), 20_000_000)
    assert measured.limits_of_workbook(small) == FOREIGN_FILE
    assert measured.limits_of_workbook(large).memory_mb in range(500, 801)


def test_what_is_no_workbook_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 and no more")
    measured.require_readable_workbook(broken, broken.name, FOREIGN_FILE)
    measured.require_readable_parquet(broken, broken.name)
