"""A tool that answers what a test sets, over real HTTP."""

import gzip
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Say:
    """An answer."""

    status: int = 200
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()


RESET = Say(0)
"""The request is read, then the connection breaks."""
OK = Say(200, {"code": 200})
BAD = Say(400, "Bad Request")


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    def ids(self) -> list[str]:
        """Return the event ids in it, in order, whatever the tool."""
        reported = self.json
        records = reported if isinstance(reported, list) else reported["events"]
        inner = ("event_properties", "properties", "params")
        return [
            next(record[name]["event_id"] for name in inner if name in record) for record in records
        ]


@dataclass
class ScriptedTool:
    """Says what is in `script`, one after another, then `otherwise`."""

    script: list[Say] = field(default_factory=list)
    otherwise: Say = OK
    poison: frozenset[str] = frozenset()
    """Events of which a request is refused without a word which one it was."""
    heard: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""

    def answer(self, heard: ReceivedRequest) -> Say:
        """Return what comes next."""
        self.heard.append(heard)
        if self.poison and self.poison.intersection(heard.ids()):
            return BAD
        return self.script.pop(0) if self.script else self.otherwise

    def ids(self) -> list[list[str]]:
        """Return the event ids of each request."""
        return [message.ids() for message in self.heard]

    def restart(self, *script: Say, otherwise: Say = OK) -> "ScriptedTool":
        """Forget everything, and say this."""
        self.script, self.otherwise, self.poison = list(script), otherwise, frozenset()
        self.heard.clear()
        return self


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        address = urlsplit(self.path)
        heard = ReceivedRequest(
            address.path, dict(parse_qsl(address.query)), dict(self.headers), body
        )
        tool: ScriptedTool = self.server.tool  # type: ignore[attr-defined]  # set where the server is made
        result = tool.answer(heard)
        if result is RESET:
            # With nothing lingering the close is a reset, which no client can take for an answer's
            # end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        text = result.body if isinstance(result.body, str) else json.dumps(result.body or {})
        self.send_response(result.status)
        for name, value in (*result.headers, ("Content-Length", str(len(text.encode())))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def scripted_tool() -> Iterator[ScriptedTool]:
    """Serve a scripted tool on a free port."""
    tool = ScriptedTool()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a reset connection is part of the script
    server.tool = tool  # type: ignore[attr-defined]  # the handler finds it here
    tool.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield tool
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
