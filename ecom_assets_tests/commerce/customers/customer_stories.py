"""The language of tests about customers: one perfect customer, with changes, what they do,
and their orders.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.contracts import Conversions, OrderVisits
from ecom_assets.commerce.attribution.touches import orders as compute_orders
from ecom_assets.commerce.customers.contracts import Customers
from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, as_table, at, order_line, received
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


def computed(result: ir.Value) -> object:
    """Compute an expression without tables."""
    return connect().to_pyarrow(result).as_py()


def one_of(shop: Platform, **changed: Any) -> Row:
    """Return what becomes of the perfect customer, changed in some fields, fetched on day one."""
    shop.receive_customers([PERFECT | changed], DAY_ONE)
    shop.run(Days((DAY_ONE,)), only=["customers", "quarantined_customers"])
    (row,) = shop.rows(Customers)
    return row


def each_of(shop: Platform, *changes: dict[str, Any]) -> list[Row]:
    """Return what becomes of as many customers, each the perfect one with other changes,
    fetched on day one.
    """
    ids = [f"{n:06d}" for n in range(len(changes))]
    shop.receive_customers(
        [PERFECT | change | {"id": id_} for change, id_ in zip(changes, ids, strict=True)], DAY_ONE
    )
    shop.run(Days((DAY_ONE,)), only=["customers", "quarantined_customers"])
    rows = {row["customer_id"]: row for row in shop.rows(Customers)}
    return [rows[id_] for id_ in ids]


@contextmanager
def shop_with(*, events: str = "", orders: str = "") -> Iterator[Platform]:
    """A shop that gave a customer API and these sources, in each of which
    somebody else is, and no others.
    """
    address = "http://shop.example"
    shop = Platform(
        Settings(home=Path("never written"), customer_api_url=address, events=events, orders=orders)
    )
    try:
        if events:
            visits(shop, (at("09:00", DAY_ONE), {}), who="someone else")
        if orders:
            order = order_line("o1", DAY_ONE, "someone else") | {
                "order_id": "o1",
                "status": "shipped",
                "is_renewal": False,
            }
            shop.engine.con.con.register("ordered", pa.Table.from_pylist([order]))
            of_orders = compute_orders(shop.engine.con.table("ordered"), shop.table(OrderVisits))
            shop.engine.replace(Conversions, of_orders, None)
        yield shop
    finally:
        shop.close()


def visits(shop: Platform, *events: tuple[datetime, dict[str, Any]], who: str = "7") -> None:
    """Let customer 7, or somebody else, do things, each on the day that it says."""
    rows = [
        received(f"e{n}", moment, user_id=who, **values)
        for n, (moment, values) in enumerate(events)
    ]
    shop.receive(rows, DAYS)
    shop.run(
        DAYS,
        only=[
            "events",
            "first_touches",
            "session_events",
            "session_days",
            "sessions",
            "conversions",
        ],
    )


def ordered_and_visited(met: int) -> tuple[list[Row], list[Row]]:
    """Return rows of `Conversions` and of `Touches`: Anna orders for as much of 100.00 in a visit,
    Ben for the rest without one, and Carl visits twice and never orders.
    """
    days = [DAY_ONE - timedelta(days=5), DAY_ONE]
    sold: Row = {
        "unit": "order",
        "converted_date": DAY_ONE,
        "converted_at": at("12:00", DAY_ONE),
        "is_refund": False,
        "is_renewal": False,
    }
    orders: dict[str, Row] = {
        "anna": {"revenue_amount": Decimal(met)},
        "ben": {"revenue_amount": Decimal(100 - met)},
        # None of these says whether visits are known of orders.
        "paid back": {"revenue_amount": Decimal(-900), "is_refund": True},
        "subscriber": {"revenue_amount": Decimal(900), "is_renewal": True},
        "before": {
            "revenue_amount": Decimal(900),
            "converted_date": days[0] - timedelta(days=1),
        },
    }
    bought = [
        sold | {"conversion_id": who, "visitor_id": who, "customer_id": who} | order
        for who, order in orders.items()
    ]
    nowhere = dict.fromkeys(("source", "medium", "campaign", "source_lists_version"), "(none)")
    touches = [
        {
            **nowhere,
            "channel": "Direct",
            "is_bot": False,
            "session_id": f"{who}-{day}",
            "visitor_id": who,
            "started_at": at("09:00", day),
            "started_date": day,
        }
        for who in ("anna", "carl")
        for day in days
    ]
    return bought, touches


Ordered = tuple[str, int, int | str]
"""Customer, day from the first, and amount; a negative one is paid back."""


def sold(orders: Iterable[Ordered], *, first: date = DAY_ONE) -> list[Row]:
    """Return rows of `Sales`, each an order of its own."""
    return [
        _sale(n, who, first + timedelta(days=day), Decimal(amount))
        for n, (who, day, amount) in enumerate(orders)
    ]


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


def visited(
    visits: Iterable[tuple[str, int, int, int | str]], *, first: date = DAY_ONE
) -> list[Row]:
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
    purchases = Purchases.from_platform(warehouse().table("sales"), warehouse().table("sessions"))
    return str(warehouse().compile(ask(purchases)))


def answer(
    ask: Callable[[Purchases], ir.Table], sales: Iterable[Row] = (), sessions: Iterable[Row] = ()
) -> pa.Table:
    """Return what a question to the purchases of these rows comes to;
    give the same function again to be quick.
    """
    warehouse().con.register("sales", as_table(sales, Sales))
    warehouse().con.register("sessions", as_table(sessions, Sessions))
    return warehouse().con.sql(_sql(ask)).to_arrow_table()


def by_customer(rows: pa.Table) -> dict[str, dict[str, Any]]:
    """Return rows by customer."""
    return {row["customer_id"]: row for row in rows.to_pylist()}
