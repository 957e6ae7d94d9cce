"""Who a visitor is: the user, else the one of the same source session on that day,
the next, or the last.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.visitors import visitor_of_user
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

OF_EVENTS = (
    "duplicate_events",
    "identity_links",
    "identity_aliases",
    "changed_visitor_days",
    "shared_ids",
    "merged_users",
    "events",
)
AROUND = Days.between(DAY_ONE - timedelta(days=12), DAY_ONE + timedelta(days=25))


@pytest.fixture(scope="module")
def shop() -> Iterator[Platform]:
    """A shop whose visitors are found by their source sessions."""
    platform = Platform(Settings(home=Path("never written"), identity="user"))
    yield platform
    platform.close()


def seen(
    clock: str,
    user: str | None = None,
    session: str | None = "s1",
    arrived: int | None = None,
    **values: Any,
) -> Row:
    """Return an event at a clock time; without a user it is somebody anonymous."""
    row = received(
        f"{clock} {user} {session}", at(clock), user_id=user, session_id=session, **values
    )
    return row if arrived is None else row | {"received_date": DAY_ONE + timedelta(days=arrived)}


def visitor(shop: Platform, anonymous: Row, *others: Row) -> str:
    """Return the visitor of an event, given what else is received."""
    shop.clear()
    shop.receive([anonymous, *others], AROUND)
    shop.run(AROUND, only=OF_EVENTS)
    (actual,) = [
        row["visitor_id"]
        for row in shop.rows(CleanEvents)
        if row["event_id"] == anonymous["event_id"]
    ]
    return str(actual)


NOON = seen("12:00")


@pytest.mark.slow
def test_a_user_is_the_visitor_whatever_the_session_says(shop: Platform) -> None:
    assert visitor(shop, seen("12:00", "anna"), seen("12:01", "aaron")) == "anna"


@pytest.mark.slow
def test_a_session_that_never_shows_its_user_stays_anonymous(shop: Platform) -> None:
    assert visitor(shop, NOON, seen("12:01", "anna", "s2"), seen("12:02", "ben", None)) == "anon-s1"


@pytest.mark.slow
@each("clock", ["12:05", "09:00", "+1 23:59", "-1 00:00"])
def test_the_user_of_the_same_source_session_is_the_visitor(shop: Platform, clock: str) -> None:
    # Later and earlier on the day, on the day after, and on the day before.
    assert visitor(shop, NOON, seen(clock, "anna")) == "anna"


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["+2 00:00", "-2 23:59"])
def test_two_days_away_the_session_says_nothing(shop: Platform, clock: str) -> None:
    assert visitor(shop, NOON, seen(clock, "anna")) == "anon-s1"


@pytest.mark.slow
def test_the_same_day_comes_before_the_day_after_and_that_before_the_day_before(
    shop: Platform,
) -> None:
    before, after, same = seen("-1 12:00", "carl"), seen("+1 12:00", "ben"), seen("12:30", "dora")
    assert visitor(shop, NOON, before) == "carl"
    assert visitor(shop, NOON, before, after) == "ben"
    assert visitor(shop, NOON, before, after, same) == "dora"


def test_of_several_users_on_one_day_the_smallest_id_is_the_visitor(shop: Platform) -> None:
    assert visitor(shop, NOON, seen("12:01", "ben"), seen("12:02", "anna")) == "anna"


def test_a_user_of_the_day_after_counts_only_if_seen_while_the_day_accepts_events(
    shop: Platform,
) -> None:
    # Day 0 accepts arrivals until day 7, day 1 until day 8.
    assert visitor(shop, NOON, seen("+1 12:00", "anna", arrived=7)) == "anna"
    assert visitor(shop, NOON, seen("+1 12:00", "anna", arrived=8)) == "anon-s1"


def test_a_user_of_the_day_before_counts_only_if_seen_since_that_day(shop: Platform) -> None:
    # An event just after midnight may arrive, by another clock, on the day before its own.
    assert visitor(shop, NOON, seen("-1 00:30", "anna", arrived=-1)) == "anna"
    assert visitor(shop, NOON, seen("-1 00:30", "anna", arrived=-2)) == "anon-s1"


def test_a_refused_row_shows_nobody(shop: Platform) -> None:
    assert (
        visitor(shop, NOON, seen("12:01", "null"), seen("12:02", "anna", event_type=" "))
        == "anon-s1"
    )


def test_a_user_whose_id_looks_anonymous_is_not_merged_with_the_anonymous_session(
    shop: Platform,
) -> None:
    rows = [
        seen("12:00", None, "s9"),
        seen("12:01", "anon-s9", "s8"),
        seen("12:02", "user-anon-s9", "s7"),
        seen("12:03", None, "s8"),
        seen("12:04", "user-1", "s6"),
    ]
    shop.clear()
    shop.receive(rows, AROUND)
    shop.run(AROUND, only=OF_EVENTS)
    actual = [
        row["visitor_id"] for row in sorted(shop.rows(CleanEvents), key=lambda row: row["event_at"])
    ]
    assert actual == ["anon-s9", "user-anon-s9", "user-user-anon-s9", "user-anon-s9", "user-1"]


@pytest.mark.slow
@given(st.sets(st.from_regex(r"(user-)*(anon-)?[ab]?", fullmatch=True), min_size=2))
@examples(50)
def test_two_users_never_become_one_visitor_nor_an_anonymous_one(users: set[str]) -> None:
    con = connect()
    table = ibis.memtable(pa.table({"user_id": sorted(users)}))
    actual = con.to_pyarrow(table.select(visitor=visitor_of_user(table.user_id)))[
        "visitor"
    ].to_pylist()
    con.disconnect()
    assert len(set(actual)) == len(users)
    assert not any(row.startswith("anon-") for row in actual)


def test_the_wait_for_a_login_changes_the_day_before_too(shop: Platform) -> None:
    # The day is run, then the login of the next day arrives: running what that arrival touches
    # restates the visitor.
    assert visitor(shop, NOON) == "anon-s1"
    login = seen("+1 12:00", "anna")
    shop.receive([login], Days((login["received_date"],)))
    shop.run(shop.touched([login["received_date"]]), only=OF_EVENTS)
    assert [row["visitor_id"] for row in shop.rows(CleanEvents)] == ["anna", "anna"]
