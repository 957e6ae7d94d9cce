"""What the toy gets: the id, the type and the person."""

from datetime import datetime

import pyarrow as pa

from ecom_assets.delivery.event_properties import PropertyRule
from ecom_assets.delivery.payloads import (
    EventChoices,
    PayloadForm,
    event_payloads,
    json_object,
    json_value,
    names_as,
    user_payloads,
)

EVENT_NAMES = {"page_view": "looked"}
_EVENT = {"id": json_value("record_id"), "what": json_value("name"), "who": json_value("actor")}


def events(rows: pa.Table, sent_at: datetime, choices: EventChoices) -> pa.Table:
    """Return the `PAYLOADS` of rows of events."""
    named = {"name": names_as(EVENT_NAMES), "actor": "coalesce(known_user, device)"}
    form = PayloadForm("actor", json_object(_EVENT), refusals=[], most_bytes=1_000, named=named)
    return event_payloads(rows, form, PropertyRule(most=0, name_length=99, value_length=99), choices, sent_at)


def users(rows: pa.Table, _sent_at: datetime) -> pa.Table:
    """Return the `PAYLOADS` of rows of users."""
    user = {"who": json_value("customer_id"), "segment": json_value("segment")}
    return user_payloads(rows, PayloadForm("customer_id", json_object(user), [], 1_000, {}))
