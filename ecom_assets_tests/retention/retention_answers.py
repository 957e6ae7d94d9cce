"""From deeds to the cells that the package counts, each rule compiled once."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import cache

import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.retention.activity import event_activity
from ecom_assets.retention.cells import Reach, retention, totals
from ecom_assets.retention.rule import RetentionRule
from ecom_assets.warehouse.local import connect
from ecom_assets_tests.builders import Row, local_day
from ecom_assets_tests.retention.retention_reference import Cell, Deed

SHAPE = pa.schema(
    [
        ("visitor_id", pa.string()),
        ("event_at", pa.timestamp("us")),
        ("event_date", pa.date32()),
        ("event_type", pa.string()),
        ("cart_amount", pa.decimal128(18, 2)),
    ]
)
PERIODS = 60
"""More than the periods that any test's deeds span."""


@cache
def warehouse() -> Backend:
    """A DuckDB in memory whose table `deeds` the tests exchange."""
    con = connect()
    con.con.register("deeds", SHAPE.empty_table())
    return con


@cache
def sql(rule: RetentionRule, what: str) -> str:
    """Compile once per rule."""
    activity = event_activity(warehouse().table("deeds"), rule)
    newest = activity.event_date.max().as_scalar()
    at = activity.event_at.max().as_scalar() if rule.clock == "rolling" else None
    cells = retention(activity, rule, PERIODS, Reach(newest, newest, at, at))
    answer = cells.order_by("cohort_date", "cell") if what == "cells" else totals(cells).order_by("cell")
    return str(warehouse().compile(answer))


def given(deeds: Iterable[Deed], timezone: str) -> None:
    """Put deeds into the warehouse."""
    rows = [
        {
            "visitor_id": deed.who,
            "event_at": deed.at,
            "event_date": local_day(deed.at, timezone),
            "event_type": deed.event_type,
            "cart_amount": deed.amount,
        }
        for deed in deeds
    ]
    warehouse().con.register("deeds", pa.Table.from_pylist(rows, schema=SHAPE))


def answer(deeds: Iterable[Deed], rule: RetentionRule, timezone: str = "UTC", *, what: str = "cells") -> list[Row]:
    """Return the rows of `retention`, or of its `totals`."""
    given(deeds, timezone)
    actual = warehouse().con.execute(sql(rule, what))
    names = [column[0] for column in actual.description]
    return [dict(zip(names, row, strict=True)) for row in actual.fetchall()]


def cells(deeds: Iterable[Deed], rule: RetentionRule, timezone: str = "UTC") -> list[Cell]:
    """Return what is compared."""
    return [
        Cell(
            row["cohort_date"],
            row["cell"],
            row["visitor_count"],
            row["returned_count"],
            row["is_complete"],
            row["cumulative_revenue_amount"],
        )
        for row in answer(deeds, rule, timezone)
    ]


def came(who: str, *moments: str, event_type: str = "page_view") -> list[Deed]:
    """Return one event of a visitor at each moment."""
    return [Deed(who, datetime.fromisoformat(moment), event_type) for moment in moments]


def bought(who: str, moment: str, amount: str | int) -> Deed:
    """Return a purchase."""
    return Deed(who, datetime.fromisoformat(moment), "purchase", Decimal(amount))


def triangle(actual: Iterable[Cell]) -> dict[str, list[int]]:
    """Return how many returned, by cohort, in order."""
    rows: dict[str, list[int]] = {}
    for cell in actual:
        rows.setdefault(str(cell.cohort), []).append(cell.returned)
    return rows
