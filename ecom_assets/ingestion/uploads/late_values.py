"""States of orders, and types of events, that a large file has after its beginning only: their rows
are added to the beginning, so that a look asks about them, with all of their rows and money.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ecom_assets.core.errors import EcomError
from ecom_assets.core.warehouse.local import within_child
from ecom_assets.core.warehouse.sql_text import ident, select, text, texts
from ecom_assets.ingestion.sources.files.damage import with_encoding
from ecom_assets.ingestion.sources.files.formats import InputFile, find_files
from ecom_assets.ingestion.sources.files.sql import json_pointer, line_source, parquet_source
from ecom_assets.ingestion.sources.files.text_blocks import UTF_8, blocks_of
from ecom_assets.ingestion.sources.proposal.fields import MappingKind, found_fields, state_columns
from ecom_assets.ingestion.sources.proposal.record_kinds import kind_of
from ecom_assets.ingestion.sources.proposal.values import FIRST, FileValues, Value

MOST_VALUES: Final = 500
"""Values that a column of states or of event types has at most in the beginning."""
MOST_ROWS: Final = 50_000
"""Rows of further values that are looked at."""
BATCH_ROWS: Final = 50_000

Seen = Mapping[Value, set[str]]
"""The values about which a person is asked, each with the texts that the beginning has of it."""


def add_late_values(original: Path, beginning: Path) -> None:
    """Add rows of a large file to its beginning: those whose state, or type of event, none of the
    rows before has.
    """
    with suppress(EcomError, duckdb.Error):  # the look itself says what is wrong with the file
        values = FileValues.read([str(beginning)])
        if seen := _asked_values(values):
            _ADDED[values.format](values, seen, original, beginning)


def _asked_values(values: FileValues) -> Seen:
    kind = kind_of(values)
    asked = list[Value]()
    if kind is MappingKind.EVENTS:
        asked = [found_fields(values, kind)["event_type"].value]
    elif kind is MappingKind.ORDERS:
        fields = found_fields(values, kind)
        asked = [fields["status"].value] if "status" in fields else []
        asked += state_columns(values, fields)
    seen = {
        value: {content.strip() for content, _ in values.counts(value, MOST_VALUES)}
        for value in asked
        if FIRST not in value.path[1:]
    }
    return {value: contents for value, contents in seen.items() if contents}


def _new(column: str, seen: set[str]) -> str:
    """Return the SQL of whether a text is none of those seen."""
    return (
        f"(nullif(trim({column}), '') IS NOT NULL AND trim({column}) NOT IN {texts(sorted(seen))})"
    )


def _add_lines(values: FileValues, seen: Seen, original: Path, beginning: Path) -> None:
    """Add lines of a CSV file."""
    options = {
        "delim": text(values.delimiter),
        "header": "true",
        "all_varchar": "true",
        "quote": text('"'),
        "strict_mode": "false",
        "ignore_errors": "true",
    }
    arguments = ", ".join(f"{name} = {value}" for name, value in options.items())
    with _in_utf_8(original, values, beginning) as path, within_child(duckdb.connect()) as con:
        rows = f"read_csv({text(str(path))}, {arguments})"
        names = [name for name, *_ in con.execute(f"DESCRIBE {select('*', rows)}").fetchall()]
        new = [
            _new(ident(value.name), contents)
            for value, contents in seen.items()
            if value.name in names
        ]
        if not new:
            return
        late = con.execute(f"{select('*', rows, ' OR '.join(new))} LIMIT {MOST_ROWS}").fetchall()
    written = io.StringIO()
    csv.writer(written, delimiter=values.delimiter, lineterminator="\n").writerows(late)
    _append(written.getvalue(), values, beginning)


@contextmanager
def _in_utf_8(original: Path, values: FileValues, beginning: Path) -> Iterator[Path]:
    """Yield a text file in UTF-8: itself, or a copy beside its beginning."""
    (file,) = find_files([str(original)])
    encoding = values.encoding
    if encoding is None and not _is_utf_8(file):  # the beginning has no letter that says it
        encoding = with_encoding(file).encoding
    if encoding in {None, UTF_8}:
        yield original
        return
    copy = beginning.with_name(f"{beginning.name}.utf-8")
    try:
        with copy.open("wb") as written:
            written.writelines(blocks_of(replace(file, encoding=encoding)))
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _is_utf_8(file: InputFile) -> bool:
    decoder = codecs.getincrementaldecoder(UTF_8)()
    try:
        for block in blocks_of(file):
            decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True


def _append(lines: str, values: FileValues, beginning: Path) -> None:
    encoding = values.encoding or UTF_8
    with beginning.open("r+b") as file:
        if encoding == "utf-16":  # with the order of its bytes, and no second mark of it
            is_big = file.read(2) == codecs.BOM_UTF16_BE
            encoding = "utf-16-be" if is_big else "utf-16-le"
        file.seek(0, io.SEEK_END)
        file.write(lines.encode(encoding, "replace"))


def _add_records(values: FileValues, seen: Seen, original: Path, beginning: Path) -> None:
    """Add records of JSON lines."""
    new = [
        _new(f"json_extract_string(line, {text(pointer)})", contents)
        for value, contents in seen.items()
        if (pointer := "".join(map(json_pointer, value.path)))
    ]
    lines = line_source([str(original)], is_gzip=original.name.lower().endswith(".gz"))
    is_new = f"CASE WHEN json_valid(line) THEN {' OR '.join(new)} ELSE false END"
    with within_child(duckdb.connect()) as con:
        late = con.execute(f"{select('line', lines, is_new)} LIMIT {MOST_ROWS}").fetchall()
    _append("".join(f"{line}\n" for (line,) in late), values, beginning)


def _add_rows(_values: FileValues, seen: Seen, original: Path, beginning: Path) -> None:
    """Add rows of a Parquet file, with its own types."""
    new = [
        _new(f"CAST({'.'.join(map(ident, value.path))} AS VARCHAR)", contents)
        for value, contents in seen.items()
    ]
    rows = parquet_source([str(original)])
    numbered = f"{rows[:-1]}, file_row_number = true)"
    with within_child(duckdb.connect()) as con:
        is_new = select("file_row_number", numbered, " OR ".join(new))
        late = con.execute(f"{is_new} ORDER BY 1 LIMIT {MOST_ROWS}").fetchall()
    if late:
        tables = [pq.read_table(beginning), *_rows_at(original, [number for (number,) in late])]
        pq.write_table(pa.concat_tables(tables), beginning)


def _rows_at(path: Path, numbers: list[int]) -> Iterator[pa.Table]:
    """Yield rows of a Parquet file by their numbers in order; groups without any stay unread."""
    start = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            if any(start <= number < end for number in numbers):
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]):
                    wanted = [n - start for n in numbers if start <= n < start + len(batch)]
                    if wanted:
                        yield pa.Table.from_batches([batch]).take(wanted)
                    start += len(batch)
            start = end


_ADDED: Final[Mapping[str, Callable[[FileValues, Seen, Path, Path], None]]] = {
    "csv": _add_lines,
    "ndjson": _add_records,
    "parquet": _add_rows,
}
"""What adds rows to a beginning, by the format of the file."""
