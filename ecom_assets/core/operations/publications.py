"""Publications that are due: by when schedules and sensors should have led to one, and whether it
came. The daemon notes the former, and what serves or checks the published data knows the latter.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from ecom_assets.core.errors import WorkError
from ecom_assets.core.operations.requests import OperationsStore

WITHIN: Final = timedelta(hours=2)
"""How long a run and the publication after it may take: the last nightly run begins two hours
before the tables are expected.
"""


@dataclass(frozen=True)
class PublicationDue:
    """What a schedule or a sensor owes.

    Attributes:
        source: Its name, such as `daily_orders` or `landing_files`.
        due_at: When it began, or should have begun, the newest run that leads to a publication, in
            UTC; None if it owes none.
        next_at: When it begins the next one, in UTC; None if that is not known.
        sentence: Why the run has not come about, if that is known; else empty.
        alerted_for: The instant that the last message about it was about.
    """

    source: str
    due_at: datetime | None
    next_at: datetime | None = None
    sentence: str = ""
    alerted_for: datetime | None = None

    def overdue(self, published_at: datetime | None, now: datetime) -> "OverduePublication | None":
        """Return what did not come in time, after a publication at an instant, or none at all."""
        if self.next_at and self.next_at + WITHIN <= now:
            if published_at and published_at >= self.next_at:
                return None
            why = "nothing has looked since at what Dagster's daemon does; see that it runs."
            return OverduePublication(self.source, self.next_at, why)
        if self.due_at is None or self.due_at + WITHIN > now:
            return None
        if not self.sentence and published_at and published_at >= self.due_at:
            return None
        why = (
            self.sentence or "its run has ended, and none has published since; see Dagster's runs."
        )
        return OverduePublication(self.source, self.due_at, why)


@dataclass(frozen=True)
class OverduePublication:
    """A publication that did not come: of which schedule or sensor, due since when, and why."""

    source: str
    due_at: datetime
    why: str

    @property
    def sentence(self) -> str:
        """Return it for people."""
        due = f"{self.due_at:%Y-%m-%d %H:%M} UTC"
        return f"What {self.source} began at {due} is not published: {self.why}"


_DUES: Final = TypeAdapter(list[PublicationDue])


def note_due(
    home: Path,
    source: str,
    due_at: datetime | None,
    sentence: str = "",
    next_at: datetime | None = None,
) -> None:
    """Note what a schedule or a sensor owes, in place of what was noted of it; a note that fails
    stops nothing.
    """
    values = (source, due_at and _text(due_at), next_at and _text(next_at), sentence)
    with suppress(WorkError), OperationsStore(home).writing() as con:
        con.execute(
            "INSERT INTO publications_due (source, due_at, next_at, sentence) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (source) DO UPDATE SET due_at = excluded.due_at, "
            "next_at = excluded.next_at, sentence = excluded.sentence",
            values,
        )


def forget_dues(home: Path, *, kept: Iterable[str]) -> None:
    """Forget what is owed by all but some schedules and sensors: others are off, or gone."""
    names = list(kept)
    marks = ", ".join("?" * len(names))
    with suppress(WorkError), OperationsStore(home).writing() as con:
        con.execute(f"DELETE FROM publications_due WHERE source NOT IN ({marks})", names)  # noqa: S608 (question marks)


def note_alerted(home: Path, overdue: OverduePublication) -> None:
    """Note that a message about an overdue publication was sent.

    Raises:
        WorkError: The file cannot be written.
    """
    with OperationsStore(home).writing() as con:
        con.execute(
            "UPDATE publications_due SET alerted_for = ? WHERE source = ?",
            (_text(overdue.due_at), overdue.source),
        )


def dues_of(home: Path) -> list[PublicationDue]:
    """Return what is owed.

    Raises:
        WorkError: The file cannot be read.
    """
    rows = OperationsStore(home).rows("SELECT * FROM publications_due ORDER BY source")
    return _DUES.validate_python(rows)


def overdue_publications(
    home: Path, published_at: datetime | None, now: datetime
) -> list[OverduePublication]:
    """Return the publications that are due and did not come, after the last one at an instant.

    Raises:
        WorkError: The file cannot be read.
    """
    late = (due.overdue(published_at, now) for due in dues_of(home))
    return [each for each in late if each]


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
