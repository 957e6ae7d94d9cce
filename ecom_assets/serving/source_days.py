"""The first and the last day with data of each source; for other days it is unknown whether nothing happened.

A publication notes it beside the tables that it publishes.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from ecom_assets.products.contracts import InventoryAlerts, RawStock
from ecom_assets.sales.contracts import RevenueDaily
from ecom_assets.sessions.contracts import EngagementDaily
from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.engine import Engine

Ends = tuple[str | None, str | None]
"""The first and the last day, as YYYY-MM-DD; None where there are none."""
DAYS_OF: Final[Mapping[str, tuple[type[Table], str]]] = {
    "events": (EngagementDaily, "event_date"),
    "orders": (RevenueDaily, "order_date"),
    "stock": (RawStock, "received_date"),
}
"""The table of each source that has its first and its last day."""
PUBLISHED_DAYS_OF: Final[Mapping[str, tuple[type[Table], str]]] = {**DAYS_OF, "stock": (InventoryAlerts, "as_of_date")}
"""The same among published tables, for publications that noted no days."""


def source_days(engine: Engine) -> dict[str, Ends]:
    """Return the first and the last day of each source."""
    return {source: _ends(engine, *place) for source, place in DAYS_OF.items()}


def _ends(engine: Engine, contract: type[Table], column: str) -> Ends:
    if not engine.has(contract):
        return None, None
    # Not through Ibis: it takes the ends of a column that is never null for never null, and an empty table has none.
    day = engine.quoted(column)
    (row,) = engine.query(f"SELECT min({day}) AS first_day, max({day}) AS last_day FROM {engine.name_of(contract)}")  # noqa: S608 (names come from contracts)
    return _text(row["first_day"]), _text(row["last_day"])


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
