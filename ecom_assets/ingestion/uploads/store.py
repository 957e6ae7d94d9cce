"""The files that people sent: what was kept of each, who sent it, what became of it.

    ECOM_HOME/uploads/uploads.sqlite               a row per upload
    ECOM_HOME/uploads/originals/ID/file-NUMBER.csv the file as it was sent
    ECOM_HOME/uploads/mappings/NAME.yaml           how files of a layout are read
    ECOM_HOME/uploads/shop.json                    the shop's currency, zone, week and name
    ECOM_HOME/uploads/KIND/received_date=…/        the rows, in the platform's own layout

The list needs neither an engine nor Dagster: the API and the pages read it at each request.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, Protocol

from pydantic import TypeAdapter

from ecom_assets.core.atomic_files import sync_file, sync_folder
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import UsageError, WorkError, system_reason
from ecom_assets.core.http_server.callers import Caller, Scope
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.settings.uploaded import FOLDER, KINDS, LIST, is_shop_changing
from ecom_assets.core.sqlite_file import SqliteFile
from ecom_assets.ingestion.sources.feeds.ad_spend import UPLOAD as AD_SPEND
from ecom_assets.ingestion.sources.files.file_names import ending_of, shown_name
from ecom_assets.ingestion.sources.files.formats import format_of
from ecom_assets.ingestion.sources.files.manifest import (
    is_uploaded,
    number_of,
    uploaded_prefix,
)

ORIGINALS: Final = "originals"
MAPPINGS: Final = "mappings"
LEAST_FREE_BYTES: Final = 300_000_000
"""What stays free on the disk for the warehouse and the API while a file comes in."""
PACKED: Final = ".gz"
"""The ending of files whose names may say no more, as Segment's do."""
UNLOADED_HOURS: Final = 24
"""Hours after which a file is removed that nobody loaded."""

UploadState = Literal["kept", "loading", "loaded", "undoing", "undone", "failed"]
KEPT: Final[UploadState] = "kept"
LOADING: Final[UploadState] = "loading"
LOADED: Final[UploadState] = "loaded"
UNDOING: Final[UploadState] = "undoing"
UNDONE: Final[UploadState] = "undone"
FAILED: Final[UploadState] = "failed"
WITH_ROWS: Final = (LOADED, UNDOING)
"""The states in which rows of an upload count, or did until just now."""
OF_PAGE: Final = "@"
"""How the names of answers begin that are not about the rows of a file."""
OF_SHOP_ANSWERS: Final = f"{OF_PAGE}shop."
"""How the names of answers about the shop begin, which hold once the file is loaded."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS uploads (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    name TEXT NOT NULL, byte_count INTEGER NOT NULL, sent_by TEXT NOT NULL, sent_at TEXT NOT NULL,
    state TEXT NOT NULL, kind TEXT NOT NULL DEFAULT '', mapping TEXT NOT NULL DEFAULT '',
    answers TEXT NOT NULL DEFAULT '{}', first_day TEXT, last_day TEXT, row_count INTEGER,
    counted_count INTEGER, amount TEXT, currency TEXT NOT NULL DEFAULT '',
    replaced_count INTEGER, replaced_uploads TEXT NOT NULL DEFAULT '[]',
    has_original INTEGER NOT NULL DEFAULT 1, run_id TEXT, sentence TEXT NOT NULL DEFAULT '',
    changed_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS landed (
    number INTEGER NOT NULL, kind TEXT NOT NULL, folder TEXT NOT NULL, files TEXT NOT NULL,
    row_count INTEGER NOT NULL, mapping TEXT NOT NULL, answers TEXT NOT NULL, loaded_at TEXT,
    PRIMARY KEY (number, kind));
"""
_WITH_LANDED: Final = """
SELECT *, (SELECT json_group_array(json_object('kind', kind, 'folder', folder,
        'files', json(files), 'row_count', row_count, 'mapping', mapping,
        'answers', json(answers), 'loaded_at', loaded_at))
    FROM (SELECT * FROM landed WHERE landed.number = uploads.number ORDER BY kind)) AS landed
FROM uploads
"""


@dataclass(frozen=True)
class LandedRows:
    """What was landed of an upload as one kind of rows: noted before it appears, so that all that
    lies somewhere is noted; whatever the upload is said to be later, its rows are found by this.

    Attributes:
        kind: What the rows are.
        folder: Where they lie, below the folder of uploads, such as `orders/000007`.
        files: The files that have rows, below that folder; none once they were taken back.
        row_count: The rows in them, as they were landed.
        mapping: The kept mapping that they were read by; empty where nobody knows.
        answers: The answers that they were read by.
        loaded_at: When they counted first, in UTC; None if they never did.
    """

    kind: str
    folder: str
    files: tuple[str, ...] = ()
    row_count: int = 0
    mapping: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    loaded_at: datetime | None = None


@dataclass(frozen=True)
class Upload:
    """A file that somebody sent.

    Attributes:
        number: Its place among all uploads, from 1; a later one has the newer versions.
        id: What finds it in an address; nobody guesses it.
        name: The file's name as its sender gave it, as `shown_name` has it; on the disk it is
            called by its number.
        byte_count: The size of the file.
        sent_by: Who sent it, as the list shows it.
        sent_at: When, in UTC.
        state: `kept` (nothing is loaded), `loading`, `loaded`, `undoing`, `undone`; `failed` with
            nothing of it loaded.
        kind: What its rows are: events, orders, customers, stock, costs; empty until it is known.
        mapping: The name of the kept mapping that it is read by; empty until it is chosen.
        answers: The answers to the questions about it, by their keys.
        first_day: First day of its rows, in the shop's zone; None before it is loaded.
        last_day: Last day of them.
        row_count: Rows that were read.
        counted_count: Those of them that count.
        amount: The money of orders that count, sold less paid back, or what ads cost; None where it
            is not known, or in several currencies.
        currency: The currency of that; empty if rows say none, or several.
        replaced_count: Rows of earlier uploads that it brought a newer version of.
        replaced_uploads: The numbers of these uploads.
        has_original: Whether the file as it was sent is still there.
        run_id: Dagster's run that loaded it last, or took it back.
        sentence: Why it failed; empty otherwise.
        changed_at: When its state changed last, in UTC.
        landed: What was landed of it, an entry per kind.
    """

    number: int
    id: str
    name: str
    byte_count: int
    sent_by: str
    sent_at: datetime
    state: UploadState
    kind: str = ""
    mapping: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    first_day: date | None = None
    last_day: date | None = None
    row_count: int | None = None
    counted_count: int | None = None
    amount: Decimal | None = None
    currency: str = ""
    replaced_count: int | None = None
    replaced_uploads: tuple[int, ...] = ()
    has_original: bool = True
    run_id: str | None = None
    sentence: str = ""
    changed_at: datetime | None = None
    landed: tuple[LandedRows, ...] = ()

    @property
    def is_waiting(self) -> bool:
        """Return whether a run has still to load it, or to take it back."""
        return self.state in {LOADING, UNDOING}

    @property
    def has_days(self) -> bool:
        """Return whether its rows lie on days of their own."""
        return self.kind in KINDS and KINDS[self.kind].has_days

    @property
    def days_of_rows(self) -> tuple[date, date] | None:
        """Return the first and the last day that its rows are of; None before it is loaded, and of
        ad spend, whose rows lie together on the newest day that there is.
        """
        if self.kind == AD_SPEND.name or not (self.first_day and self.last_day):
            return None
        return self.first_day, self.last_day

    @property
    def kinds_with_rows(self) -> tuple[str, ...]:
        """Return what the rows are that lie somewhere."""
        return tuple(landed.kind for landed in self.landed if landed.files)

    @property
    def was_loaded(self) -> bool:
        """Return whether rows of it have ever counted."""
        counted = self.state in {LOADED, UNDOING, UNDONE}
        return counted or any(landed.loaded_at for landed in self.landed)

    @property
    def had_rows(self) -> bool:
        """Return whether rows of it were ever landed, also if they never counted."""
        return self.was_loaded or bool(self.landed) or self.first_day is not None

    @property
    def file_answers(self) -> Mapping[str, str]:
        """Return the answers about the rows of the file."""
        return {key: value for key, value in self.answers.items() if not key.startswith(OF_PAGE)}

    @property
    def shop_answers(self) -> Mapping[str, str]:
        """Return what was said of the shop with the file, by the names of the settings."""
        return {
            key.removeprefix(OF_SHOP_ANSWERS): value
            for key, value in self.answers.items()
            if key.startswith(OF_SHOP_ANSWERS)
        }

    def as_landed(self, landed: LandedRows) -> "Upload":
        """Return the upload as it was read when rows of it were landed."""
        return replace(self, kind=landed.kind, mapping=landed.mapping, answers=landed.answers)

    def is_of(self, caller: Caller) -> bool:
        """Return whether a caller has sent it."""
        return self.sent_by == caller.name

    def may_be_seen_by(self, caller: Caller) -> bool:
        """Return whether a caller finds it: its sender and admins always, others once it was
        loaded.
        """
        return self.was_loaded or self.is_of(caller) or caller.may(Scope.ADMIN)

    def may_be_changed_by(self, caller: Caller) -> bool:
        """Return whether a caller may say what it is: of one that was loaded an admin only."""
        return caller.may(Scope.ADMIN) or (self.is_of(caller) and not self.was_loaded)

    def may_be_removed_by(self, caller: Caller) -> bool:
        """Return whether a caller may remove it, if it has no rows: one that had some, an admin
        only.
        """
        return caller.may(Scope.ADMIN) or (self.is_of(caller) and not self.had_rows)


_UPLOAD: Final = TypeAdapter(Upload)
_KEPT_COLUMNS: Final = tuple(Upload.__dataclass_fields__)


class UploadWriter:
    """Takes the blocks of one file, and keeps it whole or not at all; a context manager.

    Leaving it without `finish` removes what came: a cancelled upload leaves nothing.
    """

    def __init__(self, uploads: "Uploads", upload: Row, most_bytes: int) -> None:
        """Open the file; `Uploads.begin` makes it."""
        self._uploads, self._row, self._most = uploads, upload, most_bytes
        self._folder = uploads.folder / ORIGINALS / upload["id"]
        self._part = self._folder / f"sent{ending_of(upload['name'])}"
        self._file: IO[bytes] | None = None
        self._size = 0

    def __enter__(self) -> "UploadWriter":
        """Make the folder of the upload.

        Raises:
            WorkError: It cannot be made.
        """
        with _plain_errors(self._uploads.folder):
            for folder in (self._uploads.folder, self._folder.parent, self._folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._part.open("xb")
        return self

    def write(self, block: bytes) -> None:
        """Keep the next block, of any size.

        Raises:
            UsageError: The file is larger than ECOM_UPLOAD_MAX_MB.
            WorkError: The disk is full, or cannot be written.
        """
        assert self._file is not None  # noqa: S101 (a block outside of `with` is a fault of ours)
        self._size += len(block)
        if self._size > self._most:
            raise _too_large(self._row["name"], self._most)
        _require_free(self._uploads.folder, len(block))
        with _plain_errors(self._uploads.folder):
            self._file.write(block)

    def finish(self) -> Upload:
        """Keep the file, and return it as an upload in the state `kept`.

        Raises:
            UsageError: Nothing came, or what a packed file holds is not read.
            WorkError: The disk is full, or cannot be written.
        """
        assert self._file is not None  # noqa: S101 (as above)
        if not self._size:
            raise UsageError(f"{self._row['name']} is empty; send one with some rows.")
        with _plain_errors(self._uploads.folder):
            self._file.close()
            sync_file(self._part)
        require_known_format(self._part, self._row["name"])
        kept = self._uploads.add(self._row | {"byte_count": self._size}, self._part)
        self._file = None
        return kept

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove what came, unless it was finished."""
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Uploads:
    """The uploads of one `ECOM_HOME`; each call opens the list, each change is one transaction."""

    def __init__(self, home: Path) -> None:
        """Set `ECOM_HOME`; the first upload makes the folder in it."""
        self.folder = home / FOLDER
        self._list = SqliteFile(
            self.folder / LIST, TABLES, "see that this list of uploads is whole and writable"
        )

    def begin(
        self,
        name: str,
        sent_by: str,
        *,
        most_bytes: int,
        expected_bytes: int | None = None,
    ) -> UploadWriter:
        """Return what takes the blocks of a file that somebody sends.

            with uploads.begin(name, sent_by, most_bytes=…) as writer:
                for block in blocks:
                    writer.write(block)
                upload = writer.finish()

        Args:
            name: The file's name, as the browser says it.
            sent_by: The name of the caller, as the list shows it: until the file is loaded, nobody
                else but admins finds it.
            most_bytes: The size of the largest file, of ECOM_UPLOAD_MAX_MB.
            expected_bytes: What the browser says of the size; None if it does not.

        Raises:
            UsageError: The format is not read, or the file is said to be too large.
            WorkError: The disk has not enough room for it.
        """
        safe = safe_name(name)
        if not safe.lower().endswith(PACKED):  # what it holds is seen once it is there
            require_known_format(Path(name_on_disk(0, safe)), safe)
        if expected_bytes is not None and expected_bytes > most_bytes:
            raise _too_large(safe, most_bytes)
        _require_free(self.folder, expected_bytes or 0)
        upload_id = secrets.token_hex(16)
        row = {
            "id": upload_id,
            "owner": "",  # a column of homes of before, which nothing asks any more
            "name": safe,
            "sent_by": sent_by,
            "sent_at": _now(),
            "state": KEPT,
            "changed_at": _now(),
        }
        return UploadWriter(self, row, most_bytes)

    def add(self, row: NamedValues, sent: Path | None = None) -> Upload:
        """Note a file that came whole, and give it its name on the disk; `UploadWriter` calls it.

        Raises:
            WorkError: The disk cannot be written.
        """
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        with self._list.writing() as con:
            con.execute(f"INSERT INTO uploads ({names}) VALUES ({values})", row)  # noqa: S608 (names of ours)
            (number,) = con.execute("SELECT last_insert_rowid()").fetchone()
            if sent is not None:
                with _plain_errors(self.folder):
                    os.replace(sent, sent.with_name(name_on_disk(number, row["name"])))  # noqa: PTH105 (as in atomic_files)
                    sync_folder(sent.parent)
        return self.of(row["id"])

    def of(self, upload_id: str, caller: Caller | None = None) -> Upload:
        """Return an upload.

        Args:
            upload_id: Its id.
            caller: Who asks; None where a run does.

        Raises:
            UsageError: There is none, or the caller may not see it.
        """
        for upload in self._found("WHERE id = :id", {"id": upload_id}):
            if caller is None or upload.may_be_seen_by(caller):
                return upload
        raise UsageError("This upload is not there any more; send the file again.")

    def numbered(self, number: int) -> Upload:
        """Return an upload by its number, as a request or a run names it.

        Raises:
            UsageError: There is none.
        """
        for upload in self._found("WHERE number = :number", {"number": number}):
            return upload
        raise UsageError(f"There is no upload {number}.")

    def newest(self, caller: Caller, limit: int = 100) -> list[Upload]:
        """Return the newest uploads that a caller may see, the newest first."""
        return [upload for upload in self.every() if upload.may_be_seen_by(caller)][:limit]

    def every(self) -> list[Upload]:
        """Return the uploads of all senders, the newest first."""
        return self._found("ORDER BY number DESC")

    def _found(self, which: str, parameters: NamedValues | None = None) -> list[Upload]:
        rows = self._list.rows(f"{_WITH_LANDED} {which}", parameters)
        return [_upload(row) for row in rows]

    def with_rows(self, kind: str = "") -> list[Upload]:
        """Return the uploads whose rows count, of one kind or all, the oldest first."""
        return [
            upload
            for upload in reversed(self.every())
            if upload.state in WITH_ROWS and (not kind or kind in upload.kinds_with_rows)
        ]

    def note_landed(self, number: int, landed: LandedRows) -> None:
        """Note what is landed as a kind of rows, in place of what was noted of that kind.

        Raises:
            WorkError: The list cannot be written.
        """
        row = {
            **{name: _stored(value) for name, value in vars(landed).items()},
            "number": number,
        }
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        changes = ", ".join(f"{name} = excluded.{name}" for name in row if name != "loaded_at")
        with self._list.writing() as con:
            con.execute(
                f"INSERT INTO landed ({names}) VALUES ({values}) "  # noqa: S608 (names of ours)
                f"ON CONFLICT (number, kind) DO UPDATE SET {changes}",
                row,
            )

    def note_loaded(self, upload: Upload, sentence: str) -> Upload:
        """Note that the rows of an upload count, since when they do so."""
        with self._list.writing() as con:
            con.execute(
                "UPDATE landed SET loaded_at = coalesce(loaded_at, ?) WHERE number = ?",
                (_now(), upload.number),
            )
        return self.note(upload, state=LOADED, sentence=sentence)

    def add_found(
        self, number: int, landed: LandedRows, days: tuple[str, str], sentence: str
    ) -> Upload:
        """Note an upload whose rows count, and which is not in the list any more: its file is not
        kept, and nobody knows who has sent it.

        Args:
            number: Its number.
            landed: What lies of it.
            days: The first and the last day of its rows.
            sentence: What the list says of it.
        """
        row = {
            "number": number,
            "id": secrets.token_hex(16),
            "owner": "",
            "name": f"upload {number}",
            "byte_count": 0,
            "sent_by": "",
            "sent_at": _now(),
            "state": LOADED,
            "kind": landed.kind,
            "first_day": days[0],
            "last_day": days[1],
            "row_count": landed.row_count,
            "has_original": 0,
            "sentence": sentence,
            "changed_at": _now(),
        }
        return self.add(row)

    def noted_folders(self) -> set[str]:
        """Return the folders of all that was noted as landed, also of uploads that are not in the
        list any more.
        """
        return {row["folder"] for row in self._list.rows("SELECT folder FROM landed")}

    def choose(
        self,
        upload: Upload,
        *,
        kind: str,
        mapping: str,
        answers: Mapping[str, str],
        caller: Caller | None = None,
    ) -> Upload:
        """Note what an upload is, by which kept mapping it is read, and the answers about it; what
        was landed of it stays as it is until it is loaded again.

        Args:
            upload: The upload.
            kind: What its rows are.
            mapping: The name of the kept mapping; empty until one is kept.
            answers: The answers.
            caller: Who says so; None where a run does.

        Raises:
            UsageError: The caller may not change it, or a run is at it, which was asked for what
                was noted before.
            WorkError: The list cannot be written.
        """
        values = {"kind": kind, "mapping": mapping, "answers": dict(answers)}
        if caller is None:
            return self.note(upload, **values)
        self.require_changeable(upload, caller)
        if not self._change(upload, values, f"state NOT IN ('{LOADING}', '{UNDOING}')"):
            raise UsageError(f"A run is at {upload.name}; wait until it is over.")
        return self.numbered(upload.number)

    def require_changeable(self, upload: Upload, caller: Caller) -> None:
        """Refuse a caller who may not say what an upload is, as it is now.

        Raises:
            UsageError: The caller may not.
        """
        if not self.numbered(upload.number).may_be_changed_by(caller):
            raise UsageError(f"{upload.name} was loaded; an admin can change what it is.")

    def note(self, upload: Upload, **values: Any) -> Upload:  # noqa: ANN401 (values of the columns)
        """Change columns of an upload, such as `state` and `sentence`, and return it as it is now.

        Raises:
            WorkError: The list cannot be written.
        """
        self._change(upload, values, "true")
        return self.numbered(upload.number)

    def _change(self, upload: Upload, values: NamedValues, where: str) -> bool:
        """Change columns of an upload if it is as a condition says, and return whether it is."""
        written = {name: _stored(value) for name, value in values.items()}
        changes = ", ".join(f"{name} = :{name}" for name in (*written, "changed_at"))
        with self._list.writing() as con:
            changed = con.execute(
                f"UPDATE uploads SET {changes} WHERE number = :number AND {where}",  # noqa: S608 (names of ours)
                {**written, "changed_at": _now(), "number": upload.number},
            )
            return changed.rowcount > 0

    def original(self, upload: Upload) -> Path:
        """Return the file as it was sent.

        Raises:
            UsageError: It is not kept any more.
        """
        folder = self.folder / ORIGINALS / upload.id
        path = folder / name_on_disk(upload.number, upload.name)
        if not path.is_file():  # one of before, when names had letters of file systems only
            path = folder / safe_name(upload.name)
        if not path.is_file():
            raise UsageError(
                f"{upload.name} is not kept any more, only its rows are; send the file again."
            )
        return path

    def remove_original(self, upload: Upload) -> None:
        """Remove the file as it was sent; its rows stay."""
        shutil.rmtree(self.folder / ORIGINALS / upload.id, ignore_errors=True)
        self.note(upload, has_original=False)

    def forget_original(self, upload_id: str) -> None:
        """Note that the file of an upload as it was sent is not there any more."""
        with self._list.writing() as con:
            con.execute("UPDATE uploads SET has_original = 0 WHERE id = ?", (upload_id,))

    def remove(self, upload: Upload, caller: Caller | None = None) -> None:
        """Remove an upload that has no rows, with all that was kept of it.

        Args:
            upload: The upload.
            caller: Who wants that; None where the platform does.

        Raises:
            UsageError: It has rows, a run is at it, or the caller may not remove it.
        """
        with self._list.writing() as con:
            row = con.execute(f"{_WITH_LANDED} WHERE number = ?", (upload.number,)).fetchone()
            # As it is now: a run may have begun with it since it was shown.
            now = _upload(dict(row)) if row else upload
            if now.is_waiting:
                raise UsageError(f"A run is at {upload.name}; wait until it is over.")
            if now.state in WITH_ROWS or now.kinds_with_rows:
                raise UsageError(f"{upload.name} is loaded; undo it instead.")
            if caller is not None and not now.may_be_removed_by(caller):
                raise UsageError(
                    f"{upload.name} was loaded once, or somebody else has sent it; an admin can "
                    "delete it."
                )
            con.execute("DELETE FROM uploads WHERE number = ?", (upload.number,))
        shutil.rmtree(self.folder / ORIGINALS / upload.id, ignore_errors=True)

    def remove_old(self, keep_days: int) -> None:
        """Remove files as they were sent that are older than `keep_days`, and uploads that nobody
        loaded within a day.
        """
        now = now_utc_without_zone()
        for upload in self.every():
            if upload.state == KEPT and upload.sent_at < now - timedelta(hours=UNLOADED_HOURS):
                with suppress(UsageError):  # somebody has just asked for it to be loaded
                    self.remove(upload)
            elif (
                upload.has_original
                and not upload.is_waiting
                and upload.sent_at < now - timedelta(days=keep_days)
            ):
                self.remove_original(upload)
        # Remove what a process that was killed left of a file that came in.
        kept_ids = {upload.id for upload in self.every()}
        oldest = (now_utc_without_zone() - timedelta(hours=UNLOADED_HOURS)).timestamp()
        with suppress(OSError):
            for folder in (self.folder / ORIGINALS).iterdir():
                if folder.name not in kept_ids and folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)


def taken_back_names(home: Path) -> list[str]:
    """Return what the names of landed files begin with whose rows do not count, or not yet, or go
    to the days of another zone: rows of them in the tables may go.
    """
    moves = is_shop_changing(home)
    uploads = [upload for upload in Uploads(home).every() if moves or upload.state != LOADED]
    return [uploaded_prefix(upload.number) for upload in uploads]


def name_as_sent(home: Path, source_file: str) -> str:
    """Return the name under which a file was sent whose rows carry the name of an upload, with its
    number; other names stay as they are.
    """
    if not (is_uploaded(source_file) and (home / FOLDER / LIST).exists()):
        return source_file
    number = number_of(source_file)
    try:
        return f"{Uploads(home).numbered(number).name} (upload {number})"
    except UsageError:
        return source_file


def safe_name(name: str) -> str:
    """Return the name of a file as it is kept and shown."""
    shown = shown_name(name)
    return f"file{shown}" if shown == ending_of(shown) else shown


def name_on_disk(number: int, name: str) -> str:
    """Return what the file of an upload is called on the disk, where nothing depends on what a file
    system makes of the letters of its name.
    """
    return f"file-{number:06}{ending_of(name)}"


class Numbered(Protocol):
    """A file that was sent."""

    @property
    def number(self) -> int:
        """Return its number among all that were sent."""

    @property
    def name(self) -> str:
        """Return its name, as people gave it."""


def as_sent(sentence: str, upload: Numbered) -> str:
    """Return a sentence about the file of an upload with the name that people know, and without
    the folders of this machine.
    """
    shown = re.sub(r"\S*/originals/[0-9a-f]+/(copies/\S+/)?", "", sentence)
    return shown.replace(name_on_disk(upload.number, upload.name), upload.name)


def require_known_format(path: Path, name: str) -> None:
    """Refuse a file of which the ending, or what is packed in it, says that it is not read.

    Args:
        path: The file, or its name before it is there.
        name: What people call it.

    Raises:
        UsageError: It is a picture, a document or the like.
    """
    if format_of(path)[0] is None:
        raise UsageError(
            f"{name} has a format that is not read; send an Excel, CSV, TSV, NDJSON, JSON or "
            "Parquet file, or one of these in a .gz or .zip file."
        )


def _too_large(name: str, most_bytes: int) -> UsageError:
    return UsageError(
        f"{name} is larger than {most_bytes / 1e6:,.0f} MB (ECOM_UPLOAD_MAX_MB); send it in parts, "
        "such as a file per year, or load it with `ecom run`."
    )


def _require_free(folder: Path, byte_count: int) -> None:
    """Refuse bytes that would leave the disk without the room that runs need.

    Raises:
        WorkError: They would.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if shutil.disk_usage(there).free < byte_count + LEAST_FREE_BYTES:
        raise WorkError(
            "The disk of the platform is nearly full, so the file is not kept; make room, and send "
            "it again."
        )


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkError(
            f"The file cannot be kept in {folder} ({system_reason(error)}); make it writable, or "
            "make room, and send the file again."
        ) from error


def _upload(row: Row) -> Upload:
    values = {name: row[name] for name in _KEPT_COLUMNS}
    for name in ("answers", "replaced_uploads", "landed"):
        values[name] = json.loads(row[name])
    return _UPLOAD.validate_python(values)


def _stored(value: Any) -> Any:  # noqa: ANN401 (a value of any column)
    """Return a value as its column holds it."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _now() -> str:
    return now_utc_without_zone().isoformat(timespec="seconds")
