"""Ids in what was received, whose sender may have escaped any letter.

To undo all escapes of a file takes a second for each megabyte, so only those parts are read so that
can have an id: where the letters of one follow each other with something between them that can be
its other characters, and where an escape writes a letter, which few files have.
"""

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html.entities import html5
from typing import Final, Self

from ecom_assets.ingestion.sources.written_forms import (
    BytesPattern,
    forms_of,
    pattern_of,
    readings_of,
    texts_of,
)

MOST_BYTES: Final = 4
"""Of a character, in UTF-8 and in UTF-16."""
AROUND: Final = 16
"""Characters of an escape before an id, and one after it."""
LETTERS: Final = frozenset(f"{string.ascii_letters}{string.digits}-._")
"""What no writer escapes, unless somebody wants to hide something; also the digits of escapes."""
ESCAPED_BYTES: Final = 24
"""What a character can have as an escape in an escape, such as `%26amp%3B%23252%3B`."""
STARTS: Final = frozenset("%\\#")
"""Characters with which, written by an escape, another one begins; for `&` see `_writing`."""
LAST_COMPOSED: Final = 0x30000
"""No character from here on is another one in Unicode's composed form."""


@dataclass(frozen=True)
class ReceivedPattern:
    """What finds ids as whole words in any form, in texts and in bytes."""

    text: re.Pattern[str]
    data: BytesPattern
    escapes: tuple[re.Pattern[bytes], ...]
    """What find the parts that may have an id with escapes, in UTF-8 in lower case."""
    longest: int
    """The most bytes that an id and what is looked at beside it can have."""

    @classmethod
    def of_ids(cls, ids: Iterable[str]) -> Self | None:
        """Return the pattern of ids; None without any."""
        ids = sorted(ids)
        text, data = pattern_of(ids), BytesPattern.of_ids(ids)
        if text is None or data is None:
            return None
        longest = MOST_BYTES * (max(len(form) for id_ in ids for form in forms_of(id_)) + AROUND)
        return cls(text, data, _escapes_of(ids), longest)

    def is_in(self, value: bytes) -> bool:
        """Return whether bytes have an id, in any encoding and with any escapes."""
        places = [*self.data.places_in(value)]
        if self.data.is_in(value, places):
            return True
        _, *others = texts_of(value)
        as_utf_8 = (text.encode("utf-8", "surrogatepass") for text in others)
        return self._is_escaped_in(value, places) or any(
            self._is_escaped_in(data, [*self.data.places_in(data)]) for data in as_utf_8
        )

    def _is_escaped_in(self, data: bytes, places: list[int]) -> bool:
        """Return whether bytes in UTF-8 have an id that only undoing escapes shows.

        At `places` are words that stand there plainly, of which an escape may show where they
        begin.
        """
        lowered = data.lower()  # as many bytes: only ASCII changes
        escapes = [
            place
            for each in self.escapes
            for match in each.finditer(lowered)
            for place in match.span()
        ]
        return any(
            self.text.search(reading)
            for part in _around(sorted([*escapes, *places]), self.longest, data)
            for reading in readings_of(part.decode("utf-8", "replace"))
        )


def _around(places: list[int], size: int, data: bytes) -> Iterator[bytes]:
    """Yield the parts of bytes that are around some places; those that meet are one."""
    first = until = 0
    for place in places:
        if place - size > until:
            yield data[first:until]
            first = place - size
        until = place + 2 * size
    yield data[first:until]


def _characters_of(id_: str) -> frozenset[str]:
    """Return all characters by which an id can be written, composed and decomposed."""
    cases = (id_, id_.lower(), id_.upper())
    forms = [unicodedata.normalize(form, case) for form in ("NFC", "NFD") for case in cases]
    return frozenset("".join(forms))


@cache
def _composed() -> dict[str, tuple[str, ...]]:
    """Return the characters that are one other character in Unicode's composed form, by that."""
    result: dict[str, tuple[str, ...]] = {}
    for code in range(0x80, LAST_COMPOSED):
        letter = chr(code)
        other = unicodedata.normalize("NFC", letter)
        if other != letter and len(other) == 1:
            result[other] = (*result.get(other, ()), letter)
    return result


def _escapes_of(ids: Iterable[str]) -> tuple[re.Pattern[bytes], ...]:
    """Return what finds the parts of a text that may have one of some ids with escapes."""
    letters, others = set(LETTERS), {}
    for id_ in ids:
        composed = unicodedata.normalize("NFC", id_).lower()
        words = re.findall(r"[0-9a-z._-]+", composed)
        if not words:  # nothing of it stands there plainly, so each of its characters counts
            letters |= _characters_of(id_)
        elif len(words) > 1 or words[0] != composed:
            others[composed] = words
    alike = [other for letter in letters for other in _composed().get(letter, ())]
    decomposed = [letter for letter in letters if unicodedata.combining(letter)]
    return (
        *_writing(frozenset(letters).union(alike)),
        *(_apart(id_, words) for id_, words in sorted(others.items())),
        *(re.compile(re.escape(letter.encode())) for letter in sorted([*alike, *decomposed])),
    )


def _apart(id_: str, words: Sequence[str]) -> re.Pattern[bytes]:
    """Return what finds the words of an id with what can be its other characters between them."""
    between = len(id_) - sum(map(len, words))
    gap = f".{{1,{between * ESCAPED_BYTES}}}?"
    return re.compile(gap.join(map(re.escape, words)).encode(), re.DOTALL)


def _writing(characters: frozenset[str]) -> tuple[re.Pattern[bytes], ...]:
    """Return what finds the escapes that write one of some characters, layer in layer.

    What begins another escape, such as `%25`, counts only where that one writes such a character:
    addresses are full of `&amp;` and `%26`.
    """
    percent = _any(map(_percent_digits, characters))
    json = _any(map(_json_digits, characters))
    codes = {ord(letter) for letter in characters | STARTS}
    decimal, hexadecimal = _any(map(str, codes)), _any(f"{code:x}" for code in codes)
    names = _any(
        name.lower().replace(";", r"(?:;|%(?:25)*3b|\\+u003b)")
        for name, text in html5.items()
        if not (characters | STARTS).isdisjoint(text)
    )
    after_ampersand = rf"(?:amp(?:;|%(?:25)*3b)?)*(?:#|%(?:25)*23|\\+u0023|{names})"
    after_backslash = rf"(?:\\|%(?:25)*5c)*(?:u|%(?:25)*75){json}"
    percents = rf"(?:25)*(?:{percent}|26(?:{after_ampersand})|5c(?:{after_backslash})|23[0-9x])"
    numbers = rf"#0*{decimal}(?![0-9])|#x0*{hexadecimal}(?![0-9a-f])"
    patterns = [
        rf"%{percents}",
        rf"\\u(?:{json}|0025{percents}|0026(?:{after_ampersand})|005c(?:{after_backslash})|0023)",
        rf"&(?:amp;?|#0*38;?|#x0*26;?)*(?:{numbers}|{names})",
    ]
    quoted = {'"': r'""|\\"', "/": r"\\/", " ": r"\+"}
    patterns += [source for letter, source in quoted.items() if letter in characters]
    return tuple(re.compile(source.encode()) for source in patterns)


def _any(sources: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(set(sources)))})"


def _percent_digits(letter: str) -> str:
    """Return how a character is written after the first percent sign."""
    digits = [f"{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass")]
    return "%(?:25)*".join(digits)


def _json_digits(letter: str) -> str:
    r"""Return how a character, or its first half, is written after `\u`."""
    return letter.encode("utf-16-be", "surrogatepass")[:2].hex()
