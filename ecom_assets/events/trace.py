"""How events are traced: a clean event to the received row from which it was read."""

from collections.abc import Mapping
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.events.clean import (
    CleaningRule,
    accounted_date,
    arrival_keys,
    clean_copies,
    quarantined_events,
    unique_copies,
)
from ecom_assets.events.contracts import (
    CleanEvents,
    DuplicateEvents,
    EventAccountingDaily,
    QuarantinedEventSamples,
    RawEvents,
)
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.tables.trace import Behind, Below, Computed, Count, TableTrace, keeping

EVENT: Final = ("event_id", "event_date", "received_date")
"""What identifies the received row of a clean event."""
EVENT_OF_DAY: Final = ["event_date", "event_id"]


def received_events(rows: ir.Table, behind: Behind) -> ir.Table:
    """Return the received row of each clean event: of its copies the first that arrived."""
    return keeping(_first_copies(rows, behind), rows, list(EVENT))


def _first_copies(rows: ir.Table, behind: Behind) -> ir.Table:
    """Return the clean received rows of the days of some events, of copies the first that arrived."""
    raw, duplicates, days = _near_events(rows, behind)
    return unique_copies(clean_copies(raw, _rule(behind), days), duplicates)


def _all_copies(rows: ir.Table, behind: Behind) -> tuple[ir.Table, ir.Table]:
    """Return the clean received rows of the days of some events, and those that `_first_copies` leaves out."""
    raw, duplicates, days = _near_events(rows, behind)
    repeated = behind.keep(raw.semi_join(duplicates, EVENT_OF_DAY))
    surplus = _surplus_copies(clean_copies(repeated, _rule(behind), days), duplicates)
    return clean_copies(raw, _rule(behind), days), surplus


def _near_events(rows: ir.Table, behind: Behind) -> tuple[ir.Table, ir.Table, Days]:
    """Return the received rows and the `DuplicateEvents` of the days of some events, and their event days."""
    raw, duplicates = behind.table(RawEvents), behind.table(DuplicateEvents)
    days = behind.span(rows, "event_date", "event_date")
    raw = raw.filter(behind.span(rows, "received_date", "received_date").contain(raw.received_date))
    return raw, duplicates.filter(days.contain(duplicates.event_date)), days


def _surplus_copies(copies: ir.Table, duplicates: ir.Table) -> ir.Table:
    """Return the copies of repeated events but the one of each event that stays, if one of this day does."""
    copies = copies.join(duplicates.select(*EVENT_OF_DAY, "has_kept_copy"), EVENT_OF_DAY)
    in_order = ibis.window(group_by=EVENT_OF_DAY, order_by=arrival_keys(copies))
    placed = copies.mutate(place=ibis.row_number().over(in_order))
    return placed.filter((placed.place > 0) | ~placed.has_kept_copy)


BELOW: Final[Mapping[type[Table], Below]] = {
    CleanEvents: Below(
        RawEvents, received_events, EVENT, is_one_to_one=True, candidates=_first_copies, copies=_all_copies
    )
}


def _rule(behind: Behind) -> CleaningRule:
    rule: CleaningRule = behind.rules["cleaning_rule"]
    return rule


def _near(behind: Behind) -> ir.Table:
    """Return the rows that arrived so near to a row's day that they can count for it."""
    day = behind.row["accounted_date"]
    return behind.within(RawEvents, day - ONE_DAY, day + _rule(behind).late_days * ONE_DAY)


def _days(behind: Behind) -> Days:
    return Days((behind.row["accounted_date"],))


def _received(behind: Behind) -> ir.Table:
    rows = _near(behind)
    return rows.filter(accounted_date(rows, _rule(behind).late_days) == behind.row["accounted_date"])


def _quarantined(behind: Behind) -> ir.Table:
    """Return the rows that count for a row's day and are quarantined, for its reason if it names one."""
    result = quarantined_events(_near(behind), _rule(behind), _days(behind))
    reason = behind.row.get("reject_reason")
    return result.filter(result.reject_reason == reason) if reason else result


def _clean(behind: Behind) -> ir.Table:
    return behind.where(CleanEvents, event_date=behind.row["accounted_date"])


def _surplus(behind: Behind) -> ir.Table:
    """Return the clean copies of a row's day but the one of each event that stays, if one of this day does."""
    repeated = behind.where(DuplicateEvents, event_date=behind.row["accounted_date"])
    return _surplus_copies(clean_copies(_near(behind), _rule(behind), _days(behind)), repeated)


OF_SAMPLE: Final = Computed("read from the received row that this row shows", ("cart_value",))
TRACES: Final = (
    TableTrace(
        EventAccountingDaily,
        "duplicates-and-the-accounting",
        {
            "received_count": Count(RawEvents, _received),
            "clean_count": Count(CleanEvents, _clean),
            "quarantined_count": Count(RawEvents, _quarantined),
            "surplus_count": Count(RawEvents, _surplus),
        },
    ),
    TableTrace(
        QuarantinedEventSamples,
        "clean-events-and-reject-reasons",
        {"cart_amount": OF_SAMPLE, "row_count": Count(RawEvents, _quarantined)},
    ),
)
