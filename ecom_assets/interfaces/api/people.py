"""Which answers leave the shop with people in them: each is a line of the audit log.

Such an answer is a file (of a `.csv` route, of `format=csv`, or as an address inside a page), a
page with e-mail addresses, or what an assistant reads. What makes one notes in the scope of the
request how many rows it has, and no cache keeps it: one that is sent again is logged again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.http_server.callers import ASSISTANT
from ecom_assets.interfaces.api.auth.callers import IS_ABOUT_PEOPLE, OTHER_NAMES, may_see_people
from ecom_assets.interfaces.api.auth.guard import AuditLog
from ecom_assets.interfaces.api.parameters import CSV_ASKED, WholeResponse, cells_of, is_asked
from ecom_assets.orchestration.registry import ALL

PEOPLE: Final = "ecom.people"
"""The key in the ASGI scope with how many rows of people an answer has, if it is logged."""
NAMES: Final = frozenset(OTHER_NAMES) | {
    name for table in ALL for name, column in table.columns.items() if column.pii
}
"""The columns of tables that contracts mark as personal data."""
NOT_KEPT: Final = {b"etag", b"cache-control"}


def note_people(scope: Scope, columns: Iterable[str], row_count: int) -> bool:
    """Note the rows of an answer, if any of its columns has personal data or its question names
    one, and the caller may see that; return whether it is so.

    The same answer may be in a page twice, so that the most rows count.
    """
    has_people = may_see_people(scope) and (
        IS_ABOUT_PEOPLE in scope or any(name.rpartition(".")[2] in NAMES for name in columns)
    )
    if has_people:
        scope[PEOPLE] = max(scope.get(PEOPLE, 0), row_count)
    return has_people


@dataclass(frozen=True)
class NotedPeople:
    """ASGI middleware that notes the people in the answers of routes that become a file, or are for
    an assistant.
    """

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at the answer that leaves the shop."""
        if scope["type"] != "http" or not (ASSISTANT in scope or is_asked(scope, CSV_ASKED)):
            await self.app(scope, receive, send)
            return
        whole = WholeResponse()
        await self.app(scope, receive, whole.send)
        if whole.is_answer:
            answer = json.loads(whole.body)
            rows = cells_of(answer, scope)
            names = {name for row in rows for name in row}
            if ASSISTANT in scope:
                names |= {*_names_in(answer)}
            if note_people(scope, names, len(rows)):
                kept = [header for header in whole.headers if header[0] not in NOT_KEPT]
                whole.headers = [*kept, (b"cache-control", b"no-store")]
        await whole.response()(scope, receive, send)


def _names_in(value: Any) -> Iterator[str]:  # noqa: ANN401 (any JSON)
    """Yield the names of all fields inside an answer."""
    if isinstance(value, Mapping):
        for name, inside in value.items():
            yield name
            yield from _names_in(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _names_in(inside)


@dataclass(frozen=True)
class PeopleLog:
    """ASGI middleware that logs each answer whose people were noted, when it begins to be sent."""

    app: ASGIApp
    audit: AuditLog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log its answer."""

        async def send_and_audit(message: Message) -> None:
            is_sent = (
                message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK
            )
            if is_sent and PEOPLE in scope:
                self.audit.downloaded(scope, scope[PEOPLE])
            await send(message)

        await self.app(scope, receive, send_and_audit if scope["type"] == "http" else send)
