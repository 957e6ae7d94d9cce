"""Retention with all its choices in plain Python: each visitor, each start,
each cell is looked at by itself.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ecom_assets.behaviour.retention.question import ROLLING_S, RetentionQuestion
from ecom_assets.core.tables.days import day_starts_at
from ecom_assets_tests.behaviour.retention.retention_reference import moved, period_of
from ecom_assets_tests.builders import local_day

HOUR = timedelta(hours=1)
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("visitor_id", pa.string()),
        ("event_at", pa.timestamp("us")),
        ("event_date", pa.date32()),
        ("event_type", pa.string()),
        ("product_category", pa.string()),
        ("cart_amount", pa.decimal128(18, 2)),
        ("properties", pa.string()),
    ]
)


@dataclass(frozen=True)
class Act:
    """What a visitor did: an event with the columns that conditions and breakdowns name."""

    event_id: str
    visitor_id: str
    event_at: datetime
    event_type: str
    product_category: str | None = None
    cart_amount: Decimal | None = None


Test = Callable[[Act], bool]


@dataclass(frozen=True)
class Query:
    """A rule, whose conditions are Python functions here,
    and the days on which visitors may start.
    """

    rule: RetentionQuestion
    timezone: str = "UTC"
    where: Test = lambda _: True
    start_where: Test = lambda _: True
    returning_where: Test = lambda _: True
    between: tuple[date | None, date | None] = (None, None)


def as_events(acts: Iterable[Act], timezone: str) -> pa.Table:
    """Return acts as clean events."""
    rows = [
        vars(act) | {"event_date": local_day(act.event_at, timezone), "properties": None}
        for act in acts
    ]
    return pa.Table.from_pylist(
        [{name: row[name] for name in SCHEMA.names} for row in rows], schema=SCHEMA
    )


def place_starts(answer: Query, at: datetime) -> Any:
    """Return the start of the period of a moment: a day, or the UTC time of an hour."""
    day = local_day(at, answer.timezone)
    if answer.rule.period != "hour":
        return period_of(day, answer.rule)
    midnight = day_starts_at(day, answer.timezone)
    return midnight + (at - midnight) // HOUR * HOUR


def period_number(answer: Query, start: datetime, at: datetime) -> int:
    """Return how many periods after a start something happened."""
    if answer.rule.clock == "rolling":
        return (at - start) // timedelta(seconds=ROLLING_S[answer.rule.period])
    first, second = place_starts(answer, start), place_starts(answer, at)
    if answer.rule.period == "hour":
        return int((second - first) / HOUR)
    period = 0
    while moved(first, period, answer.rule) < second:
        period += 1
    return period if first <= second else -1


def starts_of(acts: Iterable[Act], answer: Query, every: Iterable[Act]) -> list[tuple[Any, Act]]:
    """Return each start: its cohort, and the event; `every` act includes
    what the question leaves out.
    """
    rule = answer.rule
    if rule.starting == "first_ever":
        of_type = [act for act in every if rule.start_type in {None, act.event_type}]
        first = min(of_type, key=lambda act: (act.event_at, act.event_id), default=None)
        acts = [act for act in acts if act == first]
    begun = [
        act for act in acts if rule.start_type in {None, act.event_type} and answer.start_where(act)
    ]
    begun.sort(key=lambda act: (act.event_at, act.event_id))
    if rule.starting == "recurring":
        begun = [act for act in begun if _is_in(answer, act)]
        firsts: dict[Any, Act] = {}
        for act in begun:
            firsts.setdefault(place_starts(answer, act.event_at), act)
        return list(firsts.items())
    return [(place_starts(answer, act.event_at), act) for act in begun[:1] if _is_in(answer, act)]


def _is_in(answer: Query, act: Act) -> bool:
    first, last = answer.between
    day = local_day(act.event_at, answer.timezone)
    return (first is None or day >= first) and (last is None or day <= last)


def members_of(
    acts: Sequence[Act], answer: Query
) -> dict[tuple[Any, str, str], tuple[set[int], Decimal]]:
    """Return for each cohort, value of the breakdown and visitor the cells in which
    they count, and their sum.
    """
    rule, streams, every = answer.rule, defaultdict(list), acts
    acts = [act for act in acts if answer.where(act)]
    for act in acts:
        streams[act.visitor_id].append(act)
    cells = rule.cells(1_000)
    actual = {}
    for who, stream in streams.items():
        for cohort, start in starts_of(
            stream, answer, (act for act in every if act.visitor_id == who)
        ):
            later = [
                act for act in stream if rule.clock == "calendar" or act.event_at >= start.event_at
            ]
            returns = [
                (period_number(answer, start.event_at, act.event_at), act)
                for act in later
                if rule.return_type in {None, act.event_type} and answer.returning_where(act)
            ]
            times = Counter(period for period, _ in returns if period >= 0)
            often = {period for period, count in times.items() if count >= rule.at_least}
            until = max(often, default=-1) if rule.mode == "on_or_after" else -1
            came = {
                number
                for number, (first, last) in enumerate(cells)
                if until >= first
                or sum(times[period] for period in range(first, last + 1)) >= rule.at_least
            }
            paid = sum(
                (act.cart_amount or Decimal(0) for period, act in returns if period >= 0),
                Decimal(0),
            )
            actual[cohort, start.product_category or "(none)", who] = (came, paid)
    return actual


def by_definition(
    acts: Sequence[Act], answer: Query
) -> dict[Any, tuple[int, Counter[int], Decimal]]:
    """Return by cohort how many started, how many count in each cell,
    and the sum of all that they returned with.
    """
    cohorts: dict[Any, tuple[int, Counter[int], Decimal]] = {}
    for (cohort, _, _), (came, paid) in members_of(acts, answer).items():
        size, counts, total = cohorts.get(cohort, (0, Counter(), Decimal(0)))
        cohorts[cohort] = (size + 1, counts + Counter(came), total + paid)
    return cohorts


def by_value(
    acts: Sequence[Act], answer: Query
) -> dict[str, dict[Any, tuple[int, Counter[int], Decimal]]]:
    """Return the same for each value of the breakdown that is shown, the most frequent first,
    then `(other)`.
    """
    actual = members_of(acts, answer)
    sizes = Counter(label for _, label, _ in actual)
    kept = sorted(sizes, key=lambda label: (-sizes[label], label))[: answer.rule.limit]
    parts: dict[str, dict[Any, tuple[int, Counter[int], Decimal]]] = {label: {} for label in kept}
    for (cohort, label, _), (came, paid) in actual.items():
        cohorts = parts.setdefault(label if label in kept else "(other)", {})
        size, counts, total = cohorts.get(cohort, (0, Counter(), Decimal(0)))
        cohorts[cohort] = (size + 1, counts + Counter(came), total + paid)
    return parts
