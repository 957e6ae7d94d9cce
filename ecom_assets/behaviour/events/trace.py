"""How events are traced: numbers to rows, and a clean event to the received row that it is from.

`UPSTREAM` says how rows of `CleanEvents` go down to rows of `RawEvents`. `TRACES` says of each
number of a mart which rows it counts: a function gets the row that is explained
(`context.row`) and returns them. A new number of these marts needs an entry in `TRACES`, or a test
fails. The conditions are those of `clean.py`, which computed the tables.
"""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events import clean
from ecom_assets.behaviour.events.clean import CleaningRule
from ecom_assets.behaviour.events.contracts import (
    CleanEvents,
    DuplicateEvents,
    EventAccountingDaily,
    QuarantinedEventSamples,
    RawEvents,
)
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ANY_DAYS, ONE_DAY, Days
from ecom_assets.core.tables.portable import union_all
from ecom_assets.core.tables.trace import (
    Computed,
    Count,
    TableTrace,
    TraceContext,
    UpstreamRows,
    keeping,
    like_row,
    refused_money_derivations,
)

EVENT: Final = ("event_id", "event_date", "received_date")
"""What identifies the received row of a clean event."""
EVENT_OF_DAY: Final = ["event_date", "event_id"]


def received_events(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the received row of each clean event: of its copies the first that arrived."""
    return keeping(_first_copies(rows, context), rows, list(EVENT))


def _first_copies(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the clean received rows of the days of some events, the first of each copy."""
    raw, duplicates, days = _near_events(rows, context)
    rule = _cleaning_rule(context)
    return clean.unique_copies(clean.clean_copies(raw, rule, days), duplicates)


def _all_copies(rows: ir.Table, context: TraceContext) -> tuple[ir.Table, ir.Table]:
    """Return the clean received rows of the days of some events, and the copies left out.

    Both have the ids of their events.
    """
    raw, duplicates, days = _near_events(rows, context)
    rule = _cleaning_rule(context)
    repeated = context.keep(raw.semi_join(clean.received_ids(duplicates), EVENT_OF_DAY))
    of_ids = clean.clean_copies(repeated, rule, days)
    copies = clean.clean_copies(raw, rule, days)
    if context.ask(duplicates.filter(duplicates.source_event_id.notnull()).limit(1)):
        others = copies.anti_join(clean.received_ids(duplicates), EVENT_OF_DAY)
        named = clean.with_event_ids(of_ids, duplicates)
        copies = union_all(
            others, named.mutate(event_id=named.clean_event_id).select(*copies.columns)
        )
    return copies, clean.surplus_rows(of_ids, duplicates)


def _near_events(rows: ir.Table, context: TraceContext) -> tuple[ir.Table, ir.Table, Days]:
    """Return the received rows, `DuplicateEvents` and event days of the days of some events.

    The days are `ANY_DAYS` if there are no events: what clocks show is looked for in the days of
    the rows.
    """
    raw, duplicates = context.table(RawEvents), context.table(DuplicateEvents)
    days = context.span(rows, "event_date", "event_date")
    raw = raw.filter(
        context.span(rows, "received_date", "received_date").contain(raw.received_date)
    )
    return (
        raw,
        duplicates.filter(days.contain(duplicates.event_date)),
        days if days.dates else ANY_DAYS,
    )


def _with_received_ids(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return what identifies some events, under the ids as received too, where they differ."""
    duplicates = context.table(DuplicateEvents)
    renamed = duplicates.filter(duplicates.source_event_id.notnull())
    renamed = rows.join(renamed.select(*EVENT_OF_DAY, "source_event_id"), EVENT_OF_DAY)
    as_received = renamed.select("event_date", "received_date", event_id="source_event_id")
    return union_all(rows.select(*EVENT), as_received.select(*EVENT))


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    CleanEvents: UpstreamRows(
        RawEvents,
        received_events,
        EVENT,
        is_one_to_one=True,
        candidates=_first_copies,
        copies=_all_copies,
        found_by=_with_received_ids,
    )
}


def _cleaning_rule(context: TraceContext) -> CleaningRule:
    rule: CleaningRule = context.rules["cleaning_rule"]
    return rule


def _rows_arrived_near(context: TraceContext) -> ir.Table:
    """Return the rows that arrived so near to a row's day that they can count for it."""
    day = context.row["accounted_date"]
    return context.within(
        RawEvents, day - ONE_DAY, day + _cleaning_rule(context).late_days * ONE_DAY
    )


def _day_of_row(context: TraceContext) -> Days:
    return Days((context.row["accounted_date"],))


def _received_rows(context: TraceContext) -> ir.Table:
    rows = _rows_arrived_near(context)
    return rows.filter(
        clean.accounted_date(rows, _cleaning_rule(context).late_days)
        == context.row["accounted_date"]
    )


def _quarantined_rows(context: TraceContext) -> ir.Table:
    """Return the quarantined rows of a row's day, and of its reason if it names one."""
    result = clean.quarantined_events(
        _rows_arrived_near(context), _cleaning_rule(context), _day_of_row(context)
    )
    reason = context.row.get("reject_reason")
    return result.filter(result.reject_reason == reason) if reason else result


def _surplus_rows(context: TraceContext) -> ir.Table:
    """Return the clean copies of a row's day without those that stay."""
    repeated = context.where(DuplicateEvents, event_date=context.row["accounted_date"])
    rule = _cleaning_rule(context)
    return clean.surplus_rows(
        clean.clean_copies(_rows_arrived_near(context), rule, _day_of_row(context)), repeated
    )


OF_SAMPLE: Final = Computed("read from the received row that this row shows", ("cart_value",))
TRACES: Final = (
    TableTrace(
        EventAccountingDaily,
        "duplicates-and-the-accounting",
        {
            "received_count": Count(RawEvents, _received_rows),
            "clean_count": Count(CleanEvents, like_row(CleanEvents, event_date="accounted_date")),
            "quarantined_count": Count(RawEvents, _quarantined_rows),
            "surplus_count": Count(RawEvents, _surplus_rows),
        },
    ),
    TableTrace(
        QuarantinedEventSamples,
        "clean-events-and-reject-reasons",
        {
            "cart_amount": OF_SAMPLE,
            "row_count": Count(RawEvents, _quarantined_rows),
            **refused_money_derivations(Count(RawEvents, _quarantined_rows)),
        },
    ),
)
