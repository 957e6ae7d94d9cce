"""Dagster's webserver behind our guard, and the code location that it loads,
with what its pages get over GraphQL.
"""

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
import uvicorn
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.freshness import FreshnessDaemon
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.ui.guard import UiGuard, ui_access_of
from ecom_assets_tests.command import environment
from ecom_assets_tests.interfaces.api.test_process import answers
from ecom_assets_tests.patience import PATIENCE_S, wait_until
from ecom_assets_tests.ports import free_port


@dataclass(frozen=True)
class Ui:
    """A running webserver; it is asked at this machine's address, whatever it listens on."""

    port: int
    home: Path

    @property
    def own(self) -> str:
        """The name and port that a browser shows."""
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **headers: str) -> int:
        """Return the status of a request; `_` in a header's name is a dash."""
        return self.answer(method, path, None, **headers).status_code

    def answer(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Return the answer to a request, which goes to one place only."""
        answer = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(
            method,
            f"http://{self.own}{path}",
            json=body,
            headers=answer,
            timeout=PATIENCE_S,
            allow_redirects=False,
        )

    def subscribed(self, origin: str | None, **headers: str) -> int:
        """Open a WebSocket as the UI does, and return the status that answers:
        101 if it is there.
        """
        sent_origin = Origin(origin) if origin else None
        try:
            with connect(
                f"ws://{self.own}/graphql",
                origin=sent_origin,
                subprotocols=[Subprotocol("graphql-ws")],
                additional_headers=headers,
                proxy=None,
            ) as connection:
                connection.send(json.dumps({"type": "connection_init"}))
                assert json.loads(connection.recv(10))["type"] == "connection_ack"
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


@contextmanager
def served_here(home: Path, host: str, **settings: Any) -> Iterator[Ui]:
    """Serve an empty workspace in a thread, by the app and the guard that
    `running` starts in a process.
    """
    from dagster._core.workspace.context import WorkspaceProcessContext  # noqa: PLC0415 (2 s, for these tests alone)
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget  # noqa: PLC0415 (as above)
    from dagster_webserver.app import create_app_from_workspace_process_context  # noqa: PLC0415 (as above)

    log = logging.FileHandler(home.parent / "webserver.log")
    logging.getLogger("dagster-webserver").addHandler(log)
    instance = dg.DagsterInstance.local_temp(str(home.parent))
    with (
        instance,
        WorkspaceProcessContext(
            instance, EmptyWorkspaceTarget(), version("dagster-webserver")
        ) as context,
    ):
        app = create_app_from_workspace_process_context(context, "", None)
        guard = UiGuard(app, ui_access_of(host, Settings(home=home, **settings)))
        listening = socket.create_server((host, 0))
        server = uvicorn.Server(uvicorn.Config(guard, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield Ui(listening.getsockname()[1], home)
        finally:
            server.should_exit = True
            thread.join(30)
            listening.close()
            logging.getLogger("dagster-webserver").removeHandler(log)
            log.close()


@contextmanager
def running(home: Path, host: str, **env: str) -> Iterator[Ui]:
    """Serve an empty workspace with `python -m ecom_assets.interfaces.ui.webserver`."""
    ui, instance = Ui(free_port(), home), home.parent / "instance"
    instance.mkdir(parents=True, exist_ok=True)
    (instance / "dagster.yaml").touch()
    arguments = [
        "-m",
        "ecom_assets.interfaces.ui.webserver",
        "-h",
        host,
        "-p",
        str(ui.port),
        "--empty-workspace",
    ]
    log = home.parent / "webserver.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(home, {"DAGSTER_HOME": str(instance), **env}),
            cwd=home.parent,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or answers(f"http://{ui.own}/server_info"),
            PATIENCE_S,
        )
        assert process.poll() is None, log.read_text()
        yield ui
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(240)
        finally:
            process.kill()
            process.wait(240)
    assert "Traceback" not in log.read_text()


SELECTOR = '{ repositoryLocationName: "<<in_process>>", repositoryName: "__repository__" }'
"""The code location in a question."""
# Dagster reads a property of its own that it has deprecated, to load a code location in this
# process.
DAGSTER_S_OWN = pytest.mark.filterwarnings(
    "ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning"
)
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
def loaded(
    folder: Path, environment: Mapping[str, str], overrides: dict[str, Any] | None = None
) -> Iterator[CodeLocation]:
    """Load `ecom_assets.definitions` with settings, and with the home `folder/home`.

    `overrides` are of the Dagster instance, as in its dagster.yaml.
    """
    origin = LoadableTargetOrigin(
        executable_path=sys.executable, module_name="ecom_assets.definitions"
    )
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin))
    with pytest.MonkeyPatch.context() as patched:
        for name, value in {"ECOM_HOME": str(folder / "home"), **environment}.items():
            patched.setenv(name, value)
        with (
            dg.DagsterInstance.local_temp(str(folder), overrides=overrides) as instance,
            WorkspaceProcessContext(instance, target) as process,
        ):
            yield CodeLocation(instance, process)
