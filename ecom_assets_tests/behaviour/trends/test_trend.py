"""Trends against their definition in plain Python and against ClickHouse,
and what always holds of them.
"""

import json
import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from chdb import session
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.trends.formula import Formula
from ecom_assets.behaviour.trends.queries import smoothed, trend_answer
from ecom_assets.behaviour.trends.question import (
    ACTIVE,
    EACH,
    MEASURES,
    PER_VISITOR,
    TrendQuestion,
    TrendSeries,
)
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.conditions import EVERYTHING, Where, parse_where
from ecom_assets.core.warehouse.engines.postgres.engine import PostgresEngine
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.behaviour.trends.trend_reference import (
    Deed,
    as_events,
    by_definition,
    make_series,
    make_trend,
)
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.postgres_server import fresh_database

FIRST = date(2026, 2, 20)
TYPES, SHELVES = ("page_view", "purchase", "search"), ("hats", "shoes", "bags", None)
SERIES = tuple(
    make_series(kind, measure, None if measure in {"count", "visitors"} else "cart_amount")
    for kind in ("purchase", None)
    for measure in MEASURES
    if measure not in ACTIVE
)
OF_VISITORS = tuple(make_series("purchase", measure) for measure in PER_VISITOR) + tuple(
    make_series(None, measure, "cart_amount", each=each)
    for measure in ("mean_per_visitor", "p75_per_visitor")
    for each in EACH
)
STORY = [
    Deed("anna", "page_view", date(2026, 3, 2)),
    Deed("anna", "purchase", date(2026, 3, 2), "hats", Decimal("10.00")),
    Deed("ben", "purchase", date(2026, 3, 2), "hats", Decimal("30.00")),
    Deed("anna", "purchase", date(2026, 3, 4), "shoes", Decimal("5.00")),
    Deed("cara", "page_view", date(2026, 3, 5)),
]
"""The 3rd is a day without events; the 5th is the newest."""


def answer(
    deeds: list[Deed], trend: TrendQuestion, first: date | None = None, last: date | None = None
) -> dict[str, Any]:
    """Return the answer about deeds, whose first and last days are those of the data."""
    con = connect()
    con.con.register("deeds", as_events(deeds))
    days = [deed.event_date for deed in deeds]
    return trend_answer(
        con, con.table("deeds"), trend, TrendRange.between((min(days), max(days)), (first, last))
    )


def line(actual: dict[str, Any], name: str = "A", breakdown: str | None = None) -> Any:
    """Return the values of a series."""
    return next(
        series["values"]
        for series in actual["series"]
        if (series["name"], series["breakdown"]) == (name, breakdown)
    )


# One story, by hand


def test_a_day_without_events_has_none_and_no_mean() -> None:
    actual = answer(
        STORY, make_trend((make_series("purchase"), make_series("purchase", "mean", "cart_amount")))
    )
    assert actual["periods"] == ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"]
    assert line(actual) == [2, 0, 1, 0]
    assert line(actual, "B") == [20.0, None, 5.0, None]


def test_the_newest_day_may_still_grow_and_a_week_needs_all_of_its_days() -> None:
    assert answer(STORY, make_trend((make_series(None),)))["complete"] == [True, True, True, False]
    assert answer(STORY, make_trend((make_series(None),), period="week"))["complete"] == [False]


def test_visitors_of_a_range_are_distinct_and_cumulated_each_counts_once() -> None:
    actual = answer(STORY, make_trend((make_series(None, "visitors"),)))
    assert (line(actual), actual["series"][0]["total"]) == ([2, 0, 1, 1], 3)
    assert line(answer(STORY, make_trend((make_series(None, "visitors"),), cumulative=True))) == [
        2,
        2,
        2,
        3,
    ]


def test_a_percentile_is_a_value_that_occurs() -> None:
    actual = answer(
        STORY,
        make_trend(
            (
                make_series("purchase", "median", "cart_amount"),
                make_series("purchase", "p75", "cart_amount"),
            )
        ),
    )
    assert [series["total"] for series in actual["series"]] == [10.0, 30.0]
    assert line(actual) == [10.0, None, 5.0, None]


def test_values_are_distinguished_and_the_rest_is_other() -> None:
    trend = make_trend(
        (make_series("purchase", "sum", "cart_amount"),), by="product_category", limit=1
    )
    actual = answer(STORY, trend)
    assert {series["breakdown"]: series["total"] for series in actual["series"]} == {
        "hats": 40.0,
        "(other)": 5.0,
    }


def test_a_formula_is_unknown_where_it_divides_by_nothing() -> None:
    trend = make_trend(
        (make_series("purchase", "visitors"), make_series(None, "visitors")), formula="100 * a / b"
    )
    assert answer(STORY, trend)["formula"] == [
        {"breakdown": None, "total": pytest.approx(200 / 3), "values": [100.0, None, 100.0, 0.0]}
    ]


def test_the_range_before_stands_beside_and_days_before_the_data_are_unknown() -> None:
    trend = make_trend((make_series(None),), compare=True)
    actual = answer(STORY, trend, date(2026, 3, 4), date(2026, 3, 5))
    assert (line(actual), actual["series"][0]["previous"]) == ([1, 1], [3, 0])
    actual = answer(STORY, trend, date(2026, 3, 2), date(2026, 3, 3))
    assert (line(actual), actual["series"][0]["previous"]) == ([3, 0], [None, None])


def test_a_moving_average_waits_until_it_has_all_of_its_periods() -> None:
    assert smoothed([2, 0, 1, 0], 2) == [None, 1.0, 0.5, 0.5]
    assert smoothed([2, None, 1, 3], 2) == [None, None, None, 2.0]


def test_a_type_that_no_event_has_counts_nothing_and_is_warned_of() -> None:
    actual = answer(STORY, make_trend((make_series("purchas"),)))
    assert (line(actual), len(actual["warnings"])) == ([0, 0, 0, 0], 1)


# Against the definition, and ClickHouse


def deeds_of(seed: int) -> list[Deed]:
    """Return a few people's deeds of six weeks, two of them on one day."""
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    actual = []
    for _ in range(dice.randint(1, 60)):
        kind, shelf = dice.choice(TYPES), dice.choice(SHELVES)
        amount = Decimal(dice.randint(0, 500)) / 100 if dice.random() < 0.6 else None
        day = FIRST + timedelta(days=dice.choice((0, 1, 7, 10, dice.randint(0, 41))))
        actual.append(Deed(f"v{dice.randint(0, 8)}", kind, day, shelf, amount))
    return actual


def near(lines: list[Any]) -> list[Any]:
    """Return lines in which doubles are compared as such."""
    return [None if number is None else pytest.approx(number) for number in lines]


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    series=st.lists(st.sampled_from([*SERIES, *OF_VISITORS]), min_size=1, max_size=3),
    period=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    by=st.sampled_from([None, "product_category"]),
    limit=st.integers(1, 4),
)
def test_lines_are_as_the_definition(
    seed: int, series: list[TrendSeries], period: str, by: str | None, limit: int
) -> None:
    deeds, trend = deeds_of(seed), make_trend(tuple(series), period, by=by, limit=limit)
    days = [deed.event_date for deed in deeds]
    actual, expected = answer(deeds, trend), by_definition(deeds, trend, min(days), max(days))
    assert [series["breakdown"] for series in actual["series"]] == [
        row["breakdown"] for row in expected
    ]
    for ours, theirs in zip(actual["series"], expected, strict=True):
        assert (ours["values"], ours["total"]) == (
            near(theirs["values"]),
            near([theirs["total"]])[0],
        )


FIRSTS = [
    make_series("purchase", "visitors", occurrence="first_ever"),
    make_series("purchase", "sum", "cart_amount", occurrence="first_time"),
    make_series(None, occurrence="first_ever"),
    make_series("page_view", occurrence="first_time"),
]


@examples(40)
@given(
    seed=st.integers(0, 10_000),
    series=st.lists(st.sampled_from([*FIRSTS, make_series("purchase")]), min_size=1, max_size=3),
    where=st.sampled_from([EVERYTHING, parse_where(["product_category = hats"])]),
    by=st.sampled_from([None, "product_category"]),
    later=st.integers(0, 20),
)
def test_first_events_are_those_of_all_days_whatever_the_days_of_the_question(
    seed: int, series: list[TrendSeries], where: Where, by: str | None, later: int
) -> None:
    deeds, trend = deeds_of(seed), make_trend(tuple(series), by=by, where=where)
    days = [deed.event_date for deed in deeds]
    first = min(min(days) + timedelta(days=later), max(days))
    actual, expected = answer(deeds, trend, first), by_definition(deeds, trend, first, max(days))
    assert [series["breakdown"] for series in actual["series"]] == [
        row["breakdown"] for row in expected
    ]
    for ours, theirs in zip(actual["series"], expected, strict=True):
        assert (ours["values"], ours["total"]) == (
            near(theirs["values"]),
            near([theirs["total"]])[0],
        )


def test_a_first_purchase_before_the_range_is_no_first_one_in_it() -> None:
    # Anna bought hats on the 2nd and shoes on the 4th, Ben hats on the 2nd.
    ever, matching = (
        make_series("purchase", "visitors", occurrence=occurrence)
        for occurrence in ("first_ever", "first_time")
    )
    assert line(answer(STORY, make_trend((ever,)))) == [2, 0, 0, 0]
    assert line(answer(STORY, make_trend((ever,)), date(2026, 3, 3))) == [0, 0, 0]
    shoes = make_trend((ever, matching), where=parse_where(["product_category = shoes"]))
    assert (line(answer(STORY, shoes)), line(answer(STORY, shoes), "B")) == (
        [0, 0, 0, 0],
        [0, 0, 1, 0],
    )


def test_the_text_of_a_series_may_say_first_ever_and_quote_an_event_type() -> None:
    def read(text: str) -> TrendSeries:
        return TrendSeries.from_mapping(text)

    assert read("purchase:first_ever") == make_series("purchase", occurrence="first_ever")
    assert read("*:sum(cart_amount):first_time") == make_series(
        None, "sum", "cart_amount", occurrence="first_time"
    )
    assert read('"checkout: paid":visitors') == make_series("checkout: paid", "visitors")
    with pytest.raises(DefinitionError, match="occurrence of a series 'last' is unknown"):
        read("purchase:count:last")


@examples(20)
@given(seed=st.integers(0, 10_000), period=st.sampled_from(["day", "week", "month"]))
def test_cumulated_lines_are_those_of_the_definition_and_never_fall(seed: int, period: str) -> None:
    deeds = deeds_of(seed)
    trend = make_trend(
        (make_series(None), make_series("purchase", "visitors")), period, cumulative=True
    )
    days = [deed.event_date for deed in deeds]
    actual, expected = answer(deeds, trend), by_definition(deeds, trend, min(days), max(days))
    for ours, theirs in zip(actual["series"], expected, strict=True):
        assert ours["values"] == theirs["values"]
        assert ours["values"] == sorted(ours["values"])
        assert ours["values"][-1] == ours["total"]


@pytest.mark.slow
@examples(20)
@given(seed=st.integers(0, 10_000))
def test_no_order_of_rows_changes_anything(seed: int) -> None:
    deeds = deeds_of(seed)
    trend = make_trend((*SERIES[:8], *OF_VISITORS), by="product_category", limit=2)
    shuffled = random.Random(seed).sample(deeds, len(deeds))  # noqa: S311 (streams, not secrets)
    assert answer(deeds, trend) == answer(shuffled, trend)


@each("seed", range(3))
def test_clickhouse_says_the_same(seed: int) -> None:
    events = as_events(deeds_of(seed))  # noqa: F841 (chDB reads it by its name)
    text = """
        SELECT toString(toMonday(event_date)) AS week, count() AS n, uniqExact(visitor_id) AS who,
          min(cart_amount) AS least, sum(cart_amount) AS paid
        FROM Python(events) GROUP BY week ORDER BY week FORMAT JSONEachRow
    """
    clickhouse: Any = session
    result = clickhouse.Session().query(text)
    theirs = {row["week"]: row for row in map(json.loads, str(result).splitlines())}
    trend = make_trend(
        (
            make_series(None),
            make_series(None, "visitors"),
            make_series(None, "min", "cart_amount"),
            make_series(None, "sum", "cart_amount"),
        ),
        "week",
    )
    actual = answer(deeds_of(seed), trend)
    for index, week in enumerate(actual["periods"]):
        ours = [line(actual, name)[index] for name in "ABCD"]
        row = theirs.get(week, {"n": 0, "who": 0, "least": None, "paid": 0})
        assert ours[:2] == [int(row["n"]), int(row["who"])]
        least, paid = (
            None if row[name] is None else float(row[name]) for name in ("least", "paid")
        )
        assert ours[2:] == near([least, paid])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_postgres_says_the_same(postgres_server: str, seed: int) -> None:
    deeds = deeds_of(seed)
    where = parse_where(
        ["cart_amount between 1 and 4 or product_category contains O", "properties.$os is not set"]
    )
    series = (*SERIES[:14], *OF_VISITORS[-12:])
    trend = make_trend(series, "quarter", by="product_category", limit=2, where=where, compare=True)
    two = ("product_category", "event_type")
    firsts = make_trend(
        (*FIRSTS, make_series(None, "wau"), make_series("purchase", "mau")),
        by=two,
        limit=3,
        compare=True,
    )
    days = [deed.event_date for deed in deeds]
    engine = PostgresEngine(Settings(warehouse=fresh_database(postgres_server))).open()
    events = engine.con.create_table("deeds", as_events(deeds))
    for question in (trend, firsts):
        actual = trend_answer(
            engine.con, events, question, TrendRange.between((min(days), max(days)), (None, None))
        )
        for name in ("trend_events", "trend_events_before"):
            engine.con.drop_table(name, force=True)
        assert actual == answer(deeds, question)
    engine.close()


# What is refused


@each(
    "text, why",
    [
        ("purchase:summ(cart_amount)", "summ.*did you mean 'sum'"),
        ("purchase:sum", r"needs a column, as in sum\(cart_amount\)"),
        ("purchase:visitors(cart_amount)", "takes no column"),
        ("purchase:sum(cart_amount", "is not understood"),
        ("purchase:sum(mean(cart_amount))", "sum of a trend takes a column as it is"),
        (
            "purchase:p90_per_visitor(first(cart_amount))",
            "number of each visitor 'first' is unknown",
        ),
    ],
)
def test_a_series_that_cannot_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        _ = TrendSeries.from_mapping(text)


@each("text", ["A +", "__import__('os')", "A ** B", "AB", "A if B else 1", "A[0]", "(" * 300])
def test_a_formula_that_is_more_than_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(DefinitionError, match="formula"):
        Formula(text)


@pytest.mark.parametrize(
    "text", ["A * 1e200 * 1e200", "A * 1e300", "A * 1e200 * 1e200 / (A * 1e200 * 1e200)"]
)
def test_a_result_that_leaves_the_range_of_numbers_is_unknown(text: str) -> None:
    assert Formula(text).value({"A": 7}) is None


def test_a_formula_names_series_that_are_there() -> None:
    with pytest.raises(DefinitionError, match="names the series C"):
        make_trend((make_series(None), make_series("purchase")), formula="A / C")


def test_only_what_adds_up_is_cumulated() -> None:
    with pytest.raises(DefinitionError, match="A mean cannot be cumulated"):
        make_trend((make_series("purchase", "mean", "cart_amount"),), cumulative=True)


def test_columns_that_are_not_there_or_hold_no_numbers_are_named() -> None:
    with pytest.raises(DefinitionError, match="no column 'brand'"):
        answer(STORY, make_trend((make_series(None),), by="brand"))
    with pytest.raises(DefinitionError, match="product_category holds text, not numbers"):
        answer(STORY, make_trend((make_series(None, "sum", "product_category"),)))


def test_a_definition_reads_what_it_writes() -> None:
    trend = make_trend(
        (make_series("purchase", "sum", "cart_amount"), make_series(None)),
        "week",
        by="product_category",
        formula="A/B",
    )
    assert TrendQuestion.from_mapping(trend.to_mapping()) == trend
