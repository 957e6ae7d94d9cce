"""Segments by story, by the definition in plain Python, and for each of the
125 scores that there are.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.customers.contracts import SEGMENTS
from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.commerce.customers.question import SegmentsQuestion
from ecom_assets.commerce.customers.segments import CODES, customer_segments, segment_of
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row
from ecom_assets_tests.commerce.customers.customer_stories import (
    Ordered,
    answer,
    by_customer,
    sold,
    visited,
)
from ecom_assets_tests.hypothesis_settings import examples

SCORES = ("recency_score", "frequency_score", "monetary_score")


def by_percent_rank(purchases: Purchases) -> ir.Table:
    return customer_segments(purchases)


def by_cume_dist(purchases: Purchases) -> ir.Table:
    return customer_segments(purchases, "cume_dist")


def of(orders: Sequence[Ordered]) -> dict[str, dict[str, Any]]:
    return by_customer(answer(by_percent_rank, sold(orders)))


def scores(row: Row) -> tuple[int, ...]:
    return tuple(row[name] for name in SCORES)


# The table


def test_each_of_the_125_scores_is_in_one_segment() -> None:
    listed = [code for codes in CODES.values() for code in codes]
    assert sorted(listed) == sorted(
        100 * r + 10 * f + m for r, f, m in product(range(1, 6), repeat=3)
    )
    assert tuple(CODES) == SEGMENTS
    con = connect()
    con.con.register("codes", pa.table({"code": listed}))
    reported = con.table("codes")
    actual = reported.mutate(segment=segment_of(reported.code)).to_pyarrow().to_pylist()
    assert {row["code"]: row["segment"] for row in actual} == {
        code: name for name, codes in CODES.items() for code in codes
    }


# Stories


def test_five_customers_who_differ_get_one_score_each() -> None:
    # Ann ordered last, most often and most; Eve first, once and least.
    orders = (
        [("ann", 40, 100)] * 5
        + [("ben", 30, 80)] * 4
        + [("cat", 20, 60)] * 3
        + [("dan", 10, 40)] * 2
    )
    actual = of([*orders, ("eve", 0, 20)])
    assert {who: scores(row) for who, row in actual.items()} == {
        "ann": (5, 5, 5),
        "ben": (4, 4, 4),
        "cat": (3, 3, 3),
        "dan": (2, 2, 2),
        "eve": (1, 1, 1),
    }
    assert {who: row["segment"] for who, row in actual.items()} == {
        "ann": "Champions",
        "ben": "Loyal",
        "cat": "Potential Loyalist",
        "dan": "Hibernating",
        "eve": "Lost",
    }
    assert {who: row["recency_days"] for who, row in actual.items()} == {
        "ann": 0,
        "ben": 10,
        "cat": 20,
        "dan": 30,
        "eve": 40,
    }
    assert {row["as_of_date"] for row in actual.values()} == {DAY_ONE + timedelta(days=40)}


def test_customers_who_tie_share_a_score_however_rows_lie() -> None:
    orders = [("a", 1, 10), ("b", 2, 10), ("c", 3, 10), ("d", 4, 10), ("e", 5, 10), ("e", 5, 10)]
    actual = of(orders)
    assert [row["frequency_score"] for row in actual.values()].count(1) == 4
    assert actual["e"]["frequency_score"] == 5
    assert of(orders[::-1]) == actual


def test_a_refund_takes_off_revenue_but_is_no_order() -> None:
    actual = of([("ann", 0, 50), ("ann", 9, -20), ("ben", 1, 40), ("cat", 3, -10)])
    assert sorted(actual) == ["ann", "ben"], "who only got money back never ordered"
    ann = actual["ann"]
    assert (ann["order_count"], ann["revenue_amount"]) == (1, Decimal("30.00"))
    assert (ann["last_order_date"], ann["as_of_date"]) == (DAY_ONE, DAY_ONE + timedelta(days=9))
    assert (ann["recency_days"], ann["recency_score"], ann["monetary_score"]) == (9, 1, 1)


def test_of_a_single_customer_nobody_is_below() -> None:
    (row,) = of([("ann", 0, 50)]).values()
    assert (scores(row), row["segment"]) == ((1, 1, 1), "Lost")


def test_without_orders_purchase_events_are_taken_and_with_one_they_are_not() -> None:
    visits = visited([("v1", 0, 1, 30), ("v1", 2, 2, 40), ("v2", 5, 0, 0)])
    (row,) = answer(by_percent_rank, (), visits).to_pylist()
    assert (row["customer_id"], row["order_count"], row["revenue_amount"]) == (
        "v1",
        3,
        Decimal("70.00"),
    )
    assert row["recency_days"] == 3, "the newest day is that of any visit"
    (row,) = answer(by_percent_rank, sold([("ann", 0, 50)]), visits).to_pylist()
    assert (row["customer_id"], row["as_of_date"]) == ("ann", DAY_ONE)


def test_nobody_gives_no_rows() -> None:
    assert answer(by_percent_rank).num_rows == 0


def test_lines_of_one_order_id_on_two_days_are_two_orders_as_everywhere() -> None:
    lines = sold([("ann", 0, 10), ("ann", 1, 15)])
    lines[1]["order_id"] = lines[0]["order_id"]
    (row,) = answer(by_percent_rank, lines).to_pylist()
    assert (row["order_count"], row["last_order_date"]) == (2, DAY_ONE + timedelta(days=1))


def test_an_unknown_way_of_scoring_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        DefinitionError, match=r"scores 'ntile' is unknown; .*known: percent_rank, cume_dist\.$"
    ):
        SegmentsQuestion.from_mapping({"scores": "ntile"})


# By the definition

ORDERS = st.lists(
    st.tuples(st.sampled_from("abcdefghijklm"), st.integers(0, 6), st.integers(-3, 6).filter(bool)),
    max_size=30,
)


def reference(orders: list[Ordered], rule: str) -> dict[str, tuple[int, ...]]:
    """Score customers in plain Python, with fractions."""
    facts: dict[str, tuple[date, int, Decimal]] = {}
    for who in {who for who, _, amount in orders if int(amount) > 0}:
        own = [
            (DAY_ONE + timedelta(days=day), Decimal(amount))
            for customer, day, amount in orders
            if customer == who
        ]
        bought = [day for day, amount in own if amount > 0]
        facts[who] = (max(bought), len(bought), sum((amount for _, amount in own), Decimal(0)))
    n = len(facts)
    actual = {}
    for who, mine in facts.items():
        points = []
        for column in range(3):
            values: list[Any] = [other[column] for other in facts.values()]
            lower_count = sum(value < mine[column] for value in values)
            not_higher_count = sum(value <= mine[column] for value in values)
            if rule == "percent_rank":
                points.append(min(5, int(5 * Fraction(lower_count, n - 1)) + 1) if n > 1 else 1)
            else:
                points.append(-int(-5 * Fraction(not_higher_count, n) // 1))
        actual[who] = tuple(points)
    return actual


@given(ORDERS)
@examples(15)
def test_scores_are_those_of_the_definition_and_rise_with_what_they_measure(
    orders: list[Ordered],
) -> None:
    for ask, rule in ((by_percent_rank, "percent_rank"), (by_cume_dist, "cume_dist")):
        actual = by_customer(answer(ask, sold(orders)))
        assert {who: scores(row) for who, row in actual.items()} == reference(orders, rule)
        for measure, score in zip(
            ("last_order_date", "order_count", "revenue_amount"), SCORES, strict=True
        ):
            in_order = sorted(actual.values(), key=lambda row: row[measure])
            assert [row[score] for row in in_order] == sorted(row[score] for row in in_order)
