"""Large and packed files: how large they are unpacked, before anything unpacks them,
and their beginnings.
"""

import codecs
import gzip
import zipfile
import zlib
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.ingestion.sources.files.measured import (
    PARQUET,
    parquet_bytes,
    require_readable_parquet,
)
from ecom_assets.ingestion.sources.files.text_blocks import marked_encoding

MOST_TIMES: Final = 20
"""How many times its size a packed file may have unpacked."""
ALWAYS_BYTES: Final = 100_000_000
"""What a file may always have unpacked, however small it is."""
MOST_ENTRIES: Final = 100
"""Files in a zip archive."""
ZIPPED: Final = (".zip", ".xlsx", ".xlsm", ".xlsb", ".ods")
"""Endings of zip archives, most of them of programs for tables."""
_BLOCK: Final = 1 << 20


def require_unpacked_size(path: Path) -> None:
    """Refuse a packed file that is far larger unpacked than a file of rows is.

    Raises:
        UsageError: It is, or it is an archive of very many files.
        SourceError: It is damaged or encrypted.
    """
    if path.name.lower().endswith(PARQUET):
        require_readable_parquet(path, path.name)
    most = max(path.stat().st_size * MOST_TIMES, ALWAYS_BYTES)
    try:
        size = _unpacked_size(path, most)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise SourceError(
            f"{path.name} is damaged, or protected by a password, and cannot be opened; save it "
            "without one, and send it again."
        ) from error
    if size > most:
        raise UsageError(
            f"{path.name} is more than {most / 1e6:,.0f} MB unpacked; send what is in it in parts."
        )


def _unpacked_size(path: Path, most: int) -> int:
    """Return how large a packed file is unpacked, counted up to a bound; 0 for other files."""
    name = path.name.lower()
    if name.endswith(ZIPPED):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        if name.endswith(".zip") and len(entries) > MOST_ENTRIES:
            raise UsageError(
                f"{path.name} holds more than {MOST_ENTRIES} files; send them in several archives."
            )
        return sum(entry.file_size for entry in entries)
    size = 0
    if name.endswith(".gz"):
        with gzip.open(path) as unpacked:
            while size <= most and (block := unpacked.read(_BLOCK)):
                size += len(block)
    return size


LOOKED_AT_BYTES: Final = 10_000_000
"""As many rows as this has say all that a mapping needs."""
LOOKED_AT_ROWS: Final = 100_000
"""Rows of a Parquet file that are looked at."""
BATCHES: Final = 10
"""In so many parts these are written, each of which is in memory."""
WHOLE_BYTES: Final = 100_000_000
"""The size, unpacked, of the largest file that is looked at as a whole because it has no
beginning: workbooks, archives and JSON documents.
"""
LINES: Final = (".csv", ".tsv", ".txt", ".ndjson", ".jsonl")


def read_as_a_whole(path: Path) -> bool:
    """Return whether a file has no beginning that can be looked at: a workbook, an archive or a
    JSON document.
    """
    return not path.name.lower().removesuffix(".gz").endswith((*LINES, *PARQUET))


def beginning_of(path: Path, folder: Path) -> tuple[Path, bool]:
    """Return a file, or the beginning of one that is large, and whether it is only that. A Parquet
    file is large where its values are, however few bytes it takes.

    Args:
        path: The file.
        folder: Where its beginning is written.

    Raises:
        UsageError: It is large, and of a format that has to be read as a whole.
    """
    name = path.name.lower()
    if name.endswith(PARQUET):
        value_bytes = parquet_bytes(path)
        if path.stat().st_size <= LOOKED_AT_BYTES and value_bytes <= WHOLE_BYTES:
            return path, False
        return _first_rows(path, folder / "beginning" / path.name, value_bytes)
    if path.stat().st_size <= LOOKED_AT_BYTES and not name.endswith(".gz"):
        return path, False
    if name.removesuffix(".gz").endswith(LINES):
        return _first_lines(path, folder / "beginning" / path.name)
    if max(path.stat().st_size, _unpacked_size(path, WHOLE_BYTES)) > WHOLE_BYTES:
        raise UsageError(
            f"{path.name} is too large for a look at it; send it as CSV or Parquet, or in parts."
        )
    return path, False


def _first_lines(path: Path, target: Path) -> tuple[Path, bool]:
    is_gzip = path.name.lower().endswith(".gz")
    with gzip.open(path) if is_gzip else path.open("rb") as file:
        block = file.read(LOOKED_AT_BYTES + 1)
    if len(block) <= LOOKED_AT_BYTES:
        return path, False
    target = target.with_name(target.name[:-3]) if is_gzip else target
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(_whole_lines(block) or block)
    return target, True


def _whole_lines(block: bytes) -> bytes:
    """Return a block up to the end of its last line."""
    if marked_encoding(block) != "utf-16":
        return block[: block.rfind(b"\n") + 1]
    end = "\n".encode("utf-16-be" if block.startswith(codecs.BOM_UTF16_BE) else "utf-16-le")
    at = block.rfind(end)
    while at % 2 and at > 0:  # the halves of two characters
        at = block.rfind(end, 0, at + 1)
    return block[: at + 2] if at > 0 else b""


def _first_rows(path: Path, target: Path, value_bytes: int) -> tuple[Path, bool]:
    with pq.ParquetFile(path) as file:
        row_count = file.metadata.num_rows
        most = min(LOOKED_AT_ROWS, max(1, WHOLE_BYTES * row_count // max(value_bytes, 1)))
        if row_count <= most:
            return path, False
        target.parent.mkdir(exist_ok=True)
        at_once, left = max(1, most // BATCHES), most
        with pq.ParquetWriter(target, file.schema_arrow) as written:
            for batch in file.iter_batches(at_once):
                written.write_batch(batch[:left])
                left -= len(batch)
                if left <= 0:
                    break
    return target, True
