"""Division that every engine does alike. Not here: what is divided."""

import ibis.expr.types as ir


def ratio(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """Return `part / whole` as a double; null where `whole` is zero.

    Both are made doubles first: Postgres divides whole numbers without a remainder, and sums of them as decimals.
    """
    return part.cast("float64") / whole.cast("float64").nullif(0)
