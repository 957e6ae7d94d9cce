"""Retention by its definition in plain Python, by ClickHouse, and as the package counts it,
each rule compiled once.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from chdb import session
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.retention.activity import event_activity
from ecom_assets.behaviour.retention.cells import Reach, retention, totals
from ecom_assets.behaviour.retention.question import ROLLING_S, RetentionQuestion
from ecom_assets.core.tables.values import WEEKDAYS
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.builders import Row, local_day

ONE_DAY = timedelta(days=1)


class Deed(NamedTuple):
    """One event: who, when (UTC), what, and what was paid."""

    who: str
    at: datetime
    event_type: str
    amount: Decimal | None = None


class Cell(NamedTuple):
    """What is compared of a cohort's cell."""

    cohort: date
    cell: int
    size: int
    returned: int
    is_complete: bool
    revenue: Decimal


def by_definition(
    deeds: Iterable[Deed], rule: RetentionQuestion, timezone: str = "UTC"
) -> list[Cell]:
    """Ask each visitor, each cell, each of their deeds."""
    deeds = list(deeds)
    streams: dict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        streams[deed.who].append(deed)
    cohorts: dict[date, list[tuple[datetime, list[Deed]]]] = defaultdict(list)
    for stream in streams.values():
        starts = [deed.at for deed in stream if rule.start_type in {None, deed.event_type}]
        if starts:
            cohorts[period_of(local_day(min(starts), timezone), rule)].append((min(starts), stream))
    if not cohorts:
        return []
    newest = max(deed.at for deed in deeds)
    actual = [
        _cell(cohort, number, bracket, members, rule, timezone, newest)
        for cohort, members in cohorts.items()
        for number, bracket in enumerate(rule.cells(400))
    ]
    return sorted(cell for cell in actual if cell is not None)


def _cell(  # noqa: PLR0913, PLR0917 (all that a cell depends on)
    cohort: date,
    number: int,
    bracket: tuple[int, int],
    members: Sequence[tuple[datetime, list[Deed]]],
    rule: RetentionQuestion,
    timezone: str,
    newest: datetime,
) -> Cell | None:
    first, last = bracket
    begins = [begin_of(start, first, rule, timezone) for start, _ in members]
    ends = [begin_of(start, last + 1, rule, timezone) for start, _ in members]
    if rule.clock == "calendar":  # a period begins and ends with its days
        newest = datetime.combine(local_day(newest, timezone), datetime.min.time())
        is_whole = max(ends) <= newest
    else:
        is_whole = max(ends) <= newest and period_of(local_day(newest, timezone), rule) > cohort
    if min(begins) > newest:
        return None
    returned, revenue = 0, Decimal(0)
    for start, stream in members:
        numbered_deeds = [(period_number(start, deed.at, rule, timezone), deed) for deed in stream]
        came = {
            period for period, deed in numbered_deeds if rule.return_type in {None, deed.event_type}
        }
        until = max(came, default=-1) if rule.mode == "on_or_after" else last
        returned += any(first <= period <= max(until, last) for period in came)
        revenue += sum(
            (deed.amount or 0 for period, deed in numbered_deeds if 0 <= period <= last), Decimal(0)
        )
    return Cell(cohort, number, len(members), returned, is_whole, revenue)


def period_of(day: date, rule: RetentionQuestion) -> date:
    """Return the first day of the period that a day is in."""
    if rule.period == "month":
        return day.replace(day=1)
    if rule.period == "day":
        return day
    return day - (day.weekday() - WEEKDAYS.index(rule.week_start)) % 7 * ONE_DAY


def moved(period: date, by: int, rule: RetentionQuestion) -> date:
    """Return the period so many periods later."""
    if rule.period == "month":
        years, month = divmod(period.month - 1 + by, 12)
        return date(period.year + years, month + 1, 1)
    return period + by * (7 if rule.period == "week" else 1) * ONE_DAY


def begin_of(
    start: datetime, period_count: int, rule: RetentionQuestion, timezone: str
) -> datetime:
    """Return when a visitor's period begins: an instant, or midnight of the calendar's day."""
    if rule.clock == "rolling":
        return start + period_count * timedelta(seconds=ROLLING_S[rule.period])
    day = moved(period_of(local_day(start, timezone), rule), period_count, rule)
    return datetime.combine(day, datetime.min.time())


def period_number(start: datetime, at: datetime, rule: RetentionQuestion, timezone: str) -> int:
    """Return how many periods after the start something was done; below zero before it."""
    if rule.clock == "rolling":
        return (at - start) // timedelta(seconds=ROLLING_S[rule.period])
    from_period, to_period = (
        period_of(local_day(moment, timezone), rule) for moment in (start, at)
    )
    if rule.period == "month":
        return (to_period.year - from_period.year) * 12 + to_period.month - from_period.month
    return (to_period - from_period).days // (7 if rule.period == "week" else 1)


def by_clickhouse(
    deeds: Iterable[Deed], first_week: date, weeks: int, folder: Path, timezone: str = "UTC"
) -> dict[date, list[int]]:
    """ClickHouse's `retention` by Monday's weeks: for each cohort, who came in week 0, 1,
    … of those given.

    It is asked cohort by cohort, as its first condition is the cohort: to have come in that week,
    and in none before.
    """
    file = folder / "deeds.parquet"
    reported = [{"who": deed.who, "day": local_day(deed.at, timezone)} for deed in deeds]
    pq.write_table(
        pa.Table.from_pylist(
            reported, schema=pa.schema([("who", pa.string()), ("day", pa.date32())])
        ),
        file,
    )
    clickhouse: Any = session
    question = clickhouse.Session()
    actual = {}
    for number in range(weeks):
        monday = first_week + 7 * number * ONE_DAY
        conditions = [
            f"toMonday(assumeNotNull(day)) = toDate('{monday + 7 * n * ONE_DAY}')"
            for n in range(weeks - number)
        ]
        sums = ", ".join(f"sum(r[{n + 1}])" for n in range(len(conditions)))
        answer = question.query(
            f"SELECT {sums} FROM (SELECT retention({', '.join([*conditions, '0'])}) AS r "
            f"FROM file('{file}', Parquet) GROUP BY who HAVING min(day) >= toDate('{monday}'))",
            "JSONCompact",
        )
        actual[monday] = [int(count) for count in json.loads(str(answer))["data"][0]]
    return {monday: counts for monday, counts in actual.items() if counts[0]}


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
def sql(rule: RetentionQuestion, output: str) -> str:
    """Compile once per rule."""
    activity = event_activity(warehouse().table("deeds"), rule)
    newest = activity.event_date.max().as_scalar()
    at = activity.event_at.max().as_scalar() if rule.clock == "rolling" else None
    cells = retention(activity, rule, PERIODS, Reach(newest, newest, at, at))
    answer = (
        cells.order_by("cohort_date", "cell")
        if output == "cells"
        else totals(cells).order_by("cell")
    )
    return str(warehouse().compile(answer))


def register_deeds(deeds: Iterable[Deed], timezone: str) -> None:
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


def answer(
    deeds: Iterable[Deed], rule: RetentionQuestion, timezone: str = "UTC", *, output: str = "cells"
) -> list[Row]:
    """Return the rows of `retention`, or of its `totals`."""
    register_deeds(deeds, timezone)
    actual = warehouse().con.execute(sql(rule, output))
    names = [column[0] for column in actual.description]
    return [dict(zip(names, row, strict=True)) for row in actual.fetchall()]


def cells(deeds: Iterable[Deed], rule: RetentionQuestion, timezone: str = "UTC") -> list[Cell]:
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
