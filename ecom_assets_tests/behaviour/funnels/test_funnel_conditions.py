"""Conditions on steps and on all events of a funnel, against plain Python and ClickHouse.

Not here: what each operator means (`tables/test_conditions.py`).
"""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels.definition import EARLIEST
from ecom_assets.behaviour.funnels.kernel.counts import funnel_times
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.core.errors import WorkError
from ecom_assets.core.tables.conditions import EVERYTHING, Where, parse_where
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.funnels.definitions import exclusion_of, funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    SECOND,
    Event,
    by_clickhouse,
    by_definition,
    by_expression,
    by_kernel,
    chains_of,
    first_longest_chain,
    meets,
    most_in_a_window,
    neighbouring,
    streams_of,
    table_of,
    walked_tries,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_references import CONDITIONS, random_streams
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples


def step(event_type: str, *conditions: str, category: str | None = None) -> FunnelStep:
    """A step with conditions, and perhaps with a category that its events must have."""
    return step_of(event_type, {"category": category} if category else {}, parse_where(conditions))


ON_STEPS = (
    step("view", "price > 1"),
    step("view", "price between 1 and 2", category="hats"),
    step("view", "category in hats, socks or price is not set"),
    step("cart", "category not contains HAT"),
    step("cart", "price <= 1", "category matches ^(hats|shoes)$"),
    step("purchase", "category is set"),
)
ON_ALL = tuple(
    map(parse_where, (["price is set"], ["category != shoes"], ["event_type != view or price < 2"]))
)
steps = st.lists(st.sampled_from((*ON_STEPS, *CONDITIONS)), min_size=1, max_size=4).map(tuple)
wheres = st.sampled_from((EVERYTHING, *ON_ALL))


@examples(40)
@given(
    steps=steps,
    where=wheres,
    within_s=st.integers(1, 6),
    order=st.sampled_from([*EARLIEST][:2]),
    seed=st.integers(0, 2**32),
)
def test_expression_kernel_and_chains_count_what_the_definition_says(
    steps: tuple[FunnelStep, ...], where: Where, within_s: int, order: str, seed: int
) -> None:
    events = random_streams(seed, streams=60)
    funnel = funnel_of(steps, within_s, order, where=where)
    expected = by_definition(events, funnel)
    assert by_kernel(table_of(events), funnel) == expected
    assert by_expression(table_of(events), funnel) == expected
    kept = [event for event in events if meets(event, where)]
    chains = {who: first_longest_chain(stream, funnel) for who, stream in streams_of(kept).items()}
    assert chains_of(table_of(events), funnel) == {
        who: times for who, times in chains.items() if times
    }


@examples(16)
@given(steps=steps, where=wheres, within_s=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_exact_and_any_see_only_the_events_that_meet_the_conditions(
    steps: tuple[FunnelStep, ...], where: Where, within_s: int, seed: int
) -> None:
    events = random_streams(seed, streams=40)
    streams = streams_of([event for event in events if meets(event, where)])
    exact = funnel_of(steps, within_s, "exact", where=where)
    answer = {who: neighbouring(stream, exact) for who, stream in streams.items()}
    assert chains_of(table_of(events), exact) == {
        who: times for who, times in answer.items() if times
    }
    most = {who: most_in_a_window(stream, exact) for who, stream in streams.items()}
    actual = by_expression(table_of(events), funnel_of(steps, within_s, "any", where=where))
    assert actual == {who: level for who, level in most.items() if level}


@each("seed", range(4))
def test_clickhouse_counts_steps_with_conditions_alike(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)  # noqa: S311 (streams, not secrets)
    chosen = tuple(draw.choices((*ON_STEPS, *CONDITIONS), k=draw.randint(1, 4)))
    funnel = funnel_of(chosen, draw.randint(1, 7), where=draw.choice((EVERYTHING, *ON_ALL)))
    table = table_of(random_streams(seed, streams=2_000, longest=14))
    expected = by_clickhouse(table, funnel, tmp_path, "strict_once")
    assert by_kernel(table, funnel) == by_expression(table, funnel) == expected


def test_exclusions_have_conditions_too() -> None:
    # Ann's search for hats at 1 s ends her attempt, Bo's search for shoes does not.
    events = [
        Event(who, at * SECOND, kind, category)
        for who, searched in (("Ann", "hats"), ("Bo", "shoes"))
        for at, kind, category in ((0, "view", None), (1, "other", searched), (2, "cart", None))
    ]
    funnel = funnel_of(
        (step_of("view"), step_of("cart")),
        exclude=(exclusion_of(step("other", "category in hats")),),
    )
    expected = {who: walked_tries(stream, funnel)[0] for who, stream in streams_of(events).items()}
    assert chains_of(table_of(events), funnel) == expected == {"Ann": (0,), "Bo": (0, 2 * SECOND)}


@pytest.mark.slow
def test_a_funnel_of_one_step_counts_who_did_it_in_every_order() -> None:
    events = [
        Event("Ann", 0, "view"),
        Event("Ann", SECOND, "view"),
        Event("Bo", 0, "cart"),
        Event("Cy", 0, "view"),
    ]
    for order in (
        *EARLIEST,
        "strict_order",
        "allow_reentry",
        "strict_deduplication",
        "any",
        "exact",
        "strict",
    ):
        funnel = funnel_of((step_of("view"),), order=order)
        assert by_expression(table_of(events), funnel) == {"Ann": 1, "Cy": 1}, order
        assert chains_of(table_of(events), funnel) == {"Ann": (0,), "Cy": (0,)}, order
        if order in EARLIEST:
            assert by_kernel(table_of(events), funnel) == {"Ann": 1, "Cy": 1}, order


def test_the_kernel_refuses_conditions_that_it_would_ignore() -> None:
    con = connect().con
    for funnel in (funnel_of((ON_STEPS[0],)), funnel_of((step_of("view"),), where=ON_ALL[0])):
        with pytest.raises(WorkError, match="plain equalities only"):
            funnel_times(con, "SELECT 1", funnel)


def test_steps_whose_conditions_differ_only_in_one_and_true_are_distinguished() -> None:
    steps = tuple(
        step("view", f"properties.gift = {value}", "price is set") for value in ("1", "true")
    )
    events = [
        Event("Ann", 0, "view", price=1.0, properties={"gift": 1}),
        Event("Ann", 1, "view", price=1.0, properties={"gift": 1}),
        Event("Bo", 0, "view", price=1.0, properties={"gift": 1}),
        Event("Bo", 1, "view", price=1.0, properties={"gift": True}),
    ]
    funnel = funnel_of(steps)
    assert (
        by_kernel(table_of(events), funnel)
        == by_expression(table_of(events), funnel)
        == {"Ann": 1, "Bo": 2}
    )
