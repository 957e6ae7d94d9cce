"""`ecom retention`: cohorts over files of events or orders. Not here: what retention is (`transforms/retention.py`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.cli.file_events import FileEvents
from ecom_assets.cli.file_orders import FileOrders
from ecom_assets.cli.options import OwnData
from ecom_assets.errors import DefinitionError, UsageError, did_you_mean
from ecom_assets.settings import Settings, load_settings
from ecom_assets.sources.record_files import RecordFiles
from ecom_assets.transforms.days import ONE_DAY, day_starts_at
from ecom_assets.transforms.periods import period_number
from ecom_assets.transforms.retention import (
    Reach,
    by_day,
    cells_of,
    event_activity,
    order_activity,
    retention,
    totals,
)
from ecom_assets.transforms.retention_rule import ROLLING_DAYS, RetentionRule
from ecom_assets.warehouse.retention_kernel import BITS, tally

ACTIVITY = "activity"
ORDER_TYPES = ("purchase", "refund")


@dataclass(frozen=True)
class Asked:
    """Where events or orders come from, and the last day that they hold whole, if a person says so."""

    data: OwnData
    whole_until: date | None


def answer_retention(asked: Asked, rule: RetentionRule) -> dict[str, Any]:
    """Return INTERFACE's `retention`.

    Raises:
        UsageError: Neither or both of events and orders were given, or an event type is unknown.
    """
    data = asked.data
    if bool(data.events) == bool(data.orders):
        raise UsageError("Retention is asked of events or of orders; give one of --events PATH and --orders PATH.")
    if data.orders:
        question = _of_orders(data.orders, load_settings(orders_mapping=data.orders_mapping), rule)
    else:
        question = _of_events(data.events, load_settings(events_mapping=data.events_mapping), rule)
    known, found = _cells(question, asked.whole_until)
    cells = found.order_by("cohort_date", "cell").to_pyarrow().to_pylist()
    sums = totals(found).order_by("cell").to_pyarrow().to_pylist()
    return {
        "definition": {**question.rule.to_mapping(), "timezone": question.timezone, **known.days()},
        "cohorts": _cohorts(cells, has_money=known.has_money),
        "totals": [_total(row, has_money=known.has_money) for row in sums],
    }


@dataclass(frozen=True)
class Question:
    """Activity in an engine of its own, and what is asked of it; `days` are those on which rows arrived."""

    con: Backend
    activity: ir.Table
    rule: RetentionRule
    timezone: str
    days: int


def _cells(question: Question, whole_until: date | None) -> tuple["Known", ir.Table]:
    """Return what is known of the data, and the rows of `retention`: by the kernel, where the periods fit into it."""
    con, rule = question.con, question.rule
    fits = question.days < BITS * ROLLING_DAYS[rule.period]
    counted = tally(con, question.activity, rule) if fits and rule.clock == "calendar" else None
    if counted is not None:
        known = _reached(counted.newest_date, None, counted.period_count, question, whole_until)
        for name, rows in (("cohorts", counted.cohorts), ("counts", counted.counts)):
            con.con.register(name, rows)
        cells = cells_of(con.table("cohorts"), con.table("counts"), rule, known.period_count, known.reach)
        return replace(known, has_money=counted.has_money), cells
    # Everything else is asked of this table, and files are read once.
    con.create_table(ACTIVITY, question.activity if rule.clock == "rolling" else by_day(question.activity), temp=True)
    activity = con.table(ACTIVITY, database=("temp", "main"))
    known = _known(activity, question, whole_until)
    return known, retention(activity, rule, known.period_count, known.reach)


@dataclass(frozen=True)
class Known:
    """What is known of the data before cohorts are counted; the days are None where there is nobody."""

    newest_date: date | None
    whole_until: date | None
    reach: Reach
    period_count: int
    has_money: bool

    def days(self) -> dict[str, str | None]:
        """Return the days as JSON has them."""
        told = {"newest_date": self.newest_date, "whole_until_date": self.whole_until}
        return {name: str(day) if day else None for name, day in told.items()}


def _of_events(paths: Sequence[str], settings: Settings, rule: RetentionRule) -> Question:
    files = FileEvents.open(paths, settings)
    start, returning = (name and files.mapping.translate(name) for name in (rule.start, rule.returning))
    rule = replace(rule, start=start, returning=returning)
    known = [*settings.known_event_types, *files.mapping.event_types.values()]
    more = [name for name in (start, returning) if name and name not in known]
    if more:
        received = files.received()
        there = received.select("event_type").distinct().to_pyarrow()["event_type"].to_pylist()
        _check_types(more, [*known, *(name for name in there if name)])
    activity = event_activity(files.clean(more_types=more), rule)
    return Question(files.con, activity, rule, settings.timezone, _day_count(files.files))


def _of_orders(paths: Sequence[str], settings: Settings, rule: RetentionRule) -> Question:
    """Orders know purchases and refunds; what is not asked is about purchases."""
    rule = rule.changed(start=rule.start or "purchase", returning=rule.returning or "purchase")
    _check_types([name for name in (rule.start, rule.returning) if name], ORDER_TYPES)
    files = FileOrders.open(paths, settings)
    activity = order_activity(files.clean(), rule)
    return Question(files.con, activity, rule, settings.timezone, _day_count(files.files))


def _day_count(files: RecordFiles) -> int:
    arrived = files.received_days()
    return (arrived[1] - arrived[0]).days + 1 if arrived else 0


def _check_types(asked: Iterable[str], known: Iterable[str]) -> None:
    names = dict.fromkeys(known)
    for name in asked:
        if name not in names:
            raise DefinitionError(f"There is no event type {name!r} here; {did_you_mean(name, names)}.")


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
    # Months of 30 days are more than those of the calendar.
    more = (row["newest_date"] - row["first_date"]).days // 365 + 1 if is_rolling else 0
    known = _reached(row["newest_date"], row["newest_at"], row["span"] + 1 + more, question, whole_until)
    return replace(known, has_money=row["money"] > 0)


def _reached(
    newest_date: date, newest_at: datetime | None, period_count: int, question: Question, whole_until: date | None
) -> Known:
    """Return how far the data reach: to their newest day, or to the later one until which they are said to be whole."""
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
