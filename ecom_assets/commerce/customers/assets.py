"""Assets of customers: records from the API, their versions, segments and lifetime value."""

from typing import Any, Protocol

import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.assets import EVERY_CONVERSION, EVERY_TOUCH
from ecom_assets.commerce.attribution.contracts import FirstTouches, OrderVisits
from ecom_assets.commerce.customers import customers as versions
from ecom_assets.commerce.customers import segments, visitors
from ecom_assets.commerce.customers.contracts import (
    CustomerProfiles,
    Customers,
    CustomerSegments,
    CustomerVisitors,
    DuplicateCustomers,
    EmailConsents,
    LifetimeValue,
    QuarantinedCustomers,
    RawCustomers,
)
from ecom_assets.commerce.customers.customers import CustomerRule, MarketSegments
from ecom_assets.commerce.customers.purchases import Purchases
from ecom_assets.commerce.customers.value import ValueRule
from ecom_assets.commerce.orders.orders import OrderRule
from ecom_assets.commerce.sales.assets import EVERY_SALE
from ecom_assets.core.tables.asset import Reads, invalidation, table_asset
from ecom_assets.core.tables.computed import computed
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.places import ReadPlaces
from ecom_assets.core.tables.portable import arrow_of
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.local import arrow_in_memory

EVERY_SESSION = Reads(Sessions, whole=True)


customer_visitors = table_asset(CustomerVisitors, order_visits=Reads(OrderVisits, whole=True))(
    visitors.customer_visitors
)


@table_asset(CustomerSegments, sales=EVERY_SALE, sessions=EVERY_SESSION)
def customer_segments(sales: ir.Table, sessions: ir.Table) -> ir.Table:
    """Score every customer and assign the segment."""
    return segments.customer_segments(Purchases.from_platform(sales, sessions))


@table_asset(LifetimeValue, deps=(customer_segments.key,), sales=EVERY_SALE, sessions=EVERY_SESSION)
def lifetime_value(
    sales: ir.Table,
    sessions: ir.Table,
    value_rule: ValueRule,
    order_rule: OrderRule,
) -> Any:  # noqa: ANN401 (Ibis has no types)
    """Fit both models to the order histories, and compute the expected value of each customer."""
    from ecom_assets.commerce.customers import value  # noqa: PLC0415 (loads SciPy)

    histories = arrow_of(computed(_histories, {"sales": sales, "sessions": sessions}))
    models = value.ValueModels.fit(histories)
    rows = value.lifetime_value(histories, models, value_rule, order_rule.currency)
    return arrow_in_memory("lifetime_value", rows).select(*LifetimeValue.columns)


def _histories(sales: ir.Table, sessions: ir.Table) -> ir.Table:
    """Return the order history of each customer."""
    from ecom_assets.commerce.customers import value  # noqa: PLC0415 (loads SciPy)

    return value.histories(Purchases.from_platform(sales, sessions))


VALUE_ASSETS = (customer_segments, lifetime_value)


class CustomerSource(Protocol):
    """A source of the current customer records."""

    def received(self, days: Days) -> SliceOutput:
        """Fetch the records if today is among the days; otherwise leave the table unchanged."""


@table_asset(RawCustomers)
def raw_customers(customer_source: CustomerSource, days: Days) -> SliceOutput:
    """Fetch the records from the API if today is among the days;
    rows of other days do not change.
    """
    return customer_source.received(days).require_rows("customers")


quarantined_customers = table_asset(QuarantinedCustomers, raw=RawCustomers)(
    versions.quarantined_customers
)
duplicate_customers = table_asset(DuplicateCustomers, raw=RawCustomers)(
    versions.duplicate_customers
)


@invalidation(raw_customers=RawCustomers)
def days_of_versions(raw_customers: ir.Table) -> ir.Table:
    """Return every day on which a version may begin:
    a fetch can end or extend a version that began on any day.
    """
    return raw_customers.select(day="received_date").distinct()


@table_asset(
    Customers,
    deps=(quarantined_customers.key, duplicate_customers.key),
    raw_customers=Reads(RawCustomers, whole=True),
    sessions=Reads(Sessions, whole=True),
    conversions=EVERY_CONVERSION,
    first_touches=Reads(FirstTouches, whole=True),
    touches=EVERY_TOUCH,
    customer_visitors=Reads(CustomerVisitors, whole=True),
    invalidated_by=days_of_versions,
)
def customers(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw_customers: ir.Table,
    sessions: ir.Table,
    conversions: ir.Table,
    first_touches: ir.Table,
    touches: ir.Table,
    customer_visitors: ir.Table,
    customer_rule: CustomerRule,
    market_segments: MarketSegments,
    places: ReadPlaces,
    days: Days,
) -> ir.Table:
    """Compute every version of every customer."""
    return versions.customers(
        raw_customers,
        visitors.with_customers(sessions, customer_visitors),
        conversions,
        visitors.with_customers(first_touches, customer_visitors),
        touches,
        customer_rule,
        market_segments,
        places(),
        days,
    )


customer_profiles = table_asset(CustomerProfiles, customers=Reads(Customers, whole=True))(
    versions.customer_profiles
)
email_consents = table_asset(EmailConsents, raw=Reads(RawCustomers, whole=True))(
    versions.email_consents
)
CUSTOMER_ASSETS = (
    raw_customers,
    quarantined_customers,
    duplicate_customers,
    customers,
    customer_profiles,
    email_consents,
)
"""The assets that need the customer API."""
