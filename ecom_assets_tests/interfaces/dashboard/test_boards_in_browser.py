"""Boards in a real browser: build, save, put on a board, move by keyboard, share,
two people at once, restore.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.boards.model import Annotation, Board, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.test_browser import WIDTHS, violations
from ecom_assets_tests.interfaces.dashboard.test_browser import browser as browser  # noqa: PLC0414 (the fixture, for this file too)

pytestmark = [pytest.mark.browser]
FUNNEL = "funnel?step1=product_view&step2=purchase"
HOSTILE = """<img src=x onerror="document.title='taken'">'"&"""


@pytest.fixture(scope="module")
def shop(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Client, BoardStore]]:
    """The dashboard as `ecom api` serves it, with a store of its own."""
    home = tmp_path_factory.mktemp("boards")
    (home / "serving").symlink_to(settings.home / "serving")
    own = settings.model_copy(
        update={"home": home, "boards_url": SecretStr(""), "rate_limit_address": "none"}
    )
    with served(build_dashboard_stack(own)) as answer:  # type: ignore[arg-type]  # any ASGI application
        yield Client(answer.address), BoardStore(own)


@pytest.fixture
def desk(shop: tuple[Client, BoardStore]) -> tuple[Client, BoardStore]:
    """The same, with an empty store."""
    database = shop[1].address
    assert isinstance(database, Path)
    for path in database.parent.glob("boards.sqlite*"):
        path.unlink()
    return shop


def opened(
    browser: Browser, client: Client, path: str, width: int = 1440
) -> tuple[Page, list[str]]:
    """Open a page; the second value is what goes wrong on it."""
    page = browser.new_page(viewport={"width": width, "height": 900})
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
    page.goto(f"{client.address}/dashboard/{path}")
    return page, wrong


def save(page: Page, name: str, board: str) -> None:
    """Save the question of a builder, and put it on a board."""
    page.get_by_text("Save this question").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Put it on a board").select_option(board)
    page.get_by_role("button", name="Save", exact=True).click()


def tiles(page: Page) -> list[str]:
    return page.locator(".board-tile h2").all_inner_texts()


def is_sound(page: Page, width: int) -> None:
    """Look for what is cut, and for what axe finds."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == {}


@pytest.mark.slow
def test_a_question_is_built_saved_put_on_a_board_and_shared(
    browser: Browser, desk: tuple[Client, BoardStore]
) -> None:
    client, store = desk
    page, wrong = opened(browser, client, FUNNEL)
    entered = page.locator(".tile .number").first.inner_text()
    save(page, HOSTILE, "+")
    page.wait_for_url("**/dashboard/board?board=*")
    expect(page.get_by_role("status").first).to_contain_text("is saved, and on the board")
    assert tiles(page) == [HOSTILE]
    page.get_by_label("Days").select_option("week")
    page.wait_for_url(re.compile("time_range=week"))
    expect(page.locator(".board-tile .tile-body")).to_contain_text("product_view", timeout=30_000)
    other, wrong_there = opened(browser, client, page.url.partition("/dashboard/")[2])
    expect(other.locator(".board-tile .tile-body")).to_contain_text("product_view", timeout=30_000)
    assert tiles(other) == [HOSTILE]
    expect(other.get_by_label("Days")).to_have_value("week")
    other.get_by_role("link", name=f"Open {HOSTILE}").click()
    expect(other).to_have_url(re.compile("step2=purchase.*saved="))
    assert other.locator(".tile .number").first.inner_text() == entered
    assert page.title() == other.title().replace("Funnel", HOSTILE) != "taken"
    assert wrong == wrong_there == []
    (saved,) = store.newest(SavedQuestion)
    assert saved.item.name == HOSTILE


@pytest.mark.slow
def test_tiles_are_moved_resized_and_removed_by_keyboard_and_by_dragging(
    browser: Browser, desk: tuple[Client, BoardStore]
) -> None:
    client, store = desk
    page, wrong = opened(browser, client, "board?board=shop")
    page.get_by_role("link", name="Edit").click()
    before = tiles(page)
    page.get_by_role("button", name="Move Orders").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("status")).to_contain_text("Orders is now tile 1 of 9")
    page.keyboard.press("End")
    assert tiles(page) == [before[0], *before[2:], "Orders"]
    expect(page.get_by_role("button", name="Move Orders")).to_be_focused()
    page.get_by_role("button", name="Width of Sessions").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.get_by_role("article", name="Refunds").get_by_label("Remove").check()
    handle, target = (
        page.get_by_role("button", name="Move Bounce rate"),
        page.get_by_role("article", name="Funnel conversion"),
    )
    handle.scroll_into_view_if_needed()
    grip, target_box = handle.bounding_box(), target.bounding_box()
    assert grip
    assert target_box
    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(target_box["x"] + 20, target_box["y"] + 20, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Save the board").click()
    expect(page.get_by_role("status").first).to_contain_text("is saved as version 1")
    names = [tile.measure for tile in store.get(Board, "shop").item.tiles]
    assert (names[-1], names.count("refund_count")) == ("order_count", 0)
    assert names.index("bounce_rate") < names.index("conversion_rate")
    widths = {
        tile.measure: tile.width
        for tile in store.get(Board, "shop").item.tiles
        if tile.show == "chart"
    }
    assert widths["session_count"] == "full"
    assert wrong == []


@pytest.mark.slow
def test_filters_of_a_board_are_picked_from_lists(
    browser: Browser, desk: tuple[Client, BoardStore]
) -> None:
    client, store = desk
    page, wrong = opened(browser, client, "board?board=shop")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Column of condition 1").click()
    page.get_by_role("option", name="Product category product_category").click()
    page.get_by_label("Value of condition 1").click()
    page.get_by_role("option", name=re.compile("^Shoes")).click()
    page.get_by_role("button", name="Narrow").click()
    page.wait_for_url(re.compile("where=product_category"))
    expect(page.locator("main")).to_contain_text(
        "Saved questions are of events where product_category = Shoes"
    )
    is_sound(page, 1440)
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("What it is for").fill("")  # what is emptied is saved as empty
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Column of condition 1").click()
    page.get_by_role("option", name="Channel of the session").first.click()
    page.get_by_label("Value of condition 1").click()
    page.get_by_role("option", name=re.compile("^Email")).click()
    page.get_by_role("button", name="Save the board").click()
    expect(page.get_by_role("status").first).to_contain_text("is saved as version 1")
    saved = store.get(Board, "shop").item
    assert (saved.where, saved.description) == (("channel = Email",), "")
    assert wrong == []


@pytest.mark.slow
def test_of_two_people_who_change_a_board_at_once_one_is_told(
    browser: Browser, desk: tuple[Client, BoardStore]
) -> None:
    client, store = desk
    (anna, _), (ben, _) = (opened(browser, client, "board?board=shop&edit=yes") for _ in range(2))
    for page, name in ((anna, "Anna's"), (ben, "Ben's")):
        page.locator("input[name=name]").fill(name)
        page.get_by_role("button", name="Save the board").click()
    expect(anna.get_by_role("status").first).to_contain_text("“Anna's” is saved as version 1.")
    status = ben.get_by_role("status").first
    expect(status).to_contain_text("Nothing was saved: somebody on this machine changed it")
    expect(status).to_contain_text("Changed by them: name; by you: name.")
    assert store.get(Board, "shop").item.name == "Anna's"


@pytest.mark.slow
def test_an_earlier_version_of_a_board_is_restored(
    browser: Browser, desk: tuple[Client, BoardStore]
) -> None:
    client, store = desk
    shipped = store.get(Board, "shop").item
    store.save("shop", shipped.changed(name="Worse", tiles=()), 0, "ben")
    page, wrong = opened(browser, client, "board?board=shop")
    page.get_by_role("link", name="Versions").click()
    page.get_by_text("What it says").first.click()
    expect(page.locator("pre").first).to_contain_text("name: Worse")
    page.get_by_role("button", name="Restore version 0").click()
    expect(page.get_by_role("status").first).to_contain_text("is restored, as version 2")
    page.get_by_role("link", name="Open the board").click()
    assert len(tiles(page)) == len(shipped.tiles)
    page.get_by_role("button", name="Undo the last change").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Worse")
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["boards", "board?board=shop", "board?board=shop&edit=yes", "versions?id=shop", FUNNEL]
)
def test_pages_of_boards_are_sound_narrow_and_wide(
    browser: Browser, desk: tuple[Client, BoardStore], path: str
) -> None:
    client, store = desk
    who = store.save_new(
        SavedQuestion.from_mapping(
            {"name": HOSTILE, "kind": "trend", "definition": {"series": ["purchase"]}}
        ),
        "anna",
    )
    store.save_new(Annotation.from_mapping({"day": "2026-02-03", "text": HOSTILE}), "anna")
    board = store.get(Board, "shop").item
    added = [*board.to_file()["tiles"], {"question": who.slug}]
    store.save("shop", Board.from_mapping({**board.to_file(), "tiles": added}), 0, "anna")
    for width in WIDTHS:
        page, wrong = opened(browser, client, path, width)
        expect(page.locator("[data-later][aria-busy]")).to_have_count(0, timeout=30_000)
        if "Save this question" in page.content():
            page.get_by_text("Save this question").click()
        is_sound(page, width)
        assert wrong == []
        page.close()
