"""Waiting for what a service makes meanwhile, such as a report: it is asked again and again."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def polled(
    ask: Callable[[], T],
    is_over: Callable[[T], bool],
    *,
    wait_s: Callable[[int], float],
    patience_s: float,
) -> tuple[T, bool]:
    """Ask until an answer says that it is over, and return that answer, and whether it says so.

    Args:
        ask: Asks once.
        is_over: Whether an answer is the last one.
        wait_s: Returns the seconds before the next request, by how many there were.
        patience_s: The seconds after which no further request is begun.
    """
    until, asked = time.monotonic() + patience_s, 1
    while not is_over(answer := ask()):
        seconds = wait_s(asked)
        if time.monotonic() + seconds > until:
            return answer, False
        time.sleep(seconds)
        asked += 1
    return answer, True
