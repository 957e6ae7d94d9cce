"""Checks of what became of spend that was published: whether a day lost much of it."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir

from ecom_assets.commerce.marketing.account_zones import ACCOUNT
from ecom_assets.commerce.marketing.checks import OF_ACCOUNT, shown
from ecom_assets.commerce.marketing.contracts import ALL, AdSpend, AdSpendDaily, RawAdSpend
from ecom_assets.commerce.marketing.spend import totals_of_loads
from ecom_assets.commerce.reconciliation.contracts import PublishedDays, Restatements
from ecom_assets.core.tables.check import EXAMPLES, CheckResult, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of


@check(
    AdSpendDaily,
    reads=(AdSpend, RawAdSpend, AdSpendDaily, PublishedDays, Restatements),
    warns=True,
)
def spend_did_not_fall_by_half(
    _days: Days | None,
    spend: ir.Table,
    raw: ir.Table,
    daily: ir.Table,
    published: ir.Table,
    logged: ir.Table,
) -> CheckResult:
    """No account's day costs less than half of what was said of it before: by the load before its
    last one, or, where files are written again, by the run before the last one that changed it.
    """
    fallen, looked_at = _fallen_loads(spend, raw)
    restated, restated_count = _fallen_days(daily, published, logged)
    by_day = {tuple(row[name] for name in OF_ACCOUNT): row for row in [*restated, *fallen]}
    rows = [by_day[key] for key in sorted(by_day)]
    if not rows:
        return CheckResult(0, looked_at + restated_count)
    first = {name: shown(value) for name, value in rows[0].items()}
    sentence = (
        f"Days of accounts that cost less than half of what was said before: {len(rows)}, first "
        "{total} in place of {total_before} on {spend_date} of {platform} {account_id}; see "
        "whether what came last has all campaigns."
    ).format_map(first)
    evidence = {"sentence": sentence}
    return CheckResult(
        len(rows), max(looked_at + restated_count, len(rows)), rows[:EXAMPLES], metadata=evidence
    )


def _has_fallen(total: Decimal, before: Decimal) -> bool:
    return before >= 1 and total * 2 < before


def _fallen_loads(spend: ir.Table, raw: ir.Table) -> tuple[list[dict[str, Any]], int]:
    """Return the days of accounts that cost less than half of what the load before said, among the
    loads that came last, and how many these are.
    """
    (newest,) = rows_of(spend.agg(day=spend.received_date.max()))
    if newest["day"] is None:
        return [], 0
    loads = totals_of_loads(raw)
    now = loads.filter(loads.place == 0, loads.load_date == newest["day"])
    before = loads.filter(loads.place == 1)
    pairs = now.join(before, [*OF_ACCOUNT, "level"], rname="{name}_before")
    names = (*OF_ACCOUNT, "source_file", "total", "total_before")
    rows = rows_of(pairs.filter(pairs.total * 2 < pairs.total_before).select(*names))
    (count,) = rows_of(now.agg(n=now.count()))
    return [row for row in rows if _has_fallen(row["total"], row["total_before"])], int(count["n"])


def _fallen_days(
    daily: ir.Table, published: ir.Table, logged: ir.Table
) -> tuple[list[dict[str, Any]], int]:
    """Return the days of accounts that the last run with a change left with less than half, and how
    many it changed. Where so many rows changed that only days are logged, accounts are one.
    """
    name = AdSpendDaily.qualified_name()
    runs = published.filter(published.table_name == name)
    runs = runs.order_by([runs.published_at.desc(), runs.run_id.desc()]).select("run_id").limit(1)
    last = [row["run_id"] for row in rows_of(runs)]
    if not last:
        return [], 0
    changes = logged.filter(
        logged.table_name == name,
        logged.run_id == last[0],
        logged.column_name == "account_spend_amount",
    )
    changed: dict[tuple[date, str, str], Decimal] = {}
    for row in rows_of(changes.select("restated_date", "row_key", "before_value", "after_value")):
        account = json.loads(row["row_key"])
        key = (row["restated_date"], *(account.get(part, ALL) for part in ACCOUNT))
        less = Decimal(str(row["after_value"] or 0)) - Decimal(str(row["before_value"] or 0))
        changed[key] = changed.get(key, Decimal(0)) + less
    if not changed:
        return [], 0
    rows = rows_on_days(daily, "spend_date", Days.from_dates(key[0] for key in changed))
    sums = rows.group_by(*OF_ACCOUNT).agg(total=rows.account_spend_amount.sum())
    totals: dict[tuple[date, str, str], Decimal] = {}
    for row in rows_of(sums):
        for account in ((row["platform"], row["account_id"]), (ALL, ALL)):
            key = (row["spend_date"], *account)
            totals[key] = totals.get(key, Decimal(0)) + row["total"]
    fallen = []
    for key, less in changed.items():
        total = totals.get(key, Decimal(0))
        if _has_fallen(total, total - less):
            row = dict(zip(OF_ACCOUNT, key, strict=True))
            fallen.append(row | {"total": total, "total_before": total - less})
    return fallen, len(changed)


SPEND_CHECKS = [spend_did_not_fall_by_half]
