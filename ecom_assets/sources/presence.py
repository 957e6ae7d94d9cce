"""Which sources a shop has: the ones that are set, and those whose rows earlier runs have stored.

What is computed follows from both, so that two runs, each with one source, leave the tables of one run with both.
"""

from collections.abc import Mapping
from typing import Final

from ecom_assets.customers.contracts import RawCustomers
from ecom_assets.events.contracts import RawEvents
from ecom_assets.orders.contracts import RawUserOrderLog
from ecom_assets.products.contracts import RawStock
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.customer_api.api import has_customers
from ecom_assets.sources.first_partition import remembered_sources
from ecom_assets.sources.order_reports.source import has_events, has_orders
from ecom_assets.sources.stock import has_stock
from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.engine import Engine

EVENTS, ORDERS, CUSTOMERS, STOCK = "events", "orders", "customers", "stock"
RAW_OF: Final[Mapping[str, type[Table]]] = {
    EVENTS: RawEvents,
    ORDERS: RawUserOrderLog,
    CUSTOMERS: RawCustomers,
    STOCK: RawStock,
}
"""The table that has the rows of each source as they were received."""


def given_sources(settings: Settings) -> frozenset[str]:
    """Return the sources that are set, from which a run loads; all of them over the sandbox shop."""
    is_given = {
        EVENTS: has_events(settings),
        ORDERS: has_orders(settings),
        CUSTOMERS: has_customers(settings),
        STOCK: has_stock(settings),
    }
    return frozenset(source for source, is_there in is_given.items() if is_there)


def stored_sources(engine: Engine) -> frozenset[str]:
    """Return the sources with rows in the warehouse."""
    return frozenset(name for name, raw in RAW_OF.items() if engine.has(raw) and engine.some_rows(raw, None, 1))


def known_sources(settings: Settings) -> frozenset[str]:
    """Return the sources that are set, and those that the last `ecom run` found stored.

    The warehouse is not opened, because Dagster asks whenever it loads the code.
    """
    return given_sources(settings) | (remembered_sources(settings) if settings.has_own_data else frozenset())
