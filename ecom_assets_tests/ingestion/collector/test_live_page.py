"""From a shop's page to the Live page: what a visitor does is seen without a reload."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ecom_assets.ingestion.collector import sealing
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.ingestion.collector.served import collect_settings, collecting
from ecom_assets_tests.ingestion.collector.test_browser import browser, page_with, shop_of
from ecom_assets_tests.interfaces.api.served import serving
from ecom_assets_tests.ports import free_port

__all__ = ["browser"]


@pytest.mark.slow
@pytest.mark.browser
def test_a_visitor_is_on_the_live_page_before_anything_ran(
    browser: Browser, tmp_path: Path
) -> None:
    settings = collect_settings(tmp_path)
    Path(settings.events).mkdir(parents=True)
    port = free_port()
    pages = {"/boots": page_with(port, calls='ecom("product_view", {product_id: "black-boots"})')}
    with (
        shop_of(pages) as site,
        collecting(settings, port, sealing.SEAL_S),
        serving(settings, build_dashboard_app(settings)) as client,
    ):
        live = browser.new_page()
        live.goto(f"{client.address}/dashboard/live")
        expect(live.get_by_text("black-boots")).to_have_count(0)
        time.sleep(1)  # the stream is open
        browser.new_context().new_page().goto(f"{site}/boots")
        expect(live.get_by_text("black-boots")).to_be_visible(
            timeout=6000
        )  # sooner than the page reads by itself
        expect(live.get_by_role("cell", name="/boots", exact=True)).to_be_visible()
        live.close()  # its stream would keep the server open
