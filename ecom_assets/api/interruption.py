"""Ending what the store still works on for an answer that nobody waits for any more.

A thread cannot be stopped, but what it asked of an engine can. An engine forgets an interruption that comes between
two questions, so whoever interrupts does it again until the work has ended.

Not here: when an answer is given up (`bounds.py`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from ecom_assets.api.store import QuestionTooLargeError

IN_SCOPE: Final = "ecom_assets.interruption"
"""Where a request carries its interruption, so that its routes find it."""
AGAIN_AFTER_S: Final = 0.05


class Interruption:
    """What one request has under way in an engine, and whether it is to end."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._lock = threading.Lock()
        self._under_way: list[Callable[[], object]] = []
        self.is_over = False

    @contextmanager
    def during(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """Let what happens inside be ended by calling `interrupt` from another thread.

        Raises:
            QuestionTooLargeError: The time is over before it begins.
        """
        with self._lock:
            if self.is_over:
                raise QuestionTooLargeError("The time of the answer is over; ask for fewer days or fewer steps.")
            self._under_way.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(interrupt)

    def end(self) -> None:
        """Interrupt what is under way, and let nothing begin."""
        with self._lock:
            self.is_over = True
            for interrupt in self._under_way:
                # An engine that has just ended, or lost its connection, has nothing to interrupt.
                with suppress(Exception):
                    interrupt()


@contextmanager
def ended_after(seconds: float, interrupt: Callable[[], object]) -> Iterator[None]:
    """Interrupt what happens inside once it takes longer, however many questions it consists of."""
    is_done = threading.Event()

    def watch() -> None:
        wait_s = seconds
        while not is_done.wait(wait_s):
            interrupt()
            wait_s = AGAIN_AFTER_S

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_done.set()
        watching.join()
