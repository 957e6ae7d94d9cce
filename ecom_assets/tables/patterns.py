"""The check of regular expressions that people send: RE2's syntax, of a limited size.

The engine that runs them decides what is one: Python accepts patterns that RE2 does not, and the other way round. And
RE2 takes too large ones: `a{0,1000}` fifty times takes seconds to compile, and nothing can interrupt that.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ecom_assets.errors import DefinitionError

if TYPE_CHECKING:
    import duckdb

MAX_LENGTH: Final = 1_000
"""The maximum number of characters of a pattern."""
MAX_SIZE: Final = 1_000
"""The maximum number of characters and classes that a pattern looks for, each as often as it may be repeated."""
CLASS_SIZE: Final = 20
"""What a class of Unicode counts, because it stands for hundreds of ranges."""
_TOKEN: Final = re.compile(
    r"\\Q(?P<literal>.*?)(?:\\E|\Z)|(?P<unicode>\\[pP](?:\{[^}]*\}|.))|\\."
    r"|\[\^?\]?(?:\[:\^?\w+:\]|(?P<among>\\[pP])|\\[^pP]|[^\]\\])*\]|\{(?P<least>\d+)(?:,(?P<most>\d*))?\}|.",
    re.DOTALL,
)


def check_pattern(place: str, pattern: str) -> None:
    """Raise unless a pattern can be searched for: `place` begins the message.

    Raises:
        DefinitionError: It is too long, too large once its repetitions are written out, or not in RE2's syntax.
    """
    if len(pattern) > MAX_LENGTH:
        raise DefinitionError(
            f"{place} matches {pattern[:80]!r}, which is longer than {MAX_LENGTH} characters; look for less."
        )
    if (size := size_of(pattern)) > MAX_SIZE:
        raise DefinitionError(
            f"{place} matches {pattern[:80]!r}, which has {size} parts with its repetitions written out, and may have "
            f"{MAX_SIZE}; repeat less, such as with `*` instead of `{{0,1000}}`."
        )
    if fault := _fault_of(pattern):
        raise DefinitionError(
            f"{place} matches {pattern[:80]!r}, which is not a regular expression in RE2's syntax ({fault}); write it "
            "without look-around, back references and possessive repeats."
        )


def size_of(pattern: str) -> int:
    """Return how many characters and classes a pattern has with its repetitions written out."""
    groups: list[list[int]] = [[]]
    for token in _TOKEN.finditer(pattern):
        text, parts = token[0], groups[-1]
        if text == "(":
            groups.append([])
        elif text == ")" and len(groups) > 1:
            groups[-2].append(1 + sum(groups.pop()))
        elif token["least"]:
            if parts:
                parts[-1] *= max(1, int(token["most"] or token["least"]))
        elif token["literal"]:
            parts += [1] * len(token["literal"])
        else:
            parts.append(CLASS_SIZE if token["unicode"] or token["among"] else 1)
    return sum(map(sum, groups))


@cache
def _engine() -> "duckdb.DuckDBPyConnection":
    import duckdb  # noqa: PLC0415 (loaded with the first pattern)

    return duckdb.connect(config={"threads": 1})


def _fault_of(pattern: str) -> str:
    """Return what DuckDB, which searches by RE2, says is wrong with a pattern; empty if nothing."""
    with _engine().cursor() as cursor:
        try:
            cursor.execute("SELECT regexp_matches('', $1, 's')", [pattern])
        except Exception as error:  # noqa: BLE001 (whatever it is, the pattern cannot be searched for)
            return str(error).partition("Error: ")[2].partition("\n")[0] or "it cannot be read"
    return ""
