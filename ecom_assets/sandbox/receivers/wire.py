"""A connection to a receiver: it keeps the head as it came, and can be reset before, in and after a body.

Not here: what is answered.
"""

import io
import socket
import struct
from typing import TYPE_CHECKING, cast

from ecom_assets.sandbox.receivers.faults import BEFORE, MID_BODY, NO_ANSWER, Step
from ecom_assets.sandbox.service import CONTROL, Answer, Wire

if TYPE_CHECKING:
    from ecom_assets.sandbox.receivers.receiver import Receiver

_RESET = struct.pack("ii", 1, 0)


class _HeadKeeper(io.BufferedReader):
    """Keeps the lines that were read: of a request, these are its head."""

    head = b""

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        self.head += line
        return line


class ReceiverWire(Wire):
    """One connection."""

    def setup(self) -> None:
        """Keep what is read."""
        super().setup()
        self.rfile = self.kept = _HeadKeeper(cast("io.BufferedReader", self.rfile).detach())

    def handle_one_request(self) -> None:
        """Serve a request."""
        self.kept.head = b""
        super().handle_one_request()

    def do_GET(self) -> None:  # noqa: N802 (a name that the library calls)
        """Read a request, as far as its step allows, and have it answered."""
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
        """Return the body, and whether it is whole: all of it, but half for what is to break off in its middle."""
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
        except OSError:  # the other side is gone, and what had come with it
            return b""

    def say(self, answer: Answer) -> None:
        """Answer, and send it now."""
        self.send(answer)
        self.wfile.flush()

    def reset(self) -> None:
        """Close the connection as a machine does that fails: with a reset, not with an end."""
        self.close_connection = True
        with socket.socket(fileno=self.connection.detach()) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
