"""Other forms of a JSON response: its list as CSV with `format=csv` (RFC 4180), its numbers alone with `fields`.

One mechanism serves all routes, so new routes have it too.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.questions.answer import ABOUT_THE_NUMBERS

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
TOTAL_HEADER: Final = "x-total-count"
NOT_THE_LIST: Final = {"explain", "definition", "range", "rows", "total_count", "warnings"}
"""Fields of every answer that are not rows of its list."""
PREFERRED: Final = ("breakdown", "stickiness", "lifecycle")
"""Lists that an answer has instead of its first one, if they have rows."""
SPREAD: Final = {"steps", "cohorts", "visitors"}
"""Lists of objects inside a row that become rows per object; other lists of objects beside them are left out."""
FORMULA: Final = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""The first character of text that spreadsheets read as a formula, including full-width forms."""
NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_OK: Final = 200
Row = dict[str, Any]


@dataclass(frozen=True)
class CsvAnswers:
    """ASGI middleware that converts JSON responses of an app to CSV on request; error responses do not change."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and convert the response if the query has `format=csv`."""
        if scope["type"] == "http" and ("format", "csv") in parse_qsl(scope["query_string"].decode("latin-1")):
            send = Rewritten(send, _as_csv).send
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class ShortAnswers:
    """ASGI middleware that leaves ranges and definitions out of JSON responses on request."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and shorten the response if the query has `fields=numbers`."""
        if scope["type"] == "http" and ("fields", "numbers") in parse_qsl(scope["query_string"].decode("latin-1")):
            send = Rewritten(send, _numbers_of).send
        await self.app(scope, receive, send)


def _numbers_of(body: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    answer = {name: value for name, value in json.loads(body).items() if name not in ABOUT_THE_NUMBERS}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode(), {}


def _as_csv(body: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    answer = json.loads(body, parse_float=str)
    count = answer.get("total_count")
    total = {} if count is None else {TOTAL_HEADER.encode(): str(count).encode()}
    return csv_of(answer).encode(), {b"content-type": MEDIA_TYPE.encode(), **total}


class Rewritten:
    """Buffers a successful JSON response until it is complete, and sends it rewritten; passes other responses on."""

    def __init__(self, send: Send, rewrite: Callable[[bytes], tuple[bytes, dict[bytes, bytes]]]) -> None:
        """Take where to send to, and the function that returns another body with its headers."""
        self._send = send
        self._rewrite = rewrite
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"")
            if message["status"] == _OK and kind.startswith(b"application/json"):
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._body.append(message.get("body", b""))
        if not message.get("more_body", False):
            await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body, changed = self._rewrite(b"".join(self._body))
        headers = {b"content-length": str(len(body)).encode(), **changed}
        kept = [one for one in start["headers"] if one[0] not in headers]
        await self._send({**start, "headers": [*kept, *headers.items()]})
        await self._send({"type": "http.response.body", "body": body})


def csv_of(answer: Row) -> str:
    """Return the list of an answer as CSV with a header line; an answer without a list becomes one row."""
    rows = [dict(_cells(row)) for one in _list_of(answer) for row in _spread(one, answer.get("periods", ()))]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not columns:
        return ""
    import pandas as pd  # noqa: PLC0415 (loaded for the first CSV response; most servers send none)

    cells = [[_text(row.get(name)) for name in columns] for row in rows]
    # As in RFC 4180, quotes are doubled, and lines end with CR LF.
    text: str = pd.DataFrame(cells, columns=columns, dtype="str").to_csv(index=False, lineterminator="\r\n")
    return text


def _list_of(answer: Row) -> list[Row]:
    """Return the list of an answer: one of `PREFERRED` if it has rows, else its first list of objects."""
    lists = {
        name: value
        for name, value in answer.items()
        if isinstance(value, list) and name not in NOT_THE_LIST and all(isinstance(one, dict) for one in value)
    }
    if lists:
        return next((lists[name] for name in PREFERRED if lists.get(name)), next(iter(lists.values())))
    return [{name: value for name, value in answer.items() if name not in {*NOT_THE_LIST, "rows"}}]


def _spread(row: Row, periods: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the CSV rows for one row of the list: one per step, one per period, or the row itself.

    Periods without names in `periods` are numbered from 0, as those of a cohort.
    """
    inside = next((name for name, value in row.items() if name in SPREAD and isinstance(value, list)), None)
    series = [name for name, value in row.items() if isinstance(value, list) and value and not _has_objects(value)]
    if inside is not None:
        others = {name: value for name, value in row.items() if not _has_objects(value)}
        for part in row[inside]:
            yield from _spread({**others, **part})
    elif series:
        others = {name: value for name, value in row.items() if name not in series}
        for place in range(max(len(row[name]) for name in series)):
            period = periods[place] if place < len(periods) else place
            yield {**others, "period": period, **{name: (row[name] + [None] * (place + 1))[place] for name in series}}
    else:
        yield row


def _has_objects(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _cells(row: Row, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each cell; an object inside the row becomes a cell per value, named with a dot."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _cells(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _text(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """Return the text of a cell: empty for null, with `'` before it if a spreadsheet would run it as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool | list):
        return json.dumps(value)
    text = str(value)
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
