"""What finds a person in texts and in bytes; a process that only searches files imports no more."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_assets.core.tables.contract import HIDDEN
from ecom_assets.ingestion.sources.received_ids import ReceivedPattern

if TYPE_CHECKING:
    from ecom_assets.orchestration.privacy.person import Person


@dataclass(frozen=True)
class PersonPattern(ReceivedPattern):
    """What finds an id of a person, as a whole word and in any form, in texts and in bytes."""

    @classmethod
    def of_person(cls, person: "Person") -> "PersonPattern | None":
        """Return the pattern of a person; None if all ids are too short to be sure."""
        return cls.of_ids(person.searched_ids)

    def hidden(self, text: str) -> str:
        """Return a text with the ids in it masked."""
        return self.text.sub(HIDDEN, text)
