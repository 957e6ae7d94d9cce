"""Customer records as rows of `raw.customers`. Not here: fetching them, or what they come to."""

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.contracts.customers import RawCustomers
from ecom_assets.sources.customer_records import Customer, ReceivedRecord
from ecom_assets.warehouse.duckdb import connect
from ecom_assets.warehouse.schema import schema_of

NAMED_AS_RECEIVED = ("email", "first_name", "last_name", "city", "region", "country")
TIMES = ("created", "updated", "last_login")


def customer_rows(records: Iterable[ReceivedRecord], received_date: date, source: str) -> ir.Table:
    """Return records as a table in the columns of `RawCustomers`, of a database in memory."""
    kinds = schema_of(RawCustomers).to_pyarrow()
    kinds = pa.schema([pa.field(one.name, one.type) for one in kinds])
    rows = list(_rows(records, received_date, source))
    con = connect()
    con.con.register("customer_records", pa.Table.from_pylist(rows, schema=kinds))
    return con.table("customer_records")


def _rows(records: Iterable[ReceivedRecord], received_date: date, source: str) -> Iterator[dict[str, Any]]:
    for number, one in enumerate(records, start=1):
        row: dict[str, Any] = dict.fromkeys(RawCustomers.columns)
        row |= {
            "received_date": received_date,
            "record_number": number,
            "page_number": one.page,
            "page_position": one.position,
            "payload": one.record.payload,
            "source": source,
        }
        yield row | (_values(one.record) if isinstance(one.record, Customer) else {"reject_reason": one.record.reason})


def _values(customer: Customer) -> dict[str, Any]:
    values: dict[str, Any] = {"customer_id": customer.id, "is_number_id": customer.is_number_id}
    values |= {name: _tidy(getattr(customer, name)) for name in NAMED_AS_RECEIVED}
    for name in TIMES:
        said, instant = getattr(customer, f"{name}_at"), getattr(customer, f"{name}_instant")
        values |= {f"{name}_timestamp": said or None, f"{name}_at": _without_zone(instant)}
    return values | {"engagement_score": customer.engagement_score}


def _tidy(text: str | None) -> str | None:
    """Return a text without white space around it, its letters composed; None if nothing is left."""
    return unicodedata.normalize("NFC", text).strip() or None if text else None


def _without_zone(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=None) if instant else None
