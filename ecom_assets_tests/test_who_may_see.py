"""What each key may see: every route, every page and every tool, with every scope, cold and warm.

The cold server has no cache. The warm one was asked first by a key that may do everything, then by
all others; routes and tools once more by those that may not see all. The small shop's people are
u00 to u69, so whoever may not see people must not read such an id.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    closing,
)
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from unittest.mock import patch

import httpx2
import pytest
import requests
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.interfaces.api import app
from ecom_assets.interfaces.api.app import build_app, build_stack
from ecom_assets.interfaces.api.auth.callers import PERSONAL_COLUMNS, scope_for
from ecom_assets.interfaces.api.mcp.server import build_http
from ecom_assets.interfaces.api.mcp.tools import ApiQuestion, questions_of
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.boards.incidents import IncidentLog
from ecom_assets.interfaces.boards.model import Board, BoardMail, NumberAlert, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard.app import build_dashboard_stack
from ecom_assets.interfaces.dashboard.page import all_pages
from ecom_assets.interfaces.report.board_mail import board_page
from ecom_assets.interfaces.watching.causes import causes
from ecom_assets.interfaces.watching.numbers import title_of
from ecom_assets.interfaces.watching.rule import findings
from ecom_assets.interfaces.watching.watch import watched
from ecom_assets_tests.interfaces.api import plain_correlation, plain_experiments, plain_paths
from ecom_assets_tests.interfaces.api.api_document import api_document
from ecom_assets_tests.interfaces.api.conftest import published_shop, served
from ecom_assets_tests.patience import PATIENCE_S
from ecom_assets_tests.redis_server import running_redis

Row = dict[str, Any]
EVERY: Final = frozenset(Scope)
RIGHTS: Final = {
    "everything": EVERY,
    **{scope.value: frozenset({scope}) for scope in Scope},
    **{
        f"{Scope.READ}+{scope}": frozenset({Scope.READ, scope})
        for scope in Scope
        if scope not in {Scope.READ, Scope.ADMIN}
    },
}
"""The keys by name; the first has every right."""
KEYS: Final = {name: f"a-key-with-the-scopes-{name}" for name in RIGHTS}
READERS: Final = [key for key in KEYS if RIGHTS[key] & {Scope.READ, Scope.ADMIN}]
"""The keys that may read at all."""
PERSON: Final = re.compile(r"(?<![\w-])(?:s-)?u\d\d(?:-\d+)?(?![\w-])")
"""An id of somebody, or of one of their sessions."""
SAVED: Final = "by-user"
NAMED: Final = "named"
"""The id of an alert on a value that is a person."""
COST: Final = "4711.25"
"""What an alert on profit says of it."""
PATH: Final = {"product_id": "p1", "layer": "mart", "table": "engagement_daily", "id": SAVED}
DAY: Final = "event_date = 2026-01-10"
FUNNEL: Final[Row] = {"steps": ["page_view", "add_to_cart"]}
BODIES: Final[dict[str, list[Row]]] = {
    "/v1/analytics/journeys": [{"top": 3}, {"where": ["user_id = u03"]}],
    "/v1/analytics/funnel/who": [FUNNEL],
    "/v1/analytics/retention/who": [{"period": "week"}],
    "/v1/analytics/funnel": [FUNNEL, {**FUNNEL, "by": "user_id"}],
    "/v1/analytics/trend": [{"series": ["*"]}, {"series": ["*"], "by": "visitor_id"}],
    "/v1/analytics/retention": [plain_paths.RETENTION, {"by": "user_agent"}],
    "/v1/analytics/sessions": [{"where": ["page_url is set"]}, {"where": ["user_id = u03"]}],
    "/v1/analytics/correlation": [
        plain_correlation.CORRELATION,
        {"funnel": {"steps": ["page_view", "purchase"]}, "properties": ["user_agent"]},
    ],
    "/v1/analytics/attribution": [{"model": "linear"}],
    "/v1/analytics/experiment": [plain_experiments.EXPERIMENT],
    "/v1/analytics/sales": [
        {"by": ["discount_code", "product"]},
        {"where": ["customer_id = u03"]},
    ],
    "/v1/analytics/sales/who": [{"by": ["product"]}],
    "/v1/analytics/sales/lines": [{"limit": 3}, {"where": ["customer_id = u03"]}],
}
"""Questions of each route that takes them as a body: of many, and about single people."""
QUERIES: Final[dict[str, list[Row]]] = {
    "/v1/analytics/values": [
        *({"column": column} for column in sorted({*PERSONAL_COLUMNS, "session_id"})),
        {"column": "user_id", "search": "u0", "format": "csv"},
    ],
    "/v1/analytics/quality/samples": [{"source": "events"}, {"source": "orders"}],
    "/v1/explain/{layer}/{table}": [
        {"column": "session_count", "where": DAY},
        {"column": "session_count", "where": DAY, "format": "csv"},
    ],
    "/v1/analytics/funnel/who": [{"step": "2"}],
    "/v1/analytics/retention/who": [{"cohort": "2026-01-05", "period": "1"}],
    "/v1/analytics/funnel/who.csv": [{"step": "2", "definition": json.dumps(FUNNEL)}],
    "/v1/analytics/retention/who.csv": [
        {"cohort": "2026-01-05", "period": "1", "definition": '{"period": "week"}'}
    ],
    "/v1/analytics/sales/lines.csv": [{"definition": '{"where": ["customer_id = u03"]}'}],
}
"""Queries besides the plain one; those of routes that need them, instead of it."""
NEEDED: Final = {path for path in QUERIES if path.endswith("/who") or "explain" in path}
OF_NOW: Final = {
    f"/v1/{path}"
    for path in ("health", "health/live", "health/ready", "metrics", "analytics/realtime")
}
"""Answers of the moment, which are not compared."""
OF_COSTS: Final = {
    f"/v1/analytics/{name}{suffix}"
    for name in ("profit", "marketing", "customers/cohort-value")
    for suffix in ("", ".csv")
}
"""Routes that need the scope `costs`; what they show is tested in `interfaces/api/test_profit.py`.
"""
PAGES: Final = {
    "product": "product=p1",
    "board": f"board={SAVED}",
    "board-tile": f"board={SAVED}&tile=0",
    "versions": f"kind=boards&id={SAVED}",
    "alert": f"alert={SAVED}",
    "person": "visitor=u03",
    "funnel": "step1=page_view&step2=purchase&who=2",
    "why": "table=mart.engagement_daily&column=session_count&event_date=2026-01-10",
}


@dataclass(frozen=True)
class Asked:
    """A request: its route, and its query and body."""

    method: str
    path: str
    query: Row = field(default_factory=dict)
    body: Row | None = None

    def __str__(self) -> str:
        """Return the name of a test."""
        return f"{self.method} {self.path} {self.query or ''} {self.body or ''}"

    def ask(self, address: str, key: str, **headers: str) -> requests.Response:
        """Return a server's answer to a key."""
        sent = {"X-API-Key": KEYS[key], **headers}
        url = address + self.path
        return requests.request(
            self.method,
            url,
            params=self.query,
            json=self.body,
            headers=sent,
            timeout=PATIENCE_S,
            allow_redirects=False,
        )


def with_path(path: str) -> str:
    """Return a path of a route with a product, a table and a saved question that there are."""
    return re.sub(r"{(\w+)}", lambda name: PATH[name[1]], path.replace("{kind}", "questions"))


def routes(document: Row) -> Iterator[tuple[str, str]]:
    """Yield the method and path of each route that answers something and changes nothing."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "get" or "ad hoc" in operation["tags"]:
                yield method.upper(), path


def asked(document: Row) -> Iterator[Asked]:
    """Yield the requests of every route; one that is asked by a body needs it in BODIES."""
    for method, path in routes(document):
        queries = [*([] if path in NEEDED else [{}, {"format": "csv"}]), *QUERIES.get(path, ())]
        for query in queries:
            for body in [None] if method == "GET" else BODIES.get(path, []):
                yield Asked(method, with_path(path), query, body)


DOCUMENT: Final = api_document()
ASKED: Final = [*asked(DOCUMENT)]
OF_PAGES: Final = [
    Asked("GET", f"{page.address}?{PAGES.get(page.path, '')}") for page in all_pages()
]
QUESTIONS: Final = questions_of(DOCUMENT)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small shop in a home with something saved about people, and a key of each kind."""
    shop = published_shop(tmp_path_factory.getbasetemp() / "api")
    home = tmp_path_factory.mktemp("home")
    (home / "serving").symlink_to(shop.home / "serving")
    keys = ",".join(f"{'+'.join(sorted(RIGHTS[name]))}:{key}" for name, key in KEYS.items())
    changed: Row = {"home": home, "api_keys": type(shop.api_keys)(keys)}
    changed |= {"rate_limit_key": "none", "rate_limit_address": "none"}
    result = shop.model_copy(update=changed)
    save(BoardStore(result))
    record_incidents(IncidentLog(result))
    return result


def save(store: BoardStore) -> None:
    """Save a question by users, and a board, an alert and an e-mail of it, under one id."""
    definition = {"series": ["*"], "by": "user_id"}
    question = {"name": "By user", "kind": "trend", "definition": definition}
    assert store.save_new(SavedQuestion.from_mapping(question), "anna").slug == SAVED
    tiles = [{"question": SAVED, "show": "table"}, {"measure": "revenue_amount", "show": "number"}]
    assert (
        store.save_new(Board.from_mapping({"name": "By user", "tiles": tiles}), "anna").slug
        == SAVED
    )
    alert = {
        "name": "By user",
        "question": SAVED,
        "when": "rises",
        "limit": 0.1,
        "by": ["event_type"],
    }
    assert store.save_new(NumberAlert.from_mapping(alert), "anna").slug == SAVED
    store.save_new(BoardMail(board=SAVED, emails=("u06@shop.example",)), "anna")
    types = {"name": "Types", "kind": "trend", "definition": {"series": ["*"], "by": "event_type"}}
    store.save_new(SavedQuestion.from_mapping(types), "anna")
    emails = ["u07@shop.example"]
    of_value = {"name": NAMED, "question": "types", "value": "u08", "emails": emails, "limit": 9}
    profit = {"name": "Loss", "measure": "gross_profit_amount", "limit": float(COST)}
    for named in (of_value, {**profit, "description": f"below {COST}"}):
        store.save_new(NumberAlert.from_mapping({**named, "when": "below"}), "anna")


def record_incidents(log: IncidentLog) -> None:
    """Note that both alerts had an incident, and one that an earlier release kept as a sentence."""
    for slug, name, of_value, value in (
        (NAMED, "Types", "u08", "3"),
        ("loss", "Gross profit", None, COST),
    ):
        title = title_of(name, of_value)
        said = f"was {value} on Mon 12 Jan: below {COST if slug == 'loss' else 9}."
        finding = {"title": title, "value": value, "sentence": f"{title} {said}"}
        of_parts = {**finding, "name": name, "of_value": of_value, "said": said}
        first, well, second = (datetime(2026, 1, day) for day in (5, 6, 12))  # noqa: DTZ001 (of the shop's clock)
        log.record(slug, [(first, finding), (well, None), (second, of_parts)], said)


@dataclass(frozen=True)
class Servers:
    """Two servers of one thing: one without a cache, and one with."""

    cold: str
    warm: str


def without_cache() -> AbstractContextManager[object]:
    """Build servers that keep no answers in memory."""
    return patch.object(app, "CACHE_BYTES", 0)


@pytest.fixture(scope="module")
def pages(settings: Settings) -> Iterator[Servers]:
    """The API with the dashboard."""
    warm_stack = build_dashboard_stack(settings)
    with without_cache():
        cold_stack = build_dashboard_stack(settings)
    with served(cold_stack) as cold, served(warm_stack) as warm:  # type: ignore[arg-type]
        yield Servers(cold.address, warm.address)


@pytest.fixture(scope="module")
def tools(settings: Settings) -> Iterator[Servers]:
    """The API with the tools of assistants."""
    warm_app = build_http(settings)
    with without_cache():
        cold_app = build_http(settings)
    with served(cold_app) as cold, served(warm_app) as warm:  # type: ignore[arg-type]
        yield Servers(cold.address, warm.address)


def may_see(key: str) -> bool:
    """Return whether a key may see people."""
    return bool(RIGHTS[key] & {Scope.PERSONAL, Scope.ADMIN})


def may_see_costs(key: str) -> bool:
    """Return whether a key may see what the shop pays."""
    return bool(RIGHTS[key] & {Scope.COSTS, Scope.ADMIN})


def test_every_route_that_is_asked_by_a_body_has_one_here() -> None:
    assert {path for method, path in routes(DOCUMENT) if method != "GET"} <= {*BODIES}


def test_keys_of_every_scope_ask() -> None:
    assert {scope for scopes in RIGHTS.values() for scope in scopes} == {*Scope}
    assert next(iter(RIGHTS)) == "everything"
    assert Caller("", RIGHTS["everything"]).may(Scope.ADMIN)


@pytest.mark.slow
@pytest.mark.parametrize("third", range(3))
def test_a_warm_answer_is_the_cold_one_of_the_same_key(
    pages: Servers, third: int, subtests: pytest.Subtests
) -> None:
    for request_ in ASKED[third::3]:
        with subtests.test(request=str(request_)):
            compare(pages, request_)


def test_who_asked_before_adds_nothing_to_what_a_key_sees(pages: Servers) -> None:
    compare(pages, Asked("GET", "/v1/analytics/values", {"column": "user_id", "limit": "7"}))


def compare(servers: Servers, request_: Asked) -> None:
    """Ask with each key, first cold and then warm, and compare; those that may read ask once more
    after all, and say that they know the answer of who may do everything.
    """
    cold = {key: request_.ask(servers.cold, key) for key in KEYS}
    for key, answer in cold.items():
        whole = cold["everything"].status_code
        assert answer.status_code in expected_codes(request_, key, whole), (key, answer.text)
    of_all = request_.ask(servers.warm, "everything").headers.get("ETag")
    for number, key in enumerate([*KEYS, *READERS]):
        warm = known = request_.ask(servers.warm, key)
        is_asked_last = number >= len(KEYS) or key not in READERS
        if of_all and is_asked_last:
            known = request_.ask(servers.warm, key, **{"If-None-Match": of_all})
            assert known.status_code == (304 if is_all(key) else warm.status_code), key
        assert warm.status_code == cold[key].status_code
        for answer in (cold[key], warm, known):
            assert may_see(key) or not PERSON.search(answer.text), (key, answer.text[:1000])
        if request_.path not in OF_NOW:
            assert warm.text == cold[key].text, key


def is_all(key: str) -> bool:
    """Return whether a key may do everything."""
    return Scope.ADMIN in RIGHTS[key]


def expected_codes(request_: Asked, key: str, whole: int) -> set[int]:
    """Return what a key's status may be; `whole` is that of who may do everything."""
    if scope_for(request_.path) is Scope.READ and not RIGHTS[key] & {Scope.READ, Scope.ADMIN}:
        return {403}
    if request_.path in OF_COSTS and not may_see_costs(key):
        return {403}
    return {whole} if may_see(key) or request_.path in OF_COSTS else {whole, 403}


@pytest.mark.slow
def test_a_page_names_people_only_to_those_who_may_see_them(
    pages: Servers, subtests: pytest.Subtests
) -> None:
    for page in OF_PAGES:
        with subtests.test(page=str(page)):
            compare_page(pages, page)


def test_the_page_of_somebody_names_them_only_to_those_who_may_see_people(pages: Servers) -> None:
    compare_page(pages, next(page for page in OF_PAGES if "/person" in page.path))


def compare_page(pages: Servers, page: Asked) -> None:
    """Open a page with each key, cold and warm, first with the one that may do everything, and look
    for people.
    """
    codes = {}
    for key in KEYS:
        answers = [page.ask(address, key) for address in (pages.cold, pages.warm)]
        assert len({answer.status_code for answer in answers}) == 1
        codes[key] = answers[0].status_code
        for answer in answers:
            is_echo = "person" in page.path  # its title repeats the id that was asked for
            text = answer.text.replace("u03", "") if is_echo else answer.text
            assert may_see(key) or not PERSON.search(text), (key, PERSON.search(text), text)
    assert codes["everything"] == 200, codes


SHOWN: Final = [
    *(f"/dashboard/{path}" for path in ("boards", "alerts", f"alert?alert={NAMED}")),
    *(f"/dashboard/versions?kind=alerts&id={slug}" for slug in (NAMED, "loss")),
    *(f"/v1/saved/{kind}" for kind in ("questions", "boards", "alerts", "mails")),
]
"""Where what is saved is read."""


def test_what_is_saved_names_people_and_costs_to_those_who_may_see_them(pages: Servers) -> None:
    """The value of a breakdown, addresses, and what an alert on profit says."""
    for path in SHOWN:
        texts = {key: Asked("GET", path).ask(pages.cold, key).text for key in READERS}
        for key, text in texts.items():
            assert may_see(key) or not PERSON.search(text), (path, key, PERSON.search(text))
            assert may_see_costs(key) or COST not in text, (path, key)
    alerts = {key: Asked("GET", SHOWN[1]).ask(pages.cold, key).text for key in READERS}
    for said in ("Types: u08 was 3", "u06@shop.example", f"below {COST}"):
        assert said in alerts["everything"], said
    assert f"Types: {HIDDEN} was 3" in alerts["read"], "the alert is there without the value"
    assert alerts["read"].count("u08") == 0 < alerts["everything"].count("Types: u08 was 3")
    form = Asked("GET", SHOWN[2]).ask(pages.cold, "read+write").text
    assert "need a key that may see people to be seen or changed" in form, "and loses it to nobody"


def arguments_of(question: ApiQuestion, request_: Asked) -> Row:
    """Return a request as the arguments of a tool."""
    names = {name: argument for argument, name in question.in_query.items()}
    in_path = {name: PATH[name] for name in re.findall(r"{(\w+)}", question.path)}
    query = {names[name]: value for name, value in request_.query.items() if name in names}
    return in_path | query | (request_.body or {})


TOOLS: Final = [
    (question.name, arguments_of(question, request_))
    for question in QUESTIONS.values()
    for request_ in ASKED
    if (question.method, with_path(question.path)) == (request_.method, request_.path)
    and "format" not in request_.query
] + [
    ("funnel", {**FUNNEL, "who": QUERIES["/v1/analytics/funnel/who"][0]}),
    ("retention", {"period": "week", "who": QUERIES["/v1/analytics/retention/who"][0]}),
]


@asynccontextmanager
async def connected(address: str, key: str) -> AsyncIterator[Client]:
    """Connect an assistant with a key."""
    async with (
        httpx2.AsyncClient(headers={"X-API-Key": KEYS[key]}, timeout=PATIENCE_S) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
    ):
        yield client


async def answer_to(client: Client, name: str, arguments: Row) -> str:
    """Return the text that a tool answers an assistant."""
    (content,) = (await client.call_tool(name, arguments)).content
    assert isinstance(content, TextContent)
    return content.text


def test_every_tool_is_called() -> None:
    assert {name for name, _ in TOOLS} == {*QUESTIONS}


@pytest.mark.slow
@pytest.mark.parametrize("third", range(3))
def test_a_tool_answers_a_key_the_same_after_any_other(
    tools: Servers, third: int, subtests: pytest.Subtests
) -> None:
    async def compare_all() -> None:
        async with assistants(tools) as clients:
            for name, arguments in TOOLS[third::3]:
                with subtests.test(tool=name, arguments=str(arguments)):
                    await compare_tool(clients, name, arguments)

    asyncio.run(compare_all())


def test_a_tool_gives_the_values_of_a_column_to_those_who_may_see_them(tools: Servers) -> None:
    async def compare_one() -> None:
        async with assistants(tools) as clients:
            await compare_tool(clients, "values", {"column": "visitor_id", "limit": 7})

    asyncio.run(compare_one())


@dataclass(frozen=True)
class Assistants:
    """An assistant with each key that may read, of the server without a cache and of the one
    with.
    """

    cold: Mapping[str, Client]
    warm: Mapping[str, Client]


@asynccontextmanager
async def assistants(tools: Servers) -> AsyncIterator[Assistants]:
    """Connect assistants to both servers."""
    async with AsyncExitStack() as stack:
        connect = stack.enter_async_context
        cold = {key: await connect(connected(tools.cold, key)) for key in READERS}
        warm = {key: await connect(connected(tools.warm, key)) for key in READERS}
        yield Assistants(cold, warm)


async def compare_tool(clients: Assistants, name: str, arguments: Row) -> None:
    """Call a tool with each key, first cold and then warm, and compare."""
    cold = {key: await answer_to(client, name, arguments) for key, client in clients.cold.items()}
    for key in [*READERS, *(key for key in READERS if not may_see(key))]:
        warm = await answer_to(clients.warm[key], name, arguments)
        for text in (cold[key], warm):
            assert may_see(key) or not PERSON.search(text), (key, text[:1000])
        if name != "realtime":
            assert warm == cold[key], key


def test_an_e_mail_of_a_board_names_nobody(settings: Settings) -> None:
    page = board_page(settings, SAVED)
    html = page.html(page.embedded_pictures, "")
    assert "is personal data" in html
    assert not PERSON.search(html)


def test_a_message_of_an_alert_names_no_person_as_a_cause(settings: Settings) -> None:
    alert = BoardStore(settings).get(NumberAlert, SAVED).item
    with closing(open_store(settings)) as store, store.reading() as reading:
        metric = watched(settings, alert, reading)
        found = findings(alert, metric.points(), metric.shown)
        named = {cause.by for finding in found for cause in causes(metric, finding)}
    assert named == {"event_type"}


@pytest.mark.slow
def test_nor_does_a_redis_that_processes_share(settings: Settings) -> None:
    values = Asked("GET", "/v1/analytics/values", {"column": "device_id"})
    with running_redis() as redis:
        url = type(settings.redis_url)(redis.url)
        shared = settings.model_copy(update={"redis_url": url})
        with without_cache():
            alone, *processes = (
                build_stack(each, build_app(each)) for each in (settings, shared, shared)
            )
        with served(alone) as cold:  # type: ignore[arg-type]
            with served(processes[0]) as first:  # type: ignore[arg-type]
                assert values.ask(first.address, "everything").status_code == 200
            with served(processes[1]) as second:  # type: ignore[arg-type]
                compare(Servers(cold.address, second.address), values)
