"""Who may ask what: scopes, and the caller that a key or token stands for. Not here: keys and tokens."""

from dataclasses import dataclass
from enum import StrEnum

from starlette.types import Scope as Request

CALLER = "ecom.caller"
"""Where a request's scope says who asks."""
PAGE_FILES = "/page-files"
"""Where the pages that describe the API have their scripts from."""
OPEN_PATHS = frozenset(
    {
        "/docs",
        "/docs/oauth2-redirect",
        "/redoc",
        "/openapi.json",
        "/health",
        "/health/live",
        "/health/ready",
        *(
            f"{PAGE_FILES}/{name}"
            for name in ("favicon.png", "redoc.standalone.js", "swagger-ui-bundle.js", "swagger-ui.css")
        ),
    }
)
"""What is shown to everybody: how to ask, and whether the API is well; no number of the shop."""
VERSION_PREFIX = "/v1"


class Scope(StrEnum):
    """What a caller may do; `admin` may do everything."""

    READ = "read"
    COLLECT = "collect"
    ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """Who asks: `name` is shown in logs and is never the key itself."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Tell whether the caller may do what the scope is for."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def scope_for(path: str) -> Scope | None:
    """Return the scope that a path asks for, None for those that everybody may see; what is unknown is not open."""
    inner = path.removeprefix(VERSION_PREFIX) or "/"
    if inner in OPEN_PATHS:
        return None
    return Scope.COLLECT if inner == "/collect" else Scope.READ


def name_of_caller(request: Request) -> str:
    """Return who asks, as logs name them."""
    caller: Caller | None = request.get(CALLER)
    return caller.name if caller else ""
