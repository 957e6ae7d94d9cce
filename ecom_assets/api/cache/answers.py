"""The cache of answers: each is kept by the version of the data that it was computed from.

New data have a new version, so nothing is ever invalidated and nothing old is given. Answers are kept in memory
(`api/cache/kept.py`) or in Redis (`api/cache/redis.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.api.cache.kept import AnswersInMemory, CachedAnswer, Headers
from ecom_assets.api.cache.redis import RedisAnswers

CACHE, ROUTE = "ecom.cache", "ecom.route"
"""Where a request's scope says what the cache did, and the pattern of its route."""
_PACKED = "ecom.accept_encoding"
_KNOWN_TO_VARY = {b"accept-encoding"}
_OF_THE_REQUEST = {b"x-request-id", b"date", b"server", b"connection"}
"""Headers that belong to one request, not to an answer."""
_OK = 200


class AnswerCache:
    """ASGI middleware that keeps answers to GET that carry an ETag and may be stored."""

    def __init__(
        self,
        app: ASGIApp,
        version: Callable[[], Awaitable[str]],
        memory: AnswersInMemory,
        redis: RedisAnswers | None = None,
    ) -> None:
        """Take the app, what tells the version of its data (empty where there are none), and where answers are kept."""
        self._app = app
        self._version = version
        self._memory = memory
        self._redis = redis
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a kept answer, or have one made."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        version = await self._version()
        asked, key = _read(scope, version)
        if not version:
            await self._app(scope, receive, send)
            return
        found = self._memory.get(key)
        if found is not None:
            scope[CACHE] = "hit"
            await _give(found, asked, scope, send)
        else:
            await self._find_or_make(key, asked, scope, receive, send)

    async def _find_or_make(self, key: str, asked: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        while (other := self._under_way.get(key)) is not None:  # many ask the same at once: one is computed
            await asyncio.shield(other)
            if (found := self._memory.get(key)) is not None:
                scope[CACHE] = "hit"
                await _give(found, asked, scope, send)
                return
        ended = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            found = await self._redis.get(key) if self._redis else None
            if found is not None:
                self._memory.put(key, found)
                scope[CACHE] = "shared"
                await _give(found, asked, scope, send)
            else:
                await self._make(key, scope, receive, send)
        finally:
            del self._under_way[key]
            ended.set_result(None)

    async def _make(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        # The app is told just what the key says, so that one who takes no gzip is never given another's.
        others = [one for one in scope["headers"] if one[0] != b"accept-encoding"]
        scope["headers"] = [*others, (b"accept-encoding", scope[_PACKED])]
        kept = _Recording(send)
        await self._app(scope, receive, kept.send)
        answer = kept.answer(getattr(scope.get("route"), "path", ""))
        if answer is not None:
            scope[CACHE] = "miss"
            self._memory.put(key, answer)
            if self._redis:
                self._redis.put(key, answer)


class _Recording:
    """Passes an answer on and keeps a copy."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._is_whole = False
        self._may_be_kept = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._headers = [one for one in message["headers"] if one[0] not in _OF_THE_REQUEST]
            self._may_be_kept = message["status"] == _OK and _may_be_kept(dict(self._headers))
        elif message["type"] == "http.response.body" and self._may_be_kept:
            self._body.append(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
        await self._send(message)

    def answer(self, route: str) -> CachedAnswer | None:
        """Return the copy, if it is whole and may be kept."""
        if not (self._may_be_kept and self._is_whole):
            return None
        body = b"".join(self._body)
        headers = [one for one in self._headers if one[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        return CachedAnswer(headers, body, dict(headers)[b"etag"], route)


def _read(scope: Scope, version: str) -> tuple[bytes, str]:
    """Return the request's If-None-Match, and the key of its answer."""
    packed, asked = b"identity", b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding" and takes_gzip(value):
            packed = b"gzip"
        elif name == b"if-none-match":
            asked = value
    scope[_PACKED] = packed
    query = scope["query_string"].decode("latin-1")
    return asked, "\n".join((version, scope["path"], query, packed.decode()))


def takes_gzip(accepted: bytes) -> bool:
    """Tell whether an Accept-Encoding takes gzip (RFC 9110, 12.5.3)."""
    if b";" not in accepted:
        return b"gzip" in accepted
    for part in accepted.lower().split(b","):
        name, _, weight = part.replace(b" ", b"").partition(b";q=")
        if name == b"gzip":
            return weight.strip(b"0.") != b"" or weight == b""
    return False


def _may_be_kept(headers: dict[bytes, bytes]) -> bool:
    varies = {one.strip().lower() for one in headers.get(b"vary", b"").split(b",") if one.strip()}
    is_private = b"set-cookie" in headers or b"no-store" in headers.get(b"cache-control", b"")
    return b"etag" in headers and varies <= _KNOWN_TO_VARY and not is_private


async def _give(found: CachedAnswer, asked: bytes, scope: Scope, send: Send) -> None:
    scope[ROUTE] = found.route
    is_known = bool(asked) and is_same(asked, found.etag)
    status, headers = (304, found.short_headers()) if is_known else (_OK, found.headers)
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"" if is_known else found.body})


def is_same(asked: bytes, etag: bytes) -> bool:
    """Tell whether an If-None-Match names an ETag, weak or not (RFC 9110, 13.1.2)."""
    tags = {tag.strip().removeprefix(b"W/") for tag in asked.split(b",")}
    return b"*" in tags or etag.removeprefix(b"W/") in tags
