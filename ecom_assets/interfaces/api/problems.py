"""Errors as RFC 9457 problem documents."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.routing import Match, compile_path

from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.core.errors import (
    EcomError,
    MappingError,
    SettingError,
    UsageError,
    WorkError,
    nearest,
)
from ecom_assets.core.http_server.callers import VERSION_PREFIX, ScopeNeededError
from ecom_assets.core.http_server.problems import (
    MEDIA_TYPE,
    REFUSED,
    RETRY_S,
    WRONG_SCOPE,
    Flaw,
    ProblemDocument,
    phrase,
    scope_challenge,
)
from ecom_assets.core.operations.requests import NotSharedError
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.queries import NoSourceError
from ecom_assets.interfaces.api.openapi import extend_openapi
from ecom_assets.interfaces.api.store.store import (
    NothingPublishedError,
    UnreadableError,
    public_sentence,
)
from ecom_assets.interfaces.boards.store import ChangedMeanwhileError, NotKeptError
from ecom_assets.outputs.delivery.queries import NoLedgerError
from ecom_assets.outputs.serving.snapshot import OlderPublicationError

SCHEMAS: Final = "#/components/schemas/{model}"
UNREADABLE: Final = "There was an error parsing the body"
"""FastAPI's message for a body that cannot be decoded."""
TOO_DEEP: Final = "The request nests lists or objects too deeply; send fewer levels."
FAILED: Final = "The answer failed; the log of the API says why."


class NotModifiedError(Exception):
    """The caller already has the current answer."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("not modified")
        self.headers = dict(headers)


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    errors: Sequence[Flaw] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a response with a problem document."""
    body = ProblemDocument(
        title=phrase(status),
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=list(errors),
    )
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of error statuses, each with a problem document."""
    return {
        status: {
            "description": phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in statuses
    }


def describe_problems(app: FastAPI) -> None:
    """Add the schema of problem documents to the OpenAPI document:
    FastAPI adds only the models that routes return.
    """
    extend_openapi(app, _add_problem_schema)


def _add_problem_schema(document: dict[str, Any]) -> None:
    schemas = models_json_schema([(ProblemDocument, "serialization")], ref_template=SCHEMAS)[1][
        "$defs"
    ]
    document["components"]["schemas"].update(schemas)


def handle_errors(app: FastAPI) -> None:
    """Register handlers that turn every error into a problem document."""
    describe_problems(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(NotModifiedError, _not_modified)
    app.add_exception_handler(EcomError, _failed)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(Exception, _broken)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this type only)
    is_json = "json" in request.headers.get("content-type", "")
    details = error.errors()
    known = (
        _parameters_of(request)
        if any(detail["type"] == "extra_forbidden" for detail in details)
        else []
    )
    flaws = [_flaw(detail, known, is_json=is_json) for detail in details]
    listed = "; ".join(f"{flaw.place}: {flaw.detail}" for flaw in flaws)
    return problem(
        request, 422, f"The request is not one that can be answered: {listed}.", errors=flaws
    )


def _parameters_of(request: Request) -> list[str]:
    """Return the names of the parameters that the query of a request can have."""
    path, described = (
        str(getattr(request.scope.get("route"), "path", "")),
        request.app.openapi()["paths"],
    )
    methods = described.get(path) or described.get(f"{VERSION_PREFIX}{path}") or {}
    listed = methods.get("get" if request.method == "HEAD" else request.method.lower(), {}).get(
        "parameters", ()
    )
    return [parameter["name"] for parameter in listed if parameter["in"] == "query"]


def _flaw(error: NamedValues, parameters: Sequence[str], *, is_json: bool) -> Flaw:
    location = [str(part) for part in error["loc"]]
    detail, kind = (
        str(error["msg"]).replace("tuple", "list").replace("Tuple", "List"),
        error["type"],
    )
    if location[0] == "body" and not is_json:
        detail = "It is not sent as JSON; add the header Content-Type: application/json"
    elif kind == "json_invalid":
        location, detail = (
            location[:1],
            f"It is not JSON at character {error['loc'][-1]}: {error['ctx']['error']}",
        )
    elif kind == "extra_forbidden":
        known = parameters if location[0] == "query" else ()
        detail = (
            f"Nothing of this name can be given here{_guess(location[-1], known)}; /docs lists "
            "what can"
        )
    elif kind == "literal_error":
        detail += _guess(error["input"], re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    return Flaw(place=".".join(location), detail=detail)


def _guess(word: object, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f" (did you mean {near!r}?)" if near else ""


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 (as above)
    is_framework_s = error.detail in {HTTPStatus(error.status_code).phrase, UNREADABLE}
    plain = {
        400: "The body is not JSON in UTF-8, or nests too deeply; correct it.",
        404: f"There is nothing at {request.url.path}; GET / lists what there is.",
        405: f"{request.url.path} does not take {request.method}.",
    }
    if (
        is_framework_s
        and error.status_code == HTTPStatus.NOT_FOUND
        and (location := _location_without_host(request))
    ):
        return RedirectResponse(location, 307)
    detail = plain.get(error.status_code, "") if is_framework_s else ""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (allowed := _allowed(request)):
        headers["Allow"] = allowed
    return problem(request, error.status_code, detail or str(error.detail), headers=headers)


def _location_without_host(request: Request) -> str | None:
    """Return the path with its trailing slash added or removed, if that is a route; else None.

    The location is relative: with the Host of the request, a forged Host could redirect anywhere.
    """
    path: str = request.scope["path"]
    other = path[:-1] if path.endswith("/") else f"{path}/"
    if not other.startswith("/") or other.startswith(
        "//"
    ):  # browsers read what follows two slashes as a host
        return None
    scope = {**request.scope, "path": other}
    if not any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
        return None
    query: bytes = request.scope["query_string"]
    return quote(other) + (f"?{query.decode('latin-1')}" if query else "")


def _allowed(request: Request) -> str:
    """Return all methods of a path, because the framework returns those of its first route only."""
    paths = (request.url.path, f"{VERSION_PREFIX}{request.url.path}")
    described = request.app.openapi()["paths"].items()
    routes = [
        methods for path, methods in described if any(map(compile_path(path)[0].match, paths))
    ]
    methods = {method.upper() for listed in routes for method in listed}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _not_modified(_request: Request, error: Exception) -> Response:
    assert isinstance(error, NotModifiedError)  # noqa: S101 (as above)
    return Response(status_code=304, headers=error.headers)


STATUSES: Final = (
    (NotKeptError, HTTPStatus.NOT_FOUND),
    (QuestionTooLargeError, 413),
    ((NoSourceError, NoLedgerError, NotSharedError, ChangedMeanwhileError), 409),
)
"""The statuses of errors that callers can do something about, besides 422."""


UNTIL_PUBLISHED: Final = NothingPublishedError | OlderPublicationError | UnreadableError
"""What the next publication, or the next attempt, mends."""


def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, ScopeNeededError):
        request.scope[REFUSED] = WRONG_SCOPE
        return problem(request, 403, str(error), headers=scope_challenge(error.scope))
    for kinds, status in STATUSES:
        if isinstance(error, kinds):
            return problem(request, status, str(error))
    if isinstance(error, UsageError) and not isinstance(
        error, SettingError | MappingError
    ):  # errors of the server
        return problem(request, 422, str(error))
    reason = str(error.__cause__ if isinstance(error, UnreadableError) else error)
    structlog.get_logger("ecom_assets.api").warning(
        "answer_failed", path=request.url.path, reason=reason
    )
    if isinstance(error, UNTIL_PUBLISHED | UsageError | WorkError):
        return problem(request, 503, public_sentence(error), headers={"Retry-After": RETRY_S})
    return problem(request, 500, FAILED)


def _too_deep(request: Request, _error: Exception) -> Response:
    structlog.get_logger("ecom_assets.api").warning("nested_too_deeply", path=request.url.path)
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, TOO_DEEP)


def _broken(request: Request, _error: Exception) -> Response:
    return problem(request, 500, FAILED)
