"""The fast kernel within a statement of DuckDB: how far the attempts of each day got.

DuckDB gathers the packed events of each unit in one list, and NumPy follows the attempts of some
two thousand lists at a time. The result is an expression like any other: its statement is kept and
explained, and its columns have a lineage. `funnels/levels.py` has the portable form, which is the
definition, and tests require that both give equal rows.
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

NAME: Final = "funnel_attempts"
ATTEMPT: Final = pa.struct(
    {"day": pa.date32(), "last_start_at": pa.timestamp("us"), "level": pa.int64()}
)
DAY_BITS: Final = 32


def _attempts_of(
    packed: list[int], days: list[str], steps: int, window_us: int, is_descending: int
) -> list[Any]:
    raise NotImplementedError(packed, days, steps, window_us, is_descending)  # `_attempts` does it


_ATTEMPTS: Final = ibis.udf.scalar.builtin(
    _attempts_of,
    name=NAME,
    signature=(
        ("array<int64>", "array<date>", "int64", "int64", "int64"),
        "array<struct<day: date, last_start_at: timestamp(6), level: int64>>",
    ),
)


def _epoch_us(instant: str) -> int:
    raise NotImplementedError(instant)  # DuckDB computes it


_EPOCH_US: Final = ibis.udf.scalar.builtin(
    _epoch_us, name="epoch_us", signature=(("timestamp(6)",), "int64")
)


def can_list(events: ir.Table, funnel: Funnel) -> bool:
    """Return whether events are in DuckDB, and none of them can be two steps of the funnel."""
    is_plain = can_count(funnel) and not funnel.hold and Matching.from_funnel(funnel).is_disjoint
    return is_plain and backend_with_kernels(events) is not None


def listed_attempts(
    events: ir.Table, funnel: Funnel, units: Sequence[str], day: str, may_begin: ir.BooleanValue
) -> ir.Table:
    """Return how far the attempts got that began on each day: the units, the column `day`,
    `last_start_at` (when the last of them began) and `level` (the most steps that one took).

    Args:
        events: The units, `event_at`, `event_type`, `day`, and the columns that the definition
            names.
        funnel: The definition, for which `can_list` is true.
        units: The columns that identify a unit.
        day: The column with the day of an event, which never falls as the events of a unit go on.
        may_begin: Whether an attempt may begin at an event.
    """
    con = backend_with_kernels(events)
    if con is not None:
        _define(con.con)
    rows = counted_events(events.mutate(may_begin=may_begin), funnel, units)
    plan = _plan(len(funnel.steps), funnel.within * 1_000_000, funnel.order == "strict_increase")
    first, *later = [matches(rows, step) for step in funnel.steps]
    first_code, *later_codes = step_codes(plan)
    coded = rows.select(
        *units,
        "event_at",
        started_on=day,
        code=ibis.cases(
            (first & rows.may_begin, first_code), *zip(later, later_codes, strict=True)
        ),
    )
    coded = coded.filter(coded.code.notnull())
    lists = coded.group_by(*units).agg(
        packed=(_EPOCH_US(coded.event_at) * 2**plan.scale_bits + coded.code).collect(),
        days=coded.started_on.collect(where=coded.code == first_code),
    )
    attempts = lists.select(
        *units,
        attempt=_ATTEMPTS(
            lists.packed, lists.days, plan.steps, plan.window, int(plan.is_descending)
        ).unnest(),
    )
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


def _define(con: duckdb.DuckDBPyConnection) -> None:
    """Define the function in a connection, unless its database has it."""
    result = "STRUCT(day DATE, last_start_at TIMESTAMP, level BIGINT)[]"
    # To ask DuckDB for it first takes longer, as it would list all of its functions.
    with suppress(duckdb.NotImplementedException, duckdb.CatalogException):
        con.create_function(
            NAME,
            _attempts,
            ["BIGINT[]", "DATE[]", "BIGINT", "BIGINT", "BIGINT"],
            result,
            type=PythonUDFType.ARROW,
        )


def _attempts(
    packed: pa.ChunkedArray,
    days: pa.ChunkedArray,
    steps: pa.ChunkedArray,
    window_us: pa.ChunkedArray,
    is_descending: pa.ChunkedArray,
) -> pa.Array:
    """Return the attempts of each unit by day.

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
    keys, units, unit_count = _flat(packed)
    start_days, units_of_days, _ = _flat(days)
    first_day = start_days.min(initial=0)
    groups = (units_of_days << DAY_BITS) + start_days - first_day
    # Days rise with the time, so that the sorted days of a unit are those of its sorted starts.
    groups.sort()
    parts = [_starts(part) for part in sorted_parts(keys, units, unit_count, plan)]
    starts_us, levels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    is_first = np.diff(groups, prepend=-1) != 0
    firsts = np.flatnonzero(is_first)
    lasts = np.append(firsts[1:], len(groups)) - 1
    ends = np.bincount(groups[firsts] >> DAY_BITS, minlength=unit_count).cumsum()
    attempts = pa.StructArray.from_arrays(
        [
            _as_days((groups[firsts] & ((1 << DAY_BITS) - 1)) + first_day),
            pa.array(starts_us[lasts]).cast(pa.timestamp("us")),
            pa.array(np.maximum.reduceat(levels, firsts) if len(firsts) else levels),
        ],
        fields=list(ATTEMPT),
    )
    return pa.ListArray.from_arrays(np.append(0, ends).astype(np.int32), attempts)


def _as_days(numbers: Ints) -> pa.Array:
    """Return days, of their numbers since 1970."""
    return pa.array(numbers.astype(np.int32)).cast(pa.date32())


def _flat(lists: pa.ChunkedArray) -> tuple[Ints, Ints, int]:
    """Return the values of all lists as numbers, the number of the list of each, and how many
    lists there are.
    """
    array = lists.combine_chunks()
    sizes = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    values = array.flatten()
    numbers = values.cast(pa.int32()) if pa.types.is_date32(values.type) else values
    return numbers.to_numpy().astype(np.int64), np.repeat(np.arange(len(array)), sizes), len(array)


def _starts(part: Part) -> tuple[Ints, Ints]:
    """Return when the attempts of a part began, in microseconds, in order of unit and time,
    and how many steps each took.
    """
    codes, times = event_codes(part.keys, part.plan), part.keys >> part.plan.scale_bits
    starts = times[codes == step_codes(part.plan)[0]]
    levels = np.zeros(len(starts), np.int64)
    for attempts, _ in followed(starts, codes, times, part.plan):
        levels[attempts] += 1
    return part.times_us(starts), levels


OWN_FUNCTIONS[NAME] = _define
