"""How often Python's garbage collector runs."""

import gc

NEW_OBJECTS = 50_000
"""Objects that are made before it looks again; 700 by default."""
YOUNG_ROUNDS, OLD_ROUNDS = 20, 100
"""Rounds over new objects before it looks at those that have lasted, and rounds over these before it looks at all."""


def collect_rarely() -> None:
    """Let a process of the platform's own look for garbage seldom.

    Turning expressions into SQL makes and drops millions of small objects, few of them in circles. Looking for these
    as often as Python does by default takes up to an eighth of a run's CPU time; looking seldom, 10 MB more memory.
    """
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)
