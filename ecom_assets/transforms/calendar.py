"""Days and ISO weeks as tables and columns, by arithmetic that every engine does alike.

Not here: sets of days as the platform cuts tables by them (`days.py`).
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.sales import Calendar
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.stacking import stacked

SATURDAY = 6


def day_table(days: Days) -> ir.Table:
    """Return the days as rows of one column, `day`, made of literals alone; there must be one at least."""
    numbers = number_table((days.end - days.first).days)
    dated = numbers.select(day=_moved(ibis.literal(days.first), numbers.number))
    return dated.filter(days.contain(dated.day))


def number_table(count: int) -> ir.Table:
    """Return the whole numbers from 0, so many and one at least, as rows of one column, `number`, made of literals."""
    digits = stacked(*(ibis.literal(n, "int64").name("digit").as_table() for n in range(10)))
    numbers = digits.select(number="digit")
    for power in range(1, len(str(count - 1))):
        tens = digits.select(more=digits.digit * 10**power)
        both = numbers.cross_join(tens)
        numbers = both.select(number=both.number + both.more)
    return numbers.filter(numbers.number < count)


def week_start(day: ir.DateValue, weekday: int = 0) -> ir.DateValue:
    """Return the first day of the week that a day is in: the Monday, or another weekday counted from it."""
    since = day.day_of_week.index().cast("int64")
    if weekday:
        since = (since + 7 - weekday) % 7
    return _moved(day, -since)


def month_start(day: ir.DateValue) -> ir.DateValue:
    """Return the first day of the month that a day is in."""
    return _moved(day, 1 - day.day().cast("int64"))


def iso_year_number(monday: ir.DateValue) -> ir.IntegerValue:
    """Return the year that an ISO week belongs to: that of its Thursday."""
    return _thursday(monday).year().cast("int64")


def iso_week_number(monday: ir.DateValue) -> ir.IntegerValue:
    """Return the number of an ISO week in its year: how many Thursdays of the year there were, its own included."""
    return ((_thursday(monday).day_of_year().cast("int64") + 6) // 7).cast("int64")


def calendar(days: Days) -> ir.Table:
    """One row per day."""
    table = day_table(days)
    monday = week_start(table.day)
    weekday = table.day.day_of_week.index().cast("int64") + 1
    return table.select(
        calendar_date=table.day,
        year_number=table.day.year().cast("int64"),
        quarter_number=table.day.quarter().cast("int64"),
        month_number=table.day.month().cast("int64"),
        month_start_date=month_start(table.day),
        iso_year_number=iso_year_number(monday),
        iso_week_number=iso_week_number(monday),
        week_start_date=monday,
        weekday_number=weekday,
        is_weekend=weekday >= SATURDAY,
    ).select(*Calendar.columns)


def _thursday(monday: ir.DateValue) -> ir.DateValue:
    return _moved(monday, ibis.literal(3, "int64"))


def _moved(day: ir.DateValue, by_days: ir.IntegerValue) -> ir.DateValue:
    # Engines make an instant of a day and an interval, which Ibis takes for a day and would not cast to one.
    return (day.cast("timestamp(6)") + by_days.as_interval("D")).cast("date")
