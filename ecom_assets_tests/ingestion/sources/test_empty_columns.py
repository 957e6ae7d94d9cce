"""Columns that are called empty of a file are so: each is counted, over rows of any values."""

import csv
import random
from pathlib import Path

import duckdb
import pytest

from ecom_assets.core.errors import EcomError
from ecom_assets.ingestion.sources.files.fit import columns_used
from ecom_assets.ingestion.sources.files.mapping import load_order_mapping
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.mapping_file import shipped_in

VALUES = ("", "0", "1", "7.5", "19%", "yes", "true", "EUR", "paid", "x", "2026-01-02", "[]", "-3")


def written(path: Path, mapping: str, rng: random.Random) -> Path:
    """Write rows with most of the columns that a mapping uses, and any values."""
    used = columns_used(load_order_mapping(mapping))
    names = sorted({name for columns in used.values() for name in columns})
    kept = [name for name in names if rng.random() < rng.choice((0.5, 0.9, 1))]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(kept)
        rows.writerows([rng.choice(VALUES) for _ in kept] for _ in range(30))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("mapping", shipped_in("order_mappings"))
def test_no_row_has_a_value_in_a_column_that_is_called_empty(mapping: str, tmp_path: Path) -> None:
    con, rng = duckdb.connect(), random.Random(mapping)  # noqa: S311 (rows of a test)
    for number in range(3):
        path = written(tmp_path / f"{number}.csv", mapping, rng)
        try:
            files = RecordFiles.open(con, [path], load_order_mapping(mapping))
            counts = con.execute(f"SELECT count(COLUMNS(*)) FROM ({files.received_sql()})")
        except EcomError:  # a column is missing that every file has
            continue
        columns = [column[0] for column in counts.description or ()]
        (row,) = counts.fetchall()
        found = {name for name, count in zip(columns, row, strict=True) if not count}
        assert files.empty_columns() <= found


def test_what_a_plain_file_lacks_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "uniq_id,date_time,city_id,city_name,customer_id,item_id,item_name,quantity,payment_amount\n"
        "a,2026-01-02,1,Rome,ann,7,Hat,1,10\n"
    )
    files = RecordFiles.open(duckdb.connect(), [path], load_order_mapping("user_order_log"))
    empty = files.empty_columns()
    assert {"vendor", "discount_amount", "received_discount_amount", "is_restocked"} <= empty
    assert empty.isdisjoint({"uniq_id", "quantity", "received_quantity", "payment_amount"})
