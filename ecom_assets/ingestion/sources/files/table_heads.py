"""Where the table in a file begins: reports have titles above their header,
or a header of two lines.
"""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ecom_assets.ingestion.sources.files.formats import InputFile, head_of
from ecom_assets.ingestion.sources.files.packed_cells import PackedCell
from ecom_assets.ingestion.sources.files.shape import RowShape
from ecom_assets.ingestion.sources.files.text_blocks import (
    BYTE_ORDER_MARK,
    UTF_8,
    as_utf_8,
    lines_of,
    marked_encoding,
)

MOST_TITLE_ROWS = 30
_LOOKED_AT = 60
"""Rows of a file that are looked at for its header."""
LEAST_COLUMNS, LEAST_NAMED = 2, 0.7
"""The columns that a table has at least, and the share of them with a name."""
DELIMITERS = (",", ";", "\t", "|")
_START_BYTES = 1 << 13


@dataclass(frozen=True)
class TableKeys:
    """What a mapping says of the tables in its files.

    `delimiter` is None where it is to be recognized, `sheet` empty for the sheet with the most
    rows, and `decimal` the separator with which the numbers of cells are written. `header` are the
    names of columns of files without them, `aliases` other names of a column, `shape` says how rows
    follow from the content, `explode` is a column with a list, and with `has_apostrophes`, values
    lose the apostrophe that keeps a spreadsheet from reading a number. With `has_short_lines`, a
    line may lack its last cells. `packed` are the columns whose cells have several items.
    """

    delimiter: str | None = None
    encoding: str | None = None
    sheet: str = ""
    decimal: str = "."
    header: tuple[str, ...] = ()
    has_quotes: bool = True
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shape: RowShape | None = None
    explode: str | None = None
    has_apostrophes: bool = False
    has_short_lines: bool = False
    packed: Mapping[str, PackedCell] = field(default_factory=dict)


@dataclass(frozen=True)
class TableHead:
    """The header of a table: how many rows it and those above it are, its names, and the titles."""

    row_count: int
    names: tuple[str, ...]
    titles: tuple[str, ...] = ()


def table_head(rows: Sequence[Sequence[str]]) -> TableHead | None:
    """Return the header of a table by the first rows of a file; None where no row is one.

    A header has names that do not begin with a digit, and is followed by rows that are no wider.
    Rows above it are titles, which are half as wide at most, unless the rows below have numbers or
    dates. Names that it has twice get the name above them, as in `Net` and `Gross` of `Sale` and of
    `Refund`, or else their place; a column without a name is called by its place.
    """
    for index, row in enumerate(rows[:MOST_TITLE_ROWS]):
        names = _names(row, rows[index - 1] if index else ())
        is_of_groups = _tells_apart(row, rows[index + 1]) if rows[index + 1 :] else False
        names = () if is_of_groups else told_apart(names)
        below = [other for other in rows[index + 1 :] if any(other)]
        if names and below and _fits(names, below, rows[:index]):
            titles = tuple(" ".join(filter(None, other)) for other in rows[:index] if any(other))
            return TableHead(index + 1, names, titles)
    return None


def tables_below(rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Return the places of the rows with which tables begin that stand below each other, parted by
    rows without anything; nothing if there is one table at most.

    A table has the names of two columns or more, and below them rows with numbers or dates. What
    has the same names again is the same table.
    """
    starts = {
        tuple(filter(None, rows[start])): start
        for start, end in _parts(rows)
        if _is_table(rows[start : min(end, start + ROWS_OF_TABLE)])
    }
    return tuple(starts.values()) if len(starts) > 1 else ()


def tables_beside(rows: Sequence[Sequence[str]]) -> Mapping[int, int]:
    """Return the places of the columns with which tables begin that stand beside each other, parted
    by columns without anything, each with its number of rows.
    """
    columns = [list(column) for column in itertools.zip_longest(*rows, fillvalue="")]
    padded = [list(row) for row in zip(*columns, strict=True)]
    return {
        start: sum(map(any, part))
        for start, end in _parts(columns)
        if _is_table(part := [row[start:end] for row in padded])
    }


ROWS_OF_TABLE: Final = 10
"""Rows that are looked at to see whether they are a table."""


def _parts(lines: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Yield the first place of each run of lines with something in them, and that after it."""
    place = 0
    for has_cells, group in itertools.groupby(lines, any):
        length = len(list(group))
        if has_cells:
            yield place, place + length
        place += length


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether rows begin with names, and go on with numbers or dates below them."""
    filled = [row for row in rows if any(row)]
    names = list(filter(None, filled[0])) if filled else []
    is_head = len(names) >= LEAST_COLUMNS and all(map(_is_name, names))
    is_plain = len({name.casefold() for name in names}) == len(names)
    has_numbers = any(_begins_with_digit(cell) for row in filled[1:] for cell in row)
    return is_head and is_plain and has_numbers


def _names(row: Sequence[str], above: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns if a row can be a header; else none."""
    width = _extent(row)
    names = [cell.strip() for cell in row[:width]]
    if width < LEAST_COLUMNS or sum(map(_is_name, names)) < LEAST_NAMED * width:
        return ()
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    doubled = _doubled(names)
    padded = [*above, *[""] * width][:width]
    groups = [next(filter(None, reversed(padded[:place])), "") for place in range(1, width + 1)]
    in_groups = [
        f"{group} {name}".strip() if place in doubled else name
        for place, (group, name) in enumerate(zip(groups, names, strict=True))
    ]
    return tuple(names if _doubled(in_groups) else in_groups)


def _tells_apart(row: Sequence[str], below: Sequence[str]) -> bool:
    """Return whether a row names groups of columns: under each name that it has twice are names
    that the row below has twice, and that differ within their group.
    """
    doubled = _doubled(row[: _extent(row)])
    names = _names(below, row)
    return bool(doubled and names) and not _doubled(names) and doubled <= _doubled(below)


def _doubled(names: Sequence[str]) -> set[int]:
    """Return the places, from 0, of names that stand twice in any case."""
    counts = Counter(map(str.casefold, names))
    return {place for place, name in enumerate(names) if name and counts[name.casefold()] > 1}


def told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Return names, those that stand twice in any case with their places."""
    doubled = _doubled(names)
    return tuple(
        f"{name} (column {place + 1})" if place in doubled else name
        for place, name in enumerate(names)
    )


def places_of(name: str, columns: Iterable[str]) -> list[str]:
    """Return the places of a name that stands twice among those of `told_apart`."""
    pattern = re.compile(rf"{re.escape(name)} \(column (\d+)\)", re.IGNORECASE)
    return [match[1] for match in map(pattern.fullmatch, columns) if match]


def _is_name(cell: str) -> bool:
    return bool(cell) and not _begins_with_digit(cell)


def _begins_with_digit(cell: str) -> bool:
    return cell.lstrip("-+($€£ \u2212")[:1].isdigit()


def _fits(
    names: Sequence[str], below: Sequence[Sequence[str]], above: Sequence[Sequence[str]]
) -> bool:
    """Return whether rows can be those of a table with these names, below others."""
    widths = Counter(map(_extent, below))
    wider = sum(count for width, count in widths.items() if width > len(names))
    usual = max(widths, key=lambda width: (widths[width], width))
    are_titles = all(2 * _extent(row) <= len(names) for row in above)
    has_numbers = any(_begins_with_digit(cell) for row in below for cell in row)
    return wider * 10 <= len(below) and 2 * usual > len(names) and (are_titles or has_numbers)


def _extent(row: Sequence[str]) -> int:
    """Return the number of cells up to the last that has something."""
    return max((number for number, cell in enumerate(row, start=1) if cell.strip()), default=0)


def delimiter_of(file: InputFile) -> str:
    """Return the delimiter that splits the first lines of a CSV file into the most columns,
    the same in most lines.
    """
    if file.format != "csv":
        return ","
    lines = _decoded(file, head_of(file)).splitlines(keepends=True)[:200]
    return max(DELIMITERS, key=lambda delimiter: _columns_by(lines, delimiter))


def _columns_by(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    try:
        widths = Counter(
            len(row) for row in csv.reader(io.StringIO("".join(lines)), delimiter=delimiter) if row
        )
    except csv.Error:
        return 0.0, 0
    ((usual, count),) = widths.most_common(1) or [(1, 0)]
    return (count / widths.total(), usual) if usual > 1 else (0.0, 0)


def title_of(file: InputFile, keys: TableKeys) -> TableHead | None:
    """Return the header of a CSV file that does not begin with it; None for all usual files.

    Only a first line that no reader takes for a header, as a name in it is empty or twice there, or
    it has one column only, is looked at further.
    """
    if file.format != "csv" or keys.header or not file.size:
        return None
    head = head_of(file)
    delimiter = keys.delimiter or delimiter_of(file)
    start = _rows(_decoded(file, head[:_START_BYTES]), delimiter, keys)
    first = next((row for row in start if any(row)), [])
    if (
        len(first) >= LEAST_COLUMNS
        and all(first)
        and len(set(map(str.casefold, first))) == len(first)
    ):
        return None
    rows = list(itertools.islice(_rows(_decoded(file, head), delimiter, keys), _LOOKED_AT))
    found = table_head(rows)
    return found if found and found.names != told_apart(first) else None


def _decoded(file: InputFile, head: bytes) -> str:
    encoding = file.encoding or marked_encoding(head)
    text = b"".join(as_utf_8([head], encoding, file.name, is_whole=False)).removeprefix(
        BYTE_ORDER_MARK
    )
    return text.decode(UTF_8, "surrogateescape")


def _rows(text: str, delimiter: str, keys: TableKeys) -> Iterator[list[str]]:
    try:
        for row in _reader(io.StringIO(text, newline=""), delimiter, keys):
            yield [cell.strip() for cell in row]
    except csv.Error:  # reading handles damaged lines
        return


def _reader(lines: Iterable[str], delimiter: str, keys: TableKeys) -> Iterator[list[str]]:
    quoting: Final = csv.QUOTE_MINIMAL if keys.has_quotes else csv.QUOTE_NONE
    return csv.reader(lines, delimiter=delimiter, quoting=quoting)


def lines_below(file: InputFile, head: TableHead, keys: TableKeys) -> Iterator[bytes]:
    """Yield the lines of a CSV file in UTF-8, from a header of its own on."""
    delimiter = keys.delimiter or delimiter_of(file)
    encoding = file.encoding or marked_encoding(head_of(file))
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerow(head.names)
    yield written.getvalue().encode(UTF_8, "surrogateescape")
    lines = lines_of(replace(file, encoding=encoding))
    texts = (line.decode(UTF_8, "surrogateescape") for line in lines)
    above = _reader(texts, delimiter, keys)
    for _ in range(head.row_count):
        next(above, None)
    # The reader takes no line beyond the record that it returns.
    yield from (text.encode(UTF_8, "surrogateescape") for text in texts)
