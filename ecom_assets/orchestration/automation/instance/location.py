"""The code location that a run of this process is recorded under,
so that Dagster's Overview shows it.

Dagster knows where a run that its daemon or UI started comes from. A run of `execute_in_process`
has no origin, and the timeline of Overview leaves out runs without one.
"""

import os
import socket
from functools import partial
from typing import Any, Final

import dagster as dg

from ecom_assets.orchestration.automation.instance import (
    SINGLETON_REPOSITORY_NAME,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

LOCATION: Final = "ecom_assets"
"""The name of the code location in workspace.yaml, `ecom ui` and deploy/."""
NO_RETRY: Final = {"dagster/max_retries": "0"}
"""The tag of a run that the daemon must not start again: who started it sees how it ended."""
PROCESS: Final = "ecom/process"
"""The tag of a run with the process that it is in, and its machine, by which the daemon notices
that it is gone.
"""


def this_process() -> str:
    """Return this process as the tag `PROCESS` names it."""
    return f"{socket.gethostname()} {os.getpid()}"


def execute_in_location(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    tags: dict[str, str],
    **arguments: Any,  # noqa: ANN401 (those of Dagster's own method)
) -> dg.ExecuteInProcessResult:
    """Run a job in this process, as `execute_in_process` does,
    recorded as a run of the location.
    """
    repository = RemoteRepositoryOrigin(
        RegisteredCodeLocationOrigin(LOCATION), SINGLETON_REPOSITORY_NAME
    )
    # The method takes the origin, but `execute_in_process` does not pass one on.
    recorded = partial(
        instance.create_run_for_job, remote_job_origin=RemoteJobOrigin(repository, job.name)
    )
    vars(instance)["create_run_for_job"] = recorded
    try:
        tags = {**tags, **NO_RETRY, PROCESS: this_process()}
        return job.execute_in_process(instance=instance, tags=tags, **arguments)
    finally:
        del vars(instance)["create_run_for_job"]
