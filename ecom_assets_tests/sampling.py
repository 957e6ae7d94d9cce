"""Which tests `make test` leaves out that are not slow by themselves, and which part of the slow
ones `make test-part` runs.

Left out are tests under `when_changed`, and of a test under `sampled(count)` all cases but so many.
None is left out if somebody named tests (by `-k`, a file or a folder), or changed a file of the
folder that the test is about. The session ends with how many were left out.
"""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
IN_FULL = "TESTS_IN_FULL"
"""Environment variable: files and folders of tests that run in full, separated by colons.

A full stop stands for all folders. Without it, the session looks which files were changed, and
hands the answer on to the processes that it starts.
"""
ALL = "."
BRANCHES = ("origin/main", "main")
ABOUT = {"ecom_assets": "", "ecom_assets_tests": "", "ecom_sandbox": "sandbox/"}
"""Folder of code to the folder of the tests that are about it."""


def decide(config: pytest.Config) -> None:
    """Note in the environment of which folders nothing is left out, if it is not noted yet."""
    if IN_FULL not in os.environ:
        folders = [ALL] if _names_tests(config) else sorted(tested_folders(changed_files(ROOT)))
        os.environ[IN_FULL] = ":".join(folders)


def _names_tests(config: pytest.Config) -> bool:
    """Return whether the session is about some tests only: by `-k`, files or folders."""
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    return bool(config.option.keyword) or named


def changed_files(root: Path) -> list[str]:
    """Return the files that differ from the main branch: committed, changed or new.

    Empty where there is no Git or no main branch, as in an unpacked archive.
    """
    bases = (_git(root, "merge-base", "HEAD", branch) for branch in BRANCHES)
    base = next((lines[0] for lines in bases if lines), None)
    if base is None:
        return []
    changed = _git(root, "diff", "--name-only", base)
    return changed + _git(root, "ls-files", "--others", "--exclude-standard")


def _git(root: Path, *arguments: str) -> list[str]:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.splitlines()


def tested_folders(files: Sequence[str]) -> set[str]:
    """Return the folders of tests that are about some files, relative to the folder of all tests,
    and changed files of tests themselves.

    The tests of a folder are about the files in the folder of that name, and in those below it.
    """
    paths = (PurePosixPath(file) for file in files if "/" in file)
    about = (
        PurePosixPath(ABOUT[path.parts[0]], *path.parts[1:])
        for path in paths
        if path.parts[0] in ABOUT
    )
    return {str(place) for path in about for place in (path, *path.parents) if place.name}


def left_out(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the items that `make test` leaves out; none of the folders that `decide` noted.

    These are the tests under `when_changed`, and of each test under `sampled(count)` all cases but
    so many, evenly spread from the first on.
    """
    in_full = set(os.environ.get(IN_FULL, "").split(":"))
    if ALL in in_full:
        return []
    elsewhere = [item for item in items if not _places(item) & in_full]
    not_changed = [item for item in elsewhere if item.get_closest_marker("when_changed")]
    return [*not_changed, *_cases_left_out(elsewhere)]


def _cases_left_out(items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    cases: dict[tuple[str, int], list[pytest.Item]] = {}
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if sampled and not item.get_closest_marker("when_changed"):
            test = item.nodeid.partition("[")[0]
            cases.setdefault((test, sampled.args[0]), []).append(item)
    for (_, count), of_test in cases.items():
        kept = {n * len(of_test) // count for n in range(count)}
        yield from (item for n, item in enumerate(of_test) if n not in kept)


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


def _places(item: pytest.Item) -> set[str]:
    """Return the file and the folder of a test, relative to the folder of all tests."""
    places = (item.path, item.path.parent)
    return {Path(os.path.relpath(place, TESTS)).as_posix() for place in places}
