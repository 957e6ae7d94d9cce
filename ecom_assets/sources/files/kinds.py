"""The kinds of mapping: to `ecommerce_events`, to `user_order_log`, and of the other files of an order report."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from ecom_assets.sources.files.mapping import (
    IdField,
    RecordFields,
    RecordKind,
    RecordMapping,
    SourceField,
    TimeField,
    load,
)
from ecom_assets.warehouse.sql_text import amount

EVENT_FIELDS = (
    "event_id", "user_id", "event_type", "event_timestamp", "product_id", "product_category", "session_id",
    "page_url", "referrer_url", "cart_value", "anonymous_id", "user_agent", "properties",
)  # fmt: skip
OPTIONAL_FIELDS = frozenset({"received_at", "anonymous_id", "user_agent", "properties"})
EVENT = RecordKind(
    folder="mappings",
    fields=EVENT_FIELDS,
    id="event_id",
    time="event_timestamp",
    at="event_at",
    optional=OPTIONAL_FIELDS,
    never_empty=frozenset({"event_id", "event_type", "event_timestamp"}),
    numbers=frozenset({"cart_value"}),
    read={"cart_amount": ("DECIMAL(18, 2)", amount("e.cart_value"))},
)


class EventFields(RecordFields):
    """One entry per column of `ecommerce_events`; columns without an entry stay empty."""

    event_id: IdField
    event_type: SourceField
    event_timestamp: TimeField
    user_id: SourceField | None = None
    session_id: SourceField | None = None
    product_id: SourceField | None = None
    product_category: SourceField | None = None
    page_url: SourceField | None = None
    referrer_url: SourceField | None = None
    cart_value: SourceField | None = None
    received_at: TimeField | None = None
    anonymous_id: SourceField | None = None
    user_agent: SourceField | None = None
    properties: SourceField | None = None

    @model_validator(mode="after")
    def _someone(self) -> "EventFields":
        if self.user_id is None and self.session_id is None:
            raise ValueError("one of user_id and session_id is needed, or no visitor could be counted")
        return self


class EventMapping(RecordMapping):
    """The mapping of a source layout to `ecommerce_events`."""

    kind: ClassVar[RecordKind] = EVENT

    fields: EventFields
    event_types: dict[str, str] = Field(default_factory=dict)
    funnel_steps: tuple[str, ...] = ()

    def translations(self) -> dict[str, dict[str, str]]:
        """Return the platform's names of the source's values, by field."""
        return {"event_type": self.event_types}

    def translate(self, event_type: str) -> str:
        """Return the platform's name of a source's event type; a name without translation is returned unchanged."""
        return self.event_types.get(event_type, event_type)

    def own_words(self) -> dict[str, tuple[str, ...]]:
        """Return the source's names of each event type that has translations."""
        return {
            ours: tuple(theirs for theirs, one in self.event_types.items() if one == ours)
            for ours in self.event_types.values()
        }

    def accepted_types(self, event_types: Sequence[str]) -> tuple[str, ...] | None:
        """Return event types as `CleaningRule` takes them; None if the list is empty.

        Each type can be the source's name or the platform's name.
        """
        return tuple(dict.fromkeys(map(self.translate, event_types))) or None


load_mapping = partial(load, EventMapping)
"""Returns a shipped mapping by name, or a custom one by the path of its YAML file; raises as `load` does."""


ORDER_FIELDS = (
    "id", "uniq_id", "order_id", "date_time", "city_id", "city_name", "region", "country", "customer_id",
    "first_name", "last_name", "item_id", "item_name", "item_category", "sales_channel", "quantity",
    "payment_amount", "status",
)  # fmt: skip


def _whole_number(column: str) -> str:
    """Return the SQL that parses text as a whole number, at most 10¹⁸; NULL for any other text, such as `2.5`."""
    number = f"TRY_CAST({column} AS DECIMAL(24, 6))"
    cut = f"CASE WHEN TRY_CAST({column} AS DOUBLE) BETWEEN 1e18 AND 1e300 THEN 1000000000000000000 END"
    whole = f"CASE WHEN {number} = trunc({number}) THEN TRY_CAST({number} AS BIGINT) END"
    return f"COALESCE({whole}, {cut})"


ORDER = RecordKind(
    folder="order_mappings",
    fields=ORDER_FIELDS,
    id="uniq_id",
    time="date_time",
    at="ordered_at",
    optional=frozenset({"received_at", "order_id", "region", "country", "item_category", "sales_channel", "id"}),
    never_empty=frozenset({"uniq_id", "date_time"}),
    numbers=frozenset({"quantity", "payment_amount"}),
    renamed={"quantity": "received_quantity", "payment_amount": "received_payment_amount"},
    read={
        "id_number": ("BIGINT", _whole_number("e.id")),
        "quantity": ("BIGINT", _whole_number("e.quantity")),
        "payment_amount": ("DECIMAL(18, 2)", amount("e.payment_amount")),
    },
)


class OrderFields(RecordFields):
    """One entry per column of `user_order_log`; columns without an entry stay empty."""

    uniq_id: IdField
    date_time: TimeField
    customer_id: SourceField
    item_id: SourceField
    quantity: SourceField
    payment_amount: SourceField
    id: SourceField | None = None
    order_id: SourceField | None = None
    city_id: SourceField | None = None
    city_name: SourceField | None = None
    region: SourceField | None = None
    country: SourceField | None = None
    first_name: SourceField | None = None
    last_name: SourceField | None = None
    item_name: SourceField | None = None
    item_category: SourceField | None = None
    sales_channel: SourceField | None = None
    status: SourceField | None = None
    received_at: TimeField | None = None


class OrderMapping(RecordMapping):
    """The mapping of a source layout to `user_order_log`."""

    kind: ClassVar[RecordKind] = ORDER

    fields: OrderFields
    statuses: dict[str, str] = Field(default_factory=dict)
    sales_channels: dict[str, str] = Field(default_factory=dict)
    other_columns: Literal["refuse", "ignore"] = "refuse"

    def translations(self) -> dict[str, dict[str, str]]:
        """Return the platform's names of the source's values, by field."""
        return {"status": self.statuses, "sales_channel": self.sales_channels}


load_order_mapping = partial(load, OrderMapping)
"""Returns a shipped mapping by name, or a custom one by the path of its YAML file; raises as `load` does."""


ACTIVITY = RecordKind(
    folder="",
    fields=("id", "uniq_id", "date_time", "action_id", "customer_id", "quantity"),
    id="uniq_id",
    time="date_time",
    at="activity_at",
    optional=frozenset({"id", "quantity"}),
    never_empty=frozenset({"uniq_id", "date_time"}),
    numbers=frozenset({"quantity"}),
    renamed={"quantity": "received_quantity"},
    read={"quantity": ("BIGINT", _whole_number("e.quantity"))},
)


class ActivityFields(RecordFields):
    """One entry per column of `user_activity_log`."""

    uniq_id: IdField
    date_time: TimeField
    action_id: SourceField
    customer_id: SourceField
    id: SourceField | None = None
    quantity: SourceField | None = None
    received_at: TimeField | None = None


class ActivityMapping(RecordMapping):
    """The mapping of the activities in an order report."""

    kind: ClassVar[RecordKind] = ACTIVITY

    fields: ActivityFields


RESEARCH = RecordKind(
    folder="",
    fields=("research_id", "id", "date_id", "category_id", "geo_id", "sales_qty", "sales_amt"),
    id="research_id",
    time="date_id",
    at="research_at",
    optional=frozenset({"id"}),
    never_empty=frozenset({"research_id", "date_id"}),
    numbers=frozenset({"sales_qty", "sales_amt"}),
    renamed={"sales_qty": "received_sales_qty", "sales_amt": "received_sales_amt"},
    read={
        "sales_quantity": ("BIGINT", _whole_number("e.sales_qty")),
        "sales_amount": ("DECIMAL(18, 2)", amount("e.sales_amt")),
    },
)


class ResearchFields(RecordFields):
    """One entry per column of `customer_research`."""

    research_id: IdField
    date_id: TimeField
    category_id: SourceField
    geo_id: SourceField
    sales_qty: SourceField
    sales_amt: SourceField
    id: SourceField | None = None
    received_at: TimeField | None = None


class ResearchMapping(RecordMapping):
    """The mapping of the market research in an order report."""

    kind: ClassVar[RecordKind] = RESEARCH

    fields: ResearchFields
