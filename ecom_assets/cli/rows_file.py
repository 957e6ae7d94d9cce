"""Rows of an answer written to a file, complete or not at all. Not here: which rows."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.errors import UsageError, WarehouseError

FORMATS = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}


def check_out(out: Path | None) -> None:
    """Refuse a file of another kind before anything is computed.

    Raises:
        UsageError: It is neither Parquet nor CSV.
    """
    if out is not None and out.suffix not in FORMATS:
        raise UsageError(f"--out {out} is neither .parquet nor .csv; end it in one of them.")


def write_rows(con: Backend, found: ir.Table, out: Path, order: Sequence[str]) -> None:
    """Write rows in an order, in the format of the file's ending.

    Raises:
        WarehouseError: The file cannot be written.
    """
    beside = out.with_name(f".{out.name}.part")
    place = str(beside).replace("'", "''")
    try:
        con.raw_sql(f"COPY ({con.compile(found.order_by(*order))}) TO '{place}' ({FORMATS[out.suffix]})")
        beside.replace(out)
    except (duckdb.Error, OSError) as error:
        beside.unlink(missing_ok=True)
        raise WarehouseError(f"{out} cannot be written: {str(error).splitlines()[0]}; choose another place.") from error
