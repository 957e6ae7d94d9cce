"""When Dagster's daemon, its sensors and its schedules looked last, noted by the sensor
`heartbeats`, for the API, which never opens Dagster's storage.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from ecom_assets.core.operations.requests import OperationsStore

Kind = Literal["daemon", "sensor", "schedule"]


@dataclass(frozen=True)
class Heartbeat:
    """When a part of the daemon, a sensor or a schedule was last at work.

    Attributes:
        kind: `daemon`, `sensor` or `schedule`.
        name: Of a part of the daemon, such as `SCHEDULER`; of a sensor or a schedule.
        beat_at: When it last looked, in UTC; None if it never did.
        late_at: From when on it is late, unless it looks again, in UTC.
    """

    kind: Kind
    name: str
    beat_at: datetime | None
    late_at: datetime

    def is_late(self, now: datetime) -> bool:
        """Return whether it should have looked again by now."""
        return now >= self.late_at

    def age_s(self, now: datetime) -> float:
        """Return the seconds since it looked last; NaN if it never did."""
        return (now - self.beat_at).total_seconds() if self.beat_at else math.nan

    def to_mapping(self, now: datetime) -> dict[str, Any]:
        """Return it with whether it is late."""
        return {
            "kind": self.kind,
            "name": self.name,
            "beat_at": self.beat_at,
            "is_late": self.is_late(now),
        }


_HEARTBEATS: Final = TypeAdapter(list[Heartbeat])


def note_heartbeats(home: Path, heartbeats: Iterable[Heartbeat]) -> None:
    """Note what there is of heartbeats now, in place of what was noted before.

    Raises:
        WorkError: The file cannot be written.
    """
    rows = [
        (each.kind, each.name, each.beat_at and _text(each.beat_at), _text(each.late_at))
        for each in heartbeats
    ]
    with OperationsStore(home).writing() as con:
        con.execute("DELETE FROM heartbeats")
        con.executemany("INSERT INTO heartbeats VALUES (?, ?, ?, ?)", rows)


def heartbeats_of(home: Path) -> list[Heartbeat]:
    """Return the heartbeats that were noted last; none where no daemon ever noted any.

    Raises:
        WorkError: The file cannot be read.
    """
    rows = OperationsStore(home).rows("SELECT * FROM heartbeats ORDER BY kind, name")
    return _HEARTBEATS.validate_python(rows)


def late_sentence(heartbeats: Iterable[Heartbeat], now: datetime) -> str:
    """Return which heartbeats are late, in a sentence; empty if none is."""
    late = [each for each in heartbeats if each.is_late(now)]
    if not late:
        return ""
    named = ", ".join(
        f"the {each.kind} {each.name} since {_since(each.beat_at)}" for each in late[:5]
    )
    more = f", and {len(late) - 5} more" if len(late) > 5 else ""  # noqa: PLR2004 (as above)
    return (
        f"Late are {named}{more}: start Dagster's daemon and its code location again, as `ecom ui` "
        "does, and look at dagster.log."
    )


def _since(beat_at: datetime | None) -> str:
    return f"{beat_at:%Y-%m-%d %H:%M} UTC" if beat_at else "ever"


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
