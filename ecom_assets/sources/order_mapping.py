"""How a foreign layout becomes `user_order_log`: what an order line is made of, and what else its mapping may say.

Not here: what every mapping may say (`record_mapping`), events (`event_mapping`).
"""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ecom_assets.sources.record_mapping import (
    IdField,
    RecordFields,
    RecordKind,
    RecordMapping,
    SourceField,
    TimeField,
    load,
)
from ecom_assets.sources.sql_text import amount

ORDER_FIELDS = (
    "id", "uniq_id", "order_id", "date_time", "city_id", "city_name", "country", "customer_id", "first_name",
    "last_name", "item_id", "item_name", "item_category", "sales_channel", "quantity", "payment_amount", "status",
)  # fmt: skip


def _whole_number(column: str) -> str:
    """SQL of the whole number that a text means, at most 10¹⁸; NULL for any other text, `2.5` included."""
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
    optional=frozenset({"received_at", "order_id", "country", "item_category", "sales_channel", "id"}),
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
    """One entry per column of `user_order_log`; what is left out stays empty."""

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
    country: SourceField | None = None
    first_name: SourceField | None = None
    last_name: SourceField | None = None
    item_name: SourceField | None = None
    item_category: SourceField | None = None
    sales_channel: SourceField | None = None
    status: SourceField | None = None
    received_at: TimeField | None = None


class OrderMapping(RecordMapping):
    """How a layout becomes `user_order_log`."""

    kind: ClassVar[RecordKind] = ORDER

    fields: OrderFields
    statuses: dict[str, str] = Field(default_factory=dict)
    sales_channels: dict[str, str] = Field(default_factory=dict)
    other_columns: Literal["refuse", "ignore"] = "refuse"

    def translations(self) -> dict[str, dict[str, str]]:
        """Our names of the source's values, by field."""
        return {"status": self.statuses, "sales_channel": self.sales_channels}


def load_order_mapping(name_or_path: str | Path) -> OrderMapping:
    """A shipped mapping by name, or one's own by the path of its YAML file; MappingError if it is wrong."""
    return load(OrderMapping, name_or_path)
