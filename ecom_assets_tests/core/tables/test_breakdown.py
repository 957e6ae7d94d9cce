"""Bins of numbers as a breakdown of trends, funnels and retention: by story, and against bins
computed in plain Python.

Not here: other engines (`warehouse/engines/test_question_parity.py`), and breakdowns by the values
of a column.
"""

import json
import random
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.behaviour.funnels.answer import funnel_answer
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.entries import EntryLimits
from ecom_assets.behaviour.retention.counting import RetentionQuery, answer_activity
from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.behaviour.trends.queries import trend_answer
from ecom_assets.behaviour.trends.question import TrendQuestion
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.values import bins_of, split_columns
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import as_table
from ecom_assets_tests.each import each
from ecom_assets_tests.hypothesis_settings import examples

FIRST = date(2026, 3, 2)
Row = dict[str, Any]


def event(number: int, who: str, day: int, kind: str, amount: str | None = None) -> Row:
    """Return an event so many days after the first, with an amount,
    also as a number inside `properties`.
    """
    day_of = FIRST + timedelta(days=day)
    return {
        "event_id": f"e{number:03}",
        "event_at": datetime.combine(day_of, time(9, number % 60)),
        "event_date": day_of,
        "visitor_id": who,
        "event_type": kind,
        "cart_amount": None if amount is None else Decimal(amount),
        "properties": json.dumps({} if amount is None else {"amount": float(amount)}),
    }


def large_cart(number: int, amount: int) -> Row:
    """Return a cart whose number is in `properties` only, because no
    amount of an event is as large.
    """
    return event(number, "gil", 1, "cart") | {"properties": json.dumps({"amount": float(amount)})}


STORY = [
    event(0, "anna", 0, "cart", "0"),
    event(1, "anna", 0, "purchase", "30"),
    event(2, "ben", 0, "cart", "4.99"),
    event(3, "cara", 1, "cart", "5"),
    event(4, "cara", 2, "purchase", "9"),
    event(5, "dora", 1, "cart", "10"),
    event(6, "emil", 1, "cart"),
    event(7, "fay", 1, "cart", "7"),
]
"""Carts of 0 to 10, and one of which nobody knows; Anna and Cara buy, for more than any cart holds.
"""


def answer(
    rows: Sequence[Row],
    question: TrendQuestion | Funnel | RetentionQuestion,
    day: date | None = None,
) -> Row:
    """Return the answer about events, which are all of the data; of a day,
    if only one is asked for.
    """
    con = connect()
    con.con.register("rows", as_table(rows, CleanEvents))
    events, known_days = con.table("rows"), (FIRST, max(row["event_date"] for row in rows))
    if isinstance(question, TrendQuestion):
        return trend_answer(con, events, question, TrendRange.between(known_days, (day, day)))
    if isinstance(question, Funnel):
        return funnel_answer(con, events, question, limits=EntryLimits(day, day))
    return answer_activity(RetentionQuery(con, events, question, "UTC", between=(day, day)))


def totals(actual: Row) -> dict[str, float]:
    """Return the total of each value of a trend's breakdown, in the answer's order."""
    return {series["breakdown"]: series["total"] for series in actual["series"]}


def test_bins_of_equal_width_part_what_lies_between_the_least_and_the_greatest_number() -> None:
    # From 0 to 10, so two bins meet at 5, which belongs to the upper one.
    actual = answer(
        STORY, TrendQuestion.from_mapping({"series": ["cart"], "by": "cart_amount:bins=2"})
    )
    assert totals(actual) == {"under 5": 2, "5 or more": 3, "(none)": 1}
    assert actual["definition"]["by"] == "cart_amount:bins=2"
    with_purchases = {"series": ["*:visitors"], "by": "properties.amount:bins=3", "limit": 1}
    # From 0 to 30: Anna is in the first and the last bin, and bins are shown whatever the limit.
    assert totals(answer(STORY, TrendQuestion.from_mapping(with_purchases))) == {
        "under 10": 4,
        "10 to 20": 1,
        "20 or more": 1,
        "(none)": 1,
    }


def test_edges_are_taken_as_they_are_and_bins_stand_in_their_order() -> None:
    steps = {"steps": ["cart", "purchase"], "by": "cart_amount:edges=4.99,7,100"}
    actual = answer(STORY, Funnel.from_mapping(steps))
    counts = {row["value"]: [step["count"] for step in row["steps"]] for row in actual["breakdown"]}
    assert list(counts.items()) == [
        ("under 4.99", [1, 1]),
        ("4.99 to 7", [2, 1]),
        ("7 to 100", [2, 0]),
        ("(none)", [1, 0]),
    ]
    last = answer(STORY, Funnel.from_mapping({**steps, "by_attribution": "last"}))
    assert [row["value"] for row in last["breakdown"]] == ["4.99 to 7", "7 to 100", "(none)"]


def test_bins_of_a_funnel_lie_between_the_numbers_of_its_steps_on_the_days_of_entry() -> None:
    # On the 2nd day 5 and 10 enter, so two bins meet at 7.50, whatever was there before or comes
    # later.
    rows = [event(0, "anna", 0, "cart", "0"), *STORY[3:6], event(9, "cara", 2, "purchase", "90")]
    asked = Funnel.from_mapping({"steps": ["cart", "purchase"], "by": "cart_amount:bins=2"})
    actual = answer(rows, asked, FIRST + timedelta(days=1))
    counts = {row["value"]: [step["count"] for step in row["steps"]] for row in actual["breakdown"]}
    assert counts == {"under 7.5": [1, 1], "7.5 or more": [1, 0]}


@pytest.mark.slow
def test_a_cohort_is_parted_by_the_number_of_the_start() -> None:
    rule = RetentionQuestion(start="cart", period="day", by="cart_amount:bins=2", limit=1)
    actual = answer(STORY, rule)
    sizes = {
        part["value"]: sum(cohort["size"] for cohort in part["cohorts"])
        for part in actual["breakdown"]
    }
    assert list(sizes.items()) == [("under 5", 2), ("5 or more", 3), ("(none)", 1)]
    # On the 2nd of two days only 5, 7 and 10 start, so the bins meet at 7.50.
    later = answer(STORY, rule, FIRST + timedelta(days=1))
    assert [part["value"] for part in later["breakdown"]] == ["under 7.5", "7.5 or more", "(none)"]


def test_the_range_before_has_the_bins_of_the_range() -> None:
    asked = TrendQuestion.from_mapping(
        {"series": ["cart"], "by": "cart_amount:bins=2", "compare": True}
    )
    actual = answer(STORY, asked, FIRST + timedelta(days=1))
    before = {series["breakdown"]: series["previous"] for series in actual["series"]}
    assert before == {"under 7.5": [2], "7.5 or more": [0], "(none)": [0]}


def test_equal_numbers_and_none_at_all_make_one_bin() -> None:
    same = [event(0, "anna", 0, "cart", "5"), event(1, "ben", 0, "cart", "5")]
    asked = TrendQuestion.from_mapping({"series": ["cart"], "by": "cart_amount:bins=4"})
    assert totals(answer(same, asked)) == {"5 or more": 2}
    assert totals(answer([event(0, "anna", 0, "cart")], asked)) == {"(none)": 1}


# Against plain Python


def bin_names(values: Sequence[Decimal | None], count: int) -> list[str | None]:
    """Return the name of the bin of each value, by fractions; None where there is no value."""
    numbers = [Fraction(value) for value in values if value is not None]
    low, width = min(numbers), max(numbers) - min(numbers)
    step = Fraction(1, 10**6)
    while step * 1_000 <= width / count:
        step *= 10
    edges = sorted({round((low + width * n / count) / step) * step for n in range(1, count)})
    texts = [f"{(Decimal(edge.numerator) / edge.denominator).normalize():f}" for edge in edges]
    names = [
        f"under {texts[0]}",
        *(f"{a} to {b}" for a, b in pairwise(texts)),
        f"{texts[-1]} or more",
    ]
    return [
        None if value is None else names[sum(Fraction(value) >= edge for edge in edges)]
        for value in values
    ]


def stream(seed: int) -> list[Row]:
    """Return some visitors' carts and purchases of ten days, with amounts on both sides
    of zero and on few values.
    """
    dice = random.Random(seed)  # noqa: S311 (streams, not secrets)
    scale = dice.choice((1, 7, 1_000))
    rows = [event(0, "v0", 0, "cart", "1")]
    for number in range(1, dice.randint(2, 50)):
        amount = (
            None if dice.random() < 0.2 else str(Decimal(dice.randint(-9 * scale, 30 * scale)) / 4)
        )
        kind = dice.choice(("cart", "cart", "purchase"))
        rows.append(event(number, f"v{dice.randint(0, 6)}", dice.randint(0, 9), kind, amount))
    return rows


QUESTIONS = (
    lambda by: TrendQuestion.from_mapping(
        {"series": ["*", "cart:sum(cart_amount)"], "period": "week", "limit": 50, "by": by}
    ),
    lambda by: Funnel.from_mapping(
        {"steps": ["cart", "purchase"], "within": "3d", "limit": 50, "by": by}
    ),
    lambda by: RetentionQuestion(period="day", starting="recurring", limit=50, by=by),
)
"""Questions about all events, so that all numbers bound the bins."""


@pytest.mark.slow
@examples(60)
@given(
    st.integers(0, 10_000),
    st.integers(2, 12),
    st.sampled_from(["cart_amount", "properties.amount"]),
    st.sampled_from(QUESTIONS),
)
def test_bins_are_those_of_the_definition(
    seed: int, count: int, column: str, question: Callable[[str], Any]
) -> None:
    rows = stream(seed)
    names = bin_names([row["cart_amount"] for row in rows], count)
    named = [row | {"product_category": name} for row, name in zip(rows, names, strict=True)]
    actual, expected = (
        answer(rows, question(f"{column}:bins={count}")),
        answer(named, question("product_category")),
    )

    def by_value(whole: Row) -> list[str]:
        parts = whole.get("series") or whole["breakdown"]
        return sorted(json.dumps(part, sort_keys=True, default=str) for part in parts)

    assert by_value(actual) == by_value(expected)


# How they are written


def test_bins_stand_beside_columns_in_one_field() -> None:
    assert split_columns("a, cart_amount:edges=-1.5, 20,50 ,properties.plan") == [
        "a",
        "cart_amount:edges=-1.5, 20,50",
        "properties.plan",
    ]
    assert str(bins_of("cart_amount:edges=-1.50, 20")) == "cart_amount:edges=-1.50,20"
    assert bins_of('properties."a:bins=3"') is None
    two = TrendQuestion.from_mapping(
        {"series": ["cart"], "by": ["event_type", "cart_amount:edges=7"]}
    )
    assert totals(answer(STORY, two)) == {
        "cart / under 7": 3,
        "cart / 7 or more": 2,
        "cart / (none)": 1,
    }
    assert two.columns == ["event_type", "cart_amount"]
    rule = RetentionQuestion(start="cart", period="day", by=("event_type", "cart_amount:bins=2"))
    parts = [row["value"] for row in answer(STORY, rule)["breakdown"]]
    assert parts == ["cart / 5 or more", "cart / under 5", "cart / (none)"]
    assert (rule.to_mapping()["by"], rule.columns) == (
        ["event_type", "cart_amount:bins=2"],
        two.columns,
    )


@each(
    "by, why",
    [
        ("cart_amount:bins=1", "give 2 to 50 bins, as in cart_amount:bins=5"),
        ("cart_amount:bins=many", "give 2 to 50 bins"),
        (
            "cart_amount:edges=",
            "write fewer than 50 rising numbers, as in cart_amount:edges=20,50.5",
        ),
        ("cart_amount:edges=2,1", "write fewer than 50 rising numbers"),
        ("cart_amount:edges=1,1e3", "write fewer than 50 rising numbers"),
        ("cart_amount:bin=5", "did you mean 'bins'"),
        ("cart amount:bins=5", "names the column 'cart amount:bins=5'"),
    ],
)
def test_other_bins_are_refused(by: str, why: str) -> None:
    for build in (
        lambda: TrendQuestion.from_mapping({"series": ["cart"], "by": by}),
        lambda: Funnel.from_mapping({"steps": ["cart"], "by": [by]}),
        lambda: RetentionQuestion(by=by),
    ):
        with pytest.raises(DefinitionError, match=why):
            build()


def test_numbers_too_large_to_be_exact_are_missing_values() -> None:
    """Otherwise one event could stop every question about the key."""
    rows = [*STORY, event(90, "gil", 1, "cart") | {"properties": '{"amount": 1e40}'}]
    actual = answer(
        rows,
        TrendQuestion.from_mapping({"series": ["cart:count"], "by": "properties.amount:edges=5"}),
    )
    assert {series["breakdown"]: series["total"] for series in actual["series"]} == {
        "under 5": 2,
        "5 or more": 3,
        "(none)": 2,
    }
    (total,) = answer(
        rows, TrendQuestion.from_mapping({"series": ["cart:sum(properties.amount)"]})
    )["series"]
    assert total["total"] == 26.99
    rule = RetentionQuestion(start="cart", period="day", sum_of="properties.amount")
    assert [cohort["sum"][0] for cohort in answer(rows, rule)["cohorts"]] == [34.99, 22.0], (
        "with Anna's purchase"
    )
    amounts = (2**53, 2**53 + 2, -(2**53))
    at_the_limit = [large_cart(n, amount) for n, amount in enumerate(amounts)]
    (total,) = answer(
        at_the_limit[:2], TrendQuestion.from_mapping({"series": ["cart:sum(properties.amount)"]})
    )["series"]
    assert total["total"] == 2**53, "the next number that is not rounded to this one is missing"
    (least,) = answer(
        at_the_limit, TrendQuestion.from_mapping({"series": ["cart:min(properties.amount)"]})
    )["series"]
    assert least["total"] == -(2**53)
    largest = [large_cart(91, 1_000_000_000_000_000), large_cart(92, 5_000_000_000_000_000)]
    bins = answer(
        largest, TrendQuestion.from_mapping({"series": ["cart"], "by": "properties.amount:bins=2"})
    )["series"]
    assert [bin_["breakdown"] for bin_ in bins] == [
        "under 3000000000000000",
        "3000000000000000 or more",
    ]


def test_text_has_no_bins() -> None:
    with pytest.raises(
        DefinitionError, match="visitor_id holds text, not numbers; name a number column"
    ):
        answer(STORY, TrendQuestion.from_mapping({"series": ["cart"], "by": "visitor_id:bins=2"}))
