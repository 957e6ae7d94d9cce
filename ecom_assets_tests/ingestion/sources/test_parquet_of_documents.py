"""Mappings whose rows are not the lines of a file read Parquet, and JSON of such lines, as what it
was made from.
"""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets_tests.builders import Row
from ecom_assets_tests.ingestion.sources.test_order_files import read
from ecom_assets_tests.ingestion.sources.test_shop_order_documents import (
    CHARGE,
    SHOPIFY_ORDER,
    WOO_ORDER,
)
from ecom_assets_tests.ingestion.sources.test_shop_orders import (
    ANN,
    ANN_2,
    BOB,
    CARLA,
    csv_text,
    totals,
)

OF_FILE = ("source_file", "received_at", "received_date", "record_number", "date_time")
"""What says which file a row is of; and its time as text, which Parquet has as a time."""
DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "woocommerce": [WOO_ORDER, {**WOO_ORDER, "id": 728, "status": "failed"}],
    "shopify_admin": [SHOPIFY_ORDER, {**SHOPIFY_ORDER, "id": 450789470, "name": "#1002"}],
    "stripe": [CHARGE, {**CHARGE, "id": "ch_3", "status": "failed"}],
}


def content(rows: list[Row]) -> list[Row]:
    """Return rows without the columns of their file, in one order."""
    own = [{name: cell for name, cell in row.items() if name not in OF_FILE} for row in rows]
    return sorted(own, key=lambda row: str(row["uniq_id"]))


@pytest.mark.slow
@pytest.mark.parametrize("mapping", DOCUMENTS)
def test_documents_of_an_api_are_the_same_orders_as_json_lines_and_as_parquet(
    tmp_path: Path, mapping: str
) -> None:
    lines, parquet = tmp_path / "orders.ndjson", tmp_path / "orders.parquet"
    lines.write_text("\n".join(map(json.dumps, DOCUMENTS[mapping])) + "\n")
    source = f"read_json('{lines}', format='newline_delimited', convert_strings_to_integers=false)"
    duckdb.sql(f"COPY (SELECT * FROM {source}) TO '{parquet}' (FORMAT parquet)")
    as_lines, as_parquet = read(lines, mapping), read(parquet, mapping)
    assert totals(as_parquet) == totals(as_lines)
    assert content(as_parquet) == content(as_lines)


@pytest.mark.slow
@pytest.mark.parametrize("are_times", [False, True], ids=["times as text", "times as times"])
def test_lines_of_one_order_are_the_same_as_csv_and_as_parquet(
    tmp_path: Path, *, are_times: bool
) -> None:
    lines = [ANN, ANN_2, BOB, CARLA]
    plain, parquet = tmp_path / "orders.csv", tmp_path / "orders.parquet"
    plain.write_text(csv_text(lines))
    names = [*dict.fromkeys(name for line in lines for name in line)]
    table = pa.Table.from_pylist(
        [{name: line.get(name) or None for name in names} for line in lines]
    )
    pq.write_table(table, parquet)
    if are_times:
        stamped = tmp_path / "stamped.parquet"
        at = '"Created at"'
        replaced = f"* REPLACE (strptime({at}, '%Y-%m-%d %H:%M:%S %z') AS {at})"
        duckdb.sql(
            f"COPY (SELECT {replaced} FROM read_parquet('{parquet}')) TO '{stamped}' "
            "(FORMAT parquet)"
        )
        parquet = stamped
    as_csv, as_parquet = read(plain, "shopify"), read(parquet, "shopify")
    assert len(as_csv) == 5
    assert totals(as_parquet) == totals(as_csv)
    assert content(as_parquet) == content(as_csv)


@pytest.mark.slow
def test_lines_of_one_order_are_the_same_as_csv_and_as_json(tmp_path: Path) -> None:
    """A line that is no object stays a line that cannot be read, and no other is lost with it."""
    lines = [ANN, ANN_2, BOB, CARLA]
    plain, objects, array = (tmp_path / name for name in ("o.csv", "o.ndjson", "o.json"))
    plain.write_text(csv_text(lines))
    array.write_text(json.dumps(lines))
    objects.write_text("\n".join([*map(json.dumps, lines), '"Note: the end"']) + "\n")
    as_csv = read(plain, "shopify")
    assert content(read(array, "shopify")) == content(as_csv)
    *rows, malformed = sorted(
        read(objects, "shopify"), key=lambda row: row["malformed_row"] is not None
    )
    assert content(rows) == content(as_csv)
    assert malformed["malformed_row"] == "Note: the end"


def test_an_empty_file_of_json_is_refused_as_one(tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.touch()
    with pytest.raises(SourceError, match=r"orders\.ndjson is empty \(0 bytes\)"):
        read(path, "shopify")


def test_ids_that_parquet_has_rounded_are_refused(tmp_path: Path) -> None:
    """As floating point numbers beyond 2⁵³, two customers would be one."""
    orders = [{**WOO_ORDER, "id": float(2**60 + number)} for number in range(2)]
    path = tmp_path / "orders.parquet"
    pq.write_table(
        pa.Table.from_pylist([{"id": o["id"], "status": "completed"} for o in orders]), path
    )
    with pytest.raises(MappingError, match=r"orders\.parquet"):
        read(path, "woocommerce")
