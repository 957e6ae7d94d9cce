"""What was received, as it came. Not here: reading files (`sources/`), cleaning (`staging.py`)."""

import dagster as dg
import ibis.expr.types as ir

from ecom_assets.assets.table_asset import table_asset
from ecom_assets.contracts.events import RawEvents
from ecom_assets.sources.event_source import EventSource
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.day_by_day import DayByDay

EVENT_TABLE = dg.AssetKey(["source", "ecommerce_events"])
"""The table that events come from, where they come from one; see `event_table.py`."""


@table_asset(RawEvents)
def raw_events(event_source: EventSource, days: Days) -> ir.Table | DayByDay:
    """Take the events that arrived on `days` from the source."""
    return event_source.received(days)
