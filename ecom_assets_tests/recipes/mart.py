"""The smallest mart: its contract, its definition and its asset,
which a subject has in three files.
"""

import ibis.expr.types as ir

from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.asset import Reads, table_asset
from ecom_assets.core.tables.contract import Column, Table, count
from ecom_assets.core.tables.days import ANY_DAYS, clock_hour


class OrderHours(Table):
    """One row per weekday and hour in which anything was ordered."""

    layer = "mart"
    key = ("weekday_number", "order_hour")

    weekday_number = Column("int64", "Day of the week, Monday is 1", at_least=1, at_most=7)
    order_hour = count("Hour on the shop's clock, from 0 to 23", unit="hour")
    line_count = count("Clean order lines of that hour", unit="lines")


def order_hours(lines: ir.Table, timezone: str) -> ir.Table:
    """Return the lines of each weekday and hour, over all days."""
    lines = lines.mutate(
        weekday_number=lines.order_date.day_of_week.index().cast("int64") + 1,
        order_hour=clock_hour(lines.ordered_at, ANY_DAYS, timezone),
    )
    return lines.group_by("weekday_number", "order_hour").agg(line_count=lines.count())


@table_asset(OrderHours, lines=Reads(UserOrderLog, whole=True))
def order_hours_asset(lines: ir.Table, timezone: str) -> ir.Table:
    """Count the lines of each weekday and hour."""
    return order_hours(lines, timezone)
