"""Warnings about what was asked for and what no event has: event types, which count 0, and values in `properties`.

Not here: who is asked, and whether anybody reads it.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.transforms.funnel_columns import text_of
from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.funnel_step import json_path
from ecom_assets.warehouse.schema import fetched

MOST_LISTED = 20
"""Event types that are listed where none is near; a file can have thousands."""

Words = Mapping[str, tuple[str, ...]]
"""The source's own words for the platform's event types, where they differ."""


def missing_type_warnings(
    con: SQLBackend, events: ir.Table, asked: Iterable[str], words: Words | None = None
) -> list[str]:
    """Return a sentence for each event type asked for that no event has."""
    names = list(dict.fromkeys(asked))
    if not names:
        return []
    present = sorted(name for (name,) in fetched(con, events.select("event_type").distinct()) if name is not None)
    return [_sentence(name, present, words or {}) for name in names if name not in present]


def missing_property_warnings(con: SQLBackend, events: ir.Table, funnel: Funnel) -> list[str]:
    """Return a sentence for each `properties.key` that a funnel names and no event has."""
    asked = [column for step in funnel.steps for column in step.where]
    columns = [*asked, *funnel.hold, *([funnel.by] if funnel.by else [])]
    inside = [column for column in dict.fromkeys(columns) if json_path(column)]
    if inside and not _exists(con, events, events.properties.notnull()):
        return [
            f"No event has properties, so none has {inside[0]}; a mapping keeps them with `other_columns: properties`."
        ]
    return [
        f"No event has {column}; look at the properties of one of them for its name."
        for column in inside
        if not _exists(con, events, text_of(events, column).notnull())
    ]


def _exists(con: SQLBackend, events: ir.Table, condition: ir.BooleanValue) -> bool:
    return bool(fetched(con, events.filter(condition).select("event_id").limit(1)))


def _sentence(name: str, present: list[str], words: Words) -> str:
    if not present:
        return f"No event has the type {name!r}, so it counts 0; there is no clean event at all."
    own = [word for one in present for word in words.get(one, (one,))]
    near = get_close_matches(name, [*own, *present], n=1)
    more = f", and {len(own) - MOST_LISTED} more" if len(own) > MOST_LISTED else ""
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(own[:MOST_LISTED])}{more}."
    return f"No event has the type {name!r}, so it counts 0; {hint}"
