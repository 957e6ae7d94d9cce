"""What is asked of a REST API: YAML in the words of dlt's `rest_api` source,
of which these parts are taken.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ecom_assets.core.errors import SettingError
from ecom_assets.ingestion.sources.mapping_file import load_mapping_file

FOLDER = "extracts"
START = "{incremental.start_value}"
"""What stands in parameters for the time after which documents are asked for."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")
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


class ExtractEndpoint(_ExtractPart):
    """What is requested, and where documents are in the answer."""

    path: str = Field(min_length=1)
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Any] = {}
    body: dict[str, Any] | None = Field(default=None, alias="json")
    data_selector: str = "$"
    paginator: dict[str, Any] | str | None = None
    incremental: Incremental


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
        primary_key: Where a document has its id.
        attach: Lists that replace those of a document that are not empty, by the path at which they
            are requested.
        nested: Lists of a document that GraphQL cuts.
        keeps_versions: Whether the version of a document that arrived on an earlier day stays
            there, as costs do that held until the next.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    primary_key: str = Field(min_length=1)
    endpoint: ExtractEndpoint
    attach: dict[str, str] = {}
    nested: NestedLists | None = None
    keeps_versions: bool = False

    @property
    def is_graphql(self) -> bool:
        """Return whether documents are asked for by a query,
        and so their pages by the document before them.
        """
        return "query" in (self.endpoint.body or {})

    @property
    def first_cursor(self) -> Cursor:
        """Return the time of which the first request asks."""
        return self.endpoint.incremental.initial_value


class ApiClient(_ExtractPart):
    """The API's address, and dlt's configurations of what proves who asks, and of pages."""

    base_url: str = Field(min_length=1)
    headers: dict[str, str] = {}
    auth: dict[str, Any] | None = None
    paginator: dict[str, Any] | str = "single_page"


class Extract(_ExtractPart):
    """One API, the kinds of its documents, and the shipped mapping, or a file, that reads them as
    order lines or as costs.
    """

    name: str
    description: str = ""
    mapping: str | None = None
    mapping_of: Literal["orders", "costs"] = "orders"
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
    """Return a value of a definition in which each `${NAME}` is the variable of that name.

    Raises:
        SettingError: A variable is not set.
    """
    if isinstance(value, dict):
        return {name: filled(member, variable) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(member, variable) for member in value]
    return (
        _VARIABLE.sub(lambda match: _required(match[1], variable), value)
        if isinstance(value, str)
        else value
    )


def variables_in(value: Any) -> list[str]:  # noqa: ANN401 (as above)
    """Return the names of the variables in a value of a definition, each once."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return list(dict.fromkeys(name for member in inner for name in variables_in(member)))
    return list(dict.fromkeys(_VARIABLE.findall(value))) if isinstance(value, str) else []


def _required(name: str, variable: Callable[[str], str | None]) -> str:
    result = (variable(name) or "").strip()
    if not result:
        raise SettingError(
            f"{name} is not set; set it in the environment or in .env, since the extract needs it."
        )
    return result


def since(value: Any, start: Cursor) -> Any:  # noqa: ANN401 (as above)
    """Return parameters with the time after which documents are asked for."""
    if value == START:
        return start
    if isinstance(value, dict):
        return {name: since(member, start) for name, member in value.items()}
    return value.replace(START, str(start)) if isinstance(value, str) else value


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
