"""Jobs and schedules, and how a run over some days is requested."""

import sys
from collections.abc import Collection
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg

from ecom_assets.settings.settings import Settings
from ecom_assets.sources.presence import CUSTOMERS, EVENTS, ORDERS, STOCK
from ecom_assets.sources.sandbox_shop import grows, sandbox_until
from ecom_assets.tables.check import RANGE_END, RANGE_START
from ecom_assets.tables.days import ONE_DAY

EVERYTHING = "everything"


def everything_job(skipped: Collection[dg.AssetKey] = ()) -> Any:  # noqa: ANN401 (Dagster does not export the class of this)
    """Return the job that materializes every table but the `skipped` ones, with its checks, for the days of the run."""
    return dg.define_asset_job(
        EVERYTHING,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*skipped),
        description="Every table, with its checks, for the days of the run.",
    )


def source_job(name: str, source: dg.AssetKey, left_out: Collection[dg.AssetKey]) -> Any:  # noqa: ANN401 (as above)
    """Return the job that loads `source` and computes everything downstream, except the assets `left_out`."""
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(source).downstream() - dg.AssetSelection.assets(*left_out),
        description=f"{source.to_user_string()} and what is built on it, with its checks, for the days of the run.",
    )


NIGHTLY = {
    # An event may arrive `late_days` days after its own day, so that day's tables are computed again as often.
    EVENTS: ("0 2 * * *", "so that late events are absorbed"),
    # However late a line comes, its arrival brings its day up to date; the days before are for nights that failed.
    ORDERS: ("0 1 * * *", "so that a night that failed is made up for"),
    STOCK: ("30 0 * * *", "so that it lies before the sales of the night are added up"),
}
"""The jobs that run each night: when, and why for the `late_days` days before yesterday too."""


def nightly_schedule(settings: Settings, job: str) -> dg.ScheduleDefinition:
    """Return the schedule of a job in `NIGHTLY`, for yesterday and the `late_days` days before it."""
    cron, purpose = NIGHTLY[job]

    @dg.schedule(
        name=f"daily_{job}",
        cron_schedule=cron,
        execution_timezone=settings.timezone,
        job_name=job,
        default_status=_status(settings),
        description=f"Yesterday and the {settings.late_days} days before it, in one run, {purpose}.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        last = day_of(context.scheduled_execution_time, settings) - timedelta(days=1)
        if last < settings.first_day:
            return dg.SkipReason(f"{last} is before the first partition, {settings.first_day}.")
        if shop_ended := _end_of_sandbox(settings, last, context.scheduled_execution_time):
            return shop_ended
        first = max(last - timedelta(days=settings.late_days), settings.first_day)
        return run_request(first, last, run_key=last.isoformat())

    return nightly


def schedule_status(settings: Settings, *, auto: bool) -> dg.DefaultScheduleStatus:
    """Return whether a schedule is on until somebody switches it: as ECOM_SCHEDULES says, else if `auto`."""
    is_on = {"on": True, "off": False}.get(settings.schedules, auto)
    return dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED


def _status(settings: Settings) -> dg.DefaultScheduleStatus:
    """Return the status with which nightly schedules begin: on over the sandbox shop, whose records reach nobody."""
    return schedule_status(settings, auto=grows(settings))


def _end_of_sandbox(settings: Settings, last: date, now: datetime) -> dg.SkipReason | None:
    """Return why a day of the sandbox shop is not requested, if the shop ends before it."""
    if settings.has_own_data or (until := sandbox_until(settings, lambda: now)) >= last:
        return None
    return dg.SkipReason(f"The sandbox shop ends on {until}: ECOM_SANDBOX_UNTIL, or `ecom sandbox data`, says so.")


def customers_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that fetches customers every evening, for the day that is still on.

    The API returns customers as they are now, so a nightly run, which is over days that have ended, cannot fetch them.
    It computes them again, with all events of the day.
    """

    @dg.schedule(
        name=f"daily_{CUSTOMERS}",
        cron_schedule="0 23 * * *",
        execution_timezone=settings.timezone,
        job_name=CUSTOMERS,
        default_status=_status(settings),
        description="Customers from their API, for the day that is still on.",
    )
    def evening(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        today = day_of(context.scheduled_execution_time, settings)
        if not settings.has_own_data:  # the sandbox shop's customers are those at the end of its last day
            today -= timedelta(days=1)
            ended = _end_of_sandbox(settings, today, context.scheduled_execution_time)
            return ended or run_request(today, today, run_key=today.isoformat())
        if not settings.customer_api_url:
            return dg.SkipReason("ECOM_CUSTOMER_API_URL is not set.")
        return run_request(today, today, run_key=today.isoformat())

    return evening


def run_request(first: date, last: date, *, run_key: str) -> dg.RunRequest:
    """Request one run over the days from `first` to `last`, both included."""
    return dg.RunRequest(run_key=run_key, tags={RANGE_START: first.isoformat(), RANGE_END: last.isoformat()})


def day_of(instant: datetime, settings: Settings) -> date:
    """Return the day of an instant in the reporting time zone."""
    return instant.astimezone(ZoneInfo(settings.timezone)).date()


MISSING: Final = "no '--partition' option was provided"
"""What Dagster's error says."""


def explain_missing_partition(today: date) -> None:
    """Let this process end with a sentence that shows the options, where Dagster's command misses one.

    Dagster raises before it asks anything of a code location but to load; so this is done where that is loaded.
    """
    before = sys.excepthook
    day, week = today - ONE_DAY, today - 7 * ONE_DAY

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if MISSING not in str(error):
            before(kind, error, trace)
            return
        sys.stderr.write(
            f"dagster: these tables are cut by day, so name the days: --partition {day}, or several with "
            f"--partition-range {week}...{day}; `ecom run --select` takes the days of the data by itself.\n"
        )

    sys.excepthook = show
