"""Numbers computed from a funnel's chains: units per step, times between steps, and values of the breakdown.

Everything is counted from the rows of `funnel_chains`, so the list of units at a step is as long as the step's count,
and the values of a breakdown add up to the total. Times are whole microseconds and quantiles are found by rank, so
every engine gives the same results.
"""

from collections.abc import Collection, Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.funnels.chains import VALUE
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.steps import EDGES_S, NO_VALUE, TENTHS, TIMES

OTHER: Final = "Other"
EXACT: Final = "decimal(38, 0)"
"""The type in which microseconds are added up, because many years of many units exceed 64 bits."""


def labelled(chains: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the chains with `label`, the value of `by` that their unit counts for.

    The `funnel.limit` most frequent values are kept (ties in alphabetical order); the others are "Other", together with
    any value of that name.

    Args:
        chains: The result of `funnel_chains` for a funnel with a breakdown.
        funnel: The definition.
    """
    keys = key_columns(chains)
    # Who took an optional step counts for the value that they count for without it.
    taken = chains.filter(chains.step.notin(sorted(funnel.optional_steps))) if funnel.optional_steps else chains
    valued = taken.group_by(keys).agg(label=_attributed(taken, funnel).fill_null(NO_VALUE))
    sizes = valued.group_by("label").agg(units=valued.count())
    ranks = sizes.mutate(rank=ibis.row_number().over(ibis.window(order_by=[sizes.units.desc(), sizes.label])))
    kept = (ranks.rank < funnel.limit).ifelse(ranks.label, OTHER)
    named = valued.join(ranks.select("label", shown=kept), "label").select(*keys, label="shown")
    return chains.join(named, keys)


def step_numbers(chains: ir.Table, label: Sequence[str] = (), optional: Collection[int] = ()) -> ir.Table:
    """Return one row per label and step with the count, the values around each quantile, and the histogram.

    Args:
        chains: The result of `funnel_chains`.
        label: Columns whose values have numbers of their own.
        optional: The numbers of optional steps; times are counted from the steps that have to be taken.

    Returns:
        `label` if requested, `step`, `count`; for each time (`from_previous`, `from_start`) and quantile, two columns
        `…_low_us` and `…_high_us`, between which it lies; for each time its sum, `…_total_us`; for each bar of
        `from_previous`, `bar_<n>_count`.
    """
    timed = _timed(chains, optional)
    group = [*label, "step"]
    ranked = timed.mutate(
        unit_count=timed.count().over(ibis.window(group_by=group)),
        **{f"{time}_rank": ibis.row_number().over(ibis.window(group_by=group, order_by=timed[time])) for time in TIMES},
    )
    around = {}
    for time in TIMES:
        for name, tenths in TENTHS.items():
            for end, value in around_quantile(ranked, ranked[time], ranked[f"{time}_rank"], tenths).items():
                around[f"{time}_{name}_{end}_us"] = value
    totals = {f"{time}_total_us": ranked[time].cast(EXACT).sum() for time in TIMES}
    bars = {f"bar_{n}_count": _is_in_bar(ranked.from_previous, n).ifelse(1, 0).sum() for n in range(len(EDGES_S) + 1)}
    return ranked.group_by(group).agg(count=ranked.count(), **around, **totals, **bars)


def around_quantile(
    ranked: ir.Table, value: ir.IntegerColumn, rank: ir.IntegerColumn, tenths: int
) -> dict[str, ir.IntegerScalar]:
    """Return the two values between which a quantile lies, as aggregates; `unit_count` is the number of values."""
    # The quantile of n values lies at rank (n - 1) * tenths / 10, with ranks from 0 to n - 1.
    place, ten_ranks = (ranked.unit_count - 1) * tenths, rank * 10
    is_low = (ten_ranks <= place) & (place < ten_ranks + 10)
    is_high = (ten_ranks >= place) & (place > ten_ranks - 10)
    return {"low": value.max(where=is_low), "high": value.max(where=is_high)}


def key_columns(chains: ir.Table) -> list[str]:
    """Return the columns that identify what is counted: units, held columns, and the start of an attempt for totals."""
    return [name for name in chains.columns if name not in {"step", "event_at", "event_id", VALUE, "label"}]


def _attributed(chains: ir.Table, funnel: Funnel) -> ir.StringValue:
    """Return the one value of a unit, as an aggregate over its chain; null if the attribution finds none."""
    value = chains[VALUE]
    has_one = value.notnull()
    if funnel.by_attribution == "first":
        return value.argmin(chains.step, where=has_one)
    if funnel.by_attribution == "last":
        return value.argmax(chains.step, where=has_one)
    if funnel.by_attribution == "all":
        is_shared = (value.min() == value.max()) & (value.count() == chains.count())
        return is_shared.ifelse(value.min(), ibis.null("string"))
    return value.max(where=chains.step == int(funnel.by_attribution.removeprefix("step_")))


def _timed(chains: ir.Table, optional: Collection[int]) -> ir.Table:
    """Return the chains with the microseconds from the previous step (null at step 1) and from step 1."""
    in_order = ibis.window(group_by=key_columns(chains), order_by=chains.step)
    previous_at = chains.event_at.lag().over(in_order)
    if optional:
        before = ibis.window(group_by=key_columns(chains), order_by=chains.step, rows=(None, -1))
        is_optional = chains.step.isin(sorted(optional))
        unknown = ibis.null(chains.event_at.type().copy(nullable=True))
        previous_at = is_optional.ifelse(unknown, chains.event_at).max().over(before)
    whole = chains.mutate(
        previous_at=previous_at,
        began_at=chains.event_at.min().over(ibis.window(group_by=key_columns(chains))),
    )
    return whole.mutate(
        from_previous=whole.event_at.delta(whole.previous_at, unit="microsecond").cast("int64"),
        from_start=whole.event_at.delta(whole.began_at, unit="microsecond").cast("int64"),
    )


def _is_in_bar(time_us: ir.IntegerValue, bar: int) -> ir.BooleanValue:
    above = time_us >= (EDGES_S[bar - 1] if bar else 0) * 1_000_000
    return above if bar == len(EDGES_S) else above & (time_us < EDGES_S[bar] * 1_000_000)
