"""Warnings about keys of `properties` that a question names: no event has them, or they hold text, not numbers."""

from collections.abc import Iterable

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.tables.columns import number_of, text_of
from ecom_assets.tables.schema import fetched
from ecom_assets.tables.values import json_path


def missing_property_warnings(
    con: SQLBackend, events: ir.Table, columns: Iterable[str], numbers: Iterable[str] = ()
) -> list[str]:
    """Return a sentence for each `properties.key` that no event has, or that only has texts.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`.
        columns: The columns that a question names; others than keys of `properties` are passed over.
        numbers: Those that it adds up, or compares with numbers.
    """
    inside = [column for column in dict.fromkeys(columns) if json_path(column)]
    if inside and not _exists(con, events, events.properties.notnull()):
        return [
            f"No event has properties, so none has {inside[0]}; a mapping keeps them with `other_columns: properties`."
        ]
    missing = [column for column in inside if not _exists(con, events, text_of(events, column).notnull())]
    texts = [
        column
        for column in dict.fromkeys(numbers)
        if column in inside and column not in missing and not _exists(con, events, number_of(events, column).notnull())
    ]
    return [
        *(f"No event has {column}; look at the properties of one of them for its name." for column in missing),
        *(
            f"{column} holds text, never a number, so nothing of it is added up or equals a number; compare it with a "
            "text in quotes, or make it a number in the mapping, with an expression for `properties`."
            for column in texts
        ),
    ]


def _exists(con: SQLBackend, events: ir.Table, condition: ir.BooleanValue) -> bool:
    return bool(fetched(con, events.filter(condition).select("event_id").limit(1)))
