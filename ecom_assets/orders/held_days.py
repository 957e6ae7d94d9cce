"""Which days of a source are held back, day by day, from the rows that arrived: no order of runs changes the answer.

A day is held while what arrived on it breaks its gate and nobody has released it, so better data let it in by
themselves. Any source can hold days this way: say which days (`HeldDay`), let `orders/held_day_log.py` write them to a
table that extends `HeldDays` of `orders/contracts.py`, and leave their rows out of what is clean.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis.expr.types as ir

from ecom_assets.orders.orders import OrderRule, classify
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all

ORDERS = "orders"
"""What releases call this source."""


@dataclass(frozen=True)
class HeldDay:
    """A day that is held back: why, and how many of its rows."""

    day: date
    reason: str
    observed: int
    limit: int
    row_count: int


@dataclass(frozen=True)
class OrderGate:
    """What a day of order lines must have to be let in.

    Args:
        customers_over: How many customers it must exceed.
        judged: Returns those of some days that are judged each by itself.
    """

    customers_over: int
    judged: Callable[[Days], Days]


def order_day_counts(raw: ir.Table, rule: OrderRule, days: Days) -> ir.Table:
    """One row per day of `days` on which order lines arrived: lines, clean lines and customers.

    Args:
        raw: Rows of `RawUserOrderLog`.
        rule: What is clean.
        days: Arrival days.
    """
    lines = classify(raw.filter(days.contain(raw.received_date)), rule)
    return lines.group_by(day="received_date").agg(
        received_count=lines.count(),
        clean_count=lines.reject_reason.isnull().ifelse(1, 0).sum().cast("int64"),
        customer_count=lines.customer_id.nunique(),
    )


def held_order_dates(raw: ir.Table, held: ir.Table, kept: ir.Table, rule: OrderRule) -> ir.Table:
    """One row per day of order whose clean lines are held back, with how many of them no copy stands for.

    A day of arrival without clean lines stands for itself: its report names no day of order. A held copy that came
    before the one that counts is not waited for.

    Args:
        raw: Rows of `RawUserOrderLog`.
        held: Rows of `HeldOrderDays`.
        kept: Rows of `UserOrderLog`.
        rule: What is clean.
    """
    lines = classify(raw.semi_join(held, raw.received_date == held.held_date), rule)
    clean = lines.filter(lines.reject_reason.isnull()).select("uniq_id", "received_date", "order_date").distinct()
    counted = kept.select(kept_id="uniq_id", kept_received_date="received_date", kept_order_date="order_date")
    copies = clean.left_join(counted, clean.uniq_id == counted.kept_id)
    waiting = copies.filter(copies.kept_id.isnull() | (copies.kept_received_date < copies.received_date))
    stands = waiting.kept_order_date == waiting.order_date  # null, so not true, where there is no copy
    of_lines = waiting.select("order_date", missing_count=stands.ifelse(0, 1).cast("int64"))
    without = held.filter(held.held_row_count == 0).select(
        order_date="held_date", missing_count=held.held_row_count + 1
    )
    days = union_all(of_lines, without)
    return days.group_by("order_date").agg(missing_count=days.missing_count.sum().cast("int64"))


def held_order_days(counts: Iterable[dict[str, Any]], gate: OrderGate, days: Days) -> list[HeldDay]:
    """Return the days that the gate holds, whether released or not.

    Args:
        counts: What `order_day_counts` says.
        gate: What a day must have.
        days: Arrival days.
    """
    by_day = {row["day"]: row for row in counts}
    held = []
    for day in gate.judged(days).dates:
        row = by_day.get(day, {})
        customers = int(row.get("customer_count", 0))
        if not row or customers <= gate.customers_over:
            reason = "too_few_customers" if row else "report_missing"
            held.append(HeldDay(day, reason, customers, gate.customers_over, int(row.get("clean_count", 0))))
    return held
