"""Sessions as METRICS defines them, told as stories: who came when, and which visits that makes.

Times are UTC clock times of 2026-03-10; `+1` is the day after. Not here: the order of runs.
"""

from datetime import datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from ecom_assets.contracts.events import CleanEvents
from ecom_assets.errors import DefinitionError
from ecom_assets.transforms.days import Days
from ecom_assets.transforms.session_rule import PRESETS, SessionRule
from ecom_assets.transforms.sessions import session_days, session_events, sessions, whole_sessions
from ecom_assets.warehouse.duckdb import connect
from ecom_assets_tests.builders import DAY_ONE, Row, Step, as_table, at, clean_events, journeys
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.session_reference import reference_sessions, stored_sessions

GA4 = SessionRule.preset("ga4")
SUMMER = "https://shop.test/?utm_source=google&utm_medium=cpc&utm_campaign=summer"
WINTER = "https://shop.test/?utm_source=google&utm_medium=cpc&utm_campaign=winter"


@cache
def warehouse() -> Backend:
    """A DuckDB in memory whose table `events` the tests exchange."""
    con = connect()
    con.con.register("events", as_table([], CleanEvents))
    return con


@cache
def sql(rule: SessionRule, what: str) -> str:
    """Compile once per rule."""
    events = warehouse().table("events")
    one = whole_sessions(events, rule) if what == "sessions" else session_events(events, rule, by_day=False)
    order = ("visitor_id", "started_at", "session_id") if what == "sessions" else ("visitor_id", "event_at", "event_id")
    return str(warehouse().compile(one.order_by(*order)))


def rows_of(rows: list[Row], rule: SessionRule, what: str) -> list[Row]:
    """Return the sessions, or the numbered events, that rows of received events make."""
    warehouse().con.register("events", clean_events(rows))
    found: list[Row] = warehouse().con.sql(sql(rule, what)).to_arrow_table().to_pylist()
    return found


def visits(steps: list[Step] | dict[str, list[Step]], rule: SessionRule = GA4) -> list[Row]:
    """Return the sessions of Anna, or of several people."""
    people = steps if isinstance(steps, dict) else {"anna": steps}
    return rows_of(journeys(people), rule, "sessions")


def spans(found: list[Row]) -> list[tuple[str, str]]:
    """Return first and last event of each session, as day and clock."""
    return [tuple(_clock(row[name]) for name in ("started_at", "ended_at")) for row in found]  # type: ignore[misc]


def _clock(moment: datetime) -> str:
    days = (moment.date() - DAY_ONE).days
    text = moment.strftime("%H:%M:%S.%f").removesuffix(".000000").removesuffix(":00")
    return f"+{days} {text}" if days else text


def views(*clocks: str) -> list[Step]:
    return [(clock, "page_view") for clock in clocks]


def test_silence_of_exactly_thirty_minutes_stays_one_session() -> None:
    assert spans(visits(views("09:00", "09:30"))) == [("09:00", "09:30")]


def test_one_microsecond_more_makes_two() -> None:
    assert spans(visits(views("09:00", "09:30:00.000001"))) == [
        ("09:00", "09:00"),
        ("09:30:00.000001", "09:30:00.000001"),
    ]


def test_visitors_do_not_share_sessions() -> None:
    found = visits({"anna": views("09:00", "09:10"), "ben": views("09:05")})
    assert [(row["visitor_id"], row["event_count"]) for row in found] == [("anna", 2), ("ben", 1)]


def test_a_session_that_crosses_midnight_belongs_to_the_day_it_started() -> None:
    (one,) = visits(views("23:50", "+1 00:10"))
    assert (one["started_date"], one["ended_date"]) == (DAY_ONE, DAY_ONE + timedelta(days=1))
    assert one["duration_s"] == 20 * 60


def test_a_session_may_cross_several_midnights() -> None:
    # An event every 30 minutes from 23:45 to 00:15 two days later: 49 half hours, 50 events.
    start = at("23:45")
    clocks = [start + timedelta(minutes=30 * n) for n in range(50)]
    rows = journeys({"anna": views(*["00:00"] * 50)})
    rows = [
        row | {"event_at": moment, "event_date": moment.date()} for row, moment in zip(rows, clocks, strict=True)
    ]
    (one,) = rows_of(rows, GA4, "sessions")
    assert (one["started_date"], one["ended_date"]) == (DAY_ONE, DAY_ONE + timedelta(days=2))
    assert one["event_count"] == 50


def test_events_of_one_microsecond_are_numbered_by_event_id() -> None:
    steps: list[Step] = [("09:00", "page_view", {"event_id": name}) for name in ("c", "a", "b")]
    found = rows_of(journeys({"anna": steps}), GA4, "events")
    assert [(row["event_id"], row["event_number"], row["until_next_s"]) for row in found] == [
        ("a", 1, 0.0),
        ("b", 2, 0.0),
        ("c", 3, None),
    ]


def test_the_time_on_a_session_s_last_page_is_unknown_not_zero() -> None:
    found = rows_of(journeys({"anna": views("09:00", "09:00:07.5", "11:00")}), GA4, "events")
    assert [row["until_next_s"] for row in found] == [7.5, None, None]


def test_entry_and_exit_are_the_pages_of_the_first_and_last_event_even_without_one() -> None:
    steps: list[Step] = [
        ("09:00", "page_view", {"page_url": "/a"}),
        ("09:01", "page_view", {"page_url": "/b"}),
        ("09:02", "purchase"),
    ]
    (one,) = visits(steps)
    assert (one["entry_page_url"], one["exit_page_url"]) == ("/a", None)


@pytest.mark.parametrize(
    ("steps", "is_engaged"),
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
def test_engaged_is_longer_than_ten_seconds_or_a_purchase_or_two_views(steps: list[Step], is_engaged: bool) -> None:  # noqa: FBT001 (pytest gives it by name)
    (one,) = visits(steps)
    assert one["is_engaged"] is is_engaged


def test_single_page_is_the_older_notion_and_independent_of_engagement() -> None:
    (one,) = visits([("09:00", "page_view"), ("09:05", "purchase")])
    assert (one["is_single_page"], one["is_engaged"]) == (True, True)


def test_purchases_add_up_to_the_cent_and_refunds_do_not_count() -> None:
    steps: list[Step] = [("09:00", "purchase", {"cart_amount": 10}), ("09:01", "refund", {"cart_amount": 4})]
    (one,) = visits([*steps, ("09:02", "purchase", {"cart_amount": 5})])
    assert (str(one["purchase_amount"]), one["purchase_count"], one["refund_count"]) == ("15.00", 2, 1)


def test_the_first_category_is_that_of_the_first_event_that_has_one() -> None:
    hats, shoes = {"product_category": "hats"}, {"product_category": "shoes"}
    (one,) = visits([("09:00", "page_view"), ("09:01", "product_view", shoes), ("09:02", "product_view", hats)])
    assert one["first_product_category"] == "shoes"


def test_a_session_id_is_the_visitor_and_the_second_of_the_start() -> None:
    # 2026-03-10 09:00:00 UTC is 1,773,133,200 s after 1970; the .9 s are cut off, not rounded.
    (one,) = visits(views("09:00:00.9"))
    assert one["session_id"] == "anna-1773133200"


def test_three_hundred_events_two_seconds_apart_are_a_robot_s_pace() -> None:
    def at_pace(count: int, gap_ms: int) -> bool:
        rows = journeys({"anna": views(*["09:00"] * count)})
        rows = [row | {"event_at": at("09:00") + timedelta(milliseconds=gap_ms * n)} for n, row in enumerate(rows)]
        (one,) = rows_of(rows, GA4, "sessions")
        return bool(one["is_bot"])

    assert not at_pace(299, 100)
    assert at_pace(300, 100)
    # 299 gaps in 600 s: 2.006 s each is still the pace, 2.007 s is not.
    assert at_pace(300, 2006)
    assert not at_pace(300, 2007)


# The presets


def test_every_preset_has_thirty_minutes_and_can_have_another_timeout() -> None:
    assert {SessionRule.preset(name).idle_timeout_s for name in PRESETS} == {1800}
    assert SessionRule.preset("amplitude", idle_timeout_s=300).idle_timeout_s == 300


def test_an_unknown_preset_says_what_is_near() -> None:
    with pytest.raises(DefinitionError, match="did you mean mixpanel"):
        SessionRule.preset("mixpanle")


@pytest.mark.parametrize("name", ["ga4", "amplitude"])
def test_ga4_and_amplitude_go_on_over_midnight_and_campaigns(name: str) -> None:
    steps: list[Step] = [("23:50", "page_view", {"page_url": SUMMER}), ("+1 00:10", "page_view", {"page_url": WINTER})]
    assert len(visits(steps, SessionRule.preset(name))) == 1


def test_universal_analytics_splits_at_midnight() -> None:
    found = visits(views("23:59:59.999999", "+1 00:00"), SessionRule.preset("universal_analytics"))
    assert spans(found) == [("23:59:59.999999", "23:59:59.999999"), ("+1 00:00", "+1 00:00")]


def test_universal_analytics_splits_when_another_campaign_arrives_and_not_when_it_goes() -> None:
    pages = ((0, None), (1, SUMMER), (2, None), (3, SUMMER), (4, WINTER), (5, WINTER))
    steps: list[Step] = [(f"09:0{n}", "page_view", {"page_url": page}) for n, page in pages]
    found = visits(steps, SessionRule.preset("universal_analytics"))
    assert spans(found) == [("09:00", "09:00"), ("09:01", "09:03"), ("09:04", "09:05")]


def test_two_campaigns_of_one_instant_are_one_session() -> None:
    steps: list[Step] = [("09:00", "page_view", {"page_url": page}) for page in (SUMMER, WINTER)]
    (one,) = visits(steps, SessionRule.preset("universal_analytics"))
    assert one["event_count"] == 2


def test_two_campaigns_within_a_second_have_two_session_ids() -> None:
    steps: list[Step] = [("09:00:00.1", "page_view", {"page_url": SUMMER}), ("09:00:00.2", "page_view", {"page_url": WINTER})]
    found = visits(steps, SessionRule.preset("universal_analytics"))
    assert [row["session_id"] for row in found] == ["anna-1773133200-100000", "anna-1773133200-200000"]


def test_a_longest_session_is_cut_at_exactly_its_length() -> None:
    rule = SessionRule(max_length_s=3600)
    assert spans(visits(views("09:00", "09:30", "09:59:59.999999", "10:00", "10:30"), rule)) == [
        ("09:00", "09:59:59.999999"),
        ("10:00", "10:30"),
    ]


def test_mixpanel_cuts_at_midnight_so_its_twenty_four_hours_cut_only_a_day_of_twenty_five() -> None:
    found = visits(views("23:50", "+1 00:10"), SessionRule.preset("mixpanel"))
    assert len(found) == 2


def test_snowplow_trusts_the_source_s_session_id_however_long_the_silence() -> None:
    steps: list[Step] = [
        ("09:00", "page_view", {"session_id": "s1"}),
        ("09:00", "page_view", {"session_id": "s2"}),
        ("15:00", "page_view", {"session_id": "s1"}),
        ("15:01", "page_view"),
    ]
    found = visits(steps, SessionRule.preset("snowplow"))
    assert spans(found) == [("09:00", "15:00"), ("09:00", "09:00"), ("15:01", "15:01")]
    assert len({row["session_id"] for row in found}) == 3


@pytest.mark.parametrize("name", ["snowplow"])
def test_a_rule_that_needs_all_of_history_cannot_feed_the_daily_tables(name: str) -> None:
    with pytest.raises(DefinitionError, match="all of a visitor's history"):
        SessionRule.preset(name).require_incremental()


@pytest.mark.parametrize("name", ["ga4", "amplitude", "universal_analytics", "mixpanel"])
def test_the_other_presets_can(name: str) -> None:
    assert SessionRule.preset(name).require_incremental() is SessionRule.preset(name)


@pytest.mark.parametrize("idle_timeout_s", [0, -1, 20 * 3600])
def test_a_timeout_that_makes_no_session_or_skips_a_day_is_refused(idle_timeout_s: int) -> None:
    with pytest.raises(DefinitionError, match="idle timeout"):
        SessionRule(idle_timeout_s=idle_timeout_s)


# Against the definition in plain Python


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
streams = st.lists(st.tuples(st.sampled_from("ab"), moments, kinds), min_size=1, max_size=25)


@examples(150)
@given(stream=streams)
def test_sessions_are_those_of_the_definition(stream: list[tuple[str, int, str]]) -> None:
    check_against_definition(stream)


@pytest.mark.slow
@examples(5000)
@given(stream=streams)
def test_sessions_are_those_of_the_definition_in_thousands_of_streams(stream: list[tuple[str, int, str]]) -> None:
    check_against_definition(stream)


def check_against_definition(stream: list[tuple[str, int, str]]) -> None:
    """Compare whole sessions, and sessions cut by day and stitched, with the reference."""
    rows = []
    for number, (who, micros, kind) in enumerate(stream):
        moment = at("00:00") + timedelta(microseconds=micros)
        (row,) = journeys({who: [("00:00", kind, {"event_id": f"e{number:02}"})]})
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
    pieces = session_days(numbered, GA4, days, "UTC")
    one = sessions(pieces, GA4, days).order_by("visitor_id", "started_at", "session_id")
    return str(warehouse().compile(one))
