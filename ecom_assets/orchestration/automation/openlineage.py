"""Runs as OpenLineage events: what they say, and sending them by the daemon's sensor,
or by `ecom run` for its own.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import dagster as dg
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    documentation_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
from requests import exceptions

from ecom_assets.core.clock import now_utc
from ecom_assets.core.http.retry import BoundedAdapter, ResponseBounds, bounded_session
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.warehouse.engine import DatasetNames
from ecom_assets.orchestration.automation.alerts import runs_since, step_sentence
from ecom_assets.orchestration.automation.instance.old_runs import ALL_SENT, LINEAGE_TAG

PRODUCER: Final = "urn:ecom_assets"
READ: Final = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
}
ENDS: Final = {
    dg.DagsterRunStatus.SUCCESS: RunState.COMPLETE,
    dg.DagsterRunStatus.FAILURE: RunState.FAIL,
    dg.DagsterRunStatus.CANCELED: RunState.ABORT,
}
COLUMN_LINEAGE: Final = "dagster/column_lineage"
ROWS_WRITTEN: Final = "rows_written"
Tables = Mapping[str, tuple[Contract, tuple[Contract, ...]]]
"""The contract of each asset, and those of the tables that it reads, by `layer/name`."""


@dataclass
class _StepRecord:
    """The record of a step: its start and end, its error, and the metadata of its table."""

    began_at: float
    ended_at: float | None = None
    error: str = ""
    row_count: int = 0
    lineage: dg.TableColumnLineage | None = None

    @property
    def state(self) -> RunState:
        """Return how it ended."""
        return RunState.FAIL if self.error else RunState.COMPLETE


def _job(namespace: str, name: str, kind: str) -> Job:
    facet = job_type_job.JobTypeJobFacet(
        processingType="BATCH", integration="DAGSTER", jobType=kind
    )
    return Job(namespace=namespace, name=name, facets={"jobType": facet})


def _schema(table: Contract) -> schema_dataset.SchemaDatasetFacet:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=name, type=column.type, description=column.description, ordinal_position=position
        )
        for position, (name, column) in enumerate(table.columns.items(), start=1)
    ]
    return schema_dataset.SchemaDatasetFacet(fields=fields)


def _steps_of(instance: dg.DagsterInstance, run_id: str) -> dict[str, _StepRecord]:
    """Return the steps of a run that are assets, in the order in which they began;
    checks are none.
    """
    steps: dict[str, _StepRecord] = {}
    written: set[str] = set()
    for entry in instance.all_logs(run_id, of_type=READ):
        event, key = entry.get_dagster_event(), entry.step_key or ""
        if event.event_type == dg.DagsterEventType.STEP_START:
            steps[key] = _StepRecord(entry.timestamp)
        elif key not in steps:
            continue
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            written.add(key)
            metadata = event.step_materialization_data.materialization.metadata
            rows, lineage = metadata.get(ROWS_WRITTEN), metadata.get(COLUMN_LINEAGE)
            # Of a table that is cut by day each day has the whole run's count, and the newest alone
            # has the lineage.
            if isinstance(rows, dg.IntMetadataValue):
                steps[key].row_count = rows.value or 0
            if isinstance(lineage, dg.TableColumnLineageMetadataValue):
                steps[key].lineage = lineage.value
        else:
            steps[key].ended_at = entry.timestamp
            steps[key].error = step_sentence(event) if event.is_step_failure else ""
    return {key: step for key, step in steps.items() if key in written or step.error}


REQUEST_TIMEOUT_S: Final = 3.0
RECEIPT: Final = ResponseBounds(REQUEST_TIMEOUT_S, most_mb=1.0)
"""How long the answer to an event may take, and how much of it is read."""
ENDPOINT: Final = "api/v1/lineage"
"""Where receivers take events, by the specification."""
RUN_PATIENCE_S: Final = 5.0
"""Seconds that `ecom run` gives the receiver at the end of a run."""
TICK_PATIENCE_S: Final = 40.0
"""The same for a look of the sensor, which Dagster ends after 60."""
INTERVAL_S: Final = 30
STATUSES: Final = [dg.DagsterRunStatus.STARTED, *ENDS]
REFUSED: Final = range(400, 500)
"""Responses that reject the event itself: it is skipped, because it would be rejected again."""
MAY_PASS: Final = {408, 429}
"""Of these, the ones that may pass."""


def trouble_of_receiver(settings: Settings) -> str:
    """Return why the receiver would take no event, from an empty request to it;
    nothing if it answers.
    """
    key = settings.openlineage_api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with bounded_session(RECEIPT) as session:
            response = session.get(
                f"{settings.openlineage_url.rstrip('/')}/{ENDPOINT}",
                headers=headers,
                timeout=REQUEST_TIMEOUT_S,
            )
    except exceptions.RequestException as error:
        return f"was not reached ({type(error).__name__})"
    # The address takes events only, so any other refusal of a GET is that of a receiver that is
    # there.
    return f"refuses the key ({response.status_code})" if response.status_code in {401, 403} else ""


@dataclass(frozen=True)
class Delivered:
    """How many events were delivered or refused for good, and what stopped the rest."""

    count: int
    trouble: str = ""


@dataclass(frozen=True)
class Lineage:
    """Makes the OpenLineage events of runs, and sends them to a receiver."""

    url: str
    api_key: str = field(repr=False)
    namespace: str
    names: DatasetNames
    tables: Tables = field(repr=False)

    @classmethod
    def from_settings(cls, settings: Settings, names: DatasetNames, tables: Tables) -> "Lineage":
        """Return the lineage that is set, of a warehouse whose tables have these names."""
        key = settings.openlineage_api_key.get_secret_value()
        return cls(settings.openlineage_url, key, settings.openlineage_namespace, names, tables)

    def start_event(self, run_id: str, job_name: str, began_at: float) -> RunEvent:
        """Return the event that a run has begun."""
        return self._event(
            RunState.START, began_at, self._run(run_id), _job(self.namespace, job_name, "JOB")
        )

    def ended_events(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[RunEvent]:
        """Return all events of a run that has ended, in order: its start, its assets, its end."""
        steps = _steps_of(instance, run.run_id)
        stats = instance.get_run_stats(run.run_id)
        began_at = stats.start_time or stats.launch_time or stats.end_time or 0.0
        error = "; ".join(step.error for step in steps.values() if step.error)
        end = self._event(
            ENDS[run.status],
            stats.end_time or began_at,
            self._run(run.run_id, error=error),
            _job(self.namespace, run.job_name, "JOB"),
        )
        asset_events = [
            event for key, step in steps.items() for event in self._step_events(run, key, step)
        ]
        return [self.start_event(run.run_id, run.job_name, began_at), *asset_events, end]

    def _step_events(self, run: dg.DagsterRun, key: str, step: _StepRecord) -> Iterator[RunEvent]:
        layer, _, name = key.partition("__")
        value = self.tables.get(f"{layer}/{name}")
        run_id = str(uuid5(NAMESPACE_URL, f"{run.run_id}/{key}"))
        parent = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=run.run_id),
            job=parent_run.Job(namespace=self.namespace, name=run.job_name),
        )
        job = _job(self.namespace, f"{layer}.{name}" if name else layer, "ASSET")
        for state, at in ((RunState.START, step.began_at), (step.state, step.ended_at)):
            if at is None:
                continue
            is_end = state != RunState.START  # what tables are like is said once, at the end
            inputs = [self._input(table, is_end=is_end) for table in value[1]] if value else []
            outputs = [self._output(value[0], step, is_end=is_end)] if value else []
            run_facets = self._run(run_id, step.error if is_end else "", parent)
            yield self._event(state, at, run_facets, job, inputs=inputs, outputs=outputs)

    def _run(
        self, run_id: str, error: str = "", parent: parent_run.ParentRunFacet | None = None
    ) -> Run:
        facets: dict[str, Any] = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                version=version("dagster"),
                name="dagster",
                openlineageAdapterVersion=version("ecom-assets"),
            )
        }
        if parent is not None:
            facets["parent"] = parent
        if error:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=error, programmingLanguage="python"
            )
        return Run(runId=run_id, facets=facets)

    def _input(self, table: Contract, *, is_end: bool) -> InputDataset:
        name = self.names.name_of(table.layer, table.name)
        facets: dict[str, Any] = {"schema": _schema(table)} if is_end else {}
        return InputDataset(namespace=self.names.namespace, name=name, facets=facets)

    def _output(self, table: Contract, step: _StepRecord, *, is_end: bool) -> OutputDataset:
        name = self.names.name_of(table.layer, table.name)
        if not is_end:
            return OutputDataset(namespace=self.names.namespace, name=name)
        facets: dict[str, Any] = {
            "schema": _schema(table),
            "documentation": documentation_dataset.DocumentationDatasetFacet(
                description=table.description()
            ),
        }
        if step.lineage is not None:
            fields = {
                name: column_lineage_dataset.Fields(
                    inputFields=[
                        column_lineage_dataset.InputField(
                            namespace=self.names.namespace,
                            name=self.names.name_of(*source.asset_key.path),
                            field=source.column_name,
                        )
                        for source in sources
                    ]
                )
                for name, sources in step.lineage.deps_by_column.items()
            }
            facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
                fields=fields
            )
        counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=step.row_count
        )
        statistics: dict[str, Any] = {} if step.error else {"outputStatistics": counted}
        return OutputDataset(
            namespace=self.names.namespace, name=name, facets=facets, outputFacets=statistics
        )

    @staticmethod
    def _event(state: RunState, at: float, run: Run, job: Job, **datasets: Any) -> RunEvent:  # noqa: ANN401 (inputs and outputs)
        when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        return RunEvent(
            eventType=state, eventTime=when, run=run, job=job, producer=PRODUCER, **datasets
        )

    def deliver(self, events: Sequence[RunEvent], patience_s: float) -> Delivered:
        """Send events in order, until one does not arrive or the time is over."""
        until = time.monotonic() + patience_s
        config = HttpConfig(
            url=f"{self.url.rstrip('/')}/",
            timeout=REQUEST_TIMEOUT_S,
            adapter=BoundedAdapter(RECEIPT, connections=1),  # without retries
            session=bounded_session(RECEIPT),  # for what a redirect leads to
        )
        if self.api_key:
            config.auth = ApiKeyTokenProvider({"api_key": self.api_key})
        transport = HttpTransport(config)
        try:
            for number, event in enumerate(events):
                if time.monotonic() > until:
                    return Delivered(number, f"it took more than {patience_s:g} s")
                if trouble := _emit(transport, event):
                    return Delivered(number, trouble)
        finally:
            transport.close()
        return Delivered(len(events))

    def deliver_run(
        self,
        instance: dg.DagsterInstance,
        run: dg.DagsterRun,
        patience_s: float,
        *,
        is_begun: bool = False,
    ) -> Delivered:
        """Send the remaining events of a run, and record their number; with `is_begun`,
        its start was sent.
        """
        before = _delivered_count(run)
        if before == ALL_SENT:
            return Delivered(0)
        before = "1" if is_begun and before == "0" else before
        is_over = run.status in ENDS
        if is_over:
            events = self.ended_events(instance, run)
        else:
            began_at = instance.get_run_stats(run.run_id).start_time or time.time()
            events = [self.start_event(run.run_id, run.job_name, began_at)]
        result = self.deliver(events[int(before) :], patience_s)
        count = int(before) + result.count
        state = ALL_SENT if is_over and count == len(events) else str(count)
        if state != _delivered_count(run):
            instance.add_run_tags(run.run_id, {LINEAGE_TAG: f"{state}: {run.run_id}"})
        return result


def _emit(transport: HttpTransport, event: RunEvent) -> str:
    """Send one event; return the error if it may succeed later, else nothing."""
    try:
        transport.emit(event)
    except exceptions.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        return "" if status in REFUSED and status not in MAY_PASS else f"it answered {status}"
    except exceptions.RequestException as error:
        return f"it was not reached ({type(error).__name__})"
    return ""


def _delivered_count(run: dg.DagsterRun) -> str:
    """Return how many events of a run were delivered, or `all`;
    a run that is tried again has its parent's tags.
    """
    state, _, run_id = run.tags.get(LINEAGE_TAG, "").partition(": ")
    return state if run_id == run.run_id else "0"


class OwnRun:
    """The lineage of the run that `ecom run` makes: its start is sent meanwhile,
    the rest at its end.
    """

    def __init__(self, lineage: Lineage, run_id: str, job_name: str) -> None:
        """Send the start, without waiting for it."""
        self._lineage = lineage
        self._is_reached = False
        start = lineage.start_event(run_id, job_name, time.time())
        self._sending = threading.Thread(target=self._send, args=(start,), daemon=True)
        self._sending.start()

    def _send(self, start: RunEvent) -> None:
        self._is_reached = not self._lineage.deliver([start], REQUEST_TIMEOUT_S).trouble

    def finish(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        """Send the rest, for some seconds at most;
        return a sentence if the receiver did not take everything.
        """
        self._sending.join(REQUEST_TIMEOUT_S)
        later = "the daemon, if it runs, sends the rest."
        if not self._is_reached:
            return f"ECOM_OPENLINEAGE_URL={self._lineage.url} does not answer; {later}"
        result = self._lineage.deliver_run(instance, run, RUN_PATIENCE_S, is_begun=True)
        if not result.trouble:
            return ""
        return (
            f"ECOM_OPENLINEAGE_URL={self._lineage.url} did not take all events, as "
            f"{result.trouble}; {later}"
        )


def lineage_sensor(lineage: Lineage) -> dg.SensorDefinition:
    """Return the sensor that reports runs as they begin and end;
    the cursor holds up to when all were reported.
    """

    @dg.sensor(
        name="openlineage",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends the OpenLineage events of each run, also after the receiver was down.",
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        looked_at, until = now_utc(), time.monotonic() + TICK_PATIENCE_S
        runs, reached = runs_since(context, STATUSES, looked_at)
        sent = 0
        for run in runs:
            noted = _delivered_count(run)
            if noted == ALL_SENT or (run.status not in ENDS and noted != "0"):
                continue
            result = lineage.deliver_run(context.instance, run, max(until - time.monotonic(), 0.0))
            sent += result.count
            if result.trouble:
                message = (
                    f"{lineage.url} did not take all events of run {run.run_id}, as "
                    f"{result.trouble}."
                )
                cursor = context.cursor or looked_at.isoformat()
                return dg.SensorResult(skip_reason=message, cursor=cursor)
        return dg.SensorResult(
            skip_reason=f"Sent {sent} events." if sent else "No news.", cursor=reached.isoformat()
        )

    return report
