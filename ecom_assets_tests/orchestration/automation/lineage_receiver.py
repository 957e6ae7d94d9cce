"""A receiver of OpenLineage events on a real socket, which answers as a test wants."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]


@dataclass
class Receiver:
    """What arrived; `answers` are given to the next requests instead of 201,
    each after a call of `before_answer`.
    """

    url: str = ""
    events: list[Event] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    answers: list[int] = field(default_factory=list)
    before_answer: Callable[[], object] = lambda: None
    request_count: int = 0

    def named(self, name: str) -> list[Event]:
        """Return the events of a job."""
        return [event for event in self.events if event["job"]["name"] == name]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive until the test is done."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            receiver.paths.add(self.path)
            is_known = self.headers.get("Authorization") != "Bearer wrong"
            self.send_response(405 if is_known else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.request_count += 1
            receiver.before_answer()
            status = receiver.answers.pop(0) if receiver.answers else 201
            if status == 201:
                receiver.events.append(body)
            receiver.keys.add(self.headers.get("Authorization", ""))
            receiver.paths.add(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
