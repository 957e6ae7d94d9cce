"""The columns of customers that no source of the shop fills, and what would fill them."""

from typing import Final

from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.records import mapping_of
from ecom_assets.sources.order_reports.source import has_events, has_orders

EVENTS: Final = "ECOM_EVENTS"
ORDERS: Final = "ECOM_ORDERS"
FILLED_BY: Final[dict[str, tuple[str, ...]]] = {
    "activity_status": ("last_login_at", EVENTS),
    "engagement_level": ("engagement_score", EVENTS),
    "market_segment": ("country", "region", "city"),
    "acquisition_channel": (EVENTS,),
    "customer_tier": (ORDERS, EVENTS),
}
"""What fills each: fields of the customer API, or data of the shop; any of them does."""


def unfilled_columns(settings: Settings) -> dict[str, list[str]]:
    """Return what would fill each column of customers that nothing fills, by the name of the column."""
    given = {name for name, _ in mapping_of(settings).fields.given()}
    given |= {name for name, is_given in ((EVENTS, has_events(settings)), (ORDERS, has_orders(settings))) if is_given}
    return {name: [*sources] for name, sources in FILLED_BY.items() if not given.intersection(sources)}
