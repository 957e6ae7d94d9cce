"""What is written into the ledger. Not here: how (`ledger.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ecom_assets.destinations.destination import Answer, Destination, Verdict

REFUSED = "refused"
"""The outcome of a record that cannot go, and was never sent."""
UNCONFIRMED = "unconfirmed"
"""The outcome of a record that went to a destination which never says whether it has it."""
UNDER_WAY = "under_way"
NO_ANSWER = "no_answer"
BROKEN_OFF = "The sending was broken off before an answer."


@dataclass(frozen=True)
class Writer:
    """The right to write of one destination; a higher token ends it."""

    destination_id: int
    token: int


@dataclass(frozen=True)
class Outcome:
    """What is known of a record: a `Verdict`'s value, `unconfirmed` or `refused`."""

    name: str
    reason: str = ""
    words: str = ""
    attempts: int = 0

    @classmethod
    def of(cls, answer: Answer, destination: Destination) -> "Outcome":
        """Return what an answer says; where a destination never confirms, its yes is no more than a receipt."""
        name = answer.verdict.value
        if answer.verdict is Verdict.DELIVERED and not destination.confirms:
            name = UNCONFIRMED
        if answer.verdict is Verdict.POSTPONED and answer.reason == NO_ANSWER:  # it may have been taken
            name = Verdict.IN_DOUBT.value
        return cls(name, answer.reason, answer.words, answer.attempts)


@dataclass(frozen=True)
class Intent:
    """Records that are about to be sent together, all of one day."""

    day: date
    record_ids: Sequence[str]
    payload_hashes: bytes
    """Eight bytes each, little-endian."""
    byte_count: int


@dataclass(frozen=True)
class DayNote:
    """What became of the due records of a day: how many have each outcome, and wait for a later delivery."""

    due_count: int
    pending_count: int
    changed_count: int
    outcomes: Mapping[str, int]
