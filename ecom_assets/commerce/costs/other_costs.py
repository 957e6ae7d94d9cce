"""What a shop pays by month, whatever is ordered: the part of each day, by rules.

docs/metrics/costs.md.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import reduce
from operator import and_
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.costs.contracts import OtherCostsDaily
from ecom_assets.commerce.costs.measures import PROFIT
from ecom_assets.commerce.costs.profit import SomeDays
from ecom_assets.core.tables.cost_rules import OtherCostRule, spans
from ecom_assets.core.tables.portable import NO, union_all

SHORT_MONTHS: Final = (4, 6, 9, 11)
FEBRUARY: Final = 2


def other_costs_daily(
    calendar: ir.Table, other_cost_rules: Sequence[OtherCostRule], days: SomeDays | None = None
) -> ir.Table:
    """Return what each rule says of `days`; of all days of the calendar without days.

    The parts of the days of a month add up to it: up to each day, they are its part of the days of
    the month, rounded to cents.

    Args:
        calendar: All rows of `Calendar`.
        other_cost_rules: The rules.
        days: The days.
    """
    rows = calendar if days is None else calendar.filter(days.contain(calendar.calendar_date))
    parts = [_of_rule(rows, *span) for span in spans(other_cost_rules)]
    return union_all(*parts) if parts else _of_rule(rows.filter(NO), NOTHING, None, None)


NOTHING: Final = OtherCostRule(name="nothing", per_month=Decimal(0))
"""Gives the table its columns where there are no rules."""


def _of_rule(
    calendar: ir.Table, rule: OtherCostRule, first: date | None, end: date | None
) -> ir.Table:
    conditions = [] if first is None else [calendar.calendar_date >= ibis.literal(first)]
    conditions += [] if end is None else [calendar.calendar_date < ibis.literal(end)]
    rows = calendar.filter(reduce(and_, conditions)) if conditions else calendar
    cents = ibis.literal(int((rule.per_month or Decimal(0)) * 100), "int64")
    day, length = rows.calendar_date.day().cast("int64"), _length(rows)
    before, to = (_rounded(cents * (day - gone), length) for gone in (1, 0))
    return rows.select(
        cost_date="calendar_date",
        cost_name=ibis.literal(rule.name.strip()),
        cost_rule=ibis.literal(rule.text),
        estimated_other_cost_amount=(
            (to - before).cast("decimal(18, 2)") * ibis.literal(Decimal("0.01"), "decimal(18, 2)")
        ).cast(PROFIT),
    ).select(*OtherCostsDaily.columns)


def _rounded(part: ir.IntegerValue, whole: ir.IntegerValue) -> ir.IntegerValue:
    return (part.cast("float64") / whole.cast("float64") + 0.5).floor().cast("int64")


def _length(rows: ir.Table) -> ir.IntegerValue:
    """Return the number of days of the month of each day."""
    year, month = rows.year_number, rows.month_number
    is_leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    return ibis.cases(
        (month == FEBRUARY, is_leap.ifelse(29, 28)),
        (month.isin(SHORT_MONTHS), 30),
        else_=31,
    ).cast("int64")
