"""Every error that the platform raises on purpose.

    EcomError
    ├── UsageError            the person asked for something that cannot be (exit code 2)
    │   ├── SettingError      a setting is unknown or has a wrong value
    │   ├── MappingError      a mapping file is wrong, or does not fit the file it is used on
    │   └── DefinitionError   a funnel or session rule that cannot be computed
    └── WorkError             the work was right and failed (exit code 1)
        ├── SourceError       input is missing, empty or unreadable
        ├── WarehouseError    the warehouse is locked, damaged, full or refuses a change
        │   └── ConnectionLostError   the connection broke; the same may succeed on a new one
        ├── DeliveryError     the ledger of deliveries cannot be used, or another delivery has taken over
        ├── MailError         an alert could not be sent
        └── ContractError     data break the contract of their table

A message is one sentence: what was wrong, where, and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from ecom_assets.redact_url import scrubbed


class EcomError(Exception):
    """Base of all; `exit_code` is what the `ecom` command ends with."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        """Take the sentence; a password in an address that it quotes is left out."""
        super().__init__(scrubbed(message))


class UsageError(EcomError):
    """The person asked for something that cannot be."""

    exit_code = 2


class SettingError(UsageError):
    """A setting is unknown or has a wrong value."""


class MappingError(UsageError):
    """A mapping is wrong in itself or does not fit the file it is used on."""


class DefinitionError(UsageError):
    """A funnel or session definition that cannot be computed."""


class WorkError(EcomError):
    """The request was right; doing it failed."""


class SourceError(WorkError):
    """Input is missing, empty or unreadable."""


class WarehouseError(WorkError):
    """The warehouse is locked, damaged, full, or refuses a change of schema."""


class ConnectionLostError(WarehouseError):
    """The connection to the warehouse broke; what was begun was not committed, or may be done again safely."""


class MailError(WorkError):
    """An alert could not be sent; it may be sent later."""


class DeliveryError(WorkError):
    """The ledger of deliveries cannot be used, or another delivery to the same destination has taken over."""


class ContractError(WorkError):
    """Data break the contract of the table they were meant for."""


def nearest(word: object, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a word, in whatever case; None if none is."""
    lowered = {one.lower(): one for one in known}
    close = get_close_matches(str(word).lower(), lowered, n=1)
    return lowered[close[0]] if close else None


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return the tail of a refusal: the closest known name, and all of them."""
    names = list(known)
    close = nearest(word, names)
    guess = f"did you mean {close!r}? " if close else ""
    return f"{guess}Known: {', '.join(names)}"
