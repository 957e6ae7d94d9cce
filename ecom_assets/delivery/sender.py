"""One request to a tool: at the pace that it allows, with timeouts, and what came back, whatever it was."""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isal import igzip
from pyrate_limiter import Limiter, Rate
from requests import Response, Session, exceptions
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from ecom_assets.http.waiting import Pause, asked_s, through
from ecom_assets.redact_url import without_secrets

_logger = logging.getLogger(__name__)
_GZIP_LEVEL = 1
"""Of 0 to 3: JSON of events shrinks to an eighth, in a fifth of the time that zlib takes for it."""
_WORDS = 300
"""Characters of what a tool says that are kept."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a batch is worth waiting for."""

    base_s: float = 1.0
    """Before the first retry; each next waits twice that."""
    most_s: float = 60.0
    """No single wait before a retry is longer, unless the tool asks for it."""
    jitter: tuple[float, float] = (0.0, 0.0)
    """Between so many times the base is added by chance, so that senders do not come back together."""
    pause_s: float = 30.0
    """After 429 that names no time."""
    retries: int = 5
    """After answers that may be better the next time; pauses that a tool asks for are none."""
    total_s: float = 300.0
    """All waits of a batch together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tool documents of its requests, where settings say nothing else."""

    most_records: int
    """Records of a request."""
    most_bytes: int
    """Bytes of a request."""
    pause_s: float = 30.0
    """After 429 that names no time."""
    per_s: float = 0.0
    """Records per second; 0: no bound."""
    base_s: float = 1.0
    """Before the first retry."""
    jitter: tuple[float, float] = (0.0, 0.5)
    """See `Patience`."""


@dataclass(frozen=True, slots=True)
class HttpRule:
    """How a tool is talked to."""

    name: str
    """The tool, as messages say it."""
    settings: str
    """Where to look when it does not know us."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not appear in what is told of an answer."""
    per_s: float = 0.0
    """Records that it takes per second; 0: no bound."""
    most_records: int = 1
    """Records of the largest request."""
    takes_gzip: bool = False
    connections: int = 8
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted. Keys can be in all but the address, so nothing else of it is ever shown."""

    url: str
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request: an answer, or no answer (status 0)."""

    status: int
    body: bytes = b""
    asked_s: float | None = None
    """The seconds in Retry-After."""
    may_have_it: bool = False
    """Without an answer: whether the tool may have got the request all the same."""
    words: str = ""
    """What the tool says, or why there is no answer, without keys."""

    def told(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty one if it is none."""
        try:
            told = json.loads(self.body)
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}


class Sender:
    """Posts requests from any number of threads."""

    def __init__(self, rule: HttpRule) -> None:
        """Open nothing yet."""
        self.rule = rule
        # The library's own retries are off: which records of a request are worth another try differs between tools.
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=rule.connections, max_retries=0)
        self._session = through(Session(), adapter)
        self._limiter = _limiter(rule)
        self._pause = Pause()
        self.has_taken = False
        """Whether the tool has ever taken something: then it knows us, and what it refuses is the record."""

    def close(self) -> None:
        """End the connections and the limiter's thread, which else lives as long as the process."""
        self._session.close()
        if self._limiter is not None:
            self._limiter.close()

    def pause(self, seconds: float) -> None:
        """Let no thread send for so long: the tool said that it has had enough of us, not of one user."""
        self._pause.ask(seconds)

    def post(self, request: Request, records: int) -> Reply:
        """Post once; waits its turn, and for a pause to be over."""
        if self._limiter is not None:
            self._limiter.try_acquire(self.rule.name, weight=records)
        self._pause.wait()
        try:
            response = self._session.post(
                request.url,
                data=igzip.compress(request.body, _GZIP_LEVEL, mtime=0) if self.rule.takes_gzip else request.body,
                params=dict(request.params),
                headers=self._headers(request),
                auth=(request.user, request.password) if request.user else None,
                timeout=(self.rule.connect_timeout_s, self.rule.read_timeout_s),
                allow_redirects=False,
            )
        except exceptions.RequestException as error:
            _logger.info("%s: no answer (%s)", without_secrets(request.url), type(error).__name__)
            return Reply(0, may_have_it=not _was_never_sent(error), words=f"no answer: {type(error).__name__}")
        return Reply(response.status_code, response.content, asked_s(response), words=self._said(response))

    def _headers(self, request: Request) -> dict[str, str]:
        gzipped = {"Content-Encoding": "gzip"} if self.rule.takes_gzip else {}
        return {"Content-Type": request.content_type, "Accept": "application/json", **gzipped}

    def _said(self, response: Response) -> str:
        if response.ok:
            return ""
        return self.without_keys(f"{response.status_code} {response.text[:_WORDS]}").strip()

    def without_keys(self, said: str) -> str:
        """Return what a tool says with our keys taken out: some repeat what they were sent."""
        for secret in filter(None, self.rule.secrets):
            said = said.replace(secret, "…")
        return said


def _limiter(rule: HttpRule) -> Limiter | None:
    if not rule.per_s:
        return None
    # The window is as long as the largest request needs, so that no second gets more than its share for long.
    window_s = max(1.0, math.ceil(rule.most_records / rule.per_s))
    return Limiter(Rate(max(rule.most_records, int(rule.per_s * window_s)), int(window_s * 1000)))


def _was_never_sent(error: exceptions.RequestException) -> bool:
    """Tell whether there was not even a connection."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, exceptions.ConnectTimeout | exceptions.SSLError | exceptions.InvalidURL) or isinstance(
        cause, NewConnectionError | ConnectTimeoutError
    )
