"""Optional steps of funnels: by story, against plain Python, and what is refused."""

from collections.abc import Sequence
from typing import Any

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.correlation.question import CorrelationQuestion
from ecom_assets.behaviour.funnels.chains import funnel_chains
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.report import labelled, step_answers, step_numbers
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.funnels.definitions import exclusion_of, funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import SECOND, Event, fits, table_of
from ecom_assets_tests.behaviour.funnels.test_funnel_references import random_streams
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

VIEW, CART, COUPON, PURCHASE = (step_of(name) for name in ("view", "cart", "coupon", "purchase"))
MAY_COUPON = COUPON.changed(optional=True)
BUYING = funnel_of((VIEW, CART, MAY_COUPON, PURCHASE), 100)


def event(who: str, second: int, kind: str, category: str | None = None) -> Event:
    """An event at a second of the story."""
    return Event(who, second * SECOND, kind, category)


STORY = [
    *(
        event("anna", at, kind)
        for at, kind in ((0, "view"), (10, "cart"), (20, "coupon"), (50, "purchase"))
    ),
    *(
        event("ben", at, kind)
        for at, kind in ((0, "view"), (5, "coupon"), (10, "cart"), (30, "purchase"))
    ),
    *(
        event("cara", at, kind)
        for at, kind in ((0, "view"), (10, "cart"), (40, "coupon"), (100, "coupon"))
    ),
    *(
        event("dora", at, kind)
        for at, kind in ((0, "view"), (10, "cart"), (60, "purchase"), (70, "coupon"))
    ),
    *(event("emil", at, kind) for at, kind in ((0, "view"), (10, "cart"), (101, "coupon"))),
    event("fay", 0, "view"),
]
"""Anna and Cara give a coupon after the cart; Ben did before it, Dora after her purchase,
Emil after the window.
"""


def answers(events: Sequence[Event], funnel: Funnel) -> list[dict[str, Any]]:
    """The steps as an answer has them."""
    chains = funnel_chains(ibis.memtable(table_of(events)), funnel)
    rows = connect().to_pyarrow(step_numbers(chains, (), funnel.optional_steps)).to_pylist()
    return step_answers(funnel, rows)


@pytest.mark.slow
def test_who_took_it_between_its_neighbours_is_counted_and_nobody_else_lost() -> None:
    actual = answers(STORY, BUYING)
    assert [row["count"] for row in actual] == [6, 5, 2, 3]
    assert [
        answer["count"] for answer in answers(STORY, funnel_of((VIEW, CART, PURCHASE), 100))
    ] == [6, 5, 3]
    coupon, purchase = actual[2:]
    # Two of five with a cart; three of five buy, 40, 20 and 50 s after their cart, whatever coupons
    # lie between.
    assert (
        coupon["optional"],
        coupon["conversion_from_previous"],
        coupon["median_s_from_previous"],
    ) == (True, 0.4, 20)
    assert (purchase["conversion_from_previous"], purchase["median_s_from_previous"]) == (0.6, 40)
    # Were the coupon required, Dora would have taken it, but only Anna would convert.
    needed = BUYING.changed(steps=(VIEW, CART, COUPON, PURCHASE))
    assert [answer["count"] for answer in answers(STORY, needed)] == [6, 5, 3, 1]


def test_several_in_a_row_are_looked_for_each_by_itself() -> None:
    search = step_of("search").changed(optional=True)
    events = [*STORY[:4], event("anna", 12, "search"), event("ben", 11, "search")]
    events += [
        event("ben", at, kind)
        for at, kind in ((0, "view"), (10, "cart"), (12, "coupon"), (30, "purchase"))
    ]
    actual = answers(events, funnel_of((VIEW, CART, MAY_COUPON, search, PURCHASE), 100))
    # Anna searches before her coupon: both count.
    assert [row["count"] for row in actual] == [2, 2, 2, 2, 2]
    assert actual[4]["median_s_from_previous"] == 30


def test_an_event_of_a_step_that_has_to_be_taken_is_no_optional_one() -> None:
    again = funnel_of((VIEW, VIEW.changed(optional=True), PURCHASE), 100)
    once, twice = (
        [event("anna", 0, "view"), event("anna", 9, "purchase")],
        [event("ben", 0, "view")] * 2,
    )
    assert [answer["count"] for answer in answers(once, again)] == [1, 0, 1]
    assert [answer["count"] for answer in answers([*once, *twice], again)] == [2, 1, 1]


@each("attribution", ["first", "last", "step_4"])
def test_a_breakdown_is_that_of_the_steps_that_have_to_be_taken(attribution: str) -> None:
    shelves = {"view": "hats", "cart": "hats", "coupon": "shoes", "purchase": "bags"}
    events = [row._replace(category=shelves[row.event_type]) for row in STORY]
    funnel = BUYING.changed(by="category", by_attribution=attribution)
    chains = labelled(funnel_chains(ibis.memtable(table_of(events)), funnel), funnel)
    rows = connect().to_pyarrow(step_numbers(chains, ["label"], funnel.optional_steps)).to_pylist()
    counts = {(row["label"], row["step"]): row["count"] for row in rows}
    assert not any(label == "shoes" for label, _ in counts)
    assert sum(count for (_, step), count in counts.items() if step == 3) == 2


KINDS = tuple(step_of(name) for name in "abc")
OPTIONAL = st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=3)


@examples(25)
@given(
    inner=OPTIONAL,
    within_s=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    order=st.sampled_from(["ordered", "strict_increase", "clickhouse_default"]),
)
def test_optional_steps_are_those_of_plain_python_and_change_no_other(
    inner: list[tuple[FunnelStep, bool]], within_s: int, seed: int, order: str
) -> None:
    steps = (
        KINDS[0],
        *(step.changed(optional=is_optional) for step, is_optional in inner),
        KINDS[1],
    )
    funnel = funnel_of(steps, within_s, order)
    events = random_streams(seed, streams=25, micros=SECOND)
    table = connect().create_table("events", table_of(events))
    rows = funnel_chains(table, funnel).to_pyarrow().to_pylist()
    plain = funnel_chains(table, funnel.required()).to_pyarrow().to_pylist()
    kept = funnel.required_steps
    expected = {(row["visitor_id"], kept[row["step"] - 1], row["event_id"]) for row in plain}
    for who in {row["visitor_id"] for row in plain}:
        own = {kept[row["step"] - 1]: row for row in plain if row["visitor_id"] == who}
        for step in funnel.optional_steps:
            expected |= by_definition(table_of(events).to_pylist(), events, funnel, own, step)
    assert sorted((row["visitor_id"], row["step"], row["event_id"]) for row in rows) == sorted(
        expected
    )
    levels = funnel_levels(table, funnel).to_pyarrow().to_pylist()
    assert sorted((row["visitor_id"], row["level"]) for row in levels) == sorted(
        (who, max(row["step"] for row in plain if row["visitor_id"] == who))
        for who in {row["visitor_id"] for row in plain}
    )


def by_definition(
    rows: list[dict[str, Any]],
    events: Sequence[Event],
    funnel: Funnel,
    own: dict[int, dict[str, Any]],
    step: int,
) -> set[tuple[str, int, int]]:
    """Look at every event of a unit: the first that is the optional step, with who took it;
    nothing if none is.
    """
    kept = funnel.required_steps
    before, after = max(n for n in kept if n < step), min(n for n in kept if n > step)
    if before not in own:
        return set()
    who, taken = own[1]["visitor_id"], {row["event_id"] for row in own.values()}
    options = []
    for row, candidate in zip(rows, events, strict=True):
        is_free = funnel.order == "clickhouse_default" or row["event_id"] not in taken
        if candidate.who != who or not is_free or not fits(candidate, funnel.steps[step - 1]):
            continue
        at, from_at = row["event_at"], own[before]["event_at"]
        next_at = own[after]["event_at"] if after in own else None
        is_in_time = (at - own[1]["event_at"]).total_seconds() <= funnel.within
        if funnel.order == "strict_increase":
            is_between = from_at < at and (next_at is None or at < next_at)
        else:
            is_between = from_at <= at and (next_at is None or at <= next_at)
        if is_in_time and is_between:
            options.append((at, row["event_id"]))
    return {(who, step, min(options)[1])} if options else set()


def test_a_text_with_a_question_mark_and_a_mapping_say_it() -> None:
    funnel = Funnel.from_mapping({"steps": ["view", "cart?", {"event_type": "help?"}, "purchase"]})
    assert [(step.event_type, step.optional) for step in funnel.steps[1:3]] == [
        ("cart", True),
        ("help?", False),
    ]
    assert Funnel.from_mapping(funnel.to_mapping()).to_mapping() == funnel.to_mapping()


@each(
    "options, why",
    [
        (
            {"steps": (MAY_COUPON, PURCHASE)},
            "The first and the last step of a funnel have to be taken",
        ),
        ({"order": "exact"}, "The order 'exact' has no optional steps; use one of ordered"),
        ({"per": "totals"}, "Totals have no optional steps"),
        ({"exclude": (exclusion_of(step_of("refund")),)}, "set the exclusion rule to posthog"),
        (
            {"by": "category", "by_attribution": "step_3"},
            "`by_attribution` names step 3, which is optional",
        ),
        (
            {"exclude": (exclusion_of(step_of("refund"), 3, 4),), "exclusion_rule": "posthog"},
            "An exclusion names step 3, which is optional",
        ),
    ],
)
def test_what_does_not_go_with_optional_steps_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        funnel_of(**{"steps": BUYING.steps} | options)


def test_a_correlation_has_no_optional_steps() -> None:
    with pytest.raises(DefinitionError, match="Nobody needs to take an optional step"):
        CorrelationQuestion.from_mapping({"funnel": BUYING.to_mapping()})
