"""Files whose rows are not their lines, see `shape.py`, as rows: one JSON object each."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping

from ecom_assets.errors import SourceError
from ecom_assets.sources.files.formats import InputFile
from ecom_assets.sources.files.shape import FlatRow, RowShape, documents_in, records_in, rows_of
from ecom_assets.sources.files.text_blocks import UTF_8, blocks_of

_encoded = json.JSONEncoder(ensure_ascii=False).encode
FORMULA = frozenset("0123456789+-=@")
"""What begins a number or a formula; an apostrophe before anything else is part of a name, as in 's-Gravenhage."""


def shaped_rows(file: InputFile, shape: RowShape) -> Iterator[FlatRow | str]:
    """Yield the rows of a JSON file; a line that is not JSON, or a record that is no object, as text.

    Raises:
        SourceError: The file is not JSON to its end.
    """
    for number, record in enumerate(shaped_records(file, shape), start=1):
        if isinstance(record, dict):
            yield from rows_of(record, shape, number)
        else:
            yield record if isinstance(record, str) else json.dumps(record)


def shaped_records(file: InputFile, shape: RowShape) -> Iterator[object]:
    """Yield the records of a JSON file, and lines that are not JSON as text.

    Raises:
        SourceError: The file is not JSON to its end.
    """
    for document in _documents(file):
        yield from records_in(document, shape)


def _documents(file: InputFile) -> Iterator[object]:
    text = b"".join(blocks_of(file)).decode(UTF_8, "backslashreplace")
    lines = [line for line in text.split("\n") if line.strip()]
    # Where the first line is a document of its own, the others are, too, and a damaged one is lost alone.
    if len(lines) > 1 and (first := _documents_of(lines[0])):
        yield from first
        for line in lines[1:]:
            yield from _documents_of(line) or [line]
        return
    try:
        yield from documents_in(text)
    except (ValueError, RecursionError) as error:
        where = f"; it cannot be read at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise SourceError(f"{file.name} is not JSON to its end{where}; deliver it again") from error


def _documents_of(line: str) -> list[object]:
    """Return the documents of a line; none if it is damaged."""
    try:
        return list(documents_in(line))
    except (ValueError, RecursionError):
        return []


def as_json(row: FlatRow, needed: Iterable[str]) -> bytes:
    """Return the columns of a row that are needed as a line of JSON."""
    needed_values = {name: row[name] for name in needed if row.get(name) is not None}
    return _encoded(needed_values).encode(UTF_8, "replace")


def without_apostrophe(cell: str) -> str:
    """Return a value without the apostrophe that keeps a spreadsheet from reading a number or a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:2] in FORMULA else cell


def csv_row(line: bytes, indexes: Mapping[str, int], delimiter: str, *, has_apostrophes: bool) -> dict[str, str]:
    """Return some columns of a line of a CSV file, given the index of each."""
    cells = next(csv.reader([line.decode(UTF_8)], delimiter=delimiter))
    if has_apostrophes:
        return {name: without_apostrophe(cells[index]) for name, index in indexes.items()}
    return {name: cells[index] for name, index in indexes.items()}
