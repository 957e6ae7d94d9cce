"""The Dagster definitions, built from the settings: assets, checks, jobs, schedules and sensors.

`build_definitions` puts together what the subjects declare; it computes nothing. `table_assets` is
the list of all tables in dependency order, `without_source` those that this shop has no rows for.
Resources are in `resources.py`, the rules of the assets in `orchestration/rules.py`. A new asset is
in a tuple of its subject's `assets.py`, and here only if that tuple is new.
"""

import warnings
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ecom_assets.core.gc_tuning import collect_rarely
from ecom_assets.core.rows import NamedValues

collect_rarely()  # before Dagster, Ibis and all tables are imported: a quarter of what that takes

import dagster as dg

from ecom_assets.behaviour.events.assets import (
    EVENT_TABLE,
    accounting_assets,
    left_out_assets,
    raw_events,
)
from ecom_assets.behaviour.events.checks import (
    accounting_check,
    amounts_check,
    amounts_have_a_rate,
    no_event_type_is_new,
    purchases_have_amounts,
    purchases_of_an_order_agree,
    rows_of_an_id_agree,
    standard_types_are_spelled_so,
)
from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.behaviour.funnels.assets import FUNNEL_ASSETS
from ecom_assets.behaviour.funnels.checks import FUNNEL_CHECKS
from ecom_assets.behaviour.identity.assets import FOLLOWING, identity_assets
from ecom_assets.behaviour.identity.checks import identity_checks
from ecom_assets.behaviour.journeys.assets import JOURNEY_ASSETS
from ecom_assets.behaviour.journeys.checks import JOURNEY_CHECKS
from ecom_assets.behaviour.retention.assets import RETENTION_ASSETS
from ecom_assets.behaviour.retention.checks import RETENTION_CHECKS
from ecom_assets.behaviour.sessions.assets import SESSION_ASSETS
from ecom_assets.behaviour.sessions.checks import SESSION_CHECKS
from ecom_assets.behaviour.visitor_segments.assets import SEGMENT_ASSETS
from ecom_assets.behaviour.visitor_segments.checks import SEGMENT_CHECKS
from ecom_assets.commerce.attribution.assets import (
    CREDIT_ASSETS,
    TOUCH_ASSETS,
    conversions,
    first_touches,
    order_visits,
)
from ecom_assets.commerce.attribution.checks import ATTRIBUTION_CHECKS
from ecom_assets.commerce.conversion.assets import CONVERSION_ASSETS
from ecom_assets.commerce.conversion.checks import CONVERSION_CHECKS
from ecom_assets.commerce.costs.assets import (
    COST_ASSETS,
    PROFIT_ASSETS,
    RECEIVED_COST_ASSETS,
)
from ecom_assets.commerce.costs.checks import COST_CHECKS, rule_checks
from ecom_assets.commerce.customers.assets import (
    CUSTOMER_ASSETS,
    VALUE_ASSETS,
    customer_visitors,
    raw_customers,
)
from ecom_assets.commerce.customers.checks import CUSTOMER_CHECKS, VALUE_CHECKS
from ecom_assets.commerce.findings.assets import FINDING_ASSETS
from ecom_assets.commerce.marketing.assets import (
    AD_SPEND_ASSETS,
    COHORT_ASSETS,
    MARKETING_ASSETS,
)
from ecom_assets.commerce.marketing.checks import AD_SPEND_CHECKS, MARKETING_CHECKS, zone_checks
from ecom_assets.commerce.orders.assets import LINE_ASSETS, REPORT_ASSETS, raw_user_order_log
from ecom_assets.commerce.orders.checks import order_checks, report_checks
from ecom_assets.commerce.products.assets import (
    BASKET_ASSETS,
    PRODUCT_ASSETS,
    STOCK_ASSETS,
    raw_stock,
)
from ecom_assets.commerce.products.checks import PRODUCT_CHECKS
from ecom_assets.commerce.reconciliation.assets import RECONCILIATION_ASSETS, restatements
from ecom_assets.commerce.reconciliation.checks import RECONCILIATION_CHECKS
from ecom_assets.commerce.sales.assets import PURCHASE_ASSETS, SALES_ASSETS, STAR_ASSETS
from ecom_assets.commerce.sales.checks import SALES_CHECKS
from ecom_assets.core.clock import today_in
from ecom_assets.core.operations.steps import NotedProgress
from ecom_assets.core.optional_imports import packages_of
from ecom_assets.core.settings.environment import hand_on
from ecom_assets.core.settings.home import keep_private
from ecom_assets.core.settings.settings import Settings, load_settings
from ecom_assets.core.tables.asset import (
    AUTOMATED,
    PUBLICATION,
    SNAPSHOT,
    ListedDays,
    TableAsset,
    asset_key,
)
from ecom_assets.core.tables.check import TableCheck, check_steps, contract_check
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.warehouse.factory import engine_kind, new_engine
from ecom_assets.core.warehouse.io_manager import NO_PROGRESS, Progress
from ecom_assets.core.warehouse.raw_slices import ALLOW_WITHDRAWAL
from ecom_assets.ingestion.sources.checks import file_row_checks, source_checks
from ecom_assets.ingestion.sources.customer_api.api import has_customers
from ecom_assets.ingestion.sources.erased_people import erased_users, unlinked_ids
from ecom_assets.ingestion.sources.events import is_table
from ecom_assets.ingestion.sources.first_partition import paths_of_last_run, with_first_partition
from ecom_assets.ingestion.sources.landing import stream_folders
from ecom_assets.ingestion.sources.order_reports.report_files import has_report
from ecom_assets.ingestion.sources.order_reports.source import (
    checks_days,
    customers_over,
    ended_days,
    has_events,
    has_order_reports,
    has_orders,
)
from ecom_assets.ingestion.sources.plain_assets import plain_assets, plain_check, plain_feeds
from ecom_assets.ingestion.sources.presence import (
    AD_SPEND,
    COSTS,
    CUSTOMERS,
    EVENTS,
    ORDERS,
    RAW_OF,
    STOCK,
    given_sources,
    known_sources,
    source_kinds,
)
from ecom_assets.ingestion.sources.report_paths import are_activities
from ecom_assets.ingestion.sources.stock import has_stock
from ecom_assets.ingestion.sources.uploaded_rows import days_of_uploads
from ecom_assets.interfaces.report.jobs import (
    board_job,
    board_sensor,
    report_job,
    report_schedule,
)
from ecom_assets.interfaces.watching.jobs import watch_job, watch_sensor
from ecom_assets.orchestration.automation.alerts import Alerts, alert_sensor
from ecom_assets.orchestration.automation.expectations import expected_assets
from ecom_assets.orchestration.automation.heartbeats import heartbeat_sensor
from ecom_assets.orchestration.automation.jobs import (
    EVERYTHING,
    ManualJobs,
    customers_schedule,
    everything_job,
    explain_missing_partition,
    nightly_schedule,
    source_job,
)
from ecom_assets.orchestration.automation.landing import (
    compaction_asset,
    compaction_job,
    compaction_schedule,
    extraction_job,
    extraction_schedule,
)
from ecom_assets.orchestration.automation.sensors import (
    arrival_sensor,
    automation_condition_sensor,
    request_sensor,
)
from ecom_assets.orchestration.automation.ui_address import remember_address_of_dev
from ecom_assets.orchestration.automation.upload_job import upload_job, upload_sensor
from ecom_assets.orchestration.empty_home import emptied
from ecom_assets.orchestration.privacy.checks import absence_checks
from ecom_assets.orchestration.registry import ALL, BY_KEY, MARTS, PUBLISHED
from ecom_assets.orchestration.rules import (
    account_zones,
    campaign_rule,
    cost_rules,
    order_rule,
    rules,
    source_gate,
)
from ecom_assets.outputs.delivery.assets import DELIVERY_TABLES, customers_json, tool_exports
from ecom_assets.outputs.delivery.checks import delivery_checks
from ecom_assets.outputs.delivery.tools.all import unset_exports
from ecom_assets.outputs.serving.assets import postgres_marts, require_listed, serving_marts
from ecom_assets.outputs.serving.history import REBUILD
from ecom_assets.outputs.serving.places import serves_postgres
from ecom_assets.resources import platform_resources, with_services

if TYPE_CHECKING:
    from ecom_assets.orchestration.automation.openlineage import Lineage


def build_definitions(
    settings: Settings,
    *,
    progress: Progress = NO_PROGRESS,
    resources: NamedValues | None = None,
) -> dg.Definitions:
    """Return the definitions of the whole platform.

    Args:
        settings: The settings to build from.
        progress: Called when an asset begins and ends.
        resources: Dagster resources that replace the platform's own, by key.
    """
    settings = with_services(settings, resources or {})
    progress = NotedProgress(settings.home, progress)
    daily = ListedDays(
        start_date=settings.first_day.isoformat(), timezone=settings.timezone, end_offset=1
    )
    erased = {
        "unlinked_ids": partial(unlinked_ids, settings),
        "erased_users": partial(erased_users, settings),
    }
    business_rules = {**rules(settings), **erased, **_rules_of_sandbox(settings)}
    pool = (
        "embedded_warehouse" if engine_kind(settings.warehouse_url).has_one_writer else None
    )  # in which runs take turns
    with warnings.catch_warnings():
        # Single-run backfills, mappings past the newest partition and observed sources are marked
        # beta; all are pinned and tested here.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [
            *(
                asset.build(daily, business_rules, pool, kinds_of(settings, asset))
                for asset in table_assets(settings)
            ),
            *publications(settings, daily, progress, pool),
            *tool_exports(daily, progress, pool),
            customers_json(settings, business_rules["market_segments"], daily, progress, pool),
        ]
        observed = [
            *sources(settings, daily),
            *([compaction_asset(settings)] if _lands_files(settings) else []),
        ]
    idle = without_source(settings)
    return dg.Definitions(
        assets=[*expected_assets(assets, BY_KEY, settings.timezone, idle), *observed],
        asset_checks=check_steps(checks(settings), table_assets(settings), pool),
        jobs=[
            *jobs(settings, {asset.key for asset in assets}),
            *manual_jobs(settings, resources or {}, pool),
            upload_job(settings, emptied),
        ],
        schedules=schedules(settings),
        sensors=sensors(settings),
        resources={**platform_resources(settings, progress, idle), **(resources or {})},
        executor=dg.in_process_executor,
    )


def defs(resources: NamedValues | None = None) -> dg.Definitions:
    """Return the definitions for the settings in the environment.

    They can be merged: `dg.Definitions.merge(defs(), …)`.

    Without own data in the settings they are for the files of the last `ecom run`, as in `ecom ui`.

    Args:
        resources: Dagster resources that replace the platform's own, by key.
    """
    keep_private()
    hand_on(paths_of_last_run(load_settings()))
    settings = with_first_partition(load_settings())
    explain_missing_partition(today_in(settings.timezone))
    remember_address_of_dev(settings)
    return build_definitions(settings, resources=resources)


@dg.definitions
def code_location() -> dg.Definitions:
    """Return the definitions; Dagster's own commands load this.

    `defs` is a plain function: Dagster prefers a lazy definition to all else in a file that imports
    one.
    """
    return defs()


def table_assets(settings: Settings) -> list[TableAsset]:
    """Return every table asset, in dependency order."""
    of_sales = [
        *LINE_ASSETS,
        *REPORT_ASSETS,
        order_visits,
        conversions,
        *STAR_ASSETS,
        *CREDIT_ASSETS,
        *PRODUCT_ASSETS,
        *COST_ASSETS,
        *AD_SPEND_ASSETS,
        *MARKETING_ASSETS,
        *COHORT_ASSETS,
    ]
    of_customers = [customer_visitors, *CUSTOMER_ASSETS, *VALUE_ASSETS]
    of_reconciliation = [*RECONCILIATION_ASSETS, restatements(PUBLISHED)]
    computed = [
        *event_assets(settings),
        *of_sales,
        *of_customers,
        *of_reconciliation,
        *FINDING_ASSETS,
        *DELIVERY_TABLES,
        *(asset for feed in plain_feeds().values() for asset in plain_assets(feed)),
    ]
    return widened_by_identity(computed)


def _rules_of_sandbox(settings: Settings) -> dict[str, Any]:
    """Return the rules that the sandbox shop has of its own: its tags are not called as its
    campaigns are.
    """
    if settings.has_own_data or settings.campaign_tags is not None:
        return {}
    from ecom_assets.orchestration.sandbox import sandbox_tags  # noqa: PLC0415 (loads the sandbox)

    return {"campaign_rule": replace(campaign_rule(settings), tags=sandbox_tags())}


def widened_by_identity(assets: Sequence[TableAsset]) -> list[TableAsset]:
    """Return assets in dependency order, with those that follow a visitor's changes of days."""
    result, dependent = [], {asset_key(CleanEvents)}
    for asset in assets:
        upstream = {asset_key(reads.contract) for reads in asset.reads.values()}
        if asset.key in dependent or upstream & dependent:
            dependent.add(asset.key)
            widened_by, only_visitors = FOLLOWING[asset.follows]
            result.append(
                replace(asset, late=RawEvents, widened_by=widened_by, only_visitors=only_visitors)
            )
        else:
            result.append(asset)
    return result


def event_assets(settings: Settings) -> list[TableAsset]:
    """Return the assets that are computed from events, of days that were loaded only.

    A day of which late rows alone arrived was not loaded.
    """
    raw = replace(raw_events, deps=(EVENT_TABLE,)) if is_table(settings) else raw_events
    if are_activities(settings.events):  # increments bring them with the orders
        raw = replace(raw_events, deps=(raw_user_order_log.key,))
    behaviour = [*SESSION_ASSETS, *SEGMENT_ASSETS, *RETENTION_ASSETS, *JOURNEY_ASSETS]
    built_on = [first_touches, *TOUCH_ASSETS, *FUNNEL_ASSETS, *CONVERSION_ASSETS, *PURCHASE_ASSETS]
    late_days = settings.late_days
    staging = [
        *left_out_assets(late_days),
        *identity_assets(late_days),
        *accounting_assets(late_days),
    ]
    computed = widened_by_identity([*staging, *behaviour, *built_on])
    return [
        raw,
        *(replace(asset, loaded_from=raw.contract, late=raw.contract) for asset in computed),
    ]


def kinds_of(settings: Settings, asset: TableAsset) -> set[str]:
    """Return the Dagster kinds of an asset: the engine, "table", and Ibis or its source.

    Dagster allows three.
    """
    engine = engine_kind(settings.warehouse_url).name
    source = next((name for name, raw in RAW_OF.items() if raw is asset.contract), "")
    return {engine, "table", *(source_kinds(settings, source) if source else {"ibis"})}


def without_source(settings: Settings) -> set[dg.AssetKey]:
    """Return the assets that are left out: those without rows to read.

    Assets on stored rows that no source adds to are among them.

    Order tables are left out if there are only events. Where orders were loaded earlier, a run over
    events leaves the order lines as they are, and computes what is built on both.
    """
    current_sources, all_sources = given_sources(settings), known_sources(settings)
    needed: list[tuple[Sequence[TableAsset], set[str]]] = [
        (event_assets(settings), {EVENTS}),
        (SALES_ASSETS, {ORDERS}),
        (BASKET_ASSETS, {ORDERS}),
        (STOCK_ASSETS, {STOCK}),
        (RECEIVED_COST_ASSETS, {ORDERS, COSTS}),
        (PROFIT_ASSETS, {ORDERS}),
        (AD_SPEND_ASSETS, {AD_SPEND}),
        (MARKETING_ASSETS, {AD_SPEND}),
        (COHORT_ASSETS, {ORDERS}),
        (CUSTOMER_ASSETS, {CUSTOMERS}),
        ((order_visits, customer_visitors, *RECONCILIATION_ASSETS), {EVENTS, ORDERS}),
        *((plain_assets(feed), {name}) for name, feed in plain_feeds().items()),
    ]
    empty = {
        asset.key for assets, sources in needed if not sources <= all_sources for asset in assets
    }
    empty |= set() if settings.visitor_segments else {asset.key for asset in SEGMENT_ASSETS}
    empty |= set() if has_report(settings) else {asset.key for asset in REPORT_ASSETS}
    unmoved = {
        key
        for key, sources in sources_of(settings).items()
        if sources and not sources & current_sources
    }
    exports = unset_exports(
        settings, has_events=EVENTS in current_sources, has_customers=CUSTOMERS in all_sources
    )
    return {*empty, *unmoved, *exports}


def sources_of(settings: Settings) -> dict[dg.AssetKey, frozenset[str]]:
    """Return the sources that each table is computed from, directly or through others."""
    result = {asset_key(raw): frozenset((name,)) for name, raw in RAW_OF.items()}
    for asset in table_assets(settings):
        upstream = [*(asset_key(reads.contract) for reads in asset.reads.values()), *asset.deps]
        upstream_sources = (result.get(key, frozenset()) for key in upstream)
        result[asset.key] = result.get(asset.key, frozenset()).union(*upstream_sources)
    return result


def jobs(settings: Settings, keys: Set[dg.AssetKey]) -> list[Any]:
    """Return the jobs of all tables, of each configured source, of reports and watched numbers.

    `keys` are those of the platform's assets.
    """
    skipped, lands = without_source(settings), _lands_files(settings)
    entrances = {
        EVENTS: raw_events,
        ORDERS: raw_user_order_log,
        CUSTOMERS: raw_customers,
        STOCK: raw_stock,
    }
    left_out = {*skipped, *(AUTOMATED - unpublished(settings))}
    present = {name: asset.key for name, asset in entrances.items() if asset.key not in skipped}
    # If there are orders, segments and value are computed from them, so the events job leaves them
    # out.
    of_orders = (
        {asset.key for asset in VALUE_ASSETS} if ORDERS in known_sources(settings) else set()
    )
    return [
        everything_job(sorted(keys - skipped)),
        *([compaction_job()] if lands else []),
        *([extraction_job(settings)] if settings.extracts else []),
        *([report_job(settings)] if settings.report_email else []),
        watch_job(settings),
        board_job(settings),
        *(
            source_job(
                name, key, sorted(keys - left_out - (of_orders if name == EVENTS else set()))
            )
            for name, key in present.items()
        ),
    ]


def manual_jobs(
    settings: Settings, resources: NamedValues, pool: str | None
) -> list[dg.JobDefinition]:
    """Return the jobs that people start by hand: yesterday, backfill, export, publish."""

    def everything() -> dg.JobDefinition:
        return build_definitions(settings, resources=resources).resolve_job_def(EVERYTHING)

    permissions = {"withdrawal": ALLOW_WITHDRAWAL, "rebuild": REBUILD}
    reported = [asset.key for asset in DELIVERY_TABLES]
    return ManualJobs(
        settings, everything, without_source(settings), reported, permissions, pool
    ).build()


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Return the schedule of each configured source, and that of the weekly report."""
    nightly = ((has_events, EVENTS), (has_orders, ORDERS), (has_stock, STOCK))
    of_sources = [
        nightly_schedule(settings, job) for is_there, job in nightly if is_there(settings)
    ]
    evening = [customers_schedule(settings)] if has_customers(settings) else []
    mondays = [report_schedule(settings)] if settings.report_email else []
    merges = [compaction_schedule(settings)] if _lands_files(settings) else []
    extracted = [extraction_schedule(settings)] if settings.extracts else []
    return [*of_sources, *evening, *mondays, *merges, *extracted]


def _lands_files(settings: Settings) -> bool:
    """Return whether the shop's own rows lie in files, which the platform may have written."""
    return (bool(settings.events) and not is_table(settings)) or bool(stream_folders(settings))


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensors: for new events, automation, requests, heartbeats, alerts, numbers and
    lineage.
    """
    landing = [arrival_sensor(settings)] if has_events(settings) else []
    requested = request_sensor(
        settings.home, without_source(settings), [asset.key for asset in DELIVERY_TABLES]
    )
    alerts = Alerts.from_settings(settings)
    alerting = [alert_sensor(alerts)] if alerts else []
    watching = [watch_sensor(settings), board_sensor(settings)]
    return [
        *landing,
        automation_condition_sensor(),
        requested,
        upload_sensor(settings),
        heartbeat_sensor(settings, alerts),
        *alerting,
        *watching,
        *lineage_sensors(settings),
    ]


def sources(settings: Settings, daily: dg.PartitionsDefinition) -> list[Any]:
    """Return the observable source assets: the table that events come from, if any."""
    if not is_table(settings):
        return []
    with packages_of("snowflake", "ECOM_EVENTS=snowflake://…"):
        from ecom_assets.ingestion.sources.event_table import event_table  # noqa: PLC0415 (only tables need them)

    return [event_table(settings, daily)]


def publications(
    settings: Settings, daily: dg.PartitionsDefinition, progress: Progress, pool: str | None
) -> list[dg.AssetsDefinition]:
    """Return the assets that publish the marts, to Postgres and to the API's file."""
    require_listed(MARTS)
    without, rule = unpublished(settings), order_rule(settings)
    postgres = (
        []
        if PUBLICATION in without
        else [postgres_marts(settings, MARTS, rule, daily, progress, pool)]
    )
    return postgres + (
        [] if SNAPSHOT in without else [serving_marts(settings, rule, daily, progress, pool)]
    )


def unpublished(settings: Settings) -> set[dg.AssetKey]:
    """Return the publication assets that are not needed with these settings.

    The API reads Postgres if the marts are published there, else a file.
    """
    nowhere = set() if settings.postgres_url.get_secret_value() else {PUBLICATION}
    return nowhere | ({SNAPSHOT} if serves_postgres(settings) else set())


def lineage_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensor that reports runs as OpenLineage events, if a receiver is set."""
    lineage = lineage_of(settings)
    if lineage is None:
        return []
    from ecom_assets.orchestration.automation.openlineage import lineage_sensor  # noqa: PLC0415 (an extra)

    return [lineage_sensor(lineage)]


def lineage_of(settings: Settings) -> "Lineage | None":
    """Return the receiver of OpenLineage events, and what makes them; None if none is set.

    Raises:
        SettingError: The packages of the extra are not installed.
    """
    if not settings.openlineage_url:
        return None
    with packages_of("openlineage", "ECOM_OPENLINEAGE_URL"):
        from ecom_assets.orchestration.automation.openlineage import Lineage  # noqa: PLC0415 (an extra)

    return Lineage.from_settings(
        settings, new_engine(settings).dataset_names(), lineage_tables(settings)
    )


def lineage_tables(settings: Settings) -> dict[str, tuple[Contract, tuple[Contract, ...]]]:
    """Return the contract of each asset, and those of the tables that it reads."""
    return {
        asset.key.to_user_string(): (
            asset.contract,
            tuple(reads.contract for reads in asset.reads.values()),
        )
        for asset in table_assets(settings)
    }


def checks(settings: Settings) -> list[TableCheck]:
    """Return every check."""
    of_events = [
        accounting_check(settings.late_days),
        amounts_check(rules(settings)["cleaning_rule"]),
        no_event_type_is_new,
        purchases_of_an_order_agree,
        rows_of_an_id_agree,
        standard_types_are_spelled_so,
        *identity_checks(rules(settings)["identity_rule"]),
        # With orders, revenue is that of the orders.
        *(() if has_orders(settings) else (purchases_have_amounts,)),
        *SESSION_CHECKS,
        *SEGMENT_CHECKS,
        *RETENTION_CHECKS,
        *JOURNEY_CHECKS,
        *FUNNEL_CHECKS,
        *CONVERSION_CHECKS,
    ]
    order_days = checks_days(settings) if has_order_reports(settings) else None
    return [
        *(contract_check(contract) for contract in ALL),
        *absence_checks(settings, ALL),
        *file_row_checks(),
        amounts_have_a_rate,
        *(replace(check, loaded_from=raw_events.contract) for check in of_events),
        *order_checks(
            order_rule(settings),
            customers_over(settings),
            by_day=order_days,
            uploaded_days=partial(days_of_uploads, settings, "orders"),
        ),
        *report_checks(settings.gate_refused_share),
        *source_checks(
            source_gate(settings),
            settings.late_days,
            partial(ended_days, settings.timezone),
            lambda: settings.known_currency,
        ),
        *SALES_CHECKS,
        *PRODUCT_CHECKS,
        *COST_CHECKS,
        *AD_SPEND_CHECKS,
        *zone_checks(account_zones(settings)),
        *MARKETING_CHECKS,
        *rule_checks(cost_rules(settings)),
        *ATTRIBUTION_CHECKS,
        *CUSTOMER_CHECKS,
        *VALUE_CHECKS,
        *RECONCILIATION_CHECKS,
        *(plain_check(feed.plain_tables) for feed in plain_feeds().values()),
        *delivery_checks(settings),
    ]
