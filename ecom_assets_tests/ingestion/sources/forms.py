"""Forms in which people and programs write one table, and what each kind of record reads of it.

A form is written here by hand or by a library that the platform does not read with.
"""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets_tests.ingestion.sources.workbook import write_xlsx


@dataclass(frozen=True)
class PlainTable:
    """A table as texts: names, rows, the columns with numbers that have decimals, and those with
    whole numbers.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    decimals: tuple[str, ...]
    numbers: tuple[str, ...] = field(default=())

    def with_cells(self, change: Callable[[str, str], str]) -> "PlainTable":
        """Return the table with each cell changed by its column's name and its text."""
        changed = tuple(
            tuple(change(name, cell) for name, cell in zip(self.names, row, strict=True))
            for row in self.rows
        )
        return PlainTable(self.names, changed, self.decimals, self.numbers)

    def with_columns(self, names: Sequence[str], cells: Sequence[Sequence[str]]) -> "PlainTable":
        """Return the table with more columns behind the others."""
        rows = tuple((*row, *more) for row, more in zip(self.rows, cells, strict=True))
        return PlainTable((*self.names, *names), rows, self.decimals, self.numbers)

    def renamed(self, names: Mapping[str, str]) -> "PlainTable":
        """Return the table with other names of some columns."""
        changed = tuple(names.get(name, name) for name in self.names)
        decimals = tuple(names.get(name, name) for name in self.decimals)
        return PlainTable(changed, self.rows, decimals, self.numbers)

    def text(self, delimiter: str = ",") -> str:
        """Return the table as delimited text, as RFC 4180 has it."""
        written = io.StringIO()
        writer = csv.writer(written, delimiter=delimiter, lineterminator="\n")
        writer.writerow(self.names)
        writer.writerows(self.rows)
        return written.getvalue()

    def objects(self) -> list[dict[str, object]]:
        """Return the rows as objects of JSON: numbers as numbers, nothing where a cell is empty."""
        return [
            {
                name: float(cell) if name in {*self.decimals, *self.numbers} else cell
                for name, cell in zip(self.names, row, strict=True)
                if cell
            }
            for row in self.rows
        ]


Write = Callable[[Path, PlainTable], Path]


@dataclass(frozen=True)
class Form:
    """A form of a file: what the docs call it, how it is written, and the words by which a refusal
    names it.
    """

    label: str
    write: Write
    named_by: str = ""


def _written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _delimited(delimiter: str) -> Write:
    return lambda folder, table: _written(folder / "f.csv", table.text(delimiter))


def _encoded(encoding: str) -> Write:
    return lambda folder, table: _written(folder / "f.csv", table.text().encode(encoding))


def _around(above: str, below: str = "") -> Write:
    return lambda folder, table: _written(folder / "f.csv", f"{above}{table.text()}{below}")


def _zip(folder: Path, table: PlainTable) -> Path:
    with zipfile.ZipFile(folder / "f.zip", "w") as archive:
        archive.writestr("f.csv", table.text())
    return folder / "f.zip"


def _xlsx(folder: Path, table: PlainTable) -> Path:
    numbers = {*table.decimals, *table.numbers}
    rows = [
        [
            float(cell) if name in numbers and cell else cell
            for name, cell in zip(table.names, row, strict=True)
        ]
        for row in table.rows
    ]
    return write_xlsx(folder / "f.xlsx", {"Table": [table.names, *rows]})


def _parquet(folder: Path, table: PlainTable) -> Path:
    numbers = {*table.decimals, *table.numbers}
    columns = {
        name: [
            (float(row[place]) if name in numbers else row[place]) if row[place] else None
            for row in table.rows
        ]
        for place, name in enumerate(table.names)
    }
    pq.write_table(pa.table(columns), folder / "f.parquet")
    return folder / "f.parquet"


def _array(folder: Path, table: PlainTable) -> Path:
    return _written(folder / "f.json", json.dumps(table.objects(), indent=1))


def _lines(folder: Path, table: PlainTable) -> Path:
    return _written(folder / "f.ndjson", "\n".join(map(json.dumps, table.objects())))


def _other_column_twice(folder: Path, table: PlainTable) -> Path:
    notes = [("one", "two") for _ in table.rows]
    return _written(folder / "f.csv", table.with_columns(("Note", "Note"), notes).text())


def _used_column_twice(folder: Path, table: PlainTable) -> Path:
    name = table.names[0]
    others = [("other",) for _ in table.rows]
    return _written(folder / "f.csv", table.with_columns((name,), others).text())


def _backslashes(folder: Path, table: PlainTable) -> Path:
    written = io.StringIO()
    writer = csv.writer(
        written, quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\", lineterminator="\n"
    )
    writer.writerow(table.names)
    writer.writerows(table.rows)
    return _written(folder / "f.csv", written.getvalue())


def _decimal_commas(folder: Path, table: PlainTable) -> Path:
    def with_comma(name: str, cell: str) -> str:
        return cell.replace(".", ",") if name in table.decimals else cell

    return _written(folder / "f.csv", table.with_cells(with_comma).text())


def _formulas(folder: Path, table: PlainTable) -> Path:
    return _written(
        folder / "f.csv", table.with_cells(lambda _, cell: f'="{cell}"' if cell else cell).text()
    )


FORMS: Final[Mapping[str, Form]] = {
    "plain": Form("commas, UTF-8", _delimited(",")),
    "semicolon": Form("`;` between the columns", _delimited(";"), "separated by ';'"),
    "tab": Form("tabs between the columns", _delimited("\t"), r"separated by '\t'"),
    "tsv": Form(
        "tabs, named `.tsv`", lambda folder, table: _written(folder / "f.tsv", table.text("\t"))
    ),
    "utf_16": Form("UTF-16", _encoded("utf-16")),
    "cp1252": Form("Windows-1252", _encoded("cp1252")),
    "bom": Form("a byte order mark", _encoded("utf-8-sig")),
    "gz": Form(
        "`.gz`",
        lambda folder, table: _written(folder / "f.csv.gz", gzip.compress(table.text().encode())),
    ),
    "zip": Form("`.zip`", _zip),
    "xlsx": Form("a workbook", _xlsx),
    "parquet": Form("Parquet", _parquet),
    "array": Form("a JSON array", _array),
    "ndjson": Form("JSON lines", _lines),
    "title": Form("a title above the names", _around("Report of June\n")),
    "empty_above": Form("an empty line above", _around("\n")),
    "empty_below": Form("empty lines below", _around("", "\n\n")),
    "count": Form("a line of counts below", _around("", "(3 rows)\n"), "(3 rows)"),
    "other_twice": Form(
        "a name that stands twice, of a column that is not read",
        _other_column_twice,
        "Note (column ",
    ),
    "used_twice": Form(
        "a name that stands twice, of a column that is read", _used_column_twice, "twice"
    ),
    "backslash": Form(r"`\"` for a quote within quotes", _backslashes),
    "formulas": Form('texts as formulas, `="00123"`', _formulas),
    "comma": Form("a decimal comma", _decimal_commas, "decimal comma"),
}
"""Every form, by its key."""
