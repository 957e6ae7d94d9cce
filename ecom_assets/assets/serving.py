"""What the HTTP API reads: a snapshot of the marts in a file beside the warehouse.

With ECOM_POSTGRES_URL the API reads what is published there instead (`publication.py`), and there is no snapshot. Not
here: how it is written (`warehouse/snapshot.py`) and read (`api/`).
"""

import time
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ecom_assets.asset_keys import asset_key
from ecom_assets.automation.following import SNAPSHOT, follows_marts
from ecom_assets.contracts.attribution import ChannelAttribution, Conversions
from ecom_assets.contracts.cart_abandonment import CartAbandonment
from ecom_assets.contracts.conversion_dimensions import ConversionByDimension
from ecom_assets.contracts.conversion_funnel import ConversionFunnel
from ecom_assets.contracts.customer_retention import CustomerRetention
from ecom_assets.contracts.customer_value import CustomerSegments, LifetimeValue
from ecom_assets.contracts.engagement_daily import EngagementDaily
from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.inventory import InventoryAlerts
from ecom_assets.contracts.journeys import JourneyTransitions
from ecom_assets.contracts.performance import CategoryPerformance, ProductPerformance, SearchPerformance
from ecom_assets.contracts.reconciliation import OrderEventReconciliationDaily
from ecom_assets.contracts.retention_cohorts import RetentionCohorts
from ecom_assets.contracts.sales import City, Customer, Item, PurchaseRevenueDaily, RevenueDaily, Sales
from ecom_assets.contracts.table import Table
from ecom_assets.rules import order_rule
from ecom_assets.settings import Settings
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.history import History, require_history
from ecom_assets.warehouse.io_manager import Progress
from ecom_assets.warehouse.opening import serving_folder
from ecom_assets.warehouse.snapshot import Origin, Snapshot, publish_snapshot

SERVED: tuple[type[Table], ...] = (
    RevenueDaily,
    PurchaseRevenueDaily,
    Sales,
    Customer,
    City,
    Item,
    Conversions,
    ChannelAttribution,
    ProductPerformance,
    CategoryPerformance,
    InventoryAlerts,
    CustomerSegments,
    LifetimeValue,
    ConversionFunnel,
    ConversionByDimension,
    CartAbandonment,
    EngagementDaily,
    JourneyTransitions,
    SearchPerformance,
    RetentionCohorts,
    CustomerRetention,
    OrderEventReconciliationDaily,
    CleanEvents,
)
"""What the API answers from."""
DATA_VERSION = "dagster/data_version"


def serving_marts(settings: Settings, progress: Progress, pool: str | None) -> dg.AssetsDefinition:
    """Return the asset that publishes the snapshot, once all of its tables are computed and checked."""

    @dg.asset(
        key=SNAPSHOT,
        automation_condition=follows_marts(),
        deps=[asset_key(contract) for contract in SERVED],
        group_name="serving",
        description="A snapshot of what the HTTP API answers from, in a file of its own: readers never open the "
        "warehouse, and see one snapshot or the next, never half.",
        owners=["team:analytics"],
        kinds={"duckdb"},
        required_resource_keys={"warehouse"},
        pool=pool,
    )
    def snapshot(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        name = ".".join(SNAPSHOT.path)
        progress.began(name)
        started = time.monotonic()
        found = _publish(context.resources.warehouse, settings, context)
        progress.ended(name, found.written_row_count, time.monotonic() - started)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(found.data_version),
            metadata={
                "file": dg.MetadataValue.path(serving_folder(settings) / found.file),
                "data_version": found.data_version,
                "dagster/row_count": sum(one.row_count for one in found.tables.values()),
                "rows_written": found.written_row_count,
                "rows_by_table": dg.MetadataValue.json({name: one.row_count for name, one in found.tables.items()}),
            },
        )

    return snapshot


def _publish(warehouse: Engine, settings: Settings, context: dg.AssetExecutionContext) -> Snapshot:
    require_history(context.run.tags, warehouse, settings, what="nothing was published")
    built_on = History.of_warehouse(warehouse, settings).runs
    folder, origins = serving_folder(settings), _origins(context.instance)
    return publish_snapshot(warehouse, folder, SERVED, origins, context.run.run_id, built_on, order_rule(settings))


def _origins(instance: dg.DagsterInstance) -> dict[str, Origin]:
    """Return which run made each table last."""
    return {contract.qualified_name(): _origin(instance, asset_key(contract)) for contract in SERVED}


def _origin(instance: dg.DagsterInstance, key: dg.AssetKey) -> Origin:
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return Origin()
    when = datetime.fromtimestamp(event.timestamp, UTC).isoformat(timespec="seconds")
    return Origin(event.run_id, (event.asset_materialization.tags or {}).get(DATA_VERSION), when)
