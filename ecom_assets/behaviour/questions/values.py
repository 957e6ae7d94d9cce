"""The values that a column or a key of `properties` has, with their counts: what forms suggest."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.questions.source import EventSource
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.columns import column_of, comparable, kind_of_column, text_of
from ecom_assets.core.tables.portable import count_of, rows_of
from ecom_assets.core.tables.queries import Page, Period, events_in_period
from ecom_assets.core.tables.values import JSON_COLUMN, json_path

MOST_DOCUMENTS: Final = 10_000
"""The newest events whose keys are counted: a key that none of them has is rare."""


@dataclass(frozen=True)
class ValuesQuestion:
    """Which values are requested.

    Attributes:
        column: A column of events, a `properties.key`, or `properties` for its keys.
        event_type: Only of events of this type; None for all.
        search: What values contain, in upper or lower case; empty for all.
        page: Which of them: the most frequent first, ties by value and kind.
    """

    column: str
    event_type: str | None
    search: str
    page: Page


def column_values(
    source: EventSource, period: Period, question: ValuesQuestion
) -> tuple[list[Row], int]:
    """Return a page of the values of a column with the events that have each,
    and how many values there are.

    Raises:
        EcomError: The column is missing, the caller may not see it, or the period has too many
            events.
    """
    source.allow([question.column])
    page = question.page
    with source.open([question.column], None) as opened:
        opened.extent(period)
        events = events_in_period(opened.events(), period)
        if question.event_type is not None:
            events = events.filter(events.event_type == question.event_type)
        if question.column == JSON_COLUMN:
            keys = key_counts(rows_of(documents_of(events)), question.search)
            return keys[page.offset : page.offset + page.limit], len(keys)
        counts = value_counts(events, question.column, question.search)
        ordered = counts.order_by([counts.event_count.desc(), "value", "kind"])
        return rows_of(ordered.limit(page.limit, offset=page.offset)), count_of(counts)


def value_counts(events: ir.Table, column: str, search: str) -> ir.Table:
    """Return the values of a column that contain a text, the kind of each,
    and the events that have it.
    """
    values = events.select(value=text_of(events, column), kind=_kind_of(events, column))
    values = values.filter(values.value.notnull() & (values.value != ""))
    if search:
        values = values.filter(values.value.lower().contains(search.lower()))
    return values.group_by("value", "kind").agg(event_count=values.count())


def _kind_of(events: ir.Table, column: str) -> ir.StringValue:
    """Return what a condition compares a value with: text, a number or a boolean;
    of other columns, their type.
    """
    if not json_path(column):
        return ibis.literal(kind_of_column(column_of(events, column)))
    text, truth = (comparable(events, column, kind) for kind in ("", True))
    return ibis.cases((text.notnull(), "text"), (truth.notnull(), "boolean"), else_="number")


def documents_of(events: ir.Table, most: int = MOST_DOCUMENTS) -> ir.Table:
    """Return `properties` of the newest events that have any, of at most so many."""
    with_properties = events.filter(events[JSON_COLUMN].notnull())
    return (
        with_properties.order_by([with_properties.event_at.desc(), with_properties.event_id])
        .select(JSON_COLUMN)
        .limit(most)
    )


def key_counts(documents: Iterable[NamedValues], search: str) -> list[Row]:
    """Return the keys of documents as columns are named, with the documents that have each,
    the most frequent first.
    """
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(_columns_in(document[JSON_COLUMN]))
    matching = [(name, count) for name, count in counts.items() if search.lower() in name.lower()]
    ordered = sorted(matching, key=lambda entry: (-entry[1], entry[0]))
    return [{"value": name, "kind": "text", "event_count": count} for name, count in ordered]


def _columns_in(document: Any) -> list[str]:  # noqa: ANN401 (text of JSON, or what an engine made of it)
    """Return the keys of a document that can be named: those without a quote and a backslash."""
    read = json.loads(document) if isinstance(document, str) else document
    names = read if isinstance(read, dict) else ()
    return [_column_of(name) for name in names if name and not set(name) & set("\"'\\")]


def _column_of(key: str) -> str:
    plain = key.replace("_", "").replace("-", "").replace("$", "")
    return (
        f"{JSON_COLUMN}.{key}" if plain.isalnum() and plain.isascii() else f'{JSON_COLUMN}."{key}"'
    )
