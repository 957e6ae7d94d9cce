"""Ids that too many share, or that stand for no id, join nobody;
ids that only look alike are different.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import ibis
import pytest

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.identity.contracts import MergedUsers, SharedIds
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import with_visitors_of_all
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of, schema_of
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.platform import Platform

OF_IDENTITY = (
    "duplicate_events",
    "identity_links",
    "identity_aliases",
    "changed_visitor_days",
    "shared_ids",
    "merged_users",
    "events",
)
YEAR = Days.between(DAY_ONE, DAY_ONE + timedelta(days=400))


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    platform = Platform()
    yield platform
    platform.close()


@pytest.fixture
def shop(opened: Platform) -> Platform:
    opened.clear()
    return opened


def seen(
    event_id: str, clock: str, device: str | None, user: str | None = None, **values: Any
) -> Row:
    """Return an event; without a device it is in the source session `s`."""
    session = None if device else "s"
    return received(
        event_id, at(clock), user_id=user, session_id=session, anonymous_id=device, **values
    )


def visitors(shop: Platform, *arrivals: Sequence[Row]) -> dict[str, str]:
    """Return the visitor of each event after rows arrived in some runs, one after the other."""
    rows: list[Row] = []
    for arrived in arrivals:
        rows += arrived
        days = Days.from_dates(row["received_date"] for row in arrived)
        shop.receive(rows, days)
        shop.run(days, only=OF_IDENTITY)
        shop.rows(CleanEvents)
    return {row["event_id"]: row["visitor_id"] for row in shop.rows(CleanEvents)}


def shared(shop: Platform) -> list[tuple[str, str, str, int]]:
    """Return the ids that join nobody."""
    return [
        (r["id_kind"], r["id_value"], r["reason"], r["reached_count"]) for r in shop.rows(SharedIds)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "listed"),
    [("GUEST", 1), ("[object Object]", 0), ("000-000", 1), ("Anonymous", 0), ("NULL", 0)],
)
def test_a_placeholder_in_any_case_joins_nobody(shop: Platform, name: str, listed: int) -> None:
    """Clean events have no user in place of ids that mean null, so these are nobody to list."""
    actual = visitors(
        shop,
        [seen("1", "09:00", "d1"), seen("2", "09:05", "d1", name), seen("3", "09:00", "d2", name)],
    )
    assert (
        actual == {"1": "anon-d1", "2": name, "3": name}
        if listed
        else {"1": "anon-d1", "2": "anon-d1", "3": "anon-d2"}
    )
    assert shared(shop) == [("user", name, "placeholder", 2)] * listed


@pytest.mark.slow
@pytest.mark.parametrize("position", [0, 19], ids=["first", "last"])
def test_a_device_with_20_users_joins_nobody_whichever_arrives_last(
    shop: Platform, position: int
) -> None:
    users = [seen(f"u{n}", f"+{n} 09:00", "till", f"user{n}") for n in range(20)]
    late = users.pop(position)
    alone = seen("alone", "+5 09:10", "till")
    assert visitors(shop, [*users, alone])["alone"] == "user5"
    assert visitors(shop, [*users, alone], [late])["alone"] == "anon-till"
    assert shared(shop) == [("device", "till", "device_users", 20)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days_between", "reached"), [(0, 50), (7, 0)], ids=["at once", "over a year"]
)
def test_a_user_on_50_devices_joins_nobody_only_if_within_30_days(
    shop: Platform, days_between: int, reached: int
) -> None:
    rows = [seen(f"e{n}", f"+{n * days_between} 09:00", f"d{n}", "max") for n in range(50)]
    actual = visitors(shop, [*rows, seen("alone", "09:10", "d0")])
    assert actual["alone"] == ("anon-d0" if reached else "max")
    assert [count for *_, count in shared(shop)] == ([reached] if reached else [])


@pytest.mark.slow
@pytest.mark.parametrize(("days", "joins"), [(7, "max"), (8, "anon-d1")])
def test_the_days_within_which_devices_are_counted_are_a_setting(days: int, joins: str) -> None:
    """Max is on one device, and a week later on another: 2 devices within 8 days."""
    settings = Settings(
        home=Path("never written"), identity_user_devices=2, identity_user_devices_days=days
    )
    small = Platform(settings)
    rows = [
        seen("1", "09:00", "d1", "max"),
        seen("2", "+7 09:00", "d2", "max"),
        seen("alone", "09:05", "d1"),
    ]
    assert visitors(small, rows)["alone"] == joins
    small.close()


def test_a_source_session_with_5_users_joins_nobody(shop: Platform) -> None:
    rows = [seen(f"e{n}", f"09:0{n}", None, f"user{n}") for n in range(5)]
    assert visitors(shop, [*rows, seen("alone", "09:06", None)])["alone"] == "anon-s"
    assert shared(shop) == [("source_session", "s", "session_users", 5)]


ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1)"


@pytest.mark.slow
def test_a_robot_that_carries_a_user_links_nobody_and_trips_no_bound(shop: Platform) -> None:
    """A robot opens pages on d1 as ben: what else is seen on d1 stays the device's,
    and ben's event ben's.
    """
    events = [seen("1", "09:00", "d1"), seen("2", "09:10", "d1", "ben", user_agent=ROBOT)]
    assert visitors(shop, events) == {"1": "anon-d1", "2": "ben"}
    crowd = [seen(f"u{n}", "10:00", "d1", f"u{n}", user_agent=ROBOT) for n in range(20)]
    assert visitors(shop, [*events, seen("3", "09:20", "d1", "ann"), *crowd])["1"] == "ann"
    assert not shared(shop), "20 users of robots make no shared device"


def alias(properties: str, **values: Any) -> Row:
    return seen(
        "alias", "23:00", "d-alias", "ann", event_type="alias", properties=properties, **values
    )


def merged(shop: Platform) -> set[str]:
    """Return the users whom aliases make one person with others."""
    return {row["user_id"] for row in shop.rows(MergedUsers)}


@pytest.mark.slow
def test_an_alias_of_a_user_on_50_devices_joins_nobody(shop: Platform) -> None:
    rows = [seen(f"e{n}", "09:00", f"d{n}", "max") for n in range(50)]
    assert visitors(shop, rows[1:], [alias('{"previous_id": "max"}')])["e1"] == "ann", (
        "49 devices are a person's"
    )
    assert visitors(shop, rows, [alias('{"previous_id": "max"}')])["e1"] == "max"
    assert merged(shop) == set()


def test_an_alias_by_a_robot_joins_nobody(shop: Platform) -> None:
    rows = [seen("1", "09:00", "d1", "anna"), alias('{"previous_id": "anna"}', user_agent=ROBOT)]
    assert visitors(shop, rows)["1"] == "anna"


@pytest.mark.slow
@pytest.mark.parametrize(("given", "joined"), [("true", {"ann", "anna"}), ("false", set())])
def test_an_alias_takes_the_consent_that_a_link_takes(given: str, joined: set[str]) -> None:
    small = Platform(Settings(home=Path("never written"), identity_consent="consent"))
    visitors(small, [alias(f'{{"previous_id": "anna", "consent": {given}}}')])
    assert merged(small) == joined
    small.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("properties", "previous"),
    [
        (r'{"previous_id": "j\u00f6rg"}', "jörg"),
        ('{"previousId": 456}', "456"),
        ('{"previous_id": "", "previous_user_id": "anna"}', "anna"),
        ('{"note": {"previous_id": "eve"}}', ""),
        ('["previous_id"]', ""),
        ('{"previous_id": "eve"', ""),
        ("not json", ""),
        ('{"previous_id": true}', ""),
        (r'{"previous_id": "eve\ud800"}', ""),
        ('{"note": "say \\"previous_id\\": \\"eve\\""}', ""),
    ],
)
def test_the_id_until_now_is_read_as_json(shop: Platform, properties: str, previous: str) -> None:
    visitors(shop, [alias(properties)])
    assert merged(shop) == ({"ann", previous} if previous else set())


def test_ids_that_look_alike_are_different(shop: Platform) -> None:
    users = ["Ann", "ann", "caf\u00e9", "cafe\u0301", "456", "user-456"]
    actual = visitors(shop, [seen(name, f"09:0{n}", f"d{n}", name) for n, name in enumerate(users)])
    assert len(set(actual.values())) == len(users)


def test_an_id_that_is_a_user_here_and_a_device_there_joins_nothing(shop: Platform) -> None:
    actual = visitors(shop, [seen("1", "09:00", "x1"), seen("2", "09:05", "d2", "x1")])
    assert actual == {"1": "anon-x1", "2": "x1"}


@pytest.mark.slow
def test_a_link_that_goes_with_its_file_gives_the_events_back_to_the_device(shop: Platform) -> None:
    alone, sign_in = seen("1", "09:00", "d1"), seen("2", "+1 09:00", "d1", "ann")
    assert visitors(shop, [alone, sign_in])["1"] == "ann"
    day = Days((sign_in["received_date"],))
    shop.receive([alone], day)
    shop.run(day, only=OF_IDENTITY)
    assert {row["event_id"]: row["visitor_id"] for row in shop.rows(CleanEvents)} == {
        "1": "anon-d1"
    }


@pytest.mark.slow
@pytest.mark.parametrize(("days", "visitor"), [(365, "ann"), (366, "anon-d1")])
def test_a_sign_in_a_year_later_counts_and_a_day_more_is_too_far_away(
    shop: Platform, days: int, visitor: str
) -> None:
    actual = visitors(shop, [seen("1", "09:00", "d1")], [seen("2", f"+{days} 09:00", "d1", "ann")])
    assert actual == {"1": visitor, "2": "ann"}


@pytest.mark.slow
def test_a_sign_in_that_arrives_a_year_late_is_refused_and_joins_nobody(shop: Platform) -> None:
    alone, sign_in = seen("1", "09:00", "d1"), seen("2", "09:05", "d1", "ann")
    late = sign_in | {"received_date": sign_in["received_date"] + timedelta(days=365)}
    assert visitors(shop, [alone], [late]) == {"1": "anon-d1"}


@pytest.mark.slow
@pytest.mark.parametrize("names_step", [True, False], ids=["tables", "questions"])
def test_many_devices_of_one_user_and_many_links_on_one_device(*, names_step: bool) -> None:
    """`max` is on 100,000 devices in 30 days, each of which also has an event without a user:
    nobody is joined.

    On one more device `ann` and nobody take turns, 100,000 times: all of it is hers.
    What grows with the square of these takes hours.
    """
    con = connect()
    con.raw_sql("""
        CREATE TEMP TABLE many AS
        SELECT kind || i AS event_id, TIMESTAMP '2026-03-01' + (i % 30) * INTERVAL 1 DAY + add
          AS event_at,
            event_at::DATE AS event_date, 'page_view' AS event_type, device AS device_id,
            NULL::VARCHAR AS source_session_id, user_id, event_at::DATE AS received_date
        FROM (
            SELECT i, 'm' AS kind, INTERVAL 1 MINUTE AS add, 'd' || i AS device, 'max' AS user_id
            FROM range(100000) t(i)
            UNION ALL SELECT i, 'n', INTERVAL 2 MINUTE, 'd' || i, NULL FROM range(100000) t(i)
            UNION ALL SELECT i, 'a', i * INTERVAL 100 MILLISECOND, 'turns', if(i % 2 = 0, 'ann',
              NULL)
            FROM range(100000) t(i)
        )
    """)
    merged = ibis.memtable(schema_of(MergedUsers).to_pyarrow().empty_table())
    found = with_visitors_of_all(con.table("many"), merged, IdentityRule(), names_step=names_step)
    counts = found.group_by(kind=found.event_id[0]).agg(
        visitor_count=found.visitor_id.nunique(),
        event_count=found.count(),
        least=found.visitor_id.min(),
    )
    rows = {
        row["kind"]: (row["visitor_count"], row["event_count"], row["least"])
        for row in rows_of(counts)
    }
    con.disconnect()
    assert rows == {
        "m": (1, 100_000, "max"),
        "n": (100_000, 100_000, "anon-d0"),
        "a": (1, 100_000, "ann"),
    }
