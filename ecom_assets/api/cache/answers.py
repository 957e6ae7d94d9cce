"""The cache of answers. The version of the data is part of the key.

New data have a new version, so the cache needs no invalidation and never returns an old answer. `kept_answers.py` keeps
answers in memory and, if configured, in Redis.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ecom_assets.api.cache.kept_answers import AnswersInMemory, CachedAnswer, Headers, RedisAnswers

CACHE, ROUTE = "ecom.cache", "ecom.route"
"""The keys in the ASGI scope with the result of the cache look-up, and with the pattern of the route."""
_PACKED = "ecom.accept_encoding"
_KNOWN_TO_VARY = {b"accept-encoding"}
_OF_THE_REQUEST = {b"x-request-id", b"date", b"server", b"connection"}
"""Headers that belong to one request, so they are not cached."""
_OK = 200


class AnswerCache:
    """ASGI middleware that caches responses to GET requests, if they have an ETag and may be stored."""

    def __init__(
        self,
        app: ASGIApp,
        version: Callable[[], Awaitable[str]],
        memory: AnswersInMemory,
        redis: RedisAnswers | None = None,
    ) -> None:
        """Wrap the app; `version` returns the version of its data, or an empty string if there are none."""
        self._app = app
        self._version = version
        self._memory = memory
        self._redis = redis
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a cached response, or pass the request on and cache the response."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        version = await self._version()
        parameters, key = _read(scope, version)
        if not version:
            await self._app(scope, receive, send)
            return
        value = self._memory.get(key)
        if value is not None:
            scope[CACHE] = "hit"
            await _give(value, parameters, scope, send)
        else:
            await self._find_or_make(key, parameters, scope, receive, send)

    async def _find_or_make(self, key: str, parameters: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        while (other := self._under_way.get(key)) is not None:  # equal requests at the same time: only one is computed
            await asyncio.shield(other)
            if (result := self._memory.get(key)) is not None:
                scope[CACHE] = "hit"
                await _give(result, parameters, scope, send)
                return
        ended = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            result = await self._redis.get(key) if self._redis else None
            if result is not None:
                self._memory.put(key, result)
                scope[CACHE] = "shared"
                await _give(result, parameters, scope, send)
            else:
                await self._make(key, scope, receive, send)
        finally:
            del self._under_way[key]
            ended.set_result(None)

    async def _make(self, key: str, scope: Scope, receive: Receive, send: Send) -> None:
        # The app sees only the encoding in the key, so a client without gzip never gets a compressed response.
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
    """Passes a response on and keeps a copy."""

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
        """Return the copy if it is complete and may be cached, else None."""
        if not (self._may_be_kept and self._is_whole):
            return None
        body = b"".join(self._body)
        headers = [one for one in self._headers if one[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        return CachedAnswer(headers, body, dict(headers)[b"etag"], route)


def _read(scope: Scope, version: str) -> tuple[bytes, str]:
    """Return the request's If-None-Match header, and its key in the cache."""
    packed, parameters = b"identity", b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding" and takes_gzip(value):
            packed = b"gzip"
        elif name == b"if-none-match":
            parameters = value
    scope[_PACKED] = packed
    query = scope["query_string"].decode("latin-1")
    return parameters, "\n".join((version, scope["path"], query, packed.decode()))


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
    varies = {one.strip().lower() for one in headers.get(b"vary", b"").split(b",") if one.strip()}
    is_private = b"set-cookie" in headers or b"no-store" in headers.get(b"cache-control", b"")
    return b"etag" in headers and varies <= _KNOWN_TO_VARY and not is_private


async def _give(result: CachedAnswer, parameters: bytes, scope: Scope, send: Send) -> None:
    scope[ROUTE] = result.route
    is_known = bool(parameters) and is_same(parameters, result.etag)
    status, headers = (304, result.short_headers()) if is_known else (_OK, result.headers)
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"" if is_known else result.body})


def is_same(parameters: bytes, etag: bytes) -> bool:
    """Return whether an If-None-Match header names an ETag, in weak comparison (RFC 9110, 13.1.2)."""
    tags = {tag.strip().removeprefix(b"W/") for tag in parameters.split(b",")}
    return b"*" in tags or etag.removeprefix(b"W/") in tags
