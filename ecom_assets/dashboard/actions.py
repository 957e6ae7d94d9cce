"""Forms that change something, and logging in and out: scope, token and origin are checked here, in one place.

A page names its actions; each is at the page's address with its own path:

    def release(action: ActionRequest) -> str:
        with action.request_context() as context:
            release_day(context, action.form["day"], action.caller)
        return "The day is released; the next run takes it in."

    PAGE = DashboardPage("quality", "Data quality", ..., actions=(Action("release", release),))

and in a template, `{{ action_form(view, "release", "Release", {"day": day}) }}` from `actions.html` makes its form.
"""

import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ecom_assets.api.auth.callers import ScopeNeededError, may, name_of_caller
from ecom_assets.api.auth.guard import is_origin_of
from ecom_assets.dashboard import sessions
from ecom_assets.dashboard.page import Action, ActionRequest, DashboardPage
from ecom_assets.dashboard.rendering import render_login, sentence_of
from ecom_assets.dashboard.sessions import PREFIX, keep_message
from ecom_assets.errors import EcomError, UsageError

WRONG_KEY: Final = "This key is unknown or revoked."


class ForgedError(UsageError):
    """A form that this dashboard did not send to this caller."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of a field that is sent several times the last value."""
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}


def perform(page: DashboardPage, action: Action) -> Callable[[Request], Any]:
    """Return the endpoint of an action, which runs it if the caller may, and redirects to the page."""

    async def post(request: Request) -> Response:
        form = await read_form(request)
        check_form(request, form)
        check_scope(request, action)
        sent = ActionRequest(request, {name: value for name, value in form.items() if name != "token"})
        try:
            tone, text = "good", await run_in_threadpool(action.run, sent)
        except EcomError as error:
            tone, text = "bad", sentence_of(error)
        caller = name_of_caller(request.scope)
        structlog.get_logger("ecom_assets.api").info("action", path=request.url.path, caller=caller, came_out=tone)
        back = RedirectResponse(own_address(form.get("next", ""), page.address), HTTPStatus.SEE_OTHER)
        keep_message(request, back, tone, text)
        return back

    return post


def check_form(request: Request, form: Mapping[str, str]) -> None:
    """Raise unless a form comes from a page of this dashboard, for this caller.

    Raises:
        ForgedError: Its token is missing or wrong, or it comes from another site.
    """
    expected = sessions.token_of(request)
    if not hmac.compare_digest(form.get("token", "").encode(), expected.encode()) or not is_own_origin(request):
        raise ForgedError("This form is too old, or another site sent it; open the page again, and try once more.")


def check_scope(request: Request, action: Action) -> None:
    """Raise if the caller lacks the scope of an action; without keys, callers are on this machine and may.

    Raises:
        ScopeNeededError: The key lacks it.
    """
    if not may(request.scope, action.scope):
        raise ScopeNeededError(
            f"This needs a key of scope {action.scope.value!r}; log in with one of `ecom api-key create --scope "
            f"{action.scope.value}`.",
            action.scope,
        )


def is_own_origin(request: Request) -> bool:
    """Return whether a form was sent by a page of this server, according to the browser's headers."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or is_origin_of(origin, request.headers.get("host", ""))


async def log_in(request: Request) -> Response:
    """Show the login form, or start a session with the key in it."""
    known: sessions.LoginSessions | None = request.scope.get(sessions.SESSIONS)
    if known is None:  # no keys are used
        return RedirectResponse(f"{PREFIX}/", HTTPStatus.SEE_OTHER)
    if request.method != "POST":
        return render_login(request, HTTPStatus.OK, "", own_address(request.query_params.get("next", "")))
    form = await read_form(request)
    target = own_address(form.get("next", ""))
    cookie = known.begin(form.get("key", "").strip()) if is_own_origin(request) else None
    if cookie is None:
        return render_login(request, HTTPStatus.UNAUTHORIZED, WRONG_KEY, target)
    entered = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    sessions.set_cookie(request, entered, sessions.COOKIE, cookie, sessions.LASTS_S)
    return entered


async def log_out(request: Request) -> Response:
    """End the session of this browser, for every copy of its cookie."""
    check_form(request, await read_form(request))
    known: sessions.LoginSessions | None = request.scope.get(sessions.SESSIONS)
    if known is not None and (cookie := request.scope.get(sessions.SESSION)):
        await run_in_threadpool(known.end, cookie)
    left = RedirectResponse(f"{PREFIX}/login", HTTPStatus.SEE_OTHER)
    left.delete_cookie(sessions.COOKIE)
    return left


def own_address(address: str, otherwise: str = f"{PREFIX}/") -> str:
    """Return an address if it is in the dashboard; else that of the start page."""
    is_own = address.startswith(f"{PREFIX}/") and "\\" not in address and "//" not in address.partition("?")[0]
    return address if is_own and address.isprintable() and address.isascii() else otherwise
