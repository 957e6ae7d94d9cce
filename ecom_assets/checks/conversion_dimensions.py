"""What must hold of funnels by device and channel whatever the data. Not here: contracts, the funnels' totals."""

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import Verdict, claim, of_days, verdict_of
from ecom_assets.contracts.cart_abandonment import CartAbandonment
from ecom_assets.contracts.conversion_dimensions import CARTS, ConversionByDimension
from ecom_assets.contracts.conversion_funnel import ConversionFunnel
from ecom_assets.transforms.conversion_funnel import ALL_CATEGORIES
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.stacking import stacked

PLACE = ("funnel_name", "cohort_date", "step")


@claim(ConversionByDimension, reads=(ConversionByDimension, ConversionFunnel, CartAbandonment))
def dimensions_add_up_to_the_totals(days: Days | None, parts: ir.Table, funnels: ir.Table, carts: ir.Table) -> Verdict:
    """Per day, funnel and step, the values of each dimension add up to the funnel, or to the carts, of all sessions."""
    parts = of_days(parts, "cohort_date", days)
    told = parts.group_by(*PLACE, "dimension").agg(told_count=parts.unit_count.sum().cast("int64"))
    totals = of_days(_totals(funnels, carts), "cohort_date", days)
    both = told.join(totals, [told[name] == totals[name] for name in PLACE], how="left", rname="total_{name}")
    wrong = both.filter((both.told_count != both.total_count).fill_null(ibis.literal(value=True)))
    unsaid = totals.filter(totals.total_count > 0).anti_join(told, PLACE)
    places = ("funnel_name", "cohort_date", "step")
    return verdict_of(stacked(wrong.select(*places), unsaid.select(*places)), told)


def _totals(funnels: ir.Table, carts: ir.Table) -> ir.Table:
    """Sessions at each step, as the tables without dimensions have them."""
    steps = funnels.filter(funnels.unit == "session", funnels.product_category == ALL_CATEGORIES)
    of_funnels = steps.select(*PLACE, total_count="unit_count")
    carts = carts.filter(carts.unit == "session")
    of_carts = [
        carts.select(
            funnel_name=ibis.literal(name),
            cohort_date="cart_date",
            step=ibis.literal(step, "int64"),
            total_count=carts[f"{kind}_count"] - (carts[f"abandoned_{kind}_count"] if step > 1 else 0),
        )
        for name, kind in CARTS.items()
        for step in (1, 2)
    ]
    return stacked(of_funnels, *of_carts)


DIMENSION_CLAIMS = [dimensions_add_up_to_the_totals]
"""Every invariant of the funnels by dimension."""
