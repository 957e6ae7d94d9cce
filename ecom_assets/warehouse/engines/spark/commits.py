"""Commits to the tables of one folder: one at a time, and a change of several tables whole or not at all.

A commit of Delta's is of one table. What changes several is written down first, in one file, and counts from then on:
the next process that comes to a table, to read or to write, finishes it. See docs/adr/0022.
"""

import contextlib
import fcntl
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecom_assets.atomic_files import replacing_text
from ecom_assets.errors import WarehouseError
from ecom_assets.warehouse.engines.spark.log import Change, DataFile, Slices, TableLog

TRANSACTIONS = "_transactions"
PENDING = "pending.json"
PATIENCE_S = 60.0
"""How long to wait for another commit, which takes milliseconds."""
LOOK_S = 0.005


class Commits:
    """The commits of one folder of tables."""

    def __init__(self, root: Path) -> None:
        """Take the folder of all tables."""
        self._root = root
        self._folder = root / TRANSACTIONS
        self._pending = self._folder / PENDING

    def commit(self, changes: list[Change]) -> None:
        """Make all changes the tables' own, or none.

        Raises:
            ConnectionLostError: Another writer has replaced the same slices; nothing was changed.
        """
        if not changes:
            return
        with self.alone():
            if len(changes) == 1:
                changes[0].log.put(changes[0])
                return
            for change in changes:
                change.require_untouched(change.log.existing())
            with replacing_text(self._pending) as file:
                json.dump([self._written_down(change) for change in changes], file)
            with self._decided():
                self._finish()

    def settle(self) -> None:
        """Finish the commits of a process that died, or wait for a process that is committing."""
        if self._pending.exists():
            with self.alone():
                pass

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Prevent other processes from committing; pending commits are finished first.

        Raises:
            WarehouseError: Another process does not end its commit.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as file:
            deadline = time.monotonic() + PATIENCE_S
            while not _is_locked(file.fileno()):
                if time.monotonic() > deadline:
                    raise WarehouseError(
                        f"{self._root} is in use by another commit for {PATIENCE_S:.0f} s; end the process that holds "
                        f"{self._folder / 'lock'}."
                    )
                time.sleep(LOOK_S)
            self._finish()
            yield

    def _finish(self) -> None:
        """Apply a decided commit to each table; this is idempotent."""
        if not self._pending.exists():
            return
        for one in json.loads(self._pending.read_text()):
            log = TableLog(self._root / one["table"])
            seen = log.current()
            if seen is not None:  # else it was dropped since
                days = None if one["days"] is None else tuple(one["days"])
                log.put(Change(log, seen, days, _slices(one["slices"])), is_decided=True)
        self._pending.unlink()

    @contextlib.contextmanager
    def _decided(self) -> Iterator[None]:
        try:
            yield
        except (OSError, WarehouseError) as error:
            raise WarehouseError(
                f"A change of several tables of {self._root} counts, but could not be finished ({error}); the next "
                "command finishes it."
            ) from error

    def _written_down(self, change: Change) -> dict[str, Any]:
        slices = {day: [asdict(file) for file in files] for day, files in change.slices.items()}
        table = change.log.folder.relative_to(self._root).as_posix()
        return {"table": table, "days": change.days, "slices": slices}


def _slices(written: dict[str, list[dict[str, Any]]]) -> Slices:
    return {day: tuple(DataFile(**file) for file in files) for day, files in written.items()}


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
