"""What became of the due records of a delivery. Not here: the delivery."""

from collections import Counter
from dataclasses import dataclass, field

from ecom_assets.destinations.destination import Verdict
from ecom_assets.destinations.ledger_entries import DayNote

POSTPONED, IN_DOUBT = Verdict.POSTPONED.value, Verdict.IN_DOUBT.value
WAITING = "waiting"
"""The state of a record that was not tried, because the destination was down or an earlier one of its user waits."""


@dataclass
class Tally:
    """What became of the due records of a delivery."""

    due: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Due records by their state after the delivery: a `Verdict`'s value, `unconfirmed`, `refused` or `waiting`."""
    sent: int = 0
    delivered: int = 0
    """Of the records that this delivery sent."""
    rejected: int = 0
    retried: int = 0
    to_repeat: int = 0
    """Records in doubt that a later delivery sends again, because that is safe."""
    changed: int = 0
    """Records that have changed since they were delivered, and were not sent again."""
    batches: int = 0
    byte_count: int = 0
    seconds: float = 0.0

    @property
    def residue(self) -> int:
        """Return how many due records nobody accounts for; zero is well."""
        return self.due - self.outcomes.total()

    @property
    def pending(self) -> int:
        """Return how many due records are to be sent by a later delivery."""
        return self.outcomes[POSTPONED] + self.outcomes[WAITING] + self.to_repeat

    @property
    def note(self) -> DayNote:
        """Return what the ledger keeps of the day."""
        return DayNote(self.due, self.pending, self.changed, dict(self.outcomes))

    def add(self, other: "Tally") -> None:
        """Take in the tally of another day."""
        self.outcomes.update(other.outcomes)
        for name in (
            "due",
            "sent",
            "delivered",
            "rejected",
            "retried",
            "to_repeat",
            "changed",
            "batches",
            "byte_count",
            "seconds",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
