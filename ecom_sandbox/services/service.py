"""The base of the sandbox's stand-ins: a threaded HTTP server with faults,
which can be controlled while it runs.

`GET` and `PUT /control/faults` return and set the faults as JSON, and `GET /control/counts` returns
request counts.
"""

import base64
import json
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, RLock, Thread
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from ecom_assets.core.errors import UsageError, system_reason

HOST = "127.0.0.1"
CONTROL = "/control/"


@dataclass(frozen=True)
class ServiceRequest:
    """A request; its path has no slash at the end, and header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def login(self) -> tuple[str, str]:
        """Return user and password of basic authentication, empty if there is none."""
        try:
            user, _, password = (
                base64.b64decode(self._credentials("basic"), validate=True).decode().partition(":")
            )
        except ValueError:
            return "", ""
        return user, password

    @property
    def bearer(self) -> str:
        """Return the bearer token, empty if there is none."""
        return self._credentials("bearer")

    def _credentials(self, scheme: str) -> str:
        used_scheme, _, credentials = self.headers.get("authorization", "").partition(" ")
        return credentials if used_scheme.lower() == scheme else ""


@dataclass(frozen=True)
class ServiceResponse:
    """A response."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object, status: int = 200, **headers: str) -> "ServiceResponse":
        """Return a response with a value as JSON."""
        return cls(
            status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers}
        )


@dataclass(frozen=True)
class Counts:
    """The number of requests to a service: all, the most at the same time, and by path."""

    request_count: int
    most_at_once: int
    by_path: dict[str, int]


@dataclass
class Faults:
    """Faults of a service.

    A count such as `dropped` applies to the next requests, reports or files, and is used up.
    """

    latency_s: float = 0.0
    """Seconds before every response."""
    rate_limited: int = 0
    """Responses with status 429."""
    retry_after: str = "1"
    """The Retry-After of a 429: seconds, `date` for an HTTP date one second ahead,
    or empty for none.
    """
    server_errors: int = 0
    """Responses with status 500."""
    dropped: int = 0
    """Connections closed without a response."""
    truncated: int = 0
    """Bodies shorter than their Content-Length."""
    unfinished: int = 0
    """Bodies without a Content-Length that end early."""
    every: int = 0
    """In addition, every n-th request has one of these five faults, in turn;
    never twice in a row for one address.
    """
    shift_every: int = 0
    """After every n-th page, the first customer moves to the end,
    as in a list sorted by last change.
    """
    shift_count: int = 0
    """The number of such moves."""
    duplicated_pages: int = 0
    """Pages, from the first, that also have an older copy of their first customer."""
    conflicting_pages: int = 0
    """Pages, from the first, that also have another version of their first
    customer with the same time.
    """
    malformed_pages: int = 0
    """Pages, from the first, that also have a malformed record."""
    running_polls: int = 0
    """Polls of each report that return RUNNING."""
    failed_reports: int = 0
    empty_files: int = 0
    """Files of zero bytes."""
    short_files: int = 0
    """Files without their last row."""
    cut_files: int = 0
    """Files that end in the middle of a line, with a matching Content-Length."""

    @classmethod
    def some_of_all(cls) -> "Faults":
        """Return faults of almost every kind,
        few enough that a client with retries gets everything.
        """
        return cls(
            latency_s=0.005,
            retry_after="1",
            every=9,
            shift_every=4,
            shift_count=3,
            duplicated_pages=2,
            conflicting_pages=1,
            malformed_pages=2,
            running_polls=2,
            failed_reports=1,
            short_files=1,
            cut_files=1,
        )


Fields = TypeVar("Fields")


def read_fields(kind: type[Fields], mapping: object) -> Fields:
    """Return a dataclass whose fields are numbers, texts, or true and false, from a JSON object.

    Raises:
        UsageError: It is not an object, a name is unknown, or a value has the wrong type.
    """
    types = get_type_hints(kind)
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{mapping!r} is not an object with {', '.join(types)}.")
    for name, value in mapping.items():
        if type(value) is not types.get(name) and (types.get(name), type(value)) != (float, int):
            raise UsageError(f"{name}={value!r} is not a fault; the faults are {', '.join(types)}.")
    return kind(**mapping)


class Connection(BaseHTTPRequestHandler):
    """The handler of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # buffer, so that head and body are one packet: a second one could be delayed
    server: "_Server"

    def do_GET(self) -> None:
        """Read a request and respond to it."""
        length = int(self.headers.get("Content-Length") or 0)
        self.server.service.handle(
            self.request_with(self.rfile.read(length) if length else b""), self
        )

    do_POST = do_PUT = do_GET  # noqa: N815 (names that the library calls)

    def request_with(self, body: bytes) -> ServiceRequest:
        """Return the request, with this body."""
        parts = urlsplit(self.path)
        return ServiceRequest(
            self.command,
            parts.path.rstrip("/") or "/",
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )

    def send(self, answer: ServiceResponse, fault: str = "") -> None:
        """Send a response, or with a fault only half of its body."""
        body = answer.body[: len(answer.body) // 2] if fault else answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if fault:
            self.send_header("Connection", "close")
        if fault != "unfinished":
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(body)

    def drop(self) -> None:
        """Close the connection without a response."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Log nothing: `counts` has the number of requests."""


class Service(ABC):
    """A stand-in that listens on this machine. As a context manager, it stops on exit."""

    connection_class: ClassVar[type[Connection]] = Connection
    api_path: ClassVar[str] = ""
    """The path of the API in `api_url`."""

    def __init__(self, port: int = 0, faults: Faults | None = None) -> None:
        """Listen on `port`, or on a free port if it is 0.

        Raises:
            UsageError: The port is not available.
        """
        self.plan = FaultPlan(faults)
        self._lock, self._at_once, self._most_at_once = Lock(), 0, 0
        self._by_path: Counter[str] = Counter()
        try:
            self._server = _Server(self, port)
        except (OSError, OverflowError) as error:  # a number beyond 65535 overflows
            raise UsageError(
                f"Port {port} is not available ({system_reason(error)}); give another, or 0."
            ) from error
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def api_url(self) -> str:
        """Return the address for the platform's settings."""
        return f"{self.url}{self.api_path}"

    @property
    def faults(self) -> Faults:
        """Return the faults that are left."""
        return self.plan.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Replace the faults."""
        self.plan.faults = faults

    @property
    def counts(self) -> Counts:
        """Return the request counts since the start, or since `forget`."""
        with self._lock:
            return Counts(
                self._by_path.total(), self._most_at_once, dict(sorted(self._by_path.items()))
            )

    def forget(self) -> None:
        """Reset the request counts."""
        with self._lock:
            self._by_path.clear()
            self._most_at_once = self._at_once

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self._server.shutdown()
        self._thread.join()
        self._server.close()

    def __enter__(self) -> Self:
        """Return the service, which is already running."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @abstractmethod
    def answer(self, request: ServiceRequest) -> ServiceResponse:
        """Return the service's response without faults."""

    def handle(self, request: ServiceRequest, connection: Connection) -> None:
        """Respond to a request, or apply a fault to it."""
        if request.path.startswith(CONTROL):
            connection.send(self.control(request))
            return
        with self.counted(request.path):
            time.sleep(self.plan.faults.latency_s)
            self._send(request, connection)

    @contextmanager
    def counted(self, path: str) -> Iterator[None]:
        """Count a request, and count it as concurrent during the block."""
        with self._lock:
            self._by_path[path] += 1
            self._at_once += 1
            self._most_at_once = max(self._most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def _send(self, request: ServiceRequest, connection: Connection) -> None:
        fault = self.plan.take_for(
            f"{request.method} {request.path} {sorted(request.query.items())}"
        )
        if fault == "dropped":
            connection.drop()
        elif fault == "rate_limited":
            after = self.plan.faults.retry_after
            after = formatdate(time.time() + 1, usegmt=True) if after == "date" else after
            headers = {"Retry-After": after} if after else {}
            connection.send(ServiceResponse.json({"error": "too many requests"}, 429, **headers))
        elif fault == "server_errors":
            connection.send(ServiceResponse.json({"error": "internal error"}, 500))
        else:
            connection.send(self.answer(request), fault)

    def control(self, request: ServiceRequest) -> ServiceResponse:
        """Return the counts, or return or set the faults."""
        if request.path == f"{CONTROL}counts":
            return ServiceResponse.json(asdict(self.counts))
        if request.path != f"{CONTROL}faults":
            return ServiceResponse.json(
                {"error": "there is /control/faults and /control/counts"}, 404
            )
        if request.method == "PUT":
            try:
                self.faults = read_fields(Faults, json.loads(request.body))
            except (ValueError, TypeError, AttributeError, UsageError) as error:
                return ServiceResponse.json({"error": str(error)}, 400)
        return ServiceResponse.json(asdict(self.faults))


class _Server(ThreadingHTTPServer):
    """Keeps track of its open connections, so that it can close them."""

    request_queue_size = 128

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        super().__init__((HOST, port), service.connection_class)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (the library's types)
        """Record the connection as open, then serve it in a thread."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 (the library's types)
        """Forget the connection, and close it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (the library's types)
        """Ignore clients that disconnect early; report other errors as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Stop listening, and shut down every open connection."""
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client has closed it
                continue


KINDS = ("rate_limited", "server_errors", "dropped", "truncated", "unfinished")
"""Faults that any response can have; the field of `Faults` with the same name has their number."""


class FaultPlan:
    """Assigns faults to requests; thread-safe."""

    def __init__(self, faults: Faults | None = None) -> None:
        """Start with these faults, or none."""
        self._lock = RLock()
        self._faults = faults or Faults()
        self._requests = self._dealt = 0
        self._counts: Counter[str] = Counter()

    @property
    def faults(self) -> Faults:
        """Return the faults that are left."""
        with self._lock:
            return replace(self._faults)

    @faults.setter
    def faults(self, faults: Faults) -> None:
        """Replace the faults, and reset the counts of requests."""
        with self._lock:
            self._faults = replace(faults)
            self._requests = self._dealt = 0
            self._counts.clear()

    def take(self, *kinds: str) -> str:
        """Use up one of the faults of these kinds, and return its kind; empty if none is left."""
        with self._lock:
            for kind in kinds:
                left = getattr(self._faults, kind)
                if left > 0:
                    setattr(self._faults, kind, left - 1)
                    return kind
            return ""

    def take_for(self, address: str) -> str:
        """Return the fault of a request for an address; empty if none."""
        with self._lock:
            self._requests += 1
            self._counts[address] += 1
            if kind := self.take(*KINDS):
                return kind
            is_hit = self._faults.every > 0 and self._requests % self._faults.every == 0
            if not is_hit or self._counts[address] % 2 == 0:
                return ""
            self._dealt += 1
            return KINDS[(self._dealt - 1) % len(KINDS)]
