"""Names of files as people gave them: what is shown of them, and what of them is on a disk."""

import logging
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import PurePosixPath
from typing import Final

_logger = logging.getLogger(__name__)

MOST_LETTERS: Final = 120
"""Letters of a name that are shown, its ending included."""
DIRECTIONS: Final = frozenset(
    "\N{ARABIC LETTER MARK}\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}"
    "\N{LEFT-TO-RIGHT EMBEDDING}\N{RIGHT-TO-LEFT EMBEDDING}\N{POP DIRECTIONAL FORMATTING}"
    "\N{LEFT-TO-RIGHT OVERRIDE}\N{RIGHT-TO-LEFT OVERRIDE}\N{LEFT-TO-RIGHT ISOLATE}"
    "\N{RIGHT-TO-LEFT ISOLATE}\N{FIRST STRONG ISOLATE}\N{POP DIRECTIONAL ISOLATE}"
)
"""Characters that show a name in another order than it has: `fdp.exe` as `exe.pdf`."""
UNSHOWN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that are no letters: controls, halves of others, ends of lines."""
_ENDING: Final = re.compile(r"(?:\.[a-z0-9]{1,10}){1,2}$")


def shown_name(name: str) -> str:
    """Return the name of a file without its folders, as it was given, but for characters that
    control how text is shown, and its middle where it is very long; empty if nothing is left.
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    letters = "".join(letter for letter in last if _is_shown(letter)).strip()
    ending = ending_of(letters)
    stem = letters[: len(letters) - len(ending)]
    return stem[: MOST_LETTERS - len(ending)] + letters[len(stem) :]


def ending_of(name: str) -> str:
    """Return the ending of a name in small ASCII letters, by which its format is known; empty if it
    has none.
    """
    found = _ENDING.search(name.lower())
    return found[0] if found else ""


def _is_shown(letter: str) -> bool:
    return letter not in DIRECTIONS and unicodedata.category(letter) not in UNSHOWN


_CALLED: Final[ContextVar[Callable[[str], str]]] = ContextVar("called", default=str)


@contextmanager
def files_called(as_sent: Callable[[str], str]) -> Iterator[None]:
    """Call files in warnings by the names that people gave them.

    Args:
        as_sent: Returns a sentence about a file on the disk with that name.
    """
    token = _CALLED.set(as_sent)
    try:
        yield
    finally:
        _CALLED.reset(token)


def warn_once(sentence: str) -> None:
    """Log a warning about how a file is read, which a run may open several times."""
    _warn(_CALLED.get()(sentence))


@cache
def _warn(sentence: str) -> None:
    _logger.warning("%s", sentence)
