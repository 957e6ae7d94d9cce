"""Counting custom retention: which visitors or customers come back, from events or order lines,
and who they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.behaviour.events.missing import (
    SourceNames,
    missing_property_warnings,
    missing_type_warnings,
)
from ecom_assets.behaviour.retention.activity import (
    Hours,
    by_period,
    event_activity,
    numbered,
    shown_labels,
    starts,
)
from ecom_assets.behaviour.retention.cells import Reach, members, retention, totals
from ecom_assets.behaviour.retention.question import MAX_HOURLY_DAYS, RetentionQuestion
from ecom_assets.behaviour.trends.trend import has_no_values
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.columns import ends_of
from ecom_assets.core.tables.conditions import EVERYTHING, has_negation
from ecom_assets.core.tables.days import (
    ONE_DAY,
    Days,
    Ends,
    day_starts_at,
    days_definition,
    period_text,
    rows_between,
    utc_without_zone,
)
from ecom_assets.core.tables.portable import count_of, rows_of, stored
from ecom_assets.core.tables.values import binned_columns, open_columns, with_ends

ACTIVITY, STARTS, CELLS = "activity", "cohort_starts", "retention_cells"
Keep = Callable[[Any], object]
Build = Callable[[Any, RetentionQuestion, Hours | None], Any]
"""A function such as `event_activity`."""


@dataclass(frozen=True)
class RetentionQuery:
    """A retention query.

    Attributes:
        con: The engine.
        rows: The rows to look at: clean events or order lines.
        rule: The retention rule.
        timezone: The reporting time zone.
        build: How rows become activity.
        between: The first and last day on which visitors may start; earlier starts and later
            returns are known.
        keep: A function that receives the list of who counts in which cell.
    """

    con: SQLBackend
    rows: ir.Table
    rule: RetentionQuestion
    timezone: str
    build: Build = event_activity
    between: Ends = (None, None)
    keep: Keep | None = None

    @property
    def activity(self) -> ir.Table:
        """Return the activity; for hours the rows are read once more, for their days."""
        if self.rule.period != "hour":
            return self.build(self.rows, self.rule, None)
        plain = self.build(self.rows, self.rule.changed(period="day"), None)
        (span,) = rows_of(plain.agg(first=plain.event_date.min(), last=plain.event_date.max()))
        first, last = (
            (date(2000, 1, 1),) * 2 if span["first"] is None else (span["first"], span["last"])
        )
        self._check_hours(self.between[0] or first, self.between[1] or last)
        hours = Hours(Days.between(first, last + ONE_DAY), self.timezone)
        return self.build(self.rows, self.rule, hours)

    def _check_hours(self, first: date, last: date) -> None:
        if (last - first).days >= MAX_HOURLY_DAYS:
            raise DefinitionError(
                f"By the hour, visitors can start on at most {MAX_HOURLY_DAYS} days, not "
                f"{(last - first).days + 1}; ask for fewer days, or with another period."
            )


@dataclass(frozen=True)
class DataExtent:
    """What is known about the data before cohorts are counted;
    the days are None if there are no visitors.
    """

    newest_date: date | None
    whole_until: date | None
    reach: Reach
    period_count: int
    has_money: bool

    def days(self) -> dict[str, str | None]:
        """Return the days as text for JSON."""
        ends = {"newest_date": self.newest_date, "whole_until_date": self.whole_until}
        return {name: str(day) if day else None for name, day in ends.items()}


@dataclass(frozen=True)
class RetentionCells:
    """The cells of a query: of all visitors, and by value of the breakdown."""

    extent: DataExtent
    cells: ir.Table
    by_label: ir.Table | None = None
    labels: list[str] = field(default_factory=list)


def retention_answer(
    question: RetentionQuery,
    whole_until: date | None = None,
    source_names: SourceNames | None = None,
) -> Answer:
    """Return `retention` as in INTERFACE for clean events, with warnings; see `answer_activity`."""
    answer = answer_activity(question, whole_until)
    return answer | {"warnings": _missing_warnings(question, answer, source_names)}


def _missing_warnings(
    question: RetentionQuery, answer: NamedValues, source_names: SourceNames | None
) -> list[str]:
    """Return a sentence for each event type and key of `properties` that the
    rule names and no event has.
    """
    con, events, rule = question.con, question.rows, question.rule
    of_types = missing_type_warnings(con, events, types_in_doubt(rule, answer), source_names)
    if not _is_bare(rule, answer):
        return of_types
    return [*of_types, *missing_property_warnings(con, events, rule.columns, rule.number_columns)]


def answer_activity(question: RetentionQuery, whole_until: date | None = None) -> Answer:
    """Return `retention` as in INTERFACE.

    Args:
        question: The retention query.
        whole_until: The last day whose data are complete, if known; by default, the day before the
            newest one.
    """
    result = _counted(question, whole_until)
    rule, extent = question.rule, result.extent
    definition = {**rule.to_mapping(), "timezone": question.timezone, **extent.days()}
    if question.between != (None, None):
        definition |= {"range_of": "starts", **days_definition(question.between)}
    answer = {"definition": definition, **_answer(question, result, result.cells)}
    if result.by_label is None:
        return answer
    by_label = result.by_label
    parts = [
        {
            "value": label,
            **_answer(question, result, by_label.filter(by_label.label == label).drop("label")),
        }
        for label in result.labels
    ]
    return answer | {"breakdown": parts}


def check_types(wanted: Iterable[str], types: Iterable[str]) -> None:
    """Raise `DefinitionError` for an unknown event type; the message names the first."""
    names = dict.fromkeys(types)
    for name in wanted:
        if name not in names:
            raise DefinitionError(
                f"There is no event type {name!r} here; {did_you_mean(name, names)}."
            )


def types_in_doubt(rule: RetentionQuestion, answer: NamedValues) -> list[str]:
    """Return the requested event types that, judging by the answer, may have no events."""
    cohorts = answer["cohorts"]
    start = [] if cohorts else [rule.start_type]
    returning = [] if any(any(cohort["returned"]) for cohort in cohorts) else [rule.return_type]
    return [name for name in (*start, *returning) if name]


def _is_bare(rule: RetentionQuestion, answer: NamedValues) -> bool:
    """Return whether a key of `properties` may be missing: nobody starts or returns,
    or what counts has no value.
    """
    cohorts = answer["cohorts"]
    has_returns = any(any(cohort["returned"]) for cohort in cohorts)
    has_sum = rule.sum_of is None or any(any(cohort["sum"]) for cohort in cohorts)
    if not (has_returns and has_sum) or any(
        map(has_negation, (rule.where, rule.start_where, rule.returning_where))
    ):
        return True
    return has_no_values(part["value"] for part in answer.get("breakdown", ()))


def _counted(question: RetentionQuery, whole_until: date | None) -> RetentionCells:
    question = _with_bins(question)
    con, rule = question.con, question.rule
    rows = question.activity
    # Further queries read this table, so that files are read only once.
    is_rolling = rule.clock == "rolling"
    activity = stored(con, ACTIVITY, rows if is_rolling else by_period(rows))
    extent = _extent(activity, question, whole_until)
    length, reach = extent.period_count, extent.reach
    started = stored(
        con, STARTS, starts(activity, rule, question.between, None if is_rolling else rows)
    )
    labels, labelled = shown_labels(started, rule)
    if question.keep:
        question.keep(_ordered(members(activity, rule, length, labelled)))
    # Few rows, which are read several times, and for each value.
    cells = stored(con, CELLS, retention(activity, rule.changed(by=None), length, reach, started))
    if not rule.by:
        return RetentionCells(extent, cells)
    by_label = stored(con, f"{CELLS}_by_label", retention(activity, rule, length, reach, labelled))
    return RetentionCells(extent, cells, by_label, labels)


def _with_bins(question: RetentionQuery) -> RetentionQuery:
    """Return the question with the edges of its bins,
    which are bounded by the numbers of starts in the range.
    """
    rule = question.rule
    if not rule.by or not binned_columns(rule.by_columns):
        return question
    ends = {}
    for column in open_columns(rule.by_columns):
        # The starts as returns, whose numbers are added up.
        of_starts = rule.changed(
            by=None, period="day", returning=rule.start, returning_where=rule.start_where
        )
        numbers = question.build(question.rows, of_starts.changed(sum_of=column), None)
        ends[column] = ends_of(rows_between(numbers, "event_date", question.between), "value")
    by, limit = with_ends(rule.by_columns, rule.limit, ends)
    return replace(question, rule=rule.changed(by=by, limit=limit))


def _ordered(visitors: ir.Table) -> ir.Table:
    labels = ["label"] if "label" in visitors.columns else []
    visitors = visitors.order_by("cohort_date", *labels, "visitor_id", "first_period")
    return visitors.rename(breakdown="label") if labels else visitors


def extent_of(activity: ir.Table, rule: RetentionQuestion) -> ir.Table:
    """Return how far activity reaches: its periods, days and newest time,
    and how much of it paid, as a row.
    """
    # On the rolling clock, and by hours, whole days are not enough.
    hour_at = activity.hour_at if rule.period == "hour" else None
    at = activity.event_at if rule.clock == "rolling" else hour_at
    numbers = numbered(activity, rule)
    return activity.agg(
        span=numbers.max() - numbers.min(),
        first_date=activity.event_date.min(),
        newest_date=activity.event_date.max(),
        newest_at=ibis.null("timestamp(6)") if at is None else at.max(),
        money=activity.amount.count(),
    )


def _extent(activity: ir.Table, question: RetentionQuery, whole_until: date | None) -> DataExtent:
    rule = question.rule
    (row,) = rows_of(extent_of(activity, rule))
    if row["newest_date"] is None:
        return DataExtent(None, whole_until, Reach(None, None), 1, has_money=False)
    row |= {**(_of_all_rows(question) or {}), "money": row["money"]}
    # There are more months of 30 days than calendar months.
    more = (
        (row["newest_date"] - row["first_date"]).days // 365 + 1 if rule.clock == "rolling" else 0
    )
    extent = _reached(
        row["newest_date"], row["newest_at"], row["span"] + 1 + more, question, whole_until
    )
    return replace(extent, has_money=row["money"] > 0)


def _of_all_rows(question: RetentionQuery) -> Answer | None:
    """Return `extent_of` all rows, which say how far the data reach;
    None if the rule looks at all of them.
    """
    rule = question.rule
    if rule.where == EVERYTHING and rule.per == "user":
        return None
    plain = rule.changed(where=EVERYTHING, per="user", starting="first_time", by=None, sum_of=None)
    (row,) = rows_of(extent_of(replace(question, rule=plain).activity, plain))
    return row


def _reached(
    newest_date: date,
    newest_at: datetime | None,
    period_count: int,
    question: RetentionQuery,
    whole_until: date | None,
) -> DataExtent:
    """Return how far the data reach: to the newest day, or to `whole_until` if that is later."""
    more = max((whole_until - newest_date).days, 0) if whole_until else 0
    newest_date += more * ONE_DAY
    open_date = whole_until + ONE_DAY if whole_until else newest_date
    reach = Reach(newest_date, open_date)
    if newest_at is not None:
        open_at = day_starts_at(open_date, question.timezone) if whole_until else newest_at
        reach = replace(reach, newest_at=max(newest_at, open_at), open_at=open_at)
    more *= 25 if question.rule.period == "hour" else 1
    return DataExtent(newest_date, open_date - ONE_DAY, reach, period_count + more, has_money=False)


def _answer(question: RetentionQuery, result: RetentionCells, cells: ir.Table) -> Answer:
    rows = rows_of(cells.order_by("cohort_date", "cell"))
    sums = rows_of(totals(cells).order_by("cell"))
    has_money = result.extent.has_money
    return {
        "cohorts": _cohorts(rows, question.timezone, has_money=has_money),
        "totals": [_total(row, has_money=has_money) for row in sums],
    }


def _cohorts(cells: Iterable[Row], timezone: str, *, has_money: bool) -> list[Row]:
    cohorts: dict[date, Row] = {}
    for cell in cells:
        values = _cell(cell, has_money=has_money)
        new = {
            "cohort": period_text(cell["cohort_date"], timezone),
            "size": int(cell["visitor_count"]),
        }
        cohort = cohorts.setdefault(cell["cohort_date"], new | {name: [] for name in values})
        for name, value in values.items():
            cohort[name].append(value)
    return list(cohorts.values())


def _cell(cell: NamedValues, *, has_money: bool) -> Row:
    size, paid = int(cell["visitor_count"]), cell["cumulative_revenue_amount"]
    values: Row = {
        "returned": int(cell["returned_count"]),
        "complete": bool(cell["is_complete"]),
        "revenue": paid if has_money else None,
        "lifetime_value": float(paid) / size if has_money else None,
    }
    return values | (
        {"sum": float(cell["cumulative_value_amount"])} if "cumulative_value_amount" in cell else {}
    )


def _total(row: Row, *, has_money: bool) -> Row:
    first, last, size = int(row["first_period"]), int(row["last_period"]), int(row["visitor_count"])
    whole = {
        "period": str(first) if first == last else f"{first}-{last}",
        "cohorts": int(row["cohort_count"]),
        "size": size,
        "returned": int(row["returned_count"]),
        "rate": row["retention_rate"],
        "revenue": row["cumulative_revenue_amount"] if has_money else None,
        "lifetime_value": row["lifetime_value"] if has_money else None,
    }
    if "cumulative_value_amount" not in row:
        return whole
    total = float(row["cumulative_value_amount"])
    return whole | {"sum": total, "sum_per_visitor": total / size if size else None}


@dataclass(frozen=True)
class CellList:
    """Which list: of a cohort and one of its periods, at most so many.

    Attributes:
        cohort: The cohort, as an answer names it.
        period: The period or bracket, as an answer names it; None for all visitors of the cohort.
        limit: The most visitors to list.
        has_returned: Whether those who came back are listed, or those who did not.
        value: The value of the breakdown; None for all.
        take: What takes all of them, as an expression; the answer then lists none.
    """

    cohort: str
    period: str | None
    limit: int
    has_returned: bool = True
    value: str | None = None
    take: Callable[[ir.Table], object] | None = None


def who_answer(
    question: RetentionQuery, listed: CellList, whole_until: date | None = None
) -> Answer:
    """Return the visitors in a cell, in order, and how many they are.

    Raises:
        DefinitionError: There is no such cohort, period or value.
    """
    member_tables: list[ir.Table] = []
    answer = answer_activity(replace(question, keep=member_tables.append), whole_until)
    _check_cell(answer, listed)
    (members,) = member_tables
    # An hour is known by its time in UTC, other periods by their first day.
    at = datetime.fromisoformat(listed.cohort)
    start = utc_without_zone(at) if question.rule.period == "hour" else at.date()
    members = members.filter(members.cohort_date == ibis.literal(start, members.cohort_date.type()))
    if listed.value is not None:
        members = members.filter(members.breakdown == listed.value)
    if listed.period is not None:
        first, _, last = listed.period.partition("-")
        returned = members.filter(
            members.first_period == int(first), members.last_period == int(last or first)
        )
        members = returned if listed.has_returned else members.anti_join(returned, "visitor_id")
    visitors = members.select("visitor_id").distinct().order_by("visitor_id")
    if listed.take:
        listed.take(visitors)
    return {
        "definition": answer["definition"],
        "cohort": listed.cohort,
        "period": listed.period,
        "count": count_of(visitors),
        "who": [] if listed.take else rows_of(visitors.limit(listed.limit)),
    }


def _check_cell(answer: NamedValues, listed: CellList) -> None:
    if listed.value is not None and "breakdown" not in answer:
        raise DefinitionError(
            "`value` is one of a breakdown, and `by` names none; give `by`, or leave `value` out."
        )
    parts = {part["value"]: part for part in answer.get("breakdown", ())}
    if listed.value is not None and listed.value not in parts:
        raise DefinitionError(
            f"No value {listed.value!r} stands by itself; {did_you_mean(listed.value, parts)}."
        )
    part = answer if listed.value is None else parts[listed.value]
    cohorts = {cohort["cohort"]: cohort for cohort in part["cohorts"]}
    if listed.cohort not in cohorts:
        raise DefinitionError(
            f"There is no cohort {listed.cohort!r}; {did_you_mean(listed.cohort, cohorts)}."
        )
    names = [total["period"] for total in part["totals"]]
    begun = names[: len(cohorts[listed.cohort]["returned"])]
    if listed.period is not None and listed.period not in begun:
        raise DefinitionError(
            f"The cohort {listed.cohort} has no period {listed.period!r}; "
            f"{did_you_mean(listed.period, begun)}."
        )
