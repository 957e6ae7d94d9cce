"""Whether the process of a run is still there, where the code location is on this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus

from ecom_assets.core.settings.dagster_instance import write_instance
from ecom_assets.orchestration.automation.instance.launcher import (
    STARTED,
    WatchedRunLauncher,
    process_is_there,
)
from ecom_assets.orchestration.automation.instance.location import PROCESS, this_process

LAUNCHER = "ecom_assets.orchestration.automation.instance.launcher"


@dg.job
def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    write_instance(tmp_path)
    with dg.DagsterInstance.get() as made:
        yield made


def run_in(instance: dg.DagsterInstance, process_id: int | None) -> dg.DagsterRun:
    """Return a run as Dagster starts it in a process, on the socket of a server that is gone."""
    tags = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": "gone.sock"})}
    run = instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
    if process_id is not None:
        data = EngineEventData.in_process(process_id)
        instance.report_engine_event(f"{STARTED} (pid: {process_id}).", run, data)
    return run


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    """Return what run monitoring is told of a run, by the `dagster.yaml` of a home."""
    launcher = instance.run_launcher
    assert isinstance(launcher, WatchedRunLauncher)
    return launcher.check_run_worker_health(run).status


def test_a_run_whose_process_goes_on_is_left_alone_without_its_code_server(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = run_in(instance, process.pid)
        assert status_of(instance, run) == WorkerStatus.RUNNING
        process.kill()
        process.wait(240)
        missed = "the daemon that would try it again may not know yet that the server is back"
        assert status_of(instance, run) == WorkerStatus.RUNNING, missed
        monkeypatch.setattr(f"{LAUNCHER}.KNOWN_AGAIN_S", 0.0)
        assert status_of(instance, run) == WorkerStatus.NOT_FOUND


def test_a_killed_process_that_nobody_waits_for_is_gone(instance: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = run_in(instance, process.pid)
        process.kill()
        stat = Path(f"/proc/{process.pid}/stat")
        if not stat.exists():
            pytest.skip("this system does not show a process that nobody waits for")
        while ") Z " not in stat.read_text():
            pass
        assert not process_is_there(instance, run)


def test_a_later_process_with_the_same_number_is_another_one(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not say when a process began")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = run_in(instance, process.pid)
        monkeypatch.setattr(
            f"{LAUNCHER}.CLOCKS_DIFFER_S", -3600.0
        )  # as if the run had begun an hour before it
        assert not process_is_there(instance, run)
        process.kill()


def test_a_run_that_has_not_noted_its_process_yet_is_left_alone(
    instance: dg.DagsterInstance,
) -> None:
    assert status_of(instance, run_in(instance, None)) == WorkerStatus.RUNNING


def test_a_run_of_our_own_command_that_was_killed_gives_its_place_back(
    instance: dg.DagsterInstance,
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        here = this_process().rpartition(" ")[0]
        run, elsewhere = (
            instance.create_run_for_job(
                nothing,
                tags={PROCESS: f"{machine} {process.pid}"},
                status=dg.DagsterRunStatus.STARTED,
            )
            for machine in (here, "another machine")
        )
        assert status_of(instance, run) == WorkerStatus.RUNNING
        process.kill()
        process.wait(240)
        assert status_of(instance, run) == WorkerStatus.NOT_FOUND
        assert status_of(instance, elsewhere) == WorkerStatus.RUNNING, "nobody here knows"
