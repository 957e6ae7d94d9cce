"""Files that people upload to look at: each in a private folder of `ECOM_HOME`, for a while only."""

import gzip
import hashlib
import io
import re
import secrets
import shutil
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Timer
from typing import Final

from ecom_assets.errors import UsageError
from ecom_assets.privacy.sample_files import FOLDER
from ecom_assets.sources.files.formats import format_of

COPIES: Final = "copies"
"""The folder beside a sample for what is made of it."""
MAX_BYTES: Final = 10_000_000
"""The size of the largest sample; as many rows as this has say all that a mapping needs."""
MAX_UNPACKED_BYTES: Final = 100_000_000
LASTS_S: Final = 3600
"""Seconds after which a sample is removed that nobody removed."""
_BLOCK = 1 << 20


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
                f"{file_name} is of no format that is read; upload a CSV, TSV, NDJSON, JSON or Parquet file, or one of "
                "these in a .gz or .zip file."
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
        """Remove the samples of all logins that are over an hour old, as a server that has ended leaves them."""
        oldest = time.time() - LASTS_S  # the clock of the file system, too
        with suppress(OSError):
            for folder in (self.home / FOLDER).iterdir():
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, sample_id: str) -> Path:
        return self.home / FOLDER / hashlib.sha256(f"{self.owner}|{sample_id}".encode()).hexdigest()


def safe_name(name: str) -> str:
    """Return the name of a file without its folders, and without what a file system or a glob reads into it."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip("._-")[-80:] or "sample"


def _check_size(name: str, content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise UsageError(
            f"{name} is larger than {MAX_BYTES / 1e6:.0f} MB; upload a part of it, such as its first lines."
        )
    try:
        size = _unpacked_size(name, content)
    except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"{name} is damaged or encrypted, and cannot be unpacked; upload it again.") from error
    if size > MAX_UNPACKED_BYTES:
        raise UsageError(f"{name} holds more than {MAX_UNPACKED_BYTES / 1e6:.0f} MB; upload a part of it.")


def _unpacked_size(name: str, content: bytes) -> int:
    """Return how large a file is unpacked, as far as it matters."""
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    if not name.lower().endswith(".gz"):
        return len(content)
    size = 0
    with gzip.open(io.BytesIO(content)) as unpacked:
        while size <= MAX_UNPACKED_BYTES and (block := unpacked.read(_BLOCK)):
            size += len(block)
    return size
