"""How order lines go down: a clean line to the received copy that counts."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.orders.contracts import RawUserOrderLog, UserOrderLog
from ecom_assets.orders.orders import OrderRule, latest_copies
from ecom_assets.tables.contract import Table
from ecom_assets.tables.trace import Behind, Below, TableTrace, keeping


def received_lines(rows: ir.Table, behind: Behind) -> ir.Table:
    """Return the received row of each clean order line: of its copies the last that arrived."""
    rule: OrderRule = behind.rules["order_rule"]
    raw = behind.table(RawUserOrderLog)
    raw = raw.filter(behind.span(rows, "received_date", "received_date").contain(raw.received_date))
    return keeping(latest_copies(raw.semi_join(rows, ["uniq_id", "received_date"]), rule), rows, ["uniq_id"])


BELOW: Final[Mapping[type[Table], Below]] = {
    UserOrderLog: Below(RawUserOrderLog, received_lines, ("uniq_id", "received_date"), is_one_to_one=True)
}
TRACES: Final[tuple[TableTrace, ...]] = ()
