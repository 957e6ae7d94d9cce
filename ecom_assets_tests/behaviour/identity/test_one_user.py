"""A device on which only one user signs in belongs to that user,
also where the sign-in is long ago or far ahead.
"""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.behaviour.identity.reference import Seen, owners
from ecom_assets_tests.behaviour.identity.test_rules import visitors
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.hypothesis_settings import seeds
from ecom_assets_tests.platform import Platform

OF_VISITORS = (
    "duplicate_events",
    "identity_links",
    "identity_aliases",
    "changed_visitor_days",
    "shared_ids",
    "merged_users",
    "events",
)
LONGEST = 5
BOUNDS = {"identity_days_back": 2, "identity_days_ahead": 1, "identity_one_user_days": LONGEST}
RULE = IdentityRule(days_back=2, days_ahead=1, one_user_days=LONGEST)
HOURS = (0, 7, 7, 16, 23)


def day(number: int, user: str | None = None, device: str = "D") -> Seen:
    """Return the only event of a device on a day, counted from the first."""
    return Seen(at("12:00") + timedelta(days=number), f"{device}{number}", device, None, user)


def found(events: list[Seen], rule: IdentityRule) -> list[str]:
    """Return the visitor of each event, in their order."""
    by_id = visitors(events, rule)
    assert by_id == visitors(events, rule, names_step=False) == owners(events, rule)
    return [by_id[event.event_id] for event in events]


@pytest.mark.slow
def test_events_of_the_only_user_count_whenever_the_user_signs_in() -> None:
    """Ann is there on days 0 and 31, signs in on day 62, and comes again without
    signing in on days 153 and 300.
    """
    events = [day(0), day(31), day(62, "ann"), day(153), day(300)]
    assert found(events, IdentityRule()) == ["ann"] * 5
    bounded = IdentityRule(one_user_days=0)
    assert found(events, bounded) == ["anon-D", "anon-D", "ann", "anon-D", "anon-D"], (
        "31 days before, 91 after"
    )
    assert found(events, IdentityRule(one_user_days=61)) == [
        "anon-D",
        "ann",
        "ann",
        "anon-D",
        "anon-D",
    ]


@pytest.mark.slow
def test_a_second_user_leaves_to_the_device_what_is_far_from_both() -> None:
    """Day 0 is 90 days before ann, and day 200 is 100 days after ben,
    within a year of whom there are two users.
    """
    events = [day(0), day(70), day(90, "ann"), day(100, "ben"), day(190), day(200)]
    assert found(events, IdentityRule()) == ["anon-D", "ann", "ann", "ben", "ben", "anon-D"]
    assert found(events[:3], IdentityRule()) == ["ann", "ann", "ann"]


@pytest.mark.slow
def test_a_second_user_more_than_a_year_away_changes_nothing() -> None:
    events = [day(0), day(90, "ann"), day(366, "ben"), day(400, "ann")]
    assert found(events, IdentityRule()) == ["ann", "ann", "ben", "ann"]
    events = [day(0), day(90, "ann"), day(365, "ben"), day(400, "ann")]
    assert found(events, IdentityRule()) == ["anon-D", "ann", "ben", "ann"]


@pytest.fixture(scope="module")
def shop() -> Iterator[Platform]:
    platform = Platform(Settings(home=Path("never written")).model_copy(update=BOUNDS))
    yield platform
    platform.close()


def rows_of(events: list[Seen]) -> list[Row]:
    """Return events as received rows; the source session says nothing that the device does not."""
    return [
        received(
            event.event_id, event.at, user_id=event.user, session_id=None, anonymous_id=event.device
        )
        for event in events
    ]


def stored(shop: Platform) -> dict[str, str]:
    """Return the visitor of each clean event."""
    return {row["event_id"]: row["visitor_id"] for row in shop.rows(CleanEvents)}


def receive_and_run(shop: Platform, events: list[Seen], days: Days, run: Days) -> None:
    """Let all rows of some days arrive, and run some of them."""
    shop.receive(rows_of(events), days)
    shop.run(run, only=OF_VISITORS)


@pytest.mark.slow
def test_days_are_computed_again_when_a_second_user_comes_and_when_the_row_goes_again(
    shop: Platform,
) -> None:
    shop.clear()
    days = Days.between(DAY_ONE, DAY_ONE + timedelta(days=6))
    alone, second = [day(0), day(4, "ann")], day(5, "ben")
    receive_and_run(shop, alone, days, days)
    assert stored(shop) == {"D0": "ann", "D4": "ann"}
    last = Days((days.dates[-1],))
    receive_and_run(shop, [*alone, second], days, last)
    assert stored(shop) == {"D0": "anon-D", "D4": "ann", "D5": "ben"}
    receive_and_run(shop, alone, days, last)
    assert stored(shop) == {"D0": "ann", "D4": "ann"}


def history(dice: random.Random) -> list[Seen]:
    """Return events of two devices over 13 days, most of them without a user,
    some at the same time of day.
    """
    result = []
    for number in range(dice.randint(4, 12)):
        when = at("00:00") + timedelta(days=dice.randrange(13), hours=dice.choice(HOURS))
        user = dice.choice([None, None, None, "A", "B"])
        result.append(Seen(when, f"e{number}", dice.choice("DDE"), None, user))
    return result


@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds(range(20)))
def test_in_whatever_order_days_arrive_the_visitors_are_those_of_plain_python(
    shop: Platform, seed: int
) -> None:
    shop.clear()
    dice = random.Random(seed)  # noqa: S311 (a history that can be repeated)
    events = history(dice)
    dates = sorted({event.at.date() for event in events})
    withdrawn = dice.choice(dates)
    arrived: list[Seen] = []
    for date in [*dice.sample(dates, len(dates)), withdrawn, withdrawn]:
        of_day = [event for event in events if event.at.date() == date]
        is_there = of_day[0] in arrived
        arrived = (
            [seen for seen in arrived if seen not in of_day] if is_there else [*arrived, *of_day]
        )
        receive_and_run(shop, of_day if not is_there else [], Days((date,)), Days((date,)))
        assert stored(shop) == owners(arrived, RULE), f"after {date}"
    assert len(arrived) == len(events)
