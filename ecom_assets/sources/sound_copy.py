"""Copies of text files that the engine's fast readers cannot take as they are: sound records, and damaged lines apart.

The sound records are copied byte for byte, so they are read as they would be without the damage beside them. Not here:
which files need a copy (`file_damage`).
"""

import atexit
import csv
import hashlib
import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip

from ecom_assets.sources.csv_records import Record, RecordPatterns, RecordReader
from ecom_assets.sources.file_formats import InputFile
from ecom_assets.sources.row_sql import MAX_DEPTH, Layout
from ecom_assets.sources.text_blocks import as_text, is_too_long, lines_of

_LINES = pa.schema([("line", pa.string())])
_LINES_AT_ONCE = 1000
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True)
class SoundCopy:
    """Where the sound records of a file lie, packed as the file is, and where its damaged lines lie, as Parquet.

    How many there are of each was counted while they were copied.
    """

    sound: str
    damaged: str
    sound_count: int
    damaged_count: int


def sound_copy(file: InputFile, layout: Layout) -> SoundCopy:
    """Copy a text file, its damaged lines apart."""
    name = hashlib.sha256(f"{file.path}|{file.size}|{file.modified_at}|{layout}".encode(errors="replace")).hexdigest()
    sound_path, damaged_path = str(_copies() / f"{name}.txt"), str(_copies() / f"{name}.parquet")
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
    """Tell whether lists and objects lie in one another deeper than any reader further on takes."""
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _TOKENS.finditer(line):
        token = found[0][:1]
        depth += (token in b"[{") - (token in b"]}")
        if depth > MAX_DEPTH:
            return True
    return False


def _header(layout: Layout) -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=layout.delimiter, lineterminator="\n").writerow(name for name, _ in layout.columns)
    return written.getvalue().encode()


class _DamagedLines:
    """Writes lines a thousand at a time, or as soon as they are long."""

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
def _copies() -> Path:
    # The SQL that reads a copy may run long after it was made, so copies live as long as the process.
    folder = tempfile.TemporaryDirectory(prefix="ecom_events_")
    atexit.register(folder.cleanup)
    return Path(folder.name)
