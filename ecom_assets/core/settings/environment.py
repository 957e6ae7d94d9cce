"""Variables for processes that this one starts, and for libraries that read them when they load."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


def environment_with(values: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that this one starts, with other values."""
    return {**os.environ, **values}


def hand_on(values: Mapping[str, str]) -> None:
    """Set variables of the environment, for this process and those that it starts."""
    os.environ.update(values)


@contextmanager
def handing_on(name: str, value: str) -> Iterator[None]:
    """Set a variable of the environment for processes that this one starts meanwhile."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
