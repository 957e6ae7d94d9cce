"""The code location as Dagster's UI loads it, in this process, and what its pages get over GraphQL."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.freshness import FreshnessDaemon

SELECTOR = '{ repositoryLocationName: "<<in_process>>", repositoryName: "__repository__" }'
"""The code location in a question."""
# Dagster reads a property of its own that it has deprecated, to load a code location in this process.
DAGSTER_S_OWN = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")
Answer = dict[str, Any]


@cache
def _schema() -> Any:
    from dagster_graphql.schema import create_schema  # noqa: PLC0415 (2 s, which few of the processes of tests need)

    return create_schema()


@dataclass(frozen=True)
class CodeLocation:
    """A loaded code location with its instance."""

    instance: dg.DagsterInstance
    process: WorkspaceProcessContext

    def ask(self, question: str) -> Answer:
        """Return what a page gets."""
        context = self.process.create_request_context()
        answer = asyncio.run(_schema().execute_async(question, context_value=context))
        assert answer.errors is None, answer.errors
        assert answer.data
        return dict(answer.data)

    def evaluate_freshness(self) -> None:
        """Let the daemon look at every freshness policy, as it does every 30 seconds."""
        list(FreshnessDaemon().run_iteration(self.process))


@contextmanager
def loaded(folder: Path, environment: Mapping[str, str]) -> Iterator[CodeLocation]:
    """Load `ecom_assets.definitions` with settings, and with the home `folder/home`."""
    origin = LoadableTargetOrigin(executable_path=sys.executable, module_name="ecom_assets.definitions")
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin))
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {"ECOM_HOME": str(folder / "home"), **environment}.items():
            patched.setenv(name, value)
        with (
            dg.DagsterInstance.local_temp(str(folder)) as instance,
            WorkspaceProcessContext(instance, target) as process,
        ):
            yield CodeLocation(instance, process)
