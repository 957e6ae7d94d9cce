"""Funnels whose steps are a visitor's first events, and steps that any event can be,
against plain Python.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.funnels.answer import funnel_answer
from ecom_assets.behaviour.funnels.definition import EARLIEST, Funnel
from ecom_assets.behaviour.funnels.entries import EntryLimits
from ecom_assets.behaviour.funnels.kernel.counts import can_count
from ecom_assets.behaviour.funnels.matching import with_firsts
from ecom_assets.behaviour.funnels.steps import Exclusion, FunnelStep
from ecom_assets.core.errors import DefinitionError, WorkError
from ecom_assets.core.tables.conditions import EVERYTHING, Where, parse_where
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.funnels.definitions import exclusion_of, funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    EPOCH,
    SECOND,
    Event,
    by_definition,
    by_expression,
    by_kernel,
    fits,
    meets,
    table_of,
)
from ecom_assets_tests.behaviour.funnels.test_funnel_conditions import ON_ALL, ON_STEPS
from ecom_assets_tests.behaviour.funnels.test_funnel_references import CONDITIONS, random_streams
from ecom_assets_tests.hypothesis_settings import examples

DAY = 86_400 * SECOND
ANYTHING = (step_of("*"), step_of("*", {}, parse_where(["event_type in cart, purchase"])))
STEPS = (*CONDITIONS, *ON_STEPS[:3], *ANYTHING)
steps = st.lists(
    st.builds(
        FunnelStep.changed,
        st.sampled_from(STEPS),
        occurrence=st.sampled_from(["every", "first_time", "first_ever"]),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


def is_first(events: Sequence[Event], event: Event, step: FunnelStep, where: Where) -> bool:
    """Whether an event is the first of its visitor that a step looks at;
    of simultaneous ones the first id.
    """
    if step.occurrence == "first_ever":
        question = [candidate for candidate in events if fits(candidate, step_of(step.event_type))]
    else:
        question = [
            candidate
            for candidate in events
            if fits(candidate, step.changed(occurrence="every")) and meets(candidate, where)
        ]
    own = [candidate for candidate in question if candidate.who == event.who]
    return bool(own) and min(own, key=lambda candidate: candidate.at) is event


def marked(events: Sequence[Event], funnel: Funnel) -> tuple[list[Event], Funnel]:
    """The same events and funnel, where being first is a property."""
    firsts = [step for step in funnel.steps if step.occurrence != "every"]
    marked_events = [
        event._replace(
            properties={
                f"first_{n}": is_first(events, event, step, funnel.where)
                for n, step in enumerate(firsts)
            }
        )
        for event in events
    ]
    plain = [
        step
        if step.occurrence == "every"
        else step_of(
            step.event_type,
            {**step.equal, f"properties.first_{firsts.index(step)}": True},
            step.others,
        )
        for step in funnel.steps
    ]
    return marked_events, funnel.changed(steps=tuple(plain))


def counted(table: pa.Table, funnel: Funnel) -> tuple[dict[str, int], dict[str, int]]:
    """What the expression and the kernel count of a funnel with first events."""
    con = connect()
    events, plain = with_firsts(con.create_table("events", table), funnel)
    rows = con.to_pyarrow(events)
    return by_expression(rows, plain), by_kernel(rows, plain)


@examples(40)
@given(
    steps=steps,
    where=st.sampled_from((EVERYTHING, *ON_ALL)),
    within_s=st.integers(1, 6),
    order=st.sampled_from([*EARLIEST][:2]),
    seed=st.integers(0, 2**32),
)
def test_expression_and_kernel_count_first_events_as_the_definition_says(
    steps: tuple[FunnelStep, ...], where: Where, within_s: int, order: str, seed: int
) -> None:
    events = random_streams(seed, streams=40)
    funnel = funnel_of(steps, within_s, order, where=where)
    expected = by_definition(*marked(events, funnel))
    assert counted(table_of(events), funnel) == (expected, expected)


def event(who: str, day: int, kind: str, category: str | None = None) -> Event:
    """What somebody did at midnight of a day of March 2026."""
    return Event(who, (day - 1) * DAY, kind, category)


STORY = [
    event("ann", 1, "view", "hats"),
    event("ann", 3, "view", "shoes"),
    event("ann", 4, "cart"),
    event("bob", 3, "view", "shoes"),
    event("bob", 4, "cart"),
    event("cid", 5, "view", "hats"),
]


def question(funnel: Funnel, entered_from: date | None = None) -> Any:
    """Return the answer about the story."""
    rows = table_of(STORY)
    con = connect()
    stored = con.create_table("stored", rows)
    events = stored.mutate(
        event_id=stored.event_id.cast("string"),
        event_date=stored.event_at.date(),
        source_session_id=stored.category,
        cart_amount=stored.price,
    )
    return funnel_answer(con, events, funnel, limits=EntryLimits(entered_from))


def counts(answer: Any) -> list[int]:
    """Return the units at each step."""
    return [step["count"] for step in answer["steps"]]


def first(occurrence: str, **where: str) -> tuple[FunnelStep, FunnelStep]:
    """A first view, and a cart."""
    return step_of("view", where, occurrence=occurrence), step_of("cart")


def test_who_viewed_before_the_days_of_entry_does_not_view_for_the_first_time_in_them() -> None:
    # Ann, Bob and Cid viewed from the 3rd on, Ann not for the first time.
    third = EPOCH.date() + timedelta(days=2)
    assert counts(question(funnel_of(first("every")), third)) == [3, 2]
    assert counts(question(funnel_of(first("first_time")), third)) == [2, 1]
    # In any order Ann enters with her cart, which may come first.
    assert counts(question(funnel_of(first("first_ever"), order="any"), third)) == [3, 1]


def test_conditions_hold_before_the_first_time_and_after_the_first_ever() -> None:
    # Ann viewed hats first and shoes later.
    assert counts(question(funnel_of(first("first_time", category="shoes")))) == [2, 2]
    assert counts(question(funnel_of(first("first_ever", category="shoes")))) == [1, 1]
    where = parse_where(["category = shoes or event_type = cart"])
    assert counts(question(funnel_of(first("first_time"), where=where))) == [2, 2]
    assert counts(question(funnel_of(first("first_ever"), where=where))) == [1, 1]


def test_each_cohort_has_the_first_views_of_its_days() -> None:
    actual = question(funnel_of(first("first_ever"), over="day"))
    assert [(cohort["start"][-2:], counts(cohort)) for cohort in actual["cohorts"]] == [
        ("01", [1, 1]),
        ("02", [0, 0]),
        ("03", [1, 1]),
        ("04", [0, 0]),
        ("05", [1, 0]),
    ]


def test_any_event_can_be_a_step_and_the_kernel_counts_it() -> None:
    assert counts(question(funnel_of((step_of("*"), step_of("cart"))))) == [3, 2]
    assert counts(question(funnel_of((step_of("*"),) * 3))) == [3, 2, 1]
    assert question(funnel_of((step_of("*"),)))["warnings"] == []
    assert can_count(funnel_of((step_of("*"), step_of("cart"))))
    assert not can_count(funnel_of((step_of("*"),) * 7))


def test_a_definition_reads_what_it_writes_and_refuses_what_cannot_be() -> None:
    written = {
        "steps": [{"event_type": "*", "occurrence": "first_ever"}, {"event_type": "b"}],
        "within": "60s",
    }
    funnel = Funnel.from_mapping(written)
    assert funnel.to_mapping() == {**written, "order": "ordered", "per": "user"}
    with pytest.raises(DefinitionError, match="occurrence of a step 'last' is unknown"):
        step_of("a", occurrence="last")
    with pytest.raises(DefinitionError, match="Unknown key 'occurrence' in an exclusion"):
        Exclusion.from_mapping({"event_type": "a", "occurrence": "first_ever"})
    with pytest.raises(DefinitionError, match="is step 1 of the funnel itself"):
        funnel_of((step_of("a"), step_of("b")), exclude=(exclusion_of(step_of("*")),))
    with pytest.raises(WorkError, match="with_firsts"):
        by_expression(table_of(STORY), funnel)
