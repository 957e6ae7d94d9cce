"""What the toy gets: the id, the type and the person."""

from ecom_assets.outputs.delivery.event_properties import PropertyRule
from ecom_assets.outputs.delivery.payloads import PayloadForm, json_object, json_value, names_as

EVENT_NAMES = {"page_view": "looked"}
EVENTS = PayloadForm(
    named={"name": names_as(EVENT_NAMES), "actor": "coalesce(known_user, device)"},
    user_key="actor",
    payload=json_object(
        {"id": json_value("record_id"), "what": json_value("name"), "who": json_value("actor")}
    ),
    refusals=[],
    most_bytes=1_000,
    properties=PropertyRule(most=0, name_length=99, value_length=99),
)
USERS = PayloadForm(
    named={},
    user_key="customer_id",
    payload=json_object({"who": json_value("customer_id"), "segment": json_value("segment")}),
    refusals=[],
    most_bytes=1_000,
)
