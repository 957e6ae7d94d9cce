"""The fast kernel as a function of SQL: how far the attempts of each day got, for daily funnels.

Goes in: events of DuckDB, and a funnel whose events each match one step only. Comes out: a row per
unit and day on which it took step 1, with the level, the most steps that an attempt of the day
took. An attempt begins at an event of step 1; `funnels/chains.py` says what else it is.

1. `fast_attempts` packs each event into an integer (time and step) and collects those of a unit in
   a list: one row per unit.
2. DuckDB calls `_attempts_of_lists` with the lists of some two thousand units at a time. NumPy
   sorts them, and follows every attempt by the passes of `kernel/passes.py`.
3. The list of attempts that comes back is unnested: one row per unit and day.

The result is an expression like any other: its statement is kept and explained, and its columns
have a lineage. `funnels/levels.py` is the definition, for every engine; a change of what counts is
made there first, and `test_attempts_of_days.py` requires that both give equal rows.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import PythonUDFType

from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.kernel.counts import can_count
from ecom_assets.behaviour.funnels.kernel.passes import (
    FunnelPlan,
    Part,
    event_codes,
    followed,
    step_codes,
)
from ecom_assets.behaviour.funnels.matching import Matching, counted_events, matches
from ecom_assets.core.tables.computed import OWN_FUNCTIONS
from ecom_assets.core.tables.packed import Ints, sorted_parts
from ecom_assets.core.tables.portable import backend_with_kernels

FUNCTION: Final = "funnel_attempts"
"""The name of the function in SQL."""
ATTEMPT: Final = pa.struct(
    {"day": pa.date32(), "last_start_at": pa.timestamp("us"), "level": pa.int64()}
)
"""The attempts of a unit that began on a day: when the last one did, and the most steps of one."""
DAY_BITS: Final = 32
"""Bits of the day in a number that is made of a unit and a day."""


def _declared_attempts(
    packed: list[int], days: list[str], steps: int, window_us: int, is_descending: int
) -> list[Any]:
    # Ibis wants a function with these parameters; DuckDB calls `_attempts_of_lists`.
    raise NotImplementedError(packed, days, steps, window_us, is_descending)


_ATTEMPTS_IN_SQL: Final = ibis.udf.scalar.builtin(
    _declared_attempts,
    name=FUNCTION,
    signature=(
        ("array<int64>", "array<date>", "int64", "int64", "int64"),
        "array<struct<day: date, last_start_at: timestamp(6), level: int64>>",
    ),
)


def _declared_epoch_us(instant: str) -> int:
    raise NotImplementedError(instant)  # a function that DuckDB has and Ibis does not know


_EPOCH_US_IN_SQL: Final = ibis.udf.scalar.builtin(
    _declared_epoch_us, name="epoch_us", signature=(("timestamp(6)",), "int64")
)


def can_find_attempts(events: ir.Table, funnel: Funnel) -> bool:
    """Return whether events are in DuckDB, and none of them can be two steps of the funnel."""
    is_plain = can_count(funnel) and not funnel.hold and Matching.from_funnel(funnel).is_disjoint
    return is_plain and backend_with_kernels(events) is not None


def fast_attempts(
    events: ir.Table, funnel: Funnel, units: Sequence[str], day: str, may_begin: ir.BooleanValue
) -> ir.Table:
    """Return how far the attempts got that began on each day: the units, the column `day`,
    `last_start_at` (when the last of them began) and `level` (the most steps that one took).

    Args:
        events: The units, `event_at`, `event_type`, `day`, and the columns that the definition
            names.
        funnel: The definition, for which `can_find_attempts` is true.
        units: The columns that identify a unit.
        day: The column with the day of an event, which never falls as the events of a unit go on.
        may_begin: Whether an attempt may begin at an event.
    """
    con = backend_with_kernels(events)
    if con is not None:
        _register_function(con.con)
    plan = _plan(len(funnel.steps), funnel.within * 1_000_000, funnel.order == "strict_increase")
    events = counted_events(events.mutate(may_begin=may_begin), funnel, units)
    first_code, *_ = codes = step_codes(plan)
    first, *later = [matches(events, step) for step in funnel.steps]
    steps = [first & events.may_begin, *later]
    code_of_event = ibis.cases(*zip(steps, codes, strict=True))
    coded = events.select(*units, "event_at", started_on=day, code=code_of_event)
    coded = coded.filter(coded.code.notnull())
    packed = _EPOCH_US_IN_SQL(coded.event_at) * 2**plan.scale_bits + coded.code
    lists = coded.group_by(*units).agg(
        packed=packed.collect(),
        days=coded.started_on.collect(where=coded.code == first_code),
    )
    attempts_of_unit = _ATTEMPTS_IN_SQL(
        lists.packed, lists.days, plan.steps, plan.window, int(plan.is_descending)
    )
    attempts = lists.select(*units, attempt=attempts_of_unit.unnest())
    return attempts.select(
        *units,
        last_start_at=attempts.attempt.last_start_at,
        level=attempts.attempt.level,
        **{day: attempts.attempt.day},
    )


def _plan(steps: int, window_us: int, is_descending: bool) -> FunnelPlan:  # noqa: FBT001 (as in SQL)
    return FunnelPlan(
        steps=steps,
        window=window_us,
        scale_bits=steps.bit_length(),
        is_descending=is_descending,
    )


def _register_function(con: duckdb.DuckDBPyConnection) -> None:
    """Let a connection call `FUNCTION`, unless its database knows it."""
    result = "STRUCT(day DATE, last_start_at TIMESTAMP, level BIGINT)[]"
    # To ask DuckDB for it first takes longer, as it would list all of its functions.
    with suppress(duckdb.NotImplementedException, duckdb.CatalogException):
        con.create_function(
            FUNCTION,
            _attempts_of_lists,
            ["BIGINT[]", "DATE[]", "BIGINT", "BIGINT", "BIGINT"],
            result,
            type=PythonUDFType.ARROW,
        )


def _attempts_of_lists(
    packed: pa.ChunkedArray,
    days: pa.ChunkedArray,
    steps: pa.ChunkedArray,
    window_us: pa.ChunkedArray,
    is_descending: pa.ChunkedArray,
) -> pa.Array:
    """Return a list of `ATTEMPT` for each unit, by day.

    Args:
        packed: The packed events of each unit, in any order.
        days: The days of those of them that are step 1, in any order.
        steps: The number of steps, the same for all units, as the following.
        window_us: The window, in microseconds.
        is_descending: Whether times must increase.
    """
    if not len(packed):
        return pa.array([], pa.list_(ATTEMPT))
    plan = _plan(*(values[0].as_py() for values in (steps, window_us, is_descending)))
    keys, units, unit_count = _flattened(packed)
    parts = [_starts_and_levels(part) for part in sorted_parts(keys, units, unit_count, plan)]
    starts_us, levels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    start_days, units_of_days, _ = _flattened(days)
    first_day = start_days.min(initial=0)
    # Days rise with the time, so that the sorted days of a unit are those of its sorted starts.
    unit_days = np.sort((units_of_days << DAY_BITS) + start_days - first_day)
    # Neighbours of one unit and day are one row: from the first of them to the last.
    firsts = np.flatnonzero(np.diff(unit_days, prepend=-1))
    lasts = np.append(firsts[1:], len(unit_days)) - 1
    days_of_rows = (unit_days[firsts] & ((1 << DAY_BITS) - 1)) + first_day
    units_of_rows = unit_days[firsts] >> DAY_BITS
    attempts = pa.StructArray.from_arrays(
        [
            pa.array(days_of_rows.astype(np.int32)).cast(pa.date32()),
            pa.array(starts_us[lasts]).cast(pa.timestamp("us")),
            pa.array(np.maximum.reduceat(levels, firsts) if len(firsts) else levels),
        ],
        fields=list(ATTEMPT),
    )
    list_ends = np.bincount(units_of_rows, minlength=unit_count).cumsum()
    return pa.ListArray.from_arrays(np.append(0, list_ends).astype(np.int32), attempts)


def _flattened(lists: pa.ChunkedArray) -> tuple[Ints, Ints, int]:
    """Return the values of all lists as numbers (of a date the days since 1970), the number of the
    list of each, and how many lists there are.
    """
    array = lists.combine_chunks()
    sizes = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    values = array.flatten()
    numbers = values.cast(pa.int32()) if pa.types.is_date32(values.type) else values
    return numbers.to_numpy().astype(np.int64), np.repeat(np.arange(len(array)), sizes), len(array)


def _starts_and_levels(part: Part) -> tuple[Ints, Ints]:
    """Return when the attempts of a part began, in microseconds, in order of unit and time,
    and how many steps each took.
    """
    codes, times = event_codes(part.keys, part.plan), part.keys >> part.plan.scale_bits
    starts = times[codes == step_codes(part.plan)[0]]
    levels = np.zeros(len(starts), np.int64)
    for attempts, _ in followed(starts, codes, times, part.plan):
        levels[attempts] += 1
    return part.times_us(starts), levels


OWN_FUNCTIONS[FUNCTION] = _register_function
