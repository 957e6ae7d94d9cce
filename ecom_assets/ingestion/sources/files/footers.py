"""What the footers of Parquet files say about all rows,
so that rules that no row can break are not tested by row.

A footer has, for each column of each group of rows, how many nulls there are, the least and the
largest value.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb

from ecom_assets.core.tables.placeholders import NOBODY, NULLS
from ecom_assets.core.warehouse.sql_text import pattern_of, select, texts
from ecom_assets.ingestion.sources.files.mapping import RecordMapping, SourceField
from ecom_assets.ingestion.sources.files.plain import Numerals

if TYPE_CHECKING:
    from ecom_assets.ingestion.sources.files.arrival_sql import FileDays
    from ecom_assets.ingestion.sources.files.sql import Layout

IN_TIME = "is_sure"
"""Stands for all rules about time: the footers show that no event breaks one."""
PLAIN_USERS = "plain_users"
"""Stands for all rules about users: each event has a user,
whose id is no placeholder and is the id of the visitor.
"""
WHOLE_USERS = "whole_users"
"""Holds if each user is a whole number, whose text has one spelling."""
KNOWN_AMOUNTS = "known_amounts"
"""Holds if no amount is another than what was read, because it is below zero,
too large, or no number.
"""
LAST = "\U0010ffff"
"""The character that sorts after all others."""
ESCAPED = ("anon-", "user-")
"""How the ids of users begin that can differ from the ids of their visitors."""


@dataclass(frozen=True)
class Footer:
    """What the footers say about the values of a column;
    bounds are None for other types than numbers or times.

    Attributes:
        is_filled: Whether no value is empty text; nulls are allowed.
        is_whole: Whether no value is null.
        is_empty: Whether all values are null.
        numbers: The least and the largest number.
        times: The earliest and the latest time; of times with a zone those of UTC.
        texts: What no text sorts before, and what none sorts after, by code points; None for others
            than ASCII.
    """

    is_filled: bool
    is_whole: bool
    is_empty: bool = False
    numbers: tuple[Decimal, Decimal] | None = None
    times: tuple[datetime, datetime] | None = None
    texts: tuple[str, str] | None = None


def footers_of(
    con: duckdb.DuckDBPyConnection, paths: Iterable[str]
) -> dict[str, dict[str, Footer]]:
    """Return the footers of Parquet files, by path and column; one statement reads them all."""
    is_null = "stats_null_count = num_values"
    columns = [
        "file_name",
        "path_in_schema",
        f"bool_and(coalesce({is_null}, false) OR coalesce(stats_min_value > '', false))",
        "count(*) = count(*) FILTER (WHERE stats_null_count = 0)",
        f"bool_and(coalesce({is_null}, false))",
        *(_bounds(kind, is_null) for kind in ("DECIMAL(38, 6)", "TIMESTAMP")),
        _bounds("VARCHAR", is_null, "'[ -\\[\\]-~]*'"),
    ]
    footers = f"parquet_metadata({texts(map(pattern_of, paths))})"
    result: dict[str, dict[str, Footer]] = {}
    for path, name, is_filled, is_whole, is_empty, *bounds in con.execute(
        select(columns, footers, group_by="file_name, path_in_schema")
    ).fetchall():
        numbers, times, strings = (
            (bound["low"], bound["high"]) if bound else None for bound in bounds
        )
        # Times that Python does not have come as text.
        times = times if times and all(isinstance(bound, datetime) for bound in times) else None
        result.setdefault(path, {})[name] = Footer(
            is_filled, is_whole, is_empty, numbers, times, strings
        )
    return result


def _bounds(kind: str, is_null: str, pattern: str | None = None) -> str:
    """Return the SQL of both bounds as values of a type; NULL if a group of rows has values,
    but no such bounds.
    """
    ends = [f"stats_{end}_value" for end in ("min", "max")]
    ends = (
        [f"CASE WHEN regexp_full_match({end}, {pattern}) THEN {end} END" for end in ends]
        if pattern
        else ends
    )
    low, high = (f"TRY_CAST({end} AS {kind})" for end in ends)
    is_known = f"bool_and(coalesce({is_null}, false) OR ({low} IS NOT NULL AND {high} IS NOT NULL))"
    return (
        f"CASE WHEN {is_known} AND count({low}) > 0 THEN {{'low': min({low}), 'high': "
        f"max({high})}} END"
    )


def rules_passed(
    mapping: RecordMapping,
    files: Iterable[tuple["Layout", "FileDays"]],
    late_days: int,
    most: Decimal,
) -> set[str]:
    """Return the rules that no row of any file breaks, by the footers, with `IN_TIME` and what
    else of this module holds.

    Rows of sound Parquet files are never malformed.

    Args:
        mapping: How the files are read.
        files: Sound Parquet files, with their days.
        late_days: As in `CleaningRule`.
        most: The largest amount of an event.
    """
    passed = [
        {
            "malformed_row",
            *_filled(mapping, layout),
            *_amounts(mapping, layout, most),
            *_users(mapping, layout),
        }
        for layout, _ in files
    ]
    timely = [
        {IN_TIME} if _is_in_time(mapping, layout, days, late_days) else set()
        for layout, days in files
    ]
    return set.intersection(*(rules | other for rules, other in zip(passed, timely, strict=True)))


def _footer(field: SourceField | None, layout: "Layout") -> Footer | None:
    """Return the footer of a field that is a single column, with its values as they are;
    None for other fields.
    """
    is_as_read = field is not None and field.applied("", Numerals(), is_number=False) == ""
    name = field.column if field and is_as_read else None
    return layout.footers.get(name) if name and layout.exploded is None else None


def _filled(mapping: RecordMapping, layout: "Layout") -> Iterator[str]:
    """Yield the rules about fields that no row leaves out."""
    field = mapping.id_field
    footer = _footer(field, layout)
    if field is None or footer is None or not (footer.is_whole and footer.is_filled):
        return
    is_number = layout.own()[field.column or ""].kind == "number"
    if is_number or (footer.texts and is_plain(*footer.texts, words=NULLS)):
        yield "missing_event_id"


def _amounts(mapping: RecordMapping, layout: "Layout", most: Decimal) -> Iterator[str]:
    """Yield `KNOWN_AMOUNTS`, if each amount is an exact number within its limits."""
    field = mapping.fields.cart_value
    footer, own = _footer(field, layout), layout.own()
    if field is None or (footer is not None and footer.is_empty):
        yield KNOWN_AMOUNTS
        return
    if mapping.fields.currency:  # what is read can be a converted amount
        return
    is_exact = (
        footer is not None and own[field.column].type not in {"FLOAT", "DOUBLE"} if field else False
    )
    if is_exact and own[field.column].kind == "number" and footer and footer.numbers:
        low, high = footer.numbers
        if low >= 0 and high <= most:
            yield KNOWN_AMOUNTS


def _users(mapping: RecordMapping, layout: "Layout") -> Iterator[str]:
    """Yield the rules about users, and `PLAIN_USERS`,
    if the bounds of all users leave out all that are not plain, and `WHOLE_USERS`.
    """
    field = mapping.fields.user_id
    footer = _footer(field, layout)
    if field is None or footer is None:
        return
    if field.column in layout.exact():
        yield WHOLE_USERS
    if not (footer.is_whole and footer.is_filled):
        return
    column = layout.own()[field.column or ""]
    is_counted = column.kind == "number" and column.type not in {"FLOAT", "DOUBLE"}
    is_positive = is_counted and footer.numbers is not None and footer.numbers[0] >= 1
    if is_positive or (column.kind == "text" and footer.texts and is_plain(*footer.texts)):
        yield from ("without_consent", "missing_identity", PLAIN_USERS)


def is_plain(low: str, high: str, words: Collection[str] = NOBODY) -> bool:
    """Return whether no text from `low` to `high` is one of some placeholders,
    or begins with one of `ESCAPED`.
    """
    nobody = {spelling for word in words for spelling in _spellings(word)}
    odd = (" ", "'", "0.", "-1.", "\u00a0")  # how ids begin that are read in another spelling
    ranges = [
        *nobody,
        *((start, start + LAST) for start in odd),
        *((start, start + LAST) for start in ESCAPED),
    ]
    return not any(first <= high and low <= last for first, last in ranges)


def _spellings(word: str) -> Iterator[tuple[str, str]]:
    """Yield the ranges of texts that equal `word` in lower case,
    one for each case of its first letter.
    """
    # Beyond ASCII, only letters that are i and k in lower case are ASCII then; they sort after all
    # ASCII letters.
    rest = re.split("[ik]", word[1:])
    last = rest[0] + (LAST if len(rest) > 1 else "")
    for first in {word[:1], word[:1].upper()}:
        # Blanks after a placeholder change nothing.
        yield first + word[1:].upper(), f"{first}{last} {LAST}"


def _is_in_time(mapping: RecordMapping, layout: "Layout", days: "FileDays", late_days: int) -> bool:
    field, received = mapping.time_field, mapping.fields.received_at
    footer, kind = _footer(field, layout), layout.moments().get(field.column or "")
    if (
        footer is None
        or kind is None
        or (received and (received.column is None or received.column in layout.own()))
    ):
        return False
    if not footer.is_whole or footer.times is None or (kind != "zoned" and field.timezone != "UTC"):
        return False
    first, until, _ = days.sure_of(late_days)
    return first <= footer.times[0] and footer.times[1] < until
