"""A process of the platform's own looks for garbage seldom, but it does."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from ecom_assets.core.gc_tuning import NEW_OBJECTS, collect_rarely
from ecom_assets_tests.patience import PATIENCE_S

ENTRANCES = (
    "from ecom_assets.cli import command as main",
    "from ecom_assets.definitions import defs as main",
)


class Node:
    """An object that refers to itself, so that only a look for garbage finds it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """Leave the thresholds of the test process as they were."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.slow
def test_what_only_refers_to_itself_goes_after_as_many_new_objects() -> None:
    collect_rarely()
    gc.collect()
    lost = weakref.ref(Node())
    kept: list[list[int]] = [[] for _ in range(NEW_OBJECTS // 2)]
    assert lost() is not None
    kept += [[] for _ in range(NEW_OBJECTS)]
    assert lost() is None


@pytest.mark.slow
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_commands_and_dagster_s_own_processes_look_seldom(entrance: str) -> None:
    program = (
        f"import gc, sys; sys.argv = ['ecom', '--help']; {entrance}\n"
        "try: main()\n"
        "finally: print(gc.get_threshold()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.splitlines()[-1] == str(NEW_OBJECTS)


@pytest.mark.slow
def test_what_a_command_loads_is_never_looked_at_again() -> None:
    program = (
        "import gc\nfrom ecom_assets.core.gc_tuning import without_collection\n"
        "with without_collection(): import ecom_assets.definitions\n"
        "frozen = gc.get_freeze_count()\n"
        "with without_collection(): import ecom_assets.definitions\n"
        "print(gc.isenabled(), frozen > 100_000, gc.get_freeze_count() <= frozen)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.split() == ["True"] * 3
