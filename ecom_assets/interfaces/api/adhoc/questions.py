"""The middleware that has ad-hoc questions computed by workers,
so that no other request waits for them.

A worker is a process that computes one question at a time, by the same application as the server.
It ends when a question takes too long: nothing else stops an engine that compiles a pattern, or
Python.
"""

import asyncio
import os
import re
import shutil
import signal
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final

import structlog
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.http_server.addresses import counted_address
from ecom_assets.core.http_server.callers import (
    ASSISTANT,
    CALLER,
    VERSION_PREFIX,
    name_of_caller,
)
from ecom_assets.core.http_server.json_log import json_lines
from ecom_assets.core.http_server.problems import REFUSED, RequestRefusal
from ecom_assets.core.reading_child import start_server
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.cache.answers import ROUTE
from ecom_assets.interfaces.api.middleware.request_log import REQUEST_ID
from ecom_assets.interfaces.api.parameters import FILE_INSTEAD, WholeResponse
from ecom_assets.interfaces.api.people import PEOPLE
from ecom_assets.interfaces.api.store.store import spill_folder

MakeApp = Callable[[Settings], Starlette]
NICENESS: Final = 10
"""How much lower the priority of a worker is than that of the server."""
IDLE_S: Final = 60.0
"""Seconds without a question after which a worker closes its files:
newer publications replace them.
"""
OF_REQUEST: Final = (
    "type",
    "http_version",
    "method",
    "scheme",
    "path",
    "raw_path",
    "query_string",
    "headers",
    "client",
    "server",
    "root_path",
    CALLER,
    REQUEST_ID,
    ASSISTANT,
)
"""The parts of an ASGI scope that a question is sent with."""
_CONTEXT: Final = get_context(
    "forkserver"
)  # a fork of the server itself would have its threads' locks


@dataclass(frozen=True)
class AdHocRequest:
    """A request for an answer: its ASGI scope, as far as it can be sent, and its body."""

    scope: dict[str, Any]
    body: bytes

    @classmethod
    def from_request(cls, scope: Scope, body: bytes, names: tuple[str, ...]) -> "AdHocRequest":
        """Return the request of a scope,
        with the entries of an application that are named besides `OF_REQUEST`.
        """
        return cls({name: scope[name] for name in (*OF_REQUEST, *names) if name in scope}, body)


class WorkerEndedError(Exception):
    """The process ended without an answer: because the time was over, or for another reason."""

    def __init__(self, *, is_out_of_time: bool) -> None:
        super().__init__("out of time" if is_out_of_time else "ended")
        self.is_out_of_time = is_out_of_time


class Worker:
    """One process; its methods block, but for `end`."""

    def __init__(self, make_app: MakeApp, settings: Settings) -> None:
        """Start the process.

        Raises:
            WorkerEndedError: It cannot be started.
        """
        self._settings = settings
        self._connection, child_connection = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=work, args=(make_app, settings, child_connection), daemon=True
        )
        try:
            self._process.start()
        except (EOFError, OSError) as error:
            self._connection.close()
            raise WorkerEndedError(is_out_of_time=False) from error
        finally:
            child_connection.close()

    def ask(self, request: AdHocRequest) -> WholeResponse:
        """Return the answer to a question.

        Raises:
            WorkerEndedError: The process ended before the answer; the worker cannot be asked again.
        """
        try:
            self._connection.send(request)
            answered: WholeResponse = self._connection.recv()
        except (EOFError, OSError) as error:
            self.end()
            self._process.join()
            self._connection.close()
            shutil.rmtree(spill_folder(self._settings, self._process.pid or 0), ignore_errors=True)
            raise WorkerEndedError(
                is_out_of_time=self._process.exitcode == -signal.SIGALRM
            ) from error
        return answered

    def is_alive(self) -> bool:
        """Return whether it can be asked."""
        return self._process.is_alive()

    def end(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()


def prepare(make_app: MakeApp) -> None:
    """Start the process that workers are copied from, which imports the application first;
    nothing waits for it.
    """
    start_server(make_app.__module__)


def work(make_app: MakeApp, settings: Settings, connection: Connection) -> None:
    """Answer questions from a connection until it is closed: the whole life of a worker."""
    os.nice(NICENESS)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the server, which lets questions finish
    app = make_app(settings)
    with json_lines(), asyncio.Runner() as runner:
        while (request := _next(connection, app)) is not None:
            signal.setitimer(
                signal.ITIMER_REAL, settings.adhoc_timeout_s
            )  # its signal ends the process
            answer = runner.run(_answer(app, request))
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(answer)


def _next(connection: Connection, app: Starlette) -> AdHocRequest | None:
    """Return the next question; None if the server is gone."""
    if not connection.poll(IDLE_S):
        app.state.store.close()
    try:
        request: AdHocRequest = connection.recv()
    except EOFError:
        return None
    return request


async def _answer(app: Starlette, request: AdHocRequest) -> WholeResponse:
    # The server sends files itself, so that a long one does not pass through the connection.
    answered, scope = WholeResponse(), {**request.scope, "extensions": {FILE_INSTEAD: {}}}
    messages = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await (
                asyncio.Future()
            )  # the client never hangs up here: the server ends the process then
        return messages.pop()

    try:
        await app(scope, receive, answered.send)
    except Exception:
        if not answered.status:
            raise
        structlog.get_logger("ecom_assets.api").exception(
            "request_failed", request_id=scope.get(REQUEST_ID, "")
        )
    route = scope.get(ROUTE) or getattr(scope.get("route"), "path", "")
    answered.noted = {name: scope[name] for name in (REFUSED, PEOPLE) if name in scope}
    if route:
        answered.noted[ROUTE] = route
    return answered


class TooManyQuestionsError(Exception):
    """A caller has as many questions as one may have."""


class Turns:
    """The turns of one event loop."""

    def __init__(self, at_once: int, per_caller: int) -> None:
        """Set how many questions run at once, and how many of one caller may run or wait."""
        self._free = at_once
        self._most_running = max(1, at_once - 1)  # of one caller: a place is left for the others
        self._per_caller = per_caller
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Wait for the turn of a question of a caller;
        the end of the context lets the next one run.

        Raises:
            TooManyQuestionsError: The caller has too many questions that run or wait.
        """
        waiting = self._waiting.get(caller, ())
        if self._running[caller] + len(waiting) >= self._per_caller:
            raise TooManyQuestionsError
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._begin_next()
        try:
            await turn
            yield
        finally:
            self._leave(caller, turn)

    def _begin_next(self) -> None:
        for caller in list(self._waiting):
            if self._free and self._running[caller] < self._most_running:
                self._free -= 1
                self._running[caller] += 1
                self._take(caller).set_result(None)

    def _take(self, caller: str) -> asyncio.Future[None]:
        """Take the first question of a caller out of the queue,
        whose other questions then wait behind all others.
        """
        turn = self._waiting[caller].popleft()
        self._waiting.move_to_end(caller)
        self._forget_if_empty(caller)
        return turn

    def _leave(self, caller: str, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self._free += 1
            self._running[caller] -= 1
            self._running += Counter()  # drops callers without questions
            if caller in self._waiting:
                self._waiting.move_to_end(caller)
            self._begin_next()
        else:  # nobody waits for it any more
            self._waiting[caller].remove(turn)
            self._forget_if_empty(caller)

    def _forget_if_empty(self, caller: str) -> None:
        if not self._waiting[caller]:
            del self._waiting[caller]


RETRY_S = "5"
"""Seconds after which a caller with too many questions should try again."""


@dataclass(frozen=True)
class AdHoc:
    """What an application says of its ad-hoc questions.

    Attributes:
        make_app: Makes the application from the settings, in a worker.
        paths: The method and path of each question as routes write them, such as
            `GET /explain/{layer}/{table}`.
        state: The entries of the ASGI scope that the application needs.
        refuse: Returns the response of a refusal.
    """

    make_app: MakeApp
    paths: tuple[str, ...]
    state: tuple[str, ...] = ()
    refuse: Callable[[RequestRefusal, Scope], Response] = RequestRefusal.response


def question_paths(*routers: APIRouter) -> Iterator[str]:
    """Yield the method and path of each route of the API, with and without its version."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in route.methods or ():
                    yield f"{method} {route.path}"
                    yield f"{method} {VERSION_PREFIX}{route.path}"


class AdHocQuestions:
    """ASGI middleware that passes all but ad-hoc questions on."""

    def __init__(self, app: ASGIApp, ad_hoc: AdHoc, settings: Settings) -> None:
        """Wrap the app; processes are started with the first questions."""
        self._app = app
        self._ad_hoc = ad_hoc
        self._settings = settings
        self._paths = re.compile(
            "|".join(re.sub(r"\{\w+\}", "[^/]+", path) for path in ad_hoc.paths)
        )
        self._turns = Turns(settings.adhoc_at_once, settings.adhoc_per_caller)
        self._threads = ThreadPoolExecutor(
            settings.adhoc_at_once, "ad-hoc"
        )  # each waits for one worker
        self._idle: list[Worker] = []
        self._busy: list[Worker] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it by a worker."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] != "http" or not self.is_question(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._ask(scope, receive, send)

    def is_question(self, method: str, path: str) -> bool:
        """Return whether the answer to a request is computed by a worker."""
        return self._paths.fullmatch(f"{method} {path}") is not None

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(prepare, self._ad_hoc.make_app)
        try:
            await self._app(scope, receive, send)
        finally:
            for worker in (*self._idle, *self._busy):
                worker.end()
            self._threads.shutdown(wait=False)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return
        working = asyncio.ensure_future(self._response(scope, body))
        leaving = asyncio.ensure_future(_hung_up(receive))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working.result()(scope, receive, send)
        finally:
            working.cancel()
            leaving.cancel()

    async def _response(self, scope: Scope, body: bytes) -> Response:
        try:
            async with self._turns.turn(_name_of(scope)):
                answered = await self._answer(
                    AdHocRequest.from_request(scope, body, self._ad_hoc.state)
                )
        except TooManyQuestionsError:
            return self._ad_hoc.refuse(self._too_many(), scope)
        except WorkerEndedError as error:
            return self._ad_hoc.refuse(
                self._too_long() if error.is_out_of_time else _lost_question(), scope
            )
        scope.update(answered.noted)
        return answered.response()

    async def _answer(self, request: AdHocRequest) -> WholeResponse:
        loop = asyncio.get_running_loop()
        self._idle = [worker for worker in self._idle if worker.is_alive()]
        start = partial(Worker, self._ad_hoc.make_app, self._settings)
        worker = (
            self._idle.pop() if self._idle else await loop.run_in_executor(self._threads, start)
        )
        self._busy.append(worker)
        try:
            answered = await loop.run_in_executor(self._threads, worker.ask, request)
        except asyncio.CancelledError:
            worker.end()
            raise
        finally:
            self._busy.remove(worker)
        self._idle.append(worker)
        return answered

    def _too_many(self) -> RequestRefusal:
        most = self._settings.adhoc_per_caller
        detail = f"You have {most} questions that are not answered yet; wait for one of them."
        return RequestRefusal(
            HTTPStatus.TOO_MANY_REQUESTS, "too_many_questions", detail, {"retry-after": RETRY_S}
        )

    def _too_long(self) -> RequestRefusal:
        detail = (
            f"The question takes more than {self._settings.adhoc_timeout_s:g} s; ask about fewer "
            "days, or use the `ecom` command."
        )
        return RequestRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "question_too_long", detail)


def _lost_question() -> RequestRefusal:
    detail = (
        "The process that computed the answer ended; ask again, about fewer days if it happens "
        "again."
    )
    return RequestRefusal(
        HTTPStatus.SERVICE_UNAVAILABLE, "question_lost", detail, {"retry-after": RETRY_S}
    )


def _name_of(scope: Scope) -> str:
    """Return who asks: the name of a key or login, or else an address."""
    return (
        name_of_caller(scope)
        or f"address {counted_address((scope.get('client') or ('unknown',))[0])}"
    )


async def _hung_up(receive: Receive) -> None:
    """Wait until the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
