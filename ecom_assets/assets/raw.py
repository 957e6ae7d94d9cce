"""What was received, as it came. Not here: reading files (`sources/`), cleaning (`staging.py`)."""

import ibis.expr.types as ir

from ecom_assets.assets.table_asset import table_asset
from ecom_assets.contracts.events import RawEvents
from ecom_assets.sources.event_source import EventSource
from ecom_assets.transforms.days import Days


@table_asset(RawEvents)
def raw_events(event_source: EventSource, days: Days) -> ir.Table:
    """Take the events that arrived on `days` from the source."""
    return event_source.received(days)
