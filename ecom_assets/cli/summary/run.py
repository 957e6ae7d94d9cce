"""What a run ends with: sessions, funnel, sales, quarantined rows, checks, and where to look next.

Not here: the run; the numbers of sales (`sales_summary.py`).
"""

import json
from collections.abc import Mapping
from typing import Any

import ibis.expr.types as ir
import typer

from ecom_assets.automation.held_alert import held_line
from ecom_assets.cli.chart import percent
from ecom_assets.cli.platform_run import RunOutcome
from ecom_assets.cli.summary.attribution import channel_lines, channel_totals
from ecom_assets.cli.summary.customers import customer_lines, customer_quality_lines, customer_totals
from ecom_assets.cli.summary.deliveries import delivery_lines, delivery_totals
from ecom_assets.cli.summary.funnels import UNITS, funnel_lines, summarize_funnels
from ecom_assets.cli.summary.products import product_lines, summarize_products
from ecom_assets.cli.summary.reconciliation import summarize_reconciliation, summarize_restatements, trust_lines
from ecom_assets.cli.summary.retention import cart_totals, cohort_totals, retention_lines
from ecom_assets.cli.summary.sales import sales_lines, summarize_retention, summarize_sales
from ecom_assets.cli.summary.sources import missing_lines, without_unknown
from ecom_assets.cli.summary.value import summarize_value, value_lines
from ecom_assets.events.contracts import DuplicateEvents, QuarantinedEvents
from ecom_assets.funnels.contracts import ConversionFunnel
from ecom_assets.funnels.daily import DEFAULT_NAME
from ecom_assets.registry import ALL
from ecom_assets.rules import order_rule
from ecom_assets.sessions.contracts import Sessions
from ecom_assets.sessions.queries import session_totals
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.order_reports.source import has_events, has_orders
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.factory import new_engine

FETCHED = ("request_count", "retry_counts", "rate_limit_wait_s", "received_bytes")


def show_summary(settings: Settings, outcome: RunOutcome, *, as_json: bool) -> None:
    """Print what the run came to."""
    if not outcome.has_begun:  # what kept it from beginning, such as another run, keeps us from looking too
        _show_nothing(outcome, as_json=as_json)
        return
    engine = new_engine(settings)
    engine.open()
    try:
        summary = summarize(engine, settings, outcome)
    finally:
        engine.close()
    typer.echo(json.dumps(summary, default=str) if as_json else "\n".join(_lines(summary)))
    for failure in outcome.complaints:
        typer.echo(f"ecom: {failure}", err=True)


def _show_nothing(outcome: RunOutcome, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_ended(outcome)))
    for failure in outcome.complaints:
        typer.echo(f"ecom: {failure}", err=True)


def _ended(outcome: RunOutcome) -> dict[str, Any]:
    return {"run_id": outcome.run_id, "success": outcome.success, "failures": outcome.failures}


def summarize(engine: Engine, settings: Settings, outcome: RunOutcome) -> dict[str, Any]:
    """Return the numbers of the run's days, as `ecom run --json` prints them."""
    failed, warned = outcome.failed_checks, outcome.warnings
    funnels = summarize_funnels(_cut(engine, ConversionFunnel, outcome.days))
    summary = {
        **_ended(outcome),
        "days": {"from": str(outcome.days.first), "to": str(outcome.days.dates[-1])},
        "sessions": session_totals(_cut(engine, Sessions, outcome.days)),
        "funnel": funnels.get(DEFAULT_NAME) or next(iter(funnels.values()), {unit: [] for unit in UNITS}),
        "funnels": funnels,
        "cohorts": cohort_totals(engine),
        "carts": cart_totals(engine, outcome.days),
        "sales": summarize_sales(engine, outcome.days, order_rule(settings)) if has_orders(settings) else None,
        "retention": summarize_retention(engine, outcome.days) if has_orders(settings) else None,
        "channels": channel_totals(engine, outcome.days, "order" if has_orders(settings) else "purchase"),
        "customers": customer_totals(engine, settings, outcome.days),
        "segments": summarize_value(engine),
        "reconciliation": summarize_reconciliation(engine, outcome.days) if _has_both(settings) else None,
        "restatements": summarize_restatements(engine, outcome.run_id),
        **summarize_products(engine, outcome.days),
        **_event_quality(engine, outcome.days),
        "checks": {
            "passed": len(outcome.checks) - len(failed) - len(warned),
            "failed": [check.as_json() for check in failed],
            "warned": [check.as_json() for check in warned],
        },
        "tables": {table.qualified_name(): _row_count(engine, table) for table in ALL},
        "fetched": {key: {name: told[name] for name in FETCHED} for key, told in sorted(outcome.fetched.items())},
        "written": list(outcome.written),
        "published": outcome.published,
        **delivery_totals(outcome),
        "warehouse": engine.address,
        "dagster_home": str(settings.dagster_home),
    }
    return without_unknown(engine, settings, outcome.days, summary)


def _event_quality(engine: Engine, days: Days) -> dict[str, Any]:
    """Return what became of the events of some days that are not clean."""
    quarantined, surplus = (_cut(engine, contract, days) for contract in (QuarantinedEvents, DuplicateEvents))
    by_reason = quarantined.group_by("reject_reason").agg(rows=quarantined.count()).to_pyarrow().to_pylist()
    pairs = [(row["reject_reason"], row["rows"]) for row in by_reason]
    return {
        "quarantined": dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))),
        "duplicates": int(surplus.surplus_count.sum().to_pyarrow().as_py() or 0),
    }


def _has_both(settings: Settings) -> bool:
    return has_events(settings) and has_orders(settings)


def _row_count(engine: Engine, contract: type[Table]) -> int:
    engine.ensure(contract)
    return engine.row_count(contract)


def _cut(engine: Engine, contract: type[Table], days: Days) -> ir.Table:
    table = engine.table(contract)
    return table.filter(days.contain(table[contract.day_column])) if contract.day_column else table


def _lines(summary: dict[str, Any]) -> list[str]:
    lines = ["", f"{summary['days']['from']} to {summary['days']['to']}"]
    if summary["sessions"] is not None:
        lines += _behaviour_lines(summary)
        lines += retention_lines(summary["cohorts"], summary["carts"])
    if summary["sales"] is not None:
        lines += sales_lines(summary)
    if summary["channels"] is not None:
        lines += channel_lines(summary["channels"])
    if summary["customers"] is not None:
        lines += customer_lines(summary["customers"])
    if summary["segments"] is not None:
        lines += value_lines(summary["segments"])
    lines += trust_lines(summary)
    lines += product_lines(summary)
    lines += delivery_lines(summary)
    lines += missing_lines(summary)
    lines += ["", *_quality_lines(summary), "", *_where_lines(summary)]
    return lines


def _behaviour_lines(summary: dict[str, Any]) -> list[str]:
    sessions = summary["sessions"]
    of_whom = f"of {sessions['visitors']:,} visitors in {sessions['sessions']:,} sessions"
    lines = [f"  {sessions['events']:,} clean events {of_whom}"]
    if sessions["sessions"]:
        lines.append(
            f"  bounce rate {percent(sessions['bounce_rate']).strip()}, {sessions['pages_per_session']:.1f} pages per "
            f"session, median {sessions['median_duration_s']:.0f} s"
        )
    return lines + funnel_lines(summary["funnels"])


def _fetched_lines(fetched: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for key, told in fetched.items():
        causes = ", ".join(f"{cause} {count}" for cause, count in sorted(told["retry_counts"].items()))
        retried = f", {sum(told['retry_counts'].values())} of them retries ({causes})" if causes else ""
        lines.append(f"Fetched for {key}: {told['request_count']:,} requests{retried}")
    return lines


def _quality_lines(summary: dict[str, Any]) -> list[str]:
    lines = []
    if (quarantined := summary["quarantined"]) is not None:
        lines.append(
            f"Quarantined rows: {sum(quarantined.values()):,}; surplus copies left out: {summary['duplicates']:,}"
        )
        lines += [f"  {reason:24} {count:>8,}" for reason, count in quarantined.items()]
    if (sales := summary["sales"]) is not None and sales["quarantined"] is not None:
        refused = sales["quarantined"]
        lines.append(
            f"Quarantined order lines: {sum(refused.values()):,}; surplus copies left out: {sales['duplicates']:,}"
        )
        lines += [f"  {reason:24} {count:>8,}" for reason, count in refused.items()]
        lines += [held_line(one) for one in sales["held_days"]]
    if summary["customers"] is not None:
        lines += customer_quality_lines(summary["customers"])
    lines += _fetched_lines(summary["fetched"])
    checks = summary["checks"]
    warned = f", {len(checks['warned'])} warned" if checks["warned"] else ""
    lines.append(f"Checks: {checks['passed']} passed, {len(checks['failed'])} failed{warned}")
    lines += [
        f"  {word} {check['table']} {check['name']}: {check['claim']} Observed {plain(check.get('observed'))}, limit "
        f"{plain(check.get('limit'))}, for example {plain(check.get('examples'))}"
        for word, kind in (("FAILED", "failed"), ("WARNING", "warned"))
        for check in checks[kind]
    ]
    return lines


def _published_lines(told: dict[str, Any] | None) -> list[str]:
    if told is None or "skipped" in told:
        return [told["skipped"]] if told else []
    rows = f"{told['row_count']:,} rows of {len(told['rows_by_table'])} tables, {told['rows_written']:,} of them new"
    return [f"Published in {told['database']}: {rows}, version {told['data_version']}"]


def _where_lines(summary: dict[str, Any]) -> list[str]:
    written = set(summary["written"])
    rows = ", ".join(f"{name} {count:,}" for name, count in summary["tables"].items() if name in written)
    return [
        f"Tables in {summary['warehouse']}: {rows or 'none written'}",
        *_published_lines(summary["published"]),
        f"Dagster run {summary['run_id']}; look at it with `ecom ui` (or `make ui`)",
    ]


def plain(value: object) -> str:
    """Return a value in words: `a 1, b 2` for names and values, `x; y` for several, `none` for nothing."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(map(plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else str(value)
