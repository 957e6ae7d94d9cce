"""Funnels of a range of entries and by period of entry, against plain Python,
and each cohort against its range.
"""

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels import answer as funnel_answers
from ecom_assets.behaviour.funnels.answer import ALL_DAYS, FUNNEL, fast_times, funnel_answer
from ecom_assets.behaviour.funnels.chains import funnel_chains
from ecom_assets.behaviour.funnels.definition import CONSECUTIVE, EARLIEST, ORDERS, Funnel
from ecom_assets.behaviour.funnels.entries import (
    COHORT,
    Entries,
    EntryLimits,
    by_cohort,
    cohorts_of,
    with_entries,
)
from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.funnels.report import (
    bin_counts,
    step_answers,
    step_numbers,
    step_rows,
    time_numbers,
    times_between,
)
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.conditions import EVERYTHING, parse_where
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.funnels.definitions import funnel_of, step_of, times_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    EPOCH,
    SECOND,
    Event,
    by_clickhouse,
    first_longest_chain,
    fits,
    meets,
    most_in_a_window,
    neighbouring_from,
    streams_of,
    table_of,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_references import CONDITIONS, random_streams
from ecom_assets_tests.behaviour.questions.events_in_engine import answered
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

EIGHT_HOURS = 8 * 3_600
FIRST = EPOCH.date()
DAYS = [FIRST + dt.timedelta(days=n) for n in range(3)]
steps = st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=4).map(tuple)
seeds = st.integers(0, 2**32)


def days_of_streams(seed: int, streams: int = 30) -> list[Event]:
    """Streams with an event every eight hours or none, over three days."""
    return [event._replace(at=event.at * EIGHT_HOURS) for event in random_streams(seed, streams)]


def day_of(at: int) -> dt.date:
    return (EPOCH + dt.timedelta(microseconds=at)).date()


def _is_on(day: dt.date, at: int) -> bool:
    return day_of(at) == day


def clean(events: Sequence[Event]) -> pa.Table:
    """Events with their day, and what else a funnel may name."""
    table = table_of(events)
    days = pa.array([day_of(event.at) for event in events], pa.date32())
    none = pa.nulls(len(events), pa.string())
    table = table.append_column("event_date", days).append_column("source_session_id", none)
    return table.append_column("cart_amount", pa.nulls(len(events), pa.decimal128(18, 2)))


def by_hand(events: Sequence[Event], funnel: Funnel, may_begin: Callable[[int], bool]) -> list[int]:
    """How many units took each step by an attempt that began when it may, in plain Python."""
    actual: Counter[int] = Counter()
    kept = [event for event in events if meets(event, funnel.where)]
    for stream in streams_of(kept).values():
        if funnel.order == "any":
            usable = [event for event in stream if any(fits(event, step) for step in funnel.steps)]
            starts = [n for n, event in enumerate(usable) if may_begin(event.at)]
            level = max((_most_from(usable, n, funnel) for n in starts), default=0)
        elif funnel.order == "exact":
            runs = [
                neighbouring_from(stream, n, funnel)
                for n, event in enumerate(stream)
                if may_begin(event.at)
            ]
            level = max(map(len, runs), default=0)
        else:
            level = len(first_longest_chain(stream, funnel, may_begin))
        for step in range(1, level + 1):
            actual[step] += 1
    return [actual[step] for step in range(1, len(funnel.steps) + 1)]


def _most_from(usable: Sequence[Event], start: int, funnel: Funnel) -> int:
    """The most steps that one window from an event on can serve."""
    first = usable[start].at
    return most_in_a_window(
        [e for e in usable if first <= e.at <= first + funnel.within * SECOND], funnel
    )


def answer(
    events: Sequence[Event], funnel: Funnel, limits: EntryLimits = ALL_DAYS
) -> dict[str, Any]:
    con = connect()
    return funnel_answer(con, con.create_table("events", clean(events)), funnel, limits=limits)


def counts(steps: Sequence[dict[str, Any]]) -> list[int]:
    return [step["count"] for step in steps]


@examples(24)
@given(
    steps=steps,
    within=st.integers(1, 6),
    order=st.sampled_from([*EARLIEST, "any", "exact"]),
    where=st.sampled_from([EVERYTHING, parse_where(["price is set"])]),
    seed=seeds,
)
def test_each_day_s_cohort_is_what_plain_python_says_of_its_entries(
    steps: tuple[FunnelStep, ...], within: int, order: str, where: Any, seed: int
) -> None:
    events = days_of_streams(seed)
    funnel = funnel_of(steps, within * EIGHT_HOURS, order, where=where, over="day")
    actual = answer(events, funnel)
    ends = [day_of(event.at) for event in events]
    expected = {
        str(day): by_hand(events, funnel, partial(_is_on, day))
        for day in DAYS
        if min(ends) <= day <= max(ends)
    }
    assert {cohort["start"]: counts(cohort["steps"]) for cohort in actual["cohorts"]} == expected
    limited = answer(
        events,
        funnel_of(steps, within * EIGHT_HOURS, order, where=where),
        EntryLimits(DAYS[1], DAYS[1]),
    )
    assert counts(limited["steps"]) == by_hand(events, funnel, partial(_is_on, DAYS[1]))


@pytest.mark.slow
@examples(12)
@given(
    steps=steps,
    within=st.integers(1, 6),
    order=st.sampled_from([*EARLIEST]),
    over=st.sampled_from(["hour", "day"]),
    seed=seeds,
)
def test_both_agree_on_cohorts(
    steps: tuple[FunnelStep, ...], within: int, order: str, over: str, seed: int
) -> None:
    events = days_of_streams(seed, 60)
    funnel = funnel_of(steps, within * EIGHT_HOURS, order, over=over)
    limits = EntryLimits(DAYS[0], DAYS[1])
    fast = answer(events, funnel, limits)
    with patch.object(funnel_answers, "has_kernels", return_value=False):
        assert fast == answer(events, funnel, limits)


@pytest.mark.slow
@examples(20)
@given(steps=steps, within=st.integers(1, 6), order=st.sampled_from([*ORDERS]), seed=seeds)
def test_a_cohort_is_the_funnel_of_its_range(
    steps: tuple[FunnelStep, ...], within: int, order: str, seed: int
) -> None:
    events = days_of_streams(seed)
    cohorts = answer(events, funnel_of(steps, within * EIGHT_HOURS, order, over="day"))["cohorts"]
    random.Random(seed).shuffle(events)  # noqa: S311 (streams, not secrets)
    for cohort in cohorts:
        day = dt.date.fromisoformat(cohort["start"])
        actual = answer(
            events, funnel_of(steps, within * EIGHT_HOURS, order), EntryLimits(day, day)
        )
        if order not in CONSECUTIVE:  # there, simultaneous events stand in order of their ids
            assert actual["steps"] == cohort["steps"]
        assert counts(actual["steps"])[0] >= counts(actual["steps"])[-1]


@pytest.mark.slow
@examples(12)
@given(
    steps=steps,
    within=st.integers(1, 6),
    order=st.sampled_from([*EARLIEST, "any", "exact"]),
    attribution=st.sampled_from(["first", "last", "all", "step_1"]),
    seed=seeds,
)
def test_a_cohort_s_breakdown_is_that_of_its_range(
    steps: tuple[FunnelStep, ...], within: int, order: str, attribution: str, seed: int
) -> None:
    events = days_of_streams(seed)
    funnel = funnel_of(
        steps, within * EIGHT_HOURS, order, by="category", by_attribution=attribution
    )
    for cohort in answer(events, funnel.changed(over="day"))["cohorts"]:
        day = dt.date.fromisoformat(cohort["start"])
        actual = answer(events, funnel, EntryLimits(day, day))
        assert cohort["breakdown"] == actual["breakdown"]
        added = [
            sum(numbers)
            for numbers in zip(
                *(counts(part["steps"]) for part in actual["breakdown"]), strict=True
            )
        ]
        assert added == (counts(cohort["steps"]) if actual["breakdown"] else [])
    few = answer(events, funnel.changed(over="day", limit=1))["cohorts"]
    assert {part["value"] for row in few for part in row["breakdown"]} <= {*_values(few), "Other"}


def _values(cohorts: Sequence[dict[str, Any]]) -> set[str]:
    """Return the one value that stands by itself in all cohorts."""
    values = {part["value"] for cohort in cohorts for part in cohort["breakdown"]} - {"Other"}
    assert len(values) <= 1
    return values


@pytest.mark.slow
@examples(12)
@given(steps=steps, within=st.integers(1, 6), order=st.sampled_from([*EARLIEST]), seed=seeds)
def test_kernel_and_expression_agree_on_days(
    steps: tuple[FunnelStep, ...], within: int, order: str, seed: int
) -> None:
    con = connect()
    events = con.create_table("events", clean(days_of_streams(seed, 60)))
    range_of = Entries(DAYS[0], DAYS[1], EPOCH)
    entered = with_entries(events, range_of)
    funnel = funnel_of(steps, within * EIGHT_HOURS, order)
    fast = fast_times(con, entered, funnel, ["visitor_id"])
    slow = con.to_pyarrow(step_numbers(funnel_chains(entered, funnel))).to_pylist()
    assert fast is not None
    assert step_answers(funnel, step_rows(fast)) == step_answers(funnel, slow)


@pytest.mark.slow
@each("order", ["ordered", "strict_order", "allow_reentry", "strict_deduplication"])
def test_clickhouse_agrees_on_ranges_that_end_with_the_data(order: str, tmp_path: Path) -> None:
    modes = {"ordered": ("strict_once",), "allow_reentry": ("strict_order", "allow_reentry")}.get(
        order, (order,)
    )
    events = days_of_streams(7, 1_500)
    funnel = funnel_of((CONDITIONS[0], CONDITIONS[4], CONDITIONS[6]), 4 * EIGHT_HOURS, order)
    later = [event for event in events if day_of(event.at) >= DAYS[1]]
    levels = by_clickhouse(table_of(later), funnel, tmp_path, *modes)
    expected = [sum(level >= step for level in levels.values()) for step in (1, 2, 3)]
    assert counts(answer(events, funnel, EntryLimits(DAYS[1], None))["steps"]) == expected


def test_conversions_after_the_range_count_while_the_window_is_open() -> None:
    # Ann views late on the 1st and carts on the 2nd; Bo views on the 2nd.
    hour = 3_600 * SECOND
    events = [
        Event("Ann", 23 * hour, "view"),
        Event("Ann", 25 * hour, "cart"),
        Event("Bo", 25 * hour, "view"),
    ]
    for within_s, expected in ((2 * 3_600, [1, 1]), (3_600, [1, 0])):
        funnel = funnel_of((step_of("view"), step_of("cart")), within_s)
        actual = answer(events, funnel, EntryLimits(DAYS[0], DAYS[0]))
        assert counts(actual["steps"]) == expected
        # The window of an entry at midnight is over at 02:00, and the data end at 01:00.
        assert actual["entries"]["complete"] is (within_s == 3_600)
    actual = answer(events, funnel_of((step_of("view"),)), EntryLimits(day_count=1))
    assert counts(actual["steps"]) == [1], "Bo's day is the last one of the data"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ({"from": "2027-01-01"}, "days from 2027-01-01 on"),
        ({"to": "2026-02-01"}, "days up to 2026-02-01"),
        ({"last": "2d", "to": "2026-02-01"}, "2026-01-31 to 2026-02-01"),
    ],
)
def test_a_range_without_data_is_warned_of(days: dict[str, str], said: str) -> None:
    events, con = [Event("Ann", 0, "view"), Event("Ann", 1, "cart")], connect()
    question = FunnelQuestion.from_mapping({"steps": ["view", "cart", "toast"], **days})
    actual = answered(FUNNEL, con, con.create_table("events", clean(events)), question)
    assert [step["count"] for step in actual["steps"]] == [None, None, None]
    assert actual["warnings"] == [
        f"The data are of 2026-03-01 to 2026-03-01, so nothing is known of {said}."
    ]


def test_without_events_there_is_no_cohort() -> None:
    assert answer([], funnel_of((step_of("view"),), over="day"))["cohorts"] == []


def test_periods_begin_in_the_time_zone_and_hours_are_all_there() -> None:
    entries = Entries.from_limits(
        (dt.date(2026, 10, 25), dt.date(2026, 10, 25)),
        dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
        EntryLimits(timezone="Europe/Berlin"),
    )
    hours = cohorts_of(funnel_of((step_of("view"),), over="hour"), entries)
    assert [hour.start for hour in hours][1:5] == [
        "2026-10-25T01:00+02:00",
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T03:00+01:00",
    ]
    assert len(hours) == 25
    (week,) = cohorts_of(funnel_of((step_of("view"),), over="week", week_start="sunday"), entries)
    assert (week.start, week.end) == ("2026-10-25", EPOCH.replace(month=10, day=31, hour=23))
    (month,) = cohorts_of(funnel_of((step_of("view"),), over="month"), entries)
    assert (month.start, month.begins_at) == ("2026-10-01", EPOCH.replace(month=9, day=30, hour=22))


def test_too_many_cohorts_are_refused() -> None:
    days = (dt.date(2020, 1, 1), dt.date(2026, 1, 1))
    entries = Entries.from_limits(days, EPOCH, EntryLimits())
    with pytest.raises(
        DefinitionError, match=r"more than 1,000 cohorts by day; ask for fewer days"
    ):
        cohorts_of(funnel_of((step_of("view"),), over="day"), entries)
    assert len(cohorts_of(funnel_of((step_of("view"),), over="month"), entries)) == 73


EVENTS = ibis.table(
    {
        "visitor_id": "string",
        "event_id": "string",
        "event_at": "timestamp('UTC', 6)",
        "event_date": "date",
        "event_type": "string",
        "price": "decimal(18, 2)",
        "properties": "string",
    },
    name="events",
)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "pyspark", "snowflake"])
@pytest.mark.parametrize(
    ("order", "over"), [("ordered", "hour"), ("any", "week"), ("exact", "month")]
)
def test_cohorts_conditions_and_times_compile_for_every_engine(
    order: str, over: str, dialect: str
) -> None:
    entries = Entries(dt.date(2026, 3, 1), dt.date(2026, 3, 31), EPOCH, "Europe/Berlin")
    where = parse_where(["properties.plan matches ^pro or price between 1 and 2"])
    funnel = funnel_of(
        (step_of("view", {}, where), step_of("view")),
        order=order,
        over=over,
        where=parse_where(["price > 1"]),
    )
    own = by_cohort(EVENTS, funnel, ["visitor_id"], entries)
    chains = funnel_chains(own, funnel, ["visitor_id", COHORT])
    times = times_between(chains, times_of(1, 2))
    for requested in (
        step_numbers(chains, [COHORT]),
        time_numbers(times),
        bin_counts(times, [(0, 60), (60, None)]),
    ):
        assert "SELECT" in ibis.to_sql(requested, dialect=dialect)
