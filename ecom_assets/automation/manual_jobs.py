"""The jobs that people start by hand in Dagster's UI: one for each thing they do, with a config that says which days.

Each starts a run of the job `everything` over some assets and days, in its own process, and ends as that run ends.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import dagster as dg
from pydantic import Field

from ecom_assets.automation.jobs import run_request
from ecom_assets.clock import Clock, now_utc, today_in
from ecom_assets.errors import UsageError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.sandbox_shop import sandbox_until
from ecom_assets.tables.asset import PUBLICATION, SNAPSHOT
from ecom_assets.tables.days import ONE_DAY

YESTERDAY, BACKFILL, EXPORT, PUBLISH = "yesterday", "backfill", "export", "publish"
RUN_ID: Final = "run_id"


class YesterdayConfig(dg.Config):
    """Which days `yesterday` computes."""

    late_days: int | None = Field(
        None, ge=0, le=60, description="Days before yesterday that are computed again; default ECOM_LATE_DAYS"
    )


class BackfillConfig(dg.Config):
    """Which days and tables `backfill` computes."""

    first_day: str = Field(description="First day, YYYY-MM-DD")
    last_day: str = Field(description="Last day, YYYY-MM-DD, included")
    tables: str = Field("*", description='Dagster asset selection, such as key:"mart/sessions"+; default every table')
    allow_withdrawal: bool = Field(default=False, description="Let rows go that their source no longer has")


class ExportConfig(dg.Config):
    """What `export` delivers."""

    destinations: list[str] = Field(
        [], description="Exports, such as amplitude_events or customers_json; default all that have a destination"
    )
    first_day: str | None = Field(None, description="First day, YYYY-MM-DD; default ECOM_LATE_DAYS before the last")
    last_day: str | None = Field(None, description="Last day, YYYY-MM-DD, included; default yesterday")


class PublishConfig(dg.Config):
    """How `publish` publishes."""

    rebuild: bool = Field(default=False, description="Publish also if days of the last publication are missing")


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
        """Return the jobs."""
        return [
            self._job(YESTERDAY, YesterdayConfig, self._yesterday, "Every table for yesterday and the days before it."),
            self._job(BACKFILL, BackfillConfig, self._backfill, "Some tables for a range of days, in one run."),
            self._job(EXPORT, ExportConfig, self._export, "Deliver to tools, each record once."),
            self._job(PUBLISH, PublishConfig, self._publish, "Publish the marts to Postgres and the API's snapshot."),
        ]

    def _job(
        self, name: str, config: type[dg.Config], run: Callable[[dg.OpExecutionContext, Any], str], description: str
    ) -> dg.JobDefinition:
        def start(context: dg.OpExecutionContext, config: Any) -> None:  # noqa: ANN401 (the class is given below)
            context.add_output_metadata({RUN_ID: run(context, config)})

        start.__annotations__ = {"context": dg.OpExecutionContext, "config": config, "return": None}
        op = dg.op(name=f"{name}_run", description=description, pool=self.pool)(start)

        @dg.job(name=name, description=description, executor_def=dg.in_process_executor)
        def job() -> None:
            op()

        return job

    def _yesterday(self, context: dg.OpExecutionContext, config: YesterdayConfig) -> str:
        late_days = self.settings.late_days if config.late_days is None else config.late_days
        last = self._newest()
        return self._run(context, max(last - late_days * ONE_DAY, self.settings.first_day), last)

    def _backfill(self, context: dg.OpExecutionContext, config: BackfillConfig) -> str:
        first, last = _day(config.first_day, "first_day"), _day(config.last_day, "last_day")
        if last < first:
            raise UsageError(f"last_day={last} is before first_day={first}; swap them.")
        selection = dg.AssetSelection.all() if config.tables == "*" else dg.AssetSelection.from_string(config.tables)
        permission = {self.permissions["withdrawal"]: "true"} if config.allow_withdrawal else {}
        return self._run(context, first, last, selection, permission)

    def _export(self, context: dg.OpExecutionContext, config: ExportConfig) -> str:
        last = _day(config.last_day, "last_day") if config.last_day else self._newest()
        first = _day(config.first_day, "first_day") if config.first_day else last - self.settings.late_days * ONE_DAY
        keys = [dg.AssetKey(["export", name]) for name in config.destinations]
        selection = dg.AssetSelection.assets(*keys, *self.reported) if keys else dg.AssetSelection.groups("delivery")
        return self._run(context, max(first, self.settings.first_day), last, selection)

    def _publish(self, context: dg.OpExecutionContext, config: PublishConfig) -> str:
        last, marts = self._newest(), dg.AssetSelection.assets(PUBLICATION, SNAPSHOT)
        permission = {self.permissions["rebuild"]: "true"} if config.rebuild else {}
        return self._run(context, last, last, marts, permission)

    def _newest(self) -> date:
        """Return yesterday, or the last day of a sandbox shop that ends earlier."""
        yesterday = today_in(self.settings.timezone, self.now) - ONE_DAY
        return yesterday if self.settings.has_own_data else min(yesterday, sandbox_until(self.settings, self.now))

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
        resolved = (selection or dg.AssetSelection.all()).resolve(job.asset_layer.asset_graph, allow_missing=True)
        chosen = sorted(set(resolved) & runnable)
        if not chosen:
            raise UsageError("The config selects no asset that has a source or destination; name others.")
        request = run_request(first, last, run_key=context.run_id)
        tags = {**request.tags, **(permission or {})}
        result = job.execute_in_process(
            instance=context.instance, asset_selection=chosen, tags=tags, raise_on_error=False
        )
        if not result.success:
            raise dg.Failure(f"The run {result.run_id} over {first} to {last} failed; its page says why.")
        return result.run_id


def _day(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{name}={text!r} is not a date; use YYYY-MM-DD, such as 2026-01-31.") from error
