"""Which days tables restate whose rows look back to touches: docs/adr/0003. Not here: those tables."""

import ibis.expr.types as ir

from ecom_assets.assets.table_asset import Reads
from ecom_assets.contracts.attribution import Conversions, Touches
from ecom_assets.contracts.orders import ChangedOrderDays, UserOrderLog
from ecom_assets.transforms import orders
from ecom_assets.transforms.attribution_days import touched_days
from ecom_assets.transforms.attribution_rule import AttributionRule
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.session_rule import SessionRule

EVERY_TOUCH = Reads(Touches, whole=True)
EVERY_CONVERSION = Reads(Conversions, whole=True)
EVERY_LINE = Reads(UserOrderLog, whole=True)
EVERY_CHANGED_DAY = Reads(ChangedOrderDays, whole=True)


def restated_credit(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    conversions: ir.Table,
    session_days: ir.Table,
    changed_order_days: ir.Table,
    session_rule: SessionRule,
    attribution_rule: AttributionRule,
    days: Days,
) -> ir.Table:
    """Days of conversions that look back to what the run can change."""
    changed = orders.changed_days(changed_order_days, days)
    converted = conversions.select(day="converted_date")
    return touched_days(converted, session_days, changed, session_rule, attribution_rule, days)
