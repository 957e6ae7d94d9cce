"""The Dagster resources: the open warehouse, its I/O manager, sources and destinations.

Terms: docs/glossary.md#source.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import closing
from functools import partial
from typing import Any

import dagster as dg
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events.assets import RawEventSource
from ecom_assets.behaviour.events.late_rows import late_row_hooks
from ecom_assets.commerce.costs.assets import CostSource
from ecom_assets.commerce.customers.assets import CustomerSource
from ecom_assets.commerce.customers.contracts import RawCustomers
from ecom_assets.commerce.marketing.assets import AdSpendSource
from ecom_assets.commerce.orders.assets import OrderSource
from ecom_assets.commerce.products.assets import StockSource
from ecom_assets.commerce.products.contracts import RawStock
from ecom_assets.commerce.reconciliation.restatements import RestatementLog
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.settings.resource import SettingsResource
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import engine_kinds
from ecom_assets.core.settings.uploaded import is_of_uploads
from ecom_assets.core.tables.received import NoSource
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.io_manager import Progress, WarehouseIOManager
from ecom_assets.core.warehouse.resources import Warehouse, WarehouseIO
from ecom_assets.ingestion.sources.ad_spend import NO_AD_SPEND, FileAdSpend, has_ad_spend
from ecom_assets.ingestion.sources.costs import NO_COSTS, FileCosts, has_costs
from ecom_assets.ingestion.sources.customer_api.api import NO_CUSTOMERS, ApiCustomers, has_customers
from ecom_assets.ingestion.sources.customer_api.files import FileCustomers
from ecom_assets.ingestion.sources.day_spans import whole_days
from ecom_assets.ingestion.sources.erased_people import ErasedPeople
from ecom_assets.ingestion.sources.events import SANDBOX, ReceivedEventFiles, is_table
from ecom_assets.ingestion.sources.files.currency import Currencies
from ecom_assets.ingestion.sources.first_partition import catalogue_of
from ecom_assets.ingestion.sources.order_reports.report_files import ReportFiles
from ecom_assets.ingestion.sources.order_reports.source import (
    ApiOrders,
    OrderReader,
    ReceivedOrderFiles,
    has_orders,
)
from ecom_assets.ingestion.sources.plain_assets import RecordSource, plain_feeds
from ecom_assets.ingestion.sources.presence import CUSTOMERS, STOCK, claim_warehouse
from ecom_assets.ingestion.sources.resources import CatalogueApi, CustomerApi, OrderReportApi
from ecom_assets.ingestion.sources.stock import NO_STOCK, ApiStock
from ecom_assets.ingestion.sources.stock_reading import FileStock
from ecom_assets.ingestion.sources.uploaded_rows import beside_uploads
from ecom_assets.ingestion.uploads.store import taken_back_names
from ecom_assets.orchestration.automation.run_end import end_run
from ecom_assets.orchestration.registry import BY_KEY
from ecom_assets.orchestration.rules import source_gate
from ecom_assets.outputs.delivery.ledger.opening import DeliveryContext
from ecom_assets.outputs.delivery.tools.all import TOOLS, tool_resources
from ecom_assets.outputs.serving.plots import plot_of

APIS: dict[str, type[SettingsResource]] = {
    "customer_api": CustomerApi,
    "order_report_api": OrderReportApi,
    "catalogue_api": CatalogueApi,
}
"""The source APIs, by resource key."""


def service_resources(settings: Settings) -> dict[str, Any]:
    """Return the external services as Dagster shows them, also those that are not configured."""
    return {
        **{kind.name: kind.resource(settings) for kind in engine_kinds() if kind.service},
        **tool_resources(settings),
        **{name: api.from_settings(settings) for name, api in APIS.items()},
    }


def with_services(settings: Settings, resources: NamedValues) -> Settings:
    """Return the settings, updated with the values of resources that replace the platform's own."""
    for resource in resources.values():
        if isinstance(resource, SettingsResource):
            settings = resource.applied_to(settings)
    return settings


def platform_resources(
    settings: Settings, progress: Progress, without_source: Set[dg.AssetKey]
) -> dict[str, Any]:
    """Return all resources of assets: the warehouse, its IO manager, sources and services.

    No warning asks for the assets `without_source`.
    """
    writer = partial(_writer, progress=progress, without_source=without_source)
    orders = partial(_source, settings, api="order_report_api", reads_files=True)
    return {
        "warehouse": Warehouse.from_settings(settings).ending_with(partial(end_run, settings)),
        "io_manager": WarehouseIO.from_settings(settings, writer),
        "event_source": event_source_resource(settings),
        "order_source": orders(order_source_of, description="Where order lines come from."),
        "report_source": orders(
            ReportFiles,
            description=(
                "Where the activities, market research and prices of an order report come from."
            ),
        ),
        "stock_source": _source(
            settings, stock_source_of, "catalogue_api", "Where the stock of products comes from."
        ),
        "customer_source": _source(
            settings, customer_source_of, "customer_api", "Where customers come from."
        ),
        "cost_source": cost_source_resource(settings),
        "ad_spend_source": ad_spend_source_resource(settings),
        "record_sources": record_sources_resource(settings),
        "delivery_context": delivery_resource(settings),
        **service_resources(settings),
    }


def event_source_resource(settings: Settings) -> dg.ResourceDefinition:
    """Return the source of events as a resource."""
    with_tables = {kind.name for kind in engine_kinds() if kind.has_event_tables}

    @dg.resource(
        required_resource_keys={"warehouse", *with_tables}, description="Where events come from."
    )
    def event_source(context: dg.InitResourceContext) -> Iterator[RawEventSource]:
        engine = context.resources.warehouse
        if not is_table(settings):
            yield ReceivedEventFiles(engine.file_reader(settings), settings, _ensure_sandbox)
            return
        from ecom_assets.ingestion.sources.event_table import EventTable  # noqa: PLC0415 (only tables need it)

        with closing(EventTable(settings, warehouse=engine)) as table:
            yield table

    return event_source


def _ensure_sandbox(settings: Settings) -> None:
    from ecom_assets.orchestration.sandbox import ensure_sandbox  # noqa: PLC0415 (loads the sandbox)

    ensure_sandbox(settings)


def _source(
    settings: Settings,
    source_of: Callable[..., object],
    api: str,
    description: str,
    *,
    reads_files: bool = False,
) -> dg.ResourceDefinition:
    """Return a source as a resource, built from the settings and the values of its API's resource.

    With `reads_files`, `source_of` takes what reads files, too, in front of the settings.
    """

    def source(context: dg.InitResourceContext) -> object:
        source_settings = getattr(context.resources, api).applied_to(settings)
        return source_of(
            *([context.resources.warehouse.file_reader(source_settings)] if reads_files else []),
            source_settings,
        )

    needed = {api, "warehouse"} if reads_files else {api}
    return dg.ResourceDefinition(source, required_resource_keys=needed, description=description)


def cost_source_resource(settings: Settings) -> dg.ResourceDefinition:
    """Return the source of costs: the configured files, else the sandbox's, or none."""

    @dg.resource(
        required_resource_keys={"warehouse"}, description="Where the costs of items come from."
    )
    def cost_source(context: dg.InitResourceContext) -> CostSource:
        if not has_costs(settings):
            return NO_COSTS
        reader = context.resources.warehouse.file_reader(settings)
        if settings.costs:
            return FileCosts(reader, settings)
        from ecom_assets.orchestration.sandbox import SandboxCosts, ensure_sandbox  # noqa: PLC0415 (loads the sandbox)

        return SandboxCosts(settings, ensure_sandbox, reader)

    return cost_source


def ad_spend_source_resource(settings: Settings) -> dg.ResourceDefinition:
    """Return the source of ad spend: the configured files, else the sandbox's, or none."""

    @dg.resource(
        required_resource_keys={"warehouse"}, description="Where the spend on ads comes from."
    )
    def ad_spend_source(context: dg.InitResourceContext) -> AdSpendSource:
        if not has_ad_spend(settings):
            return NO_AD_SPEND
        reader = context.resources.warehouse.file_reader(settings)
        if settings.ad_spend:
            return FileAdSpend(reader, settings)
        from ecom_assets.orchestration.sandbox import SandboxAdSpend, ensure_sandbox  # noqa: PLC0415 (loads the sandbox)

        return SandboxAdSpend(settings, ensure_sandbox, reader)

    return ad_spend_source


def record_sources_resource(settings: Settings) -> dg.ResourceDefinition:
    """Return the sources of the kinds of record that are loaded from files only."""

    @dg.resource(
        required_resource_keys={"warehouse"},
        description="Where rows of kinds come from whose tables follow from their contracts.",
    )
    def record_sources(context: dg.InitResourceContext) -> Mapping[str, RecordSource]:
        reader = context.resources.warehouse.file_reader(settings)
        return {
            name: feed.source(reader, settings)
            if feed.is_there(settings)
            else NoSource(partial(feed.source.nothing, f"ECOM_{name.upper()} is not set"))
            for name, feed in plain_feeds().items()
            if feed.source
        }

    return record_sources


def _writer(
    engine: Engine, settings: Settings, *, progress: Progress, without_source: Set[dg.AssetKey]
) -> WarehouseIOManager:
    return WarehouseIOManager(
        engine,
        BY_KEY,
        progress,
        source_gate(settings),
        partial(whole_days, settings),
        RestatementLog,
        ErasedPeople(settings),
        partial(plot_of, timezone=settings.timezone, currency=settings.known_currency),
        without_source,
        partial(claim_warehouse, settings),
        partial(late_row_hooks, settings.late_days),
        partial(taken_back_names, settings.home),
    )


def delivery_resource(settings: Settings, *, retry_rejected: bool = False) -> dg.ResourceDefinition:
    """Return the delivery context as a resource; `retry_rejected` sends rejected records again."""

    @dg.resource(
        required_resource_keys=set(TOOLS),
        description="What is delivered to, and what was delivered.",
    )
    def delivery_context(context: dg.InitResourceContext) -> Iterator[DeliveryContext]:
        delivery_settings = with_services(
            settings, {tool: getattr(context.resources, tool) for tool in TOOLS}
        )
        with closing(
            delivery_context_of(delivery_settings, retry_rejected=retry_rejected)
        ) as opened:
            yield opened

    return delivery_context


def delivery_context_of(settings: Settings, *, retry_rejected: bool = False) -> DeliveryContext:
    """Return the delivery context: the configured tools, or the sandbox's vendor stand-ins."""
    if not settings.has_own_data:
        from ecom_assets.orchestration.sandbox import (  # noqa: PLC0415 (loads the sandbox)
            first_delivered_day,
            sandbox_destinations,
            sandbox_now,
        )

        opened, at = sandbox_destinations(settings), partial(sandbox_now, settings)
        begins = partial(first_delivered_day, settings)
        return DeliveryContext(
            settings, opened, sending_at=at, retry_rejected=retry_rejected, first_day=begins
        )
    from ecom_assets.outputs.delivery.tools.all import opened_destinations  # noqa: PLC0415 (loads HTTP)

    return DeliveryContext(settings, opened_destinations(settings), retry_rejected=retry_rejected)


def order_source_of(reader: Backend, settings: Settings) -> OrderSource:
    """Return the source of orders: the configured files or API, else the sandbox's API, or none."""
    if settings.orders:
        return ReceivedOrderFiles(
            OrderReader(
                reader,
                settings.timezone,
                settings.orders,
                catalogue_of(settings),
                Currencies.from_settings(settings),
                settings.home,
            ),
            settings,
        )
    if settings.order_api_url:
        return ApiOrders(
            OrderReader(
                reader,
                settings.timezone,
                settings.order_api_url,
                catalogue_of(settings),
                Currencies.from_settings(settings),
                settings.home,
            ),
            settings,
        )
    if not has_orders(settings):
        nothing = OrderReader(reader, settings.timezone, "").nothing
        return NoSource(partial(nothing, "neither ECOM_ORDERS nor ECOM_ORDER_API_URL is set"))
    from ecom_assets.orchestration.sandbox import SandboxOrders, ensure_sandbox  # noqa: PLC0415 (loads the sandbox)

    catalogue = settings.sandbox_folder / "catalogue.parquet"
    return SandboxOrders(
        settings, ensure_sandbox, OrderReader(reader, settings.timezone, SANDBOX, catalogue)
    )


def customer_source_of(settings: Settings) -> CustomerSource:
    """Return the source of customers: the configured files or API, else the sandbox's, or none; and
    uploads beside it.
    """
    source = _customer_source_of(settings)
    return beside_uploads(source, settings, CUSTOMERS, RawCustomers)


def _customer_source_of(settings: Settings) -> CustomerSource:
    if is_of_uploads(settings.home, settings.customers):
        return NO_CUSTOMERS
    if settings.customers:
        return FileCustomers(settings)
    if settings.customer_api_url:
        return ApiCustomers(settings)
    if not has_customers(settings):
        return NO_CUSTOMERS
    from ecom_assets.orchestration.sandbox import SandboxCustomers, ensure_sandbox  # noqa: PLC0415 (loads the sandbox)

    return SandboxCustomers(settings, ensure_sandbox)


def stock_source_of(settings: Settings) -> StockSource:
    """Return the source of stock: the API, the catalogue file, the sandbox's API, or none; and
    uploads beside it.
    """
    return beside_uploads(_stock_source_of(settings), settings, STOCK, RawStock)


def _stock_source_of(settings: Settings) -> StockSource:
    if settings.catalogue_api_url:
        return ApiStock(settings)
    if settings.catalogue:
        return FileStock(settings)
    if settings.has_own_data:
        return NO_STOCK
    from ecom_assets.orchestration.sandbox import SandboxStock, ensure_sandbox  # noqa: PLC0415 (loads the sandbox)

    return SandboxStock(settings, ensure_sandbox)
