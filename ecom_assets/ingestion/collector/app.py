"""The ASGI application of the collector.

It answers when the events are on disk, and before anything can be lost.

The metrics are those of one process.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import Receive, Scope, Send

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.errors import EcomError, WorkError, system_reason
from ecom_assets.core.http_server.callers import Caller
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.collector.access import (
    RETRY_S,
    CollectRefusal,
    EventQuota,
    WriteAccess,
    key_of,
)
from ecom_assets.ingestion.collector.bodies import events_in
from ecom_assets.ingestion.collector.events import (
    CALL_TYPES,
    EventSender,
    Reader,
    call_of,
    dead_letter,
    event_in_query,
    native_event,
    taken_events,
)
from ecom_assets.ingestion.collector.refusals import EventRefusal
from ecom_assets.ingestion.collector.requests import (
    ClientLeft,
    CollectAnswer,
    CollectRequest,
    image,
    json_answer,
    library_settings,
    preflight,
    refusal_answer,
    script,
)
from ecom_assets.ingestion.collector.rights import rights_of
from ecom_assets.ingestion.collector.sealing import SealingThread
from ecom_assets.ingestion.collector.segments import (
    GroupCommit,
    OverloadError,
    SegmentEntry,
    SegmentLayout,
    SegmentWriter,
    segments_folder,
)
from ecom_assets.ingestion.collector.visitors import (
    cookie_header,
    country_lookup,
    device_of,
    kept_agent,
    kept_properties,
)
from ecom_assets.ingestion.sources.landing import make_folder

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0)


class CollectMetrics:
    """What came, what became of it, and how far the disk and the landing folder are behind."""

    def __init__(
        self, waiting_bytes: Callable[[], float], unsealed_bytes: Callable[[], float]
    ) -> None:
        """Create the metrics; the functions return sizes as they are now."""
        self.registry = registry = CollectorRegistry()
        self._seconds = Histogram(
            "ecom_collect_request_seconds",
            "Time until a request was answered",
            ("status",),
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._events = Counter("ecom_collect_events", "Events taken and durable", registry=registry)
        self._refused = Counter(
            "ecom_collect_refused_events", "Events refused", ("reason",), registry=registry
        )
        self._rejected = Counter(
            "ecom_collect_refused_requests",
            "Requests of which nothing was taken",
            ("reason",),
            registry=registry,
        )
        self._sealed = Counter(
            "ecom_collect_sealed_rows", "Rows landed", ("layout",), registry=registry
        )
        self._files = Counter(
            "ecom_collect_sealed_files", "Segments sealed", ("layout",), registry=registry
        )
        waiting = Gauge(
            "ecom_collect_waiting_bytes", "Events that wait for the disk", registry=registry
        )
        waiting.set_function(waiting_bytes)
        unsealed = Gauge(
            "ecom_collect_unsealed_bytes",
            "Durable events that could not be landed",
            registry=registry,
        )
        unsealed.set_function(unsealed_bytes)

    def answered(self, status: int, took_s: float) -> None:
        """Count a request."""
        self._seconds.labels(str(status)).observe(took_s)

    def took(self, event_count: int, refused_reasons: list[str]) -> None:
        """Count the events of a request that are durable or refused."""
        self._events.inc(event_count)
        for reason in refused_reasons:
            self._refused.labels(reason).inc()

    def refused_request(self, reason: str) -> None:
        """Count a request of which nothing was taken."""
        self._rejected.labels(reason).inc()

    def sealed(self, layout: SegmentLayout, row_count: int) -> None:
        """Count a sealed segment."""
        self._sealed.labels(layout.value).inc(row_count)
        self._files.labels(layout.value).inc()

    def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


MB: Final = 1_000_000
VERSION: Final = "/v1"
READERS: Final[Mapping[str, Reader]] = {
    "/collect": native_event,
    **{f"/{letter}": call_of(kind) for letter, kind in CALL_TYPES.items()},
    **{f"/{kind}": call_of(kind) for kind in CALL_TYPES.values()},
    **{path: call_of("") for path in ("/b", "/batch", "/import")},
}
"""What reads the events of a path; each also below /v1."""
MAX_EVENT_BYTES: Final = 32_768
"""A larger event is refused, the rest of its request is taken."""
MAX_BATCH_BYTES: Final = 512_000
"""The largest body of a request, unpacked too."""
MAX_BATCH_EVENTS: Final = 5_000
"""Events of one request; beyond it the answer is 413."""
PUBLIC_DAYS: Final = 30
"""Days before its arrival that an event of a key without the scope link may have happened; older
ones are dead letters.
"""
LIBRARY_SETTINGS: Final = re.compile(r"/projects/[^/]+/settings")
Route = Callable[[CollectRequest], Awaitable[CollectAnswer]]


class Collector:
    """Takes events over HTTP; its threads run from the start of the server to its end."""

    def __init__(self, settings: Settings, landing: Path, clock: Clock = now_utc) -> None:
        """Set where events land.

        Raises:
            EcomError: The keys or the file of countries cannot be read, or everybody could send
                events.
        """
        self.settings = settings
        self.failure: EcomError | None = None
        """Why it could not start; None if it could, or has not tried."""
        self._landing = landing
        self._clock = clock
        self._zone = ZoneInfo(settings.timezone)
        self._access = WriteAccess(settings)
        self._country_of = country_lookup(settings)
        self._quota = EventQuota(settings.collect_rate_key, settings.collect_rate_address)
        self.metrics = CollectMetrics(
            lambda: self._commits.waiting_bytes, lambda: self._sealing.unsealed_bytes
        )
        self._routes: Mapping[str, Route] = {
            "/collect.gif": self._gif,
            "/health": self._health,
            "/health/live": self._live,
            "/health/ready": self._health,
            "/metrics": self._metrics,
            "/ecom.js": script,
            "/ecom-datalayer.js": script,
        }

    def start(self) -> None:
        """Make the folders, take the segments' lock, and start the threads that write and seal.

        Raises:
            WorkError: A folder cannot be made or written.
        """
        folder = segments_folder(self.settings.home)
        try:
            make_folder(self._landing)
            self._segments = SegmentWriter(folder)
        except OSError as error:
            path = error.filename or folder
            raise WorkError(
                f"The collector cannot write {path} ({system_reason(error)}); make it a folder "
                "that may be written, or set ECOM_HOME or --events to another one."
            ) from error
        self._commits = GroupCommit(self._segments.append, self.settings.collect_waiting_mb * MB)
        self._sealing = SealingThread(
            self.settings.timezone, self._landing, self._segments, self.metrics.sealed
        )

    def stop(self) -> None:
        """Make durable what waits, seal what is durable, and free the lock."""
        self._commits.close()
        self._sealing.close()
        self._segments.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        began = time.perf_counter()
        request = CollectRequest(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientLeft:
            return
        except CollectRefusal as refusal:
            self.metrics.refused_request(refusal.reason)
            answer = refusal_answer(refusal, scope["path"])
        except Exception:
            structlog.get_logger(__name__).exception("request_failed", path=scope["path"])
            self.metrics.answered(500, time.perf_counter() - began)
            raise
        self.metrics.answered(answer.status, time.perf_counter() - began)
        await answer.send(send, request.cors())

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self.start()
        except EcomError as error:
            self.failure = error
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, request: CollectRequest) -> CollectAnswer:
        method, path = request.scope["method"], request.scope["path"]
        inner = path.removeprefix(VERSION)
        if method == "OPTIONS":
            return preflight()
        if (reader := READERS.get(inner)) is not None:
            if method != "POST":
                raise CollectRefusal(
                    HTTPStatus.METHOD_NOT_ALLOWED, "wrong_method", f"{path} takes POST."
                )
            return await self._collect(request, reader)
        route = library_settings if LIBRARY_SETTINGS.fullmatch(inner) else self._routes.get(inner)
        if route is None:
            raise CollectRefusal(HTTPStatus.NOT_FOUND, "not_found", f"There is nothing at {path}.")
        if method not in {"GET", "HEAD"}:
            raise CollectRefusal(
                HTTPStatus.METHOD_NOT_ALLOWED, "wrong_method", f"{path} takes GET."
            )
        return await route(request)

    async def _collect(self, request: CollectRequest, reader: Reader) -> CollectAnswer:
        """Take the events of a body, and answer when they are durable."""
        self._refuse_overload()
        body = await request.body(MAX_BATCH_BYTES, self.settings.collect_client_timeout_s)
        try:
            events, around = events_in(body)
        except EventRefusal as refusal:
            await self._refuse_body(request, refusal, body)
        if len(events) > MAX_BATCH_EVENTS:
            detail = (
                f"A body may have {MAX_BATCH_EVENTS:,} events; send its {len(events):,} in several."
            )
            raise CollectRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_events", detail)
        key = key_of(request.headers, {**request.query, **around})
        return await self._take(
            request, reader, events, around, await self._access.caller(key, request.site)
        )

    async def _take(
        self,
        request: CollectRequest,
        reader: Reader,
        events: list[Any],
        around: NamedValues,
        caller: Caller,
    ) -> CollectAnswer:
        self._quota.take(caller.name, request.address, max(1, len(events)))
        device_id = self._device(request, around, caller) if reader is native_event else ""
        sender = self._sender(request, caller, device_id)
        sent_at = around.get("sent_at") or around.get("sentAt")
        result = taken_events(events, reader, sent_at, sender, MAX_EVENT_BYTES)
        layout = SegmentLayout.NATIVE if reader is native_event else SegmentLayout.SEGMENT
        await self._commit(result.entries(sender.day(self._zone), layout))
        self.metrics.took(len(result.lines), result.reasons)
        body = result.answer
        if not (device_id and result.uses_device and self.settings.collect_cookie_days):
            return json_answer(body)
        is_secure = request.scope["scheme"] == "https"
        cookie = cookie_header(device_id, self.settings.collect_cookie_days, is_secure=is_secure)
        return json_answer(body, (b"set-cookie", cookie.encode()))

    async def _refuse_body(
        self, request: CollectRequest, refusal: EventRefusal, body: bytes
    ) -> NoReturn:
        """Keep a body that is not JSON as a dead letter, if its key is not in the body,
        and refuse the request.

        Raises:
            CollectRefusal: In any case.
        """
        caller = await self._access.caller(key_of(request.headers, request.query), request.site)
        self._quota.take(caller.name, request.address, 1)
        sender = self._sender(request, caller, "")
        letter = dead_letter(refusal, SegmentLayout.NATIVE, sender, body)
        await self._commit([SegmentEntry(sender.day(self._zone), SegmentLayout.REFUSED, letter)])
        raise CollectRefusal(HTTPStatus.BAD_REQUEST, refusal.reason, refusal.detail) from refusal

    async def _commit(self, entries: list[SegmentEntry]) -> None:
        if not entries:
            return
        try:
            await self._commits.commit(entries)
        except OverloadError as error:
            raise CollectRefusal(
                HTTPStatus.SERVICE_UNAVAILABLE, error.reason, str(error), RETRY_S
            ) from error

    def _refuse_overload(self) -> None:
        """Refuse events while landing is so far behind that the disk would fill."""
        if self._sealing.unsealed_bytes > self.settings.collect_unsealed_mb * MB:
            detail = "Events cannot be landed at present; send these again later."
            raise CollectRefusal(HTTPStatus.SERVICE_UNAVAILABLE, "unsealed", detail, RETRY_S)

    def _device(self, request: CollectRequest, around: NamedValues, caller: Caller) -> str:
        """Return the id of the browser that sends events of its own; empty for servers,
        and without consent.

        It is empty too for mails, and for the image by a link or from another site: whom these name
        is not who looks.
        """
        if around.get("consent") is False or not (request.origin or b"cookie" in request.headers):
            return ""
        is_image = request.scope["method"] == "GET"
        if is_image and (request.is_of_other_site or (caller.event_types and not caller.origins)):
            return ""
        return device_of(
            request.headers.get(b"cookie", b"").decode("latin-1"), around.get("device")
        )

    def _sender(self, request: CollectRequest, caller: Caller, device_id: str) -> EventSender:
        """Return what a request says of its sender; that of a server says nothing of a visitor."""
        now, is_from_page = self._clock(), request.is_from_page
        rights = rights_of(caller, is_from_page=is_from_page, most_days=PUBLIC_DAYS)
        if not is_from_page:
            return EventSender(caller.name, now, device_id, rights=rights)
        agent = kept_agent(self.settings, request.headers.get(b"user-agent", b"").decode("latin-1"))
        properties = kept_properties(
            self.settings, request.headers, request.address, self._country_of
        )
        return EventSender(caller.name, now, device_id, agent, properties, rights)

    async def _gif(self, request: CollectRequest) -> CollectAnswer:
        """Take the event in the query of an image, for mails and pages without scripts."""
        self._refuse_overload()
        key = key_of(request.headers, request.query)
        caller = await self._access.caller(key, request.site, needs_site=True)
        answer = await self._take(
            request, native_event, [event_in_query(request.query)], request.query, caller
        )
        cookies = tuple(header for header in answer.headers if header[0] == b"set-cookie")
        return replace(image(), headers=(*image().headers, *cookies))

    async def _live(self, _request: CollectRequest) -> CollectAnswer:
        return json_answer({"status": "ok"})

    async def _health(self, _request: CollectRequest) -> CollectAnswer:
        """Say whether events are taken and landed."""
        error = self._commits.recent_error() or self._sealing.last_error
        body = {
            "status": "failing" if error else "ok",
            "waiting_bytes": self._commits.waiting_bytes,
        }
        body["unsealed_bytes"] = self._sealing.unsealed_bytes
        return json_answer(body, status=HTTPStatus.SERVICE_UNAVAILABLE if error else HTTPStatus.OK)

    async def _metrics(self, request: CollectRequest) -> CollectAnswer:
        await self._access.require_reader(key_of(request.headers, {}))
        return CollectAnswer(200, self.metrics.text(), CONTENT_TYPE)
