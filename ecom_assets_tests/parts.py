"""Which part of the slow tests `make test-part` runs."""

import re
from collections import Counter
from collections.abc import Sequence

import pytest

Share = tuple[str, str]
"""A group of tests and one of its files."""


def not_of_part(items: Sequence[pytest.Item], part: str) -> list[pytest.Item]:
    """Return the items that are not slow, or are in another part than one such as `2/4`.

    Slow tests of one file and group are in one part, and each part has about as many tests of each
    group as the others: with all of Spark's in one part, one process would still run these when the
    others had ended.

    Raises:
        pytest.UsageError: There is no such part.
    """
    match = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", part)
    number, count = map(int, match.groups()) if match else (1, 0)
    if number > count:
        raise pytest.UsageError(f"--part {part}: write the number of a part and of all, as in 2/4.")
    sizes = Counter(_share(item) for item in items if item.get_closest_marker("slow"))
    parts: list[list[Share]] = [[] for _ in range(count)]
    in_part = [Counter[str]() for _ in range(count)]
    for share in sorted(sizes, key=lambda share: (-sizes[share], share)):
        least = min(range(count), key=lambda n: (in_part[n][share[0]], in_part[n].total()))
        parts[least].append(share)
        in_part[least][share[0]] += sizes[share]
    ours = set(parts[number - 1])
    return [
        item for item in items if not item.get_closest_marker("slow") or _share(item) not in ours
    ]


def _share(item: pytest.Item) -> Share:
    """Return the group and the file of a test."""
    groups = (str(mark.args[0]) for mark in item.iter_markers("xdist_group"))
    return next(groups, ""), item.path.as_posix()
