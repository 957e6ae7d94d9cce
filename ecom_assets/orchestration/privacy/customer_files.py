"""Remove a person from files of customers: exported ones, and those of a stream and of uploads.

All other records and line ends stay byte for byte.

Whose a record is, is decided by the mapping of customers, as when the file is read.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecom_assets.core.atomic_files import rewriting
from ecom_assets.core.errors import SourceError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import is_of_uploads
from ecom_assets.ingestion.sources.customer_api.records import CustomerMapping, mapping_of
from ecom_assets.ingestion.sources.erased_people import words_of
from ecom_assets.ingestion.sources.files.cells import CellFiles
from ecom_assets.ingestion.sources.files.damage import with_encoding
from ecom_assets.ingestion.sources.files.formats import InputFile, find_files, split_paths
from ecom_assets.ingestion.sources.files.shape import (
    json_in,
    shaped_records,
    without_apostrophe,
)
from ecom_assets.ingestion.sources.files.sql import Layout
from ecom_assets.ingestion.sources.files.text_blocks import BYTE_ORDER_MARK, UTF_8
from ecom_assets.ingestion.sources.landing import is_stream, stream_folder
from ecom_assets.ingestion.sources.uploaded_rows import landed_files
from ecom_assets.orchestration.privacy.landing_files import (
    FileRecords,
    cells_of,
    text_records,
    write_records,
)
from ecom_assets.orchestration.privacy.person import Person


def find_customer_records(settings: Settings, person: Person) -> Iterator[FileRecords]:
    """Yield the files of customers that have records of a person."""
    for file in _customer_files(settings, person):
        if count := file.count():
            yield FileRecords(file.file.path, count)


def remove_customer_records(settings: Settings, person: Person) -> Iterator[FileRecords]:
    """Remove a person's records from files of customers, each in one atomic step;
    yield the changed files.

    Raises:
        SourceError: A file with such records is an archive, or one JSON document of many records.
    """
    for customers in _customer_files(settings, person):
        if not (count := customers.count()):
            continue
        path = Path(customers.file.path).resolve()
        if customers.file.packed_in or not customers.has_lines:
            shown_path = customers.file.packed_in or path
            raise SourceError(
                f"{shown_path} has {count:,} records of this person and cannot be changed in "
                "place; export it again without them, or write one customer per line (`jq -c "
                "'.[]'`), and erase again"
            )
        with rewriting(path) as fresh:
            write_records(
                customers.file,
                fresh,
                (record for record, is_theirs in customers.records() if not is_theirs),
            )
        yield FileRecords(str(path), count)


def _customer_files(settings: Settings, person: Person) -> Iterator["_CustomerFile"]:
    users = frozenset(user.strip() for user in person.users)
    is_landed = is_stream(settings, "customers") or is_of_uploads(settings.home, settings.customers)
    if not settings.customers or not users or is_landed:
        return
    mapping = mapping_of(settings)
    with closing(duckdb.connect()) as con:
        files = CellFiles.of_tables(con, split_paths(settings.customers), mapping.table_keys)
        for file, layout in files.layouts:
            has_backslashes = file.format == "csv" and files.has_backslashes(file, layout)
            layout = replace(layout, has_backslashes=has_backslashes)  # noqa: PLW2901 (of this file)
            yield _CustomerFile(with_encoding(file), layout, mapping, users)


@dataclass(frozen=True)
class _CustomerFile:
    file: InputFile
    layout: Layout
    mapping: CustomerMapping
    users: frozenset[str]

    @property
    def has_lines(self) -> bool:
        """Return whether each record has lines of its own: CSV,
        and JSON with a customer per line.
        """
        if self.file.format == "csv":
            return True
        first = next(text_records(self.file, self.layout), b"")
        return (
            isinstance(json_in(first.removeprefix(BYTE_ORDER_MARK)), dict)
            and self._count_in_lines() > 0
        )

    def count(self) -> int:
        """Return how many records are the person's."""
        if self.file.format == "csv":
            return self._count_in_lines()
        records = shaped_records(self.file, self.mapping.shape)
        return sum(map(self._is_theirs, records))

    def records(self) -> Iterator[tuple[bytes, bool]]:
        """Yield each record in UTF-8 with its line end, and whether it is the person's."""
        names: list[str] = []
        for record in text_records(self.file, self.layout):
            text = record.removeprefix(BYTE_ORDER_MARK).decode(UTF_8, "replace").rstrip("\r\n")
            if self.file.format != "csv":
                yield record, self._is_theirs(json_in(text))
                continue
            cells = cells_of(text, self.layout)
            if not names:
                names = [name for name, _ in self.layout.columns] if any(cells) else []
                yield record, False
                continue
            cells = [without_apostrophe(cell) for cell in cells]
            yield record, self._is_theirs(dict(zip(names, cells, strict=False)))

    def _count_in_lines(self) -> int:
        return sum(is_theirs for _, is_theirs in self.records())

    def _is_theirs(self, record: object) -> bool:
        value = self.mapping.fields.id.value_in(record)
        return isinstance(value, str | int) and str(value).strip() in self.users


def find_customers(settings: Settings, person: Person) -> list[FileRecords]:
    """Return the landed files that have records of the person, and how many these are."""
    return [
        FileRecords(str(path), pc.sum(is_theirs).as_py())
        for path, _, is_theirs in _naming(settings, person)
    ]


def remove_customers(settings: Settings, person: Person) -> Iterator[FileRecords]:
    """Take the person's records out of landed files, each in one step that keeps its time;
    yield the changed files.

    A file stays even if nothing is left in it: from its footer a stream reads how far it came.
    """
    for path, table, is_theirs in _naming(settings, person):
        with rewriting(path) as fresh:
            pq.write_table(table.filter(pc.invert(is_theirs)), fresh, compression="zstd")
        yield FileRecords(str(path), pc.sum(is_theirs).as_py())


def _naming(settings: Settings, person: Person) -> Iterator[tuple[Path, pa.Table, pa.ChunkedArray]]:
    """Yield each file that names the person, its rows, and which of them are the person's: those of
    their id, and of records without an id those that have it anywhere.
    """
    names = frozenset(user.strip() for user in person.users)
    users = pa.array(sorted(names), pa.string())
    for path in _landed_paths(settings):
        table = pq.read_table(path, partitioning=None)
        ids = table["customer_id"]
        named = [
            id_ is None and not names.isdisjoint(words_of(payload or ""))
            for id_, payload in zip(ids.to_pylist(), table["payload"].to_pylist(), strict=True)
        ]
        by_id = pc.fill_null(
            pc.is_in(pc.utf8_trim_whitespace(ids), value_set=users), fill_value=False
        )
        is_theirs = pc.or_(by_id, pa.chunked_array([pa.array(named, pa.bool_())]))
        if pc.any(is_theirs).as_py():
            yield path, table, is_theirs


def _landed_paths(settings: Settings) -> Iterator[Path]:
    """Yield the files with customers that a stream brought, and those of uploads."""
    folder = stream_folder(settings, "customers")
    if is_stream(settings, "customers") and list(folder.glob("*/*.parquet")):
        yield from (Path(file.path) for file in find_files([folder]))
    yield from (path for _, path in landed_files(settings, "customers"))
