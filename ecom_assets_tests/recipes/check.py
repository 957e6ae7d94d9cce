"""The smallest check: what must hold of a table, and what counts as broken."""

import ibis.expr.types as ir

from ecom_assets.core.tables.check import BrokenRows, check
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.recipes.mart import OrderHours

LAST_HOUR = 23


@check(OrderHours, reads=(OrderHours,), blocking=True)
def hours_are_of_one_day(_days: Days | None, hours: ir.Table) -> BrokenRows:
    """No hour is later than 23."""
    return BrokenRows(hours.filter(hours.order_hour > LAST_HOUR), hours)
