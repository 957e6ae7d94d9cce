"""What a funnel reports beside its counts: times, breakdowns, totals and lists,
and that they agree with each other.

Quantiles are held to NumPy's, the kernel to the expression, and the rest to what must hold whatever
the data.
"""

import random
from collections import Counter, defaultdict
from statistics import mean, median
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels.answer import fast_times
from ecom_assets.behaviour.funnels.chains import funnel_chains
from ecom_assets.behaviour.funnels.definition import EARLIEST, Funnel
from ecom_assets.behaviour.funnels.report import (
    bins_of,
    conversion_times,
    counted_times,
    labelled,
    step_answers,
    step_numbers,
    step_rows,
)
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.funnels.definitions import (
    exclusion_of,
    funnel_of,
    step_of,
    times_of,
)
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    SECOND,
    Event,
    first_longest_chain,
    streams_of,
    table_of,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_orders import DISJOINT, drawn, step_lists
from ecom_assets_tests.behaviour.funnels.test_funnel_references import CONDITIONS, random_streams
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

Row = dict[str, Any]
VIEW_CART = DISJOINT[:2]


def rows_of(expression: ibis.Table) -> list[Row]:
    """Run an expression over events in memory."""
    actual: list[Row] = connect().to_pyarrow(expression).to_pylist()
    return actual


def chains(events: list[Event] | pa.Table, funnel: Funnel) -> ibis.Table:
    """The chains of events in memory, with labels if the funnel has a breakdown."""
    table = events if isinstance(events, pa.Table) else table_of(events)
    actual = funnel_chains(ibis.memtable(table), funnel)
    return labelled(actual, funnel) if funnel.by else actual


def answers(events: list[Event], funnel: Funnel) -> list[Row]:
    """The steps as an answer has them."""
    return step_answers(funnel, rows_of(step_numbers(chains(events, funnel))))


def counts_by_label(events: list[Event], funnel: Funnel) -> dict[str, list[int]]:
    """How many took each step, by the value that they count for."""
    actual: dict[str, list[int]] = defaultdict(lambda: [0] * len(funnel.steps))
    for row in rows_of(step_numbers(chains(events, funnel), ["label"])):
        actual[row["label"]][row["step"] - 1] = row["count"]
    return dict(actual)


@pytest.mark.slow
@examples(6)
@given(
    steps=step_lists, within_s=st.integers(1, 6), seed=drawn, micros=st.sampled_from([1, 3, SECOND])
)
def test_kernel_and_expression_are_equal(
    steps: tuple[FunnelStep, ...], within_s: int, seed: int, micros: int
) -> None:
    con = connect()
    events = con.create_table("events", table_of(random_streams(seed, streams=80, micros=micros)))
    for order in EARLIEST:
        funnel = funnel_of(steps, within_s, order)
        fast = fast_times(con, events, funnel, ["visitor_id"])
        assert fast is not None
        slow = con.to_pyarrow(step_numbers(funnel_chains(events, funnel))).to_pylist()
        assert step_answers(funnel, step_rows(fast)) == step_answers(funnel, slow), order


def test_median_p90_and_histogram_are_exact() -> None:
    events = random_streams(5, streams=300, longest=9, micros=SECOND)
    funnel = funnel_of(DISJOINT, within_s=6)
    reported = [first_longest_chain(stream, funnel) for stream in streams_of(events).values()]
    for step, answer in enumerate(answers(events, funnel)[1:], start=1):
        took = [times[step] - times[step - 1] for times in reported if len(times) > step]
        since = [times[step] - times[0] for times in reported if len(times) > step]
        assert answer["count"] == len(took) > 10
        for name, values in (("from_previous", took), ("from_start", since)):
            assert answer[f"median_s_{name}"] == pytest.approx(np.median(values) / SECOND, abs=1e-9)
            assert answer[f"p90_s_{name}"] == pytest.approx(
                np.percentile(values, 90) / SECOND, abs=1e-9
            )
        # Of the bars, those that begin within the window of 6 s: up to 1 s, and from there on.
        bars = answer["histogram_from_previous"]
        assert [(bar["from_s"], bar["to_s"]) for bar in bars] == [(0, 1), (1, 10)]
        assert [bar["count"] for bar in bars] == [
            sum(t < SECOND for t in took),
            sum(t >= SECOND for t in took),
        ]


def test_times_are_those_of_the_longest_then_earliest_try() -> None:
    # Ana viewed at 0 and 30 s and took the cart at 50 s: her longest try began at 0, so the cart
    # took her 50 s.
    events = [
        Event("Ana", at * SECOND, name) for at, name in ((0, "view"), (30, "view"), (50, "cart"))
    ]
    actual = answers(events, funnel_of(VIEW_CART, within_s=60))
    assert [step["median_s_from_previous"] for step in actual] == [None, 50.0]
    # Within 40 s only the view at 30 s leads to the cart.
    actual = answers(events, funnel_of(VIEW_CART, within_s=40))
    assert [step["median_s_from_previous"] for step in actual] == [None, 20.0]


@each(
    "attribution, expected",
    [
        ("first", {"hats": [1, 1], "shoes": [1, 0], "(none)": [1, 1]}),
        ("last", {"shoes": [2, 1], "(none)": [1, 1]}),
        ("all", {"shoes": [1, 0], "(none)": [2, 2]}),
        ("step_1", {"hats": [1, 1], "shoes": [1, 0], "(none)": [1, 1]}),
        ("step_2", {"shoes": [1, 1], "(none)": [2, 1]}),
    ],
)
def test_a_unit_counts_for_the_value_of_the_attribution(
    attribution: str, expected: dict[str, list[int]]
) -> None:
    events = [
        Event("Ana", 0, "view", "hats"),
        Event("Ana", 1, "cart", "shoes"),
        Event("Bo", 0, "view", "shoes"),
        Event("Cleo", 0, "view"),
        Event("Cleo", 1, "cart"),
    ]
    assert (
        counts_by_label(events, funnel_of(VIEW_CART, by="category", by_attribution=attribution))
        == expected
    )


def test_rare_values_are_one_other_and_a_value_of_that_name_is_among_them() -> None:
    names = ["hats", "hats", "hats", "shoes", "shoes", "Other", "socks"]
    events = [Event(f"visitor {n}", n, "view", name) for n, name in enumerate(names)]
    funnel = funnel_of(VIEW_CART, by="category", limit=2)
    assert counts_by_label(events, funnel) == {"hats": [3, 0], "shoes": [2, 0], "Other": [2, 0]}


def test_a_breakdown_can_ask_for_a_value_inside_properties() -> None:
    values = ["pro", "pro", 2, 2.5, True, False, None, {"deep": 1}]
    events = [
        Event(f"visitor {n}", n, "view", properties={"plan": value})
        for n, value in enumerate(values)
    ]
    actual = counts_by_label(events, funnel_of(VIEW_CART, by="properties.plan"))
    assert {label: counts[0] for label, counts in actual.items()} == {
        "pro": 2,
        "2": 1,
        "2.5": 1,
        "true": 1,
        "false": 1,
        "(none)": 2,
    }


@examples(12)
@given(within_s=st.integers(1, 6), seed=drawn)
def test_several_columns_are_broken_down_together(within_s: int, seed: int) -> None:
    drawn = random_streams(seed, streams=40, micros=SECOND)
    events = [*{(event.who, event.at): event for event in drawn}.values()]  # no two at one time
    funnel = funnel_of(
        DISJOINT, within_s, by=("category", "price"), by_attribution="step_1", limit=1_000
    )
    expected: dict[str, list[int]] = defaultdict(lambda: [0] * len(DISJOINT))
    for stream in streams_of(events).values():
        times = first_longest_chain(stream, funnel)
        for step in range(len(times)):
            (first,) = (event for event in stream if event.at == times[0])
            parts = [
                first.category or "(none)",
                "(none)" if first.price is None else str(first.price),
            ]
            expected["(none)" if parts == ["(none)"] * 2 else "\x1f".join(parts)][step] += 1
    assert counts_by_label(events, funnel) == dict(expected)


def test_hold_and_by_the_same_column_is_every_value_of_a_unit_by_itself() -> None:
    # PostHog's breakdown by "all events": Ann counts for hats and for shoes, and carts shoes only.
    events = [
        Event("Ann", 0, "view", "hats"),
        Event("Ann", 1, "view", "shoes"),
        Event("Ann", 2, "cart", "shoes"),
    ]
    funnel = funnel_of(VIEW_CART, hold=("category",), by="category")
    assert counts_by_label(events, funnel) == {"hats": [1, 0], "shoes": [1, 1]}


@pytest.mark.slow
@examples(6)
@given(
    steps=step_lists,
    within_s=st.integers(1, 6),
    seed=drawn,
    order=st.sampled_from(
        ["ordered", "strict_increase", "strict_order", "strict_deduplication", "any", "exact"]
    ),
    attribution=st.sampled_from(["first", "last", "all", "step_1", "step_2"]),
    limit=st.integers(1, 3),
)
def test_whatever_is_asked_the_parts_agree_with_the_whole(  # noqa: PLR0913, PLR0917 (each is drawn)
    steps: tuple[FunnelStep, ...],
    within_s: int,
    seed: int,
    order: str,
    attribution: str,
    limit: int,
) -> None:
    events = table_of(random_streams(seed, streams=80, longest=9))
    funnel = funnel_of(
        steps, within_s, order, by="category", by_attribution=attribution, limit=limit
    )
    listed = rows_of(chains(events, funnel))
    total = {row["step"]: row["count"] for row in rows_of(step_numbers(chains(events, funnel)))}
    parts: Counter[int] = Counter()
    for row in rows_of(step_numbers(chains(events, funnel), ["label"])):
        parts[row["step"]] += row["count"]
    assert parts == total, "the values add up to the total"
    assert Counter(row["step"] for row in listed) == total, "the list is as long as the number"
    assert len({row["label"] for row in listed}) <= limit + 1
    assert all(total.get(step, 0) >= total.get(step + 1, 0) for step in range(1, len(steps)))
    shuffled = events.take(pa.array(random.Random(seed).sample(range(len(events)), len(events))))  # noqa: S311
    assert sorted(map(repr, rows_of(chains(shuffled, funnel)))) == sorted(map(repr, listed))


def test_totals_count_tries_and_tries_that_meet_are_one() -> None:
    # Two views before the first cart, one before the second: three attempts, of which two meet in
    # the first cart.
    times = ((0, "view"), (1, "view"), (2, "cart"), (3, "cart"), (4, "view"), (5, "cart"))
    events = [Event("Ana", at * SECOND, name) for at, name in times]
    actual = answers(events, funnel_of(VIEW_CART, within_s=60, per="totals"))
    assert [step["count"] for step in actual] == [3, 2]
    # The cart at 2 s is reported by the attempt that began last, at 1 s; so is that at 5 s, by the
    # one of 4 s.
    assert actual[1]["median_s_from_previous"] == 1.0
    excluded = funnel_of(
        VIEW_CART, within_s=60, per="totals", exclude=(exclusion_of(step_of("search")),)
    )
    searched = [*events, Event("Ana", SECOND + SECOND // 2, "search")]
    # A search at 1.5 s ends the attempts that began before it.
    assert [step["count"] for step in answers(searched, excluded)] == [3, 1]


def test_totals_of_steps_that_can_match_one_event_are_refused_in_ordered_only() -> None:
    twice = (step_of("view"), step_of("view"))
    with pytest.raises(DefinitionError, match="use the order strict_increase, or count per user"):
        chains([], funnel_of(twice, per="totals"))
    events = [Event("Ana", at * SECOND, "view") for at in range(3)]
    increasing = funnel_of(twice, per="totals", order="strict_increase")
    assert [step["count"] for step in answers(events, increasing)] == [3, 2]


def test_each_value_of_a_held_column_counts_by_itself_and_events_without_one_do_not() -> None:
    events = [
        Event("Ana", 0, "view", "hats"),
        Event("Ana", 1, "view", "shoes"),
        Event("Ana", 2, "cart", "shoes"),
        Event("Bo", 0, "view", "hats"),
        Event("Bo", 1, "cart"),
    ]
    # Ana with hats, Ana with shoes, Bo with hats; the cart of Ana with shoes alone.
    assert [
        step["count"] for step in answers(events, funnel_of(VIEW_CART, hold=("category",)))
    ] == [3, 1]
    assert [step["count"] for step in answers(events, funnel_of(VIEW_CART))] == [2, 2]


@pytest.mark.slow
def test_no_events_are_zeros_without_times() -> None:
    for order in ("ordered", "exact", "any", "strict_order", "strict_deduplication"):
        actual = answers([], funnel_of(VIEW_CART, order=order))
        assert [step["count"] for step in actual] == [0, 0]
        assert all(
            step["conversion_from_start"] is step["median_s_from_previous"] is None
            for step in actual
        )
    assert counts_by_label([], funnel_of(VIEW_CART, by="category")) == {}


Bins = int | str | list[str] | None
BINS = st.sampled_from([None, 1, 3, 7, "1s", "2s", ["1s", "3s"], ["2s"]])


@examples(24)
@given(
    steps=st.lists(st.sampled_from(CONDITIONS), min_size=2, max_size=4).map(tuple),
    within_s=st.integers(1, 6),
    positions=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    bins=BINS,
    seed=st.integers(0, 2**32),
)
def test_times_between_two_steps_are_those_of_the_longest_chains(
    steps: tuple[FunnelStep, ...], within_s: int, positions: tuple[int, int], bins: Bins, seed: int
) -> None:
    low, high = sorted(positions)
    high = min(max(high, low + 1), len(steps))
    low = min(low, high - 1)
    answer = times_of(low, high, bins)
    events = random_streams(seed, streams=60, micros=SECOND)
    funnel = funnel_of(steps, within_s, time_to_convert=answer)
    chains = [first_longest_chain(stream, funnel) for stream in streams_of(events).values()]
    took = [times[high - 1] - times[low - 1] for times in chains if len(times) >= high]
    con = connect()
    rows = con.create_table("events", table_of(events))
    actual = conversion_times(funnel_chains(rows, funnel), answer)
    if times := fast_times(con, rows, funnel, ["visitor_id"]):
        assert counted_times(times, answer) in (actual, None)
    assert actual["count"] == len(took)
    assert sum(bin_["count"] for bin_ in actual["bins"]) == len(took), "every time is in a bin"
    if took:
        assert actual["average_s"] == pytest.approx(mean(took) / SECOND, abs=1e-9)
        assert actual["median_s"] == pytest.approx(median(took) / SECOND, abs=1e-9)
        assert actual["p90_s"] == pytest.approx(np.percentile(took, 90) / SECOND, abs=1e-9)
    for bin_ in actual["bins"]:
        end = float("inf") if bin_["to_s"] is None else bin_["to_s"] * SECOND
        assert bin_["count"] == sum(bin_["from_s"] * SECOND <= time < end for time in took)


@given(count=st.integers(1, 10**7), least=st.integers(0, 10**12), span=st.integers(0, 10**13))
@examples(100)
def test_chosen_bins_are_few_and_hold_every_time(count: int, least: int, span: int) -> None:
    bins = bins_of(times_of(1, 2), count, least, least + span)
    assert 1 <= len(bins) <= 60
    assert (len(bins) - 1) ** 3 < count
    assert bins[0][0] * SECOND <= least
    last = bins[-1]
    assert last[1] is not None
    assert last[0] * SECOND <= least + span < last[1] * SECOND, "the last bin has the longest time"
    assert len({high - low for low, high in bins if high is not None}) == 1


def test_nobody_took_both_steps() -> None:
    funnel = funnel_of(CONDITIONS[4:5] + CONDITIONS[6:7])
    chains = funnel_chains(ibis.memtable(table_of([Event("Ann", 0, "cart")])), funnel)
    assert conversion_times(chains, times_of(1, 2)) == {
        "from_step": 1,
        "to_step": 2,
        "count": 0,
        "average_s": None,
        "median_s": None,
        "p90_s": None,
        "bins": [],
    }
