"""Encodings of text files: UTF-8, UTF-16 by its byte order mark, a stated one, and Windows-1252 by its letters.

Libraries that guess encodings take a few French names for Central European or Arabic ones, and a wrong guess changes
names and categories in silence. So only Windows-1252 is recognized, which Excel writes in Western Europe and America;
everything else is stated or refused.
"""

import codecs
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from ecom_assets.errors import SourceError
from ecom_assets.tables.source_gate import LARGE_SHARE

UTF_8 = "utf-8"
WINDOWS_1252 = "cp1252"
_logger = logging.getLogger(__name__)
# A letter of another encoding is in a word, or is the sign of a currency beside a number; a damaged byte is anywhere.
_IN_WORDS = re.compile(rb"[A-Za-z][\x80-\xff]|[\x80-\xff][A-Za-z]|[\x80-\xff]{3}|\d ?[\x80\xa3]|[\x80\xa3] ?\d")
_SMALL, _CAPITAL = "a-z\xdf-\xf6\xf8-\xff\u0161\u0153\u017e", "\xc0-\xd6\xd8-\xde\u0160\u0152\u017d\u0178"
_LETTER = f"A-Z{_SMALL}{_CAPITAL}"
_SIGN = (
    "\xa1-\xb3\xb5\xb6\xb8-\xbf\xd7\xf7\u20ac\u0192\u201a\u201c-\u201e\u2020-\u2022\u02c6\u02dc\u2030\u2039\u203a\u2122"
)
_UNLIKELY = re.compile(
    f"[{_LETTER}][{_SIGN}]+[{_LETTER}]"  # signs within a word
    "|[\xc0-\xff]{3}"  # three accented letters in a row
    f"|[{_SMALL}][{_CAPITAL}]"  # an accented capital after a small letter
)
_UNLIKELY_SHARE = 0.1
_MOST_EXAMPLES = 10_000
_REMEDY = "save it as UTF-8, or state the encoding in its mapping, such as `encoding: windows-1250` (docs/mappings.md)"


def known_encoding(name: str) -> str:
    """Return Python's name of a text encoding, else raise ValueError."""
    try:
        "".encode(name)
        result = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise ValueError(f"{name!r} is not a text encoding; give one like utf-8, windows-1252 or utf-16") from error
    return UTF_8 if result in {"utf-8-sig", "ascii"} else result


def marked_encoding(head: bytes) -> str | None:
    """Return the encoding that the byte order mark at the beginning of a file says; None without one."""
    if head.startswith(codecs.BOM_UTF8):
        return UTF_8
    is_utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\x00" in head
    return "utf-16" if is_utf_16 else None


def as_utf_8(blocks: Iterable[bytes], encoding: str | None, name: str, *, is_whole: bool = True) -> Iterator[bytes]:
    """Yield the blocks of a file in UTF-8; bytes that are not of its encoding stay as they are.

    Raises:
        SourceError: The text cannot be split into characters.
    """
    if encoding in {None, UTF_8}:
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(str(encoding))("surrogateescape")
    try:
        for block in blocks:
            if text := decoder.decode(block):
                yield text.encode(UTF_8, "surrogateescape")
        if text := decoder.decode(b"", final=is_whole):
            yield text.encode(UTF_8, "surrogateescape")
    except UnicodeError as error:
        raise SourceError(
            f"{name} is not {encoding} to its end (cut off, or another encoding); deliver it again, or {_REMEDY}"
        ) from error


def encoding_of_header(header: bytes, name: str) -> str | None:
    """Return the encoding of a CSV file by its header; None if the header is UTF-8.

    Raises:
        SourceError: It is neither UTF-8 nor Windows-1252.
    """
    if _is_utf_8(header):
        return None
    if not _is_western([header]):
        raise SourceError(f"the header of {name} is neither UTF-8 nor Windows-1252; {_REMEDY}")
    return _told(name)


def encoding_of_lines(lines: Iterable[bytes], name: str) -> str | None:
    """Return the encoding of a CSV file by all its lines; None if it is UTF-8, perhaps with a few damaged lines.

    Raises:
        SourceError: Many lines are neither UTF-8 nor Windows-1252.
    """
    line_count = other_count = utf_8_count = 0
    examples: list[bytes] = []
    for line in lines:
        line_count += 1
        if line.isascii():
            continue
        if _is_utf_8(line):
            utf_8_count += 1
            continue
        other_count += 1
        if len(examples) < _MOST_EXAMPLES and _IN_WORDS.search(line):
            examples.append(line)
    if not examples or other_count <= utf_8_count:
        return None
    if _is_western(examples):
        return _told(name)
    if other_count > LARGE_SHARE * line_count:
        raise SourceError(
            f"{other_count:,} of {line_count:,} lines of {name} are neither UTF-8 nor Windows-1252; {_REMEDY}"
        )
    return None


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_western(lines: Sequence[bytes]) -> bool:
    unlikely = sum(map(_is_unlikely, lines))
    return unlikely <= _UNLIKELY_SHARE * len(lines)


def _is_unlikely(line: bytes) -> bool:
    try:
        text = line.decode(WINDOWS_1252)
    except UnicodeDecodeError:
        return True
    return _UNLIKELY.search(text) is not None


@cache  # a run opens a file several times
def _told(name: str) -> str:
    _logger.warning(
        "%s is not UTF-8 and is read as Windows-1252; if its letters come out wrong, state its `encoding` in the "
        "mapping (docs/mappings.md).",
        name,
    )
    return WINDOWS_1252
