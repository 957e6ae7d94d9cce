"""What questions name of an event's session: its channel, that of the visitor's first one,
and who is new.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import ibis.expr.types as ir
import pytest
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution.contracts import SessionColumns
from ecom_assets.commerce.attribution.session_columns import (
    NO_ADDRESSES,
    NO_CHANNELS,
    direct_warnings,
    named_of,
    with_session_columns,
)
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.values import OF_SESSIONS, unknown_column
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.site_lists import channel_rule
from ecom_assets_tests.builders import Row, Step, clean_events, journeys
from ecom_assets_tests.each import each

SHOP: Final = "https://shop.example/"
MAIL = {"page_url": f"{SHOP}?utm_source=letter&utm_medium=email&utm_campaign=May"}
SEARCH = {"page_url": SHOP, "referrer_url": "https://www.google.com/"}
WITHIN = {"page_url": f"{SHOP}hat", "referrer_url": SHOP}
CHANNEL_OF = {"mail": "Email", "search": "Organic Search", "within": None}
STEPS: Final[dict[str, dict[str, Any]]] = {"mail": MAIL, "search": SEARCH, "within": WITHIN}


@pytest.fixture(scope="module")
def con() -> Iterator[Backend]:
    answer = connect()
    yield answer
    answer.disconnect()


def described(con: Backend, rows: list[Row], rule: str = "ga4") -> dict[str, Row]:
    """Return each event, by its id, with everything about its session."""
    con.con.register("events", clean_events(rows))
    events: ir.Table = con.table("events")
    result = with_session_columns(
        con, events, SessionColumns.columns, SessionRule.preset(rule), channel_rule(Settings())
    )
    assert list(result.columns) == [*events.columns, *SessionColumns.columns]
    return {row["event_id"]: row for row in result.to_pyarrow().to_pylist()}


def channels_of(con: Backend, *steps: Step, rule: str = "ga4") -> list[tuple[str, str, str]]:
    """Return channel, first channel and type of visitor of each of Anna's events."""
    rows = described(con, journeys({"anna": steps}), rule)
    shown = [rows[f"anna-{number}"] for number in range(len(steps))]
    return [(row["channel"], row["first_channel"], row["visitor_type"]) for row in shown]


def test_all_events_of_a_session_have_its_source_also_those_before_it_was_seen(
    con: Backend,
) -> None:
    (row, *_) = described(
        con, journeys({"anna": [("09:00", "page_view", WITHIN), ("09:05", "page_view", MAIL)]})
    ).values()
    assert {name: row[name] for name in SessionColumns.columns} == {
        "channel": "Email",
        "source": "letter",
        "medium": "email",
        "campaign": "may",
        "first_channel": "Email",
        "visitor_type": "new",
        "landing_page": f"{SHOP}hat",
        "first_category": "(none)",
        "first_product": "(none)",
    }


@pytest.mark.slow
def test_a_landing_page_is_the_first_page_of_the_session_or_the_pattern_that_it_matches(
    con: Backend,
) -> None:
    visits: dict[str, list[Step]] = {
        "anna": [
            ("09:00", "page_view", {"page_url": f"{SHOP}product/7?utm_source=letter#top"}),
            ("09:01", "page_view", {"page_url": f"{SHOP}cart"}),
            ("12:00", "page_view", {"page_url": f"{SHOP}product/8/"}),
        ],
        "bob": [("09:00", "purchase"), ("09:01", "page_view", {"page_url": f"{SHOP}cart"})],
    }
    con.con.register("events", clean_events(journeys(visits)))
    pages = {
        patterns: [
            row["landing_page"]
            for row in with_session_columns(
                con,
                con.table("events"),
                ["landing_page"],
                SessionRule.preset("ga4"),
                channel_rule(Settings()),
                landing_pages=patterns,
            )
            .order_by("event_id")
            .to_pyarrow()
            .to_pylist()
        ]
        for patterns in ((), ("/product/*", "/cart"))
    }
    first, second = f"{SHOP}product/7", f"{SHOP}product/8/"
    assert pages[()] == [first, first, second, "(none)", "(none)"]
    assert pages["/product/*", "/cart"] == ["/product/*"] * 3 + ["(none)"] * 2


def test_what_a_visitor_first_bought_is_on_all_of_their_events(con: Backend) -> None:
    steps: list[Step] = [
        ("08:00", "product_view", {"product_id": "7", "product_category": "Shoes"}),
        ("09:00", "purchase"),
        ("09:10", "purchase", {"product_id": "8", "product_category": "Hats"}),
        ("12:00", "purchase", {"product_id": "7", "product_category": "Shoes"}),
    ]
    rows = described(con, journeys({"anna": steps, "bob": steps[:1]}))
    bought = {(row["first_category"], row["first_product"]) for row in rows.values()}
    assert bought == {("Hats", "8"), ("(none)", "(none)")}
    assert {row["first_product"] for name, row in rows.items() if name.startswith("anna")} == {"8"}


def test_an_error_about_a_column_knows_those_of_sessions() -> None:
    assert tuple(SessionColumns.columns) == OF_SESSIONS
    assert "did you mean 'channel'?" in str(unknown_column("chanel", ["event_id"]))


@each(
    "values, names, warnings",
    [
        (WITHIN, ("channel",), [NO_ADDRESSES]),
        (WITHIN, ("first_channel",), [NO_ADDRESSES]),
        (WITHIN, ("visitor_type",), []),
        (MAIL, ("source",), []),
    ],
)
def test_where_all_came_directly_a_question_about_channels_says_so(
    con: Backend, values: Row, names: tuple[str, ...], warnings: list[str]
) -> None:
    con.con.register("events", clean_events(journeys({"anna": [("09:00", "page_view", values)]})))
    rule = SessionRule.preset("ga4")
    rows = with_session_columns(
        con, con.table("events"), SessionColumns.columns, rule, channel_rule(Settings())
    )
    assert direct_warnings(con, rows, names) == warnings


@pytest.mark.slow
@each(
    "values, names, warnings",
    [
        (WITHIN, ("channel",), [NO_CHANNELS]),
        (WITHIN, ("source",), [NO_CHANNELS]),
        (WITHIN, ("first_channel",), [NO_CHANNELS]),
        (WITHIN, ("visitor_type",), []),
        (MAIL, ("channel",), []),
    ],
)
def test_where_events_cannot_say_it_no_visit_is_direct(
    con: Backend, values: Row, names: tuple[str, ...], warnings: list[str]
) -> None:
    con.con.register("events", clean_events(journeys({"anna": [("09:00", "action_7", values)]})))
    channels = replace(channel_rule(Settings()), has_addresses=False)
    rows = with_session_columns(
        con, con.table("events"), SessionColumns.columns, SessionRule.preset("ga4"), channels
    )
    assert direct_warnings(con, rows, names) == warnings
    (row,) = rows.to_pyarrow().to_pylist()
    assert row["channel"] == row["first_channel"] == ("(unknown)" if values == WITHIN else "Email")


def test_a_later_session_has_its_own_channel_and_that_of_the_first(con: Backend) -> None:
    steps: tuple[Step, ...] = (
        ("09:00", "page_view", MAIL),
        ("09:10", "purchase"),
        ("12:00", "page_view", SEARCH),
        ("+3 08:00", "page_view"),
    )
    assert channels_of(con, *steps) == [
        ("Email", "Email", "new"),
        ("Email", "Email", "new"),
        ("Organic Search", "Email", "returning"),
        ("Direct", "Email", "returning"),
    ]


def test_a_session_over_midnight_is_one(con: Backend) -> None:
    assert (
        channels_of(con, ("23:50", "page_view", SEARCH), ("+1 00:10", "purchase"))
        == [("Organic Search", "Organic Search", "new")] * 2
    )


def test_two_devices_of_a_visitor_in_the_same_minute_are_both_its_first(con: Backend) -> None:
    phone, laptop = MAIL | {"anonymous_id": "phone"}, SEARCH | {"anonymous_id": "laptop"}
    steps: tuple[Step, ...] = (
        ("09:00", "page_view", phone),
        ("09:00", "page_view", laptop),
        ("09:01", "purchase", phone),
    )
    # of sessions that begin together, the device that sorts first gives the first channel
    assert channels_of(con, *steps) == [
        ("Email", "Organic Search", "new"),
        ("Organic Search", "Organic Search", "new"),
        ("Email", "Organic Search", "new"),
    ]


def test_a_rule_that_gives_a_session_to_its_first_visitor_leaves_events_with_their_own(
    con: Backend,
) -> None:
    rows = journeys(
        {
            "anna": [("09:00", "page_view", MAIL | {"session_id": "s1"})],
            "ben": [("09:01", "page_view", WITHIN | {"session_id": "s1"})],
        }
    )
    answer = described(con, rows, "source")
    assert {key: (row["visitor_id"], row["channel"]) for key, row in answer.items()} == {
        "anna-0": ("anna", "Email"),
        "ben-0": ("ben", "Email"),
    }


def test_no_event_is_lost_or_doubled_and_each_has_what_plain_python_finds(con: Backend) -> None:
    dice = random.Random(35)  # noqa: S311 (a shop, not a secret)
    people: dict[str, list[Step]] = {}
    for who in ("anna", "ben", "cleo", "dan"):
        minutes = sorted(dice.sample(range(60 * 30), 12))
        people[who] = [
            (
                f"+{minute // 1440} {minute % 1440 // 60:02}:{minute % 60:02}",
                "page_view",
                {**STEPS[dice.choice(list(STEPS))]},
            )
            for minute in minutes
        ]
    rows = journeys(people)
    assert {key: _short(row) for key, row in described(con, rows).items()} == by_definition(rows)


def by_definition(rows: list[Row]) -> dict[str, tuple[str, str, str]]:
    """Return the same by the definition: a gap of more than 30 minutes ends a session."""
    answer: dict[str, tuple[str, str, str]] = {}
    for who in {row["user_id"] for row in rows}:
        sessions: list[list[Row]] = []
        for row in sorted(
            (row for row in rows if row["user_id"] == who), key=lambda row: row["event_at"]
        ):
            if (
                not sessions
                or (row["event_at"] - sessions[-1][-1]["event_at"]).total_seconds() > 1800
            ):
                sessions.append([])
            sessions[-1].append(row)
        channels = [
            next((found for row in session if (found := _channel_of(row))), "Direct")
            for session in sessions
        ]
        for number, session in enumerate(sessions):
            for row in session:
                answer[row["event_id"]] = (
                    channels[number],
                    channels[0],
                    "returning" if number else "new",
                )
    return answer


def _channel_of(row: Row) -> str | None:
    name = next(
        name for name, values in STEPS.items() if values.get("referrer_url") == row["referrer_url"]
    )
    return CHANNEL_OF[name]


def _short(row: Row) -> tuple[str, str, str]:
    return row["channel"], row["first_channel"], row["visitor_type"]


def test_only_columns_of_sessions_cost_anything() -> None:
    assert named_of(["page_url", "properties.channel", "channel"]) == {"channel"}
