"""Blocks, lines and encodings of text files;
gzip files are decompressed and verified to the last byte.
"""

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from isal import igzip, isal_zlib

from ecom_assets.core.errors import SourceError
from ecom_assets.core.tables.received_files import LARGE_SHARE
from ecom_assets.ingestion.sources.files.file_names import warn_once
from ecom_assets.ingestion.sources.files.formats import InputFile

UTF_8 = "utf-8"
WINDOWS_1252 = "cp1252"
# A letter of another encoding is in a word, or is the sign of a currency beside a number; a damaged
# byte is anywhere.
_IN_WORDS = re.compile(
    rb"[A-Za-z][\x80-\xff]|[\x80-\xff][A-Za-z]|[\x80-\xff]{3}|\d ?[\x80\xa3]|[\x80\xa3] ?\d"
)
_SMALL, _CAPITAL = (
    "a-z\xdf-\xf6\xf8-\xff\u0161\u0153\u017e",
    "\xc0-\xd6\xd8-\xde\u0160\u0152\u017d\u0178",
)
_LETTER = f"A-Z{_SMALL}{_CAPITAL}"
_SIGN = (
    "\xa1-\xb3\xb5\xb6\xb8-\xbf\xd7\xf7\u20ac\u0192\u201a\u201c-\u201e"
    "\u2020-\u2022\u02c6\u02dc\u2030\u2039\u203a\u2122"
)
_UNLIKELY = re.compile(
    f"[{_LETTER}][{_SIGN}]+[{_LETTER}]"  # signs within a word
    "|[\xc0-\xff]{3}"  # three accented letters in a row
    f"|[{_SMALL}][{_CAPITAL}]"  # an accented capital after a small letter
)
_UNLIKELY_SHARE = 0.1
_MOST_EXAMPLES = 10_000
_REMEDY = (
    "save it as UTF-8, or state the encoding in its mapping, such as `encoding: windows-1250` "
    "(docs/mappings.md)"
)


def known_encoding(name: str) -> str:
    """Return Python's name of a text encoding, else raise ValueError."""
    try:
        "".encode(name)
        result = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"{name!r} is not a text encoding; give one like utf-8, windows-1252 or utf-16"
        ) from error
    return UTF_8 if result in {"utf-8-sig", "ascii"} else result


def marked_encoding(head: bytes) -> str | None:
    """Return the encoding that the byte order mark at the beginning of a file says;
    None without one.
    """
    if head.startswith(codecs.BOM_UTF8):
        return UTF_8
    is_utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\x00" in head
    return "utf-16" if is_utf_16 else None


def as_utf_8(
    blocks: Iterable[bytes], encoding: str | None, name: str, *, is_whole: bool = True
) -> Iterator[bytes]:
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
            f"{name} is not {encoding} to its end (cut off, or another encoding); deliver it "
            f"again, or {_REMEDY}"
        ) from error


def encoding_of_header(header: bytes, name: str) -> str | None:
    """Return the encoding of a CSV file by its header; None if the header is UTF-8.

    Raises:
        SourceError: It is neither UTF-8 nor Windows-1252.
    """
    if is_utf_8(header):
        return None
    if not _is_western([header]):
        raise SourceError(f"the header of {name} is neither UTF-8 nor Windows-1252; {_REMEDY}")
    return _windows_1252(name)


def encoding_of_lines(lines: Iterable[bytes], name: str) -> str | None:
    """Return the encoding of a CSV file by all its lines; None if it is UTF-8,
    perhaps with a few damaged lines.

    Raises:
        SourceError: Many lines are neither UTF-8 nor Windows-1252.
    """
    line_count = other_count = utf_8_count = 0
    examples: list[bytes] = []
    for line in lines:
        line_count += 1
        if line.isascii():
            continue
        if is_utf_8(line):
            utf_8_count += 1
            continue
        other_count += 1
        if len(examples) < _MOST_EXAMPLES and _IN_WORDS.search(line):
            examples.append(line)
    if not examples or other_count <= utf_8_count:
        return None
    if _is_western(examples):
        return _windows_1252(name)
    if other_count > LARGE_SHARE * line_count:
        raise SourceError(
            f"{other_count:,} of {line_count:,} lines of {name} are neither UTF-8 nor "
            f"Windows-1252; {_REMEDY}"
        )
    return None


def is_utf_8(line: bytes) -> bool:
    """Return whether a line is valid UTF-8."""
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


def _windows_1252(name: str) -> str:
    """Return the encoding, and warn about it once per file."""
    warn_once(
        f"{name} is not UTF-8 and is read as Windows-1252; if its letters come out wrong, state "
        "its `encoding` in the mapping (docs/mappings.md)."
    )
    return WINDOWS_1252


BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 24
KEPT_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# The stubs of isal call its exception an instance.
DAMAGED = (EOFError, OSError, zlib.error, cast("type[Exception]", isal_zlib.error))
"""The errors of reading a file that is damaged, or a gzip file that is cut off."""


def blocks_of(file: InputFile) -> Iterator[bytes]:
    """Yield the text of a file block by block, in UTF-8 without a byte order mark.

    Raises:
        SourceError: The file cannot be read, a gzip file is truncated or has a wrong checksum, or
            the text is not of its encoding.
    """
    is_first = True
    for block in as_utf_8(_blocks_as_stored(file), file.encoding, file.name):
        yield block.removeprefix(BYTE_ORDER_MARK) if is_first else block
        is_first = False


def _blocks_as_stored(file: InputFile) -> Iterator[bytes]:
    try:
        with opened_bytes(file) as opened:
            while block := opened.read(BLOCK_BYTES):
                yield block
    except DAMAGED as error:
        if not file.is_gzip and isinstance(error, OSError):
            raise SourceError(
                f"{file.name} cannot be read ({error.strerror}); check the file"
            ) from error
        raise SourceError(
            f"{file.name} is a damaged or cut-off gzip file (its checksum or its end is wrong); "
            "deliver it again"
        ) from error


def lines_of(file: InputFile) -> Iterator[bytes]:
    r"""Yield the lines of a file, each with its line end: `\n`, `\r\n` or a lone `\r`.

    For a line longer than `MAX_LINE_BYTES`, only the beginning is yielded, with a note of its
    length.
    """
    rest, dropped = b"", 0
    for block in blocks_of(file):
        lines = (rest + block).splitlines(keepends=True)
        # A line can continue in the next block, and a \r at the end of a block can be the first
        # half of \r\n.
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            yield _cut(line, dropped) if dropped or len(line) > MAX_LINE_BYTES else line
            dropped = 0
        if len(rest) > MAX_LINE_BYTES:
            # The bytes that are cut are only counted, so that one endless line does not fill the
            # memory.
            dropped += len(rest) - KEPT_BYTES - 1
            rest = rest[:KEPT_BYTES] + rest[-1:]
    if rest:
        yield _cut(rest, dropped) if dropped or len(rest) > MAX_LINE_BYTES else rest


def is_too_long(line: bytes) -> bool:
    """Return whether a line was cut because it was longer than `MAX_LINE_BYTES`."""
    return line.startswith(_CUT_MARK)


def as_text(line: bytes) -> str:
    r"""Return an unreadable line as text for the quarantine;
    NUL and invalid UTF-8 are escaped as in `\xff`.
    """
    shown = line.removeprefix(_CUT_MARK) if is_too_long(line) else line.rstrip(b"\r\n")
    return shown.decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")


def byte_count(line: bytes) -> int:
    """Return how many bytes an unreadable line has in its file, without its line end."""
    cut = _CUT_LENGTH.search(line) if is_too_long(line) else None
    return int(cut[1]) if cut else len(line.rstrip(b"\r\n"))


_CUT_MARK = b"\x00cut\x00"
_CUT_LENGTH = re.compile(rb"\(cut: the line has (\d+) bytes\)\Z")


def _cut(line: bytes, dropped: int) -> bytes:
    length = len(line.rstrip(b"\r\n")) + dropped
    return _CUT_MARK + line[:KEPT_BYTES] + f" (cut: the line has {length} bytes)".encode()


def opened_bytes(file: InputFile) -> IO[bytes]:
    """Open a file for reading, decompressed."""
    if file.is_gzip:
        return cast("IO[bytes]", igzip.IGzipFile(file.path, "rb"))  # type: ignore[no-untyped-call]
    return Path(file.path).open("rb")
