"""The Live page in a real browser: an event that arrives is on it without a reload."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from ecom_assets.core.clock import now_utc
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.interfaces.api.served import serving
from ecom_assets_tests.interfaces.api.test_realtime import land
from ecom_assets_tests.interfaces.ui.test_ui import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.browser]


@pytest.mark.slow
def test_what_arrives_is_on_the_page_within_seconds(settings: Settings, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing / "a.csv", [("1", "anna", "page_view", 1, "", "")], now=now_utc())
    live = settings.model_copy(update={"events": str(landing), "api_timeout_s": 2.0})
    with serving(live, build_dashboard_app(live)) as client, sync_playwright() as playwright:
        # The first answer loads what all others use, on a busy machine for longer than the limit.
        while client.get("/analytics/realtime").status_code != 200:
            time.sleep(0.1)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        wrong: list[str] = []
        page.on(
            "console",
            lambda message: wrong.append(message.text) if message.type == "error" else None,
        )
        page.goto(f"{client.address}/dashboard/live")
        expect(page.get_by_text("boots")).to_have_count(0)
        time.sleep(3)  # longer than an answer may take
        land(landing / "b.csv", [("2", "bob", "purchase", 0, "boots", "9.00")], now=now_utc())
        expect(page.get_by_text("boots")).to_be_visible(
            timeout=6000
        )  # sooner than the page would read again by itself
        page.screenshot(path=tmp_path / "live.png")
        assert not wrong
        browser.close()


@pytest.mark.slow
def test_a_shop_without_a_run_sees_its_first_visitors(tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing / "a.csv", [("1", "anna", "purchase", 1, "boots", "9.00")], now=now_utc())
    fresh = Settings(home=tmp_path / "home", events=str(landing), currency="EUR")
    with serving(fresh, build_dashboard_app(fresh)) as client:
        page = client.get("/dashboard/live").text
        assert "€9.00" in page
        assert "boots" in page
        assert "Nothing is published yet" in client.get("/dashboard/sales").text
