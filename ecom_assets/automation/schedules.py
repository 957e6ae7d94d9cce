"""Schedules, and how a run over some days is asked for. Not here: jobs themselves."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from ecom_assets.automation.jobs import CUSTOMERS, EVERYTHING
from ecom_assets.checks.claim import RANGE_END, RANGE_START
from ecom_assets.settings import Settings


def daily_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that takes yesterday and the `late_days` days before it, in one run, every night.

    An event may arrive `late_days` days after its own day, so that day's tables are computed again as often.
    """
    late_days = settings.late_days

    @dg.schedule(
        name="daily",
        cron_schedule="0 2 * * *",
        execution_timezone=settings.timezone,
        job_name=EVERYTHING,
        description=f"Yesterday and the {late_days} days before it, in one run, so that late events are absorbed.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        last = day_of(context.scheduled_execution_time, settings) - timedelta(days=1)
        if last < settings.first_day:
            return dg.SkipReason(f"{last} is before the first partition, {settings.first_day}.")
        first = max(last - timedelta(days=late_days), settings.first_day)
        return run_request(first, last, run_key=last.isoformat())

    return daily


def customers_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that fetches customers every evening, for the day that is still on.

    Customers are told as they are now, so the nightly run, which is over days that have ended, cannot fetch them. It
    computes them again, with all events of the day.
    """

    @dg.schedule(
        name="daily_customers",
        cron_schedule="0 23 * * *",
        execution_timezone=settings.timezone,
        job_name=CUSTOMERS,
        description="Customers from their API, for the day that is still on.",
    )
    def daily_customers(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not settings.customer_api_url:
            return dg.SkipReason("ECOM_CUSTOMER_API_URL is not set.")
        today = day_of(context.scheduled_execution_time, settings)
        return run_request(today, today, run_key=today.isoformat())

    return daily_customers


def run_request(first: date, last: date, *, run_key: str) -> dg.RunRequest:
    """Ask for one run over the days from `first` to `last`, both included."""
    return dg.RunRequest(run_key=run_key, tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat()})


def day_of(instant: datetime, settings: Settings) -> date:
    """Return the day of an instant in the reporting time zone."""
    return instant.astimezone(ZoneInfo(settings.timezone)).date()
