"""Dagster's own run launcher, which also checks whether a run's process is still there.

Runs are processes of the code location. When that is restarted under them (out of memory, a lost
machine, an upgrade), nobody is left to say that they died: Dagster would show them as running, and
hold their place in the queue, for ever. `deploy/dagster.yaml` names this class, and run monitoring
asks it.
"""

from typing import Any

import dagster as dg

from ecom_assets.orchestration.automation.instance import CheckRunHealthResult, WorkerStatus


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in the code location, and asks it which of them it still has."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Declare that run monitoring may check workers."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the code location still has the run's process.

        A code location that does not answer is taken to have it: it may be about to come back, and
        a run that was given up while it goes on would be run twice.
        """
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]  # Dagster's own
        if client is None:
            return CheckRunHealthResult(WorkerStatus.SUCCESS, "The run has ended.")
        try:
            current: Any = dg.deserialize_value(client.get_current_runs())
        except dg.DagsterError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "The code location does not answer.")
        if run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "The code location was restarted and has it no longer."
        )
