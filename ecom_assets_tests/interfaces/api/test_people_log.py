"""Each answer that leaves the shop with people in it is a line of the audit log with its rows: a
file, a page with e-mail addresses or with a file inside, and what an assistant reads.

The small shop's people are u00 to u69.
"""

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest
from mcp import Client

from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app
from ecom_assets.interfaces.api.auth.guard import DOWNLOADED, FILE_NAME, AuditLog
from ecom_assets.interfaces.api.mcp.server import _as_caller, answer_from, build_http
from ecom_assets.interfaces.api.mcp.tools import questions_of
from ecom_assets.interfaces.api.people import PeopleLog
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import published_shop, served
from ecom_assets_tests.test_who_may_see import (
    ASKED,
    KEYS,
    PERSON,
    TOOLS,
    Asked,
    answer_to,
    connected,
)

Row = dict[str, Any]
SEES: Final = "read+personal"
FILES: Final = [
    request
    for request in ASKED
    if request.query.get("format") == "csv" or request.path.endswith(".csv")
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small shop, in a home with a log of its own."""
    shop = published_shop(tmp_path_factory.getbasetemp() / "api")
    home = tmp_path_factory.mktemp("people") / "home"
    home.mkdir()
    (home / "serving").symlink_to(shop.home / "serving")
    keys = f"{SEES}:{KEYS[SEES]},read:{KEYS['read']}"
    changed: Row = {"home": home, "api_keys": type(shop.api_keys)(keys)}
    changed |= {"rate_limit_key": "none", "rate_limit_address": "none"}
    return shop.model_copy(update=changed)


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    """The API with the dashboard."""
    with served(build_dashboard_stack(settings)) as api:  # type: ignore[arg-type]  # an ASGI application
        yield api.address


def lines(home: Path) -> list[Row]:
    """Return the lines of the log about people."""
    written = (json.loads(line) for line in (home / FILE_NAME).read_text().splitlines())
    return [line for line in written if line["reason"] == DOWNLOADED]


def rows_of(text: str) -> int:
    """Return how many rows a CSV has below its header."""
    return max(len([*csv.reader(io.StringIO(text))]) - 1, 0)


@pytest.mark.slow
@each("request_", FILES)
def test_a_file_with_people_is_a_line_with_its_rows(
    settings: Settings, address: str, request_: Asked
) -> None:
    before = len(lines(settings.home))
    for key in (SEES, SEES, "read"):
        answer = request_.ask(address, key)
        new = lines(settings.home)[before:]
        before += len(new)
        has_people = answer.status_code == HTTPStatus.OK and PERSON.search(answer.text)
        if has_people:
            assert key == SEES
            assert len(new) == 1, "each time, also where an answer is kept"
        for line in new:
            assert (line["row_count"], line["path"]) == (rows_of(answer.text), request_.path)
            assert "no-store" in answer.headers["Cache-Control"]


PAGES_WITH_FILES: Final = {
    "a breakdown by people": "funnel?step1=page_view&step2=purchase&by=user_id",
    "a trend by people": "trend?series1=page_view&by=user_id",
}
"""Pages whose question is about people: their answer is in them as a file."""


@pytest.mark.parametrize("path", PAGES_WITH_FILES.values(), ids=[*PAGES_WITH_FILES])
def test_a_page_with_a_file_about_people_is_a_line(
    settings: Settings, address: str, path: str
) -> None:
    before = len(lines(settings.home))
    page = Asked("GET", f"/dashboard/{path}").ask(address, SEES)
    assert page.status_code == HTTPStatus.OK, page.text
    files = [
        unquote(text) for text in re.findall(r"data:text/csv;charset=utf-8,([^\"]*)", page.text)
    ]
    counts = [rows_of(text) for text in files if PERSON.search(text)]
    assert counts, page.text
    (line,) = lines(settings.home)[before:]
    assert line["row_count"] == max(counts)
    assert line["path"] == f"/dashboard/{path.partition('?')[0]}"


def test_a_page_of_addresses_is_a_line(settings: Settings, address: str) -> None:
    before = len(lines(settings.home))
    page = Asked("GET", "/dashboard/write-to?people=carts&time_range=year").ask(address, SEES)
    addresses = {*re.findall(r"[\w.]+@example\.com", page.text)}
    assert addresses
    (line,) = lines(settings.home)[before:]
    assert (line["path"], line["row_count"]) == ("/dashboard/write-to", len(addresses))


def test_a_page_without_people_is_no_line(settings: Settings, address: str) -> None:
    before = len(lines(settings.home))
    for path in ("overview", "trend?series1=page_view", "funnel?step1=page_view&step2=purchase"):
        assert Asked("GET", f"/dashboard/{path}").ask(address, SEES).status_code == HTTPStatus.OK
    assert lines(settings.home)[before:] == []


@pytest.fixture(scope="module")
def tools(settings: Settings) -> Iterator[str]:
    """The API with the tools of assistants."""
    with served(build_http(settings)) as api:  # type: ignore[arg-type]  # an ASGI application
        yield api.address


@pytest.mark.slow
def test_what_an_assistant_reads_of_people_is_a_line(
    settings: Settings, tools: str, subtests: pytest.Subtests
) -> None:
    async def read_all() -> None:
        async with connected(tools, SEES) as client:
            for name, arguments in TOOLS:
                with subtests.test(tool=name, arguments=str(arguments)):
                    await reads_as_lines(client, settings.home, name, arguments)

    asyncio.run(read_all())


async def reads_as_lines(client: Client, home: Path, name: str, arguments: Row) -> None:
    """Call a tool twice, and look for a line each time that it names people."""
    before = len(lines(home))
    for _ in range(2):
        text = await answer_to(client, name, arguments)
        new = lines(home)[before:]
        before += len(new)
        listed = json.loads(text) if text.startswith("{") else {}
        listed.pop("definition", None)
        assert len(new) == 1 or not PERSON.search(json.dumps(listed)), text


@pytest.mark.slow
def test_over_standard_input_it_is_a_line_too(settings: Settings, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "serving").symlink_to(settings.home / "serving")
    without_keys = settings.model_copy(update={"home": home, "api_keys": None})
    audit = AuditLog(home)
    app = build_app(without_keys)
    application = _as_caller(PeopleLog(app, audit), frozenset({Scope.READ, Scope.PERSONAL}))
    question = questions_of(app.openapi())["carts_left"]
    asyncio.run(answer_from(application, question, {"limit": 3}, None))
    audit.close()
    assert [line["row_count"] for line in lines(home)] == [3]
