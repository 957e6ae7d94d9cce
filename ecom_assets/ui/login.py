"""The login to Dagster's UI with an API key of scope `admin`: the login page and the sessions."""

import secrets
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.requests import HTTPConnection

from ecom_assets.api.auth.callers import Scope
from ecom_assets.api.auth.guard import LONGEST_CREDENTIAL, Credentials

COOKIE: Final = "ecom_ui"
LASTS_S: Final = 12 * 3600
MOST: Final = 1_000
"""The maximum number of sessions; when it is reached, the oldest session ends."""
PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Dagster's UI: log in</title>
<style>body{{font:16px system-ui;margin:15vh auto;max-width:26em;padding:0 1em}}
input,button{{font:inherit;padding:.5em;width:100%;box-sizing:border-box;margin-top:.6em}}</style></head>
<body><h1>Dagster's UI</h1><p>{message}</p>
<form method="post" action="{action}"><label>API key of scope admin
<input type="password" name="key" autocomplete="current-password" required autofocus></label>
<button>Log in</button></form></body></html>"""


@dataclass(frozen=True)
class _Session:
    credential: str
    ends_at: float


class Logins:
    """The login sessions. Each request checks the key again, so revoking a key ends its sessions immediately."""

    def __init__(self, credentials: Credentials) -> None:
        """Start without sessions; `credentials` checks the keys and tokens."""
        self._credentials = credentials
        self._sessions: dict[str, _Session] = {}

    async def may_enter(self, credential: str) -> bool:
        """Return whether a key or token may use the UI."""
        if not credential or len(credential) > LONGEST_CREDENTIAL:
            return False
        caller = await self._credentials.caller_of(credential)
        return caller is not None and caller.may(Scope.ADMIN)

    async def is_logged_in(self, connection: HTTPConnection) -> bool:
        """Return whether a request has a session that has not expired, or the key itself, as scripts send it."""
        session = self._sessions.get(_cookie(connection))
        if session is not None and session.ends_at > time.monotonic():
            return await self.may_enter(session.credential)
        scheme, _, rest = connection.headers.get("authorization", "").partition(" ")
        return await self.may_enter(rest.strip() if scheme.lower() == "bearer" else "")

    def begin(self, credential: str, *, is_secure: bool) -> str:
        """Start a session for a key that `may_enter` has accepted, and return its cookie."""
        now = time.monotonic()
        self._sessions = {name: one for name, one in self._sessions.items() if one.ends_at > now}
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        name = secrets.token_urlsafe(32)
        self._sessions[name] = _Session(credential, now + LASTS_S)
        secure = "; Secure" if is_secure else ""
        return f"{COOKIE}={name}; Path=/; Max-Age={LASTS_S}; HttpOnly; SameSite=Lax{secure}"


def _cookie(connection: HTTPConnection) -> str:
    try:
        result = SimpleCookie(connection.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return result.value if result else ""
