"""A request to the collector: its body within bounds, and the answer to it.

Pages load from the collector: its scripts, the image, and the settings that Segment's library asks
for.
"""

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from http import HTTPStatus
from importlib import resources
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import orjson
from starlette.types import Message, Receive, Scope, Send

from ecom_assets.core.http_server.problems import MEDIA_TYPE, phrase
from ecom_assets.core.rows import NamedValues
from ecom_assets.ingestion.collector.access import CollectRefusal

GZIP_WINDOW: Final = 31
MOST_MEMBERS: Final = 100
"""Members of a gzip body; each costs as much as a kilobyte, however small it is."""
ALLOWED_HEADERS: Final = b"authorization, content-type, content-encoding, x-api-key, x-retry-count"
PREFLIGHT_S: Final = b"86400"


class ClientLeft(Exception):  # noqa: N818 (as `ClientDisconnect`)
    """The client has closed the connection before its request was whole."""


@dataclass(frozen=True)
class CollectAnswer:
    """An answer, whole."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send, more: list[tuple[bytes, bytes]]) -> None:
        """Send it with more headers."""
        headers = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(self.body)).encode()),
        ]
        headers += [(b"x-content-type-options", b"nosniff"), *self.headers, *more]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@dataclass
class CollectRequest:
    """A request as the server passes it on."""

    scope: Scope
    receive: Receive
    headers: Mapping[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Read the headers."""
        self.headers = dict(self.scope["headers"])

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the parameters of the address."""
        return dict(parse_qsl(self.scope["query_string"].decode("latin-1")))

    @property
    def origin(self) -> str:
        """Return the site of the page that sends the request; empty if no page does."""
        return self.headers.get(b"origin", b"").decode("latin-1")

    @property
    def site(self) -> str:
        """Return the site of the page, by its origin, else by the address of the page;
        empty if neither is named.
        """
        return self.origin or _site_of(self.headers.get(b"referer", b"").decode("latin-1"))

    @property
    def is_of_other_site(self) -> bool:
        """Return whether a browser says that a page of another site sends it,
        or that somebody follows a link.
        """
        return (
            self.headers.get(b"sec-fetch-site") == b"cross-site"
            or self.headers.get(b"sec-fetch-mode") == b"navigate"
        )

    @property
    def is_from_page(self) -> bool:
        """Return whether a browser sends it for a page or a mail, and no server."""
        return bool(self.origin) or self.scope["method"] == "GET"

    @property
    def address(self) -> str:
        """Return the address of the client."""
        return str((self.scope.get("client") or ("",))[0])

    def cors(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that let a page read the answer;
        whether it may send events is a matter of its key.
        """
        if not (origin := self.headers.get(b"origin")):
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"retry-after"),
            (b"vary", b"origin"),
        ]

    async def body(self, most_bytes: int, timeout_s: float) -> bytes:
        """Return the body, unpacked.

        Raises:
            CollectRefusal: It is too large, too slow, or no gzip though its header says so.
            ClientLeft: It did not come whole.
        """
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > most_bytes:
            raise _too_large(most_bytes)
        try:
            async with asyncio.timeout(timeout_s):
                packed = await self._received(most_bytes)
        except TimeoutError as error:
            detail = f"The body did not come within {timeout_s:g} s; send it faster."
            raise CollectRefusal(HTTPStatus.REQUEST_TIMEOUT, "body_too_slow", detail) from error
        encoding = self.headers.get(b"content-encoding", b"identity").lower()
        if encoding == b"identity":
            return packed
        if encoding != b"gzip":
            detail = "The body may be packed by gzip only."
            raise CollectRefusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "wrong_encoding", detail)
        return _unpacked(packed, most_bytes)

    async def _received(self, most_bytes: int) -> bytes:
        message: Message = await self.receive()
        parts = []
        size = 0
        while message["type"] == "http.request":
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most_bytes:
                raise _too_large(most_bytes)
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await self.receive()
        raise ClientLeft


def _site_of(address: str) -> str:
    """Return the scheme and host of a page's address, as browsers write an origin;
    empty if it has none.
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # such as a bracket that is not closed
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if parts.scheme and host else ""


def _too_large(most_bytes: int) -> CollectRefusal:
    detail = f"A body may have {most_bytes:,} bytes, unpacked too; send its events in several."
    return CollectRefusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", detail)


def _unpacked(packed: bytes, most_bytes: int) -> bytes:
    """Return the content of a gzip file, which may have several members,
    as `cat a.gz b.gz` writes it.
    """
    parts: list[bytes] = []
    left = most_bytes + 1
    member_count = 0
    while packed:
        member_count += 1
        if member_count > MOST_MEMBERS:
            raise _wrong_gzip(f"The gzip of the body has more than {MOST_MEMBERS} members.")
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        try:
            parts.append(unpacker.decompress(packed, left))
        except zlib.error as error:
            raise _wrong_gzip("The body is not gzip.") from error
        left -= len(parts[-1])
        if left <= 0:
            raise _too_large(most_bytes)
        if not unpacker.eof:
            raise _wrong_gzip("The gzip of the body ends too early.")
        packed = unpacker.unused_data.lstrip(b"\0")  # padding, as of tapes and blocks
    return b"".join(parts)


def _wrong_gzip(detail: str) -> CollectRefusal:
    return CollectRefusal(HTTPStatus.BAD_REQUEST, "wrong_encoding", detail)


def json_answer(
    body: NamedValues, *headers: tuple[bytes, bytes], status: int = 200
) -> CollectAnswer:
    """Return an answer in JSON."""
    return CollectAnswer(status, orjson.dumps(body), headers=headers)


def refusal_answer(refusal: CollectRefusal, path: str) -> CollectAnswer:
    """Return the problem document of a refusal;
    one that ends a body early closes the connection.
    """
    body = {"type": "about:blank", "title": phrase(refusal.status), "status": int(refusal.status)}
    body |= {"detail": refusal.detail, "reason": refusal.reason, "instance": path}
    headers = [(b"retry-after", str(refusal.retry_s).encode())] if refusal.retry_s else []
    if refusal.status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT}:
        headers.append((b"connection", b"close"))
    return CollectAnswer(refusal.status, orjson.dumps(body), MEDIA_TYPE, tuple(headers))


def preflight() -> CollectAnswer:
    """Return the answer to a browser that asks whether a page may send a request."""
    return CollectAnswer(
        HTTPStatus.NO_CONTENT,
        headers=(
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", PREFLIGHT_S),
        ),
    )


PIXEL: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""A transparent GIF of one pixel."""
KEPT_S: Final = 3_600
_FROM_ANYWHERE: Final = (b"cross-origin-resource-policy", b"cross-origin")


@cache
def packed_script(name: str) -> tuple[bytes, bytes]:
    """Return a script of the collector, gzipped, and its entity tag."""
    text = resources.files(__package__).joinpath("static", name).read_bytes()
    return gzip.compress(text, 9, mtime=0), b'"' + sha256(text).hexdigest()[:16].encode() + b'"'


async def script(request: CollectRequest) -> CollectAnswer:
    """Answer with the script that the path names."""
    packed, tag = packed_script(request.scope["path"].rpartition("/")[2])
    headers = ((b"cache-control", b"public, max-age=%d" % KEPT_S), (b"etag", tag), _FROM_ANYWHERE)
    if request.headers.get(b"if-none-match") == tag:
        return CollectAnswer(304, headers=headers)
    media_type = "text/javascript; charset=utf-8"
    if b"gzip" in request.headers.get(b"accept-encoding", b""):
        return CollectAnswer(200, packed, media_type, (*headers, (b"content-encoding", b"gzip")))
    return CollectAnswer(200, gzip.decompress(packed), media_type, headers)


def image() -> CollectAnswer:
    """Return the answer to a request for the image."""
    return CollectAnswer(200, PIXEL, "image/gif", ((b"cache-control", b"no-store"), _FROM_ANYWHERE))


async def library_settings(request: CollectRequest) -> CollectAnswer:
    """Answer with the settings that Segment's analytics.js loads first:
    where it sends its calls.
    """
    key = request.scope["path"].split("/")[-2]
    host = request.headers.get(b"host", b"").decode("latin-1")
    destination = {"apiKey": key, "apiHost": f"{host}/v1", "protocol": request.scope["scheme"]}
    body = {
        "integrations": {"Segment.io": destination},
        "plan": {
            "track": {"__default": {"enabled": True}},
            "identify": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "middlewareSettings": {},
    }
    return json_answer(body)
