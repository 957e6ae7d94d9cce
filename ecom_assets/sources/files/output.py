"""Rows that a question writes to a Parquet or CSV file."""

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ecom_assets.atomic_files import replacing
from ecom_assets.errors import UsageError, WarehouseError
from ecom_assets.warehouse.sql_text import text

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

FORMATS = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}


def check_format(option: str, path: Path | None) -> None:
    """Refuse a file that is neither Parquet nor CSV, before any work is done.

    Raises:
        UsageError: Its name ends in another way.
    """
    if path is not None and path.suffix not in FORMATS:
        raise UsageError(f"{option} {path} is neither .parquet nor .csv; end it in one of them.")


def write_rows(con: "Backend", rows: "ir.Table", path: Path) -> None:
    """Write the rows in their order; a file that was there is replaced when the new one is whole.

    Raises:
        WarehouseError: It cannot be written.
    """
    if not path.parent.is_dir():
        raise WarehouseError(f"{path} cannot be written: there is no folder {path.parent}; make it, or choose another.")
    try:
        with replacing(path) as fresh:
            con.raw_sql(f"COPY ({con.compile(rows)}) TO {text(str(fresh))} ({FORMATS[path.suffix]})")
    except (duckdb.Error, OSError) as error:
        raise WarehouseError(
            f"{path} cannot be written: {str(error).splitlines()[0]}; choose another place."
        ) from error
