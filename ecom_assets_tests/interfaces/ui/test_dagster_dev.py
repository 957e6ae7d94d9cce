"""Plain `dagster dev`: runs that its server launches without days, ticks in Overview,
and the port of links.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from ecom_assets_tests.command import SMALL, ecom, environment, small_shop
from ecom_assets_tests.orchestration.automation.test_runs_without_days import BIN, row_counts
from ecom_assets_tests.patience import PATIENCE_S, wait_until
from ecom_assets_tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster_dev")]
MODULE = ("-m", "ecom_assets.definitions")
LAUNCH = """
mutation ($selector: JobOrPipelineSelector!) {
    launchRun(executionParams: {selector: $selector, mode: "default", runConfigData: {}}) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId jobName status } } } }"
FAILURES = """
query ($run: ID!) { logsForRun(runId: $run) { ... on EventConnection { events {
    ... on ExecutionStepFailureEvent { error { message causes { message } } }
    ... on RunFailureEvent { message error { message causes { message } } } } } } }"""
TICKS = """
{ sensorsOrError(
    repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "LOCATION"}) {
    ... on Sensors {
    results { name sensorState { status ticks(limit: 3) { status timestamp } } } } } }"""
LOADED = '+key:"mart/sessions" or +key:"mart/revenue_daily"'
"""Tables of both jobs, so that a run that is not refused writes something."""


@dataclass
class Dev:
    """A running `dagster dev` of a home."""

    home: Path
    port: int

    def ask(self, question: str, **variables: Any) -> dict[str, Any]:
        """Return what a page of the UI gets."""
        body: dict[str, Any] = {"query": question, "variables": variables}
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/graphql", json=body, timeout=PATIENCE_S
        ).json()
        assert "errors" not in answer, answer
        result: dict[str, Any] = answer["data"]
        return result

    def location(self) -> str:
        """Return the name of the code location, once it is loaded."""
        asked = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
        (entry,) = self.ask(asked)["workspaceOrError"]["locationEntries"]
        assert entry["loadStatus"] == "LOADED"
        return str(entry["name"])

    def is_loaded(self) -> bool:
        """Return whether the server answers and has the code location."""
        with suppress(requests.RequestException, AssertionError, ValueError):
            return bool(self.location())
        return False

    def ended(self, run_id: str) -> str:
        """Return the status of a run, once it has ended."""

        def status() -> str:
            runs = self.ask(RUNS)["runsOrError"]["results"]
            return next(str(run["status"]) for run in runs if run["runId"] == run_id)

        wait_until(lambda: status() in {"SUCCESS", "FAILURE", "CANCELED"}, PATIENCE_S)
        return status()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """`dagster dev` over a shop of two days, whose rows are loaded;
    its port is on no setting.
    """
    home = tmp_path_factory.mktemp("dev") / "home"
    small_shop(home, days=2, visitors=40)
    days = ("--from", "2026-01-01", "--to", "2026-01-02")
    loaded = ecom("run", "--json", *days, "--select", LOADED, home=home, env=SMALL)
    assert loaded.exit_code in {0, 1}, loaded.err
    port = free_port()
    process = subprocess.Popen(
        [str(BIN / "dagster"), "dev", "-p", str(port), *MODULE],
        env=environment(home, {"DAGSTER_HOME": str(home / "dagster")}),
        cwd=home.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    running = Dev(home, port)
    try:
        wait_until(lambda: process.poll() is not None or running.is_loaded(), PATIENCE_S)
        yield running
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(240)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_run_that_graphql_launches_without_days_is_refused(dev: Dev) -> None:
    before = row_counts(dev.home)
    selector = {"repositoryName": "__repository__", "repositoryLocationName": dev.location()}
    launched = {
        name: dev.ask(LAUNCH, selector={**selector, "jobName": name})["launchRun"]
        for name in ("events", "orders")
    }
    for name, answer in launched.items():
        assert answer["__typename"] == "LaunchRunSuccess", answer
        assert dev.ended(answer["run"]["runId"]) == "FAILURE", name
        said = json.dumps(dev.ask(FAILURES, run=answer["run"]["runId"]))
        assert "Nothing was written: these tables are cut by day" in said, name
    assert row_counts(dev.home) == before
    assert before["raw.events"] > 0


def test_dagster_job_launch_is_refused(dev: Dev) -> None:
    before = row_counts(dev.home)
    seen = {run["runId"] for run in dev.ask(RUNS)["runsOrError"]["results"]}
    done = subprocess.run(
        [str(BIN / "dagster"), "job", "launch", *MODULE, "-j", "events"],
        env=environment(dev.home, {"DAGSTER_HOME": str(dev.home / "dagster")}),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    (run,) = [run for run in dev.ask(RUNS)["runsOrError"]["results"] if run["runId"] not in seen]
    assert done.returncode == 0, done.stderr
    assert dev.ended(run["runId"]) == "FAILURE"
    assert "Nothing was written: these tables are cut by day" in json.dumps(
        dev.ask(FAILURES, run=run["runId"])
    )
    assert row_counts(dev.home) == before


def test_overview_has_the_ticks_of_sensors_that_are_on(dev: Dev) -> None:
    question = TICKS.replace("LOCATION", dev.location())
    on: dict[str, Any] = {}
    for _ in range(90):  # the shortest interval is 30 seconds
        sensors = dev.ask(question)["sensorsOrError"]["results"]
        on = {sensor["name"]: sensor["sensorState"]["ticks"] for sensor in sensors}
        on = {
            name: ticks
            for name, ticks in on.items()
            if next(s for s in sensors if s["name"] == name)["sensorState"]["status"] == "RUNNING"
        }
        if on and all(on.values()):
            break
        time.sleep(1)
    assert on
    assert all(on.values()), on
    assert {tick["status"] for ticks in on.values() for tick in ticks} <= {
        "SUCCESS",
        "SKIPPED",
        "STARTED",
    }


def test_links_lead_to_its_port(dev: Dev) -> None:
    assert (dev.home / "ui_address").read_text().strip() == f"http://127.0.0.1:{dev.port}"
