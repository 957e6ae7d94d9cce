"""What Dagster's history says of the runs that wrote a table:
for engines whose writers leave no notes beside the rows.

These are Snowflake and Spark. The rows are those of `WrittenSlices` and `Computations`, which the
other engines keep.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import dagster as dg

from ecom_assets.core.json_text import json_text
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.values import batches_of
from ecom_assets.core.warehouse.day_notes import ALL_DAYS
from ecom_assets.core.warehouse.io_manager import CODE

DATA_VERSION: Final = "dagster/data_version"
LINEAGE: Final = "dagster/column_lineage"
FENCE: Final = ("```sql\n", "\n```")
"""What stands around a statement in Dagster's metadata."""
AT_ONCE: Final = 100
"""How many events are read at once."""


@dataclass(frozen=True)
class RunHistory:
    """The history of runs of a Dagster instance."""

    instance: dg.DagsterInstance

    def writes(self, contract: Contract, days: Sequence[date]) -> list[Row]:
        """Return the newest write of each of some days, or of the whole table,
        as rows of `WrittenSlices`.
        """
        key = asset_key(contract)
        newest = self.instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        if not (contract.day_column and newest):
            return [
                _write(contract, record)
                for record in self.instance.fetch_materializations(key, limit=1).records
            ]
        ids = [newest[day.isoformat()] for day in days if day.isoformat() in newest]
        filters = (
            dg.AssetRecordsFilter(asset_key=key, storage_ids=part)
            for part in batches_of(ids, AT_ONCE)
        )
        pages = [self.instance.fetch_materializations(keys, limit=AT_ONCE) for keys in filters]
        return [_write(contract, record) for page in pages for record in page.records]

    def computations(self, contract: Contract) -> list[Row]:
        """Return how a table was computed last, as a row of `Computations`;
        none if no run noted it.

        A run notes it with the newest of its days only.
        """
        for record in self._newest_first(asset_key(contract)):
            metadata = _metadata(record)
            if "sql" in metadata:
                write = _write(contract, record)
                return [
                    {name: write[name] for name in ("table_name", "run_id")}
                    | {
                        "code_version": write["code_version"] or "",
                        "computed_at": write["written_at"],
                        "upstream_columns": json_text(_upstream(metadata)),
                        "sql": str(metadata["sql"].value)
                        .removeprefix(FENCE[0])
                        .removesuffix(FENCE[1]),
                    }
                ]
        return []

    def _newest_first(self, key: dg.AssetKey) -> Iterator[dg.EventLogRecord]:
        cursor, has_more = None, True
        while has_more:
            page = self.instance.fetch_materializations(key, limit=AT_ONCE, cursor=cursor)
            yield from page.records
            cursor, has_more = page.cursor, page.has_more


def _write(contract: Contract, record: dg.EventLogRecord) -> Row:
    tags = (record.asset_materialization.tags if record.asset_materialization else None) or {}
    day, code = record.partition_key, _metadata(record).get(CODE)
    first, end = (date.fromisoformat(day), date.fromisoformat(day) + ONE_DAY) if day else ALL_DAYS
    return {
        "table_name": contract.qualified_name(),
        "first_date": first,
        "end_date": end,
        "write_number": record.storage_id,
        "write_id": tags.get(DATA_VERSION) or "",
        "run_id": record.run_id,
        "code_version": str(code.value) if code else None,
        "written_at": datetime.fromtimestamp(record.timestamp, UTC).replace(tzinfo=None),
    }


def _metadata(record: dg.EventLogRecord) -> Mapping[str, dg.MetadataValue[Any]]:
    return record.asset_materialization.metadata if record.asset_materialization else {}


def _upstream(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, list[str]]:
    """Return the columns that a table's values are made of, by table."""
    result: dict[str, set[str]] = {}
    lineage = metadata[LINEAGE].value if LINEAGE in metadata else dg.TableColumnLineage({})
    for sources in lineage.deps_by_column.values():
        for source in sources:
            result.setdefault(".".join(source.asset_key.path), set()).add(source.column_name)
    return {name: sorted(columns) for name, columns in sorted(result.items())}
