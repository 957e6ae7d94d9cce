"""The smallest check: what must hold of a table, and what counts as broken."""

import ibis.expr.types as ir

from ecom_assets.tables.check import CheckResult, check
from ecom_assets.tables.days import Days
from ecom_assets_tests.recipes.mart import OrderHours

LAST_HOUR = 23


@check(OrderHours, reads=(OrderHours,), blocking=True)
def hours_are_of_one_day(_days: Days | None, hours: ir.Table) -> CheckResult:
    """No hour is later than 23."""
    late = hours.filter(hours.order_hour > LAST_HOUR)
    broken = late.limit(3).to_pyarrow().to_pylist()
    return CheckResult(int(late.count().to_pyarrow().as_py()), int(hours.count().to_pyarrow().as_py()), broken)
