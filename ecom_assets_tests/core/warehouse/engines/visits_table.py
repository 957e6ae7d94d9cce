"""A small table that engines are tested with, and rows for it from outside
the engine or from within.
"""

from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.core.tables.contract import Table, day, text
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect

ONE, TWO, THREE = (date(2026, 3, day_number) for day_number in (1, 2, 3))
SHAPE = pa.schema([("visit_date", pa.date32()), ("visitor_id", pa.string())])


class Visits(Table):
    """One row per visitor and day."""

    layer = "mart"
    key = ("visit_date", "visitor_id")
    day_column = "visit_date"

    visit_date = day("The day of the visit")
    visitor_id = text("Who came")


class SessionSources(Table):
    """One row per visit as it was reported."""

    layer = "raw"

    visit_date = day("The day of the visit", nullable=True)
    visitor_id = text("Who came", nullable=True)


def from_outside(*rows: tuple[date, str | None]) -> ir.Table:
    """Return visits as a table of another database than the engine's."""
    con = connect()
    data = pa.Table.from_pylist(
        [{"visit_date": a_day, "visitor_id": who} for a_day, who in rows], schema=SHAPE
    )
    con.con.register("visits", data)
    return con.table("visits")


def from_within(engine: Engine, *rows: tuple[date, str | None]) -> ir.Table:
    """Return visits as an expression over a table of the engine's own."""
    engine.replace(SessionSources, from_outside(*rows), None)
    return engine.table(SessionSources).filter(ibis._.visit_date.notnull())


def stored(engine: Engine, contract: type[Table] = Visits) -> list[tuple[Any, ...]]:
    """Return the rows of a table, sorted."""
    rows = engine.table(contract).select(*contract.columns).to_pyarrow().to_pylist()
    return sorted(tuple(row.values()) for row in rows)


def grown(**more: Any) -> type[Table]:
    """Return the contract with further columns, or with others in their place."""
    return type("Visits", (Visits,), {"__doc__": Visits.__doc__, "name": "visits", **more})
