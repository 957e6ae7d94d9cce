"""The code location has one name in `dagster dev`, `dg dev`, `ecom ui` and deploy/,
by which Dagster keeps switches.
"""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from ecom_assets.cli.ui import WORKSPACE
from ecom_assets_tests.command import page_views

ROOT = Path(__file__).parents[3]
NAME = "ecom_assets"


@pytest.mark.parametrize(
    "path", [ROOT / "workspace.yaml", WORKSPACE, ROOT / "deploy" / "workspace.yaml"]
)
def test_each_workspace_file_has_the_name(path: Path) -> None:
    (location,) = yaml.safe_load(path.read_text())["load_from"]
    ((_, described),) = location.items()
    assert described["location_name"] == NAME


def test_dg_and_the_code_servers_have_the_name() -> None:
    assert (
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"][
            "code_location_name"
        ]
        == NAME
    )
    for path in ("Dockerfile", "compose.yaml", "systemd/ecom-code.service"):
        names = re.findall(r"--location-name\W+(\w+)", (ROOT / "deploy" / path).read_text())
        assert names == [NAME], path


@pytest.mark.slow
def test_a_schedule_that_is_switched_on_in_one_is_on_in_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ECOM_EVENTS", str(page_views(tmp_path / "own.csv", "2026-03-01")))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    servers: list[subprocess.Popen[bytes]] = []

    class Server(subprocess.Popen[bytes]):
        """A process that Dagster starts, and asks to end without waiting for it."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            servers.append(self)

    monkeypatch.setattr(subprocess, "Popen", Server)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for path, before in ((ROOT / "workspace.yaml", "STOPPED"), (WORKSPACE, "RUNNING")):
            with WorkspaceProcessContext(
                instance, WorkspaceFileTarget(paths=[str(path)])
            ) as process:
                (location,) = process.create_request_context().code_locations
                (repository,) = location.get_repositories().values()
                schedule = repository.get_schedule("daily_events")
                state = instance.get_instigator_state(
                    schedule.get_remote_origin_id(), schedule.selector_id
                )
                assert schedule.get_current_instigator_state(state).status.value in {
                    before,
                    f"DECLARED_IN_CODE_{before}",
                }
                instance.start_schedule(schedule)
    for server in servers:
        server.wait(240)
