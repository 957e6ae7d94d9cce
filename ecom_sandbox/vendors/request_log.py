"""The request log: every request that a stand-in has read,
saved to disk byte for byte before the response.

For each request, a line of JSON has its outcome and the number of bytes that follow: its head and
body as received.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qsl, urlencode, urlsplit

from ecom_sandbox.services.service import ServiceRequest


@dataclass(frozen=True)
class Received:
    """A request and its outcome.

    at_s: When it was received, by the receiver's clock, in seconds since 1970.
    status: The status of the response; 0: no response.
    is_complete: Whether the whole body was received.
    is_taken: Whether the tool accepted its records, except `refused`.
    refused: Positions of records that were not accepted.
    raw: Head and body as received.
    body_bytes: The size of the body in `raw`.
    """

    at_s: float
    status: int
    is_complete: bool
    is_taken: bool
    refused: Sequence[int]
    raw: bytes
    body_bytes: int

    def request(self) -> ServiceRequest:
        """Return the request as the receiver saw it."""
        head = self.raw[: len(self.raw) - self.body_bytes].decode("latin-1").split("\r\n")
        method, target, *_ = head[0].split(" ")
        parts = urlsplit(target)
        pairs = (line.partition(":") for line in head[1:] if ":" in line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = self.raw[len(self.raw) - self.body_bytes :]
        return ServiceRequest(
            method, parts.path.rstrip("/") or "/", dict(parse_qsl(parts.query)), headers, body
        )


class ReceivedRequestLog:
    """A file to which requests are appended."""

    def __init__(self, path: Path) -> None:
        """Open or create a file; an incomplete request at its end,
        from a killed receiver, is cut off.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self.path = path
        os.ftruncate(self._file, sum(size for _, size in _frames(path)))
        self._sync = Lock()
        self._written = self._synced = 0

    def add(self, received: Received) -> int:
        """Write a request without a sync, and return its number for `wait`.

        Only one thread may call this at a time.
        """
        header = {name: value for name, value in vars(received).items() if name != "raw"}
        frame = (
            json.dumps({**header, "bytes": len(received.raw)}).encode()
            + b"\n"
            + received.raw
            + b"\n"
        )
        while frame:
            frame = frame[os.write(self._file, frame) :]
        self._written += 1
        return self._written

    def wait(self, number: int) -> None:
        """Wait until the request with this number is on disk;
        one sync serves all waiting threads.
        """
        with self._sync:
            if self._synced < number:
                written = self._written
                os.fsync(self._file)
                self._synced = written

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def head_of(request: ServiceRequest) -> bytes:
    """Return the head that a request would have over a connection."""
    query = f"?{urlencode(request.query)}" if request.query else ""
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join(
        [f"{request.method} {request.path}{query} HTTP/1.1", *headers, "", ""]
    ).encode("latin-1")


def received_in(path: Path) -> Iterator[Received]:
    """Yield the requests of a request log, in the order of the receiver's decisions;
    none if it is missing.
    """
    if path.exists():
        yield from (received for received, _ in _frames(path))


def _frames(path: Path) -> Iterator[tuple[Received, int]]:
    """Yield each request and its size in the file in bytes, up to an incomplete end."""
    with path.open("rb") as file:
        while line := file.readline():
            if not line.endswith(b"\n"):
                return
            header = json.loads(line)
            size = header.pop("bytes")
            raw = file.read(size + 1)
            if len(raw) <= size:
                return
            yield Received(raw=raw[:-1], **header), len(line) + size + 1
