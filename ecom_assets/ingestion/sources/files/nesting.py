"""How deep lists and objects are nested in a JSON text, without parsing it:
parsers fail at some depth.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_LEVELS: Final = np.zeros(256, np.int8)
_LEVELS[list(b"[{")] = 1
_LEVELS[list(b"]}")] = -1
_COMMA, _QUOTE = b',"'


@dataclass(frozen=True)
class JsonStructure:
    """Where lists and objects of a JSON text begin and end.

    Attributes:
        levels: How many of them are open after each byte.
        commas: The positions of the commas outside of strings.
        is_in_string: Whether the text ends within a string.
    """

    levels: npt.NDArray[np.int32]
    commas: npt.NDArray[np.intp]
    is_in_string: bool

    @classmethod
    def of_text(cls, text: bytes) -> "JsonStructure":
        """Return the structure of a text, which need not be valid."""
        without_escapes = text.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        codes = np.frombuffer(without_escapes, np.uint8)
        is_string = np.logical_xor.accumulate(codes == _QUOTE)
        steps = _LEVELS[codes]
        steps[is_string] = 0
        commas = np.flatnonzero((codes == _COMMA) & ~is_string)
        return cls(np.cumsum(steps, dtype=np.int32), commas, bool(len(codes) and is_string[-1]))


def is_deeper(text: bytes, most_levels: int) -> bool:
    """Return whether lists and objects of a JSON text are nested deeper than so many levels."""
    if text.count(b"[") + text.count(b"{") <= most_levels:
        return False
    return int(JsonStructure.of_text(text).levels.max()) > most_levels
