"""Accounting: numbers of several tables side by side, and the counts of a source and samples of its rows.

Each count is taken from the table that holds the rows, so that no table vouches for itself.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import sub
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.tables.contract import MONEY, Table
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import union_all

Counted = tuple[ir.Table, str, str | None]
"""Rows, the column of their day, and the column whose sum is the count; None to count the rows."""


def side_by_side(unit: Sequence[str], *parts: ir.Table) -> ir.Table:
    """Return one row per unit with the numbers of all parts, each zero where its part has no row of the unit.

    Numbers whose name ends in `_amount` are money, all others whole.
    """
    names = [name for part in parts for name in part.columns if name not in unit]
    kinds = {name: MONEY if name.endswith("_amount") else "int64" for name in names}

    def of_all(part: ir.Table) -> ir.Table:
        own = (part[name].cast(kind) if name in part.columns else ibis.literal(0, kind) for name, kind in kinds.items())
        return part.select(*unit, **dict(zip(kinds, own, strict=True)))

    terms = union_all(*map(of_all, parts))
    return terms.group_by(*unit).agg(**{name: terms[name].sum().cast(kind) for name, kind in kinds.items()})


def balance(days: Days | None, counted: Mapping[str, Counted]) -> ir.Table:
    """Return one row per day, in `day`, with each count and the `residue`: the first count minus all others.

    Received rows come first in `counted`. Without days, all count.
    """
    parts = []
    for name, (rows, day, amount) in counted.items():
        rows = rows if days is None else rows.filter(days.contain(rows[day]))  # noqa: PLW2901 (the same rows, fewer)
        parts.append(rows.group_by(day=rows[day]).agg(**{name: rows[amount].sum() if amount else rows.count()}))
    per_day = side_by_side(["day"], *parts)
    return per_day.mutate(residue=reduce(sub, (per_day[name] for name in counted)))


def sampled_rows(quarantined: ir.Table, contract: type[Table], days: Days) -> ir.Table:
    """Return the rows of `contract`: the first quarantined rows of each day and reason, and their number."""
    day = str(contract.day_column)
    rows = quarantined.filter(days.contain(quarantined[day]))
    return first_rows(rows, (day, "reject_reason")).select(*contract.columns)


SAMPLES: Final = 5
"""The most rows of a group."""


def first_rows(rows: ir.Table, by: tuple[str, ...], most: int = SAMPLES) -> ir.Table:
    """Return the first rows of each group, with their place in `sample_number` and the group's size in `row_count`.

    Rows are ordered by the day of arrival (`received_date`) and then by all of their text, so rows that tie are equal
    in all of it.
    """
    texts = [rows[name].fill_null("") for name, kind in rows.schema().items() if kind.is_string() and name not in by]
    in_order = ibis.window(group_by=by, order_by=[rows.received_date, *texts])
    placed = rows.mutate(
        sample_number=ibis.row_number().over(in_order).cast("int64") + 1,
        row_count=rows.count().over(ibis.window(group_by=by)).cast("int64"),
    )
    return placed.filter(placed.sample_number <= most)
