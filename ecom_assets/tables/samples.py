"""Samples of rows: the first few of each group, in an order that neither engines nor runs change."""

from typing import Final

import ibis
import ibis.expr.types as ir

SAMPLES: Final = 5
"""The most rows of a group."""


def first_rows(rows: ir.Table, by: tuple[str, ...], most: int = SAMPLES) -> ir.Table:
    """Return the first rows of each group, with their place in `sample_number` and the group's size in `row_count`.

    Rows are ordered by the day of arrival and then by all of their text, so rows that tie are equal in all of it.

    Args:
        rows: Rows with `received_date`.
        by: The columns of the group.
        most: The most rows of a group.
    """
    texts = [rows[name].fill_null("") for name, kind in rows.schema().items() if kind.is_string() and name not in by]
    in_order = ibis.window(group_by=by, order_by=[rows.received_date, *texts])
    placed = rows.mutate(
        sample_number=ibis.row_number().over(in_order).cast("int64") + 1,
        row_count=rows.count().over(ibis.window(group_by=by)).cast("int64"),
    )
    return placed.filter(placed.sample_number <= most)
