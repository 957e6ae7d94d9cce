"""Carts that were left behind. Not here: how they are counted (`transforms/cart_abandonment.py`)."""

import ibis.expr.types as ir

from ecom_assets.assets.behaviour import restated_sessions
from ecom_assets.assets.table_asset import Reads, table_asset
from ecom_assets.contracts.cart_abandonment import CartAbandonment
from ecom_assets.contracts.sessions import SessionDays, SessionEvents, Sessions
from ecom_assets.transforms import cart_abandonment as carts
from ecom_assets.transforms.cart_abandonment import CartRule
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.session_rule import SessionRule
from ecom_assets.transforms.stacking import stacked


def restated_carts(session_days: ir.Table, session_rule: SessionRule, cart_rule: CartRule, days: Days) -> ir.Table:
    """Days whose sessions changed, and those whose horizons reach into the run's days."""
    open_days = days.widened(before=cart_rule.longest_days)
    opened = session_days.filter(open_days.contain(session_days.event_date)).select(day="event_date")
    return stacked(restated_sessions(session_days, session_rule, days), opened).distinct()


@table_asset(
    CartAbandonment,
    session_events=Reads(SessionEvents, whole=True),
    session_days=Reads(SessionDays, whole=True),
    sessions=Reads(Sessions, whole=True),
    restates=restated_carts,
)
def cart_abandonment(session_events: ir.Table, sessions: ir.Table, cart_rule: CartRule, days: Days) -> ir.Table:
    """Count carts with and without a purchase."""
    return carts.cart_abandonment(session_events, sessions, days, cart_rule)


CART_ASSETS = (cart_abandonment,)
