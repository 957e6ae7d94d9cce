"""What made a table, from Dagster's history: for engines whose writers leave none: Snowflake and Spark."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import dagster as dg

from ecom_assets.explain.notes import Computation, Write, grouped
from ecom_assets.settings.settings import Settings, prepare_dagster_home
from ecom_assets.tables.asset import asset_key
from ecom_assets.tables.contract import Table

DATA_VERSION: Final = "dagster/data_version"
LINEAGE: Final = "dagster/column_lineage"
FENCE: Final = ("```sql\n", "\n```")
"""What stands around a statement in Dagster's metadata."""
AT_ONCE: Final = 100
"""How many events are read at once."""


@contextmanager
def history(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the history of runs of the settings' home."""
    prepare_dagster_home(settings)
    with dg.DagsterInstance.get() as instance:
        yield instance


@dataclass(frozen=True)
class DagsterNotes:
    """The notes that Dagster's history has of runs; see `Notes`.

    The version of ecom_assets is not in it.

    Attributes:
        open_history: Opens the history of runs.
    """

    open_history: Callable[[], AbstractContextManager[dg.DagsterInstance]]

    def writes(self, contract: type[Table], days: Iterable[date]) -> list[Write]:
        """Return the runs that wrote some days of a table, the newest first; of the whole table if it has no days."""
        key, wanted = asset_key(contract), [day.isoformat() for day in days]
        with self.open_history() as instance:
            newest = instance.event_log_storage.get_latest_storage_id_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            if not (contract.day_column and newest):
                return grouped(map(_row, instance.fetch_materializations(key, limit=1).records))
            ids = [newest[day] for day in wanted if day in newest]
            parts = (ids[begin : begin + AT_ONCE] for begin in range(0, len(ids), AT_ONCE))
            filters = (dg.AssetRecordsFilter(asset_key=key, storage_ids=part) for part in parts)
            pages = [instance.fetch_materializations(one, limit=AT_ONCE) for one in filters]
            return grouped(_row(record) for page in pages for record in page.records)

    def computation(self, contract: type[Table]) -> Computation:
        """Return how a table was computed last; a run notes it with the newest of its days only."""
        with self.open_history() as instance:
            for record in _newest_first(instance, asset_key(contract)):
                metadata = record.asset_materialization.metadata if record.asset_materialization else {}
                if "sql" in metadata:
                    sql = str(metadata["sql"].value).removeprefix(FENCE[0]).removesuffix(FENCE[1])
                    return Computation(sql, _upstream(metadata))
        return Computation()


def _newest_first(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[dg.EventLogRecord]:
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(key, limit=AT_ONCE, cursor=cursor)
        yield from page.records
        cursor, has_more = page.cursor, page.has_more


def _row(record: dg.EventLogRecord) -> dict[str, Any]:
    """Return a materialization as a row of `WrittenSlices`."""
    tags = (record.asset_materialization.tags if record.asset_materialization else None) or {}
    return {
        "run_id": record.run_id,
        "code_version": None,
        "written_at": datetime.fromtimestamp(record.timestamp, UTC).replace(tzinfo=None),
        "write_id": tags.get(DATA_VERSION),
    }


def _upstream(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, list[str]]:
    """Return the columns that a table's values are made of, by table."""
    result: dict[str, set[str]] = {}
    lineage = metadata[LINEAGE].value if LINEAGE in metadata else dg.TableColumnLineage({})
    for sources in lineage.deps_by_column.values():
        for one in sources:
            result.setdefault(".".join(one.asset_key.path), set()).add(one.column_name)
    return {name: sorted(columns) for name, columns in sorted(result.items())}
