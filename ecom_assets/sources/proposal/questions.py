"""What a file does not say by itself: the questions about it, and the answers that are possible."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ecom_assets.clock import is_zone
from ecom_assets.errors import DefinitionError, UsageError

OPEN: Final = "?"
"""What stands in a mapping for an answer that nobody has given: it is refused until it is replaced."""
ROWS, ENCODING, LIST, ZONE, FORMAT, DECIMAL = "rows", "encoding", "list", "timezone", "date_format", "decimal"
COLUMNS: Final = (
    "date_time", "event_timestamp", "event_type", "user_id", "customer_id", "item_id", "payment_amount", "id",
)  # fmt: skip
"""Fields of which a person can say the column."""
KEYS: Final = (ROWS, ENCODING, LIST, FORMAT, ZONE, DECIMAL, *COLUMNS)
LABELS: Final = {
    ROWS: "What a row is",
    ENCODING: "Encoding",
    LIST: "List of items",
    FORMAT: "How times are written",
    ZONE: "Time zone",
    DECIMAL: "Decimal separator",
    **dict.fromkeys(("date_time", "event_timestamp"), "Column of the time"),
    "event_type": "Column of what happened",
    "user_id": "Column of the visitor",
    "customer_id": "Column of the customer",
    "item_id": "Column of the item",
    "payment_amount": "Column of the amount",
    "id": "Column of the customer's id",
}
ZONES: Final = "a name such as Europe/Berlin or UTC"
MOST_SHOWN: Final = 120
"""The most characters of a value of the file within a sentence."""


@dataclass(frozen=True)
class OpenQuestion:
    """What the files do not say: its key, a sentence, the answers that are possible, and a guess for a preview.

    Without `choices` the answer is a time zone.
    """

    key: str
    sentence: str
    choices: tuple[str, ...] = ()
    guess: str = "UTC"

    def checked(self, answer: str) -> str:
        """Return an answer that is possible.

        Raises:
            UsageError: It is not.
        """
        if self.choices and answer not in self.choices:
            raise UsageError(f"{shown(answer)!r} is none of {', '.join(map(shown, self.choices))}.")
        if not self.choices and not is_zone(answer):
            raise UsageError(f"{shown(answer)!r} is not a time zone; give {ZONES}.")
        return answer


def quoted(text: str) -> str:
    """Return a text as a scalar of YAML that holds whatever characters it has."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in written)


def shown(text: object) -> str:
    """Return a value of the file for a sentence or a comment: on one line, printable, not too long."""
    line = re.sub(r"\s+", " ", str(text))
    line = "".join(sign if unicodedata.category(sign)[0] != "C" else "\ufffd" for sign in line)
    return line if len(line) <= MOST_SHOWN else f"{line[:MOST_SHOWN]}…"


def quoted_list(names: Sequence[str]) -> str:
    """Return texts as a list of YAML on one line."""
    return f"[{', '.join(map(quoted, names))}]"


def require_answer(choices: Sequence[str], role: str) -> None:
    """Raise unless there is something to choose from.

    Raises:
        DefinitionError: No column can be what is needed.
    """
    if not choices:
        raise DefinitionError(f"No column of the file can be {role}; give a file that has one.")
