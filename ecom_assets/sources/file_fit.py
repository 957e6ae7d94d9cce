"""Whether a mapping fits a file: columns that are missing, unknown or of a wrong type are refused here.

Here: the comparison and its messages, and which columns an SQL expression uses. Not here: finding the
columns (`file_columns`), reading rows.
"""

import json
from collections.abc import Iterator

import duckdb

from ecom_assets.errors import MappingError
from ecom_assets.sources.event_mapping import EventField, EventMapping, IdField, TimeField, did_you_mean
from ecom_assets.sources.event_mapping import load_mapping, shipped_mappings
from ecom_assets.sources.file_columns import Column, FileColumns
from ecom_assets.sources.file_formats import InputFile

# JSON leaves out what is empty, so only these fields must be seen in the lines that are looked at.
_NEVER_EMPTY = frozenset({"event_id", "event_type", "event_timestamp"})
_EPOCH_LENGTHS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us"}


def columns_used(con: duckdb.DuckDBPyConnection, mapping: EventMapping) -> dict[str, tuple[str, ...]]:
    """The columns of the file that each field of a mapping is made of."""
    return {name: tuple(_origins(con, mapping, name, field)) for name, field in mapping.given()}


def check_fit(
    file: InputFile, found: FileColumns, mapping: EventMapping, used: dict[str, tuple[str, ...]]
) -> None:
    """MappingError, naming file, column and what was expected, unless the mapping fits the file."""
    known = {column for columns in used.values() for column in columns} | set(mapping.ignore_columns)
    if mapping.explode:
        known.add(mapping.explode)
        _check_exploded(file, found, mapping.explode)
    unknown = [name for name in found.columns if name not in known]
    for name, columns in used.items():
        for column in columns:
            if column not in found.columns:
                _check_absent(file, found, mapping, name, column, unknown)
    if unknown and mapping.other_columns == "refuse":
        raise MappingError(unknown_column(file, unknown[0], mapping))
    for name, field in mapping.given():
        if field.column in found.columns:
            _check_type(file, name, field, field.column, found)


def unknown_column(file: InputFile, column: str, mapping: EventMapping) -> str:
    """The sentence about a column that a mapping does not know."""
    return (
        f"unknown column {column!r} in {file.name} with mapping {mapping.name!r}; add it to the mapping under"
        " `ignore_columns`, or set `other_columns: properties` to keep such columns"
    )


def _check_exploded(file: InputFile, found: FileColumns, exploded: str) -> None:
    column = found.columns.get(exploded)
    if found.columns and (column is None or column.kind not in {"nested", "text", "null"}):
        is_type = f"is {column.type}" if column else "is missing"
        raise MappingError(f"column {exploded!r} of {file.name} {is_type}, but `explode` needs a list there")


def _check_absent(
    file: InputFile, found: FileColumns, mapping: EventMapping, name: str, column: str, unknown: list[str]
) -> None:
    if mapping.may_lack(name) or not found.columns:
        return
    hint = did_you_mean(column, unknown)
    if file.format == "ndjson" and name not in _NEVER_EMPTY and not hint and not unknown:
        return
    other = _fitting_mapping(found, mapping)
    looks = f"; it looks like `--mapping {other}`" if other else "; mend the mapping or the file"
    raise MappingError(
        f"{file.name} has no column {column!r}, which mapping {mapping.name!r} expects for {name}{hint}{looks}"
    )


def _fitting_mapping(found: FileColumns, tried: EventMapping) -> str | None:
    with duckdb.connect() as con:
        for name in shipped_mappings():
            if name == tried.name:
                continue
            other = load_mapping(name)
            needed = {
                column
                for field, columns in columns_used(con, other).items()
                if not other.may_lack(field)
                for column in columns
            }
            own = {column.split(".")[0] if other.explode else column for column in needed}
            if own <= found.columns.keys():
                return name
    return None


def _check_type(file: InputFile, name: str, field: EventField, column: str, found: FileColumns) -> None:
    kind = found.columns[column].kind
    if isinstance(field, TimeField):
        expected, fits = _time_kinds(field, kind)
    elif name == "properties":
        expected, fits = "text or nested values", kind not in {"binary", "other"}
    elif name == "cart_value":
        expected, fits = "a number", kind in {"number", "text", "null", "mixed"}
    else:
        expected, fits = "text or a number", kind not in {"boolean", "nested", "binary", "other"}
    if not fits:
        raise _wrong_type(file, name, column, found.columns[column], expected)
    if isinstance(field, TimeField) and field.formats == ("iso",):
        _check_epoch(file, name, column, found)


def _time_kinds(field: TimeField, kind: str) -> tuple[str, bool]:
    expected: set[str] = {"text", "null", "mixed"}
    for form in field.formats:
        expected |= {"timestamp", "zoned", "date"} if form == "iso" else set()
        expected |= {"number"} if form.startswith("epoch") else set()
    words = " or ".join(field.formats)
    return f"a moment in format {words} (see `format` in docs/mappings.md)", kind in expected


def _wrong_type(file: InputFile, name: str, column: str, found: Column, expected: str) -> MappingError:
    return MappingError(
        f"column {column!r} of {file.name} is {found.type}, but {name} expects {expected}; mend the mapping or the file"
    )


def _check_epoch(file: InputFile, name: str, column: str, found: FileColumns) -> None:
    values = [row[column].strip() for row in found.sample if row[column].strip()]
    lengths = {len(value) for value in values if value.isdigit()}
    if len(lengths) == 1 and all(map(str.isdigit, values)) and (form := _EPOCH_LENGTHS.get(lengths.pop())):
        raise MappingError(
            f"column {column!r} of {file.name} holds numbers like {values[0]}, but {name} expects ISO timestamps;"
            f" set `format: {form}` in the mapping"
        )


def _origins(
    con: duckdb.DuckDBPyConnection, mapping: EventMapping, name: str, field: EventField
) -> Iterator[str]:
    if field.column:
        yield field.column
    elif field.expression:
        yield from _references(con, mapping, name, field.expression)
    elif isinstance(field, IdField) and field.hash_of:
        yield from field.hash_of


def _references(
    con: duckdb.DuckDBPyConnection, mapping: EventMapping, name: str, expression: str
) -> list[str]:
    row = con.execute("SELECT json_serialize_sql(?::VARCHAR)", [f"SELECT ({expression})"]).fetchone()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree["error"] or len(tree["statements"]) != 1:
        reason = tree.get("error_message", "it is more than one expression")
        raise MappingError(
            f"mapping {mapping.name!r}: the expression of {name} is no SQL expression ({reason}); mend it"
        )
    return sorted(_column_refs(tree["statements"][0]["node"]["select_list"]))


def _column_refs(node: object) -> set[str]:
    if isinstance(node, list):
        return {name for part in node for name in _column_refs(part)}
    if not isinstance(node, dict):
        return set()
    if node.get("class") == "COLUMN_REF":
        return {node["column_names"][0]}
    if node.get("class") == "LAMBDA" and node.get("syntax_type") != "SINGLE_ARROW":
        return _column_refs(node["expr"]) - _column_refs(node["lhs"])
    return _column_refs(list(node.values()))
