"""How the rows of each kind of upload land: written in the platform's own layout, and read again as
every run reads them.

Events, orders and costs land in the layout of their native mapping; customers and stock, which lie
on one day, as rows of their raw table.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import MAPPING_COPY, NATIVE_OF, setting_of
from ecom_assets.core.tables.portable import arrow_schema_of
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.core.warehouse.sql_text import ident, select, text, texts
from ecom_assets.ingestion.sources.cost_reading import AdSpendFileReading
from ecom_assets.ingestion.sources.files.manifest import uploaded_name
from ecom_assets.ingestion.sources.files.mapping import load
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.sql import MALFORMED
from ecom_assets.ingestion.sources.landed_rows import landed_columns
from ecom_assets.ingestion.sources.landing import landed_schema
from ecom_assets.ingestion.sources.reading import COUNTED, FileReading
from ecom_assets.ingestion.sources.record_feed import RecordFeed, feeds

BATCH_ROWS: Final = 50_000
PLACES: Final = 1_000_000_000
"""Places of a day that each upload has for its rows: those of a later upload come after those of an
earlier one, and all of them after the rows of others.
"""


@dataclass(frozen=True)
class LandedUpload:
    """What an upload brought.

    Attributes:
        first_day: The first day of arrival of its rows, in the shop's zone.
        last_day: The last one.
        row_count: Rows that were read.
        counted_count: Those that count; copies within the file count once.
        amount: The money of order lines that count, sold less paid back, or what ads cost; None
            where it is not known, or in several currencies.
        currency: The currency of that; empty if the rows say none.
        replaced: Rows of earlier uploads of which it has another version, by their number.
    """

    first_day: date
    last_day: date
    row_count: int
    counted_count: int
    amount: Decimal | None = None
    currency: str = ""
    replaced: Mapping[int, int] | None = None


def day_sent(sent_at: datetime, timezone: str) -> date:
    """Return the day of an instant in UTC."""
    return sent_at.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).date()


@dataclass(frozen=True)
class ToLand:
    """An upload whose rows are to be landed.

    Attributes:
        number: Its number among all uploads.
        name: The file's name, for messages.
        sent_at: When it was sent, in UTC.
        kind: What its rows are.
        original: The file as it was sent.
        mapping: The file of the mapping that it is read by.
        day: The day that its rows are of, where they have none.
        settings: The settings, such as the shop's zone.
    """

    number: int
    name: str
    sent_at: datetime
    kind: str
    original: Path
    mapping: Path
    day: date
    settings: Settings

    @property
    def sent_day(self) -> date:
        """Return the day on which the file was sent, in the shop's zone."""
        return day_sent(self.sent_at, self.settings.timezone)

    @property
    def places_before(self) -> int:
        """Return how many places of a day are before those of the upload."""
        return self.number * PLACES

    def require_row_count(self, count: int) -> None:
        """Refuse a file with more rows than one may have.

        Raises:
            UsageError: It has more than ECOM_ADHOC_MOST_EVENTS.
        """
        most = self.settings.adhoc_most_events
        if count > most:
            raise UsageError(
                f"{self.name} has {count:,} rows, and a file may have {most:,} "
                "(ECOM_ADHOC_MOST_EVENTS); send it in parts, such as a file per year."
            )


class Landing(Protocol):
    """How the rows of a kind land."""

    @property
    def feed(self) -> RecordFeed:
        """Return what the kind declares of itself."""

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of landed files."""

    def write(self, upload: ToLand, staged: Path) -> None:
        """Write the rows of an upload into a folder, in folders of their days.

        Raises:
            EcomError: The file cannot be read, or has too many rows.
        """

    def brought(self, upload: ToLand, staged: Path) -> LandedUpload:
        """Return what the rows in a folder are, read as every run reads them.

        Raises:
            SourceError: There are none.
        """


@dataclass(frozen=True)
class MappedRows:
    """Rows in the layout of a native mapping, which every run reads by it."""

    feed: RecordFeed

    @property
    def schema(self) -> pa.Schema:
        """Return the native layout, and lines that could not be read."""
        return landed_schema(self.feed.model.kind).append(pa.field(MALFORMED, pa.string()))

    def write(self, upload: ToLand, staged: Path) -> None:
        """Write the rows of an original, a file per day and file of the original."""
        settings = upload.settings
        mapping = load(self.feed.model, upload.mapping)
        with closing(plain_connection(limit_of_run(settings))) as con:
            files = RecordFiles.open(
                con,
                [str(upload.original)],
                mapping,
                settings.timezone,
                settings.first_plausible_day,
            )
            upload.require_row_count(files.row_count())
            names = sorted(file.stored_name for file in files.files())
            file_numbers = {name: number for number, name in enumerate(names, 1)}
            ordered = f"{self._rows_sql(files, upload)} ORDER BY received_date, source_file"
            reader = con.sql(ordered).to_arrow_reader(BATCH_ROWS)
            with closing(DayWriter(staged, upload.number, file_numbers, self.schema)) as writer:
                for batch in reader:
                    writer.write(pa.Table.from_batches([batch]))

    def _rows_sql(self, files: RecordFiles, upload: ToLand) -> str:
        """Return the SELECT of an upload's rows in the landed layout, with `received_date` and
        `source_file`.
        """
        landed = self.feed.landed(files, upload.settings, upload.sent_day)
        sent_at = f"TIMESTAMP {text(upload.sent_at.isoformat(sep=' '))}"
        of_upload = {
            **landed.columns,
            ident("received_at"): f"coalesce(received_at, {sent_at}) AS received_at",
        }
        columns = landed_columns(landed.files.mapping, landed_schema(self.feed.model.kind))
        columns = [of_upload.get(name.rpartition(" AS ")[2], name) for name in columns]
        columns += [f"malformed_row AS {ident(MALFORMED)}", "received_date", "source_file"]
        return select(columns, f"({landed.sql})")

    def brought(self, upload: ToLand, staged: Path) -> LandedUpload:
        """Return what landed rows are."""
        paths, native = [str(staged)], NATIVE_OF[upload.kind]
        reading = self.feed.read(paths, native, upload.settings)
        days = (upload.day, upload.day)
        money = None
        if isinstance(reading, FileReading):
            found = reading.files.files.received_days()
            if found is None:
                raise SourceError(f"{upload.name} has no rows; send a file that has some.")
            days, money = found, reading.money.get(COUNTED)
        elif isinstance(reading, AdSpendFileReading) and len(reading.spent) == 1:
            (money,) = reading.spent
        rows = reading.rows_json
        if not rows["read"]:
            raise SourceError(f"{upload.name} has no rows; send a file that has some.")
        return LandedUpload(
            *days,
            rows["read"],
            rows["counted"],
            money.amount if money else None,
            money.currency if money else "",
        )


@dataclass(frozen=True)
class LandedList:
    """Rows of a raw table, which lie on the day that their file is of."""

    feed: RecordFeed
    listed: Callable[[Any, date, str, int], Iterator[Row]]
    """Yields the rows of what was read, as `RecordFeed` says."""

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of the raw table."""
        return pa.schema([(field.name, field.type) for field in arrow_schema_of(self.feed.raw)])

    def write(self, upload: ToLand, staged: Path) -> None:
        """Write the rows of an original into one file."""
        name = uploaded_name(upload.number, 1)
        paths, source = [str(upload.original)], setting_of(upload.settings.home, upload.kind)
        reading = self.feed.read(paths, str(upload.mapping), upload.settings)
        listed = self.listed(reading, upload.day, source, upload.places_before)
        rows = [row | {"source_file": name} for row in listed]
        upload.require_row_count(len(rows))
        folder = staged / f"received_date={upload.day.isoformat()}"
        folder.mkdir()
        table = pa.Table.from_pylist(rows, schema=self.schema)
        pq.write_table(table, folder / name, compression="zstd")
        if self.feed.keeps_mapping:
            shutil.copyfile(upload.mapping, staged / MAPPING_COPY)

    def brought(self, upload: ToLand, staged: Path) -> LandedUpload:
        """Return what landed rows are."""
        paths = [str(path) for path in staged.glob("received_date=*/*.parquet")]
        rows = f"read_parquet({texts(paths)}, hive_partitioning = false)"
        counts = f"count(*), count(DISTINCT {self.feed.key}) FILTER (reject_reason IS NULL)"
        with duckdb.connect() as con:
            read, counted = con.execute(select(counts, rows)).fetchone() or (0, 0)
        if not read:
            raise SourceError(f"{upload.name} has no rows; send a file that has some.")
        return LandedUpload(upload.day, upload.day, read, counted)


class DayWriter:
    """Writes sorted rows, with `received_date` and `source_file`, into a file per day and file of
    the original.
    """

    def __init__(
        self, folder: Path, number: int, file_numbers: Mapping[str, int], schema: pa.Schema
    ) -> None:
        """Set the folder, the number of the upload, and the place of each of its files by
        `source_file`.
        """
        self._folder, self._number, self._schema = folder, number, schema
        self._file_numbers = file_numbers
        self._key: tuple[date, str] | None = None
        self._file: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Write the next rows."""
        for day, name, part in _parts(rows):
            if self._key != (day, name):
                self.close()
                self._key = (day, name)
                folder = self._folder / f"received_date={day.isoformat()}"
                folder.mkdir(exist_ok=True)
                path = folder / uploaded_name(self._number, self._file_numbers[name])
                self._file = pq.ParquetWriter(path, self._schema, compression="zstd")
            assert self._file is not None  # noqa: S101 (opened above)
            self._file.write_table(part.select(self._schema.names).cast(self._schema))

    def close(self) -> None:
        """End the file that was written last."""
        if self._file is not None:
            self._file.close()
        self._file = None


def _parts(rows: pa.Table) -> Iterator[tuple[date, str, pa.Table]]:
    """Yield the rows of each day and file of sorted rows."""
    start = 0
    days, names = rows["received_date"], rows["source_file"]
    while start < len(rows):
        day, name = days[start].as_py(), names[start].as_py()
        same = pc.and_(pc.equal(days, days[start]), pc.equal(names, names[start]))
        count = int(pc.sum(same.slice(start)).as_py())
        yield day, name, rows.slice(start, count)
        start += count


LANDINGS: Final[Mapping[str, Landing]] = {
    name: LandedList(feed, feed.listed) if feed.listed else MappedRows(feed)
    for name, feed in feeds().items()
}
"""How the rows of each kind land."""
