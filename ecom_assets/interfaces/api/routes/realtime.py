"""The real-time route: the last minutes, from the newest events."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ecom_assets.behaviour.events.realtime import RealTimeRule
from ecom_assets.behaviour.questions.answer import (
    CURRENCY,
    Explained,
    Money,
    definition_of,
    may_lack_what_is_about_numbers,
    number,
)
from ecom_assets.commerce.sales.contracts import Item
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import DeliveryError, EcomError, SettingError, SourceError
from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.erased_people import ErasedPeople
from ecom_assets.interfaces.api.parameters import MOST_ROWS, AnyDays, refuse_repeated
from ecom_assets.interfaces.api.problems import documented
from ecom_assets.interfaces.api.store.store import (
    NothingPublishedError,
    PublishedStore,
    PublishedTables,
    StoreReading,
    UnreadableError,
)
from ecom_assets.interfaces.api.streams import STREAM
from ecom_assets.orchestration.automation.ui_address import dagster_address
from ecom_assets.orchestration.rules import daily_funnels
from ecom_assets.outputs.serving.earlier_links import PublishedLinks
from ecom_assets.outputs.serving.live_events import MOST_BYTES
from ecom_assets.outputs.serving.realtime import RealTime

_log = logging.getLogger(__name__)
router = APIRouter(tags=["real time"])
READ_EVERY_S: Final = 0.9
"""The minimum number of seconds between two reads of the events, however many requests there are.
"""
STREAM_EVERY_S: Final = 1.0
"""The number of seconds between two messages of a stream, at least."""
HEARTBEAT_S: Final = 10.0
"""The number of seconds after which a stream without news sends a comment,
so that no proxy takes it for dead.
"""
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""What keeps proxies from storing a stream, and nginx from holding its messages back."""
RULE: Final = RealTimeRule(top_product_count=MOST_ROWS)
"""All that a request may ask for is read, once for all requests."""
UNREADABLE: Final = (
    "Real time reads the newest events of ECOM_EVENTS, and what it names cannot be read where the "
    "API runs; set it there to the folder that events land in, or to their table. The log of the "
    "API says what is wrong."
)

DEFINED: Final = (
    "event_count",
    "visitor_count",
    "open_cart_count",
    "purchase_count",
    "revenue_amount",
    "top_products",
    "top_pages",
    "minutes",
    "funnel",
    "lag_s",
)
"""The fields that `definition` explains."""
NO_LIST: Final = (
    "Real time leaves erased people out, and their list beside the ledger of deliveries, or its "
    "key, cannot be read where the API runs. The log of the API says what is wrong."
)


class ProductNow(BaseModel):
    """A product that visitors viewed, added to a cart or bought in a window."""

    product_id: str = Field(title="Product", description="The product", examples=["sku-17"])
    product_name: str | None = Field(
        title="Name", description="Its name, where an order line has it"
    )
    visitor_count: int = number("Visitors", "count", "Visitors who viewed, added or bought it")
    view_count: int | None = number("Views", "count", "Times it was viewed")
    add_to_cart_count: int | None = number("Into carts", "count", "Times it was put into a cart")
    purchase_count: int | None = number("Purchases", "count", "Times it was bought")


class PageNow(BaseModel):
    """A page that visitors were on in a window."""

    page: str = Field(
        title="Page", description="Its path, without host and query", examples=["/boots"]
    )
    visitor_count: int = number("Visitors", "count", "Visitors with an event on it")
    view_count: int = number("Views", "count", "Times it was viewed")


class MinuteNow(BaseModel):
    """A minute of the clock."""

    start_at: datetime = Field(description="Its beginning in UTC")
    event_count: int = number("Events", "count", "Events")
    events_by_type: dict[str, int] = Field(
        description="Events of each type", examples=[{"page_view": 4}]
    )


class StepNow(BaseModel):
    """A step of the funnel of the last hour."""

    step: int = Field(description="Its place, from 1")
    event_type: str = Field(title="Step", description="Its event type", examples=["page_view"])
    visitor_count: int = number("Visitors", "count", "Visitors who took it, after those before it")
    from_start_rate: float | None = number("Share", "rate", "Share of those at step 1")


class FunnelNow(BaseModel):
    """The funnel of the last hour: the first daily funnel, by visitor."""

    minutes: int = Field(description="The length of its window, which ends now", examples=[60])
    steps: list[StepNow] = Field(description="Its steps, without optional ones")


class Window(BaseModel):
    """A window of minutes that ends now."""

    minutes: int = Field(description="Its length", examples=[5])
    start_at: datetime = Field(description="Its beginning in UTC, not included")
    end_at: datetime = Field(description="Its end in UTC, included")
    event_count: int = number(
        "Events",
        "count",
        (
            "Clean events later than so many minutes ago, of files that changed lately or of the "
            "table's newest rows, each event once"
        ),
    )
    visitor_count: int = number("Visitors", "count", "Visitors with an event")
    open_cart_count: int | None = number(
        "Open carts",
        "count",
        "Visitors who put something into a cart after their last purchase, within the window",
    )
    purchase_count: int | None = number("Purchases", "count", "Purchase events")
    revenue_amount: Money | None = number("Revenue", "money", "Sum of their amounts")
    events_by_type: dict[str, int] = Field(
        description="Events of each type", examples=[{"page_view": 40}]
    )
    top_products: list[ProductNow] = Field(
        description="Those that most visitors viewed, put into a cart or bought"
    )
    top_pages: list[PageNow] = Field(description="Those that most visitors had an event on")


class MinutesCovered(BaseModel):
    """The time that an answer covers."""

    start_at: datetime = Field(description="Beginning of the longest window, in UTC")
    end_at: datetime = Field(description="Now, in UTC")
    timezone: str = Field(description="The zone of these instants", examples=["UTC"])


class RealTimeParameters(AnyDays):
    """How many products and pages of each window to return."""

    limit: int = Field(
        10, ge=1, le=MOST_ROWS, description="Most products, and pages, of a window to return"
    )


class RealTimeAnswer(BaseModel):
    """The numbers of the last minutes."""

    model_config = ConfigDict(json_schema_extra=may_lack_what_is_about_numbers)

    range: MinutesCovered = Field(description="The time that the answer covers")
    data_as_of: datetime | None = Field(
        description="The newest event in UTC; null where no file changed lately"
    )
    lag_s: float | None = Field(
        description="Seconds from the newest event to now; null where nothing came lately"
    )
    currency: str | None = Field(description=CURRENCY, examples=["EUR"])
    definition: dict[str, Any] = Field(description="What the numbers mean")
    windows: list[Window] = Field(description="The last 5 and the last 30 minutes")
    minutes: list[MinuteNow] = Field(
        description="Events of the last 30 minutes of the clock in UTC; the last minute is that "
        "of now, and not over"
    )
    funnel: FunnelNow = Field(
        description="Visitors of the last hour who took the steps of the first daily funnel in "
        "its order within it"
    )
    newest_file_at: datetime | None = Field(
        description="When the newest landing file changed, in UTC"
    )
    files_read: int = Field(
        description="Files that changed lately and whose events are in the numbers"
    )
    files_left_out: int = Field(
        description="Files that changed lately and that the next answers "
        "read, as too much came at once"
    )
    files_unreadable: int = Field(
        description="Files that could not be read, as they may still be being written"
    )
    explain: Explained | None = Field(
        None, description="Where the numbers come from, with `explain=true`"
    )


class RecentReading:
    """The last numbers, cached for `READ_EVERY_S` seconds; one request reads,
    and the others wait for it.
    """

    def __init__(self, settings: Settings, store: PublishedStore) -> None:
        """Start without numbers; products have the names that are published in the store."""
        self._settings = settings
        self._lock = threading.Lock()
        self._read_at = -float("inf")
        self._numbers: Answer = {}
        self._reader: RealTime | None = None
        self._store = store
        self._names = ItemNames(store)

    def newest(self) -> Answer:
        """Return the cached numbers, or read them if they are too old."""
        with self._lock:
            if time.monotonic() - self._read_at > READ_EVERY_S:
                if self._reader is None:
                    self._reader = RealTime(
                        self._settings, RULE, daily_funnels(self._settings)[0].funnel
                    )
                numbers = self._read(self._reader)
                self._names.add_to(
                    [row for window in numbers["windows"] for row in window["top_products"]]
                )
                self._numbers = numbers
                self._read_at = time.monotonic()
            return self._numbers

    def _read(self, reader: RealTime) -> Answer:
        erased_people = ErasedPeople(self._settings, is_reader=True)
        with ExitStack() as stack:
            published = None
            with suppress(NothingPublishedError):
                reading = stack.enter_context(self._store.reading())
                published = PublishedLinks(
                    reading.published.published_at, partial(_opened_tables, reading)
                )
            return reader.numbers(now_utc(), erased_people, published)

    def close(self) -> None:
        """Forget the events."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None


@contextmanager
def _opened_tables(reading: StoreReading) -> Iterator[PublishedTables]:
    with reading.adhoc() as con:
        yield PublishedTables(reading, con)


class ItemNames:
    """The names of products, by what is published."""

    def __init__(self, store: PublishedStore) -> None:
        """Take the store; it is read for products that were not asked for
        since the last publication.
        """
        self._store = store
        self._published_at: datetime | None = None
        self._names: dict[str, str | None] = {}

    def add_to(self, rows: list[Row]) -> None:
        """Add `product_name` to rows with a `product_id`; null where no order line has it,
        or nothing is published.
        """
        try:
            with self._store.reading() as reading:
                self._look_up({row["product_id"] for row in rows}, reading)
        except EcomError:  # real time needs nothing that is published
            self._names = {}
        for row in rows:
            row["product_name"] = self._names.get(row["product_id"])

    def _look_up(self, ids: set[str], reading: StoreReading) -> None:
        if self._published_at != reading.published.published_at:
            self._published_at, self._names = reading.published.published_at, {}
        unknown = sorted(ids - self._names.keys())
        if unknown and Item.qualified_name() in reading.published.tables:
            items = reading.table(Item)
            rows = reading.rows(
                items.filter(items.item_id.isin(unknown)).select("item_id", "item_name")
            )
            self._names |= dict.fromkeys(unknown) | {
                row["item_id"]: row["item_name"] for row in rows
            }


@router.get(
    "/analytics/realtime",
    dependencies=[Depends(refuse_repeated)],
    response_model=RealTimeAnswer,
    responses=documented(409),
    summary="The last 5 and 30 minutes",
)
def realtime(
    request: Request, response: Response, parameters: Annotated[RealTimeParameters, Query()]
) -> Answer:
    """Return the events, visitors, open carts, purchases, revenue and products of the last minutes,
    with their lag.
    """
    response.headers["Cache-Control"] = "no-store"
    try:
        result = request.app.state.recent_reading.newest()
    except (DeliveryError, SettingError) as error:  # with erased people in it, no number is shown
        raise UnreadableError(NO_LIST) from error
    except SourceError as error:
        raise UnreadableError(UNREADABLE) from error
    settings = request.app.state.settings
    table = {"table": "raw.events", "dagster_url": f"{dagster_address(settings)}/assets/raw/events"}
    longest, rule = result["windows"][-1], replace(RULE, top_product_count=parameters.limit)
    windows = [
        {
            **window,
            **{name: window[name][: parameters.limit] for name in ("top_products", "top_pages")},
        }
        for window in result["windows"]
    ]
    return {
        **result,
        "windows": windows,
        "definition": {
            **definition_of(RealTimeAnswer, *DEFINED),
            "time_range": "Numbers are of the last minutes, whatever days are asked for",
            "rule": asdict(rule),
            "most_bytes": MOST_BYTES,
        },
        "range": {"start_at": longest["start_at"], "end_at": longest["end_at"], "timezone": "UTC"},
        "data_as_of": result["newest_event_at"],
        "currency": settings.known_currency or None,
        "explain": {"sql": result["questions"], "tables": [table]} if parameters.explain else None,
    }


@router.get(STREAM, include_in_schema=False, dependencies=[Depends(refuse_repeated)])
async def realtime_stream(
    request: Request, parameters: Annotated[RealTimeParameters, Query()]
) -> Response:
    """Return the same document as a stream of server-sent events:
    one whenever its numbers change.
    """
    first = await run_in_threadpool(_document, request, parameters)  # an error has its own status
    return StreamingResponse(
        _messages(request, parameters, first),
        media_type="text/event-stream",
        headers=STREAM_HEADERS,
    )


async def _messages(
    request: Request, parameters: RealTimeParameters, document: Answer
) -> AsyncIterator[str]:
    shown, sent_at = "", time.monotonic()
    while True:
        numbers = _numbers(document)
        if numbers != shown:
            yield f"event: realtime\ndata: {json_text(document)}\n\n"
            shown, sent_at = numbers, time.monotonic()
        elif time.monotonic() - sent_at >= HEARTBEAT_S:
            yield ": still here\n\n"
            sent_at = time.monotonic()
        await asyncio.sleep(STREAM_EVERY_S)
        try:
            document = await run_in_threadpool(_document, request, parameters)
        except UnreadableError as error:  # the next reading tries again
            _log.warning("Real time could not be read: %s", error)


def _document(request: Request, parameters: RealTimeParameters) -> Answer:
    document = RealTimeAnswer.model_validate(realtime(request, Response(), parameters))
    return document.model_dump(mode="json", exclude={} if parameters.explain else {"explain"})


def _numbers(document: Answer) -> str:
    """Return what makes a document worth sending: all but the instants that pass by themselves."""
    windows = [{**window, "start_at": None, "end_at": None} for window in document["windows"]]
    return json_text([windows, document["minutes"], document["funnel"], document["data_as_of"]])
