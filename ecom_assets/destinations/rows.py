"""What rows of the mart destinations take, and what of them is a matter of choice. Not here: any tool's payloads."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

EVENT_ROWS = pa.schema(
    [
        ("event_id", pa.string()),
        ("event_at", pa.timestamp("us")),
        ("event_type", pa.string()),
        ("visitor_id", pa.string()),
        ("user_id", pa.string()),
        ("source_session_id", pa.string()),
        ("product_id", pa.string()),
        ("product_category", pa.string()),
        ("page_url", pa.string()),
        ("referrer_url", pa.string()),
        ("cart_amount", pa.decimal128(18, 2)),
        ("properties", pa.string()),
    ]
)
EVENT_COLUMNS = tuple(EVENT_ROWS.names)
"""What the payloads of events need: these columns of `staging.events`, of its rows that are no robots'."""

USER_ROWS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("segment", pa.string()),
        ("customer_tier", pa.string()),
        ("lifetime_value_amount", pa.decimal128(38, 2)),
        ("churn_risk_rate", pa.float64()),
    ]
)
USER_COLUMNS = tuple(USER_ROWS.names)
"""What the payloads of users need, a row per customer.

segment: of `mart.customer_segments`; customer_tier: of the current row of `staging.customers`; lifetime_value_amount:
of `mart.lifetime_value`; churn_risk_rate: 1 less its alive_probability. All but the first may be null: not known.
"""


@dataclass(frozen=True, slots=True)
class EventChoices:
    """What a shop decides about the events that tools get."""

    user_key: Literal["visitor_id", "user_id"] = "visitor_id"
    """Who an event is of: the visitor that it was given by all we know, or only the user that it carries itself."""
    properties: tuple[str, ...] = ()
    """Names of the properties that tools get; empty: all. Fewer are less personal data in other hands."""
    urls: Literal["whole", "without_query"] = "whole"
    """Whether addresses of pages go with their query: click ids make it long, and it can tell of persons."""
    currency: str = "USD"
    """Of every amount, ISO 4217: events carry none of their own."""
    cart_value: Literal["cart", "item"] = "cart"
    """What `cart_amount` tells: the worth of the whole cart, or the price of the item."""


EVERYTHING = EventChoices()
"""Every event, whole, by all we know."""


def conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns that a schema names, in its types: engines differ in theirs."""
    columns = [_naive(rows[field.name]).cast(field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _naive(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants are UTC with and without saying so."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).cast(pa.timestamp("us"))
    return column
