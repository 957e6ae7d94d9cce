"""The values that a column or a key of `properties` has, with their counts: what forms suggest."""

import json
from collections import Counter
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.columns import column_of, comparable, kind_of_column, text_of
from ecom_assets.tables.queries import Page, Reading, Row, page_of
from ecom_assets.tables.values import JSON_COLUMN, json_path

MOST_DOCUMENTS: Final = 10_000
"""The newest events whose keys are counted: a key that none of them has is rare."""


def column_values(reading: Reading, events: ir.Table, column: str, search: str, page: Page) -> tuple[list[Row], int]:
    """Return a page of the values of a column with the events that have each, and how many values there are.

    Args:
        reading: What the events are read from.
        events: Rows of `CleanEvents`.
        column: A column, a `properties.key`, or `properties` for its keys.
        search: What values contain, in upper or lower case; empty for all.
        page: Which of them: the most frequent first, ties by value and kind.

    Raises:
        DefinitionError: The column is missing.
    """
    if column == JSON_COLUMN:
        keys = key_counts(reading.rows(documents_of(events)), search)
        return keys[page.offset : page.offset + page.limit], len(keys)
    values = events.select(value=text_of(events, column), kind=_kind_of(events, column))
    values = values.filter(values.value.notnull() & (values.value != ""))
    if search:
        values = values.filter(values.value.lower().contains(search.lower()))
    counts = values.group_by("value", "kind").agg(event_count=values.count())
    return page_of(reading, counts, [counts.event_count.desc(), "value", "kind"], page)


def _kind_of(events: ir.Table, column: str) -> ir.StringValue:
    """Return what a condition compares a value with: text, a number or a boolean; of other columns, their type."""
    if not json_path(column):
        return ibis.literal(kind_of_column(column_of(events, column)))
    text, truth = (comparable(events, column, kind) for kind in ("", True))
    return ibis.cases((text.notnull(), "text"), (truth.notnull(), "boolean"), else_="number")


def documents_of(events: ir.Table, most: int = MOST_DOCUMENTS) -> ir.Table:
    """Return `properties` of the newest events that have any, of at most so many."""
    kept = events.filter(events[JSON_COLUMN].notnull())
    return kept.order_by([kept.event_at.desc(), kept.event_id]).select(JSON_COLUMN).limit(most)


def key_counts(documents: list[Row], search: str) -> list[Row]:
    """Return the keys of documents as columns are named, with the documents that have each, the most frequent first."""
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(_columns_in(document[JSON_COLUMN]))
    found = [(name, count) for name, count in counts.items() if search.lower() in name.lower()]
    ordered = sorted(found, key=lambda entry: (-entry[1], entry[0]))
    return [{"value": name, "kind": "text", "event_count": count} for name, count in ordered]


def _columns_in(document: Any) -> list[str]:  # noqa: ANN401 (text of JSON, or what an engine made of it)
    """Return the keys of one document that can be named: one with a quote or a backslash cannot."""
    read = json.loads(document) if isinstance(document, str) else document
    names = read if isinstance(read, dict) else ()
    return [_column_of(name) for name in names if name and not set(name) & set("\"'\\")]


def _column_of(key: str) -> str:
    plain = key.replace("_", "").replace("-", "").replace("$", "")
    return f"{JSON_COLUMN}.{key}" if plain.isalnum() and plain.isascii() else f'{JSON_COLUMN}."{key}"'
