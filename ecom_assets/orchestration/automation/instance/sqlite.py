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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import Connection, Engine, create_engine, event, func, select

from ecom_assets.core.settings.dagster_instance import wait_for_code_location
from ecom_assets.core.settings.home import keep_private
from ecom_assets.orchestration.automation.instance import (
    ConfigurableClassData,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)

OPEN_FILES = 8
"""The most files that stay open: the index, the run's own,
and a few that a page of Dagster's UI asks for in turn.
"""
BUSY_TIMEOUT_S = 30
"""How long a process waits while another one writes; as in Dagster's own storage."""
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
