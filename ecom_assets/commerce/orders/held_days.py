"""Which days of a source are held back, and the log of them: since when, and who released which.

Terms: docs/glossary.md#held.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.commerce.orders.contracts import (
    DayReleases,
    HeldOrderDays,
    RawUserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.orders import OrderRule, classify, counted_rows
from ecom_assets.commerce.orders.versions import line_key
from ecom_assets.core.errors import UsageError
from ecom_assets.core.operations.requests import RELEASE, Requests
from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.formats import counted
from ecom_assets.core.tables.portable import NO, arrow_schema_of, rows_of, union_all
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import in_memory

ORDERS = "orders"
"""The name of this source in releases."""


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
    """Count the lines, clean lines and customers of each day of `days` on
    which order lines arrived.

    `sale_count` counts the lines that are neither a refund nor left out by the mapping.

    Args:
        raw: Rows of `RawUserOrderLog`.
        rule: Which lines are clean.
        days: Arrival days.
    """
    lines = classify(raw.filter(days.contain(raw.received_date)), rule)
    is_refund = lines.reject_reason.isnull() & (lines.status == "refunded")
    is_no_sale = (is_refund | (lines.reject_reason == "left_out")).fill_null(NO)
    return lines.group_by(day="received_date").agg(
        received_count=lines.count(),
        sale_count=is_no_sale.ifelse(0, 1).sum().cast("int64"),
        clean_count=lines.reject_reason.isnull().ifelse(1, 0).sum().cast("int64"),
        customer_count=lines.customer_id.nunique(),
    )


def held_order_dates(
    raw: ir.Table, held: ir.Table, waiting: ir.Table | None, rule: OrderRule
) -> ir.Table:
    """Return each order day that the held lines change,
    and how many lines it would get that it does not have.

    A held version of an order changes the days of all of its lines: also of those that it moves to
    another day, leaves out or does not have any more. A version that is not the newest changes
    none. An arrival day without clean lines counts as an order day, because its report names none.

    Args:
        raw: All rows of `RawUserOrderLog`.
        held: Rows of `HeldOrderDays`.
        waiting: All rows of `WaitingOrderDays`; None where no line can wait.
        rule: Which lines are clean.
    """
    arrived = raw.semi_join(held, raw.received_date == held.held_date)
    released, counted = (
        rows.select("order_date", "received_date", key=line_key(rows))
        for rows in (counted_rows(raw, without, waiting, rule, arrived) for without in (None, held))
    )
    days_of = {"of_key": counted.key, "of_date": counted.order_date}
    of_held = released.semi_join(held, released.received_date == held.held_date)
    now = counted.select(**days_of)
    same = of_held.left_join(now, [of_held.key == now.of_key, of_held.order_date == now.of_date])
    added = same.select("order_date", missing_count=same.of_key.isnull().ifelse(1, 0).cast("int64"))
    gone = counted.anti_join(released, ["key", "order_date"])
    removed = gone.select("order_date", missing_count=ibis.literal(0, "int64"))
    empty = held.filter(held.held_row_count == 0)
    without = empty.select(order_date="held_date", missing_count=ibis.literal(1, "int64"))
    days = union_all(added, removed, without)
    return days.group_by("order_date").agg(missing_count=days.missing_count.sum().cast("int64"))


def held_order_days(
    counts: Iterable[Row], gate: OrderGate, days: Days, absent: Container[date] = ()
) -> list[Row]:
    """Return the rows of `HeldOrderDays` of the days that fail the gate, released or not;
    without `held_at`.

    The gate is about reports of sales: what only takes back what was sold, such as a list of
    refunds, or of payments that failed since, has few customers on most days.

    Args:
        counts: Rows of `order_day_counts`.
        gate: The gate that a day must pass.
        days: Arrival days.
        absent: Days of which the source says that it has nothing; without rows there is nothing to
            hold back.
    """
    by_day = {row["day"]: row for row in counts}
    held = []
    for day in gate.checked_days(days).dates:
        row = by_day.get(day, {})
        if not row and day in absent:
            continue
        customers = int(row.get("customer_count", 0))
        if row and not row["sale_count"]:
            continue
        if not row or customers <= gate.customers_over:
            held.append(
                {
                    "held_date": day,
                    "reason": "too_few_customers" if row else "report_missing",
                    "observed_count": customers,
                    "limit_count": gate.customers_over,
                    "held_row_count": int(row.get("clean_count", 0)),
                }
            )
    return held


HeldDates = dict[str, dict[str, str]]
"""Source to day (YYYY-MM-DD) to `none` (no row of the held day is known) or `part`
(earlier copies are known).
"""
DEFAULT_RULE: Final = OrderRule()


def held_rows(engine: Engine, matches: Iterable[Row], now: datetime) -> ir.Table:
    """Return the rows of `HeldOrderDays`: held and not released.

    A day that was held before keeps its start.

    Args:
        engine: The open warehouse.
        matches: The days that the gate holds, from `held_order_days`.
        now: The current time in UTC, without a time zone.
    """
    released = released_days(engine)
    held = [row for row in matches if row["held_date"] not in released]
    engine.ensure(HeldOrderDays)
    before = (
        engine.slice_rows(
            HeldOrderDays, Days.from_dates(row["held_date"] for row in held)
        ).to_pylist()
        if held
        else []
    )
    since = {row["held_date"]: row["held_at"] for row in before}
    return in_memory(
        ({**row, "held_at": since.get(row["held_date"], now)} for row in held), HeldOrderDays
    )


def released_days(engine: Engine) -> set[date]:
    """Return the released days of orders."""
    if not engine.has(DayReleases):
        return set()
    return {
        row["released_date"]
        for row in engine.query(f"SELECT * FROM {engine.name_of(DayReleases)}")  # noqa: S608 (names come from contracts)
        if row["source"] == ORDERS
    }


def held_days(engine: Engine) -> list[Row]:
    """Return the held days in ascending order."""
    if not engine.has(HeldOrderDays):
        return []
    result = engine.query(f"SELECT * FROM {engine.name_of(HeldOrderDays)}")  # noqa: S608 (names come from contracts)
    return sorted(result, key=lambda row: row["held_date"])


def held_dates(engine: Engine, rule: OrderRule) -> HeldDates:
    """Return the days whose rows are held back, by source: order days, not arrival days.

    Args:
        engine: The open warehouse.
        rule: Which order lines are clean.
    """
    held = held_days(engine)
    if not held:
        return {}
    raw, held_lines, waiting = map(engine.table, (RawUserOrderLog, HeldOrderDays, WaitingOrderDays))
    rows = rows_of(held_order_dates(raw, held_lines, waiting, rule))
    days = {str(row["order_date"]): "none" if row["missing_count"] else "part" for row in rows}
    return {ORDERS: dict(sorted(days.items()))} if days else {}


def held_day_entry(row: Row) -> Row:
    """Return a held day in the format of the summary, `ecom status` and e-mails."""
    held_day = {"source": ORDERS, "day": str(row["held_date"]), "reason": row["reason"]}
    counts = {name: int(row[name]) for name in ("observed_count", "limit_count", "held_row_count")}
    return {**held_day, **counts, "held_since": row["held_at"].isoformat(timespec="seconds")}


def hold_reason(day: NamedValues) -> str:
    """Return why a day is held back, as a part of a sentence about it."""
    if day["reason"] == "report_missing":
        return "no order report came"
    customers = counted(day["observed_count"], "customer")
    return f"its order report has {customers}, and {day['limit_count']:,} or fewer are too few"


def held_line(day: Row) -> str:
    """Describe a held day: its reason, since when it is held, and how to release it."""
    rows = f"{day['held_row_count']:,} rows wait since {day['held_since']} UTC"
    command = f"`ecom release {day['source']} {day['day']}`"
    return (
        f"Held back: {day['source']} of {day['day']} ({hold_reason(day)}); {rows}; better data "
        f"let it in, or {command}"
    )


def release(engine: Engine, day: date, released_by: str, now: datetime) -> Row:
    """Record the release of a held day, and return the row of the held day.

    Raises:
        UsageError: The day is not held.
    """
    held = {row["held_date"]: row for row in held_days(engine)}
    if day not in held:
        days = ", ".join(str(day) for day in held) or "none"
        raise UsageError(
            f"{day} is not held for {ORDERS}, so there is nothing to release; held are: {days}."
        )
    _record(engine, held[day], released_by, now)
    return held[day]


def take_releases(engine: Engine, requests: Requests, matches: Iterable[Row], days: Days) -> None:
    """Record the releases that were requested, and take the requests.

    Args:
        engine: The open warehouse.
        requests: The requests.
        matches: The days that the gate holds; a request for another day of the run has nothing to
            release.
        days: The days of the run.
    """
    requested = [
        request for request in requests.waiting(RELEASE, ORDERS) if request.first_day in days.dates
    ]
    held = {row["held_date"]: row for row in matches}
    for request in requested:
        if row := held.get(request.first_day):
            _record(engine, row, request.asked_by, request.asked_at)
    requests.take(requested)


def _record(engine: Engine, held: Row, released_by: str, released_at: datetime) -> None:
    fresh = {name: held[name] for name in ("reason", "observed_count", "limit_count")}
    fresh |= {
        "released_date": held["held_date"],
        "source": ORDERS,
        "released_by": released_by,
        "released_at": released_at,
    }
    engine.ensure(DayReleases)
    with engine.transaction():
        engine.rewrite(DayReleases, Days((held["held_date"],)), partial(_with_release, fresh))


def _with_release(fresh: Row, old: pa.Table) -> pa.Table:
    other_rows = [row for row in old.to_pylist() if row["source"] != fresh["source"]]
    kinds = arrow_schema_of(DayReleases)
    return pa.Table.from_pylist(
        [{name: row[name] for name in kinds.names} for row in [*other_rows, fresh]], schema=kinds
    )
