"""A landing folder of documents: each once, in its newest version,
by the day on which that version arrived; or in the newest of each day.

    FOLDER/orders/received_date=2026-11-23/1.jsonl
    FOLDER/extract_state.sqlite

A batch of documents lands whole: its file is written first, then one transaction of the state says
where each document is and how far the API was read, then files that held older versions are written
without them. What a crash leaves between these steps is put right when the folder is opened.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from xxhash import xxh3_128_hexdigest

from ecom_assets.core.atomic_files import replacing_text
from ecom_assets.core.errors import WorkError
from ecom_assets.ingestion.sources.extraction.definition import Cursor, instant

STATE = "extract_state.sqlite"
NO_DOCUMENTS = ""
"""The line of a file of which no document is left."""
_TABLES = """
CREATE TABLE IF NOT EXISTS api (url TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cursors (resource TEXT PRIMARY KEY, cursor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY, path TEXT NOT NULL, is_outdated INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS documents (
    resource TEXT, id TEXT, version TEXT NOT NULL, digest TEXT NOT NULL, file INTEGER NOT NULL,
    PRIMARY KEY (resource, id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Version:
    """One version of a document: the time at which it last changed, and a hash of its content."""

    version: Cursor
    digest: str

    def is_newer_than(self, other: "Version") -> bool:
        """Return whether this one counts: it changed later,
        or has other content and came later of the same second.
        """
        if self.version == other.version:
            return self.digest != other.digest
        return instant(self.version) > instant(other.version)


@dataclass(frozen=True)
class ApiDocument(Version):
    """A document as the API returned it, as a line of JSON."""

    id: str
    text: str

    @classmethod
    def from_content(cls, key: str, version: Cursor, content: dict[str, Any]) -> "ApiDocument":
        """Return the document with this content."""
        text = json.dumps(content, ensure_ascii=True)
        return cls(version, _digest(text), key, text)


@dataclass(frozen=True)
class DayRow:
    """A row of a day as the API returned it, as a line of JSON."""

    day: date
    text: str

    @classmethod
    def from_content(cls, day: date, content: dict[str, Any]) -> "DayRow":
        """Return the row with this content."""
        return cls(day, json.dumps(content, ensure_ascii=True))


@dataclass
class Landed:
    """How many documents landed: new ones, and newer versions of those that were there;
    how many an API no longer has for their days; and how far it is read.
    """

    new_count: int = 0
    changed_count: int = 0
    removed_count: int = 0
    cursor: Cursor | None = None

    def __add__(self, other: "Landed") -> "Landed":
        """Return the sums."""
        return Landed(
            self.new_count + other.new_count,
            self.changed_count + other.changed_count,
            self.removed_count + other.removed_count,
        )


class LandingFolder:
    """The documents of one API in a folder, and how far it was read."""

    def __init__(self, folder: Path, state: sqlite3.Connection) -> None:
        """Use a folder with an open state; see `opened`."""
        self.folder, self._state = folder, state

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, owner: str) -> Iterator["LandingFolder"]:
        """Open a folder for one API, or one account of it, alone, and put right what a crash left.

        Raises:
            WorkError: Another process uses the folder, or it holds documents of another API.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / STATE, timeout=0)) as state:
            try:
                state.execute("PRAGMA locking_mode = EXCLUSIVE")
                state.executescript(f"BEGIN EXCLUSIVE; {_TABLES} COMMIT;")
            except sqlite3.OperationalError as error:
                raise WorkError(
                    f"{folder} is in use by another extraction; run this one when it has ended."
                ) from error
            except sqlite3.DatabaseError as error:
                raise WorkError(
                    f"{folder / STATE} is damaged; remove the folder, and extract all again."
                ) from error
            landing = cls(folder, state)
            landing._of_api(owner)
            landing._remove_unknown()
            landing._rewrite_outdated()
            yield landing

    def cursor(self, resource: str) -> Cursor | None:
        """Return how far a resource was read; None before its first batch."""
        row = self._state.execute(
            "SELECT cursor FROM cursors WHERE resource = ?", [resource]
        ).fetchone()
        return json.loads(row[0]) if row else None

    def land(
        self,
        resource: str,
        documents: Sequence[ApiDocument],
        day: date,
        cursor: Cursor | None,
        *,
        keeps_versions: bool = False,
    ) -> Landed:
        """Keep documents that are newer than what is there, and that all up to `cursor` were read,
        if it is given; with `keeps_versions`, beside the versions of earlier days.
        """
        stored = {
            key: self._stored_version(resource, key)
            for key in {document.id for document in documents}
        }
        newest = dict(stored)
        for document in documents:
            before = newest[document.id]
            if before is None or document.is_newer_than(before):
                newest[document.id] = document
        newer = [document for document in newest.values() if isinstance(document, ApiDocument)]
        with self._state:
            if newer:
                self._write_documents(resource, newer, day, keeps_versions=keeps_versions)
            if cursor is not None:
                self._state.execute(
                    "REPLACE INTO cursors VALUES (?, ?)", [resource, json.dumps(cursor)]
                )
        self._rewrite_outdated()
        changed = sum(stored[document.id] is not None for document in newer)
        return Landed(len(newer) - changed, changed)

    def replace_days(
        self, resource: str, rows: Sequence[DayRow], asked: tuple[date, date], day: date
    ) -> Landed:
        """Keep these rows as all that there is of the days from the first to the last, both
        included. The rows of a day are in one file: those of one that is as it was stay where they
        are, and those of any other land together.
        """
        first, last = asked
        query = "SELECT id FROM documents WHERE resource = ? AND id >= ? AND id < ?"
        bounds = [resource, str(first), str(last + timedelta(days=1))]
        before = {key for (key,) in self._state.execute(query, bounds)}
        documents = _by_content(rows)
        now = {document.id for document in documents}
        new, gone = _counts_by_day(now - before), _counts_by_day(before - now)
        landing = [document for document in documents if document.version in new | gone]
        with self._state:
            if landing:
                self._write_documents(resource, landing, day, keeps_versions=False)
            self._take_out(resource, before - now)
            self._state.execute(
                "REPLACE INTO cursors VALUES (?, ?)", [resource, json.dumps(str(last))]
            )
        self._rewrite_outdated()
        changed = (new & gone).total()
        return Landed(new.total() - changed, changed, gone.total() - changed)

    def _take_out(self, resource: str, keys: set[str]) -> None:
        self._state.executemany(
            "UPDATE files SET is_outdated = 1 WHERE number = "
            "(SELECT file FROM documents WHERE resource = ? AND id = ?)",
            [(resource, key) for key in keys],
        )
        self._state.executemany(
            "DELETE FROM documents WHERE resource = ? AND id = ?", [(resource, key) for key in keys]
        )

    def _write_documents(
        self, resource: str, documents: Sequence[ApiDocument], day: date, *, keeps_versions: bool
    ) -> None:
        number = self._next_number()
        folder = f"{resource}/received_date={day}/"
        relative_path = f"{folder}{number}.jsonl"
        (self.folder / relative_path).parent.mkdir(parents=True, exist_ok=True)
        with replacing_text(self.folder / relative_path) as file:
            file.writelines(f"{document.text}\n" for document in documents)
        self._state.execute(
            "INSERT INTO files (number, path) VALUES (?, ?)", [number, relative_path]
        )
        outdated = f"{folder}*" if keeps_versions else "*"
        self._state.executemany(
            "UPDATE files SET is_outdated = 1 WHERE path GLOB ? AND "
            "number = (SELECT file FROM documents WHERE resource = ? AND id = ?)",
            [(outdated, resource, document.id) for document in documents],
        )
        rows = [
            (resource, item.id, json.dumps(item.version), item.digest, number) for item in documents
        ]
        self._state.executemany("REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", rows)

    def _stored_version(self, resource: str, key: str) -> Version | None:
        query = "SELECT version, digest FROM documents WHERE resource = ? AND id = ?"
        row = self._state.execute(query, [resource, key]).fetchone()
        return Version(json.loads(row[0]), row[1]) if row else None

    def _of_api(self, owner: str) -> None:
        row = self._state.execute("SELECT url FROM api").fetchone()
        if row and row[0] != owner:
            raise WorkError(
                f"{self.folder} has documents of {row[0]}; give {owner} a folder of its own with "
                "--to."
            )
        if not row:
            if any(not path.name.startswith(STATE) for path in self.folder.iterdir()):
                raise WorkError(
                    f"{self.folder} has files of something else; give {owner} a new folder with "
                    "--to."
                )
            with self._state:
                self._state.execute("INSERT INTO api VALUES (?)", [owner])

    def _remove_unknown(self) -> None:
        """Remove files of which a crash kept the state from knowing;
        their documents are asked for again.
        """
        for path in self.folder.glob(f"*/received_date=*/{self._next_number()}.jsonl"):
            path.unlink()

    def _next_number(self) -> int:
        number: int = self._state.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM files"
        ).fetchone()[0]
        return number

    def _rewrite_outdated(self) -> None:
        """Write files without the documents of which a newer version is in another file.

        A file of which nothing is left stays: its day is one on which nothing arrived, not one that
        is unknown.
        """
        for number, relative_path in self._state.execute(
            "SELECT number, path FROM files WHERE is_outdated"
        ).fetchall():
            path = self.folder / relative_path
            if path.exists():  # unless what is too old to be kept was removed
                self._rewrite(path, number)
            with self._state:
                self._state.execute("UPDATE files SET is_outdated = 0 WHERE number = ?", [number])

    def _rewrite(self, path: Path, number: int) -> None:
        query = "SELECT digest FROM documents WHERE file = ?"
        left = Counter(digest for (digest,) in self._state.execute(query, [number]))
        kept_lines = list[str]()
        for line in path.read_text(encoding="utf-8").splitlines():
            if left[digest := _digest(line)]:
                left[digest] -= 1  # of two equal rows of a day, one may be left
                kept_lines.append(line)
        with replacing_text(path) as file:
            file.writelines(f"{line}\n" for line in kept_lines or [NO_DOCUMENTS])


def _by_content(rows: Sequence[DayRow]) -> list[ApiDocument]:
    """Return rows as documents whose id is their day, their content, and its how-manieth they are:
    an answer may have two equal rows, and both count.
    """
    occurrences = Counter[tuple[date, str]]()
    result = []
    for row in rows:
        digest = _digest(row.text)
        occurrences[row.day, digest] += 1
        key = f"{row.day} {digest} {occurrences[row.day, digest]}"
        result.append(ApiDocument(str(row.day), digest, key, row.text))
    return result


def _counts_by_day(keys: set[str]) -> Counter[str]:
    return Counter(key.partition(" ")[0] for key in keys)


def _digest(text: str) -> str:
    return xxh3_128_hexdigest(text.encode())
