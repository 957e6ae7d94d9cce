"""Contracts of retention: returning visitors by day, and cohorts.

Customers by week are in `sales/contracts.py`.
"""

from typing import Literal, get_args

from ecom_assets.core.tables.contract import (
    Column,
    Ratio,
    Table,
    amount,
    count,
    day,
    flag,
    rate,
    text,
)

CohortsBy = Literal["first_activity", "first_purchase"]
Length = Literal["day", "week", "month"]
COHORTS_BY, PERIODS = get_args(CohortsBy), get_args(Length)
COHORTED = "first_activity counts every day with an event, first_purchase every day with a purchase"


class ReturningVisitorsDaily(Table):
    """One row per day, kind of cohort,
    first day of its visitors and day of their visit before: how many came.

    A visitor is in one row per day and kind, so that sums over any days give distinct visitors of
    any period.
    """

    layer = "mart"
    key = ("event_date", "cohort_by", "first_date", "previous_date")
    day_column = "event_date"

    event_date = day("The day on which they came")
    cohort_by = text(COHORTED, one_of=COHORTS_BY)
    first_date = day("The first such day of these visitors")
    previous_date = day("The last such day before this one; on the first day that day itself")
    visitor_count = count("Visitors", unit="visitors")
    revenue_amount = amount("Their purchases of the day; one without an amount adds nothing")


class RetentionCohorts(Table):
    """One row per cohort of visitors and period since its start: who came back,
    and what the cohort had paid by then.

    Recomputed from all days in each run, as any day may hold a visitor's first.
    """

    layer = "mart"
    key = ("cohort_by", "period", "cohort_date", "period_number")

    cohort_by = text(
        f"What begins a cohort and counts as coming back: {COHORTED}", one_of=COHORTS_BY
    )
    period = text("The calendar's day, week or month in the reporting time zone", one_of=PERIODS)
    cohort_date = day("First day of the period in which the cohort began")
    period_number = count("Periods since that one, 0 to 30", unit="periods", example=1)
    visitor_count = count("Visitors of the cohort", unit="visitors", example=1840)
    returned_on_count = count(
        "Of these, those who came in exactly this period (N-day retention)",
        unit="visitors",
        example=402,
    )
    returned_on_or_after_count = count(
        "Those who came in this period or any later one (unbounded)", unit="visitors", example=611
    )
    retention_on_rate = rate(
        "The share of the cohort that came back in exactly this period",
        "Came back",
        Ratio("returned_on_count", "visitor_count"),
        example=0.218,
    )
    retention_on_or_after_rate = rate(
        "The share of the cohort that came back in this period or later",
        "Came back, then or later",
        Ratio("returned_on_or_after_count", "visitor_count"),
        example=0.332,
    )
    is_complete = flag(
        "Whether a later period has begun in the data; until then the numbers of this one still "
        "rise"
    )
    revenue_amount = amount(
        "Purchases of the cohort's visitors in this period; one without an amount adds nothing",
        example="5210.40",
    )
    cumulative_revenue_amount = amount(
        "The same from the cohort's start to the end of this period", example="17320.90"
    )
    lifetime_value = Column(
        "float64",
        "What the cohort had paid by then, divided by its visitors",
        unit="money per visitor",
        label="Lifetime value",
        format="money",
        counted_as=Ratio("cumulative_revenue_amount", "visitor_count"),
        example=9.41,
    )
