"""JSON messages become rows of a landing file, by the same mappings that read files; the others are dead letters."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ecom_assets.errors import EcomError, MappingError, WorkError
from ecom_assets.sources.files.fit import columns_used
from ecom_assets.sources.files.mapping import IdField, RecordMapping
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.sources.landing import LANDED
from ecom_assets.warehouse.sql_text import select

UNREADABLE: Final = "unreadable"
EMPTY: Final = "empty"
NOT_THE_MESSAGES: Final = (duckdb.OperationalError, duckdb.FatalException, duckdb.InterruptException, OSError)
"""What fails for want of memory, disk or engine: dividing the messages would make dead letters of all of them."""
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True)
class MessageRows:
    """The rows of messages: their positions in the batch, and why each other one has none, by its position."""

    table: pa.Table
    positions: list[int]
    refused: dict[int, str] = field(default_factory=dict)


class MessageMapper:
    """Applies a mapping to messages, of which one that cannot be read does not hold up the others.

    Raises:
        MappingError: The mapping makes several events of one record, or one of several.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, mapping: RecordMapping, timezone: str) -> None:
        """Set the engine, the mapping of the messages, and the shop's time zone."""
        self._con = con
        self._mapping = _for_messages(mapping)
        self._timezone = timezone
        columns = {name for names in columns_used(con.cursor(), self._mapping).values() for name in names}
        self._header = orjson.dumps(dict.fromkeys(sorted(columns)))

    def rows(self, values: Sequence[bytes | None], reasons: Mapping[int, str] | None = None) -> MessageRows:
        """Return the rows of messages in their order; `event_id` is null where a message has none.

        Args:
            values: The JSON of each message; None if it has no value.
            reasons: Why some were refused before, by their positions.

        Raises:
            OSError: The disk takes no temporary file.
            WorkError: The engine lacks memory or a file; the same messages can be given again.
        """
        refused = dict(reasons or {})
        lines: dict[int, bytes] = {}
        for position, value in enumerate(values):
            if position in refused:
                continue
            line = _line(value)
            if line is None:
                refused[position] = UNREADABLE if value else EMPTY
            else:
                lines[position] = line
        tables, positions = self._mapped(list(lines.items()), refused)
        table = pa.concat_tables(tables) if tables else LANDED.empty_table()
        return MessageRows(table, positions, refused)

    def _mapped(self, lines: Sequence[tuple[int, bytes]], refused: dict[int, str]) -> tuple[list[pa.Table], list[int]]:
        if not lines:
            return [], []
        try:
            table = self._read([line for _, line in lines])
            if len(table) == len(lines):
                return [table], [position for position, _ in lines]
        except (EcomError, duckdb.Error, UnicodeDecodeError) as error:
            if isinstance(error.__cause__ or error, NOT_THE_MESSAGES):
                raise WorkError(f"The messages cannot be mapped now ({error}); they wait.") from error
        if len(lines) == 1:
            refused[lines[0][0]] = UNREADABLE
            return [], []
        middle = len(lines) // 2
        first, second = self._mapped(lines[:middle], refused), self._mapped(lines[middle:], refused)
        return first[0] + second[0], first[1] + second[1]

    def _read(self, lines: Sequence[bytes]) -> pa.Table:
        with tempfile.TemporaryDirectory(prefix="ecom_messages_") as folder:
            # A landing folder, so that no pass over the rows looks for their days.
            path = Path(folder) / "received_date=2000-01-01" / "messages.ndjson"
            path.parent.mkdir()
            # The first line has every column, since JSON often leaves out what is empty.
            path.write_bytes(b"\n".join([self._header, *lines, b""]))
            files = RecordFiles.open(self._con, [path], self._mapping, self._timezone)
            sql = select([*LANDED.names], f"({files.received_sql()})", "malformed_row IS NULL")
            return self._con.sql(sql).to_arrow_table().cast(LANDED).slice(1)


def _line(value: bytes | None) -> bytes | None:
    """Return a JSON object on one line; None if the value is none."""
    if not value:
        return None
    try:
        if not isinstance(orjson.loads(value), dict):
            return None
    except orjson.JSONDecodeError:
        return None
    # Outside of strings; within them, JSON escapes the ends of lines.
    return value.translate(_LINE_ENDS) if b"\n" in value or b"\r" in value else value


def _for_messages(mapping: RecordMapping) -> RecordMapping:
    """Return a mapping for single messages instead of whole files.

    A column that appears one day must not stop the stream, so it is kept as a property. An id cannot be a hash of the
    row: equal messages in one file would be told apart, and in two files not; their position is the id instead.
    """
    if mapping.shape or mapping.explode:
        raise MappingError(
            f"The mapping {mapping.name} makes other events than one of each record, so it cannot map single messages; "
            "give one without explode, rows, records and group_by."
        )
    update: dict[str, object] = {"other_columns": "properties"} if mapping.other_columns == "refuse" else {}
    own = mapping.id_field
    if own.hash_of:
        by_name = IdField.model_validate({"column": own.unless or "__no_id", "optional": True})
        update["fields"] = mapping.fields.model_copy(update={mapping.kind.id: by_name})
    return mapping.model_copy(update=update)


def filled(column: pa.ChunkedArray, values: Callable[[], Sequence[str]]) -> pa.ChunkedArray | pa.Array:
    """Return a column of text with values in place of its nulls."""
    return pc.coalesce(column, pa.array(values(), pa.string())) if column.null_count else column


def instants(unix_ms: Sequence[int]) -> pa.Array:
    """Return instants, as Unix time in milliseconds, as the column `received_at`."""
    return pa.array(unix_ms, pa.timestamp("ms", "UTC")).cast(LANDED.field("received_at").type)
