"""Every order of a funnel against ClickHouse where it has the order,
and against plain Python where it has not.

Streams are random, with ties, repeats, gaps around the window, and steps that match the same
events.
"""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets_tests.behaviour.funnels.definitions import exclusion_of, funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    SECOND,
    Event,
    by_clickhouse,
    by_expression,
    by_kernel,
    chains_of,
    first_longest_chain,
    most_between_exclusions,
    most_in_a_window,
    neighbouring,
    streams_of,
    table_of,
    walked_tries,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_references import CONDITIONS, random_streams
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples, seeds

IN_CLICKHOUSE = {
    "ordered": ("strict_once",),
    "strict_increase": ("strict_once", "strict_increase"),
    "clickhouse_default": (),
    "strict_order": ("strict_order",),
    "allow_reentry": ("strict_order", "allow_reentry"),
    "strict_deduplication": ("strict_deduplication",),
}
DISJOINT = (step_of("view"), step_of("cart"), step_of("purchase"))
step_lists = st.lists(st.sampled_from(CONDITIONS), min_size=2, max_size=5).map(tuple)
drawn = st.integers(0, 2**32)


def story(order: str, types: str, *, steps: str = "abcd") -> int:
    """Ana's level when she does one thing a second, named by its letter."""
    funnel = funnel_of(tuple(map(step_of, steps)), within_s=100, order=order)
    events = [Event("Ana", at * SECOND, letter) for at, letter in enumerate(types)]
    return by_expression(table_of(events), funnel).get("Ana", 0)


def require_same(order: str, seed: int, folder: Path) -> None:
    """Compare each way to count a random funnel over random streams with ClickHouse."""
    draw = random.Random(f"{order} {seed}")  # noqa: S311 (streams, not secrets)
    funnel = funnel_of(
        tuple(draw.choices(CONDITIONS, k=draw.randint(2, 5))), draw.randint(1, 7), order
    )
    table = table_of(random_streams(draw.randrange(2**32), streams=1_500, longest=14))
    expected = by_clickhouse(table, funnel, folder, *IN_CLICKHOUSE[order])
    assert by_expression(table, funnel) == expected
    assert {who: len(times) for who, times in chains_of(table, funnel).items()} == expected
    if order in {"ordered", "strict_increase", "clickhouse_default"}:
        assert by_kernel(table, funnel) == expected


@pytest.mark.slow
@each("order", IN_CLICKHOUSE)
def test_clickhouse_agrees_on_ties_repeats_and_overlapping_steps(
    order: str, tmp_path: Path
) -> None:
    require_same(order, 0, tmp_path)


@pytest.mark.slow
@each("order", IN_CLICKHOUSE)
@each("seed", seeds(range(100, 200)))
def test_clickhouse_agrees_on_many_more(order: str, seed: int, tmp_path: Path) -> None:
    require_same(order, seed, tmp_path)


@pytest.mark.slow
def test_the_strict_orders_stop_where_clickhouse_s_documentation_says() -> None:
    assert story("strict_order", "abdc") == 2
    assert story("allow_reentry", "abdc") == 3
    assert story("strict_order", "axbc") == story("allow_reentry", "axbc") == 1
    assert story("strict_order", "xabc") == 3
    assert story("strict_deduplication", "abcbd") == 3
    assert story("strict_deduplication", "aabc") == 3


def test_exact_allows_nothing_in_between_and_any_allows_every_order() -> None:
    assert story("exact", "abxcd") == 2
    assert story("exact", "xabcd") == 4
    assert story("exact", "aabcd") == 4
    assert story("any", "dcxba") == 4
    assert story("any", "dd") == 1


@pytest.mark.slow
@examples(12)
@given(steps=step_lists, within_s=st.integers(1, 6), seed=drawn, micros=st.sampled_from([1, 3]))
def test_a_chain_is_longest_then_first(
    steps: tuple[FunnelStep, ...], within_s: int, seed: int, micros: int
) -> None:
    events = random_streams(seed, streams=40, micros=micros)
    for order in ("ordered", "strict_increase", "clickhouse_default"):
        funnel = funnel_of(steps, within_s, order)
        expected = {
            who: first_longest_chain(stream, funnel) for who, stream in streams_of(events).items()
        }
        actual = chains_of(table_of(events), funnel)
        assert actual == {who: times for who, times in expected.items() if times}, order


@examples(12)
@given(steps=step_lists, within_s=st.integers(1, 6), seed=drawn)
def test_neighbours_and_sets_are_what_plain_python_finds(
    steps: tuple[FunnelStep, ...], within_s: int, seed: int
) -> None:
    events = random_streams(seed, streams=40)
    streams = streams_of(events)
    exact, every = funnel_of(steps, within_s, "exact"), funnel_of(steps, within_s, "any")
    runs = {who: neighbouring(stream, exact) for who, stream in streams.items()}
    assert chains_of(table_of(events), exact) == {who: run for who, run in runs.items() if run}
    levels = {who: most_in_a_window(stream, every) for who, stream in streams.items()}
    actual = chains_of(table_of(events), every)
    assert {who: len(times) for who, times in actual.items()} == {
        who: n for who, n in levels.items() if n
    }
    assert all(times[-1] - times[0] <= within_s * SECOND for times in actual.values())


@pytest.mark.slow
@examples(16)
@given(
    steps=step_lists,
    within_s=st.integers(1, 6),
    seed=drawn,
    rule=st.sampled_from(["mixpanel", "posthog"]),
)
def test_what_is_excluded_in_any_order_is_what_plain_python_excludes(
    steps: tuple[FunnelStep, ...], within_s: int, seed: int, rule: str
) -> None:
    events = random_streams(seed, streams=40, longest=9)
    funnel = funnel_of(
        steps, within_s, "any", exclude=(exclusion_of(step_of("other")),), exclusion_rule=rule
    )
    levels = {
        who: most_between_exclusions(stream, funnel) for who, stream in streams_of(events).items()
    }
    actual = chains_of(table_of(events), funnel)
    assert {who: len(times) for who, times in actual.items()} == {
        who: n for who, n in levels.items() if n
    }
    assert by_expression(table_of(events), funnel) == {who: n for who, n in levels.items() if n}


def test_in_any_order_an_excluded_event_parts_what_comes_before_it_from_what_comes_after() -> None:
    events = [
        *(Event("Ana", at, name) for at, name in ((0, "cart"), (1, "other"), (2, "view"))),
        *(Event("Bo", at, name) for at, name in ((0, "cart"), (1, "view"), (2, "other"))),
        *(Event("Cleo", at, name) for at, name in ((0, "cart"), (1, "other"), (1, "view"))),
    ]
    exclude = (exclusion_of(step_of("other")),)
    kept = funnel_of(DISJOINT[:2], order="any", exclude=exclude)
    assert chains_of(table_of(events), kept) == {"Ana": (0,), "Bo": (0, 1), "Cleo": (0, 1)}
    dropped = funnel_of(DISJOINT[:2], order="any", exclude=exclude, exclusion_rule="posthog")
    assert chains_of(table_of(events), dropped) == {"Ana": (2,), "Bo": (0, 1), "Cleo": (0, 1)}


# A step is excluded only between steps that it is none of; the others are refused.
exclusions = st.lists(
    st.sampled_from(
        [
            ("other", (1, 2)),
            ("other", (1, 3)),
            ("other", (2, 3)),
            ("view", (2, 3)),
            ("purchase", (1, 2)),
        ]
    ),
    max_size=2,
)


@examples(12)
@given(excluded=exclusions, within_s=st.integers(1, 6), seed=drawn)
def test_exclusions_end_the_attempt(
    excluded: list[tuple[str, tuple[int, int]]], within_s: int, seed: int
) -> None:
    exclude = tuple(
        exclusion_of(step_of(name), after, before) for name, (after, before) in excluded
    )
    events = random_streams(seed, streams=60, longest=9)
    funnel = funnel_of(DISJOINT, within_s, exclude=exclude)
    made = {who: walked_tries(stream, funnel) for who, stream in streams_of(events).items()}
    expected = {
        who: min(attempts, key=lambda times: (-len(times), times))
        for who, attempts in made.items()
        if attempts
    }
    assert chains_of(table_of(events), funnel) == expected


def test_mixpanel_keeps_what_came_before_an_exclusion_and_posthog_drops_the_person() -> None:
    events = [
        *(Event("Ana", at, name) for at, name in ((0, "view"), (1, "other"), (2, "cart"))),
        *(Event("Bo", at, name) for at, name in ((0, "view"), (1, "cart"), (2, "other"))),
        *(Event("Cleo", at, name) for at, name in ((0, "view"), (0, "other"), (0, "cart"))),
    ]
    exclude = (exclusion_of(step_of("other")),)
    kept = funnel_of(DISJOINT[:2], exclude=exclude)
    assert by_expression(table_of(events), kept) == {"Ana": 1, "Bo": 2, "Cleo": 2}
    dropped = funnel_of(DISJOINT[:2], exclude=exclude, exclusion_rule="posthog")
    assert by_expression(table_of(events), dropped) == {"Bo": 2, "Cleo": 2}


def test_a_unit_that_begins_again_after_an_exclusion_can_still_get_through() -> None:
    times = ((0, "view"), (1, "other"), (2, "view"), (3, "cart"))
    events = [Event("Ana", at, name) for at, name in times]
    funnel = funnel_of(DISJOINT[:2], exclude=(exclusion_of(step_of("other")),))
    assert chains_of(table_of(events), funnel) == {"Ana": (2, 3)}
