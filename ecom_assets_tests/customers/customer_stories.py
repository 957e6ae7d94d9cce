"""The language of tests about customers: one perfect customer, with changes, and what they do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from ecom_assets.customers.contracts import Customers
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, received
from ecom_assets_tests.platform import Platform

NEXT_DAY = DAY_ONE + timedelta(days=1)
DAYS = Days.between(DAY_ONE - timedelta(days=400), DAY_ONE + timedelta(days=5))
PERFECT = {
    "id": 7,
    "email": "Zoe@Mail.Example.org",
    "first_name": "Zoe",
    "last_name": "Doe",
    "city": "Berlin",
    "country": "DE",
    "created_at": "2025-01-01T00:00:00Z",
    "updated_at": "2026-03-01T00:00:00Z",
    "last_login_at": "2026-03-09T12:00:00Z",
}


def answer(result: ir.Value) -> object:
    """Compute an expression without tables."""
    return connect().to_pyarrow(result).as_py()


def one_of(shop: Platform, **changed: Any) -> Row:
    """Return what becomes of the perfect customer, changed in some fields, fetched on day one."""
    shop.receive_customers([PERFECT | changed], DAY_ONE)
    shop.run(Days((DAY_ONE,)), only=["customers", "quarantined_customers"])
    (row,) = shop.rows(Customers)
    return row


def each_of(shop: Platform, *changes: dict[str, Any]) -> list[Row]:
    """Return what becomes of as many customers, each the perfect one with other changes, fetched on day one."""
    ids = [f"{n:06d}" for n in range(len(changes))]
    shop.receive_customers([PERFECT | change | {"id": one} for change, one in zip(changes, ids, strict=True)], DAY_ONE)
    shop.run(Days((DAY_ONE,)), only=["customers", "quarantined_customers"])
    rows = {row["customer_id"]: row for row in shop.rows(Customers)}
    return [rows[one] for one in ids]


@contextmanager
def shop_with(*, events: str = "", orders: str = "") -> Iterator[Platform]:
    """A shop that gave a customer API and these sources, and no others."""
    place = "http://shop.example"
    shop = Platform(Settings(home=Path("never written"), customer_api_url=place, events=events, orders=orders))
    try:
        yield shop
    finally:
        shop.close()


def visits(shop: Platform, *events: tuple[datetime, dict[str, Any]]) -> None:
    """Let customer 7 do things, each on the day that it says."""
    rows = [received(f"e{n}", moment, user_id="7", **values) for n, (moment, values) in enumerate(events)]
    shop.receive(rows, DAYS)
    shop.run(DAYS, only=["events", "first_touches", "session_events", "session_days", "sessions", "conversions"])
