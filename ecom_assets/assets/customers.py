"""Customers: as the API told them, who they were when, and how they first came. Not here: how that is computed."""

import ibis.expr.types as ir

from ecom_assets.assets.table_asset import Reads, table_asset
from ecom_assets.contracts.attribution import Conversions
from ecom_assets.contracts.customers import (
    Customers,
    DuplicateCustomers,
    FirstTouches,
    QuarantinedCustomers,
    RawCustomers,
)
from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.sessions import Sessions
from ecom_assets.sources.customer_source import CustomerSource
from ecom_assets.transforms import customers as cleaning
from ecom_assets.transforms import first_touch
from ecom_assets.transforms.channel_groups import ChannelRule
from ecom_assets.transforms.customer_rule import CustomerRule
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.market_segments import MarketSegments
from ecom_assets.warehouse.io_manager import Restated


@table_asset(RawCustomers)
def raw_customers(customer_source: CustomerSource, days: Days) -> Restated:
    """Ask the API if today is among the days; rows of other days stay as they were received."""
    found = customer_source.received(days).require_rows("customers")
    return Restated(found.rows, found.days, found.metadata)


@table_asset(QuarantinedCustomers, raw_customers=RawCustomers)
def quarantined_customers(raw_customers: ir.Table) -> ir.Table:
    """Keep what is no customer."""
    return cleaning.quarantined_customers(raw_customers)


@table_asset(DuplicateCustomers, raw_customers=RawCustomers)
def duplicate_customers(raw_customers: ir.Table) -> ir.Table:
    """Count the copies that are left out."""
    return cleaning.duplicate_customers(raw_customers)


@table_asset(FirstTouches, events=CleanEvents)
def first_touches(events: ir.Table, channel_rule: ChannelRule) -> ir.Table:
    """Take each visitor's first event of the day."""
    return first_touch.first_touches(events, channel_rule)


def restated_versions(raw_customers: ir.Table) -> ir.Table:
    """Every day on which a version may begin: a fetch ends versions of any day, and moves what is current."""
    return raw_customers.select(day="received_date").distinct()


@table_asset(
    Customers,
    follows=(quarantined_customers.key, duplicate_customers.key),
    raw_customers=Reads(RawCustomers, whole=True),
    sessions=Reads(Sessions, whole=True),
    conversions=Reads(Conversions, whole=True),
    first_touches=Reads(FirstTouches, whole=True),
    restates=restated_versions,
)
def customers(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw_customers: ir.Table,
    sessions: ir.Table,
    conversions: ir.Table,
    first_touches: ir.Table,
    customer_rule: CustomerRule,
    market_segments: MarketSegments,
    days: Days,
) -> ir.Table:
    """Describe every version of every customer."""
    return cleaning.customers(raw_customers, sessions, conversions, first_touches, customer_rule, market_segments, days)


CUSTOMER_ASSETS = (raw_customers, quarantined_customers, duplicate_customers, customers)
"""Those that need the API; `first_touches` is made of events."""
