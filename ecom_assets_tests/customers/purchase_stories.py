"""Purchases as test language: who ordered on which day for how much, and the tables that such orders are read from."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.customers.purchases import Purchases
from ecom_assets.sales.contracts import Sales
from ecom_assets.sessions.contracts import Sessions
from ecom_assets.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, as_table

Ordered = tuple[str, int, int | str]
"""Customer, day from the first, and amount; a negative one is paid back."""


def sold(orders: Iterable[Ordered], *, first: date = DAY_ONE) -> list[Row]:
    """Return rows of `Sales`, each an order of its own."""
    return [_sale(n, who, first + timedelta(days=day), Decimal(amount)) for n, (who, day, amount) in enumerate(orders)]


def _sale(number: int, who: str, day: date, amount: Decimal) -> Row:
    return {
        "uniq_id": f"line-{number}",
        "order_id": f"order-{number}",
        "ordered_at": datetime.combine(day, time(12)),
        "order_date": day,
        "customer_id": who,
        "status": "shipped" if amount >= 0 else "refunded",
        "quantity": 1,
        "revenue_amount": amount,
    }


def visited(visits: Iterable[tuple[str, int, int, int | str]], *, first: date = DAY_ONE) -> list[Row]:
    """Return rows of `Sessions`: visitor, day from the first, purchases and what these came to."""
    return [
        {
            "session_id": f"{who}-{n}",
            "visitor_id": who,
            "started_date": first + timedelta(days=day),
            "purchase_count": count,
            "purchase_amount": Decimal(amount),
        }
        for n, (who, day, count, amount) in enumerate(visits)
    ]


@cache
def warehouse() -> Backend:
    """A DuckDB in memory whose tables `sales` and `sessions` the tests exchange."""
    con = connect()
    con.raw_sql("SET threads = 1")
    con.con.register("sales", as_table([], Sales))
    con.con.register("sessions", as_table([], Sessions))
    return con


@cache
def _sql(ask: Callable[[Purchases], ir.Table]) -> str:
    """Compile a question once."""
    purchases = Purchases.of_platform(warehouse().table("sales"), warehouse().table("sessions"))
    return str(warehouse().compile(ask(purchases)))


def answer(ask: Callable[[Purchases], ir.Table], sales: Iterable[Row] = (), sessions: Iterable[Row] = ()) -> pa.Table:
    """Return what a question to the purchases of these rows comes to; give the same function again to be quick."""
    warehouse().con.register("sales", as_table(sales, Sales))
    warehouse().con.register("sessions", as_table(sessions, Sessions))
    return warehouse().con.sql(_sql(ask)).to_arrow_table()


def by_customer(rows: pa.Table) -> dict[str, dict[str, Any]]:
    """Return rows by customer."""
    return {row["customer_id"]: row for row in rows.to_pylist()}
