"""`ecom ui` while its servers are killed: each comes back, schedules and sensors go on, and a run
whose process is killed is tried once more.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.core.file_lock import has_ended
from ecom_assets_tests.command import ECOM, environment, kill_group, small_shop
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ui")]
RUNS = "{ runsOrError { ... on Runs { results { id status tags { key value } } } } }"
LAUNCH = """mutation { launchRun(executionParams: {
  selector: {repositoryLocationName: "ecom_assets", repositoryName: "__repository__",
             jobName: "backfill"},
  runConfigData: "ops: {backfill_run: {config: {first_day: '2026-01-01', last_day: '2026-01-02'}}}"
}) { __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Served:
    """A running `ecom ui`."""

    process: "subprocess.Popen[bytes]"
    port: int
    api_port: int
    home: Path

    @property
    def said(self) -> str:
        """Return what the terminal shows."""
        return self.home.with_name("ui.out").read_text()

    def get(self, port: int, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer; None where nothing answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 (as above)
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return json.load(refused)
        except (OSError, ValueError):
            return None

    def ask(self, query: str) -> Any:
        """Return what Dagster's UI answers to a query."""
        answer = self.get(self.port, "/graphql", {"query": query})
        return answer and answer.get("data")

    def beat(self) -> str:
        """Return when the sensor of heartbeats looked last."""
        health = self.get(self.api_port, "/health") or {"heartbeats": []}
        beats = [each["beat_at"] for each in health["heartbeats"] if each["name"] == "heartbeats"]
        return beats[0] or "" if beats else ""

    def started(self, *words: str, by: int | None = None) -> list[int]:
        """Return the processes under this one, or one of them, whose command has some words."""
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        under = {by or self.process.pid}
        for _ in range(5):  # the supervisor, a server, its own server, a run, what that starts
            under |= {int(pid) for pid, parent, *_ in rows if int(parent) in under}
        return [
            int(pid)
            for pid, _, *command in rows
            if int(pid) in under - {by or self.process.pid}
            and command
            and all(word in command[0] for word in words)
        ]

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition holds, and return what it returned."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.said
            if value := condition():
                return value
            time.sleep(0.5)
        log = self.home / "dagster.log"
        pytest.fail(self.said + (log.read_text()[-3000:] if log.exists() else ""))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("killed") / "home"
    small_shop(home, days=2, visitors=20)
    port, api_port = free_port(), free_port()
    with home.with_name("ui.out").open("wb") as output:
        process = subprocess.Popen(
            [*ECOM, "ui", "--no-open", "--port", str(port)],
            env=environment(home, {"ECOM_API_PORT": str(api_port)}),
            cwd=home.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    served = Served(process, port, api_port, home)
    try:
        served.until(served.beat)
        yield served
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(240)
        finally:
            kill_group(process.pid)
    assert not served.started("ecom_assets")


def test_schedules_go_on_after_the_process_with_the_definitions_was_killed(served: Served) -> None:
    before = served.beat()
    (server,) = served.started("dagster api grpc", "--socket")
    os.kill(server, signal.SIGKILL)
    served.until(lambda: served.beat() > before)
    assert "Dagster's code server ended (it did not answer) and is started again" in served.said


def test_schedules_go_on_after_the_daemon_was_killed(served: Served) -> None:
    before = served.beat()
    (daemon,) = served.started("until_parent_ends", "dagster._daemon")
    os.kill(daemon, signal.SIGKILL)
    served.until(lambda: served.beat() > before)
    assert "Dagster's daemon ended (by signal 9) and is started again" in served.said


def test_the_dashboard_and_the_api_answer_while_the_webserver_comes_back(served: Served) -> None:
    (webserver,) = served.started("until_parent_ends", "ui.webserver")
    os.kill(webserver, signal.SIGKILL)
    assert served.get(served.api_port, "/health/live") == {"live": True}
    served.until(lambda: served.get(served.port, "/server_info"))
    assert served.started("until_parent_ends", "ui.webserver") != [webserver]


def test_the_api_comes_back_and_its_log_goes_on(served: Served) -> None:
    log = (served.home / "api.log").read_text()
    (api,) = served.started("cli import main", "api")
    os.kill(api, signal.SIGKILL)
    served.until(lambda: served.started("cli import main", "api") not in ([], [api]))
    served.until(lambda: served.get(served.api_port, "/health/live") == {"live": True})
    assert (served.home / "api.log").read_text().startswith(log)


def test_a_killed_run_is_tried_once_more_and_gives_its_place_back(served: Served) -> None:
    launched = served.until(lambda: served.ask(LAUNCH))["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    server = served.started("dagster api grpc", "--socket")[-1]
    (run,) = served.until(lambda: served.started("spawn_main", by=server))
    os.kill(run, signal.SIGKILL)

    def ended() -> list[dict[str, Any]]:
        runs = (served.ask(RUNS) or {"runsOrError": {"results": []}})["runsOrError"]["results"]
        tags = [{tag["key"]: tag["value"] for tag in each["tags"]} for each in runs]
        of_launch = [
            each
            for each, tag in zip(runs, tags, strict=True)
            if launched["run"]["id"] in {each["id"], tag.get("dagster/root_run_id")}
        ]
        is_over = {each["status"] for each in of_launch} == {"SUCCESS", "FAILURE"}
        return of_launch if is_over else []

    assert len(served.until(ended)) == 2


def test_all_ends_when_who_started_it_is_killed(served: Served) -> None:
    under = served.started("ecom_assets")
    assert len(under) >= 5
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait(240)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not all(has_ended(str(each)) for each in under):
        time.sleep(0.5)
    assert all(has_ended(str(each)) for each in under)
