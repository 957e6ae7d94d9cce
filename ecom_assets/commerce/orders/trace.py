"""How order lines are traced: a clean line to the received copy that counts."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.commerce.orders.contracts import (
    HeldOrderDays,
    OrderAccountingDaily,
    QuarantinedOrderSamples,
    RawUserOrderLog,
    UserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.orders import (
    CHARGES,
    PROFIT_NUMBERS,
    clean_lines,
    counted_rows,
    let_in,
    quarantined_orders,
    surplus_lines,
)
from ecom_assets.commerce.orders.versions import line_key, received_line_key
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.trace import (
    Computed,
    Count,
    TableTrace,
    TraceContext,
    UpstreamRows,
    carried,
    like_row,
    refused_money_derivations,
)


def received_lines(rows: ir.Table, context: TraceContext) -> ir.Table:
    """Return the received row of each clean order line: that of its record's newest version."""
    raw, held, waiting = map(context.table, (RawUserOrderLog, HeldOrderDays, WaitingOrderDays))
    arrived = raw.filter(
        context.span(rows, "received_date", "received_date").contain(raw.received_date)
    )
    keys = rows.select(uniq_id=received_line_key(rows), received_date="received_date")
    touched = arrived.semi_join(keys, ["uniq_id", "received_date"])
    counted = counted_rows(raw, held, waiting, context.rules["order_rule"], touched)
    named = counted.mutate(line_id=line_key(counted))
    above = rows.select("uniq_id", *carried(rows)).rename(line_id="uniq_id")
    return named.join(above, "line_id").select(*RawUserOrderLog.columns, *carried(rows))


def _received_names(rows: ir.Table) -> Mapping[str, ir.Value]:
    return {"uniq_id": received_line_key(rows)}


UPSTREAM: Final[Mapping[Contract, UpstreamRows]] = {
    UserOrderLog: UpstreamRows(
        RawUserOrderLog,
        received_lines,
        ("uniq_id", "received_date", "shared_order_id"),
        is_one_to_one=True,
        received_names=_received_names,
    )
}


def _arrived(context: TraceContext) -> ir.Table:
    """Return the lines that arrived on a row's day."""
    day = context.row["received_date"]
    return context.within(RawUserOrderLog, day, day)


def _quarantined(context: TraceContext) -> ir.Table:
    """Return the lines of a row's day that are quarantined, for its reason if it names one."""
    day = context.row["received_date"]
    result = quarantined_orders(_arrived(context), context.rules["order_rule"], Days((day,)))
    reason = context.row.get("reject_reason")
    return result.filter(result.reject_reason == reason) if reason else result


def _surplus(context: TraceContext) -> ir.Table:
    raw, held, waiting = map(context.table, (RawUserOrderLog, HeldOrderDays, WaitingOrderDays))
    return surplus_lines(
        raw, held, waiting, context.rules["order_rule"], Days((context.row["received_date"],))
    )


def _held_lines(context: TraceContext) -> ir.Table:
    held = context.where(HeldOrderDays, held_date=context.row["received_date"])
    return clean_lines(_arrived(context), context.rules["order_rule"]).semi_join(
        held.rename(received_date="held_date"), "received_date"
    )


def _waiting(context: TraceContext) -> ir.Table:
    waiting = context.where(WaitingOrderDays, received_date=context.row["received_date"])
    lines = let_in(
        _arrived(context), context.table(HeldOrderDays), None, context.rules["order_rule"]
    )
    lines = lines.filter(lines.reject_reason.isnull())
    return lines.semi_join(
        waiting.filter(waiting.waiting_row_count > 0), ["received_date", "order_date"]
    )


OF_SAMPLE: Final = Computed("read from the received line that the row shows", ("source_file",))
TRACES: Final = (
    TableTrace(
        OrderAccountingDaily,
        "order-lines",
        {
            "received_count": Count(RawUserOrderLog, _arrived),
            "clean_count": Count(UserOrderLog, like_row(UserOrderLog, "received_date")),
            "quarantined_count": Count(RawUserOrderLog, _quarantined),
            "surplus_count": Count(RawUserOrderLog, _surplus),
            "held_count": Count(RawUserOrderLog, _held_lines),
            "waiting_count": Count(RawUserOrderLog, _waiting),
        },
    ),
    TableTrace(
        QuarantinedOrderSamples,
        "clean-order-lines-and-reject-reasons",
        {
            "row_count": Count(RawUserOrderLog, _quarantined),
            **refused_money_derivations(Count(RawUserOrderLog, _quarantined)),
            **dict.fromkeys(
                (
                    "id_number",
                    "record_number",
                    "quantity",
                    "payment_amount",
                    *CHARGES,
                    *PROFIT_NUMBERS,
                ),
                OF_SAMPLE,
            ),
        },
    ),
)
