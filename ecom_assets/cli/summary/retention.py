"""The part of a run's summary that is about cohorts and carts. Not here: the rest of it (`run_summary.py`)."""

from typing import Any

import ibis.expr.types as ir

from ecom_assets.cli.chart import percent
from ecom_assets.funnels.contracts import CartAbandonment
from ecom_assets.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.sessions.contracts import SessionEvents
from ecom_assets.tables.days import Days
from ecom_assets.warehouse.engine import Engine

SHOWN = {"day": (1, 7, 30), "week": (1, 4, 12), "month": (1, 3, 6)}
NAMES = {0: "in the session", 3_600: "within an hour", 86_400: "within a day", 604_800: "within a week"}


def cohort_totals(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Return retention of new visitors after some days, weeks and months, over all cohorts that are complete there.

    What they paid is null where no purchase event of all days tells an amount.
    """
    has_money = _tells_money(engine)
    rows = engine.table(RetentionCohorts)
    rows = rows.filter(rows.cohort_by == "first_activity", rows.is_complete)
    sums = rows.group_by("period", "period_number").agg(
        size=rows.visitor_count.sum(),
        returned=rows.returned_on_count.sum(),
        revenue=rows.cumulative_revenue_amount.sum(),
    )
    found = {(row["period"], int(row["period_number"])): row for row in sums.to_pyarrow().to_pylist()}
    return {
        period: [_total(n, found[period, n], has_money=has_money) for n in shown if (period, n) in found]
        for period, shown in SHOWN.items()
    }


def cart_totals(engine: Engine, days: Days) -> list[dict[str, Any]]:
    """Return the carts of some days by unit and horizon, those whose horizon is over in the data."""
    carts = engine.table(CartAbandonment)
    newest_date = engine.table(ReturningVisitorsDaily).event_date.max().as_scalar()
    whole = carts.filter(days.contain(carts.cart_date), carts.final_from_date <= newest_date)
    return [_cart(row) for row in _added(whole).order_by("horizon_s").to_pyarrow().to_pylist()]


def retention_lines(cohorts: dict[str, list[dict[str, Any]]], carts: list[dict[str, Any]]) -> list[str]:
    """Return both as people read them; nothing where nothing is complete yet."""
    lines = []
    for period, told in cohorts.items():
        shares = [f"{period} {one['period']} {percent(one['rate']).strip()}" for one in told]
        lines += [f"  {', '.join(shares)}"] if shares else []
    if lines:
        lines = ["", "New visitors who came back on that day, in that week or month", *lines]
    if carts:
        lines += ["", "Carts left behind, where the time for a purchase is over"]
        lines += [_cart_line(one) for one in carts]
    return lines


def _cart_line(one: dict[str, Any]) -> str:
    name = NAMES.get(one["horizon_s"], f"{one['horizon_s']} s")
    left = (
        f"{one['abandoned']:>9,} of {one['carts']:>9,} {percent(one['rate'])}, worth {_shown(one['abandoned_amount'])}"
    )
    recovered = "" if one["recovered"] is None else f"; {one['recovered']:,} were paid for after the visit"
    return f"  {name:15} {left}{recovered}"


def _added(carts: ir.Table) -> ir.Table:
    return carts.group_by("unit", "horizon_s").agg(
        carts=carts.cart_count.sum(),
        abandoned=carts.abandoned_cart_count.sum(),
        recovered=carts.recovered_cart_count.sum(),
        abandoned_amount=carts.abandoned_cart_amount.sum(),
    )


def _tells_money(engine: Engine) -> bool:
    events = engine.table(SessionEvents)
    told = events.filter(events.event_type == "purchase", events.cart_amount.notnull())
    return bool(told.select("event_id").limit(1).to_pyarrow().num_rows)


def _total(number: int, row: dict[str, Any], *, has_money: bool) -> dict[str, Any]:
    size, returned = int(row["size"]), int(row["returned"])
    return {
        "period": number,
        "size": size,
        "returned": returned,
        "rate": returned / size,
        "lifetime_value": float(row["revenue"]) / size if has_money else None,
    }


def _cart(row: dict[str, Any]) -> dict[str, Any]:
    carts, abandoned, amount = int(row["carts"]), int(row["abandoned"]), row["abandoned_amount"]
    return {
        "unit": row["unit"],
        "horizon_s": int(row["horizon_s"]),
        "carts": carts,
        "abandoned": abandoned,
        "recovered": None if row["recovered"] is None else int(row["recovered"]),
        "rate": abandoned / carts if carts else None,
        "abandoned_amount": None if amount is None else f"{amount:.2f}",
    }


def _shown(amount: str | None) -> str:
    return "unknown" if amount is None else f"{float(amount):,.2f}"
