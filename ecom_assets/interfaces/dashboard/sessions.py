"""Logins by API key: a signed cookie that names the key,
and the token that forms carry against forged requests.

The cookie holds no key. Its signature covers the name of the key and a hash by which a changed key
is noticed, so revoking or changing a key ends its sessions at once, and processes with the same
`ECOM_HOME` know each other's logins. Logging out leaves an empty file named for the session, which
all of them see: a copy of the cookie lets nobody in any more. Another signed cookie has the result
of the last action, which the next page shows and forgets.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ecom_assets.core.http_server.callers import SESSION_CALLER, Caller
from ecom_assets.core.http_server.credentials import LONGEST_CREDENTIAL, Credentials, credential_of
from ecom_assets.core.http_server.keys import hash_of
from ecom_assets.interfaces.api.auth.callers import scope_for

PREFIX: Final = "/dashboard"
"""The path of all pages, which the login guards."""
COOKIE: Final = "ecom_dashboard"
LASTS_S: Final = 12 * 3600
SESSIONS, SESSION = "ecom.dashboard_sessions", "ecom.dashboard_session"
"""The keys in the ASGI scope with the `LoginSessions`, and with the cookie of a valid session."""
SECRET_FILE: Final = "dashboard_secret"  # noqa: S105 (the name of the file)
ENDED_FOLDER: Final = "ended_sessions"
SAFE_METHODS: Final = {"GET", "HEAD"}
_SEE_OTHER: Final = 303


def signed_values(secret: bytes, purpose: str) -> URLSafeTimedSerializer:
    """Return what signs the values of cookies; those of another purpose are not valid."""
    return URLSafeTimedSerializer(secret, purpose, signer_kwargs={"digest_method": hashlib.sha256})


@dataclass(frozen=True)
class EndedSessions:
    """The sessions that were logged out, as empty files of a folder, which all processes see."""

    folder: Path

    def __contains__(self, session: str) -> bool:
        """Return whether a session was logged out."""
        return (self.folder / session).exists()

    def add(self, session: str) -> None:
        """Note a session that was logged out, and forget those that are over anyway."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another process forgot it
                if path.stat().st_mtime < time.time() - LASTS_S:
                    path.unlink()
        (self.folder / session).touch(mode=0o600)


@dataclass(frozen=True)
class LoginSessions:
    """The sessions whose cookies are signed with one secret."""

    secret: bytes
    credentials: Credentials
    ended: EndedSessions | set[str]

    def begin(self, key: str) -> str | None:
        """Return the value of the cookie for a key; None if the key is not valid."""
        caller = self.credentials.keys.find(key) if 0 < len(key) <= LONGEST_CREDENTIAL else None
        return (
            self._values.dumps([caller.name, hash_of(hash_of(key)), secrets.token_hex(16)])
            if caller
            else None
        )

    def caller_of(self, cookie: str) -> Caller | None:
        """Return the caller of a cookie; None if it is forged, expired or logged out,
        or its key is revoked.
        """
        try:
            name, hashed, session = self._values.loads(cookie, LASTS_S)
        except BadData:
            return None
        caller, key_hash = self.credentials.keys.named(name) or (None, "")
        return None if hashed != hash_of(key_hash) or session in self.ended else caller

    def end(self, cookie: str) -> None:
        """End the session of a cookie, for every copy of it."""
        with suppress(BadData):
            self.ended.add(self._values.loads(cookie)[2])

    @property
    def _values(self) -> URLSafeTimedSerializer:
        return signed_values(self.secret, "session")


class SessionLogin:
    """ASGI middleware before the API's guard: a login replaces a key,
    and pages without a login redirect to it.
    """

    def __init__(self, app: ASGIApp, credentials: Credentials, home: Path) -> None:
        """Wrap the guard; the secret and the sessions that ended are in `home`."""
        self._app = app
        self._sessions = LoginSessions(
            secret_of(home), credentials, EndedSessions(home / ENDED_FOLDER)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or lead it to the login."""
        if scope["type"] == "http" and self._sessions.credentials.are_needed():
            scope[SESSIONS] = self._sessions
            target = self._look(scope)
            if target is not None:
                await RedirectResponse(target, _SEE_OTHER, {"cache-control": "no-store"})(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)

    def _look(self, scope: Scope) -> str | None:
        """Note the caller of a session; return the address of the login where a page needs one."""
        path: str = scope["path"]
        is_page = path == PREFIX or path.startswith(f"{PREFIX}/")
        cookie = HTTPConnection(scope).cookies.get(COOKIE, "")
        caller = self._sessions.caller_of(cookie) if cookie and not credential_of(scope) else None
        if caller is not None and (is_page or scope["method"] in SAFE_METHODS):
            scope[SESSION_CALLER], scope[SESSION] = caller, cookie
        is_let_in = caller is not None or credential_of(scope) or scope_for(path) is None
        if not is_page or is_let_in or scope["method"] not in SAFE_METHODS:
            return None
        query = scope["query_string"].decode("latin-1")
        return f"{PREFIX}/login?next={quote(path + (f'?{query}' if query else ''), safe='')}"


def set_cookie(  # noqa: PLR0913, PLR0917 (as Starlette's)
    request: Request,
    response: Response,
    name: str,
    value: str,
    lasts_s: int,
    samesite: Literal["lax", "strict"],
) -> None:
    """Set a cookie which scripts cannot read; with `strict`,
    links of other sites do not send it either.
    """
    is_secure = request.url.scheme == "https"
    response.set_cookie(name, value, lasts_s, secure=is_secure, httponly=True, samesite=samesite)


def token_of(request: Request) -> str:
    """Return the token of a session's forms; if no keys are used, that of this machine."""
    signer = Signer(
        secret_of(request.app.state.settings.home), "form", digest_method=hashlib.sha256
    )
    return signer.get_signature(request.scope.get(SESSION, "")).decode()


def secret_of(home: Path) -> bytes:
    """Return the secret of an installation, which is made once and kept in `ECOM_HOME`."""
    path = home / SECRET_FILE
    with suppress(FileNotFoundError):
        return path.read_bytes()
    home.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{SECRET_FILE}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    with suppress(FileExistsError):  # another process was first: its secret holds
        os.link(draft, path)
    draft.unlink()
    return path.read_bytes()


MESSAGE: Final = "ecom_said"
MESSAGE_LASTS_S: Final = 60


def keep_message(request: Request, response: Response, tone: str, text: str) -> None:
    """Keep the result of an action for the next page of this browser; `tone` is good or bad."""
    value = _messages(request).dumps({"tone": tone, "text": text})
    set_cookie(request, response, MESSAGE, value, MESSAGE_LASTS_S, "strict")


def message_for(request: Request) -> Mapping[str, str] | None:
    """Return the result of the last action of this browser; None if there is none."""
    try:
        message: Mapping[str, str] = _messages(request).loads(
            request.cookies.get(MESSAGE, ""), MESSAGE_LASTS_S
        )
    except BadData:
        return None
    return message


def _messages(request: Request) -> URLSafeTimedSerializer:
    return signed_values(secret_of(request.app.state.settings.home), MESSAGE)
