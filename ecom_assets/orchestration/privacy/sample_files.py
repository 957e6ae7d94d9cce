"""Files that people uploaded to look at, which name a person:
each is removed with its copies.
"""

import gzip
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.core.json_text import json_text

FOLDER: Final = "samples"
"""The folder in `ECOM_HOME` with a folder for each sample."""
BLOCK_BYTES: Final = 1 << 22
ROWS: Final = 10_000
"""Rows of a Parquet file that are read at a time."""
DAMAGED: Final = (
    OSError,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    pa.ArrowException,
)
"""What unpacking raises of a file that is damaged or encrypted."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def samples_naming(home: Path, is_in: Callable[[bytes], bool], overlap: int) -> list[Path]:
    """Return the folders of samples that name a person, or that cannot be read.

    Args:
        home: `ECOM_HOME`.
        is_in: Whether bytes name the person.
        overlap: How many bytes a name and what is beside it can have.
    """
    folders = sorted(path for path in (home / FOLDER).glob("*") if path.is_dir())
    return [folder for folder in folders if _is_named(folder, is_in, overlap)]


def remove(folder: Path) -> None:
    """Remove a sample; its owner is asked to upload it again."""
    shutil.rmtree(folder, ignore_errors=True)


def _is_named(folder: Path, is_in: Callable[[bytes], bool], overlap: int) -> bool:
    try:
        return any(
            is_in(block)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            for block in overlapping(contents_of(path), overlap)
        )
    except FileNotFoundError:  # its owner has just removed it
        return False
    except DAMAGED:
        return True


def overlapping(blocks: Iterator[bytes], overlap: int) -> Iterator[bytes]:
    """Yield blocks, each with the end of the one before, so that no name is cut in two."""
    end = b""
    for block in blocks:
        yield end + block
        end = (end + block)[-overlap:]


def contents_of(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, unpacked, in blocks; a Parquet file's rows as JSON."""
    name = path.name.lower()
    if name.endswith(".gz"):
        with gzip.open(path) as unpacked:
            yield from _blocks(unpacked)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as unpacked:
                    yield from _blocks(unpacked)
    elif name.endswith(".parquet"):
        with pq.ParquetFile(path) as rows:
            for batch in rows.iter_batches(ROWS):
                yield json_text(batch.to_pylist(), default=_value).encode()
    else:
        with path.open("rb") as plain:
            yield from _blocks(plain)


def _blocks(file: _Readable) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _value(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
