"""The production layout as it is shipped: installed, started, used through the
webserver's GraphQL, and stopped.

Where there are no containers, its install lines and commands run as processes here, on a real
Postgres.
"""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import requests

from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments
from ecom_assets_tests.core.warehouse.test_io_manager import BY_KEY
from ecom_assets_tests.deploy.graphql import FEW
from ecom_assets_tests.deploy.layout import API_KEY, SERVICES, Layout, install
from ecom_assets_tests.patience import PATIENCE_S

pytestmark = pytest.mark.xdist_group("production_layout")

ALL_DAYS = ("2026-01-01", "2026-01-06")
COMPUTED = {
    key: contract for key, contract in BY_KEY.items() if contract.group != VisitorSegments.group
}
"""What a shop without declared segments, and without an order report's other files,
computes, by asset key.
"""

OF_SO_SMALL_A_SHOP = {
    ("staging/held_order_days", "no_order_day_is_held"),  # a day has few customers
    ("raw/user_order_log", "each_day_has_an_increment"),  # a day has no order
    ("mart/shared_ids", "ids_are_not_shared"),  # guests share an account
    ("mart/profit_daily", "most_costs_are_known"),  # a day sells few products, some without a cost
    ("mart/spend_reconciliation_daily", "spend_has_visits"),  # nobody comes by one of the campaigns
}
"""Checks that may find what is true of the shop."""


def tables(layout: Layout) -> dict[str, list[str]]:
    """Return the rows of every table of the warehouse, sorted."""
    with psycopg.connect(layout.variables["ECOM_WAREHOUSE"]) as con:
        return {
            name: sorted(
                repr(row)
                for row in con.execute(f"SELECT * FROM {contract.qualified_name()}".encode())
            )
            for name, contract in COMPUTED.items()
        }


def compute_every_day(layout: Layout) -> None:
    """Ask for a run over all days, and hold its numbers against what is true of the shop."""
    web = layout.webserver
    run_id = web.launch(*ALL_DAYS)
    assert web.wait_for(run_id).status == "SUCCESS"
    checks = web.checks(run_id)
    assert {table for table, name in checks if name == "contract_holds"} == set(COMPUTED)
    assert {name for name, passed in checks.items() if not passed} <= OF_SO_SMALL_A_SHOP
    written = web.rows_written(run_id)
    assert set(written) == {*COMPUTED, "serving/marts"}
    assert written["raw/events"] == layout.truth["events"]["rows"]
    assert written["staging/events"] == layout.truth["events"]["clean"]
    assert written["mart/sessions"] == layout.truth["sessions"]["total"]


def compute_two_days_at_once(layout: Layout) -> None:
    """Ask for two runs, which go on at the same time and leave the tables as
    one after the other would.
    """
    before, days = tables(layout), ("2026-01-03", "2026-01-05")
    web = layout.webserver
    first, second = [
        web.wait_for(run_id) for run_id in [web.launch(day, assets=FEW) for day in days]
    ]
    assert (first.status, second.status) == ("SUCCESS", "SUCCESS"), web.failures(
        first.id, second.id
    )
    assert first.overlaps(second), (
        "with Postgres as the warehouse, runs need not wait for each other"
    )
    assert tables(layout) == before


def ask_the_api(layout: Layout) -> None:
    """Ask what the run has published, with the key of the variables and without."""
    answer = requests.get(f"{layout.api}/health", timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["data_as_of"]) == (200, ALL_DAYS[1]), answer.text
    assert requests.get(f"{layout.api}/analytics/sales", timeout=PATIENCE_S).status_code == 401
    held = {"Authorization": f"Bearer {API_KEY}"}
    answer = requests.get(f"{layout.api}/analytics/sales", headers=held, timeout=PATIENCE_S)
    assert answer.json()["sales"]["shipped_amount"] == layout.truth["orders"]["shipped_amount"]


def stop_cleanly(layout: Layout) -> None:
    """Stop the services in the opposite order."""
    assert {name: layout.stop(name) for name in reversed(SERVICES)} == dict.fromkeys(SERVICES, 0)
    for name in SERVICES:
        assert "Traceback" not in layout.log(name), layout.log(name)


def the_whole_story(layout: Layout) -> None:
    """Bring the instance up to date, start the services, work, and stop."""
    layout.run("migrate")
    layout.start(*SERVICES)
    assert requests.get(f"{layout.api}/health", timeout=PATIENCE_S).status_code == 503, (
        "nothing is published yet"
    )
    compute_every_day(layout)
    ask_the_api(layout)
    compute_two_days_at_once(layout)
    stop_cleanly(layout)
    left = sorted(path.name for path in (layout.folder / "dagster").iterdir())
    assert left == ["dagster.yaml", "workspace.yaml"], (
        "the image's folder is read-only, so nothing may be written to it"
    )


@pytest.mark.slow
def test_the_api_starts_without_data_and_refuses_callers_without_key(
    variables: dict[str, str], tmp_path: Path
) -> None:
    with closing(Layout(tmp_path, variables)) as layout:
        layout.start("api")
        answer = requests.get(f"{layout.api}/health", timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        held = {"Authorization": f"Bearer {API_KEY}"}
        answers = [
            requests.get(f"{layout.api}/analytics/sales", headers=some, timeout=PATIENCE_S)
            for some in ({}, held)
        ]
        assert [answer.status_code for answer in answers] == [401, 503]
        assert "run `ecom run`" in answers[1].json()["detail"]
        assert layout.stop("api") == 0
        assert "Traceback" not in layout.log("api"), layout.log("api")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_services_of_a_fresh_environment_compute_days_side_by_side_and_stop_cleanly(
    variables: dict[str, str], tmp_path: Path
) -> None:
    """The environment is made by the lines that make the image's."""
    programs = install(tmp_path / "image")
    with closing(Layout(tmp_path, variables, programs, code=None)) as layout:
        the_whole_story(layout)
