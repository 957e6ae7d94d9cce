"""Damaged text files: what the engine's fast readers would fail on or misread,
and clean copies without such lines.

`copied_files` takes the files of a layout and says which can be read as they are; each other one
gets a `SoundCopy`: a file of its readable records, and one of its damaged lines as Parquet, which
are counted as `malformed_row`. Records of CSV are found by patterns (`RecordReader`), so that a
damaged line takes no other with it; the copy is written once, in `copies_folder`.
"""

import atexit
import csv
import hashlib
import io
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, cast

import duckdb
import orjson
import pyarrow as pa
from isal import igzip

from ecom_assets.core.errors import SourceError
from ecom_assets.core.warehouse.sql_text import pattern_of, select, texts
from ecom_assets.ingestion.sources.files import sql
from ecom_assets.ingestion.sources.files.formats import InputFile
from ecom_assets.ingestion.sources.files.nesting import is_deeper
from ecom_assets.ingestion.sources.files.shape import (
    ADDED,
    RowShape,
    as_json,
    cells_in,
    csv_rows,
    grouped,
    objects_on,
    shaped_rows,
)
from ecom_assets.ingestion.sources.files.sql import Layout
from ecom_assets.ingestion.sources.files.text_blocks import (
    MAX_LINE_BYTES,
    UTF_8,
    as_text,
    blocks_of,
    byte_count,
    encoding_of_lines,
    is_too_long,
    is_utf_8,
    lines_of,
)

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter


@dataclass(frozen=True)
class Findings:
    """The files that need a copy, a file with a key that is not in its mapping,
    and the row count of each file.
    """

    damaged: frozenset[str] = frozenset()
    unknown: tuple[str, str] | None = None
    row_counts: Mapping[str, int] = field(default_factory=dict)

    def __or__(self, other: "Findings") -> "Findings":
        """Return the union of both findings."""
        counts = {**self.row_counts, **other.row_counts}
        return Findings(self.damaged | other.damaged, self.unknown or other.unknown, counts)


def copied_files(
    con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]
) -> "tuple[dict[str, SoundCopy | None], Findings]":
    """Find the files of a layout that can be read directly, copy the others,
    and count the rows of each.

    Returns:
        The copy of each file, if it has one, and the findings.

    Raises:
        SourceError: A gzip file is truncated or damaged.
    """
    if layout.format == "parquet":
        return dict.fromkeys(file.path for file in files), Findings(
            row_counts=_parquet_counts(con, layout, files)
        )
    is_changed = layout.shape is not None or not layout.has_header or not layout.has_quotes
    odd = frozenset(
        f.path for f in files if is_changed or f.encoding not in {None, UTF_8} or _is_odd(f)
    )
    result = _find_damage(con, layout, [file for file in files if file.path not in odd])
    copies: dict[str, SoundCopy | None] = dict.fromkeys(file.path for file in files)
    for file in files:
        if file.path in odd | result.damaged:
            copy = copies[file.path] = sound_copy(with_encoding(file), layout)
            result |= _look_at_copy(con, layout, file.path, copy)
    return copies, replace(
        result, row_counts={file.path: result.row_counts.get(file.path, 0) for file in files}
    )


def with_encoding(file: InputFile) -> InputFile:
    """Return a text file with its encoding as its lines say it, if nothing else has;
    JSON is UTF-8 then.

    Raises:
        SourceError: Many of its lines are of an unknown encoding.
    """
    if file.encoding is not None or file.format != "csv":
        return file
    return replace(file, encoding=encoding_of_lines(lines_of(file), file.name))


def _is_odd(file: InputFile) -> bool:
    r"""Return whether a file has bytes that the engine reads differently from
    Python's `csv` and `json`.

    These are NUL, a `\r` without a following `\n`, blank lines before the header, and a line of
    more than `MAX_LINE_BYTES`, which the engine leaves out at the end of a file.
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
        line_bytes = (
            line_bytes + len(block) if (end := block.rfind(b"\n")) < 0 else len(block) - end
        )
        is_odd |= line_bytes > MAX_LINE_BYTES
        is_first = False
    return is_odd or ends_in_cr


def _find_damage(
    con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]
) -> Findings:
    if not files:
        return Findings()
    try:
        return _look(con, layout, [file.path for file in files])
    except duckdb.Error as error:
        if isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException):
            raise
        if (
            len(files) > 1
        ):  # bisect to find the damaged files; reading all at once is faster, and damage is rare
            middle = len(files) // 2
            return _find_damage(con, layout, files[:middle]) | _find_damage(
                con, layout, files[middle:]
            )
        if isinstance(error, duckdb.IOException):
            raise SourceError(
                f"{files[0].name} cannot be read to its end (cut off or damaged); deliver it again"
            ) from error
        return Findings(frozenset({files[0].path}))


def _look_at_copy(
    con: duckdb.DuckDBPyConnection, layout: Layout, path: str, copy: "SoundCopy"
) -> Findings:
    """Return the findings of a file that is read from a copy: its rows,
    and a key that is not in its mapping.
    """
    if layout.format == "csv" or layout.shape:
        return Findings(row_counts={path: copy.sound_count + copy.damaged_count})
    result = _look(con, layout, [copy.sound])
    unknown = (path, result.unknown[1]) if result.unknown else None
    return Findings(
        frozenset(), unknown, {path: result.row_counts.get(copy.sound, 0) + copy.damaged_count}
    )


def _parquet_counts(
    con: duckdb.DuckDBPyConnection, layout: Layout, files: Sequence[InputFile]
) -> dict[str, int]:
    if layout.exploded:
        rows = f"coalesce(sum({sql.list_length(layout)}), 0)"
        sums = {
            file.path: con.execute(select(rows, sql.parquet_source([file.path]))).fetchall()
            for file in files
        }
        return {path: int(count) for path, ((count,),) in sums.items()}
    if not files:
        return {}
    footers = f"parquet_file_metadata({texts(pattern_of(file.path) for file in files)})"
    return {
        path: int(rows)
        for path, rows in con.execute(select("file_name, num_rows", footers)).fetchall()
    }


def _look(con: duckdb.DuckDBPyConnection, layout: Layout, paths: Sequence[str]) -> Findings:
    if layout.format == "csv":
        # The reader checks only the columns that it reads for valid UTF-8, so all columns are read.
        columns = "__file, count(*), count(COLUMNS(*))"
        counted = con.execute(
            select(columns, sql.csv_source(layout, paths), group_by="__file")
        ).fetchall()
        return Findings(row_counts={row[0]: int(row[1]) for row in counted})
    good, unknown = sql.is_object(layout), "NULL"
    if layout.other_columns == "refuse":
        unknown = (
            f"list_filter(json_keys(line), lambda k: NOT list_contains({texts(layout.named)}, "
            "k))[1]"
        )
    checked = select(
        f"__file, {good} AND NOT {sql.MANY_BRACKETS} AS good, CASE WHEN {good} THEN {unknown} END "
        f"AS unknown, CASE WHEN {good} THEN {sql.list_length(layout)} ELSE 1 END AS row_count",
        sql.line_source(paths, is_gzip=layout.is_gzip),
        sql.HAS_TEXT,
    )
    summed = select(
        "__file, bool_and(good), any_value(unknown), sum(row_count)", checked, group_by="__file"
    )
    rows = con.execute(summed).fetchall()
    strange = sorted((path, key) for path, _, key, _ in rows if key is not None)
    damaged = frozenset(path for path, is_sound, _, _ in rows if not is_sound)
    return Findings(
        damaged, next(iter(strange), None), {path: int(count) for path, _, _, count in rows}
    )


EndOf = Callable[[bytes], int | None]
_QUOTED = rb'"[^"]*+(?:""[^"]*+)*+'
_ESCAPED = rb'"(?:[^"\\]++|\\[\s\S]|"")*+'
"""A quoted value without its last quote, where a backslash stands before a quote within it."""
_BACKSLASHED = re.compile(rb"%s\"" % _ESCAPED)
_BACKSLASH = re.compile(rb'\\(["\\,;|\t]|\r?\n)')


class RecordPatterns:
    """The patterns of a CSV record with a fixed number of columns.

    The quantifiers are possessive (`*+`), so matching never backtracks and takes linear time.
    """

    def __init__(self, columns: int, delimiter: str, *, has_backslashes: bool = False) -> None:
        """Compile the patterns for a number of columns and a delimiter."""
        quoted = _ESCAPED if has_backslashes else _QUOTED
        self._columns = columns
        self._delimiter = delimiter.encode()
        between = re.escape(self._delimiter)
        value = rb" *+(?:%s\" *+|[^\"\r\n%s][^\r\n%s]*+|)" % (quoted, between, between)
        # The engine's reader ignores empty values beyond the last column.
        more = rb"(?:%s(?: *+\"\" *+)?+)*+" % between
        row = rb"%s(?:%s%s){%d}%s" % (value, between, value, columns - 1, more)
        self._record = re.compile(rb"(?:%s)(?=[\r\n]|\Z)" % row)
        self._any = re.compile(rb"(?:%s(?:%s%s)*+)(?=[\r\n]|\Z)" % (value, between, value))
        self._open = re.compile(rb"(?:%s%s){0,%d}+ *+%s\Z" % (value, between, columns - 1, quoted))

    def is_record(self, line: bytes) -> bool:
        """Return whether a line, without its line end, is a complete record."""
        if b'"' not in line:
            count = line.count(self._delimiter) + 1
            return count == self._columns or (
                count > self._columns and line.endswith(self._delimiter * (count - self._columns))
            )
        return self.end_of_record(line) == len(line)

    def end_of_record(self, text: bytes) -> int | None:
        """Return the end of the record at the start of the text;
        None if there is none or it is incomplete.
        """
        match = self._record.match(text)
        return match.end() if match else None

    def end_of_header(self, text: bytes) -> int | None:
        """Return the end of the record at the start of the text, with any number of columns;
        None if there is none.
        """
        match = self._any.match(text)
        return match.end() if match else None

    def missing_after(self, line: bytes) -> bytes:
        """Return the delimiters that a line lacks behind its last cell."""
        cells = cells_in(line.decode(UTF_8, "replace"), self._delimiter.decode())
        return self._delimiter * (self._columns - len(cells))

    def is_open(self, text: bytes) -> bool:
        """Return whether a text ends inside quotes,
        so that its record continues in the next line.
        """
        return self._open.match(text) is not None


class Record(NamedTuple):
    """A record without its line end; or, if `is_sound` is false,
    a line that belongs to no record.
    """

    content: bytes
    is_sound: bool


class RecordReader:
    """Splits lines into records; a line that belongs to no record is returned alone,
    so that no other line is lost.
    """

    def __init__(self, lines: Iterator[bytes], patterns: RecordPatterns) -> None:
        """Store lines that include their line ends."""
        self._lines = lines
        self._ahead: deque[bytes] = deque()
        self._patterns = patterns

    def skip_header(self) -> None:
        """Skip blank lines and the header, which can have line breaks inside quotes."""
        while (line := self._next()) is not None and not line.strip(b"\r\n"):
            pass
        if line is not None and self._patterns.end_of_header(line.rstrip(b"\r\n")) is None:
            self._continued(line, self._patterns.end_of_header)

    def records(self) -> Iterator[Record]:
        """Yield every record, and every line that belongs to no record; skip blank lines."""
        while (line := self._next()) is not None:
            content = line.rstrip(b"\r\n")
            if not content:
                continue
            if is_too_long(line):
                yield Record(line, is_sound=False)
            elif self._patterns.is_record(content):
                yield Record(content, is_sound=True)
            else:
                whole = self._continued(line, self._patterns.end_of_record)
                yield (
                    Record(content, is_sound=False)
                    if whole is None
                    else Record(whole, is_sound=True)
                )

    def _continued(self, line: bytes, end_of: EndOf) -> bytes | None:
        """Return the record that begins with a line and ends in a later one; if there is none,
        consume no line.
        """
        taken, text, wanted = [line], line, 1
        while self._patterns.is_open(text) and len(text) <= MAX_LINE_BYTES:
            # The number of lines doubles each time, so that the repeated matching stays linear in
            # total.
            more = [row for row in (self._next() for _ in range(wanted)) if row is not None]
            if not more or any(map(is_too_long, more)):
                self._ahead.extendleft(reversed(more))
                break
            taken += more
            text, wanted = b"".join(taken), 2 * wanted
            end = end_of(text)
            if end is not None and end <= MAX_LINE_BYTES:
                # The first part of the rest is the line end of the record's last line.
                self._ahead.extendleft(reversed(text[end:].splitlines(keepends=True)[1:]))
                return text[:end]
        self._ahead.extendleft(reversed(taken[1:]))
        return None

    def _next(self) -> bytes | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)


_LINES = pa.schema([("line", pa.string())])
_LINES_AT_ONCE = 1000


@dataclass(frozen=True)
class SoundCopy:
    """The paths of a file's readable records (compressed like the file) and of its
    damaged lines (as Parquet).

    The counts are from when they were copied; `damaged_bytes` are those of the damaged lines in the
    file. With `has_backslashes`, a quote within quotes has one before it in the file.
    """

    sound: str
    damaged: str
    sound_count: int
    damaged_count: int
    damaged_bytes: int
    has_backslashes: bool = False


def sound_copy(file: InputFile, layout: Layout) -> SoundCopy:
    r"""Copy the readable records and the damaged lines of a text file into two files.

    Where `\"` stands in damaged lines, and fewer are damaged if that is a quote within quotes, it
    is one in the whole file.
    """
    copy, has_backslashes = _sound_copy(file, layout)
    if has_backslashes:
        other, _ = _sound_copy(file, replace(layout, has_backslashes=True))
        return min(copy, other, key=lambda each: each.damaged_count)
    return copy


def _sound_copy(file: InputFile, layout: Layout) -> tuple[SoundCopy, bool]:
    r"""Return a copy, and whether `\"` stands in damaged lines of CSV."""
    has_backslashes = False
    name = hashlib.sha256(
        f"{file.path}|{file.size}|{file.modified_at}|{file.encoding}|{layout}".encode(
            errors="replace"
        )
    ).hexdigest()
    sound_path, damaged_path = (
        str(copies_folder() / f"{name}.txt"),
        str(copies_folder() / f"{name}.parquet"),
    )
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 (only damaged files need it)

    sound_count = damaged_count = damaged_bytes = 0
    with ExitStack() as stack:
        sound = stack.enter_context(_writable(sound_path, is_gzip=file.is_gzip))
        damaged = _DamagedLines(stack.enter_context(ParquetWriter(damaged_path, _LINES)))
        if layout.format == "csv" and not layout.shape:
            sound.write(_header(layout))
        for record in (
            _shaped(file, layout, layout.shape) if layout.shape else _records(file, layout)
        ):
            if record.is_sound:
                sound.write(record.content + b"\n")
                sound_count += 1
            else:
                has_backslashes |= layout.format == "csv" and b'\\"' in record.content
                damaged.add(as_text(record.content))
                damaged_count += 1
                damaged_bytes += byte_count(record.content)
        damaged.flush()
    counts = sound_count, damaged_count, damaged_bytes
    copy = SoundCopy(sound_path, damaged_path, *counts, layout.has_backslashes)
    return copy, has_backslashes and not layout.has_backslashes


def _records(file: InputFile, layout: Layout) -> Iterator[Record]:
    if layout.format == "csv":
        if not layout.has_quotes:
            yield from _unquoted_records(file, layout)
            return
        has_backslashes = layout.has_backslashes
        patterns = RecordPatterns(
            len(layout.columns), layout.delimiter, has_backslashes=has_backslashes
        )
        reader = RecordReader(lines_of(file), patterns)
        if layout.has_header:
            reader.skip_header()
        for record in reader.records():
            content, is_sound = record.content, record.is_sound
            if not is_sound and layout.has_short_lines:
                content += patterns.missing_after(content)
                is_sound = patterns.is_record(content)
            is_sound = is_sound and _is_text(content)
            yield Record(_doubled(content) if is_sound and has_backslashes else content, is_sound)
        return
    for line in lines_of(file):
        if is_too_long(line):
            yield Record(line, is_sound=False)
            continue
        for content in filter(None, objects_on(line.rstrip(b"\r\n"))):
            yield Record(content, _is_text(content) and not is_deeper(content, sql.MAX_DEPTH))


def _doubled(content: bytes) -> bytes:
    """Return a record whose quotes within quotes are doubled, as later readers need them."""

    def doubled(escaped: re.Match[bytes]) -> bytes:
        return b'""' if escaped[1] == b'"' else escaped[1]

    return _BACKSLASHED.sub(lambda value: _BACKSLASH.sub(doubled, value[0]), content)


def _unquoted_records(file: InputFile, layout: Layout) -> Iterator[Record]:
    """Yield the lines of a file without quotes as records that have them
    where later readers need them.
    """
    delimiter, header_left = layout.delimiter.encode(), layout.has_header
    for line in lines_of(file):
        content = line.rstrip(b"\r\n")
        if not content:
            continue
        if header_left:
            header_left = False
            continue
        cells = content.split(delimiter)
        if len(cells) != len(layout.columns) or is_too_long(line) or not _is_text(content):
            yield Record(content, is_sound=False)
        else:
            quoted = (
                b'"%b"' % cell.replace(b'"', b'""') if b'"' in cell else cell for cell in cells
            )
            yield Record(delimiter.join(quoted), is_sound=True)


MOST_KEPT_BYTES: Final = 1 << 26
MOST_KEPT_LINES: Final = 1 << 19
"""Of a smaller file with fewer lines, each of which takes 40 bytes more, the lines are kept between
the two passes that group them.
"""


def _shaped(file: InputFile, layout: Layout, shape: RowShape) -> Iterator[Record]:
    """Yield the rows of a file whose rows are not its lines, and its damaged lines."""
    damaged: list[Record] = []
    if layout.format == "csv":
        wanted = {*layout.needed, *shape.columns}
        indexes = {name: index for index, (name, _) in enumerate(layout.columns) if name in wanted}
        keys = {
            name: index
            for name, index in indexes.items()
            if name in {*shape.group_by, *shape.fill_down}
        }
        # Which columns each pass reads, and where it puts damage.
        passes = iter((([], keys), (damaged, indexes)))
        kept = _kept_lines(file, layout, damaged)

        def read() -> Iterator[dict[str, str]]:
            unsound, columns = next(passes)
            lines = _sound_lines(_records(file, layout), unsound) if kept is None else kept
            yield from csv_rows(
                lines,
                columns,
                layout.delimiter,
                has_apostrophes=layout.has_apostrophes,
                has_formulas=layout.has_formulas,
            )

        names = [name for name in layout.needed if name in indexes or name in ADDED]
        for cells in grouped(read, shape):
            yield Record(orjson.dumps({name: cells[name] for name in names}), is_sound=True)
    else:
        for row in shaped_rows(file, shape):
            if isinstance(row, str):
                yield Record(row.encode(UTF_8, "replace"), is_sound=False)
            else:
                yield Record(as_json(row, layout.needed), is_sound=True)
    yield from damaged


def _kept_lines(file: InputFile, layout: Layout, damaged: list[Record]) -> list[bytes] | None:
    """Return the sound lines of a file, and note its damaged ones; None if they are too many to be
    kept.
    """
    if file.size > MOST_KEPT_BYTES or file.is_gzip:
        return None
    unsound: list[Record] = []
    lines = [*islice(_sound_lines(_records(file, layout), unsound), MOST_KEPT_LINES + 1)]
    if len(lines) > MOST_KEPT_LINES:
        return None
    damaged += unsound
    return lines


def _sound_lines(records: Iterable[Record], damaged: list[Record]) -> Iterator[bytes]:
    for record in records:
        if record.is_sound:
            yield record.content
        else:
            damaged.append(record)


def _is_text(content: bytes) -> bool:
    return b"\x00" not in content and is_utf_8(content)


def _header(layout: Layout) -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=layout.delimiter, lineterminator="\n").writerow(
        name for name, _ in layout.columns
    )
    return written.getvalue().encode()


class _DamagedLines:
    """A writer of lines in batches, limited by number and size."""

    def __init__(self, writer: "ParquetWriter") -> None:
        self._writer = writer
        self._lines: list[str] = []
        self._size = 0

    def add(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)
        if len(self._lines) >= _LINES_AT_ONCE or self._size > 1 << 24:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._writer.write_table(pa.table({"line": self._lines}, schema=_LINES))
        self._lines, self._size = [], 0


def _writable(path: str, *, is_gzip: bool) -> IO[bytes]:
    if is_gzip:
        return cast("IO[bytes]", igzip.IGzipFile(path, "wb", compresslevel=0))  # type: ignore[no-untyped-call]
    return Path(path).open("wb")


_COPIES: ContextVar[Path | None] = ContextVar("copies", default=None)


@contextmanager
def copies_in(folder: Path) -> Iterator[None]:
    """Have the copies of files made in a folder, by whose removal they go, too."""
    token = _COPIES.set(folder)
    try:
        yield
    finally:
        _COPIES.reset(token)


def copies_folder() -> Path:
    """Return the folder of copies: that of `copies_in`,
    else one that is removed when the process ends.
    """
    return _COPIES.get() or _folder_of_process()


@cache
def _folder_of_process() -> Path:
    # The SQL that reads a copy can run long after the copy was made, so copies stay until the
    # process ends.
    folder = tempfile.TemporaryDirectory(prefix="ecom_events_")
    atexit.register(folder.cleanup)
    return Path(folder.name)
