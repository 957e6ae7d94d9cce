"""Send one request to a tool, with rate limit and timeouts, and return the reply,
even if it is an error.
"""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isal import igzip
from pyrate_limiter import Limiter, Rate
from requests import exceptions
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from ecom_assets.core.http.retry import (
    Pause,
    ResponseBounds,
    bounded_session,
    retry_after_s,
)
from ecom_assets.core.redact_url import without_secrets

_logger = logging.getLogger(__name__)
_GZIP_LEVEL = 1
"""Compression level from 0 to 3.

It shrinks JSON events to an eighth, in a fifth of the time that zlib needs.
"""
_MOST_CHARACTERS = 300
"""Maximum characters kept of a tool's message."""
_BOUNDS = ResponseBounds(300.0, 10.0)
"""More than any tool's receipt takes, or has."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to retry a batch and how long to wait."""

    base_s: float = 1.0
    """Wait before the first retry; it doubles with each retry."""
    most_s: float = 60.0
    """Longest wait before a retry, unless the tool asks for more."""
    jitter: tuple[float, float] = (0.0, 0.0)
    """Range of a random factor: factor times `base_s` is added,
    so that senders do not retry at the same time.
    """
    pause_s: float = 30.0
    """Wait after a 429 without Retry-After."""
    retries: int = 5
    """Maximum retries after temporary errors; pauses that a tool asks for do not count."""
    total_s: float = 300.0
    """Maximum total wait of a batch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A tool's documented limits, used unless the settings override them."""

    most_records: int
    """Maximum records of a request."""
    most_bytes: int
    """Maximum bytes of a request."""
    pause_s: float = 30.0
    """Wait after a 429 without Retry-After."""
    per_s: float = 0.0
    """Maximum records per second; 0: no limit."""
    base_s: float = 1.0
    """Wait before the first retry."""
    jitter: tuple[float, float] = (0.0, 0.5)
    """See `Patience`."""


@dataclass(frozen=True, slots=True)
class HttpRule:
    """How requests to a tool are sent."""

    name: str
    """The tool's name in messages."""
    settings: str
    """The settings to check when the tool does not accept our account."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Secrets that must not appear in messages."""
    per_s: float = 0.0
    """Maximum records per second; 0: no limit."""
    most_records: int = 1
    """Records of the largest request."""
    takes_gzip: bool = False
    connections: int = 8
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class PostRequest:
    """A POST request. Only the URL may be shown, because all other parts can contain keys."""

    url: str
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    """An access token, instead of user and password."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers of the tool's own, such as the version of its API, or a key."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of a request: a response, or no response (status 0)."""

    status: int
    body: bytes = b""
    retry_after_s: float | None = None
    """The seconds in Retry-After."""
    may_have_it: bool = False
    """If there was no response: whether the tool may still have received the request."""
    message: str = ""
    """The tool's message, or why there is no response, without keys."""

    def content(self) -> dict[str, Any]:
        """Return the body as a JSON object, or an empty one if it is something else."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


class Sender:
    """Posts requests; thread-safe."""

    def __init__(self, rule: HttpRule) -> None:
        """Set up the sender without opening a connection."""
        self.rule = rule
        # The library's retries are off, because which records of a request to retry differs between
        # tools.
        self._session = bounded_session(_BOUNDS, connections=rule.connections)
        self._limiter = _limiter(rule)
        self._pause = Pause()
        self.has_taken = False
        """Whether the tool has ever taken something: then it knows us,
        and what it refuses is the record.
        """

    def close(self) -> None:
        """Close the connections and stop the limiter's thread,
        which would otherwise run until the process ends.
        """
        self._session.close()
        if self._limiter is not None:
            self._limiter.close()

    def pause(self, seconds: float) -> None:
        """Stop all threads from sending for some seconds,
        because the tool limits the whole account, not one user.
        """
        self._pause.ask(seconds)

    def post(self, request: PostRequest, records: int) -> Reply:
        """Post once, after waiting for the rate limit and the end of a pause."""
        if self._limiter is not None:
            self._limiter.try_acquire(self.rule.name, weight=records)
        self._pause.wait()
        try:
            response = self._session.post(
                request.url,
                data=igzip.compress(request.body, _GZIP_LEVEL, mtime=0)
                if self.rule.takes_gzip
                else request.body,
                params=dict(request.params),
                headers=self._headers(request),
                auth=(request.user, request.password) if request.user else None,
                timeout=(self.rule.connect_timeout_s, self.rule.read_timeout_s),
                allow_redirects=False,
            )
        except exceptions.RequestException as error:
            _logger.info("%s: no answer (%s)", without_secrets(request.url), type(error).__name__)
            return Reply(
                0,
                may_have_it=not _was_never_sent(error),
                message=f"no answer: {type(error).__name__}",
            )
        message = (
            "" if response.ok else f"{response.status_code} {response.text[:_MOST_CHARACTERS]}"
        )
        shown = self._without_keys(message).strip()
        return Reply(response.status_code, response.content, retry_after_s(response), message=shown)

    def _headers(self, request: PostRequest) -> dict[str, str]:
        gzipped = {"Content-Encoding": "gzip"} if self.rule.takes_gzip else {}
        authorization = {"Authorization": f"Bearer {request.bearer}"} if request.bearer else {}
        return {
            "Content-Type": request.content_type,
            "Accept": "application/json",
            **authorization,
            **request.headers,
            **gzipped,
        }

    def _without_keys(self, text: str) -> str:
        """Return a tool's message without our keys, because some tools repeat the request."""
        for secret in filter(None, self.rule.secrets):
            text = text.replace(secret, "…")
        return text


def _limiter(rule: HttpRule) -> Limiter | None:
    if not rule.per_s:
        return None
    # The window is only as long as the largest request needs, so that bursts stay short.
    window_s = max(1.0, math.ceil(rule.most_records / rule.per_s))
    return Limiter(Rate(max(rule.most_records, int(rule.per_s * window_s)), int(window_s * 1000)))


def _was_never_sent(error: exceptions.RequestException) -> bool:
    """Return whether the request was not sent because there was no connection."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(
        error, exceptions.ConnectTimeout | exceptions.SSLError | exceptions.InvalidURL
    ) or isinstance(cause, NewConnectionError | ConnectTimeoutError)
