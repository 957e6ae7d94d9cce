"""However events and order lines arrive, each run leaves channels and credit as one
run over everything would.

Days arrive in a random order, late rows among them; after each, only the days that it touches are
run, as schedules do.
"""

import random
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from ecom_assets.commerce.attribution.contracts import Conversions
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import Row, at, order_line, received
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import ShopPlatform

FIRST = date(2026, 3, 10)
EVENT_DAYS, LATE_DAYS = 2, 1
ARRIVALS = Days.between(FIRST, FIRST + timedelta(days=EVENT_DAYS + LATE_DAYS))
ALL_DAYS = ARRIVALS.widened(before=LATE_DAYS, after=LATE_DAYS + 1)
RULE = AttributionRule(lookback_s=36 * 3600, refund_days=2, period_days=2)
"""Short, so that days lie outside of what a conversion sees."""
PAGES = (
    {"page_url": "https://shop.example/"},
    {"page_url": "https://shop.example/?utm_source=letter&utm_medium=email"},
    {"page_url": "https://shop.example/", "referrer_url": "https://www.google.com/"},
    {"page_url": "https://shop.example/a", "referrer_url": "https://shop.example/"},
)
KINDS = ("page_view", "page_view", "page_view", "purchase", "purchase", "refund")
PEOPLE = ("anna", "ben")
BUYERS = (*PEOPLE, "anna@shop.example")
"""Customers, of whom one is no visitor by any id."""


@cache
def platform() -> ShopPlatform:
    """One warehouse, emptied between stories."""
    settings = Settings(home=Path("never written"), late_days=LATE_DAYS)
    return ShopPlatform(settings, attribution_rule=RULE)


def random_rows(dice: random.Random) -> tuple[list[Row], list[Row]]:
    """Return events and order lines of a few days, near midnights more often than not."""
    events, lines = [], []
    for number in range(dice.randint(6, 22)):
        moment = _moment(dice)
        late = timedelta(days=dice.choice((0, 0, LATE_DAYS)))
        values: Row = {
            **dice.choice(PAGES),
            # Who signs in on a device was there before, also on the day before.
            "user_id": dice.choice((*PEOPLE, *PEOPLE, None)),
            "anonymous_id": dice.choice(("phone", "laptop")),
            "event_type": dice.choice(KINDS),
        }
        if values["event_type"] in {"purchase", "refund"}:
            values["cart_amount"] = dice.randint(1, 90)
            if dice.random() < 0.6:  # of an order of the same customer, or of another one
                values["properties"] = f'{{"transaction_id": "o{dice.randint(0, 5)}"}}'
        events.append(
            received(f"e{number:02}", moment, received_date=moment.date() + late, **values)
        )
    for number in range(dice.randint(1, 6)):
        moment = _moment(dice)
        status = dice.choice(("shipped", "shipped", "refunded"))
        line = order_line(
            f"o{number}", moment.date(), dice.choice(BUYERS), ordered_at=moment, status=status
        )
        lines.append(
            line | {"received_date": moment.date() + timedelta(days=dice.choice((0, LATE_DAYS)))}
        )
    return events, lines


def _moment(dice: random.Random) -> datetime:
    midnight = datetime.combine(
        FIRST + timedelta(days=dice.randint(0, EVENT_DAYS - 1)), datetime.min.time()
    )
    minutes = dice.choice((dice.randint(0, 1439), dice.randint(0, 30), dice.randint(1410, 1439)))
    return midnight + timedelta(minutes=minutes)


def check(seed: int) -> None:
    """Let days arrive in any order, by ones and twos, then compare with one run."""
    dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
    events, lines = random_rows(dice)
    shop = platform()
    shop.clear()
    order = dice.sample(ARRIVALS.dates, len(ARRIVALS.dates))
    while order:
        came = Days.from_dates([order.pop() for _ in range(min(dice.choice((1, 2)), len(order)))])
        shop.receive(events, came)
        shop.receive_orders(lines, came)
        shop.run(shop.touched(came.dates))
    as_they_came = shop.state()
    for table in as_they_came:
        shop.engine.execute(f"DELETE FROM {table}")
    shop.run(ALL_DAYS)
    at_once = shop.state()
    del as_they_came["mart.calendar"], at_once["mart.calendar"]  # it holds the days that were run
    for table, rows in at_once.items():
        assert as_they_came[table] == rows, f"{table} of story {seed}"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_credit_is_the_same_in_whatever_order_days_arrive() -> None:
    for seed in seeds(range(1, 16)):
        check(seed)


@pytest.mark.slow
def test_a_sign_in_leaves_an_order_to_the_visitor_whose_event_names_it() -> None:
    """Anna's order was placed on a tablet that nobody signs in on. Twelve days later, further away
    than pairs reach, she signs in on the phone that she used before: its visits are hers now, and
    the order stays the tablet's.
    """
    rows = [
        received("e1", at("09:00", FIRST), user_id=None, anonymous_id="phone"),
        received(
            "e2",
            at("12:00", FIRST),
            user_id=None,
            anonymous_id="tablet",
            event_type="purchase",
            cart_amount=20,
            properties='{"order_id": "o1"}',
        ),
    ]
    sign_in = received(
        "e3", at("09:00", FIRST + timedelta(days=12)), user_id="anna", anonymous_id="phone"
    )
    line = order_line("o1", FIRST, "anna", order_id="o1", status="shipped")
    shop = platform()
    shop.clear()
    for events, day in ((rows, FIRST), ([*rows, sign_in], FIRST + timedelta(days=12))):
        shop.receive(events, Days((day,)))
        shop.receive_orders([line | {"received_date": FIRST}], Days((day,)))
        shop.run(Days((day,)), only=shop.made_from(Conversions))
        orders = [row for row in shop.rows(Conversions) if row["unit"] == "order"]
        assert [(row["customer_id"], row["visitor_id"]) for row in orders] == [
            ("anna", "anon-tablet")
        ]
