"""Current customers counted by tier, engagement, market and data quality: no personal data, so it can be published."""

from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.customers.contracts import PROFILE_DIMENSIONS, CustomerProfiles
from ecom_assets.tables.portable import union_all

UNKNOWN: Final = "unknown"
"""Stands for a null tier or level; listed only if a customer has it."""


def customer_profiles(customers: ir.Table) -> ir.Table:
    """Return the number of current customers for each value of each dimension, from all rows of `Customers`."""
    current = customers.filter(customers.is_current)
    return union_all(*(_by(current, name) for name in PROFILE_DIMENSIONS)).select(*CustomerProfiles.columns)


def _by(current: ir.Table, name: str) -> ir.Table:
    valued = current.mutate(dimension=ibis.literal(name), value=current[name].fill_null(UNKNOWN))
    return valued.group_by("dimension", "value").agg(as_of_date=valued.as_of_date.max(), customer_count=valued.count())
