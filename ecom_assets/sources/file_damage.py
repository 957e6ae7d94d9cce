"""Which text files hold lines that cannot be split or parsed, so that these can be kept apart exactly.

The engine's fast readers raise on such a line; a file that has one is read line by line instead, and one that
is not valid UTF-8 through a copy in which the invalid bytes are written out (`\\xff`) and marked. Not here: the
SQL of either way (`row_sql`).
"""

import atexit
import codecs
import gzip
import hashlib
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import duckdb

from ecom_assets.errors import SourceError
from ecom_assets.sources.file_formats import InputFile
from ecom_assets.sources.row_sql import (
    DAMAGE_MARK,
    MAX_LINE_BYTES,
    Layout,
    csv_source,
    is_object,
    line_source,
)

_BLOCK_BYTES = 1 << 20


def damaged_files(con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]) -> set[str]:
    """Paths of the files that hold at least one malformed line; SourceError where a file cannot be read."""
    if layout.format == "parquet" or not files:
        return set()
    try:
        return _found_damaged(con, layout, [file.path for file in files])
    except duckdb.Error as error:
        if len(files) > 1:  # find out which: together they are quicker, and damage is rare
            middle = len(files) // 2
            return damaged_files(con, layout, files[:middle]) | damaged_files(con, layout, files[middle:])
        _raise_if_unreadable(files[0], error)
        return {files[0].path}


def readable_copy(file: InputFile) -> tuple[str, str]:
    """Path and compression of the file, or of its copy without invalid UTF-8 if it has any."""
    with gzip.open(file.path) if file.is_gzip else Path(file.path).open("rb") as opened:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block := opened.read(_BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _marked_copy(file), "none"
    return file.path, "gzip" if file.is_gzip else "none"


def _found_damaged(con: duckdb.DuckDBPyConnection, layout: Layout, paths: Sequence[str]) -> set[str]:
    if layout.format == "csv":
        # Only columns that are read are checked for valid UTF-8, so all of them are.
        con.execute(f"SELECT count(COLUMNS(*)) FROM {csv_source(layout, paths)}").fetchall()  # noqa: S608 quoted by sql_text
        return set()
    source = line_source(layout, paths, is_strict=False)
    bad = f"SELECT DISTINCT __file FROM {source} WHERE trim(line) <> '' AND NOT {is_object(layout)}"  # noqa: S608 as above
    return {row[0] for row in con.execute(bad).fetchall()}


def _raise_if_unreadable(file: InputFile, error: duckdb.Error) -> None:
    if isinstance(error, duckdb.IOException):
        raise SourceError(
            f"{file.name} cannot be read to its end (cut off or damaged); deliver it again"
        ) from error
    if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
        raise error
    if "Maximum line size" in str(error) and file.format == "ndjson":
        raise SourceError(f"{file.name} has a line of more than {MAX_LINE_BYTES} bytes; split it") from error


def _marked_copy(file: InputFile) -> str:
    codecs.register_error("mark_damage", _mark)
    target = _copies() / (
        hashlib.sha256(f"{file.path}|{file.size}|{file.modified_at}".encode()).hexdigest() + ".txt"
    )
    decoder = codecs.getincrementaldecoder("utf-8")(errors="mark_damage")
    with (
        gzip.open(file.path) if file.is_gzip else Path(file.path).open("rb") as opened,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        while block := opened.read(_BLOCK_BYTES):
            copy.write(decoder.decode(block))
        copy.write(decoder.decode(b"", final=True))
    return str(target)


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    invalid = error.object[error.start : error.end]
    return "".join(f"{DAMAGE_MARK}\\x{byte:02x}" for byte in invalid), error.end


@cache
def _copies() -> Path:
    # The SQL that reads a copy may run long after it was made, so copies live as long as the process.
    folder = tempfile.TemporaryDirectory(prefix="ecom_events_")  # noqa: SIM115 closed by atexit
    atexit.register(folder.cleanup)
    return Path(folder.name)
