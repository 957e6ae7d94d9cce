"""Warnings about properties that a funnel names and no event has."""

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.funnels.definition import Funnel
from ecom_assets.tables.columns import text_of
from ecom_assets.tables.schema import fetched
from ecom_assets.tables.values import json_path


def missing_property_warnings(con: SQLBackend, events: ir.Table, funnel: Funnel) -> list[str]:
    """Return a sentence for each `properties.key` that a funnel names and no event has."""
    inside = [column for column in dict.fromkeys(funnel.columns) if json_path(column)]
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
