"""How order lines are traced: a clean line to the received copy that counts."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.orders.contracts import (
    HeldOrderDays,
    OrderAccountingDaily,
    QuarantinedOrderSamples,
    RawUserOrderLog,
    UserOrderLog,
)
from ecom_assets.orders.orders import OrderRule, clean_lines, latest_copies, quarantined_orders, surplus_lines
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.trace import Behind, Below, Computed, Count, TableTrace, keeping


def received_lines(rows: ir.Table, behind: Behind) -> ir.Table:
    """Return the received row of each clean order line: of its copies the last that arrived."""
    rule: OrderRule = behind.rules["order_rule"]
    raw = behind.table(RawUserOrderLog)
    raw = raw.filter(behind.span(rows, "received_date", "received_date").contain(raw.received_date))
    return keeping(latest_copies(raw.semi_join(rows, ["uniq_id", "received_date"]), rule), rows, ["uniq_id"])


BELOW: Final[Mapping[type[Table], Below]] = {
    UserOrderLog: Below(RawUserOrderLog, received_lines, ("uniq_id", "received_date"), is_one_to_one=True)
}


def _arrived(behind: Behind) -> ir.Table:
    """Return the lines that arrived on a row's day."""
    day = behind.row["received_date"]
    return behind.within(RawUserOrderLog, day, day)


def _clean(behind: Behind) -> ir.Table:
    return behind.where(UserOrderLog, received_date=behind.row["received_date"])


def _quarantined(behind: Behind) -> ir.Table:
    """Return the lines of a row's day that are quarantined, for its reason if it names one."""
    day = behind.row["received_date"]
    result = quarantined_orders(_arrived(behind), behind.rules["order_rule"], Days((day,)))
    reason = behind.row.get("reject_reason")
    return result.filter(result.reject_reason == reason) if reason else result


def _surplus(behind: Behind) -> ir.Table:
    raw, held = behind.table(RawUserOrderLog), behind.table(HeldOrderDays)
    return surplus_lines(raw, held, behind.rules["order_rule"], Days((behind.row["received_date"],)))


def _held(behind: Behind) -> ir.Table:
    held = behind.where(HeldOrderDays, held_date=behind.row["received_date"])
    return clean_lines(_arrived(behind), behind.rules["order_rule"]).semi_join(
        held.rename(received_date="held_date"), "received_date"
    )


OF_SAMPLE: Final = Computed("read from the received line that the row shows", ("source_file",))
TRACES: Final = (
    TableTrace(
        OrderAccountingDaily,
        "order-lines",
        {
            "received_count": Count(RawUserOrderLog, _arrived),
            "clean_count": Count(UserOrderLog, _clean),
            "quarantined_count": Count(RawUserOrderLog, _quarantined),
            "surplus_count": Count(RawUserOrderLog, _surplus),
            "held_count": Count(RawUserOrderLog, _held),
        },
    ),
    TableTrace(
        QuarantinedOrderSamples,
        "clean-order-lines-and-reject-reasons",
        {
            "row_count": Count(RawUserOrderLog, _quarantined),
            **dict.fromkeys(("id_number", "quantity", "payment_amount"), OF_SAMPLE),
        },
    ),
)
