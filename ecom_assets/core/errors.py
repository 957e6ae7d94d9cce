"""The errors that the platform raises.

    EcomError
    ├── UsageError            the request itself is wrong (exit code 2)
    │   ├── SettingError      a setting is unknown or has a wrong value
    │   ├── MappingError      a mapping file is wrong, or does not match the file it is used on
    │   └── DefinitionError   a funnel or session rule that cannot be computed
    └── WorkError             the request was right, but the work failed (exit code 1)
        ├── SourceError       input is missing, empty or unreadable
        │   ├── MissingFileError      a file that was named is not there (exit code 2)
        │   └── UnavailableError      an API does not answer now; later it may
        ├── WarehouseError    the warehouse is locked, damaged, full or refuses a change
        │   └── ConnectionLostError   the connection broke; the same may succeed on a new one
        ├── DeliveryError     the ledger of deliveries cannot be used, or is another delivery's now
        ├── MailError         an alert could not be sent
        └── ContractError     data break the contract of their table

A message is one sentence: what was wrong, where, and what to do.
"""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from ecom_assets.core.redact_url import scrubbed


class EcomError(Exception):
    """Base class of all errors; the `ecom` command exits with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        """Remove passwords from URLs in the message."""
        super().__init__(scrubbed(message))


class UsageError(EcomError):
    """The request itself is wrong."""

    exit_code = 2


class SettingError(UsageError):
    """A setting is unknown or has a wrong value."""


class MappingError(UsageError):
    """A mapping is wrong, or does not match the file it is used on."""


class DefinitionError(UsageError):
    """A funnel or session definition that cannot be computed."""


class WorkError(EcomError):
    """The request was right, but the work failed."""


class SourceError(WorkError):
    """Input is missing, empty or unreadable."""


class MissingFileError(SourceError):
    """A file that was named is not there."""

    exit_code = 2


class UnavailableError(SourceError):
    """An API does not answer, or only that it cannot now, after all attempts;
    the same may succeed later.
    """


class WarehouseError(WorkError):
    """The warehouse is locked, damaged, full, or refuses a change of schema."""


class ConnectionLostError(WarehouseError):
    """The connection to the warehouse broke; the work was not committed, or is safe to repeat."""


class MailError(WorkError):
    """An alert could not be sent; a later attempt may succeed."""


class DeliveryError(WorkError):
    """The ledger of deliveries cannot be used,
    or another delivery to the same destination has taken over.
    """


class ContractError(WorkError):
    """Data break the contract of their table."""


MOST_LISTED = 40
"""The most known names that a message lists; of more it names the closest ones only."""
CLOSEST = 3


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, for use in a sentence;
    its kind where it says nothing.
    """
    return first_text_line(str(error), type(error).__name__).rstrip(".")


def system_reason(error: BaseException) -> str:
    """Return why the system refused something, without the number and the path;
    else the first line of the error.
    """
    return getattr(error, "strerror", None) or first_line(error)


MOST_QUOTED = 200
"""Characters of a wrong value that a message quotes."""


def quoted_value(value: object) -> str:
    """Return a value as a message quotes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}…"


def first_text_line(text: str, default: str) -> str:
    """Return the first line of a text; the default where it has none."""
    return (text.strip().splitlines() or [default])[0]


def nearest(word: object, candidates: Iterable[str]) -> str | None:
    """Return the known name closest to a word, ignoring case; None if none is close."""
    return next(iter(_closest(word, candidates, 1)), None)


def did_you_mean(word: object, candidates: Iterable[str]) -> str:
    """Return the end of an error message: the closest known name,
    and all known names if they are not too many.
    """
    names = list(candidates)
    if not names:
        return "there are none"
    if len(names) > MOST_LISTED:
        close = " or ".join(map(repr, _closest(word, names, CLOSEST)))
        return (
            f"did you mean {close}? {len(names)} are known"
            if close
            else f"none of {len(names)} known names is like it"
        )
    near = nearest(word, names)
    known_names = ", ".join(names)
    return f"did you mean {near!r}? Known: {known_names}" if near else f"known: {known_names}"


def _closest(word: object, candidates: Iterable[str], most: int) -> list[str]:
    lowered = {word.lower(): word for word in candidates}
    return [lowered[match] for match in get_close_matches(str(word).lower(), lowered, n=most)]


def check_keys(keys: Iterable[object], allowed_keys: Collection[str], subject: str) -> None:
    """Refuse a definition with a key that it does not have.

    Raises:
        DefinitionError: A key is unknown.
    """
    for key in keys:
        if key not in allowed_keys:
            raise DefinitionError(
                f"Unknown key {key!r} in {subject}; {did_you_mean(key, allowed_keys)}."
            )
