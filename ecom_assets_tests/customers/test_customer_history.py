"""Versions of customers are the same in whatever order the days of fetches are run, and by a few lines of plain Python.

Random histories: people come, move, sign in, are missing, and are received again for a day that was fetched before.
"""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from ecom_assets.customers.contracts import Customers
from ecom_assets.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, journeys
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=5))
PLANS = 4
BEHAVIOUR = ("events", "first_touches", "session_events", "session_days", "sessions")
Received = dict[date, list[dict[str, Any]]]


def random_fetch(dice: random.Random, day: date) -> list[dict[str, Any]]:
    """Return what the API returns on a day: some of four people, one of two cities each, signed in or not."""
    people = dice.sample((1, 2, 3, 4), dice.randint(1, 4))
    return [
        {"id": one, "city": dice.choice(("Berlin", "Rome")), "last_login_at": dice.choice((None, f"{day}T08:00:00Z"))}
        for one in people
    ]


def by_hand(answer: Received) -> list[tuple[str, str, date, date | None]]:
    """Return customer, city, first day and end of every version."""
    versions: dict[int, list[list[Any]]] = {}
    for day in sorted(answer):
        for record in answer[day]:
            own = versions.setdefault(record["id"], [])
            if not own or own[-1][0] != record["city"]:
                if own:
                    own[-1][2] = day
                own.append([record["city"], day, None])
    return [(str(who), city, begin, end) for who, own in sorted(versions.items()) for city, begin, end in own]


@pytest.mark.slow
def test_any_order_of_days_ends_as_one_run_over_all_and_as_counting_by_hand() -> None:
    shop = Platform()
    for seed in range(PLANS):
        dice = random.Random(seed)  # noqa: S311 (stories, not secrets)
        shop.clear()
        # What people do is known at some moment between the fetches.
        behaviour_known_at = dice.randrange(len(DAYS.dates))
        shop.receive(journeys({"1": [("09:00", "page_view"), ("+2 09:00", "purchase", {"cart_amount": 200})]}), DAYS)
        answer: Received = {}
        steps = [*DAYS.dates, *dice.choices(DAYS.dates, k=2)]
        for number, day in enumerate(dice.sample(steps, len(steps))):
            if number == behaviour_known_at:
                shop.run(DAYS, only=BEHAVIOUR)
            answer[day] = random_fetch(dice, day)
            shop.receive_customers(answer[day], day)
            shop.run(Days((day,)), only=["customers"])
        piecewise = shop.rows(Customers)
        shop.engine.execute("DELETE FROM staging.customers")
        shop.run(DAYS, only=["customers"])
        assert piecewise == shop.rows(Customers), f"plan {seed}"
        actual = [(row["customer_id"], row["city"], row["valid_from"], row["valid_to"]) for row in shop.rows(Customers)]
        assert actual == by_hand(answer), f"plan {seed}"
    shop.close()
