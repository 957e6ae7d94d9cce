"""Who bought once and is due again: by hand, and against plain Python."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import ibis.expr.types as ir
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.customers.due_again import (
    due_customers,
    due_state,
    median_of,
)
from ecom_assets.commerce.sales.contracts import Item, Sales
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.placeholders import UNKNOWN_CUSTOMER
from ecom_assets.core.tables.queries import KnownDays, Page, Period
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import Row, as_table
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

LAST = date(2026, 6, 30)
Line = tuple[str, int, str, str, int]
"""Customer, days ago, order, item and amount; an amount below zero is a refund."""


@dataclass
class Shop:
    """A published shop of some order lines."""

    lines: Sequence[Line]
    newest_date: date = LAST

    def __post_init__(self) -> None:
        """Fill its tables."""
        sold = [
            {
                "uniq_id": str(number),
                "customer_id": who,
                "order_date": LAST - timedelta(days=ago),
                "order_id": order,
                "item_id": item,
                "status": "shipped" if amount >= 0 else "refunded",
                "revenue_amount": Decimal(amount),
            }
            for number, (who, ago, order, item, amount) in enumerate(self.lines)
        ]
        self.con = connect()
        self.con.con.register("sales", as_table(sold, Sales))
        names = [
            {"item_id": "hat", "item_name": "Black hat"},
            {"item_id": "tie", "item_name": "Tie"},
        ]
        self.con.con.register("item", as_table(names, Item))
        self.known = {"orders": KnownDays(LAST - timedelta(days=400), LAST)}

    def table(self, contract: type[Table]) -> ir.Table:
        """Return a table."""
        return self.con.table(contract.name)

    def rows(self, question: ir.Table, _period: Period | None = None) -> list[Row]:
        """Return the rows of an expression."""
        rows: list[Row] = self.con.to_pyarrow(question).to_pylist()
        return rows

    state = rows

    def due(self, sort_by: Any = "revenue", page: Page | None = None) -> list[Row]:
        """Return who is due."""
        state = due_state(self)  # type: ignore[arg-type]  # as much of a reading as it needs
        return self.rows(due_customers(self, state["source"], state, sort_by, page))


STORY: Sequence[Line] = (
    # Three came back: after 10, 20 and 60 days. The median is 20.
    ("anna", 100, "a1", "hat", 10), ("anna", 90, "a2", "hat", 10), ("anna", 1, "a3", "hat", 10),
    ("bert", 100, "b1", "hat", 10), ("bert", 80, "b2", "hat", 10),
    ("cleo", 100, "c1", "hat", 10), ("cleo", 40, "c2", "hat", 10),
    # Four bought once: 21 days ago is longer ago than 20, 20 days ago is not.
    ("dora", 21, "d1", "tie", 30), ("dora", 21, "d1", "hat", 20), ("dora", 3, "d1", "hat", -20),
    ("emil", 20, "e1", "hat", 90),
    ("fred", 300, "f1", "belt", 40),
    (UNKNOWN_CUSTOMER, 200, "u1", "hat", 10),
)  # fmt: skip


def test_due_is_who_bought_once_longer_ago_than_others_take_to_come_back() -> None:
    shop = Shop(STORY)
    state = due_state(shop)  # type: ignore[arg-type]  # as above
    assert state["median_days_to_second_order"] == 20
    assert (state["came_back_customer_count"], state["once_customer_count"]) == (3, 3)
    assert (state["due_customer_count"], state["as_of_date"]) == (2, LAST)
    dora = ("dora", "d1", LAST - timedelta(days=21), 21, Decimal("30.0000"), "Black hat, Tie")
    fred = ("fred", "f1", LAST - timedelta(days=300), 300, Decimal("40.0000"), "belt")
    assert [tuple(row.values()) for row in shop.due()] == [fred, dora]
    assert [row["customer_id"] for row in shop.due("newest")] == ["dora", "fred"]
    assert [row["customer_id"] for row in shop.due("longest", Page(1, 1))] == ["dora"]


def test_where_nobody_came_back_nobody_is_known_to_be_due() -> None:
    shop = Shop([("dora", 300, "d1", "tie", 30)])
    state = due_state(shop)  # type: ignore[arg-type]  # as above
    assert state["median_days_to_second_order"] is None
    assert (state["once_customer_count"], state["due_customer_count"]) == (1, None)
    assert shop.due() == []


@each(
    "counts, expected",
    [({}, None), ({5: 1}, 5), ({5: 1, 8: 1}, 6.5), ({0: 2, 9: 3}, 9), ({1: 2, 3: 2}, 2)],
)
def test_a_median_of_counts_is_that_of_the_values(
    counts: dict[int, int], expected: float | None
) -> None:
    rows = [{"wait_days": wait, "customer_count": count} for wait, count in counts.items()]
    assert median_of(rows) == expected


LINES = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.integers(0, 60),
        st.sampled_from(("1", "2")),
        st.sampled_from(("hat", "tie", "belt")),
        st.integers(-9, 30),
    ),
    min_size=1,
    max_size=25,
)


@examples(60)
@given(lines=LINES)
def test_it_is_what_plain_python_says(lines: list[Line]) -> None:
    orders: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for who, ago, order, _, amount in lines:
        if amount >= 0:
            orders[who].add((-ago, order))
    days = {who: sorted(day for day, _ in each) for who, each in orders.items()}
    waits = [each[1] - each[0] for each in days.values() if len(each) > 1]
    bought_once = {who: -each[0] for who, each in days.items() if len(each) == 1}
    due = {who for who, ago in bought_once.items() if waits and ago > median(waits)}
    shop = Shop(lines)
    state = due_state(shop)  # type: ignore[arg-type]  # as above
    assert state["came_back_customer_count"] == len(waits)
    assert state["once_customer_count"] == len(bought_once)
    assert state["due_customer_count"] == (len(due) if waits else None)
    rows = shop.due()
    assert {row["customer_id"] for row in rows} == due
    assert len(rows) == len(due)
    for row in rows:
        own = [line for line in lines if line[0] == row["customer_id"]]
        assert row["revenue_amount"] == sum(line[4] for line in own)
        assert row["days_since_count"] == bought_once[row["customer_id"]]
