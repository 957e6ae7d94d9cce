"""A measure is traced to the column that it is counted from, or not at all."""

import ibis.expr.types as ir
import pytest

from ecom_assets.behaviour.sessions.trace import counted_sessions
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.sales.trace import EVENT_COLUMNS, sales_derivations
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.contract import Aggregate, amount, count
from ecom_assets.core.tables.trace import Count, Sum, TraceContext, traced_column


class Shipping:
    """A measure over a column that the rows below may lack."""

    shipping_amount = amount(
        "What was paid for shipping", "Shipping", Aggregate("shipping_amount", is_sum=True)
    )


class Quantity:
    """A measure over a column of which each purchase event has one."""

    item_count = count("How many items", "Items", Aggregate("quantity", is_sum=True), unit="items")


def rows(_context: TraceContext) -> ir.Table:
    raise AssertionError  # declared only, never read


def test_a_sum_of_a_column_that_the_rows_lack_is_refused() -> None:
    derived = sales_derivations(UserOrderLog, rows, declared=Shipping)["shipping_amount"]
    assert isinstance(derived, Sum)
    with pytest.raises(
        DefinitionError, match=r"'shipping_amount', which the rows .* lack; they have 'order_key', "
    ):
        sales_derivations(UserOrderLog, rows, EVENT_COLUMNS, declared=Shipping)


def test_what_each_row_has_one_of_is_a_count_of_rows() -> None:
    derived = sales_derivations(UserOrderLog, rows, EVENT_COLUMNS, declared=Quantity)["item_count"]
    assert isinstance(derived, Count)
    assert derived.unit == ""


def test_a_measure_of_sessions_that_adds_up_is_not_traced_as_their_count() -> None:
    assert isinstance(counted_sessions(Aggregate(where={"is_bot": True})), Count)
    with pytest.raises(
        DefinitionError,
        match="'duration_s', which the rows that it is traced to lack; they have none",
    ):
        counted_sessions(Aggregate("duration_s", is_sum=True))


def test_rows_are_counted_without_a_column() -> None:
    assert traced_column(Aggregate(), {}) == ""
    assert traced_column(Aggregate("quantity"), {"quantity": "items"}) == "items"
