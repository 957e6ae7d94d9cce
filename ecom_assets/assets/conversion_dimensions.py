"""Funnels of sessions by device, channel and category. Not here: how (`transforms/conversion_dimensions.py`)."""

from collections.abc import Sequence

import ibis.expr.types as ir

from ecom_assets.asset_keys import asset_key
from ecom_assets.assets.behaviour import ALL_PIECES, restated_sessions
from ecom_assets.assets.credit_days import EVERY_TOUCH
from ecom_assets.assets.table_asset import Reads, table_asset
from ecom_assets.contracts.cart_abandonment import CartAbandonment
from ecom_assets.contracts.conversion_dimensions import ConversionByDimension
from ecom_assets.contracts.conversion_funnel import ConversionFunnel
from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.sessions import SessionEvents, Sessions
from ecom_assets.transforms import conversion_dimensions as dimensions
from ecom_assets.transforms.daily_funnel import DailyFunnel
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.session_rule import SessionRule


@table_asset(
    ConversionByDimension,
    follows=(asset_key(ConversionFunnel), asset_key(CartAbandonment)),
    events=Reads(CleanEvents, whole=True),
    session_events=Reads(SessionEvents, whole=True),
    session_days=ALL_PIECES,
    sessions=Reads(Sessions, whole=True),
    touches=EVERY_TOUCH,
    restates=restated_sessions,
)
def conversion_by_dimension(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    events: ir.Table,
    session_events: ir.Table,
    session_days: ir.Table,
    sessions: ir.Table,
    touches: ir.Table,
    days: Days,
    funnels: Sequence[DailyFunnel],
    session_rule: SessionRule,
) -> ir.Table:
    """Count who reached each step, by what they came with."""
    visits = dimensions.Visits(events, session_events, session_days, sessions, touches)
    return dimensions.conversion_by_dimension(visits, days, funnels, session_rule)


DIMENSION_ASSETS = (conversion_by_dimension,)
