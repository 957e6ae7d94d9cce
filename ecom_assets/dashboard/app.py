"""The dashboard as a part of the API's application: its addresses, its errors, and the server with both."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Scope

from ecom_assets.api.adhoc.questions import AdHoc
from ecom_assets.api.app import ApiStack, build_app, build_stack
from ecom_assets.api.auth.callers import ScopeNeededError
from ecom_assets.api.cache.answers import ROUTE
from ecom_assets.api.parameters import RequestContext
from ecom_assets.api.problems import REFUSED, TOO_DEEP, WRONG_SCOPE, RequestRefusal
from ecom_assets.api.store.store import IN_SCOPE, NothingPublishedError, PublishedStore
from ecom_assets.dashboard.actions import ForgedError, log_in, log_out, perform
from ecom_assets.dashboard.page import DashboardPage, View, all_pages, read_filters
from ecom_assets.dashboard.rendering import render_message, render_page, sentence_of
from ecom_assets.dashboard.sessions import PREFIX, SESSION, SessionDoor
from ecom_assets.dashboard.static_files import send_file
from ecom_assets.errors import EcomError, UsageError
from ecom_assets.settings.settings import Settings

NOTHING: Final = (
    "Nothing is published yet. Run `ecom run`, or `make run` for the simulated shop: it ends with publishing, and this "
    "page then shows the numbers. For data of your own, see ECOM_EVENTS and ECOM_ORDERS in docs/settings.md."
)
LOST: Final = "There is no page at this address. The navigation lists what there is."
FAILED: Final = "The page could not be rendered; the log of the API says why."


def build_dashboard_stack(settings: Settings) -> ApiStack:
    """Return the API with the dashboard behind keys, rate limits and request limits, for an ASGI server.

    Raises:
        EcomError: A setting is wrong, or the API would be open to other machines without a key.
    """
    return build_stack(
        settings,
        build_dashboard_app(settings),
        before_guard=lambda app, credentials: SessionDoor(app, credentials, settings.home),
    )


def build_dashboard_app(settings: Settings, store: PublishedStore | None = None) -> FastAPI:
    """Return the API with the dashboard, without keys and limits; see `build_app`."""
    app = build_app(settings, store)
    handlers = {HTTPException: _refused, EcomError: _failed, RecursionError: _too_deep, Exception: _broken}
    dashboard = Starlette(routes=_routes(), exception_handlers=handlers)
    dashboard.state = app.state
    app.router.routes.append(Mount(PREFIX, dashboard, name="dashboard"))

    def refuse(refusal: RequestRefusal, scope: Scope) -> Response:
        if not scope["path"].startswith(PREFIX):
            return refusal.response(scope)
        scope[REFUSED] = refusal.reason
        page = render_message(Request({**scope, "app": app}), refusal.status, "This cannot be shown", refusal.detail)
        page.headers.update(refusal.headers)
        return page

    paths = tuple(f"GET {page.address}" for page in all_pages() if page.is_ad_hoc)
    own: AdHoc = app.state.ad_hoc
    app.state.ad_hoc = AdHoc(build_dashboard_app, own.paths + paths, (SESSION,), refuse)
    return app


def _routes() -> list[BaseRoute]:
    logins = [
        Route("/login", log_in, methods=["GET", "POST"]),
        Route("/logout", log_out, methods=["POST"]),
        Route("/static/{name:path}", send_file),
    ]
    pages = [Route(f"/{page.path}", _show(page)) for page in all_pages()]
    actions = [
        Route(f"/{page.path}/{action.path}", perform(page, action), methods=["POST"])
        for page in all_pages()
        for action in page.actions
    ]
    return [*logins, *actions, *pages]


def _show(page: DashboardPage) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        request.scope[ROUTE] = page.address
        filters = read_filters(page.asks, request.query_params.multi_items())
        store: PublishedStore = request.app.state.store
        try:
            with store.reading(request.scope.get(IN_SCOPE)) as reading:
                return render_page(View(page, filters.on(reading.newest_date), RequestContext(request, reading)))
        except NothingPublishedError:
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
        structlog.get_logger("ecom_assets.api").warning("page_failed", path=request.url.path, reason=str(error))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_callers else HTTPStatus.SERVICE_UNAVAILABLE
    return render_message(request, status, "This cannot be shown", sentence_of(error))


def _too_deep(request: Request, _error: Exception) -> Response:
    return render_message(request, HTTPStatus.UNPROCESSABLE_ENTITY, "This cannot be shown", TOO_DEEP)


def _broken(request: Request, _error: Exception) -> Response:
    return render_message(request, HTTPStatus.INTERNAL_SERVER_ERROR, "This cannot be shown", FAILED)
