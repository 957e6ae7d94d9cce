"""How events go down: a clean event to the received row that it was read from."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.events.clean import CleaningRule, first_copies
from ecom_assets.events.contracts import CleanEvents, RawEvents
from ecom_assets.tables.contract import Table
from ecom_assets.tables.trace import Behind, Below, TableTrace, keeping


def received_events(rows: ir.Table, behind: Behind) -> ir.Table:
    """Return the received row of each clean event: of its copies the first that arrived."""
    rule: CleaningRule = behind.rules["cleaning_rule"]
    raw = behind.table(RawEvents)
    raw = raw.filter(behind.span(rows, "received_date", "received_date").contain(raw.received_date))
    raw = raw.semi_join(rows, ["event_id", "event_date", "received_date"])
    found = first_copies(raw, rule, behind.span(rows, "event_date", "event_date"))
    return keeping(found, rows, ["event_id", "event_date"])


BELOW: Final[Mapping[type[Table], Below]] = {
    CleanEvents: Below(RawEvents, received_events, ("event_id", "event_date", "received_date"), is_one_to_one=True)
}
TRACES: Final[tuple[TableTrace, ...]] = ()
