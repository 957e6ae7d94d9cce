"""Visitor segments against their definition in plain Python and on Postgres,
and what is refused.
"""

import random
from datetime import date
from decimal import Decimal
from typing import Any

import ibis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.visitor_segments.segment import (
    VisitorSegment,
    columns_named,
    in_segment,
    visitors_in,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.experiments.experiment_reference import Act, as_events, at
from ecom_assets_tests.behaviour.experiments.test_experiment import acts_of
from ecom_assets_tests.behaviour.visitor_segments.segment_reference import members
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

DIALECTS = ("duckdb", "postgres", "pyspark", "snowflake")
STORY = [
    Act("a1", "ann", "purchase", at("01 10:00"), "free", Decimal(10)),
    Act("a2", "ann", "purchase", at("08 10:00"), "pro", Decimal(60)),
    Act("a3", "ann", "purchase", at("09 10:00"), None, Decimal(70)),
    Act("b1", "bob", "purchase", at("02 10:00"), "pro", Decimal(60)),
    Act("b2", "bob", "refund", at("05 10:00"), "free"),
    Act("c1", "cid", "page_view", at("09 10:00")),
    Act("d1", "dan", "page_view", at("10 10:00")),
]
"""Ann buys three times, twice in the last seven days up to the 9th; Bob gives back;
Dan comes a day too late.
"""


def segment(raw: Any) -> VisitorSegment:
    """Return a segment from its definition."""
    return VisitorSegment.from_definition("loyal", raw)


def visitors(acts: list[Act], raw: Any, as_of: date = date(2026, 3, 9)) -> set[str]:
    """Return who is in a segment."""
    con = connect()
    con.con.register("acts", as_events(acts))
    return set(
        visitors_in(con.table("acts"), segment(raw), as_of).to_pyarrow()["visitor_id"].to_pylist()
    )


@each(
    "raw, who",
    [
        ({"did": "purchase"}, {"ann", "bob"}),
        ({"did": "purchase", "at_least": 3}, {"ann"}),
        ({"did": "purchase", "at_least": 2, "within": "7d"}, {"ann"}),
        ({"did": "purchase", "at_least": 2, "within": "1d"}, set()),
        ({"did": "purchase", "at_least": 1, "at_most": 1}, {"bob"}),
        ({"did": "purchase", "at_most": 0}, {"cid"}),
        ({"did": "*", "within": "1w"}, {"ann", "bob", "cid"}),
        ({"did": "*", "at_least": 3}, {"ann"}),
        (
            {"did": {"event_type": "purchase", "where": ["cart_amount > 50"]}, "at_least": 2},
            {"ann"},
        ),
        ([{"did": "purchase"}, {"not": {"did": "refund"}}], {"ann"}),
        ({"any_of": [{"did": "refund"}, {"did": "page_view"}]}, {"bob", "cid"}),
        ({"not": {"all_of": [{"did": "purchase"}, {"did": "refund"}]}}, {"ann", "cid"}),
        ({"first_seen": {"within": "8d"}}, {"bob", "cid"}),
        ({"first_seen": {"from": "2026-03-02", "to": "2026-03-08"}}, {"bob"}),
        ({"first_seen": {"to": date(2026, 3, 1)}}, {"ann"}),
        ({"latest": "properties.variant = pro"}, {"ann"}),
        ({"latest": {"properties.variant": "free"}}, {"bob"}),
    ],
)
def test_a_segment_has_the_visitors_that_its_definition_says(raw: Any, who: set[str]) -> None:
    assert visitors(STORY, raw) == who


def test_a_segment_is_as_of_a_day_and_later_events_do_not_matter() -> None:
    assert visitors(STORY, {"did": "purchase", "at_least": 3}, date(2026, 3, 8)) == set()
    assert visitors(STORY, {"not": {"did": "refund"}}, date(2026, 3, 4)) == {"ann", "bob"}
    assert visitors(STORY, {"did": "page_view"}, date(2026, 3, 10)) == {"cid", "dan"}


def test_all_events_of_the_visitors_are_kept() -> None:
    con = connect()
    con.con.register("acts", as_events(STORY))
    kept = in_segment(con.table("acts"), segment({"did": "refund"}), date(2026, 3, 9))
    assert sorted(kept.to_pyarrow()["event_id"].to_pylist()) == ["b1", "b2"]


# Against the definition


TYPES = st.sampled_from(["purchase", "page_view", "search", "*"])
WITHIN = st.sampled_from([None, "1d", "3d", "1w"])
LEAVES = st.one_of(
    st.builds(
        lambda did, n, within: {"did": did, "at_least": n, "within": within},
        TYPES,
        st.integers(1, 3),
        WITHIN,
    ),
    st.builds(
        lambda did, n, within: {"did": did, "at_most": n, "within": within},
        TYPES,
        st.integers(0, 2),
        WITHIN,
    ),
    st.builds(lambda within: {"first_seen": {"within": within}}, st.sampled_from(["2d", "5d"])),
    st.builds(
        lambda day: {"first_seen": {"to": day}}, st.sampled_from(["2026-03-02", "2026-03-06"])
    ),
    st.builds(
        lambda name: {"latest": f"properties.variant = {name}"},
        st.sampled_from(["control", "test", "third"]),
    ),
)
RULES = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(lambda part: {"not": part}, parts),
        st.builds(
            lambda kind, some: {kind: some},
            st.sampled_from(["all_of", "any_of"]),
            st.lists(parts, min_size=1),
        ),
    ),
    max_leaves=5,
)


@examples(100)
@given(seed=st.integers(0, 10_000), raw=RULES, day=st.integers(2, 12))
def test_visitors_are_those_of_the_definition_in_any_order_of_rows(
    seed: int, raw: Any, day: int
) -> None:
    acts, as_of = acts_of(seed), date(2026, 3, day)
    actual = visitors(acts, raw, as_of)
    assert actual == members(acts, segment(raw).rule, as_of)
    assert actual == visitors(random.Random(seed).sample(acts, len(acts)), raw, as_of)  # noqa: S311 (streams)


ONE_OF_EACH = [
    {
        "any_of": [
            {"did": "purchase", "at_least": 2, "within": "3d"},
            {"latest": "properties.variant = test"},
        ]
    },
    {"not": {"first_seen": {"within": "2d"}}},
]


def test_postgres_says_the_same(postgres_server: str) -> None:
    acts, as_of = acts_of(7), date(2026, 3, 9)
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    events = engine.con.create_table("acts", as_events(acts))
    actual = set(
        visitors_in(events, segment(ONE_OF_EACH), as_of).to_pyarrow()["visitor_id"].to_pylist()
    )
    kept = in_segment(events, segment(ONE_OF_EACH), as_of).to_pyarrow().num_rows
    engine.close()
    assert actual == members(acts, segment(ONE_OF_EACH).rule, as_of)
    assert kept == sum(act.visitor_id in actual for act in acts) > 0


@each("dialect", DIALECTS)
def test_the_expression_compiles_for_every_engine(dialect: str) -> None:
    events = ibis.table(ibis.schema(ibis.memtable(as_events(STORY)).schema()), name="events")
    text = ibis.to_sql(in_segment(events, segment(ONE_OF_EACH), date(2026, 3, 9)), dialect=dialect)
    assert str(text).count("GROUP BY") == 1, "all parts are counted in one pass"


# What is refused


@each(
    "raw, why",
    [
        ("purchase", "a part is one of did, first_seen, latest"),
        ([], "`all_of` holds a list of parts"),
        ({"did": "purchase", "atleast": 3}, "unknown key 'atleast'; did you mean 'at_least'"),
        ({"did": "purchase", "at_least": 0}, "holds for everybody; use `at_most: 0` or `not`"),
        (
            {"did": "purchase", "at_least": 3, "at_most": 2},
            "`at_most` 2 of a visitor segment is below `at_least` 3",
        ),
        ({"did": "purchase", "at_least": "3"}, "`at_least` of a visitor segment cannot be '3'"),
        ({"did": "purchase", "within": "12h"}, "'12h' is not of 1 to 36,600 whole days"),
        ({"did": "purchase", "within": 30}, "The duration 30 is not understood"),
        ({"first_seen": {}}, "needs `within`, `from` or `to`"),
        (
            {"first_seen": {"within": "3d", "from": "2026-01-01"}},
            "both say where `first_seen` begins",
        ),
        ({"first_seen": {"from": "2026-02-01", "to": "2026-01-01"}}, "after its end 2026-01-01"),
        ({"first_seen": {"from": "tomorrow"}}, "'tomorrow' is not a date; use YYYY-MM-DD"),
        ({"latest": []}, "`latest` needs a condition"),
        ({"did": "purchase", "not": {"did": "refund"}}, "unknown key 'not'"),
        ([{"did": "purchase"}] * 101, "more than 100 parts"),
    ],
)
def test_a_segment_that_cannot_be_is_refused(raw: Any, why: str) -> None:
    with pytest.raises(DefinitionError, match=f"The visitor segment 'loyal' cannot be: .*{why}"):
        segment(raw)


def test_parts_too_deep_in_each_other_are_refused() -> None:
    raw: Any = {"did": "purchase"}
    for _ in range(12):
        raw = {"not": raw}
    with pytest.raises(DefinitionError, match="more than 10 deep"):
        segment(raw)


@examples(40)
@given(raw=RULES)
def test_a_definition_reads_what_it_writes(raw: Any) -> None:
    actual = segment(raw)
    assert segment(actual.to_mapping()["rule"]) == actual


def test_the_columns_of_a_segment_are_those_of_its_conditions() -> None:
    raw = [
        {"did": {"where": ["user_id = x"]}},
        {"latest": "properties.plan = pro"},
        {"first_seen": {"within": "1d"}},
    ]
    assert columns_named(segment(raw)) == ["user_id", "properties.plan"]


def test_event_types_are_translated_wherever_they_stand() -> None:
    raw = {"not": {"any_of": [{"did": "view"}, {"did": "*"}]}}
    assert segment(raw).translated({"view": "product_view"}.get).to_mapping()["rule"] == {  # type: ignore[arg-type]
        "not": {
            "any_of": [
                {"did": {"event_type": "product_view"}, "at_least": 1},
                {"did": {"event_type": None}, "at_least": 1},
            ]
        }
    }
