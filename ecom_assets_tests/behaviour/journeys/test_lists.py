"""The table of journeys by lists and by windows, and transitions by paths: each as plain Python
has them, whatever the events are like.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.journeys import lists
from ecom_assets.behaviour.journeys.contracts import Journeys
from ecom_assets.behaviour.journeys.journeys import (
    JourneyRule,
    cut_pairs,
    cut_sessions,
    journey_transitions,
    journeys,
    session_starts,
)
from ecom_assets.behaviour.journeys.lists import has_few_steps, listed_cut_pairs, listed_journeys
from ecom_assets.behaviour.sessions.contracts import SessionDays, SessionEvents, Sessions
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import (
    events_of_sessions,
    session_days,
    session_events,
    sessions,
    with_search_terms,
)
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import stored
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.journeys.journey_reference import (
    reference_journeys,
    reference_transitions,
)
from ecom_assets_tests.builders import Row, as_table
from ecom_assets_tests.core.warehouse.engines.warehouses import (
    OTHERS,
    on_one_worker_each,
    opened,
    settings_of,
)
from ecom_assets_tests.hypothesis_settings import examples

BEGIN = datetime.fromisoformat("2026-03-10 23:00")
FIRST = BEGIN.date()
PAUSES_S = (0, 0, 0, 1, 5, 300, 1_799, 1_800, 1_801, 7_200)
TYPES = ("page_view", "page_view", "product_view", "search", "purchase", "(exit)", "a → b")
CATEGORIES = (
    *(None, None, "hats", "shoes", "a", "a → b", "a > b", "a →", "→ b", "→", "a → → b"),
    *("(start)", "'(start)'", "(exit)", "…", "...", "hats → …", " ", "%_'\\\\"),
)
ANY_RULE = st.builds(
    JourneyRule, most_steps=st.sampled_from((1, 2, 5, 20)), most_places=st.sampled_from((1, 3, 10))
)
SOME_DAYS = st.sets(st.integers(0, 3), min_size=1, max_size=4)


def events_of(seed: int) -> list[Row]:
    """Return clean events of some visitors, with ties, around some midnights."""
    chosen = random.Random(seed)  # noqa: S311 (no secret)
    rows: list[Row] = []
    for visitor in range(chosen.randrange(1, 8)):
        at = BEGIN + timedelta(seconds=chosen.randrange(100_000))
        types = chosen.sample(TYPES, chosen.randrange(1, len(TYPES)))
        for _ in range(chosen.randrange(1, 60)):
            at += timedelta(seconds=chosen.choice(PAUSES_S[: chosen.choice((6, 7, 10))]))
            row: Row = dict.fromkeys(CleanEvents.columns)
            rows.append(
                row
                | {
                    "event_id": f"{chosen.randrange(10**6)}-{len(rows)}",
                    "visitor_id": f"v{visitor}",
                    "session_device_id": chosen.choice(("", "", "", "phone")),
                    "event_at": at,
                    "event_date": at.date(),
                    "event_type": chosen.choice(types),
                    "product_category": chosen.choice(CATEGORIES),
                    "is_bot": False,
                }
            )
    chosen.shuffle(rows)
    return rows


def named(value: str | None) -> str | None:
    """Return the name of a step by METRICS, in plain Python."""
    if value is None:
        return None
    name = value.replace("→", ">").replace("…", "...")
    return f"'{name}'" if name in {"(start)", "(exit)"} else name


def with_names(rows: Sequence[Row]) -> list[Row]:
    return [
        row | {name: named(row[name]) for name in ("event_type", "product_category")}
        for row in rows
    ]


@contextmanager
def opened_with(rows: Sequence[Row]) -> Iterator[dict[type[Table], ir.Table]]:
    """Yield the tables of sessions that are computed from clean events."""
    con = connect()
    con.con.register("clean_events", as_table(rows, CleanEvents))
    rule, every = SessionRule(), Days.between(FIRST, FIRST + timedelta(days=30))
    placed = with_search_terms(session_events(con.table("clean_events"), rule))
    placed = stored(con, "session_events", placed)
    fragments = stored(con, "session_days", session_days(placed, rule, every, "UTC"))
    whole = stored(con, "sessions", sessions(fragments, rule, every))
    yield {SessionEvents: placed, SessionDays: fragments, Sessions: whole}
    con.disconnect()


@contextmanager
def tables_of(rows: Sequence[Row], days: Days) -> Iterator[tuple[ir.Table, ir.Table, ir.Table]]:
    """Yield the events of the sessions that started on `days`, these sessions, and all events."""
    with opened_with(rows) as tables:
        placed, fragments, whole = tables.values()
        members = events_of_sessions(placed, fragments, days, SessionRule())
        yield members, session_starts(whole, days), placed


def days_of(numbers: set[int]) -> Days:
    return Days.from_dates(FIRST + number * ONE_DAY for number in numbers)


def paths(rows: ir.Table) -> list[Any]:
    return sorted(
        (
            row["started_date"],
            row["visitor_id"],
            row["dimension"],
            row["path"] or "",
            row["step_count"],
            row["is_cut"],
            row["is_converted"],
        )
        for row in rows.to_pyarrow().to_pylist()
    )


def expected_paths(rows: Sequence[Row], days: Days, most_steps: int) -> list[Any]:
    return sorted(
        (
            day,
            visitor,
            dimension,
            " → ".join([*steps, *(["…"] if count > most_steps else [])]),
            count,
            count > most_steps,
            is_converted,
        )
        for day, visitor, dimension, steps, count, is_converted in reference_journeys(
            with_names(rows), most_steps
        )
        if day in days.dates
    )


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), rule=ANY_RULE, numbers=SOME_DAYS)
@examples(25)
def test_both_forms_give_the_journeys_of_plain_python(
    seed: int, rule: JourneyRule, numbers: set[int]
) -> None:
    rows, days = events_of(seed), days_of(numbers)
    with tables_of(rows, days) as (members, starts, events):
        expected = expected_paths(rows, days, rule.most_steps)
        assert has_few_steps(events, rule)
        assert paths(listed_journeys(members, starts, events, rule)) == expected
        assert paths(journeys(members, starts, rule)) == expected


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), rule=ANY_RULE, numbers=SOME_DAYS)
@examples(25)
def test_transitions_by_paths_are_those_of_plain_python(
    seed: int, rule: JourneyRule, numbers: set[int]
) -> None:
    rows, days = events_of(seed), days_of(numbers)
    with tables_of(rows, days) as (members, starts, events):
        expected = expected_transitions(rows, days, rule)
        rows_by_lists = listed_journeys(members, starts, events, rule)
        table = stored(events.get_backend(), "journeys", rows_by_lists)
        cut = cut_sessions(table, starts)
        for pairs in (cut_pairs(cut, members, rule), listed_cut_pairs(cut, members, events, rule)):
            counted = journey_transitions(table, pairs, rule).to_pyarrow().to_pylist()
            assert transitions(counted) == expected


def expected_transitions(rows: Sequence[Row], days: Days, rule: JourneyRule) -> dict[Any, int]:
    counts = reference_transitions(with_names(rows), rule.most_places)
    return {key: count for key, count in counts.items() if key[0] in days.dates}


def transitions(rows: Sequence[Mapping[str, Any]]) -> Counter[Any]:
    """Return rows of `JourneyTransitions` as the reference has them."""
    actual: Counter[Any] = Counter()
    names = ("started_date", "dimension", "place", "from_step", "to_step")
    for row in rows:
        key = tuple(row[name] for name in names)
        converted = row["converted_transition_count"]
        actual[*key, True] += converted
        actual[*key, False] += row["transition_count"] - converted
    return +actual


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", on_one_worker_each(OTHERS, slow=OTHERS))
def test_other_engines_have_the_journeys_and_transitions_of_plain_python(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Sessions that began on the first two days, of events whose names look like others."""
    rows, days, rule = events_of(7), days_of({0, 1}), JourneyRule(most_steps=5)
    every = days_of(set(range(5)))
    engine = opened(settings_of(name, request, tmp_path))
    with opened_with(rows) as tables:
        for contract, table in tables.items():
            engine.replace(contract, table.select(*contract.columns), every)
    there = [engine.table(contract) for contract in (SessionEvents, SessionDays, Sessions)]
    members = events_of_sessions(there[0], there[1], days, SessionRule())
    starts = session_starts(there[2], days)
    assert not has_few_steps(there[0], rule)
    engine.replace(Journeys, journeys(members, starts, rule), days)
    stored_journeys = engine.table(Journeys)
    assert paths(stored_journeys) == expected_paths(rows, days, rule.most_steps)
    pairs = cut_pairs(cut_sessions(stored_journeys, starts), members, rule)
    counted = journey_transitions(stored_journeys, pairs, rule)
    assert transitions(counted.to_pyarrow().to_pylist()) == expected_transitions(rows, days, rule)
    engine.close()


def test_steps_of_too_many_names_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = events_of(3)
    names = {row["event_type"] for row in rows}, {row["product_category"] for row in rows} - {None}
    with tables_of(rows, Days((date(2026, 3, 10),))) as (_, _, events):
        monkeypatch.setattr(lists, "MOST_STEPS", sum(map(len, names)) + 1)
        assert has_few_steps(events, JourneyRule())
        monkeypatch.setattr(lists, "MOST_STEPS", sum(map(len, names)))
        assert not has_few_steps(events, JourneyRule())
        assert has_few_steps(events, JourneyRule(dimensions=("page_type",)))
