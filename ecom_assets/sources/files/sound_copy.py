"""Clean copies of damaged text files, without the lines that the engine's readers would fail on.

CSV records are split by the rules of the engine's reader. A quoted value can contain delimiters, doubled quotes and
line breaks; spaces around the quotes are ignored. A quote inside an unquoted value is an ordinary character. The time
is linear in the length of the text.
"""

import atexit
import csv
import hashlib
import io
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip

from ecom_assets.sources.files.formats import InputFile
from ecom_assets.sources.files.sql import MAX_DEPTH, Layout
from ecom_assets.sources.files.text_blocks import MAX_LINE_BYTES, as_text, is_too_long, lines_of

EndOf = Callable[[bytes], int | None]
_QUOTED = rb'"[^"]*+(?:""[^"]*+)*+'


class RecordPatterns:
    """The patterns of a CSV record with a fixed number of columns.

    The quantifiers are possessive (`*+`), so matching never backtracks and takes linear time.
    """

    def __init__(self, columns: int, delimiter: str) -> None:
        """Compile the patterns for a number of columns and a delimiter."""
        self._columns = columns
        self._delimiter = delimiter.encode()
        between = re.escape(self._delimiter)
        value = rb" *+(?:%s\" *+|[^\"\r\n%s][^\r\n%s]*+|)" % (_QUOTED, between, between)
        # The engine's reader ignores empty values beyond the last column.
        more = rb"(?:%s(?: *+\"\" *+)?+)*+" % between
        row = rb"%s(?:%s%s){%d}%s" % (value, between, value, columns - 1, more)
        self._record = re.compile(rb"(?:%s)(?=[\r\n]|\Z)" % row)
        self._any = re.compile(rb"(?:%s(?:%s%s)*+)(?=[\r\n]|\Z)" % (value, between, value))
        self._open = re.compile(rb"(?:%s%s){0,%d}+ *+%s\Z" % (value, between, columns - 1, _QUOTED))

    def is_record(self, line: bytes) -> bool:
        """Return whether a line, without its line end, is a complete record."""
        if b'"' not in line:
            count = line.count(self._delimiter) + 1
            return count == self._columns or (
                count > self._columns and line.endswith(self._delimiter * (count - self._columns))
            )
        return self.end_of_record(line) == len(line)

    def end_of_record(self, text: bytes) -> int | None:
        """Return the end of the record at the start of the text; None if there is none or it is incomplete."""
        match = self._record.match(text)
        return match.end() if match else None

    def end_of_header(self, text: bytes) -> int | None:
        """Return the end of the record at the start of the text, with any number of columns; None if there is none."""
        match = self._any.match(text)
        return match.end() if match else None

    def is_open(self, text: bytes) -> bool:
        """Return whether a text ends inside quotes, so that its record continues in the next line."""
        return self._open.match(text) is not None


@dataclass(frozen=True)
class Record:
    """A record without its line end; or, if `is_sound` is false, a line that belongs to no record."""

    content: bytes
    is_sound: bool


class RecordReader:
    """Splits lines into records; a line that belongs to no record is returned alone, so that no other line is lost."""

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
                yield Record(content, is_sound=False) if whole is None else Record(whole, is_sound=True)

    def _continued(self, line: bytes, end_of: EndOf) -> bytes | None:
        """Return the record that begins with a line and ends in a later one; if there is none, consume no line."""
        taken, text, wanted = [line], line, 1
        while self._patterns.is_open(text) and len(text) <= MAX_LINE_BYTES:
            # The number of lines doubles each time, so that the repeated matching stays linear in total.
            more = [one for one in (self._next() for _ in range(wanted)) if one is not None]
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
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True)
class SoundCopy:
    """The paths of a file's readable records (compressed like the file) and of its damaged lines (as Parquet).

    The counts are from when they were copied.
    """

    sound: str
    damaged: str
    sound_count: int
    damaged_count: int


def sound_copy(file: InputFile, layout: Layout) -> SoundCopy:
    """Copy the readable records and the damaged lines of a text file into two files."""
    name = hashlib.sha256(
        f"{file.path}|{file.size}|{file.modified_at}|{file.encoding}|{layout}".encode(errors="replace")
    ).hexdigest()
    sound_path, damaged_path = str(copies_folder() / f"{name}.txt"), str(copies_folder() / f"{name}.parquet")
    sound_count = damaged_count = 0
    with ExitStack() as stack:
        sound = stack.enter_context(_writable(sound_path, is_gzip=file.is_gzip))
        damaged = _DamagedLines(stack.enter_context(pq.ParquetWriter(damaged_path, _LINES)))
        if layout.format == "csv":
            sound.write(_header(layout))
        for record in _records(file, layout):
            if record.is_sound:
                sound.write(record.content + b"\n")
                sound_count += 1
            else:
                damaged.add(as_text(record.content))
                damaged_count += 1
        damaged.flush()
    return SoundCopy(sound_path, damaged_path, sound_count, damaged_count)


def _records(file: InputFile, layout: Layout) -> Iterator[Record]:
    if layout.format == "csv":
        reader = RecordReader(lines_of(file), RecordPatterns(len(layout.columns), layout.delimiter))
        reader.skip_header()
        for record in reader.records():
            yield Record(record.content, record.is_sound and _is_text(record.content))
        return
    for line in lines_of(file):
        content = line.rstrip(b"\r\n")
        if content:
            is_sound = not is_too_long(line) and _is_text(content) and not _is_too_deep(content)
            yield Record(content, is_sound)


def _is_text(content: bytes) -> bool:
    if content.isascii():
        return b"\x00" not in content
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\x00" not in content


def _is_too_deep(line: bytes) -> bool:
    """Return whether lists and objects are nested deeper than `MAX_DEPTH`, which later readers cannot parse."""
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for result in _TOKENS.finditer(line):
        token = result[0][:1]
        depth += (token in b"[{") - (token in b"]}")
        if depth > MAX_DEPTH:
            return True
    return False


def _header(layout: Layout) -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=layout.delimiter, lineterminator="\n").writerow(name for name, _ in layout.columns)
    return written.getvalue().encode()


class _DamagedLines:
    """A writer of lines in batches, limited by number and size."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
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


@cache
def copies_folder() -> Path:
    """Return the folder of copies, which is removed when the process ends."""
    # The SQL that reads a copy can run long after the copy was made, so copies stay until the process ends.
    folder = tempfile.TemporaryDirectory(prefix="ecom_events_")
    atexit.register(folder.cleanup)
    return Path(folder.name)
