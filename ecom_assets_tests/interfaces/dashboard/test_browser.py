"""The pages in a real browser: no error, no overflow, no cut column, nothing that axe finds,
and what people do on them.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.page import DashboardPage, all_pages
from ecom_assets.outputs.delivery.destination import DeliveryResult, DeliveryState
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.test_operation import held as held  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.interfaces.dashboard.test_pages import AT_EVERY_WIDTH, NEEDS
from ecom_assets_tests.interfaces.ui.test_ui import ARGUMENTS, CHROMIUM
from ecom_assets_tests.outputs.delivery.delivered_shop import DeliveredShop
from ecom_assets_tests.outputs.delivery.test_exports import event

pytestmark = [pytest.mark.browser]
WIDTHS = (390, 1024, 1440)
"""A phone, a tablet, and a screen."""
COLOURS = 12
"""The colours that the theme has for series."""
OTHERS = [page for page in all_pages() if page.path != "overview"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of this file."""
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium on this machine; `make browser` installs it")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


def opened(
    browser: Browser, client: Client, path: str, width: int, theme: str
) -> tuple[Page, list[str]]:
    """Open a page in a new window and let it draw; the second value is what went wrong so far."""
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
    )
    wrong = listened_to(page, client)
    draw(page, client, path)
    return page, wrong


def listened_to(page: Page, client: Client) -> list[str]:
    """Return a list to which everything is added that goes wrong in a window."""
    wrong: list[str] = []
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text) if message.type in {"error", "warning"} else None
        ),
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((client.address, "data:")) else wrong.append(request.url)
        ),
    )
    return wrong


def draw(page: Page, client: Client, path: str) -> None:
    """Go to a page in a window, and let it draw its charts."""
    page.goto(f"{client.address}/dashboard/{path}")
    for plot in page.locator(".plot").all():
        plot.scroll_into_view_if_needed()
        expect(plot.locator("canvas")).to_be_visible()


Windows = list[tuple[Page, list[str], tuple[int, ...], str]]


@pytest.fixture(scope="module")
def windows(browser: Browser, client: Client) -> Iterator[Windows]:
    """A phone in the dark, and a tablet that grows to a screen, each with what went wrong in it,
    its widths and its theme: pages that are looked at one after the other read scripts once.
    """
    phone, tablet, screen = WIDTHS
    opened: Windows = []
    for widths, theme in (((phone,), "dark"), ((tablet, screen), "light")):
        page = browser.new_page(color_scheme="dark" if theme == "dark" else "light")
        opened.append((page, listened_to(page, client), widths, theme))
    yield opened
    for page, *_ in opened:
        page.close()


def violations(page: Page) -> dict[str, list[str]]:
    """Return what axe finds, of any impact, with the parts of the page that it is about."""
    found = Axe().run(page).response["violations"]
    return {row["id"]: [node["html"] for node in row["nodes"]] for row in found}


CUT = """() => [...document.querySelectorAll(".scroll")]
  .filter((one) => one.checkVisibility() && !one.querySelector(".cohorts"))
  .filter((one) => !one.closest("details:not([open])"))
  .filter((one) => one.scrollWidth > one.clientWidth + 1)
  .map((one) => `${one.getAttribute("aria-label")}: ${one.scrollWidth} in ${one.clientWidth}`)"""
"""Returns the tables whose columns are cut; cohorts have as many columns as there are periods, and
scroll under names that stay.
"""


def is_sound(windows: Windows, client: Client, path: str) -> None:
    """Look at a page on a phone in the dark, and on a tablet that grows to a screen.

    axe, which takes most of the time, looks at every page on the phone, and elsewhere at those that
    have all that pages are made of: what it finds follows from elements and colours.
    """
    phone = WIDTHS[0]
    for page, wrong, widths, theme in windows:
        wrong.clear()
        page.set_viewport_size({"width": widths[0], "height": 900})
        draw(page, client, path)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CUT) == [], f"{path} at {width} px"
            if width == phone or (path.partition("?")[0] or "overview") in AT_EVERY_WIDTH:
                assert violations(page) == {}, f"{path} at {width} px, {theme}"
        assert wrong == []


def test_overview_is_sound(windows: Windows, client: Client) -> None:
    is_sound(windows, client, "")


@pytest.mark.slow
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.path)
def test_every_page_is_sound(windows: Windows, client: Client, page: DashboardPage) -> None:
    is_sound(windows, client, f"{page.path}?{NEEDS.get(page.path, '')}")


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
def test_a_click_on_a_value_of_the_sales_explorer_narrows(browser: Browser, client: Client) -> None:
    page, wrong = opened(browser, client, "sales-explorer?by=product", 1440, "light")
    chips = page.locator(".chip")
    expect(chips).to_have_text([re.compile("Revenue"), re.compile("Product")])
    rows = page.locator("section", has=page.get_by_role("heading", name="Rows", exact=True))
    revenue = rows.locator("tr").nth(1).locator("td").nth(1).inner_text()
    rows.get_by_role("link").first.click()
    page.wait_for_url(re.compile("where="))
    expect(page.locator(".conditions input").first).to_have_value("Product")
    expect(page.locator("li.tile").first).to_contain_text(revenue)
    page.get_by_role("link", name="Payment method", exact=True).click()
    expect(chips).to_have_text([re.compile("Revenue"), re.compile("Payment method")])
    page.get_by_role("button", name="Remove Revenue").click()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(chips.first).to_contain_text("Revenue")  # the default is asked, and shown
    assert wrong == []
    page.close()


@pytest.mark.slow
def test_charts_that_nobody_saw_are_drawn_for_paper(browser: Browser, client: Client) -> None:
    """The map too, whose shapes are asked for: a browser prints what is drawn by then."""
    page = browser.new_page(viewport={"width": 1440, "height": 500})
    page.goto(f"{client.address}/dashboard/sales?time_range=month")
    plots = page.locator(".plot")
    expect(plots).to_have_count(4)
    for number in range(4):
        expect(plots.nth(number).locator("canvas")).to_have_count(1)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 760, "height": 1000})
    widths = page.evaluate("[...document.querySelectorAll('.plot canvas')].map(c => c.clientWidth)")
    assert max(widths) <= 760
    first = page.locator("main section").first.bounding_box()
    assert first is not None
    assert first["y"] < 500, "the first page begins with the first section"
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_ask_and_save_stay_in_sight(browser: Browser, client: Client, width: int) -> None:
    page, wrong = opened(browser, client, "trend?series1=purchase", width, "light")
    for _ in range(2):
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_in_viewport()
        expect(page.get_by_role("link", name="Save", exact=True)).to_be_in_viewport()
        page.mouse.wheel(0, 4_000)
        page.wait_for_timeout(100)
    page.get_by_role("link", name="Save", exact=True).click()
    name = page.locator(".save-form input[name=name]")
    expect(name).to_be_focused()
    expect(name).to_be_in_viewport()
    assert wrong == []
    page.close()


@pytest.mark.slow
def test_a_share_shows_its_range_on_hover_focus_and_tap(browser: Browser, client: Client) -> None:
    asked = "funnel?step1=product_view&step2=purchase&by=product_category"
    page, wrong = opened(browser, client, asked, 1440, "light")
    share = page.locator("#breakdown .counted").first
    shown = "node => getComputedStyle(node, '::after').content"
    assert share.evaluate(shown) == "none"
    for act in (share.hover, share.focus, share.click):
        act()
        assert "by chance" in share.evaluate(shown)
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
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
@pytest.mark.parametrize("path", ["overview", "sessions", "funnel", "attribution"])
def test_on_paper_charts_are_as_wide_as_the_page_and_nothing_is_cut(
    browser: Browser, client: Client, path: str
) -> None:
    """A4 leaves 718 CSS pixels between Chromium's margins; charts are scaled to it, also those that
    were not seen yet.
    """
    page, wrong = opened(browser, client, path, 1440, "light")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    plots = page.locator(".plot")
    expect(page.locator(".plot canvas")).to_have_count(plots.count())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 900})
    widths = page.locator(".plot canvas").evaluate_all("(all) => all.map((one) => one.clientWidth)")
    assert all(0 < width <= 718 for width in widths)
    ends = page.locator(".plot canvas").evaluate_all(
        "(all) => all.map((one) => [one, one.closest('section')].map((seen) => "
        "seen.getBoundingClientRect().right))"
    )
    assert all(canvas <= section for canvas, section in ends)
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    expect(page.get_by_role("navigation")).to_have_count(0)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert wrong == []
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
    expect(page.get_by_role("link", name="Sales", exact=True)).to_be_hidden()
    menu.focus()
    page.keyboard.press("Enter")
    expect(
        page.get_by_role("navigation").get_by_role("link", name="Sales", exact=True)
    ).to_be_visible()
    page.close()


MONDAY = date(2026, 2, 2)


@pytest.mark.slow
def test_a_funnel_is_built_and_its_address_shows_others_the_same(
    browser: Browser, client: Client
) -> None:
    page = browser.new_page()
    page.goto(f"{client.address}/dashboard/funnel")
    page.get_by_label("Step 2", exact=True).fill("purchase")
    page.get_by_label("Step 3", exact=True).fill("")
    page.get_by_label("Window").fill("3d")
    page.get_by_role("button", name="Ask").click()
    expect(page).to_have_url(re.compile("step2=purchase"))
    assert "step4" not in page.url, "what is empty is not in the address"
    expect(page.get_by_label("Step 3", exact=True)).to_have_count(0)
    shown = page.locator(".tile .number").all_inner_texts()
    other = browser.new_page()
    other.goto(page.url)
    assert other.locator(".tile .number").all_inner_texts() == shown
    expect(other.get_by_label("Window")).to_have_value("3d")
    other.get_by_label("Window").fill("soon")
    other.get_by_role("button", name="Ask").click()
    expect(other.get_by_role("alert")).to_contain_text("soon")


@pytest.mark.slow
def test_a_cell_of_the_retention_table_lists_who_is_in_it(browser: Browser, client: Client) -> None:
    page = browser.new_page()
    page.goto(f"{client.address}/dashboard/retention?period=week&start=page_view")
    page.locator(".cohorts tr:nth-child(2) a").nth(1).click()
    expect(page).to_have_url(
        re.compile(r"start=page_view.*who_cohort=\d{4}-\d\d-\d\d&who_period=\d+#who-is-in-a-cell")
    )
    expect(page.get_by_text(re.compile(r"^\d+ of \d{4}-\d\d-\d\d, period \d+\."))).to_be_visible()


@pytest.mark.slow
def test_a_held_day_is_released_by_its_button(
    browser: Browser, held: Client, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(f"{held.address}/dashboard/quality")
    page.get_by_role("button", name="Release 2026-02-03").click()
    expect(page.get_by_text("The release of 2026-02-03 is recorded")).to_be_visible()
    expect(page.get_by_text("Asked by somebody on this machine")).to_be_visible()
    assert len(Requests(tmp_path).waiting()) == 1


@pytest.mark.slow
def test_dead_letters_are_sent_again_by_their_button(
    browser: Browser, settings: Settings, tmp_path: Path
) -> None:
    shop = DeliveredShop(tmp_path)
    shop.tool.answers = {
        "m2": DeliveryResult(DeliveryState.REJECTED, "bad_value", "No such currency.")
    }
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
        expect(page.get_by_text("is sent again by the next run")).to_be_visible()
        shop.tool.answers = {}
        shop.deliver(Days((MONDAY,)))
        page.reload()
        expect(page.get_by_text("Every record of these days could be delivered")).to_be_visible()
    shop.close()


RECORD = """() => {
  const { parse } = window.ecomVega;
  const recorded = (spec, ...rest) => { window.drawn = spec; return parse(spec, ...rest); };
  window.ecomVega = { ...window.ecomVega, parse: recorded };
}"""


def drawn(browser: Browser, client: Client, path: str, width: int) -> dict[str, Any]:
    """Return what the first chart of a page is drawn from, in Vega's words."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{client.address}/dashboard/{path}")
    page.evaluate(RECORD)
    page.locator(".plot").first.scroll_into_view_if_needed()
    page.get_by_role(
        "button", name="Change to the dark theme"
    ).click()  # draws again, where it was drawn already
    page.wait_for_function("window.drawn")
    spec: dict[str, Any] = page.evaluate("JSON.parse(JSON.stringify(window.drawn))")
    page.close()
    return spec


@pytest.mark.slow
def test_more_lines_than_colours_differ_by_their_dashes(browser: Browser, client: Client) -> None:
    spec = drawn(
        browser,
        client,
        "trend?series1=page_view&by=visitor_id&period=week&limit=25&chart=lines",
        1440,
    )
    scales = {scale["name"]: scale for scale in spec["scales"]}
    names, dashes = scales["color"]["domain"], scales["strokeDash"]["range"]
    assert len(names) > COLOURS
    looks = [(index % COLOURS, tuple(dash)) for index, dash in enumerate(dashes)]
    assert len(set(looks)) == len(looks) == len(names)


@pytest.mark.slow
def test_on_a_phone_names_leave_a_chart_two_thirds_of_the_width(
    browser: Browser, client: Client
) -> None:
    limits = {
        width: [
            axis["labelLimit"]
            for axis in drawn(browser, client, "correlation", width)["axes"]
            if "labelLimit" in axis
        ]
        for width in (390, 1440)
    }
    assert limits[1440] == [220]
    assert limits[390][0] <= 390 / 3
