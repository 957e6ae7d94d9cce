"""No record of the customer API is lost, and every customer is somebody exactly once. Not here: what versions say."""

import ibis
import ibis.expr.types as ir

from ecom_assets.checks.claim import Verdict, claim, of_days, verdict_of
from ecom_assets.contracts.customers import Customers, DuplicateCustomers, QuarantinedCustomers, RawCustomers
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.stacking import stacked

TERMS = ("received_count", "customer_count", "quarantined_count", "surplus_count")


def accounting(
    days: Days | None, raw: ir.Table, quarantined: ir.Table, surplus: ir.Table, versions: ir.Table
) -> ir.Table:
    """One row per day of a fetch, in `received_date`, with four counts and the `residue` they leave; zero is well.

    A customer counts where a version covers the day.
    """
    raw, quarantined, surplus = (of_days(rows, "received_date", days) for rows in (raw, quarantined, surplus))
    copies = raw.filter(raw.reject_reason.isnull()).select("received_date", "customer_id").distinct()
    spans = versions.select("customer_id", "valid_from", "valid_to")
    is_covered = [
        copies.customer_id == spans.customer_id,
        copies.received_date >= spans.valid_from,
        spans.valid_to.isnull() | (copies.received_date < spans.valid_to),
    ]
    covered = copies.join(spans, is_covered).select("received_date")
    terms = stacked(
        _counted(raw, "received_count", raw.count()),
        _counted(covered, "customer_count", covered.count()),
        _counted(quarantined, "quarantined_count", quarantined.count()),
        _counted(surplus, "surplus_count", surplus.surplus_count.sum()),
    )
    per_day = terms.group_by("received_date").agg(**{term: terms[term].sum() for term in TERMS})
    left = per_day.received_count - per_day.customer_count - per_day.quarantined_count - per_day.surplus_count
    return per_day.mutate(residue=left)


def _counted(rows: ir.Table, term: str, number: ir.IntegerScalar) -> ir.Table:
    counts = rows.group_by("received_date").agg(number=number)
    zero = ibis.literal(0, "int64")
    return counts.select(
        "received_date", **{name: counts.number.cast("int64") if name == term else zero for name in TERMS}
    )


@claim(Customers, reads=(RawCustomers, QuarantinedCustomers, DuplicateCustomers, Customers), blocking=True)
def received_is_customers_plus_quarantined_plus_surplus(days: Days | None, *tables: ir.Table) -> Verdict:
    """Per fetch, received records = customers + quarantined records + surplus copies."""
    per_day = accounting(days, *tables)
    return verdict_of(per_day.filter(per_day.residue != 0), per_day)


@claim(Customers, reads=(Customers,), blocking=True)
def one_version_is_current(_days: Days | None, versions: ir.Table) -> Verdict:
    """Of each customer exactly one version is current, and the others end where the next begins."""
    in_order = ibis.window(group_by="customer_id", order_by="valid_from")
    told = versions.mutate(next_from=versions.valid_from.lead().over(in_order))
    is_end = told.next_from.isnull()
    is_right = is_end.ifelse(
        told.valid_to.isnull() & told.is_current, (told.valid_to == told.next_from) & ~told.is_current
    )
    # No ids: what a check shows outlives the rows.
    told = told.select("valid_from", "valid_to", "is_current", "next_from", is_right=is_right)
    return verdict_of(told.filter(~told.is_right.fill_null(ibis.literal(value=False))), told)


CUSTOMER_CLAIMS = [received_is_customers_plus_quarantined_plus_surplus, one_version_is_current]
"""Every claim about customers beyond the contracts."""
