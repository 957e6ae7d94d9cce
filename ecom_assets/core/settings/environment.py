"""Variables for processes that this one starts, and for libraries that read them when they load."""

import os
from collections.abc import Mapping


def environment_with(values: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that this one starts, with other values."""
    return {**os.environ, **values}


def hand_on(values: Mapping[str, str]) -> None:
    """Set variables of the environment, for this process and those that it starts."""
    os.environ.update(values)
