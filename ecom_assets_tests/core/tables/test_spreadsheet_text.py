"""Texts of files that people open in spreadsheets: commands write what the API answers."""

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.tables.spreadsheet_text import escaped
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.files.question_source import write_rows
from ecom_assets_tests.hypothesis_settings import examples

SAMPLES = ["=cmd|' /C calc'!A0", "+x", "-x", "@SUM(A1)", "\tx", "\rx", "\uff1d1", "-79.80", "-1+1"]
SAMPLES += ["-", "a=b", "1e-5", "+1.", "", "-1\n", "'=1", "-\u0663"]
"""What begins like a formula, or nearly."""


def written(tmp_path: Path, texts: list[str | None], suffix: str = ".csv") -> Path:
    """Write texts and numbers as a command does."""
    con = connect()
    rows = pa.table({"n": range(len(texts)), "text": texts, "size": [-1.5] * len(texts)})
    path = tmp_path / f"rows{suffix}"
    write_rows(con, con.create_table("texts", rows).order_by("n"), path)
    con.disconnect()
    return path


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[1:] for row in csv.reader(file)][1:]


def test_a_file_of_a_command_has_the_cells_of_the_api(tmp_path: Path) -> None:
    texts: list[str | None] = [*SAMPLES, None]
    expected = [[escaped(text or ""), "-1.5"] for text in texts]
    assert cells(written(tmp_path, texts)) == expected
    assert ["'=cmd|' /C calc'!A0", "-1.5"] in expected, "numbers stay numbers"


def test_a_parquet_file_has_what_was_sent(tmp_path: Path) -> None:
    table = pq.read_table(written(tmp_path, [*SAMPLES], ".parquet"))
    assert table["text"].to_pylist() == SAMPLES


@examples(30)
@given(
    texts=st.lists(
        st.text("=+-@\t\r\n'19.eE \uff1d\uff0b\u0663x", min_size=1, max_size=5), min_size=1
    )
)
def test_any_text_is_escaped_alike(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    assert [row[0] for row in cells(written(folder, [*texts]))] == [*map(escaped, texts)]
