"""The mapping of a customer API: the path of its list, its pagination and its fields.

A path addresses a value inside JSON by its keys, separated by dots: `address.city`. A number addresses an element of a
list; -1 is the last one.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ecom_assets.customers.contracts import SCORE, SCORED_FIELDS
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.mapping import TimeZone
from ecom_assets.sources.mapping_file import load_mapping_file

FOLDER = "customer_mappings"
NATIVE = "customers"
WHOLE_ANSWER = "."
MISSING: Final = object()
"""The result of a path that does not exist; null is a value that exists."""
EPOCHS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
"""Time formats that are numbers, with their units per second."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


Path_ = Annotated[str, Field(min_length=1)]


class ApiField(_Part):
    """The path of a field in a record; `optional` if all records may lack it."""

    path: Path_
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value


class ApiTime(ApiField):
    """A timestamp field: its format (`iso`, one of `EPOCHS` or a strptime format) and the zone of texts without one."""

    format: str = "iso"
    timezone: TimeZone = "UTC"

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value != "iso" and value not in EPOCHS and "%" not in value:
            raise ValueError(f"{value!r} is neither one of iso, {', '.join(EPOCHS)} nor a strptime format")
        return value

    def instant_of(self, value: object) -> datetime | None:
        """Return a value as a UTC instant; None if it cannot be parsed."""
        try:
            if self.format in EPOCHS:
                return datetime.fromtimestamp(float(str(value)) / EPOCHS[self.format], UTC)
            text = str(value or "")
            read = datetime.fromisoformat(text) if self.format == "iso" else datetime.strptime(text, self.format)  # noqa: DTZ007 (the zone follows)
            return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(self.timezone))).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            return None


class ApiScore(ApiField):
    """An engagement score from 0 to `out_of`."""

    out_of: float = Field(default=100, gt=0, allow_inf_nan=False)

    def score_of(self, value: object) -> float | None:
        """Return the score on a scale of 100; None if the value is out of range or not a number."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= self.out_of:
            return None
        return value * 100 / self.out_of


class CustomerFields(_Part):
    """One entry per field of a customer; omit the fields that the API does not have."""

    id: ApiField
    email: ApiField | None = None
    first_name: ApiField | None = None
    last_name: ApiField | None = None
    city: ApiField | None = None
    region: ApiField | None = None
    country: ApiField | None = None
    created_at: ApiTime | None = None
    updated_at: ApiTime | None = None
    last_login_at: ApiTime | None = None
    engagement_score: ApiScore | None = None

    def given(self) -> Iterator[tuple[str, ApiField]]:
        """Return the fields that the API has, with their names."""
        for name in type(self).model_fields:
            one = getattr(self, name)
            if one is not None:
                yield name, one


class NumberedPages(_Part):
    """Pages by number: `?page=2&per_page=100`."""

    kind: Literal["page"]
    parameter: Path_ = "page"
    size: Path_ | None = Field(default=None, description="The parameter that says how many records a page has")
    first: int = Field(default=1, ge=0, le=1, description="The number of the first page")
    number: Path_ | None = Field(default=None, description="Path of the page's number in the answer")
    total: Path_ | None = Field(default=None, description="Path of how many records there are")
    page_count: Path_ | None = Field(default=None, description="Path of how many pages there are")


class OffsetPages(_Part):
    """Pages by the number of records before them: `?offset=100&limit=100`."""

    kind: Literal["offset"]
    parameter: Path_ = "offset"
    size: Path_ | None = "limit"
    total: Path_ | None = None


class LinkedPages(_Part):
    """Pages that contain the URL of the next page: at the path `next`, or in the `Link` header if there is no path."""

    kind: Literal["next_link"]
    next: Path_ | None = None
    size: Path_ | None = None
    total: Path_ | None = None


class CursorPages(_Part):
    """Pages that contain the cursor of the next page; `more` is the path of a flag that says if there is one."""

    kind: Literal["cursor"]
    parameter: Path_ = "cursor"
    cursor: Path_
    more: Path_ | None = None
    size: Path_ | None = None
    total: Path_ | None = None


class OnePage(_Part):
    """All records in one response."""

    kind: Literal["none"]
    total: Path_ | None = None


Paging = Annotated[NumberedPages | OffsetPages | LinkedPages | CursorPages | OnePage, Field(discriminator="kind")]
_KINDS: dict[str, type[_Part]] = {
    "page": NumberedPages, "offset": OffsetPages, "next_link": LinkedPages, "cursor": CursorPages, "none": OnePage,
}  # fmt: skip


class KeyHeader(_Part):
    """The header that carries the key, and the scheme before it, such as `Bearer`."""

    header: str = Field(default="X-API-KEY", pattern=r"^[A-Za-z0-9-]+$")
    scheme: str = Field(default="", pattern=r"^[A-Za-z0-9-]*$")


class CustomerMapping(_Part):
    """How to read a customer API."""

    name: str
    description: str = ""
    records: Path_ = "data"
    paging: Paging
    fields: CustomerFields
    id_type: Literal["any", "number", "text"] = "any"
    expected: tuple[str, ...] | None = None
    ignore_fields: tuple[str, ...] = ()
    other_fields: Literal["ignore", "refuse"] = "ignore"
    key: KeyHeader = KeyHeader()

    @field_validator("expected")
    @classmethod
    def _scored(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in value or ():
            if name not in {*SCORED_FIELDS, SCORE}:
                known = ", ".join((*SCORED_FIELDS, SCORE))
                raise ValueError(f"{name!r} is not a field of the quality score; these are {known}")
        return value

    @model_validator(mode="after")
    def _expected_fields_are_there(self) -> "CustomerMapping":
        given = dict(self.fields.given())
        for name in self.expected or ():
            if name not in given:
                raise ValueError(f"{name!r} is expected for the quality score, but `fields` does not say where it is")
        return self

    @property
    def expected_fields(self) -> tuple[str, ...]:
        """Return the fields that lower the quality score if missing: `expected`, else all that the API has.

        A score is expected only by name: APIs of other shops have none, and a record that has one shows it.
        """
        if self.expected is not None:
            return tuple(name for name in (*SCORED_FIELDS, SCORE) if name in self.expected)
        given = {name for name, _ in self.fields.given()}
        return tuple(name for name in SCORED_FIELDS if name in given)


def load_customer_mapping(name_or_path: str | Path) -> CustomerMapping:
    """Return a shipped mapping by name, or a custom one by the path of its YAML file.

    Raises:
        MappingError: There is no such mapping, or it is invalid.
    """
    return load_mapping_file(CustomerMapping, name_or_path, FOLDER, _keys_at)


def mapping_of(settings: Settings) -> CustomerMapping:
    """Return the configured mapping; the sandbox's API uses the native one."""
    return load_customer_mapping(settings.customer_api_mapping if settings.customer_api_url else NATIVE)


def value_at(value: Any, path: str) -> Any:  # noqa: ANN401 (JSON is what it is)
    """Return the value at a path, or MISSING."""
    for part in () if path == WHOLE_ANSWER else path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.removeprefix("-").isdecimal() and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def _keys_at(path: Sequence[str]) -> Sequence[str]:
    if not path:
        return list(CustomerMapping.model_fields)
    if path[0] == "paging":
        return list(_KINDS.get(path[-1], _Part).model_fields)
    if path[0] == "key":
        return list(KeyHeader.model_fields)
    if len(path) == 1:
        return list(CustomerFields.model_fields)
    times = path[-1].endswith("_at")
    return list((ApiTime if times else ApiScore if path[-1] == "engagement_score" else ApiField).model_fields)
