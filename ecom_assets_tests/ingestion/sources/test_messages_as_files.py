"""Messages of a stream are read as files are: ids have one spelling, and `NaN` is not an amount."""

from contextlib import closing

from ecom_assets.core.warehouse.local import plain_connection
from ecom_assets.ingestion.sources.customer_api.records import load_customer_mapping
from ecom_assets.ingestion.sources.files.mapping import load_mapping, load_order_mapping
from ecom_assets.ingestion.sources.landed_rows import UNREADABLE, CustomerMapper, MessageMapper


def event(user: str, more: str) -> bytes:
    fields = (
        f'"event_id": "1", "event_type": "purchase", "user_id": "{user}", "event_timestamp": '
        '"2026-03-09T09:00:00Z"'
    )
    return f"{{{fields}, {more}}}".encode()


def test_ids_have_one_spelling_and_nan_is_no_amount() -> None:
    messages = [
        event(" Ann@X.de", '"product_id": 7.0, "cart_value": NaN'),
        event("'0123", '"product_id": "007", "cart_value": -Infinity, "note": "NaN"'),
        event("100.0", '"product_id": "A.0", "cart_value": 20'),
        event("ben", '"cart_value": NaNs'),
    ]
    with closing(plain_connection("512MB")) as con:
        rows = MessageMapper(con, load_mapping("ecommerce"), "UTC").rows(messages)
    landed = [
        (row["user_id"], row["product_id"], row["cart_value"]) for row in rows.table.to_pylist()
    ]
    assert landed == [("ann@x.de", "7", None), ("0123", "007", None), ("100", "A.0", "20")]
    assert rows.refused == {3: UNREADABLE}


def test_orders_and_customers_have_the_same_spelling() -> None:
    order = (
        b'{"uniq_id": "1", "customer_id": " Ann@X.de", "date_time": "2026-03-09 09:00:00", '
        b'"item_id": "7.0", "quantity": 1, "payment_amount": 20}'
    )
    with closing(plain_connection("512MB")) as con:
        (line,) = (
            MessageMapper(con, load_order_mapping("user_order_log"), "UTC")
            .rows([order])
            .table.to_pylist()
        )
    customer = CustomerMapper(load_customer_mapping("customers")).rows(
        [b'{"id": "ANN@x.de ", "age": NaN}']
    )
    assert (line["customer_id"], line["item_id"]) == ("ann@x.de", "7")
    assert customer.table["customer_id"].to_pylist() == ["ann@x.de"]
