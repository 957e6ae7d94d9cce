"""Parts of long lists: so many rows from a place on, in a total order, and how many there are. Not here: the lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from ecom_assets.answers.period import Period
from ecom_assets.answers.reading import Reading, Row


@dataclass(frozen=True)
class Page:
    """Which rows of a list: so many at most, after those that are left out at its start."""

    limit: int
    offset: int = 0


def page_of(
    reading: Reading, rows: ir.Table, order: Sequence[ir.Value | str], page: Page, period: Period | None = None
) -> tuple[list[Row], int]:
    """Return some rows of a table, and how many it has.

    Args:
        reading: Where the table is.
        rows: The table.
        order: What its rows are in the order of; no two may tie.
        page: Which of them.
        period: The days that the table names.
    """
    counted = rows.mutate(total_count=rows.count().over(ibis.window()))
    found = reading.rows(counted.order_by(order).limit(page.limit, offset=page.offset), period)
    total = found[0]["total_count"] if found else reading.rows(rows.agg(n=rows.count()), period)[0]["n"]
    return [{name: value for name, value in row.items() if name != "total_count"} for row in found], int(total)


def cut(answer: Mapping[str, Any], name: str, limit: int | None, offset: int) -> dict[str, Any]:
    """Return an answer with a part of its list, and how many rows the whole has."""
    rows = answer[name]
    last = None if limit is None else offset + limit
    return {**answer, "total_count": len(rows), name: rows[offset:last]}
