"""Revenue over time: a point per hour, day, week or month of a period. Not here: totals (`sales.py`)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from ecom_assets.answers.change import if_known
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.answers.sales import AMOUNTS, COUNTS, ZERO, added, daily_revenue, numbers
from ecom_assets.answers.sources import ORDERS, sales_source
from ecom_assets.contracts.sales import Sales
from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.days import ONE_DAY, Days, day_start, day_starts_at
from ecom_assets.transforms.purchase_revenue import purchase_totals
from ecom_assets.transforms.sales import added_up

Granularity = Literal["hour", "day", "week", "month"]
MOST_HOURLY_DAYS: Final = 31
HOUR_S: Final = 3_600
TREND_DEFINITION: Final = {
    "points": "Every hour, day, ISO week or calendar month of the range, those without a sale too; weeks and months "
    "that the range cuts hold only its days",
    "data": "How many days of the part the data hold; where it is `none`, its numbers are null",
    "hour": "From the start of the day in the reporting time zone; days on which clocks change have 23 or 25",
}


def revenue_trend(reading: Reading, period: Period, granularity: Granularity) -> list[Row]:
    """Return a point per part of the period, in order.

    Raises:
        DefinitionError: More days are asked for by the hour than there can be.
        NoOrdersError: There are neither order lines nor purchase events.
    """
    if granularity == "hour":
        return _by_hour(reading, period)
    table = daily_revenue(reading)
    total = table.filter(in_period(table.order_date))
    by_day = {row["order_date"]: row for row in reading.rows(added(total, ["order_date"]), period)}
    parts: dict[date, list[date]] = {}
    for day in period.days.dates:
        parts.setdefault(STARTS[granularity](day), []).append(day)
    return [_point(period, (days[0], days[-1]), None, [by_day.get(day) for day in days]) for days in parts.values()]


def _point(period: Period, ends: tuple[date, date], at: datetime | None, rows: list[Row | None]) -> Row:
    part = replace(period, start_date=ends[0], end_date=ends[1])
    told = {"start_date": ends[0], "end_date": ends[1], "started_at": at, "data": part.data}
    return {**told, **if_known(_sum(rows), part)}


def _by_hour(reading: Reading, period: Period) -> list[Row]:
    if period.day_count > MOST_HOURLY_DAYS:
        raise DefinitionError(
            f"By the hour at most {MOST_HOURLY_DAYS} days can be asked for, not {period.day_count}; ask for fewer, or "
            "with granularity=day."
        )
    is_of_orders = sales_source(reading) == ORDERS
    sold = _ordered_once(reading.table(Sales), period) if is_of_orders else _dated(reading.events())
    sold = sold.filter(period.contains(sold.order_date))
    sold = sold.mutate(hour_number=_hour(sold, period.days, reading.timezone))
    counted = (added_up if is_of_orders else purchase_totals)(sold, ["order_date", "hour_number"])
    found = {(row["order_date"], row["hour_number"]): row for row in reading.rows(counted)}
    return [
        _point(period, (day, day), at, [found.get((day, number))])
        for day in period.days.dates
        for number, at in enumerate(_hours(day, reading.timezone))
    ]


def _dated(events: ir.Table) -> ir.Table:
    """Return events with the days and instants of purchases under the names that those of order lines have."""
    return events.rename(order_date="event_date", ordered_at="event_at")


def _ordered_once(sold: ir.Table, period: Period) -> ir.Table:
    """Return the period's lines, the order's id on its first line of the day only, so that hours add up to the day."""
    sold = sold.filter(period.contains(sold.order_date))
    first = ibis.window(group_by=["order_date", "order_id", "status"], order_by=["ordered_at", "uniq_id"])
    placed = sold.mutate(place=ibis.row_number().over(first))
    return placed.mutate(order_id=(placed.place == 0).ifelse(placed.order_id, ibis.null("string")))


def _hour(sold: ir.Table, days: Days, timezone: str) -> ir.IntegerValue:
    since = sold.ordered_at.epoch_seconds() - day_start(sold.order_date, days, timezone).epoch_seconds()
    return (since.cast("int64") // HOUR_S).cast("int64")


def _hours(day: date, timezone: str) -> list[datetime]:
    """Return the instants at which the hours of a day start, in its own time zone."""
    zone = ZoneInfo(timezone)
    start, end = (day_starts_at(one, timezone).replace(tzinfo=UTC) for one in (day, day + ONE_DAY))
    count = -(-int((end - start).total_seconds()) // HOUR_S)
    return [(start + timedelta(hours=n)).astimezone(zone) for n in range(count)]


def _sum(rows: list[Row | None]) -> Row:
    found = [row for row in rows if row is not None]
    sums: dict[str, Any] = {name: sum(row[name] for row in found) for name in COUNTS}
    sums |= {name: _amount([row[name] for row in found]) for name in AMOUNTS}
    return numbers(sums)


def _amount(amounts: list[Decimal | None]) -> Decimal | None:
    """Return the sum of what is told; None where something was sold and nothing is told."""
    told = [amount for amount in amounts if amount is not None]
    return sum(told, ZERO) if told or not amounts else None


def _week(day: date) -> date:
    return day - day.weekday() * ONE_DAY


STARTS: Final[dict[str, Callable[[date], date]]] = {
    "day": lambda day: day,
    "week": _week,
    "month": lambda day: day.replace(day=1),
}
"""The first day of the part that a day is in."""
