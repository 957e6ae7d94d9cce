"""A header in capitals, as Snowflake exports it, reads as the same header in small letters."""

import csv
import io
from pathlib import Path

import duckdb
import pytest

from ecom_assets.ingestion.sources.files.mapping import load_order_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets_tests.core.warehouse.engines.shop_input import ORDER_HEADER
from ecom_assets_tests.ingestion.sources.conftest import SHOP, Read, csv_text, write

LINE = "1,l1,2026-01-01T12:00:00Z,1,Ulm,ann,A,B,i1,Hat,1,20,shipped"


def in_capitals(content: str) -> str:
    header, _, rows = content.partition("\n")
    return f"{header.upper()}\n{rows}"


def without_file(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "source_file"} for row in rows]


def test_events_of_both_headers_are_the_same(tmp_path: Path, read: Read) -> None:
    content = csv_text(SHOP)
    write(tmp_path / "small.csv", content)
    write(tmp_path / "capitals.csv", in_capitals(content))
    small, capitals = (
        without_file(read(tmp_path / f"{name}.csv")) for name in ("small", "capitals")
    )
    assert small == capitals
    assert [row["event_id"] for row in capitals] == ["e1", "e2", "e3"]


def test_orders_of_both_headers_are_the_same(
    tmp_path: Path, con: duckdb.DuckDBPyConnection
) -> None:
    content = f"{ORDER_HEADER}\n{LINE}\n"
    mapping = load_order_mapping("user_order_log")
    both = []
    for name, file_text in (("small", content), ("capitals", in_capitals(content))):
        (tmp_path / f"{name}.csv").write_text(file_text)
        files = RecordFiles.open(con, [tmp_path / f"{name}.csv"], mapping)
        both.append(without_file(con.sql(files.received_sql()).to_arrow_table().to_pylist()))
    assert both[0] == both[1]
    assert both[1][0]["uniq_id"] == "l1"


@pytest.mark.parametrize("field", ["EVENT_ID", "Event_Id"])
def test_a_mapping_that_has_a_name_so_reads_it_so(tmp_path: Path, read: Read, field: str) -> None:
    own = tmp_path / "own.yaml"
    rows = list(csv.DictReader(io.StringIO(csv_text(SHOP))))
    columns = {name: name.upper() if field.isupper() else name for name in rows[0]} | {
        "event_id": field
    }
    fields = "".join(f"  {name}: {column}\n" for name, column in columns.items())
    own.write_text(f"name: own\nother_columns: ignore\nfields:\n{fields}")
    write(tmp_path / "e.csv", in_capitals(csv_text(SHOP)))
    assert [row["event_id"] for row in read(tmp_path / "e.csv", own)] == ["e1", "e2", "e3"]
