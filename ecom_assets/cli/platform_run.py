"""A run of the platform from the command line: a real Dagster run, in this process,
with its events in the instance.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any
from uuid import uuid4

import dagster as dg

from ecom_assets.cli.options import NO_PERMISSIONS, OwnData, Permissions
from ecom_assets.cli.progress import RunProgress
from ecom_assets.cli.run_days import DaysOfRun, load_report, with_later_activities, with_left_days
from ecom_assets.commerce.customers.assets import raw_customers
from ecom_assets.core.errors import (
    EcomError,
    MailError,
    SettingError,
    UsageError,
    WarehouseError,
    first_line,
)
from ecom_assets.core.operations.requests import Requests
from ecom_assets.core.settings.settings import Settings, load_settings, prepare_dagster_home
from ecom_assets.core.tables.asset import PUBLICATION, RANGE_END, RANGE_START, asset_key
from ecom_assets.core.tables.check import HELD_DAYS, PARTS
from ecom_assets.core.tables.days import DayRange, Days, span_text, spans_text
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.core.warehouse.raw_slices import raw_days
from ecom_assets.definitions import build_definitions, lineage_of, without_source
from ecom_assets.ingestion.sources.files.formats import join_paths
from ecom_assets.ingestion.sources.first_partition import (
    left_days,
    remember_first_day,
    remember_left_days,
    remember_paths,
    remember_sources,
)
from ecom_assets.ingestion.sources.presence import (
    CUSTOMERS,
    EVENTS,
    ORDERS,
    STOCK,
    given_sources,
    known_sources,
    require_same_origin,
    stored_sources,
)
from ecom_assets.interfaces.boards.incidents import IncidentLog
from ecom_assets.orchestration.automation.alerts import (
    LEFT_TO_COMMAND,
    Alerts,
    run_sentence,
    step_sentence,
    tag_of,
)
from ecom_assets.orchestration.automation.instance.location import execute_in_location
from ecom_assets.orchestration.automation.instance.sqlite import patient_history
from ecom_assets.orchestration.automation.jobs import EVERYTHING
from ecom_assets.orchestration.automation.reloading import reload_location
from ecom_assets.orchestration.automation.ui_address import has_address
from ecom_assets.orchestration.registry import ALL, NOTES, RAW
from ecom_assets.orchestration.rules import require_rules
from ecom_assets.outputs.delivery.assets import deliver_also
from ecom_assets.outputs.delivery.tools.all import SETTING_OF, set_tools
from ecom_assets.outputs.serving.history import last_publication, require_rebuild


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one check."""

    table: str
    name: str
    passed: bool
    description: str
    is_warning: bool = False
    metadata: dict[str, object] = field(default_factory=dict)

    @property
    def complaint(self) -> str:
        """Return the message of a failed check: its own sentence if it has one."""
        return f"{self.table}: {self.metadata.get('sentence') or f'the check {self.name} failed'}"

    def as_json(self) -> dict[str, object]:
        """Return the result in the format of the summary."""
        return {
            "table": self.table,
            "name": self.name,
            "description": self.description,
            **self.metadata,
        }


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run; `failures` are sentences, one per asset that failed.

    `published` is the metadata of a publication, `fetched` that of tables which came through an
    API, `delivered` that of exports, `written` the tables that were; `has_begun` is false if no
    step was begun.
    """

    run_id: str
    days: Days
    success: bool
    checks: list[CheckOutcome]
    failures: list[str]
    published: dict[str, Any] | None = None
    fetched: dict[str, dict[str, Any]] = field(default_factory=dict)
    delivered: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    has_begun: bool = True
    not_evaluated: tuple[tuple[str, str], ...] = ()
    """Table and name of each check that a failed run did not evaluate: it raised, or what it looks
    at was not computed.
    """
    earlier_run_ids: tuple[str, ...] = ()
    """The runs over the days before a gap of weeks, if there are any."""

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Return the ids of all Dagster runs of the command, in their order."""
        return (*self.earlier_run_ids, self.run_id)

    @property
    def is_well(self) -> bool:
        """Return whether nothing failed."""
        return self.success and not self.failed_checks

    @property
    def sees_held_days(self) -> bool:
        """Return whether a check lists held days, of this run or of others."""
        return any(check.metadata.get(HELD_DAYS) for check in self.checks)

    @property
    def failed_checks(self) -> list[CheckOutcome]:
        """Return the checks for which the run is not well: none that only warns."""
        return [check for check in self.checks if not check.passed and not check.is_warning]

    @property
    def warnings(self) -> list[CheckOutcome]:
        """Return the checks that warn: worth a look, and the run is well all the same."""
        return [check for check in self.checks if not check.passed and check.is_warning]

    @property
    def complaints(self) -> list[str]:
        """Return a sentence for each asset and each check that failed."""
        return [*self.failures, *(check.complaint for check in self.failed_checks)]


def combined(outcomes: list[RunOutcome], days: Days) -> RunOutcome:
    """Return the combined result of all parts of a run; for each check,
    its failure or its last result.

    A part that fails is the last one, so that the checks that it did not evaluate are all there
    are.
    """
    checks: dict[tuple[str, str], CheckOutcome] = {}
    for check in (check for outcome in outcomes for check in outcome.checks):
        check_result = checks.get((check.table, check.name))
        checks[check.table, check.name] = (
            check_result if check_result and not check_result.passed else check
        )
    last = outcomes[-1]
    return replace(
        last,
        days=days,
        success=all(outcome.success for outcome in outcomes),
        checks=list(checks.values()),
        failures=[failure for outcome in outcomes for failure in outcome.failures],
        fetched={key: counts for outcome in outcomes for key, counts in outcome.fetched.items()},
        written=tuple(dict.fromkeys(name for outcome in outcomes for name in outcome.written)),
        earlier_run_ids=tuple(outcome.run_id for outcome in outcomes[:-1]),
    )


def outcome_of(
    result: dg.ExecuteInProcessResult, days: Days, instance: dg.DagsterInstance
) -> RunOutcome:
    """Return the result of a run, whose events an instance has."""
    checks = [
        CheckOutcome(
            table=evaluation.asset_key.to_user_string(),
            name=evaluation.check_name,
            passed=evaluation.passed,
            description=evaluation.description or "",
            is_warning=evaluation.severity == dg.AssetCheckSeverity.WARN,
            metadata={name: value.value for name, value in evaluation.metadata.items()},
        )
        for evaluation in result.get_asset_check_evaluations()
    ]
    failures = [step_sentence(event) for event in result.all_events if event.is_step_failure]
    if not (result.success or failures):  # a resource failed, before any step began
        failures = [run_sentence(event) for event in result.all_events if event.is_run_failure]
    # The metadata of each computed asset, by its key.
    materializations = (
        event.materialization for event in result.get_asset_materialization_events()
    )
    metadata = {
        entry.asset_key.to_user_string(): {
            name.rpartition("/")[2]: value.value for name, value in entry.metadata.items()
        }
        for entry in materializations
    }
    fetched = {key: entry for key, entry in metadata.items() if entry.get("fetched")}
    published = metadata.get(PUBLICATION.to_user_string())
    delivered = {
        key.partition("/")[2]: entry
        for key, entry in metadata.items()
        if "outcomes" in entry or "summary" in entry
    }
    written = tuple(
        table.qualified_name() for table in ALL if asset_key(table).to_user_string() in metadata
    )
    return RunOutcome(
        result.run_id,
        days,
        result.success,
        checks,
        failures,
        published,
        fetched,
        delivered,
        written,
        has_begun=any(event.is_step_start for event in result.all_events),
        not_evaluated=() if result.success else _not_evaluated(result, instance),
    )


def _not_evaluated(
    result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance
) -> tuple[tuple[str, str], ...]:
    """Return table and name of the checks that a run was to evaluate, and has no result of."""
    evaluated = {
        (evaluation.asset_key, evaluation.check_name)
        for evaluation in result.get_asset_check_evaluations()
    }
    planned = instance.all_logs(
        result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    )
    # Dagster's class of these data is not public; it names the asset and the check.
    checks: list[Any] = [entry.get_dagster_event().event_specific_data for entry in planned]
    return tuple(
        (check.asset_key.to_user_string(), check.check_name)
        for check in checks
        if (check.asset_key, check.check_name) not in evaluated
    )


def ready_definitions(
    settings: Settings, progress: RunProgress, **resources: dg.ResourceDefinition
) -> dg.Definitions:
    """Return the definitions for a run in this process,
    with Dagster's home made and its log silenced.
    """
    prepare_dagster_home(settings)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    return build_definitions(settings, progress=progress, resources=resources)


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class PlatformRun:
    """A platform that is ready to run."""

    settings: Settings
    progress: RunProgress
    definitions: dg.Definitions
    chosen: list[dg.AssetKey]
    days: Days
    parts: list[Days] = field(default_factory=list)
    """The same days without long gaps that have no rows; each part is a run of its own."""
    may: Permissions = NO_PERMISSIONS
    tags: dict[str, str] = field(default_factory=dict)
    """Further tags of its Dagster run."""
    moves_partitions: bool = False
    """Whether its days begin before those for which a UI has loaded the definitions."""

    @classmethod
    def prepare(
        cls,
        own: OwnData,
        requested_days: DayRange,
        select: str | None,
        may: Permissions,
        *,
        quiet: bool,
    ) -> "PlatformRun":
        """Check the request and the files before anything is written."""
        settings = settings_of(own)
        require_rules(settings)
        logging.getLogger("dagster").setLevel(logging.CRITICAL)
        progress = RunProgress(quiet=quiet)
        new_engine(settings)
        if own.is_first_load:
            settings = load_report(settings, progress)
        days = DaysOfRun(settings, requested_days, progress.say, with_history=own.is_first_load)
        settings = with_later_activities(settings)
        definitions = build_definitions(settings, progress=progress)
        chosen = _selected(definitions, select, without_source(settings))
        is_own = settings.has_own_data
        if is_own:
            covered = days.covered()
        prepare_dagster_home(settings)
        before, stored = known_sources(settings), _open_for(settings, progress)
        moves_partitions = False
        if is_own:
            remember_sources(settings, stored)
            if known_sources(settings) != before:
                definitions = build_definitions(settings, progress=progress)
                chosen = _selected(definitions, select, without_source(settings))
            moves_partitions = remember_first_day(settings, covered.first)
            remember_paths(settings)
            covered = with_left_days(settings, covered, progress) if select is None else covered
            _report_skipped(settings, progress)
        else:
            from ecom_assets.orchestration.sandbox import ensure_sandbox  # noqa: PLC0415 (loads the sandbox)

            progress.say(
                "Nothing was given: this is the sandbox shop. It takes 1 to 2 minutes. Your own "
                "data: ecom run --events PATH"
            )
            ensure_sandbox(settings)
            covered = days.covered()
        if (
            settings.customer_api_url
            and raw_customers.key in chosen
            and days.today not in covered.dates
        ):
            progress.say(
                f"Customers are fetched for today, {days.today}, only; to fetch them add --to "
                f"{days.today}."
            )
        if not may.rebuild:
            _require_rebuild(settings, covered)
        parts = days.parts(covered, partial(stored_days, settings)) if is_own else [covered]
        if len(parts) > 1:
            *earlier, last = (span_text(part.first, part.dates[-1]) for part in parts)
            progress.say(
                f"Between {covered.first} and {covered.dates[-1]} are weeks without rows: "
                f"{len(parts)} runs, over {', '.join(earlier)} and {last}."
            )
        return cls(
            settings,
            progress,
            definitions,
            chosen,
            covered,
            parts,
            may,
            moves_partitions=moves_partitions,
        )

    def materialize(self) -> RunOutcome:
        """Run each part of the days, the oldest first, until one fails;
        publish and deliver all with the last.
        """
        before = [key for key in self.chosen if key.path[0] not in {"serving", "export"}]
        outcomes: list[RunOutcome] = []
        *earlier, last = self.parts or [self.days]
        tags = {PARTS: spans_text(self.parts)} if earlier else {}
        runs = [replace(self, days=part, chosen=before, tags=tags) for part in earlier]
        for run in (*runs, replace(self, days=last, tags=tags | deliver_also(earlier))):
            if not run.chosen:
                continue
            outcomes.append(run.materialize_part())
            if not outcomes[-1].success:
                break
        if outcomes and all(outcome.success for outcome in outcomes) and left_days(self.settings):
            remember_left_days(self.settings, [])
        if self.moves_partitions and has_address(self.settings):
            reload_location(self.settings, lambda _sentence: None)  # a UI that is off loads later
        return combined(outcomes, self.days)

    def materialize_part(self, *, may_rebuild: bool = True) -> RunOutcome:
        """Run; once more where the run found a part of the warehouse that cannot be read."""
        job = self.definitions.resolve_job_def(EVERYTHING)
        run_id = str(uuid4())
        alerts_tag = tag_of(run_id, LEFT_TO_COMMAND) if Alerts.from_settings(self.settings) else {}
        days_tags = {
            RANGE_START: self.days.first.isoformat(),
            RANGE_END: self.days.dates[-1].isoformat(),
        }
        self.progress.expect(len(self.chosen))
        with (
            patient_history(),
            dg.DagsterInstance.get() as instance,
            reported_run(self.settings, instance, run_id, self.progress.warn),
            self.progress,
        ):
            try:
                result = execute_in_location(
                    job,
                    instance,
                    run_config=QUIET,
                    raise_on_error=False,
                    asset_selection=self.chosen,
                    run_id=run_id,
                    tags={**days_tags, **alerts_tag, **self.may.tags, **self.tags},
                )
            except dg.DagsterExecutionInterruptedError as error:
                raise KeyboardInterrupt from error
            _raise_on_interrupt(result)
            outcome = outcome_of(result, self.days, instance)
        if may_rebuild and new_engine(self.settings).mark_damaged(outcome.failures):
            _open_for(self.settings, self.progress)
            if not self.may.rebuild:
                _require_rebuild(self.settings, self.days)
            return self.materialize_part(may_rebuild=False)
        return outcome

    def report_failures(self, outcome: RunOutcome) -> None:
        """Send each run's message, as the daemon does for its own runs;
        what cannot be sent now is left to it.
        """
        alerts = Alerts.from_settings(self.settings)
        if alerts is None or (outcome.is_well and not outcome.sees_held_days):
            return
        with patient_history(), dg.DagsterInstance.get() as instance:
            for run in filter(None, map(instance.get_run_by_id, outcome.run_ids)):
                try:
                    message = alerts.report_run(instance, run)
                except MailError as error:
                    self.progress.warn(f"{error} The daemon, if it runs, tries again.")
                else:
                    if message:
                        self.progress.say(message)


@contextmanager
def reported_run(
    settings: Settings, instance: dg.DagsterInstance, run_id: str, warn: Callable[[str], None]
) -> Iterator[None]:
    """Report the run inside the block, if a receiver is set; a receiver that is down is a warning,
    never an error.
    """
    lineage = lineage_of(settings)
    if lineage is None:
        yield
        return
    from ecom_assets.orchestration.automation.openlineage import OwnRun  # noqa: PLC0415 (an extra)

    own = OwnRun(lineage, run_id, EVERYTHING)
    yield
    try:
        run = instance.get_run_by_id(run_id)
        message = own.finish(instance, run) if run else ""
    except Exception as error:  # noqa: BLE001 (an error of lineage must not fail the run)
        message = f"The lineage of the run could not be sent ({type(error).__name__}: {error})."
    if message:
        warn(message)


def report_refusal(error: EcomError, own: OwnData) -> None:
    """Send an alert about a run that could not begin, if alerts are set;
    print an error if it cannot be sent.
    """
    try:
        alerts = Alerts.from_settings(settings_of(own))
        message = alerts.report_refusal(str(error)) if alerts else ""
    except SettingError:  # the run could not begin for this reason
        return
    except MailError as fault:
        message = str(fault)
    if message:
        RunProgress(quiet=False).say(message)


def stored_days(settings: Settings) -> list[date]:
    """Return the days of arrival that have rows in the warehouse."""
    with closing(new_engine(settings).open()) as engine:
        return sorted({day for days in raw_days(engine, RAW).values() for day in days})


def _require_rebuild(settings: Settings, days: Days) -> None:
    """Refuse a run that would only partly rebuild a warehouse that was set aside or removed."""
    with closing(new_engine(settings).open()) as engine:
        require_rebuild(last_publication(settings), engine, settings, days)


def settings_of(own: OwnData) -> Settings:
    """Return the settings with the paths and mappings of options in place of theirs.

    Files of orders stand in for the API in this run: what each of them brought stays beside the
    other.
    """
    orders = None
    if own.orders:
        orders = "" if own.is_first_load else join_paths(own.orders)
    return load_settings(
        events=join_paths(own.events) or None,
        events_mapping=own.events_mapping,
        order_api_url="" if orders else None,
        orders=orders,
        orders_mapping=own.orders_mapping,
        customer_api_url="" if own.customers else None,
        customers=join_paths(own.customers) or None,
        customers_mapping=own.customers_mapping,
        costs=join_paths(own.costs) or None,
        costs_mapping=own.costs_mapping,
        ad_spend=join_paths(own.ad_spend) or None,
    )


def _report_skipped(settings: Settings, progress: RunProgress) -> None:
    current_sources, all_sources = given_sources(settings), known_sources(settings)
    skipped = {
        ORDERS: (
            "No orders were given: the tables of sales are skipped. With orders: ecom run "
            "--orders PATH"
        ),
        EVENTS: (
            "No events were given: the tables of behaviour are skipped. With events: ecom run "
            "--events PATH"
        ),
        STOCK: (
            "No stock was given: inventory alerts are skipped. With stock: ECOM_CATALOGUE, or "
            "its API"
        ),
        CUSTOMERS: (
            "No customers were given: their tables are skipped. With customers: ecom run "
            "--customers PATH"
        ),
    }
    for source, message in skipped.items():
        if source not in all_sources:
            progress.say(message)
        elif source not in current_sources:
            progress.say(
                f"No {source} were given: what was loaded of them before stays, and counts."
            )
    if not {EVENTS, ORDERS} <= all_sources:
        progress.say(
            "Orders and events are compared only where there are both: the tables of that are "
            "skipped."
        )
    for tool in sorted(SETTING_OF.keys() - set_tools(settings)):
        progress.say(f"{SETTING_OF[tool]} is not set: nothing goes to {tool}.")


QUERY_INTERRUPTED = "RuntimeError: Query interrupted"
"""What DuckDB raises in place of the error that Ctrl-C raises while a query runs."""


def _raise_on_interrupt(result: dg.ExecuteInProcessResult) -> None:
    """Stop where Dagster took Ctrl-C for the failure of a step."""
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error is not None:
            is_interrupt = error.cls_name == dg.DagsterExecutionInterruptedError.__name__
            if is_interrupt or error.message.strip() == QUERY_INTERRUPTED:
                raise KeyboardInterrupt
            error = error.cause


def _open_for(settings: Settings, progress: RunProgress) -> frozenset[str]:
    """Check that the warehouse opens,
    and that it does not mix the shop's own events with simulated ones.

    Returns:
        The sources that have rows in it.
    """
    engine = new_engine(settings).open()
    stored: frozenset[str] = frozenset()
    try:
        if engine.notice:
            progress.warn(engine.notice)
        if require_same_origin(engine, settings, (*ALL, *NOTES), progress.say):
            _forget_sample(settings, progress)
        stored = stored_sources(engine)
    except WarehouseError:
        if engine.notice or not engine.mark_damaged([]):
            raise
    finally:
        engine.close()
    return _open_for(settings, progress) if engine.mark_damaged([]) else stored


def _forget_sample(settings: Settings, progress: RunProgress) -> None:
    """Remove what was found in, and asked for, the simulated shop, whose place the shop's own data
    take: incidents, waiting requests, results of checks. Boards and saved questions stay.
    """
    try:
        IncidentLog(settings).forget()
        Requests(settings.home).forget_data()
    except EcomError as error:
        progress.warn(f"Incidents of the sandbox shop are still listed: {error}")


def _selected(
    definitions: dg.Definitions, select: str | None, skipped: set[dg.AssetKey]
) -> list[dg.AssetKey]:
    graph = definitions.resolve_asset_graph()
    everything = sorted(graph.materializable_asset_keys - skipped)
    if select is None:
        return everything
    try:
        selection = dg.AssetSelection.from_string(select)
    except dg.DagsterInvariantViolationError:
        selection = dg.AssetSelection.keys(select)
    except Exception as error:
        raise UsageError(
            f"--select {select!r} is not an asset selection: {first_line(error)}."
        ) from error
    chosen = sorted(selection.resolve(graph, allow_missing=True) - skipped)
    if not chosen:
        names = ", ".join(key.to_user_string() for key in everything)
        raise UsageError(f"--select {select!r} selects no table that has data; there are {names}.")
    return chosen
