"""Migrate stored tables to changed contracts, and copy tables between engines.

The next run adds new nullable columns, and lets columns be null, automatically
(`warehouse/engine.py`). All other changes are made here, by a command.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.core.errors import WarehouseError
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import arrow_schema_of, batches_of, kind_of, schema_of
from ecom_assets.core.warehouse.engine import BATCH_ROWS, Engine
from ecom_assets.core.warehouse.local import connect
from ecom_assets.core.warehouse.sql_text import ident


@dataclass(frozen=True)
class Content:
    """The row count of a table, and a checksum that does not depend on the order
    of rows or on the engine.
    """

    row_count: int
    checksum: str


def content_of(engine: Engine, contract: Contract) -> Content:
    """Return the row count and checksum of a table; it is read in batches."""
    kinds = arrow_schema_of(contract)
    kinds = pa.schema(
        [pa.field(field.name, field.type) for field in kinds]
    )  # nullability does not matter for the checksum
    rows = engine.table(contract).select(*contract.columns)
    with batches_of(rows, BATCH_ROWS) as batches, closing(connect().con) as con:
        cast = (
            part
            for batch in batches
            for part in pa.Table.from_batches([batch]).cast(kinds).to_batches()
        )
        con.register("copied", pa.RecordBatchReader.from_batches(kinds, cast))
        columns = ", ".join(map(ident, contract.columns))
        # The sum is needed too: in the exclusive or alone, pairs of equal rows cancel out.
        query = (
            f"SELECT count(*), bit_xor(h), sum(h) FROM (SELECT hash({columns}) AS h FROM copied)"  # noqa: S608 (names come from contracts)
        )
        row = con.execute(query).fetchone() or (0, 0, 0)
    return Content(int(row[0]), f"{int(row[1] or 0):016x}-{int(row[2] or 0):x}")


def copy_table(source: Engine, target: Engine, contract: Contract) -> Content:
    """Copy a whole table in one transaction, and compare the copy with the source.

    Raises:
        WarehouseError: The copy differs from the source.
    """
    target.replace(contract, source.table(contract), None)
    source_content, target_content = content_of(source, contract), content_of(target, contract)
    if source_content != target_content:
        raise WarehouseError(
            f"{contract.qualified_name()} is not the same after copying: "
            f"{source_content.row_count} rows with checksum {source_content.checksum} in "
            f"{source.address}, {target_content.row_count} with {target_content.checksum} in "
            f"{target.address}; stop what else writes to either, and copy again with --overwrite."
        )
    return target_content


@dataclass(frozen=True)
class ColumnChange:
    """The change of one column; if it `empties` the table, the rows cannot be kept."""

    table: str
    column: str
    becomes: str
    is_automatic: bool = False
    empties: bool = False


def changes(engine: Engine, contract: Contract) -> list[ColumnChange]:
    """Return the differences between a stored table and its contract;
    none if there is no table yet.
    """
    stored, wanted = engine.found_schema(contract), schema_of(contract)
    if stored is None:
        return []
    table = contract.qualified_name()
    matches = [
        ColumnChange(table, name, "dropped, with its values")
        for name in stored
        if name not in wanted
    ]
    for name, kind in wanted.items():
        if name not in stored and kind.nullable:
            matches.append(
                ColumnChange(
                    table, name, "added, null in the rows that are there", is_automatic=True
                )
            )
        elif name not in stored:
            matches.append(
                ColumnChange(
                    table, name, "added, never null, so the table is emptied", empties=True
                )
            )
        elif kind_of(stored[name]) != kind_of(kind):
            matches.append(
                ColumnChange(
                    table, name, f"{kind_of(kind)} instead of {kind_of(stored[name])}, values cast"
                )
            )
        elif kind.nullable and not stored[name].nullable:
            matches.append(ColumnChange(table, name, "may be null", is_automatic=True))
    return matches


def migrate(engine: Engine, contract: Contract) -> int:
    """Migrate a stored table to its contract in one step, and return its row count afterwards.

    Raises:
        WarehouseError: A value cannot be cast; the table is unchanged.
    """
    planned = changes(engine, contract)
    fresh = _fresh(contract)
    engine.drop(fresh)
    if any(change.empties for change in planned):
        engine.ensure(fresh)
    elif planned:
        engine.replace(fresh, _cast(engine.stored_table(contract), contract), None)
    if planned:
        engine.put_in_place(fresh, contract)
    return engine.row_count(contract)


def drop_left_over(engine: Engine, contract: Contract) -> None:
    """Drop what a migration that was killed has left: a table that is half filled, or the old one
    where the engine exchanges two.
    """
    fresh = _fresh(contract)
    if engine.has(fresh):
        engine.drop(fresh)


def _fresh(contract: Contract) -> Contract:
    """Return the same contract under another name, for the new table that is filled before it
    replaces the old one.
    """
    name = f"{contract.name}__migrated"
    named: dict[str, Any] = {"__doc__": contract.__doc__, "name": name, "views": {}}
    fresh: Contract = type(contract.__name__, (contract,), named)
    return fresh


def _cast(stored: ir.Table, contract: Contract) -> ir.Table:
    return stored.select(
        **{
            name: stored[name].cast(kind_of(kind))
            if name in stored.columns
            else ibis.null(kind_of(kind))
            for name, kind in schema_of(contract).items()
        }
    )
