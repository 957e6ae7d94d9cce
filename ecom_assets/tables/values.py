"""Values in the definitions of questions: names of columns, what they are compared with, and durations.

This module imports nothing heavy, because the `ecom` command reads a definition before it starts an engine.
"""

import math
import re
from collections.abc import Iterable
from typing import Final

from ecom_assets.errors import DefinitionError, did_you_mean

Scalar = str | int | float | bool
JSON_COLUMN: Final = "properties"
"""The column of JSON text, whose keys can be named as `properties.key`."""
COLUMN: Final = r"""[A-Za-z_]\w*(?:\.(?:"[^"'\\\ud800-\udfff]+"|[\w$-]+))*"""
"""How a column or a key is written; a key with other characters stands in double quotes.

Quotes and backslashes in keys are refused: engines escape them in different ways, and sqlglot not at all.
"""
_NO_TEXT: Final = re.compile("[\ud800-\udfff]")
_KEYS: Final = re.compile(r"""\.(?:"([^"'\\]+)"|([\w$-]+))""")
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_EXACT_DOUBLE: Final = 2**53
"""The greatest size of whole numbers that engines do not round in a double."""


def kind_of(value: Scalar) -> str:
    """Return the kind of a value, which must be the kind of the column: `text`, `number` or `boolean`."""
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def check_value(subject: str, value: object) -> None:
    """Raise if a column cannot be compared with a value; `subject` begins the error message.

    Raises:
        DefinitionError: It is neither text, number nor boolean, or a number that engines round.
    """
    if not isinstance(value, str | int | float | bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise DefinitionError(f"{subject} with {value!r}; use one text, number or boolean.")
    if not isinstance(value, str) and abs(value) > MAX_EXACT_DOUBLE:
        raise DefinitionError(f"{subject} with {value!r}, which engines round; keep such a value as text.")
    if isinstance(value, str) and _NO_TEXT.search(value):
        raise DefinitionError(f"{subject} with {value[:80]!r}, which holds half a character (a surrogate); correct it.")


def check_comparable(column: str, column_kind: str, value: Scalar) -> None:
    """Raise if a column of this kind (as in `kind_of`) never equals a value, or only by a cast.

    Raises:
        DefinitionError: The kinds differ.
    """
    if column_kind != kind_of(value):
        raise DefinitionError(
            f"`where` compares {column}, which holds {column_kind}, with the {kind_of(value)} {value!r}; "
            "write the value in the column's own type, or choose another column."
        )


def check_column(place: str, column: object) -> None:
    """Raise if a name is neither a column nor a `properties.key`; `place` begins the error message.

    Raises:
        DefinitionError: It is not.
    """
    if not isinstance(column, str) or not re.fullmatch(COLUMN, column):
        raise DefinitionError(f"{place} names the column {column!r}; write a column or properties.key.")
    if "." in column and not json_path(column):
        raise DefinitionError(f"{place} names {column!r}; only {JSON_COLUMN} has keys, as in {JSON_COLUMN}.key.")


def check_unit(place: str, per: object) -> None:
    """Refuse all but a unit: `user`, or a key of `properties`.

    Raises:
        DefinitionError: It is neither.
    """
    if per != "user":
        check_column(place, per)
        if not json_path(str(per)):
            raise DefinitionError(
                f"{place} is user, or a key of {JSON_COLUMN} such as {JSON_COLUMN}.company; got {per!r}."
            )


def json_path(column: str) -> tuple[str, ...]:
    """Return the keys below `properties` that a column's name has; empty for an ordinary column."""
    head, _, keys = column.partition(".")
    if head != JSON_COLUMN:
        return ()
    return tuple(quoted or plain for quoted, plain in _KEYS.findall(f".{keys}" if keys else ""))


def unknown_column(name: str, known: Iterable[str]) -> DefinitionError:
    """Return the refusal of a column that events do not have; what a file has besides is in `properties`."""
    hint = did_you_mean(name, known)
    beside = "" if hint.startswith("did") else f". Of other columns of a file write the key, as in properties.{name}"
    return DefinitionError(f"The events have no column {name!r}; {hint}{beside}.")


_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
DAY_S: Final = 86_400
MAX_DAYS: Final = 36_600
DURATION: Final = r"\s*(\d{1,12})\s*([smhdw])\s*"
"""How a duration is written."""


def parse_duration(text: object) -> int:
    """Return the seconds in `"45s"`, `"30m"`, `"12h"`, `"7d"` or `"2w"`; raise DefinitionError for anything else.

    A bare number is refused: 7 could be days or seconds, and a wrong guess gives a plausible but wrong funnel.
    """
    match = re.fullmatch(DURATION, text) if isinstance(text, str) else None
    if match is None:
        raise DefinitionError(
            f"The duration {text!r} is not understood; write a number and a unit, as in 45s, 30m, 12h, 7d or 2w."
        )
    return int(match[1]) * _SECONDS[match[2]]


def parse_days(text: object) -> int:
    """Return the days in `"30d"` or `"4w"`.

    Raises:
        DefinitionError: It is not a duration, or not of 1 to 36,600 whole days.
    """
    seconds = parse_duration(text)
    if seconds % DAY_S or not 1 <= seconds // DAY_S <= MAX_DAYS:
        raise DefinitionError(
            f"{text!r} is not of 1 to {MAX_DAYS:,} whole days; write d (days) or w (weeks), as in 30d."
        )
    return seconds // DAY_S


def duration_text(seconds: int) -> str:
    """Return a duration as definitions have it, in the largest unit that divides it."""
    size, unit = max((size, unit) for unit, size in _SECONDS.items() if seconds % size == 0 and unit != "w")
    return f"{seconds // size}{unit}"
