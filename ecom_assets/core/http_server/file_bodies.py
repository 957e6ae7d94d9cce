"""Forms with a file, read as they come: what is before the file is known before its first byte is
kept.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from ecom_assets.core.errors import UsageError

MOST_FIELD_BYTES: Final = 4_096
"""The longest value of a field of such a form."""
MOST_FIELDS: Final = 20
BLOCK_BYTES: Final = 1 << 20
"""So much of a file is handed on at a time."""


@dataclass(frozen=True)
class SentField:
    """A field of a form, with its whole value."""

    name: str
    value: str


@dataclass(frozen=True)
class FileBegins:
    """What follows are the bytes of a file with this name, as the browser says it."""

    name: str


FormPart = SentField | FileBegins | bytes


@dataclass
class FileForm:
    """Reads a form of the type `multipart/form-data` block by block.

    The parts come in the order of the form. Of several files only the first is read.
    """

    content_type: str
    _parts: list[FormPart] = field(default_factory=list)
    _header: bytes = b""
    _value: bytes = b""
    _disposition: bytes = b""
    _name: str = ""
    _text: bytearray | None = None
    _is_file: bool = False
    _had_file: bool = False
    _field_count: int = 0

    def __post_init__(self) -> None:
        """Set up the parser.

        Raises:
            UsageError: The body is no such form.
        """
        kind, options = parse_options_header(self.content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise UsageError("No file was sent; choose one, and try again.")
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_goes_on,
                "on_header_value": self._value_goes_on,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._part_ends,
            },
        )

    async def parts(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[FormPart]:
        """Yield the fields and the file of a body.

        Raises:
            UsageError: The body is no such form.
        """
        async for block in blocks:
            for part in self.read(block):
                yield part

    def read(self, block: bytes) -> Iterator[FormPart]:
        """Yield what a block of the body brings.

        Raises:
            UsageError: The body is no such form.
        """
        try:
            self._parser.write(block)
        except MultipartParseError as error:
            raise UsageError("The form did not arrive whole; send the file again.") from error
        yield from self._parts
        self._parts.clear()

    def _part_begins(self) -> None:
        self._header, self._value, self._disposition = b"", b"", b""

    def _header_goes_on(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _value_goes_on(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._text, self._is_file = None, False
        if b"filename" not in options:
            self._field_count += 1
            if self._field_count > MOST_FIELDS:
                raise UsageError(f"The form has more than {MOST_FIELDS} fields.")
            self._text = bytearray()
        elif not self._had_file:
            self._is_file = self._had_file = True
            self._parts.append(FileBegins(options[b"filename"].decode("utf-8", "replace")))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._parts.append(bytes(data[start:end]))
        elif self._text is not None:
            self._text += data[start:end]
            if len(self._text) > MOST_FIELD_BYTES:
                raise UsageError(f"A field of the form is longer than {MOST_FIELD_BYTES:,} bytes.")

    def _part_ends(self) -> None:
        if self._text is not None:
            self._parts.append(SentField(self._name, self._text.decode("utf-8", "replace")))
        self._text, self._is_file = None, False


async def in_larger_blocks(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield bytes as they come, in blocks of `BLOCK_BYTES` or more; the last may be smaller."""
    gathered = bytearray()
    async for block in blocks:
        gathered += block
        if len(gathered) >= BLOCK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)
