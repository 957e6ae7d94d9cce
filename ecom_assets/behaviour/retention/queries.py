"""Queries about retention: the cohorts of the platform.

Custom retention is in `retention/counting.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from ecom_assets.behaviour.retention.contracts import CohortsBy, Length, RetentionCohorts
from ecom_assets.behaviour.sessions.queries import has_paid_events
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.queries import DECIMALS, Page, Reading, page_of

COLUMNS: Final = tuple(
    name for name in RetentionCohorts.columns if name not in {"cohort_by", "period"}
)
AMOUNTS: Final = ("revenue_amount", "cumulative_revenue_amount", "lifetime_value")


def cohorts(reading: Reading, cohort_by: CohortsBy, period: Length, page: Page) -> Answer:
    """Return cohorts by their start, each period by period, and how many rows there are.

    Amounts are null if no purchase event of the data has one.
    """
    table = reading.table(RetentionCohorts)
    rows = table.filter(table.cohort_by == cohort_by, table.period == period).select(*COLUMNS)
    result, total = page_of(reading, rows, ["cohort_date", "period_number"], page)
    unknown = (
        {} if _has_money(reading, result, "cumulative_revenue_amount") else dict.fromkeys(AMOUNTS)
    )
    return {
        "cohort_by": cohort_by,
        "period": period,
        "total_count": total,
        "cohorts": [_rounded(row) | unknown for row in result],
    }


def _rounded(row: Row) -> Row:
    """Return a row with its rates in so many digits."""
    return {
        name: round(value, DECIMALS) if isinstance(value, float) else value
        for name, value in row.items()
    }


def _has_money(reading: Reading, rows: Iterable[NamedValues], amount: str) -> bool:
    """Return whether purchases have amounts; if not, the table has 0 where the amount is unknown.

    Only if all rows have 0, which may be what purchases came to, are the events searched for an
    amount.
    """
    return any(row[amount] for row in rows) or has_paid_events(reading.events(), reading.state)


REPORTED_PERIODS: Final[Mapping[Length, tuple[int, ...]]] = {
    "day": (1, 7, 30),
    "week": (1, 4, 12),
    "month": (1, 3, 6),
}
"""The days, weeks and months for which `retention_totals` reports retention."""


def retention_totals(reading: Reading) -> dict[str, list[Row]]:
    """Return the retention of new visitors after some days, weeks and months,
    over all cohorts that are complete there.

    The lifetime value is null if no purchase event has an amount.
    """
    rows = reading.table(RetentionCohorts)
    rows = rows.filter(rows.cohort_by == "first_activity", rows.is_complete)
    sums = rows.group_by("period", "period_number").agg(
        size=rows.visitor_count.sum(),
        returned=rows.returned_on_count.sum(),
        revenue=rows.cumulative_revenue_amount.sum(),
    )
    rows_of_periods = reading.state(sums)
    has_money = _has_money(reading, rows_of_periods, "revenue")
    result = {(row["period"], int(row["period_number"])): row for row in rows_of_periods}
    return {
        period: [
            _whole_cohorts(n, result[period, n], has_money=has_money)
            for n in periods
            if (period, n) in result
        ]
        for period, periods in REPORTED_PERIODS.items()
    }


def _whole_cohorts(number: int, row: NamedValues, *, has_money: bool) -> Row:
    size, returned = int(row["size"]), int(row["returned"])
    return {
        "period": number,
        "size": size,
        "returned": returned,
        "rate": returned / size,
        "lifetime_value": float(row["revenue"]) / size if has_money else None,
    }
