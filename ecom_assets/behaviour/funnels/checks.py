"""Checks of funnels: steps never increase, categories add up to the totals, and carts agree."""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.contracts import CartAbandonment, ConversionFunnel
from ecom_assets.behaviour.funnels.daily import ALL_CATEGORIES
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all


@check(ConversionFunnel, reads=(ConversionFunnel,), blocking=True)
def steps_never_increase(days: Days | None, funnel: ir.Table) -> BrokenRows:
    """No step of a funnel has more units than the step before it."""
    funnel = rows_on_days(funnel, "cohort_date", days)
    in_order = ibis.window(
        group_by=["funnel_name", "cohort_date", "unit", "product_category"], order_by="step"
    )
    funnel = funnel.mutate(previous_count=funnel.unit_count.lag().over(in_order))
    return BrokenRows(funnel.filter(funnel.unit_count > funnel.previous_count), funnel)


@check(ConversionFunnel, reads=(ConversionFunnel,), blocking=True)
def categories_add_up_to_total(days: Days | None, funnel: ir.Table) -> BrokenRows:
    """Per funnel, day, unit and step, the categories add up to the total."""
    funnel = rows_on_days(funnel, "cohort_date", days)
    is_total = funnel.product_category == ALL_CATEGORIES
    sums = funnel.group_by("funnel_name", "cohort_date", "unit", "step").agg(
        total_count=funnel.unit_count.sum(where=is_total).fill_null(0),
        category_count=funnel.unit_count.sum(where=~is_total).fill_null(0),
    )
    return BrokenRows(sums.filter(sums.total_count != sums.category_count), sums)


@check(CartAbandonment, reads=(Sessions, CartAbandonment))
def carts_agree(days: Days | None, sessions: ir.Table, carts: ir.Table) -> BrokenRows:
    """Session carts are sessions with one; longer horizons leave fewer; recovered were bought."""
    carts, sessions = (
        rows_on_days(carts, "cart_date", days),
        rows_on_days(sessions, "started_date", days),
    )
    in_order = ibis.window(group_by=["cart_date", "unit"], order_by="horizon_s")
    rows = carts.mutate(shorter_count=carts.abandoned_cart_count.lag().over(in_order))
    wrong = (rows.abandoned_cart_count > rows.shorter_count) | (
        rows.recovered_cart_count > rows.converted_cart_count
    )
    broken = rows.filter(wrong).select(
        "cart_date", "unit", "horizon_s", found_count="abandoned_cart_count"
    )
    filled = sessions.filter(sessions.add_to_cart_count > 0)
    expected = filled.group_by(cart_date="started_date").agg(expected_count=filled.count())
    stored = carts.filter(carts.unit == "session").select(
        "cart_date", "unit", "horizon_s", found_count="cart_count"
    )
    joined = expected.outer_join(stored, "cart_date")
    differs = joined.filter(joined.expected_count.fill_null(0) != joined.found_count.fill_null(0))
    lost = differs.select(
        cart_date=ibis.coalesce(differs.cart_date, differs.cart_date_right),
        unit=ibis.literal("session"),
        horizon_s=ibis.literal(0, "int64"),
        found_count=differs.found_count.fill_null(0),
    )
    return BrokenRows(union_all(broken, lost), carts)


FUNNEL_CHECKS = [steps_never_increase, categories_add_up_to_total, carts_agree]
"""All checks of funnels and carts, in addition to the contracts."""
