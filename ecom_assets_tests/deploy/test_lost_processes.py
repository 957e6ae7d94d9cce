"""Processes of the production layout that are killed: each run ends, is tried once more,
and gives its place back.

DuckDB is the warehouse here, so that one run at a time has a place, and a place that is not given
back shows.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from ecom_assets_tests.deploy.graphql import FEW, Webserver
from ecom_assets_tests.deploy.layout import SERVICES, Layout

pytestmark = pytest.mark.xdist_group("lost_processes")

LONG = ("2026-01-01", "2026-01-06")
"""All days of the shop, so that a run does not end before its process is found."""
A_DAY = "2026-01-03"
"""One with orders, without which the quality gates stop a run."""
POLL_S = 2
NOTICED_WITHIN_S = 300
"""Run monitoring looks every `POLL_S`; the rest is the time that a loaded machine
takes to do what it found.
"""


@pytest.fixture(scope="module")
def running(
    variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Layout]:
    """The layout, started, with DuckDB as the warehouse and short intervals;
    each test leaves it whole.
    """
    with closing(Layout(tmp_path_factory.mktemp("layout"), variables)) as layout:
        layout.variables["ECOM_WAREHOUSE"] = f"duckdb://{layout.home}/warehouse.duckdb"
        layout.change_instance({"poll_interval_seconds: 30": f"poll_interval_seconds: {POLL_S}"})
        layout.run("migrate")
        layout.start(*SERVICES)
        yield layout


def worker_of(web: Webserver, run_id: str) -> int:
    """Wait until a run goes on, stop its process where it is, and return its number."""
    web.wait_for(run_id, "STARTED")
    deadline = time.monotonic() + NOTICED_WITHIN_S
    while time.monotonic() < deadline:
        actual = re.findall(
            r"Started process for run \(pid: (\d+)\)", "\n".join(web.messages(run_id))
        )
        if actual:
            os.kill(int(actual[0]), signal.SIGSTOP)
            return int(actual[0])
        time.sleep(0.1)
    pytest.fail("the run does not say which process it is")


@pytest.mark.slow
def test_a_killed_run_fails_gives_its_place_to_the_next_and_is_tried_once_more(
    running: Layout,
) -> None:
    web = running.webserver
    killed = web.launch(*LONG, FEW)
    worker = worker_of(web, killed)
    waiting = web.launch(A_DAY, assets=FEW)
    os.kill(worker, signal.SIGKILL)
    assert web.wait_for(killed, within_s=NOTICED_WITHIN_S).status == "FAILURE"
    again = web.retry_of(killed)
    assert [web.wait_for(run_id).status for run_id in (waiting, again)] == ["SUCCESS", "SUCCESS"]
    assert not web.run(waiting).overlaps(web.run(again)), "DuckDB has one writer"


@pytest.mark.slow
def test_a_run_is_noticed_as_lost_when_the_code_location_comes_back_without_it(
    running: Layout,
) -> None:
    web = running.webserver
    lost = web.launch(*LONG, FEW)
    worker_of(web, lost)
    running.kill("code")
    time.sleep(3 * POLL_S)
    assert web.run(lost).status == "STARTED", "nobody can know yet whether the run goes on"
    running.start("code")
    assert web.wait_for(lost, within_s=NOTICED_WITHIN_S).status == "FAILURE"
    assert any("was restarted and has it no longer" in result for result in web.messages(lost))
    assert web.wait_for(web.retry_of(lost)).status == "SUCCESS"


@pytest.mark.slow
def test_without_the_daemon_runs_go_on_and_new_ones_wait_for_it(running: Layout) -> None:
    web = running.webserver
    going_on = web.launch(*LONG, FEW)
    worker = worker_of(web, going_on)
    running.kill("daemon")
    os.kill(worker, signal.SIGCONT)
    waiting = web.launch(A_DAY, assets=FEW)
    assert web.wait_for(going_on).status == "SUCCESS"
    assert web.run(waiting).status == "QUEUED"
    running.start("daemon")
    assert web.wait_for(waiting).status == "SUCCESS"


@pytest.mark.slow
def test_a_code_location_that_is_asked_to_stop_lets_its_run_end(running: Layout) -> None:
    web = running.webserver
    going_on = web.launch(*LONG, FEW)
    worker = worker_of(web, going_on)
    running.processes["code"].terminate()
    os.kill(worker, signal.SIGCONT)
    assert running.stop("code") == 0
    assert web.run(going_on).status == "SUCCESS"
    running.start("code")
