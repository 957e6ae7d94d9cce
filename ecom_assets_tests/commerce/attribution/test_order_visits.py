"""Which visit sold which order: by what an event calls the order, and by whom.

The shop here has orders of addresses and events of devices, as Shopify and GA4 have them.
"""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, received
from ecom_assets_tests.commerce.reconciliation.reconciliation_reference import ReconciledShop, line

FIRST = date(2026, 3, 9)
WEEK = Days.between(FIRST, FIRST + timedelta(days=7))
ANNA, BEN = "anna@shop.example", "ben@shop.example"

pytestmark = pytest.mark.xdist_group("reconciliation")


@pytest.fixture(scope="module")
def shop() -> ReconciledShop:
    return ReconciledShop()


def bought(event_id: str, when: str, device: str, **properties: Any) -> Row:
    """Return a purchase event of a device, of 20.00, with what it says of its order."""
    row = received(event_id, datetime.fromisoformat(when), user_id=device, event_type="purchase")
    return row | {"cart_amount": Decimal(20), "properties": json.dumps(properties)}


def ordered(name: str, when: str, who: str, keys: str | None = None, **values: object) -> Row:
    """Return the line of an order with a name and other keys."""
    return line(f"{name}/1", when, who, order_id=name, order_keys=keys, **values)


def visitors(shop: ReconciledShop, events: list[Row], lines: list[Row]) -> dict[str, str]:
    """Return whose visit sold each order."""
    shop.land(events, lines)
    return {row["order_id"]: row["visitor_id"] for row in shop.visits(WEEK)}


NOON = "2026-03-10 12:00"


@pytest.mark.parametrize(
    "key", ["order_id", "transaction_id", "orderId", "transactionId", "tr_orderid", "$order_id"]
)
def test_an_order_is_of_the_device_whose_event_names_it(shop: ReconciledShop, key: str) -> None:
    events = [bought("e1", NOON, "device-1", **{key: "1001"})]
    assert visitors(shop, events, [ordered("#1001", NOON, ANNA)]) == {"#1001": "device-1"}


@pytest.mark.parametrize("named", ["5000000", 5000000, "5000000.0", "c-77"])
def test_an_event_may_use_any_other_name_of_the_order(shop: ReconciledShop, named: object) -> None:
    lines = [ordered("#1001", NOON, ANNA, "5000000 c-77")]
    events = [bought("e1", NOON, "device-1", transaction_id=named)]
    assert visitors(shop, events, lines) == {"#1001": "device-1"}


def test_the_last_name_counts_where_the_first_is_of_no_order(shop: ReconciledShop) -> None:
    events = [bought("e1", NOON, "device-1", order_id="cart-9", transaction_id="1001")]
    assert visitors(shop, events, [ordered("#1001", NOON, ANNA)]) == {"#1001": "device-1"}


def test_the_own_id_of_an_order_goes_before_a_key_of_another(shop: ReconciledShop) -> None:
    """The number 1002 is the name of Ben's order, and a key of Anna's."""
    lines = [ordered("1001", NOON, ANNA, "1002"), ordered("1002", NOON, BEN)]
    events = [bought("e1", NOON, "device-1", transaction_id="1002")]
    assert visitors(shop, events, lines) == {"1002": "device-1"}


def test_a_key_of_two_orders_is_nobody_s(shop: ReconciledShop) -> None:
    """Two shops that count alike: which of them the event is of, nothing says."""
    lines = [ordered("de-1", NOON, ANNA, "1001"), ordered("fr-1", NOON, BEN, "1001")]
    events = [bought("e1", NOON, "device-1", transaction_id="1001")]
    assert visitors(shop, events, lines) == {}


def test_of_two_devices_that_name_one_order_the_nearest_in_time_has_it(
    shop: ReconciledShop,
) -> None:
    events = [
        bought("e1", "2026-03-10 12:03", "device-1", transaction_id="1001"),
        bought("e2", "2026-03-10 12:01", "device-2", transaction_id="1001"),
    ]
    assert visitors(shop, events, [ordered("1001", NOON, ANNA)]) == {"1001": "device-2"}


def test_an_event_of_a_public_key_comes_after_that_of_the_shop_s_server(
    shop: ReconciledShop,
) -> None:
    """Anybody may send a purchase that names an order, as near to it as they like."""
    events = [
        bought("e1", "2026-03-10 12:20", "device-1", order_id="1001") | {"sent_by": "key:server"},
        bought("e2", NOON, "device-2", order_id="1001") | {"sent_by": "public-key:page"},
    ]
    assert visitors(shop, events, [ordered("#1001", NOON, ANNA)]) == {"#1001": "device-1"}


def test_an_order_three_days_after_its_event_has_no_visit(shop: ReconciledShop) -> None:
    events = [bought("e1", "2026-03-10 12:00", "device-1", transaction_id="1001")]
    assert visitors(shop, events, [ordered("1001", "2026-03-13 12:00", ANNA)]) == {}


def test_an_order_at_a_till_has_no_visit(shop: ReconciledShop) -> None:
    events = [bought("e1", NOON, "device-1", transaction_id="1001")]
    assert visitors(shop, events, [ordered("1002", NOON, "(unknown)")]) == {}


def test_who_signs_in_is_matched_by_the_customer_and_the_amount(shop: ReconciledShop) -> None:
    events = [bought("e1", NOON, ANNA)]
    shop.land(events, [ordered("1001", "2026-03-10 12:05", ANNA)])
    (row,) = shop.visits(WEEK)
    assert (row["visitor_id"], row["matched_by"]) == (ANNA, "customer_amount")
