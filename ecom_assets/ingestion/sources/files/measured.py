"""How much memory a file of other people would take, by one pass over it that takes none itself,
before anything reads it as a whole.

A workbook of 2 kB can name a cell in its last row and column, repeat a row a million times, or
refer to one long text from each of its cells; a Parquet file can do the same by a dictionary. The
library that reads workbooks keeps a place for each cell between the first and the last one.
"""

import zipfile
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from ecom_assets.core.errors import SourceError
from ecom_assets.core.reading_child import FOREIGN_FILE, ReadingLimits

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

PLACE_BYTES: Final = 40
"""What a cell takes, empty or not: its place in the library's table and in Python's two lists."""
CELL_BYTES: Final = 110
"""What a cell with a number or a short text takes besides."""
TEXT_TIMES: Final = 3
"""How often a text is in memory: in the library, in Python, and in what is written of it."""
TIMES_OF_FILE: Final = 40
"""How many times its size a workbook may take: full of short texts, it takes some 30 times that."""
PARQUET: Final = (".parquet", ".pq")
PARQUET_TIMES: Final = 100
PARQUET_BYTES: Final = 400_000_000
"""What the values of a Parquet file may come to: so many times its size, and always so many bytes.
"""
BLOCK: Final = 1 << 16
HEAD: Final = 1 << 12
MB: Final = 1_000_000
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def limits_of_workbook(path: Path) -> ReadingLimits:
    """Return what reading a workbook may take: more than other files where it is large itself, but
    never more than a run may.
    """
    from ecom_assets.core.settings.memory import (  # noqa: PLC0415 (children do without)
        memory_here,
        share_of_run,
    )

    most = max(FOREIGN_FILE.memory_mb, share_of_run(memory_here(), 1).mb)
    wanted = path.stat().st_size * TIMES_OF_FILE // MB
    memory_mb = min(most, max(FOREIGN_FILE.memory_mb, wanted))
    return ReadingLimits(memory_mb, FOREIGN_FILE.cpu_s, FOREIGN_FILE.time_s)


@dataclass
class SheetExtent:
    """How far the cells of a workbook reach, all of its sheets together.

    Attributes:
        places: Cells between the first and the last one that holds something, of each sheet.
        filled: Cells that hold something.
        text_bytes: The texts of these, each as often as a cell has it.
        last: The row and the column of the last cell of the sheet with the most places.
    """

    places: int = 0
    filled: int = 0
    text_bytes: int = 0
    last: tuple[int, int] = (0, 0)
    _most: int = field(default=0, repr=False)

    @property
    def bytes_taken(self) -> int:
        """Return what reading the workbook takes, about."""
        cells = self.places * PLACE_BYTES + self.filled * CELL_BYTES
        return cells + self.text_bytes * TEXT_TIMES

    def add_sheet(self, row: int, column: int) -> None:
        """Add a sheet by its last row and column that hold something."""
        self.places += row * column
        if row * column >= self._most:
            self._most, self.last = row * column, (row, column)


def require_readable_workbook(path: Path, name: str, limits: ReadingLimits) -> None:
    """Refuse a workbook whose cells would take more memory than there is for it.

    `.xls` and `.xlsb`, and what cannot be parsed, are not measured: the limits of the process in
    which they are read are all there is.

    Raises:
        SourceError: It would; the sentence says what of it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            extent = _extent(archive, limits)
    except (*_BROKEN, OSError, expat.ExpatError, ValueError):
        return  # its reader says what is wrong with it
    if extent.bytes_taken <= limits.memory_mb * MB:
        return
    row, column = extent.last
    if extent.places * PLACE_BYTES * 2 > extent.bytes_taken:
        raise SourceError(
            f"{name} has cells as far as row {row:,} and column {column:,}, more than can be read "
            "here; delete the rows and columns behind its table, or save the table as CSV."
        )
    raise SourceError(
        f"{name} has {extent.filled:,} cells with {extent.text_bytes / MB:,.0f} MB of text, more "
        "than can be read here; save it as CSV, or send it in parts, such as a file per month."
    )


def _extent(archive: zipfile.ZipFile, limits: ReadingLimits) -> SheetExtent:
    extent, names = SheetExtent(), archive.namelist()
    if "content.xml" in names and "xl/workbook.xml" not in names:
        _parsed(archive, "content.xml", _OdsPass(extent), limits)
        return extent
    parts = [name for name in names if name.lower().endswith((".xml", ".bin"))]
    roots = {name: _root(archive, name) for name in parts}
    texts = array("Q")
    for name in (name for name, root in roots.items() if root == "sst"):
        _parsed(archive, name, _TextsPass(texts), limits)
    for name in (name for name, root in roots.items() if root == "worksheet"):
        sheet = _SheetPass(extent, texts)
        _parsed(archive, name, sheet, limits)
        extent.add_sheet(sheet.last_row, sheet.last_column)
    return extent


def _root(archive: zipfile.ZipFile, name: str) -> str:
    """Return the name of the outermost element of a part; empty if it is no XML."""
    found: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda element, _: found.append(element.rpartition(":")[2])
    try:
        with archive.open(name) as part:
            parser.Parse(part.read(HEAD), False)  # noqa: FBT003 (by its place only)
    except expat.ExpatError:
        pass
    return found[0] if found else ""


class _XmlPass:
    """What is looked at in a part of a workbook, element by element."""

    looks_at_ends = True

    def __init__(self, extent: SheetExtent | None = None) -> None:
        self.extent = extent or SheetExtent()

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        """Look at the begin of an element."""

    def end(self, element: str) -> None:
        """Look at the end of an element."""

    def text(self, content: str) -> None:
        """Look at a text."""


def _parsed(archive: zipfile.ZipFile, name: str, looks: _XmlPass, limits: ReadingLimits) -> None:
    """Pass over a part, until it is known to be too large."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = looks.start, looks.text
    if looks.looks_at_ends:
        parser.EndElementHandler = looks.end
    with archive.open(name) as part:
        while block := part.read(BLOCK):
            parser.Parse(block, False)  # noqa: FBT003 (as above)
            if looks.extent.bytes_taken > limits.memory_mb * MB:
                return


class _TextsPass(_XmlPass):
    """The lengths of the texts that cells refer to by their place."""

    def __init__(self, lengths: "array[int]") -> None:
        super().__init__()
        self._lengths, self._length = lengths, 0

    def start(self, element: str, attributes: Mapping[str, str]) -> None:  # noqa: ARG002 (as all)
        if element == "si" or element.endswith(":si"):
            self._length = 0

    def text(self, content: str) -> None:
        self._length += len(content)

    def end(self, element: str) -> None:
        if element == "si" or element.endswith(":si"):
            self._lengths.append(self._length)
            self.extent.text_bytes += (
                self._length
            )  # as many as there are, also where no cell refers to them


class _SheetPass(_XmlPass):
    """The cells of a sheet of Excel's."""

    looks_at_ends = False

    def __init__(self, extent: SheetExtent, lengths: Sequence[int]) -> None:
        super().__init__(extent)
        self._lengths = lengths
        self.last_row = self.last_column = 0
        self._row = self._column = 0
        self._said_row = ""
        self._columns: dict[str, int] = {}
        self._refers = False
        self._has_value = False

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        if element == "v":  # of each cell: looked at first
            return
        name = element.rpartition(":")[2] if ":" in element else element
        if name == "c":
            place = attributes.get("r")
            if place is None:
                self._column += 1
            else:
                letters = place.rstrip("0123456789")
                self._column = self._columns.get(letters) or self._number_of(letters)
                if (said := place[len(letters) :]) != self._said_row:
                    self._said_row, self._row = said, int(said or 0)
            self._refers = attributes.get("t") == "s"
            self._has_value = False
        elif name == "row":
            self._said_row = attributes.get("r", "")
            self._row = int(self._said_row) if self._said_row else self._row + 1
            self._column = 0

    def text(self, content: str) -> None:
        if not self._column or content.isspace():
            return
        extent = self.extent
        if not self._has_value:
            self._has_value = True
            extent.filled += 1
            self.last_row = max(self.last_row, self._row)
            self.last_column = max(self.last_column, self._column)
        if self._refers and content.isdecimal():
            at = int(content)
            extent.text_bytes += self._lengths[at] if at < len(self._lengths) else 0
        else:
            extent.text_bytes += len(content)

    def _number_of(self, letters: str) -> int:
        """Return the number of a column, from 1: AA is 27."""
        number = 0
        for letter in letters.upper():
            number = number * 26 + ord(letter) - 64
        self._columns[letters] = number
        return number


class _OdsPass(_XmlPass):
    """The cells of all sheets of an OpenDocument workbook."""

    def __init__(self, extent: SheetExtent) -> None:
        super().__init__(extent)
        self._row = self._rows = self._last_row = self._last_column = 0
        self._column = self._columns = 0
        self._length = self._filled_of_row = self._bytes_of_row = 0
        self._is_filled = False

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        name = element.rpartition(":")[2]
        if name in {"table-cell", "covered-table-cell"}:
            self._columns = _repeats(attributes, "number-columns-repeated")
            self._length = 0
            self._is_filled = any(key.endswith(":value-type") for key in attributes)
        elif name == "table-row":
            self._rows = _repeats(attributes, "number-rows-repeated")
            self._column = self._filled_of_row = self._bytes_of_row = 0
        elif name == "table":
            self._row = self._last_row = self._last_column = 0

    def text(self, content: str) -> None:
        if not content.isspace():
            self._is_filled = True
            self._length += len(content)

    def end(self, element: str) -> None:
        name = element.rpartition(":")[2]
        if name in {"table-cell", "covered-table-cell"}:
            self._column += self._columns
            if self._is_filled:
                self._filled_of_row += self._columns
                self._bytes_of_row += self._columns * self._length
                self._last_column = max(self._last_column, self._column)
            self._is_filled = False
        elif name == "table-row":
            self._row += self._rows
            if self._filled_of_row:
                self._last_row = self._row
                self.extent.filled += self._rows * self._filled_of_row
                self.extent.text_bytes += self._rows * self._bytes_of_row
        elif name == "table":
            self.extent.add_sheet(self._last_row, self._last_column)


def _repeats(attributes: Mapping[str, str], name: str) -> int:
    said = next((value for key, value in attributes.items() if key.endswith(f":{name}")), "1")
    return int(said) if said.isdecimal() else 1


@dataclass(frozen=True)
class ParquetExtent:
    """What a Parquet file has: its rows, and the bytes of all values, each as often as it stands.

    Values that are texts of a dictionary are counted by it, the others as they are in the pages.
    """

    row_count: int
    value_bytes: int


def parquet_extent(path: Path, most_bytes: int) -> ParquetExtent:
    """Return what a Parquet file has, counted until it is more than `most_bytes`.

    Raises:
        ArrowException: It is damaged.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 (workbooks are measured without)

    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        value_bytes, dictionaries = 0, []
        for place in range(metadata.num_columns):
            by_place, by_dictionary = _column_bytes(metadata, place)
            value_bytes += by_place
            if by_dictionary > most_bytes:
                dictionaries.append(metadata.schema.column(place).path)
            else:
                value_bytes += by_dictionary
        if dictionaries and value_bytes <= most_bytes:
            value_bytes += _dictionary_bytes(path, dictionaries, most_bytes - value_bytes)
    return ParquetExtent(metadata.num_rows, value_bytes)


WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}


def _column_bytes(metadata: "pq.FileMetaData", place: int) -> tuple[int, int]:
    """Return what the values of a column come to, and the most that those by dictionaries do."""
    plain, by_dictionary = 0, 0
    for number in range(metadata.num_row_groups):
        chunk = metadata.row_group(number).column(place)
        width = WIDTHS.get(chunk.physical_type)
        if width is not None:
            plain += max(chunk.num_values * width, chunk.total_uncompressed_size)
        elif chunk.has_dictionary_page:
            by_dictionary += chunk.num_values * chunk.total_uncompressed_size
        else:
            plain += chunk.total_uncompressed_size
    return plain, by_dictionary


def _dictionary_bytes(path: Path, columns: Sequence[str], most_bytes: int) -> int:
    """Return what the texts of columns come to, of which only dictionaries and places are read."""
    import pyarrow.compute as pc  # noqa: PLC0415 (as above)
    import pyarrow.parquet as pq  # noqa: PLC0415 (as above)

    total = 0
    with pq.ParquetFile(path, read_dictionary=list(columns)) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            for values in batch.columns:
                for leaf in _leaves(values):
                    lengths = pc.binary_length(leaf.dictionary).take(leaf.indices)
                    total += pc.sum(pc.cast(lengths, "int64")).as_py() or 0
            if total > most_bytes:
                break
    return total


BATCH_ROWS: Final = 1 << 16


def _leaves(values: "pa.Array") -> "list[pa.DictionaryArray]":
    """Return the arrays of texts by dictionary within lists and records."""
    import pyarrow as pa  # noqa: PLC0415 (as above)

    if pa.types.is_dictionary(values.type):
        return [values]
    if pa.types.is_struct(values.type):
        return [leaf for part in values.flatten() for leaf in _leaves(part)]
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return _leaves(values.flatten())
    return []


def most_parquet_bytes(path: Path) -> int:
    """Return what the values of a Parquet file may come to."""
    return max(PARQUET_BYTES, path.stat().st_size * PARQUET_TIMES)


def parquet_bytes(path: Path) -> int:
    """Return what the values of a Parquet file come to, counted as far as they may; 0 of one that
    is damaged.
    """
    try:
        return parquet_extent(path, most_parquet_bytes(path)).value_bytes
    except (OSError, ValueError, ArithmeticError, NotImplementedError):
        return 0  # its reader says what is wrong with it


def require_readable_parquet(path: Path, name: str) -> None:
    """Refuse a Parquet file whose values come to far more than a file of its size has.

    Raises:
        SourceError: They do.
    """
    most = most_parquet_bytes(path)
    try:
        extent = parquet_extent(path, most)
    except (OSError, ValueError, ArithmeticError, NotImplementedError):
        return  # its reader says what is wrong with it
    if extent.value_bytes > most:
        raise SourceError(
            f"{name} has values of more than {most / MB:,.0f} MB in {extent.row_count:,} rows, "
            "which is more than can be read here; send it in parts, such as a file per month."
        )
