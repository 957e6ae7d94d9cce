"""Copying tables from one warehouse to another, and proving that nothing was lost or changed.

Not here: the command (`cli/copy_command.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from ecom_assets.contracts.table import Table
from ecom_assets.errors import WarehouseError
from ecom_assets.warehouse.duckdb import connect
from ecom_assets.warehouse.engine import BATCH_ROWS, Engine
from ecom_assets.warehouse.schema import schema_of


@dataclass(frozen=True)
class Content:
    """How many rows a table has, and a checksum of them that does not depend on their order or on the engine."""

    row_count: int
    checksum: str


def content_of(engine: Engine, contract: type[Table]) -> Content:
    """Read a whole table, a batch at a time, into its count and checksum."""
    kinds = schema_of(contract).to_pyarrow()
    kinds = pa.schema([pa.field(one.name, one.type) for one in kinds])  # missing values are the table's concern
    found = engine.table(contract).select(*contract.columns).to_pyarrow_batches(chunk_size=BATCH_ROWS)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in found:
            yield from pa.Table.from_batches([batch]).cast(kinds).to_batches()

    con = connect().con
    try:
        con.register("copied", pa.RecordBatchReader.from_batches(kinds, batches()))
        columns = ", ".join(f'"{name}"' for name in contract.columns)
        # A sum beside the exclusive or: pairs of equal rows would leave no trace in that alone.
        query = f"SELECT count(*), bit_xor(h), sum(h) FROM (SELECT hash({columns}) AS h FROM copied)"  # noqa: S608 (names come from contracts)
        row = con.execute(query).fetchone() or (0, 0, 0)
    finally:
        con.close()
    return Content(int(row[0]), f"{int(row[1] or 0):016x}-{int(row[2] or 0):x}")


def copy_table(source: Engine, target: Engine, contract: type[Table]) -> Content:
    """Copy a table whole, in one transaction, and read it back.

    Raises:
        WarehouseError: What the target then has is not what the source has.
    """
    target.replace(contract, source.table(contract), None)
    there, here = content_of(source, contract), content_of(target, contract)
    if there != here:
        raise WarehouseError(
            f"{contract.qualified_name()} is not the same after copying: {there.row_count} rows with checksum "
            f"{there.checksum} in {source.address}, {here.row_count} with {here.checksum} in {target.address}; stop "
            "what else writes to either, and copy again with --overwrite."
        )
    return here
