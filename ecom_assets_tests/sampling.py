"""Which cases of a test under `sampled(count)` run in `make test`.

All of them, if somebody named tests (by `-k`, a file or a folder), or changed a file of the folder
that the test is about; else so many as it says, and the session ends with how many were left out.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
IN_FULL = "SAMPLED_IN_FULL"
"""Environment variable: folders of tests, separated by colons, whose sampled tests run all cases.

A full stop stands for all folders. Without it, the session looks which files were changed, and
hands the answer on to the processes that it starts.
"""
ALL = "."
BRANCHES = ("origin/main", "main")
ABOUT = {"ecom_assets": "", "ecom_assets_tests": "", "ecom_sandbox": "sandbox/"}
"""Folder of code to the folder of the tests that are about it."""


def decide(config: pytest.Config) -> None:
    """Note in the environment which folders of tests run all cases, if it is not noted yet."""
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
    """Return the folders of tests that are about some files, relative to the folder of all tests.

    The tests of a folder are about the files in the folder of that name, and in those below it.
    """
    paths = (PurePosixPath(file) for file in files if "/" in file)
    about = (
        PurePosixPath(ABOUT[path.parts[0]], *path.parts[1:])
        for path in paths
        if path.parts[0] in ABOUT
    )
    return {str(folder) for path in about for folder in path.parents if folder.name}


def left_out(items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the cases of each test under `sampled(count)` but so many of them, evenly spread from
    the first on; none of tests in the folders that `decide` noted.
    """
    in_full = os.environ.get(IN_FULL, "").split(":")
    if ALL in in_full:
        return
    cases: dict[tuple[str, int], list[pytest.Item]] = {}
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if sampled and _folder(item) not in in_full:
            test = item.nodeid.partition("[")[0]
            cases.setdefault((test, sampled.args[0]), []).append(item)
    for (_, count), of_test in cases.items():
        kept = {n * len(of_test) // count for n in range(count)}
        yield from (item for n, item in enumerate(of_test) if n not in kept)


def _folder(item: pytest.Item) -> str:
    return Path(os.path.relpath(item.path.parent, TESTS)).as_posix()
