"""Queries about events that are not clean: quarantined events by reason, and surplus copies."""

from typing import Any

from ecom_assets.events.contracts import DuplicateEvents, QuarantinedEvents
from ecom_assets.tables.queries import Period, Reading, Row, rejected_rows


def rejected_events(reading: Reading, period: Period) -> dict[str, Any]:
    """Return the counts of quarantined events by reason, and of surplus copies, in a period."""
    return rejected_rows(reading, QuarantinedEvents, DuplicateEvents, period)


def event_types(reading: Reading, limit: int = 100) -> list[Row]:
    """Return the types of clean events with their counts, the most frequent first."""
    events = reading.events()
    counts = events.group_by("event_type").agg(event_count=events.count())
    return reading.state(counts.order_by([counts.event_count.desc(), "event_type"]).limit(limit))
