"""Every contract, by the key of its asset. Not here: contracts themselves."""

from ecom_assets.contracts.attribution import (
    Arrivals,
    ChannelAttribution,
    ChannelRemovalEffects,
    Conversions,
    Touches,
)
from ecom_assets.contracts.conversion_funnel import ConversionFunnel
from ecom_assets.contracts.customer_retention import CustomerRetention
from ecom_assets.contracts.customers import Customers, FirstTouches, QuarantinedCustomers, RawCustomers
from ecom_assets.contracts.engagement_daily import EngagementDaily
from ecom_assets.contracts.events import CleanEvents, DuplicateEvents, QuarantinedEvents, RawEvents
from ecom_assets.contracts.orders import DuplicateOrders, QuarantinedOrders, RawUserOrderLog, UserOrderLog
from ecom_assets.contracts.sales import Calendar, City, Customer, Item, ProductSalesDaily, RevenueDaily, Sales
from ecom_assets.contracts.sessions import SessionDays, SessionEvents, Sessions
from ecom_assets.contracts.table import Table

ALL: tuple[type[Table], ...] = (
    RawEvents,
    DuplicateEvents,
    QuarantinedEvents,
    CleanEvents,
    SessionEvents,
    SessionDays,
    Sessions,
    ConversionFunnel,
    EngagementDaily,
    Arrivals,
    Touches,
    RawUserOrderLog,
    QuarantinedOrders,
    DuplicateOrders,
    UserOrderLog,
    Conversions,
    City,
    Item,
    Customer,
    Calendar,
    Sales,
    ProductSalesDaily,
    RevenueDaily,
    CustomerRetention,
    ChannelRemovalEffects,
    ChannelAttribution,
    RawCustomers,
    QuarantinedCustomers,
    FirstTouches,
    Customers,
)
BY_KEY = {f"{contract.layer}/{contract.name}": contract for contract in ALL}


def referring_to(contract: type[Table]) -> list[tuple[type[Table], str]]:
    """Return the tables that hold a contract's key, each with the column that does."""
    return [(table, name) for table in ALL for name, target in table.references if target is contract]
