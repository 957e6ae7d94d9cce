"""Correlation against its definition in plain Python and on Postgres, what is refused,
and its odds ratio.
"""

import math
import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import ibis
import pyarrow as pa
import pytest
import scipy  # loads scipy.stats where it is called
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.correlation import answer as answers
from ecom_assets.behaviour.correlation.answer import CORRELATION
from ecom_assets.behaviour.correlation.correlation import (
    entrants,
    event_type_counts,
    odds_ratio,
    property_counts,
    rate_ratio,
)
from ecom_assets.behaviour.correlation.question import CorrelationQuestion
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.experiments.experiment_reference import Act, as_events, at
from ecom_assets_tests.behaviour.questions.events_in_engine import answered
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

HOURS = 6
ASKED = CorrelationQuestion.from_mapping(
    {
        "funnel": {"steps": ["page_view", "purchase"], "within": f"{HOURS}h"},
        "properties": ["properties.variant"],
        "limit": 1_000,
    }
)
FUNNEL = ASKED.funnel
STORY = [
    Act("a0", "ann", "search", at("02 09:00")),
    Act("a1", "ann", "page_view", at("02 10:00"), "mobile"),
    Act("a2", "ann", "review", at("02 10:05")),
    Act("a3", "ann", "review", at("02 10:06")),
    Act("a4", "ann", "purchase", at("02 11:00")),
    Act("a5", "ann", "rating", at("02 11:00")),
    Act("b1", "bob", "page_view", at("02 10:00"), "mobile"),
    Act("b2", "bob", "search", at("02 15:59")),
    Act("b3", "bob", "review", at("02 16:00")),
    Act("c1", "cid", "page_view", at("02 10:00"), "desktop"),
    Act("d1", "dan", "purchase", at("02 10:00")),
]
"""Ann reads reviews and buys; of Bob only the search is within his six hours; Dan never enters."""


def events_of(acts: list[Act]) -> pa.Table:
    """Return acts as clean events with the column that funnels may name."""
    return as_events(acts).append_column("source_session_id", pa.nulls(len(acts), pa.string()))


def answer(acts: list[Act], question: CorrelationQuestion = ASKED) -> dict[str, Any]:
    """Return the answer about acts."""
    con = connect()
    con.con.register("acts", events_of(acts))
    return answered(CORRELATION, con, con.table("acts"), question)


def counts(actual: dict[str, Any]) -> dict[tuple[str | None, str], tuple[int, int]]:
    """Return the counts of those who converted and of the others, by property and value."""
    return {
        (row["property"], row["value"]): (row["converted_count"], row["other_count"])
        for row in actual["correlations"]
    }


def test_what_happens_between_entering_and_converting_is_counted_once_for_each_visitor() -> None:
    actual = answer(STORY)
    assert (actual["converted_count"], actual["other_count"]) == (1, 2)
    assert counts(actual) == {
        (None, "review"): (1, 0),
        (None, "search"): (0, 1),
        ("properties.variant", "mobile"): (1, 1),
        ("properties.variant", "desktop"): (0, 1),
    }


def test_what_all_of_them_have_says_nothing_and_is_left_out() -> None:
    acts = [
        replace(event, variant="mobile") if event.event_type == "page_view" else event
        for event in STORY
    ]
    assert [row["value"] for row in answer(acts)["correlations"]] == ["review", "search"]


def test_a_value_that_is_missing_is_none() -> None:
    acts = [replace(event, variant=None) if event.visitor_id == "cid" else event for event in STORY]
    assert counts(answer(acts))["properties.variant", "(none)"] == (0, 1)


def crowd(kinds: dict[tuple[str, bool, bool], int]) -> list[Act]:
    """Return visitors by device, whether they search, and whether they buy."""
    acts = []
    for number, ((device, searches, buys), size) in enumerate(kinds.items()):
        for index in range(size):
            who = f"v{number}-{index}"
            acts.append(Act(f"{who}-1", who, "page_view", at("02 10:00"), device))
            acts += [Act(f"{who}-2", who, "search", at("02 10:10"))] if searches else []
            acts += [Act(f"{who}-3", who, "purchase", at("02 10:20"))] if buys else []
    return acts


def test_the_strongest_comes_first_and_the_rare_last() -> None:
    """Of 60 searching 30 buy, of 140 others 20: 30 · 120 / (30 · 20) = 6.

    Devices are as even as can be, but one.
    """
    acts = crowd(
        {
            ("mobile", True, True): 15,
            ("mobile", True, False): 15,
            ("mobile", False, True): 10,
            ("mobile", False, False): 60,
            ("desktop", True, True): 15,
            ("desktop", True, False): 15,
            ("desktop", False, True): 10,
            ("desktop", False, False): 57,
            ("watch", False, False): 3,
        }
    )
    rows = answer(acts)["correlations"]
    assert [(row["value"], row["is_enough"]) for row in rows] == [
        ("search", True),
        ("desktop", True),
        ("mobile", True),
        ("watch", False),
    ]
    assert (rows[0]["odds_ratio"], rows[0]["converted_count"], rows[0]["other_count"]) == (
        6.0,
        30,
        30,
    )
    assert rows[0]["low"] < 6 < rows[0]["high"]
    assert [row["value"] for row in answer(acts, ASKED.changed(limit=1))["correlations"]] == [
        "search"
    ]


@pytest.mark.parametrize("cells", [(30, 30, 20, 120), (8, 92, 10, 990), (3, 1, 50, 400)])
def test_the_factor_is_the_ratio_of_shares_with_katz_s_interval(
    cells: tuple[int, int, int, int],
) -> None:
    """Of 60 who search 30 buy, of 140 others 20: 3.5 times as often."""
    having, lacking = cells[:2], cells[2:]
    expected = scipy.stats.contingency.relative_risk(
        having[0], sum(having), lacking[0], sum(lacking)
    )
    actual = rate_ratio(having, lacking, 0.95)
    assert actual.value == pytest.approx(expected.relative_risk)
    assert (actual.low, actual.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def visits(kinds: dict[tuple[str, ...], int]) -> list[Act]:
    """Return visitors who view a page, then do some things, a minute after each other."""
    return [
        Act(f"{number}-{index}-{place}", f"v{number}-{index}", kind, at(f"02 10:{place:02}"))
        for number, (things, size) in enumerate(kinds.items())
        for index in range(size)
        for place, kind in enumerate(("page_view", *things))
    ]


def test_what_lies_on_the_way_to_the_last_step_is_left_out() -> None:
    """Who buys has a cart and begins a checkout; 29 of 30 buyers chose how to pay, too."""
    way = ("add_to_cart", "checkout_start")
    acts = visits(
        {
            ("search", *way, "pay_method", "purchase"): 20,
            (*way, "pay_method", "purchase"): 9,
            (*way, "purchase"): 1,
            ("search", "add_to_cart"): 30,
            (): 60,
        }
    )
    actual = answer(acts, ASKED.changed(properties=()))
    assert [row["value"] for row in actual["correlations"]] == ["search"]
    assert actual["on_the_way"] == ["add_to_cart", "checkout_start", "pay_method"]
    (row,) = actual["correlations"]
    # 20 of 50 who searched bought, and 10 of the 70 others.
    assert row["factor"] == pytest.approx((20 / 50) / (10 / 70), rel=1e-3)


def test_of_few_who_convert_what_all_did_may_be_chance() -> None:
    acts = visits({("search", "purchase"): 29, (): 60})
    assert answer(acts, ASKED.changed(properties=()))["on_the_way"] == []
    acts = visits({("search", "purchase"): 30, (): 60})
    assert answer(acts, ASKED.changed(properties=()))["on_the_way"] == ["search"]


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ({("mobile", True, True): 3}, "Everybody who entered the funnel converted"),
        ({("mobile", True, False): 3}, "Nobody who entered the funnel converted"),
    ],
)
def test_where_all_did_the_same_it_is_said(
    kinds: dict[tuple[str, bool, bool], int], why: str
) -> None:
    assert answer(crowd(kinds))["warnings"][-1] == f"{why}, so there is nothing to compare."


# Against the definition


def acts_of(seed: int) -> list[Act]:
    """Return what a few people did in two days; several things happen at the same time."""
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    kinds = ("page_view", "purchase", "search", "review", "rating")
    actual = [Act("z", "one", "page_view", at("02 00:00"), "mobile")]
    for number in range(dice.randint(2, 120)):
        moment = at("02 00:00") + timedelta(hours=dice.randint(0, 40))
        device = dice.choice(("mobile", "desktop", None))
        actual.append(
            Act(
                f"e{number:03}",
                f"v{dice.randint(0, 12)}",
                dice.choice(kinds),
                moment,
                device,
                Decimal(1),
            )
        )
    return actual


def by_definition(
    acts: list[Act],
) -> tuple[tuple[int, int], dict[tuple[str | None, str], list[int]]]:
    """Return how many converted and how many did not,
    and the counts of each event type and device.
    """
    totals, actual = [0, 0], dict[tuple[str | None, str], list[int]]()
    for who in {act.visitor_id for act in acts}:
        own = sorted(
            (act for act in acts if act.visitor_id == who),
            key=lambda act: (act.event_at, act.event_id),
        )
        starts = [row for row in own if row.event_type == "page_view"]
        if not starts:
            continue
        window = timedelta(hours=HOURS)
        attempts = [
            (start, [b for b in own if b.event_type == "purchase" and start.event_at <= b.event_at])
            for start in starts
        ]
        done = [
            (start, buys[0])
            for start, buys in attempts
            if buys and buys[0].event_at <= start.event_at + window
        ]
        start, end = (
            (done[0][0], done[0][1].event_at) if done else (starts[0], starts[0].event_at + window)
        )
        totals[0 if done else 1] += 1
        kinds = {
            (None, row.event_type)
            for row in own
            if start.event_at < row.event_at < end
            and row.event_type not in {"page_view", "purchase"}
        }
        for key in (*kinds, ("properties.variant", start.variant or "(none)")):
            actual.setdefault(key, [0, 0])[0 if done else 1] += 1
    return (totals[0], totals[1]), actual


@pytest.mark.slow
@examples(60)
@given(seed=st.integers(0, 10_000))
def test_counts_are_those_of_the_definition_in_any_order_of_rows(seed: int) -> None:
    acts = acts_of(seed)
    actual, (totals, expected) = answer(acts), by_definition(acts)
    assert (actual["converted_count"], actual["other_count"]) == totals
    assert counts(actual) == {
        key: tuple(both) for key, both in expected.items() if tuple(both) != totals
    }
    assert answer(random.Random(seed).sample(acts, len(acts))) == actual  # noqa: S311 (streams, not secrets)


ORDERS = ("ordered", "strict_increase", "allow_reentry")


@pytest.mark.slow
@examples(30)
@given(
    seed=st.integers(0, 10_000),
    order=st.sampled_from(ORDERS),
    hours=st.integers(1, 9),
    is_wide=st.booleans(),
)
def test_the_kernel_finds_the_entrants_of_the_expression(
    seed: int,
    order: str,
    hours: int,
    is_wide: bool,  # noqa: FBT001 (drawn)
) -> None:
    steps = ["page_view", "*", "purchase"] if is_wide else ["page_view", "review", "purchase"]
    funnel = {"steps": steps, "within": f"{hours}h", "order": order}
    question = CorrelationQuestion.from_mapping({"funnel": funnel, "limit": 1_000})
    quick = answer(acts_of(seed), question)
    with patch.object(answers, "has_kernels", return_value=False):
        assert answer(acts_of(seed), question) == quick


@pytest.mark.slow
def test_postgres_says_the_same(postgres_server: str) -> None:
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    acts = acts_of(11)
    actual = answered(
        CORRELATION, engine.con, engine.con.create_table("acts", events_of(acts)), ASKED
    )
    engine.close()
    assert actual == answer(acts)


@each("dialect", ["duckdb", "postgres", "pyspark", "snowflake"])
def test_the_expressions_compile_for_every_engine(dialect: str) -> None:
    events = ibis.table(ibis.memtable(events_of(STORY)).schema(), name="events")
    entered = entrants(events, FUNNEL)
    for counted in (
        event_type_counts(events, entered, FUNNEL),
        property_counts(events, entered, FUNNEL, "properties.variant"),
    ):
        assert "converted_count" in str(ibis.to_sql(counted, dialect=dialect))


# What is refused


@each(
    "raw, why",
    [
        ({"funnel": {"steps": ["a"]}}, "two steps or more"),
        (
            {"funnel": {"steps": ["a", "b"], "per": "session"}},
            "counts users, without `by` and `hold`",
        ),
        ({"funnel": {"steps": ["a", "b"], "by": "brand"}}, "counts users, without `by` and `hold`"),
        ({"funnel": {"steps": ["a", "b"]}, "property": ["brand"]}, "did you mean 'properties'"),
        (
            {"funnel": {"steps": ["a", "b"]}, "properties": "brand"},
            "`properties` of a correlation is a list, not 'brand'",
        ),
        ({"funnel": {"steps": ["a", "b"]}, "properties": ["a b"]}, "names the column 'a b'"),
        (
            {"funnel": {"steps": ["a", "b"]}, "properties": [f"p{n}" for n in range(11)]},
            "at most 10 values, not 11",
        ),
        (
            {"funnel": {"steps": ["a", "b"]}, "limit": 0},
            "`limit` of a correlation is at least 1, not 0",
        ),
        (
            {"funnel": {"steps": ["a", "b"]}, "confidence": 95},
            "`confidence` of a correlation is at most 0.9999, not 95",
        ),
        ({"properties": ["brand"]}, "A correlation needs `funnel`"),
    ],
)
def test_a_correlation_that_cannot_be_is_refused(raw: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        CorrelationQuestion.from_mapping(raw)


def test_a_definition_reads_what_it_writes() -> None:
    assert CorrelationQuestion.from_mapping(ASKED.to_mapping()) == ASKED


def test_the_example_of_bland_and_altman_is_reproduced() -> None:
    """Of 561 children with eczema 141 have hay fever too, of 14,453 without it 928: 4.89,
    from 4.00 to 5.99.
    """
    actual = odds_ratio((141, 420), (928, 13_525), 0.95)
    assert [f"{value:.2f}" for value in (actual.value, actual.low, actual.high)] == [
        "4.89",
        "4.00",
        "5.99",
    ]
    assert actual.is_enough


COUNTS = st.tuples(st.integers(1, 10_000), st.integers(1, 10_000))


@pytest.mark.slow
@examples(40)
@given(having=COUNTS, lacking=COUNTS, confidence=st.floats(0.5, 0.999))
def test_the_ratio_is_scipy_s(
    having: tuple[int, int], lacking: tuple[int, int], confidence: float
) -> None:
    theirs = scipy.stats.contingency.odds_ratio([having, lacking], kind="sample")
    low, high = theirs.confidence_interval(confidence)
    actual = odds_ratio(having, lacking, confidence)
    for ours, expected in (
        (actual.value, theirs.statistic),
        (actual.low, low),
        (actual.high, high),
    ):
        assert math.isclose(ours, expected, rel_tol=1e-9)


@examples(40)
@given(having=COUNTS, lacking=COUNTS)
def test_lacking_it_is_the_opposite_of_having_it(
    having: tuple[int, int], lacking: tuple[int, int]
) -> None:
    odds, opposite_odds = odds_ratio(having, lacking, 0.95), odds_ratio(lacking, having, 0.95)
    assert math.isclose(odds.value * opposite_odds.value, 1)
    assert math.isclose(odds.low * opposite_odds.high, 1)


def test_an_empty_cell_has_half_a_visitor() -> None:
    actual = odds_ratio((3, 0), (5, 10), 0.95)
    assert actual.value == pytest.approx((3.5 * 10.5) / (0.5 * 5.5))
    assert not actual.is_enough


@pytest.mark.parametrize(
    ("having", "lacking"),
    [
        ((5, 5), (5, 5)),
        ((10, 90), (10, 90)),
    ],  # 10 · 10 / 20 = 5 in each cell, and 100 · 20 / 200 = 10
)
def test_data_are_enough_if_chance_gives_five_in_each_cell(
    having: tuple[int, int], lacking: tuple[int, int]
) -> None:
    assert odds_ratio(having, lacking, 0.95).is_enough


@pytest.mark.parametrize(
    ("having", "lacking"),
    [
        ((9, 0), (1, 10)),
        ((1, 9), (9, 81)),
        ((0, 0), (0, 0)),
    ],  # 9 · 10 / 20 = 4.5, and 10 · 10 / 100 = 1
)
def test_there_are_too_few_data_if_chance_gives_fewer(
    having: tuple[int, int], lacking: tuple[int, int]
) -> None:
    assert not odds_ratio(having, lacking, 0.95).is_enough
