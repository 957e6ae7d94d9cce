"""Rows on their way from one engine into another: a batch at a time, in the types that they declare."""

import ibis
import pyarrow as pa

from ecom_assets.tables.schema import batches_of, in_their_types
from ecom_assets.warehouse.local import connect


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


def test_duckdb_computes_rows_when_their_batch_is_read() -> None:
    # All of them would take 80 GB.
    numbers = connect().sql("SELECT range AS number FROM range(10_000_000_000)")

    first = batches_of(numbers, 1_000).read_next_batch()

    assert first["number"].to_pylist() == list(range(1_000))


def test_batches_have_the_types_that_their_expression_declares() -> None:
    numbers = connect().sql("SELECT range AS number FROM range(4)")

    actual = batches_of(numbers.agg(total=numbers.number.sum()), 1).read_all()

    assert actual.to_pydict() == {"total": [6]}
    assert actual.schema.field("total").type == pa.int64()
