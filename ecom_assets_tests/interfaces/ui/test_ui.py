"""Dagster's UI as people use it: the graph in its groups, a day materialized by clicking,
what a table shows then.

Not here: what the metadata are (`warehouse/test_io_manager.py`).
"""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from ecom_assets_tests.command import ECOM, environment, has_ended, kill_group, small_shop
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("ui")]

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DAY = "2026-01-01"
WIDE: ViewportSize = {"width": 3000, "height": 1900}
PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Served:
    """Where the UI is, the truth about the shop behind it, and a folder for
    pictures of what was seen.
    """

    address: str
    api: str
    truth: dict[str, Any]
    pictures: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`ecom ui` over a small shop; it stops with all its children at Ctrl-C."""
    if not CHROMIUM.exists() and shutil.which("chromium") is None:
        pytest.skip("there is no Chromium on this machine; `make browser` installs it")
    home = tmp_path_factory.mktemp("ui") / "home"
    truth = small_shop(home)
    port, api_port = free_port(), free_port()
    log = home.with_name("ui.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*ECOM, "ui", "--port", str(port)],
            env=environment(home, {"ECOM_API_PORT": str(api_port)}),
            cwd=home.parent,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, process, log)
        yield Served(address, f"http://127.0.0.1:{api_port}", truth, home.parent)
    finally:
        stop(process)
    assert "Warning" not in log.read_text()


def wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the UI answers."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):  # noqa: S310 (our own server)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    pytest.fail(log.read_text())


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Press Ctrl-C, and see that nothing of it is left."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(240)
        assert has_ended(process.pid), "the UI left processes behind"
    finally:
        kill_group(process.pid)


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM if CHROMIUM.exists() else shutil.which("chromium"),
            args=ARGUMENTS,
        )
        opened = browser.new_page(viewport={"width": 1500, "height": 950}, base_url=served.address)
        opened.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield opened
        browser.close()


@pytest.fixture(scope="module")
def materialized(served: Served, page: Page) -> None:
    """A day of every table, materialized by clicking; the daemon takes the run from its queue."""
    page.goto("/asset-groups")
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Show all partitions").click()
    days = dialog.get_by_placeholder(re.compile("2026-01-01"))
    days.fill(DAY)
    days.press("Enter")
    dialog.get_by_role("button", name="Launch 1 run").click()
    expect(dialog).to_be_hidden()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        page.goto("/runs")
        row = page.get_by_role("row").filter(has_text=DAY)
        expect(row.or_(page.get_by_text(DAY)).first).to_be_visible()
        if page.get_by_text("Success", exact=True).count():
            break
        assert not page.get_by_text("Failure", exact=True).count(), "the run failed"
        page.wait_for_timeout(1000)
    page.screenshot(path=served.pictures / "runs.png")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()


@pytest.mark.slow
def test_the_api_answers_beside_the_ui(served: Served) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{served.api}/health/live", timeout=5) as answer:  # noqa: S310 (our own server)
                assert answer.read() == b'{"live":true}'
                return
        except urllib.error.URLError:
            time.sleep(0.3)
    pytest.fail((served.pictures / "home" / "api.log").read_text())


@pytest.mark.slow
def test_a_page_from_elsewhere_may_not_ask_the_ui(served: Served) -> None:
    for headers, status in (
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
    ):
        question = urllib.request.Request(f"{served.address}/runs", headers=headers)  # noqa: S310 (our own server)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(question, timeout=PATIENCE_S)  # noqa: S310 (as above)
        with refused.value as answer:
            assert answer.code == status


@pytest.mark.slow
def test_the_graph_shows_tables_in_their_groups(served: Served, page: Page) -> None:
    page.goto("/asset-groups")
    for group in ("events", "sessions", "journeys"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    page.screenshot(path=served.pictures / "graph.png")
    assert page.get_by_text("Join the Dagster community").count() == 0


@pytest.mark.slow
@pytest.mark.usefixtures("materialized")
def test_a_table_s_page_shows_its_rows_columns_owner_and_meaning(
    served: Served, page: Page
) -> None:
    page.goto("/assets/staging/events?view=overview")
    expect(page.get_by_text("One row per clean event")).to_be_visible()
    row_count = page.get_by_text("Row count", exact=True).locator("xpath=..")
    expect(row_count).to_contain_text(f"{served.truth['by_received_date'][DAY]['clean']:,}")
    expect(page.get_by_text("source_session_id", exact=True).first).to_be_visible()
    expect(page.get_by_text("The user that the event itself carries").first).to_be_visible()
    expect(page.locator("body")).to_contain_text(re.compile(r"Owners\W*events"))
    expect(page.get_by_role("link", name=re.compile("assets.py in editor"))).to_be_visible()
    page.screenshot(path=served.pictures / "table.png")


@pytest.mark.usefixtures("materialized")
@pytest.mark.parametrize(
    ("entry", "holds"),
    [("sql", "SELECT"), ("preview", "•••"), ("lineage", "mart.session_days.visitor_id")],
)
@pytest.mark.slow
def test_a_materialization_shows_sql_preview_and_lineage(
    served: Served, page: Page, entry: str, holds: str
) -> None:
    page.goto("/assets/mart/sessions?view=events")
    expect(page.get_by_text("Metadata", exact=True)).to_be_visible()
    page.get_by_role("row").filter(has_text=entry).get_by_text("[Show Markdown]").click()
    expect(page.get_by_role("dialog")).to_contain_text(holds)
    page.screenshot(path=served.pictures / f"{entry}.png")


@pytest.mark.slow
@pytest.mark.usefixtures("materialized")
def test_its_checks_are_shown_as_passed(served: Served, page: Page) -> None:
    page.goto("/assets/mart/sessions?view=checks")
    expect(page.get_by_text("contract_holds").first).to_be_visible()
    # Dagster cuts long names, and keeps the whole one hidden, to measure it.
    expect(page.get_by_text("every_fragment_is_in_one_session").first).to_be_attached()
    expect(page.get_by_text("Passed", exact=True).first).to_be_visible()
    page.screenshot(path=served.pictures / "checks.png")


@pytest.mark.slow
@pytest.mark.usefixtures("materialized")
def test_its_neighbours_are_drawn_with_the_checks_they_passed(served: Served, page: Page) -> None:
    page.set_viewport_size(WIDE)  # else its neighbours are drawn without their checks
    page.goto("/assets/mart/engagement_daily?view=lineage")
    for neighbour in ("sessions", "session_days"):
        expect(page.get_by_text(neighbour, exact=True).first).to_be_visible()
    expect(page.get_by_text("3 / 3 Passed").first).to_be_visible()
    page.screenshot(path=served.pictures / "lineage.png")


@pytest.mark.slow
def test_the_partitions_page_begins_with_the_shop_s_first_month(served: Served, page: Page) -> None:
    page.goto("/assets/mart/sessions?view=partitions")
    expect(page.get_by_text("2026-01-01", exact=True).first).to_be_visible()
    expect(page.get_by_text("2009-12-01")).to_have_count(0)
    page.screenshot(path=served.pictures / "partitions.png")


@pytest.mark.slow
def test_the_resources_page_leads_to_what_each_of_them_is_and_its_values(
    served: Served, page: Page
) -> None:
    page.goto("/locations/ecom_assets/resources")
    for name in ("warehouse", "postgres", "amplitude", "customer_api"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.screenshot(path=served.pictures / "resources.png")
    page.goto("/locations/ecom_assets/resources/warehouse")
    expect(page.get_by_text("duckdb:///").first).to_be_visible()
    expect(page.get_by_text("The warehouse that all tables are computed in").first).to_be_visible()
    page.screenshot(path=served.pictures / "resource.png")


def await_runs(page: Page, status: str, count: int) -> None:
    """Look at the page of runs until so many have ended in a way."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        page.goto("/runs")
        page.wait_for_timeout(2000)
        if page.get_by_text(status, exact=True).count() >= count:
            return
    pytest.fail(f"there are not {count} runs with {status}")


@pytest.mark.slow
@pytest.mark.usefixtures("materialized")
def test_one_table_is_materialized_by_clicking(served: Served, page: Page) -> None:
    page.goto("/assets/mart/engagement_daily?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Show all partitions").click()
    days = dialog.get_by_placeholder(re.compile("2026-01-01"))
    days.fill(DAY)
    days.press("Enter")
    dialog.get_by_role("button", name="Launch 1 run").click()
    expect(dialog).to_be_hidden()
    await_runs(page, "Success", 2)
    page.screenshot(path=served.pictures / "one_table.png")


@pytest.mark.slow
@pytest.mark.usefixtures("materialized")
def test_a_check_that_fails_shows_what_broke_it(served: Served, page: Page) -> None:
    with duckdb.connect(str(served.pictures / "home" / "warehouse.duckdb")) as warehouse:
        warehouse.execute(
            "DELETE FROM mart.sessions WHERE session_id = (SELECT min(session_id) FROM "
            "mart.sessions)"
        )
    page.goto("/assets/mart/sessions?view=checks&checkDetail=every_fragment_is_in_one_session")
    page.get_by_role("button").filter(has_text=re.compile("^Execute$")).click()
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible(timeout=PATIENCE_S * 1000)
    page.screenshot(path=served.pictures / "failing_check.png")
    row = page.get_by_role("row").filter(has_text="observed")
    expect(row.first).to_contain_text("1")
    page.get_by_role("row").filter(has_text="examples").get_by_text("[Show JSON]").click()
    expect(page.get_by_role("dialog")).to_contain_text("session")
    page.screenshot(path=served.pictures / "evidence.png")
