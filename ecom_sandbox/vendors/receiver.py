"""The base of the vendor stand-ins: faults, the request log, the records,
and a clock that can be moved forward.

`GET` and `PUT /control/faults` return and set the faults, and `PUT /control/clock` moves the clock
forward. `GET /control/held` returns the numbers of records. `GET /control/paused` returns where a
request is paused, and `PUT /control/resume` ends the pause.
"""

import gzip
import io
import json
import socket
import struct
import time
import zlib
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Lock
from typing import ClassVar, Self, cast

from ecom_assets.core.errors import UsageError
from ecom_sandbox.services.service import (
    CONTROL,
    Connection,
    Service,
    ServiceRequest,
    ServiceResponse,
)
from ecom_sandbox.vendors.entries import Decision, Entry, Incoming
from ecom_sandbox.vendors.faults import (
    AS_DOCUMENTED,
    BEFORE,
    MID_BODY,
    NO_ANSWER,
    NO_FAULTS,
    FaultScript,
    ReceiverFaults,
    Step,
)
from ecom_sandbox.vendors.request_log import Received, ReceivedRequestLog, head_of, received_in


class Rates:
    """The base of a tool's rate limits: a frozen dataclass whose fields are the limits;
    None: unlimited.
    """

    @classmethod
    def none(cls) -> Self:
        """Return rates without limits."""
        return cls(**dict.fromkeys(cls.__annotations__))


class Rate:
    """A limit per key in a rolling window. Only accepted records count.

    The window moves in steps of 1/30 of its length, so a key needs only one count per step, not a
    list of its records.
    """

    STEPS = 30

    def __init__(self, most: int | None, window_s: float) -> None:
        """Allow `most` in `window_s` seconds, or any number if it is None."""
        self.most = most
        self.window_s = window_s
        self._totals: Counter[str] = Counter()
        self._steps: deque[tuple[int, Counter[str]]] = deque()

    def over(self, counts: Mapping[str, int], now_s: float) -> dict[str, int]:
        """Return the keys that would exceed the limit with these additional counts,
        with their totals in the window.
        """
        most = self.most
        if most is None:
            return {}
        self._forget(now_s)
        totals = self._totals
        return {
            key: count + totals[key]
            for key, count in counts.items()
            if count + totals.get(key, 0) > most
        }

    def add(self, counts: Mapping[str, int], now_s: float) -> None:
        """Count accepted records."""
        if self.most is None:
            return
        step = int(now_s * self.STEPS / self.window_s)
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append((step, Counter()))
        self._steps[-1][1].update(counts)
        self._totals.update(counts)

    def _forget(self, now_s: float) -> None:
        oldest = int(now_s * self.STEPS / self.window_s) - self.STEPS
        while self._steps and self._steps[0][0] <= oldest:
            for key, count in self._steps.popleft()[1].items():
                self._totals[key] -= count
                if not self._totals[key]:
                    del self._totals[key]


_RESET = struct.pack("ii", 1, 0)


class _HeadKeeper(io.BufferedReader):
    """Keeps the lines that are read, which are the head of a request."""

    head = b""

    def readline(self, size: int | None = -1) -> bytes:
        """Return the next line, and append it to `head`."""
        line = super().readline(size)
        self.head += line
        return line


class ReceiverConnection(Connection):
    """The handler of one connection."""

    def setup(self) -> None:
        """Keep the lines that are read."""
        super().setup()
        self.rfile = self.kept = _HeadKeeper(cast("io.BufferedReader", self.rfile).detach())

    def handle_one_request(self) -> None:
        """Handle a request."""
        self.kept.head = b""
        super().handle_one_request()

    def do_GET(self) -> None:  # noqa: N802 (a name that the library calls)
        """Read a request, as far as its step allows, and respond to it."""
        receiver = cast("Receiver", self.server.service)
        if self.path.startswith(CONTROL):
            super().do_GET()
            return
        step = receiver.script.next()
        if step.at == BEFORE:
            receiver.pause(step)
            if step.status == NO_ANSWER:
                self.reset()
                return
        body, is_complete = self._body(receiver, step)
        if not is_complete or (step.at == MID_BODY and step.status == NO_ANSWER):
            receiver.receive(self.request_with(body), self.kept.head, step, None)
            self.reset()
            return
        receiver.receive(self.request_with(body), self.kept.head, step, self)

    do_POST = do_PUT = do_GET  # noqa: N815 (names that the library calls)

    def _body(self, receiver: "Receiver", step: Step) -> tuple[bytes, bool]:
        """Return the body and whether it is complete; of a request that is reset in mid-body,
        only half is read.
        """
        length = int(self.headers.get("Content-Length") or 0)
        if step.at != MID_BODY:
            body = self._read(length)
            return body, len(body) == length
        body = self._read(length // 2)
        receiver.pause(step)
        if step.status != NO_ANSWER:
            body += self._read(length - len(body))
        return body, len(body) == length

    def _read(self, length: int) -> bytes:
        try:
            return self.rfile.read(length)
        except OSError:  # the client is gone, and the bytes read so far are lost
            return b""

    def reset(self) -> None:
        """Close the connection with a reset, as a failing machine does."""
        self.close_connection = True
        with socket.socket(fileno=self.connection.detach()) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


OK = 200


@dataclass(frozen=True)
class Setup:
    """The settings that all receivers have.

    port: The port to listen on; 0 means a free one. request_log: The file of its request log; None:
    nothing is written, and nothing is kept after it stops. faults: Its faults. clock: Returns its
    time, in seconds since 1970. refuses: Ids of records that it always refuses as invalid.
    """

    port: int = 0
    request_log: Path | None = None
    faults: ReceiverFaults = NO_FAULTS
    clock: Callable[[], float] = time.time
    refuses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Held:
    """The numbers of a tool's records: accepted, counted, and repeated,
    which are accepted but not counted.
    """

    taken_count: int
    counted_count: int
    repeated_count: int


class Receiver(Service):
    """A stand-in for a tool.

    It decides on one request after another, in the order of its request log.
    """

    connection_class = ReceiverConnection
    tool: ClassVar[str]
    """The name of its package in `ecom_assets/outputs/delivery/tools/`, and of its file here."""
    title: ClassVar[str]
    """The tool's name in messages."""
    default_port: ClassVar[int]
    """Its port beside the sandbox shop; the stand-ins are listed in this order."""
    takes_gzip: ClassVar[bool] = True
    repeat_window_s: ClassVar[float | None] = None
    """Seconds in which a repeated key is recognized; None: forever."""

    def __init__(self, setup: Setup | None = None) -> None:
        """Listen; with a request log, continue from the requests in it."""
        setup = setup or Setup()
        request_log = setup.request_log
        self.script, self.refuses = FaultScript(setup.faults), setup.refuses
        self.paused_at = ""
        self._resume = Event()
        self._clock, self.ahead_s = setup.clock, 0.0
        self._turn = Lock()
        self._times_by_key: dict[Hashable, float] = {}
        self._taken = self._counted = 0
        self.deleted_ids: list[str] = []
        self._request_log = ReceivedRequestLog(request_log) if request_log else None
        for received in received_in(request_log) if request_log else ():
            self._hold(self.taken_of(received), received.at_s)
        super().__init__(setup.port)

    @classmethod
    def without_rates(cls, setup: Setup) -> Self:
        """Listen, and accept any number of records."""
        return cls(setup)

    @abstractmethod
    def decide(self, incoming: Incoming) -> Decision:
        """Return the tool's response to a request, and the records that it accepts."""

    @abstractmethod
    def delete(self, incoming: Incoming) -> ServiceResponse | None:
        """Respond to a request to delete users, adding their ids to `deleted_ids`;
        None if it is another request.

        The stand-ins delete at once; the tools take days.
        """

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return the settings that make the platform deliver to it,
        by their names in `Settings`.
        """

    @abstractmethod
    def refusal(self, status: int) -> ServiceResponse:
        """Return the tool's response with this status."""

    @classmethod
    @abstractmethod
    def entries(cls, incoming: Incoming) -> Sequence[Entry]:
        """Return the records of an accepted request, including refused ones,
        in order of position.
        """

    def admit(self, incoming: Incoming, decision: Decision) -> Decision:  # noqa: ARG002 (unused by a tool without rates)
        """Apply the tool's rate limits, and return what it still accepts, or the refusal."""
        return decision

    @property
    def now_s(self) -> float:
        """Return the receiver's time, in seconds since 1970."""
        return self._clock() + self.ahead_s

    @property
    def held(self) -> Held:
        """Return the numbers of records."""
        with self._turn:
            return Held(self._taken, self._counted, self._taken - self._counted)

    def answer(self, request: ServiceRequest) -> ServiceResponse:
        """Return the tool's response and accept the records,
        as if the request had come over a connection.
        """
        answer, number = self._decide(request, head_of(request), Step(), is_complete=True)
        if self._request_log:
            self._request_log.wait(number)
        return answer

    def stop(self) -> None:
        """Stop listening, and close the request log."""
        self._resume.set()
        super().stop()
        if self._request_log:
            self._request_log.close()

    def pause(self, step: Step) -> None:
        """Pause for the step's seconds, or until `PUT /control/resume`."""
        if step.pause_s:
            self._resume.clear()
            self.paused_at = step.at
            self._resume.wait(step.pause_s)
            self.paused_at = ""

    def receive(
        self,
        request: ServiceRequest,
        head: bytes,
        step: Step,
        connection: ReceiverConnection | None,
    ) -> None:
        """Decide on a request and respond to it; without `connection` its body is incomplete,
        and only logged.
        """
        with self.counted(request.path):
            answer, number = self._decide(request, head, step, is_complete=connection is not None)
            if self._request_log:
                self._request_log.wait(number)
            if connection is None:
                return
            if step.at != "before":
                self.pause(step)
            time.sleep(step.latency_s)
            if step.status == NO_ANSWER:
                connection.reset()
            else:
                connection.send(answer)

    def _decide(
        self, request: ServiceRequest, head: bytes, step: Step, *, is_complete: bool
    ) -> tuple[ServiceResponse, int]:
        """Accept a request or not, and log it; return the response and the number for
        `ReceivedRequestLog.wait`.
        """
        is_good = step.status == AS_DOCUMENTED
        now_s = self.now_s
        decision, incoming = Decision(ServiceResponse(NO_ANSWER)), self._incoming(request, now_s)
        if is_complete and (is_good or step.takes):
            decision = self._respond(incoming) if incoming else Decision(self.refusal(400))
        with self._turn:
            if incoming and decision.entries:
                decision = self.admit(incoming, decision)
            self._hold(decision.entries, now_s)
            answer = decision.answer if is_good else self._mishap(step)
            status = answer.status if is_complete else NO_ANSWER
            raw, refused = head + request.body, decision.refused
            received = Received(
                now_s, status, is_complete, bool(decision.entries), refused, raw, len(request.body)
            )
            return answer, self._request_log.add(received) if self._request_log else 0

    def _respond(self, incoming: Incoming) -> Decision:
        deleted = self.delete(incoming) if incoming.request.method == "POST" else None
        return Decision(deleted) if deleted else self.decide(incoming)

    def _incoming(self, request: ServiceRequest, now_s: float) -> Incoming | None:
        """Return a request with its body, decompressed if the tool supports gzip;
        None if the body is damaged.
        """
        try:
            return Incoming(request, unpacked(request) if self.takes_gzip else request.body, now_s)
        except (OSError, EOFError, zlib.error):
            return None

    def _mishap(self, step: Step) -> ServiceResponse:
        if step.status == NO_ANSWER:
            return ServiceResponse(NO_ANSWER)
        answer = self.refusal(step.status)
        headers = {"Retry-After": step.retry_after} if step.retry_after else {}
        return ServiceResponse(answer.status, answer.body, {**answer.headers, **headers})

    def _hold(self, entries: Sequence[Entry], now_s: float) -> None:
        times_by_key, window_s = self._times_by_key, self.repeat_window_s
        self._taken += len(entries)
        for entry in entries:
            key = entry.key
            if key is not None:
                since = times_by_key.get(key)
                if since is not None and (window_s is None or now_s - since < window_s):
                    continue
                times_by_key[key] = now_s
            self._counted += 1

    @classmethod
    def taken_of(cls, received: Received) -> Sequence[Entry]:
        """Return the records that the tool accepted from a request in its request log."""
        if not received.is_taken:
            return ()
        request = received.request()
        entries = cls.entries(Incoming(request, unpacked(request), received.at_s))
        refused = set(received.refused)
        return (
            [entry for at, entry in enumerate(entries) if at not in refused] if refused else entries
        )

    def control(self, request: ServiceRequest) -> ServiceResponse:
        """Respond to a control request."""
        name = request.path.rpartition("/")[2]
        try:
            content = json.loads(request.body) if request.method == "PUT" and request.body else None
            if name == "faults" and content is not None:
                self.script.faults = ReceiverFaults.read(content)
            if name == "clock" and content is not None:
                self.ahead_s = float(content["ahead_s"])
        except (ValueError, TypeError, KeyError, AttributeError, UsageError) as error:
            return ServiceResponse.json({"error": str(error)}, 400)
        if name == "resume":
            self._resume.set()
        shown: dict[str, Callable[[], object]] = {
            "faults": self.script.faults.as_json,
            "clock": lambda: {"now_s": self.now_s, "ahead_s": self.ahead_s},
            "held": lambda: asdict(self.held),
            "deleted": lambda: {"asked": self.deleted_ids},
            "paused": lambda: {"at": self.paused_at},
            "resume": lambda: {"at": self.paused_at},
        }
        return ServiceResponse.json(shown[name]()) if name in shown else super().control(request)


def unpacked(request: ServiceRequest) -> bytes:
    """Return the body, decompressed if it is gzip.

    Raises:
        OSError: The header says gzip, but the body is not gzip.
        EOFError: The body is cut off.
        zlib.error: The body is damaged.
    """
    if "gzip" not in request.headers.get("content-encoding", ""):
        return request.body
    return gzip.decompress(request.body)
