"""Warnings about event types and keys of `properties` that a question names in vain.

No event has them, or only as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.core.errors import nearest
from ecom_assets.core.tables.columns import number_of, text_of
from ecom_assets.core.tables.portable import fetched
from ecom_assets.core.tables.values import json_path

SourceNames = Mapping[str, tuple[str, ...]]
"""The source's names for the platform's event types, if they differ."""
MOST_LISTED = 20
"""The number of event types that are listed if none has a similar name; a file can have thousands.
"""


def missing_type_warnings(
    con: SQLBackend,
    events: ir.Table,
    event_types: Iterable[str],
    source_names: SourceNames | None,
) -> list[str]:
    """Return one sentence for each requested event type that no event has."""
    names = list(dict.fromkeys(event_types))
    if not names:
        return []
    types = fetched(con, events.select("event_type").distinct())
    present = sorted(event_type for (event_type,) in types if event_type is not None)
    return [_sentence(name, present, source_names or {}) for name in names if name not in present]


def _sentence(name: str, present: list[str], source_names: SourceNames) -> str:
    if not present:
        return f"No event has the type {name!r}, so it counts 0; there is no clean event at all."
    own = [word for event_type in present for word in source_names.get(event_type, (event_type,))]
    near = nearest(name, [*own, *present])
    more = f", and {len(own) - MOST_LISTED} more" if len(own) > MOST_LISTED else ""
    hint = f"did you mean {near!r}?" if near else f"there are {', '.join(own[:MOST_LISTED])}{more}."
    return f"No event has the type {name!r}, so it counts 0; {hint}"


def missing_property_warnings(
    con: SQLBackend, events: ir.Table, columns: Iterable[str], numbers: Iterable[str]
) -> list[str]:
    """Return a sentence for each `properties.key` that no event has, or that only has texts.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`.
        columns: The columns that a question names; others than keys of `properties` are passed
            over.
        numbers: Those that it adds up, or compares with numbers.
    """
    inside = [column for column in dict.fromkeys(columns) if json_path(column)]
    if inside and not _has_one(con, events, events.properties):
        return [
            (
                f"No event has properties, so none has {inside[0]}; a mapping keeps them with "
                "`other_columns: properties`, and those of an object that a field uses with "
                "`properties: NAME OF THE OBJECT` under `fields`."
            )
        ]
    missing = [column for column in inside if not _has_one(con, events, text_of(events, column))]
    texts = [
        column
        for column in dict.fromkeys(numbers)
        if column in inside
        and column not in missing
        and not _has_one(con, events, number_of(events, column))
    ]
    return [
        *(
            f"No event has {column}; look at the properties of one of them for its name."
            for column in missing
        ),
        *(
            f"{column} holds text, never a number, so nothing of it is added up or equals a "
            "number; compare it with a text in quotes, or make it a number in the mapping, with "
            "an expression for `properties`."
            for column in texts
        ),
    ]


def _has_one(con: SQLBackend, events: ir.Table, value: ir.Value) -> bool:
    """Return whether any event has a value."""
    return bool(fetched(con, events.filter(value.notnull()).select("event_id").limit(1)))
