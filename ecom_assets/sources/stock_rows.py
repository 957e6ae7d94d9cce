"""Lines of a catalogue as rows of `raw.stock`. Not here: fetching or reading them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.contracts.inventory import RawStock
from ecom_assets.transforms.bounds import MAX_STOCK
from ecom_assets.warehouse.duckdb import connect
from ecom_assets.warehouse.schema import schema_of

REQUIRED = ("product_id", "stock")
OPTIONAL = ("name", "category", "reorder_point", "lead_time_days")
_NUMBERS = (
    ("stock", "stock_count", "unparseable_stock", -MAX_STOCK),
    ("reorder_point", "reorder_point_count", "unparseable_reorder_point", 0),
    ("lead_time_days", "lead_time_days", "unparseable_lead_time", 0),
)
"""Name as told, column, reason if it is no whole number, and the least that it may be."""


def stock_rows(records: Iterable[Mapping[str, Any]], received_date: date, source: str) -> ir.Table:
    """Return records as a table in the columns of `RawStock`, of a database in memory."""
    kinds = schema_of(RawStock).to_pyarrow()
    kinds = pa.schema([pa.field(one.name, one.type) for one in kinds])
    con = connect()
    rows = pa.Table.from_pylist(list(_rows(records, received_date, source)), schema=kinds)
    con.con.register("stock_records", rows)
    return con.table("stock_records")


def _rows(records: Iterable[Mapping[str, Any]], received_date: date, source: str) -> Iterator[dict[str, Any]]:
    for number, record in enumerate(records, start=1):
        told = {name: _text(record.get(name)) for name in (*REQUIRED, *OPTIONAL)}
        numbers, reason = _numbers(told)
        yield {
            "received_date": received_date,
            "record_number": number,
            "product_id": told["product_id"],
            "product_name": told["name"],
            "product_category": told["category"],
            "received_stock": told["stock"],
            "received_reorder_point": told["reorder_point"],
            "received_lead_time_days": told["lead_time_days"],
            **numbers,
            "reject_reason": "missing_product_id" if told["product_id"] is None else reason,
            "source": source,
        }


def _numbers(told: Mapping[str, str | None]) -> tuple[dict[str, int | None], str | None]:
    """Return the numbers of a record, and the first reason for which it says nothing."""
    reasons = ["missing_stock"] if told["stock"] is None else []
    numbers: dict[str, int | None] = {}
    for name, column, reason, least in _NUMBERS:
        numbers[column] = _whole(told[name], least)
        if told[name] is not None and numbers[column] is None:
            reasons.append(reason)
    return numbers, reasons[0] if reasons else None


def _text(value: object) -> str | None:
    """Return a value as text without white space around it; None if nothing is left."""
    return None if value is None or isinstance(value, dict | list) else str(value).strip() or None


def _whole(text: str | None, least: int) -> int | None:
    """Return the whole number that a text is; `12.0` is one."""
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or not least <= number <= MAX_STOCK or number != int(number):
        return None
    return int(number)
