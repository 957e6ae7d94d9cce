"""The columns of a file and their kinds, read from its header, footer or first lines."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import duckdb

from ecom_assets.core.errors import MappingError, SourceError
from ecom_assets.core.warehouse.sql_text import ident, pattern_of, select, text
from ecom_assets.ingestion.sources.files.formats import (
    InputFile,
    check_parquet,
    head_of,
    require_text,
)
from ecom_assets.ingestion.sources.files.shape import (
    json_in,
    objects_on,
    shaped_rows,
    text_in_formula,
)
from ecom_assets.ingestion.sources.files.table_heads import (
    TableKeys,
    delimiter_of,
    places_of,
    told_apart,
)
from ecom_assets.ingestion.sources.files.text_blocks import (
    BYTE_ORDER_MARK,
    UTF_8,
    as_utf_8,
    encoding_of_header,
    marked_encoding,
)

_SAMPLE_LINES = 1000
_FIRST_LINES = 10
"""Lines of a CSV file that are always looked at:
reading a thousand of each of many files takes longer than a day.
"""
_PARQUET_KINDS = {
    "VARCHAR": "text",
    "UUID": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "zoned",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    '"NULL"': "null",
    "FLOAT": "number",
    "DOUBLE": "number",
    "BLOB": "binary",
    "JSON": "nested",
}
_DECIMAL_COMMA = re.compile(r"-?\d+,(?:\d{1,2}|\d{4,})")
_MAYBE_COMMA = re.compile(r"-?\d+(?:,\d+)?")
_MOST_DIGITS = 38
_EXACT_UP_TO = {"DOUBLE": 2**53, "FLOAT": 2**24}


@dataclass(frozen=True)
class FileColumn:
    """A column of a file: `kind` is the platform's category of its type,
    `type` the file's own name of it.
    """

    kind: str
    type: str


@dataclass(frozen=True)
class FileColumns:
    """A file's columns by name, in file order, and its first rows if it is a CSV file.

    `rounded` are the floating point columns with numbers too large to represent every whole number,
    so that different ids can become equal. `encoding` is that of a text file as far as its
    beginning says it.
    """

    columns: dict[str, FileColumn]
    delimiter: str = ","
    first_rows: tuple[dict[str, str], ...] = ()
    rounded: frozenset[str] = frozenset()
    encoding: str | None = None

    @property
    def has_formulas(self) -> bool:
        """Return whether cells are written as formulas that say a text, so that a spreadsheet keeps
        the zeros before it: `="00123"`.
        """
        cells = (cell for row in self.first_rows for cell in row.values())
        return any(text_in_formula(cell) != cell for cell in cells)


def columns_of(
    con: duckdb.DuckDBPyConnection,
    file: InputFile,
    keys: TableKeys,
    used: Collection[str] = (),
) -> FileColumns:
    """Return the columns of a file, under the names that a mapping has for them; those of names
    that stand twice with their places.

    Args:
        con: The connection that reads files.
        file: The file.
        keys: What its mapping says of it.
        used: The columns that the mapping reads, by which a header in capitals is recognized.

    Raises:
        SourceError: The content does not match the file extension, or has no usable columns.
    """
    if file.format == "parquet":
        return _parquet(con, file, keys.explode)
    head = head_of(file)
    encoding = file.encoding or marked_encoding(head)
    text_head = _text_head(file, head, encoding)
    if file.format == "ndjson":
        members: Iterable[Iterable[tuple[str, object]]]
        if keys.shape:
            rows = islice(shaped_rows(replace(file, encoding=encoding), keys.shape), _SAMPLE_LINES)
            members = (row.items() for row in rows if isinstance(row, dict))
        else:
            lines = [line for line in text_head.splitlines() if line.strip()]
            objects = chain.from_iterable(map(objects_on, lines[:_SAMPLE_LINES]))
            members = (_members(line, keys.explode) for line in objects)
        return FileColumns(_columns_in(members), encoding=encoding)
    is_tsv = ".tsv" in Path(file.path).suffixes
    delimiter = "\t" if is_tsv else keys.delimiter or delimiter_of(file)
    if file.is_sheet:
        keys = replace(keys, has_quotes=True)
    result = _csv(file, text_head, delimiter, keys, used)
    header = delimiter.join(result.columns).encode(UTF_8, "surrogateescape")
    if encoding is None and (encoding := encoding_of_header(header, file.name)):
        result = _csv(file, _text_head(file, head, encoding), delimiter, keys, used)
    return replace(result, encoding=encoding)


def _text_head(file: InputFile, head: bytes, encoding: str | None) -> bytes:
    result = b"".join(as_utf_8([head], encoding, file.name, is_whole=False)).removeprefix(
        BYTE_ORDER_MARK
    )
    require_text(file, result)
    return result


def _csv_reader(head: bytes, delimiter: str, *, has_quotes: bool) -> "Iterator[list[str]]":
    lines = io.StringIO(head.decode(UTF_8, errors="surrogateescape"), newline="")
    return csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE
    )


def _csv(
    file: InputFile, head: bytes, delimiter: str, keys: TableKeys, used: Collection[str]
) -> FileColumns:
    rows = _csv_reader(head, delimiter, has_quotes=keys.has_quotes)
    try:
        names = list(keys.header) or next((row for row in rows if row), [])
    except csv.Error as error:
        limit = csv.field_size_limit()
        raise SourceError(
            f"{file.name} has no header that can be read: a name in it has more than {limit} "
            "characters, or its quotes do not end; correct its first line"
        ) from error
    if not names:
        raise SourceError(
            f"{file.name} holds nothing but blank lines; deliver it again or remove it"
        )
    if not all(name.strip() for name in names):
        raise SourceError(f"{file.name} has a column without a name in its header; name it")
    names = _known_names(_from_capitals(told_apart(names), used), keys.aliases)
    first_rows = _csv_rows(rows, names, _FIRST_LINES)
    columns = {name: FileColumn("text", "text") for name in names}
    return FileColumns(columns, delimiter, first_rows)


def sample_of(file: InputFile, result: FileColumns, keys: TableKeys) -> tuple[dict[str, str], ...]:
    """Return rows of a CSV file from its beginning, more than `first_rows`; none of other files."""
    if not result.first_rows:
        return ()
    head = _text_head(file, head_of(file), result.encoding)
    rows = _csv_reader(head, result.delimiter, has_quotes=keys.has_quotes)
    if not keys.header:
        next(row for row in rows if row)
    return _csv_rows(rows, list(result.columns), _SAMPLE_LINES)


def delimiter_in_name(file: InputFile, columns: Collection[str]) -> str:
    """Return the delimiter that the name of the only column of a file holds, with all names that
    it separates; else an empty text.
    """
    only = next(iter(columns)) if len(columns) == 1 and file.format == "csv" else ""
    return next((separator for separator in (";", "\t", "|", ",") if separator in only), "")


def separated_by(file: InputFile, delimiter: str, name: str, how_to_map: str) -> str:
    """Return the sentence about a file whose columns are separated by another delimiter than its
    mapping expects.
    """
    return (
        f"{file.name} is separated by {delimiter!r}, which mapping {name!r} does not expect; "
        f"{how_to_map} with `delimiter: {json.dumps(delimiter)}`, or save the file with commas"
    )


def require_once(file: InputFile, columns: Collection[str], names: Iterable[str]) -> None:
    """Refuse a file in which a name that is read stands twice.

    Raises:
        MappingError: It does.
    """
    if not any(" (column " in column for column in columns):  # as of nearly all files
        return
    for name in names:
        if places := places_of(name, columns):
            raise MappingError(
                f"{file.name} has the name {name!r} twice, in columns {' and '.join(places)}; "
                f"rename the one that is not meant, or map '{name} (column {places[0]})'"
            )


def decimal_comma(file: InputFile, found: FileColumns, keys: TableKeys, column: str) -> str:
    """Return a number of a column of a CSV file that is written with a decimal comma; empty if not
    all can be.
    """
    if not _decimal_comma_in(filled(found.first_rows, column)):
        return ""
    return _decimal_comma_in(filled(sample_of(file, found, keys), column))


def filled(rows: Iterable[Mapping[str, str]], column: str) -> list[str]:
    """Return what rows have in a column, without blanks around it, where they have anything."""
    return [row[column].strip() for row in rows if row.get(column, "").strip()]


def _decimal_comma_in(values: Collection[str]) -> str:
    commas = [value for value in values if _DECIMAL_COMMA.fullmatch(value)]
    are_all = all(map(_MAYBE_COMMA.fullmatch, values))
    return next(iter(commas), "") if are_all else ""


def _known_names(names: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of a header, those in another language as the mapping names them."""
    ours = {alias: name for name, others in aliases.items() for alias in others}
    # Where a file has the name itself, a column with an alias of it is another one.
    return [ours[name] if name in ours and ours[name] not in names else name for name in names]


def _from_capitals(names: Sequence[str], used: Collection[str]) -> Sequence[str]:
    """Return a header in capitals only, as Snowflake exports it, as a mapping has the names,
    else in small letters.

    A header is left as it is if the mapping reads a column by its name in capitals, or `used` is
    empty.
    """
    if not used or any(name != name.upper() for name in names) or not set(used).isdisjoint(names):
        return names
    by_capitals = {column.upper(): column for column in sorted(used)}
    return [by_capitals.get(name, name.lower()) for name in names]


def _csv_rows(
    rows: Iterable[list[str]], names: Sequence[str], most: int
) -> tuple[dict[str, str], ...]:
    sample: list[dict[str, str]] = []
    whole = (dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names))
    with suppress(
        csv.Error
    ):  # reading handles damaged lines; the sample, of those before, is for hints only
        sample.extend(islice(whole, most))
    return tuple(sample)


def _columns_in(rows: Iterable[Iterable[tuple[str, object]]]) -> dict[str, FileColumn]:
    columns: dict[str, FileColumn] = {}
    for row in rows:
        for name, value in row:
            kind = _json_kind(value)
            before = columns.get(name)
            if before is None or before.kind == "null":
                columns[name] = FileColumn(kind, kind)
            elif kind not in {before.kind, "null"}:
                # Ids can be numbers in one line and text in another; one odd value must not fail
                # the file.
                columns[name] = FileColumn("mixed", "mixed")
    return columns


def _members(line: bytes, exploded: str | None) -> Iterable[tuple[str, object]]:
    row = json_in(line)
    if not isinstance(row, dict):
        return
    yield from row.items()
    for element in (
        row.get(exploded, []) if exploded and isinstance(row.get(exploded), list) else []
    ):
        if isinstance(element, dict):
            yield from ((f"{exploded}.{name}", value) for name, value in element.items())


def _json_kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "nested"


def _parquet(con: duckdb.DuckDBPyConnection, file: InputFile, exploded: str | None) -> FileColumns:
    if file.size == 0:
        raise SourceError(f"{file.name} is empty (0 bytes); deliver it again or remove it")
    check_parquet(file)
    source = f"read_parquet({text(pattern_of(file.path))}, hive_partitioning=false)"
    try:
        rows = con.execute(f"DESCRIBE {select('*', source)}").fetchall()
        columns = {row[0]: FileColumn(_parquet_kind(row[1]), row[1]) for row in rows}
        if exploded and exploded in columns and columns[exploded].type.endswith("[]"):
            inner = select("unnest(e)", select(f"unnest({ident(exploded)}) AS e", source))
            for row in con.execute(f"DESCRIBE {inner}").fetchall():
                columns[f"{exploded}.{row[0]}"] = FileColumn(_parquet_kind(row[1]), row[1])
        columns |= _too_wide(con, file, columns)
        rounded = _rounded(con, file, columns)
    except duckdb.Error as error:
        raise SourceError(f"{file.name} is a damaged Parquet file; deliver it again") from error
    return FileColumns(columns, rounded=rounded)


def _too_wide(
    con: duckdb.DuckDBPyConnection, file: InputFile, columns: dict[str, FileColumn]
) -> dict[str, FileColumn]:
    """Return the decimal columns with more digits than the engine supports,
    which it would read as floating point.
    """
    if not any("DOUBLE" in column.type for column in columns.values()):
        return {}
    schema = f"parquet_schema({text(pattern_of(file.path))})"
    rows = con.execute(
        select("name, precision, scale", schema, f"precision > {_MOST_DIGITS}")
    ).fetchall()
    wide = {
        name: FileColumn("inexact", f"DECIMAL({precision}, {scale})")
        for name, precision, scale in rows
    }
    return {
        name: wide[name.rpartition(".")[2]] for name in columns if name.rpartition(".")[2] in wide
    }


def _rounded(
    con: duckdb.DuckDBPyConnection, file: InputFile, columns: dict[str, FileColumn]
) -> frozenset[str]:
    exact = {
        name: _EXACT_UP_TO[column.type]
        for name, column in columns.items()
        if column.type in _EXACT_UP_TO
    }
    own = [name for name in exact if "." not in name]
    if not own:
        return frozenset()
    source = f"read_parquet({text(pattern_of(file.path))}, hive_partitioning=false)"
    sizes = [f"max(abs({ident(name)})) FILTER (WHERE isfinite({ident(name)}))" for name in own]
    result = con.execute(select(sizes, source)).fetchone() or ()
    return frozenset(
        name
        for name, size in zip(own, result, strict=True)
        if size is not None and size > exact[name]
    )


def _parquet_kind(kind: str) -> str:
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return "nested"
    if "INT" in kind or kind.startswith("DECIMAL"):
        return "number"
    if kind.startswith("ENUM"):
        return "text"
    return _PARQUET_KINDS.get(kind, "other")
