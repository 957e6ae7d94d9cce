"""The SQL half of the fast kernel on DuckDB: the same numbers as `funnels/levels.py`,
without its window sorts.

DuckDB filters the events of the steps, packs each into one integer and gathers them per unit. NumPy
does the passes over batches of units (`funnels/kernel/passes.py`). Units are compared as they are,
never by a hash. DuckDB spills what exceeds its memory limit, and the batches bound the memory of
NumPy.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Final, TypeVar

import duckdb
import numpy as np

from ecom_assets.behaviour.funnels.definition import EARLIEST, Funnel
from ecom_assets.behaviour.funnels.kernel import passes
from ecom_assets.behaviour.funnels.kernel.passes import (
    FunnelPlan,
    Overlap,
    StepAttempts,
    StepTimes,
    concatenated,
    step_times,
    times_by_period,
)
from ecom_assets.behaviour.funnels.matching import MAX_OVERLAPPING, Matching
from ecom_assets.behaviour.funnels.steps import FunnelStep
from ecom_assets.core.errors import WorkError
from ecom_assets.core.tables.conditions import EVERYTHING
from ecom_assets.core.tables.packed import Ints
from ecom_assets.core.tables.values import (
    Scalar,
    check_comparable,
    json_path,
    kind_of,
    unknown_column,
)
from ecom_assets.core.warehouse.sql_text import ident, text

BATCH_EVENTS: Final = 1_000_000
"""Events in a batch: at most about 100 MB, and small enough to stay near the cache."""
MAX_WORKERS: Final = 4
"""Batches that are processed at a time; more would wait for memory, not for a processor."""
_NUMBERS: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "U",
)
VISITOR: Final = "visitor_id"
Result = TypeVar("Result")
_numbers = count()


def funnel_times(
    con: duckdb.DuckDBPyConnection,
    events_sql: str,
    funnel: Funnel,
    unit: str | Sequence[str] | None = None,
) -> StepTimes:
    """Return how long units took to each step; one time for each unit that took it.

    Args:
        con: The connection, in which a temporary table is created and dropped.
        events_sql: A SELECT with the unit column(s), `event_at` (timestamp), `event_type`, and the
            columns that the steps compare. Rows without a unit or a time are ignored.
        funnel: The definition.
        unit: Column or columns that identify the unit; by default the column of `funnel.per`.

    Raises:
        DefinitionError: A column is missing or has another type than the value it is compared with,
            or more than six overlapping conditions make an exact answer too expensive.
    """
    with gathered(con, events_sql, funnel, unit) as (table, plan, _):
        return concatenated(list(batched(con, table, plan, step_times)), plan.steps)


@dataclass(frozen=True)
class TakenSteps:
    """Which units took each step, and when, as `taken_steps` of the passes returns it.

    Attributes:
        con: The connection.
        packed: The table of units, in whose order they are numbered from 0.
        units: The columns that identify a unit.
        unit_count: The number of units.
        steps: Per step, the numbers of the units that took it, rising, and when, in microseconds.
    """

    con: duckdb.DuckDBPyConnection
    packed: str
    units: list[str]
    unit_count: int
    steps: StepAttempts

    def store_events(self, table: str, numbers: Ints, at_us: Ints) -> None:
        """Store in a temporary table when some units took a step: `number`, the columns of the
        unit, and `event_at`.
        """
        names = ", ".join(ident(column) for column in self.units)
        columns = f"number, {names}, make_timestamp(at_us) AS event_at"
        self.store(table, columns, numbers, at_us=at_us)

    def store(self, table: str, columns: str, numbers: Ints, **values: Ints) -> None:
        """Store some units in a temporary table.

        Args:
            table: The name of the table.
            columns: SQL of its columns, of `number`, the columns of the unit, and the `values`.
            numbers: The numbers of the units.
            values: Numbers, one for each unit.
        """
        self.con.register("unit_values", {"number": numbers, **values})
        self.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {table} AS
            SELECT {columns}
            FROM unit_values JOIN {self.packed} AS packed_units ON number = packed_units.rowid
        """)  # noqa: S608  # names are quoted
        self.con.unregister("unit_values")


@contextmanager
def taken_steps(
    con: duckdb.DuckDBPyConnection, events_sql: str, funnel: Funnel, unit: Sequence[str]
) -> Iterator[TakenSteps]:
    """Provide which units took each step; arguments and errors are those of `funnel_times`."""
    with gathered(con, events_sql, funnel, unit) as (table, plan, units):
        parts: list[list[tuple[Ints, Ints]]] = [[] for _ in funnel.steps]
        first = 0
        for unit_count, taken in batched(con, table, plan, passes.taken_steps):
            for step, (numbers, at) in enumerate(taken):
                parts[step].append((numbers + first, at))
            first += unit_count
        yield TakenSteps(con, table, units, first, [passes.joined(step) for step in parts])


def store_entries(
    con: duckdb.DuckDBPyConnection, events_sql: str, funnel: Funnel, unit: str, table: str
) -> None:
    """Store the units that took step 1 in a temporary table.

    Its columns are the unit, `entered_at` (when its longest attempt began), `until_at` (when that
    attempt took the last step, or else when its window ends) and `is_converted` (1 if it took the
    last step, else 0). Arguments and errors are those of `funnel_times`; `table` is the name of the
    table.
    """
    with taken_steps(con, events_sql, funnel, [unit]) as taken:
        (numbers, began), (converted, converted_at) = taken.steps[0], taken.steps[-1]
        ended = np.full(taken.unit_count, -1, np.int64)
        ended[converted] = converted_at
        window_us = funnel.within * 1_000_000
        columns = f"""{ident(unit)}, make_timestamp(began) AS entered_at,
            make_timestamp(CASE WHEN ended < 0 THEN began + {window_us} ELSE ended END) AS until_at,
            (ended >= 0)::BIGINT AS is_converted"""
        taken.store(table, columns, numbers, began=began, ended=ended[numbers])


def times_of_periods(
    con: duckdb.DuckDBPyConnection,
    events_sql: str,
    funnel: Funnel,
    unit: str | Sequence[str],
    bounds: Sequence[int],
) -> list[StepTimes] | None:
    """Return the times of attempts that begin in a range, then in each period of it;
    None if steps can share an event.

    Arguments and errors are those of `funnel_times`. `bounds` has the times at which the periods
    begin, rising, and at which the last one ends, in microseconds since 1970.
    """
    with gathered(con, events_sql, funnel, unit) as (table, plan, _):
        if plan.weights:
            return None
        parts = list(batched(con, table, plan, partial(times_by_period, bounds=bounds)))
    periods = zip(*parts, strict=True) if parts else [() for _ in bounds]
    return [concatenated(times, plan.steps) for times in periods]


def can_count(funnel: Funnel) -> bool:
    """Return whether the kernel can count this funnel;
    the portable expression can count all funnels.
    """
    # Steps that any event can be are conditions on one event type, all of which may overlap.
    is_few = not funnel.has_any_step or len(funnel.steps) <= MAX_OVERLAPPING
    return funnel.order in EARLIEST and _is_plain(funnel) and is_few and not funnel.optional_steps


def can_count_sets(funnel: Funnel) -> bool:
    """Return whether the kernel can count this funnel, whose steps count in any order."""
    return funnel.order == "any" and _is_plain(funnel) and Matching.from_funnel(funnel).is_disjoint


def _is_plain(funnel: Funnel) -> bool:
    return (
        not funnel.exclude
        and funnel.per != "totals"
        and not any(json_path(column) for column in funnel.hold)
    )


@contextmanager
def gathered(
    con: duckdb.DuckDBPyConnection,
    events_sql: str,
    funnel: Funnel,
    unit: str | Sequence[str] | None,
) -> Iterator[tuple[str, FunnelPlan, list[str]]]:
    """Provide a temporary table with the packed events of each unit as one list,
    its plan and the unit's columns.
    """
    _refuse_conditions(funnel)
    units = funnel.unit_columns(unit)
    _check_columns(con, events_sql, funnel, units)
    units = funnel.counted_columns(units)
    matching = Matching.from_funnel(funnel)
    is_counted = funnel.order == "ordered" and not matching.is_disjoint
    code, codes = signature_sql(matching) if is_counted else step_sql(funnel, matching)
    plan = _plan(funnel, matching, codes, is_counted=is_counted)
    names = ", ".join(ident(column) for column in units)
    # Who a visitor is can take several columns to say, and nobody is none. So groups are tested, by
    # what the engine cannot test on each row before it makes them.
    of_groups = [column for column in units if column == VISITOR]
    of_rows = [column for column in (*units, "event_at") if column != VISITOR]
    present = " AND ".join(f"{ident(column)} IS NOT NULL" for column in of_rows)
    having = " AND ".join(
        f"CASE WHEN {ident(column)} IS NULL THEN len(list(packed)) < 0 ELSE true END"
        for column in of_groups
    )
    types = ", ".join(sorted({literal(step.event_type) for step in funnel.steps}))
    table = f"funnel_kernel_{next(_numbers)}"
    con.execute(f"""
        CREATE TEMP TABLE {table} AS
        SELECT {names}, list(packed) AS packed FROM (
            SELECT {names}, epoch_us(event_at) * {1 << plan.scale_bits} + code AS packed FROM (
                SELECT {names}, event_at, {code} AS code FROM ({events_sql}) AS events
                WHERE event_type IN ({types}) AND {present}
            ) WHERE code IS NOT NULL
        ) GROUP BY ALL {f"HAVING {having}" if having else ""}
    """)  # noqa: S608  # names are quoted, values are escaped
    try:
        yield table, plan, units
    finally:
        con.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _refuse_conditions(funnel: Funnel) -> None:
    """Raise if the kernel would ignore a condition; `with_flags` reduces all to plain equalities,
    which it reads.
    """
    has_others = funnel.where != EVERYTHING or any(
        step.others != EVERYTHING for step in funnel.steps
    )
    if has_others or funnel.counts_firsts:
        raise WorkError(
            "The kernel reads plain equalities only; give it the events and the funnel of "
            "`with_flags`."
        )


def batched(
    con: duckdb.DuckDBPyConnection,
    table: str,
    plan: FunnelPlan,
    passes: Callable[[Ints, Ints, int, FunnelPlan], Result],
) -> Iterator[Result]:
    """Yield the result of `passes` on each batch, in order of rowid;
    the next batch is fetched meanwhile.
    """
    sizes = _columns(con, f"SELECT len(packed) AS n FROM {table} ORDER BY rowid")["n"]  # noqa: S608
    wide = 1 + (len(plan.weights) and (len(plan.weights) + plan.steps) // 4)
    is_ordered, threads = _settings(con)
    with ThreadPoolExecutor(max_workers=threads) as workers:
        running: deque[Future[Result]] = deque()
        for first, last in _batches(sizes, max(BATCH_EVENTS // wide, 1)):
            # If the order is not guaranteed, the number of the unit is fetched with each event,
            # which is slower.
            unit = "" if is_ordered else f"rowid - {first} AS unit, "
            rows = f"FROM {table} WHERE rowid BETWEEN {first} AND {last - 1}"
            result = _columns(con, f"SELECT {unit}unnest(packed) AS packed {rows}")
            units = (
                np.repeat(np.arange(last - first), sizes[first:last])
                if is_ordered
                else result["unit"]
            )
            if len(running) > threads:
                yield running.popleft().result()
            running.append(workers.submit(passes, result["packed"], units, last - first, plan))
        while running:
            yield running.popleft().result()


def _settings(con: duckdb.DuckDBPyConnection) -> tuple[bool, int]:
    """Return whether results come in the order of the table, and the number of threads to use."""
    sql = (
        "SELECT current_setting('preserve_insertion_order')::BOOLEAN, "
        "current_setting('threads')::INTEGER"
    )
    is_ordered, threads = con.execute(sql).fetchall()[0]
    return is_ordered, min(threads, MAX_WORKERS)


def _batches(sizes: Ints, at_most: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of units with about `at_most` events each; a unit is never split."""
    ends = np.cumsum(sizes)
    first = done = 0
    while first < len(sizes):
        last = max(first + 1, int(np.searchsorted(ends, done + at_most, side="right")))
        yield first, last
        first, done = last, int(ends[last - 1])


def _columns(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Ints]:
    result = con.execute(sql).fetchnumpy()
    return {name: np.array(values, dtype=np.int64, copy=None) for name, values in result.items()}


def _plan(
    funnel: Funnel, matching: Matching, codes: list[frozenset[int]], *, is_counted: bool
) -> FunnelPlan:
    size = FunnelPlan(
        steps=len(funnel.steps),
        window=funnel.within * 1_000_000,
        scale_bits=len(codes).bit_length(),
        is_descending=funnel.order == "strict_increase",
        is_in_any_order=funnel.order == "any",
    )
    if not is_counted:
        return size
    overlaps = matching.overlaps()
    number = {overlapping: n for n, overlapping in enumerate(overlaps)}
    weights = tuple(
        np.array([0, *(not overlapping.isdisjoint(code) for code in codes)], dtype=np.uint8)
        for overlapping in overlaps
    )
    overlaps_of = tuple(
        tuple(
            Overlap(number[overlapping], overlapping_steps)
            for overlapping, overlapping_steps in matching.overlaps_of(step)
        )
        for step in range(1, size.steps + 1)
    )
    owns = tuple(number[frozenset({condition})] for condition in matching.condition_of)
    return replace(size, weights=weights, owns=owns, overlaps_of=overlaps_of)


def _check_columns(
    con: duckdb.DuckDBPyConnection, events_sql: str, funnel: Funnel, units: list[str]
) -> None:
    types = {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {events_sql}").fetchall()}
    values = [(column, value) for step in funnel.steps for column, value in step.equal.items()]
    columns = (
        column.partition(".")[0] for column in (*(column for column, _ in values), *funnel.hold)
    )
    for column in (*units, "event_at", "event_type", *columns):
        if column not in types:
            raise unknown_column(column, types)
    for column, value in values:
        if not json_path(column):
            check_comparable(column, _kind_of_column(types[column]), value)


def _kind_of_column(kind: str) -> str:
    if kind.startswith(_NUMBERS) and kind != "UUID" and "[" not in kind:
        return "number"
    return {"VARCHAR": "text", "BOOLEAN": "boolean"}.get(kind, kind)


_JSON_TYPES: Final = {
    "text": ("VARCHAR", "'VARCHAR'"),
    "number": ("DOUBLE", "'UBIGINT', 'BIGINT', 'DOUBLE'"),
    "boolean": ("BOOLEAN", "'BOOLEAN'"),
}


def step_sql(funnel: Funnel, matching: Matching) -> tuple[str, list[frozenset[int]]]:
    """Return SQL for the step of an event, one row per step if it matches several,
    and the conditions of each code.
    """
    steps = len(funnel.steps)
    numbers = range(1, steps + 1) if funnel.order != "strict_increase" else range(steps, 0, -1)
    codes = [frozenset({condition}) for condition in matching.condition_of]
    if matching.is_disjoint:
        return _by_type(
            [(step, f"{number}") for step, number in zip(funnel.steps, numbers, strict=True)]
        ), codes
    cases = [
        _by_type([(step, f"{number}")]) for step, number in zip(funnel.steps, numbers, strict=True)
    ]
    return f"unnest([{', '.join(cases)}])", codes


def signature_sql(matching: Matching) -> tuple[str, list[frozenset[int]]]:
    """Return SQL for a code of the set of conditions that an event matches,
    and these sets in order of their codes.
    """
    codes: list[frozenset[int]] = []
    cases = []
    for group in matching.groups:
        conditions = [matching.conditions[n] for n in group]
        bits = [
            f"CASE WHEN {_where_sql(step)} THEN {1 << bit} ELSE 0 END"
            for bit, step in enumerate(conditions)
        ]
        cases += [(step, f"{len(codes)} + {' + '.join(bits)}") for step in conditions]
        masks = range(1, 1 << len(group))
        codes += [frozenset(n for bit, n in enumerate(group) if mask >> bit & 1) for mask in masks]
    return _by_type(cases), codes


def _by_type(cases: Sequence[tuple[FunnelStep, str]]) -> str:
    """Return SQL for the value of the first step that an event matches;
    a look-up by type is faster than tests.
    """
    per_type: dict[str, list[str]] = {}
    for step, value in cases:
        per_type.setdefault(step.event_type, []).append(f"WHEN {_where_sql(step)} THEN {value}")
    chosen = (
        f"WHEN {literal(kind)} THEN CASE {' '.join(tests)} END" for kind, tests in per_type.items()
    )
    return f"CASE event_type {' '.join(chosen)} END"


def _where_sql(step: FunnelStep) -> str:
    tests = []
    for column, value in step.equal.items():
        keys = json_path(column)
        tests.append(
            f"{_json_sql(column, keys, value) if keys else ident(column)} = {literal(value)}"
        )
    return " AND ".join(tests) or "TRUE"


def _json_sql(column: str, keys: Sequence[str], value: Scalar) -> str:
    """Return SQL for a JSON value in the type of `value`,
    NULL if it has another type, as in Ibis.
    """
    paths = [text('$."' + key + '"') for key in keys]
    rows = " -> ".join([f"CAST({ident(column.partition('.')[0])} AS JSON)", *paths])
    target, types = _JSON_TYPES[kind_of(value)]
    read = f"({rows}) ->> '$'" if target == "VARCHAR" else f"CAST({rows} AS {target})"
    return f"CASE WHEN json_type({rows}) IN ({types}) THEN {read} END"


def literal(value: Scalar) -> str:
    """Return a value as an SQL literal."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return text(value)
    return f"CAST({value!r} AS DOUBLE)" if isinstance(value, float) else str(value)
