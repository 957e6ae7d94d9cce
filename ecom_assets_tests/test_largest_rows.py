"""No clean rows make a table fail: rows at the bounds of amounts and quantities,
against sums in plain Python.
"""

from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.sessions.contracts import Sessions
from ecom_assets.commerce.attribution.contracts import ChannelAttribution
from ecom_assets.commerce.customers.assets import VALUE_ASSETS
from ecom_assets.commerce.customers.contracts import CustomerSegments, LifetimeValue
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.orders.orders import ALL
from ecom_assets.commerce.products.assets import product_performance
from ecom_assets.commerce.reconciliation.assets import RECONCILIATION_ASSETS
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.sales import DIMENSIONS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import TableAsset
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.values import MAX_QUANTITY, WIDEST_AMOUNT
from ecom_assets_tests.builders import DAY_ONE, Row, at, order_line, received
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import ShopPlatform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))
WHO = st.sampled_from(["anna", "ben", "日本", "a" * 300, "-7", "1e9"])
AMOUNTS = st.sampled_from(
    [Decimal(0), Decimal("0.01"), WIDEST_AMOUNT - Decimal("0.01"), WIDEST_AMOUNT]
)
QUANTITIES = st.sampled_from([1, 2, MAX_QUANTITY])
MINUTES = st.integers(0, 3 * 24 * 60 - 1)


class WholePlatform(ShopPlatform):
    """Every table that is made of events, order lines, or both."""

    def assets_of(self, settings: Settings) -> list[TableAsset]:
        """Return every asset after raw, in order."""
        return [
            *super().assets_of(settings),
            product_performance,
            *VALUE_ASSETS,
            *RECONCILIATION_ASSETS,
        ]


@cache
def platform() -> WholePlatform:
    """One warehouse, emptied between examples, so that it compiles a slice once."""
    settings = Settings(home=Path("never written"), max_amount=WIDEST_AMOUNT)
    return WholePlatform(settings)


@st.composite
def events(draw: st.DrawFn) -> list[Row]:
    """Draw purchases, refunds, carts and page views of three days;
    several at one instant and in one session.
    """
    rows = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["purchase", "purchase", "refund", "add_to_cart", "page_view"]))
        moment = at("00:00") + timedelta(minutes=draw(MINUTES))
        values: Row = {"user_id": draw(WHO), "event_type": kind, "cart_amount": draw(AMOUNTS)}
        rows.append(received(f"e{number}", moment, **values))
    return rows


@st.composite
def lines(draw: st.DrawFn) -> list[Row]:
    """Draw order lines of three days, several of one order."""
    rows = []
    for number in range(draw(st.integers(0, 12))):
        values: Row = {
            "payment_amount": draw(AMOUNTS),
            "quantity": draw(QUANTITIES),
            "status": draw(st.sampled_from(["shipped", "shipped", "refunded"])),
            "order_id": draw(st.sampled_from(["o1", "o2", None])),
        }
        rows.append(
            order_line(
                f"l{number}", DAY_ONE + timedelta(days=draw(st.integers(0, 2))), draw(WHO), **values
            )
        )
    return rows


def signed(rows: list[Row], amount: str, sign: str, negative: str) -> Decimal:
    """Return the sum of an amount in plain Python, the rows of one kind taken off."""
    return sum((-row[amount] if row[sign] == negative else row[amount] for row in rows), Decimal(0))


@pytest.mark.slow
def test_purchases_whose_sum_has_22_digits_are_added_up() -> None:
    # A million purchases of the most that one may be worth, 10,000,000,000,000.00, and one of 0.01.
    shop = WholePlatform(Settings(home=Path("never written"), max_amount=WIDEST_AMOUNT))
    purchase = received("e0", at("09:00"), event_type="purchase", cart_amount=WIDEST_AMOUNT)
    small = purchase | {"event_id": "small", "cart_amount": Decimal("0.01")}
    shop.receive([purchase, small], DAYS)
    shop.engine.execute(
        "INSERT INTO raw.events SELECT events.* REPLACE ('e' || n AS event_id) FROM "
        "raw.events, range(1, 1_000_000) AS others(n) WHERE event_id = 'e0'"
    )
    shop.run(
        DAYS, only={"duplicate_events", "events", "session_events", "session_days", "sessions"}
    )
    assert [row["purchase_amount"] for row in shop.rows(Sessions)] == [
        Decimal("10000000000000000000.01")
    ]
    shop.close()


@pytest.mark.slow
def test_strangers_stop_no_run_by_many_purchases_of_the_most() -> None:
    # 900 purchases of 10,000,000,000,000.00, which a write key of a page may send: each day 300 of
    # one visitor, worth 3,000,000,000,000,000.00. The first purchase of a customer is no repeat.
    shop = WholePlatform(Settings(home=Path("never written"), max_amount=WIDEST_AMOUNT))
    most = [
        received(
            f"e{day}-{number}",
            at("00:00") + timedelta(days=day, minutes=number),
            user_id="anna",
            event_type="purchase",
            cart_amount=WIDEST_AMOUNT,
        )
        for day in range(3)
        for number in range(300)
    ]
    shop.receive(most, DAYS)
    shop.run(DAYS)
    credited = [row for row in shop.rows(ChannelAttribution) if row["unit"] == "purchase"]
    by_model = {row["model"]: Decimal(0) for row in credited}
    for row in credited:
        by_model[row["model"]] += row["revenue_amount"]
    assert {*by_model.values()} == {900 * WIDEST_AMOUNT}
    (anna,) = shop.rows(LifetimeValue)
    assert anna["repeat_amount"] == 600 * WIDEST_AMOUNT
    shop.close()


@pytest.mark.slow
@given(events(), lines())
@examples(12)
def test_no_set_of_clean_rows_makes_a_table_fail(happened: list[Row], ordered: list[Row]) -> None:
    shop = platform()
    shop.clear()
    shop.receive(happened, DAYS)
    shop.receive_orders(ordered, DAYS)
    shop.run(DAYS)
    assert len(shop.rows(CleanEvents)) == len(happened)
    assert len(shop.rows(UserOrderLog)) == len(ordered)
    bought = [row for row in happened if row["event_type"] == "purchase"]
    assert sum(row["purchase_amount"] for row in shop.rows(Sessions)) == sum(
        row["cart_amount"] for row in bought
    )
    net = signed(ordered, "payment_amount", "status", "refunded")
    totals = [
        row for row in shop.rows(RevenueDaily) if all(row[name] == ALL for name in DIMENSIONS)
    ]
    assert sum(row["revenue_amount"] for row in totals) == net
    buyers = {row["customer_id"] for row in ordered if row["status"] == "shipped"}
    of_buyers = signed(
        [row for row in ordered if row["customer_id"] in buyers],
        "payment_amount",
        "status",
        "refunded",
    )
    # Where there is not a single order line, purchases stand for orders.
    expected = of_buyers if ordered else sum(row["cart_amount"] for row in bought)
    assert sum(row["revenue_amount"] for row in shop.rows(CustomerSegments)) == expected
    credited = [
        row
        for row in shop.rows(ChannelAttribution)
        if row["unit"] == "order" and row["model"] == "linear"
    ]
    assert sum(row["revenue_amount"] for row in credited) == net
