"""The marts in a Postgres beside the warehouse, for programs that read them there.

Not here: how they are published (`warehouse/publication.py`).
"""

import time
from contextlib import closing
from typing import Any

import dagster as dg

from ecom_assets.asset_keys import asset_key
from ecom_assets.automation.following import PUBLICATION, follows_marts
from ecom_assets.contracts.registry import ALL
from ecom_assets.contracts.table import Table
from ecom_assets.rules import order_rule
from ecom_assets.settings import Settings
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.history import History, require_history
from ecom_assets.warehouse.io_manager import Progress
from ecom_assets.warehouse.opening import publication_target

MARTS: tuple[type[Table], ...] = tuple(contract for contract in ALL if contract.layer == "mart")
SKIPPED = "ECOM_POSTGRES_URL is the warehouse itself, which has the marts already: nothing was published."


def postgres_marts(settings: Settings, progress: Progress, pool: str | None) -> dg.AssetsDefinition:
    """Return the asset that publishes every mart, once all of them are computed and checked."""
    publication_target(settings)  # a wrong address is refused at start

    @dg.asset(
        key=PUBLICATION,
        automation_condition=follows_marts(),
        deps=[asset_key(contract) for contract in MARTS],
        group_name="serving",
        description="Every mart in the Postgres of ECOM_POSTGRES_URL: the days that changed, in one transaction.",
        owners=["team:analytics"],
        kinds={"postgres"},
        required_resource_keys={"warehouse"},
        pool=pool,
    )
    def publication(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        name = ".".join(PUBLICATION.path)
        progress.began(name)
        started = time.monotonic()
        metadata = _publish_to_postgres(context.resources.warehouse, settings, context.run)
        progress.ended(name, metadata.get("rows_written", 0), time.monotonic() - started)
        version = metadata.get("data_version")
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version) if version else None)

    return publication


def _publish_to_postgres(warehouse: Engine, settings: Settings, run: dg.DagsterRun) -> dict[str, Any]:
    from ecom_assets.warehouse.publication import is_same_database, publish, published_history  # noqa: PLC0415 (needs the extra `postgres`)

    with closing(publication_target(settings).open()) as target:
        if is_same_database(warehouse, target):
            return {"skipped": SKIPPED}
        published_before = published_history(target)
        require_history(run.tags, warehouse, settings, what="nothing was published", published=published_before)
        built_on = History.of_warehouse(warehouse, settings).runs
        published = publish(warehouse, target, MARTS, run.run_id, built_on, order_rule(settings))
        return {
            "database": target.address,
            "data_version": published.data_version,
            "dagster/row_count": sum(published.row_counts.values()),
            "rows_written": published.written,
            "rows_by_table": dg.MetadataValue.json(published.row_counts),
            "rows_written_by_table": dg.MetadataValue.json(published.written_row_counts),
        }
