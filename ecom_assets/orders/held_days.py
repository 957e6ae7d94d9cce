"""Which days of a source are held back. Each day is evaluated by its own rows, so the order of runs does not matter.

A day is held while the rows that arrived on it fail its gate and it was not released. Better data end the hold
without a release. Any source can hold days this way: return its `HeldDay`s, write them with `orders/held_day_log.py` to
a table that extends `HeldDays` of `orders/contracts.py`, and exclude their rows from the clean table.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis.expr.types as ir

from ecom_assets.orders.orders import OrderRule, classify
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all

ORDERS = "orders"
"""The name of this source in releases."""


@dataclass(frozen=True)
class HeldDay:
    """A day that is held back, with the reason and its number of rows."""

    day: date
    reason: str
    observed: int
    limit: int
    row_count: int


@dataclass(frozen=True)
class OrderGate:
    """The gate that the order lines of a day must pass.

    Args:
        customers_over: A day passes if it has more customers than this.
        checked_days: Returns which of some days are evaluated one by one.
    """

    customers_over: int
    checked_days: Callable[[Days], Days]


def order_day_counts(raw: ir.Table, rule: OrderRule, days: Days) -> ir.Table:
    """Count the lines, clean lines and customers of each day of `days` on which order lines arrived.

    Args:
        raw: Rows of `RawUserOrderLog`.
        rule: Which lines are clean.
        days: Arrival days.
    """
    lines = classify(raw.filter(days.contain(raw.received_date)), rule)
    return lines.group_by(day="received_date").agg(
        received_count=lines.count(),
        clean_count=lines.reject_reason.isnull().ifelse(1, 0).sum().cast("int64"),
        customer_count=lines.customer_id.nunique(),
    )


def held_order_dates(raw: ir.Table, held: ir.Table, kept: ir.Table, rule: OrderRule) -> ir.Table:
    """Return each order day with held clean lines, and how many of these lines have no other copy on that day.

    An arrival day without clean lines counts as an order day, because its report names none. A held copy that is older
    than the copy in `UserOrderLog` does not count as held.

    Args:
        raw: Rows of `RawUserOrderLog`.
        held: Rows of `HeldOrderDays`.
        kept: Rows of `UserOrderLog`.
        rule: Which lines are clean.
    """
    lines = classify(raw.semi_join(held, raw.received_date == held.held_date), rule)
    clean = lines.filter(lines.reject_reason.isnull()).select("uniq_id", "received_date", "order_date").distinct()
    counted = kept.select(kept_id="uniq_id", kept_received_date="received_date", kept_order_date="order_date")
    copies = clean.left_join(counted, clean.uniq_id == counted.kept_id)
    waiting = copies.filter(copies.kept_id.isnull() | (copies.kept_received_date < copies.received_date))
    stands = waiting.kept_order_date == waiting.order_date  # null, so not true, without a copy
    of_lines = waiting.select("order_date", missing_count=stands.ifelse(0, 1).cast("int64"))
    without = held.filter(held.held_row_count == 0).select(
        order_date="held_date", missing_count=held.held_row_count + 1
    )
    days = union_all(of_lines, without)
    return days.group_by("order_date").agg(missing_count=days.missing_count.sum().cast("int64"))


def held_order_days(
    counts: Iterable[dict[str, Any]], gate: OrderGate, days: Days, absent: Container[date] = ()
) -> list[HeldDay]:
    """Return the days that fail the gate, released or not.

    Args:
        counts: Rows of `order_day_counts`.
        gate: The gate that a day must pass.
        days: Arrival days.
        absent: Days of which the source says that it has nothing; without rows there is nothing to hold back.
    """
    by_day = {row["day"]: row for row in counts}
    held = []
    for day in gate.checked_days(days).dates:
        row = by_day.get(day, {})
        if not row and day in absent:
            continue
        customers = int(row.get("customer_count", 0))
        if not row or customers <= gate.customers_over:
            reason = "too_few_customers" if row else "report_missing"
            held.append(HeldDay(day, reason, customers, gate.customers_over, int(row.get("clean_count", 0))))
    return held
