"""What is asked of a REST API: YAML in the words of dlt's `rest_api` source,
of which these parts are taken.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ecom_assets.core.errors import SettingError
from ecom_assets.ingestion.sources.mapping_file import load_mapping_file

FOLDER = "extracts"
START: Final = "{incremental.start_value}"
"""What stands in parameters for the time after which documents are asked for."""
WINDOW_FROM: Final = "{window.from}"
WINDOW_TO: Final = "{window.to}"
"""What stands in parameters for the first and the last day that are asked for, as YYYY-MM-DD."""
REPORT_ID: Final = "{report.id}"
"""What stands in paths for the report that was started."""
_VARIABLE = re.compile(r"\$\{(\w+)(:-)?\}")
Cursor = str | int


class _ExtractPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Incremental(_ExtractPart):
    """How documents say when they changed.

    Attributes:
        cursor_path: Where a document has that time, an ISO text or epoch seconds.
        initial_value: The time of which the first request asks.
        row_order: `asc` if documents come with the earliest change first; `desc` if the latest
            does, or any.
        lag: Seconds by which each request overlaps what has landed.
    """

    cursor_path: str = Field(min_length=1)
    initial_value: Cursor
    row_order: Literal["asc", "desc"]
    lag: int = Field(default=0, ge=0)

    def before(self, cursor: Cursor) -> Cursor:
        """Return the time that is `lag` seconds before another one, never before the first."""
        if not self.lag or cursor == self.initial_value:
            return cursor
        if isinstance(cursor, int):
            return cursor - self.lag
        earlier = (datetime.fromisoformat(cursor) - timedelta(seconds=self.lag)).isoformat(
            sep=cursor[10:11] or "T"
        )
        return earlier.replace("+00:00", "Z") if cursor.endswith("Z") else earlier


class DayWindow(_ExtractPart):
    """How rows of days are asked for that are restated for a while: each day again until it is some
    days old, and what an answer has of its days replaces all that landed of them before.

    Attributes:
        days: How many days a request asks for, and to what age days are asked for again.
        first: The first day that is ever asked for: a date, or how many days before today.
        last: The last day, in the same way.
        date_path: Where a row has its day, as a text that begins with YYYY-MM-DD, or as YYYYMMDD.
    """

    days: int = Field(ge=1)
    first: date | int = Field(alias="from")
    last: date | int = Field(alias="to", default=1)
    date_path: str = Field(min_length=1)

    def spans(self, reached: date | None, today: date) -> Iterator[tuple[date, date]]:
        """Yield the first and the last day of each request, the earliest first.

        Args:
            reached: The last day that was ever asked for; None before the first request.
            today: The day of the shop.
        """
        first, last = _day(self.first, today), _day(self.last, today)
        if reached is not None:
            # From `reached` and not from `last`: days were not settled yet that were last asked for
            # before a break.
            following = reached + timedelta(days=1)
            settled = min(following, last) - timedelta(days=self.days - 1)
            first = max(min(first, following), settled)
        while first <= last:
            end = min(first + timedelta(days=self.days - 1), last)
            yield first, end
            first = end + timedelta(days=1)


def _day(named: date | int, today: date) -> date:
    return named if isinstance(named, date) else today - timedelta(days=named)


class StartedReport(_ExtractPart):
    """A report that the API makes while one waits; the endpoint's own path then has its rows.

    Attributes:
        path: Where it is started; `params` and `json` go with it.
        id_path: Where the answer to that has its id.
        status_path: The address of its state, with `{report.id}`.
        status_at: Where the answer to that has the state.
        done: The states of a report whose rows can be fetched.
        failed: Those of one that will have none. Any other is waited for.
        patience_s: The most seconds to wait.
    """

    path: str = Field(min_length=1)
    method: Literal["GET", "POST"] = "POST"
    params: dict[str, Any] = {}
    body: dict[str, Any] | None = Field(default=None, alias="json")
    id_path: str = Field(min_length=1)
    status_path: str = Field(min_length=1)
    status_at: str = Field(min_length=1)
    done: tuple[str, ...] = Field(min_length=1)
    failed: tuple[str, ...] = Field(min_length=1)
    patience_s: float = Field(default=1800, gt=0)


class ExtractEndpoint(_ExtractPart):
    """What is requested, and where documents are in the answer."""

    path: str = Field(min_length=1)
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = {}
    body: dict[str, Any] | None = Field(default=None, alias="json")
    data_selector: str = "$"
    paginator: dict[str, Any] | str | None = None
    incremental: Incremental | None = None
    window: DayWindow | None = None
    report: StartedReport | None = None

    @model_validator(mode="after")
    def _asks_in_one_way(self) -> "ExtractEndpoint":
        if (self.incremental is None) == (self.window is None):
            raise ValueError(
                "an endpoint needs either `incremental`, for documents that say when they changed, "
                "or `window`, for rows of days"
            )
        return self

    @property
    def asked_by(self) -> Incremental | DayWindow:
        """Return what decides which documents are asked for."""
        asked_by = self.incremental or self.window
        assert asked_by is not None  # noqa: S101 (it is validated)
        return asked_by


class NestedLists(_ExtractPart):
    """GraphQL's lists in a document,
    of which the rest is asked for where they go on after their first page.

    Attributes:
        lists: The name of a list, that of the list in each of its nodes, and so on.
        operation: The operation of the query that asks for one document, with the variables `id`
            and, by the name of a list, the node after which it goes on.
        id: Where a document has the value of `id`.
        data_selector: Where the document is in the answer.
    """

    lists: tuple[str, ...] = Field(min_length=1)
    operation: str
    id: str = "id"
    data_selector: str


class ApiResource(_ExtractPart):
    """One kind of document.

    Attributes:
        name: The folder in which the documents land.
        primary_key: Where a document has its id; rows of days need none.
        attach: Lists that replace those of a document that are not empty, by the path at which they
            are requested.
        nested: Lists of a document that GraphQL cuts.
        keeps_versions: Whether the version of a document that arrived on an earlier day stays
            there, as costs do that held until the next.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    primary_key: str | None = Field(default=None, min_length=1)
    endpoint: ExtractEndpoint
    attach: dict[str, str] = {}
    nested: NestedLists | None = None
    keeps_versions: bool = False

    @model_validator(mode="after")
    def _documents_have_an_id(self) -> "ApiResource":
        if self.endpoint.incremental is not None and self.primary_key is None:
            raise ValueError(f"{self.name} needs `primary_key`, by which versions are compared")
        return self

    @property
    def is_graphql(self) -> bool:
        """Return whether documents are asked for by a query,
        and so their pages by the document before them.
        """
        return "query" in (self.endpoint.body or {})


class Throttling(_ExtractPart):
    """How an API says in an error's content, and not by status 429, that it is asked too often.

    Attributes:
        at: Where the content has the code of the error.
        codes: The codes that say so.
        wait_s: How many seconds to wait then, if the answer has no Retry-After.
    """

    at: str = Field(min_length=1)
    codes: tuple[str | int, ...] = Field(min_length=1)
    wait_s: int = Field(default=60, ge=1)


class ApiClient(_ExtractPart):
    """The API's address, and dlt's configurations of what proves who asks, and of pages.

    Attributes:
        base_url: The address before each path.
        account: Whose documents these are, where one address has those of many: a folder belongs
            to one account. Without it, to one address.
        headers: Sent with each request; one that is empty is left out.
        auth: dlt's configuration of what proves who asks.
        paginator: dlt's configuration of pages.
        error_at: Where the content of a refusal says what is wrong; an answer that has something
            there is one, whatever its status.
        throttling: How it says that it is asked too often, if not by status 429.
    """

    base_url: str = Field(min_length=1)
    account: str | None = Field(default=None, min_length=1)
    headers: dict[str, str] = {}
    auth: dict[str, Any] | None = None
    paginator: dict[str, Any] | str = "single_page"
    error_at: str | None = None
    throttling: Throttling | None = None

    @property
    def owner(self) -> str:
        """Return what a landing folder belongs to."""
        if self.account is None:
            return self.base_url
        return f"account {self.account} of {urlsplit(self.base_url).netloc}"


class Extract(_ExtractPart):
    """One API, the kinds of its documents, and the shipped mapping, or a file, that reads them as
    order lines, as costs, or as spend of advertising.
    """

    name: str
    description: str = ""
    mapping: str | None = None
    mapping_of: Literal["orders", "costs", "ad_spend"] = "orders"
    client: ApiClient
    resources: tuple[ApiResource, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_once(self) -> "Extract":
        names = [resource.name for resource in self.resources]
        if len({*names}) < len(names):
            raise ValueError("each resource needs a name of its own, which is its folder")
        return self


def load_extract(name_or_path: str) -> Extract:
    """Return a shipped extract by name, or your own by the path of its YAML file.

    Raises:
        MappingError: There is none, or it is invalid.
    """
    return load_mapping_file(Extract, name_or_path, FOLDER)


def filled(value: Any, variable: Callable[[str], str | None]) -> Any:  # noqa: ANN401 (any value of YAML)
    """Return a value of a definition in which each `${NAME}` is the variable of that name, and
    each `${NAME:-}` that variable or nothing.

    Raises:
        SettingError: A variable is not set that is needed.
    """
    if isinstance(value, dict):
        return {name: filled(member, variable) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [filled(member, variable) for member in value]
    return (
        _VARIABLE.sub(
            lambda match: (
                (variable(match[1]) or "").strip() if match[2] else _required(match[1], variable)
            ),
            value,
        )
        if isinstance(value, str)
        else value
    )


def variables_in(value: Any) -> list[str]:  # noqa: ANN401 (as above)
    """Return the names of the variables in a value of a definition, each once."""
    if isinstance(value, dict | list | tuple):
        inner = value.values() if isinstance(value, dict) else value
        return list(dict.fromkeys(name for member in inner for name in variables_in(member)))
    names = [match[1] for match in _VARIABLE.finditer(value)] if isinstance(value, str) else []
    return list(dict.fromkeys(names))


def _required(name: str, variable: Callable[[str], str | None]) -> str:
    result = (variable(name) or "").strip()
    if not result:
        raise SettingError(
            f"{name} is not set; set it in the environment or in .env, since the extract needs it."
        )
    return result


def with_values(value: Any, values: Mapping[str, Cursor]) -> Any:  # noqa: ANN401 (as above)
    """Return parameters, or a path, with what stands in braces replaced by its value."""
    if isinstance(value, dict):
        return {name: with_values(member, values) for name, member in value.items()}
    if isinstance(value, list):
        return [with_values(member, values) for member in value]
    if not isinstance(value, str) or value in values:
        return values.get(value, value)
    for name, inner in values.items():
        value = value.replace(name, str(inner))
    return value


def instant(cursor: Cursor) -> float:
    """Return a time as epoch seconds, so that texts of several offsets can be compared;
    without an offset, as UTC.

    Raises:
        ValueError: The text is not in ISO's format.
    """
    if isinstance(cursor, int):
        return cursor
    moment = datetime.fromisoformat(cursor)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
