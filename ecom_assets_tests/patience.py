"""How long tests wait for what is about to happen, however busy the machine is."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 300.0
"""Seconds until a test gives up. A wait ends when what it waits for is there, so this is the time
of a test whose process hangs; beside eight others a server takes ten times as long to begin."""
_SHORTEST_S, _LONGEST_S, _SHARE = 0.01, 0.5, 0.1


def wait_until(is_so: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait for something that is about to happen, and look the less often the longer it takes: a
    look may be a page, which takes its time from what is waited for.
    """
    began = time.monotonic()
    while not is_so():
        waited = time.monotonic() - began
        assert waited < patience_s, "it did not happen"
        time.sleep(min(max(_SHORTEST_S, waited * _SHARE), _LONGEST_S))
