"""Journeys as test language: who did what, when;
and the received rows that such events arrive as.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events.contracts import CAMPAIGN, CleanEvents, RawEvents
from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.core.tables.contract import Table

DAY_ONE = date(2026, 3, 10)
"""The day that journeys take place on unless they say otherwise."""

Row = dict[str, Any]
Step = tuple[str, str] | tuple[str, str, Mapping[str, Any]]

_KINDS = {
    "string": pa.string(),
    "timestamp(6)": pa.timestamp("us"),
    "date": pa.date32(),
    "decimal(18, 4)": pa.decimal128(18, 4),
    "decimal(38, 4)": pa.decimal128(38, 4),
    "decimal(18, 6)": pa.decimal128(18, 6),
    "decimal(18, 9)": pa.decimal128(18, 9),
    "decimal(9, 6)": pa.decimal128(9, 6),
    "decimal(38, 6)": pa.decimal128(38, 6),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
}


def at(text: str, day: date = DAY_ONE) -> datetime:
    """Return the UTC instant of `09:00`, `09:00:00.000001`, or of a clock
    with days ahead: `+1 00:10`.
    """
    ahead, _, clock = text.rpartition(" ")
    return datetime.combine(day + timedelta(days=int(ahead or 0)), time.fromisoformat(clock))


def local_day(instant: datetime, timezone: str) -> date:
    """Return the day of a UTC instant in a time zone, as sources compute `event_date`."""
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).date()


def received(
    event_id: str | None, event_at: datetime | None, *, timezone: str = "UTC", **values: Any
) -> Row:
    """Return one row of `raw/events`: a page view that arrived on its own day,
    unless `values` differ.
    """
    event_date = None if event_at is None else local_day(event_at, timezone)
    row: Row = dict.fromkeys(RawEvents.columns)
    row |= {
        "event_id": event_id,
        "event_at": event_at,
        "event_date": event_date,
        "event_timestamp": None if event_at is None else event_at.isoformat(),
        "event_type": "page_view",
        "user_id": "anna",
        "received_date": event_date,
        "source": "test",
        "source_file": "test.csv",
    }
    row |= values
    if (
        row["event_type"] in {"product_view", "add_to_cart", "remove_from_cart"}
        and "product_id" not in values
    ):
        row["product_id"] = "p1"
    return row


def journeys(
    people: Mapping[str, Iterable[Step]], *, day: date = DAY_ONE, timezone: str = "UTC"
) -> list[Row]:
    """Return the rows received when people do things: each step a time, a type,
    and further values if any.

    `journeys({"anna": [("09:00", "page_view"), ("09:05", "purchase", {"cart_amount": 20})]})`; ids
    are `anna-0`, `anna-1`.
    """
    rows = []
    for who, steps in people.items():
        for number, (clock, kind, *more) in enumerate(steps):
            values = {"user_id": who, "event_type": kind, **(more[0] if more else {})}
            event_id = values.pop("event_id", f"{who}-{number}")
            rows.append(received(event_id, at(clock, day), timezone=timezone, **values))
    return rows


def order_line(
    uniq_id: str | None, day: date, customer_id: str | None = "anna", **values: Any
) -> Row:
    """Return one row of `raw/user_order_log`: a hat for 20.00, ordered at noon
    and received the same day.
    """
    ordered_at = values.get("ordered_at", datetime.combine(day, time(12)))
    row: Row = dict.fromkeys(RawUserOrderLog.columns)
    row |= {
        "uniq_id": uniq_id,
        "customer_id": customer_id,
        "ordered_at": ordered_at,
        "order_date": day,
        "date_time": ordered_at and ordered_at.isoformat(),
        "city_id": "1",
        "city_name": "Berlin",
        "item_id": "7",
        "item_name": "Hat",
        "item_category": "hats",
        "quantity": 1,
        "payment_amount": 20,
        "received_date": day,
        "source": "test",
        "source_file": "orders.csv",
    }
    return row | values


def clean_events(rows: Iterable[Row]) -> pa.Table:
    """Return rows as `staging/events` has them, without the detour over cleaning."""
    named = [
        {
            **row,
            "visitor_id": row["user_id"] or f"anon-{row['session_id']}",
            "source_session_id": row["session_id"],
            "session_device_id": row["anonymous_id"] or row["session_id"] or "",
            "is_bot": False,
        }
        for row in rows
    ]
    return as_table(named, CleanEvents)


def as_table(rows: Iterable[Row], contract: type[Table]) -> pa.Table:
    """Return rows in the columns and types of a contract."""
    schema = pa.schema([(name, _KINDS[column.type]) for name, column in contract.columns.items()])
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in contract.columns} for row in rows], schema=schema
    )


def addresses(con: Backend) -> ir.Table:
    """Return the table `visits`, with no campaign in fields that it does not have."""
    visits = con.table("visits")
    lacking = [name for name in CAMPAIGN if name not in visits.columns]
    return visits.mutate(**{name: ibis.null("string") for name in lacking})
