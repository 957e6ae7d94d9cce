"""The mapping of a customer API, and the customers that its records become by it.

A path addresses a value inside JSON by its keys, separated by dots: `address.city`. A number
addresses an element of a list; -1 is the last one. Nothing is cleaned here: a malformed e-mail or
an impossible date is kept as received.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import ibis.expr.types as ir
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ecom_assets.commerce.customers.contracts import SCORE, SCORED_FIELDS, RawCustomers
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import MAPPING_COPY, is_of_uploads, rows_folder
from ecom_assets.core.tables.placeholders import NO_CUSTOMERS, is_placeholder_text
from ecom_assets.core.tables.spellings import PERSON_KEY, KeyKind, spelled
from ecom_assets.core.tables.values import NO, YES
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets.core.warehouse.sql_text import HALF_AS_READ, HALF_OF_DAY
from ecom_assets.ingestion.sources.files.mapping import FieldEntries, ZoneOrShop, known_format
from ecom_assets.ingestion.sources.files.shape import RowShape
from ecom_assets.ingestion.sources.files.table_heads import TableKeys
from ecom_assets.ingestion.sources.files.text_blocks import known_encoding
from ecom_assets.ingestion.sources.mapping_file import load_mapping_file

FOLDER = "customer_mappings"
NATIVE = "customers"
WHOLE_ANSWER = "."
MISSING: Final = object()
"""The result of a path that does not exist; null is a value that exists."""
EPOCHS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000, "epoch_ns": 1_000_000_000}
"""Time formats that are numbers, with their units per second."""
CONSENT_TIME: Final = "email_consent_at"
"""The time of which only the instant is kept: one that cannot be read costs no record."""


class _ApiPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


Path_ = Annotated[str, Field(min_length=1)]


class ApiField(_ApiPart):
    """The path of a field in a record, or several, of which the first that a record has counts.

    `optional` if all records may lack it; with `lower`, the text is taken in small letters; `key`
    says what an id is.
    """

    path: Path_ | Annotated[tuple[Path_, ...], Field(min_length=1)]
    optional: bool = False
    lower: bool = False
    key: KeyKind | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths, in the order in which they are tried."""
        return (self.path,) if isinstance(self.path, str) else self.path

    @property
    def all_paths(self) -> tuple[str, ...]:
        """Return every path that the field is read from."""
        return self.paths

    def value_in(self, record: object) -> Any:  # noqa: ANN401 (JSON is what it is)
        """Return the field's value in a record, or MISSING."""
        values = (
            value
            for value in (value_at(record, path) for path in self.paths)
            if value is not MISSING
        )
        value = next(values, MISSING)
        return value.strip().lower() if self.lower and isinstance(value, str) else value


def _in_form(text: str, form: str) -> datetime:
    """Return the time in a text of a strptime format,
    whatever its blanks and its spelling of AM and PM.
    """
    if "%p" in form:
        form = re.sub(r"\s*%p", " %p", form)
        text = re.sub(HALF_OF_DAY, HALF_AS_READ, " ".join(text.split()))
    return datetime.strptime(text, form)  # noqa: DTZ007 (the zone follows)


class ApiTime(ApiField):
    """A timestamp field: its format (`iso`,
    one of `EPOCHS` or a strptime format) and the zone of texts without one.
    """

    format: Annotated[str, AfterValidator(known_format)] = "iso"
    timezone: ZoneOrShop = "UTC"

    def instant_of(self, value: object) -> datetime | None:
        """Return a value as a UTC instant; None if it cannot be parsed."""
        try:
            if self.format in EPOCHS:
                return datetime.fromtimestamp(float(str(value)) / EPOCHS[self.format], UTC)
            text = str(value or "")
            read = (
                datetime.fromisoformat(text)
                if self.format == "iso"
                else _in_form(text, self.format)
            )
            return (
                read if read.tzinfo else read.replace(tzinfo=ZoneInfo(self.timezone))
            ).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            return None


class ApiScore(ApiField):
    """An engagement score from 0 to `out_of`."""

    out_of: float = Field(default=100, gt=0, allow_inf_nan=False)

    def score_of(self, value: object) -> float | None:
        """Return the score on a scale of 100; None if the value is out of range or not a number."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= self.out_of
        ):
            return None
        return value * 100 / self.out_of


class ApiConsent(ApiField):
    """Whether the customer agreed to be written to by e-mail: the texts by which a shop says so,
    and those by which it says that the customer did not, or no more.

    Texts are compared in small letters. All others, such as that a confirmation is awaited, leave
    it unknown. Who has anything but a no in a field of `unless`, such as one of who unsubscribed,
    has refused, whatever else is said.
    """

    unless: tuple[Path_, ...] = ()
    agreed: tuple[Path_, ...] = (*sorted(YES), "subscribed")
    refused: tuple[Path_, ...] = (
        *sorted(NO),
        *("unsubscribed", "not_subscribed", "never_subscribed"),
        *("not subscribed", "never subscribed"),
    )

    @property
    def all_paths(self) -> tuple[str, ...]:
        """Return every path that the field is read from."""
        return *self.paths, *self.unless

    def value_in(self, record: object) -> Any:  # noqa: ANN401 (JSON is what it is)
        """Return the field's value in a record, or MISSING, or that it was taken back."""
        if any(_says_yes(value_at(record, path)) for path in self.unless):
            return _TAKEN_BACK
        return super().value_in(record)

    def consent_of(self, value: object) -> bool | None:
        """Return whether the customer agreed; None if the value does not say it."""
        if value == _TAKEN_BACK:
            return False
        text = str(value).strip().lower()
        return True if text in self.agreed else False if text in self.refused else None


_TAKEN_BACK: Final = "(taken back)"
_NO: Final = NO | {"", "none", "null", "never", "[]", "{}", "-", "--"}
"""How a flag says no, or a column of reasons nothing, as exports and spreadsheets write it."""


def _says_yes(value: object) -> bool:
    """Return whether a flag is set, or the time or the reason of something is there."""
    return value is not MISSING and bool(value) and str(value).strip().lower() not in _NO


class CustomerFields(FieldEntries, _ApiPart):
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
    has_email_consent: ApiConsent | None = None
    email_consent_at: ApiTime | None = None


class NumberedPages(_ApiPart):
    """Pages by number: `?page=2&per_page=100`."""

    kind: Literal["page"]
    parameter: Path_ = "page"
    size: Path_ | None = Field(
        default=None, description="The parameter that says how many records a page has"
    )
    first: int = Field(default=1, ge=0, le=1, description="The number of the first page")
    number: Path_ | None = Field(
        default=None, description="Path of the page's number in the answer"
    )
    total: Path_ | None = Field(default=None, description="Path of how many records there are")
    page_count: Path_ | None = Field(default=None, description="Path of how many pages there are")


class OffsetPages(_ApiPart):
    """Pages by the number of records before them: `?offset=100&limit=100`."""

    kind: Literal["offset"]
    parameter: Path_ = "offset"
    size: Path_ | None = "limit"
    total: Path_ | None = None


class LinkedPages(_ApiPart):
    """Pages that contain the URL of the next page: at the path `next`,
    or in the `Link` header if there is no path.
    """

    kind: Literal["next_link"]
    next: Path_ | None = None
    size: Path_ | None = None
    total: Path_ | None = None


class CursorPages(_ApiPart):
    """Pages that contain the cursor of the next page;
    `more` is the path of a flag that says if there is one.
    """

    kind: Literal["cursor"]
    parameter: Path_ = "cursor"
    cursor: Path_
    more: Path_ | None = None
    size: Path_ | None = None
    total: Path_ | None = None


class OnePage(_ApiPart):
    """All records in one response."""

    kind: Literal["none"]
    total: Path_ | None = None


Paging = Annotated[
    NumberedPages | OffsetPages | LinkedPages | CursorPages | OnePage, Field(discriminator="kind")
]


class KeyHeader(_ApiPart):
    """The header that carries the key, and the scheme before it, such as `Bearer`."""

    header: str = Field(default="X-API-KEY", pattern=r"^[A-Za-z0-9-]+$")
    scheme: str = Field(default="", pattern=r"^[A-Za-z0-9-]*$")


class CustomerMapping(_ApiPart):
    """How to read a customer API."""

    name: str
    description: str = ""
    records: Path_ = "data"
    paging: Paging = OnePage(kind="none")
    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: Annotated[str, AfterValidator(known_encoding)] | None = None
    sheet: str = ""
    fields: CustomerFields
    id_type: Literal["any", "number", "text"] = "any"
    expected: tuple[str, ...] | None = None
    ignore_fields: tuple[str, ...] = ()
    other_fields: Literal["ignore", "refuse"] = "ignore"
    key: KeyHeader = KeyHeader()

    @property
    def table_keys(self) -> TableKeys:
        """Return what the mapping says of the tables in files."""
        return TableKeys(
            self.delimiter, self.encoding, self.sheet, shape=self.shape, has_apostrophes=True
        )

    @property
    def shape(self) -> RowShape:
        """Return how the records of a file follow from its content."""
        return RowShape(records=(self.records,))

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of all fields, in order."""
        paths = (path for _, field in self.fields.mapped() for path in field.all_paths)
        return tuple(dict.fromkeys(paths))

    @field_validator("expected")
    @classmethod
    def _scored(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in value or ():
            if name not in {*SCORED_FIELDS, SCORE}:
                names = ", ".join((*SCORED_FIELDS, SCORE))
                raise ValueError(f"{name!r} is not a field of the quality score; these are {names}")
        return value

    @model_validator(mode="after")
    def _expected_fields_are_there(self) -> "CustomerMapping":
        fields = dict(self.fields.mapped())
        for name in self.expected or ():
            if name not in fields:
                raise ValueError(
                    f"{name!r} is expected for the quality score, but `fields` does not say where "
                    "it is"
                )
        return self

    def in_zone(self, zone: str) -> "CustomerMapping":
        """Return the mapping with a time zone for times of which only the shop knows the zone."""
        return self.model_copy(update={"fields": self.fields.in_zone(zone)})

    @property
    def expected_fields(self) -> tuple[str, ...]:
        """Return the fields that lower the quality score if missing: `expected`,
        else all that the API has.

        A score is expected only by name: APIs of other shops have none, and a record that has one
        shows it.
        """
        if self.expected is not None:
            return tuple(name for name in (*SCORED_FIELDS, SCORE) if name in self.expected)
        names = {name for name, _ in self.fields.mapped()}
        return tuple(name for name in SCORED_FIELDS if name in names)


def load_customer_mapping(name_or_path: str | Path) -> CustomerMapping:
    """Return a shipped mapping by name, or a custom one by the path of its YAML file.

    Raises:
        MappingError: There is no such mapping, or it is invalid.
    """
    return load_mapping_file(CustomerMapping, name_or_path, FOLDER)


def mapping_of(settings: Settings) -> CustomerMapping:
    """Return the configured mapping; the sandbox's API uses the native one."""
    if is_of_uploads(settings.home, settings.customers):
        return _mapping_of_uploads(settings.home)
    if settings.customers:
        return load_customer_mapping(settings.customers_mapping).in_zone(settings.timezone)
    return load_customer_mapping(
        settings.customer_api_mapping if settings.customer_api_url else NATIVE
    )


def _mapping_of_uploads(home: Path) -> CustomerMapping:
    """Return the native mapping, with the fields that files of uploads had by theirs: each was
    applied when its file was loaded.
    """
    paths = sorted(rows_folder(home, NATIVE).glob(f"*/{MAPPING_COPY}"))
    names = {name for path in paths for name in load_customer_mapping(path).expected_fields}
    fields = tuple(name for name in (*SCORED_FIELDS, SCORE) if name in names)
    return load_customer_mapping(NATIVE).model_copy(update={"expected": fields})


def value_at(value: Any, path: str) -> Any:  # noqa: ANN401 (JSON is what it is)
    """Return the value at a path, or MISSING."""
    if isinstance(value, dict) and path in value:  # a key, or the name of a column, may have dots
        return value[path]
    for part in () if path == WHOLE_ANSWER else path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif (
            isinstance(value, list)
            and part.removeprefix("-").isdecimal()
            and -len(value) <= int(part) < len(value)
        ):
            value = value[int(part)]
        else:
            return MISSING
    return value


_NOT_STORABLE = re.compile("[\\0\\ud800-\\udfff]")
"""Postgres text cannot contain NUL, and a lone surrogate is not valid UTF-8."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
NATIVE_MAPPING = load_customer_mapping(NATIVE)
ID_TYPES = {
    "any": "a text or a whole number from 0",
    "number": "a whole number from 0",
    "text": "a text",
}


def _storable(text: str) -> str:
    """Raise ValueError for text that a warehouse cannot store."""
    if _NOT_STORABLE.search(text):
        raise ValueError("holds a character that no table can hold")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class CustomerVersion(BaseModel):
    """One version of one customer; every field but `id` may be missing, empty or invalid."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)

    id: Text
    is_number_id: bool = Field(
        default=False, description="Whether the API gives the id as a number"
    )
    email: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    city: Text | None = None
    region: Text | None = None
    country: Text | None = None
    created_at: Text | None = None
    updated_at: Text | None = None
    last_login_at: Text | None = None
    created_instant: datetime | None = None
    updated_instant: datetime | None = None
    last_login_instant: datetime | None = None
    engagement_score: float | None = None
    has_engagement_score: bool = False
    has_email_consent: bool | None = None
    email_consent_instant: datetime | None = None
    payload: str = Field(
        default="", repr=False, description="The whole record as JSON, keys sorted, ASCII only"
    )

    @property
    def version_instant(self) -> datetime:
        """Return the time of this version in UTC;
        a missing or invalid time counts as the oldest.
        """
        return self.updated_instant or _LONG_AGO


@dataclass(frozen=True)
class ReceivedRecord:
    """A record as JSON, with its page and position (from 1): a customer,
    or the reason why it is not a valid one.

    What is no valid customer replaces older versions all the same, by its `customer_id` and
    `updated_at`.
    """

    page: int
    position: int
    payload: str = field(repr=False)
    customer: CustomerVersion | None = None
    reason: str = ""
    customer_id: str | None = None
    updated_at: datetime | None = None
    file: str = ""


@dataclass(frozen=True)
class Conflict:
    """Different copies of one customer with the same time;
    the first payload is the one that is used.
    """

    id: str
    updated_at: str | None
    payloads: tuple[str, ...]

    def __repr__(self) -> str:
        """Return the id and the number of copies, without personal data."""
        return f"Conflict(id={self.id!r}, copies={len(self.payloads)})"


def read_record(
    record: Any,  # noqa: ANN401 (JSON is what it is)
    page: int,
    position: int,
    mapping: CustomerMapping = NATIVE_MAPPING,
) -> ReceivedRecord:
    """Return a record as a customer, or with a reason that quotes no value."""
    payload = json.dumps(record, sort_keys=True, separators=(",", ":"))
    try:
        return ReceivedRecord(page, position, payload, _customer(record, payload, mapping))
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        )
        reason = "; ".join(faults)
    except ValueError as error:
        reason = str(error)
    return ReceivedRecord(page, position, payload, None, reason, *_version_of(record, mapping))


def _version_of(record: object, mapping: CustomerMapping) -> tuple[str | None, datetime | None]:
    """Return whose version a record is, and when it was changed; None for what it does not say."""
    customer_id, fault = read_id(
        mapping.fields.id.value_in(record), mapping.id_type, mapping.fields.id.key
    )
    if fault or _NOT_STORABLE.search(customer_id):
        return None, None
    changed = mapping.fields.updated_at
    value = changed.value_in(record) if changed else None
    is_time = isinstance(value, str | int | float) and not isinstance(value, bool)
    return customer_id, changed.instant_of(value) if changed and is_time else None


def _customer(record: object, payload: str, mapping: CustomerMapping) -> CustomerVersion:
    if isinstance(record, str):
        raise ValueError("the line cannot be read")  # noqa: TRY004 (a fault of the data)
    if not isinstance(record, dict):
        raise ValueError(f"a customer is an object, not a {type(record).__name__}")  # noqa: TRY004 (a fault of the data)
    values: dict[str, Any] = {"payload": payload}
    for name, api_field in mapping.fields.mapped():
        value = api_field.value_in(record)
        if name == "id":
            values["is_number_id"] = isinstance(value, int)
            values["id"], fault = read_id(value, mapping.id_type, api_field.key)
            if fault:
                raise ValueError(f"id: {fault}")
        elif value is not MISSING:
            values |= (
                _read(name, api_field, value)
                if isinstance(api_field, ApiTime | ApiScore | ApiConsent)
                else {name: value}
            )
    return CustomerVersion.model_validate(values)


def read_id(value: object, id_type: str, key: KeyKind | None) -> tuple[str, str]:
    """Return an id as text in its one spelling, and what is wrong with it, or an empty string."""
    if (
        isinstance(value, float) and value.is_integer()
    ):  # as pandas writes whole numbers beside missing ones
        value = int(value)
    if value is MISSING or value is None or (isinstance(value, str) and not value.strip()):
        return "", "it is missing"
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not (is_number and id_type != "text") and not (
        isinstance(value, str) and id_type != "number"
    ):
        return "", f"it is not {ID_TYPES[id_type]}"
    text = spelled(str(value), key or PERSON_KEY)
    return text, "it stands for nobody" if is_placeholder_text(text, NO_CUSTOMERS) else ""


def _read(name: str, api_field: ApiTime | ApiScore | ApiConsent, value: object) -> dict[str, Any]:
    """Return the values of a field of a time, a score or consent, by field of a customer."""
    if isinstance(api_field, ApiConsent):
        return {name: api_field.consent_of(value)}
    if isinstance(api_field, ApiScore):
        return {name: api_field.score_of(value), f"has_{name}": True}
    if (
        api_field.format in EPOCHS
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ):
        value = str(value)
    read = api_field.instant_of(value) if isinstance(value, str) else None
    instant = {f"{name.removesuffix('_at')}_instant": read}
    return instant if name == CONSENT_TIME else {name: value, **instant}


def merged(
    copies: Iterable[CustomerVersion],
) -> tuple[tuple[CustomerVersion, ...], tuple[Conflict, ...]]:
    """Return each customer's latest version, in the order in which customers first appear,
    and conflicts of copies.

    Among versions with the same time the greatest payload wins, so that the result does not depend
    on page order.
    """
    by_id: dict[str, list[CustomerVersion]] = {}
    for copy in copies:
        by_id.setdefault(copy.id, []).append(copy)
    chosen = [
        max(group, key=lambda version: (version.version_instant, version.payload))
        for group in by_id.values()
    ]
    conflicts = [_conflict(winner, by_id[winner.id]) for winner in chosen]
    return tuple(chosen), tuple(conflict for conflict in conflicts if conflict)


def _conflict(winner: CustomerVersion, group: Sequence[CustomerVersion]) -> Conflict | None:
    if len(group) == 1:
        return None
    payloads = {copy.payload for copy in group if copy.version_instant == winner.version_instant}
    if len(payloads) == 1:
        return None
    return Conflict(winner.id, winner.updated_at, tuple(sorted(payloads, reverse=True)))


NAMED_AS_RECEIVED = ("email", "first_name", "last_name", "city", "region", "country")
TIMES = ("created", "updated", "last_login")
AS_READ = ("engagement_score", "has_engagement_score", "has_email_consent")


def customer_rows(records: Iterable[ReceivedRecord], received_date: date, source: str) -> ir.Table:
    """Return records as an in-memory table with the columns of `RawCustomers`."""
    return in_memory(customer_values(records, received_date, source), RawCustomers)


def customer_values(
    records: Iterable[ReceivedRecord], received_date: date, source: str, before: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield records as rows of `RawCustomers`; `before` is how many places are taken before them
    on their day.
    """
    for number, received in enumerate(records, start=before + 1):
        row: dict[str, Any] = dict.fromkeys(RawCustomers.columns)
        row |= {
            "received_date": received_date,
            "record_number": number,
            "page_number": received.page,
            "page_position": received.position,
            "payload": received.payload,
            "source": source,
            "source_file": received.file or None,
            "reject_reason": received.reason or None,
        }
        own = {"customer_id": received.customer_id, "updated_at": _naive(received.updated_at)}
        yield row | (_values(received.customer) if received.customer else own)


def _naive(instant: datetime | None) -> datetime | None:
    return instant and instant.replace(tzinfo=None)


def _values(customer: CustomerVersion) -> dict[str, Any]:
    values: dict[str, Any] = {"customer_id": customer.id, "is_number_id": customer.is_number_id}
    values |= {name: _tidy(getattr(customer, name)) for name in NAMED_AS_RECEIVED}
    for name in TIMES:
        value, instant = getattr(customer, f"{name}_at"), getattr(customer, f"{name}_instant")
        values |= {f"{name}_timestamp": value or None, f"{name}_at": _naive(instant)}
    values[CONSENT_TIME] = _naive(customer.email_consent_instant)
    return values | {name: getattr(customer, name) for name in AS_READ}


def _tidy(text: str | None) -> str | None:
    """Return a text stripped and in Unicode form NFC; None if it is empty."""
    return unicodedata.normalize("NFC", text).strip() or None if text else None
