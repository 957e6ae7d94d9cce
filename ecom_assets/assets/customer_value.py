"""Customers by what they are worth: segments, and expected value. Not here: how (`transforms/`).

Both look at all of history and are computed whole: anybody's order can move everybody's score and the models.
"""

from typing import Any

import ibis.expr.types as ir

from ecom_assets.assets.table_asset import Reads, table_asset
from ecom_assets.contracts.customer_value import CustomerSegments, LifetimeValue
from ecom_assets.contracts.sales import Sales
from ecom_assets.contracts.sessions import Sessions
from ecom_assets.transforms import customer_segments as segments
from ecom_assets.transforms.purchases import Purchases
from ecom_assets.transforms.value_rule import ValueRule
from ecom_assets.warehouse.duckdb import connect

EVERY_SALE = Reads(Sales, whole=True)
EVERY_SESSION = Reads(Sessions, whole=True)


@table_asset(CustomerSegments, sales=EVERY_SALE, sessions=EVERY_SESSION)
def customer_segments(sales: ir.Table, sessions: ir.Table) -> ir.Table:
    """Score every customer, and name the segment."""
    return segments.customer_segments(Purchases.of_platform(sales, sessions), segments.SegmentRule())


@table_asset(LifetimeValue, follows=(customer_segments.key,), sales=EVERY_SALE, sessions=EVERY_SESSION)
def lifetime_value(sales: ir.Table, sessions: ir.Table, value_rule: ValueRule) -> Any:  # noqa: ANN401 (Ibis has no types)
    """Fit both models to every customer's history, and tell what to expect of each."""
    from ecom_assets.transforms import lifetime_value as value  # noqa: PLC0415 (loads SciPy)

    told = value.histories(Purchases.of_platform(sales, sessions)).to_pyarrow()
    con = connect()
    con.con.register("lifetime_value", value.lifetime_value(told, value.ValueModels.fit(told), value_rule))
    return con.table("lifetime_value").select(*LifetimeValue.columns)


VALUE_ASSETS = (customer_segments, lifetime_value)
