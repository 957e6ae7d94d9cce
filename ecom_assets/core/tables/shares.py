"""Shares of an amount by weight, rounded so that they add up to it.

Shares are counted in the smallest parts that an amount of a line can have, as whole doubles: every
engine rounds these alike, and they are far from where they are not exact.
"""

from decimal import Decimal
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.tables.currencies import USUAL_DIGITS, digits_of, unusual_digits

UNIT_DIGITS: Final = 4
"""The digits after the point of an amount of a line."""
UNITS: Final = 10**UNIT_DIGITS
"""How many of the smallest parts of an amount are 1."""
UNITS_OF_A_CENT: Final = UNITS // 10**USUAL_DIGITS


def units(amount: ir.DecimalValue) -> ir.FloatingValue:
    """Return an amount in its smallest parts, which are whole."""
    return (amount.cast("float64") * UNITS + 0.5).floor()


def units_of_currency(currency: ir.StringValue, usual: str) -> ir.NumericValue:
    """Return how many units the smallest amount is that a currency can write: 100, of yen 10,000.

    Args:
        currency: ISO codes, null where the currency is not known.
        usual: The currency where it is not known.
    """
    by_digits = [
        (currency.isin(list(codes)), float(_units_of(digits)))
        for digits, codes in unusual_digits().items()
    ]
    unknown = (currency.isnull(), float(_units_of(digits_of(usual))))
    result: ir.NumericValue = ibis.cases(unknown, *by_digits, else_=float(UNITS_OF_A_CENT))
    return result


def _units_of(digits: int) -> int:
    return int(10 ** max(UNIT_DIGITS - digits, 0))


def share(
    total: ir.DecimalValue,
    weights: ir.Table,
    step: ir.NumericValue | int = UNITS_OF_A_CENT,
) -> ir.DecimalValue:
    """Return the share of each line in a total of at most four digits after the point.

    The shares of the first lines together are the total times their part of the weight, rounded;
    each line has what its own weight adds, and the last one the rest. So shares add up to the
    total, and each is within one step of its exact value.

    Args:
        total: The total of each line's group.
        weights: The lines, with `weight_before`, the weight of the lines of the group before each,
            `weight_to`, the same with its own, and `whole`, that of all of them.
        step: To how many units shares are rounded.
    """
    upto, before = (
        _part(total, weights[name], weights.whole, step) for name in ("weight_to", "weight_before")
    )
    return upto - before


SUM: Final = f"decimal(37, {UNIT_DIGITS})"
"""The type of units times a unit."""


def _part(
    total: ir.DecimalValue,
    weight: ir.FloatingValue,
    whole: ir.FloatingValue,
    step: ir.NumericValue | int,
) -> ir.DecimalValue:
    """Return the rounded part of a total that some of its weight has; all of it has all."""
    rounded = (units(total) / step * weight / whole + 0.5).floor() * step
    # A double as a decimal has 15 digits on Postgres.
    unit = ibis.literal(Decimal(1) / UNITS, f"decimal(18, {UNIT_DIGITS})")
    part = (rounded.cast("int64").cast(f"decimal(23, {UNIT_DIGITS})") * unit).cast(SUM)
    return (weight == whole).ifelse(total.cast(SUM), part)
