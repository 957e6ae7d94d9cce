"""States of orders, and types of events, that a large file has after its beginning only: their rows
are added to the beginning, so that a look asks about them, with all of their rows and money.
"""

import csv
import io
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

from ecom_assets.core.errors import EcomError
from ecom_assets.core.warehouse.sql_text import ident, select, text, texts
from ecom_assets.ingestion.sources.proposal.fields import (
    MappingKind,
    found_fields,
    kind_of,
    state_columns,
)
from ecom_assets.ingestion.sources.proposal.values import FileValues
from ecom_assets.ingestion.uploads.packed import LINES

MOST_VALUES: Final = 500
"""Values that a column of states or of event types has at most in the beginning."""
MOST_ROWS: Final = 50_000
"""Rows of further values that are looked at."""
ENCODINGS: Final = {None, "utf-8", "UTF-8"}
"""The encodings of files in which rows are looked for."""


def add_late_values(original: Path, beginning: Path) -> None:
    """Add rows of a large CSV file to its beginning: those whose state, or type of event, none of
    the rows before has. A file of another format stays as it is.
    """
    if not original.name.lower().removesuffix(".gz").endswith(LINES):
        return
    with suppress(EcomError, duckdb.Error):  # the look itself says what is wrong with the file
        values = FileValues.read([str(beginning)])
        if values.format == "csv" and values.encoding in ENCODINGS:
            _add(values, original, beginning)


def _add(values: FileValues, original: Path, beginning: Path) -> None:
    columns = _asked_columns(values)
    options = {
        "delim": text(values.delimiter),
        "header": "true",
        "all_varchar": "true",
        "quote": text('"'),
        "strict_mode": "false",
        "ignore_errors": "true",
    }
    said = ", ".join(f"{name} = {value}" for name, value in options.items())
    rows = f"read_csv({text(str(original))}, {said})"
    with duckdb.connect() as con:
        names = [name for name, *_ in con.execute(f"DESCRIBE {select('*', rows)}").fetchall()]
        new = [
            f"(nullif(trim({ident(name)}), '') IS NOT NULL "
            f"AND trim({ident(name)}) NOT IN {texts(sorted(seen))})"
            for name, seen in columns.items()
            if name in names and seen
        ]
        if not new:
            return
        found = con.execute(f"{select('*', rows, ' OR '.join(new))} LIMIT {MOST_ROWS}").fetchall()
    written = io.StringIO()
    csv.writer(written, delimiter=values.delimiter, lineterminator="\n").writerows(found)
    with beginning.open("ab") as file:
        file.write(written.getvalue().encode())


def _asked_columns(values: FileValues) -> dict[str, set[str]]:
    """Return the columns about whose values a person is asked, each with those that it has."""
    kind = kind_of(values)
    asked = []
    if kind is MappingKind.EVENTS:
        asked = [found_fields(values, kind)["event_type"].value]
    elif kind is MappingKind.ORDERS:
        found = found_fields(values, kind)
        asked = [found["status"].value] if "status" in found else []
        asked += state_columns(values, found)
    return {
        value.path[0]: {seen.strip() for seen, _ in values.counts(value, MOST_VALUES)}
        for value in asked
        if len(value.path) == 1
    }
