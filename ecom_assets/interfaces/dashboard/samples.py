"""Files that people upload to look at: each in a private folder of `ECOM_HOME`,
for a while only.
"""

import codecs
import gzip
import hashlib
import io
import re
import secrets
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Timer
from typing import Final

import pyarrow.parquet as pq
from pyarrow import ArrowInvalid

from ecom_assets.core.errors import UsageError
from ecom_assets.ingestion.sources.files.formats import format_of
from ecom_assets.orchestration.privacy.sample_files import FOLDER

COPIES: Final = "copies"
"""The folder beside a sample for what is made of it."""
MAX_BYTES: Final = 10_000_000
"""The size of the largest sample; as many rows as this has say all that a mapping needs."""
MAX_UNPACKED_BYTES: Final = 100_000_000
LASTS_S: Final = 3600
"""Seconds after which a sample is removed that nobody removed."""
MOST_ROWS: Final = 1_000_000
"""Rows of a Parquet sample, by its footer."""
MOST_ENTRIES: Final = 100
"""Files in a zip archive."""
MOST_NAMES: Final = 800
"""Columns, or different keys of objects;
the statements that try mappings take fewer than a thousand.
"""
PARQUET: Final = (".parquet", ".pq")
_BLOCK = 1 << 20
_ENTRY_MARK: Final = b"PK\x01\x02"
_BLANKS: Final = b"\xef\xbb\xbf \t\r\n"
_STRINGS: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*+:)?', re.DOTALL)
"""The strings of JSON, and whether each is a key."""


@dataclass(frozen=True)
class Samples:
    """The samples of a login: `owner` is its secret, without which no other login finds them."""

    home: Path
    owner: str = ""

    def add(self, name: str, content: bytes) -> str:
        """Keep a file, and return the id by which its owner finds it.

        Raises:
            UsageError: It is empty, too large, or of no format that is read.
        """
        self.remove_old()
        file_name = safe_name(name)
        if format_of(Path(file_name))[0] is None:
            raise UsageError(
                f"{file_name} has a format that is not read; upload a CSV, TSV, NDJSON, JSON or "
                "Parquet file, or one of these in a .gz or .zip file."
            )
        if not content:
            raise UsageError("The file is empty; upload one with some rows.")
        _check_size(file_name, content)
        sample_id = secrets.token_hex(16)
        folder = self._folder(sample_id)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        (folder / COPIES).mkdir()
        (folder / file_name).write_bytes(content)
        timer = Timer(LASTS_S, self.remove, [sample_id])
        timer.daemon = True
        timer.start()
        return sample_id

    def path(self, sample_id: str) -> Path:
        """Return a sample's file.

        Raises:
            UsageError: There is none of this id, or it is of another login.
        """
        with suppress(OSError):
            for path in self._folder(sample_id).iterdir():
                if path.is_file():
                    return path
        raise UsageError("This sample is not there any more; upload the file again.")

    def remove(self, sample_id: str) -> None:
        """Remove a sample with all that was made of it."""
        shutil.rmtree(self._folder(sample_id), ignore_errors=True)

    def remove_old(self) -> None:
        """Remove the samples of all logins that are over an hour old,
        as a server that has ended leaves them.
        """
        oldest = time.time() - LASTS_S  # the clock of the file system, too
        with suppress(OSError):
            for folder in (self.home / FOLDER).iterdir():
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, sample_id: str) -> Path:
        return self.home / FOLDER / hashlib.sha256(f"{self.owner}|{sample_id}".encode()).hexdigest()


def safe_name(name: str) -> str:
    """Return the name of a file without its folders,
    and without what a file system or a glob reads into it.
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip("._-")[-80:] or "sample"


def _check_size(name: str, content: bytes) -> None:
    """Raise if reading a file would take much memory or many files;
    only its bytes and its footer are looked at.
    """
    if len(content) > MAX_BYTES:
        raise UsageError(
            f"{name} is larger than {MAX_BYTES / 1e6:.0f} MB; upload a part of it, such as its "
            "first lines."
        )
    try:
        size = sum(_sizes(name, content))
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        zlib.error,
        ArrowInvalid,
    ) as error:
        raise UsageError(
            f"{name} is damaged or encrypted, and cannot be unpacked; upload it again."
        ) from error
    if size > MAX_UNPACKED_BYTES:
        raise _too_large(name)


def _too_large(name: str) -> UsageError:
    return UsageError(
        f"{name} holds more than {MAX_UNPACKED_BYTES / 1e6:.0f} MB; upload a part of it."
    )


def _sizes(name: str, content: bytes) -> Iterator[int]:
    """Yield how large the files in a file are when they are unpacked,
    after each is checked against the bounds.

    Raises:
        UsageError: A file has too many rows, columns, keys or files.
    """
    ending = name.lower()
    if ending.endswith(".zip"):
        yield from _sizes_in_zip(name, content)
    elif ending.endswith(PARQUET):
        yield _size_of_parquet(name, content)
    else:
        text = _unpacked(name, content) if ending.endswith(".gz") else content
        _check_names(name, text)
        yield len(text)


def _sizes_in_zip(name: str, content: bytes) -> Iterator[int]:
    # Counted by their marks, since reading the directory of very many entries takes memory itself.
    if content.count(_ENTRY_MARK) > MOST_ENTRIES:
        raise UsageError(f"{name} holds more than {MOST_ENTRIES} files; upload one of them.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
            raise _too_large(name)
        for entry in entries:
            if not entry.filename.lower().endswith(
                ".zip"
            ):  # an archive inside another is refused when it is read
                yield from _sizes(entry.filename, archive.read(entry))


def _size_of_parquet(name: str, content: bytes) -> int:
    """Return what the footer says:
    a few kilobytes of pages can hold hundreds of millions of equal rows.
    """
    footer = pq.read_metadata(io.BytesIO(content))
    if footer.num_rows > MOST_ROWS:
        raise UsageError(
            f"{name} has {footer.num_rows:,} rows, and a sample may have {MOST_ROWS:,}; upload a "
            "part of it."
        )
    if footer.num_columns > MOST_NAMES:
        raise _too_many_names(name)
    return sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))


def _unpacked(name: str, content: bytes) -> bytes:
    parts = []
    size = 0
    with gzip.open(io.BytesIO(content)) as unpacked:
        while block := unpacked.read(_BLOCK):
            parts.append(block)
            size += len(block)
            if size > MAX_UNPACKED_BYTES:
                raise _too_large(name)
    return b"".join(parts)


def _check_names(name: str, text: bytes) -> None:
    """Raise if a text file has too many columns: delimiters in its first line,
    or different keys of its objects.
    """
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = text.decode("utf-16", "replace").encode()
    first_line = text[: text.find(b"\n") if b"\n" in text else len(text)]
    if not text.lstrip(_BLANKS).startswith((b"{", b"[")):
        if (
            max(first_line.count(delimiter) for delimiter in (b",", b";", b"\t", b"|"))
            >= MOST_NAMES
        ):
            raise _too_many_names(name)
        return
    keys = set()
    for match in _STRINGS.finditer(text):
        if match[2] is not None:
            keys.add(match[1])
            if len(keys) > MOST_NAMES:
                raise _too_many_names(name)


def _too_many_names(name: str) -> UsageError:
    return UsageError(
        f"{name} has more than {MOST_NAMES:,} columns or different keys; upload one with the "
        "columns of a row, such as a list of values instead of an object by id."
    )
