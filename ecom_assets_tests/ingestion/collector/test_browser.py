"""Shop pages in a real browser: their events are in the landing folder once,
whatever happens in between.
"""

import gzip
import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.http_server.keys import KeyFile
from ecom_assets.ingestion.collector.requests import packed_script
from ecom_assets_tests.ingestion.collector.served import (
    IPHONE,
    CollectClient,
    Landed,
    collect_settings,
    collecting,
)
from ecom_assets_tests.interfaces.ui.test_ui import ARGUMENTS, CHROMIUM
from ecom_assets_tests.ports import free_port

MOST_BYTES = 2_000
SNIPPET = '<script async src="http://127.0.0.1:{port}/ecom.js" data-key="{key}"{more}></script>'
STUB = "<script>window.ecom=window.ecom||function(){(ecom.q=ecom.q||[]).push(arguments)};</script>"


def test_the_snippet_is_smaller_than_two_kilobytes() -> None:
    packed, _ = packed_script("ecom.js")
    assert len(packed) < MOST_BYTES
    assert b"sendBeacon" in gzip.decompress(packed)


class Shop(http.server.BaseHTTPRequestHandler):
    """A web shop: every path has the page that the test has put there."""

    pages: dict[str, str]

    def do_GET(self) -> None:
        """Answer with the page."""
        body = self.pages.get(urlsplit(self.path).path, "").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def shop_of(pages: dict[str, str]) -> Iterator[str]:
    """Serve pages under a site of its own, and yield the site."""
    handler = type("Pages", (Shop,), {"pages": pages})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(user_agent=IPHONE)
    yield context
    context.close()


def until(condition: Callable[[], object], within_s: float = 120.0) -> None:
    end = time.monotonic() + within_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()


def counted(client: Landed) -> Counter[str]:
    """Return the events by type, copies by id left out, as cleaning does."""
    return Counter({row["event_id"]: row["event_type"] for row in client.events()}.values())


def page_with(port: int, key: str = "", more: str = "", calls: str = "") -> str:
    snippet = SNIPPET.format(port=port, key=key, more=more)
    return (
        f"<!doctype html><title>Shop</title><h1>Lamps</h1>{STUB}{snippet}<script>{calls}</script>"
    )


@pytest.mark.slow
@pytest.mark.browser
def test_a_visit_of_a_shop_lands_with_one_device_and_its_user(
    visit: BrowserContext, tmp_path: Path
) -> None:
    settings = collect_settings(tmp_path)
    port = free_port()
    pages = {
        "/": page_with(
            port, calls='ecom("product_view", {product_id: "4711", product_category: "Lamps"})'
        ),
        "/cart": page_with(
            port, calls='ecom("add_to_cart", {product_id: "4711", cart_value: 19.9})'
        ),
        "/thanks": page_with(
            port,
            calls='ecom("identify", "anna"); ecom("purchase", {cart_value: 19.9, order_id: "o-1"})',
        ),
    }
    with shop_of(pages) as site:  # which reads them at each request
        _, key = KeyFile(settings.home).create("shop", (Scope.COLLECT,), (site,))
        pages.update(
            {path: text.replace('data-key=""', f'data-key="{key}"') for path, text in pages.items()}
        )
        with collecting(settings, port) as client:
            page = visit.new_page()
            wrong: list[str] = []
            page.on(
                "console",
                lambda message: wrong.append(message.text) if message.type == "error" else None,
            )
            for path in ("/", "/cart", "/thanks"):
                page.goto(site + path)
            until(lambda: sum(counted(client).values()) == 7)
            rows = {row["event_type"]: row for row in client.events()}
            until(lambda: page.evaluate("localStorage['ecom.queue']") == "[]")
            (cookie,) = [cookie for cookie in visit.cookies() if cookie["name"] == "ecom_device"]
    assert {row["anonymous_id"] for row in rows.values()} == {cookie["value"]}
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert rows["purchase"]["user_id"] == "anna"
    assert rows["purchase"]["cart_value"] == "19.9"
    assert json.loads(rows["purchase"]["properties"]) == {"order_id": "o-1"}
    assert rows["add_to_cart"]["user_id"] is None
    assert rows["add_to_cart"]["page_url"] == f"{site}/cart"
    assert not wrong


@pytest.mark.slow
@pytest.mark.browser
def test_events_wait_for_a_collector_that_is_down_and_outlive_a_reload(
    visit: BrowserContext, tmp_path: Path
) -> None:
    settings = collect_settings(tmp_path)
    port = free_port()
    script = gzip.decompress(packed_script("ecom.js")[0]).decode()
    visit.route(
        "**/ecom.js", lambda route: route.fulfill(body=script, content_type="text/javascript")
    )
    with shop_of({"/": page_with(port, calls='ecom("search", {search_term: "lamp"})')}) as site:
        page = visit.new_page()
        page.goto(site)
        page.reload()
        until(lambda: len(json.loads(page.evaluate("localStorage['ecom.queue']") or "[]")) == 4)
        with collecting(settings, port) as client:
            until(lambda: counted(client) == {"page_view": 2, "search": 2})
            until(lambda: page.evaluate("localStorage['ecom.queue']") == "[]")
        page.evaluate('ecom("purchase", {cart_value: 5})')  # it is down again
        page.goto("about:blank")
        with collecting(settings, port) as client:
            page.goto(site)
            until(lambda: counted(client) == {"page_view": 3, "search": 3, "purchase": 1})


@pytest.mark.slow
@pytest.mark.browser
def test_a_page_that_closes_at_once_has_sent_its_events(
    visit: BrowserContext, tmp_path: Path
) -> None:
    port = free_port()
    with (
        collecting(collect_settings(tmp_path), port) as client,
        shop_of({"/": page_with(port), "/next": "<title>Next</title>"}) as site,
    ):
        page = visit.new_page()
        page.goto(site)
        page.evaluate('for (let n = 0; n < 50; n++) ecom("view", {n: n}); location.href = "/next"')
        page.wait_for_url("**/next")
        until(lambda: counted(client) == {"page_view": 1, "view": 50})


@pytest.mark.slow
@pytest.mark.browser
def test_nothing_is_kept_or_sent_before_consent_and_all_is_forgotten_after_its_end(
    visit: BrowserContext, tmp_path: Path
) -> None:
    port = free_port()
    with (
        collecting(collect_settings(tmp_path), port) as client,
        shop_of({"/": page_with(port, more=' data-consent="required"')}) as site,
    ):
        page = visit.new_page()
        page.goto(site)
        page.wait_for_function("!ecom.q")
        page.wait_for_timeout(500)
        assert (page.evaluate("localStorage.length"), visit.cookies(), client.events()) == (
            0,
            [],
            [],
        )
        page.evaluate('ecom("consent", true)')
        until(lambda: counted(client) == {"page_view": 1})
        page.evaluate('ecom("consent", false); ecom("search")')
        page.wait_for_timeout(500)
        assert counted(client) == {"page_view": 1}
        kept = page.evaluate("Object.values(localStorage)")
        assert set(kept) == {"null", "-1"}
        page.reload()
        page.wait_for_timeout(500)
        assert counted(client) == {"page_view": 1}


LAYER = """
dataLayer = [];
function gtag() { dataLayer.push(arguments); }
dataLayer.push({user_id: "anna"});
dataLayer.push({event: "view_item", ecommerce: {currency: "EUR", value: 20, items: [
  {item_id: "4711", item_category: "Lamps", price: 20, quantity: 1}]}});
"""


@pytest.mark.slow
@pytest.mark.browser
def test_ga4_s_events_in_the_data_layer_become_the_platform_s(
    visit: BrowserContext, tmp_path: Path
) -> None:
    port = free_port()
    tag = f'<script async src="http://127.0.0.1:{port}/ecom-datalayer.js"></script>'
    page_text = (
        f"<!doctype html><title>Shop</title><script>{LAYER}</script>{tag}"
        f"{SNIPPET.format(port=port, key='', more='')}"
    )
    with collecting(collect_settings(tmp_path), port) as client, shop_of({"/": page_text}) as site:
        page = visit.new_page()
        page.goto(site)
        page.wait_for_function("dataLayer.push !== Array.prototype.push && !ecom.q")
        page.evaluate("""() => {
            dataLayer.push({ecommerce: null});
            dataLayer.push({event: "add_to_cart", ecommerce: {currency: "EUR", value: 50, items: [
                {item_id: "4711", price: 20, quantity: 2}, {item_id: "4712", price: 10}]}});
            dataLayer.push({ecommerce: null});
            dataLayer.push({event: "begin_checkout"});
            dataLayer.push({event: "unrelated", ecommerce: {value: 1}});
            dataLayer.push({ecommerce: null});
            gtag("event", "purchase", {
                transaction_id: "o-1", value: "50.5", currency: "EUR", items: [{item_id: "4711"}]});
        }""")
        until(lambda: sum(counted(client).values()) == 7)
        rows = {(row["event_type"], row["product_id"]): row for row in client.events()}
    assert set(rows) == {
        ("page_view", None),
        ("product_view", "4711"),
        ("add_to_cart", "4711"),
        ("add_to_cart", "4712"),
        ("checkout_start", None),
        ("purchase", "4711"),
        ("identify", None),
    }
    assert rows["product_view", "4711"]["product_category"] == "Lamps"
    assert [rows["add_to_cart", item]["cart_value"] for item in ("4711", "4712")] == ["40", "10"]
    assert rows["checkout_start", None]["cart_value"] is None  # nothing leaks from the push before
    assert rows["purchase", "4711"]["cart_value"] == "50.5"
    assert json.loads(rows["purchase", "4711"]["properties"]) == {
        "transaction_id": "o-1",
        "currency": "EUR",
    }
    assert rows["purchase", "4711"]["user_id"] == "anna"


def test_a_collect_client_reads_scripts_with_their_tag(tmp_path: Path) -> None:
    with collecting(collect_settings(tmp_path)) as client:
        _script_is_cached(client)


def _script_is_cached(client: CollectClient) -> None:
    first = client.get("/ecom.js")
    assert (first.status_code, first.headers["cache-control"]) == (200, "public, max-age=3600")
    assert client.get("/ecom.js", if_none_match=first.headers["etag"]).status_code == 304
    assert "content-encoding" not in client.get("/ecom.js", accept_encoding="identity").headers
