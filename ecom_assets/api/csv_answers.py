"""Answers as CSV with `format=csv`: whatever a route answers as JSON, its list as rows (RFC 4180).

One mechanism for all routes, so that a new one has it too.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
TOTAL_HEADER: Final = "x-total-count"
NOT_THE_LIST: Final = {"explain", "definition", "range"}
"""What every answer carries beside its own numbers."""
SPREAD: Final = {"steps"}
"""Lists inside of a row, each of whose parts is a row of its own; others are JSON in their cell."""
FORMULA: Final = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What spreadsheets take a text for a formula by, the wide forms of these signs too."""
NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_OK: Final = 200
Row = dict[str, Any]


class CsvAnswers:
    """ASGI middleware that turns the JSON of an answer into CSV where it is asked for; problems stay what they are."""

    def __init__(self, app: ASGIApp) -> None:
        """Take what answers in JSON."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and turn what comes back."""
        if scope["type"] == "http" and ("format", "csv") in parse_qsl(scope["query_string"].decode("latin-1")):
            await self._app(scope, receive, _Turned(send).send)
        else:
            await self._app(scope, receive, send)


class _Turned:
    """Holds an answer back until it is whole, if it is one to turn."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
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
        answer = json.loads(b"".join(self._body), parse_float=str)
        body = csv_of(answer).encode()
        told = {b"content-type": MEDIA_TYPE.encode(), b"content-length": str(len(body)).encode()}
        if "total_count" in answer:
            told[TOTAL_HEADER.encode()] = str(answer["total_count"]).encode()
        kept = [one for one in start["headers"] if one[0] not in told]
        await self._send({**start, "headers": [*kept, *told.items()]})
        await self._send({"type": "http.response.body", "body": body})


def csv_of(answer: Row) -> str:
    """Return the rows of an answer's list, the names of their columns first; of one without a list, one row."""
    rows = [dict(_cells(row)) for one in _list_of(answer) for row in _spread(one)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not columns:
        return ""
    import pandas as pd  # noqa: PLC0415 (loaded for the first answer in CSV, most servers give none)

    cells = [[_text(row.get(name)) for name in columns] for row in rows]
    # Quotes are doubled, as RFC 4180 has it, and lines end in CR LF.
    return pd.DataFrame(cells, columns=columns, dtype="str").to_csv(index=False, lineterminator="\r\n")


def _list_of(answer: Row) -> list[Row]:
    """Return the list of an answer: its breakdown where there is one, else its first list of objects."""
    lists = {
        name: value
        for name, value in answer.items()
        if isinstance(value, list) and name not in NOT_THE_LIST and all(isinstance(one, dict) for one in value)
    }
    if lists:
        return lists.get("breakdown") or next(iter(lists.values()))
    return [{name: value for name, value in answer.items() if name not in NOT_THE_LIST}]


def _spread(row: Row) -> Iterator[Row]:
    """Return a row of a list as rows: one for each of its steps, or for each period of a cohort."""
    inside = next((name for name in row if name in SPREAD), None)
    series = [name for name, value in row.items() if isinstance(value, list) and value and not _has_objects(value)]
    if inside is not None:
        others = {name: value for name, value in row.items() if name != inside}
        yield from ({**others, **part} for part in row[inside])
    elif series:
        others = {name: value for name, value in row.items() if name not in series}
        for place in range(max(len(row[name]) for name in series)):
            yield {**others, "period": place, **{name: (row[name] + [None] * (place + 1))[place] for name in series}}
    else:
        yield row


def _has_objects(value: list[Any]) -> bool:
    return any(isinstance(one, dict) for one in value)


def _cells(row: Row, before: str = "") -> Iterator[tuple[str, Any]]:
    """Return the cells of a row; an object inside of it is a cell for each of its values, named with a dot."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _cells(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _text(value: Any) -> str:  # noqa: ANN401 (any of JSON's)
    """Return a cell: nothing for null, and no text that a spreadsheet would run as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool | list):
        return json.dumps(value)
    text = str(value)
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text
