"""The guard in front of Dagster's UI: checks of the host name and the origin of requests, and a login.

Dagster's webserver answers every request that reaches it, whichever page sent it. So any page in a browser that can
reach the UI could start and delete runs: with a form, a GET request or a WebSocket, or under a host name of its own
that resolves to this machine (DNS rebinding).
"""

import json
import logging
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.api.auth.guard import Rates, counted_address
from ecom_assets.ui.access import Door
from ecom_assets.ui.login import PAGE, Logins

LARGEST_FORM_BYTES = 16_384
POLICY_VIOLATED = 1008
"""The close code of a refused WebSocket (RFC 6455, 7.4.1)."""
_OWN_PORTS = {"http": ":80", "https": ":443"}
_LOG = logging.getLogger("dagster-webserver")


class UiGuard:
    """ASGI middleware around Dagster's webserver, for HTTP and WebSockets."""

    def __init__(self, app: ASGIApp, door: Door, rate: str = "none", prefix: str = "") -> None:
        """Wrap the webserver.

        Args:
            app: The webserver.
            door: What a request needs to be let through.
            rate: The rate limit per address for requests that are not logged in.
            prefix: The prefix of all paths.
        """
        self._app = app
        self._door = door
        self._logins = Logins(door.credentials) if door.credentials else None
        self._rates = Rates("none", rate)
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] == f"{self._prefix}/server_info":
            await self._app(scope, receive, send)  # versions only; load balancers use any host name
            return
        connection = HTTPConnection(scope)
        refusal = self._refusal_by_origin(connection) or await self._refusal_by_login(connection, receive)
        if refusal is None:
            await self._app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATED})
        else:
            await refusal(scope, receive, send)

    def _refusal_by_origin(self, connection: HTTPConnection) -> Response | None:
        """Return a refusal for an unknown host name, a page of another origin or a GraphQL query by GET, or None."""
        hosts = connection.headers.getlist("host")
        if len(hosts) != 1 or not self._door.knows_host(hosts[0]):
            detail = "Dagster's UI is not known by this name; ask 127.0.0.1, or put the name into ECOM_UI_HOSTS."
            return _refused(connection, HTTPStatus.MISDIRECTED_REQUEST, detail)
        origin = connection.headers.get("origin")
        site, mode = (connection.headers.get(f"sec-fetch-{name}", "") for name in ("site", "mode"))
        is_elsewhere = site in {"cross-site", "same-site"} and mode != "navigate"
        if is_elsewhere or (origin is not None and not _is_same(origin, hosts[0])):
            detail = (
                "A page from elsewhere may not ask Dagster's UI; a proxy in front must pass the Host on as it came."
            )
            return _refused(connection, HTTPStatus.FORBIDDEN, detail)
        if _runs_a_query_by_get(connection):
            detail = "GraphQL is asked by POST: a GET needs no more than a link."
            return _refused(connection, HTTPStatus.METHOD_NOT_ALLOWED, detail, {"allow": "POST"})
        return None

    async def _refusal_by_login(self, connection: HTTPConnection, receive: Receive) -> Response | None:
        if self._logins is None or await self._logins.is_logged_in(connection):
            return None
        if self._rates.count("address", counted_address(connection.client.host if connection.client else "unknown")):
            return _refused(connection, HTTPStatus.TOO_MANY_REQUESTS, "This address asks too often; come again later.")
        if connection.scope["path"] == f"{self._prefix}/login" and connection.scope.get("method") == "POST":
            return await self._log_in(self._logins, Request(connection.scope, receive))
        if "text/html" in connection.headers.get("accept", ""):
            return self._page("Anyone who logs in here may start, change and delete runs.")
        detail = "Dagster's UI wants an API key of scope admin here: log in, or send `Authorization: Bearer KEY`."
        return _refused(connection, HTTPStatus.UNAUTHORIZED, detail, {"www-authenticate": 'Bearer realm="ecom_assets"'})

    async def _log_in(self, logins: Logins, request: Request) -> Response:
        key = await _key_of_form(request)
        if not await logins.may_enter(key):
            _LOG.warning("Somebody at %s tried to log in without an admin key.", request.client and request.client.host)
            return self._page("This key is unknown or revoked, or lacks the scope admin.")
        cookie = logins.begin(key, is_secure=request.url.scheme == "https")
        return RedirectResponse(f"{self._prefix}/", HTTPStatus.SEE_OTHER, {"set-cookie": cookie})

    def _page(self, message: str) -> Response:
        headers = {
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        }
        page = PAGE.format(message=message, action=f"{self._prefix}/login")
        return HTMLResponse(page, HTTPStatus.UNAUTHORIZED, headers)


def _is_same(origin: str, host: str) -> bool:
    """Return whether an origin matches the requested host; the origin `null` never does."""
    parts = urlsplit(origin)
    default = _OWN_PORTS.get(parts.scheme)
    if default is None:
        return False
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def _runs_a_query_by_get(connection: HTTPConnection) -> bool:
    is_page = "text/html" in connection.headers.get("accept", "")  # the interactive query page runs no query by itself
    is_get = connection.scope.get("method") in {"GET", "HEAD"}
    return (
        is_get and not is_page and connection.scope["path"].endswith("/graphql") and "query" in connection.query_params
    )


async def _key_of_form(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM_BYTES:
            return ""
    return parse_qs(body.decode("latin-1")).get("key", [""])[0].strip()


def _refused(
    connection: HTTPConnection, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None
) -> Response:
    problem = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "instance": connection.scope["path"],
    }
    return Response(json.dumps(problem), status, headers, "application/problem+json")


def _unframed(send: Send) -> Send:
    """Return `send` with a header that keeps other sites from showing the UI in a frame (clickjacking)."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-frame-options", b"SAMEORIGIN")]
        await send(message)

    return sent
