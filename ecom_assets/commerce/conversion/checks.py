"""Checks of conversion: dimensions add up to the totals."""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.funnels.contracts import CARTS, CartAbandonment, ConversionFunnel
from ecom_assets.behaviour.funnels.daily import ALL_CATEGORIES
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all

STEP_KEY = ("funnel_name", "cohort_date", "step")


@check(ConversionByDimension, reads=(ConversionByDimension, ConversionFunnel, CartAbandonment))
def dimensions_add_up_to_the_totals(
    days: Days | None, parts: ir.Table, funnels: ir.Table, carts: ir.Table
) -> BrokenRows:
    """Per day, funnel and step, the values of each dimension add up to the funnel, or to the carts,
    of all sessions.
    """
    parts = rows_on_days(parts, "cohort_date", days)
    summed = parts.group_by(*STEP_KEY, "dimension").agg(
        summed_count=parts.unit_count.sum().cast("int64")
    )
    totals = rows_on_days(_totals(funnels, carts), "cohort_date", days)
    joined = summed.join(
        totals,
        [summed[name] == totals[name] for name in STEP_KEY],
        how="left",
        rname="total_{name}",
    )
    wrong = joined.filter(
        (joined.summed_count != joined.total_count).fill_null(ibis.literal(value=True))
    )
    missing = totals.filter(totals.total_count > 0).anti_join(summed, STEP_KEY)
    return BrokenRows(union_all(wrong.select(*STEP_KEY), missing.select(*STEP_KEY)), summed)


def _totals(funnels: ir.Table, carts: ir.Table) -> ir.Table:
    """Return the sessions at each step, from the tables without dimensions."""
    steps = funnels.filter(funnels.unit == "session", funnels.product_category == ALL_CATEGORIES)
    of_funnels = steps.select(*STEP_KEY, total_count="unit_count")
    carts = carts.filter(carts.unit == "session")
    of_carts = [
        carts.select(
            funnel_name=ibis.literal(name),
            cohort_date="cart_date",
            step=ibis.literal(step, "int64"),
            total_count=carts[f"{kind}_count"]
            - (carts[f"abandoned_{kind}_count"] if step > 1 else 0),
        )
        for name, kind in CARTS.items()
        for step in (1, 2)
    ]
    return union_all(of_funnels, *of_carts)


CONVERSION_CHECKS = [dimensions_add_up_to_the_totals]
"""All checks of conversion by dimension, in addition to the contract."""
