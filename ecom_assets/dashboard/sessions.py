"""Logins by API key: a signed cookie that names the key, and the token that forms carry against forged requests.

The cookie holds no key. It is signed with a secret of this installation and the hash of the key, so revoking or
changing a key ends its sessions at once, and processes with the same `ECOM_HOME` know each other's logins. Logging out
leaves an empty file named for the session, which all of them see: a copy of the cookie lets nobody in any more.
Another signed cookie has the result of the last action, which the next page shows and forgets.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ecom_assets.api.auth.callers import SESSION_CALLER, Caller, scope_for
from ecom_assets.api.auth.guard import LONGEST_CREDENTIAL, Credentials, credential_of

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


@dataclass(frozen=True)
class LoginSessions:
    """The sessions of one installation."""

    secret: bytes
    credentials: Credentials
    home: Path
    """Where the sessions that ended are noted."""

    def begin(self, key: str) -> str | None:
        """Return the value of the cookie for a key; None if the key is not valid."""
        caller = self.credentials.keys.find(key) if 0 < len(key) <= LONGEST_CREDENTIAL else None
        named = self.credentials.keys.named(caller.name) if caller else None
        if caller is None or named is None:
            return None
        payload = _packed(f"{caller.name}|{secrets.token_hex(16)}|{int(time.time()) + LASTS_S}".encode())
        return f"{payload}.{self._mark(payload, named[1])}"

    def caller_of(self, cookie: str) -> Caller | None:
        """Return the caller of a cookie; None if it is forged, expired or logged out, or its key is revoked."""
        payload, _, mark = cookie.partition(".")
        try:
            name, _, ends_at = _unpacked(payload).decode().rsplit("|", 2)
            is_over = int(ends_at) < time.time()
        except ValueError:
            return None
        named = None if is_over else self.credentials.keys.named(name)
        if named is None or not _is_same(mark, self._mark(payload, named[1])):
            return None
        return None if self._ended(payload).exists() else named[0]

    def end(self, cookie: str) -> None:
        """End the session of a cookie in every process, and forget those that are over anyway."""
        ended = self._ended(cookie.partition(".")[0])
        ended.parent.mkdir(mode=0o700, exist_ok=True)
        for path in ended.parent.iterdir():
            with suppress(FileNotFoundError):  # another process forgot it
                if path.stat().st_mtime < time.time() - LASTS_S:
                    path.unlink()
        ended.touch(mode=0o600)

    def _ended(self, payload: str) -> Path:
        return self.home / ENDED_FOLDER / hashlib.sha256(payload.encode()).hexdigest()

    def _mark(self, payload: str, key_hash: str) -> str:
        return _signed(self.secret, f"session|{payload}|{key_hash}")


class SessionDoor:
    """ASGI middleware before the API's guard: a login replaces a key, and pages without a login redirect to it."""

    def __init__(self, app: ASGIApp, credentials: Credentials, home: Path) -> None:
        """Wrap the guard; the secret and the sessions that ended are in `home`."""
        self._app = app
        self._sessions = LoginSessions(secret_of(home), credentials, home)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or lead it to the login."""
        if scope["type"] == "http" and self._sessions.credentials.are_needed():
            scope[SESSIONS] = self._sessions
            target = self._look(scope)
            if target is not None:
                await RedirectResponse(target, _SEE_OTHER, {"cache-control": "no-store"})(scope, receive, send)
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


def set_cookie(request: Request, response: Response, name: str, value: str, lasts_s: int) -> None:
    """Set a cookie which scripts cannot read and other sites do not send."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(name, value, lasts_s, secure=is_secure, httponly=True, samesite="strict")


def token_of(request: Request) -> str:
    """Return the token of a session's forms; if no keys are used, that of this machine."""
    return _signed(secret_of(request.app.state.settings.home), f"form|{request.scope.get(SESSION, '')}")


def signed_text(secret: bytes, text: str) -> str:
    """Return a text for a cookie, with its signature."""
    payload = _packed(text.encode())
    return f"{payload}.{_signed(secret, f'text|{payload}')}"


def read_signed_text(secret: bytes, cookie: str) -> str:
    """Return the text of a signed cookie; empty if it is forged."""
    payload, _, mark = cookie.partition(".")
    if not _is_same(mark, _signed(secret, f"text|{payload}")):
        return ""
    return _unpacked(payload).decode()


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


def _signed(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def _is_same(mark: str, expected: str) -> bool:
    """Compare in constant time; `compare_digest` takes only ASCII as text, and a cookie may hold any character."""
    return hmac.compare_digest(mark.encode(), expected.encode())


def _packed(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


MESSAGE: Final = "ecom_said"
MESSAGE_LASTS_S: Final = 60


def keep_message(request: Request, response: Response, tone: str, text: str) -> None:
    """Keep the result of an action for the next page of this browser; `tone` is good or bad."""
    value = signed_text(secret_of(request.app.state.settings.home), json.dumps({"tone": tone, "text": text}))
    set_cookie(request, response, MESSAGE, value, MESSAGE_LASTS_S)


def message_for(request: Request) -> Mapping[str, str] | None:
    """Return the result of the last action of this browser; None if there is none."""
    cookie = request.cookies.get(MESSAGE, "")
    text = cookie and read_signed_text(secret_of(request.app.state.settings.home), cookie)
    return dict(json.loads(text)) if text else None
