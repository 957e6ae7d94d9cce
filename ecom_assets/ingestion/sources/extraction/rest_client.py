"""The pages of a REST API, by dlt's REST client over the platform's own HTTP session.

GraphQL answers otherwise than REST: errors with status 200, and lists within a document that have
pages too.

dlt is optional: import this module where it is needed only.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from dlt.sources.rest_api.config_setup import (
    create_auth,
    create_paginator,
    register_auth,
    register_paginator,
)
from requests import PreparedRequest, Request, Response, Session

from ecom_assets.core.errors import EcomError, MappingError, SourceError, first_line
from ecom_assets.core.http.paging import PagedList
from ecom_assets.core.http.polling import polled
from ecom_assets.core.http.retry import (
    OK,
    RATE_LIMITED_CAUSE,
    SERVER_ERROR_CAUSE,
    backoff_s,
)
from ecom_assets.core.http.session import Api, ApiSession, same_origin
from ecom_assets.core.redact_url import without_secrets
from ecom_assets.core.settings.settings import Settings
from ecom_assets.ingestion.sources.extraction.definition import (
    REPORT_ID,
    ApiResource,
    Cursor,
    Extract,
    StartedReport,
    Throttling,
    with_values,
)
from ecom_assets.ingestion.sources.files.shape import at

THROTTLED, INTERNAL = "THROTTLED", "INTERNAL_SERVER_ERROR"
_REMEDIES = {
    "ACCESS_DENIED": "give the app the access scope that it names",
    "MAX_COST_EXCEEDED": "ask for fewer documents at a time in a copy of the extract",
}
MOST_BETWEEN_LOOKS_S: Final = 30.0
"""The most seconds between two looks at a report that is being made."""
MOST_OF_ERROR: Final = 300
"""The most characters of what an API says about an error."""
_KEY_NAME: Final = re.compile("auth|key|token|secret|password", re.IGNORECASE)
"""Headers and parameters whose values are shown nowhere."""
Cursors = dict[str, str | None]


def retry_cause(response: Response) -> str:
    """Return why a request can be sent again though it was answered with status 200,
    or an empty text.

    One that was refused because too many points were spent says, as with status 429, after how many
    seconds.
    """
    if response.status_code != OK:
        return ""
    codes = {_code(error) for error in _errors(response)}
    if THROTTLED in codes:
        response.headers["Retry-After"] = str(_seconds_until_affordable(response.json()))
        return RATE_LIMITED_CAUSE
    return SERVER_ERROR_CAUSE if INTERNAL in codes else ""


def require_no_errors(response: Response, name: str) -> None:
    """Raise SourceError if a query was answered with errors,
    even if it was also answered with a part of the data.
    """
    if errors := _errors(response):
        message = _without_keys(str(errors[0].get("message", errors[0])), response.request)
        remedy = _REMEDIES.get(
            _code(errors[0]), "correct the query of the extract, or run again later"
        )
        raise SourceError(f"The {name} answers its query with an error: {message}; {remedy}.")


def throttling_cause(throttling: Throttling, response: Response) -> str:
    """Return why a request can be sent again that was refused with another status than 429, also
    with 200, or an empty text; the answer says after how many seconds as one of status 429 does.
    """
    if at(_content(response), throttling.at) not in throttling.codes:
        return ""
    response.headers.setdefault("Retry-After", str(throttling.wait_s))
    return RATE_LIMITED_CAUSE


def what_is_wrong(error_at: str, response: Response) -> str:
    """Return what an answer says itself about an error, without keys, or an empty text."""
    message = at(_content(response), error_at)
    return "" if message is None else _without_keys(str(message), response.request)


def _without_keys(message: str, request: PreparedRequest) -> str:
    """Return what an API says, cut, without the keys that it was sent: Meta repeats a token that it
    cannot read.
    """
    body = request.body.decode(errors="replace") if isinstance(request.body, bytes) else ""
    sent = [
        *request.headers.items(),
        *parse_qsl(urlsplit(request.url or "").query),
        *parse_qsl(body or str(request.body or "")),
    ]
    keys = {str(value).rpartition(" ")[2] for name, value in sent if _KEY_NAME.search(str(name))}
    for key in sorted(keys - {""}, key=len, reverse=True):
        message = message.replace(key, "…")
    return message[:MOST_OF_ERROR].rstrip(".")


def _content(response: Response) -> Any:  # noqa: ANN401 (any value of JSON)
    try:
        return response.json()
    except ValueError:
        return None


def with_whole_lists(
    document: dict[str, Any], lists: Sequence[str], ask: Callable[[Cursors], dict[str, Any]]
) -> dict[str, Any]:
    """Return a document whose lists are complete.

    Args:
        document: Has the first page of each list.
        lists: The names of a list, of the list in each of its nodes, and so on.
        ask: Returns the document with the pages after cursors, by the name of their list; of a list
            with another one in its nodes, a page is one node.
    """
    if not _goes_on(document, lists):
        return document
    return {**document, lists[0]: {"nodes": _nodes(lists, (), {}, ask)}}


def _goes_on(node: dict[str, Any], lists: Sequence[str]) -> bool:
    if not lists:
        return False
    page = node[lists[0]]
    return bool(page["pageInfo"]["hasNextPage"]) or any(
        _goes_on(inner, lists[1:]) for inner in page["nodes"]
    )


def _nodes(
    lists: Sequence[str],
    outer: Sequence[str],
    cursors: Cursors,
    ask: Callable[[Cursors], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return all nodes of the list `lists[0]`, which is in the node of `outer` at `cursors`."""
    name, *inner = lists
    nodes: list[dict[str, Any]] = []
    after, has_more = None, True
    while has_more:
        page = ask({**cursors, name: after})
        for step in outer:
            page = page[step]["nodes"][0]
        page = page[name]
        for node in page["nodes"]:
            is_cut = _goes_on(node, inner)
            whole = (
                {inner[0]: {"nodes": _nodes(inner, (*outer, name), {**cursors, name: after}, ask)}}
                if is_cut
                else {}
            )
            nodes.append({**node, **whole})
        before, after, has_more = (
            after,
            page["pageInfo"]["endCursor"],
            page["pageInfo"]["hasNextPage"],
        )
        if has_more and after == before:
            raise ValueError(f"{name} goes on without a new endCursor")
    return nodes


def _errors(response: Response) -> list[dict[str, Any]]:
    content = response.json()
    errors = content.get("errors") if isinstance(content, dict) else None
    return (
        [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    )


def _code(error: dict[str, Any]) -> str:
    return str((error.get("extensions") or {}).get("code", ""))


def _seconds_until_affordable(content: dict[str, Any]) -> int:
    """Return after how many seconds the points of a query are there;
    1 if the answer does not say it.
    """
    cost = (content.get("extensions") or {}).get("cost") or {}
    status = cost.get("throttleStatus") or {}
    lacking = float(cost.get("requestedQueryCost") or 0) - float(
        status.get("currentlyAvailable") or 0
    )
    return max(1, math.ceil(lacking / float(status.get("restoreRate") or 50)))


class LimitPaginator(BasePaginator):  # type: ignore[misc]  # mypy leaves dlt out
    """Pages by one parameter of offset and number, as PrestaShop's webservice has them:
    `limit=100,100`.
    """

    def __init__(self, limit: int, range_param: str = "limit") -> None:
        """Ask for `limit` documents a page."""
        super().__init__()
        self._limit, self._param, self._offset = limit, range_param, 0

    def init_request(self, request: Request) -> None:
        """Ask for the first page."""
        self.update_request(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:  # noqa: ARG002 (dlt's signature)
        """Go on after a full page."""
        self._offset += self._limit
        self._has_next_page = len(data or ()) >= self._limit

    def update_request(self, request: Request) -> None:
        """Ask for the next page."""
        request.params = dict(request.params or {}) | {self._param: f"{self._offset},{self._limit}"}  # type: ignore[arg-type]  # dlt gives a dict


@configspec
class ShopifyCredentials(OAuth2ClientCredentials):  # type: ignore[misc]  # mypy leaves dlt out
    """Client credentials whose token stands in a header of Shopify's own."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token, a new one if it has expired."""
        super().__call__(request)
        del request.headers["Authorization"]
        request.headers["X-Shopify-Access-Token"] = str(self.access_token)
        return request


@configspec
class RefreshTokenCredentials(OAuth2ClientCredentials):  # type: ignore[misc]  # mypy leaves dlt out
    """A refresh token that a person gave an app, for which access tokens are asked."""

    refresh_token: TSecretStrValue = None

    def build_access_token_request(self) -> dict[str, Any]:
        """Return the request for an access token."""
        request: dict[str, Any] = super().build_access_token_request()
        asked = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        return {**request, "data": request["data"] | asked}


register_paginator("range", LimitPaginator)
register_auth("shopify", ShopifyCredentials)
register_auth("oauth2_refresh_token", RefreshTokenCredentials)
WITH_SESSION = ("oauth2_client_credentials", "shopify", "oauth2_refresh_token")
"""The kinds of keys for which a token is asked for."""


def _cause_in(throttling: Throttling | None, *, is_graphql: bool) -> Callable[[Response], str]:
    if throttling is not None:
        return partial(throttling_cause, throttling)
    return retry_cause if is_graphql else lambda _response: ""


def _path(path: str, values: Mapping[str, Cursor]) -> str:
    """Return a path with values in place of braces, none of which leads to another path."""
    parts = {name: quote(str(value), safe="") for name, value in values.items()}
    return str(with_values(path, parts))


class _ApiOnly(Session):
    """Requests of dlt through the platform's session, and to the API only:
    a link to another host gets no key.
    """

    def __init__(
        self,
        session: ApiSession,
        urls: list[str],
        detail_in: Callable[[Response], str],
        *,
        is_graphql: bool,
    ) -> None:
        super().__init__()
        self._session, self._urls, self._is_graphql = session, urls, is_graphql
        self._detail_in = detail_in

    def send(self, request: PreparedRequest, **_options: Any) -> Response:  # noqa: ANN401 (what `requests` hands on)
        url = request.url or ""
        if not any(same_origin(url, api_url) for api_url in self._urls):
            raise SourceError(
                f"The API refers to {without_secrets(url)}, another host, which is not asked; "
                "correct the extract."
            )
        response = self._session.send(request)
        if self._is_graphql:
            require_no_errors(response, self._session.api.name)
        if detail := self._detail_in(response):
            # Else rows of days that did not come would be taken for days without any.
            raise SourceError(
                f"The {self._session.api.name} answers with status {OK} and an error: {detail}; "
                "run again later, or correct the extract."
            )
        return response


class RestPages(AbstractContextManager["RestPages"]):
    """The pages of the API of one extract."""

    def __init__(
        self, definition: Extract, settings: Settings, url_setting: str = "", key_setting: str = ""
    ) -> None:
        """Prepare requests; the variables of the definition are filled in.

        Args:
            definition: The API.
            settings: The bounds of requests.
            url_setting: The variable with the address; empty if the definition has it.
            key_setting: The variables with the key; empty as above.

        Raises:
            MappingError: dlt does not take the configuration of keys or pages.
        """
        client, self._definition, self._most_pages = (
            definition.client,
            definition,
            settings.source_max_pages,
        )
        self._first_look_s = settings.source_retry_base_s
        name = f"API of {definition.name}"
        is_graphql = any(resource.is_graphql for resource in definition.resources)
        detail_in = partial(what_is_wrong, client.error_at or "")
        self._session = ApiSession(
            Api(name, client.base_url, url_setting or "base_url", key_setting or "its key"),
            settings,
            cause_in=_cause_in(client.throttling, is_graphql=is_graphql),
            detail_in=detail_in,
        )
        urls = [client.base_url, str((client.auth or {}).get("access_token_url", client.base_url))]
        session = _ApiOnly(self._session, urls, detail_in, is_graphql=is_graphql)
        auth = client.auth
        if auth and auth.get("type") in WITH_SESSION:
            auth = {**auth, "session": session}
        try:
            headers = {name: value for name, value in client.headers.items() if value}
            self._client = RESTClient(client.base_url, headers, self._auth(auth), session=session)
            for resource in definition.resources:
                self._paginator(resource)
        except EcomError:
            raise
        except Exception as error:
            raise MappingError(
                f"dlt does not take `client` of {definition.name}: {first_line(error)}; see "
                "docs/extract.md"
            ) from error

    def __exit__(self, *error: object) -> None:
        """Close all connections."""
        self._session.__exit__(*error)

    def read(self, resource: ApiResource, values: Mapping[str, Cursor]) -> Iterator[list[Any]]:
        """Yield the pages of documents, asked for with what `values` put in place of braces."""
        endpoint = resource.endpoint
        if endpoint.report is not None:
            values = {**values, REPORT_ID: self._made(endpoint.report, values)}
        return self._pages(
            _path(endpoint.path, values),
            method=endpoint.method,
            params=with_values(endpoint.params, values),
            json=with_values(endpoint.body, values),
            data_selector=endpoint.data_selector,
            paginator=self._paginator(resource),
        )

    def _made(self, report: StartedReport, values: Mapping[str, Cursor]) -> str:
        """Return the id of a report that was started, and made."""
        started = self._one(
            report.path,
            method=report.method,
            params=with_values(report.params, values),
            json=with_values(report.body, values),
        )
        report_id = at(started, report.id_path)
        if report_id is None:
            raise SourceError(
                f"The answer to {report.path} has no report at {report.id_path!r}: "
                f"{str(started)[:MOST_OF_ERROR]}; correct id_path in the extract."
            )
        status_path = _path(report.status_path, {REPORT_ID: str(report_id)})
        state, is_over = polled(
            lambda: at(self._one(status_path), report.status_at),
            lambda state: state in (*report.done, *report.failed),
            wait_s=lambda asked: backoff_s(self._first_look_s, asked, MOST_BETWEEN_LOOKS_S),
            patience_s=report.patience_s,
        )
        if not is_over:
            raise SourceError(
                f"The report of {report.path} is not made after {report.patience_s:g} s and is "
                f"called {state!r}; run again later, or raise patience_s in a copy of the extract."
            )
        if state not in report.done:
            raise SourceError(
                f"The API made no report of {report.path} and calls it {state!r}; run again "
                "later, or ask for fewer days at a time in a copy of the extract."
            )
        return str(report_id)

    def _one(self, path: str, **asked: Any) -> Any:  # noqa: ANN401 (any value of JSON)
        paginator = create_paginator("single_page")
        with self._reading(path):
            [[content]] = self._pages(path, data_selector="$", paginator=paginator, **asked)
        return content

    def at(self, path: str, document: dict[str, Any]) -> Iterator[list[Any]]:
        """Yield the pages at a path in which `{name}` is what a document has there."""
        paginator = create_paginator(self._definition.client.paginator)
        return self._pages(path.format(**document), data_selector="$", paginator=paginator)

    def whole(self, resource: ApiResource, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document with the rest of its lists, where GraphQL has cut them."""
        nested, endpoint = resource.nested, resource.endpoint
        if nested is None:
            return document

        def ask(cursors: Cursors) -> dict[str, Any]:
            variables = {"id": at(document, nested.id), **cursors}
            [[result]] = self._pages(
                endpoint.path,
                method=endpoint.method,
                json={
                    **(endpoint.body or {}),
                    "operationName": nested.operation,
                    "variables": variables,
                },
                data_selector=nested.data_selector,
                paginator=create_paginator("single_page"),
            )
            return dict(result)

        with self._reading(endpoint.path):
            return with_whole_lists(document, nested.lists, ask)

    def _pages(self, path: str, **asked: Any) -> Iterator[list[Any]]:  # noqa: ANN401 (dlt's arguments)
        remedy = (
            "raise it and run again, which keeps what has landed, or correct the paginator of the "
            "extract"
        )
        listed = PagedList(f"The list at {path}", self._most_pages, remedy)
        with self._reading(path):
            # Without hooks of dlt, which raise before the session can say what is wrong.
            yield from listed.bounded(self._client.paginate(path, hooks={"response": []}, **asked))

    @staticmethod
    @contextmanager
    def _reading(path: str) -> Iterator[None]:
        try:
            yield
        except EcomError:
            raise
        except (
            ValueError,
            LookupError,
            TypeError,
        ) as error:  # what is raised for an answer that lacks expected keys
            # A link that is not an address is shown by the error, with its key.
            raise SourceError(
                f"The answer to {path} is not what the extract expects: "
                f"{without_secrets(first_line(error))}; correct it."
            ) from None

    def _paginator(self, resource: ApiResource) -> BasePaginator:
        return create_paginator(resource.endpoint.paginator or self._definition.client.paginator)

    @staticmethod
    def _auth(configured: dict[str, Any] | None) -> Any:  # noqa: ANN401 (a class of dlt)
        return create_auth(configured) if configured else None
