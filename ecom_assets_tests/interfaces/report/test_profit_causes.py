"""Why gross profit changed: worked by hand, and by plain Python whatever the numbers."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from math import factorial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.tables.currencies import rounded, unit_of
from ecom_assets.interfaces.weeks.profit_causes import (
    CAUSES,
    ItemProfit,
    profit_causes,
    profit_parts,
)
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.markdown import Line, definition

Row = dict[str, Any]
Items = dict[str, ItemProfit]
FACTORS = ("pieces", "price", "discount", "cost")
AMOUNTS = st.integers(0, 3_000).map(lambda cents: Fraction(cents, 100))


def item(  # noqa: PLR0913 (what an item is)
    pieces: int,
    price: Fraction,
    discount: Fraction,
    cost: Fraction,
    returned: Fraction = Fraction(0),
    *,
    is_costed: bool = True,
) -> ItemProfit:
    """Return an item of which so many pieces were sold, at amounts of one piece each."""
    if not is_costed:
        return ItemProfit(returned=returned, is_sold=pieces > 0)
    gross, discounts, costs = (pieces * amount for amount in (price, discount, cost))
    is_sold = pieces > 0
    return ItemProfit(Fraction(pieces), gross, discounts, costs, returned, is_sold, is_sold)


ITEMS = st.builds(
    item, st.integers(0, 6), AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, is_costed=st.booleans()
)
WEEKS = st.dictionaries(st.sampled_from("abcd"), ITEMS)


def profit_of(items: Items) -> Fraction:
    """Return the gross profit of a week."""
    return sum(
        (sold.gross - sold.discount - sold.cost + sold.returned for sold in items.values()),
        Fraction(0),
    )


def each(sold: ItemProfit) -> dict[str, Fraction]:
    """Return the factors of an item's profit."""
    pieces = sold.pieces
    return {
        "pieces": pieces,
        "price": sold.gross / pieces,
        "discount": sold.discount / pieces,
        "cost": sold.cost / pieces,
    }


def shapley(value: Callable[[Row], Fraction], now: Row, before: Row) -> dict[str, Fraction]:
    """Return what factors add when they are changed one after another, on average of all orders."""
    sums = dict.fromkeys(now, Fraction(0))
    for order in permutations(now):
        state = dict(before)
        for factor in order:
            earlier = value(state)
            state[factor] = now[factor]
            sums[factor] += value(state) - earlier
    return {factor: total / factorial(len(now)) for factor, total in sums.items()}


def left(state: Row) -> Fraction:
    """Return what an item leaves."""
    margin: Fraction = state["price"] - state["discount"] - state["cost"]
    pieces: Fraction = state["pieces"]
    return pieces * margin


def by_plain_python(now: Items, before: Items) -> dict[str, Fraction]:
    """Return the parts, by changing the factors of each item in every order."""
    none = ItemProfit()
    parts = dict.fromkeys(("price", "discount", "cost", "returns", "coverage"), Fraction(0))
    pieces_effect = Fraction(0)
    kept: list[tuple[ItemProfit, ItemProfit]] = []
    for name in {*now, *before}:
        new, old = now.get(name, none), before.get(name, none)
        parts["returns"] += new.returned - old.returned
        if new.is_sold and old.is_sold and new.is_costed is not old.is_costed:
            parts["coverage"] += profit_of({"": new}) - new.returned
            parts["coverage"] -= profit_of({"": old}) - old.returned
            continue
        kept.append((new, old))
        if new.pieces and old.pieces:
            effects = shapley(left, each(new), each(old))
            for factor in FACTORS[1:]:
                parts[factor] += effects[factor]
            pieces_effect += effects["pieces"]
        else:
            pieces_effect += (new.gross - new.discount - new.cost) - (
                old.gross - old.discount - old.cost
            )
    whole = [
        (
            sum((pair[week].pieces for pair in kept), Fraction(0)),
            sum(
                (pair[week].gross - pair[week].discount - pair[week].cost for pair in kept),
                Fraction(0),
            ),
        )
        for week in (0, 1)
    ]
    parts["volume"] = pieces_effect
    if whole[0][0] and whole[1][0]:
        mean = (whole[0][1] / whole[0][0] + whole[1][1] / whole[1][0]) / 2
        parts["volume"] = (whole[0][0] - whole[1][0]) * mean
    parts["mix"] = pieces_effect - parts["volume"]
    return parts


@examples(150)
@given(WEEKS, WEEKS)
def test_the_parts_are_those_of_plain_python_and_add_up(now: Items, before: Items) -> None:
    parts = profit_parts(now, before)
    assert set(parts) == set(CAUSES)
    assert parts == by_plain_python(now, before)
    assert sum(parts.values()) == profit_of(now) - profit_of(before)


def row_of(name: str, sold: ItemProfit) -> Row:
    """Return an item as the query of profit has it."""
    amounts = {
        "quantity": sold.pieces,
        "gross_sales_amount": sold.gross,
        "revenue_amount": sold.gross - sold.discount,
        "cost_amount": sold.cost,
        "returned_profit_amount": sold.returned,
    }
    decimals = {
        column: Decimal(amount.numerator) / Decimal(amount.denominator)
        for column, amount in amounts.items()
    }
    counts = {"shipped_count": int(sold.is_sold), "costed_count": int(sold.is_costed)}
    return {"item_id": name, **decimals, **counts}


@examples(100)
@given(WEEKS, WEEKS, st.sampled_from(["EUR", "JPY", "KWD"]))
def test_rounded_parts_add_up_to_the_change_that_is_shown(
    now: Items, before: Items, currency: str
) -> None:
    shown = [
        rounded(Decimal(profit_of(week).numerator) / profit_of(week).denominator, currency)
        for week in (now, before)
    ]
    rows, rows_before = ([row_of(*sold) for sold in week.items()] for week in (now, before))
    causes = profit_causes(rows, rows_before, shown[0] - shown[1], currency)
    assert sum(row["contribution_amount"] for row in causes) == shown[0] - shown[1]
    exact = profit_parts(now, before)
    for row in causes:
        off = abs(Fraction(row["contribution_amount"]) - exact[row["cause"]])
        assert off <= 2 * Fraction(unit_of(currency))


def example(line: Line, week: str) -> ItemProfit:
    """Return an item of a line of the page."""
    pieces, *amounts = (Fraction(line[f"{factor} {week}"]) for factor in FACTORS)
    return item(int(pieces), *amounts)


def test_the_parts_of_the_page_are_what_comes_out() -> None:
    """Of 20 pieces, 5.50 each, come 30, 6.33 each: 10 x 5.9167 by volume. Hats leave 10 and then
    9, so ten more bring 95, of which 35.83 are mix. Their price adds 15 x 2.
    """
    sold, causes = definition("Why gross profit changed").tables
    now, before = (
        {line["product"]: example(line, week) for line in sold} for week in ("now", "before")
    )
    assert [profit_of(week) for week in (before, now)] == [110, 190]
    rows, rows_before = ([row_of(*sold) for sold in week.items()] for week in (now, before))
    assert {
        row["cause"]: str(row["contribution_amount"])
        for row in profit_causes(rows, rows_before, Decimal("80.00"), "EUR")
    } == {line["cause"]: line["adds"] for line in causes}


def test_a_product_whose_cost_becomes_known_is_no_growth() -> None:
    known = item(3, Fraction(20), Fraction(0), Fraction(12))
    unknown = item(3, Fraction(20), Fraction(0), Fraction(12), is_costed=False)
    parts = profit_parts({"hat": known}, {"hat": unknown})
    assert {cause: part for cause, part in parts.items() if part} == {"coverage": 24}
