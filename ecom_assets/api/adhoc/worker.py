"""A process that computes ad-hoc questions, one at a time, by the same application as the server's.

It ends when a question takes too long: nothing else stops an engine that compiles a pattern, or Python.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.types import Message, Scope

from ecom_assets.api.auth.callers import CALLER
from ecom_assets.api.cache.answers import ROUTE
from ecom_assets.api.middleware.request_log import REQUEST_ID, json_lines
from ecom_assets.api.problems import REFUSED
from ecom_assets.api.store.snapshot import spill_folder
from ecom_assets.settings.settings import Settings

MakeApp = Callable[[Settings], Starlette]
NICENESS: Final = 10
"""How much lower the priority of a worker is than that of the server."""
IDLE_S: Final = 60.0
"""Seconds without a question after which a worker closes its files: newer publications replace them."""
OF_REQUEST: Final = ("type", "http_version", "method", "scheme", "path", "raw_path", "query_string", "headers",
                     "client", "server", "root_path", CALLER, REQUEST_ID)  # fmt: skip
"""The parts of an ASGI scope that a question is sent with."""
_CONTEXT: Final = get_context("forkserver")  # a fork of the server itself would have its threads' locks


@dataclass(frozen=True)
class Asked:
    """A request for an answer: its ASGI scope, as far as it can be sent, and its body."""

    scope: dict[str, Any]
    body: bytes

    @classmethod
    def of(cls, scope: Scope, body: bytes, names: tuple[str, ...]) -> "Asked":
        """Return the request of a scope, with the entries of an application that are named besides `OF_REQUEST`."""
        return cls({name: scope[name] for name in (*OF_REQUEST, *names) if name in scope}, body)


@dataclass
class Answered:
    """The whole response, and what the log and the metrics say of it."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    noted: dict[str, str] = field(default_factory=dict)

    async def send(self, message: Message) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")


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
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=work, args=(make_app, settings, theirs), daemon=True)
        try:
            self._process.start()
        except (EOFError, OSError) as error:
            self._connection.close()
            raise WorkerEndedError(is_out_of_time=False) from error
        finally:
            theirs.close()

    def ask(self, asked: Asked) -> Answered:
        """Return the answer to a question.

        Raises:
            WorkerEndedError: The process ended before the answer; the worker cannot be asked again.
        """
        try:
            self._connection.send(asked)
            answered: Answered = self._connection.recv()
        except (EOFError, OSError) as error:
            self.end()
            self._process.join()
            self._connection.close()
            shutil.rmtree(spill_folder(self._settings, self._process.pid or 0), ignore_errors=True)
            raise WorkerEndedError(is_out_of_time=self._process.exitcode == -signal.SIGALRM) from error
        return answered

    def is_alive(self) -> bool:
        """Return whether it can be asked."""
        return self._process.is_alive()

    def end(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()


def prepare(make_app: MakeApp) -> None:
    """Start the process that workers are copied from, which imports the application first; nothing waits for it."""
    _CONTEXT.set_forkserver_preload([make_app.__module__])
    forkserver.ensure_running()


def work(make_app: MakeApp, settings: Settings, connection: Connection) -> None:
    """Answer questions from a connection until it is closed: the whole life of a worker."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which lets questions finish
    app = make_app(settings)
    with json_lines(), asyncio.Runner() as runner:
        while (asked := _next(connection, app)) is not None:
            signal.setitimer(signal.ITIMER_REAL, settings.adhoc_timeout_s)  # its signal ends the process
            answer = runner.run(_answer(app, asked))
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(answer)


def _next(connection: Connection, app: Starlette) -> Asked | None:
    """Return the next question; None if the server is gone."""
    if not connection.poll(IDLE_S):
        app.state.store.close()
    try:
        asked: Asked = connection.recv()
    except EOFError:
        return None
    return asked


async def _answer(app: Starlette, asked: Asked) -> Answered:
    answered, scope = Answered(), dict(asked.scope)
    messages = [{"type": "http.request", "body": asked.body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Future()  # the client never hangs up here: the server ends the process then
        return messages.pop()

    try:
        await app(scope, receive, answered.send)
    except Exception:
        if not answered.status:
            raise
        structlog.get_logger("ecom_assets.api").exception("request_failed", request_id=scope.get(REQUEST_ID, ""))
    route = scope.get(ROUTE) or getattr(scope.get("route"), "path", "")
    answered.noted = {name: value for name, value in ((ROUTE, route), (REFUSED, scope.get(REFUSED))) if value}
    return answered
