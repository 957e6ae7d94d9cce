"""The values of a file as text, and what they are: times in which formats, numbers with which separators."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from ecom_assets.errors import SourceError
from ecom_assets.sources.files.columns import columns_of
from ecom_assets.sources.files.damage import with_encoding
from ecom_assets.sources.files.formats import InputFile, find_files, head_of
from ecom_assets.sources.files.mapping import EventMapping
from ecom_assets.sources.files.plain import Numerals
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.sources.files.sql import json_pointer
from ecom_assets.sources.files.text_blocks import UTF_8, as_utf_8, marked_encoding
from ecom_assets.sources.files.unpacked import unpacked
from ecom_assets.warehouse.sql_text import ident, instant, select, text

TABLE = "values_of_file"
DELIMITERS = (",", ";", "\t", "|")
MOST_ODD_SHARE = 0.05
"""A format must read so many of a column's values; the rest are damaged rows."""
DATES = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%Y/%m/%d",
    "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y%m%d",
)  # fmt: skip
CLOCKS = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S", ", %H:%M:%S", ", %H:%M", " %I:%M:%S %p", " %I:%M %p", ", %I:%M %p")
EPOCHS = {"epoch_s": (9, 10), "epoch_ms": (12, 13), "epoch_us": (15, 16)}
NUMBERS = {
    ".": Numerals(has_currency=True),
    ",": Numerals(decimal=",", thousands=".", has_currency=True),
    ". with ,": Numerals(thousands=",", has_currency=True),
}
"""How amounts are written, by the separator of decimals: `1234.50`, `1.234,50` and `1,234.50`."""
WHOLE = "."
"""The only form of whole numbers, which all forms read alike."""
EMAIL = r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"
ZONED = r"(Z|UTC|[+-]\d\d(:?\d\d)?)$"


@dataclass(frozen=True)
class Value:
    """A value that rows have: its path, and its SQL over the columns of the file."""

    path: tuple[str, ...]
    sql: str
    place: int

    @property
    def name(self) -> str:
        """Return its path as text."""
        return ".".join(self.path)

    @property
    def column(self) -> str:
        """Return its quoted column in the table of all values."""
        return f"v{self.place}"

    @property
    def is_column(self) -> bool:
        """Return whether it is a column of the file itself."""
        return len(self.path) == 1


@dataclass(frozen=True)
class FileValues:
    """All values of files, as text, in a table of an engine of their own."""

    con: duckdb.DuckDBPyConnection
    values: tuple[Value, ...]
    delimiter: str
    encoding: str | None
    row_count: int

    @classmethod
    def read(cls, paths: Sequence[str], encoding: str | None = None) -> "FileValues":
        """Read files whatever their columns; `encoding` is that of text files, None to recognize it.

        Raises:
            SourceError: They cannot be read, or have no rows.
        """
        con = duckdb.connect()
        files = [replace(file, encoding=encoding) for file in unpacked(find_files(paths))]
        delimiter = delimiter_of(files[0])
        columns = [name for name in columns_of(con, files[0], _whole(["?"], delimiter, encoding)).columns if name]
        if not columns:
            raise SourceError(f"{files[0].name} has no columns that can be read; give CSV, JSON lines or Parquet.")
        opened = RecordFiles.open(con, paths, _whole(columns, delimiter, encoding))
        rows = select("properties AS p", f"({opened.received_sql()})", "malformed_row IS NULL")
        con.execute(f"CREATE TEMP TABLE rows_of_file AS {rows}")
        values = tuple(
            Value(path, sql, place) for place, (path, sql) in enumerate(_paths(con, [(name,) for name in columns]))
        )
        cells = [f"nullif(trim({_cell(value.path)}), '') AS {value.column}" for value in values]
        con.execute(f"CREATE TEMP TABLE {TABLE} AS {select(cells, 'rows_of_file')}")
        ((count,),) = con.execute(select("count(*)", TABLE)).fetchall()
        if not count:
            raise SourceError(f"{files[0].name} holds no rows that can be read; give a file that does.")
        known = None if files[0].format == "parquet" else with_encoding(opened.files()[0]).encoding
        return cls(con, values, delimiter, known, count)

    def one(self, expression: str, *, where: str = "") -> Any:  # noqa: ANN401 (whatever the expression is)
        """Return the value of an aggregate."""
        ((result,),) = self.con.execute(select(expression, TABLE, where)).fetchall()
        return result

    def filled(self, value: Value) -> int:
        """Return how many rows have a value."""
        return int(self.one(f"count({value.column})"))

    def different(self, value: Value) -> int:
        """Return how many different values there are."""
        return int(self.one(f"count(DISTINCT {value.column})"))

    def counts(self, value: Value, most: int = 200) -> list[tuple[str, int]]:
        """Return values with their number of rows, the most frequent first."""
        grouped = select(f"{value.column}, count(*)", TABLE, f"{value.column} IS NOT NULL", value.column)
        return list(self.con.execute(f"{grouped} ORDER BY 2 DESC, 1 LIMIT {most}").fetchall())

    def matching(self, value: Value, pattern: str) -> int:
        """Return how many values are as a whole of a pattern."""
        return int(self.one(f"count(*) FILTER (regexp_full_match({value.column}, {text(pattern)}))"))

    def are_emails(self, value: Value) -> bool:
        """Return whether all values are e-mail addresses."""
        return 0 < self.filled(value) == self.matching(value, EMAIL)

    def time_formats(self, value: Value) -> list[str]:
        """Return the formats that read the most values of the whole column; none if no format reads nearly all."""
        filled = self.filled(value)
        if not filled:
            return []
        for form, (low, high) in EPOCHS.items():
            if self.matching(value, rf"[1-9]\d{{{low - 1},{high - 1}}}(\.\d+)?") == filled:
                return [form]
        forms = ["iso", *(f"{date}{clock}" for date in DATES for clock in CLOCKS)]
        counted = [f"count({instant(value.column, [form], 'UTC')})" for form in forms]
        read = self.con.execute(select(counted, TABLE)).fetchall()[0]
        best = max(read)
        if best < filled * (1 - MOST_ODD_SHARE):
            return []
        found = [form for form, count in zip(forms, read, strict=True) if count == best]
        return ["iso"] if "iso" in found else found

    def has_zone(self, value: Value) -> bool:
        """Return whether all times have a zone or an offset of their own."""
        zoned = f"regexp_matches({value.column}, {text(ZONED)}) AND contains({value.column}, ':')"
        return int(self.one(f"count(*) FILTER ({zoned})")) >= self.filled(value)

    def number_forms(self, value: Value) -> list[str]:
        """Return the keys of `NUMBERS` that read the most values; one if all say the same, none for other text."""
        filled = self.filled(value)
        counted = [f"count({form.number_sql(value.column)})" for form in NUMBERS.values()]
        counted.append(f"count(*) FILTER (regexp_full_match({value.column}, '-?\\d+'))")
        *read, whole = self.con.execute(select(counted, TABLE)).fetchall()[0]
        if not filled or max(read) < filled * (1 - MOST_ODD_SHARE):
            return []
        if whole == max(read):
            return [WHOLE]
        return [form for form, count in zip(NUMBERS, read, strict=True) if count == max(read)]

    def has_signs(self, value: Value) -> bool:
        """Return whether any amount has the sign or the code of a currency beside it."""
        return bool(self.one(f"count(*) FILTER (regexp_matches({value.column}, '[\\p{{Sc}}A-Za-z]'))"))


def delimiter_of(file: InputFile) -> str:
    """Return the delimiter that splits the first lines of a CSV file into the most columns, the same in each line."""
    if file.format != "csv":
        return ","
    head = head_of(file)
    decoded = b"".join(as_utf_8([head], marked_encoding(head), file.name, is_whole=False))
    lines = decoded.decode(UTF_8, "surrogateescape").splitlines(keepends=True)[:200]
    return max(DELIMITERS, key=lambda delimiter: _columns_by(lines, delimiter))


def _columns_by(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    try:
        widths = [len(row) for row in csv.reader(io.StringIO("".join(lines)), delimiter=delimiter) if row]
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] == 1:
        return 0.0, 0
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _whole(columns: Sequence[str], delimiter: str, encoding: str | None) -> EventMapping:
    """Return a mapping that keeps all columns, as JSON, of whatever rows."""
    members = ", ".join(f"{text(name)}, {ident(name)}" for name in columns)
    return EventMapping.model_validate({
        "name": "init",
        "delimiter": delimiter,
        "encoding": encoding,
        "other_columns": "ignore",
        "fields": {
            "event_id": {"hash_of": columns, "equal_rows": "merge", "optional": ["*"]},
            "event_type": {"expression": "'row'"},
            "event_timestamp": {"expression": "'2026-01-01'"},
            "user_id": {"expression": "'row'"},
            "properties": {"expression": f"json_object({members})", "optional": True},
        },
    })  # fmt: skip


def _paths(
    con: duckdb.DuckDBPyConnection, columns: Sequence[tuple[str, ...]], depth: int = 2
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the paths of columns, and of the members of those that hold JSON objects, each with its SQL."""
    for path in columns:
        inner = _members(con, path) if depth else []
        if inner:
            yield from _paths(con, [(*path, name) for name in inner], depth - 1)
        else:
            yield path, _sql_of(path)


def _members(con: duckdb.DuckDBPyConnection, path: tuple[str, ...]) -> list[str]:
    value = _cell(path)
    is_object = f"CASE WHEN json_valid({value}) THEN json_type({value}) = 'OBJECT' ELSE false END"
    rows = con.execute(f"{select(value, 'rows_of_file', is_object)} LIMIT 1000").fetchall()
    return list(dict.fromkeys(name for (cell,) in rows for name in json.loads(cell)))


def _cell(path: tuple[str, ...]) -> str:
    """Return the SQL of a value in the JSON of a row, in which each column of the file is text."""
    column = f"(p->>{text(json_pointer(path[0]))})"
    return column if len(path) == 1 else f"TRY({column}->>{text(_pointer(path[1:]))})"


def _pointer(path: Sequence[str]) -> str:
    return "".join(json_pointer(name) for name in path)


def _sql_of(path: tuple[str, ...]) -> str:
    if len(path) == 1:
        return ident(path[0])
    return f"{ident(path[0])}->>{text(_pointer(path[1:]))}"
