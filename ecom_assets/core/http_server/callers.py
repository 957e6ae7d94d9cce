"""Callers and scopes: who sends a request to one of our servers,
and what the key of the request allows.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.types import Scope as Request

from ecom_assets.core.errors import EcomError

CALLER = "ecom.caller"
"""The key in the ASGI scope with the caller of a request."""
SESSION_CALLER = "ecom.session_caller"
"""The key in the ASGI scope with the caller of a login to the dashboard,
which stands for the key of the request.
"""
HEALTH_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
"""Paths without a rate limit: load balancers request them often,
and must not be refused because of other clients.
"""
VERSION_PREFIX = "/v1"


class Scope(StrEnum):
    """What a caller may do; `admin` allows everything.

    `personal` adds queries about single people to `read`, and `costs` what the shop pays and what
    its sales leave. `write` saves questions and boards, and
    leaves requests for runs, such as to release a day. `collect` sends events from public pages;
    `link` adds what only servers may send: aliases, which join users, and events of long ago.
    """

    READ = "read"
    PERSONAL = "personal"
    COSTS = "costs"
    WRITE = "write"
    COLLECT = "collect"
    LINK = "link"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """Who sends a request; `name` is for logs and is never the key itself.

    `origins` are the sites whose pages may send events with the key; empty for any. `event_types`
    are the only types of events that it may send; empty for all.
    """

    name: str
    scopes: frozenset[Scope]
    origins: frozenset[str] = frozenset()
    event_types: frozenset[str] = frozenset()

    def may(self, scope: Scope) -> bool:
        """Return whether the caller has a scope, or `admin`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


ASSISTANT: Final = "ecom.assistant"
"""The key in the ASGI scope of requests whose answer an assistant reads."""


def is_health(path: str) -> bool:
    """Return whether a path is a health check."""
    return without_version(path) in HEALTH_PATHS


def without_version(path: str) -> str:
    """Return a path without the version of the API at its beginning."""
    return path.removeprefix(VERSION_PREFIX) or "/"


def may(request: Request, scope: Scope) -> bool:
    """Return whether the caller of a request has a scope; if no keys are used,
    callers are on this machine and may.
    """
    caller: Caller | None = request.get(CALLER)
    return caller is None or caller.may(scope)


def without(request: Request, scope: Scope) -> Request:
    """Return a request whose caller has the same scopes but one."""
    scopes = {other for other in Scope if may(request, other)} - {scope, Scope.ADMIN}
    return {**request, CALLER: Caller(name_of_caller(request), frozenset(scopes))}


def rights_of(request: Request) -> str:
    """Return what the caller of a request may do, as a part of the keys and ETags of answers.

    It is derived from `may`, which is all that an answer can depend on of its caller.
    """
    return " ".join(scope.value for scope in Scope if may(request, scope))


def name_of_caller(request: Request) -> str:
    """Return the name of the caller for logs; empty if there is none."""
    caller: Caller | None = request.get(CALLER)
    return caller.name if caller else ""


class ScopeNeededError(EcomError):
    """The query needs a scope that the caller's key does not have."""

    def __init__(self, message: str, scope: Scope) -> None:
        super().__init__(message)
        self.scope = scope
