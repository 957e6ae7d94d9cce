"""Every contract, by the key of its asset. Not here: contracts themselves."""

from collections.abc import Iterator

from ecom_assets.attribution.contracts import (
    Arrivals,
    ChannelAttribution,
    ChannelRemovalEffects,
    Conversions,
    FirstTouches,
    Touches,
)
from ecom_assets.customers.contracts import (
    Customers,
    CustomerSegments,
    DuplicateCustomers,
    LifetimeValue,
    QuarantinedCustomers,
    RawCustomers,
)
from ecom_assets.delivery.contracts import DeadLetters, Deliveries, ReconciliationDaily
from ecom_assets.events.contracts import CleanEvents, DuplicateEvents, QuarantinedEvents, RawEvents
from ecom_assets.funnels.contracts import CartAbandonment, ConversionByDimension, ConversionFunnel
from ecom_assets.journeys.contracts import CategoryPerformance, Journeys, JourneyTransitions, SearchPerformance
from ecom_assets.orders.contracts import (
    ChangedOrderDays,
    DayReleases,
    DuplicateOrders,
    HeldOrderDays,
    QuarantinedOrders,
    RawUserOrderLog,
    UserOrderLog,
)
from ecom_assets.products.contracts import InventoryAlerts, ProductPerformance, RawStock
from ecom_assets.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    PublishedDays,
    Restatements,
)
from ecom_assets.retention.contracts import RetentionCohorts, ReturningVisitorsDaily
from ecom_assets.sales.contracts import (
    Calendar,
    City,
    Customer,
    CustomerRetention,
    Item,
    ProductSalesDaily,
    PurchaseRevenueDaily,
    RevenueDaily,
    Sales,
)
from ecom_assets.sessions.contracts import EngagementDaily, SessionDays, SessionEvents, Sessions
from ecom_assets.tables.contract import Column, Table
from ecom_assets.warehouse.withdrawals import Withdrawals

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


OPENING = """\
# Data dictionary

Made from the contracts in `ecom_assets/contracts/` by `make docs`; correct it there.

Instants (`_at`) are UTC. Days (`_date`) are days of `ECOM_TIMEZONE`. Money is exact to the cent. A column is never null
unless its line says so. What the numbers mean is in [metrics.md](metrics.md).
"""


def data_dictionary() -> str:
    """Return the dictionary as Markdown."""
    return "\n".join([OPENING, *(line for contract in ALL for line in _table(contract))])


def _table(contract: type[Table]) -> Iterator[str]:
    yield f"## {contract.qualified_name()}\n"
    yield f"{contract.description()}\n"
    if contract.key:
        yield f"Key: {_names(contract.key)}. " + _cut(contract)
    else:
        yield f"No key: rows can repeat. {_cut(contract)}"
    yield "| column | type | unit | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, column in contract.columns.items():
        yield f"| `{name}` | {column.type} | {column.unit or ''} | {_meaning(column)} |"
    yield ""


def _cut(contract: type[Table]) -> str:
    return f"Cut by day of `{contract.day_column}`.\n" if contract.day_column else "Not cut by day.\n"


def _meaning(column: Column) -> str:
    more = [
        "may be null" if column.nullable else "",
        "personal data" if column.pii else "",
        f"at least {column.at_least}" if column.at_least is not None else "",
        f"at most {column.at_most}" if column.at_most is not None else "",
        f"one of {_names(column.one_of)}" if column.one_of else "",
    ]
    said = "; ".join(part for part in more if part)
    return column.description.replace("|", "\\|") + (f" ({said})" if said else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
