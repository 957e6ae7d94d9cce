"""Files that people uploaded, to look at or to load, which name a person: each is removed, with
its copies. The rows of uploads are landing files, from which the person is taken.
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
from ecom_assets.core.settings.uploaded import FOLDER as UPLOADS
from ecom_assets.ingestion.uploads.store import ORIGINALS, Uploads

FOLDER: Final = "samples"
"""The folder in `ECOM_HOME` with a folder for each sample."""
PLACES: Final = (FOLDER, f"{UPLOADS}/{ORIGINALS}")
"""The folders in `ECOM_HOME` with a folder for each file as it was sent."""
WORKBOOKS: Final = (".xls", ".xlsb", ".ods", ".xlsx", ".xlsm")
"""Files whose cells are read one by one: as they are stored, a text is in parts, or packed."""
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
    """Return the folders of samples and of uploads that name a person, or that cannot be read.

    Args:
        home: `ECOM_HOME`.
        is_in: Whether bytes name the person.
        overlap: How many bytes a name and what is beside it can have.
    """
    folders = sorted(path for place in PLACES for path in (home / place).glob("*") if path.is_dir())
    return [folder for folder in folders if _is_named(folder, is_in, overlap)]


def remove(home: Path, folder: Path) -> None:
    """Remove a sample, whose owner is asked to upload it again, or an upload as it was sent, which
    the list of uploads says.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.name == ORIGINALS:
        Uploads(home).forget_original(folder.name)


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
    elif name.endswith(WORKBOOKS):
        yield from _cells(path)
    elif name.endswith((".parquet", ".pq")):
        with pq.ParquetFile(path) as rows:
            for batch in rows.iter_batches(ROWS):
                yield json_text(batch.to_pylist(), default=_value).encode()
    else:
        with path.open("rb") as plain:
            yield from _blocks(plain)


def _cells(path: Path) -> Iterator[bytes]:
    """Yield the cells of all sheets of a workbook, hidden ones included, as JSON."""
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 (most homes have no workbook)

    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            for name in workbook.sheet_names:
                rows = workbook.get_sheet_by_name(name).to_python()
                yield json_text(rows, default=str).encode()
    except CalamineError as error:
        raise zipfile.BadZipFile(str(error)) from error  # nobody knows whom it names


def _blocks(file: _Readable) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _value(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
