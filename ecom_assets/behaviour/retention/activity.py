"""Activity: who did what when, as retention reads it, and who starts in which cohort.

METRICS "Retention".

Activity has one row per event, or per visitor and day: who, when, whether it starts a cohort,
whether it counts as a return, and the amount paid. Cohorts and cells are counted from it in
`retention/cells.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.retention.question import RetentionQuestion
from ecom_assets.behaviour.trends.trend import NONE, shown_values, with_other
from ecom_assets.core.tables.columns import (
    EXACT,
    FIRST,
    exact_number_of,
    holds,
    label_of,
    text_of,
    with_first,
)
from ecom_assets.core.tables.conditions import EVERYTHING, Where
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import (
    Days,
    Ends,
    hour_number,
    hour_start,
    period_number,
    rows_between,
)
from ecom_assets.core.tables.portable import first_of_each


@dataclass(frozen=True)
class Hours:
    """What it takes to count by hours: the days of the data,
    and the time zone that their hours begin in.
    """

    days: Days
    timezone: str


def event_activity(
    events: ir.Table, rule: RetentionQuestion, hours: Hours | None = None
) -> ir.Table:
    """Return the activity of rows of `CleanEvents`; the amount paid is that of a purchase.

    Hours need `hours`.

    Raises:
        DefinitionError: A column of the rule is missing, or has another kind of value.
    """
    paid = (events.event_type == "purchase").ifelse(events.cart_amount, ibis.null(MONEY))
    return activity(events.mutate(amount=paid), rule, hours)


def by_period(rows: ir.Table) -> ir.Table:
    """Return activity with one row per visitor and day or hour: enough for the calendar clock.

    `is_return` is the number of returns there; `event_at`, which a breakdown needs, is the time of
    the first start.
    """
    unit = [name for name in ("visitor_id", "event_date", "hour_at") if name in rows.columns]
    more: dict[str, ir.Value] = (
        {"value": rows["value"].sum().cast(EXACT)} if "value" in rows.columns else {}
    )
    if "label" in rows.columns:
        more["event_at"] = rows.event_at.min(where=rows.is_start == 1)
    return rows.group_by(unit).agg(
        is_start=rows.is_start.max(),
        is_return=rows.is_return.sum(),
        amount=rows.amount.sum().cast(MONEY),
        **more,
    )


def starts(
    activity: ir.Table,
    rule: RetentionQuestion,
    between: Ends = (None, None),
    events: ir.Table | None = None,
) -> ir.Table:
    """Return who starts in which cohort: one row per visitor,
    or per visitor and cohort if these recur.

    Its columns are `visitor_id`, `cohort_number`, `start_date`, and as the rule needs them
    `start_at`, `start_hour` and `label`. Visitors whose first start is on a day that is not
    `between` are in no cohort. For a breakdown, `events` are the activity with one row per event,
    where `activity` has one per period.
    """
    begun = activity.filter(activity.is_start == 1)
    begun = begun.mutate(cohort_number=numbered(begun, rule))
    if rule.is_recurring:
        begun = rows_between(begun, "event_date", between)
    unit = ["visitor_id", "cohort_number"] if rule.is_recurring else ["visitor_id"]
    when = {"cohort_number": begun.cohort_number.min(), "start_date": begun.event_date.min()}
    when |= {"start_hour": begun.hour_at.min()} if rule.period == "hour" else {}
    when |= {"start_at": begun.event_at.min()} if rule.clock == "rolling" else {}
    rows = begun.group_by(unit).agg(
        **{name: value for name, value in when.items() if name not in unit}
    )
    rows = rows_between(rows, "start_date", between)
    return (
        rows.join(_labels(begun, unit, activity if events is None else events), unit)
        if rule.by
        else rows
    )


def _labels(begun: ir.Table, unit: list[str], events: ir.Table) -> ir.Table:
    """Return the `label` of the first start of each unit."""
    first_at = begun.group_by(unit).agg(event_at=begun.event_at.min())
    started = events.filter(events.is_start == 1).select(
        "visitor_id", "event_at", "event_id", "label"
    )
    firsts = started.join(first_at, ["visitor_id", "event_at"])
    # Events at one time are ordered by their ids, then by value: the label depends on no order of
    # rows.
    return first_of_each(firsts, unit, ["event_id", "label"]).select(*unit, "label")


def shown_labels(started: ir.Table, rule: RetentionQuestion) -> tuple[list[str], ir.Table]:
    """Return the values of the breakdown to show, and the starts with all others as `(other)`."""
    if not rule.by:
        return [], started
    shown = shown_values(started, "label", rule.by_columns, rule.limit)
    return shown, with_other(started, "label", shown)


def numbered(activity: ir.Table, rule: RetentionQuestion) -> ir.IntegerValue:
    """Return the number of the calendar period of each row."""
    if rule.period == "hour":
        return hour_number(activity.hour_at)
    return period_number(activity.event_date, rule.period, rule.week_start)


FIRST_START: Final = f"{FIRST}start"


def activity(rows: ir.Table, rule: RetentionQuestion, hours: Hours | None = None) -> ir.Table:
    """Return the activity of events that say in `amount` what was paid. Hours need `hours`.

    Raises:
        DefinitionError: A column of the rule is missing, or has another kind of value.
    """
    if rule.per != "user":
        rows = rows.mutate(visitor_id=text_of(rows, rule.per))
        rows = rows.filter(rows.visitor_id.notnull())
    if rule.starting == "first_ever":
        rows = with_first(rows, FIRST_START, _counts(rows, rule.start_type, EVERYTHING) == 1)
    if rule.where != EVERYTHING:
        rows = rows.filter(holds(rows, rule.where))
    is_start = _counts(rows, rule.start_type, rule.start_where)
    if FIRST_START in rows.columns:
        is_start = rows[FIRST_START].ifelse(is_start, 0).cast("int64")
    is_return = _counts(rows, rule.return_type, rule.returning_where)
    more: dict[str, ir.Value] = {}
    if rule.by:
        more |= {"event_id": rows.event_id, "label": label_of(rows, rule.by_columns, NONE)}
    if rule.sum_of:
        number = exact_number_of(rows, rule.sum_of)
        more["value"] = (is_return == 1).ifelse(number, ibis.null(EXACT))
    if hours:
        more["hour_at"] = hour_start(rows.event_at, rows.event_date, hours.days, hours.timezone)
    columns = {"is_start": is_start, "is_return": is_return, "amount": rows.amount, **more}
    return rows.select("visitor_id", "event_date", "event_at", **columns)


def _counts(rows: ir.Table, event_type: str | None, where: Where) -> ir.IntegerValue:
    """Return 1 where an event is of a type and meets conditions, else 0."""
    if event_type is None and where == EVERYTHING:
        return ibis.literal(1, "int64")
    is_of_type = ibis.literal(value=True) if event_type is None else rows.event_type == event_type
    met = is_of_type if where == EVERYTHING else is_of_type & holds(rows, where)
    return met.ifelse(1, 0).cast("int64")
