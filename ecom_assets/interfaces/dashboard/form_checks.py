"""What is looked at before a form does anything: its token, where it came from, and what the caller
may.
"""

import hmac
from collections.abc import Mapping

from starlette.requests import Request

from ecom_assets.core.errors import UsageError
from ecom_assets.core.http_server.addresses import is_origin_of
from ecom_assets.core.http_server.callers import Scope, ScopeNeededError, may
from ecom_assets.interfaces.dashboard import sessions
from ecom_assets.interfaces.dashboard.wording import needs_key


class ForgedError(UsageError):
    """A form that this dashboard did not send to this caller."""

    def __init__(self) -> None:
        super().__init__(
            "This form is too old, or another site sent it; open the page again, and try once more."
        )


def check_form(request: Request, form: Mapping[str, str]) -> None:
    """Raise unless a form comes from a page of this dashboard, for this caller.

    Raises:
        ForgedError: Its token is missing or wrong, or it comes from another site.
    """
    check_token(request, form.get("token", ""))
    check_origin(request)


def check_token(request: Request, token: str) -> None:
    """Raise unless a token is that of the caller's forms.

    Raises:
        ForgedError: It is missing or wrong.
    """
    if not hmac.compare_digest(token.encode(), sessions.token_of(request).encode()):
        raise ForgedError


def check_origin(request: Request) -> None:
    """Raise unless a request comes from a page of this dashboard.

    Raises:
        ForgedError: It comes from another site.
    """
    if not is_own_origin(request):
        raise ForgedError


def check_scope(request: Request, scope: Scope) -> None:
    """Raise if the caller lacks a scope; without keys, callers are on this machine and may.

    Raises:
        ScopeNeededError: The key lacks it.
    """
    if not may(request.scope, scope):
        raise ScopeNeededError(needs_key("This", scope), scope)


def is_own_origin(request: Request) -> bool:
    """Return whether a form was sent by a page of this server,
    according to the browser's headers.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or is_origin_of(origin, request.headers.get("host", ""))
