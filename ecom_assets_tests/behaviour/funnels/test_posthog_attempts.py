"""PostHog's attempts: what an excluded event does in each of its orders,
against a walk event by event.
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets_tests.behaviour.funnels.definitions import exclusion_of, funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    SECOND,
    Event,
    by_expression,
    chains_of,
    streams_of,
    table_of,
)
from ecom_assets_tests.behaviour.funnels.posthog_reference import posthog_level
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

STEPS = tuple(map(step_of, ("view", "cart", "pay")))
drawn = st.integers(0, 2**32)
barred = st.lists(
    st.tuples(st.sampled_from(["x", "y", "view"]), st.sampled_from([(1, 2), (1, 3), (2, 3)])),
    max_size=2,
)


def posthog_funnel(
    order: str,
    within_s: int,
    barred: list[tuple[str, tuple[int, int]]],
    steps: str = "view cart pay",
) -> Funnel:
    """A funnel with PostHog's rule; exclusions that a funnel refuses are left out,
    in any order those of some steps.
    """
    names = steps.split()
    kept = [
        (name, between)
        for name, between in barred
        if name not in names[between[0] - 1 : between[1]]
    ]
    exclude = tuple(
        exclusion_of(step_of(name), *((1, 3) if order == "any" else between))
        for name, between in kept
    )
    exclude = tuple(
        exclusion for exclusion in exclude if order != "any" or exclusion.event_type not in names
    )
    return funnel_of(
        tuple(map(step_of, names)), within_s, order, exclude=exclude, exclusion_rule="posthog"
    )


def histories(seed: int, *, is_tied: bool) -> list[Event]:
    """Short histories of the steps, two excluded events and another one,
    with or without events of one instant.
    """
    draw = random.Random(seed)  # noqa: S311 (histories, not secrets)
    events = []
    for person in range(60):
        length = draw.randint(1, 10)
        times = draw.choices(range(16), k=length) if is_tied else draw.sample(range(16), k=length)
        kinds = draw.choices(
            ["view", "view", "cart", "cart", "pay", "x", "x", "y", "other"], k=length
        )
        events += [
            Event(f"visitor {person}", at * SECOND, kind)
            for at, kind in zip(times, kinds, strict=True)
        ]
    return events


def posthog_levels(events: list[Event], funnel: Funnel) -> dict[str, int]:
    levels = {who: posthog_level(stream, funnel) for who, stream in streams_of(events).items()}
    return {who: level for who, level in levels.items() if level}


@pytest.mark.slow
@examples(60)
@given(barred=barred, within_s=st.integers(2, 14), seed=drawn)
def test_sequential_funnels_count_posthog_s_attempts(
    barred: list[tuple[str, tuple[int, int]]], within_s: int, seed: int
) -> None:
    funnel = posthog_funnel("ordered", within_s, barred)
    events = histories(seed, is_tied=seed % 2 == 0)
    expected = posthog_levels(events, funnel)
    assert by_expression(table_of(events), funnel) == expected
    assert {
        who: len(times) for who, times in chains_of(table_of(events), funnel).items()
    } == expected


@pytest.mark.slow
@examples(60)
@given(
    order=st.sampled_from(["strict", "any"]), barred=barred, within_s=st.integers(2, 14), seed=drawn
)
def test_strict_and_unordered_funnels_count_posthog_s_attempts(
    order: str, barred: list[tuple[str, tuple[int, int]]], within_s: int, seed: int
) -> None:
    funnel = posthog_funnel(order, within_s, barred)
    events = histories(seed, is_tied=False)
    expected = posthog_levels(events, funnel)
    assert by_expression(table_of(events), funnel) == expected
    assert {
        who: len(times) for who, times in chains_of(table_of(events), funnel).items()
    } == expected


@examples(40)
@given(
    steps=st.sampled_from(
        ["view view cart", "view cart view", "view cart cart", "view cart pay view"]
    ),
    order=st.sampled_from(["ordered", "strict"]),
    barred=barred,
    within_s=st.integers(2, 14),
    seed=drawn,
)
def test_a_step_that_has_to_be_taken_twice_counts_posthog_s_attempts(
    steps: str, order: str, barred: list[tuple[str, tuple[int, int]]], within_s: int, seed: int
) -> None:
    funnel = posthog_funnel(order, within_s, barred, steps)
    events = histories(seed, is_tied=False)
    assert by_expression(table_of(events), funnel) == posthog_levels(events, funnel)


def level(order: str, story: str) -> int:
    """Ana's level when she does one thing each minute, where x is excluded."""
    funnel = posthog_funnel(order, 3_600, [("x", (1, 3))])
    events = [Event("Ana", minute * 60 * SECOND, kind) for minute, kind in enumerate(story.split())]
    assert posthog_level(events, funnel) == by_expression(table_of(events), funnel).get("Ana", 0)
    return posthog_level(events, funnel)


@pytest.mark.slow
@each(
    "order, story, expected",
    [
        ("ordered", "view x view cart", 2),  # the second attempt is free of it
        ("ordered", "view x", 0),
        ("ordered", "view x view", 1),
        ("ordered", "view x cart view", 0),  # the second attempt does not get as far as the first
        ("ordered", "view x cart view cart", 2),
        ("ordered", "view cart x pay view cart", 0),
        ("ordered", "view cart pay x", 3),
        ("strict", "view x view", 1),
        ("strict", "view x cart", 0),
        ("strict", "view other x", 1),  # the other event ended the attempt before
        ("strict", "view cart cart pay", 3),
        ("any", "view x", 0),
        ("any", "cart x view", 1),
        ("any", "pay view cart x", 3),  # all steps were taken
        ("any", "cart view x pay", 1),
    ],
)
def test_an_excluded_event_drops_the_attempt(order: str, story: str, expected: int) -> None:
    assert level(order, story) == expected


def test_an_exclusion_is_skipped_at_an_instant_with_other_events_of_the_funnel() -> None:
    funnel = posthog_funnel("ordered", 3_600, [("x", (1, 3))])
    events = [
        Event("Ana", at * SECOND, kind)
        for at, kind in ((0, "view"), (5, "x"), (5, "cart"), (9, "pay"))
    ]
    assert posthog_level(events, funnel) == 3
    assert by_expression(table_of(events), funnel) == {"Ana": 3}


def test_totals_drop_each_attempt_with_an_excluded_event() -> None:
    kinds = ("view", "x", "cart", "view", "cart")
    events = [Event("Ana", at * SECOND, kind) for at, kind in enumerate(kinds)]
    steps = (step_of("view"), step_of("cart"))
    funnel = funnel_of(
        steps, per="totals", exclude=(exclusion_of(step_of("x")),), exclusion_rule="posthog"
    )
    assert chains_of(table_of(events), funnel) == {"Ana": (3 * SECOND, 4 * SECOND)}
