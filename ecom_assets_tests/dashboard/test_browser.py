"""The pages in a real browser: no error, no request to elsewhere, no overflow, and nothing that axe finds serious."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ecom_assets.dashboard.page import Page as DashboardPage
from ecom_assets.dashboard.page import all_pages
from ecom_assets_tests.dashboard.conftest import Client
from ecom_assets_tests.dashboard.test_pages import NEEDS
from ecom_assets_tests.test_ui import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.browser]
WIDTHS = (375, 1440)
SERIOUS = {"serious", "critical"}
OTHERS = [one for one in all_pages() if one.path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of this file."""
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium on this machine; `make browser` installs it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


def opened(browser: Browser, client: Client, path: str, width: int, theme: str) -> tuple[Page, list[str]]:
    """Open a page and let it draw; the second value is what went wrong so far."""
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light"
    )
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda one: None if one.url.startswith((client.address, "data:")) else wrong.append(one.url))
    page.goto(f"{client.address}/dashboard/{path}")
    for plot in page.locator(".plot").all():
        plot.scroll_into_view_if_needed()
        expect(plot.locator("canvas")).to_be_visible()
    return page, wrong


def is_sound(browser: Browser, client: Client, path: str) -> None:
    """Look at a page in both themes, narrow and wide."""
    for width, theme in zip(WIDTHS, ("dark", "light"), strict=True):
        page, wrong = opened(browser, client, path, width, theme)
        assert wrong == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        actual = Axe().run(page).response["violations"]
        reported = {one["id"]: [node["html"] for node in one["nodes"]] for one in actual if one["impact"] in SERIOUS}
        assert reported == {}, f"{path} at {width} px, {theme}"
        page.close()


def test_overview_is_sound(browser: Browser, client: Client) -> None:
    is_sound(browser, client, "")


@pytest.mark.slow
@pytest.mark.parametrize("page", OTHERS, ids=lambda one: one.path)
def test_every_page_is_sound(browser: Browser, client: Client, page: DashboardPage) -> None:
    is_sound(browser, client, f"{page.path}?{NEEDS.get(page.path, '')}")


@pytest.mark.slow
def test_a_choice_is_in_the_address_and_the_theme_is_kept(browser: Browser, client: Client) -> None:
    page, wrong = opened(browser, client, "sales", 1440, "light")
    page.get_by_label("Days").select_option("week")
    page.wait_for_url(re.compile("time_range=week"))
    page.get_by_role("link", name="Products and stock").click()
    page.wait_for_url(re.compile("/dashboard/products.*time_range=week"))
    page.get_by_role("button", name="Change to the dark theme").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert wrong == []
    page.close()


@pytest.mark.slow
def test_a_chart_is_kept_as_png(browser: Browser, client: Client) -> None:
    page, _ = opened(browser, client, "?time_range=week", 1440, "light")
    with page.expect_download() as kept:
        page.get_by_role("button", name="PNG").first.click()
    assert kept.value.suggested_filename == "revenue-by-day.png"
    assert kept.value.path().read_bytes().startswith(b"\x89PNG")
    page.close()


@pytest.mark.slow
def test_the_keyboard_reaches_the_content_and_the_menu(browser: Browser, client: Client) -> None:
    page, _ = opened(browser, client, "", 375, "light")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    menu = page.get_by_role("button", name="Menu")
    assert menu.get_attribute("aria-expanded") == "false"
    expect(page.get_by_role("link", name="Sales")).to_be_hidden()
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation").get_by_role("link", name="Sales")).to_be_visible()
    page.close()
