"""Checks that a file matches its mapping: missing columns,
unknown columns and wrong types are errors.

`check_fit` compares the columns of a file, and some of its values, with what the fields expect, and
`check_expressions` lets the engine parse every expression. Both raise a `MappingError` that names
the file, the column and what was expected, before anything is loaded.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import chain
from typing import Any, Final

import duckdb

from ecom_assets.core.errors import MappingError, first_line
from ecom_assets.core.warehouse.sql_text import ident, select
from ecom_assets.ingestion.sources.files.columns import (
    FileColumns,
    decimal_comma,
    delimiter_in_name,
    filled,
    require_once,
    sample_of,
    separated_by,
)
from ecom_assets.ingestion.sources.files.field_sql import field_sql
from ecom_assets.ingestion.sources.files.formats import InputFile
from ecom_assets.ingestion.sources.files.mapping import (
    HOLDS,
    LEFT_OUT,
    IdField,
    RecordMapping,
    SourceField,
    TimeField,
    load,
    shipped,
)
from ecom_assets.ingestion.sources.files.proof_sql import breaks_sql
from ecom_assets.ingestion.sources.files.shape import ADDED
from ecom_assets.ingestion.sources.mapping_file import bracketed_guess

_EPOCH_LENGTHS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
_SERIAL_DAY = re.compile(r"(\d{5})(?:[.,]\d+)?")
_SERIAL_DAYS = range(36526, 73051)
"""The numbers that spreadsheets have for the days from 2000 to 2099, which they count from 1900."""


def columns_used(mapping: RecordMapping) -> dict[str, tuple[str, ...]]:
    """Return the columns of the file that each field of a mapping,
    and each condition that leaves rows out, uses.
    """
    used = {
        name: tuple(dict.fromkeys(_origins(mapping, name, field)))
        for name, field in mapping.mapped()
    }
    for name, condition in mapping.leave_out.items():
        key = f"{LEFT_OUT}.{name}"
        referred = _references(mapping, key, condition.expression) if condition.expression else []
        used[key] = (*([condition.column] if condition.column else []), *referred)
    for name, proof in mapping.holds.items():
        key = f"{HOLDS}.{name}"
        of_sum = _origins(mapping, key, proof.equals) if proof.equals else ()
        own = filter(
            None, (proof.amount, proof.column, proof.one_per, proof.sum_per, *proof.unique)
        )
        used[key] = tuple(dict.fromkeys([*own, *of_sum]))
    used |= {LEFT_OUT: (mapping.left_out_column,)} if mapping.left_out_column else {}
    return used


_ACCEPTED: Final[set[str]] = set()
"""What the engine accepted before: files of one mapping are opened often, and to ask takes longer
than to read a small file.
"""


def check_expressions(
    con: duckdb.DuckDBPyConnection, mapping: RecordMapping, used: dict[str, tuple[str, ...]]
) -> None:
    """Raise MappingError unless the engine accepts every expression over text columns."""
    values = {
        name: field_sql(mapping, name)
        for name, field in mapping.mapped()
        if not getattr(field, "hash_of", None)
    }
    values |= {f"{LEFT_OUT}.{name}": condition.sql for name, condition in mapping.leave_out.items()}
    values |= {
        f"{HOLDS}.{name}": breaks_sql(mapping, proof, used[f"{HOLDS}.{name}"])
        for name, proof in mapping.holds.items()
    }
    all_used = {column for columns in used.values() for column in columns}
    for name, value in values.items():
        # What a line below zero is, its amount and its quantity say, whatever the field; shares are
        # in the currency.
        of_field = (
            all_used
            if mapping.below_zero != "refuse"
            else (*used[name], *used.get("currency", ()), *used.get("order_ids", ()))
        )
        columns = [f"NULL::VARCHAR AS {ident(column)}" for column in {*of_field, *ADDED}]
        columns += [f"NULL::VARCHAR AS {column}" for column in ("__other", "__malformed", "__file")]
        statement = select([value, "__malformed"], select(sorted(columns), "(VALUES (0))"))
        if statement in _ACCEPTED:
            continue
        try:
            con.execute(statement)
            _ACCEPTED.add(statement)
        except duckdb.Error as error:
            raise MappingError(
                f"mapping {mapping.name!r}: the expression of {name} cannot be computed "
                f"({first_line(error)}); fix it"
            ) from error


def check_fit(
    file: InputFile, result: FileColumns, mapping: RecordMapping, used: dict[str, tuple[str, ...]]
) -> None:
    """Raise MappingError unless the file matches the mapping; the message names file,
    column and expectation.
    """
    fit = _Fit(file, result, mapping, used)
    require_once(file, result.columns, fit.expected)
    fit.check_missing()
    fit.check_exact()
    if fit.unknown and mapping.other_columns == "refuse":
        raise MappingError(unknown_column(file, fit.unknown[0], mapping))
    for name, field in mapping.mapped():
        if field.column in result.columns:
            fit.check_type(name, field, field.column)
        if isinstance(field, TimeField) and "iso" in field.formats:
            fit.check_serial_days(name, field)
        if name in mapping.kind.numbers and mapping.numerals.are_plain:
            fit.check_decimal_points(name, field)


def unknown_column(file: InputFile, column: str, mapping: RecordMapping) -> str:
    """Return the error message about a column that is not in a mapping."""
    return (
        f"unknown column {column!r} in {file.name} with mapping {mapping.name!r}; add it to the "
        "mapping under `ignore_columns`, or set `other_columns: properties` to keep such columns"
    )


@dataclass(frozen=True)
class _Fit:
    """The check of one file against one mapping."""

    file: InputFile
    found: FileColumns
    mapping: RecordMapping
    used: dict[str, tuple[str, ...]]

    @cached_property
    def expected(self) -> list[str]:
        mapping = self.mapping
        of_shape = (*mapping.group_by, *mapping.carry_down, *mapping.first_line, *mapping.fill_down)
        return [*chain.from_iterable(self.used.values()), *of_shape]

    @cached_property
    def unknown(self) -> list[str]:
        expected = {*self.expected, *self.mapping.ignore_columns, self.mapping.explode or ""}
        return [name for name in self.found.columns if name not in expected]

    def check_missing(self) -> None:
        if (
            not self.found.columns
        ):  # an NDJSON file without a readable line: only its lines are malformed
            return
        if self.mapping.explode:
            self._check_exploded(self.mapping.explode)
        shared = dict.fromkeys(self.mapping.group_by, "group_by")
        shared |= dict.fromkeys(self.mapping.fill_down, "fill_down")
        shared |= {
            name: "carry_down"
            for name in self.mapping.carry_down
            if bracketed_guess(name, self.unknown)
        }
        for column, key in shared.items():
            if column not in self.found.columns:
                raise MappingError(self._missing(key, column))
        missing: dict[str, str] = {}
        for name, columns in self.used.items():
            for column in columns:
                if column not in self.found.columns and not self._may_lack(name, column):
                    missing.setdefault(column, name)
        if missing:
            raise MappingError(self._all_missing(missing))

    def check_exact(self) -> None:
        """Raise MappingError for columns whose values would be rounded,
        so that different ids would become equal.
        """
        property_columns = self.unknown if self.mapping.other_columns == "properties" else []
        for column in (
            *(column for columns in self.used.values() for column in columns),
            *property_columns,
        ):
            value = self.found.columns.get(column)
            if value and value.kind == "inexact":
                raise MappingError(
                    f"column {column!r} of {self.file.name} is {value.type}, and of numbers no "
                    "more than 38 digits can be read exactly; write it as text"
                )

    def check_type(self, name: str, field: SourceField, column: str) -> None:
        expected, kinds = _expected(self.mapping, name, field)
        result = self.found.columns[column]
        if result.kind not in kinds:
            raise MappingError(
                f"column {column!r} of {self.file.name} is {result.type}, but {name} expects "
                f"{expected}; fix the mapping or the file"
            )
        is_number = name in self.mapping.kind.numbers or isinstance(field, TimeField)
        if column in self.found.rounded and not is_number:
            raise MappingError(
                f"column {column!r} of {self.file.name} is {result.type} and holds numbers that "
                f"this type rounds, so that different values of {name} would become one; write it "
                "as whole numbers or as text"
            )
        if isinstance(field, TimeField) and field.formats == ("iso",):
            self._check_epoch(name, column)

    def check_serial_days(self, name: str, field: SourceField) -> None:
        """Raise MappingError for a column of dates that are the numbers of a spreadsheet."""
        for column in _plain_columns(field):
            first_values = filled(self.found.first_rows, column)
            if not first_values or not all(map(_is_serial_day, first_values)):
                continue
            values = filled(sample_of(self.file, self.found, self.mapping.table_keys), column)
            if all(map(_is_serial_day, values)):
                raise MappingError(
                    f"column {column!r} of {self.file.name} holds numbers like {values[0]}, but "
                    f"{name} expects dates; it looks like a spreadsheet's count of days: format "
                    "the column there as a date, such as 2026-01-31, and save the file again"
                )

    def check_decimal_points(self, name: str, field: SourceField) -> None:
        """Raise MappingError for a column of numbers with a decimal comma, where the mapping has
        points; an expression that names a comma may take it away.
        """
        is_aware = "','" in field.model_dump_json()
        for column in () if is_aware else self.used[name]:
            keys = self.mapping.table_keys
            if example := decimal_comma(self.file, self.found, keys, column):
                raise MappingError(
                    f"column {column!r} of {self.file.name} holds numbers like {example}, with a "
                    f"decimal comma, which mapping {self.mapping.name!r} does not expect; "
                    f'{self.mapping.kind.how_to_map} with `decimal: ","`'
                )

    def _check_exploded(self, exploded: str) -> None:
        column = self.found.columns.get(exploded)
        if column is None or column.kind not in {"nested", "mixed"}:
            is_type = f"is {column.type}" if column else "is missing"
            raise MappingError(
                f"column {exploded!r} of {self.file.name} {is_type}, but mapping "
                f"{self.mapping.name!r} explodes the list in it; fix the mapping or the "
                f"file{self._looks_like()}"
            )

    def _may_lack(self, name: str, column: str) -> bool:
        if self.mapping.may_lack(name, column):
            return True
        is_document = self.file.format == "ndjson" and self.mapping.shape is not None
        used, columns = self.used[name], self.found.columns
        has_enough = _has_enough(self.mapping, name, used, columns, is_document=is_document)
        if has_enough is not None:
            return has_enough
        # JSON often omits empty fields; but if there is a similar key, the name is probably
        # misspelled.
        is_hashed = name == self.mapping.kind.id and self.mapping.id_field.hash_of is not None
        is_tolerant = self.file.format == "ndjson" and (
            is_hashed or name not in self.mapping.kind.never_empty
        )
        return is_tolerant and not bracketed_guess(column, self.unknown)

    def _all_missing(self, missing: Mapping[str, str]) -> str:
        """Return the sentence about missing columns; `missing` has the field that each is for."""
        first = next(iter(missing))
        if len(missing) == 1 or delimiter_in_name(self.file, self.found.columns):
            return self._missing(missing[first], first)
        *columns, last = (
            f"{column!r}{bracketed_guess(column, self.unknown)}" for column in missing
        )
        return (
            f"{self.file.name} has no columns {', '.join(columns)} and {last}, which mapping "
            f"{self.mapping.name!r} expects; {self.mapping.kind.how_to_map}, or fix the "
            f"file{self._looks_like()}"
        )

    def _missing(self, name: str, column: str) -> str:
        if delimiter := delimiter_in_name(self.file, self.found.columns):
            how_to_map = self.mapping.kind.how_to_map
            return separated_by(self.file, delimiter, self.mapping.name, how_to_map)
        # An id is often a hash of all columns; a field that is the column itself says more.
        name = next((field for field, columns in self.used.items() if columns == (column,)), name)
        return (
            f"{self.file.name} has no column {column!r}, which mapping {self.mapping.name!r} "
            f"expects for {name}{bracketed_guess(column, self.unknown)}; fix the mapping or the "
            f"file{self._looks_like()}"
        )

    def _looks_like(self) -> str:
        kind = type(self.mapping)
        others = [load(kind, name) for name in shipped(kind) if name != self.mapping.name]
        likely = likeliest(others, self.found.columns)
        return f", or use another: it looks like mapping {likely.name!r}" if likely else ""

    def _check_epoch(self, name: str, column: str) -> None:
        values = filled(self.found.first_rows, column)
        if values and _epoch_form(values) is None:
            return
        values = filled(sample_of(self.file, self.found, self.mapping.table_keys), column)
        form = _epoch_form(values)
        if form:
            raise MappingError(
                f"column {column!r} of {self.file.name} holds numbers like {values[0]}, but "
                f"{name} expects ISO timestamps; set `format: {form}` in the mapping"
            )


def _is_serial_day(value: str) -> bool:
    match = _SERIAL_DAY.fullmatch(value)
    return match is not None and int(match[1]) in _SERIAL_DAYS


def _plain_columns(field: SourceField) -> Iterator[str]:
    """Yield the columns whose values a field takes as they are."""
    yield from filter(None, (field.column, *(field.first_of or ())))
    for origin in (field.by_row or {}).values():
        yield from _plain_columns(origin)


def _epoch_form(values: list[str]) -> str | None:
    """Return the epoch format of values that are all numbers with its number of digits;
    None for other values.
    """
    lengths = {len(value) if value.isdigit() else 0 for value in values}
    return _EPOCH_LENGTHS.get(min(lengths)) if len(lengths) == 1 else None


def likeliest(mappings: Sequence[RecordMapping], columns: Collection[str]) -> RecordMapping | None:
    """Return the mapping that knows most of some columns, of those for which they are enough; of
    several the one that lacks the fewest.
    """
    fitting = [each for each in mappings if has_needed_columns(each, columns)]
    if not fitting:
        return None

    def known(mapping: RecordMapping) -> tuple[int, int]:
        used = {column for of_field in columns_used(mapping).values() for column in of_field}
        return len(used & {*columns}), -len(used)

    return max(fitting, key=known)


def has_needed_columns(
    mapping: RecordMapping, columns: Collection[str], *, is_document: bool = False
) -> bool:
    """Return whether columns are enough for a mapping;
    `is_document` if they are those of JSON with lists of rows.
    """
    if mapping.explode and mapping.explode not in columns:
        return False
    for name, used in columns_used(mapping).items():
        needed = {column for column in used if not mapping.may_lack(name, column)}
        needed = {
            column
            for column in needed
            if not (mapping.explode and column.startswith(f"{mapping.explode}."))
        }
        if not needed <= {*columns} and not _has_enough(
            mapping, name, used, columns, is_document=is_document
        ):
            return False
    return True


def _has_enough(
    mapping: RecordMapping,
    name: str,
    used: Collection[str],
    columns: Collection[str],
    *,
    is_document: bool,
) -> bool | None:
    """Return whether some of the columns of a field are enough; None for a field that needs all."""
    field = getattr(mapping.fields, name, None)
    if not field or not (field.first_of or field.by_row or is_document):
        return None
    # One of several columns is enough; what documents have depends on the records in them.
    has_any = any(column in columns for column in used)
    has_any |= any(origin.constant is not None for origin in (field.by_row or {}).values())
    return has_any or (is_document and name not in mapping.kind.required)


_OF_DIGITS: Final = re.compile("(%[YmdHMS])+")
"""A format such as `%Y%m%d%H%M%S`, in which JSON may hold a number."""


def _expected(mapping: RecordMapping, name: str, field: SourceField) -> tuple[str, set[str]]:
    if isinstance(field, TimeField):
        kinds = {"text", "null", "mixed"}
        for form in field.formats:
            kinds |= {"timestamp", "zoned", "date"} if form == "iso" else set()
            is_digits = form.startswith("epoch") or _OF_DIGITS.fullmatch(form)
            kinds |= {"number"} if is_digits else set()
        return (
            f"a moment in format {' or '.join(field.formats)} (see `format` in docs/mappings.md)",
            kinds,
        )
    if name == "properties":
        return "text or nested values", {"text", "nested", "null", "mixed"}
    if name in mapping.kind.numbers:
        return "a number", {"number", "text", "null", "mixed"}
    if name in mapping.kind.lists:
        return "text or a list", {"text", "nested", "number", "null", "mixed"}
    if name in mapping.kind.flags:
        return "yes or no", {"boolean", "number", "text", "null", "mixed"}
    kinds = {"number", "text", "null", "mixed", "date", "timestamp", "zoned"}
    if mapping.translations().get(name):  # of true and false, as of any other text
        kinds.add("boolean")
    return "text or a number", kinds


def _origins(mapping: RecordMapping, name: str, field: SourceField) -> Iterator[str]:
    yield from field.columns
    for other in filter(None, (field.shared_by, field.out_of, field.less_shared, field.at_most)):
        yield from _origins(mapping, name, other)
    for origin in (field.by_row or {}).values():
        yield from _origins(mapping, name, origin)
    if field.column:
        yield field.column
    elif columns := field.first_of or field.join:
        yield from columns
    elif field.expression:
        yield from _references(mapping, name, field.expression)
    elif isinstance(field, IdField) and field.hash_of:
        yield from field.hash_of
        yield from _origins(mapping, name, field.unless) if field.unless else []


def _references(mapping: RecordMapping, name: str, expression: str) -> list[str]:
    tree = _parsed(expression)
    if tree["error"] or len(tree["statements"]) != 1:
        reason = tree.get("error_message", "it is more than one expression")
        word = _unquoted_name(expression)
        hint = (
            f'{word} is a word of SQL, so quote it where it is a column, as in "{word}"'
            if word
            else "fix it"
        )
        raise MappingError(
            f"mapping {mapping.name!r}: the expression of {name} is not an SQL expression "
            f"({reason}); {hint}"
        )
    return _named_columns(expression)


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


@lru_cache(maxsize=1024)  # mappings are tried one after the other, with the same expressions
def _named_columns(expression: str) -> list[str]:
    return sorted(_column_refs(_parsed(expression)["statements"][0]["node"]["select_list"]))


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> dict[str, Any]:
    row = (
        _parser()
        .cursor()
        .execute("SELECT json_serialize_sql(?::VARCHAR)", [f"SELECT ({expression})"])
        .fetchone()
    )
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    return tree


def _unquoted_name(expression: str) -> str | None:
    """Return the SQL keyword whose quoting as a column name would make the expression valid;
    None if there is none.
    """
    reserved = (
        "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', "
        "'type_function')"
    )
    keywords = {row[0] for row in _parser().cursor().execute(reserved).fetchall()}
    for word in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", expression)):
        if word.lower() in keywords:
            quoted = re.sub(rf"(?<![\w\"]){word}(?![\w\"])", ident(word), expression)
            if not _parsed(quoted)["error"]:
                return str(word)
    return None


def _column_refs(node: object) -> set[str]:
    if isinstance(node, list):
        # Most parts are texts and numbers, which are not worth a call each.
        parts = (part for part in node if isinstance(part, dict | list))
        return {name for part in parts for name in _column_refs(part)}
    if not isinstance(node, dict):
        return set()
    if node.get("class") == "COLUMN_REF":
        return {node["column_names"][0]}
    if node.get("class") == "LAMBDA" and node.get("syntax_type") != "SINGLE_ARROW":
        return _column_refs(node["expr"]) - _column_refs(node["lhs"])
    return _column_refs(list(node.values()))
