"""Whose ad-hoc question is computed next: callers in turn, each with a bounded number of questions."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TooManyQuestionsError(Exception):
    """A caller has as many questions as one may have."""


class Turns:
    """The turns of one event loop."""

    def __init__(self, at_once: int, per_caller: int) -> None:
        """Set how many questions run at once, and how many of one caller may run or wait."""
        self._free = at_once
        self._most_running = max(1, at_once - 1)  # of one caller: a place is left for the others
        self._per_caller = per_caller
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Wait for the turn of a question of a caller; the end of the context lets the next one run.

        Raises:
            TooManyQuestionsError: The caller has too many questions that run or wait.
        """
        waiting = self._waiting.get(caller, ())
        if self._running[caller] + len(waiting) >= self._per_caller:
            raise TooManyQuestionsError
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._begin_next()
        try:
            await turn
            yield
        finally:
            self._leave(caller, turn)

    def _begin_next(self) -> None:
        for caller in list(self._waiting):
            if self._free and self._running[caller] < self._most_running:
                self._free -= 1
                self._running[caller] += 1
                self._take(caller).set_result(None)

    def _take(self, caller: str) -> asyncio.Future[None]:
        """Take the first question of a caller out of the queue, whose other questions then wait behind all others."""
        turn = self._waiting[caller].popleft()
        self._waiting.move_to_end(caller)
        self._forget_if_empty(caller)
        return turn

    def _leave(self, caller: str, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self._free += 1
            self._running[caller] -= 1
            self._running += Counter()  # drops callers without questions
            if caller in self._waiting:
                self._waiting.move_to_end(caller)
            self._begin_next()
        else:  # nobody waits for it any more
            self._waiting[caller].remove(turn)
            self._forget_if_empty(caller)

    def _forget_if_empty(self, caller: str) -> None:
        if not self._waiting[caller]:
            del self._waiting[caller]
