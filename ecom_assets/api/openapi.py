"""The OpenAPI document of an app: it is made once, also when the first requests for it come at the same time."""

import threading
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI

_MAKING: Final = threading.RLock()
"""FastAPI makes the document from fields that apps share, and fails where two threads do so at the same time."""


def extend_openapi(app: FastAPI, extend: Callable[[dict[str, Any]], None]) -> None:
    """Have a function change the document of an app, once, before anything reads it."""
    describe = app.openapi
    extended: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        with _MAKING:
            if not extended:
                document = describe()
                extend(document)
                extended.append(document)
            return extended[0]

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change it
