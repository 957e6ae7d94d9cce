"""Lines that come again under their id in another state: sold on one day, paid back on another.

The reference reads the states of each line in the order of their arrival.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.cli.explain import reader_of
from ecom_assets.commerce.orders.checks import ACCOUNTED, refunds_are_of_sales
from ecom_assets.commerce.orders.contracts import RawUserOrderLog, UserOrderLog
from ecom_assets.commerce.orders.held_days import OrderGate, held_order_days, order_day_counts
from ecom_assets.commerce.orders.orders import OrderRule, order_accounting, user_order_log
from ecom_assets.core.tables.check import CheckResult
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.interfaces.explain.answer import explain
from ecom_assets.interfaces.explain.question import RowsQuestion, table_named
from ecom_assets_tests.builders import Row, as_table, order_line
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import OrderPlatform

MONDAY = date(2026, 3, 9)
DAYS = Days.between(MONDAY, MONDAY + timedelta(days=7))


@dataclass(frozen=True)
class State:
    """A state of a line: the day on which it arrived, of which it is, and what was paid."""

    line: str
    arrived: int
    status: str
    amount: int
    is_left_out: bool = False

    @property
    def row(self) -> Row:
        """Return the received row; it is dated the day of its arrival."""
        day = MONDAY + timedelta(days=self.arrived)
        return order_line(
            self.line,
            day,
            record_id=self.line,
            order_id=f"order of {self.line}",
            status=self.status,
            payment_amount=Decimal(self.amount),
            left_out="not_a_sale" if self.is_left_out else None,
            source_file=f"day {self.arrived}",
        )


Counted = tuple[str, date, str, Decimal]


def counted(rows: Iterable[Row]) -> list[Counted]:
    return sorted(
        (row["uniq_id"], row["order_date"], row["status"], row["payment_amount"]) for row in rows
    )


def ran(shop: OrderPlatform, *states: State) -> list[Counted]:
    shop.receive([state.row for state in states], DAYS)
    shop.run(DAYS)
    per_day = order_accounting(None, *(shop.table(table) for table in ACCOUNTED))
    assert per_day.filter(per_day.residue != 0).count().to_pyarrow().as_py() == 0
    return counted(shop.rows(UserOrderLog))


SOLD, BACK = State("u1", 0, "shipped", 17), State("u1", 3, "refunded", 17)
SALE = ("u1", MONDAY, "shipped", Decimal(17))
REFUND = ("u1 (refund)", MONDAY + timedelta(days=3), "refunded", Decimal(17))


def test_a_line_that_comes_again_as_refunded_was_sold_and_paid_back(shop: OrderPlatform) -> None:
    assert ran(shop, SOLD, BACK) == [SALE, REFUND]
    assert {row["order_id"] for row in shop.rows(UserOrderLog)} == {"order of u1"}
    assert {row["shared_order_id"] for row in shop.rows(UserOrderLog)} == {None}


@pytest.mark.slow
def test_each_of_both_goes_down_to_its_received_row(shop: OrderPlatform) -> None:
    ran(shop, SOLD, BACK)
    for line, status in (("u1", "shipped"), ("u1 (refund)", "refunded")):
        question = RowsQuestion(
            table_named("mart.sales"), parse_where([f"uniq_id = {line}"]), "revenue_amount"
        )
        (part,) = explain(question, reader_of(shop.engine, shop.settings))["number"]["down"]
        (received,) = part["received"]["rows"]
        assert (received["uniq_id"], received["status"]) == ("u1", status)


@pytest.mark.slow
def test_a_refund_that_arrives_before_its_sale_counts_beside_it(shop: OrderPlatform) -> None:
    """The day of the sale is run again later, and its source says when each state was."""
    shop.receive([BACK.row], DAYS)
    shop.run(DAYS)
    shop.receive([SOLD.row], Days((MONDAY,)))
    shop.run(Days((MONDAY,)))
    assert counted(shop.rows(UserOrderLog)) == [SALE, REFUND]


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (State("u1", 5, "refunded", 17, is_left_out=True), []),
        (State("u1", 5, "shipped", 18), [("u1", MONDAY + timedelta(days=5), "shipped", 18)]),
    ],
)
def test_a_newer_state_withdraws_the_refund(
    shop: OrderPlatform, newest: State, expected: list[Counted]
) -> None:
    assert ran(shop, SOLD, BACK, newest) == expected


def test_a_refund_that_fails_later_is_withdrawn(shop: OrderPlatform) -> None:
    """It is a record of its own, as Stripe's refunds; the sale stays."""
    refund = State("re", 1, "refunded", 17)
    failed = State("re", 4, "refunded", 17, is_left_out=True)
    assert ran(shop, SOLD, refund, failed) == [SALE]


def test_money_that_was_paid_back_without_any_sale_is_said(shop: OrderPlatform) -> None:
    """Two refunds of orders from before the first day, one of a line that names no order."""
    nameless = {**State("u9", 1, "refunded", 5).row, "order_id": None}
    earlier = [State(line, 1, "refunded", 17).row for line in ("u7", "u8")]
    shop.receive([SOLD.row, BACK.row, *earlier, nameless], DAYS)
    shop.run(DAYS)
    result = refunds_are_of_sales.function(
        None, shop.table(RawUserOrderLog), shop.table(UserOrderLog)
    )
    assert isinstance(result, CheckResult)
    assert result.broken_count == 2
    assert result.metadata["sentence"] == (
        "34.00 were paid back for 2 orders of which no sale was received, such as order of u7, so "
        "that revenue is too low by as much; load the days on which they were sold, too."
    )


@each(
    "rows, held_count",
    [
        ([State("u1", 0, "refunded", 17)], 0),
        ([State("u1", 0, "refunded", 17, is_left_out=True)], 0),
        ([State("u1", 0, "shipped", 17), State("u2", 0, "refunded", 17)], 1),
        ([], 1),
    ],
)
def test_a_report_of_refunds_only_is_not_held_for_its_few_customers(
    rows: list[State], held_count: int
) -> None:
    con, days = connect(), Days((MONDAY,))
    con.con.register("raw", as_table([state.row for state in rows], RawUserOrderLog))
    counts = order_day_counts(con.table("raw"), OrderRule(), days).to_pyarrow().to_pylist()
    held = held_order_days(counts, OrderGate(3, lambda checked: checked), days)
    assert len(held) == held_count


STATES = st.lists(
    st.builds(
        State,
        line=st.sampled_from(("u1", "u2")),
        arrived=st.integers(0, 6),
        status=st.sampled_from(("shipped", "refunded")),
        amount=st.integers(1, 9),
        is_left_out=st.integers(0, 4).map(lambda dice: dice == 0),
    ),
    max_size=8,
    unique_by=lambda state: (state.line, state.arrived),
)


def expected_of(states: Sequence[State]) -> list[Counted]:
    """Return what counts: of each line its newest state, with its last sale if that is a refund."""
    result = []
    for line in {state.line for state in states}:
        own = sorted(
            (state for state in states if state.line == line), key=lambda state: state.arrived
        )
        if own[-1].is_left_out:
            continue
        result.append(own[-1])
        sales = [state for state in own if state.status == "shipped" and not state.is_left_out]
        if own[-1].status == "refunded" and sales:
            result.append(sales[-1])
    sold = {state.line for state in result if state.status == "shipped"}
    return sorted(
        (
            f"{state.line} (refund)"
            if state.status == "refunded" and state.line in sold
            else state.line,
            MONDAY + timedelta(days=state.arrived),
            state.status,
            Decimal(state.amount),
        )
        for state in result
    )


@pytest.mark.slow
@examples(100)
@given(states=STATES)
def test_any_states_of_lines_count_as_their_order_says(states: list[State]) -> None:
    con = connect()
    con.con.register("raw", as_table([state.row for state in states], RawUserOrderLog))
    lines = user_order_log(con.table("raw"), None, None, OrderRule(), DAYS)
    assert counted(lines.to_pyarrow().to_pylist()) == expected_of(states)
