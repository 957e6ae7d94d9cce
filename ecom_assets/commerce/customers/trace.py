"""How segments and lifetime value go down to the orders of a customer."""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.customers.contracts import (
    CustomerProfiles,
    CustomerSegments,
    LifetimeValue,
)
from ecom_assets.commerce.sales.contracts import Sales
from ecom_assets.commerce.sales.trace import counted_as_orders, signed, with_status
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    Sum,
    TableTrace,
    TraceContext,
    like_row,
)

SOLD: Final = like_row(Sales, "customer_id")
SHIPPED: Final = with_status(SOLD, "shipped")


def _later_shipped(context: TraceContext) -> ir.Table:
    """Return the shipped lines of a customer after the first day with one."""
    return _after_first_day(SHIPPED(context), "order_date")


def _after_first_day(rows: ir.Table, day: str) -> ir.Table:
    rows = rows.cross_join(rows.agg(first_date=rows[day].min()))
    return rows.filter(rows[day] > rows.first_date).drop("first_date")


def _bought_in(context: TraceContext) -> ir.Table:
    """Return the sessions of a customer with a purchase,
    which count as orders in a shop without any.
    """
    sessions = context.where(Sessions, visitor_id=context.row["customer_id"])
    return sessions.filter(sessions.purchase_count > 0)


def _later_bought_in(context: TraceContext) -> ir.Table:
    return _after_first_day(_bought_in(context), "started_date")


def _purchases(*, later: bool) -> Sum:
    def rows(context: TraceContext) -> ir.Table:
        sessions = (_later_bought_in if later else _bought_in)(context)
        events = _purchase_events(context)
        inside = events.event_at.between(sessions.started_at, sessions.ended_at)
        return events.join(sessions, [events.visitor_id == sessions.visitor_id, inside]).select(
            events
        )

    return Sum(CleanEvents, rows, "cart_amount")


def _purchase_events(context: TraceContext) -> ir.Table:
    return context.where(CleanEvents, visitor_id=context.row["customer_id"], event_type="purchase")


def _by_shop(lines: Derivation, events: Derivation) -> ByRow:
    """Return how a number is traced: to order lines,
    or to purchases for a shop without a single line.
    """

    def derivation(context: TraceContext) -> Derivation:
        has_lines = context.ask(context.table(Sales).select("uniq_id").limit(1))
        return lines if has_lines else events

    return ByRow(derivation)


ORDERS: Final = _by_shop(
    Count(Sales, counted_as_orders(SHIPPED)), Count(CleanEvents, _purchase_events)
)
REPEATS: Final = _by_shop(
    Count(Sales, _later_shipped, unit="order_date"),
    Count(Sessions, _later_bought_in, unit="started_date"),
)
INPUTS: Final = ("repeat_order_count", "first_to_last_days", "observed_days")
FITTED: Final = (
    "fitted to the orders of all customers, see docs/metrics/customers.md#value-of-customers"
)


def _model(how: str, *columns: str) -> Computed:
    return Computed(how, columns or INPUTS)


LIFETIME: Final[Mapping[str, Derivation]] = {
    "repeat_order_count": REPEATS,
    "first_to_last_days": Computed(
        "the days from the first day with an order to the last", ("repeat_order_count",)
    ),
    "observed_days": Computed(
        "the days from the first day with an order to as_of_date", ("as_of_date",)
    ),
    "repeat_amount": _by_shop(Sum(Sales, _later_shipped, "payment_amount"), _purchases(later=True)),
    "alive_probability": _model(
        "the chance by BG/NBD, with the parameters r, alpha, a and b of this row"
    ),
    "expected_order_count": _model(
        "the days to expect by BG/NBD, with the parameters r, alpha, a and b of this row"
    ),
    "expected_order_value": _model(
        "the mean to expect by Gamma-Gamma, with the parameters p, q and v of this row",
        "repeat_amount",
        "repeat_order_count",
    ),
    "lifetime_value_amount": _model(
        "expected orders of value_months at expected_order_value, discounted by discount_rate",
        "expected_order_count",
        "expected_order_value",
    ),
    **{
        name: Computed(f"a parameter of the model, {FITTED}")
        for name in ("r", "alpha", "a", "b", "p", "q", "v")
    },
    **{
        name: Computed("a setting of the model")
        for name in ("horizon_days", "value_months", "discount_rate")
    },
}
TRACES: Final = (
    TableTrace(
        CustomerSegments,
        "segments-of-customers",
        {
            "recency_days": Computed(
                "the days from last_order_date to as_of_date", ("last_order_date", "as_of_date")
            ),
            "order_count": ORDERS,
            "revenue_amount": _by_shop(
                Sum(Sales, signed(SOLD), "payment_amount"), _purchases(later=False)
            ),
            "recency_score": Computed(
                "the fifth of customers by last_order_date", ("recency_days",)
            ),
            "frequency_score": Computed("the fifth of customers by order_count", ("order_count",)),
            "monetary_score": Computed(
                "the fifth of customers by revenue_amount", ("revenue_amount",)
            ),
        },
    ),
    TableTrace(LifetimeValue, "value-of-customers", LIFETIME),
    TableTrace(
        CustomerProfiles,
        "profiles-of-customers",
        {
            "customer_count": Computed(
                "the current rows of staging.customers with that value, by the thresholds of the "
                "settings; that table holds personal data and is not published"
            )
        },
    ),
)
