"""Another time zone of the shop: which day the rows of uploads lie on, and which files are read in
the shop's own zone.

Rows are kept as instants (ADR 50), so that their days in another zone follow exactly, without the
files. What a file means by a time without a zone is read from it again, while it is kept.
"""

import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from ecom_assets.core.settings.memory import limit_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.core.warehouse.sql_text import day_in_zone, ident, instant, select, texts
from ecom_assets.ingestion.sources.files.mapping import load
from ecom_assets.ingestion.sources.landing import make_folder
from ecom_assets.ingestion.sources.proposal.questions import ZONE
from ecom_assets.ingestion.uploads.landed import STAGING, end_laying_again, lay_again
from ecom_assets.ingestion.uploads.landings import BATCH_ROWS, LANDINGS, DayWriter, MappedRows
from ecom_assets.ingestion.uploads.look import Chosen, keep_choices, look_in_child, mapping_of_kept
from ecom_assets.ingestion.uploads.store import LandedRows, Upload, Uploads


@dataclass(frozen=True)
class FilesOfZone:
    """Loaded files whose times say no zone, and were read in the shop's.

    Attributes:
        kept: Those whose file is kept, so that they can be read in another zone.
        gone: Those of which only the rows are kept: their times stay as they were read.
    """

    kept: tuple[Upload, ...] = ()
    gone: tuple[Upload, ...] = ()


def files_of_zone(uploads: Uploads, zone: str) -> FilesOfZone:
    """Return the loaded files that were read in a zone because it is the shop's."""
    of_zone = [upload for upload in uploads.with_rows() if _is_read_in(uploads, upload, zone)]
    return FilesOfZone(
        tuple(upload for upload in of_zone if upload.has_original),
        tuple(upload for upload in of_zone if not upload.has_original),
    )


def _is_read_in(uploads: Uploads, upload: Upload, zone: str) -> bool:
    """Return whether times of an upload follow from the shop's zone: the mapping that its rows were
    read by says so, or the answer about them is that zone.
    """
    return any(_landed_in(uploads, upload, landed, zone) for landed in upload.landed)


def _landed_in(uploads: Uploads, upload: Upload, landed: LandedRows, zone: str) -> bool:
    landing = LANDINGS[landed.kind]
    is_read_again = landed.files and landed.mapping and KINDS[landed.kind].has_days
    if not is_read_again or not isinstance(landing, MappedRows):
        return False
    if ZONE in landed.answers:
        return landed.answers[ZONE] == zone
    path = mapping_of_kept(uploads, upload.as_landed(landed))[1]
    mapping = load(landing.feed.model, path)
    return mapping.in_zone("UTC") != mapping


def read_in_zone(uploads: Uploads, upload: Upload, settings: Settings) -> Upload:
    """Let the times of a file that say no zone be of the shop's zone as it is set now, and keep
    that; its rows are landed again afterwards.

    It is read as its rows were landed, whatever somebody says of it since.

    Raises:
        UsageError: Its file is not kept any more, or cannot be read so.
    """
    landed = next(landed for landed in upload.landed if landed.files and landed.mapping)
    named, _ = mapping_of_kept(uploads, upload.as_landed(landed))
    answers = landed.answers
    if ZONE in answers:
        answers = {**answers, ZONE: settings.timezone}
    look = look_in_child(uploads, upload, settings, Chosen(answers, landed.kind, named))
    return keep_choices(uploads, look)


def put_on_days(uploads: Uploads, upload: Upload, settings: Settings) -> Upload:
    """Let the rows of an upload lie on their own days in the shop's zone, and note these days; the
    rows are the same instants. Rows without a time that can be read stay where they are.
    """
    days = set[date]()
    for landed in upload.landed:
        landing = LANDINGS[landed.kind]
        if landed.files and KINDS[landed.kind].has_days and isinstance(landing, MappedRows):
            days |= _put_on_days(uploads, upload, landed, landing, settings)
    return uploads.note(upload, first_day=min(days), last_day=max(days)) if days else upload


def _put_on_days(
    uploads: Uploads, upload: Upload, landed: LandedRows, landing: MappedRows, settings: Settings
) -> set[date]:
    """Let the rows of a kind lie on their own days, and return these."""
    end_laying_again(uploads, upload, landed)
    folder = uploads.folder / landed.folder
    paths = sorted(map(str, folder.glob("received_date=*/*.parquet")))
    staged = uploads.folder / STAGING / f"{landed.kind}-{folder.name}.part"
    shutil.rmtree(staged, ignore_errors=True)
    make_folder(staged)
    schema = landing.schema
    rows = _rows_sql(paths, landing.feed.model.kind.time, settings.timezone, schema.names)
    days = set[date]()
    with closing(plain_connection(limit_of_run(settings))) as con:
        names = con.sql(f"SELECT DISTINCT source_file FROM ({rows})").fetchall()  # noqa: S608 (of ours)
        numbers = {name: int(name.rpartition("-")[2].partition(".")[0]) for (name,) in names}
        reader = con.sql(rows).to_arrow_reader(BATCH_ROWS)
        with closing(DayWriter(staged, upload.number, numbers, schema)) as writer:
            for batch in reader:
                table = pa.Table.from_batches([batch])
                days |= set(table["received_date"].unique().to_pylist())
                writer.write(table)
    lay_again(uploads, upload, landed, staged)
    return days


def _rows_sql(paths: Sequence[str], time: str, zone: str, columns: Sequence[str]) -> str:
    """Return the SELECT of landed rows with their own day in a zone, sorted by day and file."""
    at = instant(ident(time), ("iso",), "UTC")
    lay_on = "regexp_extract(filename, 'received_date=([0-9-]+)', 1)::DATE"
    options = "hive_partitioning = false, filename = true, file_row_number = true"
    source = f"read_parquet({texts(paths)}, {options})"
    listed = [
        *map(ident, columns),
        f"coalesce({day_in_zone(at, zone)}, {lay_on}) AS received_date",
        "regexp_extract(filename, '[^/]+$') AS source_file",
        f"{lay_on} AS lay_on",
        "file_row_number",
    ]
    return f"{select(listed, source)} ORDER BY received_date, source_file, lay_on, file_row_number"
