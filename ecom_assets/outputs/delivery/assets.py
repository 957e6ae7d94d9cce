"""Assets of delivery: exports that send each event and user property once,
and the tables with the outcomes.

See docs/adr/0016.
"""

import time
from collections.abc import Iterable
from typing import Any

import dagster as dg
import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents, RawEvents
from ecom_assets.behaviour.funnels.contracts import ConversionFunnel, FunnelEntries
from ecom_assets.behaviour.identity.contracts import SharedIds
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.behaviour.visitor_segments.contracts import VisitorSegments
from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.commerce.customers.contracts import Customers, CustomerSegments, LifetimeValue
from ecom_assets.commerce.customers.customers import MarketSegments
from ecom_assets.commerce.reconciliation.contracts import OrderEventReconciliationDaily
from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import SettingError
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import (
    Reads,
    TableAsset,
    asset_key,
    days_of,
    invalidation,
    subject_of,
    table_asset,
)
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import Days, days_of_spans, spans_text
from ecom_assets.core.tables.portable import arrow_of, rows_of
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.io_manager import Progress
from ecom_assets.core.warehouse.local import connect
from ecom_assets.outputs.delivery.contracts import (
    DEAD,
    DeadLetters,
    Deliveries,
    ReconciliationDaily,
)
from ecom_assets.outputs.delivery.customers_file import (
    CustomersFile,
    FileLayout,
    file_fields,
    write_customers,
)
from ecom_assets.outputs.delivery.ledger.copy import NOTED, deliveries_of, noted_days
from ecom_assets.outputs.delivery.ledger.opening import DeliveryContext
from ecom_assets.outputs.delivery.pending import due_at
from ecom_assets.outputs.delivery.sending import LATE_DAYS, Exported, export_as_requested
from ecom_assets.outputs.delivery.tools.all import SETTING_OF, TOOLS
from ecom_assets.outputs.delivery.totals import purchases_by_outcome
from ecom_assets.outputs.delivery.totals import reconciliation_daily as compute_reconciliation_daily
from ecom_assets.outputs.serving.history import require_history

OF_EVENTS: tuple[Contract, ...] = (CleanEvents, SharedIds)
OF_USERS: tuple[Contract, ...] = (
    CustomerSegments,
    Customers,
    LifetimeValue,
    VisitorSegments,
    Sessions,
    Touches,
    FunnelEntries,
    ConversionFunnel,
)
RECORDS = {
    "events": "The events of people",
    "users": "Segment, tier, value and churn risk of customers, and visitor segments",
}
ACCOUNTED = "everything_due_is_accounted_for"
IN_TIME = "nothing_due_waits_for_long"
ACCEPTED = "tool_accepts_our_credentials"
CHECKS = {
    ACCOUNTED: "Per day, rows due in the mart = records with an outcome.",
    IN_TIME: f"Nothing older than {LATE_DAYS} days before the newest day still waits.",
    ACCEPTED: "The tool refused no key, token or project; if it does, everything waits.",
}
"""The checks of each export, and what they hold it to."""
COUNTS = ("due", "sent", "delivered", "rejected", "retried", "pending", "batches")
BAR = 24
DELIVER_ALSO = "ecom/deliver_also"
"""Tag of a run with further days whose events it delivers, as
`2026-01-03/2026-01-05,2026-03-01/2026-03-01`.
"""


def key_of(name: str) -> dg.AssetKey:
    """Return the asset key of an export."""
    return dg.AssetKey(["export", name])


def tool_exports(
    daily: dg.PartitionsDefinition, progress: Progress, pool: str | None
) -> list[dg.AssetsDefinition]:
    """Return the assets that deliver events and users to each tool."""
    events = [_tool_export(tool, "events", OF_EVENTS, daily, progress, pool) for tool in SETTING_OF]
    users = [_tool_export(tool, "users", OF_USERS, daily, progress, pool) for tool in SETTING_OF]
    return [*events, *users]


def deliver_also(parts: Iterable[Days]) -> dict[str, str]:
    """Return the run tag that has the events of further days delivered,
    each part of which has no gaps.
    """
    spans = spans_text(parts)
    return {DELIVER_ALSO: spans} if spans else {}


def _delivered_days(context: dg.AssetExecutionContext, engine: Engine) -> Days:
    """Return the days of the step, those whose late rows arrived on them,
    and those that its run delivers besides.
    """
    run, also = days_of(context), days_of_spans(context.run.tags.get(DELIVER_ALSO, ""))
    return Days.from_dates([*run.dates, *engine.late_days(RawEvents, run).dates, *also.dates])


def _tool_export(  # noqa: PLR0913, PLR0917 (what Dagster needs)
    tool: str,
    kind: str,
    sources: tuple[Contract, ...],
    daily: dg.PartitionsDefinition,
    progress: Progress,
    pool: str | None,
) -> dg.AssetsDefinition:
    name = f"{tool}_{kind}"
    key = key_of(name)

    @dg.asset(
        key=key,
        deps=[asset_key(contract) for contract in sources],
        partitions_def=daily,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=f"{RECORDS[kind]}, delivered to {TOOLS[tool].title}, each record once.",
        kinds={tool},
        **subject_of(_tool_export),
        required_resource_keys={"warehouse", "delivery_context"},
        check_specs=[
            dg.AssetCheckSpec(name, asset=key, description=text) for name, text in CHECKS.items()
        ],
        pool=pool,
    )
    def delivery(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster looks for the bare class
        delivery_context: DeliveryContext = context.resources.delivery_context
        if name not in delivery_context.destinations:
            raise SettingError(
                f"{SETTING_OF[tool]} is not set, so nothing can be delivered to {name}; set it."
            )
        progress.began(f"export.{name}")
        started = time.monotonic()
        engine = context.resources.warehouse
        delivery_context.refuse_emptier(engine)
        require_history(
            context.run.tags,
            engine,
            delivery_context.settings,
            consequence=f"nothing was sent by {name}",
        )
        due = due_at(delivery_context.destinations[name], engine, delivery_context.settings)
        days = _delivered_days(context, engine) if kind == "events" else Days(())
        exported = export_as_requested(delivery_context, name, due, days, context.run.run_id)
        progress.ended(f"export.{name}", exported.total.sent, time.monotonic() - started)
        return dg.MaterializeResult(metadata=_metadata(exported), check_results=_checked(exported))

    return delivery


def _metadata(exported: Exported) -> dict[str, Any]:
    total = exported.total
    seconds = total.seconds or 1e-9
    return {
        **{name: getattr(total, name) for name in COUNTS},
        "changed_after_delivery": total.changed,
        "bytes": total.byte_count,
        "seconds": round(total.seconds, 3),
        "records_per_s": round(total.sent / seconds),
        "outcomes": dg.MetadataValue.json(dict(total.outcomes)),
        "plot": dg.MetadataValue.md(_plot(dict(total.outcomes), total.due)),
    }


def _plot(outcomes: dict[str, int], due: int) -> str:
    """Return the outcomes as bars, in a Markdown table."""
    lines = ["| outcome | records | |", "| --- | ---: | --- |"]
    for outcome, number in sorted(outcomes.items(), key=lambda entry: -entry[1]):
        lines.append(
            f"| {outcome} | {number:,} | {'█' * max(round(BAR * number / max(due, 1)), 1)} |"
        )
    return "\n".join(lines)


def _checked(exported: Exported) -> list[dg.AssetCheckResult]:
    examples = [
        {"day": str(day), "unaccounted": number} for day, number in exported.unaccounted.items()
    ]
    late = [{"day": str(day)} for day in exported.late]
    refusal_text = exported.total.refusal
    waits = f"{refusal_text.rstrip('.')}; {exported.total.pending:,} records wait for the next run."
    refused = [{"sentence": waits}] if refusal_text else []
    failures: tuple[list[Row], ...] = (examples, late, refused)
    return [
        dg.AssetCheckResult(
            check_name=name,
            passed=not broken,
            metadata={
                "observed": len(broken),
                "limit": 0,
                "looked_at": len(exported.days),
                "examples": dg.MetadataValue.json(broken[:5]),
                **({"sentence": waits} if name == ACCEPTED and broken else {}),
            },
        )
        for name, broken in zip(CHECKS, failures, strict=True)
    ]


@invalidation(reconciliation_daily=ReconciliationDaily)
def delivered_since(
    reconciliation_daily: ir.Table, warehouse: Engine, delivery_context: DeliveryContext
) -> ir.Table:
    """Return the days with deliveries that are not in the warehouse yet, in a column `day`.

    Reads `reconciliation_daily` because it is the last of the three tables to be written. It is
    small: one row per day and destination.
    """
    delivery_context.refuse_emptier(warehouse)
    noted = set(map(_row, noted_days(delivery_context.store_if_any).to_pylist()))
    stored = rows_of(reconciliation_daily.select(*NOTED))
    days = {row[0] for row in noted ^ set(map(_row, stored))}
    return ibis.memtable(
        [{"day": day} for day in sorted(days)], schema=ibis.schema({"day": "date"})
    )


@table_asset(
    Deliveries,
    invalidated_by=delivered_since,
    deps=tuple(key_of(f"{tool}_{kind}") for kind in ("events", "users") for tool in SETTING_OF),
)
def deliveries(delivery_context: DeliveryContext, days: Days) -> Any:  # noqa: ANN401 (Ibis has no types)
    """Copy the ledger's records of the days."""
    return deliveries_of(delivery_context.store_if_any, days)


@table_asset(DeadLetters, deliveries=Reads(Deliveries, whole=True), invalidated_by=delivered_since)
def dead_letters(deliveries: ir.Table, days: Days) -> ir.Table:
    """Select the records that could not be delivered."""
    dead = deliveries.filter(days.contain(deliveries.record_date), deliveries.outcome.isin(DEAD))
    return dead.select(*DeadLetters.columns)


@table_asset(
    ReconciliationDaily,
    events=Reads(CleanEvents, whole=True),
    deliveries=Reads(Deliveries, whole=True),
    orders=Reads(OrderEventReconciliationDaily, whole=True),
    invalidated_by=delivered_since,
    deps=(dead_letters.key,),
)
def reconciliation_daily(
    events: ir.Table,
    deliveries: ir.Table,
    orders: ir.Table,
    delivery_context: DeliveryContext,
    days: Days,
) -> Any:  # noqa: ANN401 (Ibis has no types)
    """Compare the due records with their outcomes,
    and orders with the purchases that tools have.
    """
    con = connect()
    con.con.register("noted", noted_days(delivery_context.store_if_any, days))
    con.con.register("purchases", arrow_of(purchases_by_outcome(events, deliveries, days)))
    per_day = orders.filter(days.contain(orders.reconciled_date)).select(
        "reconciled_date", "order_count"
    )
    con.con.register("orders", arrow_of(per_day))
    return compute_reconciliation_daily(
        con.table("noted"), con.table("purchases"), con.table("orders")
    )


def _row(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in NOTED)


DELIVERY_TABLES: tuple[TableAsset, ...] = (deliveries, dead_letters, reconciliation_daily)
"""The tables of what became of deliveries."""
KEY = dg.AssetKey(["export", "customers_json"])
WRITTEN = "every_customer_is_written"


def customers_json(
    settings: Settings,
    markets: MarketSegments,
    daily: dg.PartitionsDefinition,
    progress: Progress,
    pool: str | None,
) -> dg.AssetsDefinition:
    """Return the asset that writes the file."""
    layout = FileLayout(markets.names, file_fields(settings.customers_json_fields))

    @dg.asset(
        key=KEY,
        partitions_def=daily,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[asset_key(Customers)],
        description=(
            "All customers as they are now, in one JSON file by name, with a summary beside it."
        ),
        kinds={"json"},
        **subject_of(customers_json),
        required_resource_keys={"warehouse"},
        check_specs=[
            dg.AssetCheckSpec(
                WRITTEN, asset=KEY, description="Lines of the file = customers of the table."
            )
        ],
        pool=pool,
    )
    def export(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster looks for the bare class
        progress.began("export.customers_json")
        started = time.monotonic()
        warehouse = context.resources.warehouse
        require_history(
            context.run.tags, warehouse, settings, consequence="no customers were written"
        )
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
        metadata={
            "observed": line_count,
            "limit": written.expected_count,
            "looked_at": line_count,
            "examples": [],
        },
    )
