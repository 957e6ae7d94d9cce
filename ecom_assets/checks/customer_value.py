"""What must hold of segments and expected value whatever the data. Not here: how well models fit (`docs/adr/0013`)."""

import ibis.expr.types as ir

from ecom_assets.checks.claim import Verdict, claim, verdict_of
from ecom_assets.contracts.customer_value import CustomerSegments, LifetimeValue
from ecom_assets.contracts.sales import Customer
from ecom_assets.transforms.days import NO, Days

ALL_OR_NONE = (
    (("r", "alpha", "a", "b", "alive_probability", "expected_order_count"), "no_model_reason"),
    (("p", "q", "v", "expected_order_value"), "no_order_value_reason"),
)


@claim(CustomerSegments, reads=(Customer, CustomerSegments))
def segmented_are_the_customers(_days: Days | None, customers: ir.Table, segments: ir.Table) -> Verdict:
    """Everybody with a shipped order is in a segment, with orders and revenue as in mart.customer."""
    columns = ("customer_id", "order_count", "revenue_amount")
    ordered = customers.filter(customers.order_count > 0).select(*columns)
    found = segments.select(*columns).rename(of_segment="order_count", in_segment="revenue_amount")
    both = ordered.outer_join(found, "customer_id")
    is_same = (both.order_count == both.of_segment) & (both.revenue_amount == both.in_segment)
    # Where a shop has no orders, its purchase events are segmented, and there is nothing to compare them with.
    has_orders = customers.agg(customer_count=customers.count()).filter(lambda one: one.customer_count > 0)
    # No ids: what a check shows outlives the rows.
    told = both.select("order_count", "of_segment", "revenue_amount", "in_segment", is_same=is_same.fill_null(NO))
    told = told.cross_join(has_orders)
    return verdict_of(told.filter(~told.is_same), told)


@claim(LifetimeValue, reads=(CustomerSegments, LifetimeValue))
def valued_are_the_segmented(_days: Days | None, segments: ir.Table, values: ir.Table) -> Verdict:
    """Everybody who is in a segment has a value or a reason, and nobody else."""
    found = values.rename(valued_id="customer_id").drop("as_of_date")
    both = segments.select("customer_id", "as_of_date").outer_join(found, segments.customer_id == found.valued_id)
    is_right = both.customer_id.notnull() & both.valued_id.notnull()
    for names, reason in ALL_OR_NONE:
        for name in names:
            is_right &= both[name].isnull() == both[reason].notnull()
    told = both.select("no_model_reason", "no_order_value_reason", is_right=is_right.fill_null(NO))
    return verdict_of(told.filter(~told.is_right), told)


VALUE_CLAIMS = [segmented_are_the_customers, valued_are_the_segmented]
"""Every claim about segments and expected value beyond the contracts."""
