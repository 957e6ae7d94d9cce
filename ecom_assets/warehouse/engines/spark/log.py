"""The log of a table in Parquet files: numbered manifests, of which the newest that is committed counts.

A slice is written into files of its own, and becomes the table's by one atomic step: a manifest that appears under the
next number. Readers see the old manifest or the new one. See docs/adr/0010.
"""

import itertools
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ecom_assets.atomic_files import create_once
from ecom_assets.errors import ConnectionLostError, WarehouseError

LOG = "_log"
TRANSACTIONS = "_transactions"
COMMITTED, ABORTED = "committed", "aborted"
KEEP_S = 24 * 3600
"""How long replaced files stay, for readers that began before: longer than any query takes."""
WHOLE = ""
"""The slice of a table that is not cut by day."""


@dataclass(frozen=True)
class Part:
    """One slice: its files, relative to the table's folder, and how many rows they hold."""

    row_count: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a table consists of: columns with Ibis types, and slices by day (YYYY-MM-DD)."""

    columns: Mapping[str, str]
    day_column: str | None
    slices: Mapping[str, Part] = field(default_factory=dict)
    transaction: str | None = None
    number: int = 0

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read a manifest.

        Raises:
            WarehouseError: It is not one.
        """
        try:
            content = json.loads(path.read_text())
            slices = {day: Part(part["row_count"], tuple(part["files"])) for day, part in content["slices"].items()}
            return cls(content["columns"], content["day_column"], slices, content["transaction"], int(path.stem))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WarehouseError(
                f"{path} is damaged; move the folder {path.parents[1]} away and materialize its table again, it is "
                "rebuilt from raw."
            ) from error

    def text(self) -> str:
        """Return it as it is stored; the number is the file's name."""
        content = {name: value for name, value in asdict(self).items() if name != "number"}
        return json.dumps(content, separators=(",", ":"))

    @property
    def files(self) -> set[str]:
        """Return every file of the table."""
        return {name for part in self.slices.values() for name in part.files}

    @property
    def row_count(self) -> int:
        """Return the rows of the whole table."""
        return sum(part.row_count for part in self.slices.values())


@dataclass(frozen=True)
class Change:
    """New slices of one table in the place of old ones; `seen` is the manifest that they were computed on."""

    log: "SliceLog"
    seen: Manifest
    days: tuple[str, ...] | None
    slices: Mapping[str, Part]

    def onto(self, newest: Manifest | None) -> Manifest:
        """Return the manifest that the change makes of the newest one.

        Raises:
            ConnectionLostError: Another writer has replaced one of these slices since; computed again it may succeed.
            WarehouseError: The table is gone.
        """
        if newest is None:
            raise WarehouseError(f"{self.log.folder} was removed while it was written; run again.")
        days = self.days if self.days is not None else tuple({*self.seen.slices, *newest.slices})
        if any(newest.slices.get(day) != self.seen.slices.get(day) for day in days):
            raise ConnectionLostError(
                f"Another run replaced the same days of {self.log.folder} meanwhile, and its rows were kept; run again "
                "when that run has ended."
            )
        kept = {} if self.days is None else {day: part for day, part in newest.slices.items() if day not in days}
        return replace(newest, slices=dict(sorted({**kept, **self.slices}.items())))


class SliceLog:
    """The manifests of one table, in `_log` of its folder."""

    def __init__(self, folder: Path, transactions: Path) -> None:
        """Take the table's folder, and the one in which transactions over several tables are marked."""
        self.folder = folder
        self._transactions = transactions
        self._newest: Manifest | None = None

    def current(self) -> Manifest | None:
        """Return the newest committed manifest, or None where the table does not exist."""
        for number in reversed(self._numbers()):
            if self._newest is not None and self._newest.number == number:
                return self._newest
            manifest = Manifest.read(self._path(number))
            if manifest.transaction is None or self._state(manifest.transaction) == COMMITTED:
                self._newest = manifest
                return manifest
        return None

    def publish(self, make: Callable[[Manifest | None], Manifest], transaction: str | None = None) -> Manifest:
        """Give the next number to what `make` makes of the current manifest (None where the table does not exist).

        `make` is asked again where another writer was faster; what it leaves as it is gets no number.
        """
        while True:
            numbers = self._numbers()
            self._abort_pending(numbers)
            newest = self.current()
            made = make(newest)
            if made is newest:
                return made
            made = replace(made, transaction=transaction, number=(numbers or [0])[-1] + 1)
            if create_once(self._path(made.number), made.text()):
                return made

    def withdraw_old(self, now_s: float | None = None) -> None:
        """Delete manifests that were replaced long ago, and files that no kept manifest names."""
        oldest_s = (time.time() if now_s is None else now_s) - KEEP_S
        numbers = self._numbers()
        kept = [n for n, successor in itertools.pairwise(numbers) if self._age(successor) >= oldest_s]
        kept += numbers[-2:]  # the newest may be of a transaction that does not come to its end
        live = set().union(*(Manifest.read(self._path(number)).files for number in set(kept)))
        for version in self.folder.glob("version=*"):
            for path in version.rglob("*"):
                is_data = path.is_file() and path.relative_to(self.folder).as_posix() not in live
                if is_data and path.stat().st_mtime < oldest_s:
                    path.unlink(missing_ok=True)
            if version.stat().st_mtime < oldest_s and not any(path.is_file() for path in version.rglob("*")):
                shutil.rmtree(version, ignore_errors=True)
        for number in set(numbers) - set(kept):
            self._path(number).unlink(missing_ok=True)

    def _age(self, number: int) -> float:
        return self._path(number).stat().st_mtime

    def _numbers(self) -> list[int]:
        with suppress(FileNotFoundError, NotADirectoryError):
            return sorted(int(name[:-5]) for name in os.listdir(self.folder / LOG) if name.endswith(".json"))  # noqa: PTH208 (asked before every query, and five times as fast)
        return []

    def _path(self, number: int) -> Path:
        return self.folder / LOG / f"{number:010}.json"

    def _state(self, transaction: str) -> str | None:
        with suppress(FileNotFoundError):
            return (self._transactions / transaction).read_text()
        return None

    def _abort_pending(self, numbers: list[int]) -> None:
        """See that no manifest above the current one can still become it: its writer died, or must begin again."""
        for number in reversed(numbers):
            transaction = Manifest.read(self._path(number)).transaction
            if transaction is None or self._state(transaction) == COMMITTED:
                return
            create_once(self._transactions / transaction, ABORTED)


def commit(changes: list[Change], transactions: Path) -> None:
    """Make all changes the tables' own, or none.

    Raises:
        ConnectionLostError: Another writer has replaced the same slices; nothing was changed.
    """
    if len(changes) <= 1:
        for change in changes:
            change.log.publish(change.onto)
        return
    transaction = uuid.uuid4().hex
    try:
        for change in changes:
            change.log.publish(change.onto, transaction)
        done = create_once(transactions / transaction, COMMITTED)
    except BaseException:
        create_once(transactions / transaction, ABORTED)
        raise
    if not done:
        raise ConnectionLostError("Another run wrote the same tables meanwhile, and nothing was changed; run again.")
