"""Schedules. Not here: jobs themselves."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from ecom_assets.automation.jobs import EVERYTHING
from ecom_assets.checks.claim import RANGE_END, RANGE_START
from ecom_assets.settings import Settings


def daily_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that takes yesterday and the `late_days` days before it, in one run, every night.

    An event may arrive `late_days` days after its own day, so that day's tables are computed again as often.
    """

    @dg.schedule(
        name="daily",
        cron_schedule="0 2 * * *",
        execution_timezone=settings.timezone,
        job_name=EVERYTHING,
        description=f"Yesterday and the {settings.late_days} days before it, in one run, so that late events are absorbed.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        last = context.scheduled_execution_time.astimezone(ZoneInfo(settings.timezone)).date() - timedelta(
            days=1
        )
        return run_request(last - timedelta(days=settings.late_days), last, run_key=last.isoformat())

    return daily


def run_request(first: date, last: date, *, run_key: str) -> dg.RunRequest:
    """Ask for one run over the days from `first` to `last`, both included."""
    return dg.RunRequest(run_key=run_key, tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat()})
