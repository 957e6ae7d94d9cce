"""Retention and revenue of cohorts: METRICS "Retention". The portable expression for all modes and clocks.

Activity has one row per event, or per visitor and day: who, when, whether it starts a cohort, whether it counts as a
return, and the amount paid. The platform's own table of cohorts is in `retention/cohorts.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from ecom_assets.retention.rule import ROLLING_DAYS, Bracket, RetentionRule
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.days import number_table, period_number, period_start
from ecom_assets.tables.portable import ratio, union_all

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Reach:
    """How far the data reach: the newest day, and the first day that may be incomplete.

    On the rolling clock, `newest_at` and `open_at` are the same limits as timestamps.
    """

    newest_date: ir.DateScalar
    open_date: ir.DateScalar
    newest_at: ir.TimestampScalar | None = None
    open_at: ir.TimestampScalar | None = None


def event_activity(events: ir.Table, rule: RetentionRule) -> ir.Table:
    """Return the activity of clean events; the amount paid is the amount of a purchase.

    Args:
        events: Rows of `CleanEvents`.
        rule: The rule with the event types of starts and returns.
    """
    return events.select(
        "visitor_id",
        "event_date",
        "event_at",
        is_start=_is_type(events, rule.start),
        is_return=_is_type(events, rule.returning),
        amount=(events.event_type == "purchase").ifelse(events.cart_amount, ibis.null(MONEY)),
    )


def order_activity(lines: ir.Table, rule: RetentionRule) -> ir.Table:
    """Return activity of clean order lines: a refunded line is a `refund` with a negative amount, else a `purchase`.

    Args:
        lines: Rows of `UserOrderLog`.
        rule: The rule with the types of starts and returns.
    """
    is_refund = lines.status == "refunded"
    lines = lines.mutate(event_type=is_refund.ifelse("refund", "purchase"))
    return lines.select(
        visitor_id="customer_id",
        event_date="order_date",
        event_at="ordered_at",
        is_start=_is_type(lines, rule.start),
        is_return=_is_type(lines, rule.returning),
        amount=is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(MONEY),
    )


def by_day(rows: ir.Table) -> ir.Table:
    """Return activity with one row per visitor and day, without times: enough for the calendar clock."""
    return rows.group_by("visitor_id", "event_date").agg(
        is_start=rows.is_start.max(), is_return=rows.is_return.max(), amount=rows.amount.sum().cast(MONEY)
    )


def retention(activity: ir.Table, rule: RetentionRule, period_count: int, reach: Reach) -> ir.Table:
    """Return one row per non-empty cohort and per cell that has begun for it.

    Args:
        activity: The activity; `event_at` is needed on the rolling clock only.
        rule: The retention rule.
        period_count: At least the number of periods that the data cover, 1 or more.
        reach: How far the data reach.

    Returns:
        `cohort_date` (first day of the cohort's period), `cell` from 0, its `first_period` and `last_period`,
        `visitor_count`, `returned_count`, `is_complete`, `revenue_amount` (paid since the cell before) and
        `cumulative_revenue_amount`.
    """
    starts = _starts(activity, rule)
    counts = counted(_visits(activity, starts, rule), rule.cells(period_count), rule.mode)
    return cells_of(_cohorts(starts, rule), counts, rule, period_count, reach)


def cells_of(cohorts: ir.Table, counts: ir.Table, rule: RetentionRule, period_count: int, reach: Reach) -> ir.Table:
    """Return the rows of `retention` from cohorts and counts that were computed before.

    Args:
        cohorts: cohort_number, visitor_count and start_date, the first day on which a visitor of the cohort started; on
            the rolling clock also first_start_at and last_start_at.
        counts: Rows of `counted`.
        rule: The retention rule.
        period_count: As for `retention`.
        reach: How far the data reach.
    """
    rows = filled_grid(_grid(cohorts, rule.cells(period_count), rule, reach), counts, ["cohort_number"])
    returned = rows.on_or_after_count if rule.mode == "on_or_after" else rows.on_count
    return rows.mutate(returned_count=returned).drop("on_count", "on_or_after_count", "cohort_number")


def totals(rows: ir.Table) -> ir.Table:
    """Return one row per cell, over the cohorts that are complete there; incomplete cohorts do not count.

    Args:
        rows: Rows of `retention`.

    Returns:
        `cell`, `cohort_count`, `visitor_count`, `returned_count`, `retention_rate`, `cumulative_revenue_amount` and
        `lifetime_value`, which is revenue per visitor; rates and values are null if no cohort is complete.
    """
    whole, nothing = rows.is_complete, ibis.literal(0, MONEY)
    sums = rows.group_by("cell", "first_period", "last_period").agg(
        cohort_count=whole.ifelse(1, 0).sum(),
        visitor_count=whole.ifelse(rows.visitor_count, 0).sum(),
        returned_count=whole.ifelse(rows.returned_count, 0).sum(),
        cumulative_revenue_amount=whole.ifelse(rows.cumulative_revenue_amount, nothing).sum().cast(MONEY),
    )
    return sums.mutate(
        retention_rate=ratio(sums.returned_count, sums.visitor_count),
        lifetime_value=ratio(sums.cumulative_revenue_amount, sums.visitor_count),
    )


def counted(visits: ir.Table, cells: Sequence[Bracket], mode: str) -> ir.Table:
    """Return the number of returning visitors and the revenue per cohort and cell.

    Args:
        visits: visitor_id, cohort_number, place (periods since the start), is_return and amount.
        cells: The first and last period of each cell.
        mode: As in `RetentionRule`.

    Returns:
        cohort_number, cell, on_count, last_count (visitors whose last return is in the cell) and revenue_amount.
    """
    visits = visits.mutate(cell=_cell_of(visits.place, cells))
    paid = visits.filter(visits.cell.notnull(), visits.amount.notnull())
    came = visits.filter(visits.is_return == 1)
    if mode == "on_or_after":
        came = came.group_by("cohort_number", "visitor_id").agg(cell=came.cell.fill_null(len(cells) - 1).max())
    else:
        came = came.filter(came.cell.notnull())
        if mode == "bracket":
            came = came.filter(came.place >= _first_of(came.cell, cells))
        came = came.select("cohort_number", "visitor_id", "cell").distinct()
    one, none, nothing = (ibis.literal(1, "int64"), ibis.literal(0, "int64"), ibis.literal(0, MONEY))
    is_last = mode == "on_or_after"
    counts = {"on_count": none if is_last else one, "last_count": one if is_last else none}
    both = union_all(
        came.select("cohort_number", "cell", **counts, revenue_amount=nothing),
        paid.select("cohort_number", "cell", on_count=none, last_count=none, revenue_amount=paid.amount.cast(MONEY)),
    )
    return both.group_by("cohort_number", "cell").agg(
        on_count=both.on_count.sum(),
        last_count=both.last_count.sum(),
        revenue_amount=both.revenue_amount.sum().cast(MONEY),
    )


def filled_grid(grid: ir.Table, counts: ir.Table, unit: Sequence[str]) -> ir.Table:
    """Return each cell of a grid with its counts, zero if nobody came, and cumulative sums.

    Args:
        grid: One row per cohort and cell.
        counts: The on_count, last_count and revenue_amount of some cells.
        unit: The columns that identify a cohort.

    Returns:
        The grid with on_count, on_or_after_count (last_count of this cell and all after it), revenue_amount and
        cumulative_revenue_amount.
    """
    nothing = ibis.literal(0, MONEY)
    joined = grid.left_join(counts, [*unit, "cell"])
    rows = joined.select(
        grid,
        on_count=counts.on_count.fill_null(0).cast("int64"),
        last_count=counts.last_count.fill_null(0).cast("int64"),
        revenue_amount=counts.revenue_amount.fill_null(nothing).cast(MONEY),
    )
    until = ibis.cumulative_window(group_by=unit, order_by="cell")
    since = ibis.cumulative_window(group_by=unit, order_by=ibis.desc("cell"))
    return rows.mutate(
        on_or_after_count=rows.last_count.sum().over(since).cast("int64"),
        cumulative_revenue_amount=rows.revenue_amount.sum().over(until).cast(MONEY),
    ).drop("last_count")


def cell_table(cells: Sequence[Bracket]) -> ir.Table:
    """Return the cells as rows: `cell`, `first_period`, `last_period`."""
    numbers = number_table(len(cells))
    numbers = numbers.select(cell=numbers.number)
    return numbers.mutate(first_period=_first_of(numbers.cell, cells), last_period=_last_of(numbers.cell, cells))


def _is_type(events: ir.Table, event_type: str | None) -> ir.IntegerValue:
    if event_type is None:
        return ibis.literal(1, "int64")
    return (events.event_type == event_type).ifelse(1, 0).cast("int64")


def _starts(activity: ir.Table, rule: RetentionRule) -> ir.Table:
    """Return one row per visitor who started: when, and in which period."""
    begun = activity.filter(activity.is_start == 1)
    when = {"start_date": begun.event_date.min()}
    if rule.clock == "rolling":
        when["start_at"] = begun.event_at.min()
    starts = begun.group_by("visitor_id").agg(**when)
    return starts.mutate(cohort_number=period_number(starts.start_date, rule.period, rule.week_start))


def _visits(activity: ir.Table, starts: ir.Table, rule: RetentionRule) -> ir.Table:
    """Return the activity from each visitor's start on, with its `place`: the number of periods since the start."""
    joined = activity.join(starts, "visitor_id")
    if rule.clock == "rolling":
        joined = joined.filter(joined.event_at >= joined.start_at)
        elapsed_us = joined.event_at.delta(joined.start_at, unit="microsecond").cast("int64")
        place = (elapsed_us // (ROLLING_DAYS[rule.period] * DAY_US)).cast("int64")
    else:
        place = period_number(joined.event_date, rule.period, rule.week_start) - joined.cohort_number
    visits = joined.select("visitor_id", "cohort_number", "is_return", "amount", place=place)
    return visits.filter(visits.place >= 0)


def _cohorts(starts: ir.Table, rule: RetentionRule) -> ir.Table:
    when = {"start_date": starts.start_date.min()}
    if rule.clock == "rolling":
        when |= {"first_start_at": starts.start_at.min(), "last_start_at": starts.start_at.max()}
    return starts.group_by("cohort_number").agg(visitor_count=starts.count(), **when)


def _grid(cohorts: ir.Table, cells: Sequence[Bracket], rule: RetentionRule, reach: Reach) -> ir.Table:
    grid = cohorts.cross_join(cell_table(cells))
    newest, opened = (period_number(day, rule.period, rule.week_start) for day in (reach.newest_date, reach.open_date))
    if rule.clock == "rolling":
        length_s = ROLLING_DAYS[rule.period] * 86_400
        begins_at = grid.first_start_at + (grid.first_period * length_s).as_interval("s")
        ends_at = grid.last_start_at + ((grid.last_period + 1) * length_s).as_interval("s")
        begun, is_complete = begins_at <= reach.newest_at, (ends_at <= reach.open_at) & (grid.cohort_number < opened)
    else:
        begun = grid.cohort_number + grid.first_period <= newest
        is_complete = grid.cohort_number + grid.last_period < opened
    grid = grid.mutate(
        cohort_date=period_start(grid.start_date, rule.period, rule.week_start), is_complete=is_complete
    ).filter(begun)
    return grid.select(
        "cohort_number", "cohort_date", "cell", "first_period", "last_period", "visitor_count", "is_complete"
    )


def _cell_of(place: ir.IntegerValue, cells: Sequence[Bracket]) -> ir.IntegerValue:
    """Return the first cell that has not ended by this place; null after all of them."""
    nothing = ibis.null("int64")
    if _is_plain(cells):
        return (place < len(cells)).ifelse(place, nothing)
    return ibis.cases(*((place <= last, ibis.literal(n, "int64")) for n, (_, last) in enumerate(cells)), else_=nothing)


def _first_of(cell: ir.IntegerValue, cells: Sequence[Bracket]) -> ir.IntegerValue:
    return cell if _is_plain(cells) else _looked_up(cell, [first for first, _ in cells])


def _last_of(cell: ir.IntegerValue, cells: Sequence[Bracket]) -> ir.IntegerValue:
    return cell if _is_plain(cells) else _looked_up(cell, [last for _, last in cells])


def _looked_up(cell: ir.IntegerValue, values: Sequence[int]) -> ir.IntegerValue:
    cases = ((cell == n, ibis.literal(value, "int64")) for n, value in enumerate(values))
    return ibis.cases(*cases, else_=ibis.null("int64"))


def _is_plain(cells: Sequence[Bracket]) -> bool:
    return all(one == (n, n) for n, one in enumerate(cells))
