"""Journeys, and what searches and categories lead to: stories,
and any history against plain Python.

Not here: the order in which days are run (`test_order_does_not_matter.py`, which takes these tables
too).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.journeys.contracts import (
    CategoryPerformance,
    Journeys,
    JourneyTransitions,
    SearchPerformance,
)
from ecom_assets.behaviour.journeys.journeys import JourneyRule, steps_of
from ecom_assets.behaviour.journeys.journeys import journeys as compute_journeys
from ecom_assets.behaviour.journeys.lists import listed_journeys
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets_tests.behaviour.journeys.journey_reference import (
    Transitions,
    reference_categories,
    reference_journeys,
    reference_searches,
    reference_transitions,
)
from ecom_assets_tests.builders import DAY_ONE, Row, Step, journeys
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

DAYS = Days.between(DAY_ONE, DAY_ONE + timedelta(days=3))
RULE = JourneyRule(most_steps=4, most_places=3)
TABLES = (
    "duplicate_events",
    "events",
    "session_events",
    "session_days",
    "sessions",
    "journeys",
    "journey_transitions",
    "search_performance",
    "category_performance",
)
HATS, SHOES = {"product_category": "hats"}, {"product_category": "shoes"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Platform]:
    """A shop that keeps four steps of a path, and distinguishes three places."""
    platform = Platform(journey_rule=RULE)
    yield platform
    platform.close()


def run(shop: Platform, people: Mapping[str, Sequence[Step]]) -> None:
    shop.clear()
    shop.receive(journeys(people), DAYS)
    shop.run(DAYS, only=TABLES)


def paths(shop: Platform, dimension: str = "page_type") -> list[str | None]:
    """Return the paths of a dimension, by visitor and start."""
    rows = [row for row in shop.rows(Journeys) if row["dimension"] == dimension]
    return [
        row["path"] for row in sorted(rows, key=lambda row: (row["visitor_id"], row["started_at"]))
    ]


def search(clock: str, term: str | None) -> Step:
    return (
        clock,
        "search",
        {"page_url": f"https://shop.test/?q={term}" if term else "https://shop.test/"},
    )


# Journeys


@pytest.mark.slow
@pytest.mark.parametrize(("by_lists", "memory"), [(True, "110MB"), (False, "300MB")])
def test_paths_of_more_sessions_than_fit_into_memory_go_through_the_disk(
    tmp_path: Path, memory: str, *, by_lists: bool
) -> None:
    with closing(DuckDBEngine(tmp_path / "shop.duckdb", memory_limit=memory).open()) as engine:
        engine.execute("SET threads = 2")  # each takes memory of its own
        engine.execute(
            "CREATE TABLE visits AS SELECT 'user-' || n AS visitor_id, 'device-' || n AS "
            "session_device_id, 'session-of-' || n AS session_id, TIMESTAMP '2026-01-01' + "
            "to_seconds(n) AS session_started_at, DATE '2026-01-01' AS started_date, "
            "'product_view' AS event_type, 'category ' || n % 50 AS product_category, 'event-' || "
            "n AS event_id, 1::BIGINT AS event_number, false AS is_converted, false AS is_bot "
            "FROM range(200000) AS r(n)"
        )
        visits = engine.con.table("visits")
        sessions = visits.drop("event_type", "product_category", "event_id", "event_number")
        events = visits.mutate(event_at=visits.session_started_at, event_date=visits.started_date)
        rows = (
            listed_journeys(events, sessions, events, JourneyRule())
            if by_lists
            else compute_journeys(events, sessions, JourneyRule())
        )
        engine.execute(
            f"CREATE TABLE paths AS SELECT * FROM ({engine.compile(rows)}) ORDER BY started_date"
        )
        counted = (
            "SELECT dimension, count(*) AS rows, count(DISTINCT path) AS paths FROM paths GROUP "
            "BY ALL ORDER BY ALL"
        )
        assert [tuple(row.values()) for row in engine.query(counted)] == [
            ("category", 200_000, 50),
            ("page_type", 200_000, 1),
        ]


def test_repeats_in_a_row_are_one_step(shop: Platform) -> None:
    steps = [
        ("09:00", "page_view"),
        ("09:01", "page_view"),
        ("09:02", "product_view"),
        ("09:03", "page_view"),
    ]
    run(shop, {"anna": steps})
    assert paths(shop) == ["page_view → product_view → page_view"]


def test_a_journey_by_category_passes_over_events_without_one(shop: Platform) -> None:
    steps: list[Step] = [
        ("09:00", "page_view"),
        ("09:01", "category_view", HATS),
        ("09:02", "page_view"),
        ("09:03", "product_view", HATS),
        ("09:04", "product_view", SHOES),
    ]
    run(shop, {"anna": steps, "ben": [("09:00", "page_view")]})
    assert paths(shop, "category") == ["hats → shoes", None]
    of_ben = [
        row
        for row in shop.rows(JourneyTransitions)
        if row["to_step"] == "(exit)" and row["place"] == 0
    ]
    assert [(row["dimension"], row["from_step"], row["transition_count"]) for row in of_ben] == [
        ("category", "(start)", 1)
    ]


def test_a_session_that_crosses_midnight_is_one_journey_of_the_day_it_started(
    shop: Platform,
) -> None:
    steps = [
        ("23:50", "page_view"),
        ("23:59", "product_view"),
        ("+1 00:10", "product_view"),
        ("+1 00:20", "purchase"),
    ]
    run(shop, {"anna": steps})
    assert paths(shop) == ["page_view → product_view → purchase"]
    assert {row["started_date"] for row in shop.rows(JourneyTransitions)} == {DAY_ONE}
    assert [row["is_converted"] for row in shop.rows(Journeys)] == [True, True]


def test_two_sessions_of_a_visitor_are_two_journeys(shop: Platform) -> None:
    run(shop, {"anna": [("09:00", "page_view"), ("10:00", "search"), ("10:01", "page_view")]})
    assert paths(shop) == ["page_view", "search → page_view"]


def test_a_long_path_is_cut_and_its_length_and_transitions_are_not(shop: Platform) -> None:
    kinds = ["page_view", "search"] * 3
    run(shop, {"anna": [(f"09:0{n}", kind) for n, kind in enumerate(kinds)]})
    [row] = [row for row in shop.rows(Journeys) if row["dimension"] == "page_type"]
    assert (row["path"], row["step_count"], row["is_cut"]) == (
        "page_view → search → page_view → search → …",
        6,
        True,
    )
    counts = {
        (row["place"], row["from_step"], row["to_step"]): row["transition_count"]
        for row in shop.rows(JourneyTransitions)
        if row["dimension"] == "page_type"
    }
    # Places 3, 4, 5 and 6 are counted as 3.
    assert counts == {
        (0, "(start)", "page_view"): 1,
        (1, "page_view", "search"): 1,
        (2, "search", "page_view"): 1,
        (3, "page_view", "search"): 2,
        (3, "search", "page_view"): 1,
        (3, "search", "(exit)"): 1,
    }


def test_a_path_of_just_as_many_steps_as_are_kept_is_whole(shop: Platform) -> None:
    run(shop, {"anna": [(f"09:0{n}", kind) for n, kind in enumerate(["page_view", "search"] * 2)]})
    [row] = [row for row in shop.rows(Journeys) if row["dimension"] == "page_type"]
    assert (row["path"], row["is_cut"]) == ("page_view → search → page_view → search", False)


def test_a_category_cannot_pass_for_what_surrounds_it(shop: Platform) -> None:
    odd = [("09:00", "(exit)"), ("09:01", "a → b"), ("09:02", "…")]
    run(
        shop, {"anna": [(clock, "product_view", {"product_category": name}) for clock, name in odd]}
    )
    assert paths(shop, "category") == ["'(exit)' → a > b → ..."]


# Searches


def searches(shop: Platform) -> dict[str, tuple[int, ...]]:
    """Return searches, sessions, clicked and cart searches by term."""
    names = ("search_count", "session_count", "clicked_search_count", "cart_search_count")
    return {
        row["search_term"]: tuple(row[name] for name in names)
        for row in shop.rows(SearchPerformance)
    }


def test_a_search_is_clicked_if_a_product_is_viewed_before_the_next_search(shop: Platform) -> None:
    steps = [
        search("09:00", "Hat"),
        ("09:01", "page_view"),
        ("09:02", "product_view"),
        ("09:03", "add_to_cart"),
        search("09:04", "HAT"),
        search("09:05", None),
        ("09:06", "product_view"),
    ]
    run(shop, {"anna": steps, "ben": [search("09:00", "hat"), ("09:40", "product_view")]})
    # Ben's view is of another session.
    assert searches(shop) == {"hat": (3, 2, 1, 1), "(none)": (1, 1, 1, 0)}


FOUND = (
    '{"results_count": 0}',
    '{"q":"hat","result_count" : "0"}',
    '{"num_results":12}',
    '{"hits": 0}',
)


def test_a_search_found_nothing_only_where_its_event_says_how_many(shop: Platform) -> None:
    steps = [
        (f"09:0{n}", "search", {"page_url": "https://shop.test/?q=hat", "properties": found})
        for n, found in enumerate(FOUND)
    ]
    run(shop, {"anna": [*steps, search("09:30", "bag"), ("09:31", "product_view")]})
    rows = {row["search_term"]: row["empty_search_count"] for row in shop.rows(SearchPerformance)}
    assert rows == {"hat": 2, "bag": None}


def test_a_search_that_found_some_things_is_no_empty_one(shop: Platform) -> None:
    some = {"page_url": "https://shop.test/?q=hat", "properties": '{"results_count": 10}'}
    run(shop, {"anna": [("09:00", "search", some)]})
    [row] = shop.rows(SearchPerformance)
    assert (row["empty_search_count"], row["unclicked_search_count"]) == (0, 1)


def test_a_click_after_midnight_belongs_to_the_search_before_it(shop: Platform) -> None:
    run(shop, {"anna": [search("23:55", "hat"), ("+1 00:05", "product_view")]})
    [row] = shop.rows(SearchPerformance)
    assert (row["started_date"], row["search_count"], row["click_rate"], row["cart_rate"]) == (
        DAY_ONE,
        1,
        1.0,
        0.0,
    )
    assert row["unclicked_search_count"] == 0


# Categories


def test_a_category_leads_to_a_cart_if_it_was_viewed_before(shop: Platform) -> None:
    people: dict[str, list[Step]] = {
        "anna": [
            ("09:00", "category_view", HATS),
            ("09:01", "add_to_cart", HATS),
            ("09:02", "purchase"),
        ],
        "ben": [("09:00", "product_view", HATS), ("09:01", "add_to_cart", SHOES)],
        "cara": [("09:00", "add_to_cart", HATS), ("09:01", "product_view", HATS)],
        "dora": [("09:00", "product_view", HATS)],
    }
    run(shop, people)
    rows = {row["product_category"]: row for row in shop.rows(CategoryPerformance)}
    hats, shoes = rows["hats"], rows["shoes"]
    assert (
        hats["viewing_session_count"],
        hats["cart_session_count"],
        hats["any_cart_session_count"],
    ) == (4, 1, 2)
    assert (hats["purchase_session_count"], hats["cart_rate"], hats["purchase_rate"]) == (
        1,
        0.25,
        0.25,
    )
    assert (hats["category_view_count"], hats["product_view_count"], hats["add_to_cart_count"]) == (
        1,
        3,
        2,
    )
    assert (shoes["viewing_session_count"], shoes["add_to_cart_count"], shoes["cart_rate"]) == (
        0,
        1,
        None,
    )


# Any history


PEOPLE = st.sampled_from(("anna", "ben"))
KINDS = st.sampled_from(
    ("page_view", "product_view", "category_view", "search", "add_to_cart", "purchase")
)
GAPS_S = st.sampled_from((0, 1, 60, 1799, 1800, 1801, 30_000))
CATEGORIES = st.sampled_from((None, "hats", "shoes"))
EVENTS = st.lists(
    st.tuples(PEOPLE, KINDS, GAPS_S, CATEGORIES, st.sampled_from(("red", "blue", None))),
    max_size=40,
)
History = list[tuple[str, str, int, str | None, str | None]]


def played(history: History) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of a history that begins in the afternoon, and the
    term that each search means.
    """
    rows, terms, elapsed_s = [], {}, 18 * 3600
    for number, (who, kind, gap_s, category, term) in enumerate(history):
        elapsed_s = min(elapsed_s + gap_s, 3 * 86_400 - 1)
        clock = f"+{elapsed_s // 86_400} {timedelta(seconds=elapsed_s % 86_400)!s:0>8}"
        url = f"https://shop.test/s?q={term}" if term else None
        values = {"event_id": f"e{number:02}", "product_category": category, "page_url": url}
        rows += journeys({who: [(clock, kind, values)]})
        terms[f"e{number:02}"] = term or "(none)"
    return rows, terms


@pytest.mark.slow
@given(EVENTS)
@examples(12)
def test_any_history_comes_out_as_plain_python_has_it(shop: Platform, history: History) -> None:
    check(shop, history)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(EVENTS)
@examples(150)
def test_hundreds_of_histories_come_out_as_plain_python_has_them(
    shop: Platform, history: History
) -> None:
    check(shop, history)


def check(shop: Platform, history: History) -> None:
    """Play a history, and compare every table with the reference."""
    rows, terms = played(history)
    shop.clear()
    shop.receive(rows, DAYS)
    shop.run(DAYS, only=TABLES)
    events = [row | {"term": terms[row["event_id"]]} for row in shop.rows(CleanEvents)]
    assert len(events) == len(history)
    assert journeys_reported(shop) == reference_journeys(events, RULE.most_steps)
    transitions = reference_transitions(events, RULE.most_places)
    assert transitions_reported(shop) == transitions
    assert reported(shop, SearchPerformance, "search_term", SEARCHED) == reference_searches(events)
    assert reported(shop, CategoryPerformance, "product_category", LED) == reference_categories(
        events
    )
    sessions = len(shop.rows(Journeys)) / 2
    for dimension in ("page_type", "category"):
        ends = Counter[str]()
        for (_, by, _, from_step, to_step, _), count in transitions.items():
            ends[from_step] += count * (by == dimension)
            ends[to_step] += count * (by == dimension and to_step == "(exit)")
        assert (ends["(start)"], ends["(exit)"]) == (sessions, sessions)


SEARCHED = ("search_count", "session_count", "clicked_search_count", "cart_search_count")
LED = (
    "viewing_session_count",
    "cart_session_count",
    "any_cart_session_count",
    "purchase_session_count",
)


def reported(
    shop: Platform, table: type, name: str, counts: Sequence[str]
) -> dict[tuple[date, str], tuple[int, ...]]:
    """Return a table's counts by day and name."""
    return {
        (row["started_date"], row[name]): tuple(row[count] for count in counts)
        for row in shop.rows(table)
    }


def journeys_reported(shop: Platform) -> list[tuple[date, str, str, list[str], int, bool]]:
    return sorted(
        (
            row["started_date"],
            row["visitor_id"],
            row["dimension"],
            steps_of(row["path"]),
            row["step_count"],
            row["is_converted"],
        )
        for row in shop.rows(Journeys)
    )


def transitions_reported(shop: Platform) -> Transitions:
    actual: Transitions = Counter()
    for row in shop.rows(JourneyTransitions):
        key = tuple(
            row[name] for name in ("started_date", "dimension", "place", "from_step", "to_step")
        )
        converted = row["converted_transition_count"]
        actual[*key, True] += converted
        actual[*key, False] += row["transition_count"] - converted
    return +actual
