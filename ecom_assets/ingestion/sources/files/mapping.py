"""Mappings: YAML files that define how a source layout becomes records of one kind, such as events.

- `RecordKind` says what a kind is: its fields, which are numbers or flags, and the SQL that reads
  them from text (`read`). `EVENT`, `ORDER` and the others are below, each with its mapping.
- `SourceField` and its subclasses are what a mapping may say of a field: where it comes from, and
  what is done with it. `field_sql.py` writes the SQL of it.
- `RecordMapping` is a whole mapping, checked; `docs/mappings.md` describes it for people.

A new field of a kind is named in its `…_FIELDS` and `RecordKind`, and is a column of its contract;
a new key of mappings is a field of one of the models, with SQL that does what it says.

Terms: docs/glossary.md#mapping.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    create_model,
    field_validator,
    model_validator,
)

from ecom_assets.behaviour.events.contracts import CAMPAIGN
from ecom_assets.commerce.orders.orders import (
    CHARGES,
    FLAGS,
    ORDER_COSTS,
    PROFIT_FIELDS,
    PROFIT_NUMBERS,
)
from ecom_assets.core.clock import is_zone
from ecom_assets.core.tables.placeholders import MARKS
from ecom_assets.core.tables.spellings import BLANKS, PERSON_KEY, KeyKind
from ecom_assets.core.tables.values import NO, YES
from ecom_assets.core.warehouse.sql_text import amount, texts
from ecom_assets.ingestion.sources.files.mapping_content import (
    OPEN,
    completed,
    with_currency_of_amount,
    with_currency_of_header,
    without_open_states,
)
from ecom_assets.ingestion.sources.files.packed_cells import JSON, PackedCell
from ecom_assets.ingestion.sources.files.plain import (
    MappingPart,
    Numerals,
    Operations,
    RowCondition,
    Text,
)
from ecom_assets.ingestion.sources.files.shape import ADDED, LINES, WHOLE, RowKind, RowShape
from ecom_assets.ingestion.sources.files.table_heads import TableKeys
from ecom_assets.ingestion.sources.files.text_blocks import known_encoding
from ecom_assets.ingestion.sources.mapping_file import (
    load_mapping_file,
    shipped_in,
    usual_event_types,
)

AUTO = "auto"
LEFT_OUT, DISCOUNT = "left_out", "discount"
HOLDS = "holds"
ORDER_RECORD = "order"
OF_VERSIONS = {
    "record_id": "VARCHAR",
    "placed_at": "TIMESTAMP",
    "changed_at": "TIMESTAMP",
    "record_number": "BIGINT",
}
"""The columns that say which rows are a version of one record, with their SQL types."""
FORMATS = ("iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns")


def valid_zone(name: str) -> str:
    """Return the name if it is a time zone, else raise ValueError."""
    if not is_zone(name):
        raise ValueError(f"{name!r} is not a time zone; give one like UTC or Europe/Berlin")
    return name


def known_format(form: str) -> str:
    """Return the format of times if it is one, else raise ValueError."""
    if form not in FORMATS and "%" not in form:
        raise ValueError(f"{form!r} is neither one of {', '.join(FORMATS)} nor a strptime format")
    return form


OF_SHOP = "shop"


def _zone_or_shop(name: str) -> str:
    return name if name == OF_SHOP else valid_zone(name)


ZoneOrShop = Annotated[str, AfterValidator(_zone_or_shop)]


@dataclass(frozen=True, kw_only=True)
class RecordKind:
    """The kind of record that the rows of files become.

    `fields` are text columns with the values as received. `at` is the column of the instant parsed
    from the field `time`. `read` are more columns by name, each with its SQL type and its SQL over
    the fields, as `e.field`. `renamed` are fields whose column has another name.
    """

    folder: str = ""  # of the shipped mappings
    fields: tuple[str, ...]
    id: str
    time: str
    at: str
    optional: frozenset[str]  # fields that files may lack unless the mapping overrides it
    required: tuple[str, ...]  # fields that a mapping must fill
    never_empty: frozenset[
        str
    ]  # JSON often omits empty fields, so only these must be in its first lines
    numbers: frozenset[str]
    read: Mapping[str, tuple[str, str]]
    renamed: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()  # fields that say yes or no
    lists: frozenset[str] = frozenset()  # fields with several texts
    is_filtered: bool = (
        False  # whether a mapping may leave rows out, which then say why in a column `left_out`
    )
    # the field with the id of what a document or group of lines holds all of, if rows have versions
    whole: str = ""
    # whether the day of the field `time` is that of the row's arrival, where nothing else says it
    arrives_at_its_time: bool = True
    # how somebody gets a mapping for a layout that no mapping expects
    how_to_map: str = "let `ecom mapping init` write a mapping for it"
    # further fields that are times, each with the column of its instant
    other_times: Mapping[str, str] = field(default_factory=dict)
    # fields that the name of a row's file may say
    of_file: frozenset[str] = frozenset({"shop"})

    @property
    def columns(self) -> dict[str, str]:
        """Return every column of the kind with its SQL type, in order."""
        texts = {self.renamed.get(name, name): "VARCHAR" for name in self.fields}
        read = {name: kind for name, (kind, _) in self.read.items()}
        arrival = {"received_at": "TIMESTAMP", "received_date": "DATE"}
        left_out = {LEFT_OUT: "VARCHAR"} if self.is_filtered else {}
        left_out |= OF_VERSIONS if self.whole else {}
        file = {"source_file": "VARCHAR", "malformed_row": "VARCHAR"}
        times = dict.fromkeys((self.at, *self.other_times.values()), "TIMESTAMP")
        return {**texts, **times, **read, **left_out, **arrival, **file}


class SourceField(Operations):
    """The origin of a field, and what is done with its value.

    The origin is one column of the file, the first of several columns that has a value, several
    columns joined by a blank (such as a day and a time), a constant, an SQL expression over the
    columns, or another origin for each kind of row.
    """

    column: str | None = Field(default=None, min_length=1)
    first_of: tuple[str, ...] | None = Field(default=None, min_length=2)
    # Of `first_of`, a zero is passed over as an empty text is.
    skip_zeros: bool = False
    join: tuple[str, ...] | None = Field(default=None, min_length=2)
    constant: Text | None = None
    expression: str | None = Field(default=None, min_length=1)
    by_row: "dict[str, SourceField] | None" = None
    # The number is that of a whole order; each line gets its part by this number of its own.
    shared_by: "SourceField | None" = None
    # Of `shared_by`: what the numbers of all lines, and what is beside them, come to. They get
    # their part of it, and no more than their numbers.
    out_of: "SourceField | None" = None
    # A number of the whole order, of which each line is less its part, by its own number.
    less_shared: "SourceField | None" = None
    # The number is no more than this one: of what was paid back, what the goods cost.
    at_most: "SourceField | None" = None
    # A tuple lists the columns of the expression that a file may lack; `*` stands for any
    # characters.
    optional: bool | tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> "SourceField":
        names = [
            "column",
            "first_of",
            "join",
            "constant",
            "expression",
            "by_row",
            *self.other_origins,
        ]
        origins = [
            self.column,
            self.first_of,
            self.join,
            self.constant,
            self.expression,
            self.by_row,
        ]
        if sum(origin is not None for origin in (*origins, *self.other_origins.values())) != 1:
            raise ValueError(f"give exactly one of {', '.join(names[:-1])} or {names[-1]}")
        if self.skip_zeros and not self.first_of:
            raise ValueError("`skip_zeros` is of the columns of `first_of`")
        if self.out_of and not self.shared_by:
            raise ValueError("`out_of` is what an amount is shared out of: give `shared_by`, too")
        return self

    @property
    def other_origins(self) -> dict[str, object]:
        """Return the origins that only fields of this kind have."""
        return {}


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class PackedColumn(MappingPart):
    """How the items of an order are packed in the cells of a column, see `PackedCell`."""

    lines: str = ""
    members: str = ""
    named: str = ""
    like: str = ""
    beside: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {} if value == JSON else value

    @model_validator(mode="after")
    def _one_form(self) -> "PackedColumn":
        if not self.lines and (self.members or self.named or self.like or self.beside):
            raise ValueError("`lines` is missing: what stands between two items of a cell")
        if self.like and self.named:
            raise ValueError("give `like`, or `members` and `named`")
        if self.members and not self.named:
            raise ValueError("`members` needs `named`: what stands behind the name of each")
        try:
            groups = re.compile(self.like).groupindex
        except re.error as error:
            raise ValueError(f"`like` is no regular expression ({error})") from error
        if self.like and not groups:
            raise ValueError("`like` names no member: write (?P<quantity>\\d+) x (?P<name>.+)")
        return self

    @property
    def cell(self) -> PackedCell:
        """Return it as the reader takes it."""
        return PackedCell(self.lines, self.members, self.named, self.like, self.beside)


class KindOfRow(MappingPart):
    """One kind of rows of a record: the path of the list,
    and the records or elements that have such a row.
    """

    list: str = Field(min_length=1)
    if_any: tuple[str, ...] = ()
    where: dict[str, tuple[Text, ...]] = Field(default_factory=dict)
    first_has_list: bool = False
    unless: tuple[str, ...] = ()
    if_differ: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"list": value} if isinstance(value, str) else value


class TimeField(SourceField):
    """A timestamp field: its format (`iso`, `epoch_s`, `epoch_ms`,
    `epoch_us`, `epoch_ns` or a strptime format) and time zone.

    The zone `shop` is that of the shop's days, for texts of which the source does not say the zone.
    """

    format: str | tuple[str, ...] = "iso"
    timezone: ZoneOrShop = "UTC"

    @field_validator("format")
    @classmethod
    def _known_formats(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for form in [value] if isinstance(value, str) else value:
            known_format(form)
        return value

    @property
    def formats(self) -> tuple[str, ...]:
        """Return the formats, in the order in which they are tried."""
        return (self.format,) if isinstance(self.format, str) else self.format


class IdField(SourceField):
    """The id: a column, an expression, or a stable hash of columns if the file has no id.

    With `equal_rows: keep`, the hash includes the number of each row among equal rows of its file,
    so equal rows stay separate records. With `merge` they get the same id, and are counted as
    duplicates later. A value of `unless`, a column or an expression, is the id in place of the
    hash; files may lack that column.
    """

    hash_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    equal_rows: Literal["keep", "merge"] = "keep"
    unless: SourceField | None = None

    @property
    def other_origins(self) -> dict[str, object]:
        """Return the origins beside those of every field."""
        return {"hash_of": self.hash_of}

    @model_validator(mode="after")
    def _of_a_hash(self) -> "IdField":
        if self.unless and not self.hash_of:
            raise ValueError("`unless` is what goes before a hash; give hash_of, too")
        return self


class FileNameField(SourceField):
    """The shop or the account of a row, by the same origins, or by the name of its file without
    its ending.
    """

    file_name: bool = False

    @property
    def other_origins(self) -> dict[str, object]:
        """Return the origins beside those of every field."""
        return {"file_name": self.file_name or None}


class FieldEntries(BaseModel):
    """The entries of a mapping: one per field of a record,
    None for fields that it does not fill.
    """

    def mapped(self) -> Iterator[tuple[str, Any]]:
        """Yield the entries of the fields that the mapping fills, with their names."""
        return (
            (name, entry)
            for name in type(self).model_fields
            if (entry := getattr(self, name)) is not None
        )

    def in_zone(self, zone: str) -> Self:
        """Return the entries with a time zone for times of which only the shop knows the zone."""
        times = {
            name: entry
            for name, entry in self.mapped()
            if getattr(entry, "timezone", "") == OF_SHOP
        }
        return self.model_copy(
            update={name: t.model_copy(update={"timezone": zone}) for name, t in times.items()}
        )


class Proof(MappingPart):
    """What was true of all rows of the file that a mapping was made from, and is looked at in each
    later one: `amount` is what `equals` says, or with `sum_per` what that comes to on all rows with
    one value of a column, less and plus other columns once; rows of a file differ in the columns of
    `unique`; `column` is one of the values of `in`, the same on all rows with one value of
    `one_per`, or has nothing of the regular expression `not_like` in it.

    Of amounts, up to 2 % of the rows of a file may be off, also of those in which a part of the sum
    is not zero, as in the draft that found it.
    """

    amount: str | None = Field(default=None, min_length=1)
    equals: SourceField | None = None
    sum_per: str | None = Field(default=None, min_length=1)
    unique: tuple[str, ...] = ()
    column: str | None = Field(default=None, min_length=1)
    is_one_of: tuple[Text, ...] = Field(default=(), alias="in")
    one_per: str | None = Field(default=None, min_length=1)
    not_like: str | None = Field(default=None, min_length=1)
    optional: bool = False

    @model_validator(mode="after")
    def _one_form(self) -> "Proof":
        given = {name for name in ("amount", "equals", "unique", "column") if getattr(self, name)}
        of_column = [bool(self.is_one_of), bool(self.one_per), bool(self.not_like)]
        needs_values = sum(of_column) != int("column" in given)
        if self.sum_per and "equals" not in given:
            raise ValueError("`sum_per` is of `amount` and `equals`")
        if given not in ({"amount", "equals"}, {"unique"}, {"column"}) or needs_values:
            raise ValueError(
                "give `amount` and `equals`, or `unique`, or `column` with one of `in`, `one_per` "
                "and `not_like`"
            )
        return self


class RecordFields(FieldEntries, MappingPart):
    """One entry per field of the record; fields without an entry stay empty."""


def _model_of(kind: RecordKind, name: str) -> type[SourceField]:
    if name == kind.id:
        return IdField
    if name in kind.of_file:
        return FileNameField
    times = {kind.time, "received_at", "placed_at", "changed_at", *kind.other_times}
    return TimeField if name in times else SourceField


def fields_of(kind: RecordKind, base: type[RecordFields] = RecordFields) -> type[RecordFields]:
    """Return the model with an entry for each field of a kind of record, and for `received_at`."""
    entries: dict[str, Any] = {name: (_model_of(kind, name), ...) for name in kind.required}
    of_versions = (*OF_VERSIONS, "shop") if kind.whole else ()
    optional_names = [
        name for name in (*kind.fields, "received_at", *of_versions) if name not in kind.required
    ]
    entries |= {name: (_model_of(kind, name) | None, None) for name in optional_names}
    # The kind of a record lists its fields, which SQL and checks read too: the model follows it.
    return create_model(base.__name__, __base__=base, **entries)


class RecordMapping(MappingPart):
    """The settings that all mappings share."""

    kind: ClassVar[RecordKind]

    name: str
    description: str = ""
    parts: dict[str, str] = Field(default_factory=dict)
    # Of these, those that are computed once for each row, as they read long texts.
    once: tuple[str, ...] = ()
    any_case: tuple[str, ...] = ()
    fields: Any
    explode: str | None = None
    ignore_columns: tuple[str, ...] = ()
    other_columns: Literal["refuse", "ignore", "properties"] = "refuse"
    leave_out: dict[str, RowCondition] = Field(default_factory=dict)
    holds: dict[str, Proof] = Field(default_factory=dict)
    left_out_column: str | None = Field(default=None, min_length=1)
    records: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    packed: dict[str, PackedColumn] = Field(default_factory=dict)
    rows: dict[str, KindOfRow] = Field(default_factory=dict)
    group_by: tuple[str, ...] = ()
    carry_down: tuple[str, ...] = ()
    first_line: tuple[str, ...] = ()
    record: Literal["order", "line"] | None = None
    # Columns that only the first line of an order has, of files that number no other line; CSV
    # only.
    fill_down: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    leading_apostrophe: Literal["keep", "remove"] = "keep"
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'", "\u00a0", "\u2009", "\u202f", "\u2019"] = ""
    currency_signs: Literal["keep", "remove"] = "keep"
    # What a line is whose quantity or amount is below zero.
    below_zero: Literal["refuse", "refund", "discount"] = "refuse"
    # `auto`: that which splits a file's first lines into the most columns.
    delimiter: Literal[",", ";", "\t", "|", "auto"] = ","
    quote: Literal['"', ""] = '"'
    encoding: Annotated[str, AfterValidator(known_encoding)] | None = None
    sheet: str = ""

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, value: object) -> object:
        """Complete the expressions: parts in place of `{name}`, filled alternatives,
        members in any case.
        """
        return completed(value)

    @model_validator(mode="before")
    @classmethod
    def _with_currency_of_amount(cls, value: object) -> object:
        """Take the currency from beside the amount,
        where it is taken off and no other column says it.
        """
        return with_currency_of_amount(value, cls.kind.id)

    @model_validator(mode="after")
    def _with_parts_once(self) -> "RecordMapping":
        if unknown := [name for name in self.once if name not in self.parts]:
            raise ValueError(f"`once` names {', '.join(unknown)}, which `parts` does not have")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "RecordMapping":
        if self.explode and (self.rows or self.records):
            raise ValueError(
                "give `rows` with the path of the list in place of `explode`, or leave out "
                "`records`"
            )
        for key in ("first_line", "carry_down", "fill_down"):
            if getattr(self, key) and not self.group_by:
                raise ValueError(
                    f"`{key}` needs `group_by`: the column that the lines of one order have in "
                    "common"
                )
        if self.decimal == self.thousands:
            raise ValueError("`decimal` and `thousands` cannot be the same sign")
        if self.leave_out and not self.kind.is_filtered:
            raise ValueError("`leave_out` is for order lines, costs, ad spend and stock")
        if self.record and not self.kind.whole:
            raise ValueError("`record` is for order lines")
        if self.record == ORDER_RECORD and not getattr(self.fields, self.kind.whole):
            raise ValueError(
                f"`record: order` needs {self.kind.whole}, by which an order is recognised"
            )
        if self.below_zero != "refuse" and not self.kind.is_filtered:
            raise ValueError("`below_zero` is for order lines")
        if self.below_zero == "discount" and not self.shape:
            raise ValueError(
                "`below_zero: discount` needs `rows` or `group_by`: a discount is of the lines of "
                "its order"
            )
        return self

    @model_validator(mode="after")
    def _items_are_rows(self) -> "RecordMapping":
        if self.packed and not self.rows:
            raise ValueError(
                "`packed` needs `rows`, such as `rows: {line: COLUMN}`: each item is a row"
            )
        if self.packed and self.group_by:
            raise ValueError("give `packed` or `group_by`: an order is one row, or several")
        return self

    @model_validator(mode="after")
    def _proofs_of_rows(self) -> "RecordMapping":
        if self.holds and not self.kind.is_filtered:
            raise ValueError("`holds` is for order lines, costs, ad spend and stock")
        return self

    def in_zone(self, zone: str) -> Self:
        """Return the mapping with a time zone for times of which only the shop knows the zone."""
        return self.model_copy(update={"fields": self.fields.in_zone(zone)})

    @property
    def shape(self) -> RowShape | None:
        """Return how rows follow from the content of files; None if they are its lines."""
        if not (self.records or self.rows or self.group_by):
            return None
        rows = [
            RowKind(
                name,
                kind.list,
                kind.if_any,
                (*kind.where.items(),),
                kind.first_has_list,
                kind.unless,
                kind.if_differ,
            )
            for name, kind in self.rows.items()
        ]
        default = RowKind("", LINES if self.group_by else WHOLE)
        of_lines = self.group_by, self.carry_down, self.first_line, self.fill_down
        return RowShape(self.records, tuple(rows) or (default,), *of_lines)

    @property
    def is_of_orders(self) -> bool:
        """Return whether a record is an order, of which each file has all rows that there are;
        else it is a line.
        """
        if self.record:
            return self.record == ORDER_RECORD
        holds_all = bool(self.rows or self.group_by or self.explode)
        return (
            holds_all
            and bool(self.kind.whole)
            and getattr(self.fields, self.kind.whole) is not None
        )

    @property
    def placed_field(self) -> "TimeField | None":
        """Return where an order says when it was placed; by default,
        as its rows of the first kind say their time.
        """
        placed: TimeField | None = self.fields.placed_at
        if placed or not self.is_of_orders:
            return placed
        if not self.time_field.by_row:
            return self.time_field
        first = next(iter(self.time_field.by_row.values()))
        return self.time_field.model_copy(
            update={name: getattr(first, name) for name in SourceField.model_fields}
        )

    @property
    def knows_rows(self) -> bool:
        """Return whether a field depends on which row of its record it is in."""
        return bool(self.shape) or any(
            field.by_row or field.shared_by or field.less_shared for _, field in self.mapped()
        )

    @property
    def numerals(self) -> Numerals:
        """Return how numbers are written in the files."""
        return Numerals(
            decimal=self.decimal,
            thousands=self.thousands,
            has_currency=self.currency_signs == "remove",
        )

    @property
    def table_keys(self) -> TableKeys:
        """Return what the mapping says of the tables in files."""
        return TableKeys(
            None if self.delimiter == AUTO else self.delimiter,
            self.encoding,
            self.sheet,
            self.decimal,
            self.header,
            bool(self.quote),
            self.aliases,
            self.shape,
            self.explode,
            self.leading_apostrophe == "remove",
            packed={name: column.cell for name, column in self.packed.items()},
        )

    @property
    def id_field(self) -> "IdField":
        """Return the origin of the record's id."""
        result: IdField = getattr(self.fields, self.kind.id)
        return result

    @property
    def time_field(self) -> "TimeField":
        """Return the origin of the record's time."""
        result: TimeField = getattr(self.fields, self.kind.time)
        return result

    def time_field_of(self, name: str) -> "TimeField | None":
        """Return the origin of one of the other times; None if the mapping does not fill it."""
        result: TimeField | None = getattr(self.fields, name)
        return result

    def translations(self) -> dict[str, dict[str, str]]:
        """Return the platform's names of the source's values, by field."""
        return {}

    def mapped(self) -> Iterator[tuple[str, SourceField]]:
        """Yield the fields that this mapping fills, with their names."""
        fields: RecordFields = self.fields
        return fields.mapped()

    def may_lack(self, name: str, column: str) -> bool:
        """Return whether a file may lack a column of a field;
        a hash may lack what another field may lack.
        """
        if column in ADDED or name == LEFT_OUT:
            return True
        conditions = {
            f"{LEFT_OUT}.{key}": condition.optional for key, condition in self.leave_out.items()
        }
        conditions |= {f"{HOLDS}.{key}": proof.optional for key, proof in self.holds.items()}
        if name in conditions:
            return conditions[name]
        source_field: SourceField = getattr(self.fields, name)
        unless = source_field.unless if isinstance(source_field, IdField) else None
        if unless and unless.column == column:
            return True
        if (
            isinstance(source_field, IdField)
            and source_field.hash_of
            and source_field.optional is None
        ):
            return any(
                other.column == column and self.may_lack(other_name, column)
                for other_name, other in self.mapped()
            )
        if isinstance(source_field.optional, tuple):
            return any(fnmatchcase(column, pattern) for pattern in source_field.optional)
        return (
            name in self.kind.optional if source_field.optional is None else source_field.optional
        )


Kind = TypeVar("Kind", bound=RecordMapping)


def shipped(kind: type[RecordMapping]) -> list[str]:
    """Return the names of the shipped mappings of a kind."""
    return shipped_in(kind.kind.folder)


def load(kind: type[Kind], name_or_path: str | Path) -> Kind:
    """Return a shipped mapping by name, or a custom one by the path of its YAML file.

    Raises:
        MappingError: There is no such mapping, or it is invalid.
    """
    return load_mapping_file(kind, name_or_path, kind.kind.folder)


EVENT_FIELDS = (
    "event_id",
    "user_id",
    "event_type",
    "event_timestamp",
    "product_id",
    "product_category",
    "session_id",
    "page_url",
    "referrer_url",
    "cart_value",
    "anonymous_id",
    "user_agent",
    "properties",
    "sent_by",
    *CAMPAIGN,
)
OPTIONAL_FIELDS = frozenset(
    {"received_at", "anonymous_id", "user_agent", "properties", "sent_by", *CAMPAIGN}
)
EVENT = RecordKind(
    folder="mappings",
    fields=EVENT_FIELDS,
    id="event_id",
    time="event_timestamp",
    at="event_at",
    optional=OPTIONAL_FIELDS,
    required=("event_id", "event_type", "event_timestamp"),
    never_empty=frozenset({"event_id", "event_type", "event_timestamp"}),
    numbers=frozenset({"cart_value"}),
    # Which currency has no rate is known once amounts are converted.
    read={
        "cart_amount": ("DECIMAL(18, 4)", amount("e.cart_value")),
        "unrated_currency": ("VARCHAR", "NULL::VARCHAR"),
    },
)


class EventFields(RecordFields):
    """The entries of an event, which has a user or a session,
    and perhaps a currency of its amount, and the id of the order that it is about.
    """

    user_id: SourceField | None = None
    session_id: SourceField | None = None
    currency: SourceField | None = None
    order_ids: SourceField | None = None

    @model_validator(mode="after")
    def _someone(self) -> "EventFields":
        if self.user_id is None and self.session_id is None:
            raise ValueError(
                "one of user_id and session_id is needed, or no visitor could be counted"
            )
        return self


class EventMapping(RecordMapping):
    """The mapping of a source layout to `ecommerce_events`."""

    kind: ClassVar[RecordKind] = EVENT

    fields: fields_of(EVENT, EventFields)  # type: ignore[valid-type]  # made from the kind
    event_types: dict[str, str] = Field(default_factory=dict)
    usual_event_types: bool = False
    # The property with the number of events that a row stands for, which answers say.
    weight: str = ""
    labels: dict[str, Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default_factory=dict
    )
    funnel_steps: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_usual_types(cls, value: object) -> object:
        """Add the names that senders usually give to event types,
        where the mapping asks for them.
        """
        own = (value.get("event_types") or {}) if isinstance(value, dict) else None
        if (
            not isinstance(value, dict)
            or not isinstance(own, dict)
            or value.get("usual_event_types") is not True
        ):
            return value
        return value | {"event_types": {**usual_event_types(), **own}}

    def translations(self) -> dict[str, dict[str, str]]:
        """Return the platform's names of the source's values, by field."""
        return {"event_type": {name.strip(BLANKS): to for name, to in self.event_types.items()}}

    def translate(self, event_type: str) -> str:
        """Return the platform's name of a source's event type;
        a name without translation is returned unchanged.
        """
        return self.event_types.get(event_type, event_type)

    def source_names(self) -> dict[str, tuple[str, ...]]:
        """Return the source's names of each event type that has translations."""
        return {
            event_type: tuple(
                name for name, translated in self.event_types.items() if translated == event_type
            )
            for event_type in self.event_types.values()
        }

    @property
    def user_key(self) -> KeyKind:
        """What the id of a user is."""
        field: SourceField | None = self.fields.user_id
        return (field.key if field else None) or PERSON_KEY

    def names_type(self, event_type: str) -> bool:
        """Return whether it names an event type:
        among the types that it translates to, or in its SQL.
        """
        texts = [*self.event_types.values(), str(self.fields.event_type)]
        return any(event_type in text for text in texts)

    def accepted_types(self, event_types: Sequence[str]) -> tuple[str, ...] | None:
        """Return event types as `CleaningRule` takes them; None if the list is empty.

        Each type can be the source's name or the platform's name.
        """
        return tuple(dict.fromkeys(map(self.translate, event_types))) or None


load_mapping = partial(load, EventMapping)
"""Returns a shipped mapping by name, or a custom one by the path of its YAML file;
raises as `load` does.
"""


ORDER_FIELDS = (
    "id",
    "uniq_id",
    "order_id",
    "date_time",
    "city_id",
    "city_name",
    "region",
    "country",
    "customer_id",
    "first_name",
    "last_name",
    "item_id",
    "item_name",
    "item_category",
    "vendor",
    "landing_page",
    "order_keys",
    "sales_channel",
    "quantity",
    "payment_amount",
    "status",
    "currency",
    *CHARGES,
    *PROFIT_FIELDS,
    "is_renewal",
)


def whole_number(column: str) -> str:
    """Return the SQL that parses text as a whole number, at most 10¹⁸;
    NULL for any other text, such as `2.5`.
    """
    number = f"TRY_CAST({column} AS DECIMAL(24, 6))"
    cut = (
        f"CASE WHEN TRY_CAST({column} AS DOUBLE) BETWEEN 1e18 AND 1e300 THEN 1000000000000000000 "
        "END"
    )
    whole = f"CASE WHEN {number} = trunc({number}) THEN TRY_CAST({number} AS BIGINT) END"
    return f"COALESCE({whole}, {cut})"


def share(column: str) -> str:
    """Return the SQL that parses text as a share from 0 to below 1: `0.19`,
    or `19` or `19 %` for percent; NULL for any other text.
    """
    number = f"TRY_CAST(rtrim({column}, ' %') AS DECIMAL(18, 8))"
    is_percent = f"({number} >= 1 OR contains({column}, '%'))"
    scaled = f"CASE WHEN {is_percent} THEN {number} / 100 ELSE {number} END"
    return f"CASE WHEN {scaled} >= 0 AND {scaled} < 1 THEN ({scaled})::DECIMAL(9, 6) END"


def attribute(column: str, kind: str = "DECIMAL(18, 4)") -> str:
    """Return the SQL that parses text as an amount beside that of a row; NULL for one that is too
    large.

    It is not cut as the amount of a row is, which is then refused: no rule refuses the others.
    """
    return f"TRY_CAST({column} AS {kind})"


def from_zero(number: str) -> str:
    """Return the SQL of a number; NULL for one below zero."""
    return f"CASE WHEN {number} >= 0 THEN {number} END"


def without_tax(price: str) -> str:
    """Return the SQL of a price of a line without the tax that it says to be in its prices."""
    rate, is_included = share("e.tax_rate"), flag("e.is_tax_included")
    net = f"round({price} / (1 + {rate}), 4)::DECIMAL(18, 4)"
    return f"CASE WHEN {is_included} AND {rate} > 0 THEN {net} ELSE {price} END"


def included_tax(price: str) -> str:
    """Return the SQL of the tax in a price; NULL where a line does not say that its prices have
    it, and its rate.
    """
    has_tax = f"{flag('e.is_tax_included')} AND {share('e.tax_rate')} IS NOT NULL"
    return f"CASE WHEN {has_tax} THEN {price} - {without_tax(price)} END"


def flag(column: str) -> str:
    """Return the SQL that parses yes or no; NULL for any other text."""
    word = f"lower(trim({column}))"
    yes, no = texts(sorted(YES)), texts(sorted(NO))
    return f"CASE WHEN {word} IN {yes} THEN true WHEN {word} IN {no} THEN false END"


def codes(column: str) -> str:
    """Return the SQL of the codes in a text or a JSON list, in capitals and by name; NULL without
    one.
    """
    each = f"string_split_regex(regexp_replace({column}, '[\\[\\]\"]', '', 'g'), '[,;|]')"
    each = f"list_transform({each}, lambda code: upper(trim(code)))"
    is_code = f"code <> '' AND lower(code) NOT IN {texts(MARKS)}"
    each = f"list_sort(list_distinct(list_filter({each}, lambda code: {is_code})))"
    return f"nullif(array_to_string({each}, ', '), '')"


UNIT_COST = "DECIMAL(18, 6)"
ORDER = RecordKind(
    folder="order_mappings",
    fields=ORDER_FIELDS,
    id="uniq_id",
    time="date_time",
    at="ordered_at",
    optional=frozenset(
        {
            *OF_VERSIONS,
            "shop",
            "received_at",
            "order_id",
            "region",
            "country",
            "item_category",
            "vendor",
            "landing_page",
            "order_keys",
            "sales_channel",
            "id",
            "currency",
            *CHARGES,
            *PROFIT_FIELDS,
            "is_renewal",
        }
    ),
    required=("uniq_id", "date_time", "customer_id", "item_id", "quantity", "payment_amount"),
    never_empty=frozenset({"uniq_id", "date_time"}),
    numbers=frozenset({"quantity", "payment_amount", *CHARGES, *PROFIT_NUMBERS}),
    flags=frozenset(FLAGS),
    lists=frozenset({"discount_codes"}),
    renamed={
        name: f"received_{name}"
        for name in (
            "quantity",
            "payment_amount",
            "currency",
            "discount_codes",
            *CHARGES,
            *PROFIT_NUMBERS,
            *FLAGS,
        )
    },
    is_filtered=True,
    whole="order_id",
    read={
        "id_number": ("BIGINT", whole_number("e.id")),
        "quantity": ("DECIMAL(18, 4)", amount("e.quantity")),
        "payment_amount": ("DECIMAL(18, 4)", without_tax(amount("e.payment_amount"))),
        **{name: ("DECIMAL(18, 4)", attribute(f"e.{name}")) for name in (*CHARGES, *ORDER_COSTS)},
        "tax_amount": (
            "DECIMAL(18, 4)",
            f"coalesce({attribute('e.tax_amount')}, {included_tax(amount('e.payment_amount'))})",
        ),
        "gross_amount": ("DECIMAL(18, 4)", without_tax(attribute("e.gross_amount"))),
        # Sources write discounts with either sign.
        "discount_amount": (
            "DECIMAL(18, 4)",
            without_tax(f"abs({attribute('e.discount_amount')})"),
        ),
        "discount_codes": ("VARCHAR", codes("e.discount_codes")),
        "tax_rate": ("DECIMAL(9, 6)", share("e.tax_rate")),
        "unit_cost_amount": (UNIT_COST, from_zero(attribute("e.unit_cost_amount", UNIT_COST))),
        **{name: ("BOOLEAN", flag(f"e.{name}")) for name in FLAGS},
        "currency": ("VARCHAR", "nullif(upper(trim(e.currency)), '')"),
    },
)


class OrderMapping(RecordMapping):
    """The mapping of a source layout to `user_order_log`."""

    kind: ClassVar[RecordKind] = ORDER

    fields: fields_of(ORDER)  # type: ignore[valid-type]  # made from the kind
    statuses: dict[str, str] = Field(default_factory=dict)
    sales_channels: dict[str, str] = Field(default_factory=dict)
    other_columns: Literal["refuse", "ignore"] = "refuse"

    @model_validator(mode="before")
    @classmethod
    def _with_answered_states(cls, value: object) -> object:
        """Leave a state that nobody has answered as it is,
        so that its rows are quarantined under its name.
        """
        return without_open_states(value)

    def translations(self) -> dict[str, dict[str, str]]:
        """Return the platform's names of the source's values, by field."""
        return {"status": self.statuses, "sales_channel": self.sales_channels}


load_order_mapping = partial(load, OrderMapping)
"""Returns a shipped mapping by name, or a custom one by the path of its YAML file;
raises as `load` does.
"""


COST_FIELDS = (
    "cost_id",
    "item_id",
    "item_name",
    "item_category",
    "unit_cost_amount",
    "piece_count",
    "currency",
    "valid_from_date",
    "valid_until_date",
)
COST = RecordKind(
    folder="cost_mappings",
    fields=COST_FIELDS,
    id="cost_id",
    time="valid_from_date",
    at="valid_from_at",
    optional=frozenset(
        {
            "received_at",
            "item_name",
            "item_category",
            "piece_count",
            "currency",
            "valid_from_date",
            "valid_until_date",
        }
    ),
    required=("cost_id", "item_id", "unit_cost_amount"),
    never_empty=frozenset({"item_id"}),
    numbers=frozenset({"unit_cost_amount", "piece_count"}),
    renamed={
        name: f"received_{name}"
        for name in (
            "unit_cost_amount",
            "piece_count",
            "currency",
            "valid_from_date",
            "valid_until_date",
        )
    },
    read={
        "cost_amount": (UNIT_COST, attribute("e.unit_cost_amount", UNIT_COST)),
        "piece_count": (UNIT_COST, attribute("e.piece_count", UNIT_COST)),
        "currency": ("VARCHAR", "nullif(upper(trim(e.currency)), '')"),
    },
    is_filtered=True,
    # Costs hold from days that are long past, or to come.
    arrives_at_its_time=False,
    how_to_map="let `ecom mapping init --costs` write a mapping for it",
    other_times={"valid_until_date": "valid_until_at"},
)


class CostMapping(RecordMapping):
    """The mapping of a source layout to `costs`."""

    kind: ClassVar[RecordKind] = COST

    fields: fields_of(COST)  # type: ignore[valid-type]  # made from the kind
    other_columns: Literal["refuse", "ignore"] = "refuse"


load_cost_mapping = partial(load, CostMapping)
"""Returns a shipped mapping by name, or a custom one by the path of its YAML file;
raises as `load` does.
"""


AD_SPEND_KEYS = (
    "spend_date",
    "until_date",
    "platform",
    "account_id",
    "campaign_id",
    "campaign_name",
    "ad_group_id",
    "ad_group_name",
    "final_url",
)
"""What spend was for, by which rows are told apart."""
AD_SPEND_FIELDS = (
    "spend_id",
    *AD_SPEND_KEYS,
    "spend_amount",
    "currency",
    "account_time_zone",
    "impression_count",
    "click_count",
    "platform_conversion_count",
    "platform_conversion_amount",
)
AD_SPEND_AMOUNTS = {
    "spend_amount": "account_spend_amount",
    "platform_conversion_amount": "account_conversion_amount",
}
"""The amounts of a row of spend, each with the column in which it is in the account's currency."""
AD_SPEND = RecordKind(
    folder="ad_spend_mappings",
    fields=AD_SPEND_FIELDS,
    id="spend_id",
    time="spend_date",
    at="spend_at",
    optional=frozenset(AD_SPEND_FIELDS) - {"spend_id", "spend_date", "spend_amount"}
    | {"received_at"},
    required=("spend_id", "spend_date", "platform", "account_id", "spend_amount", "currency"),
    never_empty=frozenset({"spend_date"}),
    numbers=frozenset(
        {
            *AD_SPEND_AMOUNTS,
            "impression_count",
            "click_count",
            "platform_conversion_count",
        }
    ),
    renamed={
        name: f"received_{name}"
        for name in AD_SPEND_FIELDS
        if name.endswith(("_date", "_amount", "_count")) or name == "currency"
    },
    read={
        **{
            column: (UNIT_COST, attribute(f"e.{name}", UNIT_COST))
            for name, column in AD_SPEND_AMOUNTS.items()
        },
        "platform_conversion_count": (
            UNIT_COST,
            attribute("e.platform_conversion_count", UNIT_COST),
        ),
        "impression_count": ("BIGINT", from_zero(attribute("e.impression_count", "BIGINT"))),
        "click_count": ("BIGINT", from_zero(attribute("e.click_count", "BIGINT"))),
        "currency": ("VARCHAR", "nullif(upper(trim(e.currency)), '')"),
    },
    is_filtered=True,
    # Platforms restate days that are past.
    arrives_at_its_time=False,
    how_to_map="let `ecom mapping init --ad-spend` write a mapping for it",
    other_times={"until_date": "until_at"},
    of_file=frozenset({"account_id"}),
)


class AdSpendMapping(RecordMapping):
    """The mapping of a source layout to `ad_spend`."""

    kind: ClassVar[RecordKind] = AD_SPEND

    fields: fields_of(AD_SPEND)  # type: ignore[valid-type]  # made from the kind
    other_columns: Literal["refuse", "ignore"] = "refuse"
    # The name of the column of spend, with {} where it says the currency: Amount spent ({}).
    amount_header: str = ""

    @model_validator(mode="before")
    @classmethod
    def _with_currency_of_header(cls, value: object) -> object:
        """Take spend, and its currency, from the column whose name says the currency."""
        return with_currency_of_header(value)

    @model_validator(mode="after")
    def _nothing_open(self) -> "AdSpendMapping":
        still_open = [name for name, origin in self.mapped() if origin.constant == OPEN]
        if still_open:
            raise ValueError(f"`fields.{still_open[0]}` is open; write what its line asks for")
        return self

    @model_validator(mode="after")
    def _days_of_the_account(self) -> "AdSpendMapping":
        if any(
            field.timezone != "UTC"
            for field in (self.fields.spend_date, self.fields.until_date)
            if field is not None
        ):
            raise ValueError(
                "`spend_date` and `until_date` have no timezone: their days are the account's own"
            )
        return self


load_ad_spend_mapping = partial(load, AdSpendMapping)
"""Returns a shipped mapping by name, or a custom one by the path of its YAML file;
raises as `load` does.
"""


STOCK = RecordKind(
    folder="stock_mappings",
    fields=(
        "line_id",
        "product_id",
        "name",
        "category",
        "stock",
        "reorder_point",
        "lead_time_days",
        "unit_cost_amount",
        "location",
        "counted_date",
    ),
    id="line_id",
    time="counted_date",
    at="counted_at",
    optional=frozenset(
        {
            "received_at",
            "name",
            "category",
            "reorder_point",
            "lead_time_days",
            "unit_cost_amount",
            "location",
            "counted_date",
        }
    ),
    required=("line_id", "product_id", "stock"),
    never_empty=frozenset({"product_id"}),
    numbers=frozenset({"stock", "reorder_point", "lead_time_days", "unit_cost_amount"}),
    read={},
    is_filtered=True,
    # A list says what there is when it is made, whatever days stand in it.
    arrives_at_its_time=False,
    how_to_map="name its columns product_id and stock",
)


class StockMapping(RecordMapping):
    """The mapping of a source layout to the lines of a catalogue with stock."""

    kind: ClassVar[RecordKind] = STOCK

    fields: fields_of(STOCK)  # type: ignore[valid-type]  # made from the kind
    other_columns: Literal["refuse", "ignore"] = "ignore"

    @property
    def table_keys(self) -> TableKeys:
        """Return what it says of the tables in files: a line of a list may lack its last cells."""
        return replace(super().table_keys, has_short_lines=True)


load_stock_mapping = partial(load, StockMapping)
"""Returns a shipped mapping by name, or a custom one by the path of its YAML file;
raises as `load` does.
"""
