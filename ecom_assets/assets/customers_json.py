"""All customers as one JSON file. Not here: what is in it, and how it is written (`destinations/customers_json.py`)."""

import time
from typing import Any

import dagster as dg

from ecom_assets.asset_keys import asset_key
from ecom_assets.clock import now_utc_without_zone
from ecom_assets.contracts.customers import Customers
from ecom_assets.destinations.customers_json import DEFAULT_FIELDS, CustomersFile, FileLayout, write_customers
from ecom_assets.settings import Settings
from ecom_assets.transforms.market_segments import MarketSegments
from ecom_assets.warehouse.history import require_history
from ecom_assets.warehouse.io_manager import Progress

KEY = dg.AssetKey(["export", "customers_json"])
WRITTEN = "every_customer_is_written"


def customers_json(
    settings: Settings, markets: MarketSegments, progress: Progress, pool: str | None
) -> dg.AssetsDefinition:
    """Return the asset that writes the file."""
    layout = FileLayout(markets.names, settings.customers_json_fields or DEFAULT_FIELDS)

    @dg.asset(
        key=KEY,
        deps=[asset_key(Customers)],
        group_name="delivery",
        description="All customers as they are now, in one JSON file by name, with a summary beside it.",
        owners=["team:analytics"],
        kinds={"json"},
        required_resource_keys={"warehouse"},
        check_specs=[dg.AssetCheckSpec(WRITTEN, asset=KEY, description="Lines of the file = customers of the table.")],
        pool=pool,
    )
    def export(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster looks for the bare class
        progress.began("export.customers_json")
        started = time.monotonic()
        warehouse = context.resources.warehouse
        require_history(context.run.tags, warehouse, settings, what="no customers were written")
        path = settings.customers_json or settings.home.absolute() / "exports" / "customers.json"
        written = write_customers(warehouse.table(Customers), path, now_utc_without_zone(), layout)
        took_s = time.monotonic() - started
        progress.ended("export.customers_json", written.customer_count, took_s)
        metadata: dict[str, Any] = {
            "path": dg.MetadataValue.path(str(written.path)),
            "dagster/row_count": written.customer_count,
            "bytes": written.byte_count,
            "seconds": round(took_s, 3),
            "summary": dg.MetadataValue.json(written.summary),
        }
        return dg.MaterializeResult(metadata=metadata, check_results=[_checked_customers(written)])

    return export


def _checked_customers(written: CustomersFile) -> dg.AssetCheckResult:
    with written.path.open(encoding="utf-8") as file:
        line_count = sum(1 for _ in file) - 2  # the first has the metadata, the last closes
    return dg.AssetCheckResult(
        check_name=WRITTEN,
        passed=line_count == written.expected_count,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"observed": line_count, "limit": written.expected_count, "looked_at": line_count, "examples": []},
    )
