"""Days, weeks and months as numbers that count on by one, and their first days. Not here: what is counted in them."""

import ibis.expr.types as ir

from ecom_assets.transforms.calendar import month_start
from ecom_assets.transforms.calendar import week_start as start_of_week
from ecom_assets.transforms.retention_rule import WEEKDAYS

EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday."""
AHEAD_WEEKS = 110_000
"""Weeks added before dividing, as engines disagree on how to divide what lies before 1970."""


def period_number(day: ir.DateValue, period: str, week_start: str = "monday") -> ir.IntegerValue:
    """Return the number of the period that a day is in; neighbours differ by one."""
    if period == "month":
        return (day.year().cast("int64") * 12 + day.month().cast("int64")).cast("int64")
    days = (day.cast("timestamp(6)").epoch_seconds().cast("int64") // 86_400).cast("int64")
    if period == "day":
        return days
    return ((days + EPOCH_WEEKDAY - WEEKDAYS.index(week_start) + 7 * AHEAD_WEEKS) // 7).cast("int64")


def period_start(day: ir.DateValue, period: str, week_start: str = "monday") -> ir.DateValue:
    """Return the first day of the period that a day is in."""
    if period == "day":
        return day
    return month_start(day) if period == "month" else start_of_week(day, WEEKDAYS.index(week_start))
