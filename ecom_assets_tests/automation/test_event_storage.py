"""The local history of runs: its files stay open, and what others do to them is seen."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events.log import EventLogEntry

from ecom_assets.automation.event_storage import OPEN_FILES, BatchingEventLogStorage


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[BatchingEventLogStorage]:
    """An empty history."""
    made = BatchingEventLogStorage(str(tmp_path))
    yield made
    made.dispose()


def said(run: str, what: str = "hello") -> EventLogEntry:
    """Return an event of a run, of none of the kinds that Dagster stores twice."""
    return EventLogEntry(
        error_info=None, level=20, user_message=what, run_id=run, timestamp=1.0, step_key=None, job_name="job"
    )


def heard(storage: BatchingEventLogStorage, run: str) -> list[str]:
    """Return what was stored of a run."""
    return [entry.user_message for entry in storage.get_logs_for_run(run)]


def open_files(folder: Path) -> set[str]:
    """Return the names of the databases in a folder that this process has open."""
    opened = (Path("/proc/self/fd") / name for name in Path("/proc/self/fd").iterdir())
    paths = [link.readlink() for link in opened if link.is_symlink()]
    return {path.name for path in paths if path.parent == folder and path.suffix == ".db"}


def test_each_run_is_read_back_however_many_there_are(storage: BatchingEventLogStorage) -> None:
    runs = [f"run-{number}" for number in range(3 * OPEN_FILES)]
    for run in runs:
        storage.store_event(said(run, f"of {run}"))
    assert {run: heard(storage, run) for run in runs} == {run: [f"of {run}"] for run in runs}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell which files are open")
def test_a_few_files_stay_open_until_the_history_is_given_back(
    storage: BatchingEventLogStorage, tmp_path: Path
) -> None:
    for number in range(3 * OPEN_FILES):
        storage.store_event(said(f"run-{number}"))
    assert len(open_files(tmp_path)) == OPEN_FILES
    assert f"run-{3 * OPEN_FILES - 1}.db" in open_files(tmp_path)
    storage.dispose()
    assert open_files(tmp_path) == set()
    assert heard(storage, "run-0") == ["hello"]


def test_what_another_process_adds_to_an_open_file_is_seen(storage: BatchingEventLogStorage, tmp_path: Path) -> None:
    storage.store_event(said("run", "first"))
    other = BatchingEventLogStorage(str(tmp_path))
    other.store_event(said("run", "second"))
    assert heard(storage, "run") == heard(other, "run") == ["first", "second"]
    other.dispose()


def test_a_wiped_history_is_empty_and_takes_new_runs(storage: BatchingEventLogStorage) -> None:
    storage.register_instance(dg.DagsterInstance.ephemeral())
    storage.store_event(said("run", "before"))
    storage.wipe()
    storage.store_event(said("run", "after"))
    assert heard(storage, "run") == ["after"]
