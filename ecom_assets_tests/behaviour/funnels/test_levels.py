"""The funnel's definition and its Ibis expression: stories to redo by hand, refusals,
and the SQL's size.

Independent references and random streams are in `test_funnel_references.py`, definition files in
`funnels/test_definition.py`.
"""

import datetime as dt
from typing import Any

import ibis
import pyarrow as pa
import pytest

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.funnels.definitions import FIVE_STEP_FUNNEL, funnel_of, step_of
from ecom_assets_tests.behaviour.funnels.funnel_reference import (
    EPOCH,
    SECOND,
    Event,
    by_definition,
    by_expression,
    by_kernel,
    table_of,
)
from ecom_assets_tests.each import each

EVENTS = ibis.table(
    {
        "visitor_id": "string",
        "session_id": "string",
        "event_id": "string",
        "event_at": "timestamp('UTC', 6)",
        "event_type": "string",
        "price": "decimal(18, 2)",
        "is_bot": "boolean",
        "properties": "string",
    },
    name="events",
)
DIALECTS = ("duckdb", "postgres", "pyspark", "snowflake")


def funnel(*steps: str | FunnelStep, within_s: int = 60, order: str = "ordered") -> Funnel:
    return funnel_of(
        tuple(step if isinstance(step, FunnelStep) else step_of(step) for step in steps),
        within_s=within_s,
        order=order,
    )


def level(answer: Funnel, *events: tuple[int, str], category: str | None = None) -> int:
    """Ana's level, on which all three ways of counting agree."""
    stream = [Event("Ana", at, event_type, category) for at, event_type in events]
    actual = {
        name: count.get("Ana", 0)
        for name, count in {
            "definition": by_definition(stream, answer),
            "expression": by_expression(table_of(stream), answer),
            "kernel": by_kernel(table_of(stream), answer),
        }.items()
    }
    assert len(set(actual.values())) == 1, actual
    return actual["definition"]


def test_an_event_exactly_at_the_end_of_the_window_counts() -> None:
    assert level(funnel("view", "cart"), (0, "view"), (60 * SECOND, "cart")) == 2


def test_an_event_one_microsecond_after_the_window_does_not_count() -> None:
    assert level(funnel("view", "cart"), (0, "view"), (60 * SECOND + 1, "cart")) == 1


def test_the_window_runs_from_the_first_step_to_the_last_not_from_step_to_step() -> None:
    story = ((0, "view"), (40 * SECOND, "cart"), (70 * SECOND, "purchase"))
    assert level(funnel("view", "cart", "purchase"), *story) == 2


def test_a_later_start_rescues_a_chain_that_the_first_start_would_lose() -> None:
    # From the first view the cart is 100 s away, from the second 30 s.
    assert (
        level(funnel("view", "cart"), (0, "view"), (70 * SECOND, "view"), (100 * SECOND, "cart"))
        == 2
    )


def test_a_longer_chain_from_an_earlier_start_beats_a_shorter_one_from_a_later_start() -> None:
    story = ((0, "view"), (1, "cart"), (2, "view"), (60 * SECOND, "purchase"))
    assert level(funnel("view", "cart", "purchase"), *story) == 3


def test_steps_in_the_wrong_order_do_not_count() -> None:
    assert level(funnel("view", "cart"), (0, "cart"), (1, "view")) == 1


def test_a_visitor_who_never_did_step_1_is_not_in_the_funnel() -> None:
    assert level(funnel("view", "cart"), (0, "cart")) == 0


def test_events_at_one_instant_are_in_order_in_ordered_and_not_in_strict_increase() -> None:
    assert level(funnel("view", "cart"), (5, "cart"), (5, "view")) == 2
    assert level(funnel("view", "cart", order="strict_increase"), (5, "cart"), (5, "view")) == 1
    assert level(funnel("view", "cart", order="strict_increase"), (5, "view"), (6, "cart")) == 2


def test_one_view_cannot_serve_two_steps() -> None:
    assert level(funnel("view", "view", "purchase"), (0, "view"), (1, "purchase")) == 1


def test_two_views_at_one_instant_serve_two_steps() -> None:
    assert level(funnel("view", "view", "purchase"), (0, "view"), (0, "view"), (0, "purchase")) == 3


def test_two_views_and_a_cart_at_one_instant_stand_in_whatever_order_helps() -> None:
    assert level(funnel("view", "cart", "view"), (0, "view"), (0, "cart"), (0, "view")) == 3
    assert level(funnel("view", "cart", "view"), (0, "view"), (0, "cart")) == 2


def test_an_earlier_view_helps_out_where_an_instant_has_one_view_for_two_steps() -> None:
    assert level(funnel("view", "view", "purchase"), (0, "view"), (9, "view"), (9, "purchase")) == 3


def test_overlapping_steps_share_the_events_of_an_instant_as_a_matching() -> None:
    hats = step_of("view", {"category": "hats"})
    # Both views are of hats: one serves the hats step, the other the plain one, in both orders.
    assert level(funnel("view", hats), (0, "view"), (0, "view"), category="hats") == 2
    assert level(funnel(hats, "view"), (0, "view"), (0, "view"), category="hats") == 2
    # A single view of hats matches both steps and serves one.
    assert level(funnel(hats, "view"), (0, "view"), category="hats") == 1
    assert level(funnel(hats, "view"), (0, "view"), (0, "view"), category="shoes") == 0


def test_strict_increase_needs_as_many_instants_as_steps() -> None:
    answer = funnel("view", "view", order="strict_increase")
    assert level(answer, (0, "view"), (0, "view")) == 1
    assert level(answer, (0, "view"), (1, "view")) == 2


def test_a_step_can_ask_for_a_value_inside_the_json_of_properties() -> None:
    wanted = step_of("view", {"properties.gift": True})
    for properties, expected in (
        ({"gift": True}, 1),
        ({"gift": False}, 0),
        ({"gift": "true"}, 0),
        (None, 0),
    ):
        stream = [Event("Ana", 0, "view", properties=properties)]
        answer = funnel(wanted, "cart")
        assert by_expression(table_of(stream), answer).get("Ana", 0) == expected, properties
        assert by_kernel(table_of(stream), answer).get("Ana", 0) == expected, properties


def test_numbers_and_texts_inside_properties_are_distinguished() -> None:
    stream = [
        Event("Ana", 0, "view", properties={"size": 2}),
        Event("Bo", 0, "view", properties={"size": "2"}),
    ]
    for value, who in ((2, "Ana"), (2.0, "Ana"), ("2", "Bo")):
        answer = funnel(step_of("view", {"properties.size": value}), "cart")
        assert (
            by_expression(table_of(stream), answer)
            == by_kernel(table_of(stream), answer)
            == {who: 1}
        )
        assert by_definition(stream, answer) == {who: 1}


@pytest.mark.parametrize(
    ("column", "properties"),
    [
        ("properties.$browser", {"$browser": "Safari"}),
        ('properties."a.b"', {"a.b": "Safari", "a": {"b": "Edge"}}),
        ("properties.deep.key", {"deep": {"key": "Safari"}}),
    ],
)
def test_a_key_is_one_key_whatever_characters_it_has(
    column: str, properties: dict[str, Any]
) -> None:
    stream = [
        Event("Ana", 0, "view", properties=properties),
        Event("Bo", 0, "view", properties={"browser": "Safari", "b": "Safari", "key": "Safari"}),
    ]
    answer = funnel(step_of("view", {column: "Safari"}), "cart")
    assert (
        by_expression(table_of(stream), answer) == by_kernel(table_of(stream), answer) == {"Ana": 1}
    )


def test_the_unit_can_be_several_columns() -> None:
    rows = [
        ("Ana", "s1", 0, "view"),
        ("Ana", "s2", 1, "cart"),
        ("Bo", "s1", 2, "cart"),
        ("Bo", "s1", 1, "view"),
    ]
    columns = {
        "visitor_id": [row[0] for row in rows],
        "session_id": [row[1] for row in rows],
        "event_at": [EPOCH + dt.timedelta(seconds=row[2]) for row in rows],
        "event_type": [row[3] for row in rows],
    }
    levels = funnel_levels(
        ibis.memtable(pa.table(columns)), funnel("view", "cart"), unit=["visitor_id", "session_id"]
    )
    actual = connect().to_pyarrow(levels.order_by("visitor_id")).to_pylist()
    assert actual == [
        {"visitor_id": "Ana", "session_id": "s1", "level": 1},
        {"visitor_id": "Bo", "session_id": "s1", "level": 2},
    ]


@pytest.mark.slow
def test_sixty_four_steps_work_and_the_last_one_counts() -> None:
    names = [f"step {number}" for number in range(64)]
    story = [(number, name) for number, name in enumerate(names)]
    assert level_of_long(funnel(*names), story) == 64
    assert level_of_long(funnel(*names), story[:-1]) == 63


@pytest.mark.slow
def test_sixty_four_times_the_same_step_works() -> None:
    story = [(number // 2, "view") for number in range(64)]
    assert level_of_long(funnel(*["view"] * 64), story) == 64
    assert level_of_long(funnel(*["view"] * 64), story[1:]) == 63


def level_of_long(answer: Funnel, story: list[tuple[int, str]]) -> int:
    """As `level`, without trying every chain, which for 64 steps would not end."""
    table = table_of(Event("Ana", at, event_type) for at, event_type in story)
    actual = by_expression(table, answer)
    assert actual == by_kernel(table, answer)
    return actual["Ana"]


@each("dialect", DIALECTS)
@each(
    "answer",
    [
        FIVE_STEP_FUNNEL,
        funnel("view", "view", "purchase"),
        funnel("view", "view", "purchase", order="strict_increase"),
        funnel(
            step_of("view", {"properties.size": 2, "price": 2}), step_of("view", {"is_bot": False})
        ),
    ],
)
def test_the_expression_compiles_for_every_engine(answer: Funnel, dialect: str) -> None:
    assert "GROUP BY" in ibis.to_sql(funnel_levels(EVENTS, answer), dialect=dialect)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["ordered", "strict_increase"])
def test_the_work_grows_in_proportion_to_the_steps(order: str) -> None:
    def size(steps: int) -> tuple[int, int]:
        sql = ibis.to_sql(
            funnel_levels(EVENTS, funnel(*(f"e{n:02}" for n in range(steps)), order=order))
        )
        return sql.count("OVER ("), len(sql)

    sizes = {steps: size(steps) for steps in (8, 16, 32)}
    assert [windows for windows, _ in sizes.values()] == [7, 15, 31]
    assert sizes[32][1] - sizes[16][1] < 2.2 * (sizes[16][1] - sizes[8][1])


def test_one_window_per_step_is_enough_for_repeated_steps_too() -> None:
    sql = ibis.to_sql(funnel_levels(EVENTS, funnel(*["view", "cart"] * 16)))
    assert sql.count("OVER (") == 32


@each(
    "step, message",
    [
        (step_of("view", {"prize": 1}), "did you mean 'price'"),
        (step_of("view", {"price": "1"}), "holds number, with the text '1'"),
        (step_of("view", {"event_type": 1}), "holds text, with the number 1"),
        (step_of("view", {"is_bot": "yes"}), "holds boolean, with the text 'yes'"),
        (step_of("view", {"event_at": "2026-01-01"}), "holds timestamp"),
    ],
)
def test_a_condition_that_does_not_fit_the_columns_is_refused(
    step: FunnelStep, message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        funnel_levels(EVENTS, funnel("view", step))


def test_more_than_six_overlapping_conditions_are_refused_unless_times_must_increase() -> None:
    many = [step_of("view", {f"properties.k{n}": 1}) for n in range(7)]
    with pytest.raises(DefinitionError, match="7 different conditions on 'view'"):
        funnel_levels(EVENTS, funnel(*many))
    assert funnel_levels(EVENTS, funnel(*many[:6])).columns == ("visitor_id", "level")
    assert funnel_levels(EVENTS, funnel(*many, order="strict_increase")).columns == (
        "visitor_id",
        "level",
    )
