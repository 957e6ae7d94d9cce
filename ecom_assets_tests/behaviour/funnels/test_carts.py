"""Carts left behind: by story, by plain Python on random streams,
and in whatever order days come.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.carts import CartRule
from ecom_assets.behaviour.funnels.contracts import CartAbandonment
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days, day_starts_at, days_after
from ecom_assets_tests.behaviour.funnels.cart_reference import carts_by_definition, stored_carts
from ecom_assets_tests.builders import DAY_ONE, Row, Step, journeys, received
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import Platform

ZONE = "Europe/Berlin"
FIRST = date(2026, 3, 26)
"""Clocks go forward on the 29th."""
WORLD = Days.between(FIRST, FIRST + timedelta(days=12))
HOUR, DAY, WEEK = 3_600, 86_400, 604_800


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform(Settings(home=Path("never written"), timezone=ZONE, late_days=0))
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: Platform) -> Platform:
    opened.clear()
    return opened


TABLES = (
    "duplicate_events",
    "events",
    "session_events",
    "session_days",
    "sessions",
    "cart_abandonment",
)


def carts(
    shop: Platform, people: Mapping[str, Sequence[Step]], days: int = 9
) -> dict[tuple[str, int], Row]:
    """Return the rows of DAY_ONE by unit and horizon."""
    span = Days.between(DAY_ONE, DAY_ONE + timedelta(days=days))
    shop.receive(journeys(people, timezone=ZONE), span)
    shop.run(span, only=TABLES)
    return {
        (row["unit"], row["horizon_s"]): row
        for row in shop.rows(CartAbandonment)
        if row["cart_date"] == DAY_ONE
    }


def filled(*, paid: str | None, at: str = "09:00", worth: int | None = 50) -> list[Step]:
    """Return a cart filled at a time, and paid for at another or never."""
    steps: list[Step] = [(at, "add_to_cart", {"cart_amount": worth})]
    return [*steps, (paid, "purchase", {"cart_amount": worth})] if paid else steps


# The day ends at 23:00 UTC in Berlin's winter.


@pytest.mark.slow
def test_a_cart_is_left_behind_until_somebody_pays_for_it_within_the_horizon(
    shop: Platform,
) -> None:
    actual = carts(
        shop,
        {
            "anna": filled(paid="09:20"),  # in her session
            "ben": filled(paid="09:50"),  # in another session, within the hour
            "cara": filled(paid="+1 09:00"),  # a day later, to the second
            "dora": filled(paid="+7 09:00:01"),  # a second after a week
            "emil": filled(paid=None),
        },
    )
    answer = {
        key: (row["cart_count"], row["abandoned_cart_count"], row["recovered_cart_count"])
        for key, row in actual.items()
    }
    assert answer == {
        ("session", 0): (5, 4, None),
        ("visitor", HOUR): (5, 3, 1),
        ("visitor", DAY): (5, 2, 2),
        ("visitor", WEEK): (5, 2, 2),
    }
    assert actual["session", 0]["cart_abandonment_rate"] == pytest.approx(4 / 5)
    assert actual["visitor", WEEK]["abandoned_cart_amount"] == 100
    assert actual["visitor", WEEK]["recovered_cart_amount"] == 100


@pytest.mark.slow
def test_what_is_left_behind_is_the_cart_s_last_known_worth(shop: Platform) -> None:
    steps: list[Step] = [
        ("09:00", "add_to_cart", {"cart_amount": 30}),
        ("09:01", "add_to_cart", {"cart_amount": 80}),
        ("09:02", "remove_from_cart", {"cart_amount": 50}),
        ("09:03", "add_to_cart"),
    ]
    row = carts(shop, {"anna": steps, "ben": [("10:00", "add_to_cart")]})["visitor", HOUR]
    assert (row["cart_count"], row["valued_cart_count"], row["abandoned_cart_amount"]) == (2, 1, 50)


@pytest.mark.slow
def test_a_day_on_which_no_cart_says_its_worth_has_none_instead_of_zero(shop: Platform) -> None:
    row = carts(shop, {"anna": filled(paid=None, worth=None)})["visitor", HOUR]
    assert (row["valued_cart_count"], row["cart_amount"], row["abandoned_cart_amount"]) == (
        0,
        None,
        None,
    )


def test_checkouts_are_counted_as_carts_are_and_a_day_without_carts_has_no_rate(
    shop: Platform,
) -> None:
    people: dict[str, list[Step]] = {
        "anna": [("09:00", "checkout_start"), ("09:05", "purchase")],
        "ben": [("09:00", "checkout_start"), ("20:00", "purchase")],
    }
    actual = carts(shop, people)
    assert [
        actual[key]["checkout_abandonment_rate"] for key in (("session", 0), ("visitor", DAY))
    ] == [0.5, 0]
    assert actual["visitor", DAY]["cart_count"] == 0
    assert actual["visitor", DAY]["cart_abandonment_rate"] is None


def test_a_purchase_before_the_cart_pays_for_nothing(shop: Platform) -> None:
    actual = carts(shop, {"anna": [("09:00", "purchase"), ("09:01", "add_to_cart")]})
    assert actual["visitor", WEEK]["abandoned_cart_count"] == 1
    # A session is evaluated as a whole, as other tools do.
    assert actual["session", 0]["abandoned_cart_count"] == 0


def test_at_one_instant_the_cart_comes_first(shop: Platform) -> None:
    steps: list[Step] = [
        ("09:00", "purchase", {"event_id": "a"}),
        ("09:00", "add_to_cart", {"event_id": "b"}),
    ]
    assert carts(shop, {"anna": steps})["visitor", HOUR]["abandoned_cart_count"] == 0


@pytest.mark.slow
def test_a_later_purchase_restates_the_cart_s_day(shop: Platform) -> None:
    rows = journeys({"anna": filled(paid="+6 09:00")}, timezone=ZONE)
    shop.receive(rows, Days((DAY_ONE,)))
    shop.run(Days((DAY_ONE,)), only=TABLES)
    before = {row["horizon_s"]: row["abandoned_cart_count"] for row in shop.rows(CartAbandonment)}
    assert before == {0: 1, HOUR: 1, DAY: 1, WEEK: 1}
    later = Days((DAY_ONE + timedelta(days=6),))
    shop.receive(rows, later)
    shop.run(later, only=TABLES)
    after = {row["horizon_s"]: row["abandoned_cart_count"] for row in shop.rows(CartAbandonment)}
    assert after == {0: 1, HOUR: 1, DAY: 1, WEEK: 0}


def test_a_row_says_from_which_day_on_it_changes_no_more(shop: Platform) -> None:
    actual = carts(shop, {"anna": filled(paid=None)})
    ahead = {key: (row["final_from_date"] - DAY_ONE).days for key, row in actual.items()}
    # A day of 24 hours may reach into the day after the next, where clocks go forward between.
    assert ahead == {
        ("session", 0): 2,
        ("visitor", HOUR): 2,
        ("visitor", DAY): 3,
        ("visitor", WEEK): 9,
    }
    assert [days_after(length) for length in (HOUR, DAY, WEEK)] == [1, 2, 8]


def random_rows(seed: int) -> list[Row]:
    """Return carts and purchases near midnights and horizons, and a chain of events over days."""
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    kinds = (
        "add_to_cart",
        "add_to_cart",
        "purchase",
        "checkout_start",
        "remove_from_cart",
        "page_view",
    )
    rows: list[Row] = []
    for _ in range(dice.randint(1, 14)):
        who = dice.choice(("anna", "ben", "cara"))
        midnight = day_starts_at(FIRST + timedelta(days=dice.randint(0, 9)), ZONE)
        start = midnight + timedelta(seconds=dice.choice((0, -1, 600, -600, 43_200)))
        gaps = (
            [1800] * dice.randint(60, 110)
            if dice.random() < 0.1
            else dice.choices((0, 600, HOUR, 1801, DAY), k=3)
        )
        for n in range(len(gaps) + 1):
            at = start + timedelta(seconds=sum(gaps[:n]))
            worth = dice.choice((None, 5, 20, 99)) if n < 4 else None
            kind = dice.choice(kinds) if n < 4 or dice.random() < 0.1 else "page_view"
            rows.append(
                received(
                    f"e{len(rows):04}",
                    at,
                    timezone=ZONE,
                    user_id=who,
                    event_type=kind,
                    cart_amount=worth,
                )
            )
    return [row for row in rows if row["event_date"] in WORLD.dates]


def check(shop: Platform, seed: int) -> None:
    """Run the days of a random stream in a random order, then compare with plain Python."""
    dice = random.Random(seed)  # noqa: S311 (an order, not a secret)
    shop.clear()
    rows = random_rows(seed)
    parts = [Days(WORLD.dates[n : n + 4]) for n in range(0, len(WORLD.dates), 4)]
    for part in dice.sample(parts, len(parts)):
        shop.receive(rows, part)
        shop.run(part, only=TABLES)
    assert stored_carts(shop.rows(CartAbandonment)) == carts_by_definition(
        shop.rows(CleanEvents)
    ), f"seed {seed}"


@pytest.mark.slow
def test_carts_of_random_streams_are_those_of_the_definition_in_whatever_order_days_come(
    shop: Platform,
) -> None:
    check(shop, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_carts_of_a_hundred_streams_are_those_of_the_definition(shop: Platform) -> None:
    for seed in seeds(range(100, 200)):
        check(shop, seed)


@pytest.mark.slow
def test_where_events_carry_the_worth_of_items_it_is_added_up() -> None:
    platform = Platform(
        Settings(home=Path("never written"), timezone=ZONE, late_days=0, cart_value="item")
    )
    try:
        for seed in range(3):
            platform.clear()
            platform.receive(random_rows(seed), WORLD)
            platform.run(WORLD, only=TABLES)
            expected = carts_by_definition(platform.rows(CleanEvents), by_item=True)
            assert stored_carts(platform.rows(CartAbandonment)) == expected, f"seed {seed}"
    finally:
        platform.close()


@pytest.mark.parametrize("horizons_s", [(), (0, 60)])
def test_horizons_that_cannot_be_are_refused(horizons_s: tuple[int, ...]) -> None:
    with pytest.raises(DefinitionError, match=r"give seconds, more than 0\."):
        CartRule(horizons_s)


def test_an_unknown_meaning_of_cart_values_is_refused() -> None:
    with pytest.raises(ValidationError, match="cart_value"):
        Settings.model_validate({"cart_value": "basket"})
