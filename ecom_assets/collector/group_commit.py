"""Group commit: one thread appends what requests bring, and one flush makes it durable for all that wait."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ecom_assets.collector.segments import SegmentEntry

RECENT_S: Final = 10.0
"""Seconds for which a failure of the disk makes the process unhealthy: then a proxy may try it again."""


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

    def resolve(self, error: OSError | None) -> None:
        if self.answer.done():  # its request was cancelled
            return
        if error is None:
            self.answer.set_result(None)
        else:
            self.answer.set_exception(error)


class GroupCommit:
    """Takes entries from an event loop, and answers when they are on disk."""

    def __init__(self, append: Callable[[Sequence[SegmentEntry]], None], most_waiting_bytes: int) -> None:
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
                raise OverloadError("queue_full", "More events wait for the disk than may; send these again later.")
            self._waiting.append(waiting)
            self.waiting_bytes += size
            self._changed.notify()
        try:
            await waiting.answer
        except OSError as error:
            message = "The events could not be written to disk, and none was taken; send them again later."
            raise OverloadError("disk", message) from error

    def recent_error(self) -> str:
        """Return why the disk took nothing in the last seconds; empty if it did, or nothing was tried."""
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
        waiting.resolve(error)
