"""Numbers of reconciliation: orders against events, differences by cause,
and restatements of a run.
"""

from collections.abc import Sequence
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.recorded import PURCHASES, not_recorded
from ecom_assets.commerce.reconciliation.contracts import (
    CAUSES,
    RESTATEMENT_CAUSES,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
)
from ecom_assets.commerce.sales.coverage import require_orders
from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.queries import (
    ZERO,
    Page,
    Period,
    Reading,
    if_known,
    page_of,
    rows_in_period,
)

NUMBERS: Final = OrderEventReconciliationDaily.numbers()
COLUMNS: Final = ("reconciled_date", *NUMBERS)


def reconciliation(reading: Reading, period: Period, page: Page) -> Answer:
    """Return the sums of a period, its days, the number of days, and what senders send as amounts.

    Raises:
        NoOrdersError: There is not a single order line, so every purchase would count as missing
            from the orders.
    """
    require_orders(reading)
    stored_rows = rows_in_period(reading, OrderEventReconciliationDaily)
    period_rows = stored_rows.select(*COLUMNS)
    kinds: dict[str, tuple[Any, Any]] = {
        name: (MONEY, ZERO) if name.endswith("_amount") else ("int64", 0) for name in NUMBERS
    }
    (row,) = reading.rows(
        stored_rows.agg(
            **{name: stored_rows[name].sum().cast(kind) for name, (kind, _) in kinds.items()},
            sent_sums=stored_rows.sent_sums.max(),
        ),
        period,
    )
    days, total = page_of(reading, period_rows, ["reconciled_date"], page, period)
    numbers = {name: row[name] or nothing for name, (_, nothing) in kinds.items()}
    numbers = if_known(numbers, period)
    if PURCHASES in not_recorded(reading):  # there is nothing to compare orders with
        unknown = dict.fromkeys(numbers)
        return {"reconciliation": unknown, "sent_sums": None, "total_count": None, "days": []}
    said = {"sent_sums": row["sent_sums"] or None, "total_count": total}
    return {"reconciliation": numbers, **said, "days": days}


OF_DIFFERENCE: Final = (
    "reconciled_date",
    "cause",
    "kind",
    "order_id",
    "event_id",
    "customer_id",
    "order_amount",
    "event_amount",
    "difference_amount",
)
"""What is said of a single difference."""


def differences(reading: Reading, period: Period, cause: str | None, page: Page) -> Answer:
    """Return the differences of a period one by one, those that make most of it first, and their
    number.

    Raises:
        NoOrdersError: There is not a single order line.
    """
    require_orders(reading)
    rows = rows_in_period(reading, OrderEventReconciliation)
    rows = rows if cause is None else rows.filter(rows.cause == cause)
    order = [rows.difference_amount.abs().desc(), rows.reconciled_date, rows.kind, rows.side]
    order += [rows.record_id, rows.cause]
    result, total = page_of(reading, rows, order, page, period)
    return {
        "total_count": None if PURCHASES in not_recorded(reading) else total,
        "differences": [{name: row[name] for name in OF_DIFFERENCE} for row in result],
    }


SUMMED: Final = (
    "order_count",
    "event_count",
    "matched_count",
    "order_amount",
    "event_amount",
    "difference_amount",
)


def difference_totals(reading: Reading, period: Period) -> Answer:
    """Return orders, events and their difference over a period, and the differences by cause.

    A time zone shift has rows on two days and counts once, on the day of the order.
    """
    daily = rows_in_period(reading, OrderEventReconciliationDaily)
    (sums,) = reading.rows(daily.agg(**{name: daily[name].sum() for name in SUMMED}), period)
    rows = rows_in_period(reading, OrderEventReconciliation)
    is_first = (rows.cause != "time_zone_shift") | (rows.side == "order")
    causes = rows.group_by("cause").agg(
        count=is_first.ifelse(1, 0).sum(), amount=rows.difference_amount.sum()
    )
    by_cause = {row.pop("cause"): row for row in reading.rows(causes, period)}
    return {**sums, "causes": {cause: by_cause[cause] for cause in CAUSES if cause in by_cause}}


def restatements(reading: Reading, run_ids: Sequence[str]) -> Answer:
    """Return how many published numbers some runs changed, by cause, and the largest change."""
    logged = reading.table(Restatements)
    logged = logged.filter(logged.run_id.isin(run_ids))
    counts = reading.rows(logged.group_by("cause").agg(n=logged.count()))
    by_cause = {row["cause"]: int(row["n"]) for row in counts}
    return {
        "changed": sum(by_cause.values()),
        "causes": {cause: by_cause[cause] for cause in RESTATEMENT_CAUSES if cause in by_cause},
        "largest": _largest(reading, logged) if by_cause else None,
    }


def _largest(reading: Reading, logged: ir.Table) -> Row:
    """Return the row of the largest change in the number's own unit; of equal changes,
    the first by day and name.
    """
    size = logged["difference"].abs()  # `logged.difference` is a method of the table
    size = size.fill_null(ibis.literal(-1.0))
    keys = ["restated_date", "table_name", "row_key", "column_name", "restatement_number"]
    (row,) = reading.rows(logged.order_by([size.desc(), *keys]).limit(1))
    return row
