"""What the check of all rows of Parquet files said, kept until a file changes, so that it is done once."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from ecom_assets.clock import now_utc
from ecom_assets.events import clean
from ecom_assets.sources.files.formats import InputFile
from ecom_assets.warehouse.sql_text import STATEMENTS, key_of

TICK: Final = timedelta(seconds=1)
"""Longer than the clock of any usual file system stands still."""


@dataclass(frozen=True)
class CheckedRows:
    """The result of checking all rows: their number, the rejected ones by reason, and what some of the others need.

    `has_anonymous`: some clean rows have no user. `has_repeated`: the hashes of some ids of clean rows repeat, which
    the table `REPEATED_HASHES` has. `has_escaped`: the visitors of some users are not called as these.
    """

    read: int
    rejected: dict[str, int]
    surplus: int
    has_anonymous: bool
    has_repeated: bool
    has_escaped: bool

    @property
    def has_special(self) -> bool:
        """Whether there are events without a user, or with an id that may repeat."""
        return self.has_anonymous or self.has_repeated


@dataclass(frozen=True)
class KeptCheck:
    """Where the check of files is kept: by the files, and by all that decides what it says of them."""

    key: bytes
    placed_at: datetime

    @classmethod
    def of_files(cls, files: list[InputFile], *read_by: object) -> "KeptCheck":
        """Return that of files as they are now; `repr` of `read_by` says how they are read and checked."""
        found = [(file.path, file.size, file.modified_at, file.placed_at) for file in files]
        return cls(key_of(_source_digest(), found, *read_by), max(file.placed_at for file in files))

    def read(self) -> CheckedRows | None:
        """Return what an earlier check said; None if there was none, or a file has changed since."""
        kept = STATEMENTS.read(self.key)
        return CheckedRows(**json.loads(kept)) if kept else None

    def keep(self, checked: CheckedRows | None) -> None:
        """Keep what a check said, if another one can do without it."""
        # The table of repeated hashes must be made again; and a file may be written twice within a tick.
        if checked and not checked.has_repeated and self.placed_at < now_utc() - TICK:
            STATEMENTS.keep(self.key, json.dumps(asdict(checked)))


@cache
def _source_digest() -> str:
    """Return what any edit of the definitions of cleaning changes, so that no check by earlier ones is taken."""
    sources = (Path(file).read_bytes() for file in (str(Path(__file__).with_name("coded_events.py")), clean.__file__))
    return blake2b(b"".join(sources), digest_size=8).hexdigest()
