"""Questions that are picked, not typed, in a real browser: by pointer, by keyboard, on a phone,
with hostile texts.
"""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)
from ecom_assets_tests.interfaces.dashboard.test_browser import opened, violations

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = 390
HOSTILE = """<img src=x onerror="alert('1')">; or 'a' = "b" """


@pytest.fixture
def funnel(browser: Browser, client: Client) -> Iterator[Page]:
    """The builder of funnels, in which nothing goes wrong."""
    page, wrong = opened(browser, client, "funnel", 1440, "light")
    yield page
    assert wrong == []
    page.close()


def asked(page: Page) -> dict[str, str]:
    """Press Ask, and return the question in the address."""
    with page.expect_navigation():
        page.get_by_role("button", name="Ask").click()
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_an_event_type_is_found_by_a_part_of_its_name_with_how_many_events_it_has(
    funnel: Page,
) -> None:
    step = funnel.get_by_label("Step 3", exact=True)
    step.fill("rem")
    option = funnel.get_by_role(
        "option", name=re.compile(r"^Removed from cart remove_from_cart · [\d,]+ events")
    )
    expect(option).to_be_visible()
    assert violations(funnel) == {}
    option.click()
    assert asked(funnel)["step3"] == "remove_from_cart"


def test_a_condition_is_added_from_suggested_values_with_the_keyboard_alone(funnel: Page) -> None:
    press = funnel.keyboard.press
    funnel.get_by_label("Step 1", exact=True).focus()
    press("Tab")
    expect(funnel.get_by_role("group", name="where (step 1)").get_by_role("button")).to_be_focused()
    press("Enter")
    expect(funnel.get_by_label("Column of condition 1")).to_be_focused()
    funnel.keyboard.type("categ")
    expect(funnel.get_by_role("option", name="Product category product_category")).to_be_visible()
    press("ArrowDown")
    press("Enter")
    press("Tab")
    expect(funnel.get_by_label("Value of condition 1")).to_be_focused()
    press("ArrowDown")
    expect(funnel.get_by_role("option", name=re.compile(r"Shoes [\d,]+ events"))).to_be_visible()
    press("Escape")
    funnel.keyboard.type("shoe")
    expect(funnel.locator(".options:visible li")).to_have_text([re.compile("Shoes")])
    press("ArrowDown")
    press("Enter")
    with funnel.expect_navigation():
        press("Enter")
    assert "where_step1=product_category+%3D+Shoes" in funnel.url
    expect(funnel.get_by_label("Value of condition 1")).to_have_value("Shoes")
    expect(funnel.get_by_label("Column of condition 1")).to_have_value("Product category")


def test_steps_are_moved_removed_and_added(funnel: Page) -> None:
    funnel.get_by_role("button", name="Move Step 3 up").press("Enter")
    expect(funnel.get_by_label("Step 2", exact=True)).to_have_value("Purchase")
    expect(funnel.get_by_role("button", name="Move Step 2 up")).to_be_focused()
    expect(funnel.get_by_role("status")).to_have_text("Step 3 is now Step 2")
    funnel.get_by_role("button", name="Remove Step 3").click()
    funnel.get_by_role("button", name="Add a step").click()
    expect(funnel.get_by_label("Step 3", exact=True)).to_be_focused()
    funnel.keyboard.type("page_view")
    result = asked(funnel)
    assert [result[f"step{n}"] for n in (1, 2, 3)] == ["product_view", "purchase", "page_view"]
    assert not {name for name in result if name.startswith(("where", "step0"))}


def test_days_are_always_seen_and_compared_with_those_before(funnel: Page) -> None:
    assert funnel.get_by_label("Entered to").input_value() == "2026-02-09"
    funnel.get_by_label("Days", exact=True).select_option("7d")
    assert funnel.get_by_label("Entered from").input_value() == "2026-02-03"
    funnel.get_by_label("Compare with").select_option("before")
    result = asked(funnel)
    assert (result["last"], result["compare"]) == ("7d", "before")
    assert "start_date" not in result
    expect(funnel.locator(".covered")).to_contain_text("against 27 Jan")
    expect(funnel.locator(".step-before").first).to_contain_text("before, 100.0%")
    funnel.get_by_label("Entered from").fill("2026-01-10")
    result = asked(funnel)
    assert (result["start_date"], result["end_date"], "last" in result) == (
        "2026-01-10",
        "2026-02-09",
        False,
    )


def test_a_breakdown_is_one_click_and_taken_out_by_another(funnel: Page) -> None:
    with funnel.expect_navigation():
        funnel.get_by_role("link", name="Product category").click()
    expect(funnel.get_by_role("cell", name="Shoes")).to_be_visible()
    funnel.get_by_role("button", name="Remove Product category").click()
    assert "by" not in asked(funnel)


def test_a_window_and_a_time_zone_are_chosen_from_lists(funnel: Page) -> None:
    funnel.get_by_label("Window", exact=True).click()
    funnel.get_by_role("option", name="14 days").click()
    funnel.get_by_text("Time zone, weeks and sessions").click()
    funnel.get_by_label("Days begin in").fill("berl")
    funnel.get_by_role("option", name="Europe/Berlin").click()
    result = asked(funnel)
    assert (result["within"], result["timezone"]) == ("14d", "Europe/Berlin")


def test_hostile_text_stays_text(funnel: Page) -> None:
    funnel.get_by_role("group", name="where (step 1)").get_by_role("button").click()
    funnel.get_by_label("Column of condition 1").fill("page_url")
    funnel.get_by_label("Comparison of condition 1").select_option("contains")
    funnel.get_by_label("Value of condition 1").fill(HOSTILE.strip())
    funnel.get_by_label("Step 3", exact=True).fill(HOSTILE)
    result = asked(funnel)
    assert result["where_step1"].startswith("[{"), (
        "text that cannot be written as a condition is JSON"
    )
    expect(funnel.get_by_label("Value of condition 1")).to_have_value(HOSTILE.strip())
    expect(funnel.locator(".step-name").last).to_contain_text(HOSTILE.strip())
    assert funnel.locator("main img").count() == 0


def test_on_a_phone_the_answer_comes_first_and_the_question_is_one_tap_away(
    browser: Browser, client: Client
) -> None:
    page, wrong = opened(browser, client, "funnel", PHONE, "dark")
    expect(page.get_by_label("Step 1", exact=True)).to_be_hidden()
    page.get_by_text("Change the question").click()
    page.get_by_label("Step 1", exact=True).fill("sea")
    page.get_by_role("option", name=re.compile("search")).click()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert asked(page)["step1"] == "search"
    assert wrong == []
    page.close()


def test_without_scripts_the_same_question_is_typed(browser: Browser, client: Client) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{client.address}/dashboard/funnel?step1=page_view&step2=purchase")
    page.get_by_label("where (step 1)").fill("product_category is not set")
    page.locator("[name=step3]").fill("refund")
    result = asked(page)
    assert (result["where_step1"], result["step3"]) == ("product_category is not set", "refund")
    expect(page.locator(".step")).to_have_count(3)
    context.close()
