"""Cohorts of visitors and who of them came back, as they are published. Not here: questions of one's own."""

from typing import Any, Final, Literal

from ecom_assets.answers.change import DECIMALS
from ecom_assets.answers.paging import Page, page_of
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.contracts.retention_cohorts import RetentionCohorts

CohortsBy = Literal["first_activity", "first_purchase"]
Length = Literal["day", "week", "month"]
COLUMNS: Final = tuple(name for name in RetentionCohorts.columns if name not in {"cohort_by", "period"})
DEFINITION: Final = {name: one.description for name, one in RetentionCohorts.columns.items()} | {
    "cohorts": "A row per cohort and period since its start, of all time, in this order",
}


def cohorts(reading: Reading, cohort_by: CohortsBy, period: Length, page: Page) -> dict[str, Any]:
    """Return cohorts by their start, each period by period, and how many rows there are."""
    table = reading.table(RetentionCohorts)
    rows = table.filter(table.cohort_by == cohort_by, table.period == period).select(*COLUMNS)
    found, total = page_of(reading, rows, ["cohort_date", "period_number"], page)
    return {"cohort_by": cohort_by, "period": period, "total_count": total, "cohorts": [_rounded(row) for row in found]}


def _rounded(row: Row) -> Row:
    return {name: round(value, DECIMALS) if isinstance(value, float) else value for name, value in row.items()}
