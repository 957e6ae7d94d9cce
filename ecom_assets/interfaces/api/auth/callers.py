"""Which scope each path of the API needs, and which questions are about single people."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import Scope as Request

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.costs.contracts import cost_columns
from ecom_assets.commerce.custom_sales.lines import COST_NAMES
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.http_server.callers import (
    CALLER,
    HEALTH_PATHS,
    Caller,
    Scope,
    ScopeNeededError,
    may,
    name_of_caller,
    without_version,
)
from ecom_assets.interfaces.api.openapi import extend_openapi

SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `ecom api-key create`, or a JSON Web Token",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key of `ecom api-key create`",
    },
}


def document_security(app: FastAPI) -> None:
    """Add the ways to send a key, and the operations that need one, to the OpenAPI document."""
    extend_openapi(app, _add_security)


def _add_security(document: dict[str, Any]) -> None:
    document.setdefault("components", {})["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        if scope_for(path) is not None:
            for operation in operations.values():
                operation["security"] = [{name: []} for name in SCHEMES]


PAGE_FILES = "/page-files"
"""The path of the scripts and styles of the documentation pages."""
_FILES = ("favicon.png", "redoc.standalone.js", "swagger-ui-bundle.js", "swagger-ui.css")
DOCUMENTATION = {"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}
"""Paths of the pages that describe the API, and of their document."""
OPEN_PATHS = HEALTH_PATHS | DOCUMENTATION | {f"{PAGE_FILES}/{name}" for name in _FILES}
"""Paths that need no key: the documentation and the health checks, without any number of the shop.
"""
DASHBOARD_LOGIN, DASHBOARD_FILES = "/dashboard/login", "/dashboard/static/"
"""The login of the dashboard, and what its files begin with: open also."""


def scope_for(path: str) -> Scope | None:
    """Return the scope that a path needs, or None for open paths; unknown paths are not open."""
    inner = without_version(path)
    if inner in OPEN_PATHS or path == DASHBOARD_LOGIN or path.startswith(DASHBOARD_FILES):
        return None
    return Scope.COLLECT if inner == "/collect" else Scope.READ


def may_see_people(request: Request) -> bool:
    """Return whether a request may query single people."""
    return may(request, Scope.PERSONAL)


PERSONAL_COLUMNS: Final = frozenset(
    name
    for contract in (CleanEvents, UserOrderLog)
    for name, column in contract.columns.items()
    if column.pii
)
"""The columns of events and of order lines that their contracts mark as personal data."""
OTHER_NAMES: Final = {"session_id": "source_session_id"}
"""Other names that a definition may use for a column of the contract."""


def are_personal(columns: Iterable[str]) -> bool:
    """Return whether any of some columns of events or order lines has personal data."""
    return any(OTHER_NAMES.get(name, name) in PERSONAL_COLUMNS for name in columns)


def require_personal(request: Request, columns: Iterable[str]) -> None:
    """Raise if a query names columns with personal data, and the key lacks the scope `personal`.

    Raises:
        ScopeNeededError: The message names the first such column.
    """
    personal = [name for name in columns if are_personal([name])]
    if personal and not may_see_people(request):
        raise ScopeNeededError(
            f"{personal[0]!r} is personal data, which a key without the scope "
            f"{Scope.PERSONAL.value!r} may not ask about; ask without it, or with a key of `ecom "
            "api-key create --scope read --scope personal`.",
            Scope.PERSONAL,
        )


def may_see_costs(request: Request) -> bool:
    """Return whether a request may query what the shop pays and what its sales leave."""
    return may(request, Scope.COSTS)


COST_COLUMNS: Final = cost_columns(UserOrderLog) | COST_NAMES
"""The columns of order lines that their contract marks as costs, and the measures about costs."""


def require_costs(request: Request, what: str = "Costs and profit") -> None:
    """Raise if the key lacks the scope `costs`.

    Raises:
        ScopeNeededError: The message names what was asked about.
    """
    if not may_see_costs(request):
        raise ScopeNeededError(
            f"{what} cannot be seen by a key without the scope {Scope.COSTS.value!r}; use one of "
            "`ecom api-key create --scope read --scope costs`.",
            Scope.COSTS,
        )


IS_ABOUT_PEOPLE: Final = "ecom.is_about_people"
"""The key in the ASGI scope of a request whose question names columns with personal data."""


def require_visible(request: Request, columns: Iterable[str]) -> None:
    """Raise if a question names columns with personal data or costs, and the key lacks their scope;
    note that it names personal data.

    Raises:
        ScopeNeededError: The message names the first such column.
    """
    names = list(columns)
    require_personal(request, names)
    if are_personal(names):
        request[IS_ABOUT_PEOPLE] = True
    for name in names:
        if name in COST_COLUMNS:
            require_costs(request, f"{name!r}")


def require_write(request: Request) -> str:
    """Return the name of the caller, or raise if the key may not write.

    Raises:
        ScopeNeededError: The key lacks the scope.
    """
    if not may(request, Scope.WRITE):
        raise ScopeNeededError(
            f"This key has no scope {Scope.WRITE.value!r}, which saving something, or a request "
            "for a run, needs; use one of `ecom api-key create --scope read --scope write`.",
            Scope.WRITE,
        )
    return name_of_caller(request) or ON_THIS_MACHINE


ON_THIS_MACHINE: Final = "somebody on this machine"
"""Who makes a request where no keys are used."""


def caller_of(request: Request) -> Caller:
    """Return who sends a request; where no keys are used, somebody on this machine, who may do
    everything.
    """
    caller: Caller | None = request.get(CALLER)
    return caller or Caller(ON_THIS_MACHINE, frozenset({Scope.ADMIN}))
