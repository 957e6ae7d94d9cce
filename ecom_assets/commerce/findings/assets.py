"""Asset of what to look at: `mart.findings`, the numbers of the newest week that are beyond chance,
the stock that runs out, and whether orders and visits meet.

Only whole days of a source are compared, before today on the shop's clock. What is compared, and
how, is in `findings.py`; here the tables are read, and their small results turned into rows.
"""

from decimal import Decimal
from typing import Any, Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.attribution.contracts import Conversions, OrderVisits, Touches
from ecom_assets.commerce.attribution.order_visits import ReconciliationRule
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
from ecom_assets.core.warehouse.local import arrow_in_memory

READ_TOO: Final = (EngagementDaily, RevenueDaily, PurchaseRevenueDaily)
"""Of the tables that say which days are known, those whose rows are read, too."""


@table_asset(
    ShopFindings,
    deps=tuple(asset_key(contract) for contract in KNOWN_FROM if contract not in READ_TOO),
    touches=Reads(Touches, whole=True),
    conversion=Reads(ConversionByDimension, whole=True),
    engagement=Reads(EngagementDaily, whole=True),
    products=Reads(ProductPerformance, whole=True),
    alerts=Reads(InventoryAlerts, whole=True),
    revenue=Reads(RevenueDaily, whole=True),
    purchases=Reads(PurchaseRevenueDaily, whole=True),
    conversions=Reads(Conversions, whole=True),
    events=Reads(CleanEvents, whole=True),
    order_visits=Reads(OrderVisits, whole=True),
)
def findings(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    touches: ir.Table,
    conversion: ir.Table,
    engagement: ir.Table,
    products: ir.Table,
    alerts: ir.Table,
    revenue: ir.Table,
    purchases: ir.Table,
    conversions: ir.Table,
    events: ir.Table,
    order_visits: ir.Table,
    order_rule: OrderRule,
    reconciliation_rule: ReconciliationRule,
    empty_days: EmptyDayMeaning,
    warehouse: Engine,
    clock: Clock,
    timezone: str,
) -> Any:  # noqa: ANN401 (Ibis has no types)
    """Find the numbers of the newest week that are beyond chance, the stock that runs out, and
    orders that do not meet visits.
    """
    today = today_in(timezone, clock)
    whole_days = {
        source: frozenset(
            day for day in days_of_source(warehouse, source, order_rule, empty_days) if day < today
        )
        for source in (EVENTS, ORDERS)
    }
    newest_day = {source: max(days, default=today) for source, days in whole_days.items()}
    sales_source = ORDERS if whole_days[ORDERS] else EVENTS
    days = compute.looked_at_days(newest_day[EVENTS])

    # What a visit and a purchase are worth: the revenue of the days of which both are known.
    days_of_both = whole_days[EVENTS] & whole_days[sales_source] & set(days.dates)
    (sums,) = rows_of(
        compute.worth_of_sessions(engagement, revenue, purchases, Days.from_dates(days_of_both))
    )
    money = sums["order_amount" if sales_source == ORDERS else "purchase_amount"]
    visit_worth = _mean(money, sums["session_count"])
    purchase_worth = _mean(money, sums["purchase_session_count"])

    visits = rows_of(compute.visits_by_day(touches, days))
    steps = rows_of(compute.steps_by_day(conversion, days))
    sales_days = compute.looked_at_days(newest_day[sales_source])
    refunds = rows_of(compute.refunds_by_day(products, sales_days))
    of_events = [
        *compute.compared_visits(visits, visit_worth),
        *compute.compared_steps(steps, purchase_worth),
    ]
    of_sales = compute.compared_refunds(refunds)
    numbers = [
        (number, newest_day[source], whole_days[source])
        for source, compared in ((EVENTS, of_events), (sales_source, of_sales))
        for number in compared
    ]
    rows = [
        *compute.finding_rows(compute.deviations(numbers)),
        *compute.stock_rows(rows_of(compute.stock_that_runs_out(alerts))),
        *compute.meeting_rows(
            *(conversions, touches, events, order_visits, reconciliation_rule),
            compute.meeting_days(whole_days[EVENTS], whole_days[ORDERS]),
        ),
    ]
    return arrow_in_memory("findings", compute.as_table(rows)).select(*ShopFindings.columns)


def _mean(amount: Decimal | None, count: int | None) -> Decimal | None:
    """Return the mean of so many; None where nothing has an amount, or there are none."""
    return amount / count if amount is not None and count else None


FINDING_ASSETS = (findings,)
