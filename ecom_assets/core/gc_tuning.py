"""When Python's garbage collector runs."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NEW_OBJECTS = 50_000
"""New objects that trigger a collection of the youngest generation; Python's default is 700."""
YOUNG_ROUNDS, OLD_ROUNDS = 20, 100
"""Collections of the youngest generation per collection of the middle one,
and of the middle one per full one.
"""

MANY_MODULES = 100
"""Modules that are worth keeping the collector off; a process loads as many once or twice."""


def collect_rarely() -> None:
    """Make the garbage collector of this process run less often.

    Compiling expressions to SQL creates and drops millions of small objects, few of them in
    reference cycles. With Python's default thresholds, collection takes up to an eighth of a run's
    CPU time. These thresholds cost 10 MB of memory instead.
    """
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep the garbage collector off while modules are imported, and off what they made,
    which stays to the end.

    Dagster, Ibis and their packages are a million objects. Looking at them again and again took a
    tenth of the CPU time of a run over one day.
    """
    module_count = len(sys.modules)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > module_count + MANY_MODULES:
            gc.freeze()
        if was_enabled:
            gc.enable()
