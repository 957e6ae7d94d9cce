"""Retention and revenue of cohorts: METRICS "Retention".

The portable expression for all modes and clocks.

Activity and starts are in `retention/activity.py`, the platform's own table of cohorts is in
`retention/cohorts.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.retention.activity import numbered, starts
from ecom_assets.behaviour.retention.question import ROLLING_S, Bracket, RetentionQuestion
from ecom_assets.core.tables.columns import EXACT
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import hour_number, number_table, period_number, period_start
from ecom_assets.core.tables.portable import ratio, union_all

SECOND_US = 1_000_000
SUMS: Final = {"amount": ("revenue_amount", MONEY), "value": ("value_amount", EXACT)}
"""What is added up: the column of the activity, the name of its sum, and their type."""


@dataclass(frozen=True)
class Reach:
    """How far the data reach: the newest day, and the first day that may be incomplete.

    On the rolling clock, and for hours, `newest_at` and `open_at` are the same limits as
    timestamps.
    """

    newest_date: date | ir.DateScalar | None
    open_date: date | ir.DateScalar | None
    newest_at: datetime | ir.TimestampScalar | None = None
    open_at: datetime | ir.TimestampScalar | None = None


def retention(
    activity: ir.Table,
    rule: RetentionQuestion,
    period_count: int,
    reach: Reach,
    started: ir.Table | None = None,
) -> ir.Table:
    """Return one row per non-empty cohort and per cell that has begun for it; with `by`,
    per value of the breakdown.

    Args:
        activity: The activity; `event_at` is needed on the rolling clock and for a breakdown only.
        rule: The retention rule.
        period_count: At least the number of periods that the data cover, 1 or more.
        reach: How far the data reach.
        started: The result of `starts`, if it was computed before.

    Returns:
        `label` (with `by`), `cohort_date` (first day of the cohort's period; of an hour its UTC
            time), `cell` from 0,
        its `first_period` and `last_period`, `visitor_count`, `returned_count`, `is_complete`,
            `revenue_amount` (paid
        since the cell before) and `cumulative_revenue_amount`; with `sum_of`, `value_amount` and
        `cumulative_value_amount`.
    """
    started = starts(activity, rule) if started is None else started
    cells, unit = rule.cells(period_count), _unit(rule)
    counts = counted(_visits(activity, started, rule), cells, rule, unit)
    rows = filled_grid(_grid(_cohorts(started, rule), cells, rule, reach), counts, unit)
    returned = rows.on_or_after_count if rule.mode == "on_or_after" else rows.on_count
    return rows.mutate(returned_count=returned).drop(
        "on_count", "on_or_after_count", "cohort_number"
    )


def members(
    activity: ir.Table, rule: RetentionQuestion, period_count: int, started: ir.Table
) -> ir.Table:
    """Return who counts in which cell: one row per visitor and cell,
    and one without a cell for those in none.

    `started` is the result of `starts`; the other arguments are those of `retention`. The columns
    are `cohort_date`, `label` (with `by`), `visitor_id`, and the cell's `first_period` and
    `last_period`.
    """
    cells, unit = rule.cells(period_count), _unit(rule)
    returned = _returned_cells(_visits(activity, started, rule), cells, rule, unit)
    numbers = cell_table(cells)
    if rule.mode == "on_or_after":  # who came back last in a cell counts in all before it, too
        pairs = returned.rename(last_cell="cell").cross_join(numbers)
        cell_rows = pairs.filter(pairs.cell <= pairs.last_cell).drop("last_cell", "cell")
    else:
        cell_rows = returned.join(numbers, "cell").drop("cell")
    visitors = started.mutate(cohort_date=_cohort_date(started, rule)).select(
        "visitor_id", "cohort_date", *unit
    )
    joined = visitors.left_join(cell_rows, ["visitor_id", *unit])
    labels = ["label"] if rule.by else []
    return joined.select("cohort_date", *labels, "visitor_id", "first_period", "last_period")


def totals(rows: ir.Table) -> ir.Table:
    """Return one row per cell of `retention`, over the cohorts that are complete there;
    others do not count.

    The columns are `cell`, `cohort_count`, `visitor_count`, `returned_count`, `retention_rate`,
    `cumulative_revenue_amount` and `lifetime_value`, which is revenue per visitor; rates and values
    are null if no cohort is complete. With a `label`, one row per value of the breakdown and cell;
    with `sum_of`, `cumulative_value_amount`.
    """
    whole = rows.is_complete
    labels = ["label"] if "label" in rows.columns else []
    amounts = {
        name: whole.ifelse(rows[name], ibis.literal(0, kind)).sum().cast(kind)
        for name, kind in ((f"cumulative_{name}", kind) for name, kind in SUMS.values())
        if name in rows.columns
    }
    sums = rows.group_by(*labels, "cell", "first_period", "last_period").agg(
        cohort_count=whole.ifelse(1, 0).sum(),
        visitor_count=whole.ifelse(rows.visitor_count, 0).sum(),
        returned_count=whole.ifelse(rows.returned_count, 0).sum(),
        **amounts,
    )
    return sums.mutate(
        retention_rate=ratio(sums.returned_count, sums.visitor_count),
        lifetime_value=ratio(sums.cumulative_revenue_amount, sums.visitor_count),
    )


def counted(
    visits: ir.Table,
    cells: Sequence[Bracket],
    rule: RetentionQuestion,
    unit: Sequence[str] = ("cohort_number",),
) -> ir.Table:
    """Return the number of returning visitors, the revenue and the value per cohort and cell.

    Args:
        visits: visitor_id, the unit, place (periods since the start), is_return, amount and perhaps
            value.
        cells: The first and last period of each cell.
        rule: The rule, for its mode and the least number of returns.
        unit: The columns that identify a cohort.

    Returns:
        The unit, cell, on_count, last_count (visitors whose last return is in the cell) and the
            sums.
    """
    returned = _returned_cells(visits, cells, rule, unit)
    one, none = ibis.literal(1, "int64"), ibis.literal(0, "int64")
    is_last = rule.mode == "on_or_after"
    counts = {"on_count": none if is_last else one, "last_count": one if is_last else none}
    paid = visits.mutate(cell=_cell_of(visits.place, cells), on_count=none, last_count=none)
    paid = paid.filter(paid.cell.notnull())
    sums = {
        name: (source, kind) for source, (name, kind) in SUMS.items() if source in visits.columns
    }
    nothing = {name: ibis.literal(0, kind) for name, (_, kind) in sums.items()}
    added = {
        name: paid[source].cast(kind).fill_null(nothing[name])
        for name, (source, kind) in sums.items()
    }
    all_rows = union_all(
        returned.select(*unit, "cell", **counts, **nothing),
        paid.filter(reduce(or_, (paid[source].notnull() for source, _ in sums.values()))).select(
            *unit, "cell", "on_count", "last_count", **added
        ),
    )
    return all_rows.group_by(*unit, "cell").agg(
        on_count=all_rows.on_count.sum(),
        last_count=all_rows.last_count.sum(),
        **{name: all_rows[name].sum().cast(kind) for name, (_, kind) in sums.items()},
    )


def _returned_cells(
    visits: ir.Table, cells: Sequence[Bracket], rule: RetentionQuestion, unit: Sequence[str]
) -> ir.Table:
    """Return, once per visitor, the cells in which they came back;
    with `on_or_after` the last of them only.
    """
    visits = visits.mutate(cell=_cell_of(visits.place, cells))
    returns = visits.filter(visits.is_return > 0)
    if rule.mode == "bracket":
        returns = returns.filter(
            returns.cell.notnull(), returns.place >= _end_of(returns.cell, cells, 0)
        )
    if rule.at_least > 1:
        within = [] if rule.mode == "bracket" else ["place"]
        counts = returns.group_by(*unit, "visitor_id", "cell", *within).agg(
            return_count=returns.is_return.sum()
        )
        returns = counts.filter(counts.return_count >= rule.at_least)
    if rule.mode == "on_or_after":
        return returns.group_by(*unit, "visitor_id").agg(
            cell=returns.cell.fill_null(len(cells) - 1).max()
        )
    return returns.filter(returns.cell.notnull()).select(*unit, "visitor_id", "cell").distinct()


def filled_grid(grid: ir.Table, counts: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return each cell of a grid with its counts, zero if nobody came, and cumulative sums.

    The grid has one row per cohort, which `unit` identifies, and cell; `counts` have on_count,
    last_count and sums of some. Added are on_count, on_or_after_count (last_count of this cell and
    all after it), and each sum, such as revenue_amount, also up to this cell, as
    cumulative_revenue_amount.
    """
    sums = {name: kind for name, kind in SUMS.values() if name in counts.columns}
    joined = grid.left_join(counts, [*unit, "cell"])
    rows = joined.select(
        grid,
        on_count=counts.on_count.fill_null(0).cast("int64"),
        last_count=counts.last_count.fill_null(0).cast("int64"),
        **{
            name: counts[name].fill_null(ibis.literal(0, kind)).cast(kind)
            for name, kind in sums.items()
        },
    )
    until = ibis.cumulative_window(group_by=unit, order_by="cell")
    since = ibis.cumulative_window(group_by=unit, order_by=ibis.desc("cell"))
    return rows.mutate(
        on_or_after_count=rows.last_count.sum().over(since).cast("int64"),
        **{
            f"cumulative_{name}": rows[name].sum().over(until).cast(kind)
            for name, kind in sums.items()
        },
    ).drop("last_count")


def cell_table(cells: Sequence[Bracket]) -> ir.Table:
    """Return the cells as rows: `cell`, `first_period`, `last_period`."""
    numbers = number_table(len(cells))
    numbers = numbers.select(cell=numbers.number)
    return numbers.mutate(
        first_period=_end_of(numbers.cell, cells, 0), last_period=_end_of(numbers.cell, cells, 1)
    )


def _unit(rule: RetentionQuestion) -> list[str]:
    return ["label", "cohort_number"] if rule.by else ["cohort_number"]


def _visits(activity: ir.Table, started: ir.Table, rule: RetentionQuestion) -> ir.Table:
    """Return the activity from each visitor's start on, with its `place`:
    the number of periods since the start.
    """
    values = ["value"] if "value" in activity.columns else []
    activity = activity.mutate(own_number=numbered(activity, rule)).drop("is_start")
    activity = activity.drop("label") if "label" in activity.columns else activity
    joined = activity.join(started.drop("start_date"), "visitor_id")
    if rule.clock == "rolling":
        joined = joined.filter(joined.event_at >= joined.start_at)
        elapsed_us = joined.event_at.delta(joined.start_at, unit="microsecond").cast("int64")
        period = (elapsed_us // (ROLLING_S[rule.period] * SECOND_US)).cast("int64")
    else:
        period = joined.own_number - joined.cohort_number
    visits = joined.select("visitor_id", *_unit(rule), "is_return", "amount", *values, place=period)
    return visits.filter(visits.place >= 0)


def _cohorts(started: ir.Table, rule: RetentionQuestion) -> ir.Table:
    when = {"start_date": started.start_date.min()}
    if rule.clock == "rolling":
        when |= {"first_start_at": started.start_at.min(), "last_start_at": started.start_at.max()}
    if rule.period == "hour":
        when |= {"start_hour": started.start_hour.min()}
    return started.group_by(_unit(rule)).agg(visitor_count=started.count(), **when)


def _cohort_date(cohorts: ir.Table, rule: RetentionQuestion) -> ir.Value:
    if rule.period == "hour":
        return cohorts.start_hour
    return period_start(cohorts.start_date, rule.period, rule.week_start)


def _limits(rule: RetentionQuestion, reach: Reach) -> tuple[ir.IntegerValue, ir.IntegerValue]:
    """Return the number of the newest period, and of the first that may be incomplete."""
    if rule.period == "hour" and reach.newest_at is not None and reach.open_at is not None:
        return hour_number(_scalar(reach.newest_at)), hour_number(_scalar(reach.open_at))
    days = (_scalar(day, "date") for day in (reach.newest_date, reach.open_date))
    newest, opened = (period_number(day, rule.period, rule.week_start) for day in days)
    return newest, opened


def _scalar(value: object, kind: str = "timestamp(6)") -> ir.Scalar:
    """Return a value as an expression, if it is not one."""
    return value if isinstance(value, ibis.Expr) else ibis.literal(value, kind)


def _grid(
    cohorts: ir.Table, cells: Sequence[Bracket], rule: RetentionQuestion, reach: Reach
) -> ir.Table:
    grid = cohorts.cross_join(cell_table(cells))
    newest, opened = _limits(rule, reach)
    if rule.clock == "rolling":
        length_s = ROLLING_S[rule.period]
        begins_at = grid.first_start_at + (grid.first_period * length_s).as_interval("s")
        ends_at = grid.last_start_at + ((grid.last_period + 1) * length_s).as_interval("s")
        begun = begins_at <= _scalar(reach.newest_at)
        is_complete = (ends_at <= _scalar(reach.open_at)) & (grid.cohort_number < opened)
    else:
        begun = grid.cohort_number + grid.first_period <= newest
        is_complete = grid.cohort_number + grid.last_period < opened
    grid = grid.mutate(cohort_date=_cohort_date(grid, rule), is_complete=is_complete).filter(begun)
    return grid.select(
        *_unit(rule),
        "cohort_date",
        "cell",
        "first_period",
        "last_period",
        "visitor_count",
        "is_complete",
    )


def _cell_of(period: ir.IntegerValue, cells: Sequence[Bracket]) -> ir.IntegerValue:
    """Return the first cell that has not ended by this place; null after all of them."""
    nothing = ibis.null("int64")
    if _is_plain(cells):
        return (period < len(cells)).ifelse(period, nothing)
    return ibis.cases(
        *((period <= last, ibis.literal(n, "int64")) for n, (_, last) in enumerate(cells)),
        else_=nothing,
    )


def _end_of(cell: ir.IntegerValue, cells: Sequence[Bracket], end: int) -> ir.IntegerValue:
    """Return the first period of a cell (`end` 0), or the last one (`end` 1)."""
    if _is_plain(cells):
        return cell
    cases = ((cell == n, ibis.literal(ends[end], "int64")) for n, ends in enumerate(cells))
    return ibis.cases(*cases, else_=ibis.null("int64"))


def _is_plain(cells: Sequence[Bracket]) -> bool:
    return all(cell == (n, n) for n, cell in enumerate(cells))
