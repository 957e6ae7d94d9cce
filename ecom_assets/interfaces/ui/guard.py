"""The guard in front of Dagster's UI:
checks of the host name and the origin of requests, and a login.

Dagster's webserver answers every request that reaches it, whichever page sent it. So any page in a
browser that can reach the UI could start and delete runs: with a form, a GET request or a
WebSocket, or under a host name of its own that resolves to this machine (DNS rebinding).
"""

import logging
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.addresses import (
    counted_address,
    is_loopback,
    is_loopback_name,
    is_origin_of,
)
from ecom_assets.core.http_server.callers import Scope as Permission
from ecom_assets.core.http_server.credentials import LONGEST_CREDENTIAL, Credentials, credential_of
from ecom_assets.core.http_server.problems import RequestRefusal
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.auth.access import credentials_of
from ecom_assets.interfaces.api.auth.guard import RateLimits
from ecom_assets.interfaces.dashboard.sessions import LASTS_S, LoginSessions, set_cookie


@dataclass(frozen=True)
class UiAccess:
    """What a request needs to be let through: keys and tokens for the login,
    and host names besides the loopback names.

    Without `credentials` no login is needed; without `hosts` any host name is allowed.
    """

    credentials: Credentials | None
    hosts: frozenset[str] | None

    def knows_host(self, host: str) -> bool:
        """Return whether a `Host` header, with or without a port, names the UI."""
        return self.hosts is None or is_loopback_name(host) or _name_of(host) in self.hosts


def ui_access_of(host: str, settings: Settings) -> UiAccess:
    """Return the access rules for the address that the UI listens on.

    Raises:
        UsageError: The UI would be open to other machines without a login.
        EcomError: A setting is wrong, or the keys cannot be read.
    """
    names = frozenset(name.lower() for name in settings.ui_hosts)
    if is_loopback(host) or settings.ui_login == "proxy":
        return UiAccess(None, names)
    credentials = credentials_of(settings)
    if not credentials.are_needed():
        raise UsageError(
            f"Dagster's UI would be open to everybody who reaches {host}; make a key for its "
            "login with `ecom api-key create --name NAME --scope admin`, or set "
            "ECOM_UI_LOGIN=proxy behind a proxy that has a login, or listen on 127.0.0.1."
        )
    return UiAccess(credentials, names or None)


def _name_of(host: str) -> str:
    return (
        host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    ).lower()


COOKIE: Final = "ecom_ui"
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Dagster's UI</title>
<style>body{{font:16px system-ui;margin:15vh auto;max-width:26em;padding:0 1em}}
input,button{{font:inherit;padding:.5em;width:100%;box-sizing:border-box;margin-top:.6em}}</style></head>
<body><h1>Dagster's UI</h1>"""
PAGE: Final = f"""{_HEAD}<p>{{message}}</p>
<form method="post" action="{{action}}"><label>API key of scope admin
<input type="password" name="key" autocomplete="current-password" required autofocus></label>
<button>Log in</button></form></body></html>"""
LOG_OUT_PAGE: Final = f"""{_HEAD}
<form method="post" action="{{action}}"><button>Log out</button></form></body></html>"""
PAGE_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    ),
}


class Logins:
    """The logins to the UI, which end with this process:
    it may have no folder of its own in `ECOM_HOME`.
    """

    def __init__(self, credentials: Credentials) -> None:
        """Start without sessions; `credentials` checks the keys and tokens."""
        self._credentials = credentials
        self._sessions = LoginSessions(secrets.token_bytes(32), credentials, set())

    async def is_logged_in(self, connection: HTTPConnection) -> bool:
        """Return whether a request has a session of an admin key, or the key itself,
        as scripts send it.
        """
        caller = self._sessions.caller_of(connection.cookies.get(COOKIE, ""))
        credential = "" if caller else credential_of(connection.scope)
        if 0 < len(credential) <= LONGEST_CREDENTIAL:
            caller = await self._credentials.caller_of(credential)
        return caller is not None and caller.may(Permission.ADMIN)

    def begin(self, key: str) -> str | None:
        """Start a session for a key and return the value of its cookie;
        None if it is not a valid admin key.
        """
        cookie = self._sessions.begin(key)
        caller = self._sessions.caller_of(cookie or "")
        return cookie if caller and caller.may(Permission.ADMIN) else None

    def end(self, connection: HTTPConnection) -> None:
        """End the session of a request, for every copy of its cookie."""
        self._sessions.end(connection.cookies.get(COOKIE, ""))


LARGEST_FORM_BYTES = 16_384
POLICY_VIOLATED = 1008
"""The close code of a refused WebSocket (RFC 6455, 7.4.1)."""
_LOG = logging.getLogger("dagster-webserver")


class UiGuard:
    """ASGI middleware around Dagster's webserver, for HTTP and WebSockets."""

    def __init__(
        self, app: ASGIApp, access: UiAccess, rate: str = "none", prefix: str = ""
    ) -> None:
        """Wrap the webserver, whose paths have a prefix;
        `rate` limits requests of an address without a login.
        """
        self._app = app
        self._access = access
        self._logins = Logins(access.credentials) if access.credentials else None
        self._rates = RateLimits("none", rate)
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if (
            scope["type"] not in {"http", "websocket"}
            or scope["path"] == f"{self._prefix}/server_info"
        ):
            await self._app(scope, receive, send)  # versions only; load balancers use any host name
            return
        connection = HTTPConnection(scope)
        refusal = self._refusal_by_origin(connection) or await self._refusal_by_login(
            connection, receive
        )
        if refusal is None:
            # `send` with a header that keeps other sites from showing the UI in a frame
            # (clickjacking).
            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-frame-options", b"SAMEORIGIN")]
                await send(message)

            await self._app(scope, receive, sent)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATED})
        else:
            await refusal(scope, receive, send)

    def _refusal_by_origin(self, connection: HTTPConnection) -> Response | None:
        """Return a refusal for an unknown host name,
        a page of another origin or a GraphQL query by GET, or None.
        """
        hosts = connection.headers.getlist("host")
        if len(hosts) != 1 or not self._access.knows_host(hosts[0]):
            detail = (
                "Dagster's UI does not know this host name; use 127.0.0.1, or add the name to "
                "ECOM_UI_HOSTS."
            )
            return _refused(connection, HTTPStatus.MISDIRECTED_REQUEST, detail)
        origin = connection.headers.get("origin")
        site, mode = (connection.headers.get(f"sec-fetch-{name}", "") for name in ("site", "mode"))
        is_elsewhere = site in {"cross-site", "same-site"} and mode != "navigate"
        if is_elsewhere or (origin is not None and not is_origin_of(origin, hosts[0])):
            detail = (
                "A page of another site may not use Dagster's UI; a proxy in front must keep the "
                "Host as it came."
            )
            return _refused(connection, HTTPStatus.FORBIDDEN, detail)
        if _runs_a_query_by_get(connection):
            detail = "GraphQL queries must be sent by POST: a link is enough to send a GET."
            return _refused(connection, HTTPStatus.METHOD_NOT_ALLOWED, detail, {"allow": "POST"})
        return None

    async def _refusal_by_login(
        self, connection: HTTPConnection, receive: Receive
    ) -> Response | None:
        if self._logins is None:
            return None
        if await self._logins.is_logged_in(connection):
            return self._log_out(self._logins, connection)
        if self._rates.refusal(
            "address", counted_address(connection.client.host if connection.client else "unknown")
        ):
            detail = "This address sends too many requests; try again later."
            return _refused(connection, HTTPStatus.TOO_MANY_REQUESTS, detail)
        if (
            connection.scope["path"] == f"{self._prefix}/login"
            and connection.scope.get("method") == "POST"
        ):
            return await self._log_in(self._logins, Request(connection.scope, receive))
        if "text/html" in connection.headers.get("accept", ""):
            return self._page("Anyone who logs in here may start, change and delete runs.")
        detail = (
            "Dagster's UI needs an API key of scope admin here: log in, or send `Authorization: "
            "Bearer KEY`."
        )
        return _refused(
            connection,
            HTTPStatus.UNAUTHORIZED,
            detail,
            {"www-authenticate": 'Bearer realm="ecom_assets"'},
        )

    def _log_out(self, logins: Logins, connection: HTTPConnection) -> Response | None:
        """Return the answer to a request that is about logging out, or None."""
        if connection.scope["path"] != f"{self._prefix}/logout":
            return None
        if connection.scope.get("method") != "POST":
            return HTMLResponse(
                LOG_OUT_PAGE.format(action=f"{self._prefix}/logout"), headers=PAGE_HEADERS
            )
        logins.end(connection)
        left = RedirectResponse(f"{self._prefix}/", HTTPStatus.SEE_OTHER)
        left.delete_cookie(COOKIE)
        return left

    async def _log_in(self, logins: Logins, request: Request) -> Response:
        cookie = logins.begin(await _key_of_form(request))
        if cookie is None:
            _LOG.warning(
                "Somebody at %s tried to log in without an admin key.",
                request.client and request.client.host,
            )
            return self._page("This key is unknown or revoked, or lacks the scope admin.")
        entered = RedirectResponse(f"{self._prefix}/", HTTPStatus.SEE_OTHER)
        set_cookie(request, entered, COOKIE, cookie, LASTS_S, "lax")
        return entered

    def _page(self, message: str) -> Response:
        page = PAGE.format(message=message, action=f"{self._prefix}/login")
        return HTMLResponse(page, HTTPStatus.UNAUTHORIZED, PAGE_HEADERS)


def _runs_a_query_by_get(connection: HTTPConnection) -> bool:
    is_page = "text/html" in connection.headers.get(
        "accept", ""
    )  # the interactive query page runs no query by itself
    is_get = connection.scope.get("method") in {"GET", "HEAD"}
    return (
        is_get
        and not is_page
        and connection.scope["path"].endswith("/graphql")
        and "query" in connection.query_params
    )


async def _key_of_form(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM_BYTES:
            return ""
    return parse_qs(body.decode("latin-1")).get("key", [""])[0].strip()


def _refused(
    connection: HTTPConnection,
    status: HTTPStatus,
    detail: str,
    headers: dict[str, str] | None = None,
) -> Response:
    return RequestRefusal(status, "refused", detail, headers or {}).response(connection.scope)
