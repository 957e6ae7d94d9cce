"""Assets of serving: the snapshot of the marts that the API reads, and the marts in Postgres.

With ECOM_POSTGRES_URL the API reads what is published there, and there is no snapshot.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ecom_assets.behaviour.events.contracts import (
    CleanEvents,
    DuplicateEvents,
    EventAccountingDaily,
    QuarantinedEventSamples,
    RawEvents,
)
from ecom_assets.behaviour.funnels.contracts import (
    CartAbandonment,
    ConversionFunnel,
    FunnelEntries,
)
from ecom_assets.behaviour.identity.contracts import (
    Identities,
    IdentityAliases,
    IdentityLinks,
    MergedUsers,
    SharedIds,
)
from ecom_assets.behaviour.journeys.contracts import (
    CategoryPerformance,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
)
from ecom_assets.behaviour.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.behaviour.sessions.contracts import (
    EngagementDaily,
    SessionDays,
    SessionEvents,
    Sessions,
)
from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments, VisitorSegmentsDaily
from ecom_assets.commerce.attribution.contracts import (
    ChannelAttribution,
    ChannelRemovalEffects,
    ConversionCredit,
    Conversions,
    FirstTouches,
    OrderVisits,
    SessionSources,
    Touches,
)
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.commerce.costs.contracts import (
    CategoryProfitability,
    CostVersions,
    ItemCosts,
    OtherCostsDaily,
    ProfitDaily,
    ProfitLines,
    RawCosts,
)
from ecom_assets.commerce.customers.contracts import (
    CustomerProfiles,
    CustomerSegments,
    CustomerVisitors,
    EmailConsents,
    LifetimeValue,
)
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.marketing.contracts import (
    AdCampaigns,
    AdSpend,
    AdSpendDaily,
    CampaignCredit,
    CampaignTags,
    CustomerCohortValue,
    MarketingDaily,
    RawAdSpend,
    SpendReconciliationDaily,
)
from ecom_assets.commerce.orders.contracts import (
    HeldOrderDays,
    OrderAccountingDaily,
    QuarantinedOrderSamples,
    RawUserOrderLog,
    UserOrderLog,
    WaitingOrderDays,
)
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.products.contracts import (
    InventoryAlerts,
    ProductPerformance,
    ProductsBoughtTogether,
    RawStock,
)
from ecom_assets.commerce.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
)
from ecom_assets.commerce.sales.contracts import (
    Calendar,
    City,
    Customer,
    CustomerRetention,
    DiscountPerformance,
    Item,
    ItemPrices,
    ProductSalesDaily,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.memory import limit_beside
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import (
    PUBLICATION,
    SNAPSHOT,
    asset_key,
    follows_marts,
    subject_of,
)
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.io_manager import Progress
from ecom_assets.outputs.serving.email_consents import publish_email_consents
from ecom_assets.outputs.serving.history import History, published_history, require_history
from ecom_assets.outputs.serving.places import mark_sample, publication_target, serving_folder
from ecom_assets.outputs.serving.run_history import DATA_VERSION, RunHistory
from ecom_assets.outputs.serving.snapshot import Origin, publish_snapshot

SERVED: tuple[Contract, ...] = (
    RevenueDaily,
    PurchaseRevenueDaily,
    Sales,
    Customer,
    City,
    Item,
    CustomerRetention,
    DiscountPerformance,
    Touches,
    Conversions,
    ChannelAttribution,
    ProductPerformance,
    CategoryPerformance,
    InventoryAlerts,
    ProductsBoughtTogether,
    ShopFindings,
    ProfitDaily,
    ProfitLines,
    CategoryProfitability,
    OtherCostsDaily,
    AdSpendDaily,
    AdCampaigns,
    MarketingDaily,
    SpendReconciliationDaily,
    CustomerCohortValue,
    CustomerSegments,
    CustomerProfiles,
    CustomerVisitors,
    LifetimeValue,
    ConversionFunnel,
    ConversionByDimension,
    CartAbandonment,
    EngagementDaily,
    VisitorSegmentsDaily,
    JourneyTransitions,
    SearchPerformance,
    RetentionCohorts,
    OrderEventReconciliationDaily,
    EventAccountingDaily,
    QuarantinedEventSamples,
    CleanEvents,
    MergedUsers,
    OrderAccountingDaily,
    QuarantinedOrderSamples,
    HeldOrderDays,
    WaitingOrderDays,
)
"""The tables that the API reads."""
EVIDENCE: tuple[Contract, ...] = (
    RawEvents,
    RawUserOrderLog,
    RawStock,
    RawCosts,
    CostVersions,
    ItemCosts,
    RawAdSpend,
    AdSpend,
    CampaignTags,
    CampaignCredit,
    DuplicateEvents,
    IdentityLinks,
    IdentityAliases,
    SharedIds,
    Identities,
    UserOrderLog,
    SessionDays,
    Sessions,
    OrderEventReconciliation,
    VisitorSegments,
    Restatements,
)
"""The tables with which the API explains its numbers, down to received rows:
`explain/` and docs/explain.md.
"""
IN_SNAPSHOT: tuple[Contract, ...] = (*SERVED, *EVIDENCE)
NOT_IN_SNAPSHOT: tuple[Contract, ...] = (
    *(SessionEvents, SessionSources, Journeys, FirstTouches),
    *(FunnelEntries, ReturningVisitorsDaily),
    OrderVisits,
    *(ConversionCredit, ChannelRemovalEffects),
    *(ItemPrices, Calendar, ProductSalesDaily),
)
"""Marts that other tables are computed from; no route, page or explanation reads them."""
REWRITE = "ecom/rewrite_snapshot"
"""Tag by which a run writes the whole snapshot into a new file."""


def require_listed(marts: Iterable[Contract]) -> None:
    """Refuse a mart of which nobody has said whether the API reads it: a route over it would have
    no table once it is asked.

    Raises:
        DefinitionError: The message names the first, and the lists.
    """
    listed = {*IN_SNAPSHOT, *NOT_IN_SNAPSHOT}
    if missing := next((mart for mart in marts if mart not in listed), None):
        raise DefinitionError(
            f"{missing.qualified_name()} is in no list of ecom_assets/outputs/serving/assets.py; "
            f"add {missing.__name__} to SERVED if a route or page reads it, to EVIDENCE if only "
            "explanations do, else to NOT_IN_SNAPSHOT."
        )


def serving_marts(
    settings: Settings,
    order_rule: OrderRule,
    daily: dg.PartitionsDefinition,
    progress: Progress,
    pool: str | None,
) -> dg.AssetsDefinition:
    """Return the asset that publishes the snapshot,
    once all of its tables are computed and checked.
    """

    @dg.asset(
        key=SNAPSHOT,
        partitions_def=daily,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=follows_marts(),
        deps=[asset_key(contract) for contract in (*SERVED, EmailConsents)],
        description=(
            "A snapshot of what the HTTP API answers from, in a file of its own: readers "
            "never open the warehouse, and see one snapshot or the next, never half."
        ),
        kinds={"duckdb"},
        **subject_of(serving_marts),
        required_resource_keys={"warehouse"},
        pool=pool,
    )
    def snapshot(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        name = ".".join(SNAPSHOT.path)
        progress.began(name)
        started = time.monotonic()
        warehouse = context.resources.warehouse
        require_history(context.run.tags, warehouse, settings, consequence="nothing was published")
        result = publish_snapshot(
            warehouse,
            serving_folder(settings.home),
            IN_SNAPSHOT,
            _origins(context.instance, IN_SNAPSHOT),
            context.run.run_id,
            History.from_warehouse(warehouse, settings).runs,
            order_rule,
            empty_days=settings.empty_days,
            history=RunHistory(context.instance),
            is_rewritten=context.run.tags.get(REWRITE) == "true",
            memory_limit=limit_beside(settings),
        )
        publish_email_consents(warehouse, settings)
        mark_sample(settings)
        progress.ended(name, result.written_row_count, time.monotonic() - started)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(result.data_version),
            metadata={
                "file": dg.MetadataValue.path(serving_folder(settings.home) / result.file),
                "data_version": result.data_version,
                "dagster/row_count": sum(table.row_count for table in result.tables.values()),
                "rows_written": result.written_row_count,
                "rows_by_table": dg.MetadataValue.json(
                    {name: table.row_count for name, table in result.tables.items()}
                ),
            },
        )

    return snapshot


def _origins(instance: dg.DagsterInstance, contracts: Iterable[Contract]) -> dict[str, Origin]:
    """Return which run made each table last, by qualified name."""
    keys = {contract.qualified_name(): asset_key(contract) for contract in contracts}
    events = instance.get_latest_materialization_events(keys.values())
    return {name: _origin(events.get(key)) for name, key in keys.items()}


def _origin(event: dg.EventLogEntry | None) -> Origin:
    if event is None or event.asset_materialization is None:
        return Origin()
    when = datetime.fromtimestamp(event.timestamp, UTC).isoformat(timespec="seconds")
    return Origin(event.run_id, (event.asset_materialization.tags or {}).get(DATA_VERSION), when)


SKIPPED = (
    "ECOM_POSTGRES_URL is the warehouse itself, which has the marts already: nothing was published."
)


def postgres_marts(  # noqa: PLR0913, PLR0917 (what Dagster needs)
    settings: Settings,
    marts: Sequence[Contract],
    order_rule: OrderRule,
    daily: dg.PartitionsDefinition,
    progress: Progress,
    pool: str | None,
) -> dg.AssetsDefinition:
    """Return the asset that publishes every mart, once all of them are computed and checked."""
    publication_target(settings)  # a wrong address is refused at start

    @dg.asset(
        key=PUBLICATION,
        partitions_def=daily,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=follows_marts(),
        deps=[asset_key(contract) for contract in (*marts, EmailConsents)],
        description=(
            "Every mart in the Postgres of ECOM_POSTGRES_URL: the days that changed, in one "
            "transaction."
        ),
        kinds={"postgres"},
        **subject_of(postgres_marts),
        required_resource_keys={"warehouse", "postgres"},
        pool=pool,
    )
    def publication(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        name = ".".join(PUBLICATION.path)
        progress.began(name)
        started = time.monotonic()
        target_settings = context.resources.postgres.applied_to(settings)
        publish_email_consents(context.resources.warehouse, settings)
        metadata = _publish_to_postgres(
            context.resources.warehouse, target_settings, marts, order_rule, context.run
        )
        progress.ended(name, metadata.get("rows_written", 0), time.monotonic() - started)
        version = metadata.get("data_version")
        return dg.MaterializeResult(
            metadata=metadata, data_version=dg.DataVersion(version) if version else None
        )

    return publication


def _publish_to_postgres(
    warehouse: Engine,
    settings: Settings,
    marts: Sequence[Contract],
    order_rule: OrderRule,
    run: dg.DagsterRun,
) -> dict[str, Any]:
    from ecom_assets.outputs.serving.postgres import publish  # noqa: PLC0415 (needs the extra `postgres`)

    with closing(publication_target(settings).open()) as target:
        if target.is_same_database(warehouse):
            return {"skipped": SKIPPED}
        published_before = published_history(target)
        require_history(
            run.tags,
            warehouse,
            settings,
            consequence="nothing was published",
            published=published_before,
        )
        built_on = History.from_warehouse(warehouse, settings).runs
        published = publish(
            warehouse,
            target,
            marts,
            run.run_id,
            built_on,
            order_rule,
            empty_days=settings.empty_days,
        )
        return {
            "database": target.address,
            "data_version": published.data_version,
            "dagster/row_count": sum(published.row_counts.values()),
            "rows_written": published.written,
            "rows_by_table": dg.MetadataValue.json(published.row_counts),
            "rows_written_by_table": dg.MetadataValue.json(published.written_row_counts),
        }
