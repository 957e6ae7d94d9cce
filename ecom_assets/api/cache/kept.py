"""A cached answer with its form in Redis, and the cache in memory with its size limit."""

import json
from collections import OrderedDict
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]
_OVERHEAD_BYTES = 1_000
"""The approximate memory of an answer besides its body and headers."""
_LARGEST_SHARE = 8
"""The cache keeps no answer larger than its limit divided by this: it would evict too many others."""
_OF_NOT_MODIFIED = {b"etag", b"cache-control", b"vary", b"content-location", b"expires", b"last-modified"}
"""The headers that a 304 response repeats (RFC 9110, 15.4.5)."""


@dataclass(frozen=True)
class CachedAnswer:
    """A response with status 200; `route` is the pattern of its route, for the metrics."""

    headers: Headers
    body: bytes
    etag: bytes
    route: str

    @property
    def size(self) -> int:
        """Return the approximate memory that it takes, in bytes."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + _OVERHEAD_BYTES

    def short_headers(self) -> Headers:
        """Return the headers of a 304 response."""
        return [one for one in self.headers if one[0] in _OF_NOT_MODIFIED]

    def to_bytes(self) -> bytes:
        """Return the bytes for Redis: a line of JSON, then the body."""
        texts = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers]
        head = {"headers": texts, "etag": self.etag.decode("latin-1"), "route": self.route}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, kept: bytes) -> "CachedAnswer | None":
        """Return the answer from the bytes in Redis; None if `to_bytes` did not write them."""
        line, newline, body = kept.partition(b"\n")
        try:
            head = json.loads(line)
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]]
            answer = cls(headers, body, head["etag"].encode("latin-1"), str(head["route"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        length = dict(headers).get(b"content-length", b"")
        return answer if newline and length == str(len(body)).encode() else None


class AnswersInMemory:
    """The most recently used answers, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        """Set the limit; 0 keeps nothing."""
        self._most_bytes = most_bytes
        self._answers: OrderedDict[str, CachedAnswer] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Return the number of answers."""
        return len(self._answers)

    def get(self, key: str) -> CachedAnswer | None:
        """Return an answer, and mark it as the most recently used."""
        value = self._answers.get(key)
        if value is not None:
            self._answers.move_to_end(key)
        return value

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Keep an answer, and evict the least recently used ones to make room."""
        if answer.size + len(key) > self._most_bytes // _LARGEST_SHARE:
            return
        self._drop(key)
        self._answers[key] = answer
        self.bytes += answer.size + len(key)
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: str) -> None:
        dropped = self._answers.pop(key, None)
        if dropped is not None:
            self.bytes -= dropped.size + len(key)
