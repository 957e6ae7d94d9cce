"""Dagster's Postgres event storage, with the planned partitions of a run written together.

Dagster batches what was materialized on Postgres, but not what is planned: each planned partition
of each table is two transactions. `deploy/dagster.yaml` names this class, and
`DAGSTER_EVENT_BATCH_SIZE` makes Dagster hand over batches. It can go with the release that has
Dagster's pull request 33832, which writes planned events together.
"""

from collections.abc import Sequence

import dagster as dg
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config
from sqlalchemy import func, select

from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.dagster_instance import wait_for_code_location
from ecom_assets.core.settings.home import keep_private
from ecom_assets.orchestration.automation.instance import (
    ConfigurableClassData,
    SqlEventLogStorageTable,
)
from ecom_assets.orchestration.automation.instance.old_runs import (
    CHECK_PLANNED,
    LOGGED,
    forget_steps,
)


class BatchingPostgresEventLogStorage(PostgresEventLogStorage):
    """Stores the planned materializations of a batch in two transactions instead of two each."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: NamedValues
    ) -> "BatchingPostgresEventLogStorage":
        """Open the storage; the options are those of Dagster's own."""
        wait_for_code_location()
        keep_private()  # the daemon and the webserver, which load no definitions, come by here
        return cls(
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
            token_provider=get_token_provider_from_config(config_value),
        )

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store planned materializations together, and leave any others to Dagster."""
        planned = [event for event in events if _is_planned_table(event)]
        other_events = [event for event in events if not _is_planned_table(event)]
        if planned:
            insert = self.prepare_insert_event_batch(planned).returning(
                SqlEventLogStorageTable.c.id
            )
            with self._connect() as connection:
                ids = connection.scalars(insert).all()
            newest = {event.get_dagster_event().asset_key: at for at, event in enumerate(planned)}
            with self.index_transaction() as connection:
                self._store_asset_event_tags(connection, planned, ids)
                # A table's entry shows its newest event only, so the others need not be written
                # there.
                for at in newest.values():
                    self._store_asset_event(connection, planned[at], ids[at])
        if other_events:
            super().store_event_batch(other_events)

    def long_runs(self, limit: int) -> list[str]:
        """Return runs that still have events of steps, the oldest first."""
        events = SqlEventLogStorageTable
        rows = (
            select(events.c.run_id)
            .where(events.c.dagster_event_type.in_((LOGGED, CHECK_PLANNED)))
            .group_by(events.c.run_id)
            .order_by(func.min(events.c.id))
            .limit(limit)
        )
        with self.index_connection() as connection:
            return list(connection.scalars(rows))

    def shorten(self, run_id: str) -> None:
        """Keep what became of tables and checks in a run, and forget its steps."""
        with self.index_transaction() as connection:
            forget_steps(connection, run_id)

    def give_back_space(self) -> None:
        """Leave it to the server, which writes newer events there."""


def _is_planned_table(event: dg.EventLogEntry) -> bool:
    return (
        event.is_dagster_event
        and event.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    )
