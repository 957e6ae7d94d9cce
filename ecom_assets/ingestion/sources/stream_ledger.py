"""How far a stream has been read: a small ledger per topic id and partition,
beside the landing folder.

The file of a range is published first, and the ledger follows, so it may lack one file. `settled`
brings it up to date. Compaction, retention and erasure free the names of files; they leave a file
alone that the ledger lacks.

A partition is to be read from the end of its files and ledger on, whatever the brokers have noted.
"""

import json
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ecom_assets.core.atomic_files import replacing_text
from ecom_assets.core.errors import SourceError, WorkError
from ecom_assets.core.file_lock import file_lock
from ecom_assets.core.json_text import json_text
from ecom_assets.ingestion.sources.landing import (
    NEXT_OFFSET,
    TOPIC,
    footer_of,
    make_folder,
    stream_file_name,
)

NOTED_S: Final = 60.0
"""How long a process counts as running after its last note; it notes its state every few seconds.
"""
LANDING_FOLDERS: Final = "received_date=*"
_NAME: Final = re.compile(r"kafka-(?P<topic_id>.+)-(?P<partition>\d+)-(?P<start>\d{20})\.parquet")


@dataclass(frozen=True)
class LedgerEntry:
    """What a ledger says: the next offset to read,
    and the half-open ranges that the broker deleted unread.
    """

    topic: str
    next_offset: int
    lost: tuple[tuple[int, int], ...] = ()

    @property
    def lost_count(self) -> int:
        """Return how many offsets were lost."""
        return sum(end - start for start, end in self.lost)

    def after_loss(self, low: int) -> "LedgerEntry":
        """Return the entry that goes on where the broker's messages begin."""
        return replace(self, next_offset=low, lost=(*self.lost, (self.next_offset, low)))


def ledger_folder(landing: Path) -> Path:
    """Return where the ledgers of a landing folder are kept: beside it,
    where no source of events looks.
    """
    return landing.with_name(f"{landing.name}_stream")


@dataclass(frozen=True)
class PartitionLedger:
    """The ledger of a partition of one landing folder."""

    landing: Path
    topic_id: str
    partition: int

    @property
    def path(self) -> Path:
        """Return the ledger's file."""
        return ledger_folder(self.landing) / f"{self.topic_id}-{self.partition}.json"

    def locked(self, patience_s: float = 0.0) -> AbstractContextManager[None]:
        """Hold the partition's lock; wait for it at most `patience_s`.

        Raises:
            WorkError: Another process holds it, such as one that was paused while it published.
        """
        make_folder(self.path.parent)
        busy = WorkError(
            f"Another process publishes partition {self.partition} of topic id {self.topic_id}; "
            "end it if it hangs."
        )
        return file_lock(self.path.with_suffix(".lock"), patience_s, busy)

    def read(self) -> LedgerEntry | None:
        """Return the entry; None if nothing was noted yet.

        Raises:
            SourceError: The file is damaged.
        """
        try:
            values: dict[str, Any] = json.loads(self.path.read_bytes())
            lost = tuple((int(start), int(end)) for start, end in values["lost"])
            return LedgerEntry(values["topic"], int(values["next_offset"]), lost)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{self.path} says how far a stream was read and cannot be read; remove it while "
                "its files are not yet compacted, or restore it from a backup"
            ) from error

    def write(self, entry: LedgerEntry) -> None:
        """Replace the entry durably; the caller holds the lock."""
        values = {"topic": entry.topic, "next_offset": entry.next_offset, "lost": entry.lost}
        make_folder(self.path.parent)
        with replacing_text(self.path) as file:
            file.write(json_text(values))

    def settled(self) -> LedgerEntry | None:
        """Return the entry after every published file, and note it; the caller holds the lock.

        None means that nothing was read yet.
        """
        noted = self.read()
        entry = noted or self._from_files()
        while entry and (path := self._file_from(entry.next_offset)):
            entry = replace(entry, next_offset=int(footer_of(path)[NEXT_OFFSET]))
        if entry and entry != noted:
            self.write(entry)
        return entry

    def _from_files(self) -> LedgerEntry | None:
        """Return where the files end; for a ledger that was removed,
        or a writer that keeps none.
        """
        names = self.landing.glob(
            f"{LANDING_FOLDERS}/kafka-{self.topic_id}-{self.partition}-*.parquet"
        )
        footers = [footer for footer in map(_footer, names) if NEXT_OFFSET in footer]
        ends = [LedgerEntry(footer.get(TOPIC, ""), int(footer[NEXT_OFFSET])) for footer in footers]
        return max(ends, key=lambda entry: entry.next_offset, default=None)

    def _file_from(self, start_offset: int) -> Path | None:
        name = stream_file_name(self.topic_id, self.partition, start_offset)
        return next(iter(self.landing.glob(f"{LANDING_FOLDERS}/{name}")), None)


def is_settled(name: str, entries: Mapping[PartitionLedger, LedgerEntry], landing: Path) -> bool:
    """Return whether the name of a landing file may be freed: its ledger has passed it,
    or it is not of a stream.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return True
    entry = entries.get(PartitionLedger(landing, match["topic_id"], int(match["partition"])))
    return entry is None or entry.next_offset > int(match["start"])


def ledgers(landing: Path) -> dict[PartitionLedger, LedgerEntry]:
    """Return all ledgers of a landing folder with their entries."""
    entries = {}
    for path in sorted(ledger_folder(landing).glob("*.json")):
        topic_id, _, partition = path.stem.rpartition("-")
        if topic_id and partition.isdecimal():
            ledger = PartitionLedger(landing, topic_id, int(partition))
            if entry := ledger.read():
                entries[ledger] = entry
    return entries


def settle_ledgers(landing: Path) -> None:
    """Bring all ledgers of a landing folder up to date; one that a running stream holds,
    that stream does.
    """
    names = (
        _NAME.fullmatch(path.name) for path in landing.glob(f"{LANDING_FOLDERS}/kafka-*.parquet")
    )
    ledgers_of_files = {
        PartitionLedger(landing, name["topic_id"], int(name["partition"])) for name in names if name
    }
    for ledger in ledgers_of_files | set(ledgers(landing)):
        with suppress(WorkError), ledger.locked():
            ledger.settled()


def note_process(landing: Path, state: Mapping[str, Any]) -> Path:
    """Note what a process of `ecom stream` does now, and return the file;
    files of processes that died go.
    """
    folder = ledger_folder(landing)
    make_folder(folder)
    path = folder / f"process-{state['process']}.state"
    with replacing_text(path) as file:
        file.write(json_text(state))
    for other in folder.glob("process-*.state"):
        with suppress(FileNotFoundError):
            if time.time() - other.stat().st_mtime > NOTED_S:
                other.unlink()
    return path


def noted_processes(landing: Path) -> list[dict[str, Any]]:
    """Return the states of the processes of `ecom stream` that run."""
    states = []
    for path in sorted(ledger_folder(landing).glob("process-*.state")):
        with suppress(FileNotFoundError, ValueError):
            state = json.loads(path.read_bytes())
            if time.time() - state["at"] <= NOTED_S:
                states.append(state)
    return states


def _footer(path: Path) -> dict[str, str]:
    try:
        return footer_of(path)
    except (OSError, pa.ArrowException):  # the reader of its rows names it
        return {}


def noted_topic_id(landing: Path, topic: str) -> str | None:
    """Return the id under which a topic was read before."""
    with suppress(FileNotFoundError):
        return (ledger_folder(landing) / f"{topic}.topic").read_text(encoding="ascii").strip()
    return None


def note_topic_id(landing: Path, topic: str, topic_id: str) -> None:
    """Note the id under which a topic is read from now on."""
    folder = ledger_folder(landing)
    make_folder(folder)
    with replacing_text(folder / f"{topic}.topic") as file:
        file.write(topic_id)


ASSIGN_PATIENCE_S: Final = 240.0
"""Below the five minutes after which the group gives the partitions to others."""


def begin_partition(
    ledger: PartitionLedger,
    topic: str,
    watermarks: tuple[int, int],
    start: str,
    *,
    accepts_reset: bool,
) -> LedgerEntry:
    """Return where a partition is to be read from, and note what retention has deleted before.

    Args:
        ledger: The partition's ledger.
        topic: The name of its topic.
        watermarks: The first offset that the brokers have, and the one after the last.
        start: Where to begin what was never read: `earliest` or `latest`.
        accepts_reset: Whether a partition that lost its end is read from its new end on.

    Raises:
        SourceError: The partition lost its end.
    """
    low, high = watermarks
    with ledger.locked(ASSIGN_PATIENCE_S):
        entry = noted = ledger.settled()
        if entry is None:
            entry = LedgerEntry(topic, low if start == "earliest" else high)
        if entry.next_offset < low:
            import structlog  # noqa: PLC0415 (loads rich and pygments, which every run would pay for)

            structlog.get_logger(__name__).error(
                "messages_lost",
                partition=f"{topic}/{ledger.partition}",
                first=entry.next_offset,
                end=low,
            )
            entry = entry.after_loss(low)
        if entry.next_offset > high and accepts_reset:
            entry = LedgerEntry(topic, high, entry.lost)
        if entry != noted:
            ledger.write(entry)
        if entry.next_offset > high:
            raise SourceError(
                f"{topic}/{ledger.partition} ends at offset {high}, but was read up to "
                f"{entry.next_offset}: it lost its end; if what the brokers have now is right, "
                "run `ecom stream --accept-reset` once."
            )
    return entry
