"""Custom queries about single people, and the scope that they need."""

from collections.abc import Iterable
from typing import Final

from starlette.types import Scope as Request

from ecom_assets.api.auth.callers import CALLER, Caller, Scope, may_see_people
from ecom_assets.errors import EcomError
from ecom_assets.events.contracts import CleanEvents

PERSONAL_COLUMNS: Final = frozenset(name for name, column in CleanEvents.columns.items() if column.pii)
"""The columns of events that the contract marks as personal data."""
OTHER_NAMES: Final = {"session_id": "source_session_id"}
"""Other names that a definition may use for a column of the contract."""


class ScopeNeededError(EcomError):
    """The query needs a scope that the caller's key does not have."""

    def __init__(self, message: str, scope: Scope) -> None:
        super().__init__(message)
        self.scope = scope


def require_personal(request: Request, named: Iterable[str]) -> None:
    """Raise if a query names personal data and the key lacks the scope `personal`.

    Args:
        request: The request.
        named: The columns that the query names.

    Raises:
        ScopeNeededError: A column is personal data, and the key lacks the scope.
    """
    personal = [name for name in named if OTHER_NAMES.get(name, name) in PERSONAL_COLUMNS]
    if personal and not may_see_people(request):
        raise ScopeNeededError(
            f"{personal[0]!r} is personal data, which a key without the scope {Scope.PERSONAL.value!r} may not ask "
            "about; ask without it, or with a key of `ecom api-key create --scope read --scope personal`.",
            Scope.PERSONAL,
        )


def require_write(request: Request) -> str:
    """Return the name of the caller, or raise if the key may not leave requests for runs.

    Raises:
        ScopeNeededError: The key lacks the scope.
    """
    caller: Caller | None = request.get(CALLER)
    if caller is not None and not caller.may(Scope.WRITE):
        raise ScopeNeededError(
            f"This key has no scope {Scope.WRITE.value!r}, which leaving a request for a run needs; use one of `ecom "
            "api-key create --scope read --scope write`.",
            Scope.WRITE,
        )
    return caller.name if caller else ON_THIS_MACHINE


ON_THIS_MACHINE: Final = "somebody on this machine"
"""Who asks where no keys are used."""
