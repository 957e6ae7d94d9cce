"""What pages load from the collector: its scripts, the image, and the settings that Segment's library asks for."""

import gzip
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

from ecom_assets.collector.requests import CollectAnswer, CollectRequest, json_answer

PIXEL: Final = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
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
    """Answer with the settings that Segment's analytics.js loads first: where it sends its calls."""
    key = request.scope["path"].split("/")[-2]
    host = request.headers.get(b"host", b"").decode("latin-1")
    destination = {"apiKey": key, "apiHost": f"{host}/v1", "protocol": request.scope["scheme"]}
    body = {
        "integrations": {"Segment.io": destination},
        "plan": {"track": {"__default": {"enabled": True}}, "identify": {"__default": {"enabled": True}}},
        "edgeFunction": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "middlewareSettings": {},
    }
    return json_answer(body)
