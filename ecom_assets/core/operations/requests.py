"""Requests to runs: to release a held day, to send again what a tool has rejected, and to load an
upload or take it back.

Nothing is changed when a request is made. A run over the days of a request takes it while it does
what is requested; the sensor `requests` starts such a run. A request that is made twice is one
request, made once more.

The file also has the results of the checks and tables of runs (`run_notes.py`). The API writes
requests and reads notes; runs take requests and write notes. It is SQLite in `ECOM_HOME`, beside
the snapshot that the API reads, so that the API never opens the warehouse and needs no password of
Dagster's storage.
"""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import UsageError
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.sqlite_file import SqliteFile
from ecom_assets.core.tables.days import Days

FILE: Final = "operations.sqlite"
TABLES: Final = """
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, first_day TEXT NOT NULL,
    last_day TEXT NOT NULL, asked_by TEXT NOT NULL, asked_at TEXT NOT NULL,
      attempt INTEGER NOT NULL,
    taken_at TEXT, run_id TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS waiting_once ON requests (kind, subject, first_day, last_day)
  WHERE taken_at IS NULL;
CREATE TABLE IF NOT EXISTS checks (
    table_name TEXT NOT NULL, check_name TEXT NOT NULL, is_passed INTEGER NOT NULL,
      is_warning INTEGER NOT NULL,
    description TEXT NOT NULL, sentence TEXT NOT NULL, observed TEXT, limit_value TEXT,
      examples TEXT NOT NULL,
    evaluated_at TEXT NOT NULL, failing_since TEXT, run_id TEXT NOT NULL, PRIMARY KEY (table_name,
      check_name));
CREATE TABLE IF NOT EXISTS tables (
    table_name TEXT PRIMARY KEY, is_written INTEGER NOT NULL, ended_at TEXT NOT NULL,
      run_id TEXT NOT NULL,
    written_at TEXT, sentence TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS steps (
    number INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, began_at TEXT NOT NULL,
    ended_at TEXT, row_count INTEGER);
CREATE TABLE IF NOT EXISTS looks (looked_at TEXT NOT NULL, waits_for TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS heartbeats (
    kind TEXT NOT NULL, name TEXT NOT NULL, beat_at TEXT, late_at TEXT NOT NULL,
    PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS publications_due (
    source TEXT PRIMARY KEY, due_at TEXT, next_at TEXT, sentence TEXT NOT NULL, alerted_for TEXT);
"""


class OperationsStore(SqliteFile):
    """The file of one `ECOM_HOME`."""

    def __init__(self, home: Path) -> None:
        """Set the folder; the first write creates the file."""
        remedy = "make it writable, or move it away with its requests"
        super().__init__(home / FILE, TABLES, remedy)


class NotSharedError(UsageError):
    """What a process would leave for others is kept where they do not look."""


def require_shared_home(settings: Settings, what: str) -> None:
    """Refuse what a process leaves in `ECOM_HOME` for others, where they have another one.

    Args:
        settings: Whether `ECOM_HOME` is shared.
        what: What is left, such as "A request", with which the sentence begins.

    Raises:
        NotSharedError: It is not.
    """
    if not settings.home_is_shared:
        raise NotSharedError(
            f"{what} is kept in ECOM_HOME, which runs here do not share with this process "
            "(ECOM_HOME_IS_SHARED is false), so none would see it; use the command `ecom` where "
            "runs are."
        )


Kind = Literal["release", "retry", "load", "undo", "sample", "shop"]
RELEASE: Final[Kind] = "release"
RETRY: Final[Kind] = "retry"
LOAD: Final[Kind] = "load"
UNDO: Final[Kind] = "undo"
SAMPLE: Final[Kind] = "sample"
SHOP: Final[Kind] = "shop"
OF_UPLOADS: Final = (LOAD, UNDO, SAMPLE, SHOP)
"""The kinds that the job of uploads does; the subject of the first two is an upload."""
OF_DATA: Final = (RELEASE, RETRY)
"""The kinds that are about days of the data, or what was sent of them."""


@dataclass(frozen=True)
class OperationRequest:
    """A request to a run, with its place among all requests from 1, its first and last day,
    and who made it.

    Attributes:
        kind: `release` lets a held day in; `retry` sends again what a destination has refused;
            `load` loads an upload, `undo` takes it back; `sample` makes the simulated shop, `shop`
            changes its zone, currency or week, which computes all days again.
        subject: The source of the held day, such as `orders`, the destination, such as
            `amplitude_events`, the number of the upload, or the choices for the shop as JSON.
        asked_at: When it was made first, in UTC.
        attempt: How often it was made.
        taken_at: When a run took it, in UTC; None while it waits.
    """

    number: int
    kind: str
    subject: str
    first_day: date
    last_day: date
    asked_by: str
    asked_at: datetime
    attempt: int = 1
    taken_at: datetime | None = None
    run_id: str | None = None

    def to_mapping(self) -> Row:
        """Return it with whether a run has taken it."""
        return {**vars(self), "is_taken": self.taken_at is not None}

    @property
    def days(self) -> Days:
        """Return all days from the first to the last, both included."""
        return Days.from_dates([*Days.between(self.first_day, self.last_day).dates, self.last_day])

    def is_within(self, days: Days) -> bool:
        """Return whether a run over some days covers all of its days."""
        return bool(days.dates) and days.first <= self.first_day and self.last_day <= days.dates[-1]


_REQUEST: Final = TypeAdapter(OperationRequest)


class Requests:
    """The requests in the file of one `ECOM_HOME`."""

    def __init__(self, home: Path) -> None:
        """Set the folder."""
        self._store = OperationsStore(home)

    def make(
        self, kind: Kind, subject: str, days: tuple[date, date], asked_by: str
    ) -> OperationRequest:
        """Store a request of `asked_by`, and return it;
        an equal request that is still waiting is counted once more.

        The subject is the source of the days, or the destination; the days are the first and the
        last.

        Raises:
            WorkError: The file cannot be written.
        """
        values = {
            "kind": kind,
            "subject": subject,
            "first_day": str(days[0]),
            "last_day": str(days[1]),
            "asked_by": asked_by,
            "asked_at": now_utc_without_zone().isoformat(timespec="seconds"),
        }
        with self._store.writing() as con:
            con.execute(
                "INSERT INTO requests (kind, subject, first_day, last_day, asked_by, asked_at, "
                "attempt) VALUES (:kind, :subject, :first_day, :last_day, :asked_by, :asked_at, "
                "1) ON CONFLICT (kind, subject, first_day, last_day) WHERE taken_at IS NULL DO "
                "UPDATE SET attempt = attempt + 1",
                values,
            )
            (row,) = con.execute(
                "SELECT * FROM requests WHERE kind = :kind AND subject = :subject AND first_day = "
                ":first_day AND last_day = :last_day AND taken_at IS NULL",
                values,
            ).fetchall()
        return _REQUEST.validate_python(dict(row))

    def waiting(
        self, kind: Kind | None = None, subject: str | None = None
    ) -> list[OperationRequest]:
        """Return the requests that no run has taken yet, the oldest first."""
        query = (
            "SELECT * FROM requests WHERE taken_at IS NULL AND kind = coalesce(:kind, kind) "
            "AND subject = coalesce(:subject, subject) ORDER BY number"
        )
        return [
            _REQUEST.validate_python(row)
            for row in self._store.rows(query, {"kind": kind, "subject": subject})
        ]

    def newest(self, limit: int = 50) -> list[OperationRequest]:
        """Return the newest requests, taken or not, the newest first."""
        query = "SELECT * FROM requests ORDER BY number DESC LIMIT :limit"
        return [_REQUEST.validate_python(row) for row in self._store.rows(query, {"limit": limit})]

    def forget_data(self) -> None:
        """Remove the requests about data that are gone, and what runs noted of their tables and
        checks; requests about uploads stay.
        """
        names = ", ".join("?" for _ in OF_DATA)
        with self._store.writing() as con:
            con.execute(f"DELETE FROM requests WHERE kind IN ({names})", OF_DATA)  # noqa: S608 (of ours)
            for table in ("checks", "tables"):
                con.execute(f"DELETE FROM {table}")  # noqa: S608 (of ours)

    def take(self, requests: list[OperationRequest], run_id: str | None = None) -> None:
        """Record that a run has executed some requests."""
        if not requests:
            return
        at = now_utc_without_zone().isoformat(timespec="seconds")
        with self._store.writing() as con:
            con.executemany(
                "UPDATE requests SET taken_at = ?, run_id = ? WHERE number = ? AND taken_at IS "
                "NULL",
                [(at, run_id, request.number) for request in requests],
            )
