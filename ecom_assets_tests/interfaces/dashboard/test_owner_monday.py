"""An owner's Monday: how last week was, why, what to do, what to reorder and whom to write to, each
within two clicks from the first page.
"""

import re

import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.formats import DASH
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.interfaces.dashboard.test_browser import opened, violations

WEEK = """
SELECT format('{:,.2f}', sum(CASE status WHEN 'refunded' THEN -payment_amount
    ELSE payment_amount END)::DOUBLE)
FROM staging.user_order_log WHERE order_date BETWEEN DATE '2026-02-02' AND DATE '2026-02-08'
"""
"""The revenue of Monday to Sunday; the newest day of the small shop is the Monday after."""


def test_the_first_page_answers_two_questions_and_leads_to_three(client: Client) -> None:
    """Also without a browser: its sections, and the pages that it links."""
    page = read(client.get("/dashboard/").text)
    titles = {section.all("h2")[0].text for section in page.all("section")}
    assert titles >= {"The week", "Why revenue changed", "What to look at"}
    links = {link.attributes.get("href", "") for link in page.all("a")}
    assert {"/dashboard/products", "/dashboard/write-to"} <= links


class Monday:
    """The clicks of a person, from the first page on."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0
        self.first = page.url

    def begin(self) -> None:
        """Open the first page again."""
        self.page.goto(self.first)
        self.clicks = 0

    def click(self, name: str) -> None:
        """Follow a link of the page, or of the menu, which a phone opens by a button."""
        link = self.page.get_by_role("link", name=name, exact=True).first
        if not link.is_visible():
            self.page.get_by_role("button", name="Menu").click()
            self.clicks += 1
        link.click()
        self.clicks += 1
        assert self.clicks <= 2

    def section(self, title: str) -> str:
        """Return the text of a section, which is in the page."""
        return self.page.get_by_role("region", name=title, exact=True).inner_text()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1440])
def test_five_questions_are_answered_within_two_clicks(
    browser: Browser, settings: Settings, client: Client, width: int
) -> None:
    page, wrong = opened(browser, client, "", width, "light")
    monday = Monday(page)
    with duckdb.connect(str(settings.home / "warehouse.duckdb"), read_only=True) as con:
        row = con.execute(WEEK).fetchone()
    assert row is not None
    # How was last week?
    week = monday.section("The week")
    assert f"2{DASH}8 Feb 2026" in week
    assert row[0] in week
    # Why?
    why = page.get_by_role("region", name="Why revenue changed", exact=True)
    expect(why).to_contain_text("Revenue changed by")
    why.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Last week")
    # What should I do?
    monday.begin()
    to_do = page.get_by_role("region", name="What to look at", exact=True)
    expect(to_do).to_contain_text(re.compile(r"If it goes on|Nothing|compared"))
    # What do I reorder, and how many?
    monday.click("Products and stock")
    reorder = page.locator("#what-to-reorder")
    expect(reorder).to_contain_text("The p0")
    assert re.search(r"The p0\s+.*?\b30\b", reorder.inner_text(), re.DOTALL)
    # Whom should I write to?
    monday.begin()
    monday.click("Whom to write to")
    expect(page.get_by_role("region", name="Who agreed to be written to")).to_contain_text(
        re.compile(r"\d+ of \d+ agreed to be written to")
    )
    assert violations(page) == {}
    assert wrong == []
    page.close()
