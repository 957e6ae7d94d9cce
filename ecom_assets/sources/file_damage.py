"""Which text files hold lines that cannot be split or parsed, so that these can be kept apart exactly.

The engine's fast readers raise on such a line; a file that has one is read line by line instead, and one
that is not valid UTF-8 through a copy in which the invalid bytes are written out in hex and marked. Not here:
the SQL of either way (`row_sql`).
"""

import atexit
import codecs
import gzip
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, cast

import duckdb

from ecom_assets.errors import SourceError
from ecom_assets.sources.file_formats import InputFile
from ecom_assets.sources.row_sql import (
    DAMAGE_MARK,
    HAS_TEXT,
    MAX_LINE_BYTES,
    Layout,
    csv_source,
    is_object,
    line_source,
)
from ecom_assets.sources.sql_text import select, texts

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Findings:
    """Paths of files with malformed lines; and a file with a key that its mapping does not know, if any."""

    damaged: frozenset[str]
    unknown: tuple[str, str] | None = None

    def __or__(self, other: "Findings") -> "Findings":
        """Both together."""
        return Findings(self.damaged | other.damaged, self.unknown or other.unknown)


def find_damage(con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]) -> Findings:
    """What one pass over text files finds; SourceError where a file cannot be read to its end."""
    if layout.format == "parquet" or not files:
        return Findings(frozenset())
    try:
        return _look(con, layout, [file.path for file in files])
    except duckdb.Error as error:
        if len(files) > 1:  # find out which: together they are quicker, and damage is rare
            middle = len(files) // 2
            return find_damage(con, layout, files[:middle]) | find_damage(con, layout, files[middle:])
        _raise_if_unreadable(files[0], layout, error)
        if layout.format == "ndjson":  # invalid UTF-8 hides the keys of the other lines
            copy, is_gzip = readable_copy(files[0])
            unknown = _look_at_json(con, layout, line_source([copy], is_gzip=is_gzip)).unknown
            return Findings(frozenset({files[0].path}), unknown and (files[0].path, unknown[1]))
        return Findings(frozenset({files[0].path}))


def readable_copy(file: InputFile) -> tuple[str, bool]:
    """The path of the file, or of its copy without invalid UTF-8 if it has any; and whether that is gzip."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _unpacked(file) as opened:
        try:
            while block := opened.read(_BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _marked_copy(file), False
    return file.path, file.is_gzip


def _look(con: duckdb.DuckDBPyConnection, layout: Layout, paths: Sequence[str]) -> Findings:
    if layout.format == "csv":
        # Only columns that are read are checked for valid UTF-8, so all of them are.
        con.execute(select("count(COLUMNS(*))", csv_source(layout, paths))).fetchall()
        return Findings(frozenset())
    return _look_at_json(con, layout, line_source(paths, is_gzip=layout.is_gzip))


def _look_at_json(con: duckdb.DuckDBPyConnection, layout: Layout, source: str) -> Findings:
    good, unknown = is_object(layout), "NULL"
    if layout.other_columns == "refuse":
        unknown = f"list_filter(json_keys(line), lambda k: NOT list_contains({texts(layout.named)}, k))[1]"
    judged = select(f"__file, {good} AS good, CASE WHEN {good} THEN {unknown} END AS unknown", source, HAS_TEXT)
    summed = select("__file, bool_and(good), any_value(unknown)", judged, group_by="__file")
    rows = con.execute(summed).fetchall()
    strange = sorted((path, key) for path, _, key in rows if key is not None)
    return Findings(frozenset(path for path, is_sound, _ in rows if not is_sound), next(iter(strange), None))


def _raise_if_unreadable(file: InputFile, layout: Layout, error: duckdb.Error) -> None:
    if isinstance(error, duckdb.IOException):
        raise SourceError(f"{file.name} cannot be read to its end (cut off or damaged); deliver it again") from error
    if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
        raise error
    if "Maximum line size" in str(error) and layout.format == "ndjson":
        raise SourceError(f"{file.name} has a line of more than {MAX_LINE_BYTES} bytes; split it") from error


def _marked_copy(file: InputFile) -> str:
    codecs.register_error("mark_damage", _mark)
    target = _copies() / (hashlib.sha256(f"{file.path}|{file.size}|{file.modified_at}".encode()).hexdigest() + ".txt")
    decoder = codecs.getincrementaldecoder("utf-8")(errors="mark_damage")
    with (
        _unpacked(file) as opened,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        while block := opened.read(_BLOCK_BYTES):
            copy.write(decoder.decode(block))
        copy.write(decoder.decode(b"", final=True))
    return str(target)


def _unpacked(file: InputFile) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(file.path)) if file.is_gzip else Path(file.path).open("rb")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    invalid = error.object[error.start : error.end]
    return "".join(f"{DAMAGE_MARK}\\x{byte:02x}" for byte in invalid), error.end


@cache
def _copies() -> Path:
    # The SQL that reads a copy may run long after it was made, so copies live as long as the process.
    folder = tempfile.TemporaryDirectory(prefix="ecom_events_")
    atexit.register(folder.cleanup)
    return Path(folder.name)
