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
from ecom_assets_tests.each import each

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


@each("key", ["order_id", "transaction_id", "orderId", "transactionId", "tr_orderid", "$order_id"])
def test_an_order_is_of_the_device_whose_event_names_it(shop: ReconciledShop, key: str) -> None:
    events = [bought("e1", NOON, "device-1", **{key: "1001"})]
    assert visitors(shop, events, [ordered("#1001", NOON, ANNA)]) == {"#1001": "device-1"}


@each("named", ["5000000", 5000000, "5000000.0", "c-77"])
def test_an_event_may_use_any_other_name_of_the_order(shop: ReconciledShop, named: object) -> None:
    lines = [ordered("#1001", NOON, ANNA, "5000000 c-77")]
    events = [bought("e1", NOON, "device-1", transaction_id=named)]
    assert visitors(shop, events, lines) == {"#1001": "device-1"}


def test_the_last_name_counts_where_the_first_is_of_no_order(shop: ReconciledShop) -> None:
    events = [bought("e1", NOON, "device-1", order_id="cart-9", transaction_id="1001")]
    assert visitors(shop, events, [ordered("#1001", NOON, ANNA)]) == {"#1001": "device-1"}


TWO_CALLED_1002 = [ordered("1001", NOON, ANNA, "1002"), ordered("1002", NOON, BEN, "1003")]
"""Ben's order has the number 1002, which is the id of Anna's."""


def test_an_id_of_one_order_that_is_the_number_of_another_is_of_none(shop: ReconciledShop) -> None:
    """Nothing says whether the event names orders by their number or by their id."""
    events = [bought("e1", NOON, "device-1", transaction_id="1002")]
    assert visitors(shop, events, TWO_CALLED_1002) == {}


@each("day", [9, 10, 11, 12])
@each("number, key, who", [("1009", "5009", "1002"), ("5009", "1009", "1001")])
def test_events_go_by_the_kind_of_id_that_meets_most_orders(
    shop: ReconciledShop, number: str, key: str, who: str, day: int
) -> None:
    """Another event of the day, or of a day beside it, names its order by number, or by id."""
    when = f"2026-03-{day:02} 12:00"
    lines = [*TWO_CALLED_1002, ordered(number, when, "cara@shop.example", key)]
    events = [
        bought("e1", NOON, "device-1", transaction_id="1002"),
        bought("e2", when, "device-2", transaction_id="1009"),
    ]
    met = {number: "device-2"} | ({who: "device-1"} if day < 12 else {})
    assert visitors(shop, events, lines) == met


def test_what_one_sender_calls_orders_says_nothing_of_another(shop: ReconciledShop) -> None:
    lines = [*TWO_CALLED_1002, ordered("1009", NOON, "cara@shop.example")]
    events = [
        bought("e1", NOON, "device-1", transaction_id="1002") | {"sent_by": "key:app"},
        bought("e2", NOON, "device-2", transaction_id="1009") | {"sent_by": "key:server"},
    ]
    assert visitors(shop, events, lines) == {"1009": "device-2"}


def test_an_event_that_its_sender_s_kind_of_id_leaves_over_goes_by_another(
    shop: ReconciledShop,
) -> None:
    """Of three events two name numbers, and one an id that is not a number."""
    lines = [ordered(f"{1001 + n}", NOON, f"{n}@shop.example", f"500{n}") for n in range(3)]
    events = [
        bought("e1", NOON, "device-1", transaction_id="1001"),
        bought("e2", NOON, "device-2", transaction_id="1002"),
        bought("e3", NOON, "device-3", transaction_id="5002"),
    ]
    met = {"1001": "device-1", "1002": "device-2", "1003": "device-3"}
    assert visitors(shop, events, lines) == met


@each(
    "names, named, met",
    [
        (["0042"], "42", ["0042"]),
        (["42"], "#0042", ["42"]),
        (["0042", "42"], "42", ["42"]),
        (["0042", "42"], "0042", ["0042"]),
        (["0042", "42"], "00042", []),
        (["0042", "00042"], "42", []),
        (["B-0042"], "B-42", []),
        (["00"], "0", []),
    ],
)
def test_leading_zeros_are_set_aside_where_no_other_order_has_that_number(
    shop: ReconciledShop, names: list[str], named: str, met: list[str]
) -> None:
    """GA4 and spreadsheets make `42` of `0042`."""
    lines = [ordered(name, NOON, f"{name}@shop.example") for name in names]
    events = [bought("e1", NOON, "device-1", transaction_id=named)]
    assert [*visitors(shop, events, lines)] == met


def test_a_number_of_two_shops_is_of_none_of_their_orders(shop: ReconciledShop) -> None:
    """Two shops count alike, so that both have an order 1001; their ids differ."""
    lines = [
        ordered("1001", NOON, ANNA, "5001", shared_order_id="1001"),
        ordered("1001 (2)", NOON, BEN, "6001", shared_order_id="1001"),
    ]
    assert visitors(shop, [bought("e1", NOON, "device-1", order_id="1001")], lines) == {}
    met = visitors(shop, [bought("e1", NOON, "device-1", order_id="6001")], lines)
    assert met == {"1001 (2)": "device-1"}


def test_a_number_of_two_orders_of_one_customer_is_of_the_nearest(shop: ReconciledShop) -> None:
    """Reports without order ids have two orders where lines have two times: both are Anna's."""
    lines = [line("A1-1", "2026-03-10 12:00:00", ANNA), line("A1-2", "2026-03-10 12:00:09", ANNA)]
    met = visitors(shop, [bought("e1", "2026-03-10 12:00:08", "device-1", order_id="A1")], lines)
    assert met == {lines[1]["order_id"]: "device-1"}


@each("name", ["0", "(not set)", "undefined", "test"])
def test_a_placeholder_names_no_order(shop: ReconciledShop, name: str) -> None:
    events = [bought("e1", NOON, "device-1", transaction_id=name)]
    assert visitors(shop, events, [ordered(name, NOON, ANNA)]) == {}


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
