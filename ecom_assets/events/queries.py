"""Queries about events that are not clean: quarantined events by reason, and surplus copies."""

from typing import Any

from ecom_assets.events.contracts import DuplicateEvents, QuarantinedEvents
from ecom_assets.tables.queries import Period, Reading, rejected_rows


def rejected_events(reading: Reading, period: Period) -> dict[str, Any]:
    """Return the counts of quarantined events by reason, and of surplus copies, in a period."""
    return rejected_rows(reading, QuarantinedEvents, DuplicateEvents, period)
