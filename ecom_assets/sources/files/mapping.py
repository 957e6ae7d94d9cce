"""Mappings: small YAML files that say how a foreign layout becomes records of one kind, events or order lines.

What both kinds have in common is here; what each adds is in `sources/files/kinds.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ecom_assets.sources.mapping_file import load_mapping_file, shipped_in

FORMATS = ("iso", "epoch_s", "epoch_ms", "epoch_us")


@dataclass(frozen=True)
class RecordKind:
    """What the rows of files become.

    `fields` are columns of text as received, `at` the instant read from the field `time`, and `read` further columns by
    name, each with its SQL type and its SQL over the fields, which are called `e.field`. `renamed` are fields whose
    column has another name.
    """

    folder: str  # of the shipped mappings
    fields: tuple[str, ...]
    id: str
    time: str
    at: str
    optional: frozenset[str]  # fields that files may lack unless the mapping says otherwise
    never_empty: frozenset[str]  # JSON leaves out what is empty, so only these must be seen in its first lines
    numbers: frozenset[str]
    read: Mapping[str, tuple[str, str]]
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, str]:
        """Every column that files are read into, with its SQL type, in order."""
        texts = {self.renamed.get(name, name): "VARCHAR" for name in self.fields}
        read = {name: kind for name, (kind, _) in self.read.items()}
        arrival = {"received_at": "TIMESTAMP", "received_date": "DATE"}
        return {**texts, self.at: "TIMESTAMP", **read, **arrival, "source_file": "VARCHAR", "malformed_row": "VARCHAR"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceField(_Part):
    """Where a field comes from: one column of the file, or an SQL expression over its columns."""

    column: str | None = Field(default=None, min_length=1)
    expression: str | None = Field(default=None, min_length=1)
    optional: bool | tuple[str, ...] | None = None  # or the columns of the expression that a file may lack

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> "SourceField":
        given = [self.column, self.expression, getattr(self, "hash_of", None)]
        if sum(origin is not None for origin in given) != 1:
            names = "column, expression or hash_of" if isinstance(self, IdField) else "column or expression"
            raise ValueError(f"give exactly one of {names}")
        return self


class TimeField(SourceField):
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


class IdField(SourceField):
    """The id: a column, an expression, or a stable hash of columns where there is none.

    With `equal_rows: keep` the occurrence number among equal rows of one file is part of the hash, so equal
    rows stay separate records; with `merge` they get one id and are counted as duplicates later.
    """

    hash_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    equal_rows: Literal["keep", "merge"] = "keep"


class RecordFields(_Part):
    """One entry per field of the record; what is left out stays empty."""


class RecordMapping(_Part):
    """What every mapping says."""

    kind: ClassVar[RecordKind]

    name: str
    description: str = ""
    fields: Any
    explode: str | None = None
    ignore_columns: tuple[str, ...] = ()
    other_columns: Literal["refuse", "ignore", "properties"] = "refuse"
    delimiter: Literal[",", ";", "\t", "|"] = ","

    @property
    def id_field(self) -> "IdField":
        """Where the record's id comes from."""
        found: IdField = getattr(self.fields, self.kind.id)
        return found

    @property
    def time_field(self) -> "TimeField":
        """Where the record's time comes from."""
        found: TimeField = getattr(self.fields, self.kind.time)
        return found

    def translations(self) -> dict[str, dict[str, str]]:
        """Our names of the source's values, by field."""
        return {}

    def given(self) -> Iterator[tuple[str, SourceField]]:
        """The fields that this mapping fills, with their names."""
        for name in type(self.fields).model_fields:
            one = getattr(self.fields, name)
            if one is not None:
                yield name, one

    def may_lack(self, name: str, column: str) -> bool:
        """Return whether a file may come without a column of a field."""
        one: SourceField = getattr(self.fields, name)
        if isinstance(one.optional, tuple):
            return column in one.optional
        return name in self.kind.optional if one.optional is None else one.optional


Kind = TypeVar("Kind", bound=RecordMapping)


def valid_zone(name: str) -> str:
    """The name, if it is a time zone; ValueError otherwise."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; give one like UTC or Europe/Berlin") from error
    return name


def shipped(kind: type[RecordMapping]) -> list[str]:
    """Names of the mappings of a kind that come with the package."""
    return shipped_in(kind.kind.folder)


def load(kind: type[Kind], name_or_path: str | Path) -> Kind:
    """A shipped mapping by name, or one's own by the path of its YAML file.

    Raises:
        MappingError: There is none of that name, or it is wrong.
    """
    return load_mapping_file(kind, name_or_path, kind.kind.folder, partial(_keys_at, kind))


def _keys_at(kind: type[RecordMapping], path: Sequence[str]) -> list[str]:
    if not path:
        return list(kind.model_fields)
    if path[0] == "fields" and len(path) == 1:
        fields = kind.model_fields["fields"].annotation
        return list(getattr(fields, "model_fields", ()))
    kinds: dict[str, type[SourceField]] = {
        kind.kind.id: IdField,
        kind.kind.time: TimeField,
        "received_at": TimeField,
    }
    return list(kinds.get(path[-1], SourceField).model_fields)
