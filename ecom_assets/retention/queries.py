"""Queries about retention: the cohorts of the platform, and custom retention."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal

import ibis
import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.events.missing_types import missing_type_warnings
from ecom_assets.retention.cells import Reach, by_day, cells_of, event_activity, retention, totals
from ecom_assets.retention.contracts import RetentionCohorts
from ecom_assets.retention.kernel import BITS, tally
from ecom_assets.retention.rule import ROLLING_DAYS, RetentionRule
from ecom_assets.sessions.contracts import SessionEvents
from ecom_assets.tables.days import ONE_DAY, day_starts_at, period_number
from ecom_assets.tables.portable import has_kernels
from ecom_assets.tables.queries import DECIMALS, Extent, Page, Reading, Row, page_of


def retention_answer(
    con: SQLBackend, events: ir.Table, rule: RetentionRule, extent: Extent, timezone: str
) -> dict[str, Any]:
    """Return `retention` as in INTERFACE, for some events that `con` can read."""
    first, last = extent.first_date, extent.last_date
    days = (last - first).days + 1 if first and last else 0
    answer = answer_activity(Question(con, event_activity(events, rule), rule, timezone, days))
    return answer | {"warnings": missing_type_warnings(con, events, types_in_doubt(rule, answer))}


ACTIVITY = "activity"


@dataclass(frozen=True)
class Question:
    """A retention query: the activity, its engine and the rule; `days` is the number of days that the data span."""

    con: SQLBackend
    activity: ir.Table
    rule: RetentionRule
    timezone: str
    days: int


def answer_activity(question: Question, whole_until: date | None = None) -> dict[str, Any]:
    """Return `retention` as in INTERFACE.

    Args:
        question: The retention query.
        whole_until: The last day whose data are complete, if known; by default, the day before the newest one.
    """
    known, found = _cells(question, whole_until)
    cells = found.order_by("cohort_date", "cell").to_pyarrow().to_pylist()
    sums = totals(found).order_by("cell").to_pyarrow().to_pylist()
    return {
        "definition": {**question.rule.to_mapping(), "timezone": question.timezone, **known.days()},
        "cohorts": _cohorts(cells, has_money=known.has_money),
        "totals": [_total(row, has_money=known.has_money) for row in sums],
    }


def check_types(asked: Iterable[str], known: Iterable[str]) -> None:
    """Raise if an event type is unknown.

    Raises:
        DefinitionError: An event type is unknown; the message names the first.
    """
    names = dict.fromkeys(known)
    for name in asked:
        if name not in names:
            raise DefinitionError(f"There is no event type {name!r} here; {did_you_mean(name, names)}.")


def types_in_doubt(rule: RetentionRule, answer: Mapping[str, Any]) -> list[str]:
    """Return the requested event types that, judging by the answer, may have no events."""
    cohorts = answer["cohorts"]
    start = [] if cohorts else [rule.start]
    returning = [] if any(any(one["returned"]) for one in cohorts) else [rule.returning]
    return [name for name in (*start, *returning) if name]


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
        told = {"newest_date": self.newest_date, "whole_until_date": self.whole_until}
        return {name: str(day) if day else None for name, day in told.items()}


def _cells(question: Question, whole_until: date | None) -> tuple[Known, ir.Table]:
    """Return what is known about the data, and the rows of `retention`; use the kernel if the periods fit into it."""
    con, rule = question.con, question.rule
    fits = question.days < BITS * ROLLING_DAYS[rule.period]
    is_kernel_s = has_kernels(con) and fits and rule.clock == "calendar"
    counted = tally(con, question.activity, rule) if is_kernel_s else None
    if counted is not None:
        known = _reached(counted.newest_date, None, counted.period_count, question, whole_until)
        for name, rows in (("cohorts", counted.cohorts), ("counts", counted.counts)):
            con.con.register(name, rows)
        cells = cells_of(con.table("cohorts"), con.table("counts"), rule, known.period_count, known.reach)
        return replace(known, has_money=counted.has_money), cells
    # All further queries read this table, so that files are read only once.
    asked = question.activity if rule.clock == "rolling" else by_day(question.activity)
    activity = con.create_table(ACTIVITY, asked, temp=True)
    known = _known(activity, question, whole_until)
    return known, retention(activity, rule, known.period_count, known.reach)


def _known(activity: ir.Table, question: Question, whole_until: date | None) -> Known:
    rule, is_rolling = question.rule, question.rule.clock == "rolling"
    numbers = period_number(activity.event_date, rule.period, rule.week_start)
    asked = activity.agg(
        span=numbers.max() - numbers.min(),
        first_date=activity.event_date.min(),
        newest_date=activity.event_date.max(),
        newest_at=activity.event_at.max() if is_rolling else ibis.null("timestamp(6)"),
        money=activity.amount.count(),
    )
    row = asked.to_pyarrow().to_pylist()[0]
    if row["newest_date"] is None:
        nothing = Reach(ibis.null("date"), ibis.null("date"), ibis.null("timestamp(6)"), ibis.null("timestamp(6)"))
        return Known(None, whole_until, nothing, 1, has_money=False)
    # There are more months of 30 days than calendar months.
    more = (row["newest_date"] - row["first_date"]).days // 365 + 1 if is_rolling else 0
    known = _reached(row["newest_date"], row["newest_at"], row["span"] + 1 + more, question, whole_until)
    return replace(known, has_money=row["money"] > 0)


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
    return Known(newest_date, open_date - ONE_DAY, reach, period_count + more, has_money=False)


def _instant(moment: datetime) -> ir.TimestampScalar:
    return ibis.literal(moment, "timestamp(6)")


def _cohorts(cells: Iterable[dict[str, Any]], *, has_money: bool) -> list[dict[str, Any]]:
    lists: tuple[str, ...] = ("returned", "complete", "revenue", "lifetime_value")
    cohorts: dict[date, dict[str, Any]] = {}
    for cell in cells:
        size, paid = int(cell["visitor_count"]), cell["cumulative_revenue_amount"]
        new = {"cohort": str(cell["cohort_date"]), "size": size, **{name: [] for name in lists}}
        cohort = cohorts.setdefault(cell["cohort_date"], new)
        cohort["returned"].append(int(cell["returned_count"]))
        cohort["complete"].append(bool(cell["is_complete"]))
        cohort["revenue"].append(f"{paid:.2f}" if has_money else None)
        cohort["lifetime_value"].append(float(paid) / size if has_money else None)
    return list(cohorts.values())


def _total(row: dict[str, Any], *, has_money: bool) -> dict[str, Any]:
    first, last = int(row["first_period"]), int(row["last_period"])
    return {
        "period": str(first) if first == last else f"{first}-{last}",
        "cohorts": int(row["cohort_count"]),
        "size": int(row["visitor_count"]),
        "returned": int(row["returned_count"]),
        "rate": row["retention_rate"],
        "revenue": f"{row['cumulative_revenue_amount']:.2f}" if has_money else None,
        "lifetime_value": row["lifetime_value"] if has_money else None,
    }


CohortsBy = Literal["first_activity", "first_purchase"]
Length = Literal["day", "week", "month"]
COLUMNS: Final = tuple(name for name in RetentionCohorts.columns if name not in {"cohort_by", "period"})
DEFINITION: Final = {name: one.description for name, one in RetentionCohorts.columns.items()} | {
    "cohorts": "A row per cohort and period since its start, of all time, in this order",
}


def cohorts(reading: Reading, cohort_by: CohortsBy, period: Length, page: Page) -> dict[str, Any]:
    """Return cohorts by their start, each period by period, and how many rows there are."""
    table = reading.table(RetentionCohorts)
    rows = table.filter(table.cohort_by == cohort_by, table.period == period).select(*COLUMNS)
    found, total = page_of(reading, rows, ["cohort_date", "period_number"], page)
    return {"cohort_by": cohort_by, "period": period, "total_count": total, "cohorts": [_rounded(row) for row in found]}


def _rounded(row: Row) -> Row:
    return {name: round(value, DECIMALS) if isinstance(value, float) else value for name, value in row.items()}


TOLD_PERIODS: Final[Mapping[Length, tuple[int, ...]]] = {"day": (1, 7, 30), "week": (1, 4, 12), "month": (1, 3, 6)}
"""The days, weeks and months for which `retention_totals` reports retention."""


def retention_totals(reading: Reading) -> dict[str, list[dict[str, Any]]]:
    """Return the retention of new visitors after some days, weeks and months, over all cohorts that are complete there.

    The lifetime value is null if no purchase event has an amount.
    """
    has_money = _has_purchase_amounts(reading)
    rows = reading.table(RetentionCohorts)
    rows = rows.filter(rows.cohort_by == "first_activity", rows.is_complete)
    sums = rows.group_by("period", "period_number").agg(
        size=rows.visitor_count.sum(),
        returned=rows.returned_on_count.sum(),
        revenue=rows.cumulative_revenue_amount.sum(),
    )
    found = {(row["period"], int(row["period_number"])): row for row in reading.state(sums)}
    return {
        period: [_whole_cohorts(n, found[period, n], has_money=has_money) for n in told if (period, n) in found]
        for period, told in TOLD_PERIODS.items()
    }


def _has_purchase_amounts(reading: Reading) -> bool:
    events = reading.table(SessionEvents)
    paid = events.filter(events.event_type == "purchase", events.cart_amount.notnull())
    return bool(reading.state(paid.select("event_id").limit(1)))


def _whole_cohorts(number: int, row: Row, *, has_money: bool) -> dict[str, Any]:
    size, returned = int(row["size"]), int(row["returned"])
    return {
        "period": number,
        "size": size,
        "returned": returned,
        "rate": returned / size,
        "lifetime_value": float(row["revenue"]) / size if has_money else None,
    }
