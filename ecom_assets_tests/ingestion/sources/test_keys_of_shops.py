"""The shop in the key of a record: orders of two shops with one number are two,
and versions are those of one shop.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ecom_assets.core.errors import MappingError
from ecom_assets.ingestion.sources.files.mapping import OrderMapping
from ecom_assets.ingestion.sources.landed_rows import MessageMapper
from ecom_assets_tests.fresh_duckdb import fresh_duckdb
from ecom_assets_tests.ingestion.sources.test_order_files import read, write

HEADER = "shop,number,line,at,customer,item,pieces,paid,changed"
MAPPING: dict[str, Any] = {
    "name": "own",
    "record": "order",
    "fields": {
        "uniq_id": {"expression": "number || '-' || line"},
        "order_id": "number",
        "date_time": "at",
        "customer_id": "customer",
        "item_id": "item",
        "quantity": "pieces",
        "payment_amount": "paid",
        "changed_at": "changed",
    },
    "other_columns": "ignore",
}


def mapping(shop: Mapping[str, Any] | str | None) -> OrderMapping:
    """Return the mapping with a shop, or without one."""
    fields = MAPPING["fields"] if shop is None else {**MAPPING["fields"], "shop": shop}
    return OrderMapping.model_validate({**MAPPING, "fields": fields})


def line(shop: str, number: str = "1001") -> str:
    return f"{shop},{number},1,2026-03-02 10:00:00,ann,hat,1,20.00,2026-03-02 10:00:00"


@pytest.mark.parametrize(
    ("shop", "key"),
    [
        (None, ""),
        ({"constant": "de"}, "de/"),
        ("shop", "fr/"),
        ({"file_name": True}, "shop_de/"),
        ({"expression": "upper(shop)"}, "FR/"),
    ],
)
def test_the_shop_goes_before_all_keys(
    tmp_path: Path, shop: Mapping[str, Any] | str | None, key: str
) -> None:
    [row] = read(write(tmp_path / "shop_de.csv", HEADER, line("fr")), mapping(shop))
    keys = [row[name] for name in ("uniq_id", "order_id", "record_id")]
    assert keys == [f"{key}1001-1", f"{key}1001", f"{key}1001"]


def test_a_row_without_a_shop_keeps_its_keys(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "orders.csv", HEADER, line("de"), line("")), mapping("shop"))
    assert sorted(row["order_id"] for row in rows) == ["1001", "de/1001"]


def test_files_of_two_shops_have_keys_of_their_own(tmp_path: Path) -> None:
    for name in ("shop_de", "shop_fr"):
        write(tmp_path / "in" / f"{name}.csv", HEADER, line("x"))
    rows = read(tmp_path / "in", mapping({"file_name": True}))
    assert sorted(row["record_id"] for row in rows) == ["shop_de/1001", "shop_fr/1001"]


def test_the_name_of_a_file_is_no_shop_of_messages() -> None:
    with (
        duckdb.connect() as con,
        pytest.raises(MappingError, match="takes the shop from the name of a file"),
    ):
        MessageMapper(con, mapping({"file_name": True}), "UTC")


def test_messages_have_the_shop_of_a_column_in_their_keys() -> None:
    message = dict(zip(HEADER.split(","), line("de").split(","), strict=True))
    with fresh_duckdb() as con:
        [row] = (
            MessageMapper(con, mapping("shop"), "UTC")
            .rows([json.dumps(message).encode()])
            .table.to_pylist()
        )
    assert [row[name] for name in ("uniq_id", "order_id", "record_id")] == [
        "de/1001-1",
        "de/1001",
        "de/1001",
    ]
