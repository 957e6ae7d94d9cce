"""Files that people send from the dashboard: who sends one is looked at before its first byte is
kept, and its bytes go to `ECOM_HOME/uploads` block by block.

A script sends the bytes of a file alone, with its name and the token as headers, and is answered in
JSON. Without scripts the file comes in a form, whose first field is the token.
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ecom_assets.core.errors import EcomError, UsageError
from ecom_assets.core.http_server.callers import Scope, ScopeNeededError, name_of_caller
from ecom_assets.core.http_server.file_bodies import (
    FileBegins,
    FileForm,
    FormPart,
    SentField,
    in_larger_blocks,
)
from ecom_assets.core.http_server.problems import REFUSED, WRONG_SCOPE
from ecom_assets.core.operations.requests import require_shared_home
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.uploads.store import Upload, Uploads
from ecom_assets.interfaces.api.auth.callers import caller_of
from ecom_assets.interfaces.dashboard.form_checks import (
    ForgedError,
    check_origin,
    check_scope,
    check_token,
)
from ecom_assets.interfaces.dashboard.page import address_of
from ecom_assets.interfaces.dashboard.sessions import PREFIX, keep_message

MB: Final = 1_000_000
PAGE, FILES = "mapping", "mapping-files"
"""The paths of the page that the file is sent from, and of the one that looks at it."""
LISTS: Final = "mapping-lists"
"""The path of the page that sends lists of the shop, and looks at them."""
LIST_FIELD: Final = "list"
"""The field of a form, before its file, that says as which list of the shop it is sent."""
ADDRESS: Final = f"{PREFIX}/{PAGE}/upload"
TOKEN_HEADER: Final = "x-form-token"  # noqa: S105 (its name)
NAME_HEADER: Final = "x-file-name"
"""The headers of a file that a script sends; the name is written as in an address."""
MOST_AROUND_BYTES: Final = 100_000
"""The most that a form has besides its file."""


def most_bytes(upload_max_mb: int) -> int:
    """Return the size of the largest body: a file, and the form around it."""
    return upload_max_mb * MB + MOST_AROUND_BYTES


async def receive_file(request: Request) -> Response:
    """Keep a file, and lead to what it is."""
    by_script = TOKEN_HEADER in request.headers
    try:
        upload, as_list = await _kept(request, by_script=by_script)
    except ClientDisconnect:  # cancelled, or the browser was closed: nothing is kept
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    except (ForgedError, ScopeNeededError) as error:
        if not by_script:
            raise
        if isinstance(error, ScopeNeededError):
            request.scope[REFUSED] = WRONG_SCOPE
        return _answer(str(error), HTTPStatus.FORBIDDEN)
    except EcomError as error:
        _log(request, "bad", str(error))
        if by_script:
            is_theirs = isinstance(error, UsageError)
            status = (
                HTTPStatus.UNPROCESSABLE_ENTITY if is_theirs else HTTPStatus.SERVICE_UNAVAILABLE
            )
            return _answer(str(error), status)
        back = RedirectResponse(address_of(PAGE, {}), HTTPStatus.SEE_OTHER)
        keep_message(request, back, "bad", str(error))
        return back
    _log(request, "good", f"{upload.byte_count} bytes")
    if by_script:
        return JSONResponse({"id": upload.id, "name": upload.name})
    looked_at = (
        address_of(LISTS, {"as_list": as_list, "file": upload.id})
        if as_list
        else address_of(FILES, {"files": upload.id})
    )
    return RedirectResponse(looked_at, HTTPStatus.SEE_OTHER)


async def _kept(request: Request, *, by_script: bool) -> tuple[Upload, str]:
    """Return the upload of a request, once all of its bytes are kept, and as which list of the shop
    it was sent; empty if as none.

    Raises:
        ForgedError: The request does not come from a page of this dashboard, for this caller.
        ScopeNeededError: The caller may not send files.
        NotSharedError: No run would see it.
        UsageError: No file was sent, or one that is not taken.
        WorkError: The disk is full, or cannot be written.
        ClientDisconnect: The file stopped arriving.
    """
    check_scope(request, Scope.WRITE)
    check_origin(request)
    if by_script:
        check_token(request, request.headers[TOKEN_HEADER])
        name = unquote(request.headers.get(NAME_HEADER, ""))
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdigit() else None
        return await _written(request, name, request.stream(), size), ""
    parts = FileForm(request.headers.get("content-type", "")).parts(request.stream())
    first = await anext(parts, None)
    if not isinstance(first, SentField) or first.name != "token":
        raise ForgedError
    check_token(request, first.value)
    as_list = ""
    async for part in parts:
        if isinstance(part, SentField) and part.name == LIST_FIELD:
            as_list = part.value
        if isinstance(part, FileBegins) and part.name:
            return await _written(request, part.name, _bytes_in(parts), None), as_list
    raise UsageError("No file was chosen; choose one, and try again.")


async def _written(
    request: Request, name: str, blocks: AsyncIterator[bytes], size: int | None
) -> Upload:
    settings: Settings = request.app.state.settings
    require_shared_home(settings, "A file")
    uploads = Uploads(settings.home)
    await run_in_threadpool(uploads.remove_old, settings.upload_keep_days)
    writer = uploads.begin(
        name,
        caller_of(request.scope).name,
        most_bytes=settings.upload_max_mb * MB,
        expected_bytes=size,
    )
    with writer:
        async for block in in_larger_blocks(blocks):
            await run_in_threadpool(writer.write, block)
        return await run_in_threadpool(writer.finish)


async def _bytes_in(parts: AsyncIterator[FormPart]) -> AsyncIterator[bytes]:
    async for part in parts:
        if isinstance(part, bytes):
            yield part


def _answer(sentence: str, status: HTTPStatus) -> Response:
    return JSONResponse({"detail": sentence}, status)


def _log(request: Request, tone: str, what: str) -> None:
    caller = name_of_caller(request.scope)
    structlog.get_logger("ecom_assets.api").info(
        "file_received", caller=caller, came_out=tone, what=what
    )
