"""Asset of what to look at."""

from decimal import Decimal
from typing import Any, Final

import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.commerce.findings import findings as compute
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.orders.held_days import ORDERS
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.products.contracts import InventoryAlerts, ProductPerformance
from ecom_assets.commerce.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.commerce.sales.source_days import (
    KNOWN_FROM,
    EmptyDayMeaning,
    days_of_source,
)
from ecom_assets.core.clock import Clock, today_in
from ecom_assets.core.tables.asset import Reads, asset_key, table_asset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import EVENTS
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.local import connect

READ_TOO: Final = (EngagementDaily, RevenueDaily, PurchaseRevenueDaily)
"""Of the tables that say which days are known, those whose rows are read, too."""


@table_asset(
    ShopFindings,
    deps=tuple(asset_key(one) for one in KNOWN_FROM if one not in READ_TOO),
    touches=Reads(Touches, whole=True),
    conversion=Reads(ConversionByDimension, whole=True),
    engagement=Reads(EngagementDaily, whole=True),
    products=Reads(ProductPerformance, whole=True),
    alerts=Reads(InventoryAlerts, whole=True),
    revenue=Reads(RevenueDaily, whole=True),
    purchases=Reads(PurchaseRevenueDaily, whole=True),
)
def findings(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    touches: ir.Table,
    conversion: ir.Table,
    engagement: ir.Table,
    products: ir.Table,
    alerts: ir.Table,
    revenue: ir.Table,
    purchases: ir.Table,
    order_rule: OrderRule,
    empty_days: EmptyDayMeaning,
    warehouse: Engine,
    clock: Clock,
    timezone: str,
) -> Any:  # noqa: ANN401 (Ibis has no types)
    """Find the numbers of the newest week that are beyond chance, and the stock that runs out."""
    today = today_in(timezone, clock)
    whole = {
        source: frozenset(
            day for day in days_of_source(warehouse, source, order_rule, empty_days) if day < today
        )
        for source in (EVENTS, ORDERS)
    }
    last = {source: max(days, default=today) for source, days in whole.items()}
    sold_by = ORDERS if whole[ORDERS] else EVENTS
    days = compute.looked_at_days(last[EVENTS])
    both = Days.from_dates(whole[EVENTS] & whole[sold_by] & set(days.dates))
    (worth,) = rows_of(compute.worth_of_sessions(engagement, revenue, purchases, both))
    money = worth["order_amount" if sold_by == ORDERS else "purchase_amount"]
    visit, purchase = (
        _each(money, worth[name]) for name in ("session_count", "purchase_session_count")
    )
    refunds = compute.refunds_by_day(products, compute.looked_at_days(last[sold_by]))
    of_events = [
        *compute.compared_visits(rows_of(compute.visits_by_day(touches, days)), visit),
        *compute.compared_steps(rows_of(compute.steps_by_day(conversion, days)), purchase),
    ]
    of_sales = compute.compared_refunds(rows_of(refunds))
    numbers = [
        *((number, last[EVENTS], whole[EVENTS]) for number in of_events),
        *((number, last[sold_by], whole[sold_by]) for number in of_sales),
    ]
    short = rows_of(compute.stock_that_runs_out(alerts))
    rows = [
        *compute.finding_rows(compute.deviations(numbers)),
        *compute.stock_rows(short),
    ]
    con = connect()
    con.con.register("findings", compute.as_table(rows))
    return con.table("findings").select(*ShopFindings.columns)


def _each(amount: Decimal | None, count: int | None) -> Decimal | None:
    """Return what each of so many came to; None where nothing has an amount, or there is none."""
    return amount / count if amount is not None and count else None


FINDING_ASSETS = (findings,)
