"""The scripts, styles and shapes of the dashboard, sent once and kept by the browser."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

FOLDER: Final = Path(__file__).with_name("static")
TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
YEAR_S: Final = 31_536_000


@dataclass(frozen=True)
class StaticFile:
    """A file with its compressed bytes and a mark of its content, by which its address changes."""

    content: bytes
    packed: bytes
    mark: str
    media_type: str


@cache
def all_files() -> dict[str, StaticFile]:
    """Return the files by their path below the folder; read and compressed once per process."""
    return {
        path.relative_to(FOLDER).as_posix(): _read(path)
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES and path.is_file()
    }


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    mark = hashlib.sha256(content).hexdigest()[:12]
    return StaticFile(content, gzip.compress(content, 6, mtime=0), mark, TYPES[path.suffix])


def address_of_file(name: str) -> str:
    """Return the address of a file, with the mark of its content."""
    return f"/dashboard/static/{name}?v={all_files()[name].mark}"


def send_file(request: Request) -> Response:
    """Return a file; an address with the mark of the content may be kept for a year."""
    result = all_files().get(request.path_params["name"])
    if result is None:
        return Response(status_code=404)
    is_marked = request.query_params.get("v") == result.mark
    headers = {
        "cache-control": f"public, max-age={YEAR_S}, immutable" if is_marked else "no-cache",
        "vary": "accept-encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            result.packed, 200, headers | {"content-encoding": "gzip"}, result.media_type
        )
    return Response(result.content, 200, headers, result.media_type)
