"""A run of the platform from the command line: a real Dagster run, in this process, with its events in the instance.

Not here: what is shown afterwards (`run_summary.py`).
"""

import logging
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
from rich.console import Console

from ecom_assets.automation.jobs import EVERYTHING
from ecom_assets.checks.claim import RANGE_END, RANGE_START
from ecom_assets.cli.run_progress import RunProgress
from ecom_assets.definitions import build_definitions
from ecom_assets.errors import UsageError
from ecom_assets.sandbox.supply import ensure_sandbox
from ecom_assets.settings import Settings, load_settings, prepare_dagster_home
from ecom_assets.sources.event_coverage import days_to_compute
from ecom_assets.sources.event_files import EventFiles
from ecom_assets.sources.event_mapping import load_mapping
from ecom_assets.sources.event_source import events_place, mapping_name
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.opening import new_engine
from ecom_assets.warehouse.origin import require_same_origin

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class CheckOutcome:
    """What one check said."""

    table: str
    name: str
    passed: bool
    description: str
    metadata: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to; `failures` are sentences, one per asset that failed."""

    run_id: str
    days: Days
    success: bool
    checks: list[CheckOutcome]
    failures: list[str]


@dataclass(frozen=True)
class PlatformRun:
    """A platform that is ready to run."""

    settings: Settings
    progress: RunProgress

    @classmethod
    def prepare(cls, paths: list[str], mapping: str | None, *, quiet: bool) -> "PlatformRun":
        """Read the settings, make the folders, and see that own and simulated data do not mix."""
        settings = load_settings(events=",".join(paths) or None, events_mapping=mapping)
        prepare_dagster_home(settings)
        logging.getLogger("dagster").setLevel(logging.CRITICAL)
        progress = RunProgress(Console(stderr=True), quiet=quiet)
        if not settings.events:
            progress.say("No events were given: this is the sandbox shop. Your own: ecom run --events PATH")
            ensure_sandbox(settings)
        engine = new_engine(settings)
        try:
            require_same_origin(engine.open(), settings, progress.say)
            if engine.set_aside:
                progress.say(f"The warehouse could not be opened; it was set aside as {engine.set_aside} and is rebuilt.")
        finally:
            engine.close()
        return cls(settings, progress)

    def materialize(self, first: date | None, last: date | None, select: str | None) -> RunOutcome:
        """Run, over the days given or else those that the data cover."""
        days = self._days(first, last)
        definitions = build_definitions(self.settings, progress=self.progress)
        job = definitions.resolve_job_def(EVERYTHING)
        chosen = _selected(definitions, select)
        self.progress.expect(len(chosen))
        with dg.DagsterInstance.get() as instance, self.progress:
            result = job.execute_in_process(
                instance=instance,
                run_config=QUIET,
                raise_on_error=False,
                asset_selection=chosen,
                tags={RANGE_START: days.first.isoformat(), RANGE_END: days.dates[-1].isoformat()},
            )
        return _outcome(result, days)

    def _days(self, first: date | None, last: date | None) -> Days:
        if first is None or last is None:
            con = duckdb.connect()
            mapping = load_mapping(mapping_name(self.settings))
            files = EventFiles.open(con, events_place(self.settings), mapping, self.settings.timezone)
            covered = days_to_compute(files, self.settings.late_days)
            first, last = first or covered.first, last or covered.dates[-1]
        today = datetime.now(ZoneInfo(self.settings.timezone)).date()
        if last < first:
            raise UsageError(f"--from {first} is after --to {last}; exchange them.")
        if first < self.settings.first_day:
            raise UsageError(f"{first} is before the first partition; set ECOM_FIRST_DAY={first} or an earlier day.")
        if last > today:
            self.progress.say(f"Days after today, {today}, have no partition yet and are left out.")
        if first > today:
            raise UsageError(f"{first} is after today, {today}; give days that have begun.")
        return Days.between(first, min(last, today) + timedelta(days=1))


def _selected(definitions: dg.Definitions, select: str | None) -> list[dg.AssetKey]:
    graph = definitions.resolve_asset_graph()
    everything = sorted(graph.materializable_asset_keys)
    if select is None:
        return everything
    try:
        selection = dg.AssetSelection.from_string(select)
    except dg.DagsterInvariantViolationError:
        selection = dg.AssetSelection.keys(select)
    except Exception as error:  # noqa: BLE001 (Dagster raises its parser's own classes, which it does not export)
        raise UsageError(f"--select {select!r} is no asset selection: {str(error).splitlines()[0]}.") from error
    chosen = sorted(selection.resolve(graph, allow_missing=True))
    if not chosen:
        names = ", ".join(key.to_user_string() for key in everything)
        raise UsageError(f"--select {select!r} selects no table; there are {names}.")
    return chosen


def _outcome(result: dg.ExecuteInProcessResult, days: Days) -> RunOutcome:
    checks = [
        CheckOutcome(
            table=evaluation.asset_key.to_user_string(),
            name=evaluation.check_name,
            passed=evaluation.passed,
            description=evaluation.description or "",
            metadata={name: value.value for name, value in evaluation.metadata.items()},
        )
        for evaluation in result.get_asset_check_evaluations()
    ]
    failures = [_sentence(event) for event in result.all_events if event.is_step_failure]
    return RunOutcome(result.run_id, days, result.success, checks, failures)


def _sentence(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    text = (error.message if error is not None else event.message or "").strip().splitlines()
    name, _, rest = (text or ["it failed"])[0].partition(": ")
    step = (event.step_key or "").replace("__", "/", 1)
    return f"{step}: {rest or name}"


