"""Detection of text files that the engine's fast readers would fail on or misread, and the row counts of files.

The engine reads undamaged files directly. Files with damaged lines, or with bytes that the engine is known to misread,
are read from copies (`sources/files/sound_copy.py`). One pass over the bytes and one pass of the engine detect them and
count the rows, so that the loaded rows can be compared with the files later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import duckdb

from ecom_assets.errors import SourceError
from ecom_assets.sources.files.encodings import UTF_8, encoding_of_lines
from ecom_assets.sources.files.formats import InputFile
from ecom_assets.sources.files.sql import (
    HAS_TEXT,
    Layout,
    csv_source,
    is_object,
    line_source,
    list_length,
    many_brackets,
    parquet_source,
)
from ecom_assets.sources.files.text_blocks import MAX_LINE_BYTES, blocks_of, lines_of
from ecom_assets.warehouse.sql_text import pattern_of, select, texts

if TYPE_CHECKING:
    from ecom_assets.sources.files.sound_copy import SoundCopy


@dataclass(frozen=True)
class Findings:
    """The files that need a copy, a file with a key that is not in its mapping, and the row count of each file."""

    damaged: frozenset[str]
    unknown: tuple[str, str] | None = None
    row_counts: Mapping[str, int] = field(default_factory=dict)

    def __or__(self, other: "Findings") -> "Findings":
        """Return the union of both findings."""
        counts = {**self.row_counts, **other.row_counts}
        return Findings(self.damaged | other.damaged, self.unknown or other.unknown, counts)


@dataclass(frozen=True)
class TextFiles:
    """The files of one layout: their copies, if any, and their row counts."""

    copies: "dict[str, SoundCopy | None]"
    unknown: tuple[str, str] | None
    row_counts: dict[str, int]


def sorted_files(con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]) -> TextFiles:
    """Find the files that can be read directly, copy the others, and count the rows of each.

    Raises:
        SourceError: A gzip file is truncated or damaged.
    """
    if layout.format == "parquet":
        return TextFiles({file.path: None for file in files}, None, _parquet_counts(con, layout, files))
    odd = frozenset(file.path for file in files if file.encoding not in {None, UTF_8} or _is_odd(file))
    result = _find_damage(con, layout, [file for file in files if file.path not in odd])
    copies: dict[str, SoundCopy | None] = dict.fromkeys(file.path for file in files)
    for file in files:
        if file.path not in odd | result.damaged:
            continue
        from ecom_assets.sources.files.sound_copy import sound_copy  # noqa: PLC0415 (loads pyarrow, for damage only)

        copy = copies[file.path] = sound_copy(with_encoding(file), layout)
        result |= _look_at_copy(con, layout, file.path, copy)
    return TextFiles(copies, result.unknown, {file.path: result.row_counts.get(file.path, 0) for file in files})


def with_encoding(file: InputFile) -> InputFile:
    """Return a text file with its encoding as its lines say it, if nothing else has; JSON is UTF-8 then.

    Raises:
        SourceError: Many of its lines are of an unknown encoding.
    """
    if file.encoding is not None or file.format != "csv":
        return file
    return replace(file, encoding=encoding_of_lines(lines_of(file), file.name))


def _is_odd(file: InputFile) -> bool:
    r"""Return whether a file has bytes that the engine reads differently from Python's `csv` and `json`.

    These are NUL, a `\r` without a following `\n`, blank lines before the header, and a line of more than
    `MAX_LINE_BYTES`, which the engine leaves out at the end of a file.
    """
    is_first, ends_in_cr = True, False
    is_odd = False
    line_bytes = 0
    for block in blocks_of(file):  # a gzip file is read to its end, to verify the checksum
        if is_odd and not file.is_gzip:
            return True
        is_odd |= is_first and file.format == "csv" and block[:1] in {b"\r", b"\n"}
        is_odd |= ends_in_cr and not block.startswith(b"\n")
        is_odd |= b"\x00" in block
        ends_in_cr = block.endswith(b"\r")
        if b"\r" in block:
            is_odd |= block.count(b"\r") - ends_in_cr != block.count(b"\r\n")
        line_bytes = line_bytes + len(block) if (end := block.rfind(b"\n")) < 0 else len(block) - end
        is_odd |= line_bytes > MAX_LINE_BYTES
        is_first = False
    return is_odd or ends_in_cr


def _find_damage(con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]) -> Findings:
    """Return the findings of one pass of the engine."""
    if not files:
        return Findings(frozenset())
    try:
        return _look(con, layout, [file.path for file in files])
    except duckdb.Error as error:
        if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
            raise
        if len(files) > 1:  # bisect to find the damaged files; reading all at once is faster, and damage is rare
            middle = len(files) // 2
            return _find_damage(con, layout, files[:middle]) | _find_damage(con, layout, files[middle:])
        if isinstance(error, duckdb.IOException):
            raise SourceError(
                f"{files[0].name} cannot be read to its end (cut off or damaged); deliver it again"
            ) from error
        return Findings(frozenset({files[0].path}))


def _look_at_copy(con: duckdb.DuckDBPyConnection, layout: Layout, path: str, copy: "SoundCopy") -> Findings:
    """Return the findings of a file that is read from a copy: its rows, and a key that is not in its mapping."""
    if layout.format == "csv":
        return Findings(frozenset(), None, {path: copy.sound_count + copy.damaged_count})
    result = _look(con, layout, [copy.sound])
    unknown = (path, result.unknown[1]) if result.unknown else None
    return Findings(frozenset(), unknown, {path: result.row_counts.get(copy.sound, 0) + copy.damaged_count})


def _parquet_counts(con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]) -> dict[str, int]:
    if layout.exploded:
        return {file.path: _row_count(con, parquet_source([file.path]), list_length(layout)) for file in files}
    if not files:
        return {}
    footers = f"parquet_file_metadata({texts(pattern_of(file.path) for file in files)})"
    return {path: int(rows) for path, rows in con.execute(select("file_name, num_rows", footers)).fetchall()}


def _row_count(con: duckdb.DuckDBPyConnection, source: str, rows: str) -> int:
    result = con.execute(select(f"coalesce(sum({rows}), 0)", source)).fetchone()
    return int(result[0]) if result else 0


def _look(con: duckdb.DuckDBPyConnection, layout: Layout, paths: Sequence[str]) -> Findings:
    if layout.format == "csv":
        # The reader checks only the columns that it reads for valid UTF-8, so all columns are read.
        columns = "__file, count(*), count(COLUMNS(*))"
        counted = con.execute(select(columns, csv_source(layout, paths), group_by="__file")).fetchall()
        return Findings(frozenset(), None, {row[0]: int(row[1]) for row in counted})
    good, unknown = is_object(layout), "NULL"
    if layout.other_columns == "refuse":
        unknown = f"list_filter(json_keys(line), lambda k: NOT list_contains({texts(layout.named)}, k))[1]"
    checked = select(
        f"__file, {good} AND NOT {many_brackets('line')} AS good, CASE WHEN {good} THEN {unknown} END AS unknown,"
        f" CASE WHEN {good} THEN {list_length(layout)} ELSE 1 END AS row_count",
        line_source(paths, is_gzip=layout.is_gzip),
        HAS_TEXT,
    )
    summed = select("__file, bool_and(good), any_value(unknown), sum(row_count)", checked, group_by="__file")
    rows = con.execute(summed).fetchall()
    strange = sorted((path, key) for path, _, key, _ in rows if key is not None)
    damaged = frozenset(path for path, is_sound, _, _ in rows if not is_sound)
    return Findings(damaged, next(iter(strange), None), {path: int(count) for path, _, _, count in rows})
