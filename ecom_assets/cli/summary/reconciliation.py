"""What a run says of trust: why orders and events differ, and which published numbers it changed.

Not here: sessions and sales (`run_summary.py`, `sales_summary.py`).
"""

import json
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.reconciliation.contracts import (
    CAUSES,
    RESTATEMENT_CAUSES,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
)
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engine import Engine

WHY = {
    "late_rows": "because rows came late",
    "withdrawn_rows": "because rows were withdrawn",
    "rows_of_other_days": "as rows of other days came",
    "definition_changed": "though no row came: a setting or a definition changed",
}


def summarize_reconciliation(engine: Engine, days: Days) -> dict[str, Any]:
    """Return orders, events and their difference over some days; a shift counts once, on its order's day."""
    daily = engine.table(OrderEventReconciliationDaily)
    daily = daily.filter(days.contain(daily.reconciled_date))
    names = ("order_count", "event_count", "matched_count", "order_amount", "event_amount", "difference_amount")
    sums = daily.agg(**{name: daily[name].sum() for name in names}).to_pyarrow().to_pylist()[0]
    rows = engine.table(OrderEventReconciliation)
    rows = rows.filter(days.contain(rows.reconciled_date))
    is_first = (rows.cause != "time_zone_shift") | (rows.side == "order")
    found = rows.group_by("cause").agg(n=is_first.ifelse(1, 0).sum(), amount=rows.difference_amount.sum())
    by_cause = {row["cause"]: row for row in found.to_pyarrow().to_pylist()}
    return {
        **{name: _money(sums[name]) if name.endswith("_amount") else int(sums[name] or 0) for name in names},
        "causes": {
            cause: {"count": int(by_cause[cause]["n"]), "amount": _money(by_cause[cause]["amount"])}
            for cause in CAUSES
            if cause in by_cause
        },
    }


def summarize_restatements(engine: Engine, run_id: str) -> dict[str, Any]:
    """Return how many published numbers a run changed, by cause, and the largest change."""
    logged = engine.table(Restatements)
    logged = logged.filter(logged.run_id == run_id)
    counts = logged.group_by("cause").agg(n=logged.count()).to_pyarrow().to_pylist()
    by_cause = {row["cause"]: int(row["n"]) for row in counts}
    return {
        "changed": sum(by_cause.values()),
        "causes": {cause: by_cause[cause] for cause in RESTATEMENT_CAUSES if cause in by_cause},
        "largest": _largest(logged) if by_cause else None,
    }


def trust_lines(summary: dict[str, Any]) -> list[str]:
    """Write both for people."""
    return [*_reconciliation_lines(summary["reconciliation"]), *_restatement_lines(summary["restatements"])]


def _reconciliation_lines(found: dict[str, Any] | None) -> list[str]:
    if found is None or not found["order_count"] + found["event_count"]:
        return []
    counts = f"{found['order_count']:,} orders and refunds, {found['matched_count']:,} with an event of the same amount"
    lines = ["", "Orders against purchase events", f"  {counts}; orders less events {found['difference_amount']}"]
    return [*lines, *(f"  {cause:16} {one['count']:>6,} {one['amount']:>14}" for cause, one in found["causes"].items())]


def _restatement_lines(found: dict[str, Any]) -> list[str]:
    if not found["changed"]:
        return ["", "Published numbers: none changed"]
    causes = ", ".join(f"{number:,} {WHY[cause]}" for cause, number in found["causes"].items())
    one = found["largest"]
    name = f"{one['table']} {one['day']} {one['column']}{_row(one['row'])}"
    change = f"{name}, from {_number(one['before'])} to {_number(one['after'])}"
    return ["", f"Published numbers changed: {causes}; the largest change is {change}"]


def _largest(logged: ir.Table) -> dict[str, Any]:
    """Return the change that is largest in the number's own unit; of equal ones the first by day and name."""
    size = logged["difference"].abs()  # a table has a method of that name
    size = size.fill_null(ibis.literal(-1.0))
    keys = ["restated_date", "table_name", "row_key", "column_name", "restatement_number"]
    row = logged.order_by([size.desc(), *keys]).limit(1).to_pyarrow().to_pylist()[0]
    return {
        "table": row["table_name"],
        "day": str(row["restated_date"]),
        "row": json.loads(row["row_key"]),
        "column": row["column_name"],
        "before": row["before_value"],
        "after": row["after_value"],
        "cause": row["cause"],
        "late_rows": int(row["late_row_count"]),
        "late_row_ids": json.loads(row["late_row_ids"] or "[]"),
    }


def _row(row: dict[str, Any]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in row.items())})" if row else ""


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:,.2f}".removesuffix(".00")


def _money(amount: Any) -> str:  # noqa: ANN401 (a decimal, or None where there is no row)
    return f"{amount or 0:.2f}"
