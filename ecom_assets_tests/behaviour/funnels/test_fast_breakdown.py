"""What the kernel counts of a breakdown, and in any order, is what the expression counts,
and what plain Python finds.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import ibis.expr.types as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.funnels.answer import MOST_BROKEN_DOWN, check_breakdown, fast_times
from ecom_assets.behaviour.funnels.breakdown import fast_breakdown
from ecom_assets.behaviour.funnels.chains import funnel_chains
from ecom_assets.behaviour.funnels.definition import EARLIEST, Funnel
from ecom_assets.behaviour.funnels.matching import ENTRY
from ecom_assets.behaviour.funnels.report import labelled, step_answers, step_numbers, step_rows
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.behaviour.questions.source import QuestionTooLargeError
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.funnels.definitions import funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    SECOND,
    Event,
    first_longest_chain,
    fits,
    streams_of,
    table_of,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_orders import DISJOINT, drawn, step_lists
from ecom_assets_tests.behaviour.funnels.test_funnel_references import random_streams
from ecom_assets_tests.behaviour.questions.events_in_engine import EventsInEngine
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

Rows = list[dict[str, Any]]
UNIT = ["visitor_id"]
ATTRIBUTIONS = ("first", "last", "all", "step_1", "step_2")
BY_LABEL = ("category", ("category", "price"))


def stored(events: Sequence[Event]) -> tuple[Backend, ir.Table]:
    """Events in a database of their own."""
    con = connect()
    return con, con.create_table("events", table_of(events))


def as_they_are(events: ir.Table) -> ir.Table:
    """Add nothing."""
    return events


def answers_by_label(rows: Rows, funnel: Funnel) -> dict[str, Rows]:
    """The steps of each label as an answer has them."""
    by_label: dict[str, Rows] = defaultdict(list)
    for row in rows:
        by_label[row["label"]].append(row)
    return {label: step_answers(funnel, own) for label, own in by_label.items()}


def label_of(stream: Sequence[Event], times: Sequence[int], funnel: Funnel) -> str:
    """The value that a unit counts for, by the events of its chain: of several at one time
    the one that came first.
    """
    values = [
        next(event for event in stream if event.at == at and fits(event, step)).category
        for at, step in zip(times, funnel.steps, strict=False)
    ]
    known = [value for value in values if value is not None]
    attributed = {
        "first": lambda: known[0] if known else None,
        "last": lambda: known[-1] if known else None,
        "all": lambda: known[0] if len({*values}) == 1 and known else None,
        "step_1": lambda: values[0],
        "step_2": lambda: values[1] if len(values) > 1 else None,
    }
    return attributed[funnel.by_attribution]() or "(none)"


@pytest.mark.slow
@examples(80)
@given(
    steps=step_lists,
    within_s=st.integers(1, 6),
    order=st.sampled_from(sorted(EARLIEST)),
    by=st.sampled_from(BY_LABEL),
    attribution=st.sampled_from(ATTRIBUTIONS),
    limit=st.integers(1, 3),
    seed=drawn,
    micros=st.sampled_from([1, 3, SECOND]),
)
def test_a_breakdown_by_the_kernel_is_that_of_the_expression(  # noqa: PLR0913, PLR0917 (each is drawn)
    steps: tuple[FunnelStep, ...],
    within_s: int,
    order: str,
    by: str | tuple[str, ...],
    attribution: str,
    limit: int,
    seed: int,
    micros: int,
) -> None:
    events = random_streams(seed, streams=60, micros=micros)
    con, table = stored(events)
    funnel = funnel_of(steps, within_s, order, by=by, by_attribution=attribution, limit=limit)
    fast = fast_breakdown(con, table, funnel, UNIT, as_they_are)
    chains = labelled(funnel_chains(table, funnel), funnel)
    whole = con.to_pyarrow(step_numbers(chains)).to_pylist()
    assert step_answers(funnel, step_rows(fast.times)) == step_answers(funnel, whole)
    rows = con.to_pyarrow(step_numbers(chains, ["label"])).to_pylist()
    assert answers_by_label(fast.rows, funnel) == answers_by_label(rows, funnel)
    assert con.list_tables(database=("temp", "main")) == []


@examples(80)
@given(
    steps=step_lists,
    within_s=st.integers(1, 6),
    attribution=st.sampled_from(ATTRIBUTIONS),
    seed=drawn,
    micros=st.sampled_from([1, 3]),
)
def test_a_breakdown_by_the_kernel_is_what_plain_python_finds(
    steps: tuple[FunnelStep, ...], within_s: int, attribution: str, seed: int, micros: int
) -> None:
    events = random_streams(seed, streams=60, micros=micros)
    con, table = stored(events)
    funnel = funnel_of(steps, within_s, by="category", by_attribution=attribution)
    expected: Counter[tuple[str, int]] = Counter()
    for stream in streams_of(events).values():
        if times := first_longest_chain(stream, funnel):
            label = label_of(stream, times, funnel)
            expected.update((label, step) for step in range(1, len(times) + 1))
    fast = fast_breakdown(con, table, funnel, UNIT, as_they_are)
    actual = {(row["label"], row["step"]): row["count"] for row in fast.rows if row["count"]}
    assert actual == dict(expected)


def test_only_the_events_of_steps_are_described() -> None:
    """Ana views twice and pays: her longest attempt began with the first view, of two at once."""
    events = [
        Event("Ana", 0, "view", "hats"),
        Event("Ana", 0, "view", "shoes"),
        Event("Ana", SECOND, "view", "socks"),
        Event("Ana", 2 * SECOND, "purchase"),
        Event("Bo", 0, "other"),
    ]
    con, table = stored(events)
    funnel = funnel_of((step_of("view"), step_of("purchase")), within_s=60, by="kind")
    described: list[int] = []

    def describe(rows: ir.Table) -> ir.Table:
        if "number" in rows.columns:  # of the units whose steps are looked up
            described.extend(con.to_pyarrow(rows.event_id).to_pylist())
        return rows.mutate(kind=rows.category.upper())

    fast = fast_breakdown(con, table, funnel, UNIT, describe)
    assert sorted(described) == [0, 1], "both views at the time of step 1"
    assert [(row["label"], row["count"]) for row in fast.rows] == [("HATS", 1), ("HATS", 1)]


def test_a_unit_whose_events_are_not_described_has_no_value() -> None:
    con, table = stored([Event("Ana", 0, "view"), Event("Bo", 0, "view", "hats")])
    funnel = funnel_of(DISJOINT[:1], by="category")

    def only_hats(rows: ir.Table) -> ir.Table:
        return rows.filter(rows.category == "hats")

    fast = fast_breakdown(con, table, funnel, UNIT, only_hats)
    assert {row["label"]: row["count"] for row in fast.rows} == {"(none)": 1, "hats": 1}


def test_no_events_have_no_breakdown() -> None:
    con, table = stored([])
    fast = fast_breakdown(con, table, funnel_of(DISJOINT, by="category"), UNIT, as_they_are)
    assert (fast.times.counts, fast.rows) == ([0, 0, 0], [])


def earliest_set(stream: Sequence[Event], funnel: Funnel) -> list[int]:
    """When the steps of the earliest window with the most of them were first taken."""
    best: list[int] = []
    for last in stream:
        inside = [event for event in stream if 0 <= last.at - event.at <= funnel.within * SECOND]
        firsts = [
            min(times)
            for step in funnel.steps
            if (times := [event.at for event in inside if fits(event, step)])
        ]
        if len(firsts) > len(best):
            best = sorted(firsts)
    return best


@pytest.mark.slow
@examples(80)
@given(
    count=st.integers(1, 3),
    within_s=st.integers(1, 6),
    seed=drawn,
    micros=st.sampled_from([1, 3, SECOND]),
)
def test_steps_in_any_order_by_the_kernel_are_those_of_the_expression_and_of_plain_python(
    count: int, within_s: int, seed: int, micros: int
) -> None:
    events = random_streams(seed, streams=60, micros=micros)
    con, table = stored(events)
    funnel = funnel_of(DISJOINT[:count], within_s, "any")
    fast = fast_times(con, table, funnel, UNIT)
    assert fast is not None
    slow = con.to_pyarrow(step_numbers(funnel_chains(table, funnel))).to_pylist()
    assert step_answers(funnel, step_rows(fast)) == step_answers(funnel, slow)
    sets = [earliest_set(stream, funnel) for stream in streams_of(events).values()]
    for step in range(count):
        taken = [times for times in sets if len(times) > step]
        since_first = sorted(times[step] - times[0] for times in taken)
        assert sorted(fast.from_start[step].tolist()) == since_first
        since_last = sorted(times[step] - times[max(step - 1, 0)] for times in taken)
        assert sorted(fast.from_previous[step].tolist()) == since_last


def test_in_any_order_the_kernel_leaves_days_of_entry_and_steps_that_share_events() -> None:
    con, table = stored([Event("Ana", 0, "view")])
    entered = table.mutate(**{ENTRY: True})
    assert fast_times(con, entered, funnel_of(DISJOINT, order="any"), UNIT) is None
    twice = funnel_of((step_of("view"), step_of("view")), order="any")
    assert fast_times(con, table, twice, UNIT) is None


@each(
    "event_count, by, is_bounded, is_refused",
    [
        (MOST_BROKEN_DOWN + 1, "category", True, True),
        (MOST_BROKEN_DOWN, "category", True, False),
        (MOST_BROKEN_DOWN + 1, None, True, False),
        (MOST_BROKEN_DOWN + 1, "category", False, False),
    ],
)
def test_a_breakdown_of_too_many_events_is_refused_before_it_begins(
    event_count: int, by: str | None, *, is_bounded: bool, is_refused: bool
) -> None:
    con, table = stored([])
    source = EventsInEngine(con, table, is_bounded=is_bounded)
    funnel = funnel_of(DISJOINT, by=by) if by else funnel_of(DISJOINT)
    with (
        pytest.raises(QuestionTooLargeError, match="at most 50,000,000 events here, not 50,000,001")
        if is_refused
        else nullcontext()
    ):
        check_breakdown(funnel, source, event_count)
