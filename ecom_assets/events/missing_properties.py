"""Warnings about keys of `properties` that a question names: no event has them, or they hold text, not numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ecom_assets.tables.columns import number_of, text_of
from ecom_assets.tables.query_runner import QueryRunner
from ecom_assets.tables.values import json_path

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from ibis.backends.sql import SQLBackend


def missing_property_warnings(
    con: SQLBackend | QueryRunner, events: ir.Table, columns: Iterable[str], numbers: Iterable[str] = ()
) -> list[str]:
    """Return a sentence for each `properties.key` that no event has, or that only has texts.

    Args:
        con: The engine that has the events, or its runner.
        events: Rows of `CleanEvents`.
        columns: The columns that a question names; others than keys of `properties` are passed over.
        numbers: Those that it adds up, or compares with numbers.
    """
    runner = QueryRunner.wrap(con)
    inside = [column for column in dict.fromkeys(columns) if json_path(column)]
    if inside and not runner.rows(one_with_properties, events):
        return [
            f"No event has properties, so none has {inside[0]}; a mapping keeps them with `other_columns: properties`."
        ]
    missing = [column for column in inside if not runner.rows(one_with_text, events, column)]
    texts = [
        column
        for column in dict.fromkeys(numbers)
        if column in inside and column not in missing and not runner.rows(one_with_number, events, column)
    ]
    return [
        *(f"No event has {column}; look at the properties of one of them for its name." for column in missing),
        *(
            f"{column} holds text, never a number, so nothing of it is added up or equals a number; compare it with a "
            "text in quotes, or make it a number in the mapping, with an expression for `properties`."
            for column in texts
        ),
    ]


def one_with_properties(events: ir.Table) -> ir.Table:
    """Return one event that has properties."""
    return _one(events.filter(events.properties.notnull()))


def one_with_text(events: ir.Table, column: str) -> ir.Table:
    """Return one event that has a value of a key."""
    return _one(events.filter(text_of(events, column).notnull()))


def one_with_number(events: ir.Table, column: str) -> ir.Table:
    """Return one event that has a number of a key."""
    return _one(events.filter(number_of(events, column).notnull()))


def _one(events: ir.Table) -> ir.Table:
    return events.select("event_id").limit(1)
