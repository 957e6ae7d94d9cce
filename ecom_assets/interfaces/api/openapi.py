"""The OpenAPI document of an app: it is made once,
also when the first requests for it come at the same time.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.routing import Route

from ecom_assets.core.rows import Row

_MAKING: Final = threading.RLock()
"""FastAPI makes the document from fields that apps share,
and fails where two threads do so at the same time.
"""


def extend_openapi(app: FastAPI, extend: Callable[[dict[str, Any]], None]) -> None:
    """Have a function change the document of an app, once, before anything reads it."""
    describe = app.openapi
    extended: list[Row] = []

    def openapi() -> dict[str, Any]:
        with _MAKING:
            if not extended:
                document = describe()
                extend(document)
                extended.append(document)
            return extended[0]

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change it


def serve_document_from_thread(app: FastAPI) -> None:
    """Have the first request for the document make it in a thread: it takes a second,
    in which others are answered.
    """
    route = next(
        route for route in app.routes if isinstance(route, Route) and route.path == app.openapi_url
    )
    endpoint = route.endpoint

    async def document(request: Request) -> Response:
        await run_in_threadpool(app.openapi)
        response: Response = await endpoint(request)
        return response

    app.router.routes.remove(route)
    app.add_route(route.path, document, include_in_schema=False)
