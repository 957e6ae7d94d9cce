"""What routes share: the parameters of their paths and queries, the fields of their answers,
and other forms of these.

With `format=csv` an answer is its list as CSV (RFC 4180), with `fields=numbers` its numbers alone:
one mechanism serves all routes, so new routes have it too.
"""

import asyncio
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Self, Union, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.behaviour.questions.answer import (
    ABOUT_THE_NUMBERS,
    AnswerFields,
    Money,
    Quantity,
    SourceDays,
    field_of,
    in_currency,
)
from ecom_assets.behaviour.questions.fields import Day
from ecom_assets.commerce.sales.coverage import SalesSource, Source, known_days
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.http_server.callers import VERSION_PREFIX, rights_of
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Column
from ecom_assets.core.tables.days import LAST_DATE
from ecom_assets.core.tables.queries import (
    KnownDays,
    Page,
    Period,
    TimeRange,
    cut,
    range_of,
    with_unknown_total,
)
from ecom_assets.core.tables.spreadsheet_text import escaped
from ecom_assets.interfaces.api.cache.answers import RELEASE, is_same
from ecom_assets.interfaces.api.problems import NotModifiedError
from ecom_assets.interfaces.api.store.store import (
    IN_SCOPE,
    NOTHING,
    NothingPublishedError,
    PublishedStore,
    StoreReading,
)
from ecom_assets.orchestration.automation.ui_address import dagster_address

VERSION: Final = RELEASE
MOST_ROWS: Final = 1_000
TOTAL_HEADER: Final = "x-total-count"
"""How many rows a list has as a whole."""
OF_PREVIOUS: Final = tuple(name for name in SourceDays.model_fields if name.startswith("previous_"))
"""The fields that are null for a state as of a day, because it is not compared with an earlier one.
"""


class Formatted(BaseModel):
    """The output format, read by `RewrittenAnswers`; unknown parameters,
    maybe misspelt, are refused.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv"] = Field(
        default="json", description="What is answered: JSON, or the answer's list as CSV"
    )
    fields: Literal["all", "numbers"] = Field(
        default="all",
        description=(
            "What an answer contains: `numbers` leaves `range`, `definition` and `explain` out"
        ),
    )


class Parameters(Formatted):
    """The parameters of all analytics routes."""

    explain: bool = Field(default=False, description="Add the SQL, runs and versions")


class DaysParameters(Parameters):
    """The parameters of routes that cover a range of days."""

    time_range: TimeRange | None = Field(
        None,
        description=(
            "Days to the newest: 1, 7, 30 (month, default), 90, 365, or start_date to end_date"
        ),
    )
    start_date: Day | None = Field(None, description="First day")
    end_date: Day | None = Field(None, description="Last day, included")


class ChosenDays(DaysParameters):
    """The parameters of routes that cover a range of days, or without any, all that there is."""

    time_range: TimeRange | None = Field(
        None,
        description=(
            "Days to the newest: 1, 7, 30, 90, 365, or start_date to end_date; default all"
        ),
    )


class Sliced(Parameters):
    """Which rows of a short list to return; by default all."""

    limit: int | None = Field(
        None, ge=1, le=MOST_ROWS, description="Most rows to return; default all"
    )
    offset: int = Field(0, ge=0, le=10_000_000, description="Rows to leave out at the start")

    def cut(self, result: Answer, listed: str) -> Answer:
        """Return a result with these rows of one of its lists, and how many it has."""
        return cut(result, listed, self.limit, self.offset)


class SlicedOfDays(DaysParameters, Sliced):
    """Which days to cover, and which rows of a short list to return."""


class SlicedOfChosenDays(ChosenDays, Sliced):
    """Which days to cover, if any are chosen, and which rows of a short list to return."""


CHANGES_NOTHING: Final = "Accepted as by other routes"
"""How the description of a parameter starts that old clients send and an answer does not depend on.
"""
ANY_DAYS: Final = f"{CHANGES_NOTHING}; the answer is about one moment, see `definition`"


class AnyDays(Parameters):
    """Days as other routes take them, of an answer about one moment, which they do not change.

    What other routes refuse is refused here, too; `definition` says of which moment the answer is.
    """

    time_range: TimeRange | None = Field(None, description=ANY_DAYS)
    start_date: Day | None = Field(None, description=ANY_DAYS)
    end_date: Day | None = Field(None, description=ANY_DAYS)

    @model_validator(mode="after")
    def _are_days(self) -> Self:
        Period.from_range(LAST_DATE, self.time_range, self.start_date, self.end_date)
        return self


class SlicedOfAnyDays(AnyDays, Sliced):
    """Which rows to return of a short list about one moment."""


class DaysWithoutList(DaysParameters):
    """Which days to cover, of an answer that is one row."""

    limit: int | None = Field(
        None, ge=1, le=MOST_ROWS, description=f"{CHANGES_NOTHING}; here is no list"
    )


class Paged(Sliced):
    """Which rows of a long list to return."""

    limit: int = Field(100, ge=1, le=MOST_ROWS, description="Most rows to return")

    @property
    def page(self) -> Page:
        """Return the page as queries take it."""
        return Page(self.limit, self.offset)

    @property
    def most(self) -> int:
        """Return how many rows are looked at."""
        return self.offset + self.limit


class PagedDaysParameters(DaysParameters, Paged):
    """Which days to cover, and which rows of a long list to return."""


@dataclass(frozen=True)
class RequestContext:
    """One request: the published data that it reads, if there are any,
    and what its answer shares with all answers.
    """

    request: Request
    _reading: StoreReading | None
    _response: Response | None = None
    """What the headers of the answer are set on, if that is sent."""

    @property
    def reading(self) -> StoreReading:
        """Return the published data.

        Raises:
            NothingPublishedError: Nothing is published yet.
        """
        if self._reading is None:
            raise NothingPublishedError(NOTHING)
        return self._reading

    @property
    def has_reading(self) -> bool:
        """Return whether anything is published."""
        return self._reading is not None

    @property
    def currency(self) -> str:
        """Return the currency of all amounts; empty where it is unknown."""
        return self.settings.known_currency if self._reading is None else self._reading.currency

    @property
    def settings(self) -> Settings:
        """Return the settings of the API."""
        result: Settings = self.request.app.state.settings
        return result

    def do_not_keep(self) -> None:
        """Keep the answer out of every cache: it depends on the caller,
        or changes between publications.
        """
        if self._response is not None:
            if "ETag" in self._response.headers:
                del self._response.headers["ETag"]
            self._response.headers["Cache-Control"] = "no-store"

    def period(self, parameters: DaysParameters, *sources: Source) -> Period:
        """Return the requested days;
        a named range ends on the newest day that is known in all sources of the numbers.

        Sources without data do not shorten the range.
        """
        days_by_source = known_days(self.reading, sources)
        period = Period.from_range(
            self._newest(days_by_source),
            parameters.time_range,
            parameters.start_date,
            parameters.end_date,
        )
        return replace(period, known=days_by_source)

    def chosen_period(self, parameters: ChosenDays, *sources: Source) -> Period | None:
        """Return the requested days, as `period`; None if none are chosen."""
        chosen = (parameters.time_range, parameters.start_date, parameters.end_date)
        return self.period(parameters, *sources) if any(chosen) else None

    def answer(
        self,
        parameters: Parameters,
        definition: NamedValues,
        numbers: NamedValues,
        covered: Period | Source,
    ) -> Answer:
        """Return the numbers with the fields of every answer.

        Args:
            parameters: The parameters of the request.
            definition: What the numbers mean.
            numbers: The numbers by field.
            covered: The days that the numbers cover; for a state, its source, whose newest day the
                answer covers.
        """
        reading = self.reading
        return {
            "range": self._range(covered) if isinstance(covered, Period) else self._as_of(covered),
            "data_as_of": reading.newest_date,
            "data_version": reading.published.data_version,
            "currency": reading.currency or None,
            "definition": dict(definition),
            **in_currency(
                with_unknown_total(numbers)
                if isinstance(covered, Period) and covered.is_unknown
                else numbers,
                reading.currency,
            ),
            "explain": self.explained() if parameters.explain else None,
        }

    def _range(self, period: Period) -> Answer:
        return range_of(period, self.reading.timezone, self.reading.published.published_at)

    def _as_of(self, source: Source) -> Answer:
        days_by_source = known_days(self.reading, [source])
        newest = self._newest(days_by_source)
        state = self._range(Period("custom", newest, newest, days_by_source))
        state["sources"] = {
            name: days | dict.fromkeys(OF_PREVIOUS) for name, days in state["sources"].items()
        }
        return state | dict.fromkeys(
            ("time_range", "previous_start_date", "previous_end_date", *OF_PREVIOUS)
        )

    def _newest(self, days_by_source: Mapping[str, KnownDays]) -> date:
        """Return the newest day that is known in all sources that have data."""
        return min(
            (days.last for days in days_by_source.values() if days.last),
            default=self.reading.newest_date,
        )

    def explained(self) -> Answer:
        """Return the SQL of the request so far, and the runs and versions of its tables."""
        reading, address = self.reading, dagster_address(self.settings)
        return {
            "sql": reading.questions,
            "tables": [
                {
                    "table": name,
                    "dagster_url": f"{address}/assets/{name.replace('.', '/')}",
                    **reading.published.tables.get(name, {}),
                }
                for name in reading.used
            ],
        }


def refuse_repeated(request: Request) -> None:
    """Refuse a query that gives a parameter several times, of which only one would count.

    Raises:
        DefinitionError: It names the first of them.
    """
    counts = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in counts.items():
        if count > 1:
            raise DefinitionError(f"{name} is given {count} times; give it once.")


def request_context(request: Request, response: Response) -> Iterator[RequestContext]:
    """Open the published data for a request,
    or stop if the caller already has the current answer.
    """
    refuse_repeated(request)
    store: PublishedStore = request.app.state.store
    with store.reading(request.scope.get(IN_SCOPE)) as reading:
        if request.method == "GET":
            # Not for a proxy to keep: another caller may see less.
            headers = {"ETag": _etag(request, reading), "Cache-Control": "private, no-cache"}
            if is_same(
                request.headers.get("if-none-match", "").encode("latin-1"), headers["ETag"].encode()
            ):
                raise NotModifiedError(headers)
            response.headers.update(headers)
        yield RequestContext(request, reading, response)


Context = Annotated[RequestContext, Depends(request_context)]
OfDays = Annotated[DaysWithoutList, Query()]
JustSliced = Annotated[Sliced, Query()]
SlicedAnyDays = Annotated[SlicedOfAnyDays, Query()]
SlicedChosenDays = Annotated[SlicedOfChosenDays, Query()]
DaysSliced = Annotated[SlicedOfDays, Query()]


def _etag(request: Request, reading: StoreReading) -> str:
    """Return the ETag of an answer: of the data, the query, the caller's rights and the code.

    It is weak because a compressed response has other bytes. With `explain`, it also depends on the
    time of publication, because the explained runs change each time.
    """
    parameters = sorted(request.query_params.multi_items())
    published = reading.published
    source_days = sorted(
        (source, days.first, days.last, days.held, sorted(days.unknown), days.missing)
        for source, days in published.known.items()
    )
    state = [
        VERSION,
        published.data_version,
        reading.newest_date,
        source_days,
        reading.currency,
        reading.timezone,
        sorted(reading.not_recorded),
    ]
    if "explain" in request.query_params:
        state.append(published.published_at)
    path = request.url.path.removeprefix(VERSION_PREFIX)
    identity = repr([path, parameters, rights_of(request.scope), state])
    return f'W/"{hashlib.sha256(identity.encode()).hexdigest()[:32]}"'


PREVIOUS = "Of the period before; null where the data hold no day of it"
SOURCE = (
    "Where sales are counted: `orders` are order lines; `purchase_events`, where there is not a "
    "single order line, are events of type purchase and refund: each purchase is one order of one "
    "item, worth its cart_value"
)


def total_of(rows: str, example: int) -> Any:  # noqa: ANN401 (pydantic's `Field` returns `Any`)
    """Return the field with the number of rows of some days, of which an answer may list a part."""
    return Field(
        description=f"How many {rows} there are; null where no day is known", examples=[example]
    )


def row_of(
    columns: Mapping[str, Column],
    *,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    are_known: bool = True,
) -> type[BaseModel]:
    """Return a model with columns as fields, by default all; unless they are known,
    each may be null.

    Measures may be null in any case, as one may be newer than what is published.
    """
    fields: dict[str, Any] = {}
    for name in only or columns:
        column = columns[name]
        exact_type = {"money": Money, "quantity": Quantity}.get(column.shown_as)
        value_type: Any = exact_type or TYPES[column.type.partition("(")[0]]
        if column.nullable or column.may_be_unknown or not are_known:
            value_type |= None
        fields[name] = (value_type, field_of(column))
    # A contract declares its columns once: the documentation of a list follows it.
    return create_model(
        "Row", **{name: field for name, field in fields.items() if name not in without}
    )


def change_of(name: str, numbers: type[BaseModel], **examples: float) -> type[BaseModel]:
    """Return the model of the relative change of each number of a model;
    `examples` are by the name of the number.
    """
    fields: dict[str, Any] = {
        key: (
            float | None,
            Field(
                description=field.description, examples=[examples[key]] if key in examples else None
            ),
        )
        for key, field in numbers.model_fields.items()
    }
    meaning = (
        "The relative change of each number; null after a zero, or if not all days of both "
        "periods are known."
    )
    # The model of the numbers declares them once: that of their changes follows it.
    return create_model(name, __doc__=meaning, **fields)


class SoldAnswer(AnswerFields):
    """The fields of every answer about sales."""

    source: SalesSource = Field(description=SOURCE)


TYPES: Final = {
    "string": str,
    "int64": int,
    "float64": float,
    "decimal": Money,
    "boolean": bool,
    "date": date,
    "timestamp": datetime,
}
"""The types of fields by those of columns."""
MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
NOT_THE_LIST: Final = {"explain", "definition", "range", "rows", "total_count", "warnings"}
"""Fields of every answer that are not rows of its list."""
SHARES: Final = ("visit_coverage_rate", "view_coverage_rate", "category_coverage_rate")
"""Numbers of an answer that say what part of it the numbers of its list are known of: each row of
CSV has them, as nothing else of the answer goes with it.
"""
LISTS: Final = "ecom.lists"
"""The key of a request's scope with the names of its answer's lists; see `declared_lists`."""
PREFERRED: Final = ("breakdown", "stickiness", "lifecycle", "parts", "findings")
"""Lists that an answer has instead of its first one, if they have rows."""
COUNTED: Final = ("cohorts", "breakdown", "parts")
"""Lists that `total_count` counts wherever an answer has them,
even if another list has the rows of CSV.
"""
SPREAD: Final = {"steps", "cohorts", "visitors"}
"""Lists of objects inside a row that become rows per object;
other lists of objects beside them are left out.
"""
_OK: Final = 200


Rewrite = Callable[[bytes, Scope], tuple[bytes, dict[bytes, bytes]]]
"""Returns the body of a response in another form, with the headers that change."""


FILE_INSTEAD: Final = "http.response.pathsend"
"""The extension of ASGI by which an application names a file in place of a body."""
BLOCK_BYTES: Final = 256 * 1024


class FileOnce(Response):
    """A file that is sent block by block, and deleted as soon as it is open for that.

    To a server that takes files in place of bodies, such as that of a worker, its path is sent; the
    server opens it.
    """

    def __init__(self, path: Path, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send a file with these headers."""
        super().__init__()
        self.path = path
        self.raw_headers = list(headers)

    @classmethod
    def of_csv(cls, path: Path, name: str, row_count: int) -> "FileOnce":
        """Return a CSV file that a browser saves under a name; no cache keeps it."""
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(path.stat().st_size),
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
            TOTAL_HEADER: str(row_count),
        }
        return cls(path, [(key.encode(), value.encode()) for key, value in headers.items()])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (as ASGI)
        """Send the file."""
        start = {"type": "http.response.start", "status": _OK, "headers": self.raw_headers}
        if FILE_INSTEAD in (scope.get("extensions") or {}):
            await send(start)
            await send({"type": FILE_INSTEAD, "path": str(self.path)})
            return
        with self.path.open("rb") as file:
            self.path.unlink()
            await send(start)
            while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class WholeResponse:
    """The response of an ASGI application in one piece,
    and what the log and the metrics say of it.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    noted: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    """The file that is sent in place of the body, and then deleted."""

    async def send(self, message: Message) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        elif message["type"] == FILE_INSTEAD:
            self.file = message["path"]
        else:
            self.body += message.get("body", b"")

    @property
    def is_answer(self) -> bool:
        """Return whether it is successful, and JSON."""
        return self.status == _OK and dict(self.headers).get(b"content-type", b"").startswith(
            b"application/json"
        )

    def response(self) -> Response:
        """Return it to be sent."""
        if self.file:
            return FileOnce(Path(self.file), self.headers)
        response = Response(self.body, self.status)
        response.raw_headers = self.headers
        return response


CSV_ASKED: Final = ("format", "csv")
"""The parameter of a query that asks for CSV."""


def is_asked(scope: Scope, parameter: tuple[str, str]) -> bool:
    """Return whether the query of a request has a parameter with a value."""
    return parameter in parse_qsl(scope["query_string"].decode("latin-1"))


@dataclass(frozen=True)
class RewrittenAnswers:
    """ASGI middleware that rewrites JSON responses if the query has a parameter;
    error responses do not change.
    """

    app: ASGIApp
    parameter: tuple[str, str]
    rewrite: Rewrite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and rewrite the response if the query has the parameter."""
        if scope["type"] != "http" or not is_asked(scope, self.parameter):
            await self.app(scope, receive, send)
            return
        whole = WholeResponse()
        await self.app(scope, receive, whole.send)
        if whole.is_answer:
            whole.body, changed = self.rewrite(whole.body, scope)
            changed[b"content-length"] = str(len(whole.body)).encode()
            unchanged = [header for header in whole.headers if header[0] not in changed]
            whole.headers = [*unchanged, *changed.items()]
        await whole.response()(scope, receive, send)


def numbers_alone(body: bytes, _scope: Scope) -> tuple[bytes, dict[bytes, bytes]]:
    """Return an answer without the fields that say what its numbers are."""
    answer = {
        name: value for name, value in json.loads(body).items() if name not in ABOUT_THE_NUMBERS
    }
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode(), {}


def declared_lists(model: object) -> tuple[str, ...]:
    """Return the fields of an answer that are lists of objects, those of `PREFERRED` first."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ()
    names = [
        name
        for name, declared in model.model_fields.items()
        if name not in NOT_THE_LIST and _is_list_of_objects(declared.annotation)
    ]
    return tuple(sorted(names, key=lambda name: name not in PREFERRED))


def _is_list_of_objects(annotation: Any) -> bool:  # noqa: ANN401 (any type)
    if get_origin(annotation) in {Union, UnionType}:
        return any(map(_is_list_of_objects, get_args(annotation)))
    if get_origin(annotation) is not list:
        return False
    (item,) = get_args(annotation)
    item = get_origin(item) or item
    return isinstance(item, type) and issubclass(item, BaseModel | dict)


def as_csv(body: bytes, scope: Scope) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the list of an answer as CSV, and how many rows there are in a header."""
    answer = json.loads(body, parse_float=str)  # floats stay as they are written
    lists = _lists_of(scope)
    count = _total_of(answer, lists)
    total = {} if count is None else {TOTAL_HEADER.encode(): str(count).encode()}
    return csv_of(answer, lists).encode(), {b"content-type": MEDIA_TYPE.encode(), **total}


def _lists_of(scope: Scope) -> Sequence[str]:
    """Return the names of the lists that the answer to a request has."""
    declared = getattr(scope.get("route"), "response_model", None)
    return scope.get(LISTS) or declared_lists(declared)


def cells_of(answer: Row, scope: Scope) -> list[Row]:
    """Return the rows that the CSV of a request's answer has, by the names of its columns."""
    return listed_cells(answer, _lists_of(scope))


def _total_of(answer: Row, lists: Sequence[str]) -> int | None:
    """Return how many rows the list that CSV has is of as a whole; None without a list,
    and where it is not known.
    """
    name = _name_of_list(answer, lists)
    if name is None:
        return None
    counted = next((other for other in COUNTED if isinstance(answer.get(other), list)), name)
    # A list of which no page can be requested comes whole.
    total: int | None = (
        answer["total_count"] if name == counted and "total_count" in answer else len(answer[name])
    )
    return total


def csv_of(answer: Row, lists: Sequence[str]) -> str:
    """Return the list of an answer as CSV (RFC 4180) with a header line;
    an answer without a list becomes one row.

    Args:
        answer: The answer as JSON has it.
        lists: The names of its lists. The first one with rows comes if it is of `PREFERRED`, else
            the first one of the others.
    """
    rows = listed_cells(answer, lists)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not columns:
        return ""
    return _csv_text([columns, *([_text(row.get(name)) for name in columns] for row in rows)])


def listed_cells(answer: Row, lists: Sequence[str]) -> list[Row]:
    """Return the rows of `csv_of` by the names of its columns."""
    return [
        with_shares(dict(_cells(row)), answer)
        for whole in _list_of(answer, lists)
        for row in _spread(whole, answer.get("periods", ()))
    ]


def with_shares(row: Row, answer: Row) -> Row:
    """Return a row of CSV with the shares of its answer behind it."""
    return row | {name: answer[name] for name in SHARES if name in answer and name not in row}


def csv_blocks(blocks: Iterable[Sequence[Row]], columns: Sequence[str]) -> Iterator[str]:
    """Yield the CSV of a long list, as `csv_of` writes it: the header line, then each block.

    Args:
        blocks: Its rows, some at a time, as JSON has them.
        columns: The names of its cells.
    """
    yield _csv_text([columns])
    for rows in blocks:
        cells = (dict(_cells(row)) for row in rows)
        yield _csv_text([_text(row.get(name)) for name in columns] for row in cells)


def _csv_text(lines: Iterable[Sequence[str]]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file).writerows(lines)
    return file.getvalue()


def _list_of(answer: Row, lists: Sequence[str]) -> list[Row]:
    """Return the list of an answer; without one, its numbers as the only row."""
    name = _name_of_list(answer, lists)
    if name is None:
        return [{name: value for name, value in answer.items() if name not in NOT_THE_LIST}]
    rows: list[Row] = answer[name]
    return rows


def _name_of_list(answer: Row, lists: Sequence[str]) -> str | None:
    there = [name for name in lists if isinstance(answer.get(name), list)]
    is_shown = (name for name in there if answer[name] or name not in PREFERRED)
    return next(is_shown, next(iter(there), None))


def _spread(row: Row, periods: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the CSV rows for one row of the list: one per step, one per period, or the row itself.

    Periods without names in `periods` are numbered from 0, as those of a cohort.
    """
    inside = next(
        (name for name, value in row.items() if name in SPREAD and isinstance(value, list)), None
    )
    series = [
        name
        for name, value in row.items()
        if isinstance(value, list) and value and not _has_objects(value)
    ]
    if inside is not None:
        other_fields = dict(_beside(row))
        for part in row[inside]:
            yield from _spread({**other_fields, **part})
    elif series:
        other_fields = {name: value for name, value in row.items() if name not in series}
        for n in range(max(len(row[name]) for name in series)):
            period = periods[n] if n < len(periods) else n
            yield {
                **other_fields,
                "period": period,
                **{name: (row[name] + [None] * (n + 1))[n] for name in series},
            }
    else:
        yield row


def _beside(row: Row) -> Iterator[tuple[str, Any]]:
    """Yield what each of a row's parts has in common:
    several values of a breakdown have a column each, from `….1` on.

    A single value stands in `value` already.
    """
    for name, value in row.items():
        if not isinstance(value, list):
            yield name, value
        elif len(value) > 1 and not _has_objects(value):
            yield from ((f"{name}.{n}", item) for n, item in enumerate(value, 1))


def _has_objects(value: Any) -> bool:  # noqa: ANN401 (any JSON value)
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _cells(row: Row, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each cell; an object inside the row becomes a cell per value,
    named with a dot.
    """
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _cells(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _text(value: Any) -> str:  # noqa: ANN401 (any JSON value)
    """Return the text of a cell: empty for null,
    with `'` before it if a spreadsheet would run it as a formula.
    """
    if value is None:
        return ""
    if isinstance(value, bool | list):
        return json.dumps(value)
    if isinstance(value, float):
        return to_json(value).decode()  # as answers write it: 0.00002, not 2e-05
    return escaped(str(value))
