"""The columns of a file that no field of a draft uses, with what is in them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml

from ecom_assets.core.tables import formats
from ecom_assets.core.tables.values import batches_of
from ecom_assets.core.warehouse.sql_text import ident, select
from ecom_assets.ingestion.sources.files.mapping import HOLDS
from ecom_assets.ingestion.sources.files.shape import ADDED
from ecom_assets.ingestion.sources.proposal.fields import of_connector
from ecom_assets.ingestion.sources.proposal.parts import can_be_amount
from ecom_assets.ingestion.sources.proposal.questions import MOST_STATES, on_one_line, shown
from ecom_assets.ingestion.sources.proposal.values import (
    COLUMNS_AT_ONCE,
    FIRST,
    TABLE,
    FileValues,
    Value,
)

MOST_LISTED: Final = 12
"""Columns that are named where somebody reads them; the mapping has all."""
_PACKED: Final = re.compile(r"[^|;]+[:=][^|;]*([|;][^|;]+[:=][^|;]*){2,}|\s*\[\s*\{.*|\s*\{.*:.*")
"""What a cell with several values, each with its name, looks like."""


def unused_columns(
    values: FileValues, lines: Sequence[str], asked: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return a sentence on each column that a mapping does not use, the most telling first.

    Amounts come before columns of a few values, these before others, and columns that say the same
    in all rows are last. Columns that a question is about are `asked`.
    """
    used = [*_used(lines), *asked]
    left = [value for value in values.values if not _is_used(value, used)]
    left = [value for value in left if not value.joined and value.path[0] not in ADDED]
    left = [value for value in left if FIRST not in value.path]
    measured = [(value, *of_value) for value, of_value in _measured(values, left)]
    filled = [entry for entry in measured if entry[1]]
    ranked = sorted(filled, key=lambda entry: _rank(values, entry[0], entry[2]))
    sentences = [_sentence(values, *entry) for entry in ranked]
    empty = [value.name for value, count, _, _ in measured if not count]
    if empty:
        sentences.append(f"{', '.join(map(shown, empty))}: empty in all rows")
    return tuple(map(on_one_line, sentences))


def unused_lines(unused: Sequence[str]) -> list[str]:
    """Return what is said of unused columns where somebody reads it."""
    if not unused:
        return []
    more = len(unused) - MOST_LISTED
    rest = [f"  … and {more} more, which the mapping lists"] if more > 0 else []
    return ["Not used, by no field:", *(f"  {line}" for line in unused[:MOST_LISTED]), *rest]


def _used(lines: Sequence[str]) -> list[str]:
    """Return the texts in a mapping that can name a column, but for those of the id."""
    content = yaml.safe_load("\n".join(lines)) or {}
    content = {key: part for key, part in content.items() if key != HOLDS}
    fields = content.get("fields")
    if isinstance(fields, dict):
        hashed = (name for name, origin in fields.items() if _is_hash(origin))
        content = {**content, "fields": {**fields, **dict.fromkeys(hashed, "")}}
    return list(_texts(content))


def _is_hash(origin: object) -> bool:
    return isinstance(origin, dict) and "hash_of" in origin


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield str(name)
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)


def _is_used(value: Value, used: Sequence[str]) -> bool:
    if value.name in used:
        return True
    sql = ident(value.path[0]) if value.is_column else value.sql
    return any(sql in text for text in used)


def _measured(
    values: FileValues, left: Sequence[Value]
) -> Iterator[tuple[Value, tuple[int, int, Any]]]:
    """Yield each value with its number of rows, of different ones, and the most frequent one."""
    known: dict[str, tuple[int, int, Any]] = values.once("measured of unused", dict)
    unknown = [value.column for value in left if value.column not in known]
    for some in batches_of(unknown, COLUMNS_AT_ONCE):
        cells = [f"count({name}), approx_count_distinct({name}), mode({name})" for name in some]
        (row,) = values.rows(select(cells, TABLE))
        known |= dict(zip(some, zip(row[::3], row[1::3], row[2::3], strict=True), strict=True))
    for value in left:
        yield value, known[value.column]


def _rank(values: FileValues, value: Value, different: int) -> tuple[int, float]:
    if different <= 1:
        return 4, 0.0
    if of_connector(value):
        return 3, 0.0
    if _is_amount(values, value):
        return 0, -abs(_sum(values, value))
    return (1, float(different)) if different <= MOST_STATES else (2, float(different))


def _is_amount(values: FileValues, value: Value) -> bool:
    return can_be_amount(value) and bool(values.number_forms(value)) and bool(_sum(values, value))


def _sum(values: FileValues, value: Value) -> float:
    return float(values.scalar(f"coalesce(sum({values.number_sql(value)}), 0)"))


def _sentence(values: FileValues, value: Value, filled: int, different: int, often: str) -> str:
    rows = f"{filled:,} of {formats.counted(values.row_count, 'row')}"
    if different <= 1:
        return f"{shown(value.name)}: {shown(often)} in {rows}"
    if _is_amount(values, value):
        total = formats.amount(_sum(values, value))
        return f"{shown(value.name)}: numbers in {rows}, {total} in all"
    if _PACKED.fullmatch(often):
        return f"{shown(value.name)}: several values in each cell of {rows}, such as {shown(often)}"
    some = ", ".join(shown(text, _MOST_SHOWN) for text, _ in values.counts(value, 3))
    return f"{shown(value.name)}: {different:,} different in {rows}, such as {some}"


_MOST_SHOWN: Final = 40
