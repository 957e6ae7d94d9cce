"""Why gross profit changed from one week to the next: how much was sold and of what, prices,
discounts, costs, and what came back; the parts add up to the change exactly.

Of an item that was sold at a known cost in both weeks, profit is pieces x (price - discount -
cost), each of a piece. Prices, discounts and costs add what they changed by, times the mean of the
pieces; the pieces what they changed by, times the mean of what a piece left. For two factors this
is the Shapley value. An item without such sales in one of the weeks has no change of prices: all
that it adds is pieces.

What all pieces add is split: `volume` is the change of all pieces, times the mean of what a piece
left on average in each week, and `mix` is the rest: pieces of items that leave more or less.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from ecom_assets.core.rows import Row
from ecom_assets.core.tables.currencies import rounded_parts, unit_of
from ecom_assets.core.tables.queries import DECIMALS

CAUSES: Final = ("volume", "mix", "price", "discount", "cost", "returns", "coverage")
"""The parts of a change of gross profit.

`coverage` is of items that were sold in both weeks, at a known cost in one of them only.
"""
ZERO: Final = Fraction(0)
TWO: Final = 2


@dataclass(frozen=True)
class ItemProfit:
    """What an item came to in a week.

    Attributes:
        pieces: How many were sold at a known cost, refunds aside.
        gross: What was charged for them before discounts.
        discount: What discounts took off.
        cost: What they cost.
        returned: The gross profit of what came back; below zero if it takes profit back.
        is_sold: Whether any was sold, at a known cost or not.
        is_costed: Whether any was sold at a known cost.
    """

    pieces: Fraction = ZERO
    gross: Fraction = ZERO
    discount: Fraction = ZERO
    cost: Fraction = ZERO
    returned: Fraction = ZERO
    is_sold: bool = False
    is_costed: bool = False

    @classmethod
    def from_row(cls, row: Row) -> "ItemProfit":
        """Return an item as `sold_items` has it."""
        gross, revenue = (Fraction(row[name]) for name in ("gross_sales_amount", "revenue_amount"))
        return cls(
            Fraction(row["quantity"]),
            gross,
            gross - revenue,
            Fraction(row["cost_amount"]),
            Fraction(row["returned_profit_amount"]),
            bool(row["shipped_count"]),
            bool(row["costed_count"]),
        )

    @property
    def profit(self) -> Fraction:
        """Return the gross profit of what was sold."""
        return self.gross - self.discount - self.cost


NOTHING: Final = ItemProfit()


def profit_parts(
    now: Mapping[str, ItemProfit], before: Mapping[str, ItemProfit]
) -> dict[str, Fraction]:
    """Return what each of `CAUSES` adds to the change of gross profit; together they are it."""
    parts = dict.fromkeys(CAUSES, ZERO)
    moved: list[tuple[ItemProfit, ItemProfit]] = []
    pieces_effect = ZERO
    for item in {**now, **before}:
        new, old = now.get(item, NOTHING), before.get(item, NOTHING)
        parts["returns"] += new.returned - old.returned
        if new.is_sold and old.is_sold and new.is_costed != old.is_costed:
            parts["coverage"] += new.profit - old.profit
            continue
        moved.append((new, old))
        if new.pieces > 0 and old.pieces > 0:
            mean = (new.pieces + old.pieces) / TWO
            parts["price"] += mean * (new.gross / new.pieces - old.gross / old.pieces)
            parts["discount"] -= mean * (new.discount / new.pieces - old.discount / old.pieces)
            parts["cost"] -= mean * (new.cost / new.pieces - old.cost / old.pieces)
            left = new.profit / new.pieces + old.profit / old.pieces
            pieces_effect += left / TWO * (new.pieces - old.pieces)
        else:
            pieces_effect += new.profit - old.profit
    parts["volume"] = _volume(moved, pieces_effect)
    parts["mix"] = pieces_effect - parts["volume"]
    return parts


def _volume(items: Sequence[tuple[ItemProfit, ItemProfit]], whole: Fraction) -> Fraction:
    """Return what the number of all pieces adds; all of the effect of pieces where one of the weeks
    has none, so that nothing can be said of what a piece left on average.
    """
    pieces = [sum((pair[which].pieces for pair in items), ZERO) for which in (0, 1)]
    profits = [sum((pair[which].profit for pair in items), ZERO) for which in (0, 1)]
    if not all(count > 0 for count in pieces):
        return whole
    left = [profit / count for profit, count in zip(profits, pieces, strict=True)]
    return (left[0] + left[1]) / TWO * (pieces[0] - pieces[1])


def profit_causes(
    now: Iterable[Row], before: Iterable[Row], change: Decimal, currency: str
) -> list[Row]:
    """Return what each cause adds to the change of gross profit, in the digits of the currency.

    They add up to the change: each is rounded down, and what is left of it goes to those that lose
    most by that, a unit each.

    Args:
        now: What each item came to in the week, as `sold_items` returns it.
        before: The same of the week before.
        change: The gross profit of the week less that of the week before, each rounded.
        currency: The currency of amounts.
    """
    weeks = ({row["item_id"]: ItemProfit.from_row(row) for row in rows} for rows in (now, before))
    parts = profit_parts(*weeks)
    amounts = rounded_parts(list(parts.values()), change, unit_of(currency))
    return [
        {
            "cause": cause,
            "contribution_amount": amount,
            "contribution_share": round(float(amount / change), DECIMALS) if change else None,
        }
        for cause, amount in zip(parts, amounts, strict=True)
    ]
