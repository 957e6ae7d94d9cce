"""How Dagster's daemon does, as its sensor `heartbeats` noted it in `ECOM_HOME`: for `/health` and
`/metrics`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.errors import WorkError
from ecom_assets.core.operations.heartbeats import Heartbeat, heartbeats_of, late_sentence
from ecom_assets.core.operations.publications import OverduePublication, overdue_publications


@dataclass(frozen=True)
class DaemonState:
    """The heartbeats, and the publications that are due and did not come, at an instant."""

    heartbeats: list[Heartbeat]
    overdue: list[OverduePublication]
    at: datetime

    @property
    def complaint(self) -> str:
        """Return what is late or overdue, in sentences; empty if nothing is."""
        sentences = [late_sentence(self.heartbeats, self.at)]
        return " ".join(filter(None, [*sentences, *(each.sentence for each in self.overdue)]))

    def to_mapping(self) -> dict[str, Any]:
        """Return it as the fields of `/health`."""
        return {
            "daemon": self.complaint,
            "heartbeats": [each.to_mapping(self.at) for each in self.heartbeats],
            "overdue": [{"source": each.source, "due_at": each.due_at} for each in self.overdue],
        }


NOT_KNOWN: dict[str, Any] = {"daemon": None, "heartbeats": [], "overdue": []}
"""The fields of `/health` where no daemon has noted anything here."""


def daemon_state(
    home: Path, published_at: datetime | None, now: Clock = now_utc
) -> DaemonState | None:
    """Return how the daemon does; None where none has noted anything, or it cannot be read."""
    at = now()
    try:
        heartbeats = heartbeats_of(home)
        overdue = overdue_publications(home, published_at, at)
    except WorkError:
        return None
    return DaemonState(heartbeats, overdue, at) if heartbeats or overdue else None


class DaemonMetrics(Collector):
    """The same as metrics, read as they are asked for."""

    def __init__(
        self, home: Path, published_at: Callable[[], datetime | None], now: Clock = now_utc
    ) -> None:
        """Set where it is noted, and what returns when the served data were published."""
        self._home = home
        self._published_at = published_at
        self._now = now

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that registering reads no file."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics; without values where nothing is known."""
        state = daemon_state(self._home, self._published_at(), self._now)
        labels = ["kind", "name"]
        age = GaugeMetricFamily(
            "ecom_heartbeat_age_seconds", "Since the last look; NaN if there is none", labels=labels
        )
        late = GaugeMetricFamily(
            "ecom_heartbeat_is_late", "1 if it should have looked again by now", labels=labels
        )
        overdue = GaugeMetricFamily(
            "ecom_publication_overdue_seconds",
            "How long ago a publication that did not come was due",
            labels=["source"],
        )
        if state is not None:
            for beat in state.heartbeats:
                names = [beat.kind, beat.name]
                age.add_metric(names, beat.age_s(state.at))
                late.add_metric(names, float(beat.is_late(state.at)))
            for each in state.overdue:
                overdue.add_metric([each.source], (state.at - each.due_at).total_seconds())
        yield from (age, late, overdue)
