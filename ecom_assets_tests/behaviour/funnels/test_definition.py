"""What a funnel definition and the file of the daily funnels may say,
and each refusal with what to do about it.

What a funnel counts is tested in `test_funnel.py`.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.behaviour.funnels.contracts import ConversionFunnel
from ecom_assets.behaviour.funnels.definition import ORDERS, Funnel
from ecom_assets.behaviour.funnels.question import FunnelQuestion
from ecom_assets.behaviour.questions.model import definition_of
from ecom_assets.core.errors import DefinitionError, SettingError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.conditions import EVERYTHING, Condition, Group
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.values import parse_duration
from ecom_assets.orchestration.rules import daily_funnels, read_funnels
from ecom_assets_tests.behaviour.funnels.definitions import (
    FIVE_STEP_FUNNEL,
    exclusion_of,
    funnel_of,
    step_of,
)
from ecom_assets_tests.builders import DAY_ONE, Step, journeys
from ecom_assets_tests.each import each
from ecom_assets_tests.platform import Platform


def test_the_shipped_funnel_has_five_steps_in_seven_days() -> None:
    steps = [step.event_type for step in FIVE_STEP_FUNNEL.steps]
    assert steps == ["page_view", "product_view", "add_to_cart", "checkout_start", "purchase"]
    assert FIVE_STEP_FUNNEL.within == 7 * 24 * 3600


@each("text, seconds", [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@each("text", ["7", 7, "7 days", "-1d", "", None, "1.5h"])
def test_any_other_duration_is_refused(text: object) -> None:
    with pytest.raises(DefinitionError, match="7d"):
        parse_duration(text)


def test_a_definition_file_gives_the_funnel_and_the_funnel_gives_it_back() -> None:
    raw = {
        "steps": ["view", {"event_type": "cart", "where": {"price": 2}}],
        "within": "30m",
        "order": "strict_increase",
        "per": "session",
        "hold": ["product_id"],
        "exclude": [
            "refund",
            {"event_type": "view", "where": {"price": 1}, "after": 1, "before": 2},
        ],
        "exclusion_rule": "posthog",
        "by": "properties.plan",
        "by_attribution": "step_2",
        "where": {"any_of": ["price > 1", "gift = true"]},
        "time_to_convert": {"from": 1, "to": 2, "bins": "1h"},
    }
    made = Funnel.from_mapping(raw)
    assert made.unit_column == "session_id"
    assert made.within == 1_800
    assert made.steps == (step_of("view"), step_of("cart", {"price": 2}))
    assert made.exclude[0] == exclusion_of(step_of("refund"), after=1, before=2)
    assert Funnel.from_mapping(made.to_mapping()).to_mapping() == made.to_mapping()
    for bins in (None, 12, ["60s", "1h"]):
        over = Funnel.from_mapping(
            {"steps": ["a", "b"], "over": "week", "week_start": "sunday"}
            | {"time_to_convert": {"from": 1, "to": 2, "bins": bins}}
        )
        assert Funnel.from_mapping(over.to_mapping()).to_mapping() == over.to_mapping()


def test_one_column_in_a_list_is_that_column() -> None:
    assert Funnel.from_mapping({"steps": ["a"], "by": ["c"]}).to_mapping()["by"] == "c"
    both = Funnel.from_mapping({"steps": ["a"], "by": ["c", "properties.d"]})
    assert both.to_mapping()["by"] == ["c", "properties.d"]
    assert Funnel.from_mapping(both.to_mapping()).to_mapping() == both.to_mapping()


def test_a_step_takes_conditions_in_every_form_and_gives_them_back() -> None:
    steps = [
        {"event_type": "cart", "where": "price > 10"},
        {
            "event_type": "cart",
            "where": ["price > 10", "category = hats", {"column": "brand", "operator": "is_set"}],
        },
        {"event_type": "cart", "where": {"any_of": ["price > 10", "category = hats"]}},
        {"event_type": "cart", "where": {"column": "category", "value": "hats"}},
    ]
    made = Funnel.from_mapping({"steps": steps, "where": ["visitor_id != bot"]})
    over_10 = Condition("price", "greater", (10,))
    brand = Condition("brand", "is_set")
    assert (made.steps[0].equal, made.steps[0].others) == ({}, over_10)
    assert (made.steps[1].equal, made.steps[1].others) == (
        {"category": "hats"},
        Group("all_of", (over_10, brand)),
    )
    assert (made.steps[3].equal, made.steps[3].others) == ({"category": "hats"}, EVERYTHING)
    assert made.columns == [
        "price",
        "category",
        "price",
        "brand",
        "price",
        "category",
        "category",
        "visitor_id",
    ]
    assert Funnel.from_mapping(made.to_mapping()).to_mapping() == made.to_mapping()


def test_what_a_body_leaves_null_is_not_given() -> None:
    raw = {
        "steps": ["view", "cart"],
        "within": None,
        "hold": None,
        "exclude": None,
        "by": None,
        "limit": None,
    }
    assert Funnel.from_mapping(raw) == funnel_of((step_of("view"), step_of("cart")))


REFUSED = [
    ({"steps": []}, "`steps` of a funnel definition has 1 or more values, not 0"),
    (
        {"steps": [f"e{n}" for n in range(65)]},
        "`steps` of a funnel definition has at most 64 values, not 65",
    ),
    ({"steps": ["a"], "exclude": ["b"]}, "nothing between steps; leave it out, or add a step"),
    ({"steps": ["a"], "where": "price >"}, "needs 1 values and has 0"),
    ({"steps": [{"event_type": "a", "where": "price"}]}, "'price' is not a condition"),
    ({"steps": [{"event_type": "a", "where": 5}]}, "A condition is {column, operator, value}"),
    ({"steps": ["a", "b"], "order": "orderd"}, "did you mean 'ordered'"),
    ({"steps": ["a", "b"], "per": "users"}, "did you mean 'user'"),
    ({"steps": ["a", "b"], "withn": "7d"}, "did you mean 'within'"),
    ({"steps": ["a", "b"], "within": "0s"}, "a time of at least one second"),
    ({"steps": ["a", "b"], "hold": "session_id"}, "`hold` of a funnel definition is a list, not"),
    ({"steps": ["a", "b"], "hold": ["x.y"]}, "only properties has keys"),
    ({"steps": ["a", "b"], "by": 5}, "names the column 5; write a column"),
    ({"steps": ["a", "b"], "by": ["c", "c"]}, "`by` is 1 to 5 different columns"),
    ({"steps": ["a", "b"], "by": [*"cdefgh"]}, "`by` is 1 to 5 different columns"),
    ({"steps": ["a", "b"], "by": []}, "`by` is 1 to 5 different columns"),
    ({"steps": ["a", "b"], "by": "c", "by_attribution": "step_3"}, "did you mean 'step_2'"),
    (
        {"steps": ["a", "b"], "by": "c", "limit": 0},
        "`limit` of a funnel definition is at least 1, not 0",
    ),
    ({"steps": ["a", "b"], "exclude": "c"}, "`exclude` of a funnel definition is a list, not"),
    (
        {"steps": ["a", "b"], "exclude": [{"event_type": "c", "befor": 2}]},
        "in an exclusion; did you mean 'before'",
    ),
    (
        {"steps": ["a", "b"], "exclude": [{"event_type": "c", "after": 2}]},
        "after step 2 and before step 2",
    ),
    (
        {"steps": ["a", "b"], "exclude": [{"event_type": "c", "before": 3}]},
        "one first|name two of the 2 steps",
    ),
    ({"steps": ["a", "b"], "exclude": ["c"], "exclusion_rule": "heap"}, "known: mixpanel, posthog"),
    (
        {"steps": ["a", "b"], "exclude": ["c"], "order": "strict_order"},
        "takes no exclusions; use one of ordered",
    ),
    ({"steps": ["a", "b"], "per": "totals", "order": "any"}, "has no totals; use one of ordered"),
    ({"steps": ["a", {"event": "b"}]}, "did you mean 'event_type'"),
    ({"steps": ["a", ""]}, "`steps.1.event_type` of a funnel definition cannot be empty"),
    ({"steps": ["a", 5]}, "a funnel step maps event_type"),
    ({"steps": ["a", {"event_type": "b", "where": {"x": [1]}}]}, "one text, number or boolean"),
    ({"steps": ["a", {"event_type": "b", "where": {"x": None}}]}, "one text, number or boolean"),
    ({"steps": ["a", {"event_type": "b", "where": {"x.y": 1}}]}, "only properties has keys"),
    ({"steps": ["a", {"event_type": "b", "where": {"x'": 1}}]}, "write a column or properties.key"),
    ({"steps": ["a", {"event_type": "b", "where": {"x": 2**60}}]}, "keep such a value as text"),
    ({"steps": "a,b"}, "`steps` of a funnel definition is a list, not"),
    ([], "maps steps"),
]


@each("raw, message", REFUSED)
def test_a_definition_that_cannot_be_computed_is_refused_with_what_to_do(
    raw: object, message: str
) -> None:
    with pytest.raises(DefinitionError, match=f"(?i){message}"):
        Funnel.from_mapping(raw)


DECLARED = """
views:
  steps: [page_view, {event_type: product_view, where: {product_category: hats}}]
  within: 1h
at once:
  steps: [page_view, product_view]
  order: exact
  per: session
without search:
  steps: [page_view, product_view]
  exclude: [search]
  per: user
"""
DAYS = Days.between(DAY_ONE - timedelta(days=1), DAY_ONE + timedelta(days=9))


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    path = tmp_path / "funnels.yaml"
    path.write_text(DECLARED)
    return path


def test_each_name_has_its_definition_and_its_units(declared: Path) -> None:
    actual = daily_funnels(Settings(funnels=declared))
    assert [(row.name, row.units, row.funnel.order) for row in actual] == [
        ("views", ("session", "visitor"), "ordered"),
        ("at once", ("session",), "exact"),
        ("without search", ("visitor",), "ordered"),
    ]


@pytest.mark.slow
def test_the_table_counts_each_funnel_under_its_name(declared: Path) -> None:
    shop = Platform(Settings(home=Path("never written"), funnels=declared))
    hats = {"product_category": "hats"}
    people: dict[str, list[Step]] = {
        "anna": [("09:00", "page_view"), ("09:01", "product_view", hats)],
        "ben": [("09:00", "page_view"), ("09:01", "search"), ("09:02", "product_view")],
    }
    shop.receive(journeys(people), DAYS)
    shop.run(DAYS)
    actual = {
        (row["funnel_name"], row["unit"], row["step"]): row["unit_count"]
        for row in shop.rows(ConversionFunnel)
        if row["product_category"] == "(all)"
    }
    assert actual == {
        ("views", "session", 1): 2,
        ("views", "session", 2): 1,
        ("views", "visitor", 1): 2,
        ("views", "visitor", 2): 1,
        ("at once", "session", 1): 2,
        ("at once", "session", 2): 1,
        ("without search", "visitor", 1): 2,
        ("without search", "visitor", 2): 1,
    }
    shop.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [a, b", "cannot be read as YAML or JSON"),
        ("[]", "declares no funnels"),
        (
            "a: {steps: []}",
            "funnel 'a': `steps` of a funnel definition has 1 or more values, not 0",
        ),
        ("7: {steps: [a, b]}", "names a funnel 7; a name is a text"),
        ("a: {steps: [a, b], per: totals}", "counts totals, which days do not have"),
        ("a: {steps: [a, b], by: product_id}", "has `by`; leave it out"),
        ("a: {steps: [a, b], order: exact}", "has the order 'exact'; use ordered"),
        ("a: {steps: [a, {event_type: b, where: {prodct_id: x}}]}", "did you mean 'product_id'"),
        ("a: {steps: [a, b], hold: [user_agent]}", "names the column 'user_agent'"),
    ],
)
def test_what_cannot_be_counted_daily_is_refused_with_file_and_name(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "funnels.yaml"
    path.write_text(text)
    with pytest.raises(DefinitionError, match=message) as refused:
        read_funnels(path)
    assert str(path) in str(refused.value)


def test_a_missing_file_and_two_ways_of_declaring_are_refused_with_the_setting(
    declared: Path,
) -> None:
    with pytest.raises(SettingError, match=r"ECOM_FUNNELS: .*none\.yaml cannot be read"):
        daily_funnels(Settings(funnels=declared.with_name("none.yaml")))
    with pytest.raises(SettingError, match="ECOM_FUNNELS: ECOM_FUNNEL_STEPS declares a funnel too"):
        daily_funnels(Settings(funnels=declared, funnel_steps=("page_view", "purchase")))


# The question


@pytest.mark.parametrize(
    ("texts", "steps"),
    [
        ({"occurrence": ["first_time"]}, [{"occurrence": "first_time"}, {}]),
        ({"occurrence": ["2: first_ever"]}, [{}, {"occurrence": "first_ever"}]),
        (
            {"step_where": ["2: price > 1", "2: gift = true"]},
            [{}, {"where": [{"gift": True}, "price > 1"]}],
        ),
    ],
)
def test_what_texts_say_of_a_step_is_put_into_it(
    texts: dict[str, Any], steps: list[dict[str, Any]]
) -> None:
    definition = definition_of(FunnelQuestion, {"steps": "view, cart", **texts})
    made = FunnelQuestion.from_mapping(FunnelQuestion.folded(definition))
    expected = [
        {"event_type": name, **step} for name, step in zip(("view", "cart"), steps, strict=True)
    ]
    assert made.to_mapping() == FunnelQuestion.from_mapping({"steps": expected}).to_mapping()


@pytest.mark.parametrize(
    ("bins", "expected"), [("4", 4), ("1h", "3600s"), ("1m, 10m", ["60s", "600s"])]
)
def test_bins_are_put_into_the_time_to_convert(bins: str, expected: Any) -> None:
    definition = definition_of(
        FunnelQuestion, {"steps": "view, cart", "time_to_convert": "1:2", "bins": bins}
    )
    made = FunnelQuestion.from_mapping(FunnelQuestion.folded(definition)).to_mapping()
    assert made["time_to_convert"] == {"from": 1, "to": 2, "bins": expected}


def test_the_days_of_entry_are_not_those_whose_events_are_looked_at() -> None:
    steps = {"steps": ["view", "cart"]}
    asked = FunnelQuestion.from_mapping({**steps, "to": "2026-03-31", "last": "30d"})
    assert asked.entry_days.within(date(2026, 4, 9)) == (date(2026, 3, 2), date(2026, 3, 31))
    assert (asked.days.is_given, asked.as_of(date(2026, 4, 9))) == (False, date(2026, 3, 31))
    with pytest.raises(DefinitionError, match="give only one kind"):
        FunnelQuestion.from_mapping({**steps, "from": "2026-03-01", "start_date": "2026-03-01"})
    with pytest.raises(DefinitionError, match="give the days of entry as from and to"):
        FunnelQuestion.from_mapping(
            {"steps": [{"event_type": "view", "occurrence": "first_time"}], "time_range": "month"}
        )
    with pytest.raises(DefinitionError, match="from=2026-03-02 is after to=2026-03-01; swap them"):
        FunnelQuestion.from_mapping({**steps, "from": "2026-03-02", "to": "2026-03-01"})


def test_the_schema_of_a_request_has_the_orders_once() -> None:
    schema = FunnelQuestion.model_json_schema()
    assert schema["properties"]["order"]["enum"] == [*ORDERS]
    assert schema["properties"]["steps"]["maxItems"] == 64
    assert (
        not {"first", "last_day", "step_where", "occurrence", "bins"} & schema["properties"].keys()
    )
