"""The rows of uploads in the platform's own layout: written, taken back, and what they replace.

    ECOM_HOME/uploads/orders/000007/received_date=2026-03-02/upload-000007-001.parquet

The folder of an upload appears whole, by one rename. A row arrives on its own day, or a history
would be too late to count; the time of the upload says which version is the newer one.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecom_assets.core.atomic_files import sync_folder
from ecom_assets.core.errors import (
    SourceError,
    UsageError,
    WorkError,
    first_line,
    system_reason,
)
from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import NATIVE_OF, choose_steps, rows_folder
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.core.warehouse.sql_text import day_in_zone, ident, select, text, texts
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.files.damage import copies_in
from ecom_assets.ingestion.sources.files.manifest import uploaded_name
from ecom_assets.ingestion.sources.files.mapping import (
    EventMapping,
    OrderMapping,
    RecordKind,
    RecordMapping,
    load,
)
from ecom_assets.ingestion.sources.files.records import RecordFiles
from ecom_assets.ingestion.sources.files.sql import MALFORMED
from ecom_assets.ingestion.sources.landed_rows import landed_columns
from ecom_assets.ingestion.sources.landing import landed_schema, make_folder
from ecom_assets.ingestion.sources.reading import COUNTED, FileReading
from ecom_assets.ingestion.uploads.packed import require_unpacked_size
from ecom_assets.ingestion.uploads.store import MAPPINGS, Upload, Uploads

MAPPINGS_OF: Final[Mapping[str, type[RecordMapping]]] = {
    "events": EventMapping,
    "orders": OrderMapping,
}
"""The kinds of rows that uploads are read as, with the class of their mappings."""
KINDS: Final[Mapping[str, RecordKind]] = {
    name: mapping.kind for name, mapping in MAPPINGS_OF.items()
}
"""The layout in which the rows of each kind land."""
STAGING: Final = "landing"
"""The folder, beside those of the kinds, in which rows are written before they count."""
COPIES: Final = "copies"
"""The folder beside an original for what is made of it while it is read."""
BATCH_ROWS: Final = 50_000


@dataclass(frozen=True)
class LandedUpload:
    """What an upload brought.

    Attributes:
        first_day: The first day of arrival of its rows, in the shop's zone.
        last_day: The last one.
        row_count: Rows that were read.
        counted_count: Those that count; copies within the file count once.
        amount: The money of order lines that count, sold less paid back; None where it is not
            known.
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


def land(uploads: Uploads, upload: Upload, settings: Settings) -> LandedUpload:
    """Write the rows of an upload where every run reads them; what it landed before goes.

    Raises:
        UsageError: It has no mapping, is too large, or its file is not kept any more.
        SourceError: The file cannot be read.
        MappingError: It does not match the mapping.
        WorkError: The disk is full, or cannot be written.
    """
    _kind_of(upload)
    original = uploads.original(upload)
    require_unpacked_size(original)
    staged = uploads.folder / STAGING / _folder_name(upload)
    copies = original.parent / COPIES
    shutil.rmtree(staged, ignore_errors=True)
    make_folder(staged)
    copies.mkdir(mode=0o700, exist_ok=True)
    try:
        with ExitStack() as unless_written:
            unless_written.callback(shutil.rmtree, staged, ignore_errors=True)
            with copies_in(copies), closing(plain_connection(limit_of_run(settings))) as con:
                _write(con, uploads, upload, settings, staged)
            result = _brought(uploads, upload, settings, staged)
            unless_written.pop_all()
    except duckdb.Error as error:
        raise SourceError(f"{upload.name} cannot be read: {first_line(error)}.") from error
    except OSError as error:
        raise WorkError(
            f"The rows of {upload.name} cannot be written ({system_reason(error)}); make room on "
            "the disk of the platform, and load it again."
        ) from error
    finally:
        shutil.rmtree(copies, ignore_errors=True)
    remove_landed(uploads, upload)
    target = folder_of(uploads, upload)
    make_folder(target.parent)
    staged.rename(target)
    sync_folder(target.parent)
    if upload.kind == "events":  # events have the platform's own names from now on
        steps = load(EventMapping, _mapping_path(uploads, upload)).funnel_steps
        choose_steps(settings.home, steps)
    return result


def empty_landed(uploads: Uploads, upload: Upload) -> list[date]:
    """Leave no row of an upload, on days that are still days of its source; return these days.

    A run over them takes the rows out of the tables, also where no other file has these days.
    """
    kind = _kind_of(upload)
    days = []
    for path in sorted(folder_of(uploads, upload).glob("received_date=*/*.parquet")):
        staged = path.with_name(f".{path.name}.part")
        pq.write_table(landed_rows_schema(kind).empty_table(), staged)
        staged.replace(path)
        days.append(date.fromisoformat(path.parent.name.partition("=")[2]))
    return days


def days_of_landed(uploads: Uploads, upload: Upload) -> set[date]:
    """Return the days on which an upload has files, with rows or without."""
    folders = folder_of(uploads, upload).glob("received_date=*")
    return {date.fromisoformat(folder.name.partition("=")[2]) for folder in folders}


def leave_days(uploads: Uploads, upload: Upload, days: Iterable[date]) -> None:
    """Let days stay days of an upload, without rows where it has none: a run over them takes the
    rows out of the tables that it had there before.
    """
    folder, schema = folder_of(uploads, upload), landed_rows_schema(_kind_of(upload))
    for day in set(days) - days_of_landed(uploads, upload):
        of_day = folder / f"received_date={day.isoformat()}"
        make_folder(of_day)
        pq.write_table(schema.empty_table(), of_day / uploaded_name(upload.number, 1))


def remove_landed(uploads: Uploads, upload: Upload) -> None:
    """Remove the folder of an upload's rows."""
    folder = folder_of(uploads, upload)
    gone = uploads.folder / STAGING / f"{folder.name}.gone"
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(FileNotFoundError):
        make_folder(gone.parent)
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def keep_beside(uploads: Uploads, upload: Upload) -> None:
    """Keep the rows of an upload where nothing reads them, until it is sure that they go."""
    beside = _beside(uploads, upload)
    folder = folder_of(uploads, upload)
    if not beside.exists() and folder.exists():  # else a run was killed after it had kept them
        part = beside.with_name(f"{beside.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part, copy_function=os.link)
        part.rename(beside)


def put_back(uploads: Uploads, upload: Upload) -> None:
    """Let the rows of an upload count again that were kept beside."""
    beside = _beside(uploads, upload)
    if beside.exists():
        remove_landed(uploads, upload)
        beside.rename(folder_of(uploads, upload))


def forget_beside(uploads: Uploads, upload: Upload) -> None:
    """Remove the rows of an upload that were kept beside."""
    shutil.rmtree(_beside(uploads, upload), ignore_errors=True)


def _beside(uploads: Uploads, upload: Upload) -> Path:
    return uploads.folder / STAGING / f"{_folder_name(upload)}.undo"


def folder_of(uploads: Uploads, upload: Upload) -> Path:
    """Return where the rows of an upload lie, whether there are any or not."""
    return rows_folder(uploads.folder.parent, upload.kind) / _folder_name(upload)


def _folder_name(upload: Upload) -> str:
    return f"{upload.number:06}"


def _kind_of(upload: Upload) -> RecordKind:
    if upload.kind not in KINDS:
        raise UsageError(f"Nobody has said yet what {upload.name} is; look at it first.")
    return KINDS[upload.kind]


def landed_rows_schema(kind: RecordKind) -> pa.Schema:
    """Return the columns of landed rows: the native layout, and lines that could not be read."""
    return landed_schema(kind).append(pa.field(MALFORMED, pa.string()))


def _write(
    con: duckdb.DuckDBPyConnection,
    uploads: Uploads,
    upload: Upload,
    settings: Settings,
    staged: Path,
) -> None:
    """Write the rows of an original into a folder, a file per day and file of the original."""
    mapping = load(MAPPINGS_OF[upload.kind], _mapping_path(uploads, upload))
    path = str(uploads.original(upload))
    files = RecordFiles.open(con, [path], mapping, settings.timezone, settings.first_plausible_day)
    if files.row_count() > settings.adhoc_most_events:
        raise UsageError(
            f"{upload.name} has {files.row_count():,} rows, and a file may have "
            f"{settings.adhoc_most_events:,} (ECOM_ADHOC_MOST_EVENTS); send it in parts, such as a "
            "file per year."
        )
    rows = _rows_sql(files, upload, settings)
    names = sorted(file.stored_name for file in files.files())
    file_numbers = {name: number for number, name in enumerate(names, 1)}
    schema = landed_rows_schema(mapping.kind)
    ordered = f"{rows} ORDER BY received_date, source_file"
    reader = con.sql(ordered).to_arrow_reader(BATCH_ROWS)
    with closing(DayWriter(staged, upload, file_numbers, schema)) as writer:
        for batch in reader:
            writer.write(pa.Table.from_batches([batch]))


def _rows_sql(files: RecordFiles, upload: Upload, settings: Settings) -> str:
    """Return the SELECT of an upload's rows in the landed layout, with `received_date` and
    `source_file`.
    """
    currencies = Currencies.from_settings(settings)
    kind = files.mapping.kind
    of_upload: dict[str, str] = {}
    if upload.kind == "events":
        files = currencies.coded_events(files)
        rows = files.received_sql()
    else:
        own_day = day_in_zone(kind.at, files.timezone)
        dated = select(f"*, {own_day} AS order_date", f"({files.received_sql()})")
        rows = currencies.coded_orders(files, dated)
        # A file that states no currency is of the shop's, or it could not stand beside one that
        # does.
        if settings.currency and not currencies.in_one(files, dated).names:
            stated = f"coalesce(currency, {text(settings.currency)})"
            of_upload[ident("currency")] = f"{stated} AS {ident('currency')}"
    columns = landed_columns(files.mapping, landed_schema(kind))
    sent_at = f"TIMESTAMP {text(upload.sent_at.isoformat(sep=' '))}"
    of_upload[ident("received_at")] = f"coalesce(received_at, {sent_at}) AS received_at"
    columns = [of_upload.get(name.rpartition(" AS ")[2], name) for name in columns]
    columns += [f"malformed_row AS {ident(MALFORMED)}", "received_date", "source_file"]
    return select(columns, f"({rows})")


class DayWriter:
    """Writes sorted rows, with `received_date` and `source_file`, into a file per day and file of
    the original.
    """

    def __init__(
        self, folder: Path, upload: Upload, file_numbers: Mapping[str, int], schema: pa.Schema
    ) -> None:
        """Set the folder, the upload, and the place of each of its files by `source_file`."""
        self._folder, self._upload, self._schema = folder, upload, schema
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
                path = folder / uploaded_name(self._upload.number, self._file_numbers[name])
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


def _mapping_path(uploads: Uploads, upload: Upload) -> str:
    if not upload.mapping:
        raise UsageError(f"Nobody has said yet how {upload.name} is read; look at it first.")
    return str(uploads.folder / MAPPINGS / f"{upload.mapping}.yaml")


def _brought(uploads: Uploads, upload: Upload, settings: Settings, staged: Path) -> LandedUpload:
    """Return what landed rows are, read as every run reads them."""
    reading = FileReading.open(
        [str(staged)],
        NATIVE_OF[upload.kind],
        is_events=upload.kind == "events",
        settings=settings,
    )
    days = reading.files.files.received_days()
    if days is None:
        raise SourceError(f"{upload.name} has no rows; send a file that has some.")
    money = reading.money.get(COUNTED)
    return LandedUpload(
        days[0],
        days[1],
        reading.rows.read,
        reading.rows.counted,
        money.amount if money else None,
        money.currency if money else "",
        _replaced(uploads, upload, staged),
    )


def _replaced(uploads: Uploads, upload: Upload, staged: Path) -> dict[int, int]:
    """Return how many rows of earlier uploads the rows in a folder have another version of."""
    kind = KINDS[upload.kind]
    key = "coalesce(record_id, uniq_id)" if kind.whole else kind.id
    own = [str(path) for path in sorted(staged.glob("received_date=*/*.parquet"))]
    result = {}
    with duckdb.connect() as con:
        for earlier in uploads.with_rows(upload.kind):
            paths = sorted(folder_of(uploads, earlier).glob("received_date=*/*.parquet"))
            if earlier.number >= upload.number or not paths:
                continue
            theirs = f"read_parquet({texts(map(str, paths))}, hive_partitioning = false)"
            ours = f"read_parquet({texts(own)}, hive_partitioning = false)"
            both = f"{key} IN ({select(key, ours, f'{key} IS NOT NULL')})"
            (count,) = con.execute(select("count(*)", theirs, both)).fetchone() or (0,)
            if count:
                result[earlier.number] = int(count)
    return result
