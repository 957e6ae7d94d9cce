"""Answers to custom retention: which visitors or customers come back, from events or order lines."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.events.missing_properties import missing_property_warnings
from ecom_assets.events.missing_types import Words, missing_type_warnings
from ecom_assets.retention.activity import (
    Between,
    Hours,
    by_period,
    event_activity,
    numbered,
    shown_labels,
    starts,
    within,
)
from ecom_assets.retention.cells import Reach, cells_of, members, retention, totals
from ecom_assets.retention.kernel import cohort_counts
from ecom_assets.retention.rule import MAX_HOURLY_DAYS, ROLLING_S, RetentionRule
from ecom_assets.tables.breakdown import binned_columns, open_columns, with_ends
from ecom_assets.tables.columns import ends_of
from ecom_assets.tables.days import ONE_DAY, Days, day_starts_at, period_text
from ecom_assets.tables.portable import has_kernels

ACTIVITY, STARTS, CELLS = "activity", "cohort_starts", "retention_cells"
DAY_S: Final = 86_400
Keep = Callable[[ir.Table], object]
Build = Callable[[ir.Table, RetentionRule, Hours | None], ir.Table]
"""A function such as `event_activity`."""


@dataclass(frozen=True)
class Question:
    """A retention query.

    Attributes:
        con: The engine.
        rows: The rows to look at: clean events or order lines.
        rule: The retention rule.
        timezone: The reporting time zone.
        days: At least the number of days that the rows span.
        build: How rows become activity.
        between: The first and last day on which visitors may start; earlier starts and later returns are known.
        keep: A function that receives the list of who counts in which cell.
    """

    con: SQLBackend
    rows: ir.Table
    rule: RetentionRule
    timezone: str
    days: int
    build: Build = event_activity
    between: Between = (None, None)
    keep: Keep | None = None

    @property
    def activity(self) -> ir.Table:
        """Return the activity; for hours the rows are read once more, for their days."""
        if self.rule.period != "hour":
            return self.build(self.rows, self.rule, None)
        plain = self.build(self.rows, replace(self.rule, period="day"), None)
        (span,) = plain.agg(first=plain.event_date.min(), last=plain.event_date.max()).to_pyarrow().to_pylist()
        first, last = (date(2000, 1, 1),) * 2 if span["first"] is None else (span["first"], span["last"])
        self._check_hours(self.between[0] or first, self.between[1] or last)
        return self.build(self.rows, self.rule, Hours(Days.between(first, last + ONE_DAY), self.timezone))

    def _check_hours(self, first: date, last: date) -> None:
        if (last - first).days >= MAX_HOURLY_DAYS:
            raise DefinitionError(
                f"By the hour, visitors can start on at most {MAX_HOURLY_DAYS} days, not {(last - first).days + 1}; "
                "ask for fewer days, or with another period."
            )


@dataclass(frozen=True)
class Known:
    """What is known about the data before cohorts are counted; the days are None if there are no visitors."""

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
class Counted:
    """The cells of a query: of all visitors, and by value of the breakdown."""

    known: Known
    cells: ir.Table
    by_label: ir.Table | None = None
    labels: list[str] = field(default_factory=list)


def retention_answer(question: Question, whole_until: date | None = None) -> dict[str, Any]:
    """Return `retention` as in INTERFACE for clean events, with warnings; see `answer_activity`."""
    answer = answer_activity(question, whole_until)
    return answer | {"warnings": missing_warnings(question.con, question.rows, question.rule, answer)}


def missing_warnings(
    con: SQLBackend, events: ir.Table, rule: RetentionRule, answer: Mapping[str, Any], words: Words | None = None
) -> list[str]:
    """Return a sentence for each event type and key of `properties` that the rule names and no event has."""
    of_types = missing_type_warnings(con, events, types_in_doubt(rule, answer), words)
    return [*of_types, *missing_property_warnings(con, events, rule.columns, rule.number_columns)]


def answer_activity(question: Question, whole_until: date | None = None) -> dict[str, Any]:
    """Return `retention` as in INTERFACE.

    Args:
        question: The retention query.
        whole_until: The last day whose data are complete, if known; by default, the day before the newest one.
    """
    result = _counted(question, whole_until)
    rule, known = question.rule, result.known
    definition = {**rule.to_mapping(), "timezone": question.timezone, **known.days(), **_range(question.between)}
    answer = {"definition": definition, **_answer(question, result, result.cells)}
    if result.by_label is None:
        return answer
    parts = {
        label: _answer(question, result, result.by_label.filter(result.by_label.label == label).drop("label"))
        for label in result.labels
    }
    return answer | {"breakdown": [{"value": label, **part} for label, part in parts.items()]}


def check_types(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Raise if an event type is unknown.

    Raises:
        DefinitionError: An event type is unknown; the message names the first.
    """
    names = dict.fromkeys(known)
    for name in wanted:
        if name not in names:
            raise DefinitionError(f"There is no event type {name!r} here; {did_you_mean(name, names)}.")


def types_in_doubt(rule: RetentionRule, answer: Mapping[str, Any]) -> list[str]:
    """Return the requested event types that, judging by the answer, may have no events."""
    cohorts = answer["cohorts"]
    start = [] if cohorts else [rule.start]
    returning = [] if any(any(one["returned"]) for one in cohorts) else [rule.returning]
    return [name for name in (*start, *returning) if name]


def _range(between: Between) -> dict[str, str | None]:
    """Return the days on which visitors start; nothing if all days count."""
    if between == (None, None):
        return {}
    first, last = (str(day) if day else None for day in between)
    return {"range_of": "starts", "first_date": first, "last_date": last}


def _counted(question: Question, whole_until: date | None) -> Counted:
    """Return the cells; use the kernel if it knows the question and the periods fit into it."""
    question = _with_bins(question)
    con, rule = question.con, question.rule
    quick = _by_kernel(question, whole_until) if _suits_kernel(question) else None
    if quick:
        return quick
    # All further queries read this table, so that files are read only once.
    needs_times = rule.clock == "rolling" or rule.by is not None
    wanted = question.activity if needs_times else by_period(question.activity)
    activity = con.create_table(ACTIVITY, wanted, temp=True)
    known = _known(activity, question, whole_until)
    started = con.create_table(STARTS, starts(activity, rule, question.between), temp=True)
    plain = replace(rule, by=None)
    cells = retention(activity, plain, known.period_count, known.reach, started)
    labels, named = shown_labels(started, rule)
    if question.keep:
        question.keep(_ordered(members(activity, rule, known.period_count, named)))
    # Few rows, which are read several times, and for each value.
    cells = con.create_table(CELLS, cells, temp=True)
    if not rule.by:
        return Counted(known, cells)
    by_label = retention(activity, rule, known.period_count, known.reach, named)
    return Counted(known, cells, con.create_table(f"{CELLS}_by_label", by_label, temp=True), labels)


def _with_bins(question: Question) -> Question:
    """Return the question with the edges of its bins, which are bounded by the numbers of starts in the range."""
    rule = question.rule
    if not rule.by or not binned_columns(rule.by_columns):
        return question
    ends = {}
    for column in open_columns(rule.by_columns):
        # The starts as returns, whose numbers are added up.
        of_starts = replace(rule, by=None, period="day", returning=rule.start, returning_where=rule.start_where)
        numbers = question.build(question.rows, replace(of_starts, sum_of=column), None)
        numbers = within(numbers, "event_date", question.between)
        ends[column] = ends_of(numbers, numbers["value"])
    by, limit = with_ends(rule.by_columns, rule.limit, ends)
    return replace(question, rule=replace(rule, by=by, limit=limit))


KERNEL_PERIODS: Final = ("day", "week", "month")


def _suits_kernel(question: Question) -> bool:
    rule = question.rule
    is_plain = rule.clock == "calendar" and rule.period in KERNEL_PERIODS
    is_plain = is_plain and not (rule.sum_of or rule.is_recurring or rule.at_least > 1)
    return has_kernels(question.con) and is_plain and not question.keep and question.between == (None, None)


def _by_kernel(question: Question, whole_until: date | None) -> Counted | None:
    con, rule = question.con, question.rule
    most_periods = question.days * DAY_S // ROLLING_S[rule.period] + 2
    counted = cohort_counts(con, question.activity, rule, most_periods) if has_kernels(con) else None
    if counted is None:
        return None
    known = _reached(counted.newest_date, None, counted.period_count, question, whole_until)
    known = replace(known, has_money=counted.has_money)

    def cells(rows: tuple[ir.Table, ir.Table], own: RetentionRule) -> ir.Table:
        return cells_of(*rows, own, known.period_count, known.reach)

    result = cells((counted.cohorts, counted.counts), replace(rule, by=None))
    if counted.by_label is None:
        return Counted(known, result)
    by_label = con.create_table(f"{CELLS}_by_label", cells(counted.by_label, rule), temp=True)
    return Counted(known, result, by_label, counted.labels)


def _ordered(who: ir.Table) -> ir.Table:
    labels = ["label"] if "label" in who.columns else []
    who = who.order_by("cohort_date", *labels, "visitor_id", "first_period")
    return who.rename(breakdown="label") if labels else who


def _known(activity: ir.Table, question: Question, whole_until: date | None) -> Known:
    rule = question.rule
    at = _moment(activity, rule)
    numbers = numbered(activity, rule)
    wanted = activity.agg(
        span=numbers.max() - numbers.min(),
        first_date=activity.event_date.min(),
        newest_date=activity.event_date.max(),
        newest_at=ibis.null("timestamp(6)") if at is None else at.max(),
        money=activity.amount.count(),
    )
    row = wanted.to_pyarrow().to_pylist()[0]
    if row["newest_date"] is None:
        nothing = Reach(ibis.null("date"), ibis.null("date"), ibis.null("timestamp(6)"), ibis.null("timestamp(6)"))
        return Known(None, whole_until, nothing, 1, has_money=False)
    # There are more months of 30 days than calendar months.
    more = (row["newest_date"] - row["first_date"]).days // 365 + 1 if rule.clock == "rolling" else 0
    known = _reached(row["newest_date"], row["newest_at"], row["span"] + 1 + more, question, whole_until)
    return replace(known, has_money=row["money"] > 0)


def _moment(activity: ir.Table, rule: RetentionRule) -> ir.TimestampValue | None:
    """Return the column by which the data reach further than whole days; None if days are enough."""
    if rule.clock == "rolling":
        return activity.event_at
    return activity.hour_at if rule.period == "hour" else None


def _reached(
    newest_date: date, newest_at: datetime | None, period_count: int, question: Question, whole_until: date | None
) -> Known:
    """Return how far the data reach: to the newest day, or to `whole_until` if that is later."""
    more = max((whole_until - newest_date).days, 0) if whole_until else 0
    newest_date += more * ONE_DAY
    open_date = whole_until + ONE_DAY if whole_until else newest_date
    reach = Reach(ibis.literal(newest_date, "date"), ibis.literal(open_date, "date"))
    if newest_at is not None:
        open_at = day_starts_at(open_date, question.timezone) if whole_until else newest_at
        reach = replace(reach, newest_at=_instant(max(newest_at, open_at)), open_at=_instant(open_at))
    more *= 25 if question.rule.period == "hour" else 1
    return Known(newest_date, open_date - ONE_DAY, reach, period_count + more, has_money=False)


def _instant(moment: datetime) -> ir.TimestampScalar:
    return ibis.literal(moment, "timestamp(6)")


def _answer(question: Question, result: Counted, cells: ir.Table) -> dict[str, Any]:
    rows = cells.order_by("cohort_date", "cell").to_pyarrow().to_pylist()
    sums = totals(cells).order_by("cell").to_pyarrow().to_pylist()
    has_money = result.known.has_money
    return {
        "cohorts": _cohorts(rows, question.timezone, has_money=has_money),
        "totals": [_total(row, has_money=has_money) for row in sums],
    }


def _cohorts(cells: Iterable[dict[str, Any]], timezone: str, *, has_money: bool) -> list[dict[str, Any]]:
    cohorts: dict[date, dict[str, Any]] = {}
    for cell in cells:
        values = _cell(cell, has_money=has_money)
        new = {"cohort": period_text(cell["cohort_date"], timezone), "size": int(cell["visitor_count"])}
        cohort = cohorts.setdefault(cell["cohort_date"], new | {name: [] for name in values})
        for name, value in values.items():
            cohort[name].append(value)
    return list(cohorts.values())


def _cell(cell: Mapping[str, Any], *, has_money: bool) -> dict[str, Any]:
    size, paid = int(cell["visitor_count"]), cell["cumulative_revenue_amount"]
    values: dict[str, Any] = {
        "returned": int(cell["returned_count"]),
        "complete": bool(cell["is_complete"]),
        "revenue": f"{paid:.2f}" if has_money else None,
        "lifetime_value": float(paid) / size if has_money else None,
    }
    return values | ({"sum": float(cell["cumulative_value_amount"])} if "cumulative_value_amount" in cell else {})


def _total(row: dict[str, Any], *, has_money: bool) -> dict[str, Any]:
    first, last, size = int(row["first_period"]), int(row["last_period"]), int(row["visitor_count"])
    whole = {
        "period": str(first) if first == last else f"{first}-{last}",
        "cohorts": int(row["cohort_count"]),
        "size": size,
        "returned": int(row["returned_count"]),
        "rate": row["retention_rate"],
        "revenue": f"{row['cumulative_revenue_amount']:.2f}" if has_money else None,
        "lifetime_value": row["lifetime_value"] if has_money else None,
    }
    if "cumulative_value_amount" not in row:
        return whole
    total = float(row["cumulative_value_amount"])
    return whole | {"sum": total, "sum_per_visitor": total / size if size else None}
