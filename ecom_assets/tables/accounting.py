"""Accounting for the rows of a source: the counts of each day must add up to the received rows.

Each count is taken from the table that holds the rows, so that no table vouches for itself.
"""

from collections.abc import Mapping
from functools import reduce
from operator import sub

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all
from ecom_assets.tables.samples import first_rows

Counted = tuple[ir.Table, str, str | None]
"""Rows, the column of their day, and the column whose sum is the count; None to count the rows."""


def balance(days: Days | None, counted: Mapping[str, Counted]) -> ir.Table:
    """Return one row per day, in `day`, with each count and the `residue`: the first count minus all others.

    Args:
        days: The days; None for all.
        counted: The rows of each count, by its name; received rows come first.
    """
    zero = ibis.literal(0, "int64")
    parts = []
    for name, (rows, day, amount) in counted.items():
        rows = rows if days is None else rows.filter(days.contain(rows[day]))  # noqa: PLW2901 (the same rows, fewer)
        counts = rows.group_by(day=rows[day]).agg(number=rows[amount].sum() if amount else rows.count())
        number = counts.number.cast("int64")
        parts.append(counts.select("day", **{other: number if other == name else zero for other in counted}))
    terms = union_all(*parts)
    per_day = terms.group_by("day").agg(**{name: terms[name].sum() for name in counted})
    return per_day.mutate(residue=reduce(sub, (per_day[name] for name in counted)))


def sampled_rows(quarantined: ir.Table, contract: type[Table], days: Days) -> ir.Table:
    """Return the rows of `contract`: the first quarantined rows of each day and reason, and their number.

    Args:
        quarantined: Quarantined rows.
        contract: The table of samples.
        days: The days.
    """
    day = str(contract.day_column)
    rows = quarantined.filter(days.contain(quarantined[day]))
    return first_rows(rows, (day, "reject_reason")).select(*contract.columns)
