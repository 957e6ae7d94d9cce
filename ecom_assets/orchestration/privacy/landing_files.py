"""Remove a person's records from landing files; all other records and line ends stay byte for byte.

Whose a record is, is decided by the mapping, as when the file is read. A text file is read twice in
chunks of records, and only the records in which an id can be are parsed.
"""

import codecs
import csv
import gzip
import io
import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ecom_assets.core.atomic_files import rewriting
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import has_rows
from ecom_assets.core.warehouse.sql_text import ident, select, text
from ecom_assets.ingestion.sources.erased_people import words_of
from ecom_assets.ingestion.sources.events import is_table, open_all_events, sandbox_is_missing
from ecom_assets.ingestion.sources.files.damage import with_encoding
from ecom_assets.ingestion.sources.files.field_sql import field_sql
from ecom_assets.ingestion.sources.files.formats import InputFile, NoFilesError
from ecom_assets.ingestion.sources.files.mapping import (
    EVENT,
    EventMapping,
    OrderMapping,
    RecordMapping,
    SourceField,
    load_order_mapping,
)
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.sql import (
    MALFORMED,
    Layout,
    json_pointer,
    parquet_text,
)
from ecom_assets.ingestion.sources.files.text_blocks import MAX_LINE_BYTES, UTF_8, opened_bytes
from ecom_assets.ingestion.sources.landing import FOOTER_KEYS, footer_of, has_landed
from ecom_assets.ingestion.sources.order_reports.api import stored_files
from ecom_assets.ingestion.sources.order_reports.report_files import activity_mapping
from ecom_assets.ingestion.sources.order_reports.source import has_events, open_orders
from ecom_assets.ingestion.sources.plain_assets import plain_feeds
from ecom_assets.ingestion.sources.report_paths import ACTIVITIES, are_activities, other_files
from ecom_assets.ingestion.sources.uploaded_rows import open_uploads, stand_beside
from ecom_assets.orchestration.privacy.person import Person

CHUNK_RECORDS = 50_000
_BACKSLASHED = re.compile(rb"\\[\s\S]")
RECORD = "__record"
"""The position of a record in its file, by a name that no column has."""
PLAIN_ID = re.compile(r"[\w.@-]+", re.ASCII)
"""An id that CSV and JSON write without quotes inside or escapes."""
FIELDS = {True: ("user_id", "session_id", "anonymous_id", "event_id"), False: ("customer_id",)}
"""The fields that name a person, of events and of order lines; the first is the user.

An event on a device that others used is the person's by its own id."""


@dataclass(frozen=True)
class FileRecords:
    """How many records of a person a file has."""

    path: str
    record_count: int


def find_records(files: RecordFiles, person: Person) -> Iterator[FileRecords]:
    """Yield the files that have records of a person."""
    for file, layout in files.layouts:
        if count := _finder(files, file, layout, person).count():
            yield FileRecords(file.path, count)


def remove_records(files: RecordFiles, person: Person) -> Iterator[FileRecords]:
    """Remove a person's records from files, each in one atomic step that keeps its time;
    yield the changed files.

    Raises:
        SourceError: A file with such records is read from a copy, as archives are.
    """
    for file, layout in files.layouts:
        finder = _finder(files, file, layout, person)
        if not (count := finder.count()):
            continue
        if file.packed_in:
            raise SourceError(
                f"{file.packed_in} has {count:,} records of this person and cannot be changed in "
                "place; unpack it (a JSON array: `jq -c '.[]'`), put what is in it in its place, "
                "and erase again"
            )
        path = Path(file.path).resolve()
        with rewriting(path) as fresh:  # an arrival day can come from its time
            finder.write_rest(fresh)
        if not path.stat().st_size:
            # an empty file is refused; one without this person would not have been delivered
            path.unlink()
        yield FileRecords(file.path, count)


@dataclass(frozen=True)
class _Rule:
    """SQL conditions over the columns of a row that identify its person."""

    mapping: RecordMapping
    person: Person

    @property
    def fields(self) -> tuple[str, ...]:
        fields = FIELDS[self.mapping.kind is EVENT]
        return fields if self.person.received_events else fields[:3]

    @property
    def condition(self) -> str:
        """Return whether a row is the person's; it is never NULL."""
        user, *columns = (f"({field_sql(self.mapping, name)})" for name in self.fields)
        ids = (self.person.sessions, self.person.devices)
        trimmed = f"trim({user}, {text(string.whitespace)})"
        parts = (
            [f"{trimmed} IN {_listed({user.strip() for user in self.person.users})}"]
            if self.person.users
            else []
        )
        parts += [
            f"({user} IS NULL AND {column} IN {_listed(its)})"
            for column, its in zip(columns, ids, strict=False)
            if its
        ]
        if self.person.received_events and len(columns) > len(ids):
            *of_device, event = columns
            shared = _listed(self.person.unlinked)
            on_shared = " OR ".join(f"{column} IN {shared}" for column in of_device)
            is_owned = f"{event} IN {_listed(self.person.received_events)}"
            parts.append(f"({user} IS NULL AND {is_owned} AND ({on_shared}))")
        return f"coalesce({' OR '.join(parts) or 'false'}, false)"

    def may_be_in(self) -> re.Pattern[bytes] | None:
        """Return a pattern that is in every record of the person;
        None if ids are not in records as they are.
        """
        own: Sequence[SourceField | None] = [
            getattr(self.mapping.fields, name) for name in self.fields
        ]
        person = self.person
        ids = {
            id_.strip()
            for id_ in (*person.users, *person.sessions, *person.devices, *person.received_events)
        }
        if any(field and not field.column for field in own) or not all(
            PLAIN_ID.fullmatch(field) for field in ids
        ):
            return None
        return re.compile(b"|".join(re.escape(id_.encode()) for id_ in sorted(ids)))


def _listed(ids: Iterable[str]) -> str:
    return f"({', '.join(map(text, sorted(ids)))})"


@dataclass(frozen=True)
class _TextFile:
    con: duckdb.DuckDBPyConnection
    file: InputFile
    layout: Layout
    rule: _Rule

    def count(self) -> int:
        """Return how many records are the person's."""
        return sum(len(gone) for _, gone in self._chunks())

    def write_rest(self, path: Path) -> None:
        """Write all other records."""
        chunks = self._chunks()
        remaining = (
            record
            for records, gone in chunks
            for index, record in enumerate(records)
            if index not in gone
        )
        write_records(self.file, path, remaining)

    def _chunks(self) -> Iterator[tuple[list[bytes], set[int]]]:
        """Yield records in UTF-8, each with its line end,
        and the indexes of those that are the person's.
        """
        pattern = self.rule.may_be_in()
        records = text_records(self.file, self.layout)
        while chunk := [record for _, record in zip(range(CHUNK_RECORDS), records, strict=False)]:
            indexes = [
                index
                for index, record in enumerate(chunk)
                if pattern is None or pattern.search(record)
            ]
            yield chunk, self._of_person(chunk, indexes)

    def _of_person(self, records: list[bytes], indexes: list[int]) -> set[int]:
        if not indexes:
            return set()
        users = {*self.rule.person.users, *self.rule.person.visitors}
        rows: dict[int, Any] = {}
        gone: set[int] = set()
        for index in indexes:
            decoded = records[index].decode("utf-8", errors="replace").rstrip("\r\n")
            row = self._row(decoded)
            if row is not None:
                rows[index] = row
            elif users.intersection(words_of(decoded)):
                gone.add(index)
        return gone | self._matching(rows)

    def _row(self, record: str) -> Any:  # noqa: ANN401 (the line of JSON, or the cells)
        """Return what SQL reads the columns from; None if the record cannot be read."""
        if self.layout.format == "ndjson":
            return record if record.lstrip().startswith("{") else None
        cells = cells_of(record, self.layout)
        return cells if len(cells) >= len(self.layout.columns) else None

    def _matching(self, rows: dict[int, Any]) -> set[int]:
        if not rows:
            return set()
        named = [name for name, _ in self.layout.columns]
        if self.layout.format == "ndjson":
            columns = {"line": pa.array(rows.values(), pa.string())}
            cells = {name: _member(name) for name in _top(self.layout)}
        else:
            columns = {
                f"c{at}": pa.array([row[at] for row in rows.values()], pa.string())
                for at in range(len(named))
            }
            cells = {name: f"nullif(c{at}, '')" for at, name in enumerate(named)}
        self.con.register("candidates", pa.table({RECORD: pa.array(rows, pa.int64()), **columns}))
        try:
            result = self.con.execute(
                select(
                    RECORD, _row_sql(self.layout, cells, "candidates", RECORD), self.rule.condition
                )
            )
            return {index for (index,) in result.fetchall()}
        finally:
            self.con.unregister("candidates")


@dataclass(frozen=True)
class _ParquetFile:
    con: duckdb.DuckDBPyConnection
    file: InputFile
    layout: Layout
    rule: _Rule

    def count(self) -> int:
        """Return how many records are the person's."""
        # All rows are fetched: a result that is not read to its end keeps other statements off the
        # connection.
        ((count,),) = self.con.execute(select("count(*)", self._gone)).fetchall()
        return int(count)

    def write_rest(self, path: Path) -> None:
        """Write all other records, in their order."""
        with self.con.cursor() as con:
            con.execute("SET preserve_insertion_order = true")
            others = select(
                "* EXCLUDE (file_row_number)", self._rows, f"file_row_number NOT IN ({self._gone})"
            )
            # A stream reads from its last file how far it came, so the texts of the footer stay.
            footer = footer_of(Path(self.file.path)).items()
            kept_texts = ", ".join(
                f"{ident(key)}: {text(value)}"
                for key, value in footer
                if key.startswith(FOOTER_KEYS)
            )
            texts_of_footer = f", KV_METADATA {{{kept_texts}}}" if kept_texts else ""
            con.execute(f"COPY ({others}) TO {text(str(path))} (FORMAT parquet{texts_of_footer})")
            con.execute("SET preserve_insertion_order = false")

    @property
    def _rows(self) -> str:
        return (
            f"read_parquet({text(self.file.path)}, file_row_number = true, hive_partitioning = "
            "false)"
        )

    @property
    def _gone(self) -> str:
        own = self.layout.own()
        cells = {
            name: parquet_text(name, column)
            for name, column in own.items()
            if name in self.layout.needed
        }
        rows = _row_sql(self.layout, cells, self._rows, "file_row_number")
        gone = select("file_row_number", rows, self.rule.condition)
        if not self.layout.has_malformed:
            return gone
        naming = " OR ".join(
            f"contains({MALFORMED}, {text(user.strip())})"
            for user in sorted(self.rule.person.users)
        )
        # A line that nobody can split goes as a whole.
        return f"{gone} UNION {select('file_row_number', self._rows, naming)}" if naming else gone


@dataclass(frozen=True)
class _ShapedFile:
    """A file whose rows are not its lines; what they are taken from can only be delivered again."""

    files: RecordFiles
    file: InputFile
    rule: _Rule

    def count(self) -> int:
        """Return how many rows are the person's."""
        user = f"trim({self.rule.fields[0]}, {text(string.whitespace)})"
        users = {user.strip() for user in self.rule.person.users}
        if not users:
            return 0
        rows = self.files.rows_sql(self.file)
        ((count,),) = self.files.con.execute(
            select("count(*)", rows, f"{user} IN {_listed(users)}")
        ).fetchall()
        return int(count)

    def write_rest(self, path: Path) -> None:
        """Refuse: a person's rows are parts of documents, or of orders of several lines.

        Raises:
            SourceError: Always.
        """
        del path
        raise SourceError(
            f"{self.file.name} has orders of this person, and an order in it is more than one "
            "line; export it again without them, or remove it once it is loaded, and erase again"
        )


def cells_of(record: str, layout: Layout) -> list[str]:
    """Return the cells of a record of CSV."""
    escape = "\\" if layout.has_backslashes else None
    return next(csv.reader([record], delimiter=layout.delimiter, escapechar=escape), [])


def text_records(file: InputFile, layout: Layout) -> Iterator[bytes]:
    """Yield the records of a text file in UTF-8, each with its line end;
    a quoted value of CSV can have line ends.
    """
    encoding = _encoding_of(file)
    opened = opened_bytes(file)
    with (
        opened
        if encoding == UTF_8
        else io.TextIOWrapper(opened, encoding, "surrogateescape", "") as read
    ):
        lines = (
            line if isinstance(line, bytes) else line.encode(UTF_8, "surrogateescape")
            for line in read
        )
        if layout.format == "csv":
            yield from _csv_records(lines, has_backslashes=layout.has_backslashes)
        else:
            yield from lines


def _csv_records(lines: Iterable[bytes], *, has_backslashes: bool) -> Iterator[bytes]:
    open_record = b""
    for line in lines:
        record = open_record + line
        quotes = _BACKSLASHED.sub(b"", record) if has_backslashes else record
        # With an odd number of quotes, a quoted value goes on in the next line.
        if quotes.count(b'"') % 2 and len(record) <= MAX_LINE_BYTES:
            open_record = record
            continue
        open_record = b""
        yield record
    if open_record:
        yield from open_record.splitlines(keepends=True)


def write_records(file: InputFile, path: Path, records: Iterable[bytes]) -> None:
    """Write records that `text_records` yields, in the encoding of their file,
    and compressed as it is.
    """
    encoding = _encoding_of(file)
    plain = path.open("wb")
    with plain, gzip.open(plain, "wb") if file.is_gzip else plain as written:
        encoder = codecs.getincrementalencoder(encoding)("surrogateescape")
        if encoding != UTF_8:
            records = (
                encoder.encode(record.decode(UTF_8, "surrogateescape")) for record in records
            )
        written.writelines(records)


def _encoding_of(file: InputFile) -> str:
    try:
        return with_encoding(file).encoding or UTF_8
    except SourceError:  # nobody can read it, and its words are compared all the same
        return UTF_8


Finder = _TextFile | _ParquetFile | _ShapedFile


def _finder(files: RecordFiles, file: InputFile, layout: Layout, person: Person) -> Finder:
    rule = _Rule(files.mapping_of(file), person)
    if layout.shape:
        return _ShapedFile(files, file, rule)
    if layout.format == "parquet":
        return _ParquetFile(files.con, file, layout, rule)
    has_backslashes = files.has_backslashes(file, layout)
    return _TextFile(files.con, file, replace(layout, has_backslashes=has_backslashes), rule)


def _row_sql(layout: Layout, cells: dict[str, str], source: str, index_column: str) -> str:
    """Return the SELECT of the needed columns of rows, without members of an exploded list,
    which name nobody.
    """
    columns = [f"{cells.get(name, 'NULL::VARCHAR')} AS {ident(name)}" for name in layout.needed]
    return select([index_column, *columns, "NULL::VARCHAR AS __malformed"], source)


def _top(layout: Layout) -> list[str]:
    prefix = f"{layout.exploded}." if layout.exploded else None
    return [name for name in layout.needed if not (prefix and name.startswith(prefix))]


def _member(name: str) -> str:
    value = f"json_extract_string(line, {text(json_pointer(name))})"
    return f"nullif(CASE WHEN json_valid(line) THEN {value} END, '')"


def landing_files(con: duckdb.DuckDBPyConnection, settings: Settings) -> Iterator[RecordFiles]:
    """Yield the files of each source that is files, checked against their mapping.

    A folder without files is an error, as it can be a disk that is not mounted, unless
    `ecom retain` may have removed all of them.

    Raises:
        MappingError: A file does not match its mapping.
        SourceError: A path does not exist, or has no files.
    """
    has_own = bool(settings.events) and not is_table(settings) and has_landed(settings)
    opens: list[Callable[[], RecordFiles]] = []
    if has_events(settings) and (
        has_own or not (settings.has_own_data or sandbox_is_missing(settings))
    ):
        opens.append(lambda: open_all_events(con, settings))
    elif stand_beside(settings, "events"):
        opens.append(lambda: open_uploads(con, settings, "events", EventMapping))
    if settings.orders and has_landed(settings, "orders"):
        opens.append(lambda: open_orders(con, settings))
    elif stand_beside(settings, "orders"):
        opens.append(lambda: open_uploads(con, settings, "orders", OrderMapping))
    opens.extend(
        partial(open_uploads, con, settings, name, feed.model)
        for name, feed in plain_feeds().items()
        if feed.raw.person and has_rows(settings.home, name)
    )
    homes = [settings.home] if settings.has_own_data else [settings.home, settings.sandbox_folder]
    stored = [path for home in homes for path in stored_files(home)]
    if stored:
        mapping = load_order_mapping("user_order_log")
        opens.append(lambda: RecordFiles.open(con, stored, mapping, settings.timezone))
    if not are_activities(settings.events):  # else they are among the files of events
        opens.extend(
            partial(_activities, con, path, settings)
            for path in other_files(settings.home, ACTIVITIES)
        )
    for files_of in opens:
        with nullcontext() if settings.retention_days is None else suppress(NoFilesError):
            yield files_of()


def _activities(con: duckdb.DuckDBPyConnection, path: Path, settings: Settings) -> RecordFiles:
    return RecordFiles.open(con, [path], activity_mapping(path), settings.timezone)
