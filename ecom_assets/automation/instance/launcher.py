"""Dagster's own run launcher, which also checks whether a run's process is still there.

Runs are processes of the code location. When that is restarted under them (out of memory, a lost machine, an upgrade),
nobody is left to say that they died: Dagster would show them as running, and hold their place in the queue, for ever.
`deploy/dagster.yaml` names this class, and run monitoring asks it.
"""

from typing import Any, Self

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import ConfigurableClassData, deserialize_value


class WatchedRunLauncher(DefaultRunLauncher):
    """Starts runs in the code location, and asks it which of them it still has."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Self:  # noqa: ARG003, ANN401 (it has no options; Dagster's own hand over an empty mapping)
        """Make the launcher; Dagster calls this for the class that `dagster.yaml` names."""
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Declare that run monitoring may check workers."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether the code location still has the run's process.

        A code location that does not answer is taken to have it: it may be about to come back, and a run that was given
        up while it goes on would be run twice.
        """
        client: DagsterGrpcClient | None = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # Dagster's own
        if client is None:
            return CheckRunHealthResult(WorkerStatus.SUCCESS, "The run has ended.")
        try:
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The code location does not answer.")
        if run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The code location was restarted and has it no longer.")
