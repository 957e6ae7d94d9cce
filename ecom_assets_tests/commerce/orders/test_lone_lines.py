"""Where no row is a copy or another version of a record, lines are clean without deciding which of
them count: the same lines, at a tenth of the time.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.commerce.orders.orders import (
    OrderRule,
    classify,
    has_copies,
    lone_lines,
    other_records,
    user_order_log,
)
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.builders import Row, order_line
from ecom_assets_tests.hypothesis_settings import examples

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=7))
RULE = OrderRule()
LINE = st.fixed_dictionaries(
    {
        "uniq_id": st.sampled_from((None, *"abcdefgh")),
        "customer_id": st.sampled_from((None, "anna", "ben", "NA")),
        "order_id": st.sampled_from((None, "o1", "o2")),
        "record_id": st.sampled_from((None, None, "r1", "r2", "r3")),
        "status": st.sampled_from((None, "shipped", "refunded", "lost")),
        "quantity": st.sampled_from((None, Decimal(2), Decimal(-1))),
        "payment_amount": st.sampled_from((None, Decimal(20), Decimal(-5))),
        "item_id": st.sampled_from((None, "hat", "NULL")),
        "placed_at": st.sampled_from((None, datetime.combine(MONDAY, time(8)))),
        "source_file": st.sampled_from(("a.csv", "b.csv")),
        "day": st.integers(0, 8),
    }
)


def received(drawn: list[dict[str, Any]]) -> list[Row]:
    """Return received rows."""
    lines = []
    for values in drawn:
        own = dict(values)
        day, uniq_id, customer = own.pop("day"), own.pop("uniq_id"), own.pop("customer_id")
        lines.append(order_line(uniq_id, MONDAY + timedelta(days=day), customer, **own))
    return lines


def ordered(rows: list[Row]) -> list[list[tuple[str, str]]]:
    """Return rows so that they can be compared, whatever their order."""
    return sorted(sorted((name, repr(value)) for name, value in row.items()) for row in rows)


@pytest.mark.slow
@examples(200)
@given(drawn=st.lists(LINE, max_size=8))
def test_lines_without_copies_are_those_that_are_decided_on(drawn: list[dict[str, Any]]) -> None:
    lines = received(drawn)
    raw = in_memory(lines, RawUserOrderLog)
    classified = classify(raw, RULE)
    (row,) = rows_of(has_copies(classified))
    if not rows_of(other_records(classified)):
        assert rows_of(has_copies(classified, are_lines=True)) == [row]
    if not row["has_copies"]:
        decided = rows_of(user_order_log(raw, None, None, RULE, DAYS))
        assert ordered(rows_of(lone_lines(classified, RULE, DAYS))) == ordered(decided)


def test_two_rows_of_a_line_or_of_a_record_are_copies() -> None:
    hat, other = order_line("a", MONDAY), order_line("b", MONDAY)
    for rows, expected in (
        ([], False),
        ([hat, other], False),
        ([hat, hat], True),
        ([hat | {"record_id": "r"}, other | {"record_id": "r"}], True),
        ([hat, other | {"uniq_id": "a", "customer_id": None}], False),
        ([hat, hat | {"record_id": "r"}], True),
    ):
        classified = classify(in_memory(rows, RawUserOrderLog), RULE)
        are_lines = not rows_of(other_records(classified))
        assert are_lines == all(row["record_id"] is None for row in rows), rows
        for shortened in {False, are_lines}:
            (row,) = rows_of(has_copies(classified, are_lines=shortened))
            assert bool(row["has_copies"]) == expected, rows
