"""The guard in front of the API: keys and tokens, scopes by path, rate limits,
and a log of denied requests and of files of people.
"""

import ipaddress
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, Literal

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Request

from ecom_assets.core.clock import now_utc
from ecom_assets.core.http_server.addresses import counted_address, is_loopback_name
from ecom_assets.core.http_server.callers import (
    CALLER,
    SESSION_CALLER,
    Caller,
    Scope,
    is_health,
    name_of_caller,
)
from ecom_assets.core.http_server.credentials import LONGEST_CREDENTIAL, Credentials, credential_of
from ecom_assets.core.http_server.problems import (
    REFUSED,
    WRONG_SCOPE,
    RequestRefusal,
    scope_challenge,
)
from ecom_assets.core.json_text import json_text
from ecom_assets.core.settings.serving import NO_LIMIT
from ecom_assets.interfaces.api.auth.callers import scope_for


class RateLimits:
    """Rate limits per key and per address."""

    def __init__(self, per_key: str, per_address: str) -> None:
        """Set the limits, such as 600/minute, or `none`."""
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._items = {
            kind: parse(rate)
            for kind, rate in (("key", per_key), ("address", per_address))
            if rate != NO_LIMIT
        }

    def refusal(self, kind: Literal["key", "address"], name: str) -> RequestRefusal | None:
        """Count a request; return the refusal if it exceeds the limit, else None."""
        item = self._items.get(kind)
        if item is None or self._limiter.hit(item, kind, name):
            return None
        left_s = self._limiter.get_window_stats(item, kind, name).reset_time - time.time()
        wait_s = max(1, math.ceil(left_s))
        detail = (
            f"This {kind} may ask {item.amount} per {item.GRANULARITY.name}; come again in "
            f"{wait_s} s."
        )
        return RequestRefusal(
            HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", detail, {"retry-after": str(wait_s)}
        )


class AuditLog:
    """A log with a line for each denied request, and each answer that left the shop with people in
    it, without headers, query and body.
    """

    def __init__(self, home: Path) -> None:
        """Create the file in a folder, if it does not exist."""
        home.mkdir(parents=True, exist_ok=True)
        self.path = home / FILE_NAME
        _create(self.path)
        self._handler = _PrivateFiles(
            self.path, maxBytes=LARGEST_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True
        )

    def denied(self, scope: Request, reason: str, status: int) -> None:
        """Log a denied request."""
        self._write(scope, reason, status)

    def downloaded(self, scope: Request, row_count: int) -> None:
        """Log a file of people, or what else of them leaves, with how many rows it has."""
        self._write(scope, DOWNLOADED, HTTPStatus.OK, row_count=row_count)

    def _write(self, scope: Request, reason: str, status: int, **more: int) -> None:
        line = {
            "at": now_utc().isoformat(),
            "request_id": scope.get("ecom.request_id", ""),
            "status": status,
            "reason": reason,
            "caller": name_of_caller(scope),
            "address": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": scope["path"][:LONGEST_PATH],
            **more,
        }
        record = logging.LogRecord("audit", logging.INFO, "", 0, json_text(line), None, None)
        self._handler.emit(record)

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


@dataclass(frozen=True)
class Guard:
    """ASGI middleware that passes on only allowed requests.

    Until the first key exists, everybody on this machine may read. The API then listens on loopback
    only, and refuses requests that a web page sends under another name for this machine (DNS
    rebinding).
    """

    app: ASGIApp
    credentials: Credentials
    rates: RateLimits
    audit: AuditLog
    refuse: Callable[[RequestRefusal, Request], Response] = RequestRefusal.response

    async def __call__(self, scope: Request, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = await self._look(scope)
        if refusal is None:
            await self.app(scope, receive, send)
            if scope.get(REFUSED) == WRONG_SCOPE:  # refused by a route, which knows the query
                self.audit.denied(scope, WRONG_SCOPE, HTTPStatus.FORBIDDEN)
        else:
            self.audit.denied(scope, refusal.reason, refusal.status)
            # Who may not ask at all learns nothing from a page, such as its form's token.
            refuse = self.refuse if "retry-after" in refusal.headers else RequestRefusal.response
            await refuse(refusal, scope)(scope, receive, send)

    async def _look(self, scope: Request) -> RequestRefusal | None:
        are_needed = self.credentials.are_needed()
        if not are_needed and not _is_of_this_machine(scope):
            return _wrong_host()
        if is_health(scope["path"]):
            return None
        address = counted_address((scope.get("client") or ("unknown",))[0])
        if too_many := self.rates.refusal("address", address):
            return too_many
        needed = scope_for(scope["path"]) if are_needed else None
        return None if needed is None else await self._look_at_caller(scope, needed)

    async def _look_at_caller(self, scope: Request, needed: Scope) -> RequestRefusal | None:
        if (caller := scope.get(SESSION_CALLER)) is not None:
            return self._look_at_scope(scope, caller, needed)
        credential = credential_of(scope)
        if not credential:
            return _unknown(
                "missing_key",
                "A key is needed: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
            )
        caller = (
            await self.credentials.caller_of(credential)
            if len(credential) <= LONGEST_CREDENTIAL
            else None
        )
        if caller is None:
            return _unknown(
                "wrong_key", "This key or token is unknown, revoked or over; ask for a new one."
            )
        return self._look_at_scope(scope, caller, needed)

    def _look_at_scope(
        self, scope: Request, caller: Caller, needed: Scope
    ) -> RequestRefusal | None:
        scope[CALLER] = caller
        if too_many := self.rates.refusal("key", caller.name):
            return too_many
        if not caller.may(needed):
            detail = (
                f"This key has no scope {needed.value!r}, which {scope['path']} needs; use one "
                "that has it."
            )
            return RequestRefusal(
                HTTPStatus.FORBIDDEN, WRONG_SCOPE, detail, scope_challenge(needed)
            )
        return None


def _is_of_this_machine(scope: Request) -> bool:
    """Return whether a request came from this machine under a loopback name,
    or from inside the process.
    """
    peer = (scope.get("client") or ("",))[0]
    try:
        if not ipaddress.ip_address(peer.partition("%")[0]).is_loopback:
            return False
    except ValueError:
        if peer:  # not from the network: Starlette's test client has a name here
            return True
    return is_loopback_name(dict(scope["headers"]).get(b"host", b"").decode("latin-1"))


def _unknown(reason: str, detail: str) -> RequestRefusal:
    error = ', error="invalid_token"' if reason == "wrong_key" else ""
    challenge = {"www-authenticate": f'Bearer realm="ecom_assets"{error}'}
    return RequestRefusal(HTTPStatus.UNAUTHORIZED, reason, detail, challenge)


def _wrong_host() -> RequestRefusal:
    detail = (
        "Without API keys only this machine is answered, by its own name; use http://127.0.0.1, "
        "or make a key."
    )
    return RequestRefusal(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", detail)


DOWNLOADED: Final = "people_downloaded"
FILE_NAME = "api_audit.jsonl"
LARGEST_BYTES = 10_000_000
KEPT_FILES = 5
"""Older files that are kept: denied requests take at most 60 MB on disk."""
LONGEST_PATH = 200


class _PrivateFiles(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        _create(Path(self.baseFilename))
        return super()._open()


def _create(path: Path) -> None:
    """Create a file that only its owner may read, if it does not exist."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
