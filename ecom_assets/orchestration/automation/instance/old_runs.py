"""What Dagster's history keeps of old runs: what they wrote and what checks found of it,
not each of their steps.

Of 7 MB that a run over two days writes, nine tenths are read by nobody once there is a newer run:
plans, steps, messages, and the SQL, lineage and preview of tables that were computed again since
(docs/adr/0053).
"""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Protocol, runtime_checkable

import dagster as dg
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    false,
    not_,
    or_,
    select,
)

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.orchestration.automation.instance import (
    AssetCheckExecutionsTable,
    DeserializationError,
    SqlEventLogStorageTable,
)

LINEAGE_TAG: Final = "ecom/openlineage"
ALL_SENT: Final = "all"
"""The tag that says how many OpenLineage events of a run were sent, and its value after the last.
"""
LINEAGE_WAITS: Final = timedelta(days=7)
"""How long the steps of a run are kept for a receiver of OpenLineage events that is down."""
MOST_RUNS: Final = 200
"""The most runs that are looked at when one ends."""
PATIENCE_S: Final = 5.0
"""Seconds that a run spends at its end on those before it; the next goes on."""
ENDED: Final = frozenset(
    {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
)
PLANNED: Final = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
WRITTEN: Final = dg.DagsterEventType.ASSET_MATERIALIZATION.value
EVALUATED: Final = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value
LOGGED: Final = dg.DagsterEventType.LOGS_CAPTURED.value
CHECK_PLANNED: Final = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value
OF_STEPS: Final = tuple(
    kind.value
    for kind in (
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
        dg.DagsterEventType.STEP_INPUT,
        dg.DagsterEventType.STEP_OUTPUT,
        dg.DagsterEventType.STEP_START,
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_SKIPPED,
        dg.DagsterEventType.STEP_RESTARTED,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
        dg.DagsterEventType.STEP_WORKER_STARTING,
        dg.DagsterEventType.STEP_WORKER_STARTED,
        dg.DagsterEventType.RESOURCE_INIT_STARTED,
        dg.DagsterEventType.RESOURCE_INIT_SUCCESS,
        dg.DagsterEventType.LOADED_INPUT,
        dg.DagsterEventType.HANDLED_OUTPUT,
        dg.DagsterEventType.OBJECT_STORE_OPERATION,
        dg.DagsterEventType.ASSET_STORE_OPERATION,
        dg.DagsterEventType.ENGINE_EVENT,
        dg.DagsterEventType.LOGS_CAPTURED,
    )
)
"""The events of an old run that go, with messages of its log. Why a step failed stays."""
AGAIN: Final = "is_written_again"
OF_A_TABLE: Final = "dagster/table_name"
"""What the metadata of every table of the platform have, and not those of other assets."""
EXPLANATION: Final = frozenset(
    {"dagster/column_schema", "dagster/column_lineage", "lineage", "plot", "preview", "sql"}
)
"""The metadata by which a run explains a table: of each table its newest run's stay."""


@runtime_checkable
class OldRunStorage(Protocol):
    """An event storage that can keep less of old runs."""

    def long_runs(self, limit: int) -> Collection[str]:
        """Return runs of which it still has all events, those that have been there longest."""

    def shorten(self, run_id: str) -> None:
        """Keep what became of tables and checks in a run, and forget its steps."""

    def give_back_space(self) -> None:
        """Give space that old runs had back to the disk, as far as that is its own work."""


def shorten_old_runs(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    *,
    reports_lineage: bool,
    patience_s: float = PATIENCE_S,
    now: Clock = now_utc,
) -> None:
    """Forget the steps of runs that ended before this one, which is about to end.

    The newest run of each job stays whole, and the newest that failed. With `reports_lineage`, so
    do runs whose OpenLineage events were not sent yet, for a week.
    """
    storage: Any = instance.event_log_storage
    if not isinstance(storage, OldRunStorage):
        return
    until = time.monotonic() + patience_s
    candidates = storage.long_runs(MOST_RUNS)
    if not candidates:
        return
    records = instance.get_run_records(dg.RunsFilter(run_ids=list(candidates)))
    # This run has not ended for Dagster. If it fails after all, one that succeeded is short too.
    whole = {(run.job_name, dg.DagsterRunStatus.SUCCESS)}
    # Those that somebody deleted have no record any more, and may have left an empty file.
    old = sorted({*candidates} - {record.dagster_run.run_id for record in records})
    for record in sorted(records, key=lambda record: record.storage_id, reverse=True):
        kind = record.dagster_run.job_name, record.dagster_run.status
        if record.dagster_run.run_id == run.run_id or kind[1] not in ENDED:
            continue
        if kind in whole and not (reports_lineage and _lineage_waits(record, now())):
            old.append(record.dagster_run.run_id)
        whole.add(kind)
    for run_id in reversed(old):
        if time.monotonic() > until:
            return
        storage.shorten(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id, "compute_logs"])
    if len(candidates) < MOST_RUNS:  # else the next run has more to shorten
        storage.give_back_space()


def _lineage_waits(record: dg.RunRecord, now: datetime) -> bool:
    run = record.dagster_run
    is_sent = run.tags.get(LINEAGE_TAG) == f"{ALL_SENT}: {run.run_id}"
    return not is_sent and now - record.create_timestamp < LINEAGE_WAITS


def forget_steps(connection: Connection, run_id: str) -> None:
    """Remove the events of a run's steps, its messages, and what is said elsewhere, too,
    from a table of the events of all runs.

    What was planned stays until something newer is known of that day of the table: else a day whose
    run failed would look as if nobody had asked for it.
    """
    events, newer = SqlEventLogStorageTable, SqlEventLogStorageTable.alias("newer")
    of_run, kind = events.c.run_id == run_id, events.c.dagster_event_type
    of_table = and_(newer.c.asset_key == events.c.asset_key, newer.c.id > events.c.id)
    is_known = exists().where(
        of_table,
        newer.c.dagster_event_type.in_((PLANNED, WRITTEN)),
        newer.c.partition.is_not_distinct_from(events.c.partition),
    )
    is_written_again = exists().where(
        of_table, newer.c.dagster_event_type == WRITTEN, newer.c.run_id.not_in((run_id, ""))
    )
    shorten = cache(shortened)  # the event of a check is in both tables
    _replace(
        connection,
        events.c.event,
        select(events, is_written_again.label(AGAIN)).where(
            of_run,
            kind.not_in(OF_STEPS),  # nor messages, which have no kind
            or_(kind != PLANNED, not_(is_known)),
        ),
        of_run,
        shorten,
    )
    checks = AssetCheckExecutionsTable
    of_checks = checks.c.run_id == run_id
    rows = select(checks, false().label(AGAIN)).where(of_checks)
    _replace(connection, checks.c.evaluation_event, rows, of_checks, shorten)


def _replace(
    connection: Connection,
    text: Column[Any],
    rows: Select[Any],
    condition: ColumnElement[bool],
    shorten: Callable[..., str],
) -> None:
    """Replace the rows of a run by those that stay, shortened: rows that are shortened in place
    leave SQLite's pages half empty.
    """
    table: Any = text.table
    kept = []
    for row in connection.execute(rows.order_by(table.c.id)):
        values = row._asdict()
        is_again = bool(values.pop(AGAIN))
        # What another release wrote, and this one cannot read, stays as it is.
        with suppress(dg.DagsterError, DeserializationError, ValueError):
            values[text.name] = shorten(values[text.name], is_written_again=is_again)
        kept.append(values)
    connection.execute(table.delete().where(condition))
    if kept:
        connection.execute(table.insert(), kept)


def shortened(text: str, *, is_written_again: bool) -> str:
    """Return a serialized event without what its run has said of all events, and without the
    explanation of a table that a later run explains.
    """
    entry: Any = dg.deserialize_value(text)
    event = entry.get_dagster_event()
    data = event.event_specific_data
    if is_written_again and event.event_type_value == WRITTEN:
        made = data.materialization
        if OF_A_TABLE in made.metadata:
            kept = {name: value for name, value in made.metadata.items() if name not in EXPLANATION}
            data = data._replace(materialization=made._replace(metadata=kept))
    bare = event._replace(
        event_specific_data=data,
        step_handle=None,
        node_handle=None,
        step_kind_value=None,
        logging_tags={},
        pid=None,
    )
    return dg.serialize_value(entry._replace(dagster_event=bare, user_message=""))
