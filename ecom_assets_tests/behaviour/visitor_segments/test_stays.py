"""When visitors come into segments and leave them, against the segment as of each day."""

import random
from datetime import date, timedelta
from typing import Any

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.behaviour.visitor_segments.stays import daily_counts, stays
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.experiments.experiment_reference import Act, as_events
from ecom_assets_tests.behaviour.experiments.test_experiment import acts_of
from ecom_assets_tests.behaviour.visitor_segments.segment_reference import members
from ecom_assets_tests.behaviour.visitor_segments.test_segment import (
    DIALECTS,
    ONE_OF_EACH,
    RULES,
    STORY,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

Rows = list[dict[str, Any]]


def segments_of(**raw: Any) -> list[VisitorSegment]:
    """Return segments from their definitions by name."""
    return [VisitorSegment.from_definition(name, definition) for name, definition in raw.items()]


def computed(events: Any, segments: list[VisitorSegment]) -> tuple[Rows, Rows]:
    """Return the rows of both tables, in the order of their keys."""
    actual = stays(events, segments)
    days = daily_counts(actual, events, segments)
    return (
        actual.order_by("segment", "visitor_id", "entered_date").to_pyarrow().to_pylist(),
        days.order_by("segment", "as_of_date").to_pyarrow().to_pylist(),
    )


def of_acts(acts: list[Act], segments: list[VisitorSegment]) -> tuple[Rows, Rows]:
    """Return the rows of both tables from acts."""
    con = connect()
    con.con.register("acts", as_events(acts))
    return computed(con.table("acts"), segments)


def by_definition(acts: list[Act], segment: VisitorSegment) -> dict[date, set[str]]:
    """Return who is in a segment on each day, from the first event to the newest."""
    first, last = min(act.day for act in acts), max(act.day for act in acts)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return {day: members(acts, segment.rule, day) for day in days}


def test_ann_leaves_when_her_purchase_is_too_old_and_comes_back() -> None:
    """Ann bought on the 1st, 8th and 9th: of three days, she is in from the 1st to the 3rd,
    and from the 8th on.
    """
    rows, days = of_acts(STORY, segments_of(recent={"did": "purchase", "within": "3d"}))
    ann = [
        (row["entered_date"].day, row["left_date"] and row["left_date"].day)
        for row in rows
        if row["visitor_id"] == "ann"
    ]
    assert ann == [(1, 4), (8, None)]
    assert [row["is_current"] for row in rows if row["visitor_id"] == "ann"] == [False, True]
    assert {row["as_of_date"] for row in rows} == {date(2026, 3, 10)}, "the newest day of anybody"
    assert [day["visitor_count"] for day in days] == [1, 2, 2, 1, 0, 0, 0, 1, 1, 1]
    assert [day["entered_count"] for day in days] == [1, 1, 0, 0, 0, 0, 0, 1, 0, 0]
    assert [day["left_count"] for day in days] == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_a_segment_of_nobody_has_its_days_and_no_events_have_none() -> None:
    nobody = segments_of(nobody={"did": "refund", "at_least": 9})
    rows, days = of_acts(STORY, nobody)
    assert (rows, len(days), {day["visitor_count"] for day in days}) == ([], 10, {0})
    assert of_acts([], nobody) == ([], [])


@pytest.mark.slow
@examples(60)
@given(seed=st.integers(0, 10_000), raw=st.lists(RULES, min_size=1, max_size=3))
def test_stays_are_the_segment_as_of_every_day_in_any_order_of_rows(
    seed: int, raw: list[Any]
) -> None:
    acts = acts_of(seed)
    segments = segments_of(**{f"s{number}": definition for number, definition in enumerate(raw)})
    rows, days = of_acts(random.Random(seed).sample(acts, len(acts)), segments)  # noqa: S311 (streams)
    for segment in segments:
        expected = by_definition(acts, segment)
        own = [row for row in rows if row["segment"] == segment.name]
        for day, who in expected.items():
            inside = [
                row
                for row in own
                if row["entered_date"] <= day and (row["left_date"] or date.max) > day
            ]
            assert sorted(row["visitor_id"] for row in inside) == sorted(who), (day, segment)
        counts = {
            day["as_of_date"]: day["visitor_count"]
            for day in days
            if day["segment"] == segment.name
        }
        assert counts == {day: len(who) for day, who in expected.items()}
        assert {row["visitor_id"] for row in own if row["is_current"]} == expected[max(expected)]


@pytest.mark.slow
def test_postgres_says_the_same(postgres_server: str) -> None:
    acts, segments = (
        acts_of(7),
        segments_of(one=ONE_OF_EACH, other={"did": "purchase", "within": "2d"}),
    )
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    actual = computed(engine.con.create_table("acts", as_events(acts)), segments)
    engine.close()
    assert actual == of_acts(acts, segments)


@each("dialect", DIALECTS)
def test_the_expressions_compile_for_every_engine(dialect: str) -> None:
    events = ibis.table(ibis.schema(ibis.memtable(as_events(STORY)).schema()), name="events")
    segments = segments_of(one=ONE_OF_EACH, other={"did": "purchase", "within": "2d"})
    actual = stays(events, segments)
    assert "GROUP BY" in str(ibis.to_sql(actual, dialect=dialect))
    rows = ibis.table(actual.schema(), name="visitor_segments")
    assert "GROUP BY" in str(ibis.to_sql(daily_counts(rows, events, segments), dialect=dialect))
