"""Dagster's own SQLite event storage, with the events of a batch written together, through
connections that stay open.

A run over 90 days of 9 tables writes 1,620 partition events; one transaction each, as Dagster does
on SQLite, costs more than computing the tables. Dagster also opens its files and compiles its
statements again for every event. With this class an `ecom run` over the sandbox shop takes a third
of the CPU time (docs/adr/0006). `dagster.yaml` names it, and `DAGSTER_EVENT_BATCH_SIZE` makes
Dagster hand over batches.
"""

import sqlite3
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine, create_engine, event, func, select

from ecom_assets.core.settings.dagster_instance import wait_for_code_location
from ecom_assets.core.settings.empty_history import begin_run
from ecom_assets.core.settings.home import keep_private
from ecom_assets.orchestration.automation.instance import (
    ConfigurableClassData,
    SqlEventLogStorage,
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
TOGETHER = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}
"""The events that are written together: a run has one of each per table and day."""


class BatchingEventLogStorage(SqliteEventLogStorage):
    """Stores the asset events of a batch in two transactions instead of two each.

    A batch is of one run.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)
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

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events of one run together where they concern assets, and any others one by one."""
        together = [event for event in events if _is_together(event)]
        if together:
            rows = [self._event_to_row(event) for event in together]
            with self.run_connection(together[0].run_id) as connection:
                connection.execute(SqlEventLogStorageTable.insert(), rows)
            with self.index_transaction() as connection:
                connection.execute(SqlEventLogStorageTable.insert(), rows)
                # Nobody else can write meanwhile, and SQLite counts on from row to row.
                last_id = connection.execute(
                    select(func.max(SqlEventLogStorageTable.c.id))
                ).scalar_one()
                ids = range(last_id - len(rows) + 1, last_id + 1)
                self._store_asset_event_tags(connection, together, ids)
                for position in _newest(together):
                    self._store_asset_event(connection, together[position], ids[position])
        super().store_event_batch([event for event in events if not _is_together(event)])

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

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event; one of a run without a file of its own once, as the index is its file."""
        if self._is_short(event.run_id):
            SqlEventLogStorage.store_event(self, event)
        else:
            super().store_event(event)

    def _is_short(self, run_id: str) -> bool:
        if run_id in self._engines or Path(self.path_for_shard(run_id)).exists():
            return False
        events = SqlEventLogStorageTable
        with self._connect(INDEX) as connection:
            found = select(events.c.id).where(events.c.run_id == run_id).limit(1)
            return connection.scalar(found) is not None

    def wipe(self) -> None:
        """Remove every run's file, which none may have open then."""
        with self._db_lock:
            _close(self._engines)
        super().wipe()

    def dispose(self) -> None:
        """Close the files, as the instance is given back."""
        with self._db_lock:
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
                yield connection


def _close(engines: dict[str, Engine]) -> None:
    while engines:
        engines.popitem()[1].dispose()


def _newest(events: Sequence[dg.EventLogEntry]) -> list[int]:
    """Return the places of each table's newest event of each kind:
    all that the table's entry shows.
    """
    kinds = ((event.get_dagster_event().asset_key, event.dagster_event_type) for event in events)
    return sorted({kind: position for position, kind in enumerate(kinds)}.values())


def _is_together(event: dg.EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in TOGETHER


@contextmanager
def patient_history() -> Iterator[None]:
    """Let SQLite write what this process adds when it is done, instead of after each event.

    A killed process loses nothing, the system has it already. A power cut can lose the newest
    events, never the file: that is what SQLite promises of `synchronous = NORMAL` with a
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

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
        for connection in connections.values():
            connection.close()
