"""The rows of uploads in the platform's own layout: written, taken back, and what they replace.

    ECOM_HOME/uploads/orders/000007/received_date=2026-03-02/upload-000007-001.parquet

The folder of an upload appears whole, by one rename. A row arrives on its own day, or a history
would be too late to count; the time of the upload says which version is the newer one.

What is landed is noted in the list of uploads before it appears, and all that takes rows away goes
by the note: an upload that is said to be something else meanwhile has its rows where they were.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from ecom_assets.core.atomic_files import sync_folder
from ecom_assets.core.errors import (
    EcomError,
    SourceError,
    UsageError,
    WorkError,
    first_line,
    system_reason,
)
from ecom_assets.core.reading_child import FOREIGN_FILE, ReadingChild, ReadingLimits
from ecom_assets.core.settings.memory import mb_of_run
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.uploaded import KINDS, MAPPING_COPY, choose_steps, rows_folder
from ecom_assets.core.warehouse.sql_text import select, texts
from ecom_assets.ingestion.sources.files.damage import copies_in
from ecom_assets.ingestion.sources.files.file_names import files_called
from ecom_assets.ingestion.sources.files.manifest import is_uploaded, number_of, uploaded_name
from ecom_assets.ingestion.sources.files.mapping import EventMapping, load
from ecom_assets.ingestion.sources.landing import make_folder
from ecom_assets.ingestion.uploads.landings import (
    LANDINGS,
    LandedUpload,
    Landing,
    MappedRows,
    ToLand,
    day_sent,
)
from ecom_assets.ingestion.uploads.packed import require_unpacked_size
from ecom_assets.ingestion.uploads.store import (
    FAILED,
    KEPT,
    LOADING,
    MAPPINGS,
    UNDONE,
    WITH_ROWS,
    LandedRows,
    Upload,
    Uploads,
    as_sent,
)

STAGING: Final = "landing"
"""The folder, beside those of the kinds, in which rows are written before they count."""
LOAD_CPU_S: Final = 3_600
LOAD_S: Final = 7_200.0
"""What loading one file may take of a processor, and of the clock."""
COPIES: Final = "copies"
"""The folder beside an original for what is made of it while it is read."""
LEFT: Final = (
    "Rows of it were left by an earlier version of the platform, and count; undo it to take them "
    "back."
)
"""What the list says of an upload that counts though it was taken back, or is not in the list."""
_NOTE: Final = ".landed.json"
"""The file beside rows that are kept beside, with what was noted of them."""
_KEPT: Final = TypeAdapter(tuple[LandedRows, Upload])
NUMBERS: Final = (
    "first_day",
    "last_day",
    "row_count",
    "counted_count",
    "amount",
    "currency",
    "replaced_count",
    "replaced_uploads",
)
"""What the list says of the rows that were landed."""
DayOfKind = tuple[str, date]
"""A day on which an upload has files of a kind, with rows or without."""


def land(uploads: Uploads, upload: Upload, settings: Settings) -> LandedUpload:
    """Write the rows of an upload where every run reads them; what it landed before goes, whatever
    it was, and its days stay days without rows until `forget_left_days`.

    Raises:
        UsageError: It has no mapping, is too large, or its file is not kept any more.
        SourceError: The file cannot be read.
        MappingError: It does not match the mapping.
        WorkError: The disk is full, or cannot be written.
    """
    landing = _landing_of(upload)
    original = uploads.original(upload)
    target = rows_folder(uploads.folder.parent, upload.kind) / _folder_name(upload)
    staged = uploads.folder / STAGING / target.name
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
            with ReadingChild(limits_of_load(settings)) as child:
                result = child.run(upload.name, write_rows, of_upload, staged, copies)
            result = replace(result, replaced=_replaced(uploads, upload, landing, staged))
            unless_written.pop_all()
    except EcomError as error:
        error.args = (as_sent(str(error), upload),)
        raise
    except duckdb.Error as error:
        raise SourceError(f"{upload.name} cannot be read: {first_line(error)}.") from error
    except OSError as error:
        raise WorkError(
            f"The rows of {upload.name} cannot be written ({system_reason(error)}); make room on "
            "the disk of the platform, and load it again."
        ) from error
    finally:
        shutil.rmtree(copies, ignore_errors=True)
    lay_on = days_of_landed(uploads, upload)
    landed = LandedRows(
        upload.kind,
        _below(uploads.folder, target),
        _files_in(staged),
        result.row_count,
        upload.mapping,
        upload.file_answers,
    )
    remove_landed(uploads, upload)
    _lay(uploads, upload, landed, staged)
    leave_days(uploads, upload, lay_on)
    if upload.kind == "events":  # events have the platform's own names from now on
        steps = load(EventMapping, of_upload.mapping).funnel_steps
        choose_steps(settings.home, steps)
    return result


def limits_of_load(settings: Settings) -> ReadingLimits:
    """Return what a process may take that reads a file and writes its rows: what a run may."""
    return ReadingLimits(max(FOREIGN_FILE.memory_mb, mb_of_run(settings)), LOAD_CPU_S, LOAD_S)


def write_rows(upload: ToLand, staged: Path, copies: Path) -> LandedUpload:
    """Write the rows of an upload into a folder, and return what they are: the whole work of a
    process that reads a file of other people.

    Raises:
        EcomError: It cannot be read.
    """
    landing = LANDINGS[upload.kind]
    require_unpacked_size(upload.original)
    try:
        with copies_in(copies), files_called(partial(as_sent, upload=upload)):
            landing.write(upload, staged)
        return landing.brought(upload, staged)
    except duckdb.OutOfMemoryException as error:
        raise MemoryError(str(error)) from error


def _lay(uploads: Uploads, upload: Upload, landed: LandedRows, staged: Path) -> None:
    """Note what is landed, and let the rows in a folder appear as that."""
    folder = uploads.folder / landed.folder
    uploads.note_landed(upload.number, landed)
    make_folder(folder.parent)
    staged.rename(folder)
    sync_folder(folder.parent)


def lay_again(uploads: Uploads, upload: Upload, landed: LandedRows, staged: Path) -> None:
    """Let rows in a folder lie in place of those of a kind, the days of which stay days of it."""
    lay_on = days_of_landed(uploads, upload)
    ready = _again(uploads, upload, landed)
    shutil.rmtree(ready, ignore_errors=True)
    staged.rename(ready)
    _remove_folder(uploads, uploads.folder / landed.folder)
    _lay(uploads, upload, replace(landed, files=_files_in(ready)), ready)
    leave_days(uploads, upload, lay_on)


def end_laying_again(uploads: Uploads, upload: Upload, landed: LandedRows) -> None:
    """End what a run has begun with `lay_again` that was killed between the two folders."""
    ready, folder = _again(uploads, upload, landed), uploads.folder / landed.folder
    if ready.exists() and not folder.exists():
        ready.rename(folder)


def _again(uploads: Uploads, upload: Upload, landed: LandedRows) -> Path:
    return uploads.folder / STAGING / f"{landed.kind}-{_folder_name(upload)}.days"


def fields_read_since(uploads: Uploads, upload: Upload) -> tuple[str, ...]:
    """Return the fields that a file's mapping fills and its landed rows lack, as an earlier version
    of the platform landed them.
    """
    landing = LANDINGS.get(upload.kind)
    own = [landed for landed in upload.landed if landed.kind == upload.kind and landed.files]
    if not own or not isinstance(landing, MappedRows):
        return ()
    first = uploads.folder / own[0].folder / own[0].files[0]
    with suppress(pa.ArrowException, EcomError, OSError):  # a run over it says what is wrong
        missing = {*landing.schema.names} - {*pq.read_schema(first).names}
        if missing:
            mapping = load(landing.feed.model, _mapping_path(uploads, upload))
            return tuple(name for name, _ in mapping.mapped() if name in missing)
    return ()


def empty_landed(uploads: Uploads, upload: Upload) -> None:
    """Leave no row of an upload, on days that are still days of its source.

    A run over them takes the rows out of the tables, also where no other file has these days.
    """
    for landed in _landed(uploads, upload):
        folder = uploads.folder / landed.folder
        (folder / MAPPING_COPY).unlink(missing_ok=True)
        for path in _landed_paths(folder):
            _write_empty(landed.kind, path)
        uploads.note_landed(upload.number, _without_rows(landed))


def days_of_landed(uploads: Uploads, upload: Upload) -> set[DayOfKind]:
    """Return the days on which an upload has files, with rows or without, or had them before a run
    that is at it.
    """
    return {
        (landed.kind, date.fromisoformat(day.name.partition("=")[2]))
        for landed in _landed(uploads, upload)
        for folder in (uploads.folder / landed.folder, _beside(uploads, upload, landed.kind))
        for day in folder.glob("received_date=*")
    }


def leave_days(uploads: Uploads, upload: Upload, days: Iterable[DayOfKind]) -> None:
    """Let days stay days of an upload, without rows where it has none: a run over them takes the
    rows out of the tables that it had there before.
    """
    folders = {landed.kind: landed.folder for landed in _landed(uploads, upload)}
    for kind, day in days:
        of_day = uploads.folder / folders[kind] / f"received_date={day.isoformat()}"
        if not of_day.exists():
            make_folder(of_day)
            _write_empty(kind, of_day / uploaded_name(upload.number, 1))


def forget_left_days(uploads: Uploads, upload: Upload) -> None:
    """Remove files of an upload that have no rows, where others of their kind have some: the days
    of a source that has no other file stay days of it.
    """
    for landed in _landed(uploads, upload):
        if not uploads.with_rows(landed.kind):
            continue
        folder = uploads.folder / landed.folder
        if not landed.files:
            _remove_folder(uploads, folder)
            continue
        for path in _landed_paths(folder):
            if _below(folder, path) not in landed.files:
                path.unlink()
                with suppress(OSError):  # another file of the day has rows
                    path.parent.rmdir()


def remove_landed(uploads: Uploads, upload: Upload) -> None:
    """Remove the rows of an upload, of whatever kinds they are."""
    for landed in _landed(uploads, upload):
        _remove_folder(uploads, uploads.folder / landed.folder)
        uploads.note_landed(upload.number, _without_rows(landed))


def remove_every_landed(uploads: Uploads) -> None:
    """Remove the rows of all uploads, also of those that are not in the list any more."""
    for upload in uploads.every():
        remove_landed(uploads, upload)
    for _, folder, _ in _lying(uploads, set()):
        _remove_folder(uploads, folder)


def _remove_folder(uploads: Uploads, folder: Path) -> None:
    gone = uploads.folder / STAGING / f"{folder.parent.name}-{folder.name}.gone"
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(FileNotFoundError):
        make_folder(gone.parent)
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def keep_beside(uploads: Uploads, upload: Upload) -> None:
    """Keep the rows of an upload where nothing reads them, until it is sure that they go."""
    for landed in _landed(uploads, upload):
        beside = _beside(uploads, upload, landed.kind)
        folder = uploads.folder / landed.folder
        # Else a run was killed after it had kept them.
        if landed.files and not beside.exists() and folder.exists():
            part = beside.with_name(f"{beside.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(folder, part, copy_function=os.link)
            (part / _NOTE).write_bytes(_KEPT.dump_json((landed, upload)))
            part.rename(beside)


def put_back(uploads: Uploads, upload: Upload) -> bool:
    """Let the rows of an upload count again that were kept beside, and return whether there were
    any; days that it has had meanwhile stay days of it, without rows.
    """
    besides = [path for kind in KINDS if (path := _beside(uploads, upload, kind)).exists()]
    if not besides:
        return False
    lay_on = days_of_landed(uploads, upload)
    remove_landed(uploads, upload)
    for beside in besides:
        landed, before = _KEPT.validate_json((beside / _NOTE).read_bytes())
        uploads.note_landed(upload.number, landed)
        uploads.note(upload, **{name: getattr(before, name) for name in NUMBERS})
        folder = uploads.folder / landed.folder
        make_folder(folder.parent)
        beside.rename(folder)
        (folder / _NOTE).unlink()
    leave_days(uploads, upload, lay_on)
    return True


def forget_beside(uploads: Uploads, upload: Upload) -> None:
    """Remove the rows of an upload that were kept beside."""
    for kind in KINDS:
        shutil.rmtree(_beside(uploads, upload, kind), ignore_errors=True)


def _beside(uploads: Uploads, upload: Upload, kind: str) -> Path:
    return uploads.folder / STAGING / f"{kind}-{_folder_name(upload)}.undo"


def note_what_lies(uploads: Uploads) -> None:
    """Note the rows of uploads that nothing has noted, as in a home of before: they are found in
    the folders of all kinds by the numbers that the names of their files begin with.

    Rows of an upload that was deleted are of one again, which can be undone; so are those of one
    that is not loaded by its state.
    """
    noted = uploads.noted_folders()
    for number, folder, kind in _lying(uploads, noted):
        entry = _entry_of(uploads, number)
        named = LandedRows(kind, _below(uploads.folder, folder))
        if entry is not None and entry.kind == kind:
            named = replace(named, mapping=entry.mapping, answers=entry.file_answers)
        if entry is not None and entry.was_loaded:
            named = replace(named, loaded_at=entry.changed_at)
        if entry is not None:
            _name_as_now(uploads, entry, named)
        landed = _with_rows_in(named, folder)
        uploads.note_landed(number, landed)
        if not landed.files:
            continue
        if entry is None:
            days = sorted(path.parent.name.partition("=")[2] for path in _landed_paths(folder))
            uploads.note_loaded(uploads.add_found(number, landed, (days[0], days[-1]), LEFT), LEFT)
        elif entry.state in {KEPT, UNDONE, FAILED}:
            uploads.note_loaded(entry, LEFT)


def _lying(uploads: Uploads, without: Collection[str]) -> Iterator[tuple[int, Path, str]]:
    """Yield the folders of rows of uploads: the number of the upload, the folder, and the kind."""
    for kind in KINDS:
        for folder in sorted(rows_folder(uploads.folder.parent, kind).glob("*")):
            if _below(uploads.folder, folder) in without:
                continue
            names = (path.name for path in _landed_paths(folder))
            if (first := next(filter(is_uploaded, names), None)) is not None:
                yield number_of(first), folder, kind


def _entry_of(uploads: Uploads, number: int) -> Upload | None:
    with suppress(UsageError):
        return uploads.numbered(number)
    return None


def _with_rows_in(landed: LandedRows, folder: Path) -> LandedRows:
    """Return what was landed with the files in a folder that have rows, and how many."""
    counts = dict[str, int]()
    for path in _landed_paths(folder):
        with suppress(pa.ArrowException):  # a run over it says that it cannot be read
            counts[_below(folder, path)] = pq.read_metadata(path).num_rows
    files = tuple(name for name, count in counts.items() if count)
    return replace(landed, files=files, row_count=sum(counts.values()))


def _name_as_now(uploads: Uploads, upload: Upload, landed: LandedRows) -> None:
    """Give what a run of an earlier version had put aside when it was killed the name that is
    looked for now.
    """
    beside = uploads.folder / STAGING / f"{_folder_name(upload)}.undo"
    if beside.exists():
        kept = _with_rows_in(landed, beside), upload
        (beside / _NOTE).write_bytes(_KEPT.dump_json(kept))
        beside.rename(_beside(uploads, upload, landed.kind))
    days = beside.with_suffix(".days")
    if days.exists():
        days.rename(_again(uploads, upload, landed))


def _landed(uploads: Uploads, upload: Upload) -> tuple[LandedRows, ...]:
    """Return what was landed of an upload, as it is noted now."""
    return uploads.numbered(upload.number).landed


def _without_rows(landed: LandedRows) -> LandedRows:
    return replace(landed, files=(), row_count=0)


def _landed_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("received_date=*/*.parquet"))


def _files_in(folder: Path) -> tuple[str, ...]:
    return tuple(_below(folder, path) for path in _landed_paths(folder))


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _write_empty(kind: str, path: Path) -> None:
    staged = path.with_name(f".{path.name}.part")
    pq.write_table(LANDINGS[kind].schema.empty_table(), staged)
    staged.replace(path)


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
    # Of what was landed as another kind, its day says nothing.
    kinds = {rows.kind for rows in upload.landed}
    if upload.first_day is not None and kinds <= {upload.kind}:
        return upload.first_day
    known = [
        other.last_day
        for other in uploads.every()
        if other.state in {LOADING, *WITH_ROWS}
        and other.last_day
        and any(KINDS[kind].has_days or kind == upload.kind for kind in other.kinds_with_rows)
    ]
    return min(max(known, default=sent), sent)


def _mapping_path(uploads: Uploads, upload: Upload) -> Path:
    if not upload.mapping:
        raise UsageError(f"Nobody has said yet how {upload.name} is read; look at it first.")
    return uploads.folder / MAPPINGS / f"{upload.mapping}.yaml"


def _replaced(uploads: Uploads, upload: Upload, landing: Landing, staged: Path) -> dict[int, int]:
    """Return how many rows of earlier uploads the rows in a folder have another version of."""
    key = landing.feed.key
    own = [str(path) for path in sorted(staged.glob("received_date=*/*.parquet"))]
    result = {}
    with duckdb.connect() as con:
        for earlier in uploads.with_rows(upload.kind):
            paths = [
                path
                for landed in earlier.landed
                if landed.kind == upload.kind
                for path in _landed_paths(uploads.folder / landed.folder)
            ]
            if earlier.number >= upload.number or not paths:
                continue
            theirs = f"read_parquet({texts(map(str, paths))}, hive_partitioning = false)"
            ours = f"read_parquet({texts(own)}, hive_partitioning = false)"
            both = f"{key} IN ({select(key, ours, f'{key} IS NOT NULL')})"
            (count,) = con.execute(select("count(*)", theirs, both)).fetchone() or (0,)
            if count:
                result[earlier.number] = int(count)
    return result
