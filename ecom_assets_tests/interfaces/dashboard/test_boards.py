"""Boards on the dashboard: what people save, see and change, who may, and hostile names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from pydantic import SecretStr

from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_stack
from ecom_assets.interfaces.boards.model import (
    Annotation,
    Board,
    BoardTile,
    FirstScreen,
    NumberAlert,
    SavedQuestion,
)
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets.interfaces.dashboard.board_tiles import page_of
from ecom_assets.interfaces.dashboard.charts import (
    coloured_bars,
    days_of_bars,
    lines,
    marked,
    marks_of,
    number,
    ranking,
)
from ecom_assets.interfaces.dashboard.page import read_filters
from ecom_assets.interfaces.dashboard.pages.boards import question_address
from ecom_assets.interfaces.dashboard.sessions import SessionLogin
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read
from ecom_assets_tests.patience import PATIENCE_S

HOSTILE = """"><script>alert('x')</script><img src=x onerror=alert(1)> {{ 7 * 7 }} ../../etc"""
READS, WRITES = "a-key-that-only-reads", "a-key-that-reads-and-writes"
SEES_PEOPLE = "a-key-that-may-see-people-too"
STEPS = "step1=product_view&step2=purchase"


@dataclass(frozen=True)
class Desk:
    """A dashboard with a store of its own."""

    client: Client
    store: BoardStore

    def page(self, path: str) -> Node:
        """Return a page."""
        response = self.client.get(f"/dashboard/{path}")
        assert response.status_code == 200, response.text
        return read(response.text)

    def send(self, action: str, **fields: str) -> requests.Response:
        """Send a form with the token of a page."""
        (token, *_) = re.findall(
            r'name="token" value="([\w-]+)"', self.client.get("/dashboard/boards").text
        )
        return self.client.session.post(
            f"{self.client.address}/dashboard/{action}",
            {"token": token, **fields},
            timeout=PATIENCE_S,
            allow_redirects=False,
        )

    def message_after(self, action: str, **fields: str) -> str:
        """Send a form, and return what the next page says of it."""
        assert self.send(action, **fields).status_code == 303
        return self.page("boards").one("p", role="status").text


@pytest.fixture(scope="module")
def client_of_boards(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Client, Settings]]:
    """The dashboard over the small shop, whose boards lie in a place of their own."""
    path = tmp_path_factory.mktemp("boards") / "boards.sqlite"
    own = settings.model_copy(update={"boards_url": SecretStr(f"sqlite://{path}")})
    with served(build_dashboard_app(own)) as answer:
        yield Client(answer.address), own


@pytest.fixture
def desk(client_of_boards: tuple[Client, Settings]) -> Desk:
    client, settings = client_of_boards
    store = BoardStore(settings)
    if isinstance(store.address, Path):
        for path in store.address.parent.iterdir():
            path.unlink()
    return Desk(client, store)


def test_a_question_is_saved_from_its_builder_and_opened_again(desk: Desk) -> None:
    response = desk.send(
        "boards/save-question", kind="funnel", form=f"{STEPS}&within=3d", name="Who buys"
    )
    assert (
        response.headers["location"]
        == f"/dashboard/funnel?{STEPS}&within=3d&saved=who-buys&saved_version=1"
    )
    saved = desk.store.get(SavedQuestion, "who-buys")
    steps = [{"event_type": "product_view"}, {"event_type": "purchase"}]
    assert saved.item.definition == {"steps": steps, "within": "3d"}
    (link,) = [
        link
        for link in desk.page("boards").all("a")
        if link.text == "Who buys" and "funnel" in link.attributes["href"]
    ]
    again = desk.page(link.attributes["href"].removeprefix("/dashboard/")).one(
        "form", class_="save-form"
    )
    assert again.all("input", name="version")[0].attributes["value"] == "1"
    later = {"kind": "funnel", "saved": "who-buys", "version": "1", "name": "Who buys"}
    desk.send("boards/save-question", form=f"{STEPS}&within=2d", **later)
    assert desk.store.get(SavedQuestion, "who-buys").number == 2
    assert "Nothing was saved: somebody on this machine changed it" in desk.message_after(
        "boards/save-question", form=f"{STEPS}&within=1d", **later
    )


@each(
    "kind, definition",
    [
        ("funnel", {"steps": ["product_view", "purchase"], "last": "30d"}),
        (
            "funnel",
            {
                "steps": [{"event_type": "a", "where": ["cart_amount > 20"]}, "b"],
                "by": ["channel", "product_id"],
            },
        ),
        (
            "trend",
            {
                "series": ["purchase:sum(cart_amount)", "*:visitors"],
                "where": ["visitor_type = new"],
            },
        ),
        ("retention", {"period": "week", "start": "purchase"}),
        (
            "sales",
            {
                "measures": ["revenue_amount", "order_count"],
                "by": ["product", "city"],
                "over": "week",
                "where": ["category = Shoes"],
                "share": True,
            },
        ),
        ("journeys", {"to_step": "purchase"}),
        ("sessions", {"idle": "45m"}),
        ("attribution", {"model": "time_decay", "lookback": "14d"}),
        (
            "correlation",
            {"funnel": {"steps": ["page_view", "purchase"]}, "properties": ["product_category"]},
        ),
        ("experiment", {"variant": "properties.variant", "control": "A", "goal": "purchase"}),
    ],
)
def test_a_question_that_came_from_no_form_opens_in_its_builder(
    kind: str, definition: dict[str, Any]
) -> None:
    """Such as one that `ecom boards push` or a program saved."""
    saved = SavedQuestion.from_mapping({"name": "Asked", "kind": kind, "definition": definition})
    version = KeptVersion(
        SavedQuestion, "asked", 1, saved.to_file(), "created", "anna", datetime.now(UTC)
    )
    path, _, form = question_address(version).partition("?")
    page = page_of(saved.declared)
    assert path == f"/dashboard/{page.path}"
    assert page.builder.question(read_filters(page.asks, parse_qsl(form))) == saved.question


def test_each_value_of_a_saved_funnel_s_breakdown_leads_to_an_alert_about_it(desk: Desk) -> None:
    """Not the question as it is asked now: an alert is of what is kept."""
    asked = f"funnel?{STEPS}&by=channel"
    assert "Tell me" not in desk.page(asked).text
    desk.send("boards/save-question", kind="funnel", form=asked.partition("?")[2], name="Who buys")
    links = [
        link
        for link in desk.page(f"{asked}&saved=who-buys&saved_version=1").all("a")
        if link.text == "Tell me"
    ]
    by_value = {
        dict(parse_qsl(urlsplit(link.attributes["href"]).query))["value"]: link for link in links
    }
    assert "Organic Search" in by_value
    form = desk.page(by_value["Organic Search"].attributes["href"].removeprefix("/dashboard/")).one(
        "form", class_="alert-form"
    )
    assert form.all("input", name="value")[0].attributes["value"] == "Organic Search"
    chosen = [
        option.attributes["value"]
        for option in form.all("option")
        if "selected" in option.attributes
    ]
    assert chosen[0] == "question:who-buys"


def test_webhooks_of_an_alert_are_boxes_and_stay_checked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ecom_assets.interfaces.dashboard.pages.alerts.webhooks_of",
        lambda _: {"team": None, "office": None},
    )
    desk.send("alerts/save", of="measure:order_count", name="Orders", **{"webhook.team": "on"})
    assert desk.store.get(NumberAlert, "orders").item.webhooks == ("team",)
    boxes = desk.page("alert?alert=orders").all("input", type="checkbox")
    assert {box.attributes["name"]: "checked" in box.attributes for box in boxes} == {
        "webhook.office": False,
        "webhook.team": True,
    }


@pytest.mark.parametrize(
    ("when", "measure", "bound"),
    [
        ("falls", "revenue_amount", ("20%", 0.2, "20%")),
        ("rises", "order_count", ("0.125", 0.125, "12.5%")),
        ("below", "bounce_rate", ("3%", 0.03, "3%")),
        ("above", "order_count", ("20", 20.0, "20")),
        ("unexpected", "order_count", ("4", 4.0, "4")),
    ],
)
def test_a_bound_opens_as_people_write_it(
    desk: Desk, when: str, measure: str, bound: tuple[str, float, str]
) -> None:
    written, kept, shown = bound
    sent = {"of": f"measure:{measure}", "name": "Watched", "when": when, "limit": written}
    desk.send("alerts/save", **sent)
    assert desk.store.get(NumberAlert, "watched").item.limit == pytest.approx(kept)
    field = desk.page("alert?alert=watched").one("input", name="limit")
    assert field.attributes["value"] == shown
    desk.send("alerts/save", id="watched", version="1", **{**sent, "limit": shown})
    assert desk.store.get(NumberAlert, "watched").item.limit == pytest.approx(kept)


@pytest.mark.parametrize(("when", "measure"), [("falls", "order_count"), ("below", "bounce_rate")])
def test_a_share_of_20_without_a_sign_is_asked_about(desk: Desk, when: str, measure: str) -> None:
    sent = {"of": f"measure:{measure}", "name": "Watched", "when": when, "limit": "20"}
    assert "write 20% if 20 percent is meant" in desk.message_after("alerts/save", **sent)
    assert desk.store.newest(NumberAlert) == []


def test_a_bound_of_a_question_s_share_opens_as_a_share(desk: Desk) -> None:
    """By default an alert watches a funnel's conversion, and of a step its count."""
    desk.send("boards/save-question", kind="funnel", form=STEPS, name="Who buys")
    sent = {"of": "question:who-buys", "name": "Watched", "when": "below"}
    assert "write 20% if" in desk.message_after("alerts/save", **sent, limit="20")
    desk.send("alerts/save", **sent, limit="20 %")
    kept = desk.store.get(NumberAlert, "watched").item
    assert kept.limit == pytest.approx(0.2)
    assert kept.least_count == 30
    alert = desk.page("alert?alert=watched")
    assert alert.one("input", name="limit").attributes["value"] == "20%"
    desk.send("alerts/save", **{**sent, "name": "Few"}, limit="20", number="steps[2].count")
    assert desk.store.get(NumberAlert, "few").item.limit == 20
    assert desk.page("alert?alert=few").one("input", name="limit").attributes["value"] == "20"


def test_a_saved_question_goes_onto_a_new_board_which_becomes_the_first_screen(desk: Desk) -> None:
    made = desk.send(
        "boards/save-question", kind="trend", form="series1=purchase", name="Buys", board="+"
    )
    assert made.headers["location"] == "/dashboard/board?board=buys"
    assert desk.store.get(Board, "buys").item.tiles == (BoardTile(question="buys"),)
    assert desk.client.get("/dashboard/").status_code == 200
    assert "begins with “Buys”, for everybody" in desk.message_after("boards/first", board="buys")
    first = desk.client.get("/dashboard/?time_range=week")
    assert (first.status_code, first.headers["location"]) == (
        303,
        "/dashboard/board?board=buys&time_range=week",
    )
    assert desk.page("overview").one("h1").text == "Overview"
    desk.message_after("boards/first", board="")
    assert desk.client.get("/dashboard/").status_code == 200
    assert [
        version.item.board for version in desk.store.versions(FirstScreen, FirstScreen.SLUG)
    ] == [None, "buys"]


def test_a_tile_keeps_the_way_of_its_question(desk: Desk) -> None:
    form = "series1=product_view&by=product_category&period=week&chart=bars"
    desk.send("boards/save-question", kind="trend", form=form, name="Views", board="+")
    (tile,) = desk.store.get(Board, "views").item.tiles
    assert tile == BoardTile(question="views", show="bars")
    (link,) = [one for one in desk.page("board?board=views").all("a") if one.text == "Open"]
    assert "chart=bars" in link.attributes["href"]
    for way, has in (("bars", '"mark":{"type":"bar"}'), ("ranking", '"is_rest"')):
        board = desk.store.get(Board, "views")
        changed = board.item.changed(tiles=(BoardTile(question="views", show=way),))
        desk.store.save("views", changed, board.number, "anna")
        tile_page = desk.page("board-tile?board=views&tile=0&time_range=year")
        assert has in tile_page.one("script", class_="chart-data").texts[0]
        assert not tile_page.all("ul", class_="ways"), "a tile has one way"


def test_a_tile_of_a_funnel_keeps_its_breakdown(desk: Desk) -> None:
    form = f"{STEPS}&by=product_category"
    desk.send("boards/save-question", kind="funnel", form=form, name="Who buys", board="+")
    asked = "board-tile?board=who-buys&tile=0&time_range=year"
    rows = [row.one("td").text for row in desk.page(asked).all("table")[-1].all("tr")[1:]]
    of_builder = desk.page(f"funnel?{form}&last=365d")
    section = next(one for one in of_builder.all("section") if one.one("h2").text == "Breakdown")
    assert rows == [row.one("td").text for row in section.one("table").all("tr")[1:]]
    board = desk.store.get(Board, "who-buys")
    changed = board.item.changed(tiles=(BoardTile(question="who-buys", show="number"),))
    desk.store.save("who-buys", changed, board.number, "anna")
    assert [one.text for one in desk.page(asked).all("h3")] == rows[:6]


@pytest.mark.parametrize(
    ("table", "path", "title"),
    [
        ("products", "products", "Products"),
        ("categories", "products", "Categories: from looking to buying"),
        ("channels", "sales", "Channels"),
        ("customers", "customers", "Segments"),
    ],
)
def test_tables_of_the_shop_stand_on_boards(desk: Desk, table: str, path: str, title: str) -> None:
    item = Board.from_mapping({"name": "Tables", "tiles": [{"table": table, "width": "full"}]})
    desk.store.save_new(item, "anna")
    page = desk.page(f"{path}?time_range=month")
    section = next(one for one in page.all("section") if one.one("h2").text == title)
    shown = desk.page("board?board=tables").one("article")
    cells = [[cell.text for cell in row.all("td")] for row in section.one("table").all("tr")]
    assert [[cell.text for cell in row.all("td")] for row in shown.one("table").all("tr")] == cells
    assert len(cells) > 2


@pytest.mark.parametrize(
    "tile",
    [{}, {"table": "products", "measure": "revenue_amount"}, {"table": "people"}],
)
def test_a_tile_is_one_thing(tile: dict[str, str]) -> None:
    with pytest.raises(DefinitionError):
        BoardTile.from_mapping(tile)


def test_the_shipped_board_shows_the_numbers_of_the_overview(desk: Desk) -> None:
    def numbers(page: Node) -> dict[str, str]:
        return {
            tile.one("h3").text: tile.one("p", class_="number").text
            for tile in page.all("li", class_="tile")
        }

    board, overview = numbers(desk.page("board?board=shop")), numbers(desk.page("overview"))
    assert board.keys() >= {"Revenue", "Orders", "Average order value", "Bounce rate"}
    assert {name: board[name] for name in board.keys() & overview.keys()} == {
        name: overview[name] for name in board.keys() & overview.keys()
    }


def form_of(desk: Desk, board: str) -> dict[str, str]:
    """Return what the form of a board sends if nothing is changed."""
    edited = desk.page(f"board?board={board}&edit=yes").one("form", class_="board-form")
    fields = {
        control.attributes["name"]: control.attributes.get("value", "")
        for control in edited.all("input")
        if control.attributes.get("type") != "checkbox"
    }
    for select in edited.all("select"):
        options = select.all("option")
        chosen = next((option for option in options if "selected" in option.attributes), options[0])
        fields[select.attributes["name"]] = chosen.attributes["value"]
    return fields


def test_the_form_of_a_board_keeps_tables_and_ways_of_its_tiles(desk: Desk) -> None:
    form = "series1=product_view&by=product_category&chart=ranking"
    desk.send("boards/save-question", kind="trend", form=form, name="Views", board="+")
    desk.send("board/save", **{**form_of(desk, "views"), "add": "table:channels"})
    tiles = desk.store.get(Board, "views").item.tiles
    assert tiles == (
        BoardTile(question="views", show="ranking"),
        BoardTile(table="channels", width="full"),
    )
    desk.send("board/save", **{**form_of(desk, "views"), "description": "Unchanged"})
    assert desk.store.get(Board, "views").item.tiles == tiles
    assert desk.store.get(Board, "views").item.description == "Unchanged"


def test_the_form_of_a_board_orders_names_resizes_adds_and_removes_tiles_without_scripts(
    desk: Desk,
) -> None:
    fields = form_of(desk, "shop")
    changed = {
        "place-0": "3",
        "place-1": "1",
        "place-2": "2",
        "name-1": "Sold",
        "width-1": "full",
        "remove-3": "yes",
    }
    sent = desk.send(
        "board/save", **{**fields, **changed, "add": "measure:sold_item_count", "add_as": "number"}
    )
    assert sent.headers["location"] == "/dashboard/board?board=shop&edit=yes"
    board = desk.store.get(Board, "shop")
    assert (board.number, board.saved_by) == (1, "somebody on this machine")
    first, *_, last = board.item.tiles
    assert (first.measure, first.name, first.width) == ("order_count", "Sold", "full")
    assert [tile.measure for tile in board.item.tiles[:3]] == [
        "order_count",
        "average_order_value",
        "revenue_amount",
    ]
    assert (last.measure, last.show, last.width, len(board.item.tiles)) == (
        "sold_item_count",
        "number",
        "third",
        9,
    )
    assert "Changed by them: tiles; by you: name." in desk.message_after(
        "board/save", **{**fields, "name": "Late"}
    )


def test_a_tile_of_a_question_is_asked_for_the_days_and_filters_of_the_board(desk: Desk) -> None:
    desk.send("boards/save-question", kind="funnel", form=STEPS, name="Who buys", board="+")
    tile = (
        desk.page("board?board=who-buys&time_range=week")
        .one("div", class_="tile-body")
        .attributes["data-later"]
    )
    assert tile == "/dashboard/board-tile?time_range=week&board=who-buys&tile=0"

    def first_step(path: str) -> int:
        cells = desk.page(path.removeprefix("/dashboard/")).one("table").all("td")
        return int(cells[1].text.replace(",", ""))

    expected = (
        desk.page(f"funnel?{STEPS}&start_date=2026-02-03&end_date=2026-02-09")
        .all("p", class_="number")[0]
        .text
    )
    assert first_step(tile) == int(expected.replace(",", ""))
    narrowed = f"{tile}&where=product_category+%3D+nothing"
    assert first_step(narrowed) == 0
    assert (
        "is not a condition"
        in desk.page("board?board=who-buys&where=what").one("p", role="alert").text
    )


def test_a_tile_whose_question_is_gone_says_so_and_leads_to_its_versions(desk: Desk) -> None:
    desk.send("boards/save-question", kind="funnel", form=STEPS, name="Who buys", board="+")
    assert "its versions stay" in desk.message_after(
        "boards/delete", kind="questions", id="who-buys", version="1"
    )
    board = desk.page("board?board=who-buys")
    assert "The question 'who-buys' was deleted" in board.one("article").text
    assert "Version 2 of" not in desk.page("versions?kind=questions&id=who-buys").text
    message = desk.message_after("boards/restore", kind="questions", id="who-buys", number="1")
    assert message == "Version 1 of “Who buys” is restored, as version 3."
    assert (
        desk.page("board?board=who-buys")
        .one("article")
        .all("div", class_="tile-body")[0]
        .attributes["data-later"]
    )


def test_hostile_names_are_text_everywhere(desk: Desk) -> None:
    desk.send(
        "boards/save-question",
        kind="trend",
        form="series1=purchase",
        name=HOSTILE,
        description=HOSTILE,
        board="+",
    )
    desk.send("boards/note", day="2026-02-03", text=HOSTILE)
    slug = desk.store.newest(SavedQuestion)[0].slug
    assert re.fullmatch("[a-z0-9-]{1,60}", slug)
    pages = (
        "boards",
        f"board?board={slug}",
        f"board?board={slug}&edit=yes",
        f"versions?kind=boards&id={slug}",
        f"versions?kind=questions&id={slug}",
        "sales",
        f"trend?series1=purchase&saved={slug}&saved_version=1",
        f"board-tile?board={slug}&tile=0",
    )
    for path in pages:
        text = desk.client.get(f"/dashboard/{path}").text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert " 49 " not in text, path
        assert "alert(" in text, f"{path} does not show the name at all"


@pytest.mark.slow
def test_a_key_without_write_sees_no_form_and_may_send_none(
    settings: Settings, tmp_path: Path
) -> None:
    keys = SecretStr(f"read:{READS},read+write:{WRITES}")
    own = settings.model_copy(
        update={
            "api_keys": keys,
            "boards_url": SecretStr(f"sqlite://{tmp_path / 'boards.sqlite'}"),
            "rate_limit_key": "none",
            "rate_limit_address": "none",
        }
    )
    BoardStore(own).save_new(Annotation(day=date(2026, 2, 3), text="Sale"), "anna")
    app = build_dashboard_app(own)
    app.state.ad_hoc = None  # questions are answered in this process, which starts no other one
    stack = build_stack(
        own, app, before_guard=lambda inner, credentials: SessionLogin(inner, credentials, own.home)
    )
    with served(stack) as answer:  # type: ignore[arg-type]  # any ASGI application
        forms = {key: _forms(answer.address, key) for key in (READS, WRITES)}
    assert forms[READS] == (0, 403)
    assert forms[WRITES][0] > 5
    assert forms[WRITES][1] == 303
    assert BoardStore(own).newest(Board)[0].saved_by == "setting:2"


OF_ONE = {"steps": ["product_view", "purchase"], "where": ["user_id = u01"]}
ABOUT_PEOPLE: dict[str, dict[str, str]] = {
    "boards/save-question": {
        "kind": "funnel",
        "form": f"{STEPS}&where=user_id+%3D+u01",
        "name": "Of u01",
    },
    "board/save": {"id": "checkout", "version": "1", "name": "Checkout", "where": "user_id = u01"},
    "alerts/save": {"of": "question:one-person", "name": "Watched"},
    "alerts/mail": {"board": "hers", "every": "week", "emails": "ben@shop.example"},
    "alerts/switch": {"id": "of-her", "version": "1", "is_on": "yes"},
}
"""What asks about a person, by the form that saves it."""


@pytest.mark.slow
@pytest.mark.parametrize("action", ABOUT_PEOPLE)
def test_a_key_without_personal_saves_nothing_about_people_by_a_form(
    settings: Settings, tmp_path: Path, action: str
) -> None:
    """The same form saves it for a key with `personal`, which is why
    nothing else in it can be wrong.
    """
    keys = SecretStr(f"read+write:{WRITES},read+write+personal:{SEES_PEOPLE}")
    address = f"sqlite://{tmp_path / 'boards.sqlite'}"
    own = settings.model_copy(
        update={"api_keys": keys, "boards_url": SecretStr(address), "rate_limit_key": "none"}
    )
    store = BoardStore(own)
    store.save_new(
        SavedQuestion.from_mapping({"name": "One person", "kind": "funnel", "definition": OF_ONE}),
        "anna",
    )
    store.save_new(Board.from_mapping({"name": "Checkout"}), "anna")
    store.save_new(Board.from_mapping({"name": "Hers", "where": ["user_id = u01"]}), "anna")
    store.save_new(NumberAlert.from_mapping({"name": "Of her", "question": "one-person"}), "anna")
    kept = len(store.changes(50))
    app = build_dashboard_app(own)
    app.state.ad_hoc = None  # questions are answered in this process, which starts no other one
    stack = build_stack(
        own, app, before_guard=lambda inner, credentials: SessionLogin(inner, credentials, own.home)
    )
    with served(stack) as answer:  # type: ignore[arg-type]  # any ASGI application
        for key, saved_count in ((WRITES, 0), (SEES_PEOPLE, 1)):
            client = Client(answer.address)
            login = {"key": key, "next": "/dashboard/"}
            client.session.post(f"{answer.address}/dashboard/login", login, timeout=PATIENCE_S)
            sent = Desk(client, store).send(action, **ABOUT_PEOPLE[action])
            assert len(store.changes(50)) - kept == saved_count, (key, sent.status_code, sent.text)
            shown = read(
                client.session.get(f"{answer.address}/dashboard/boards", timeout=PATIENCE_S).text
            )
            said = shown.one("p", role="status").text
            assert ("asks about people" in said) == (key == WRITES), said


def _forms(address: str, key: str) -> tuple[int, int]:
    """Return how many forms that change something a key sees, and what comes of sending one."""
    client = Client(address)
    client.session.post(
        f"{address}/dashboard/login", {"key": key, "next": "/dashboard/"}, timeout=PATIENCE_S
    )
    texts = [
        client.get(f"/dashboard/{path}").text
        for path in ("boards", "board?board=shop&edit=yes", f"funnel?{STEPS}")
    ]
    forms = [form for text in texts for form in read(text).all("form", method="post")]
    changing = [form for form in forms if not form.attributes["action"].endswith("/logout")]
    (token, *_) = re.findall(r'name="token" value="([\w-]+)"', texts[0])
    sent = client.session.post(
        f"{address}/dashboard/boards/new",
        {"token": token, "name": "A board"},
        timeout=PATIENCE_S,
        allow_redirects=False,
    )
    return len(changing), sent.status_code


NOTED = [Annotation(day=date(2026, 2, day), text=f"on {day}") for day in (1, 3, 9)]
ROWS = [{"day": f"2026-02-0{day}", "value": day, "name": "a"} for day in (2, 3, 4)]


def test_charts_over_days_mark_the_annotations_of_their_days_and_no_others() -> None:
    line = lines("day", "value", "name")
    marks = marks_of(line, ROWS, NOTED)
    assert [mark.text for mark in marks] == ["on 3"]
    (own, noted) = marked(line, marks)["layer"]
    assert own == line
    assert noted["data"]["values"] == [{"noted_on": "2026-02-03T00:00:00", "noted": "on 3"}]
    assert marks_of(ranking("name", "value"), ROWS, NOTED) == []
    assert marked(line, []) == line


def test_a_week_s_point_stands_for_its_days_and_a_bar_for_its_own() -> None:
    weeks = [
        {"day": date(2026, 1, 26), "value": 1, "name": "a"},
        {"day": date(2026, 2, 2), "value": 1, "name": "a"},
    ]
    assert [mark.text for mark in marks_of(lines("day", "value", "name"), weeks, NOTED)] == [
        "on 1",
        "on 3",
    ]
    bars = coloured_bars(days_of_bars("day"), number("value", "count"), {"field": "name"}, ())
    assert [mark.text for mark in marks_of(bars, ROWS, NOTED)] == ["on 3"]
    assert marked(bars, NOTED)["layer"][1]["layer"][0]["encoding"]["x"]["type"] == "ordinal"


def test_an_annotation_stands_in_the_chart_and_as_text(desk: Desk) -> None:
    assert "Noted on 2026-02-03" in desk.message_after(
        "boards/note", day="2026-02-03", text="Sale began"
    )
    figure = desk.page("sales").one("p", class_="noted")
    assert "2026-02-03: Sale began" in figure.text
    assert "`text` of an annotation cannot be empty" in desk.message_after(
        "boards/note", day="2026-02-03", text=" "
    )
