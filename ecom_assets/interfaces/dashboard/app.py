"""The dashboard as a part of the API: its addresses and errors, forms that change something,
and logging in and out.

A page names its actions; each is at the address of the page with its own path, and scope, token and
origin are checked here, in one place:

    def release(action: ActionRequest) -> str:
        with action.request_context() as context:
            release_day(context, action.form["day"], action.caller)
        return "The day is released; the next run takes it in."

    PAGE = DashboardPage("quality", "Data quality", ..., actions=(Action("release", release),))

and in a template, `{{ action_form(view, "release", "Release", {"day": day}) }}` from `actions.html`
makes its form.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Scope

from ecom_assets.core.errors import EcomError, UsageError
from ecom_assets.core.http_server.callers import ScopeNeededError, may, name_of_caller
from ecom_assets.core.http_server.problems import REFUSED, WRONG_SCOPE, RequestRefusal
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.ingestion.uploads.landed import note_what_lies
from ecom_assets.ingestion.uploads.store import Uploads
from ecom_assets.interfaces.api.adhoc.questions import AdHoc
from ecom_assets.interfaces.api.app import ApiStack, behind_stack, build_app, build_stack
from ecom_assets.interfaces.api.cache.answers import ROUTE
from ecom_assets.interfaces.api.parameters import RequestContext
from ecom_assets.interfaces.api.problems import TOO_DEEP
from ecom_assets.interfaces.api.renewed import RenewedApp
from ecom_assets.interfaces.api.store.store import IN_SCOPE, NothingPublishedError, PublishedStore
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.dashboard import receiving, sessions
from ecom_assets.interfaces.dashboard.form_checks import (
    ForgedError,
    check_form,
    check_scope,
    is_own_origin,
)
from ecom_assets.interfaces.dashboard.page import (
    Action,
    ActionRequest,
    ActionResult,
    DashboardPage,
    View,
    all_pages,
    read_filters,
)
from ecom_assets.interfaces.dashboard.pages.boards import first_screen
from ecom_assets.interfaces.dashboard.rendering import (
    render_login,
    render_message,
    render_page,
    render_refusal,
    sentence_of,
)
from ecom_assets.interfaces.dashboard.sessions import PREFIX, SESSION, SessionLogin, keep_message
from ecom_assets.interfaces.dashboard.static_files import send_file

WRONG_KEY: Final = "This key is unknown or revoked."


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of a field that is sent several times the last value."""
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(body, keep_blank_values=True).items()}


def perform(page: DashboardPage, action: Action) -> Callable[[Request], Any]:
    """Return the endpoint of an action, which runs it if the caller may,
    and redirects to the page.
    """

    async def post(request: Request) -> Response:
        form = await read_form(request)
        check_form(request, form)
        check_scope(request, action.scope)
        sent = ActionRequest(
            request, {name: value for name, value in form.items() if name != "token"}
        )
        address = form.get("next", "")
        try:
            tone, result = "good", await run_in_threadpool(action.run, sent)
        except EcomError as error:
            tone, result = "bad", sentence_of(error)
        if isinstance(result, ActionResult):
            address, result = result.address, result.sentence
        caller = name_of_caller(request.scope)
        structlog.get_logger("ecom_assets.api").info(
            "action", path=request.url.path, caller=caller, came_out=tone
        )
        back = RedirectResponse(own_address(address, page.address), HTTPStatus.SEE_OTHER)
        if result:
            keep_message(request, back, tone, result)
        return back

    return post


def check_page_scope(request: Request, page: DashboardPage) -> None:
    """Raise if the caller lacks the scope of a page.

    Raises:
        ScopeNeededError: The key lacks it.
    """
    if not may(request.scope, page.scope):
        raise ScopeNeededError(
            f"The page {page.title!r} cannot be seen with a key without the scope "
            f"{page.scope.value!r}; log in with one of `ecom api-key create --scope read --scope "
            f"{page.scope.value}`.",
            page.scope,
        )


async def log_in(request: Request) -> Response:
    """Show the login form, or start a session with the key in it."""
    logins: sessions.LoginSessions | None = request.scope.get(sessions.SESSIONS)
    if logins is None:  # no keys are used
        return RedirectResponse(f"{PREFIX}/", HTTPStatus.SEE_OTHER)
    if request.method != "POST":
        return render_login(
            request, HTTPStatus.OK, "", own_address(request.query_params.get("next", ""))
        )
    form = await read_form(request)
    target = own_address(form.get("next", ""))
    cookie = logins.begin(form.get("key", "").strip()) if is_own_origin(request) else None
    if cookie is None:
        return render_login(request, HTTPStatus.UNAUTHORIZED, WRONG_KEY, target)
    entered = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    sessions.set_cookie(request, entered, sessions.COOKIE, cookie, sessions.LASTS_S, "strict")
    return entered


async def log_out(request: Request) -> Response:
    """End the session of this browser, for every copy of its cookie."""
    check_form(request, await read_form(request))
    logins: sessions.LoginSessions | None = request.scope.get(sessions.SESSIONS)
    if logins is not None and (cookie := request.scope.get(sessions.SESSION)):
        await run_in_threadpool(logins.end, cookie)
    left = RedirectResponse(f"{PREFIX}/login", HTTPStatus.SEE_OTHER)
    left.delete_cookie(sessions.COOKIE)
    return left


def own_address(address: str, otherwise: str = f"{PREFIX}/") -> str:
    """Return an address if it is in the dashboard; else that of the start page."""
    is_own = (
        address.startswith(f"{PREFIX}/")
        and "\\" not in address
        and "//" not in address.partition("?")[0]
    )
    return address if is_own and address.isprintable() and address.isascii() else otherwise


NOTHING: Final = (
    "Nothing is published yet. Bring in a file of your shop, or run `ecom run`: both end with "
    "publishing, and this page then shows the numbers."
)
LOST: Final = "There is no page at this address. The navigation lists what there is."
FAILED: Final = "The page could not be rendered; the log of the API says why."


def build_dashboard_stack(settings: Settings) -> RenewedApp:
    """Return the API with the dashboard behind keys, rate limits and request limits,
    for an ASGI server; it is rebuilt when uploads change the settings of its home.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    return RenewedApp(settings, _built)


def _built(settings: Settings) -> ASGIApp:
    return _stack_of(settings, build_dashboard_app(settings))


def create_dashboard_app() -> FastAPI:
    """Return the API with the dashboard, as `ecom api` serves them, for any ASGI server;
    see `create_app`.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    settings = load_settings()
    app = build_dashboard_app(settings)
    first = _stack_of(settings, app, app.build_middleware_stack())
    return behind_stack(app, RenewedApp(settings, _built, first))


def _stack_of(settings: Settings, app: FastAPI, served: ASGIApp | None = None) -> ApiStack:
    uploads = Uploads(settings.home)
    note_what_lies(uploads)
    uploads.remove_old(settings.upload_keep_days)
    return build_stack(
        settings,
        app,
        served,
        before_guard=lambda app, credentials: SessionLogin(app, credentials, settings.home),
        streamed_bodies={receiving.ADDRESS: receiving.most_bytes(settings.upload_max_mb)},
    )


def build_dashboard_app(settings: Settings, store: PublishedStore | None = None) -> FastAPI:
    """Return the API with the dashboard, without keys and limits; see `build_app`."""
    app = build_app(settings, store)
    handlers = {
        HTTPException: _refused,
        EcomError: _failed,
        RecursionError: _too_deep,
        Exception: _broken,
    }
    dashboard = Starlette(routes=_routes(), exception_handlers=handlers)
    dashboard.state = app.state
    app.router.routes.append(Mount(PREFIX, dashboard, name="dashboard"))

    def refuse(refusal: RequestRefusal, scope: Scope) -> Response:
        by_script = receiving.TOKEN_HEADER.encode() in dict(scope["headers"])
        if by_script or not scope["path"].startswith(PREFIX):
            return refusal.response(scope)
        scope[REFUSED] = refusal.reason
        return render_refusal(Request({**scope, "app": app}), refusal)

    paths = tuple(f"GET {page.address}" for page in all_pages() if page.is_ad_hoc)
    own: AdHoc = app.state.ad_hoc
    app.state.ad_hoc = AdHoc(build_dashboard_app, own.paths + paths, (SESSION,), refuse)
    return app


def _routes() -> list[BaseRoute]:
    logins = [
        Route("/login", log_in, methods=["GET", "POST"]),
        Route("/logout", log_out, methods=["POST"]),
        Route("/static/{name:path}", send_file),
        Route(receiving.ADDRESS.removeprefix(PREFIX), receiving.receive_file, methods=["POST"]),
    ]
    pages = [Route(f"/{page.path}", _show(page)) for page in all_pages()]
    actions = [
        Route(f"/{page.path}/{action.path}", perform(page, action), methods=["POST"])
        for page in all_pages()
        for action in page.actions
    ]
    return [*logins, *actions, *pages, Route("/", _home)]


FIRST: Final = f"{PREFIX}/{receiving.PAGE}"
"""The page that an empty home begins with."""


def _home(request: Request) -> Response:
    """Lead to the board that the shop chose as its first screen, with the days of the address,
    or show the last week; the overview, where the address says which days. Where nothing is
    published, lead to where files are brought in.
    """
    if not _is_published(request):
        return RedirectResponse(FIRST, HTTPStatus.SEE_OTHER)
    first = first_screen(BoardStore(request.app.state.settings))
    if first:
        query = urlencode([("board", first), *request.query_params.multi_items()])
        return RedirectResponse(f"{PREFIX}/board?{query}", HTTPStatus.SEE_OTHER)
    path = "overview" if request.query_params else "last-week"
    return _show(next(page for page in all_pages() if page.path == path))(request)


def _is_published(request: Request) -> bool:
    store: PublishedStore = request.app.state.store
    try:
        with store.reading(request.scope.get(IN_SCOPE)):
            return True
    except NothingPublishedError:
        return False


def _show(page: DashboardPage) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        request.scope[ROUTE] = page.address
        check_page_scope(request, page)
        filters = read_filters(page.asks, request.query_params.multi_items())
        store: PublishedStore = request.app.state.store
        try:
            with store.reading(request.scope.get(IN_SCOPE)) as reading:
                filters = filters.on(reading.newest_date).begun(
                    reading, request.query_params.keys()
                )
                return render_page(View(page, filters, RequestContext(request, reading)))
        except NothingPublishedError:
            if not page.needs_published:
                return render_page(View(page, filters, RequestContext(request, None)))
            return render_message(request, HTTPStatus.OK, page.title, NOTHING, page)

    return show


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this type only)
    status = HTTPStatus(error.status_code)
    is_framework_s = error.detail == status.phrase
    text = LOST if is_framework_s and status == HTTPStatus.NOT_FOUND else error.detail
    return render_message(request, status, status.phrase, text)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, EcomError)  # noqa: S101 (registered for this type only)
    if isinstance(error, ScopeNeededError):
        request.scope[REFUSED] = WRONG_SCOPE
        return render_message(request, HTTPStatus.FORBIDDEN, "This key may not do that", str(error))
    if isinstance(error, ForgedError):
        return render_message(request, HTTPStatus.FORBIDDEN, "This form was refused", str(error))
    is_callers = isinstance(error, UsageError)
    if not is_callers:
        structlog.get_logger("ecom_assets.api").warning(
            "page_failed", path=request.url.path, reason=str(error)
        )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_callers else HTTPStatus.SERVICE_UNAVAILABLE
    return render_message(request, status, "This cannot be shown", sentence_of(error))


def _too_deep(request: Request, _error: Exception) -> Response:
    return render_message(
        request, HTTPStatus.UNPROCESSABLE_ENTITY, "This cannot be shown", TOO_DEEP
    )


def _broken(request: Request, _error: Exception) -> Response:
    return render_message(request, HTTPStatus.INTERNAL_SERVER_ERROR, "This cannot be shown", FAILED)
