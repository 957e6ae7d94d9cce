"""Blocks and lines of text files; gzip files are decompressed and verified to the last byte."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from isal import igzip, isal_zlib

from ecom_assets.errors import SourceError
from ecom_assets.sources.files.encodings import as_utf_8
from ecom_assets.sources.files.formats import InputFile

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 24
KEPT_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# The stubs of isal call its exception an instance.
_DAMAGED = (EOFError, OSError, zlib.error, cast("type[Exception]", isal_zlib.error))


def blocks_of(file: InputFile) -> Iterator[bytes]:
    """Yield the text of a file block by block, in UTF-8 without a byte order mark.

    Raises:
        SourceError: The file cannot be read, a gzip file is truncated or has a wrong checksum, or the text is not of
            its encoding.
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
    except _DAMAGED as error:
        if not file.is_gzip and isinstance(error, OSError):
            raise SourceError(f"{file.name} cannot be read ({error.strerror}); check the file") from error
        raise damaged_gzip(file) from error


def damaged_gzip(file: InputFile) -> SourceError:
    """Return the error for a truncated or corrupt gzip file, which `gunzip -t` would also report."""
    return SourceError(
        f"{file.name} is a damaged or cut-off gzip file (its checksum or its end is wrong); deliver it again"
    )


def lines_of(file: InputFile) -> Iterator[bytes]:
    r"""Yield the lines of a file, each with its line end: `\n`, `\r\n` or a lone `\r`.

    For a line longer than `MAX_LINE_BYTES`, only the beginning is yielded, with a note of its length.
    """
    rest, dropped = b"", 0
    for block in blocks_of(file):
        lines = (rest + block).splitlines(keepends=True)
        # A line can continue in the next block, and a \r at the end of a block can be the first half of \r\n.
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            yield _cut(line, dropped) if dropped or len(line) > MAX_LINE_BYTES else line
            dropped = 0
        if len(rest) > MAX_LINE_BYTES:
            # The bytes that are cut are only counted, so that one endless line does not fill the memory.
            dropped += len(rest) - KEPT_BYTES - 1
            rest = rest[:KEPT_BYTES] + rest[-1:]
    if rest:
        yield _cut(rest, dropped) if dropped or len(rest) > MAX_LINE_BYTES else rest


def is_too_long(line: bytes) -> bool:
    """Return whether a line was cut because it was longer than `MAX_LINE_BYTES`."""
    return line.startswith(_CUT_MARK)


def as_text(line: bytes) -> str:
    r"""Return an unreadable line as text for the quarantine; NUL and invalid UTF-8 are escaped as in `\xff`."""
    shown = line.removeprefix(_CUT_MARK) if is_too_long(line) else line.rstrip(b"\r\n")
    return shown.decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")


_CUT_MARK = b"\x00cut\x00"


def _cut(line: bytes, dropped: int) -> bytes:
    length = len(line.rstrip(b"\r\n")) + dropped
    return _CUT_MARK + line[:KEPT_BYTES] + f" (cut: the line has {length} bytes)".encode()


def opened_bytes(file: InputFile) -> IO[bytes]:
    """Open a file for reading, decompressed."""
    if file.is_gzip:
        return cast("IO[bytes]", igzip.IGzipFile(file.path, "rb"))  # type: ignore[no-untyped-call]
    return Path(file.path).open("rb")
