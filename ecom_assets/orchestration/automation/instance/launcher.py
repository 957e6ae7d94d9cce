"""Dagster's own run launcher, which also checks whether a run's process is still there.

Runs are processes of the code location. When that is restarted under them (out of memory, a lost
machine, an upgrade), nobody is left to say that they died: Dagster would show them as running, and
hold their place in the queue, for ever. Both `dagster.yaml` name this class, and run monitoring
asks it.
"""

import math
import os
import socket
import time
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import dagster as dg

from ecom_assets.core.file_lock import has_ended
from ecom_assets.orchestration.automation.instance import (
    GRPC_INFO_TAG,
    CheckRunHealthResult,
    WorkerStatus,
)
from ecom_assets.orchestration.automation.instance.location import PROCESS

STARTED: Final = "Started process for run"
"""How the event begins in which Dagster notes the process of a run."""
CLOCKS_DIFFER_S: Final = 5.0
KNOWN_AGAIN_S: Final = 90.0
"""How long a run of the code location has to be gone before it is given up. The run is tried again
as soon as it is given up, by a daemon that forgets the retry if it thinks that the code location is
still away; the daemon looks for that every 60 s.
"""
ZOMBIE: Final = "Z"


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in the code location, and knows which of them are still there.

    A run of `ecom run`, or of a job that is started by hand, names its process itself.

    A code location on a socket is on this machine, and may have handed its runs to nobody: one that
    loads its definitions again starts another server, and a killed one leaves its runs behind. So
    their processes are looked at. One on a port is asked which runs it has.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (those of Dagster's own)
        """Make the launcher of an instance."""
        super().__init__(*arguments, **named)
        self._gone_at: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Declare that run monitoring may check workers."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the code location still has the run's process.

        A code location on a port that does not answer is taken to have it: it may be about to come
        back, and a run that was given up while it goes on would be run twice.

        A run that the daemon may try again is given up `KNOWN_AGAIN_S` after it was first missed.
        """
        if PROCESS in run.tags or '"socket"' in run.tags.get(GRPC_INFO_TAG, ""):
            if process_is_there(self._instance, run):
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            gone = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "Its process is gone.")
            return gone if PROCESS in run.tags else self._given_up(run, gone)
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # Dagster's own
        if client is None:
            return CheckRunHealthResult(WorkerStatus.SUCCESS, "The run has ended.")
        try:
            current: Any = dg.deserialize_value(client.get_current_runs())
        except dg.DagsterError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The code location does not answer.")
        if run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return self._given_up(
            run,
            CheckRunHealthResult(
                WorkerStatus.NOT_FOUND, "The code location was restarted and has it no longer."
            ),
        )

    def _given_up(self, run: dg.DagsterRun, gone: CheckRunHealthResult) -> CheckRunHealthResult:
        """Return that a run is gone, once the daemon knows its code location again."""
        gone_at = self._gone_at.setdefault(run.run_id, time.monotonic())
        if time.monotonic() - gone_at < KNOWN_AGAIN_S:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "It is given up later.")
        return gone


def process_is_there(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Return whether the process that a run is in still goes on; a run that has not noted it yet,
    or that is on another machine, counts as there.
    """
    if noted := run.tags.get(PROCESS):
        machine, _, process_id = noted.rpartition(" ")
        record = instance.get_run_record_by_id(run.run_id)
        if machine != socket.gethostname() or record is None:
            return True
        return _is_there(process_id, record.create_timestamp.replace(tzinfo=UTC).timestamp())
    started = [
        entry
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        if entry.message.startswith(STARTED)
    ]
    if not started:
        return True
    metadata = started[-1].get_dagster_event().engine_event_data.metadata
    return _is_there(str(metadata["pid"].value), started[-1].timestamp)


def _is_there(process_id: str, noted_at: float) -> bool:
    """Return whether a process goes on that was there at an instant, in seconds since 1970."""
    if has_ended(process_id):
        return False
    began_at = _began_at(process_id)
    # A process that began later has the number of one that is gone.
    return began_at is None or began_at <= noted_at + CLOCKS_DIFFER_S


def _began_at(process_id: str) -> float | None:
    """Return when a process began, in seconds since 1970: never for one that has ended and that
    nobody has asked for since; None where the system does not say.
    """
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == ZOMBIE:
            return math.inf
        ticks = int(fields[19])
        lines = Path("/proc/stat").read_text().splitlines()
        booted_at = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return booted_at + ticks / os.sysconf("SC_CLK_TCK")
