"""What people do in a real browser: build a funnel and share its address, release a held day, retry a dead letter."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from ecom_assets.dashboard.app import build_dashboard_app
from ecom_assets.delivery.destination import Answer, DeliveryState
from ecom_assets.operations.requests import Requests
from ecom_assets.settings.settings import Settings
from ecom_assets.tables.days import Days
from ecom_assets_tests.api.conftest import served
from ecom_assets_tests.dashboard.conftest import Client
from ecom_assets_tests.dashboard.test_operation import held as held  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.delivery.delivered_shop import DeliveredShop
from ecom_assets_tests.delivery.test_exports import event
from ecom_assets_tests.test_ui import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MONDAY = date(2026, 2, 2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of this file."""
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium on this machine; `make browser` installs it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


def test_a_funnel_is_built_and_its_address_shows_others_the_same(browser: Browser, client: Client) -> None:
    page = browser.new_page()
    page.goto(f"{client.address}/dashboard/funnel")
    page.get_by_label("Step 2", exact=True).fill("purchase")
    page.get_by_label("Step 3", exact=True).fill("")
    page.get_by_label("Window").fill("3d")
    page.get_by_role("button", name="Ask").click()
    expect(page).to_have_url(re.compile("step2=purchase"))
    assert "step4" not in page.url, "what is empty is not in the address"
    expect(page.get_by_label("Step 3", exact=True)).to_have_value("")
    shown = page.locator(".tile .number").all_inner_texts()
    other = browser.new_page()
    other.goto(page.url)
    assert other.locator(".tile .number").all_inner_texts() == shown
    expect(other.get_by_label("Window")).to_have_value("3d")
    other.get_by_label("Window").fill("soon")
    other.get_by_role("button", name="Ask").click()
    expect(other.get_by_role("alert")).to_contain_text("soon")


def test_a_cell_of_the_retention_map_lists_who_is_in_it(browser: Browser, client: Client) -> None:
    page = browser.new_page()
    page.goto(f"{client.address}/dashboard/retention?period=week&start=page_view")
    canvas = page.locator(".plot canvas").first
    canvas.wait_for()
    box = canvas.bounding_box()
    assert box
    # A little right of the middle of the first cohort, which has come furthest.
    canvas.click(position={"x": box["width"] * 0.3, "y": 108})
    expect(page).to_have_url(re.compile(r"start=page_view.*who_cohort=\d{4}-\d\d-\d\d&who_period=\d+#s3-title"))
    expect(
        page.get_by_text(re.compile(r"The first \d+ of \d+ of \d{4}-\d\d-\d\d, period \d+, by visitor"))
    ).to_be_visible()


def test_a_held_day_is_released_by_its_button(browser: Browser, held: Client, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(f"{held.address}/dashboard/quality")
    page.get_by_role("button", name="Release 2026-02-03").click()
    expect(page.get_by_text("The release of 2026-02-03 is recorded")).to_be_visible()
    expect(page.get_by_text("Asked by somebody on this machine")).to_be_visible()
    assert len(Requests(tmp_path).waiting()) == 1


def test_dead_letters_are_sent_again_by_their_button(browser: Browser, settings: Settings, tmp_path: Path) -> None:
    shop = DeliveredShop(tmp_path)
    shop.tool.answers = {"m2": Answer(DeliveryState.REJECTED, "bad_value", "No such currency.")}
    shop.land([event("m1", MONDAY), event("m2", MONDAY)])
    shop.land_orders({MONDAY: 0})
    shop.deliver(Days((MONDAY,)))
    ledger = type(settings.ledger_url)(f"sqlite://{tmp_path / 'ledger.sqlite'}")
    app = build_dashboard_app(settings.model_copy(update={"ledger_url": ledger}))
    app.state.settings = app.state.settings.model_copy(update={"home": tmp_path})
    with served(app) as answer:
        page = browser.new_page()
        page.goto(f"{answer.address}/dashboard/deliveries")
        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_text("are sent again by the next run")).to_be_visible()
        shop.tool.answers = {}
        shop.deliver(Days((MONDAY,)))
        page.reload()
        expect(page.get_by_text("Every record of these days could be delivered")).to_be_visible()
    shop.close()
