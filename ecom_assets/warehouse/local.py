"""DuckDB in this process, for work beside the warehouse; and the shim between DuckDB 2 and Ibis 12."""

import warnings
from collections.abc import Callable
from pathlib import Path

import duckdb
import ibis
import sqlglot.expressions as sge
from ibis.backends.duckdb import Backend

from ecom_assets.warehouse.sql_text import text

WORTH_STORING = (sge.Join, sge.Window, sge.AggFunc, sge.Group, sge.Distinct, sge.Union)
LOGS = (".wal", ".wal.checkpoint", ".wal.recovery")
"""What DuckDB keeps beside its file."""


def adapt_duckdb_2_to_ibis_12() -> None:
    """Give DuckDB 2's connection and relation the two method names that Ibis 12.0.0 calls.

    DuckDB 2.0 dropped them from connections and deprecates them on relations; Ibis' next release calls the new names. A
    test fails on the day this is no longer needed.
    """
    for holder in (duckdb.DuckDBPyRelation, duckdb.DuckDBPyConnection):
        table, reader = _quietly(holder.to_arrow_table), _quietly(holder.to_arrow_reader)
        setattr(holder, "fetch_arrow_table", table)  # noqa: B010 (the stubs do not know the name)
        setattr(holder, "fetch_record_batch", _taking_rows_per_batch(reader))  # noqa: B010 (as above)


def _taking_rows_per_batch(method: Callable[..., object]) -> Callable[..., object]:
    def call(self: object, rows_per_batch: int = 1_000_000) -> object:
        return method(self, rows_per_batch)

    return call


def _quietly(method: Callable[..., object]) -> Callable[..., object]:
    # DuckDB warns that Arrow output of an executed statement copies its rows, once a batch.
    def call(*args: object, **kwargs: object) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return method(*args, **kwargs)

    return call


def connect(path: Path | None = None, *, read_only: bool = False) -> Backend:
    """Open a DuckDB database (in memory without a path) through Ibis, with UTC as its clock."""
    adapt_duckdb_2_to_ibis_12()
    con = ibis.duckdb.connect(path or ":memory:", read_only=read_only)
    con.raw_sql("SET TimeZone = 'UTC'")
    con.raw_sql("SET preserve_insertion_order = false")
    # In an interpreter without a script of its own it draws a bar into standard output, in the middle of JSON.
    con.raw_sql("SET enable_progress_bar = false")
    # It stores what two parts of a query both scan, whole and wide: three times the time of scanning twice.
    con.raw_sql("SET disabled_optimizers = 'common_subplan'")
    return con


def keep_within(con: Backend, memory_limit: str | None, spill: Path | None = None) -> None:
    """Bound the memory of a connection; what needs more goes to the folder `spill`, where one is given."""
    if memory_limit:
        con.raw_sql(f"SET memory_limit = {text(memory_limit)}")
    if spill is not None:
        con.raw_sql(f"SET temp_directory = {text(str(spill))}")


def streaming(query: sge.Expression) -> sge.Expression:
    """Mark the shared parts of a query that only pick rows and columns as not to be materialized.

    DuckDB stores every part that is used twice. For a mere scan that means all its columns, wide and perhaps on disk,
    instead of the few that each use needs; parts that sort or add up are well stored.
    """
    for part in query.find_all(sge.CTE):
        if not part.find(*WORTH_STORING):
            part.set("materialized", value=False)
    return query
