"""The kernel counts sessions and journeys as the expressions do, whatever the events are like."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.journeys import answer as journeys
from ecom_assets.behaviour.journeys.answer import journeys_of_events
from ecom_assets.behaviour.journeys.question import JourneyQuestion
from ecom_assets.behaviour.sessions import answer as sessions
from ecom_assets.behaviour.sessions import kernel
from ecom_assets.behaviour.sessions.answer import totals_of_events
from ecom_assets.behaviour.sessions.question import SessionQuestion
from ecom_assets.core.tables.days import Ends
from ecom_assets.core.tables.packed import Keying
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.hypothesis_settings import examples

BEGIN = datetime.fromisoformat("2026-03-10 23:00")
PAUSES_S = (0, 0, 0, 1, 5, 300, 1_799, 1_800, 1_801, 7_200)
TYPES = ("page_view", "page_view", "product_view", "search", "purchase", "scroll")
CATEGORIES = (None, None, "hats", "shoes", "a", "a → b", "(start)", "…")
PAGES = (None, "https://shop.example/", "https://shop.example/p/1?x", "/p/2/", "/cart#top")


def events_of(seed: int) -> list[dict[str, Any]]:
    """Return clean events of some visitors with many ties and pauses near
    half an hour, in any order.
    """
    chosen = random.Random(seed)  # noqa: S311 (no secret)
    rows: list[dict[str, Any]] = []
    step_us = chosen.choice((1, 1_000, 1_000_000))
    for visitor in range(chosen.randrange(12)):
        at = BEGIN + timedelta(microseconds=step_us * chosen.randrange(1000))
        for _ in range(chosen.randrange(1, 40)):
            at += timedelta(seconds=chosen.choice(PAUSES_S))
            kind, category, page = (
                chosen.choice(TYPES),
                chosen.choice(CATEGORIES),
                chosen.choice(PAGES),
            )
            row: dict[str, Any] = dict.fromkeys(CleanEvents.columns)
            row |= {
                "event_id": f"{chosen.randrange(10**6)}-{len(rows)}",
                "visitor_id": f"v{visitor}",
                "event_at": at,
            }
            row |= {
                "event_date": at.date(),
                "event_type": kind,
                "product_category": category,
                "page_url": page,
            }
            rows.append(
                row | {"is_bot": False, "session_device_id": chosen.choice(("", "", "phone"))}
            )
    chosen.shuffle(rows)
    return rows


@contextmanager
def opened(rows: list[dict[str, Any]]) -> Iterator[tuple[Backend, Any]]:
    con = connect()
    con.con.register("clean_events", as_table(rows, CleanEvents))
    yield con, con.table("clean_events")
    con.disconnect()


DAYS = st.sampled_from((None, date(2026, 3, 10), date(2026, 3, 11), date(2026, 3, 12)))
JOURNEYS = st.fixed_dictionaries(
    {"by": st.sampled_from(("page_type", "category", "page")), "top": st.sampled_from((1, 3, 50))},
    optional={
        "from_step": st.sampled_from(("search", "hats", "/", "nowhere")),
        "to_step": st.sampled_from(("purchase", "shoes", "/cart", "a > b")),
        "exclude": st.just(["scroll"]),
        "most_steps": st.sampled_from((1, 2, 5, 40)),
        "min_count": st.just(2),
        "where": st.just(["event_type != search"]),
    },
)


def journeys_by_both(
    rows: list[dict[str, Any]], asked: dict[str, Any], ends: Ends
) -> tuple[Any, Any]:
    question = JourneyQuestion.from_mapping({"session_rule": "ga4", **asked})
    with opened(rows) as (con, events):
        quick = journeys_of_events(con, events, question, ends)
        with patch.object(journeys, "has_kernels", return_value=False):
            return quick, journeys_of_events(con, events, question, ends)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), asked=JOURNEYS, first=DAYS, last=DAYS)
@examples(30)
def test_journeys_are_counted_alike(
    seed: int, asked: dict[str, Any], first: date | None, last: date | None
) -> None:
    quick, full = journeys_by_both(events_of(seed), asked, (first, last))
    assert quick == full


@pytest.mark.slow
@pytest.mark.parametrize("most_steps", [1, 2, 40])
def test_paths_that_come_equally_often_are_in_the_order_of_their_texts(most_steps: int) -> None:
    chosen = random.Random(most_steps)  # noqa: S311 (no secret)
    names = ("a", "a b", "a!", "ab", "b", "z")  # some begin as others do, and go on with less
    paths = [chosen.choices(names, k=chosen.randrange(1, 5)) for _ in range(120)]
    rows = [
        dict.fromkeys(CleanEvents.columns)
        | {"event_id": f"{visitor}-{n}", "visitor_id": f"v{visitor}", "session_device_id": ""}
        | {"event_at": BEGIN + timedelta(seconds=n), "event_date": BEGIN.date(), "is_bot": False}
        | {"event_type": "page_view", "product_category": name}
        for visitor, path in enumerate(paths)
        for n, name in enumerate(path)
    ]
    for top in (1, 7, 40):
        asked = {"by": "category", "top": top, "most_steps": most_steps}
        quick, full = journeys_by_both(rows, asked, (None, None))
        assert quick == full
        assert len(quick["top_paths"]) == min(top, len({*map(str, quick["top_paths"])}))


@given(
    seed=st.integers(0, 10**6), rule=st.sampled_from(("ga4", "amplitude")), first=DAYS, last=DAYS
)
@examples(30)
def test_sessions_are_counted_alike(
    seed: int, rule: str, first: date | None, last: date | None
) -> None:
    question = SessionQuestion(session_rule=rule, idle="1801s" if seed % 3 == 0 else None)
    with opened(events_of(seed)) as (con, events):
        quick = totals_of_events(con, events, question, (first, last))
        with patch.object(sessions, "has_kernels", return_value=False):
            assert totals_of_events(con, events, question, (first, last)) == quick


def test_what_one_number_cannot_hold_is_counted_in_parts() -> None:
    rows = events_of(5)
    with patch.object(
        Keying, "for_span", return_value=None
    ):  # as for more visitors and time than one number holds
        quick, full = journeys_by_both(rows, {"by": "page_type"}, (date(2026, 3, 11), None))
    assert quick == full
    # Visitors over 40 years, in microseconds, and codes of many bits: one number holds a few of
    # them at a time.
    late = [row | {"event_at": row["event_at"] + timedelta(days=14_600)} for row in rows[::2]]
    late = [
        row | {"event_id": f"late-{n}", "event_date": row["event_at"].date()}
        for n, row in enumerate(late)
    ]
    odd = [
        row | {"event_at": row["event_at"] + timedelta(microseconds=1), "event_id": f"odd-{n}"}
        for n, row in enumerate(rows)
    ]
    paged = [row | {"page_url": f"/{n}"} for n, row in enumerate([*rows, *late, *odd])]
    quick, full = journeys_by_both(paged, {"by": "page"}, (None, None))
    assert quick == full


@pytest.mark.slow
def test_the_expression_answers_what_the_kernel_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = events_of(7)
    _, full = journeys_by_both(rows, {"by": "page_type"}, (None, None))
    monkeypatch.setattr(kernel, "MOST_EVENTS", 1)
    quick, _ = journeys_by_both(rows, {"by": "page_type"}, (None, None))
    assert quick == full
    with opened(rows) as (con, events), patch.object(sessions, "session_sums") as never:
        totals_of_events(con, events, SessionQuestion(session_rule="mixpanel"))
        totals_of_events(con, events, SessionQuestion(session_rule="source"))
    never.assert_not_called()
