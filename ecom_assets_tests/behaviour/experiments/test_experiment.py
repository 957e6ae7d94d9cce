"""Counts of experiments against their definition in plain Python and against ClickHouse,
and what is refused.
"""

import json
import random
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ibis
import pytest
from chdb import session
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.experiments.answer import experiment_answer
from ecom_assets.behaviour.experiments.experiment import square_sum, variant_counts
from ecom_assets.behaviour.experiments.question import ExperimentQuestion, Exposure, Goal
from ecom_assets.behaviour.experiments.text import lines
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.conditions import parse_where
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.experiments.experiment_reference import (
    Act,
    as_events,
    at,
    by_definition,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

CHECKOUT = ExperimentQuestion.from_mapping(
    {"variant": "properties.variant", "goal": "purchase", "within": "7d", "amount": "cart_amount"}
)
STORY = [
    Act("a1", "ann", "page_view", at("02 10:00"), "control"),
    Act("a2", "ann", "purchase", at("02 10:30"), None, Decimal("10.00")),
    Act("a3", "ann", "purchase", at("03 10:00"), None, Decimal("5.00")),
    Act("b1", "bob", "page_view", at("02 11:00"), "test"),
    Act("b2", "bob", "purchase", at("09 11:00"), None, Decimal("30.00")),
    Act("c1", "cid", "page_view", at("02 12:00"), "test"),
    Act("d1", "dan", "purchase", at("02 12:59"), None, Decimal("99.00")),
    Act("d2", "dan", "page_view", at("02 13:00"), "control"),
    Act("e1", "eva", "page_view", at("02 14:00"), "control"),
    Act("e2", "eva", "page_view", at("03 14:00"), "test"),
    Act("e3", "eva", "purchase", at("03 15:00"), None, Decimal("7.00")),
    Act("f1", "fay", "page_view", at("03 09:00"), "test"),
    Act("f2", "fay", "purchase", at("10 09:00"), None, Decimal("8.00")),
]
"""Dan buys a minute before he is exposed; Eva sees both; Bob and Fay buy exactly seven days after.
"""


def answer(
    acts: list[Act],
    experiment: ExperimentQuestion,
    first: date | None = None,
    last: date | None = None,
) -> Any:
    """Return the answer about acts, whose first and last days are those of the data."""
    con = connect()
    con.con.register("acts", as_events(acts))
    days = [act.day for act in acts]
    return experiment_answer(
        con, con.table("acts"), experiment, (first or min(days), last or max(days))
    )


def counts(actual: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return units and conversions by variant."""
    return {
        variant["variant"]: (variant["unit_count"], variant["converted_count"])
        for variant in actual["variants"]
    }


# One story, by hand


def test_units_convert_after_their_exposure_and_those_of_several_variants_are_left_out() -> None:
    actual = answer(STORY, CHECKOUT)
    assert counts(actual) == {"control": (2, 1), "test": (3, 2)}
    assert actual["mixed_count"] == 1
    assert [variant["amount"] for variant in actual["variants"]] == [15.0, 38.0]
    assert [variant["mean"]["value"] for variant in actual["variants"]] == [7.5, 12.666667]


def test_an_amount_too_large_to_be_exact_is_missing() -> None:
    con = connect()
    con.con.register("acts", as_events(STORY))
    paid = "CASE visitor_id WHEN 'bob' THEN '1e40' ELSE cart_amount::VARCHAR END"
    properties = f"""coalesce(properties, '{{"paid": ' || {paid} || '}}') AS properties"""
    events, days = (
        con.sql(f"SELECT * REPLACE ({properties}) FROM acts"),
        (STORY[0].day, STORY[-1].day),
    )
    actual = experiment_answer(con, events, CHECKOUT.changed(amount="properties.paid"), days)
    assert counts(actual) == {"control": (2, 1), "test": (3, 2)}
    assert [variant["amount"] for variant in actual["variants"]] == [15.0, 8.0], (
        "Bob's 30 is not there"
    )


def test_units_of_several_variants_may_count_for_the_first() -> None:
    actual = answer(STORY, CHECKOUT.changed(multiple="first"))
    assert counts(actual) == {"control": (3, 2), "test": (3, 2)}
    assert actual["mixed_count"] == 1


@each("ids", [("x1", "x2"), ("x2", "x1")])
def test_of_simultaneous_exposures_the_one_whose_id_comes_first_counts(
    ids: tuple[str, str],
) -> None:
    both = [Act(id_, "zoe", "page_view", at("02 10:00"), f"of {id_}") for id_ in ids]
    experiment = CHECKOUT.changed(multiple="first", control="of x1")
    assert counts(answer(both, experiment)) == {"of x1": (1, 0)}


def test_the_time_for_a_goal_ends_to_the_second() -> None:
    assert counts(answer(STORY, CHECKOUT.changed(within=7 * 86_400 - 1)))["test"] == (3, 0)


def test_a_goal_counts_after_the_last_day_of_exposures_only_within_its_time() -> None:
    ends = (date(2026, 3, 2), date(2026, 3, 2))
    assert counts(answer(STORY, CHECKOUT, *ends)) == {"control": (3, 2), "test": (2, 1)}, (
        "eva saw control only by then"
    )
    assert counts(answer(STORY, CHECKOUT.changed(within=None), *ends)) == {
        "control": (3, 1),
        "test": (2, 0),
    }


def test_units_whose_time_is_not_over_are_reported() -> None:
    """The newest event is of the 10th, 09:00: of an exposure on the 3rd at 09:00 the time is over,
    of one later not.
    """
    late = [*STORY, Act("g1", "gus", "page_view", at("03 09:01"), "test")]
    assert [variant["open_count"] for variant in answer(late, CHECKOUT)["variants"]] == [0, 1]
    assert [
        variant["open_count"] for variant in answer(late, CHECKOUT.changed(within=None))["variants"]
    ] == [0, 0]


def test_variants_that_are_not_listed_are_ignored() -> None:
    more = [
        *STORY,
        Act("h1", "hal", "page_view", at("02 10:00"), "third"),
        Act("c0", "cid", "search", at("02 09:00"), "third"),
    ]
    actual = answer(more, CHECKOUT.changed(shares={"control": 50, "test": 50, "fourth": 100}))
    assert counts(actual) == {"control": (2, 1), "test": (3, 2), "fourth": (0, 0)}
    assert [variant["expected_share"] for variant in actual["variants"]] == [0.25, 0.25, 0.5]
    assert actual["variants"][2]["conversion"]["value"] is None


def test_exposures_are_of_one_event_type_and_meet_conditions() -> None:
    shown = CHECKOUT.changed(exposure=Exposure(event_type="search"))
    actual = answer(STORY, shown)
    assert (actual["variants"], actual["sample_ratio"]) == ([], None)
    assert actual["warnings"][-1] == "No unit was exposed to a variant on these days."


def test_a_small_experiment_is_warned_of() -> None:
    assert [warning.split(":")[0] for warning in answer(STORY, CHECKOUT)["warnings"]] == [
        "Some variants have fewer than 100 units"
    ]


def test_a_split_that_is_not_the_planned_one_is_reported() -> None:
    """Wikipedia's example of a sample ratio mismatch: 600 and 400 where as many
    were expected, p = 2.54e-10.
    """
    acts = [
        Act(f"e{n}", f"v{n}", "page_view", at("02 10:00"), "control" if n < 600 else "test")
        for n in range(1000)
    ]
    actual = answer(acts, CHECKOUT)
    assert actual["sample_ratio"] == {
        "chi_squared": 40.0,
        "p_value": 2.53963e-10,
        "threshold": 0.001,
        "is_mismatch": True,
    }
    assert "not split as planned (p = 2.5e-10, below 0.001)" in actual["warnings"][-1]
    planned = CHECKOUT.changed(shares={"control": 3, "test": 2})
    assert answer(acts, planned)["sample_ratio"]["is_mismatch"] is False


LARGEST = Decimal("9999999999999999.99")


@each("currency, mean", [("JPY", "8"), ("EUR", "7.50"), ("KWD", "7.500"), (None, "7.50")])
def test_amounts_are_shown_in_the_digits_of_their_currency(currency: str | None, mean: str) -> None:
    """Ann of the control paid 15, and Dan of the control nothing after his exposure: 7.5 each."""
    shown = lines({**answer(STORY, CHECKOUT), "currency": currency})
    of_amounts = shown[shown.index("cart_amount per unit") + 1 :]
    assert of_amounts[0].split()[:3:2] == ["control", mean]


def test_squares_of_the_largest_amounts_are_exact() -> None:
    """Ann pays 2e16 less 0.02, whose square is 4e32 less 8e14 plus 0.0004; Bob pays 0.01."""
    acts = [
        Act(f"{name}0", name, "page_view", at("02 10:00"), "control") for name in ("ann", "bob")
    ]
    acts += [Act(f"ann{n}", "ann", "purchase", at(f"02 1{n}:00"), None, LARGEST) for n in (1, 2)]
    acts += [Act("bob1", "bob", "purchase", at("02 11:00"), None, Decimal("0.01"))]
    con = connect()
    con.con.register("acts", as_events(acts))
    counted = variant_counts(con.table("acts"), CHECKOUT, date(2026, 3, 2), date(2026, 3, 2))
    (row,) = con.to_pyarrow(counted).to_pylist()
    assert square_sum(row) == 4 * 10**32 - 8 * 10**14 + Fraction("0.0004") + Fraction("0.0001")


def test_large_amounts_are_compared_as_small_ones() -> None:
    """Of 1 and 3 against 2 and 9 the means differ by 3.5; of as many quadrillions,
    by 3.5 quadrillions.
    """

    def compared(unit: int) -> dict[str, Any]:
        acts = []
        for number, (variant, amount) in enumerate(
            (("control", 1), ("control", 3), ("test", 2), ("test", 9))
        ):
            acts += [
                Act(f"s{number}", f"v{number}", "page_view", at("02 10:00"), variant),
                Act(
                    f"p{number}",
                    f"v{number}",
                    "purchase",
                    at("02 11:00"),
                    None,
                    Decimal(amount * unit),
                ),
            ]
        result: dict[str, Any] = answer(acts, CHECKOUT)["variants"][1]["mean"]["against_control"]
        return result

    small, large = compared(1), compared(10**15)
    assert (small["difference"], large["difference"]) == (3.5, 3.5e15)
    for name in ("relative_difference", "relative_sequential", "p_value", "probability_better"):
        assert large[name] == pytest.approx(small[name], abs=2e-6)


# Against the definition, and ClickHouse


def acts_of(seed: int) -> list[Act]:
    """Return what a few people did in ten days; several things happen at the same time."""
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    actual = []
    for number in range(dice.randint(2, 80)):
        kind = dice.choice(("page_view", "purchase", "search"))
        variant = (
            dice.choice(("control", "test", None))
            if kind != "search"
            else dice.choice(("third", None))
        )
        amount = (
            Decimal(dice.randint(0, 50_000)) / 100
            if kind == "purchase" and dice.random() < 0.8
            else None
        )
        moment = at("02 00:00") + timedelta(hours=dice.randint(0, 40) * 6)
        actual.append(
            Act(f"e{number:03}", f"v{dice.randint(0, 15)}", kind, moment, variant, amount)
        )
    return [*actual, Act("z1", "one", "page_view", at("02 00:00"), "control")]


DEFINITIONS = st.builds(
    CHECKOUT.changed,
    exposure=st.sampled_from([Exposure(event_type=None), Exposure(event_type="page_view")]),
    within=st.sampled_from([None, 1, 6 * 3_600, 2 * 86_400]),
    shares=st.sampled_from([None, {"control": 1, "test": 2}]),
    multiple=st.sampled_from(["exclude", "first"]),
)


@examples(60)
@given(seed=st.integers(0, 10_000), experiment=DEFINITIONS, last=st.integers(2, 12))
def test_counts_are_those_of_the_definition(
    seed: int, experiment: ExperimentQuestion, last: int
) -> None:
    acts, days = acts_of(seed), (date(2026, 3, 2), date(2026, 3, last))
    actual, expected = answer(acts, experiment, *days), by_definition(acts, experiment, *days)
    assert actual["mixed_count"] == expected["mixed"]
    assert {variant["variant"] for variant in actual["variants"]} >= set(expected["variants"])
    for variant in actual["variants"]:
        theirs = expected["variants"].get(
            variant["variant"], {"units": 0, "converted": 0, "open": 0, "paid": []}
        )
        ours = (
            variant["unit_count"],
            variant["converted_count"],
            variant["open_count"],
            variant["amount"],
        )
        assert ours == (
            theirs["units"],
            theirs["converted"],
            theirs["open"],
            float(sum(theirs["paid"])),
        )


@examples(20)
@given(seed=st.integers(0, 10_000), multiple=st.sampled_from(["exclude", "first"]))
def test_no_order_of_rows_changes_anything(seed: int, multiple: str) -> None:
    acts, experiment = acts_of(seed), CHECKOUT.changed(multiple=multiple)
    shuffled = random.Random(seed).sample(acts, len(acts))  # noqa: S311 (streams, not secrets)
    assert answer(acts, experiment) == answer(shuffled, experiment)


@each("seed", range(3))
def test_clickhouse_says_the_same(seed: int) -> None:
    acts = as_events(acts_of(seed))  # noqa: F841 (chDB reads it by its name)
    text = """
        WITH seen AS (
          SELECT visitor_id, min(event_at) AS since, uniqExact(JSONExtractString(properties,
            'variant')) AS n,
            any(JSONExtractString(properties, 'variant')) AS variant
          FROM Python(acts) WHERE JSONExtractString(properties, 'variant') != '' GROUP BY visitor_id
            HAVING n = 1),
        bought AS (SELECT visitor_id, event_at, cart_amount FROM Python(acts)
          WHERE event_type = 'purchase')
        SELECT variant, count() AS units, sum(did) AS converted, sum(paid) AS amount FROM (
          SELECT visitor_id, variant, toUInt8(countIf(bought.event_at >= since
            AND bought.visitor_id != '') > 0) AS did,
            sumIf(cart_amount, bought.event_at >= since) AS paid
          FROM seen LEFT JOIN bought USING visitor_id GROUP BY visitor_id, variant)
        GROUP BY variant FORMAT JSONEachRow
    """
    clickhouse: Any = session
    result = {
        row["variant"]: row
        for row in map(json.loads, str(clickhouse.Session().query(text)).splitlines())
    }
    actual = answer(acts_of(seed), CHECKOUT.changed(within=None))
    assert counts(actual) == {
        name: (int(row["units"]), int(row["converted"])) for name, row in result.items()
    }
    theirs = {name: float(row["amount"] or 0) for name, row in result.items()}
    assert {variant["variant"]: variant["amount"] for variant in actual["variants"]} == theirs


@each("multiple", ["exclude", "first"])
def test_postgres_says_the_same(postgres_server: str, multiple: str) -> None:
    experiment = CHECKOUT.changed(multiple=multiple)
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    for seed in range(2):
        acts = acts_of(seed)
        events = engine.con.create_table("acts", as_events(acts), overwrite=True)
        days = [act.day for act in acts]
        actual = experiment_answer(engine.con, events, experiment, (min(days), max(days)))
        assert actual == answer(acts, experiment)
    engine.close()


@each("dialect", ["duckdb", "postgres", "pyspark", "snowflake"])
def test_the_expression_compiles_for_every_engine(dialect: str) -> None:
    events = ibis.table(ibis.memtable(as_events(STORY)).schema(), name="events")
    for multiple in ("exclude", "first"):
        counted = variant_counts(
            events, CHECKOUT.changed(multiple=multiple), date(2026, 3, 2), date(2026, 3, 9)
        )
        assert "variant" in str(ibis.to_sql(counted, dialect=dialect))


# What is refused


@each(
    "raw, why",
    [
        ({"goal": "purchase"}, "needs `variant`, such as properties.variant"),
        ({"variant": "brand"}, "needs `goal`, such as purchase"),
        ({"variant": "brand", "goal": "purchase", "wihtin": "7d"}, "did you mean 'within'"),
        (
            {"variant": "brand", "goal": "purchase", "within": "7"},
            "The duration '7' is not understood",
        ),
        (
            {"variant": "brand", "goal": {"event": "purchase"}},
            "Unknown key 'event' in the goal of an experiment",
        ),
        ({"variant": "brand", "goal": "purchase", "multiple": "last"}, "known: exclude, first"),
        ({"variant": "brand", "goal": "purchase", "confidence": 95}, "is at most 0.9999, not 95"),
        (
            {"variant": "brand", "goal": "purchase", "confidence": True},
            "True stands where a number is expected",
        ),
        ({"variant": "brand", "goal": "purchase", "planned_units": 0}, "is at least 1, not 0"),
        (
            {"variant": "brand", "goal": "purchase", "shares": {"control": 1}},
            "has 2 to 20 variants, not 1",
        ),
        (
            {"variant": "brand", "goal": "purchase", "shares": {"control": 1, "b": 0}},
            "'b' cannot be 0",
        ),
        (
            {"variant": "brand", "goal": "purchase", "shares": {"a": 1, "b": 1}},
            "The control 'control' has no share",
        ),
        ({"variant": "brand x", "goal": "purchase"}, "names the column 'brand x'"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(raw: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        ExperimentQuestion.from_mapping(raw)


def test_a_control_that_nobody_saw_is_named_with_the_variants_that_there_are() -> None:
    with pytest.raises(
        DefinitionError,
        match=r"exposed to the control 'contro'; did you mean 'control'\? Known: control, test",
    ):
        answer(STORY, CHECKOUT.changed(control="contro"))


def test_a_column_with_too_many_values_is_no_variant() -> None:
    acts = [Act(f"e{n}", f"v{n}", "page_view", at("02 10:00"), f"variant {n}") for n in range(21)]
    with pytest.raises(
        DefinitionError, match=r"properties.variant has more than 20 values, so it is not a variant"
    ):
        answer(acts, CHECKOUT)


def test_whom_a_flag_leaves_out_is_in_no_variant() -> None:
    """Gus, Hal and Ida saw `false`; Ida saw `test` later, so that she is in the experiment."""
    outside = [
        Act("g1", "gus", "page_view", at("02 10:00"), "false"),
        Act("g2", "gus", "purchase", at("02 11:00"), None, Decimal("50.00")),
        Act("h1", "hal", "page_view", at("02 10:00"), "false"),
        Act("i1", "ida", "page_view", at("02 10:00"), "false"),
        Act("i2", "ida", "page_view", at("03 10:00"), "test"),
    ]
    actual = answer([*STORY, *outside], CHECKOUT)
    assert counts(actual) == {"control": (2, 1), "test": (4, 2)}
    assert actual["outside"] == [{"value": "false", "unit_count": 2}]


def test_a_flag_that_is_on_or_off_has_both_as_variants() -> None:
    acts = [
        Act(f"e{n}", f"v{n}", "page_view", at("02 10:00"), variant)
        for n, variant in enumerate(["true", "true", "false"])
    ]
    actual = answer(acts, CHECKOUT.changed(control="false"))
    assert counts(actual) == {"false": (1, 0), "true": (2, 0)}
    assert actual["outside"] == []


def test_a_definition_reads_what_it_writes() -> None:
    experiment = CHECKOUT.changed(
        shares={"control": 1, "test": 3}, multiple="first", confidence=0.9
    )
    assert ExperimentQuestion.from_mapping(experiment.definition()) == experiment


def test_texts_are_read_as_what_they_stand_for() -> None:
    read = ExperimentQuestion.from_mapping(
        {
            "variant": "properties.variant",
            "goal": {"event_type": "purchase", "where": "cart_amount > 20"},
            "exposure": "*",
            "within": "7d",
            "shares": ["control=1", "test = 3"],
        }
    )
    over_20 = Goal(event_type="purchase", where=parse_where(["cart_amount > 20"]))
    assert read == CHECKOUT.changed(goal=over_20, amount=None, shares={"control": 1, "test": 3})
    assert read.file()["within"] == "7d"


def test_the_schema_has_the_choices_and_bounds() -> None:
    fields = ExperimentQuestion.model_json_schema()["properties"]
    assert fields["multiple"]["enum"] == ["exclude", "first"]
    assert (fields["confidence"]["minimum"], fields["confidence"]["maximum"]) == (0.5, 0.9999)
    (shares, _) = fields["shares"]["anyOf"]
    assert shares["maxProperties"] == 20
