"""Ways to count a funnel, for tests: its definition chain by chain and by attempts,
and ClickHouse in a wheel.

Also how a list of events becomes what each way of counting takes.
"""

import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from chdb import session

from ecom_assets.behaviour.funnels.chains import funnel_chains
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.kernel import counts, passes
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.matching import with_flags
from ecom_assets.behaviour.funnels.steps import FunnelEvent, FunnelStep
from ecom_assets.core.tables.conditions import NEGATED, Condition, Group, Where
from ecom_assets.core.tables.packed import Ints, sorted_parts
from ecom_assets.core.warehouse.local import connect

EPOCH = dt.datetime(2026, 3, 1, tzinfo=dt.UTC).replace(tzinfo=None)
SECOND = 1_000_000
SCHEMA = pa.schema(
    [
        ("visitor_id", pa.string()),
        ("event_id", pa.int64()),
        ("event_at", pa.timestamp("us")),
        ("event_type", pa.string()),
        ("category", pa.string()),
        ("price", pa.float64()),
        ("properties", pa.string()),
    ]
)


class Event(NamedTuple):
    """One event; `at` is microseconds after EPOCH."""

    who: str
    at: int
    event_type: str
    category: str | None = None
    price: float | None = None
    properties: dict[str, Any] | None = None


def table_of(events: Iterable[Event]) -> pa.Table:
    """The events in the columns that the platform uses."""
    rows = [
        {
            "visitor_id": event.who,
            "event_id": number,
            "event_at": EPOCH + dt.timedelta(microseconds=event.at),
            "event_type": event.event_type,
            "category": event.category,
            "price": event.price,
            "properties": None if event.properties is None else json.dumps(event.properties),
        }
        for number, event in enumerate(events)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def by_definition(events: Iterable[Event], funnel: Funnel) -> dict[str, int]:
    """Every chain of distinct events is tried; only for short streams."""
    streams: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if meets(event, funnel.where):
            streams[event.who].append(event)
    levels = {who: _longest_chain(stream, funnel) for who, stream in streams.items()}
    return {who: level for who, level in levels.items() if level}


def by_expression(table: pa.Table, funnel: Funnel) -> dict[str, int]:
    """The portable expression, run by DuckDB."""
    levels = connect().to_pyarrow(funnel_levels(ibis.memtable(table), funnel))
    return _as_dict(levels)


def chains_of(table: pa.Table, funnel: Funnel) -> dict[str, tuple[int, ...]]:
    """When each unit took its steps, in microseconds after EPOCH, by the portable expression."""
    actual = funnel_chains(ibis.memtable(table), funnel).order_by("visitor_id", "step")
    times: dict[str, list[int]] = defaultdict(list)
    for row in connect().to_pyarrow(actual).to_pylist():
        times[row["visitor_id"]].append((row["event_at"] - EPOCH) // dt.timedelta(microseconds=1))
        assert row["step"] == len(times[row["visitor_id"]]), "a step is listed twice, or left out"
    return {who: tuple(actual) for who, actual in times.items()}


def funnel_counts(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    funnel: Funnel,
    unit: str | Sequence[str] | None = None,
) -> list[int]:
    """How many units took each step, by the kernel."""
    return counts.funnel_times(con, sql, funnel, unit).counts


def levels_of(packed: Ints, units: Ints, unit_count: int, plan: passes.FunnelPlan) -> Ints:
    """The level of each unit: how many steps the attempt has that the kernel finds; 0 for none."""
    levels = [np.zeros(0, np.int64)]
    for part in sorted_parts(packed, units, unit_count, plan):
        levels.append(np.zeros(part.unit_count, np.int64))
        taken = passes.longest_attempts(part) if len(part.keys) else []
        for step, (attempts, _) in enumerate(taken, start=1):
            unit_of = dict(
                zip(taken[0][0].tolist(), (taken[0][1] >> part.time_bits).tolist(), strict=True)
            )
            levels[-1][[unit_of[attempt] for attempt in attempts.tolist()]] = step
    return np.concatenate(levels)


def kernel_levels(con: duckdb.DuckDBPyConnection, sql: str, funnel: Funnel) -> pa.Table:
    """The level of each visitor who took step 1, by the kernel."""
    with counts.gathered(con, sql, funnel, None) as (table, plan, _):
        levels = np.concatenate(
            [np.zeros(0, np.int64), *counts.batched(con, table, plan, levels_of)]
        )
        rows = con.sql(f"SELECT visitor_id FROM {table} ORDER BY rowid").to_arrow_table()
    return rows.append_column("level", pa.array(levels)).filter(pa.array(levels > 0))


def by_kernel(table: pa.Table, funnel: Funnel) -> dict[str, int]:
    """The DuckDB kernel."""
    con = connect()
    events, plain = with_flags(con.create_table("events", table), funnel)
    return _as_dict(kernel_levels(con.con, str(con.compile(events)), plain))


def by_clickhouse(table: pa.Table, funnel: Funnel, folder: Path, *modes: str) -> dict[str, int]:
    """ClickHouse's windowFunnel in the given modes, one query for all units;
    times in microseconds.
    """
    file = folder / "events.parquet"
    pq.write_table(table, file)
    quoted = ", ".join(["", *(f"'{mode}'" for mode in modes)])
    steps = ", ".join(_clickhouse_condition(step) for step in funnel.steps)
    clickhouse: Any = session
    answer = clickhouse.Session().query(
        f"SELECT visitor_id, windowFunnel({funnel.within * SECOND}{quoted})"
        f"(toUInt64(toUnixTimestamp64Micro(assumeNotNull(event_at))), {steps}) AS level FROM "
        f"file('{file}', Parquet) WHERE {_clickhouse_where(funnel.where)} GROUP BY visitor_id "
        "HAVING level > 0",
        "JSONEachRow",
    )
    rows = [json.loads(line) for line in str(answer).splitlines()]
    return {row["visitor_id"]: row["level"] for row in rows}


def _clickhouse_condition(step: FunnelStep) -> str:
    tests = ["1"] if step.event_type == "*" else [f"event_type = '{step.event_type}'"]
    tests += [f"ifNull({column} = {value!r}, 0)" for column, value in step.equal.items()]
    return " AND ".join([*tests, _clickhouse_where(step.others)])


def _clickhouse_where(where: Where) -> str:
    """Conditions in ClickHouse's own SQL; a missing value meets none that is not negated."""
    if isinstance(where, Group):
        parts = [f"({_clickhouse_where(part)})" for part in where.parts]
        return (" AND " if where.kind == "all_of" else " OR ").join(parts) or str(
            int(where.kind == "all_of")
        )
    if plain := NEGATED.get(where.operator):
        return f"NOT ({_clickhouse_where(Condition(where.column, plain, where.values))})"
    first, last = (repr(where.values[end]) if where.values else "" for end in (0, -1))
    test = {
        "is_set": "{0} IS NOT NULL",
        "equals": "{0} = {1}",
        "one_of": f"{{0}} IN ({', '.join(map(repr, where.values))})",
        "contains": "positionCaseInsensitiveUTF8({0}, {1}) > 0",
        "matches": "match({0}, {1})",
        "greater": "{0} > {1}",
        "greater_or_equal": "{0} >= {1}",
        "less": "{0} < {1}",
        "less_or_equal": "{0} <= {1}",
        "between": "{0} BETWEEN {1} AND {2}",
    }[where.operator]
    return f"ifNull({test.format(where.column, first, last)}, 0)"


def _longest_chain(stream: Sequence[Event], funnel: Funnel, chain: tuple[int, ...] = ()) -> int:
    if len(chain) == len(funnel.steps):
        return len(chain)
    best = len(chain)
    for number, event in enumerate(stream):
        if (
            number not in chain
            and fits(event, funnel.steps[len(chain)])
            and _follows(stream, chain, event, funnel)
        ):
            best = max(best, _longest_chain(stream, funnel, (*chain, number)))
    return best


def _follows(stream: Sequence[Event], chain: tuple[int, ...], event: Event, funnel: Funnel) -> bool:
    if not chain:
        return True
    first, last = stream[chain[0]].at, stream[chain[-1]].at
    is_later = event.at > last if funnel.order == "strict_increase" else event.at >= last
    return is_later and event.at - first <= funnel.within * SECOND


def fits(event: Event, step: FunnelEvent) -> bool:
    """Whether an event matches a step."""
    values = _values_of(event)
    return (
        meets(event, step.others)
        and step.event_type in {"*", event.event_type}
        and all(
            values.get(column) == value
            and isinstance(values.get(column), bool) == isinstance(value, bool)
            for column, value in step.equal.items()
        )
    )


def _values_of(event: Event) -> dict[str, Any]:
    values = {"event_type": event.event_type, "category": event.category, "price": event.price}
    return values | {f"properties.{key}": value for key, value in (event.properties or {}).items()}


def meets(event: Event, where: Where) -> bool:
    """Whether an event meets conditions."""
    if isinstance(where, Group):
        return (all if where.kind == "all_of" else any)(meets(event, part) for part in where.parts)
    if plain := NEGATED.get(where.operator):
        return not meets(event, Condition(where.column, plain, where.values))
    value = _values_of(event).get(where.column)
    if where.operator == "is_set" or value is None:
        return value is not None
    first, last = where.values[0], where.values[-1]
    if isinstance(value, str) != isinstance(first, str) or isinstance(value, bool) != isinstance(
        first, bool
    ):
        return False
    tests: dict[str, Any] = {
        "equals": lambda: value == first,
        "one_of": lambda: value in where.values,
        "contains": lambda: str(first).lower() in value.lower(),
        "matches": lambda: re.search(str(first), value) is not None,
        "greater": lambda: value > first,
        "greater_or_equal": lambda: value >= first,
        "less": lambda: value < first,
        "less_or_equal": lambda: value <= first,
        "between": lambda: first <= value <= last,
    }
    return bool(tests[where.operator]())


def _as_dict(levels: pa.Table) -> dict[str, int]:
    return dict(zip(levels["visitor_id"].to_pylist(), levels["level"].to_pylist(), strict=True))


Times = tuple[int, ...]


def streams_of(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Each unit's events in order of time; at one instant as they came,
    which is the order of their ids.
    """
    streams: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        streams[event.who].append(event)
    return {who: sorted(stream, key=lambda event: event.at) for who, stream in streams.items()}


def first_longest_chain(
    stream: Sequence[Event], funnel: Funnel, may_begin: Callable[[int], bool] = lambda _at: True
) -> Times:
    """The times of the longest chain; of several the one that begins first,
    then has the earliest second step.
    """
    chains = [tuple(stream[n].at for n in chain) for chain in _chains(stream, funnel, ())]
    chains = [times for times in chains if may_begin(times[0])]
    return min(chains, key=lambda times: (-len(times), times), default=())


def _chains(
    stream: Sequence[Event], funnel: Funnel, chain: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    if chain:
        yield chain
    if len(chain) == len(funnel.steps):
        return
    for number, event in enumerate(stream):
        used = number in chain and funnel.order != "clickhouse_default"
        if used or not fits(event, funnel.steps[len(chain)]):
            continue
        times = [*(stream[n].at for n in chain), event.at]
        is_later = all(
            a < b if funnel.order == "strict_increase" else a <= b for a, b in pairwise(times)
        )
        if is_later and times[-1] - times[0] <= funnel.within * SECOND:
            yield from _chains(stream, funnel, (*chain, number))


def walked_tries(stream: Sequence[Event], funnel: Funnel) -> list[Times]:
    """From each instant of step 1, each next step as early as it can be, up to an exclusion.

    For funnels in which no event matches two steps, and times may be equal.
    """
    attempts = []
    for start in sorted({event.at for event in stream if fits(event, funnel.steps[0])}):
        times = [start]
        for number, step in enumerate(funnel.steps[1:], start=2):
            later = [event.at for event in stream if fits(event, step) and event.at >= times[-1]]
            ends = start + funnel.within * SECOND
            following = min(later) if later and min(later) <= ends else None
            if following is None or _is_excluded(stream, funnel, times, number, following):
                break
            times.append(following)
        attempts.append(tuple(times))
    return attempts


def _is_excluded(
    stream: Sequence[Event], funnel: Funnel, times: list[int], number: int, following: int
) -> bool:
    return any(
        fits(event, exclusion) and times[exclusion.after - 1] < event.at < following
        for exclusion in funnel.exclude
        if exclusion.after < number <= (exclusion.before or 0)
        for event in stream
    )


def neighbouring(stream: Sequence[Event], funnel: Funnel) -> Times:
    """The times of the longest run of neighbours that are the steps, the first such run."""
    return max(
        (neighbouring_from(stream, start, funnel) for start in range(len(stream))),
        default=(),
        key=len,
    )


def neighbouring_from(stream: Sequence[Event], start: int, funnel: Funnel) -> Times:
    """The times of the run of neighbours that are the steps, from one event on."""
    run: list[int] = []
    for event, step in zip(stream[start:], funnel.steps, strict=False):
        if not fits(event, step) or event.at - stream[start].at > funnel.within * SECOND:
            break
        run.append(event.at)
    return tuple(run)


def most_in_a_window(stream: Sequence[Event], funnel: Funnel) -> int:
    """The most steps that events of one window can serve, one event for each."""
    windows = (
        [event for event in stream if 0 <= event.at - first.at <= funnel.within * SECOND]
        for first in stream
    )
    return max((_served(window, funnel, 0, frozenset()) for window in windows), default=0)


def most_between_exclusions(stream: Sequence[Event], funnel: Funnel) -> int:
    """The most steps of one window, of which no excluded event is inside;
    the rule posthog drops it if one is near.
    """
    excluded = {
        event.at for event in stream if any(fits(event, exclusion) for exclusion in funnel.exclude)
    }
    steps = [event for event in stream if any(fits(event, step) for step in funnel.steps)]
    best = 0
    for window in _windows(steps, funnel, excluded):
        count = _served(window, funnel, 0, frozenset())
        ends = window[0].at + funnel.within * SECOND
        is_cut = any(window[-1].at <= at <= ends and window[0].at < at for at in excluded)
        if funnel.exclusion_rule == "mixpanel" or count == len(funnel.steps) or not is_cut:
            best = max(best, count)
    return best


def _windows(stream: Sequence[Event], funnel: Funnel, excluded: set[int]) -> Iterator[list[Event]]:
    moments = sorted({event.at for event in stream})
    for first in moments:
        for last in moments:
            is_free = not any(first < at < last for at in excluded)
            if first <= last <= first + funnel.within * SECOND and is_free:
                yield [event for event in stream if first <= event.at <= last]


def _served(window: Sequence[Event], funnel: Funnel, step: int, used: frozenset[int]) -> int:
    if step == len(funnel.steps):
        return 0
    best = _served(window, funnel, step + 1, used)
    for number, event in enumerate(window):
        if number not in used and fits(event, funnel.steps[step]):
            best = max(best, 1 + _served(window, funnel, step + 1, used | {number}))
    return best
