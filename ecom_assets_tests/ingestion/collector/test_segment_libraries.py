"""Segment's own libraries pointed at the collector: each call is an event, once."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect
from segment.analytics.client import Client  # type: ignore[import-untyped]  # it has no types

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets_tests.ingestion.collector.served import CollectClient, collect_settings, collecting
from ecom_assets_tests.ingestion.collector.test_browser import browser, shop_of
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.ports import free_port

__all__ = ["browser"]

PACKAGES: Final = Path(__file__).parents[3] / ".segment" / "node_modules" / "@segment"
NEEDS_NPM = pytest.mark.skipif(
    not PACKAGES.exists(), reason="Segment's npm packages are missing: make segment"
)
SERVER = """
const { Analytics } = require(process.argv[2]);
const shop = new Analytics({ writeKey: "key", host: process.argv[3], flushInterval: 50 });
shop.on("error", (error) => { console.error(error); process.exitCode = 1; });
shop.identify({ userId: "anna", traits: { plan: "gold" } });
shop.track({ userId: "anna", event: "Product Viewed", properties: { product_id: "hat" } });
shop.page({ userId: "anna", properties: { url: "https://shop.example/" } });
shop.track({
  userId: "anna", event: "Order Completed", properties: { order_id: "7", revenue: 20 }
});
shop.closeAndFlush();
"""
PAGE = """<title>Hats</title><p id="state"></p><script src="/umd/index.js"></script><script>
const shop = AnalyticsNext.AnalyticsBrowser.load({{ writeKey: "{key}", cdnURL: "{collector}" }});
(async () => {{
  await shop.page();
  await shop.track("Product Viewed", {{ product_id: "hat" }});
  await shop.identify("anna", {{ plan: "gold" }});
  await shop.track("Order Completed", {{ order_id: "7", revenue: 20 }});
  document.getElementById("state").textContent = "sent";
}})();
</script>"""
CALLS: Final = Counter({"page_view": 1, "product_view": 1, "identify": 1, "purchase": 1})


def counted(client: CollectClient) -> Counter[str]:
    rows = client.wait_for(4)
    assert client.letters() == []
    assert len({row["event_id"] for row in rows}) == 4
    assert [row["cart_value"] for row in rows if row["event_type"] == "purchase"] == ["20"]
    return Counter(row["event_type"] for row in rows)


@pytest.mark.slow
def test_the_library_for_python(tmp_path: Path) -> None:
    with collecting(collect_settings(tmp_path)) as client:
        refused: list[object] = []
        shop = Client(
            "key", host=client.address, gzip=True, on_error=lambda error, _: refused.append(error)
        )
        shop.identify("anna", {"plan": "gold"})
        shop.track("anna", "Product Viewed", {"product_id": "hat"})
        shop.page("anna", properties={"url": "https://shop.example/"})
        shop.track("anna", "Order Completed", {"order_id": "7", "revenue": 20})
        shop.shutdown()
        assert refused == []
        assert counted(client) == CALLS


@pytest.mark.slow
@NEEDS_NPM
def test_the_library_for_node(tmp_path: Path) -> None:
    (tmp_path / "server.js").write_text(SERVER)
    with collecting(collect_settings(tmp_path)) as client:
        node = [
            str(shutil.which("node")),
            str(tmp_path / "server.js"),
            str(PACKAGES / "analytics-node"),
            client.address,
        ]
        subprocess.run(node, check=True, timeout=PATIENCE_S)
        assert counted(client) == CALLS


@pytest.mark.slow
@pytest.mark.browser
@NEEDS_NPM
def test_the_library_for_pages(browser: Browser, tmp_path: Path) -> None:
    settings, port = collect_settings(tmp_path), free_port()
    umd = PACKAGES / "analytics-next" / "dist" / "umd"
    pages = {f"/umd/{path.name}": path.read_text() for path in umd.glob("*.js")}
    with shop_of(pages) as site:
        _, key = KeyFile(settings.home).create("shop", (Scope.COLLECT,), (site,))
        with collecting(settings, port) as client:
            pages["/"] = PAGE.format(key=key, collector=client.address)
            page = browser.new_context().new_page()
            page.goto(site)
            expect(page.locator("#state")).to_have_text("sent", timeout=20_000)
            assert counted(client) == CALLS
            page.context.close()
