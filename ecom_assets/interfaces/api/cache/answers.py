"""The cache of answers, in memory or in Redis.

The key of an answer has everything that it depends on: the data, the code, what the caller may do,
the question, and the encoding.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.core.errors import SettingError
from ecom_assets.core.http_server.callers import ASSISTANT, rights_of
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.interfaces.api.streams import is_stream

Headers = list[tuple[bytes, bytes]]
_OVERHEAD_BYTES = 1_000
"""The approximate memory of an answer besides its body and headers."""
_LARGEST_SHARE = 8
"""The cache keeps no answer larger than its limit divided by this: it would evict too many others.
"""
_OF_NOT_MODIFIED = {
    b"etag",
    b"cache-control",
    b"vary",
    b"content-location",
    b"expires",
    b"last-modified",
}
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
        return (
            len(self.body)
            + sum(len(name) + len(value) for name, value in self.headers)
            + _OVERHEAD_BYTES
        )

    def short_headers(self) -> Headers:
        """Return the headers of a 304 response."""
        return [header for header in self.headers if header[0] in _OF_NOT_MODIFIED]

    def to_bytes(self) -> bytes:
        """Return the bytes for Redis: a line of JSON, then the body."""
        texts = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers]
        head = {"headers": texts, "etag": self.etag.decode("latin-1"), "route": self.route}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, serialized: bytes) -> "CachedAnswer | None":
        """Return the answer from the bytes in Redis; None if `to_bytes` did not write them."""
        line, newline, body = serialized.partition(b"\n")
        try:
            head = json.loads(line)
            headers = [
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]
            ]
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


PREFIX = "ecom:answer:"
LIFETIME_S = 86_400
"""Redis deletes answers after this many seconds, because nobody requests answers from old data."""
_log = structlog.get_logger("ecom_assets.api")


class RedisAnswers:
    """Answers in Redis. A read that fails, or takes too long, counts as a missing answer."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Set the URL, without connecting yet.

        Raises:
            SettingError: The URL is not one of Redis, or the extra `redis` is not installed.
        """
        with packages_of("redis", "A cache in Redis"):
            from redis.asyncio import Redis  # noqa: PLC0415 (needed only with ECOM_REDIS_URL)
        try:
            self._redis = Redis.from_url(
                url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=None
            )
        except ValueError as error:  # its text may contain the password
            raise SettingError(
                "ECOM_REDIS_URL is not an address of Redis; write redis://:password@host:6379/0, "
                "or rediss:// for TLS."
            ) from error
        self._has_failed = False

    async def get(self, key: str) -> CachedAnswer | None:
        """Return an answer; None if there is none, or if Redis does not respond in time."""
        stored = await self._tried(self._redis.get(_name(key)))
        return CachedAnswer.from_bytes(stored) if isinstance(stored, bytes) else None

    async def put(self, key: str, answer: CachedAnswer) -> None:
        """Store an answer."""
        await self._tried(self._redis.set(_name(key), answer.to_bytes(), ex=LIFETIME_S))

    async def close(self) -> None:
        """Close the connection."""
        await self._tried(self._redis.aclose())

    async def _tried(self, call: Awaitable[Any]) -> Any:  # noqa: ANN401 (whatever Redis returns)
        """Return the result of a call, or None if it fails; the first failure is logged."""
        try:
            result = await call
        except Exception as error:  # noqa: BLE001 (whatever fails, the answer is computed instead)
            if not self._has_failed:
                # The text of the error may contain the URL with its password.
                _log.warning("redis_does_not_answer", error=type(error).__name__)
            self._has_failed = True
            return None
        self._has_failed = False
        return result


def redis_trouble(url: str) -> str:
    """Return a message if Redis does not respond; empty if it responds.

    Raises:
        SettingError: The packages of the extra `redis` are not installed.
    """
    with packages_of("redis", "A cache in Redis"):
        from redis import Redis  # noqa: PLC0415 (as above)
    try:
        with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except Exception as error:  # noqa: BLE001 (only its type is returned: the text may contain the password)
        return f"Redis at ECOM_REDIS_URL does not answer ({type(error).__name__})"
    return ""


def _name(key: str) -> str:
    return PREFIX + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


CACHE, ROUTE = "ecom.cache", "ecom.route"
"""The keys in the ASGI scope with the result of the cache look-up,
and with the pattern of the route.
"""
_PACKED = "ecom.accept_encoding"
_KNOWN_TO_VARY = {b"accept-encoding"}
_OF_THE_REQUEST = {b"x-request-id", b"date", b"server", b"connection"}
"""Headers that belong to one request, so they are not cached."""
_OK = 200
RELEASE: Final = version_of("ecom-assets")
"""The version of the code: processes of two releases can share a Redis."""


@dataclass(frozen=True)
class AnswerCache:
    """ASGI middleware that caches responses to GET requests,
    if they have an ETag and may be stored.

    `version` returns the version of the app's data, or an empty string if there are none.
    """

    app: ASGIApp
    version: Callable[[], Awaitable[str]]
    memory: AnswersInMemory
    redis: RedisAnswers | None = None
    _in_progress: dict[str, "asyncio.Future[None]"] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a cached response, or pass the request on and cache the response."""
        if scope["type"] != "http" or scope["method"] != "GET" or is_stream(scope):
            await self.app(scope, receive, send)
            return
        version = await self.version()
        if_none_match, key = _read(scope), key_of(scope, version)
        if not version:
            await self.app(scope, receive, send)
            return
        if (answer := self.memory.get(key)) is not None:
            await _send_cached(answer, "hit", if_none_match, scope, send)
        else:
            await self._find_or_make(key, if_none_match, scope, receive, send)

    async def _find_or_make(
        self, key: str, if_none_match: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        # Once new data are published, many clients ask the same at once, and one computation serves
        # them all. If its answer is not cached, such as an error, the next of them computes it, and
        # the others wait again.
        while (other := self._in_progress.get(key)) is not None:
            await asyncio.shield(other)
            if (answer := self.memory.get(key)) is not None:
                await _send_cached(answer, "hit", if_none_match, scope, send)
                return
        ended = self._in_progress[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await self.redis.get(key) if self.redis else None
            if answer is not None:
                self.memory.put(key, answer)
                await _send_cached(answer, "shared", if_none_match, scope, send)
            else:
                await self._make(key, scope, receive, send)
        finally:
            del self._in_progress[key]
            ended.set_result(None)

    async def _make(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        # The app sees only the encoding in the key, so a client without gzip never gets a
        # compressed response.
        other_headers = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        scope["headers"] = [*other_headers, (b"accept-encoding", scope[_PACKED])]
        recording = _Recording(send)
        await self.app(scope, receive, recording.send)
        answer = recording.answer(getattr(scope.get("route"), "path", ""))
        if answer is not None:
            scope[CACHE] = "miss"
            self.memory.put(key, answer)
            if self.redis:  # the client has its answer already
                await self.redis.put(key, answer)


@dataclass
class _Recording:
    """Passes a response on and keeps a copy."""

    pass_on: Send
    _headers: Headers = field(default_factory=list)
    _body: list[bytes] = field(default_factory=list)
    _is_whole: bool = False
    _may_be_kept: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._headers = [
                header for header in message["headers"] if header[0] not in _OF_THE_REQUEST
            ]
            self._may_be_kept = message["status"] == _OK and _may_be_kept(dict(self._headers))
        elif message["type"] == "http.response.body" and self._may_be_kept:
            self._body.append(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
        await self.pass_on(message)

    def answer(self, route: str) -> CachedAnswer | None:
        """Return the copy if it is complete and may be cached, else None."""
        if not (self._may_be_kept and self._is_whole):
            return None
        body = b"".join(self._body)
        headers = [header for header in self._headers if header[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        return CachedAnswer(headers, body, dict(headers)[b"etag"], route)


def key_of(scope: Scope, version: str) -> str:
    """Return the key of the answer to a request: two requests with one key have one answer.

    Args:
        scope: The request, read by `_read`, with its caller if keys are used.
        version: The version of the data.
    """
    query = scope["query_string"].decode("latin-1")
    asked = [scope["path"], query, scope[_PACKED].decode(), ASSISTANT in scope]
    return repr([version, RELEASE, rights_of(scope), *asked])


def _read(scope: Scope) -> bytes:
    """Return the request's If-None-Match header, and note the encoding of its answer."""
    packed, if_none_match = b"identity", b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding" and takes_gzip(value):
            packed = b"gzip"
        elif name == b"if-none-match":
            if_none_match = value
    scope[_PACKED] = packed
    return if_none_match


def takes_gzip(accepted: bytes) -> bool:
    """Return whether an Accept-Encoding header accepts gzip (RFC 9110, 12.5.3)."""
    if b";" not in accepted:
        return b"gzip" in accepted
    for part in accepted.lower().split(b","):
        name, _, weight = part.replace(b" ", b"").partition(b";q=")
        if name == b"gzip":
            return weight.strip(b"0.") != b"" or weight == b""
    return False


def _may_be_kept(headers: dict[bytes, bytes]) -> bool:
    varies = {
        name.strip().lower() for name in headers.get(b"vary", b"").split(b",") if name.strip()
    }
    is_private = b"set-cookie" in headers or b"no-store" in headers.get(b"cache-control", b"")
    return b"etag" in headers and varies <= _KNOWN_TO_VARY and not is_private


async def _send_cached(
    answer: CachedAnswer, outcome: str, if_none_match: bytes, scope: Scope, send: Send
) -> None:
    """Send a cached answer, or 304 if the client has it; `outcome` is that of the look-up,
    for log and metrics.
    """
    scope[CACHE], scope[ROUTE] = outcome, answer.route
    is_known = bool(if_none_match) and is_same(if_none_match, answer.etag)
    status, headers = (304, answer.short_headers()) if is_known else (_OK, answer.headers)
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"" if is_known else answer.body})


def is_same(if_none_match: bytes, etag: bytes) -> bool:
    """Return whether an If-None-Match header names an ETag,
    in weak comparison (RFC 9110, 13.1.2).
    """
    tags = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return b"*" in tags or etag.removeprefix(b"W/") in tags
