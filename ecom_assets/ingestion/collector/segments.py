"""Segments: the files of one process that make events durable before they are landing files.

    <home>/collector/<process id>.lock
    <home>/collector/received_date=2026-11-24/<process id>-7.segment.ndjson

A segment holds lines of one day of arrival and one layout, and is only ever appended to. The holder
of the lock of a process may seal its segments: the process itself, or, once it is dead, the next
process that looks.

Group commit: one thread appends what requests bring, and one flush makes it durable for all that
wait.
"""

import asyncio
import math
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import uuid4

from ecom_assets.core.atomic_files import sync_folder
from ecom_assets.core.file_lock import try_lock
from ecom_assets.ingestion.sources.landing import collector_file_name, day_folder, make_folder

SUFFIX: Final = ".ndjson"


def segments_folder(home: Path) -> Path:
    """Return the folder in `ECOM_HOME` with the segments."""
    return home / "collector"


def unsealed_bytes(folder: Path) -> int:
    """Return the bytes of all segments: what was acknowledged and has not landed yet,
    by living and dead processes.
    """
    result = 0
    for path in folder.glob(f"*/*{SUFFIX}"):
        with suppress(FileNotFoundError):  # it has been sealed meanwhile
            result += path.stat().st_size
    return result


class SegmentLayout(StrEnum):
    """What the lines of a segment are."""

    NATIVE = "ecommerce"
    SEGMENT = "segment"
    REFUSED = "refused"


@dataclass(frozen=True)
class SegmentEntry:
    """Whole lines of one layout that arrived on one day."""

    day: date
    layout: SegmentLayout
    lines: bytes


@dataclass(frozen=True)
class SegmentFile:
    """A segment that is no longer appended to; of it, the first `size` bytes count."""

    path: Path
    size: int

    @property
    def day(self) -> date:
        """Return the day on which its events arrived."""
        return date.fromisoformat(self.path.parent.name.partition("=")[2])

    @property
    def layout(self) -> SegmentLayout:
        """Return what its lines are."""
        return SegmentLayout(self.path.name.removesuffix(SUFFIX).rpartition(".")[2])

    @property
    def landing_name(self) -> str:
        """Return the name of the landing file that it becomes, whichever process seals it,
        and however often.
        """
        process_id, _, number = self.path.name.partition(".")[0].rpartition("-")
        return collector_file_name(process_id, int(number))

    def cut(self) -> None:
        """Remove what does not count: the rest of a group that was never acknowledged."""
        if self.path.stat().st_size > self.size:
            os.truncate(self.path, self.size)


@dataclass
class _OpenSegment:
    path: Path
    handle: int
    durable_bytes: int = 0

    def append(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self.handle, rest) :]

    def closed(self) -> SegmentFile:
        os.close(self.handle)
        return SegmentFile(self.path, self.durable_bytes)


class SegmentWriter:
    """The segments of this process. One thread may append while another takes what is finished."""

    def __init__(self, folder: Path) -> None:
        """Take a new process id, and hold its lock until `close`."""
        self.folder = folder
        self.process_id = uuid4().hex
        self._number = 0
        self._open: dict[tuple[date, SegmentLayout], _OpenSegment] = {}
        self._finished: list[SegmentFile] = []
        self._changing = threading.Lock()
        make_folder(folder)
        self._lock_handle = _new_lock(folder, self.process_id)

    def append(self, entries: Sequence[SegmentEntry]) -> None:
        """Append entries, and return when they are on disk.

        Raises:
            OSError: They are not; nothing of them counts.
        """
        by_segment: dict[tuple[date, SegmentLayout], list[bytes]] = {}
        for entry in entries:
            by_segment.setdefault((entry.day, entry.layout), []).append(entry.lines)
        with self._changing:
            try:
                written = {
                    key: self._appended(key, b"".join(parts)) for key, parts in by_segment.items()
                }
                for segment in written.values():
                    os.fdatasync(segment.handle)
            except OSError:
                # After a failed flush the kernel may forget what it could not write, so these files
                # are not used again.
                for key in by_segment:
                    self._finish(key)
                raise
            for key, segment in written.items():
                segment.durable_bytes += sum(map(len, by_segment[key]))

    def finished(self) -> list[SegmentFile]:
        """Return the segments with events since the last call;
        what comes from now on goes into new ones.
        """
        with self._changing:
            for key in list(self._open):
                self._finish(key)
            result, self._finished = self._finished, []
        return result

    def close(self) -> None:
        """Free the lock, so that others may seal what is left."""
        with suppress(OSError):
            _lock_path(self.folder, self.process_id).unlink()
        os.close(self._lock_handle)

    def _appended(self, key: tuple[date, SegmentLayout], lines: bytes) -> _OpenSegment:
        segment = self._open.get(key) or self._create(key)
        segment.append(lines)
        return segment

    def _create(self, key: tuple[date, SegmentLayout]) -> _OpenSegment:
        day, layout = key
        self._number += 1
        path = day_folder(self.folder, day) / f"{self.process_id}-{self._number}.{layout}{SUFFIX}"
        make_folder(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._open[key] = segment = _OpenSegment(path, handle)
        sync_folder(path.parent)
        return segment

    def _finish(self, key: tuple[date, SegmentLayout]) -> None:
        if (segment := self._open.pop(key, None)) is not None:
            self._finished.append(segment.closed())


@contextmanager
def segments_of_the_dead(folder: Path, own_id: str) -> Iterator[list[SegmentFile]]:
    """Yield the segments that processes left which no longer run,
    and keep others from sealing them meanwhile.
    """
    paths: dict[str, list[Path]] = {}
    for path in sorted(folder.glob(f"*/*{SUFFIX}")):
        paths.setdefault(path.name.rpartition("-")[0], []).append(path)
    dead = {name: _taken_lock(folder, name) for name in paths if name != own_id}
    try:
        abandoned = [name for name, handle in dead.items() if handle is not None]
        yield [
            SegmentFile(path, _whole_lines(path))
            for name in abandoned
            for path in paths[name]
            if path.exists()
        ]
        for name in abandoned:
            if not any(path.exists() for path in paths[name]):
                _lock_path(folder, name).unlink(missing_ok=True)
    finally:
        for handle in dead.values():
            if handle is not None:
                os.close(handle)


def _lock_path(folder: Path, process_id: str) -> Path:
    return folder / f"{process_id}.lock"


def _new_lock(folder: Path, process_id: str) -> int:
    """Create a lock that is held from the moment at which it has its name."""
    fresh = folder / f".{process_id}.lock.part"
    handle = os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600)
    try_lock(handle)
    fresh.rename(_lock_path(folder, process_id))
    return handle


def _taken_lock(folder: Path, process_id: str) -> int | None:
    """Return the lock of a process that no longer runs; None if it runs."""
    handle = os.open(_lock_path(folder, process_id), os.O_CREAT | os.O_RDWR, 0o600)
    if try_lock(handle):
        return handle
    os.close(handle)
    return None


def _whole_lines(path: Path) -> int:
    """Return the length of a file up to its last whole line; a torn one was never acknowledged."""
    if not path.stat().st_size:  # nothing can be mapped
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.rfind(b"\n") + 1


RECENT_S: Final = 10.0
"""Seconds for which a failure of the disk makes the process unhealthy:
then a proxy may try it again.
"""


class OverloadError(Exception):
    """Events cannot be taken now, and none of the request was; `reason` is a word for metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class _Waiting:
    entries: Sequence[SegmentEntry]
    size: int
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[None]"


class GroupCommit:
    """Takes entries from an event loop, and answers when they are on disk."""

    def __init__(
        self, append: Callable[[Sequence[SegmentEntry]], None], most_waiting_bytes: int
    ) -> None:
        """Set what makes entries durable, and how many bytes may wait for it."""
        self._append = append
        self._most_waiting_bytes = most_waiting_bytes
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._is_over = False
        self.waiting_bytes = 0
        self.last_error = ""
        self._failed_at = -math.inf
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def commit(self, entries: Sequence[SegmentEntry]) -> None:
        """Return when entries are durable.

        Raises:
            OverloadError: Too much waits already, or the disk takes nothing.
        """
        size = sum(len(entry.lines) for entry in entries)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(entries, size, loop, loop.create_future())
        with self._changed:
            if self._is_over or self.waiting_bytes + size > self._most_waiting_bytes:
                raise OverloadError(
                    "queue_full", "More events wait for the disk than may; send these again later."
                )
            self._waiting.append(waiting)
            self.waiting_bytes += size
            self._changed.notify()
        try:
            await waiting.answer
        except OSError as error:
            message = (
                "The events could not be written to disk, and none was taken; send them again "
                "later."
            )
            raise OverloadError("disk", message) from error

    def recent_error(self) -> str:
        """Return why the disk took nothing in the last seconds; empty if it did,
        or nothing was tried.
        """
        return self.last_error if time.monotonic() - self._failed_at < RECENT_S else ""

    def close(self) -> None:
        """Make durable what waits, and end the thread."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            error: OSError | None = None
            try:
                self._append([entry for waiting in group for entry in waiting.entries])
            except OSError as failed:
                error = failed
                self.last_error, self._failed_at = str(failed), time.monotonic()
            with self._changed:
                self.waiting_bytes -= sum(waiting.size for waiting in group)
            group[0].loop.call_soon_threadsafe(_resolve, group, error)

    def _next_group(self) -> list[_Waiting]:
        """Return all that waits; nothing once the end has come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            group, self._waiting = self._waiting, []
        return group


def _resolve(group: Sequence[_Waiting], error: OSError | None) -> None:
    for waiting in group:
        if waiting.answer.done():  # its request was cancelled
            continue
        if error is None:
            waiting.answer.set_result(None)
        else:
            waiting.answer.set_exception(error)
