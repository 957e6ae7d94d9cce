"""Dagster's own SQLite event storage, with the events of a step written together, through
connections that stay open.

A run over 90 days of 9 tables writes 1,620 partition events; one transaction each, as Dagster does
on SQLite, costs more than computing the tables. Dagster also opens its files, compiles its
statements and asks for its own columns again for every event. With this class an `ecom run` over
the sandbox shop takes a third of the CPU time (docs/adr/0006, 0057). `dagster.yaml` names it, and
`DAGSTER_EVENT_BATCH_SIZE` makes Dagster hand over batches.
"""

import sqlite3
import threading
import weakref
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine, bindparam, create_engine, func, select, update
from sqlalchemy import event as engine_event

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.dagster_instance import wait_for_code_location
from ecom_assets.core.settings.empty_history import begin_run
from ecom_assets.core.settings.home import keep_private
from ecom_assets.orchestration.automation.instance import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    AssetCheckExecutionsTable,
    ConfigurableClassData,
    EventLogRecord,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)
from ecom_assets.orchestration.automation.instance.old_runs import (
    OF_STEPS,
    PLANNED,
    forget_steps,
)

OPEN_FILES = 8
"""The most files that stay open: the index, the run's own,
and a few that a page of Dagster's UI asks for in turn.
"""
BUSY_TIMEOUT_S = 30
"""How long a process waits while another one writes; as in Dagster's own storage."""
INDEX = "index"
"""The file with the events of all runs that concern tables and checks."""
INCREMENTAL = 2
"""The kind of SQLite's `auto_vacuum` that gives back free pages on request."""
IN_INDEX = ASSET_EVENTS | ASSET_CHECK_EVENTS | EVENT_TYPE_TO_PIPELINE_RUN_STATUS.keys()
"""The events that Dagster keeps in the index too: of tables, of checks, and how runs fare."""
EVALUATED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
WAITING = {
    dg.DagsterEventType.STEP_INPUT,
    dg.DagsterEventType.LOADED_INPUT,
    dg.DagsterEventType.STEP_OUTPUT,
    dg.DagsterEventType.HANDLED_OUTPUT,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    EVALUATED,
    dg.DagsterEventType.STEP_SUCCESS,
    None,  # a message of its log
}
"""The events of a step that are written with the next one that is none of these: the start of the
next step, a failure, or the end of the run.

So the start of a step is there before its work begins, and all that was before it.
"""
_CHECKS = AssetCheckExecutionsTable
COMPLETE_CHECK = (
    update(_CHECKS)
    .where(
        _CHECKS.c.asset_key == bindparam("of_table"),
        _CHECKS.c.check_name == bindparam("of_check"),
        _CHECKS.c.run_id == bindparam("of_run"),
        _CHECKS.c.partition.is_not_distinct_from(bindparam("of_partition")),
    )
    .values(
        {
            column: bindparam(column)
            for column in (
                "execution_status",
                "evaluation_event",
                "evaluation_event_timestamp",
                "evaluation_event_storage_id",
                "materialization_event_storage_id",
            )
        }
    )
)
"""Completes what was planned of a check in a run by its result."""
WAITS_AT_MOST_S = 0.5
"""When they are written by themselves: a step can take minutes, and its log is read meanwhile."""
Stored = tuple[dg.EventLogEntry, dict[str, Any]]
"""An event, and the row that it is in a file."""


class BatchingEventLogStorage(SqliteEventLogStorage):
    """Stores the events of a step in one transaction of each file, instead of up to three for each
    event.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._in_use: dict[str, Connection] = {}
        self._waiting: list[Stored] = []
        self._timer: threading.Timer | None = None
        self._found: set[str] = set()
        self._newest_read: dict[str, tuple[str, EventLogRecord]] = {}
        super().__init__(base_dir, inst_data)
        self._db_lock: Any = threading.RLock()  # as both files of a run are written at once
        weakref.finalize(self, _close, self._engines)

    @classmethod
    def from_config_value(  # type: ignore[override]  # Dagster's own narrows the type of the mapping too
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, str]
    ) -> "BatchingEventLogStorage":
        """Open the storage in the instance's folder, where Dagster's own would lie."""
        wait_for_code_location()
        keep_private()  # the daemon and the webserver, which load no definitions, come by here
        return cls(str(Path(config_value["base_dir"]) / "history" / "runs"), inst_data=inst_data)

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:  # noqa: FBT001, FBT002 (as Dagster's)
        # As Dagster's own, which reads all of its migrations before it leaves a file as it is.
        if for_index_shard or not begin_run(Path(str(engine.url.database))):
            super()._initdb(engine, for_index_shard)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event, if it is of a step with the next one that must not wait."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events of one run, if all are of a step with the next one that must not wait."""
        if not events:
            return
        new = [(event, self._event_to_row(event)) for event in events]
        with self._db_lock:
            if self._waiting and self._waiting[0][0].run_id != events[0].run_id:
                self._write()
            if not all(map(_waits, events)):
                self._write(new)
                return
            self._waiting += new
            if self._timer is None:
                self._write_later()

    def _write_later(self) -> None:
        self._timer = threading.Timer(WAITS_AT_MOST_S, self._write_now)
        self._timer.daemon = True
        self._timer.start()

    def _write_now(self) -> None:
        with self._db_lock:
            self._timer = None
            try:
                self._write()
            except Exception:  # noqa: BLE001 (the next to store or read tries again, and raises)
                self._write_later()

    def _write(self, new: Sequence[Stored] = ()) -> None:
        """Write what waits, and new events of the same run after it."""
        waiting, self._waiting = self._waiting, []
        if not waiting and not new:
            return
        try:
            self._write_to_files([*waiting, *new])
        except BaseException:
            self._waiting = waiting
            raise

    def _write_to_files(self, stored: Sequence[Stored]) -> None:
        run_id = stored[0][0].run_id
        # The index is also the file of a run without one of its own.
        is_short = self._is_short(run_id)
        indexed = [(event, row) for event, row in stored if is_short or _is_in_index(event)]
        with ExitStack() as files:  # a file that cannot be written leaves the other as it was
            if indexed:
                connection = files.enter_context(self.index_transaction())
                connection.execute(SqlEventLogStorageTable.insert(), [row for _, row in indexed])
                # Nobody else can write meanwhile, and SQLite counts on from row to row.
                last_id = connection.execute(
                    select(func.max(SqlEventLogStorageTable.c.id))
                ).scalar_one()
                ids = range(last_id - len(indexed) + 1, last_id + 1)
                self._index(connection, indexed, ids)
            if not is_short:
                connection = files.enter_context(self._connect(run_id))
                connection.execute(SqlEventLogStorageTable.insert(), [row for _, row in stored])

    def _index(self, connection: Connection, stored: Sequence[Stored], ids: Sequence[int]) -> None:
        """Write what the index has of tables and checks beside their events."""
        numbered = [(event, number) for (event, _), number in zip(stored, ids, strict=True)]
        tables = [(event, number) for event, number in numbered if _is_of(event, ASSET_EVENTS)]
        if tables:
            self._store_asset_event_tags(connection, *zip(*tables, strict=True))
            for position in _newest([event for event, _ in tables]):
                self._store_asset_event(connection, *tables[position])
        for (event, row), number in zip(stored, ids, strict=True):
            if _is_of(event, ASSET_CHECK_EVENTS) and not _is_completed(
                connection, event, row, number
            ):
                self.store_asset_check_event(event, number)

    def _get_asset_entry_values(
        self,
        event: dg.EventLogEntry,
        event_id: int,
        has_asset_key_index_cols: bool,  # noqa: FBT001 (as Dagster's)
    ) -> dict[str, Any]:
        values = super()._get_asset_entry_values(event, event_id, has_asset_key_index_cols)
        key = event.get_dagster_event().asset_key
        if key and values.get("last_materialization"):
            newest = values["last_materialization"], EventLogRecord(event_id, event)
            self._newest_read[key.to_string()] = newest
        return values

    def has_table(self, table_name: str) -> bool:
        """Return whether the index has a table, which is asked once: no table ever goes."""
        return self._is_found(f"table {table_name}", super().has_table, table_name)

    def has_asset_key_col(self, column_name: str) -> bool:
        """Return whether tables of the index have a column, asked once, too."""
        return self._is_found(f"column {column_name}", super().has_asset_key_col, column_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        has_column = super()._has_asset_key_col_on_connection
        return self._is_found(f"column {column_name}", has_column, conn, column_name)

    def has_secondary_index(self, name: str) -> bool:
        """Return whether a migration of Dagster's is done, asked once, too."""
        return self._is_found(f"migration {name}", super().has_secondary_index, name)

    def _is_found(self, name: str, look: Callable[..., bool], *arguments: object) -> bool:
        if name not in self._found and look(*arguments):
            self._found.add(name)
        return name in self._found

    def _get_latest_materialization_records(
        self, raw_asset_rows: Sequence[NamedValues]
    ) -> Mapping[dg.AssetKey, EventLogRecord | None]:
        # Each step asks for those of its inputs, mostly as the step before it: an event of ten
        # kilobytes is read once, as long as it is the same.
        records: dict[dg.AssetKey, EventLogRecord | None] = {}
        unread = []
        for row in raw_asset_rows:
            text, record = self._newest_read.get(row["asset_key"], ("", None))
            key = dg.AssetKey.from_db_string(row["asset_key"])
            if key and record and text == row["last_materialization"] and not row["asset_details"]:
                records[key] = record
            else:
                unread.append(row)
        if not unread:
            return records
        read = super()._get_latest_materialization_records(unread)
        for row in unread:
            key = dg.AssetKey.from_db_string(row["asset_key"])
            record = read.get(key) if key else None
            if record and row["last_materialization"]:
                self._newest_read[row["asset_key"]] = (row["last_materialization"], record)
        return {**records, **read}

    def _store_asset_check_evaluation_planned(
        self, event: dg.EventLogEntry, event_id: int | None
    ) -> None:
        # Of a run over several partitions, Dagster adds a row for each, the whole event in each,
        # and none is ever evaluated, since the one result has no partition. So it is planned
        # without one, too.
        logged = event.get_dagster_event()
        planned: Any = logged.event_specific_data
        if len(planned.partitions_subset or ()) > 1:
            of_all = type(planned)(asset_key=planned.asset_key, check_name=planned.check_name)
            event = event._replace(dagster_event=logged._replace(event_specific_data=of_all))
        super()._store_asset_check_evaluation_planned(event, event_id)

    def long_runs(self, limit: int) -> list[str]:
        """Return runs that have a file of their own, those first that wrote last long ago."""
        written_at: dict[str, float] = {}
        for run_id in self.get_all_run_ids():
            with suppress(FileNotFoundError):  # another run that ends may just have removed it
                written_at[run_id] = Path(self.path_for_shard(run_id)).stat().st_mtime
        return sorted(written_at, key=written_at.__getitem__)[:limit]

    def shorten(self, run_id: str) -> None:
        """Remove the run's own file: the index, which has what became of tables and checks
        anyway, answers for it.
        """
        events = SqlEventLogStorageTable
        of_run, kind = events.c.run_id == run_id, events.c.dagster_event_type
        with self.run_connection(run_id) as connection:
            kept = select(events).where(of_run, kind.not_in((*OF_STEPS, PLANNED)))
            rows = [row._asdict() for row in connection.execute(kept.order_by(events.c.id))]
        with self.index_transaction() as connection:
            known = set(connection.scalars(select(kind).where(of_run).distinct()))
            also = [row | {"id": None} for row in rows if row[kind.name] not in known]
            if also:
                connection.execute(events.insert(), also)
            forget_steps(connection, run_id)
        with self._db_lock:
            if run_id in self._engines:
                self._engines.pop(run_id).dispose()
            self._initialized_dbs.discard(run_id)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)

    def give_back_space(self) -> None:
        """Shorten the index by what old runs had there."""
        with self.index_connection() as connection:
            driver: Any = connection.connection.dbapi_connection
            if driver.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
                driver.execute(f"PRAGMA auto_vacuum = {INCREMENTAL}")
                driver.execute("VACUUM")
            # `execute` takes a single step of it, which gives back a single page.
            driver.executescript("PRAGMA incremental_vacuum")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _is_short(self, run_id: str) -> bool:
        if run_id in self._engines or Path(self.path_for_shard(run_id)).exists():
            return False
        events = SqlEventLogStorageTable
        with self._connect(INDEX) as connection:
            its_events = select(events.c.id).where(events.c.run_id == run_id).limit(1)
            return connection.scalar(its_events) is not None

    def wipe(self) -> None:
        """Remove every run's file, which none may have open then."""
        with self._db_lock:
            self._write()
            self._newest_read.clear()
            _close(self._engines)
        super().wipe()

    def dispose(self) -> None:
        """Write what waits and close the files, as the instance is given back."""
        with self._db_lock:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            self._write()
            _close(self._engines)
        super().dispose()

    def run_connection(self, run_id: str | None = None) -> AbstractContextManager[Connection]:
        """Open the file that has the events of a run."""
        name = run_id or ""
        return self._connect(INDEX if name and self._is_short(name) else name)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # As Dagster's own, which has one connection in use at a time too, but makes its engine
        # again for each.
        with self._db_lock:
            if self._is_read_in(shard):
                self._write()
            if shard in self._in_use:
                yield self._in_use[shard]
                return
            if shard not in self._engines:
                if len(self._engines) >= OPEN_FILES:
                    _close(self._engines)
                address, patience = self.conn_string_for_shard(shard), {"timeout": BUSY_TIMEOUT_S}
                self._engines[shard] = create_engine(address, pool_size=1, connect_args=patience)
            engine = self._engines[shard]
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                self._in_use[shard] = connection
                try:
                    yield connection
                finally:
                    del self._in_use[shard]

    def _is_read_in(self, shard: str) -> bool:
        """Return whether an event that waits is one of those that a reader of the file wants."""
        has_file = bool(self._waiting) and self._waiting[0][0].run_id in self._engines
        return not (shard == INDEX and has_file) or any(
            _is_in_index(waiting) for waiting, _ in self._waiting
        )


def _close(engines: dict[str, Engine]) -> None:
    while engines:
        engines.popitem()[1].dispose()


def _newest(events: Sequence[dg.EventLogEntry]) -> list[int]:
    """Return the places of each table's newest event of each kind:
    all that the table's entry shows.
    """
    kinds = ((event.get_dagster_event().asset_key, event.dagster_event_type) for event in events)
    return sorted({kind: position for position, kind in enumerate(kinds)}.values())


def _is_of(event: dg.EventLogEntry, kinds: Container[dg.DagsterEventType]) -> bool:
    return event.is_dagster_event and event.dagster_event_type in kinds


def _is_in_index(event: dg.EventLogEntry) -> bool:
    return _is_of(event, IN_INDEX)


def _waits(event: dg.EventLogEntry) -> bool:
    return event.step_key is not None and event.dagster_event_type in WAITING


def _is_completed(
    connection: Connection, event: dg.EventLogEntry, row: NamedValues, number: int
) -> bool:
    """Return whether a result completes what was planned of a check in the run, by a statement that
    is compiled once.
    """
    if event.dagster_event_type is not EVALUATED or not event.run_id:
        return False
    result: Any = event.get_dagster_event().event_specific_data
    target = result.target_materialization_data
    values = {
        "of_table": result.asset_key.to_string(),
        "of_check": result.check_name,
        "of_run": event.run_id,
        "of_partition": result.partition,
        "execution_status": "SUCCEEDED" if result.passed else "FAILED",
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": number,
        "materialization_event_storage_id": target.storage_id if target else None,
    }
    return connection.execute(COMPLETE_CHECK, values).rowcount > 0


@contextmanager
def patient_history() -> Iterator[None]:
    """Let SQLite write what this process adds when it is done, instead of after each event.

    A killed process loses nothing that was written, the system has it already. A power cut can lose
    the newest events, never the file: that is what SQLite promises of `synchronous = NORMAL` with a
    write-ahead log.
    """
    connections: dict[str, sqlite3.Connection] = {}

    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 (whatever driver an engine has)
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("PRAGMA synchronous = NORMAL")
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path:
            # As long as one connection has the log open, the others need not write it back as they
            # close. It opens the log when it reads, and there may have been none when it read
            # before.
            if path not in connections:
                connections[path] = sqlite3.connect(path, check_same_thread=False)
            connections[path].execute("SELECT count(*) FROM sqlite_master").fetchone()

    engine_event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        engine_event.remove(Engine, "connect", connected)
        for connection in connections.values():
            connection.close()
