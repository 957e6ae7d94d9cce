"""Jobs and schedules, how a run over some days is requested,
and the jobs that people start by hand in Dagster's UI.

Each of the latter starts a run of the job `everything` over some assets and days, in its own
process, and ends as that run ends; its config says which days.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import (
    PUBLICATION,
    RANGE_END,
    RANGE_START,
    SNAPSHOT,
    name_the_days,
)
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.values import parse_day
from ecom_assets.ingestion.sources.presence import CUSTOMERS, EVENTS, ORDERS, STOCK
from ecom_assets.ingestion.sources.sandbox_shop import grows, is_made, sandbox_until
from ecom_assets.orchestration.automation.instance.location import execute_in_location
from ecom_assets.orchestration.automation.requested_runs import REQUESTED_FOR

EVERYTHING = "everything"


def everything_job(keys: Iterable[dg.AssetKey]) -> Any:  # noqa: ANN401 (Dagster does not export the class of this)
    """Return the job that materializes the platform's assets, with their checks,
    for the days of the run.

    They are listed, since a shop's own assets beside them may be partitioned otherwise, and a job
    has one partitioning.
    """
    return dg.define_asset_job(
        EVERYTHING,
        selection=dg.AssetSelection.assets(*keys),
        description="Every table, with its checks, for the days of the run.",
    )


def job_of_steps(name: str, description: str, *steps: dg.OpDefinition) -> dg.JobDefinition:
    """Return the job that runs steps in its own process, none of which needs another one."""

    @dg.job(name=name, description=description, executor_def=dg.in_process_executor)
    def job() -> None:
        for step in steps:
            step()

    return job


def source_job(name: str, source: dg.AssetKey, keys: Iterable[dg.AssetKey]) -> Any:  # noqa: ANN401 (as above)
    """Return the job that loads `source` and computes those of the assets
    `keys` that are downstream.
    """
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(source).downstream() & dg.AssetSelection.assets(*keys),
        description=(
            f"{source.to_user_string()} and what is built on it, with its checks, for the "
            "days of the run."
        ),
    )


NIGHTLY = {
    # An event may arrive `late_days` days after its own day, so that day's tables are computed
    # again as often.
    EVENTS: ("0 2 * * *", "so that late events are absorbed"),
    # However late a line comes, its arrival brings its day up to date; the days before are for
    # nights that failed.
    ORDERS: ("0 1 * * *", "so that a night that failed is made up for"),
    STOCK: ("30 0 * * *", "so that it lies before the sales of the night are added up"),
}
"""The jobs that run each night: when, and why for the `late_days` days before yesterday too."""


def nightly_schedule(settings: Settings, job: str) -> dg.ScheduleDefinition:
    """Return the schedule of a job in `NIGHTLY`,
    for yesterday and the `late_days` days before it.
    """
    cron, purpose = NIGHTLY[job]

    @dg.schedule(
        name=f"daily_{job}",
        cron_schedule=cron,
        execution_timezone=settings.timezone,
        job_name=job,
        default_status=_status(settings),
        description=(
            f"Yesterday and the {settings.late_days} days before it, in one run, {purpose}."
        ),
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


def schedule_status(schedules: str, *, auto: bool) -> dg.DefaultScheduleStatus:
    """Return whether a schedule is on until somebody switches it: as ECOM_SCHEDULES says,
    else if `auto`.
    """
    is_on = {"on": True, "off": False}.get(schedules, auto)
    return dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED


def _status(settings: Settings) -> dg.DefaultScheduleStatus:
    """Return the status with which nightly schedules begin: on over the sandbox shop that somebody
    has chosen, whose records reach nobody.
    """
    return schedule_status(settings.schedules, auto=is_made(settings) and grows(settings))


def _end_of_sandbox(settings: Settings, last: date, now: datetime) -> dg.SkipReason | None:
    """Return why a day of the sandbox shop is not requested, if the shop ends before it."""
    if settings.has_own_data or (until := sandbox_until(settings, lambda: now)) >= last:
        return None
    return dg.SkipReason(
        f"The sandbox shop ends on {until}: ECOM_SANDBOX_UNTIL, or `ecom sandbox data`, says so."
    )


def customers_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that fetches customers every evening, for the day that is still on.

    The API returns customers as they are now, so a nightly run, which is over days that have ended,
    cannot fetch them. It computes them again, with all events of the day.
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
        if (
            not settings.has_own_data
        ):  # the sandbox shop's customers are those at the end of its last day
            today -= timedelta(days=1)
            ended = _end_of_sandbox(settings, today, context.scheduled_execution_time)
            return ended or run_request(today, today, run_key=today.isoformat())
        if not settings.customer_api_url:
            return dg.SkipReason("ECOM_CUSTOMER_API_URL is not set.")
        return run_request(today, today, run_key=today.isoformat())

    return evening


def run_request(
    first: date,
    last: date,
    *,
    run_key: str,
    tags: Mapping[str, str] | None = None,
    purpose: str = "",
) -> dg.RunRequest:
    """Request one run over the days from `first` to `last`, both included; by its purpose a sensor
    finds it again.
    """
    days = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
    purposes = {REQUESTED_FOR: purpose} if purpose else {}
    return dg.RunRequest(run_key=run_key, tags={**days, **purposes, **(tags or {})})


def day_of(instant: datetime, settings: Settings) -> date:
    """Return the day of an instant in the reporting time zone."""
    return instant.astimezone(ZoneInfo(settings.timezone)).date()


MISSING: Final = "no '--partition' option was provided"
"""What Dagster's error says."""


def explain_missing_partition(today: date) -> None:
    """Let this process end with a sentence that shows the options,
    where Dagster's command misses one.

    Dagster raises before it asks anything of a code location but to load; so this is done where
    that is loaded. Without it, the command ends in a traceback of 40 lines.
    """
    before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if MISSING not in str(error):
            before(kind, error, trace)
            return
        sys.stderr.write(f"dagster: {name_the_days(today)}\n")

    sys.excepthook = show


YESTERDAY, BACKFILL, EXPORT, PUBLISH = "yesterday", "backfill", "export", "publish"
RUN_ID: Final = "run_id"


class YesterdayConfig(dg.Config):
    """Which days `yesterday` computes."""

    late_days: int | None = Field(
        None,
        ge=0,
        le=60,
        description="Days before yesterday that are computed again; default ECOM_LATE_DAYS",
    )


class BackfillConfig(dg.Config):
    """Which days and tables `backfill` computes."""

    first_day: str = Field(description="First day, YYYY-MM-DD")
    last_day: str = Field(description="Last day, YYYY-MM-DD, included")
    tables: str = Field(
        "*",
        description='Dagster asset selection, such as key:"mart/sessions"+; default every table',
    )
    allow_withdrawal: bool = Field(
        default=False, description="Let rows go that their source no longer has"
    )


class ExportConfig(dg.Config):
    """What `export` delivers."""

    destinations: list[str] = Field(
        [],
        description=(
            "Exports, such as amplitude_events or customers_json; default all that have a "
            "destination"
        ),
    )
    first_day: str | None = Field(
        None, description="First day, YYYY-MM-DD; default ECOM_LATE_DAYS before the last"
    )
    last_day: str | None = Field(
        None, description="Last day, YYYY-MM-DD, included; default yesterday"
    )


class PublishConfig(dg.Config):
    """How `publish` publishes."""

    rebuild: bool = Field(
        default=False, description="Publish also if days of the last publication are missing"
    )


@dataclass(frozen=True)
class ManualJobs:
    """The manual jobs of a platform.

    Attributes:
        settings: Time zone, late days and the sandbox shop's last day.
        everything: Returns the job that all of them start runs of.
        skipped: The assets that have no source or destination.
        reported: The tables of what became of deliveries, computed again after one.
        permissions: The tags that allow a withdrawal and a rebuild.
        pool: The concurrency pool of steps that write.
        now: The clock.
    """

    settings: Settings
    everything: Callable[[], dg.JobDefinition]
    skipped: Collection[dg.AssetKey]
    reported: Collection[dg.AssetKey]
    permissions: Mapping[str, str]
    pool: str | None = None
    now: Clock = now_utc

    def build(self) -> list[dg.JobDefinition]:
        """Return the jobs `yesterday`, `backfill`, `export` and `publish`."""
        return [
            self._job(
                YESTERDAY,
                YesterdayConfig,
                self._yesterday,
                "Every table for yesterday and the days before it.",
            ),
            self._job(
                BACKFILL,
                BackfillConfig,
                self._backfill,
                "Some tables for a range of days, in one run.",
            ),
            self._job(EXPORT, ExportConfig, self._export, "Deliver to tools, each record once."),
            self._job(
                PUBLISH,
                PublishConfig,
                self._publish,
                "Publish the marts to Postgres and the API's snapshot.",
            ),
        ]

    def _job(
        self,
        name: str,
        config: type[dg.Config],
        run: Callable[[dg.OpExecutionContext, Any], str],
        description: str,
    ) -> dg.JobDefinition:
        def start(context: dg.OpExecutionContext, config: Any) -> None:  # noqa: ANN401 (the class is given below)
            context.add_output_metadata({RUN_ID: run(context, config)})

        start.__annotations__ = {"context": dg.OpExecutionContext, "config": config, "return": None}
        return job_of_steps(
            name,
            description,
            dg.op(name=f"{name}_run", description=description, pool=self.pool)(start),
        )

    def _yesterday(self, context: dg.OpExecutionContext, config: YesterdayConfig) -> str:
        late_days = self.settings.late_days if config.late_days is None else config.late_days
        last = self._newest()
        return self._run(context, max(last - late_days * ONE_DAY, self.settings.first_day), last)

    def _backfill(self, context: dg.OpExecutionContext, config: BackfillConfig) -> str:
        first, last = (
            parse_day(config.first_day, "first_day="),
            parse_day(config.last_day, "last_day="),
        )
        if last < first:
            raise UsageError(f"last_day={last} is before first_day={first}; swap them.")
        selection = (
            dg.AssetSelection.all()
            if config.tables == "*"
            else dg.AssetSelection.from_string(config.tables)
        )
        permission = {self.permissions["withdrawal"]: "true"} if config.allow_withdrawal else {}
        return self._run(context, first, last, selection, permission)

    def _export(self, context: dg.OpExecutionContext, config: ExportConfig) -> str:
        last = parse_day(config.last_day, "last_day=") if config.last_day else self._newest()
        first = (
            parse_day(config.first_day, "first_day=")
            if config.first_day
            else last - self.settings.late_days * ONE_DAY
        )
        keys = [dg.AssetKey(["export", name]) for name in config.destinations]
        selection = (
            dg.AssetSelection.assets(*keys, *self.reported)
            if keys
            else dg.AssetSelection.groups("delivery")
        )
        return self._run(context, max(first, self.settings.first_day), last, selection)

    def _publish(self, context: dg.OpExecutionContext, config: PublishConfig) -> str:
        last, marts = self._newest(), dg.AssetSelection.assets(PUBLICATION, SNAPSHOT)
        permission = {self.permissions["rebuild"]: "true"} if config.rebuild else {}
        return self._run(context, last, last, marts, permission)

    def _newest(self) -> date:
        """Return yesterday, or the last day of a sandbox shop that ends earlier."""
        yesterday = today_in(self.settings.timezone, self.now) - ONE_DAY
        return (
            yesterday
            if self.settings.has_own_data
            else min(yesterday, sandbox_until(self.settings, self.now))
        )

    def _run(
        self,
        context: dg.OpExecutionContext,
        first: date,
        last: date,
        selection: dg.AssetSelection | None = None,
        permission: Mapping[str, str] | None = None,
    ) -> str:
        """Run `everything` over a selection and some days, and return the id of the run.

        Raises:
            Failure: The run failed; its own page says why.
        """
        job = self.everything()
        runnable = set(job.asset_layer.executable_asset_keys) - set(self.skipped)
        resolved = (selection or dg.AssetSelection.all()).resolve(
            job.asset_layer.asset_graph, allow_missing=True
        )
        chosen = sorted(set(resolved) & runnable)
        if not chosen:
            raise UsageError(
                "The config selects no asset that has a source or destination; name others."
            )
        request = run_request(first, last, run_key=context.run_id)
        tags = {**request.tags, **(permission or {})}
        result = execute_in_location(
            job, context.instance, asset_selection=chosen, tags=tags, raise_on_error=False
        )
        if not result.success:
            raise dg.Failure(
                f"The run {result.run_id} over {first} to {last} failed; its page says why."
            )
        return result.run_id
