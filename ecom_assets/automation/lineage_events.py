"""A run as OpenLineage events: one run for the Dagster run, and below it one for each asset, with tables and columns.

Events are generated from Dagster's event log, so they are the same whenever they are generated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import urlsplit
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

from ecom_assets.automation.alerts import step_sentence
from ecom_assets.tables.contract import Table

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
Tables = Mapping[str, tuple[type[Table], tuple[type[Table], ...]]]
"""The contract of each asset, and those of the tables that it reads, by `layer/name`."""


@dataclass(frozen=True)
class Place:
    """Where tables are, as OpenLineage names datasets: https://openlineage.io/docs/spec/naming."""

    namespace: str
    prefix: str = ""

    @classmethod
    def of(cls, address: str) -> "Place":
        """Return the place of a warehouse's address; who logs in is no part of it."""
        parts = urlsplit(address)
        path = parts.path.strip("/")
        if parts.scheme.startswith("postgres"):
            return cls(f"postgres://{parts.hostname}:{parts.port or 5432}", f"{path}.")
        if parts.scheme == "snowflake":
            return cls(f"snowflake://{parts.hostname}", f"{path.partition('/')[0]}.")
        return cls(f"{parts.scheme}://{parts.hostname or ''}{parts.path}")

    def name_of(self, layer: str, table: str) -> str:
        """Return the name of a table."""
        return f"{self.prefix}{layer}.{table}"


@dataclass
class _Step:
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


@dataclass(frozen=True)
class LineageEvents:
    """Makes the events of runs."""

    namespace: str
    place: Place
    tables: Tables = field(repr=False)

    def start_of(self, run_id: str, job_name: str, began_at: float) -> RunEvent:
        """Return the event that a run has begun."""
        return self._event(RunState.START, began_at, self._run(run_id), _job(self.namespace, job_name, "JOB"))

    def of_ended(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[RunEvent]:
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
        of_assets = [event for key, step in steps.items() for event in self._of_step(run, key, step)]
        return [self.start_of(run.run_id, run.job_name, began_at), *of_assets, end]

    def _of_step(self, run: dg.DagsterRun, key: str, step: _Step) -> Iterator[RunEvent]:
        layer, _, name = key.partition("__")
        value = self.tables.get(f"{layer}/{name}")
        run_id = str(uuid5(NAMESPACE_URL, f"{run.run_id}/{key}"))
        parent = parent_run.ParentRunFacet(
            run=parent_run.Run(runId=run.run_id), job=parent_run.Job(namespace=self.namespace, name=run.job_name)
        )
        job = _job(self.namespace, f"{layer}.{name}" if name else layer, "ASSET")
        for state, at in ((RunState.START, step.began_at), (step.state, step.ended_at)):
            if at is None:
                continue
            is_end = state != RunState.START  # what tables are like is said once, at the end
            inputs = [self._input(one, is_end=is_end) for one in value[1]] if value else []
            outputs = [self._output(value[0], step, is_end=is_end)] if value else []
            run_facets = self._run(run_id, step.error if is_end else "", parent)
            yield self._event(state, at, run_facets, job, inputs=inputs, outputs=outputs)

    def _run(self, run_id: str, error: str = "", parent: parent_run.ParentRunFacet | None = None) -> Run:
        facets: dict[str, Any] = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                version=version("dagster"), name="dagster", openlineageAdapterVersion=version("ecom-assets")
            )
        }
        if parent is not None:
            facets["parent"] = parent
        if error:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(message=error, programmingLanguage="python")
        return Run(runId=run_id, facets=facets)

    def _input(self, table: type[Table], *, is_end: bool) -> InputDataset:
        name = self.place.name_of(table.layer, table.name)
        facets: dict[str, Any] = {"schema": _schema(table)} if is_end else {}
        return InputDataset(namespace=self.place.namespace, name=name, facets=facets)

    def _output(self, table: type[Table], step: _Step, *, is_end: bool) -> OutputDataset:
        name = self.place.name_of(table.layer, table.name)
        if not is_end:
            return OutputDataset(namespace=self.place.namespace, name=name)
        facets: dict[str, Any] = {
            "schema": _schema(table),
            "documentation": documentation_dataset.DocumentationDatasetFacet(description=table.description()),
        }
        if step.lineage is not None:
            facets["columnLineage"] = self._column_lineage(step.lineage)
        counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=step.row_count)
        statistics: dict[str, Any] = {} if step.error else {"outputStatistics": counted}
        return OutputDataset(namespace=self.place.namespace, name=name, facets=facets, outputFacets=statistics)

    def _column_lineage(self, lineage: dg.TableColumnLineage) -> column_lineage_dataset.ColumnLineageDatasetFacet:
        fields = {
            name: column_lineage_dataset.Fields(
                inputFields=[
                    column_lineage_dataset.InputField(
                        namespace=self.place.namespace,
                        name=self.place.name_of(*one.asset_key.path),
                        field=one.column_name,
                    )
                    for one in sources
                ]
            )
            for name, sources in lineage.deps_by_column.items()
        }
        return column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields)

    @staticmethod
    def _event(state: RunState, at: float, run: Run, job: Job, **datasets: Any) -> RunEvent:  # noqa: ANN401 (inputs and outputs)
        when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
        return RunEvent(eventType=state, eventTime=when, run=run, job=job, producer=PRODUCER, **datasets)


def _job(namespace: str, name: str, kind: str) -> Job:
    facet = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="DAGSTER", jobType=kind)
    return Job(namespace=namespace, name=name, facets={"jobType": facet})


def _schema(table: type[Table]) -> schema_dataset.SchemaDatasetFacet:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=name, type=column.type, description=column.description, ordinal_position=place
        )
        for place, (name, column) in enumerate(table.columns.items(), start=1)
    ]
    return schema_dataset.SchemaDatasetFacet(fields=fields)


def _steps_of(instance: dg.DagsterInstance, run_id: str) -> dict[str, _Step]:
    """Return the steps of a run that are assets, in the order in which they began; checks are none."""
    steps: dict[str, _Step] = {}
    written: set[str] = set()
    for entry in instance.all_logs(run_id, of_type=READ):
        event, key = entry.get_dagster_event(), entry.step_key or ""
        if event.event_type == dg.DagsterEventType.STEP_START:
            steps[key] = _Step(entry.timestamp)
        elif key not in steps:
            continue
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            written.add(key)
            metadata = event.step_materialization_data.materialization.metadata
            rows, lineage = metadata.get(ROWS_WRITTEN), metadata.get(COLUMN_LINEAGE)
            # Of a table that is cut by day each day has the whole run's count, and the newest alone has the lineage.
            if isinstance(rows, dg.IntMetadataValue):
                steps[key].row_count = rows.value or 0
            if isinstance(lineage, dg.TableColumnLineageMetadataValue):
                steps[key].lineage = lineage.value
        else:
            steps[key].ended_at = entry.timestamp
            steps[key].error = step_sentence(event) if event.is_step_failure else ""
    return {key: step for key, step in steps.items() if key in written or step.error}
