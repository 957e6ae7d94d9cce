"""A `requests` session per API with timeouts and retries, whose errors are one clear sentence."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr
from requests import PreparedRequest, Response, Session, exceptions

from ecom_assets.core.errors import SettingError, SourceError, UnavailableError
from ecom_assets.core.http.retry import (
    OK,
    RATE_LIMITED,
    BrokenBodyError,
    EndlessResponseError,
    HttpStats,
    PatientAdapter,
    Pause,
    ResponseBounds,
    fault_in_json,
    is_timeout,
    through,
)
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings

UNAUTHORIZED = (401, 403)
LATER = "run again later, or ask the people who run it"
"""What helps where the API has answered, so that its address is right."""
NOT_FOUND = 404


@dataclass(frozen=True)
class Api:
    """An API as error messages describe it: its name, URL and settings."""

    name: str
    url: str
    url_setting: str
    key_setting: str
    is_named_by_answer: bool = False
    """Whether an answer named the address that is asked: a setting is then no cause of a refusal.
    """

    @property
    def origin(self) -> str:
        """What says where it is, for people who correct it."""
        return "the address in its answer" if self.is_named_by_answer else self.url_setting


CONNECT_TIMEOUT_S: Final = 5.0
RESPONSE_TIMEOUT_S: Final = 300.0
"""Seconds that one response of an API takes from its first to its last byte."""
MAX_WAIT_S: Final = 300.0
"""Seconds that one request waits because of 429 responses."""


class ApiSession(AbstractContextManager["ApiSession"]):
    """A session with an API; every response that it returns has status 200 and a complete body.

    A redirect is an error, because `requests` would send the key to another host.
    """

    def __init__(  # noqa: PLR0913 (what is optional is given by name)
        self,
        api: Api,
        settings: Settings,
        session: Session | None = None,
        *,
        fault_in: Callable[[Response], str] = fault_in_json,
        stats: HttpStats | None = None,
        cause_in: Callable[[Response], str] = lambda _response: "",
        detail_in: Callable[[Response], str] = lambda _response: "",
    ) -> None:
        """Use `session`, such as one with a cache, or a new one.

        `fault_in` returns what is wrong with a complete body, `cause_in` why one that is right, or
        a refusal, is to be asked for again, and `detail_in` what a refusal says itself. Requests
        are added to `stats` if it is passed.
        """
        self.api, self._detail_in = api, detail_in
        self._has_answered = api.is_named_by_answer
        self.stats = stats or HttpStats()
        self._pause = Pause(self.stats.add_wait)
        self._timeouts = (CONNECT_TIMEOUT_S, settings.source_read_timeout_s)
        adapter = PatientAdapter(
            self._pause,
            self.stats,
            base_s=settings.source_retry_base_s,
            max_wait_s=MAX_WAIT_S,
            connections=settings.source_concurrency,
            bounds=ResponseBounds(
                RESPONSE_TIMEOUT_S,
                settings.source_max_response_mb,
                "ECOM_SOURCE_MAX_RESPONSE_MB",
            ),
            fault_in=fault_in,
            cause_in=cause_in,
        )
        self._session = through(session or Session(), adapter)

    def __exit__(self, *_error: object) -> None:
        """Close all connections."""
        self._session.close()

    def stop(self) -> None:
        """Stop all requests: waiting threads end, and nothing more is sent."""
        self._pause.stop()

    def get(
        self, url: str, params: Mapping[str, str | int], headers: Mapping[str, str]
    ) -> Response:
        """Return the response to a GET request.

        Raises:
            SourceError: The API cannot be reached, or does not answer 200 with a complete body.
        """
        return self._request("GET", url, params, headers)

    def post(self, url: str, headers: Mapping[str, str]) -> Response:
        """Return the response to a POST request without a body; raises the same errors as `get`."""
        return self._request("POST", url, {}, headers)

    def send(self, request: PreparedRequest) -> Response:
        """Return the response to a request that another library prepared;
        raises the same errors as `get`.
        """
        return self._checked(request.url or "", partial(self._session.send, request))

    def _request(
        self, method: str, url: str, params: Mapping[str, str | int], headers: Mapping[str, str]
    ) -> Response:
        request = partial(
            self._session.request, method, url, params=dict(params), headers=dict(headers)
        )
        return self._checked(url, request)

    def _checked(self, url: str, request: Callable[..., Response]) -> Response:
        try:
            response = request(timeout=self._timeouts, allow_redirects=False)
        except exceptions.RequestException as error:
            # The library's own message contains the whole URL, which can include a signature.
            raise _kind_of(error)(self._unreachable(url, error)) from None
        if is_busy(response.status_code):
            raise UnavailableError(self._refusal(response))
        if response.status_code != OK:
            raise SourceError(self._refusal(response))
        self._has_answered = True
        return response

    def _unreachable(self, url: str, error: Exception) -> str:
        address, name = without_secrets(url), self.api.name
        if isinstance(error, EndlessResponseError):
            return f"The {name} at {address} {error}; see that {self.api.origin} is right."
        if isinstance(error, BrokenBodyError):
            return (
                f"The {name} at {address} {error}; see that {self.api.origin} is right, or "
                "run again later."
            )
        if isinstance(error, exceptions.SSLError):
            return (
                f"The {name} at {address} has no certificate that this machine trusts; correct "
                f"{self.api.origin}."
            )
        if isinstance(error, exceptions.ChunkedEncodingError | exceptions.ContentDecodingError):
            return (
                f"The {name} at {address} broke off its answer each time it was asked; run again "
                "later."
            )
        if is_timeout(error):
            connect_s, read_s = self._timeouts
            if isinstance(error, exceptions.ConnectTimeout):
                within, advice = f"{connect_s:g} s", ""
            else:
                within = f"the {read_s:g} s of ECOM_SOURCE_READ_TIMEOUT_S"
                advice = ", or raise that if it is slow"
            return (
                f"The {name} at {address} does not answer within {within}; see that it runs and "
                f"{self.api.origin} is right{advice}."
            )
        kind = type(error).__name__
        return (
            f"The {name} at {address} does not answer ({kind}); see that it runs and "
            f"{self.api.origin} is right."
        )

    def _refusal(self, response: Response) -> str:
        address, status = without_secrets(response.url), response.status_code
        detail = self._detail_in(response)
        sentence = f"The {self.api.name} at {address} answers {status}" + (
            f" ({detail})" if detail else ""
        )
        if is_busy(status):
            return f"{sentence} each time it was asked; run again later."
        return f"{sentence}{self._remedy(response)}."

    def _remedy(self, response: Response) -> str:
        """Return what a refusal means, and what helps."""
        status, is_named = response.status_code, self.api.is_named_by_answer
        if response.is_redirect:
            target = without_secrets(response.headers.get("Location", ""))
            helps = (
                f"; {LATER}"
                if is_named
                else f"; set {self.api.url_setting} to where it leads if you trust that"
            )
            return f", a redirect to {target}{helps}"
        if status in UNAUTHORIZED and not is_named:
            return f": it does not take the key; set {self.api.key_setting} to one that it takes"
        if status in UNAUTHORIZED:
            return f": that address may have expired; {LATER}"
        if self._has_answered:
            gone = ": there is nothing at that address now" if status == NOT_FOUND else ""
            return f"{gone}; {LATER}"
        if status == NOT_FOUND:
            return f": there is nothing at that address; correct {self.api.url_setting}"
        return (
            f", so it does not understand the request; see that {self.api.url_setting} is that of "
            "this API"
        )


def is_busy(status: int) -> bool:
    """Return whether a status says that the same request may succeed later: a rate limit,
    or an error of the server.
    """
    return status == RATE_LIMITED or status >= 500  # noqa: PLR2004 (the class of server errors)


NEVER_BETTER = (
    EndlessResponseError,
    BrokenBodyError,
    exceptions.SSLError,
    exceptions.InvalidURL,
    exceptions.InvalidSchema,
    exceptions.MissingSchema,
)
"""What a later attempt meets again: an answer beyond the bounds or of another form,
no trust, no address.
"""


def _kind_of(error: exceptions.RequestException) -> type[SourceError]:
    """Return what a failed request is: an API that does not answer now,
    or one that a later attempt cannot ask.
    """
    return SourceError if isinstance(error, NEVER_BETTER) else UnavailableError


def header_value(setting: str, value: str | SecretStr | None) -> str:
    """Return a setting as a header value, without surrounding white space.

    Raises:
        SettingError: It has characters that a header cannot carry; the message does not show the
            value.
    """
    text = (value.get_secret_value() if isinstance(value, SecretStr) else value or "").strip()
    if not (text.isascii() and (text.isprintable() or not text)):
        raise SettingError(
            f"{setting} holds characters that no HTTP header can hold; give it in plain ASCII."
        )
    return text


def same_origin(url: str, other: str) -> bool:
    """Return whether two URLs are on the same server, so that both may receive the same key."""
    return urlsplit(url)[:2] == urlsplit(other)[:2]
