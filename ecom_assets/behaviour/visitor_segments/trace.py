"""How the visitors of declared segments go down: to their stays,
and to the events of the visitors until that day.
"""

from collections.abc import Callable, Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments, VisitorSegmentsDaily
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.trace import Count, TableTrace, TraceContext, UpstreamRows, keeping


def events_of_members(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the events of the visitors of some stays, until the end of the row's day."""
    events = context.table(CleanEvents)
    return keeping(
        events.filter(events.event_date <= context.row["as_of_date"]), rows, ["visitor_id"]
    )


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    VisitorSegments: UpstreamRows(CleanEvents, events_of_members, ("visitor_id",))
}


def _stays(met: Callable[[ir.Table, object], ir.BooleanValue]) -> Count:
    """Return how a number of visitors goes down:
    to the stays in a row's segment that meet a condition on its day.
    """

    def rows(context: TraceContext) -> ir.Table:
        stays = context.where(VisitorSegments, segment=context.row["segment"])
        return stays.filter(met(stays, context.row["as_of_date"]))

    return Count(VisitorSegments, rows, unit="visitor_id")


def _is_in(stays: ir.Table, day: object) -> ir.BooleanValue:
    return (stays.entered_date <= day) & (stays.left_date.isnull() | (stays.left_date > day))


TRACES: Final = (
    TableTrace(
        VisitorSegmentsDaily,
        "visitor-segments",
        {
            "visitor_count": _stays(_is_in),
            "entered_count": _stays(lambda stays, day: stays.entered_date == day),
            "left_count": _stays(lambda stays, day: stays.left_date == day),
        },
    ),
)
