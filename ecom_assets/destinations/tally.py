"""What became of the due records of a delivery. Not here: the delivery."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ecom_assets.destinations.conversation import NOT_ALLOWED, NOT_KNOWN
from ecom_assets.destinations.destination import Verdict
from ecom_assets.destinations.ledger_entries import DayNote, Outcome

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
    refusal: str = ""
    """The sentence of a tool that refuses us, not a record: a wrong key, token or project."""
    doubted: bool = False
    """Whether a tool that had taken nothing yet refused records without naming any."""

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
        self.due += other.due
        self.changed += other.changed
        self.to_repeat += other.to_repeat
        self.outcomes.update(other.outcomes)
        self.refusal = self.refusal or other.refusal
        self.doubted = self.doubted or other.doubted
        self._add_work(other)

    def is_refused_by(self, outcomes: Sequence[Outcome]) -> bool:
        """Take in what a tool says of us, not of a record; tell whether it is sure, so that nothing more need go."""
        ours = [one for one in outcomes if one.reason in {NOT_ALLOWED, NOT_KNOWN}]
        if ours:
            self.refusal = self.refusal or ours[0].words
        self.doubted |= any(one.reason == NOT_KNOWN for one in ours)
        return any(one.reason == NOT_ALLOWED for one in ours)

    def after(self, first: "Tally") -> "Tally":
        """Return the tally of a day that was delivered a second time: what became of it last, and the work of both."""
        both = replace(self, outcomes=Counter(self.outcomes), changed=max(self.changed, first.changed))
        both._add_work(first)  # noqa: SLF001 (of the same class)
        return both

    def _add_work(self, other: "Tally") -> None:
        for name in ("sent", "delivered", "rejected", "retried", "batches", "byte_count", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
