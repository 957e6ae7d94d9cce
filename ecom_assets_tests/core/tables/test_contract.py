"""Contracts and what is made of them: types of columns, rows between engines, partitions by day."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import ibis
import pyarrow as pa
import pytest
from dagster._core.definitions.partitions.snap import PartitionsSnap

from ecom_assets.commerce.orders.orders import CHARGES, ORDER_COSTS, PRICE_PARTS
from ecom_assets.core.tables.asset import ListedDays
from ecom_assets.core.tables.contract import AMOUNT, Column, Table
from ecom_assets.core.tables.portable import batches_of, in_their_types
from ecom_assets.core.warehouse.local import connect
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.each import each

OF_LINES = (
    "raw.user_order_log",
    "staging.user_order_log",
    "staging.quarantined_orders",
    "mart.quarantined_order_samples",
    "mart.sales",
)
RECEIVED = {
    "raw.events.cart_amount",
    "staging.events.cart_amount",
    "staging.quarantined_events.cart_amount",
    "mart.session_events.cart_amount",
    "raw.user_order_log.payment_amount",
    "staging.user_order_log.payment_amount",
    "staging.quarantined_orders.payment_amount",
    "mart.quarantined_event_samples.cart_amount",
    "mart.quarantined_order_samples.payment_amount",
    "mart.sales.revenue_amount",
    *(f"{table}.{name}" for table in OF_LINES for name in (*CHARGES, *PRICE_PARTS, *ORDER_COSTS)),
    "raw.customer_research.sales_amount",
    "staging.customer_research.sales_amount",
    "raw.price_log.price_amount",
    "staging.price_log.price_amount",
    "mart.item.price_amount",
    "mart.item_prices.price_amount",
}
"""Money of one received row; all other money is a sum of any number of them."""


@each("contract", ALL)
def test_sums_of_money_have_room_for_any_number_of_rows(contract: type[Table]) -> None:
    narrow = {name for name, column in contract.columns.items() if is_narrow(column)}
    assert {f"{contract.qualified_name()}.{name}" for name in narrow} <= RECEIVED


def is_narrow(column: Column) -> bool:
    return column.unit == "money" and column.type == AMOUNT


@each("contract", ALL)
def test_what_a_column_means_is_a_sentence_and_no_formula(contract: type[Table]) -> None:
    assert not [
        name for name, column in contract.columns.items() if set("÷Σ") & set(column.description)
    ]


def test_a_sum_of_whole_numbers_arrives_as_the_number_that_it_is() -> None:
    con = connect()
    numbers = pa.table({"day": [1, 1, 2], "n": pa.array([3, 4, 2**40], pa.int64())})
    con.con.register("numbers", numbers)
    rows = con.table("numbers")
    sums = rows.group_by("day").agg(total=rows.n.sum().cast("int64")).order_by("day")
    actual = in_their_types(sums.to_pyarrow_batches(chunk_size=1)).read_all()
    assert actual.schema.field("total").type == pa.int64()
    assert actual.to_pylist() == [{"day": 1, "total": 7}, {"day": 2, "total": 2**40}]


def test_batches_that_are_as_announced_are_left_alone() -> None:
    table = ibis.memtable({"n": [1, 2, 3]}, schema={"n": "int64"}).to_pyarrow()
    assert in_their_types(table.to_reader()).read_all().equals(table)


MIDNIGHT_IS_SKIPPED = datetime(2018, 11, 4)  # noqa: DTZ001 (of the time zone that each case is about)


@each("timezone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia"])
@each("end_offset", [0, 1])
def test_the_days_are_those_that_dagster_lists(timezone: str, end_offset: int) -> None:
    values: dict[str, Any] = {
        "start_date": "2018-10-30",
        "timezone": timezone,
        "end_offset": end_offset,
    }
    listed, theirs = ListedDays(**values), dg.DailyPartitionsDefinition(**values)
    for hours in (-24 * 30, 0, 1, 23, 24, 24 * 400):
        now = MIDNIGHT_IS_SKIPPED.replace(tzinfo=ZoneInfo(timezone)) + timedelta(hours=hours)
        assert list(listed.get_partition_keys(now)) == list(theirs.get_partition_keys(now))


def test_dagster_takes_them_for_its_own() -> None:
    listed, theirs = (
        ListedDays(start_date="2026-01-01"),
        dg.DailyPartitionsDefinition(start_date="2026-01-01"),
    )
    assert listed == theirs
    assert PartitionsSnap.from_def(listed) == PartitionsSnap.from_def(theirs)


NUMBERS = "SELECT range AS number FROM range(10_000_000_000)"


def test_duckdb_computes_rows_when_their_batch_is_read() -> None:
    # All of them would take 80 GB.
    numbers = connect().sql(NUMBERS)

    with batches_of(numbers, 1_000) as batches:
        first = batches.read_next_batch()

    assert first["number"].to_pylist() == list(range(1_000))


def test_a_connection_is_free_once_its_batches_are_given_up() -> None:
    con = connect()
    with (  # noqa: PT012 (what happens within is the question)
        pytest.raises(OSError, match="the disk is full") as kept,
        batches_of(con.sql(NUMBERS), 1_000) as batches,
    ):
        batches.read_next_batch()
        raise OSError("the disk is full")

    assert con.con.execute("SELECT 1").fetchall() == [(1,)], (
        f"although {kept.value} is kept, with its batches"
    )


def test_batches_have_the_types_that_their_expression_declares() -> None:
    numbers = connect().sql("SELECT range AS number FROM range(4)")

    with batches_of(numbers.agg(total=numbers.number.sum()), 1) as batches:
        actual = batches.read_all()

    assert actual.to_pydict() == {"total": [6]}
    assert actual.schema.field("total").type == pa.int64()
