"""Checks of customers: no record is lost, one version of each is current,
and segments and value cover all buyers.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.customers.contracts import (
    PROFILE_DIMENSIONS,
    CustomerProfiles,
    Customers,
    CustomerSegments,
    DuplicateCustomers,
    LifetimeValue,
    QuarantinedCustomers,
    RawCustomers,
)
from ecom_assets.commerce.customers.customers import latest_copies
from ecom_assets.commerce.sales.contracts import Customer
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import NO, union_all
from ecom_assets.core.tables.received import balance

ALL_OR_NONE = (
    (("r", "alpha", "a", "b", "alive_probability", "expected_order_count"), "no_model_reason"),
    (("p", "q", "v", "expected_order_value"), "no_order_value_reason"),
)


@check(CustomerSegments, reads=(Customer, CustomerSegments))
def segmented_are_the_customers(
    _days: Days | None, customers: ir.Table, segments: ir.Table
) -> BrokenRows:
    """Everybody with a shipped order is in a segment,
    with orders and revenue as in mart.customer.
    """
    columns = ("customer_id", "order_count", "revenue_amount")
    ordered = customers.filter(customers.order_count > 0).select(*columns)
    rows = segments.select(*columns).rename(of_segment="order_count", in_segment="revenue_amount")
    joined = ordered.outer_join(rows, "customer_id")
    is_same = (joined.order_count == joined.of_segment) & (
        joined.revenue_amount == joined.in_segment
    )
    # If a shop has no orders, segments come from its purchase events, and there is nothing to
    # compare them with.
    has_orders = customers.agg(customer_count=customers.count()).filter(
        lambda counted: counted.customer_count > 0
    )
    # No ids in the examples: Dagster keeps them longer than the warehouse keeps the rows.
    compared = joined.select(
        "order_count", "of_segment", "revenue_amount", "in_segment", is_same=is_same.fill_null(NO)
    )
    compared = compared.cross_join(has_orders)
    return BrokenRows(compared.filter(~compared.is_same), compared)


@check(LifetimeValue, reads=(CustomerSegments, LifetimeValue))
def valued_are_the_segmented(
    _days: Days | None, segments: ir.Table, values: ir.Table
) -> BrokenRows:
    """Everybody who is in a segment has a value or a reason, and nobody else."""
    result = values.rename(valued_id="customer_id").drop("as_of_date")
    joined = segments.select("customer_id", "as_of_date").outer_join(
        result, segments.customer_id == result.valued_id
    )
    is_right = joined.customer_id.notnull() & joined.valued_id.notnull()
    for names, reason in ALL_OR_NONE:
        for name in names:
            is_right &= joined[name].isnull() == joined[reason].notnull()
    compared = joined.select(
        "no_model_reason", "no_order_value_reason", is_right=is_right.fill_null(NO)
    )
    return BrokenRows(compared.filter(~compared.is_right), compared)


VALUE_CHECKS = [segmented_are_the_customers, valued_are_the_segmented]
"""All checks of segments and lifetime value, in addition to the contracts."""


def accounting(
    days: Days | None, raw: ir.Table, quarantined: ir.Table, surplus: ir.Table, versions: ir.Table
) -> ir.Table:
    """Return one row per day of a fetch, in `received_date`, with four counts and their `residue`,
    which must be zero.

    A customer counts if a version covers the day.
    """
    raw, quarantined, surplus = (
        rows_on_days(rows, "received_date", days) for rows in (raw, quarantined, surplus)
    )
    copies = latest_copies(raw).select("received_date", "customer_id")
    spans = versions.select("customer_id", "valid_from", "valid_to")
    is_covered = [
        copies.customer_id == spans.customer_id,
        copies.received_date >= spans.valid_from,
        spans.valid_to.isnull() | (copies.received_date < spans.valid_to),
    ]
    covered = copies.join(spans, is_covered).select("received_date")
    per_day = balance(
        None,
        {
            "received_count": (raw, "received_date", None),
            "customer_count": (covered, "received_date", None),
            "quarantined_count": (quarantined, "received_date", None),
            "surplus_count": (surplus, "received_date", "surplus_count"),
        },
    )
    return per_day.rename(received_date="day")


@check(
    Customers,
    reads=(RawCustomers, QuarantinedCustomers, DuplicateCustomers, Customers),
    blocking=True,
)
def received_is_customers_plus_quarantined_plus_surplus(
    days: Days | None, *tables: ir.Table
) -> BrokenRows:
    """Per fetch, received records = customers + quarantined records + surplus copies."""
    per_day = accounting(days, *tables)
    return BrokenRows(per_day.filter(per_day.residue != 0), per_day)


@check(Customers, reads=(Customers,), blocking=True)
def one_version_is_current(_days: Days | None, versions: ir.Table) -> BrokenRows:
    """Of each customer at most the last version is current,
    and the others end where the next begins, or before.
    """
    in_order = ibis.window(group_by="customer_id", order_by="valid_from")
    ordered = versions.mutate(next_from=versions.valid_from.lead().over(in_order))
    is_end = ordered.next_from.isnull()
    # A record that is no valid customer ends a version, so that a customer may have none for some
    # days, or at last.
    is_ended = (
        ordered.valid_to.notnull() & (ordered.valid_to > ordered.valid_from) & ~ordered.is_current
    )
    is_right = is_end.ifelse(
        (ordered.valid_to.isnull() & ordered.is_current) | is_ended,
        is_ended & (ordered.valid_to <= ordered.next_from),
    )
    # No ids in the examples: Dagster keeps them longer than the warehouse keeps the rows.
    ordered = ordered.select("valid_from", "valid_to", "is_current", "next_from", is_right=is_right)
    return BrokenRows(
        ordered.filter(~ordered.is_right.fill_null(ibis.literal(value=False))), ordered
    )


@check(CustomerProfiles, reads=(Customers, CustomerProfiles))
def profiles_add_up_to_all_customers(
    _days: Days | None, versions: ir.Table, profiles: ir.Table
) -> BrokenRows:
    """The values of each dimension add up to all current customers."""
    expected = versions.agg(customer_count=versions.is_current.ifelse(1, 0).sum().fill_null(0))
    expected = union_all(
        *(expected.mutate(dimension=ibis.literal(name)) for name in PROFILE_DIMENSIONS)
    )
    sums = profiles.group_by(counted="dimension").agg(counted_sum=profiles.customer_count.sum())
    joined = expected.left_join(sums, expected.dimension == sums.counted)
    compared = joined.select(
        "dimension", "customer_count", counted_sum=joined.counted_sum.fill_null(0)
    )
    return BrokenRows(compared.filter(compared.customer_count != compared.counted_sum), compared)


CUSTOMER_CHECKS = [
    received_is_customers_plus_quarantined_plus_surplus,
    one_version_is_current,
    profiles_add_up_to_all_customers,
]
"""All checks of customers, in addition to the contracts."""
