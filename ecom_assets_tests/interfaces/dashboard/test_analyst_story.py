"""An analyst finds out where phones lose new visitors, keeps it, shares it, and is warned:
in a real browser.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.watching.watch import watch
from ecom_assets_tests.command import ECOM
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.test_boards_in_browser import opened, save
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.interfaces.dashboard.test_browser import violations
from ecom_assets_tests.interfaces.watching.test_watch import webhook
from ecom_sandbox.shop.shop import generate

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SATURDAY, MONDAY = date(2026, 1, 31), date(2026, 2, 16)
NAME = "New visitors on phones"


@dataclass(frozen=True)
class SandboxShop:
    """A simulated shop in which nobody on a phone can pay from Monday 2 February on,
    for seven days.
    """

    settings: Settings
    events: Path

    def run(self, last: date, *options: str) -> None:
        """Compute the days up to one, as a night does."""
        environment = {**os.environ, "ECOM_HOME": str(self.settings.home)}
        command = [*ECOM, "run", "--events", str(self.events), "--to", str(last), *options]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr


@pytest.fixture
def shop(tmp_path: Path) -> SandboxShop:
    generate(tmp_path / "shop", days=48, visitors=5_000, incident=date(2026, 2, 2), incident_days=7)
    settings = Settings(home=tmp_path / "home", rate_limit_address="none")
    shop = SandboxShop(settings, tmp_path / "shop" / "events")
    shop.run(SATURDAY)
    return shop


@pytest.fixture
def team(shop: SandboxShop) -> Iterator[tuple[Settings, list[dict[str, str]]]]:
    """The settings with a webhook of the team, and the messages that it gets."""
    with webhook() as (url, received):
        yield shop.settings.model_copy(update={"webhooks": SecretStr(f"team={url}")}), received


def pick(page: Page, label: str, name: str) -> None:
    """Choose from the list of a field."""
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=re.compile(f"^{name}")).and_(
        page.locator(":visible")
    ).first.click()


def add_condition(page: Page, number: int, column: str, value: str) -> None:
    """Narrow the events of all steps by a column and one of its values, both chosen from lists."""
    page.get_by_role("group", name="Only events where").get_by_role(
        "button", name=re.compile("condition$")
    ).click()
    pick(page, f"Column of condition {number}", column)
    pick(page, f"Value of condition {number}", value)


def rows(page: Page, section: str) -> dict[str, list[str]]:
    """Return the table of a section by the texts of its first column."""
    lines = page.get_by_role("region", name=section, exact=True).locator("tbody tr").all()
    cells = [line.locator("td").all_inner_texts() for line in lines]
    return {cell[0]: cell[1:] for cell in cells}


def is_sound(page: Page) -> None:
    assert violations(page) == {}


def test_where_new_visitors_drop_on_phones_since_when_and_a_warning_if_it_gets_worse(
    browser: Browser, shop: SandboxShop, team: tuple[Settings, list[dict[str, str]]]
) -> None:
    """No column, event type or value is typed: all are chosen from lists, or by links."""
    settings, received = team
    with served(build_dashboard_stack(settings)) as answer:  # type: ignore[arg-type]  # any ASGI application
        client = Client(answer.address)
        page, wrong = opened(browser, client, "funnel")
        drops_by_channel(page)
        page.get_by_role("link", name="Week by week").first.click()  # since when
        expect(page.get_by_role("heading", name="Over time").locator("..")).to_contain_text(
            "window of some is still open"
        )
        is_sound(page)
        save(page, NAME, "+")
        page.wait_for_url("**/dashboard/board?board=new-visitors-on-phones")
        colleague, wrong_there = opened(browser, client, page.url.partition("/dashboard/")[2])
        expect(colleague.locator(".board-tile .tile-body")).to_contain_text(
            "checkout_start", timeout=30_000
        )
        colleague.get_by_role("link", name=f"Open {NAME}").click()
        watch_channel(colleague, "Organic Search")
        expect(colleague.locator("main")).to_contain_text(
            re.compile("No incident in [23] periods, had it been on")
        )
        is_sound(colleague)
        colleague.get_by_role("button", name="Switch it on").click()
        shop.run(MONDAY, "--from", str(SATURDAY))
        watch(settings)
        watch(settings)
        (message,) = received
        assert message["title"] == f"{NAME}: Organic Search"
        assert (
            message["first_period"] == "2026-02-02T00:00:00"
        )  # once the seven days of its last visitors are over
        colleague.goto(message["link"].replace("http://127.0.0.1:8000", client.address))
        expect(colleague.locator("main")).to_contain_text("Incident")
        beside_the_baseline(page)
        assert wrong == wrong_there == []


def drops_by_channel(page: Page) -> None:
    """Ask which channel's new visitors drop at checkout on phones."""
    for step, name in enumerate(("Added to cart", "Checkout started", "Purchase"), start=1):
        pick(page, f"Step {step}", name)
    add_condition(page, 1, "New or returning visitor", "new")
    add_condition(page, 2, "Device", "mobile")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("link", name="Channel", exact=True).click()
    organic = [int(text) for text in rows(page, "Breakdown")["Organic Search"][:3]]
    assert organic[0] > organic[1] > organic[2] > 10


def beside_the_baseline(page: Page) -> None:
    """Ask for the checkout on phones of a week in which fewer could pay, beside the one before."""
    page.get_by_role("link", name="Funnel", exact=True).click()
    for step, name in enumerate(("Checkout started", "Purchase"), start=1):
        pick(page, f"Step {step}", name)
    page.get_by_role("button", name="Remove Step 3").click()
    page.get_by_label("Entered from").fill("2026-02-02")
    page.get_by_label("Entered to").fill("2026-02-08")
    page.get_by_label("Compare with").select_option("before")
    add_condition(page, 1, "Device", "mobile")
    page.get_by_role("button", name="Ask", exact=True).click()
    conversion = page.locator(
        "li.tile", has=page.get_by_role("heading", name="Conversion", exact=True)
    )
    expect(conversion.locator(".change.bad")).to_be_visible()
    expect(page.locator(".step-before").last).not_to_contain_text("0 before")
    is_sound(page)


def watch_channel(page: Page, channel: str) -> None:
    """Let the team get a message if the conversion of a channel is below 5 % in a week."""
    page.get_by_role("row", name=re.compile(f"^{channel}")).get_by_role(
        "link", name="Tell me"
    ).click()
    page.get_by_label("How often").select_option("week")
    page.get_by_label("Tell me if it").select_option("below")
    page.get_by_label("By how much, or at which number").fill("5%")
    page.get_by_label("Of at least").fill("5")  # of a channel of the small shop
    page.get_by_label("Name", exact=True).fill("Checkout on phones")
    page.get_by_text("Who is told, and when").click()
    page.get_by_label("team").check()
    page.get_by_role("button", name="Save and test it on the history").click()
