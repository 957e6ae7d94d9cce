"""What holds of every contract: sums of money are as wide as every engine goes."""

import pytest

from ecom_assets.registry import ALL
from ecom_assets.tables.contract import AMOUNT, Column, Table

RECEIVED = {
    "raw.events.cart_amount",
    "staging.events.cart_amount",
    "staging.quarantined_events.cart_amount",
    "mart.session_events.cart_amount",
    "raw.user_order_log.payment_amount",
    "staging.user_order_log.payment_amount",
    "staging.quarantined_orders.payment_amount",
    "mart.quarantined_event_samples.cart_amount",
    "mart.quarantined_order_samples.payment_amount",
    "mart.sales.revenue_amount",
}
"""Money of one received row; all other money is a sum of any number of them."""


@pytest.mark.parametrize("contract", ALL, ids=[one.qualified_name() for one in ALL])
def test_sums_of_money_have_room_for_any_number_of_rows(contract: type[Table]) -> None:
    narrow = {name for name, column in contract.columns.items() if is_narrow(column)}
    assert {f"{contract.qualified_name()}.{name}" for name in narrow} <= RECEIVED


def is_narrow(column: Column) -> bool:
    return column.unit == "money" and column.type == AMOUNT
