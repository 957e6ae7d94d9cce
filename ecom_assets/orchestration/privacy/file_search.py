"""Whether a file of other people names a person: its content is unpacked, layer by layer.

A process of its own calls `search`, as a small file can ask for more memory than there is.
"""

import errno
import io
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, Final, cast

import pyarrow.parquet as pq
from isal import igzip

from ecom_assets.core.errors import WorkError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.reading_child import ReadingLimits
from ecom_assets.orchestration.privacy.person_pattern import PersonPattern

WORKBOOKS: Final = (".xls", ".xlsb", ".ods", ".xlsx", ".xlsm")
"""Files whose cells are read one by one: as they are stored, a text is in parts, or packed."""
PARQUET: Final = (".parquet", ".pq")
GZIP: Final = b"\x1f\x8b"
PARQUET_MARK: Final = b"PAR1"
ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
PACKED: Final = (
    b"BZh",
    b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd",  # zstd
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"%PDF",
)
"""How files begin that are packed in a way that is not unpacked here, so nobody can search them."""
OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"
"""How xls files begin, and those with a password."""
MOST_NESTED: Final = 5
"""Archives in archives."""
MOST_TIMES: Final = 20
ALWAYS_BYTES: Final = 100_000_000
"""What of an archive is copied to the disk in order to unpack it again, at most: so many times its
size, and so much in any case.
"""
BLOCK_BYTES: Final = 1 << 22
ROWS: Final = 10_000
"""Rows of a Parquet file that are read at a time."""
STEP_BYTES: Final = 100_000_000
"""How often a search says how far it is."""
SEARCH: Final = ReadingLimits(memory_mb=500, cpu_s=1_800, time_s=3_600)
"""What the search of one file may take; the largest uploads are unpacked 10 GB."""


class Found(StrEnum):
    """What a search found."""

    NAMED = "named"
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    """Nobody can say whom it names."""


def search(path: Path, pattern: PersonPattern) -> Generator[int, None, Found]:
    """Yield how many bytes were searched, now and then, and return what was found.

    Raises:
        FileNotFoundError: There is no such file any more.
        WorkError: The disk is full, so that nothing can be unpacked.
    """
    searched, said = 0, 0
    try:
        with path.open("rb") as file:
            size = max(path.stat().st_size * MOST_TIMES, ALWAYS_BYTES)
            for block in overlapping(_contents(file, path.name, size, 0), pattern.longest):
                if pattern.is_in(block):
                    return Found.NAMED
                searched += len(block)
                if searched - said >= STEP_BYTES:
                    said = searched
                    yield searched
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a library says of a damaged file
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise WorkError(
                f"{path.name} cannot be unpacked to be searched, as the disk with "
                f"{tempfile.gettempdir()} is full; free some of it, and run the command again."
            ) from error
        return Found.UNREADABLE
    return Found.ABSENT


def overlapping(blocks: Iterator[bytes], overlap: int) -> Iterator[bytes]:
    """Yield blocks, each with the end of the one before, so that no name is cut in two."""
    end = b""
    for block in blocks:
        yield end + block
        end = (end + block)[-overlap:]


def _contents(file: IO[bytes], name: str, most: int, depth: int) -> Iterator[bytes]:
    """Yield what is in a file in blocks, unpacked; rows of Parquet and cells as JSON.

    Args:
        file: The file, at its beginning, in which one can go back.
        name: Its name, which says what it is where its first bytes do not.
        most: How many bytes of it are copied to the disk, at most.
        depth: In how many other files it is.
    """
    name = name.lower()
    head = file.read(8)
    file.seek(0)
    if depth > MOST_NESTED or head.startswith(PACKED):
        raise zipfile.BadZipFile(name)
    if head.startswith(GZIP) or name.endswith(".gz"):
        gzip = igzip.IGzipFile(fileobj=file, mode="rb")  # type: ignore[no-untyped-call]
        with cast("IO[bytes]", gzip) as unpacked:
            yield from _entry(unpacked, name.removesuffix(".gz"), most, depth)
    elif name.endswith(WORKBOOKS) or head.startswith(OLD_WORKBOOK):
        yield from _cells(file)
    elif head.startswith(ZIP) or name.endswith(".zip"):
        yield from _zip(file, most, depth)
    elif head.startswith(PARQUET_MARK) or name.endswith(PARQUET):
        with pq.ParquetFile(file) as rows:
            for batch in rows.iter_batches(ROWS):
                yield json_text(batch.to_pylist(), default=_value).encode()
    else:
        yield from _blocks(file)


def _zip(file: IO[bytes], most: int, depth: int) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as archive:
        yield archive.comment
        for entry in archive.infolist():
            yield f" {entry.filename} ".encode("utf-8", "replace") + entry.comment
            with archive.open(entry) as unpacked:
                yield from _entry(unpacked, entry.filename, most, depth)


def _entry(unpacked: IO[bytes], name: str, most: int, depth: int) -> Iterator[bytes]:
    """Yield what is in an unpacked file; one that is packed itself is copied first, as it has to be
    read from its end.
    """
    first = unpacked.read(BLOCK_BYTES)
    is_plain = not first.startswith((GZIP, *ZIP, PARQUET_MARK, OLD_WORKBOOK, *PACKED))
    if is_plain and not name.lower().endswith((".gz", ".zip", *WORKBOOKS, *PARQUET)):
        yield first
        yield from _blocks(unpacked)
        return
    # Without a name in any folder: it is gone with this process, however that ends.
    with tempfile.TemporaryFile() as copy:
        size = copy.write(first)
        for block in _blocks(unpacked):
            size += copy.write(block)
            if size > most:
                raise zipfile.BadZipFile(name)
        copy.seek(0)
        yield from _contents(copy, name, most, depth + 1)


def _cells(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the cells of all sheets of a workbook, hidden ones included, as JSON."""
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 (most homes have no workbook)

    try:
        with CalamineWorkbook.from_filelike(cast("io.BytesIO", file)) as workbook:
            for name in workbook.sheet_names:
                yield json_text(name).encode()
                for row in workbook.get_sheet_by_name(name).iter_rows():
                    yield json_text(row, default=str).encode()
    except CalamineError as error:
        raise zipfile.BadZipFile(str(error)) from error  # nobody knows whom it names


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _value(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
