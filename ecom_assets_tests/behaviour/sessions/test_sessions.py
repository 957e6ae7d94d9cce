"""Sessions as METRICS defines them, as stories: who came when, and which visits that makes.

Times are UTC clock times of 2026-03-10; `+1` is the day after.
"""

from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.sessions.sessions import session_days, session_events, sessions
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.behaviour.sessions.session_reference import (
    reference_sessions,
    stored_sessions,
)
from ecom_assets_tests.builders import DAY_ONE, Step, at, clean_events, journeys
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.visits import GA4, rows_of, spans, views, visits, warehouse


def test_silence_of_exactly_thirty_minutes_stays_one_session() -> None:
    assert spans(visits(views("09:00", "09:30"))) == [("09:00", "09:30")]


def test_one_microsecond_more_makes_two() -> None:
    assert spans(visits(views("09:00", "09:30:00.000001"))) == [
        ("09:00", "09:00"),
        ("09:30:00.000001", "09:30:00.000001"),
    ]


def test_visitors_do_not_share_sessions() -> None:
    actual = visits({"anna": views("09:00", "09:10"), "ben": views("09:05")})
    assert [(row["visitor_id"], row["event_count"]) for row in actual] == [("anna", 2), ("ben", 1)]


def test_a_visitor_on_two_devices_has_a_session_on_each() -> None:
    on_phone: list[Step] = [
        (clock, "page_view", {"anonymous_id": "phone"}) for clock in ("09:00", "09:20")
    ]
    on_laptop: list[Step] = [
        (clock, "page_view", {"anonymous_id": "laptop"}) for clock in ("09:00", "09:40")
    ]
    actual = visits({"anna": [*on_phone, *on_laptop]})
    assert [(row["session_device_id"], row["event_count"]) for row in actual] == [
        ("laptop", 1),
        ("phone", 2),
        ("laptop", 1),
    ]
    # 2026-03-10 09:00:00 UTC is 1,773,133,200 s; both begin in that second.
    assert [row["session_id"] for row in actual] == [
        "anna-1773133200",
        "anna-1773133200-2",
        "anna-1773135600",
    ]


def test_a_session_that_crosses_midnight_belongs_to_the_day_it_started() -> None:
    (session,) = visits(views("23:50", "+1 00:10"))
    assert (session["started_date"], session["ended_date"]) == (
        DAY_ONE,
        DAY_ONE + timedelta(days=1),
    )
    assert session["duration_s"] == 20 * 60


def test_a_session_may_cross_several_midnights() -> None:
    # An event every 30 minutes from 23:45 to 00:15 two days later: 49 half hours, 50 events.
    start = at("23:45")
    clocks = [start + timedelta(minutes=30 * n) for n in range(50)]
    rows = journeys({"anna": views(*["00:00"] * 50)})
    rows = [
        row | {"event_at": moment, "event_date": moment.date()}
        for row, moment in zip(rows, clocks, strict=True)
    ]
    (session,) = rows_of(rows, GA4, "sessions")
    assert (session["started_date"], session["ended_date"]) == (
        DAY_ONE,
        DAY_ONE + timedelta(days=2),
    )
    assert session["event_count"] == 50


def test_events_of_one_microsecond_are_numbered_by_event_id() -> None:
    steps: list[Step] = [("09:00", "page_view", {"event_id": name}) for name in ("c", "a", "b")]
    actual = rows_of(journeys({"anna": steps}), GA4, "events")
    assert [(row["event_id"], row["event_number"], row["until_next_s"]) for row in actual] == [
        ("a", 1, 0.0),
        ("b", 2, 0.0),
        ("c", 3, None),
    ]


def test_the_time_on_a_session_s_last_page_is_unknown_not_zero() -> None:
    actual = rows_of(journeys({"anna": views("09:00", "09:00:07.5", "11:00")}), GA4, "events")
    assert [row["until_next_s"] for row in actual] == [7.5, None, None]


def test_entry_and_exit_are_the_pages_of_the_first_and_last_event_even_without_one() -> None:
    steps: list[Step] = [
        ("09:00", "page_view", {"page_url": "/a"}),
        ("09:01", "page_view", {"page_url": "/b"}),
        ("09:02", "purchase"),
    ]
    (session,) = visits(steps)
    assert (session["entry_page_url"], session["exit_page_url"]) == ("/a", None)


@each(
    "steps, is_engaged",
    [
        ([("09:00", "page_view"), ("09:00:10", "search")], False),
        ([("09:00", "page_view"), ("09:00:10.000001", "search")], True),
        ([("09:00", "page_view")], False),
        ([("09:00", "page_view"), ("09:00", "page_view")], True),
        ([("09:00", "page_view"), ("09:00", "category_view")], True),
        ([("09:00", "search"), ("09:00", "search")], False),
        ([("09:00", "purchase")], True),
        ([("09:00", "refund")], False),
    ],
)
def test_engaged_is_longer_than_ten_seconds_or_a_purchase_or_two_views(
    steps: list[Step],
    is_engaged: bool,  # noqa: FBT001 (pytest gives it by name)
) -> None:
    (session,) = visits(steps)
    assert session["is_engaged"] is is_engaged


def test_single_page_is_the_older_notion_and_independent_of_engagement() -> None:
    (session,) = visits([("09:00", "page_view"), ("09:05", "purchase")])
    assert (session["is_single_page"], session["is_engaged"]) == (True, True)


def test_purchases_add_up_to_the_cent_and_refunds_do_not_count() -> None:
    steps: list[Step] = [
        ("09:00", "purchase", {"cart_amount": 10}),
        ("09:01", "refund", {"cart_amount": 4}),
    ]
    (session,) = visits([*steps, ("09:02", "purchase", {"cart_amount": 5})])
    assert (
        str(session["purchase_amount"]),
        session["purchase_count"],
        session["refund_count"],
    ) == ("15.0000", 2, 1)


def test_the_first_category_is_that_of_the_first_event_that_has_one() -> None:
    hats, shoes = {"product_category": "hats"}, {"product_category": "shoes"}
    (session,) = visits(
        [("09:00", "page_view"), ("09:01", "product_view", shoes), ("09:02", "product_view", hats)]
    )
    assert session["first_product_category"] == "shoes"


def test_a_session_id_is_the_visitor_and_the_second_of_the_start() -> None:
    # 2026-03-10 09:00:00 UTC is 1,773,133,200 s after 1970; the .9 s are cut off, not rounded.
    (session,) = visits(views("09:00:00.9"))
    assert session["session_id"] == "anna-1773133200"


def test_three_hundred_events_two_seconds_apart_are_a_robot_s_pace() -> None:
    def at_pace(count: int, gap_ms: int) -> bool:
        rows = journeys({"anna": views(*["09:00"] * count)})
        rows = [
            row | {"event_at": at("09:00") + timedelta(milliseconds=gap_ms * n)}
            for n, row in enumerate(rows)
        ]
        (session,) = rows_of(rows, GA4, "sessions")
        return bool(session["is_bot"])

    assert not at_pace(299, 100)
    assert at_pace(300, 100)
    # 299 gaps in 600 s: 2.006 s each is still the pace, 2.007 s is not.
    assert at_pace(300, 2006)
    assert not at_pace(300, 2007)


# Against the definition in plain Python


Moment = tuple[str, str | None, int, str]
"""Who, on which device, how many microseconds after midnight, and what."""
moments = st.one_of(
    st.integers(-3 * 86_400 * 10**6, 3 * 86_400 * 10**6),
    st.builds(
        lambda days, gaps, micros: (days * 86_400 + gaps * 900) * 10**6 + micros,
        st.integers(-1, 2),
        st.integers(-4, 4),
        st.sampled_from((-1, 0, 0, 0, 1)),
    ),
)
kinds = st.sampled_from(("page_view", "search", "product_view", "purchase", "refund"))
devices = st.sampled_from((None, None, "phone", "laptop"))
streams = st.lists(
    st.tuples(st.sampled_from("ab"), devices, moments, kinds), min_size=1, max_size=25
)


@pytest.mark.slow
@examples(70)
@given(stream=streams)
def test_sessions_are_those_of_the_definition(stream: list[Moment]) -> None:
    check_against_definition(stream)


@pytest.mark.slow
@examples(600)
@given(stream=streams)
def test_sessions_of_hundreds_of_streams_are_those_of_the_definition(stream: list[Moment]) -> None:
    check_against_definition(stream)


def check_against_definition(stream: list[Moment]) -> None:
    """Compare whole sessions, and sessions cut by day and stitched, with the reference."""
    rows = []
    for number, (who, device, micros, kind) in enumerate(stream):
        moment = at("00:00") + timedelta(microseconds=micros)
        (row,) = journeys(
            {who: [("00:00", kind, {"event_id": f"e{number:02}", "anonymous_id": device})]}
        )
        rows.append(row | {"event_at": moment, "event_date": moment.date()})
    whole = rows_of(rows, GA4, "sessions")
    numbered = rows_of(rows, GA4, "events")
    expected = reference_sessions(clean_events(rows).to_pylist())
    assert stored_sessions(whole, numbered) == expected
    assert warehouse().con.sql(stitched_sql()).to_arrow_table().to_pylist() == whole


@cache
def stitched_sql() -> str:
    days = Days.between(DAY_ONE - timedelta(days=5), DAY_ONE + timedelta(days=5))
    numbered = session_events(warehouse().table("events"), GA4)
    fragments = session_days(numbered, GA4, days, "UTC")
    ordered = sessions(fragments, GA4, days).order_by("visitor_id", "started_at", "session_id")
    return str(warehouse().compile(ordered))
