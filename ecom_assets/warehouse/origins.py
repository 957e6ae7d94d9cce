"""Where the rows of a raw table came from, by the kind of source: files, an API, a table, or the sandbox shop.

A source withdraws only what that kind of source brought. A path or an address may change without being another source.
"""

from collections import Counter
from datetime import date

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.schema import conform
from ecom_assets.warehouse.engine import Engine

SOURCE = "source"
SCHEMES = {"http": "api", "https": "api", "snowflake": "table"}
OTHER_ROWS = "rows_of_other_sources"


def kind_of(origin: str) -> str:
    """Return the kind of a source, by its path or address."""
    return SCHEMES.get(origin.partition("://")[0], "files") if "://" in origin else "files"


def other_origins(engine: Engine, contract: type[Table], days: Days, origin: str) -> set[str]:
    """Return the sources of other kinds that rows of some days came from; none if the table does not say it."""
    if not origin or SOURCE not in contract.columns or not days.dates:
        return set()
    place = f"{engine.name_of(contract)}{engine.where(contract, days)}"
    rows = engine.query(f"SELECT DISTINCT {engine.quoted(SOURCE)} AS origin FROM {place}")  # noqa: S608 (names come from contracts)
    return {row["origin"] for row in rows if kind_of(row["origin"]) != kind_of(origin)}


def rows_of_others(engine: Engine, contract: type[Table], days: Days, origin: str) -> pa.Table | None:
    """Return the rows of some days that came from sources of other kinds; None if there are none."""
    others = other_origins(engine, contract, days, origin)
    if not others:
        return None
    rows = engine.slice_rows(contract, days)
    return rows.filter(pc.is_in(rows[SOURCE], pa.array(sorted(others))))


def counts_by_day(contract: type[Table], rows: pa.Table | None) -> Counter[date]:
    """Return the number of rows of each day."""
    return Counter([] if rows is None else rows[str(contract.day_column)].to_pylist())


def with_rows(rows: ir.Table, contract: type[Table], others: pa.Table) -> ir.Table:
    """Return the rows of a source, which DuckDB reads, and the rows of others."""
    reader = rows.get_backend()
    reader.con.register(OTHER_ROWS, others)
    return conform(rows, contract).union(conform(reader.table(OTHER_ROWS), contract))
