"""Workbooks of spreadsheets as text: `write_table` writes the table of a workbook into a copy of
cells between tabs, which is then read as any CSV file, and says which sheets and columns it read.

The parts of a workbook that are read: the sheet with the most rows and those with the same header
(such as a sheet per month), or the one that the mapping names. `table_heads.py` finds the header of
a sheet. Two tables on one sheet are refused.

A number is that of the cell, not as its format shows it: an id 100 is `100`, and 12.5 is `12.5`
whatever the currency and the decimals that the cell has. A time is written as ISO, a boolean as
true or false, and a formula is the value that it had when the workbook was saved.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ecom_assets.core.errors import SourceError
from ecom_assets.core.reading_child import ReadingChild, ReadingLimits
from ecom_assets.ingestion.sources.files.formats import InputFile
from ecom_assets.ingestion.sources.files.measured import (
    limits_of_workbook,
    require_readable_workbook,
)
from ecom_assets.ingestion.sources.files.table_heads import (
    ROWS_OF_TABLE,
    TableHead,
    TableKeys,
    table_head,
    tables_below,
    tables_beside,
)

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_ROWS_OF_HEAD = 60
"""The first rows of a sheet, among which its header must be."""
EXACT_DIGITS: Final = 15
"""The digits of a number that a spreadsheet keeps; it writes zeros in place of those behind them.
"""
_MILLISECOND = timedelta(milliseconds=1)
Cell = Any
"""What a cell holds: a text, a number, a boolean, a time, or an empty text."""


@dataclass(frozen=True)
class Sheet:
    """A sheet with a table: its name, the header, and the rows below it."""

    name: str
    head: TableHead
    rows: tuple[tuple[Cell, ...], ...]
    table_starts: str = ""
    """Where its tables begin, such as `rows 1, 9`, if it has several."""

    @property
    def header(self) -> tuple[str, ...]:
        """Return the names of the columns, to compare them with those of another sheet."""
        return tuple(name.casefold() for name in self.head.names)


@dataclass(frozen=True)
class SheetTable:
    """What was read of a workbook.

    Attributes:
        sheets: The names of the sheets that were read.
        other_sheets: Those of sheets with a table of another header, which were not.
        header_row: The number of the row of the header, from 1.
        titles: The texts above the header.
        number_columns: The columns whose cells are all numbers.
        rounded_columns: The columns with a number of more digits than a spreadsheet keeps.
    """

    sheets: tuple[str, ...]
    other_sheets: tuple[str, ...]
    header_row: int
    titles: tuple[str, ...]
    number_columns: tuple[str, ...]
    rounded_columns: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Return what was read, for people."""
        noun = "sheets" if len(self.sheets) > 1 else "sheet"
        read = f"{noun} {', '.join(map(repr, self.sheets))}, header in row {self.header_row}"
        read += f", below {', '.join(map(repr, self.titles))}" if self.titles else ""
        others = ", ".join(map(repr, self.other_sheets))
        return (
            f"{read}; not read: {others} (`sheet` in the mapping names another)" if others else read
        )


def write_table(file: InputFile, copy: Path, keys: TableKeys) -> SheetTable:
    """Write the table of a workbook as text, its cells separated by tabs.

    Sheets with the same header are one table, such as those of months. The workbook is read in a
    process of its own.

    Raises:
        SourceError: The file cannot be read, takes too much memory or time, has no table, or not
            the sheet that the mapping names.
    """
    limits = limits_of_workbook(Path(file.path))
    with ReadingChild(limits) as child:
        return child.run(file.name, _write_table, file, copy, keys, limits)


def _write_table(file: InputFile, copy: Path, keys: TableKeys, limits: ReadingLimits) -> SheetTable:
    sheets = _sheets_with_tables(file, limits)
    read = _sheets_to_read(file, sheets, keys)
    head = read[0].head
    rows = [row for sheet in read for row in sheet.rows]
    with copy.open("w", encoding="utf-8", newline="") as written:
        lines = csv.writer(written, delimiter="\t", lineterminator="\n")
        lines.writerow(head.names)
        lines.writerows([written_cell(cell, keys.decimal) for cell in row] for row in rows)
    cells_of = {
        name: [cell for cell in cells if cell not in {"", None}]
        for name, cells in zip(head.names, zip(*rows, strict=True), strict=True)
    }
    return SheetTable(
        sheets=tuple(sheet.name for sheet in read),
        other_sheets=tuple(sheet.name for sheet in sheets if sheet not in read),
        header_row=head.row_count,
        titles=head.titles,
        number_columns=tuple(
            name for name, cells in cells_of.items() if cells and all(map(_is_number, cells))
        ),
        rounded_columns=tuple(
            name for name, cells in cells_of.items() if any(map(_is_rounded, cells))
        ),
    )


def _sheets_to_read(file: InputFile, sheets: Sequence[Sheet], keys: TableKeys) -> list[Sheet]:
    """Return the sheet that the mapping names, else the first and those with the same header.

    Raises:
        SourceError: There is none, or it has several tables.
    """
    if not sheets:
        raise SourceError(
            f"{file.path} has no sheet with a header and rows below it; add a row with names."
        )
    named = [sheet for sheet in sheets if sheet.name == keys.sheet]
    if keys.sheet and not named:
        names = ", ".join(repr(sheet.name) for sheet in sheets)
        raise SourceError(
            f"{file.path} has no sheet {keys.sheet!r} with a table, but {names}; correct `sheet`."
        )
    first = (named or sheets)[0]
    _require_one_table(file, first.name, first.table_starts)
    return [first] if keys.sheet else [sheet for sheet in sheets if sheet.header == first.header]


def as_json(table: SheetTable) -> str:
    """Return what was read as text, which `from_json` reads."""
    return json.dumps(vars(table))


def from_json(text: str) -> SheetTable:
    """Return what was read by the text of `as_json`."""
    values: dict[str, Any] = json.loads(text)
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return SheetTable(**{**values, **lists})


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _is_rounded(cell: Cell) -> bool:
    return _is_number(cell) and float(cell).is_integer() and abs(cell) >= 10**EXACT_DIGITS


def written_cell(cell: Cell, decimal: str = ".") -> str:
    """Return what a cell holds as text."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int | float):
        whole = int(cell) if float(cell).is_integer() else None
        number = str(whole) if whole is not None else f"{Decimal(repr(cell)):f}"
        return number.replace(".", decimal)
    if isinstance(cell, datetime):
        return str(
            (cell + _MILLISECOND / 2).replace(microsecond=0) if _is_near_second(cell) else cell
        )
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return "" if cell is None else str(cell)


def _is_near_second(moment: datetime) -> bool:
    """Return whether a time is a whole second but for the rounding of the
    days that spreadsheets count.
    """
    return min(moment.microsecond, 1_000_000 - moment.microsecond) < _MILLISECOND / timedelta(
        microseconds=1
    )


def _sheets_with_tables(file: InputFile, limits: ReadingLimits) -> list[Sheet]:
    """Return the visible sheets that have a table, the one with the most rows first."""
    from python_calamine import CalamineError  # noqa: PLC0415 (most runs read no workbook)

    require_readable_workbook(Path(file.path), file.name, limits)
    try:
        with _open_workbook(file) as workbook:
            found = (_sheet_of(file, workbook, name) for name in _visible_names(workbook))
            sheets = [sheet for sheet in found if sheet is not None]
    except (CalamineError, OSError) as error:
        raise SourceError(
            f"{file.path} is not a workbook that can be read ({error}); save it again, or as CSV."
        ) from error
    return sorted(sheets, key=lambda sheet: len(sheet.rows), reverse=True)


def _table_starts(cells: Sequence[Sequence[Cell]], *, has_header: bool) -> str:
    """Return where the tables of a sheet begin, if it has several; else nothing.

    Blocks of columns beside each other are one table, with an empty column in it, if a header was
    found and all have the same number of rows.
    """
    rows: list[list[str]] = []
    row_of_table = 0
    for row in cells:  # only the first rows of a table show what it is
        row_of_table = row_of_table + 1 if any(cell not in {"", None} for cell in row) else 0
        rows.append(_texts_of_row(row) if row_of_table <= ROWS_OF_TABLE else ["…"])
    below = tables_below(rows)
    if below:
        return f"rows {', '.join(str(place + 1) for place in below)}"
    beside = tables_beside(list(map(_texts_of_row, cells[:_ROWS_OF_HEAD])))
    are_several = len(set(beside.values()) if has_header else beside) > 1
    return f"columns {', '.join(str(place + 1) for place in beside)}" if are_several else ""


def _texts_of_row(row: Sequence[Cell]) -> list[str]:
    return [written_cell(cell).strip() for cell in row]


def _require_one_table(file: InputFile, sheet: str, table_starts: str) -> None:
    """Refuse a sheet with several tables: rows of one would be read as rows of another.

    Raises:
        SourceError: It has.
    """
    if table_starts:
        raise SourceError(
            f"{file.path} has several tables on the sheet {sheet!r}, which begin in "
            f"{table_starts}; put each on a sheet or in a file of its own."
        )


def _open_workbook(file: InputFile) -> "CalamineWorkbook":
    from python_calamine import CalamineWorkbook, PasswordError  # noqa: PLC0415 (most runs read no workbook)

    try:
        return CalamineWorkbook.from_path(file.path)
    except PasswordError as error:
        raise SourceError(f"{file.path} needs a password; save it without one.") from error


def _visible_names(workbook: "CalamineWorkbook") -> list[str]:
    """Return the names of the visible sheets, of all where the workbook says it of none."""
    sheets = workbook.sheets_metadata
    visible = [sheet.name for sheet in sheets if str(sheet.visible).endswith("Visible")]
    return visible or list(workbook.sheet_names)


def _sheet_of(file: InputFile, workbook: "CalamineWorkbook", name: str) -> Sheet | None:
    """Return a sheet with its table; None if it has none.

    Raises:
        SourceError: It has several, none of which can be read.
    """
    sheet = workbook.get_sheet_by_name(name)
    cells = [list(row) for row in sheet.to_python(skip_empty_area=False)]
    head = table_head(list(map(_texts_of_row, cells[:_ROWS_OF_HEAD])))
    table_starts = _table_starts(cells, has_header=head is not None)
    if head is None:
        _require_one_table(file, name, table_starts)
        return None
    _fill_merged(sheet, cells, head.row_count)
    body = [row for row in cells[head.row_count :] if any(cell != "" for cell in row)]
    return replace(_with_names_of_all_cells(name, head, body), table_starts=table_starts)


def _fill_merged(sheet: "CalamineSheet", cells: Sequence[list[Cell]], first_row: int) -> None:
    """Write the value of cells that are merged over several rows into each of them."""
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if top >= first_row and left == right and bottom < len(cells):
            for row in cells[top + 1 : bottom + 1]:
                row[left] = cells[top][left]


def _with_names_of_all_cells(name: str, head: TableHead, rows: Iterable[Sequence[Cell]]) -> Sheet:
    """Return a sheet whose rows have a name for each cell;
    notes beside the table get one of their own.
    """
    body = list(rows)
    width = max((len(row) for row in body), default=0)
    extra = [
        at
        for at in range(len(head.names), width)
        if any(row[at] != "" for row in body if len(row) > at)
    ]
    names = (*head.names, *(f"column {at + 1}" for at in extra))
    wanted = [*range(len(head.names)), *extra]
    padded = tuple(tuple(row[at] if at < len(row) else "" for at in wanted) for row in body)
    return Sheet(name, TableHead(head.row_count, names, head.titles), padded)
