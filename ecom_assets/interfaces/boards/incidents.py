"""Incidents: periods in a row in which a watched number was worth a message,
and which message was sent of which.

They lie beside what people keep, in the same database. Everything is written as it is found, in one
transaction for each alert, so that evaluating twice is evaluating once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from ecom_assets.core.json_text import json_text
from ecom_assets.core.state.database import Database
from ecom_assets.interfaces.boards.store import BoardsDatabase

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS incidents (
        alert TEXT NOT NULL, first_period TEXT NOT NULL, last_period TEXT NOT NULL, over_in TEXT,
        found_at TEXT NOT NULL, finding TEXT NOT NULL, PRIMARY KEY (alert, first_period))""",
    """CREATE TABLE IF NOT EXISTS incident_messages (
        alert TEXT NOT NULL, first_period TEXT NOT NULL, channel TEXT NOT NULL,
          begun_at TEXT NOT NULL, sent_at TEXT,
        PRIMARY KEY (alert, first_period, channel))""",
    """CREATE TABLE IF NOT EXISTS watched (
        alert TEXT NOT NULL PRIMARY KEY, last_period TEXT NOT NULL, sentence TEXT NOT NULL,
        watched_at TEXT NOT NULL)""",
)
LOST_AFTER: Final = timedelta(minutes=10)
"""A message whose sending began so long ago, and did not end, is sent again: its process died."""
_at = datetime.fromisoformat
COLUMNS: Final = "alert, first_period, last_period, over_in, found_at, finding"


@dataclass(frozen=True)
class Incident:
    """Periods in a row in which an alert was right to speak.

    Attributes:
        alert: The id of the alert.
        first_period: When the first of the periods began, on the clock of the shop's zone.
        last_period: The last one so far.
        over_in: The first period that was well again; None while it goes on.
        found_at: When it was found, in UTC.
        finding: What was found in the first period: `title`, `sentence`, `value`, `usual`,
            `causes`, `points`; and `name`, `of_value` and `said`, of which the first two are made,
            which incidents of earlier releases lack.
    """

    alert: str
    first_period: datetime
    last_period: datetime
    over_in: datetime | None
    found_at: datetime
    finding: dict[str, Any]


@dataclass(frozen=True)
class WatchedState:
    """Up to which period an alert was evaluated, and what it said of that: after the title of its
    number, which earlier releases wrote there, too.
    """

    last_period: datetime
    sentence: str


class IncidentLog(BoardsDatabase):
    """The incidents of one installation; each call opens the database."""

    TABLES: ClassVar = TABLES

    def incidents(self, alert: str | None = None, limit: int = 100) -> list[Incident]:
        """Return incidents, the newest first; of all alerts, or of one."""
        condition, parameters = ("WHERE alert = ?", (alert,)) if alert else ("", ())
        order = "first_period DESC, alert LIMIT ?"
        with self._opened() as database:
            query = f"SELECT {COLUMNS} FROM incidents {condition} ORDER BY {order}"  # noqa: S608 (of ours)
            return [_incident(row) for row in database.rows(query, (*parameters, limit))]

    def state(self, alert: str) -> WatchedState | None:
        """Return how far an alert was evaluated; None if it never was."""
        with self._opened() as database:
            rows = database.rows(
                "SELECT last_period, sentence FROM watched WHERE alert = ?", (alert,)
            )
        return next((WatchedState(_at(last), sentence) for last, sentence in rows), None)

    def record(
        self, alert: str, findings: Sequence[tuple[datetime, dict[str, Any] | None]], sentence: str
    ) -> None:
        """Write what an alert said of new periods, in order: what was found,
        or None where all was well.
        """
        with self._opened() as database, database.transaction():
            for period, finding in findings:
                _record(database, alert, period, finding, self._now())
            if findings:
                values = (alert, findings[-1][0].isoformat(), sentence, self._now().isoformat())
                database.count(
                    "INSERT INTO watched (alert, last_period, sentence, watched_at) VALUES (?, ?, "
                    "?, ?) ON CONFLICT (alert) DO UPDATE SET last_period = excluded.last_period, "
                    "sentence = excluded.sentence, watched_at = excluded.watched_at",
                    values,
                )

    def forget(self) -> None:
        """Remove all incidents, and how far alerts were evaluated: they are of data that are gone.

        The alerts stay, and begin with the data that come.
        """
        with self._opened() as database, database.transaction():
            for table in ("incident_messages", "incidents", "watched"):
                database.count(f"DELETE FROM {table}")  # noqa: S608 (of ours)

    def unsent(self, incident: Incident, channels: Sequence[str]) -> list[str]:
        """Return the channels that an incident's message was not sent to."""
        with self._opened() as database:
            rows = database.rows(
                "SELECT channel FROM incident_messages WHERE alert = ? AND first_period = ? AND "
                "sent_at IS NOT NULL",
                (incident.alert, incident.first_period.isoformat()),
            )
        sent = {channel for (channel,) in rows}
        return [channel for channel in channels if channel not in sent]

    def begin(self, incident: Incident, channel: str) -> bool:
        """Return whether this process is to send an incident's message to a channel:
        no other one has begun to.
        """
        now, key = self._now(), (incident.alert, incident.first_period.isoformat(), channel)
        with self._opened() as database, database.transaction():
            database.count(
                "DELETE FROM incident_messages WHERE alert = ? AND first_period = ? AND channel = "
                "? AND sent_at IS NULL AND begun_at < ?",
                (*key, (now - LOST_AFTER).isoformat()),
            )
            return (
                database.count(
                    "INSERT INTO incident_messages (alert, first_period, channel, begun_at) "
                    "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (*key, now.isoformat()),
                )
                == 1
            )

    def end(self, incident: Incident, channel: str, *, is_sent: bool) -> None:
        """Write that an incident's message was sent to a channel,
        or that it is to be tried again.
        """
        key = (incident.alert, incident.first_period.isoformat(), channel)
        where = "WHERE alert = ? AND first_period = ? AND channel = ?"
        with self._opened() as database, database.transaction():
            if is_sent:
                database.count(
                    f"UPDATE incident_messages SET sent_at = ? {where}",  # noqa: S608 (of ours)
                    (self._now().isoformat(), *key),
                )
            else:
                database.count(f"DELETE FROM incident_messages {where}", key)  # noqa: S608 (of ours)


def _record(
    database: Database, alert: str, period: datetime, finding: dict[str, Any] | None, now: datetime
) -> None:
    at = period.isoformat()
    if finding is None:
        database.count(
            "UPDATE incidents SET over_in = ? WHERE alert = ? AND over_in IS NULL", (at, alert)
        )
        return
    going_on = database.count(
        "UPDATE incidents SET last_period = ? WHERE alert = ? AND over_in IS NULL AND last_period "
        "<= ?",
        (at, alert, at),
    )
    if not going_on:
        database.count(
            f"INSERT INTO incidents ({COLUMNS}) VALUES (?, ?, ?, NULL, ?, ?) ON CONFLICT DO "  # noqa: S608 (of ours)
            "NOTHING",
            (alert, at, at, now.isoformat(), json_text(finding)),
        )


def _incident(row: Sequence[Any]) -> Incident:
    alert, first, last, over, found_at, finding = row
    return Incident(
        alert,
        _at(first),
        _at(last),
        _at(over) if over else None,
        _at(found_at),
        json.loads(finding),
    )
