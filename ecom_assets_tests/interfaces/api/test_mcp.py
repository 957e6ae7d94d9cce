"""The tools of assistants, by the official SDK's own client: in this process, over HTTP with keys,
and over stdio.

Each tool asks a route of the API, so what it answers is what the API answers.
"""

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import SecretStr
from starlette.testclient import TestClient

from ecom_assets.core.http_server.callers import VERSION_PREFIX
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.interfaces.api.app import ROUTERS, build_app
from ecom_assets.interfaces.api.mcp.server import (
    INSTRUCTIONS,
    LIST_METRICS,
    answer_from,
    build_http,
    build_server,
    without_addresses,
)
from ecom_assets.interfaces.api.mcp.tools import SAID_ONCE, ApiQuestion, questions_of
from ecom_assets_tests.command import ECOM, environment
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.conftest import Api
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop
from ecom_assets_tests.patience import PATIENCE_S, wait_until
from ecom_assets_tests.recipes import endpoint

READS, SEES_PEOPLE = "r" * 40, "p" * 40
"""Keys of two assistants."""
FUNNEL = {"steps": ["page_view", "add_to_cart", "purchase"], "within": "7d"}
Talk = Callable[[Client], Awaitable[Any]]


@pytest.fixture(scope="module")
def app(settings: Settings) -> Iterator[FastAPI]:
    """The API over the small shop."""
    api = build_app(settings)
    yield api
    api.state.store.close()


@pytest.fixture(scope="module")
def questions(app: FastAPI) -> dict[str, ApiQuestion]:
    """Its questions."""
    return questions_of(app.openapi())


def talk(server: Any, action: Talk, **options: Any) -> Any:
    """Connect to a server, and return what comes of a conversation."""

    async def connected() -> Any:
        async with Client(server, **options) as client:
            return await action(client)

    return asyncio.run(connected())


def call(name: str, arguments: dict[str, Any] | None = None) -> Talk:
    async def called(client: Client) -> Any:
        return await client.call_tool(name, arguments or {})

    return called


def routes() -> set[str]:
    """Return the names of the routes that are questions, as the routers have them."""
    actual = set()
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            is_question = "POST" not in (route.methods or ()) or "ad hoc" in route.tags
            is_about_the_api = route.path in {"/", "/metrics"} or route.path.startswith(
                ("/health", "/saved")
            )
            if (
                is_question and not is_about_the_api and route.include_in_schema
            ):  # a stream never ends
                actual.add(route.name)
    return actual


@pytest.mark.slow
def test_every_question_of_the_api_is_a_tool_and_nothing_else_is(
    app: FastAPI, questions: dict[str, ApiQuestion]
) -> None:
    async def listed(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = talk(build_server(questions, partial(answer_from, app)), listed)
    # Arguments of `funnel`, `retention` and `custom_sales`, and files.
    others = {"funnel_who", "retention_who", "sales_who"} | {
        route.name
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and route.path.endswith(".csv")
    }
    assert {tool.name for tool in tools} == {LIST_METRICS, *routes()} - others
    assert len(tools) == 1 + len(routes()) - len(others) > 25
    assert all(
        tool.annotations.read_only_hint and tool.description and tool.title for tool in tools
    )
    sent = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    assert len(json.dumps(sent)) < 66_000, "more than an assistant should carry"


def test_what_the_instructions_say_stands_in_the_api_and_in_no_tool(
    app: FastAPI, questions: dict[str, ApiQuestion]
) -> None:
    document = json.dumps(app.openapi())
    tools = json.dumps([question.input_schema for question in questions.values()])
    for text in SAID_ONCE:
        assert f'"description": {json.dumps(text)}' in document
        assert f'"description": {json.dumps(text)}' not in tools
    for name in ("explain", "time_range", "start_date", "limit", "offset", "timezone", "identity"):
        assert f"`{name}" in INSTRUCTIONS


@pytest.mark.slow
def test_a_new_route_is_a_new_tool_and_one_that_writes_is_none(
    settings: Settings, shop: PlainShop
) -> None:
    app = build_app(settings)
    app.include_router(endpoint.router, prefix=VERSION_PREFIX)

    @app.post("/v1/orders/release", tags=["quality"])
    def release() -> dict[str, str]:
        raise AssertionError("nobody may ask this")

    questions = questions_of(app.openapi())
    assert questions["get_sold_days"].path == "/v1/analytics/sold-days"
    assert "release" not in questions
    answer = talk(build_server(questions, partial(answer_from, app)), call("get_sold_days"))
    known = answer.structured_content["range"]
    sold = {
        str(line["day"])
        for line in shop.lines
        if known["known_from"] <= str(line["day"]) <= known["known_to"]
    }
    assert answer.structured_content["day_count"] == len(sold) > 0


@pytest.mark.slow
def test_tools_answer_what_the_api_answers(
    app: FastAPI, api: Api, questions: dict[str, ApiQuestion]
) -> None:
    plain = [
        question
        for question in questions.values()
        if question.method == "GET" and "required" not in question.input_schema
    ]
    compared = 0
    server = build_server(questions, partial(answer_from, app))
    for question in plain:
        if question.name == "realtime":
            continue  # it is of the moment
        response = api.get(question.path)
        actual = talk(server, call(question.name))
        assert actual.is_error == (response.status_code != 200), question.name
        if not actual.is_error:
            assert (
                actual.structured_content == response.json() == json.loads(actual.content[0].text)
            )
            compared += 1
    assert compared > 15


def test_a_question_of_ones_own_goes_with_its_body_and_its_query(app: FastAPI, api: Api) -> None:
    server = build_server(questions_of(app.openapi()), partial(answer_from, app))
    arguments = {**FUNNEL, "by": "product_category", "limit": 2, "answer_limit": 1}
    expected = api.post(
        "/v1/analytics/funnel", {**FUNNEL, "by": "product_category", "limit": 2}, limit=1
    ).json()
    actual = talk(server, call("funnel", arguments)).structured_content
    assert actual == expected
    assert len(actual["breakdown"]) == 1


@pytest.mark.parametrize(
    ("tool", "asked", "who"),
    [
        ("funnel", FUNNEL, {"step": 2, "stopped": True}),
        ("retention", {"period": "week"}, {"cohort": "2026-01-05", "period": "1"}),
    ],
)
def test_who_was_counted_is_an_argument_of_the_question(
    app: FastAPI, api: Api, tool: str, asked: dict[str, Any], who: dict[str, Any]
) -> None:
    server = build_server(questions_of(app.openapi()), partial(answer_from, app))
    expected = api.post(f"/v1/analytics/{tool}/who", asked, **who, offset=1).json()
    actual = talk(server, call(tool, {**asked, "who": who, "offset": 1}))
    assert actual.structured_content == expected
    assert expected["who"], "somebody is there"
    for wrong in ("all", {"steps": 1}, *([{}] if tool == "retention" else [])):
        refused = talk(server, call(tool, {**asked, "who": wrong}))
        assert refused.is_error
        assert f"'who' of {tool}" in refused.content[0].text


@each(
    "tool, arguments, result",
    [
        ("sales", {"weeks": 1}, "sales has no argument 'weeks'"),
        ("product", {}, "product needs the argument 'product_id'; add it."),
        ("sale", {}, "There is no tool 'sale'; did you mean 'sales' or 'values'?"),
        (
            "sales",
            {"start_date": "2026-01-09"},
            "time_range=custom needs both start_date and end_date",
        ),
        ("product", {"product_id": "../sales"}, "Not Found"),
        ("funnel", {"steps": []}, "Unprocessable"),
    ],
)
def test_a_wrong_question_is_answered_in_a_sentence(
    app: FastAPI,
    questions: dict[str, ApiQuestion],
    tool: str,
    arguments: dict[str, Any],
    result: str,
) -> None:
    actual = talk(build_server(questions, partial(answer_from, app)), call(tool, arguments))
    assert actual.is_error
    assert result in actual.content[0].text
    assert "\n" not in actual.content[0].text


def test_metrics_have_their_meaning_and_their_tool(
    app: FastAPI, questions: dict[str, ApiQuestion]
) -> None:
    server = build_server(questions, partial(answer_from, app))
    actual = talk(server, call(LIST_METRICS, {"named": "bounce"})).structured_content["metrics"]
    assert {
        "metric": "bounce_rate",
        "meaning": "The share of visits that were not engaged, as GA4 counts it [share]",
        "tool": "engagement",
    } in (actual)
    whole = talk(server, call(LIST_METRICS)).structured_content["metrics"]
    assert {"revenue_amount", "average_order_value", "conversion_rate"} <= {
        row["metric"] for row in whole
    }
    assert {row["tool"] for row in whole} <= set(questions)
    margins = talk(server, call(LIST_METRICS, {"named": "gross_margin"})).structured_content
    tools = {"profit", "custom_sales", "sales_lines", "top_products", "product"}
    assert {row["tool"] for row in margins["metrics"]} == tools


@contextmanager
def served_http(settings: Settings, *, has_keys: bool = True) -> Iterator[str]:
    """Serve the tools as `ecom mcp --http` does, with two keys or none, and yield their address."""
    keys = SecretStr(f"read:{READS},read+personal:{SEES_PEOPLE}" if has_keys else "")
    served_settings = settings.model_copy(update={"api_keys": keys})
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_http(served_settings), log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def over_http(
    address: str, key: str, action: Talk, mode: Literal["auto", "legacy"] = "auto"
) -> Any:
    async def connected() -> Any:
        async with (
            httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=PATIENCE_S
            ) as http,
            Client(streamable_http_client(f"{address}/mcp", http_client=http), mode=mode) as client,
        ):
            return await action(client)

    return asyncio.run(connected())


@pytest.mark.slow
def test_over_http_the_keys_of_the_api_say_who_may_ask_what(settings: Settings, api: Api) -> None:
    by_person = {**FUNNEL, "by": "visitor_id"}
    with served_http(settings) as address:
        values = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        refused = httpx2.post(f"{address}/mcp", json=values)
        assert (refused.status_code, refused.json()["title"]) == (401, "Unauthorized")
        assert (
            httpx2.post(f"{address}/mcp", json=values, headers={"X-API-Key": "wrong"}).status_code
            == 401
        )
        assert httpx2.get(f"{address}/mcp", headers={"X-API-Key": READS}).status_code == 405
        actual = over_http(address, READS, call("sales", {"time_range": "week"}))
        assert actual.structured_content == api.json("/v1/analytics/sales", time_range="week")
        assert (
            "is personal data"
            in over_http(address, READS, call("funnel", by_person)).content[0].text
        )
        assert not over_http(
            address, SEES_PEOPLE, call("funnel", by_person), mode="legacy"
        ).is_error


@pytest.mark.slow
def test_over_http_without_keys_nothing_is_said_about_people_either(
    settings: Settings, api: Api
) -> None:
    with served_http(settings, has_keys=False) as address:
        sold = over_http(address, "", call("sales", {"time_range": "week"}))
        assert sold.structured_content == api.json("/v1/analytics/sales", time_range="week")
        by_person = over_http(address, "", call("funnel", {**FUNNEL, "by": "visitor_id"}))
        assert "is personal data" in by_person.content[0].text
        assert over_http(address, "", call("funnel", {**FUNNEL, "who": {}})).is_error
        of_this_machine = httpx2.post(
            f"{address}/v1/analytics/funnel/who", json=FUNNEL, timeout=PATIENCE_S
        )
        assert of_this_machine.status_code == 200


@pytest.mark.slow
def test_over_stdio_an_assistant_is_answered_without_a_key_and_not_about_people(
    settings: Settings, api: Api
) -> None:
    async def conversation(client: Client) -> list[Any]:
        return [
            await client.call_tool("sales", {}),
            await client.call_tool("funnel", {**FUNNEL, "by": "visitor_id"}),
        ]

    env = environment(settings.home)
    started = StdioServerParameters(command=ECOM[0], args=[*ECOM[1:], "mcp"], env=env)
    sold, people = talk(stdio_client(started, errlog=sys.stderr), conversation, mode="legacy")
    assert sold.structured_content == api.json("/v1/analytics/sales")
    assert "is personal data" in people.content[0].text


def test_the_api_without_the_tools_has_no_such_path(app: FastAPI) -> None:
    assert TestClient(app).post("/mcp", json={}).status_code == 404


@each(
    "told, shown",
    [
        ('{"id": "ann+1@mail.example.org"}', '{"id": "HIDDEN"}'),
        ('["O\\u0027Neil", "jürgen@exämple.de", "bo"]', '["O\\u0027Neil", "HIDDEN", "bo"]'),
        (
            '{"page_url": "https://shop.example/?e=ann%40x.com&n=2"}',
            '{"page_url": "https://shop.example/?e=HIDDEN&n=2"}',
        ),
        ('"ask:\\nann@x.com, \\u0027bo@x.com"', '"ask:\\nHIDDEN, \\u0027HIDDEN"'),
        ('{"price": "2 @ 3.50", "who": "ann@home"}', '{"price": "2 @ 3.50", "who": "ann@home"}'),
    ],
)
def test_no_assistant_is_told_an_address(told: str, shown: str) -> None:
    """Also where the ids of customers are addresses."""
    assert without_addresses(told) == shown.replace("HIDDEN", HIDDEN)
    json.loads(without_addresses(told))
