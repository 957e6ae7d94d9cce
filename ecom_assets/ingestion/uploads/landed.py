"""The rows of uploads in the platform's own layout: written, taken back, and what they replace.

    ECOM_HOME/uploads/orders/000007/received_date=2026-03-02/upload-000007-001.parquet

The folder of an upload appears whole, by one rename. A row arrives on its own day, or a history
would be too late to count; the time of the upload says which version is the newer one.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from ecom_assets.core.atomic_files import sync_folder
from ecom_assets.core.errors import (
    SourceError,
    UsageError,
    WorkError,
    first_line,
    system_reason,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import MAPPING_COPY, choose_steps, rows_folder
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.files.damage import copies_in
from ecom_assets.ingestion.sources.files.manifest import uploaded_name
from ecom_assets.ingestion.sources.files.mapping import EventMapping, load
from ecom_assets.ingestion.sources.landing import make_folder
from ecom_assets.ingestion.uploads.landings import LANDINGS, LandedUpload, Landing, ToLand, day_sent
from ecom_assets.ingestion.uploads.packed import require_unpacked_size
from ecom_assets.ingestion.uploads.store import LOADING, MAPPINGS, WITH_ROWS, Upload, Uploads

STAGING: Final = "landing"
"""The folder, beside those of the kinds, in which rows are written before they count."""
COPIES: Final = "copies"
"""The folder beside an original for what is made of it while it is read."""


def land(uploads: Uploads, upload: Upload, settings: Settings) -> LandedUpload:
    """Write the rows of an upload where every run reads them; what it landed before goes.

    Raises:
        UsageError: It has no mapping, is too large, or its file is not kept any more.
        SourceError: The file cannot be read.
        MappingError: It does not match the mapping.
        WorkError: The disk is full, or cannot be written.
    """
    landing = _landing_of(upload)
    original = uploads.original(upload)
    require_unpacked_size(original)
    staged = uploads.folder / STAGING / _folder_name(upload)
    copies = original.parent / COPIES
    shutil.rmtree(staged, ignore_errors=True)
    make_folder(staged)
    copies.mkdir(mode=0o700, exist_ok=True)
    of_upload = ToLand(
        upload.number,
        upload.name,
        upload.sent_at,
        upload.kind,
        original,
        _mapping_path(uploads, upload),
        day_of(uploads, upload, settings),
        settings,
    )
    try:
        with ExitStack() as unless_written:
            unless_written.callback(shutil.rmtree, staged, ignore_errors=True)
            with copies_in(copies):
                landing.write(of_upload, staged)
            result = landing.brought(of_upload, staged)
            result = replace(result, replaced=_replaced(uploads, upload, landing, staged))
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
        steps = load(EventMapping, of_upload.mapping).funnel_steps
        choose_steps(settings.home, steps)
    return result


def empty_landed(uploads: Uploads, upload: Upload) -> list[date]:
    """Leave no row of an upload, on days that are still days of its source; return these days.

    A run over them takes the rows out of the tables, also where no other file has these days.
    """
    schema = _landing_of(upload).schema
    days = []
    folder = folder_of(uploads, upload)
    (folder / MAPPING_COPY).unlink(missing_ok=True)
    for path in sorted(folder.glob("received_date=*/*.parquet")):
        staged = path.with_name(f".{path.name}.part")
        pq.write_table(schema.empty_table(), staged)
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
    folder, schema = folder_of(uploads, upload), _landing_of(upload).schema
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


def _landing_of(upload: Upload) -> Landing:
    if upload.kind not in LANDINGS:
        raise UsageError(f"Nobody has said yet what {upload.name} is; look at it first.")
    return LANDINGS[upload.kind]


def day_of(uploads: Uploads, upload: Upload, settings: Settings) -> date:
    """Return the day that a file is of whose rows have no days, such as a list of customers: the
    newest day of the files that have some, or of an earlier one of its kind; the day on which it
    was sent where there are none, and at the latest.

    So what it says is held beside the days that are known, as by a run over files. Once loaded, it
    keeps its day, whatever is loaded since.
    """
    sent = day_sent(upload.sent_at, settings.timezone)
    if upload.has_days:
        return sent
    if upload.first_day is not None:
        return upload.first_day
    known = [
        other.last_day
        for other in uploads.every()
        if other.state in {LOADING, *WITH_ROWS}
        and other.last_day
        and (other.has_days or other.kind == upload.kind)
    ]
    return min(max(known, default=sent), sent)


def _mapping_path(uploads: Uploads, upload: Upload) -> Path:
    if not upload.mapping:
        raise UsageError(f"Nobody has said yet how {upload.name} is read; look at it first.")
    return uploads.folder / MAPPINGS / f"{upload.mapping}.yaml"


def _replaced(uploads: Uploads, upload: Upload, landing: Landing, staged: Path) -> dict[int, int]:
    """Return how many rows of earlier uploads the rows in a folder have another version of."""
    key = landing.key
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
