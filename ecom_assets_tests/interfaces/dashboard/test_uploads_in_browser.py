"""A shop comes in by the browser: a dropped file, what is open as choices, Load it, and a first
page with its revenue or its funnel; nobody types the name of a column.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.asking import waiting_requests
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.orchestration.automation.upload_runs import UploadRun, run_days
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.test_boards_in_browser import is_sound
from ecom_assets_tests.interfaces.dashboard.test_browser import WIDTHS
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)

pytestmark = [pytest.mark.browser]
PATIENCE_MS = 180_000
"""Milliseconds that a look may take while other tests run."""
# 100 on Monday, 60 on Tuesday of which 20 were paid back; what "Reserved" is nobody knows: 70.
ORDERS = b"""Order ID,Order Date,Customer Email,Product,Quantity,Total,Currency,Order Status
1,2026-03-02 10:00:00,ann@shop.example,Lamp,1,100.00,EUR,Completed
2,2026-03-03 10:00:00,bob@shop.example,Lamp,1,40.00,EUR,Completed
3,2026-03-03 11:00:00,cid@shop.example,Chair,1,20.00,EUR,Completed
4,2026-03-03 12:00:00,cid@shop.example,Chair,1,70.00,EUR,Reserved
"""
LATER = b"""Order ID,Order Date,Customer Email,Product,Quantity,Total,Currency,Order Status
5,2026-03-09 10:00:00,ann@shop.example,Lamp,1,100.00,EUR,Completed
"""


@dataclass
class Shop:
    """A dashboard over a home, in which nothing was loaded at first."""

    home: Path
    address: str

    def work_off(self) -> list[str]:
        """Do what the sensor's job does; return what could not be done."""
        return UploadRun(self.home, "a-run", run_days, emptied).do(waiting_requests(self.home))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with served(build_dashboard_stack(Settings(home=tmp_path))) as answer:  # type: ignore[arg-type]  # any ASGI application
        yield Shop(tmp_path, answer.address)


def opened(browser: Browser, shop: Shop) -> tuple[Page, list[str]]:
    """Open the dashboard of a browser in Berlin; the second value is what goes wrong on it."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, timezone_id="Europe/Berlin")
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: wrong.append(message.text) if message.type == "error" else None,
    )
    page.goto(f"{shop.address}/dashboard/")
    return page, wrong


def drop(page: Page, **files: bytes) -> None:
    """Drop files on the field, and wait until they were looked at."""
    payloads = [
        FilePayload(name=name.replace("_", "."), mimeType="text/csv", buffer=content)
        for name, content in files.items()
    ]
    page.locator("input[type=file]").set_input_files(payloads)
    page.wait_for_url("**/mapping-files?**")
    expect(page.locator(".look-form")).to_be_visible(timeout=PATIENCE_MS)


def go_on(page: Page) -> None:
    """Press Continue, and wait until the files were looked at again."""
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Load it")).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.slow
def test_a_dropped_file_is_asked_about_by_choices_and_waits_to_be_loaded(
    browser: Browser, shop: Shop
) -> None:
    page, wrong = opened(browser, shop)
    expect(page).to_have_url(re.compile("/dashboard/mapping$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Bring in your shop")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        is_sound(page, width)
    drop(page, orders_csv=ORDERS)
    main = page.locator("main")
    expect(main).to_contain_text("3 of 4 rows would be counted: €160.00 in 3 orders")
    expect(main).to_contain_text("1 row would be refused: €70.00")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        is_sound(page, width)
    expect(page.get_by_label("Time zone", exact=False).last).to_have_value("Europe/Berlin")
    page.get_by_label("Not a sale").check()
    go_on(page)
    expect(main).to_contain_text("1 row would be left out")
    page.get_by_role("button", name="Load it").click()
    page.wait_for_url("**/mapping-progress?**")
    expect(main).to_contain_text("Waits to be loaded")
    is_sound(page, WIDTHS[-1])
    [upload] = Uploads(shop.home).every()
    assert (upload.state, upload.kind) == ("loading", "orders")
    [request] = waiting_requests(shop.home)
    assert (request.kind, request.subject) == ("load", str(upload.number))
    assert wrong == []


@pytest.mark.slow
def test_a_shop_comes_in_and_goes_again(browser: Browser, shop: Shop) -> None:
    page, wrong = opened(browser, shop)
    drop(page, orders_csv=ORDERS)
    page.get_by_label("Not a sale").check()
    go_on(page)
    page.get_by_role("button", name="Load it").click()
    page.wait_for_url("**/mapping-progress?**")
    assert shop.work_off() == []
    page.get_by_role("link", name="See your shop").click()
    page.wait_for_url(f"{shop.address}/dashboard/")
    page.goto(f"{shop.address}/dashboard/overview")
    expect(page.locator("main")).to_contain_text("€160", timeout=PATIENCE_MS)
    # The next week's file has the same layout: nothing is asked.
    page.goto(f"{shop.address}/dashboard/mapping")
    expect(page.locator("main")).to_contain_text("from 1 file. The next file is due")
    drop(page, week2_csv=LATER)
    expect(page.get_by_role("button", name="Load it")).to_be_visible()
    page.get_by_role("button", name="Load it").click()
    page.wait_for_url("**/mapping-progress?**")
    assert shop.work_off() == []
    page.get_by_role("link", name="See your shop").click()
    page.wait_for_url(f"{shop.address}/dashboard/")
    page.goto(f"{shop.address}/dashboard/overview")
    expect(page.locator("main")).to_contain_text("€260", timeout=PATIENCE_MS)
    # The first one is undone.
    page.goto(f"{shop.address}/dashboard/mapping")
    page.get_by_text("Undo", exact=True).last.click()
    page.get_by_role("button", name="Take orders.csv back").click()
    page.wait_for_url("**/mapping-progress?**")
    assert shop.work_off() == []
    expect(page.locator("main")).to_contain_text("Taken back", timeout=PATIENCE_MS)
    page.goto(f"{shop.address}/dashboard/overview")
    expect(page.locator("main")).to_contain_text("€100", timeout=PATIENCE_MS)
    assert wrong == []


@pytest.mark.slow
def test_what_cannot_be_taken_is_said_where_it_was_dropped(
    browser: Browser, shop: Shop, tmp_path: Path
) -> None:
    page, _wrong = opened(browser, shop)
    payloads = [
        FilePayload(name="empty.csv", mimeType="text/csv", buffer=b""),
        FilePayload(name="holiday.jpg", mimeType="image/jpeg", buffer=b"\xff\xd8\xff"),
    ]
    page.locator("input[type=file]").set_input_files(payloads)
    main = page.locator("main")
    expect(main).to_contain_text("This file is empty")
    expect(main).to_contain_text("holiday.jpg has a format that is not read")
    large = tmp_path / "years.csv"
    with large.open("wb") as file:
        file.truncate(2_000_000_000)  # without a byte on the disk
    page.locator("input[type=file]").set_input_files(large)
    expect(main).to_contain_text("This file is larger than 500 MB; export fewer days at a time")
    assert Uploads(shop.home).every() == []


@pytest.mark.slow
def test_a_cancelled_file_leaves_nothing(browser: Browser, shop: Shop) -> None:
    page, _wrong = opened(browser, shop)
    page.route("**/mapping/upload", lambda _route: None)  # it never arrives
    payload = FilePayload(name="a.csv", mimeType="text/csv", buffer=ORDERS)
    page.locator("input[type=file]").set_input_files([payload])
    page.get_by_role("button", name="Cancel a.csv").click()
    expect(page.locator("main")).to_contain_text("Cancelled: nothing of it is kept")
    assert Uploads(shop.home).every() == []


@pytest.mark.slow
def test_without_scripts_one_file_is_sent_by_a_form(browser: Browser, shop: Shop) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shop.address}/dashboard/")
    payload = FilePayload(name="orders.csv", mimeType="text/csv", buffer=ORDERS)
    page.locator("input[type=file]").set_input_files([payload])
    page.get_by_role("button", name="Look at it").click()
    page.wait_for_url("**/mapping-files?**")
    expect(page.locator("main")).to_contain_text("orders.csv")
    context.close()
