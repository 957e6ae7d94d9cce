"""Assets of visitor segments: who is in the declared ones, and how many on each day."""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments, VisitorSegmentsDaily
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.behaviour.visitor_segments.stays import daily_counts, stays
from ecom_assets.core.tables.asset import Reads, table_asset
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.portable import NO

EVERY_EVENT = Reads(CleanEvents, whole=True)


@table_asset(VisitorSegments, events=EVERY_EVENT)
def visitor_segments(events: ir.Table, declared_segments: tuple[VisitorSegment, ...]) -> ir.Table:
    """Compute when each visitor entered and left each declared segment."""
    return stays(events, declared_segments) if declared_segments else _none(events, VisitorSegments)


@table_asset(
    VisitorSegmentsDaily, visitor_segments=Reads(VisitorSegments, whole=True), events=EVERY_EVENT
)
def visitor_segments_daily(
    visitor_segments: ir.Table, events: ir.Table, declared_segments: tuple[VisitorSegment, ...]
) -> ir.Table:
    """Count the visitors of each declared segment at the end of each day."""
    if not declared_segments:
        return _none(events, VisitorSegmentsDaily)
    return daily_counts(visitor_segments, events, declared_segments)


def _none(events: ir.Table, contract: Contract) -> ir.Table:
    return events.filter(NO).select(
        **{name: ibis.null(column.type) for name, column in contract.columns.items()}
    )


SEGMENT_ASSETS = (visitor_segments, visitor_segments_daily)
"""The assets that need ECOM_VISITOR_SEGMENTS."""
