"""In which forms an id can be written: the one definition for searching texts,
files and dead letters.

What the platform writes is searched for as it stands, by `forms_of`. What was received is read
first, by `readings_of`, as who sent it may have escaped any letter.
"""

import codecs
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from ecom_assets.core.json_text import json_text

IN_WORDS: Final = "0-9A-Za-z_-"
"""The characters of a word: an id counts as found only where none of them comes before or after it.
"""
PLAIN: Final = re.compile(r"[\w.-]*", re.ASCII)
"""An id that nothing escapes."""
NESTED: Final = 2
"""How often a text is written into another one, such as an address in a line of JSON."""
IN_URLS: Final = "!#$&'()*+,/:;=?@[]~"
"""What a browser leaves as it is in an address."""
HEX: Final = "[0-9A-Fa-f]"
ENDS: Final = (("%", HEX, HEX), (r"\\", "[bfnrt]"), (r"\\", "u", HEX, HEX, HEX, HEX))
"""Escapes, character by character, that may stand before an id although they end with a letter."""
WIDE: Final = {"utf-16-le": r"{}\x00", "utf-16-be": r"\x00{}"}
"""How a character of ASCII is written in each encoding of two bytes."""
ESCAPE: Final = re.compile(r"\\+u([0-9A-Fa-f]{4})")
HALVES: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def _json_ascii(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json(text: str) -> str:
    return json_text(text)[1:-1]


def _csv(text: str) -> str:
    return text.replace('"', '""')


def _sql(text: str) -> str:
    return text.replace("'", "''")


def _markup(text: str) -> str:
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _url_part(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _url(text: str) -> str:
    return quote(text, safe=IN_URLS, errors="replace")


def _form(text: str) -> str:
    return quote_plus(text, errors="replace")


def _repr(text: str) -> str:
    return repr(text)[1:-1]


WRITERS: Final = (
    _json_ascii,
    _json,
    _csv,
    _sql,
    html.escape,
    _markup,
    _url_part,
    _url,
    _form,
    _repr,
)
"""Each returns a text as one kind of file has it."""


@lru_cache(maxsize=100_000)
def forms_of(id_: str) -> frozenset[str]:
    """Return the texts in which the platform writes an id, with the id itself.

    They are those of the writers and of two, one in the other, for each Unicode normal form; of an
    address with `@` in upper and lower case, too.
    """
    if PLAIN.fullmatch(id_):
        return frozenset([id_])
    cases = {id_, id_.lower(), id_.upper()} if "@" in id_ else {id_}
    forms = {unicodedata.normalize(form, case) for form in ("NFC", "NFD") for case in cases} | cases
    newest = forms
    for _ in range(NESTED):
        newest = {write(text) for write in WRITERS for text in newest} - forms
        forms = forms | newest
    return frozenset(forms)


def pattern_of(ids: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern that finds an id as a whole word in any of its forms; None without ids."""
    forms = _forms(ids)
    return re.compile(_as_word(_any_of(forms), "{}")) if forms else None


def alternatives_of(ids: Iterable[str]) -> str:
    """Return all forms of ids as alternatives of a regular expression, the longest first."""
    return "|".join(map(re.escape, _forms(ids)))


@dataclass(frozen=True)
class BytesPattern:
    """What finds ids as whole words in bytes: in UTF-8, and in UTF-16 in either order of bytes."""

    encoded: tuple["_EncodedForms", ...]

    @classmethod
    def of_ids(cls, ids: Iterable[str]) -> "BytesPattern | None":
        """Return the pattern of ids; None without any."""
        forms = _forms(ids)
        encodings = {"utf-8": "{}", **WIDE}.items()
        return cls(tuple(_EncodedForms.of(forms, *each) for each in encodings)) if forms else None

    def is_in(self, data: bytes, places: Iterable[int] | None = None) -> bool:
        """Return whether bytes have one of the ids; `places` is the result of `places_in`."""
        in_utf_8, *wide = self.encoded
        return in_utf_8.is_word_at(data, self.places_in(data) if places is None else places) or any(
            forms.is_word_at(data, forms.places_in(data)) for forms in wide
        )

    def places_in(self, data: bytes) -> Iterator[int]:
        """Yield where a form of an id begins in UTF-8, as a word or within one."""
        return self.encoded[0].places_in(data)


FEW_FORMS: Final = 30
"""So many texts are found faster one by one than as alternatives of a pattern."""


@dataclass(frozen=True)
class _EncodedForms:
    """The forms of ids in an encoding.

    Forms are looked for at any place first, in a tenth of the time, and what is beside them then.
    """

    forms: tuple[bytes, ...]
    anywhere: re.Pattern[bytes]
    word: re.Pattern[bytes]
    has_zeros: bool
    """Whether each form has a zero byte, which most files have nowhere."""

    @classmethod
    def of(cls, forms: Iterable[str], encoding: str, character: str) -> "_EncodedForms":
        """Return forms in an encoding; `character` is how it writes a character of ASCII."""
        encoded = tuple(form.encode(encoding, "surrogatepass") for form in forms)
        anywhere = _any_of(form.decode("latin-1") for form in encoded)
        word = _as_word(anywhere, character)
        has_zeros = all(b"\0" in form for form in encoded)
        return cls(encoded, _of_bytes(anywhere), _of_bytes(word), has_zeros)

    def is_word_at(self, data: bytes, places: Iterable[int]) -> bool:
        """Return whether one of the forms is at one of some places as a word."""
        return any(self.word.match(data, place) for place in places)

    def places_in(self, data: bytes) -> Iterator[int]:
        """Yield where a form begins in bytes, as a word or within one."""
        if self.has_zeros and b"\0" not in data:
            return
        if len(self.forms) <= FEW_FORMS and not any(form in data for form in self.forms):
            return
        start = 0
        while (match := self.anywhere.search(data, start)) is not None:
            yield match.start()
            start = match.start() + 1


def _of_bytes(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"))


def _any_of(texts: Iterable[str]) -> str:
    """Return a pattern that matches one of some texts, the longest first,
    with common beginnings once.
    """
    by_first: dict[str, list[str]] = {}
    is_end = False
    for text in texts:
        if text:
            by_first.setdefault(text[0], []).append(text[1:])
        is_end |= not text
    parts = [re.escape(first) + _any_of(rest) for first, rest in sorted(by_first.items())]
    if len(parts) == 1 and not is_end:
        return parts[0]
    return f"(?:{'|'.join(parts)}){'?' if is_end else ''}" if parts else ""


def _forms(ids: Iterable[str]) -> list[str]:
    forms = {form for id_ in ids for form in forms_of(id_)}
    return sorted(forms, key=lambda form: (-len(form), form))


def _as_word(alternatives: str, written: str) -> str:
    """Return a pattern of texts as words; `written` is how one character of ASCII is written."""
    word = written.format(f"[{IN_WORDS}]")
    ends = "|".join(f"(?<={''.join(map(written.format, end))})" for end in ENDS)
    return f"(?:(?<!{word})|{ends})(?:{alternatives})(?!{word})"


def texts_of(data: bytes) -> Iterator[str]:
    """Yield the texts that bytes can be: in UTF-8, and in UTF-16 if there are zeros or its mark."""
    yield data.decode("utf-8", "replace")
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if b"\0" in data or data.startswith(marks):
        for encoding in WIDE:
            for start in (0, 1):  # what comes before the text can have any number of bytes
                yield data[start:].decode(encoding, "replace")


def readings_of(text: str) -> list[str]:
    """Return a text as it stands and with its escapes undone, layer by layer, each once."""
    readings = [text]
    for at in range(NESTED + 1):
        for reading in readings[at:]:
            readings += [read for read in _read_once(reading) if read not in readings]
    composed = (unicodedata.normalize("NFC", reading) for reading in readings)
    return list(dict.fromkeys([*readings, *composed]))


def _read_once(text: str) -> Iterator[str]:
    if "\\" in text:
        unescaped = ESCAPE.sub(lambda digits: chr(int(digits[1], 16)), text)
        yield HALVES.sub(_joined, unescaped).replace('\\"', '"').replace("\\/", "/")
    if "%" in text:
        yield unquote(text)
    if "%" in text and "+" in text:
        yield unquote_plus(text)
    if "&" in text:
        yield html.unescape(text)
    if '""' in text:
        yield text.replace('""', '"')


def _joined(halves: re.Match[str]) -> str:
    return halves[0].encode("utf-16", "surrogatepass").decode("utf-16")
