"""Every contract, by the key of its asset. Not here: contracts themselves."""

from ecom_assets.contracts.attribution import (
    Arrivals,
    ChannelAttribution,
    ChannelRemovalEffects,
    Conversions,
    Touches,
)
from ecom_assets.contracts.cart_abandonment import CartAbandonment
from ecom_assets.contracts.conversion_dimensions import ConversionByDimension
from ecom_assets.contracts.conversion_funnel import ConversionFunnel
from ecom_assets.contracts.customer_retention import CustomerRetention
from ecom_assets.contracts.customer_value import CustomerSegments, LifetimeValue
from ecom_assets.contracts.customers import (
    Customers,
    DuplicateCustomers,
    FirstTouches,
    QuarantinedCustomers,
    RawCustomers,
)
from ecom_assets.contracts.deliveries import DeadLetters, Deliveries, ReconciliationDaily
from ecom_assets.contracts.engagement_daily import EngagementDaily
from ecom_assets.contracts.events import CleanEvents, DuplicateEvents, QuarantinedEvents, RawEvents
from ecom_assets.contracts.held_days import DayReleases, HeldOrderDays
from ecom_assets.contracts.inventory import InventoryAlerts, RawStock
from ecom_assets.contracts.journeys import Journeys, JourneyTransitions
from ecom_assets.contracts.orders import (
    ChangedOrderDays,
    DuplicateOrders,
    QuarantinedOrders,
    RawUserOrderLog,
    UserOrderLog,
)
from ecom_assets.contracts.performance import CategoryPerformance, ProductPerformance, SearchPerformance
from ecom_assets.contracts.reconciliation import OrderEventReconciliation, OrderEventReconciliationDaily
from ecom_assets.contracts.restatements import PublishedDays, Restatements
from ecom_assets.contracts.retention_cohorts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.contracts.sales import (
    Calendar,
    City,
    Customer,
    Item,
    ProductSalesDaily,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.contracts.sessions import SessionDays, SessionEvents, Sessions
from ecom_assets.contracts.table import Table
from ecom_assets.contracts.withdrawals import Withdrawals

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
    ReturningVisitorsDaily,
    RetentionCohorts,
    CartAbandonment,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
    CategoryPerformance,
    Arrivals,
    Touches,
    ConversionByDimension,
    RawUserOrderLog,
    QuarantinedOrders,
    ChangedOrderDays,
    HeldOrderDays,
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
    PurchaseRevenueDaily,
    CustomerRetention,
    ProductPerformance,
    RawStock,
    InventoryAlerts,
    ChannelRemovalEffects,
    ChannelAttribution,
    RawCustomers,
    QuarantinedCustomers,
    DuplicateCustomers,
    FirstTouches,
    Customers,
    CustomerSegments,
    LifetimeValue,
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
    Deliveries,
    DeadLetters,
    ReconciliationDaily,
)
NOTES: tuple[type[Table], ...] = (PublishedDays, DayReleases, Withdrawals)
"""What no asset makes, and yet belongs to the tables: copied, cleared and migrated with them."""
PUBLISHED: tuple[type[Table], ...] = tuple(contract for contract in ALL if contract.counted_from)
"""Tables of daily numbers whose changes are logged."""
BY_KEY = {f"{contract.layer}/{contract.name}": contract for contract in ALL}


def referring_to(contract: type[Table]) -> list[tuple[type[Table], str]]:
    """Return the tables that hold a contract's key, each with the column that does."""
    return [(table, name) for table in ALL for name, target in table.references if target is contract]
