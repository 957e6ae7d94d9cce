"""Callers and scopes: who may ask what, and the caller that a key or token stands for."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import Scope as Request

SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `ecom api-key create`, or a JSON Web Token",
    },
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key of `ecom api-key create`"},
}


def document_security(app: FastAPI) -> None:
    """Have the document name the ways to send a key, and the operations that want one."""
    described = app.openapi

    def with_security() -> dict[str, Any]:
        document = described()
        if "securitySchemes" not in document.setdefault("components", {}):
            document["components"]["securitySchemes"] = SCHEMES
            for path, operations in document["paths"].items():
                if scope_for(path) is not None:
                    for operation in operations.values():
                        operation["security"] = [{name: []} for name in SCHEMES]
        return document

    app.openapi = with_security  # type: ignore[method-assign]  # FastAPI's own way to change the document


CALLER = "ecom.caller"
"""Where a request's scope says who asks."""
PAGE_FILES = "/page-files"
"""Where the pages that describe the API have their scripts from."""
HEALTH_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
"""What load balancers ask all the time: not counted, as a caller behind the same address must not make us look ill."""
OPEN_PATHS = frozenset(
    {
        "/docs",
        "/docs/oauth2-redirect",
        "/redoc",
        "/openapi.json",
        *HEALTH_PATHS,
        *(
            f"{PAGE_FILES}/{name}"
            for name in ("favicon.png", "redoc.standalone.js", "swagger-ui-bundle.js", "swagger-ui.css")
        ),
    }
)
"""What is shown to everybody: how to ask, and whether the API is well; no number of the shop."""
VERSION_PREFIX = "/v1"


class Scope(StrEnum):
    """What a caller may do: `personal` adds questions about single people to `read`; `admin` may do everything."""

    READ = "read"
    PERSONAL = "personal"
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
    inner = _without_version(path)
    if inner in OPEN_PATHS:
        return None
    return Scope.COLLECT if inner == "/collect" else Scope.READ


def is_health(path: str) -> bool:
    """Tell whether a path asks how the API is."""
    return _without_version(path) in HEALTH_PATHS


def may_see_people(request: Request) -> bool:
    """Tell whether a request may ask about single people; without any key, who asks is on this machine and may."""
    caller: Caller | None = request.get(CALLER)
    return caller is None or caller.may(Scope.PERSONAL)


def _without_version(path: str) -> str:
    return path.removeprefix(VERSION_PREFIX) or "/"


def name_of_caller(request: Request) -> str:
    """Return who asks, as logs name them."""
    caller: Caller | None = request.get(CALLER)
    return caller.name if caller else ""
