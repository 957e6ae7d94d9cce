"""How long units take between two steps of a funnel: the distribution in bins, with average and quantiles."""

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis.backends.sql import SQLBackend

from ecom_assets.errors import DefinitionError
from ecom_assets.funnels.kernel.passes import StepTimes
from ecom_assets.funnels.report import EXACT, around_quantile, key_columns
from ecom_assets.funnels.steps import TENTHS, average_s, quantile_s, time_row
from ecom_assets.funnels.time_to_convert import MAX_BINS, TimeToConvert

MOST_CHOSEN_BINS = 60
SECOND_US = 1_000_000
Bin = tuple[int, int | None]
"""From so many seconds on, up to so many; None for no end."""


def conversion_times(con: SQLBackend, chains: ir.Table, times_definition: TimeToConvert) -> dict[str, Any]:
    """Return the number of units that took both steps, the average, quantiles and bins of their times.

    Args:
        con: The engine of the chains.
        chains: The result of `funnel_chains`.
        times_definition: The steps and bins.

    Raises:
        DefinitionError: Bins of the width that is asked for would be more than a hundred.
    """
    times = took(chains, times_definition)
    (row,) = con.to_pyarrow(time_numbers(times)).to_pylist()

    def counted(bins: list[Bin]) -> list[int]:
        (counts,) = con.to_pyarrow(bin_counts(times, bins)).to_pylist()
        return [counts[f"bin_{n}"] or 0 for n in range(len(bins))]

    return _answer(row, times_definition, counted)


def counted_times(times: StepTimes, times_definition: TimeToConvert) -> dict[str, Any] | None:
    """Return the same from the kernel's times; None for steps whose times it does not keep together.

    Raises:
        DefinitionError: As `conversion_times`.
    """
    if 1 < times_definition.first < times_definition.last - 1:
        return None
    values = np.sort(
        times.from_start[times_definition.last - 1]
        if times_definition.first == 1
        else times.from_previous[times_definition.last - 1]
    )
    row = {"count": len(values), **time_row("took", values)}
    row |= {"least_us": int(values[0]), "most_us": int(values[-1])} if len(values) else {}

    def counted(bins: list[Bin]) -> list[int]:
        ends = [(low * SECOND_US, np.inf if high is None else high * SECOND_US) for low, high in bins]
        return [int(np.diff(np.searchsorted(values, end))[0]) for end in ends]

    return _answer(row, times_definition, counted)


def _answer(
    row: dict[str, Any], times_definition: TimeToConvert, counted: Callable[[list[Bin]], list[int]]
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "from_step": times_definition.first,
        "to_step": times_definition.last,
        "count": row["count"],
    }
    if not row["count"]:
        return answer | {"average_s": None} | {f"{name}_s": None for name in TENTHS} | {"bins": []}
    answer["average_s"] = average_s(row["took_total_us"], row["count"])
    answer |= {f"{name}_s": quantile_s(row, "took", name) for name in TENTHS}
    bins = bins_of(times_definition, row["count"], row["least_us"], row["most_us"])
    shown = zip(bins, counted(bins), strict=True)
    return answer | {"bins": [{"from_s": low, "to_s": high, "count": count} for (low, high), count in shown]}


def took(chains: ir.Table, times_definition: TimeToConvert) -> ir.Table:
    """Return `took_us`, the time from the one step to the other, for each unit that took both."""
    both = chains.group_by(key_columns(chains)).agg(
        from_at=chains.event_at.max(where=chains.step == times_definition.first),
        to_at=chains.event_at.max(where=chains.step == times_definition.last),
    )
    both = both.filter(both.to_at.notnull())
    return both.select(took_us=both.to_at.delta(both.from_at, unit="microsecond").cast("int64"))


def time_numbers(times: ir.Table) -> ir.Table:
    """Return one row: `count`, `least_us`, `most_us`, `took_total_us`, and the values around each quantile."""
    everything = ibis.window()
    ranked = times.mutate(
        unit_count=times.count().over(everything),
        took_rank=ibis.row_number().over(ibis.window(order_by=times.took_us)),
    )
    around = {
        f"took_{name}_{end}_us": value
        for name, tenths in TENTHS.items()
        for end, value in around_quantile(ranked, ranked.took_us, ranked.took_rank, tenths).items()
    }
    least, most, total = ranked.took_us.min(), ranked.took_us.max(), ranked.took_us.cast(EXACT).sum()
    return ranked.agg(count=ranked.count(), least_us=least, most_us=most, took_total_us=total, **around)


def bin_counts(times: ir.Table, bins: list[Bin]) -> ir.Table:
    """Return one row with the number of times in each bin, `bin_<n>`."""
    counts = {}
    for number, (low, high) in enumerate(bins):
        inside = times.took_us >= low * SECOND_US
        inside = inside if high is None else inside & (times.took_us < high * SECOND_US)
        counts[f"bin_{number}"] = inside.ifelse(1, 0).sum()
    return times.agg(**counts)


def bins_of(times_definition: TimeToConvert, count: int, least_us: int, most_us: int) -> list[Bin]:
    """Return the bins, half-open, that hold all of `count` times between the least and the most.

    Without a choice there are as many as the cube root of the number of times, rounded up, at most 60, of one width in
    whole seconds, from the shortest time to the longest.

    Raises:
        DefinitionError: Bins of the width that is asked for would be more than a hundred.
    """
    if times_definition.is_width:
        (width_s,) = times_definition.edges_s
        number = most_us // (width_s * SECOND_US) + 1
        if number > MAX_BINS:
            raise DefinitionError(
                f"Times are up to {most_us // SECOND_US} s, so bins of {width_s} s would be {number:,}; ask for wider "
                f"ones, at most {MAX_BINS}."
            )
        return [(n * width_s, (n + 1) * width_s) for n in range(number)]
    if times_definition.edges_s:
        return list(zip((0, *times_definition.edges_s), (*times_definition.edges_s, None), strict=True))
    number = times_definition.bins or next(
        n for n in range(1, MOST_CHOSEN_BINS + 1) if n**3 >= count or n == MOST_CHOSEN_BINS
    )
    first_s = least_us // SECOND_US
    span_us = most_us - first_s * SECOND_US
    width_s = span_us // (number * SECOND_US) + 1
    number = times_definition.bins or span_us // (width_s * SECOND_US) + 1
    return [(first_s + n * width_s, first_s + (n + 1) * width_s) for n in range(number)]
