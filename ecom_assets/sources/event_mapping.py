"""Mappings: small YAML files that say how a foreign layout becomes `ecommerce_events`.

Here: what a mapping may say, reading and validating it, and the shipped ones. Not here: whether a mapping
fits a given file (`file_fit`) and the SQL that applies it (`event_sql`).
"""

import difflib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ecom_assets.errors import MappingError

EVENT_FIELDS = (
    "event_id", "user_id", "event_type", "event_timestamp", "product_id", "product_category", "session_id",
    "page_url", "referrer_url", "cart_value", "anonymous_id", "user_agent", "properties",
)  # fmt: skip
OPTIONAL_FIELDS = frozenset({"received_at", "anonymous_id", "user_agent", "properties"})
FORMATS = ("iso", "epoch_s", "epoch_ms", "epoch_us")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventField(_Part):
    """Where a field comes from: one column of the file, or an SQL expression over its columns."""

    column: str | None = Field(default=None, min_length=1)
    expression: str | None = Field(default=None, min_length=1)
    optional: bool | tuple[str, ...] | None = None  # or the columns of the expression that a file may lack

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> "EventField":
        given = [self.column, self.expression, getattr(self, "hash_of", None)]
        if sum(origin is not None for origin in given) != 1:
            names = "column, expression or hash_of" if isinstance(self, IdField) else "column or expression"
            raise ValueError(f"give exactly one of {names}")
        return self


class TimeField(EventField):
    """A moment: its text's format (`iso`, `epoch_s`, `epoch_ms`, `epoch_us` or strptime's) and zone."""

    format: str | tuple[str, ...] = "iso"
    timezone: str = "UTC"

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for form in [value] if isinstance(value, str) else value:
            if form not in FORMATS and "%" not in form:
                raise ValueError(f"{form!r} is neither one of {', '.join(FORMATS)} nor a strptime format")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return valid_zone(value)

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats, tried in this order."""
        return (self.format,) if isinstance(self.format, str) else self.format


class IdField(EventField):
    """The event id: a column, an expression, or a stable hash of columns where there is none.

    With `equal_rows: keep` the occurrence number among equal rows of one file is part of the hash, so equal
    rows stay separate events; with `merge` they get one id and are counted as duplicates later.
    """

    hash_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    equal_rows: Literal["keep", "merge"] = "keep"


class EventFields(_Part):
    """One entry per column of `ecommerce_events`; what is left out stays empty."""

    event_id: IdField
    event_type: EventField
    event_timestamp: TimeField
    user_id: EventField | None = None
    session_id: EventField | None = None
    product_id: EventField | None = None
    product_category: EventField | None = None
    page_url: EventField | None = None
    referrer_url: EventField | None = None
    cart_value: EventField | None = None
    received_at: TimeField | None = None
    anonymous_id: EventField | None = None
    user_agent: EventField | None = None
    properties: EventField | None = None

    @model_validator(mode="after")
    def _someone(self) -> "EventFields":
        if self.user_id is None and self.session_id is None:
            raise ValueError("one of user_id and session_id is needed, or nobody could be counted")
        return self


class EventMapping(_Part):
    """How a layout becomes `ecommerce_events`."""

    name: str
    description: str = ""
    fields: EventFields
    event_types: dict[str, str] = Field(default_factory=dict)
    explode: str | None = None
    ignore_columns: tuple[str, ...] = ()
    other_columns: Literal["refuse", "ignore", "properties"] = "refuse"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    funnel_steps: tuple[str, ...] = ()

    def translate(self, event_type: str) -> str:
        """Our name of an event type of the source; a name without translation stays as it is."""
        return self.event_types.get(event_type, event_type)

    def given(self) -> Iterator[tuple[str, EventField]]:
        """The fields that this mapping fills, with their names."""
        for name in EventFields.model_fields:
            field = getattr(self.fields, name)
            if field is not None:
                yield name, field

    def may_lack(self, name: str, column: str) -> bool:
        """Whether a file may come without a column of a field."""
        field: EventField = getattr(self.fields, name)
        if isinstance(field.optional, tuple):
            return column in field.optional
        return name in OPTIONAL_FIELDS if field.optional is None else field.optional


def valid_zone(name: str) -> str:
    """The name, if it is a time zone; ValueError otherwise."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; give one like UTC or Europe/Berlin") from error
    return name


def shipped_mappings() -> list[str]:
    """Names of the mappings that come with the package."""
    return sorted(
        path.name.removesuffix(".yaml") for path in _shipped_folder().iterdir() if path.name.endswith(".yaml")
    )


def load_mapping(name_or_path: str | Path) -> EventMapping:
    """A shipped mapping by name, or one's own by the path of its YAML file; MappingError if it is wrong."""
    given = str(name_or_path)
    if Path(given).suffix in {".yaml", ".yml"} or "/" in given:
        try:
            body = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MappingError(f"the mapping {given} cannot be read ({_reason(error)}); check the path") from error
        return _parse(body, given)
    if given not in shipped_mappings():
        hint = did_you_mean(given, shipped_mappings())
        known = ", ".join(shipped_mappings())
        raise MappingError(
            f"there is no mapping {given!r}{hint}; shipped are {known}, or give the path of a .yaml file"
        )
    return _parse((_shipped_folder() / f"{given}.yaml").read_text(encoding="utf-8"), f"{given}.yaml")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`, did you mean 'x'?` for the closest known name, or nothing."""
    lowered = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" (did you mean {lowered[close[0]]!r}?)" if close else ""


def _shipped_folder() -> "resources.abc.Traversable":
    return resources.files("ecom_assets.sources") / "mappings"


def _parse(body: str, where: str) -> EventMapping:
    try:
        content = yaml.safe_load(body)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise MappingError(f"{where} is no valid YAML{line}; mend the indentation or the quotes there") from error
    if not isinstance(content, dict):
        raise MappingError(f"{where} is no mapping: it must hold `name:` and `fields:`, see docs/mappings.md")
    content.setdefault("name", Path(where).name.split(".")[0])
    try:
        return EventMapping.model_validate(content)
    except ValidationError as error:
        raise MappingError(f"{where}: {_sentence(error)}; see docs/mappings.md") from error


def _sentence(error: ValidationError) -> str:
    # An unknown key usually is the misspelt form of the one that is then missing.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    path = [str(part) for part in first["loc"]]
    place = ".".join(path) or "the mapping"
    if first["type"] == "extra_forbidden":
        inside = f" under `{'.'.join(path[:-1])}`" if path[:-1] else ""
        return f"unknown key {path[-1]!r}{inside}{did_you_mean(path[-1], _keys_at(path[:-1]))}"
    if first["type"] == "missing":
        return f"`{place}` is missing"
    return f"`{place}`: {first['msg'].removeprefix('Value error, ')}"


def _keys_at(path: Sequence[str]) -> list[str]:
    if not path:
        return list(EventMapping.model_fields)
    if path == ["fields"]:
        return list(EventFields.model_fields)
    kinds: dict[str, type[EventField]] = {
        "event_id": IdField,
        "event_timestamp": TimeField,
        "received_at": TimeField,
    }
    return list(kinds.get(path[-1], EventField).model_fields)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else "it is not UTF-8 text"
