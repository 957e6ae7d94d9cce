"""The MCP server: it answers tool calls by the API in this process, over stdio or HTTP.

Over HTTP the API's guard stands in front of the tools, and each tool's request goes through it
again with the caller's own key: scopes, rates, limits and the log are the API's.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx2
import mcp_types as types
from fastapi import FastAPI
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ecom_assets.core.errors import did_you_mean
from ecom_assets.core.http_server.callers import ASSISTANT, CALLER, Caller
from ecom_assets.core.http_server.callers import Scope as Permission
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.interfaces.api.adhoc.questions import AdHocQuestions
from ecom_assets.interfaces.api.app import ApiStack, build_app, build_stack
from ecom_assets.interfaces.api.auth.access import credentials_of
from ecom_assets.interfaces.api.auth.callers import scope_for
from ecom_assets.interfaces.api.auth.guard import AuditLog
from ecom_assets.interfaces.api.cache.answers import ROUTE
from ecom_assets.interfaces.api.mcp.tools import ApiQuestion, metrics_of, questions_of
from ecom_assets.interfaces.api.parameters import VERSION
from ecom_assets.interfaces.api.people import PeopleLog

PATH: Final = "/mcp"
LIST_METRICS: Final = "list_metrics"
INSTRUCTIONS: Final = (
    "Numbers of a shop, read-only. `list_metrics` has every number with its meaning and the tool "
    "that answers it. Each answer says what its numbers mean (`definition`), which days it covers "
    "and how many of them the data hold (`range`), and the newest day in the data (`data_as_of`): "
    "a named range such as `week` ends there, not today. Days from `range.provisional_from` on "
    "were not over: say that their numbers are provisional. Null means not known; it is not zero. "
    "Money is a decimal string in `currency`. With `explain=true` an answer has its SQL, runs and "
    "versions. `time_range` is days to the newest: today 1, week 7, month 30, quarter 90, year "
    "365, or custom: `start_date` to `end_date`, both included (YYYY-MM-DD). Without one, tools "
    "that take `timezone` or `identity` look at all days, others at a month. `timezone` is where "
    "days begin, such as Europe/Berlin, and `identity` the rule of who a visitor is; both are set, "
    "so name another one only if asked to. `limit` is the most rows to return, without a default "
    "all; `offset` is how many to leave out at the start."
)
ADDRESS: Final = re.compile(
    r"""(\\u[0-9A-Fa-f]{4}|\\.)|"""
    r"""[^\s"'\\<>,;:()\[\]{}=/?&@]{1,64}(?:@|%40)[\w-]+(?:[.][\w-]+)+"""
)
"""An escape, or an address inside JSON: no quotation mark and no escape is part of it. What is
before its @ has at most 64 characters (RFC 5321), so that a long text takes no time that grows with
its square.
"""
HANDED_ON: Final = ("authorization", "x-api-key")
READ_ONLY: Final = types.ToolAnnotations(read_only_hint=True)
"""The other hints are about tools that write."""
Context = ServerRequestContext[Any, Any]


async def answer_from(
    application: ASGIApp,
    question: ApiQuestion,
    arguments: NamedValues,
    request: Any,  # noqa: ANN401 (Starlette's request, None over stdio)
) -> types.CallToolResult:
    """Return the answer of the API in this process; a refusal is a result,
    so that the assistant can correct it.
    """
    try:
        path, query, body = question.request(arguments)
    except ValueError as error:
        return _text_result(str(error), is_error=True)
    peer, headers = _caller_of(request)

    # An application for requests whose answers an assistant reads.
    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, ASSISTANT: True}, receive, send)

    transport = httpx2.ASGITransport(asked, raise_app_exceptions=False, client=peer)
    # No time limit of the client's: the API has its own.
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", timeout=None
    ) as client:
        response = await client.request(
            question.method,
            path,
            params=query,
            headers=headers,
            json=body if question.method == "POST" else None,
        )
    return _result(response)


def _caller_of(request: Any) -> tuple[tuple[str, int], dict[str, str]]:  # noqa: ANN401 (as above)
    """Return the address and the authorization headers of the caller;
    over stdio there is no request.
    """
    if request is None:
        return ("127.0.0.1", 0), {}
    peer = (request.client.host, request.client.port) if request.client else ("127.0.0.1", 0)
    return peer, {name: request.headers[name] for name in HANDED_ON if name in request.headers}


def _result(response: httpx2.Response) -> types.CallToolResult:
    if response.status_code == httpx2.codes.OK:
        text = without_addresses(response.text)
        return _text_result(text, structured=json.loads(text))
    try:
        problem = response.json()
        message = without_addresses(f"{problem['title']}: {problem['detail']}")
    except (ValueError, KeyError, TypeError):
        message = f"The API answered {response.status_code}."
    return _text_result(message, is_error=True)


def without_addresses(text: str) -> str:
    """Return JSON without e-mail addresses, also those that are ids of customers: what an assistant
    reads leaves the shop.
    """
    if "@" not in text and "%40" not in text:
        return text
    return ADDRESS.sub(lambda match: match[1] or HIDDEN, text)


def _text_result(
    text: str,
    *,
    structured: Any = None,  # noqa: ANN401 (any JSON)
    is_error: bool = False,
) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=text)]
    return types.CallToolResult(content=content, structured_content=structured, is_error=is_error)


def build_server(
    questions: Mapping[str, ApiQuestion], ask: Callable[..., Awaitable[types.CallToolResult]]
) -> Server[Any]:
    """Return the server of some questions by tool name; `ask` answers one, see `answer_from`."""

    async def list_tools(
        _context: Context, _page: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[_metrics_tool(), *(_tool(question) for question in questions.values())]
        )

    async def call_tool(
        context: Context, call: types.CallToolRequestParams
    ) -> types.CallToolResult:
        arguments = call.arguments or {}
        if call.name == LIST_METRICS:
            result = {"metrics": metrics_of(questions, str(arguments.get("named") or ""))}
            return _text_result(json_text(result), structured=result)
        if call.name not in questions:
            names = [LIST_METRICS, *questions]
            return _text_result(
                f"There is no tool {call.name!r}; {did_you_mean(call.name, names)}.", is_error=True
            )
        return await ask(questions[call.name], arguments, context.request)

    return Server(
        "ecom_assets",
        version=VERSION,
        title="ecom_assets analytics",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _tool(question: ApiQuestion) -> types.Tool:
    return types.Tool(
        name=question.name,
        title=question.summary,
        description=question.description,
        input_schema=question.input_schema,
        annotations=READ_ONLY,
    )


def _metrics_tool() -> types.Tool:
    named = {
        "type": "string",
        "description": "Only numbers in whose name, meaning or tool this text occurs",
    }
    return types.Tool(
        name=LIST_METRICS,
        title="Every number and what it means",
        description=(
            "List the numbers that can be asked for, each with its meaning and the tool that "
            "answers it."
        ),
        input_schema={
            "type": "object",
            "properties": {"named": named},
            "additionalProperties": False,
        },
        annotations=READ_ONLY,
    )


async def serve_stdio(settings: Settings, *, sees_people: bool) -> None:
    """Answer one assistant over standard input and output, until it hangs up.

    With `sees_people`, questions may be about single people: what is answered leaves this machine.
    """
    app = build_app(settings)
    scopes = {Permission.READ, *({Permission.PERSONAL} if sees_people else ())}
    bounded: ASGIApp = AdHocQuestions(app, app.state.ad_hoc, settings)
    with ExitStack() as opened:
        if sees_people:
            bounded = PeopleLog(bounded, opened.enter_context(closing(AuditLog(settings.home))))
        server = build_server(
            questions_of(app.openapi()),
            partial(answer_from, _as_caller(bounded, frozenset(scopes))),
        )
        async with app.router.lifespan_context(app), stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())


def _as_caller(app: ASGIApp, scopes: frozenset[Permission]) -> ASGIApp:
    """Return the app for requests of the assistant, with its scopes."""
    caller = Caller("mcp without a key", scopes)

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        needed = scope_for(scope["path"])  # which the guard checks over HTTP
        if needed is not None and not caller.may(needed):
            detail = (
                f"An assistant without a key has no scope {needed.value!r}, which {scope['path']} "
                "needs."
            )
            refusal = JSONResponse({"title": "Forbidden", "detail": detail}, status_code=403)
            await refusal(scope, receive, send)
            return
        await app({**scope, CALLER: caller}, receive, send)

    return called


def build_http(settings: Settings) -> ApiStack:
    """Return the API with the tools beside it, at `/mcp`, behind all that `ecom api` puts in front.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    app = build_app(settings)

    credentials = credentials_of(settings)
    reads = frozenset({Permission.READ})

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        # Without keys the guard lets this machine see people; an assistant hands on what it sees.
        application = stack if credentials.are_needed() else _as_caller(stack, reads)
        await application(scope, receive, send)

    _mount(app, build_server(questions_of(app.openapi()), partial(answer_from, guarded)))
    stack = build_stack(settings, app)
    return stack


@dataclass(frozen=True)
class _NamedEndpoint:
    """The application of an endpoint, which the log and the metrics name by its path."""

    application: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = PATH
        await self.application(scope, receive, send)


def _mount(app: FastAPI, server: Server[Any]) -> None:
    # The guard checks hosts and keys already; each request stands by itself, so that any process
    # may answer it.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    tools = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        transport_security=security,
    )
    # Without the SDK's GET: that is a stream on which nothing would ever be sent.
    endpoints = [route.endpoint for route in tools.router.routes if isinstance(route, Route)]
    app.router.routes.extend(
        Route(PATH, _NamedEndpoint(endpoint), methods=["POST"]) for endpoint in endpoints
    )
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def with_sessions(application: FastAPI) -> AsyncIterator[Any]:
        async with lifespan(application) as state, server.session_manager.run():
            yield state

    app.router.lifespan_context = with_sessions
