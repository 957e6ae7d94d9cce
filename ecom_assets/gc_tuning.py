"""Thresholds of Python's garbage collector."""

import gc

NEW_OBJECTS = 50_000
"""New objects that trigger a collection of the youngest generation; Python's default is 700."""
YOUNG_ROUNDS, OLD_ROUNDS = 20, 100
"""Collections of the youngest generation per collection of the middle one, and of the middle one per full one."""


def collect_rarely() -> None:
    """Make the garbage collector of this process run less often.

    Compiling expressions to SQL creates and drops millions of small objects, few of them in reference cycles. With
    Python's default thresholds, collection takes up to an eighth of a run's CPU time. These thresholds cost 10 MB of
    memory instead.
    """
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)
