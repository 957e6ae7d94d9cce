"""The rows of uploads as a source: alone, or beside what settings, an API or a stream bring."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import NATIVE_OF, has_rows, is_of_uploads, rows_folder
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import arrow_schema_of, conform
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.ingestion.sources.files.mapping import RecordMapping, load
from ecom_assets.ingestion.sources.files.records import RecordFiles


def stand_beside(settings: Settings, kind: str) -> bool:
    """Return whether there are uploads of a kind, and something else names that kind, too."""
    return has_rows(settings.home, kind) and not is_of_uploads(
        settings.home, getattr(settings, kind, "")
    )


def open_uploads(
    con: duckdb.DuckDBPyConnection, settings: Settings, kind: str, mapping: type[RecordMapping]
) -> RecordFiles:
    """Find the rows of uploads of a kind; `mapping` is the class of its mappings."""
    return RecordFiles.open(
        con,
        [rows_folder(settings.home, kind)],
        load(mapping, NATIVE_OF[kind]),
        settings.timezone,
        settings.first_plausible_day,
    )


def with_uploads(
    files: RecordFiles, settings: Settings, kind: str, mapping: type[RecordMapping]
) -> RecordFiles:
    """Return files with the uploads of their kind beside them, if there are any."""
    if not stand_beside(settings, kind):
        return files
    return files.beside(open_uploads(files.con, settings, kind, mapping))


class ListSource(Protocol):
    """A source of rows that list what there is on a day."""

    def received(self, days: Days) -> SliceOutput:
        """Return the rows, on the days of which they are."""


@dataclass(frozen=True)
class BesideUploads:
    """A source of rows that list what there is on a day, and uploads, which lie on their own days.

    All uploads are read, whatever the days of a run are. On a day of uploads of which the source
    says nothing, the rows that it said before stay.
    """

    source: ListSource
    settings: Settings
    kind: str
    contract: Contract
    """The raw table, in whose columns the rows of uploads were landed."""

    def received(self, days: Days) -> SliceOutput:
        """Return the rows of the source, and those of all uploads."""
        own = self.source.received(days).require_rows(self.kind)
        landed = dict[date, list[Path]]()
        for day, path in landed_files(self.settings, self.kind):
            landed.setdefault(day, []).append(path)
        uploaded = uploaded_rows(
            [path for paths in landed.values() for path in paths], self.contract
        )
        backend = own.rows.get_backend()
        name = f"uploads_of_{self.kind}"
        backend.con.register(name, uploaded)
        of_uploads, others = Days.from_dates(landed), set(own.days.dates)
        return SliceOutput(
            conform(own.rows, self.contract).union(conform(backend.table(name), self.contract)),
            Days.from_dates({*others, *landed}),
            {**own.metadata, "uploaded_count": len(uploaded)},
            own.warning,
            absent=own.absent,
            unanswered=own.unanswered,
            supersedes=Days.from_dates({*own.supersedes.dates, *landed}),
            only_uploads=Days.from_dates(set(of_uploads.dates) - others),
        )


def beside_uploads(
    source: ListSource, settings: Settings, kind: str, contract: Contract
) -> "ListSource | BesideUploads":
    """Return a source with the uploads of its kind beside it, if there are any."""
    if not has_rows(settings.home, kind):
        return source
    return BesideUploads(source, settings, kind, contract)


def landed_files(settings: Settings, kind: str) -> Iterator[tuple[date, Path]]:
    """Yield the files with rows of uploads, each with the day that they are of, the oldest upload
    first.
    """
    folder = rows_folder(settings.home, kind)
    for path in sorted(folder.glob("*/received_date=*/*.parquet")):
        yield date.fromisoformat(path.parent.name.partition("=")[2]), path


def days_of_uploads(settings: Settings, kind: str) -> frozenset[date]:
    """Return the days on which uploads of a kind have files, also those whose rows were taken
    back.
    """
    return frozenset(day for day, _ in landed_files(settings, kind))


def uploaded_rows(paths: list[Path], contract: Contract) -> pa.Table:
    """Return the rows of landed files in the columns of their raw table; columns that it did not
    have when they were landed are null.
    """
    fields = [(field.name, field.type) for field in arrow_schema_of(contract)]
    schema = pa.schema(fields)
    tables = [_as_now(pq.read_table(path, partitioning=None), schema) for path in paths]
    return pa.concat_tables([schema.empty_table(), *tables])


def _as_now(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
