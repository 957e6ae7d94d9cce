"""A cached answer: bytes and headers, in memory within a bound, or as bytes for Redis."""

import json
from collections import OrderedDict
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]
_OVERHEAD_BYTES = 1_000
"""What an answer takes beside its body and headers, roughly."""
_LARGEST_SHARE = 8
"""An answer larger than this part of the cache is not kept: it would drive out too many others."""
_OF_NOT_MODIFIED = {b"etag", b"cache-control", b"vary", b"content-location", b"expires", b"last-modified"}
"""What a 304 repeats (RFC 9110, 15.4.5)."""


@dataclass(frozen=True)
class CachedAnswer:
    """An answer with status 200; `route` is the route's pattern, for the metrics."""

    headers: Headers
    body: bytes
    etag: bytes
    route: str

    @property
    def size(self) -> int:
        """Return about how many bytes of memory it takes."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers) + _OVERHEAD_BYTES

    def short_headers(self) -> Headers:
        """Return the headers of an answer that says that nothing changed."""
        return [one for one in self.headers if one[0] in _OF_NOT_MODIFIED]

    def to_bytes(self) -> bytes:
        """Return what Redis keeps: a line of JSON, then the body."""
        texts = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers]
        head = {"headers": texts, "etag": self.etag.decode("latin-1"), "route": self.route}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, kept: bytes) -> "CachedAnswer | None":
        """Read it back; None if it is not what we wrote."""
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
    """The answers that were asked for last, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        """Take the bound; 0 keeps nothing."""
        self._most_bytes = most_bytes
        self._answers: OrderedDict[str, CachedAnswer] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._answers)

    def get(self, key: str) -> CachedAnswer | None:
        """Return an answer, which then counts as asked for last."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Keep an answer, in place of those that were asked for longest ago."""
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
