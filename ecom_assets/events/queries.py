"""Events that are not clean: quarantined by reason, and surplus copies."""

from typing import Any

from ecom_assets.events.contracts import DuplicateEvents, QuarantinedEvents
from ecom_assets.tables.queries import Period, Reading, rejected_rows


def rejected_events(reading: Reading, period: Period) -> dict[str, Any]:
    """Return the events of a period that are quarantined, by reason, and their surplus copies."""
    return rejected_rows(reading, QuarantinedEvents, DuplicateEvents, period)
