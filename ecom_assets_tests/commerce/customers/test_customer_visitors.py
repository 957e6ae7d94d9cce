"""Which visitors are which customer, as stories."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.commerce.attribution.contracts import OrderVisits
from ecom_assets.commerce.customers.visitors import customer_visitors, with_customers
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.each import each

Pair = tuple[str, str]
DAY = date(2026, 3, 1)


def sold(number: int, customer: str, visitor: str, day: int = 0, **more: Any) -> dict[str, Any]:
    """Return an order of a customer in a visit of a visitor, so many days after the first."""
    at = DAY + timedelta(days=day)
    return {
        "order_date": at,
        "kind": "purchase",
        "order_id": f"#{number}",
        "customer_id": customer,
        "event_date": at,
        "event_id": f"e{number}",
        "session_id": f"{visitor}-{day}",
        "visitor_id": visitor,
        "matched_by": "order_id",
        **more,
    }


def joined(orders: Iterable[dict[str, Any]]) -> dict[Pair, tuple[str, date]]:
    con = connect()
    con.con.register("order_visits", as_table(orders, OrderVisits))
    rows = customer_visitors(con.table("order_visits"), IdentityRule())
    return {
        (row["customer_id"], row["visitor_id"]): (row["matched_by"], row["since_date"])
        for row in rows_of(rows)
    }


def test_a_customer_is_the_visitors_of_her_orders_since_the_first() -> None:
    """Anna bought on her phone twice and on her laptop; Ben is signed in, and needs no pair."""
    pairs = joined(
        [
            sold(1, "anna@mail", "anon-phone", 3, matched_by="customer_time"),
            sold(2, "anna@mail", "anon-phone", 9),
            sold(3, "anna@mail", "anon-laptop", 5),
            sold(4, "ben@mail", "ben@mail"),
        ]
    )
    assert pairs == {
        ("anna@mail", "anon-phone"): ("customer_time", date(2026, 3, 4)),
        ("anna@mail", "anon-laptop"): ("order_id", date(2026, 3, 6)),
    }


@pytest.mark.parametrize(("customers", "count"), [(19, 19), (20, 0)])
def test_a_till_joins_nobody(customers: int, count: int) -> None:
    orders = [sold(n, f"{n}@mail", "anon-till") for n in range(customers)]
    assert len(joined([*orders, sold(99, "0@mail", "anon-home")])) == count + 1


@each("visitors, every, count", [(49, 0, 49), (50, 0, 0), (50, 1, 50), (60, 0, 0)])
def test_an_address_that_buys_on_many_devices_joins_nobody(
    visitors: int, every: int, count: int
) -> None:
    """An agency's address; within 30 days, so that years of new phones are nobody's fault."""
    orders = [sold(n, "agency@mail", f"anon-{n}", n * every) for n in range(visitors)]
    assert len(joined(orders)) == count


def test_visits_are_those_of_the_customer_too() -> None:
    con = connect()
    con.con.register(
        "visits", pa.table({"visitor_id": ["anon-phone", "anna", "eve"], "n": [1, 2, 3]})
    )
    con.con.register("pairs", pa.table({"customer_id": ["anna"], "visitor_id": ["anon-phone"]}))
    rows = rows_of(with_customers(con.table("visits"), con.table("pairs")))
    assert sorted((row["visitor_id"], row["n"]) for row in rows) == [
        ("anna", 1),
        ("anna", 2),
        ("anon-phone", 1),
        ("eve", 3),
    ]
