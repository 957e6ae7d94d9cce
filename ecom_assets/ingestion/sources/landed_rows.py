"""JSON messages become rows of a landing file, by the same mappings that read files;
the others are dead letters.
"""

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.core.errors import EcomError, MappingError, WorkError
from ecom_assets.core.json_text import json_text, read_json, with_nulls
from ecom_assets.core.warehouse.sql_text import ident, select, text
from ecom_assets.ingestion.sources.customer_api.records import CustomerMapping, read_id
from ecom_assets.ingestion.sources.files.currency import with_currency
from ecom_assets.ingestion.sources.files.fit import columns_used
from ecom_assets.ingestion.sources.files.mapping import (
    IdField,
    RecordMapping,
    SourceField,
    TimeField,
)
from ecom_assets.ingestion.sources.files.nesting import is_deeper
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.shape import (
    ADDED,
    GROUP,
    RowShape,
    ShapeError,
    as_json,
    documents_in,
    records_in,
    rows_of,
)
from ecom_assets.ingestion.sources.files.sql import CURRENCY, MAX_DEPTH
from ecom_assets.ingestion.sources.landing import LANDED, LANDED_CUSTOMERS, landed_schema

UNREADABLE: Final = "unreadable"
TOO_DEEP: Final = "nested_too_deeply"
"""The reason of a message that the engine's reader would find damaged; it is found before, since a
whole batch is divided again and again to find one such message.
"""
EMPTY: Final = "empty"
NO_ID: Final = "no_customer_id"
NOT_THE_MESSAGES: Final = (
    duckdb.OperationalError,
    duckdb.FatalException,
    duckdb.InterruptException,
    OSError,
)
"""What fails for want of memory, disk or engine:
dividing the messages would make dead letters of all of them.
"""
LINE: Final = "__line"
"""The column with a line's number, which `received_at` carries through the mapping:
rows may change their order.
"""
INSTANT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")
T = TypeVar("T")


@dataclass(frozen=True)
class MessageRows:
    """The rows of messages, for each its message's position in the batch,
    and why messages have none, by position.
    """

    table: pa.Table
    positions: list[int]
    refused: dict[int, str] = field(default_factory=dict)


class Mapper(Protocol):
    """Turns messages into rows of a landing file."""

    def rows(
        self, values: Sequence[bytes | None], reasons: Mapping[int, str] | None = None
    ) -> MessageRows:
        """Return the rows of messages in their order; an id is null where a message has none.

        Args:
            values: The JSON of each message; None if it has no value.
            reasons: Why some were refused before, by their positions.

        Raises:
            OSError: The disk takes no temporary file.
            WorkError: The engine lacks memory or a file; the same messages can be given again.
        """


class MessageMapper:
    """Applies a mapping to messages, of which one that cannot be read does not hold up the others.

    Raises:
        MappingError: The mapping makes one record of several messages, or several events of one, or
            takes the shop from the name of a file.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, mapping: RecordMapping, timezone: str
    ) -> None:
        """Set the engine, the mapping of the messages, and the shop's time zone."""
        self._con = con
        self._shape = mapping.shape
        self._mapping = _for_messages(mapping)
        self._timezone = timezone
        self._schema = landed_schema(mapping.kind)
        columns = {name for names in columns_used(self._mapping).values() for name in names}
        columns |= {*ADDED} if self._shape else set()
        self._columns = sorted(columns)
        self._header = orjson.dumps(dict.fromkeys(self._columns))

    def rows(
        self, values: Sequence[bytes | None], reasons: Mapping[int, str] | None = None
    ) -> MessageRows:
        """Return the rows of messages; see `Mapper`."""
        lines, of_message, refused = _made_of(values, reasons, self._lines_of)
        tables, positions = self._mapped(lines, of_message, refused)
        table = pa.concat_tables(tables) if tables else self._schema.empty_table()
        return MessageRows(table, positions, refused)

    def _lines_of(self, value: bytes, number: int) -> list[bytes] | str:
        """Return the lines of a message, the first of which has a number, or why it has none."""
        if self._shape is None:
            line = _line(value)
            return UNREADABLE if line is None else [line]
        try:
            documents = [*documents_in(value.decode())]
        except (ValueError, RecursionError):
            return UNREADABLE
        records = [record for document in documents for record in records_in(document, self._shape)]
        lines: list[bytes] = []
        for group, record in enumerate(records, start=number):
            if not isinstance(record, dict):
                return UNREADABLE
            try:
                rows = rows_of(record, self._shape, group)
            except ShapeError:
                return UNREADABLE
            lines += [as_json(row, self._columns) for row in rows]
        return lines

    def _mapped(
        self, lines: Sequence[bytes], of_message: Sequence[int], refused: dict[int, str]
    ) -> tuple[list[pa.Table], list[int]]:
        """Return the rows of lines, given the position of each one's message."""
        if not lines:
            return [], []
        try:
            table = self._read(lines)
            if len(table) == len(lines):
                return [table.select(self._schema.names).cast(self._schema)], [*of_message]
        except (EcomError, duckdb.Error, UnicodeDecodeError) as error:
            if isinstance(error.__cause__ or error, NOT_THE_MESSAGES):
                raise WorkError(
                    f"The messages cannot be mapped now ({error}); they wait."
                ) from error
        if of_message[0] == of_message[-1]:
            refused[of_message[0]] = UNREADABLE
            return [], []
        # The lines of a message stay together.
        middle = bisect_left(of_message, of_message[len(lines) // 2]) or bisect_right(
            of_message, of_message[0]
        )
        first = self._mapped(lines[:middle], of_message[:middle], refused)
        second = self._mapped(lines[middle:], of_message[middle:], refused)
        return first[0] + second[0], first[1] + second[1]

    def _read(self, lines: Sequence[bytes]) -> pa.Table:
        """Return the row of each line, in their order."""
        with tempfile.TemporaryDirectory(prefix="ecom_messages_") as folder:
            # A landing folder, so that no pass over the rows looks for their days.
            path = Path(folder) / "received_date=2000-01-01" / "messages.ndjson"
            path.parent.mkdir()
            if self._is_numbered:
                lines = [_numbered(line, number) for number, line in enumerate(lines)]
            # The first line has every column, since JSON often leaves out what is empty.
            path.write_bytes(b"\n".join([self._header, *lines, b""]))
            files = with_currency(
                RecordFiles.open(self._con, [path], self._mapping, self._timezone)
            )
            columns = landed_columns(self._mapping, self._schema)
            sql = select(columns, f"({files.received_sql()})", "malformed_row IS NULL")
            if self._is_numbered:
                sql += " ORDER BY received_at NULLS FIRST"
            return self._con.sql(sql).to_arrow_table().slice(1)

    @property
    def _is_numbered(self) -> bool:
        return self._mapping.kind.is_filtered


def landed_columns(mapping: RecordMapping, schema: pa.Schema) -> list[str]:
    """Return the SQL of the columns of a landed file, which the native mapping reads, over rows as
    a mapping reads them: `RecordFiles.received_sql` of files `with_currency`.
    """
    kind, time = mapping.kind, mapping.time_field
    columns = {name: ident(kind.renamed.get(name, name)) for name in schema.names}
    if "currency" not in kind.fields:
        columns["currency"] = CURRENCY if mapping.fields.currency else "NULL::VARCHAR"
    times: dict[str, tuple[TimeField | None, str]] = {kind.time: (time, kind.at)}
    times |= {name: (mapping.time_field_of(name), at) for name, at in kind.other_times.items()}
    for name, (field_of_time, at) in times.items():
        is_native = field_of_time is None or (
            (field_of_time.formats, field_of_time.timezone) == (("iso",), "UTC")
        )
        if name in columns and not is_native:
            columns[name] = f"coalesce(strftime({at}, {text(INSTANT)}), {columns[name]})"
    return [f"{value} AS {ident(name)}" for name, value in columns.items()]


class CustomerMapper:
    """Takes customers as they came: what they say is read, and checked,
    by the run that loads them.
    """

    def __init__(self, mapping: CustomerMapping) -> None:
        """Set the mapping, which says where the records and their ids are."""
        self._id = mapping.fields.id
        self._id_type = mapping.id_type
        self._shape = RowShape(records=(mapping.records,))

    def rows(
        self, values: Sequence[bytes | None], reasons: Mapping[int, str] | None = None
    ) -> MessageRows:
        """Return the rows of messages; see `Mapper`."""
        rows, positions, refused = _made_of(values, reasons, self._rows_of)
        return MessageRows(pa.Table.from_pylist(rows, schema=LANDED_CUSTOMERS), positions, refused)

    def _rows_of(self, value: bytes, _number: int) -> list[dict[str, str]] | str:
        """Return the customers of a message, or why it has none."""
        try:
            records = [*records_in(read_json(value), self._shape)]
        except orjson.JSONDecodeError:
            return UNREADABLE
        rows = []
        for record in records:
            customer_id, fault = read_id(self._id.value_in(record), self._id_type, self._id.key)
            if fault:
                return NO_ID
            rows.append({"customer_id": customer_id, "payload": json_text(record)})
        return rows


def _made_of(
    values: Sequence[bytes | None],
    reasons: Mapping[int, str] | None,
    read: Callable[[bytes, int], list[T] | str],
) -> tuple[list[T], list[int], dict[int, str]]:
    """Return what `read` makes of messages, the position of each one's message,
    and why the others have none.

    `read` gets a message, and how many were made before it; it returns what it made, or why it
    cannot read it.
    """
    made: list[T] = []
    positions: list[int] = []
    refused = dict(reasons or {})
    for position, value in enumerate(values):
        if position in refused:
            continue
        if value and is_deeper(value, MAX_DEPTH):
            refused[position] = TOO_DEEP
            continue
        own = (read(value, len(made)) if value else EMPTY) or EMPTY
        if isinstance(own, str):
            refused[position] = own
        else:
            made += own
            positions += [position] * len(own)
    return made, positions, refused


def _line(value: bytes) -> bytes | None:
    """Return a JSON object on one line, with null for `NaN`; None if the value is none."""
    value = with_nulls(value)
    try:
        if not isinstance(orjson.loads(value), dict):
            return None
    except orjson.JSONDecodeError:
        return None
    # Outside of strings; within them, JSON escapes the ends of lines.
    return value.translate(_LINE_ENDS) if b"\n" in value or b"\r" in value else value


def _numbered(line: bytes, number: int) -> bytes:
    """Return a JSON object with its number as the first member."""
    rest = line.lstrip()[1:].lstrip()
    return b'{"%s": %d%s%s' % (LINE.encode(), number, b"" if rest.startswith(b"}") else b", ", rest)


def _for_messages(mapping: RecordMapping) -> RecordMapping:
    """Return a mapping for single messages instead of whole files,
    whose rows are made before it is applied.

    A column that appears one day must not stop the stream: of an event it is kept as a property. An
    id cannot be a hash of the row: it distinguishes equal messages in one file, but not in two
    files; their position is the id instead.
    """
    is_of_events = not mapping.kind.is_filtered
    if mapping.explode or mapping.group_by or (is_of_events and mapping.shape):
        keys = "explode, rows, records and group_by" if is_of_events else "explode and group_by"
        raise MappingError(
            f"The mapping {mapping.name} makes other rows than those of one message, so it cannot "
            f"map single messages; give one without {keys}."
        )
    if not is_of_events and mapping.fields.shop and mapping.fields.shop.file_name:
        raise MappingError(
            f"The mapping {mapping.name} takes the shop from the name of a file "
            "(fields.shop.file_name), and messages have none; give the shop as a column or "
            "{constant: …}."
        )
    other_columns = "properties" if is_of_events else "ignore"
    update: dict[str, object] = (
        {"other_columns": other_columns} if mapping.other_columns == "refuse" else {}
    )
    fields: dict[str, object] = {}
    own = mapping.id_field
    if own.hash_of:
        fields[mapping.kind.id] = IdField.model_validate(
            {"column": own.unless or "__no_id", "optional": True}
        )
    if not is_of_events:
        fields["received_at"] = TimeField(column=LINE, format="epoch_us")
        fields["record_number"] = SourceField(
            column=GROUP if mapping.shape else LINE, optional=True
        )
        update["record"] = "order" if mapping.is_of_orders else "line"
    update |= {"fields": mapping.fields.model_copy(update=fields), "rows": {}, "records": ()}
    return mapping.model_copy(update=update)


def filled(
    column: pa.ChunkedArray, values: Callable[[], Sequence[str]]
) -> pa.ChunkedArray | pa.Array:
    """Return a column of text with values in place of its nulls."""
    return pc.coalesce(column, pa.array(values(), pa.string())) if column.null_count else column


def instants(unix_us: Sequence[int]) -> pa.Array:
    """Return instants, as Unix time in microseconds, as the column `received_at`."""
    return pa.array(unix_us, LANDED.field("received_at").type)
