"""Rows that a question to files writes to a file of its own. Not here: which rows."""

from pathlib import Path

import duckdb
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.errors import UsageError, WarehouseError

FORMATS = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}


def check_format(option: str, path: Path | None) -> None:
    """Refuse a file that is neither Parquet nor CSV, before any work is done.

    Raises:
        UsageError: Its name ends in another way.
    """
    if path is not None and path.suffix not in FORMATS:
        raise UsageError(f"{option} {path} is neither .parquet nor .csv; end it in one of them.")


def write_rows(con: Backend, rows: ir.Table, path: Path) -> None:
    """Write the rows in their order; a file that was there is replaced when the new one is whole.

    Raises:
        WarehouseError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        place = str(beside).replace("'", "''")
        con.raw_sql(f"COPY ({con.compile(rows)}) TO '{place}' ({FORMATS[path.suffix]})")
        beside.replace(path)
    except (duckdb.Error, OSError) as error:
        beside.unlink(missing_ok=True)
        raise WarehouseError(
            f"{path} cannot be written: {str(error).splitlines()[0]}; choose another place."
        ) from error
