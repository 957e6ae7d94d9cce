"""Numbers of a funnel's answer: units per step, times between steps, and values of the breakdown.

There are two ways to them, which give the same numbers:

- from `funnel_chains`, a row per unit and step, as expressions: `step_numbers`, `labelled`,
  `conversion_times`;
- from the times that the kernel kept, in NumPy: `step_rows`, `counted_times`.

`step_answers` and `_conversion_answer` write both as the answer has them. Everything is counted
from the same rows, so the list of units at a step is as long as the step's count, and the values of
a breakdown add up to the total. Times are whole microseconds (`_us`) until the answer, which has
seconds (`_s`). Quantiles are found by rank, so that all engines give equal ones.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np

from ecom_assets.behaviour.funnels.chains import NO_VALUE, SEPARATOR, VALUE
from ecom_assets.behaviour.funnels.definition import Funnel
from ecom_assets.behaviour.funnels.kernel.passes import StepTimes
from ecom_assets.behaviour.funnels.steps import ANY, MAX_BINS, TimeToConvert
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.packed import Ints
from ecom_assets.core.tables.portable import rows_of

OTHER: Final = "Other"
EXACT: Final = "decimal(38, 0)"
"""The type in which microseconds are added up, because many years of many units exceed 64 bits."""
SECOND_US: Final = 1_000_000
TIMES: Final = ("from_previous", "from_start")
TENTHS: Final = {"median": 5, "p90": 9}
"""Quantiles, in tenths of the units that took at most this long."""
Bin = tuple[int, int | None]
"""From so many seconds on, up to so many; None for no end."""
EDGES_S: Final = (1, 10, 60, 300, 900, 3_600, 21_600, 86_400, 259_200, 604_800, 2_592_000)
BARS: Final[tuple[Bin, ...]] = tuple(zip((0, *EDGES_S), (*EDGES_S, None), strict=True))
"""The histogram's bars, half-open, the same for every funnel."""
MOST_CHOSEN_BINS: Final = 60


def step_answers(funnel: Funnel, rows: Sequence[Row]) -> list[Row]:
    """Return the steps of an answer from rows of `step_numbers` or `step_rows`.

    A share is null if nobody reached the step that it is a share of. Times are null at step 1, and
    if nobody took the step. The previous step is the last one that is not optional.
    """
    result = {row["step"]: row for row in rows}
    counts = [
        result[step]["count"] if step in result else 0 for step in range(1, len(funnel.steps) + 1)
    ]
    answers = []
    for number, (step, count) in enumerate(zip(funnel.steps, counts, strict=True), start=1):
        previous = counts[max((n for n in funnel.required_steps if n < number), default=1) - 1]
        answers.append(
            _step_answer(number, step.event_type, count, counts[0], previous)
            | ({"optional": True} if step.optional else {})
            | _time_answers(result[number] if count and number > 1 else None, funnel.within)
        )
    return answers


def plain_steps(event_types: Sequence[str], counts: Sequence[int]) -> list[Row]:
    """Return the steps of an answer without times."""
    return [
        _step_answer(number, name, count, counts[0], counts[max(number - 2, 0)])
        | {"median_s_from_previous": None}
        for number, (name, count) in enumerate(zip(event_types, counts, strict=True), start=1)
    ]


def _step_answer(number: int, event_type: str, count: int, first: int, previous: int) -> Row:
    return {
        "step": number,
        "event_type": event_type,
        "count": count,
        "conversion_from_start": count / first if first else None,
        "conversion_from_previous": count / previous if previous else None,
    }


def _time_answers(row: Row | None, within_s: int) -> Row:
    """Return quantiles and averages in seconds,
    and the histogram of times from the previous step.
    """
    times = {
        f"{name}_s_{time}": row and quantile_s(row, time, name) for time in TIMES for name in TENTHS
    }
    times |= {
        f"average_s_{time}": row and average_s(row[f"{time}_total_us"], row["count"])
        for time in TIMES
    }
    bars = [
        {"from_s": low, "to_s": high, "count": row[f"bar_{n}_count"]}
        for n, (low, high) in enumerate(BARS)
        if row and low <= within_s
    ]
    return {**times, "histogram_from_previous": bars}


def average_s(total_us: Decimal | int, count: int) -> float:
    """Return the mean in seconds of times whose exact sum is known."""
    # Division of whole numbers, because the sum as a float would be rounded before.
    return int(total_us) / (count * SECOND_US)


def quantile_s(row: Row, time: str, name: str) -> float:
    """Return a quantile in seconds, by linear interpolation between the two values around it."""
    low, high = row[f"{time}_{name}_low_us"], row[f"{time}_{name}_high_us"]
    part = (row["count"] - 1) * TENTHS[name] % 10
    return float(low * (10 - part) + high * part) / 10e6


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Return the rows by a key, in their order."""
    result: dict[Any, list[Row]] = {}
    for row in rows:
        result.setdefault(key(row), []).append(row)
    return result


def step_rows(times: StepTimes) -> list[Row]:
    """Return the rows of `step_numbers` from the kernel's times."""
    return [_step_row(step, times) for step in range(1, len(times.counts) + 1)]


def _step_row(step: int, times: StepTimes) -> Row:
    row: Row = {"step": step, "count": times.counts[step - 1]}
    for time in TIMES:
        row |= time_row(time, np.sort(getattr(times, time)[step - 1]))
    bars, _ = np.histogram(
        times.from_previous[step - 1], [0, *(edge * SECOND_US for edge in EDGES_S), np.inf]
    )
    return row | {f"bar_{n}_count": int(count) for n, count in enumerate(bars)}


def time_row(time: str, values: Ints) -> Row:
    """Return the exact sum of sorted times in microseconds, and the values around each quantile."""
    # In two parts, because the sum of microseconds can exceed 64 bits.
    total = int((values // SECOND_US).sum()) * SECOND_US + int((values % SECOND_US).sum())
    row: Row = {f"{time}_total_us": total}
    for name, tenths in TENTHS.items():
        position = (len(values) - 1) * tenths
        for end, rank in (("low", position // 10), ("high", -(-position // 10))):
            row[f"{time}_{name}_{end}_us"] = int(values[rank]) if len(values) else None
    return row


def types_in_doubt(funnel: Funnel, numbers: Sequence[NamedValues]) -> list[str]:
    """Return the event types that may be missing from the data: of steps that nobody took,
    and of exclusions.
    """
    reached = {row["step"] for row in numbers if row["count"]}
    seen = {
        step.event_type for number, step in enumerate(funnel.steps, start=1) if number in reached
    }
    return [event.event_type for event in funnel.events if event.event_type not in {*seen, ANY}]


def labelled(chains: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the chains with `label`, the value of `by` that their unit counts for.

    The `funnel.limit` most frequent values are kept (ties in alphabetical order); the others are
    "Other", together with any value of that name.

    Args:
        chains: The result of `funnel_chains` for a funnel with a breakdown.
        funnel: The definition.
    """
    # Who took an optional step counts for the value that they count for without it.
    required = (
        chains.filter(chains.step.notin(sorted(funnel.optional_steps)))
        if funnel.optional_steps
        else chains
    )
    return chains.join(labels_of(required, funnel), key_columns(chains))


def labels_of(chains: ir.Table, funnel: Funnel) -> ir.Table:
    """Return the `label` of each unit by the values of its steps: the columns that identify it,
    `step` and `by_value`.
    """
    keys = key_columns(chains)
    valued = chains.group_by(keys).agg(label=_attributed_value(chains, funnel).fill_null(NO_VALUE))
    sizes = valued.group_by("label").agg(units=valued.count())
    ranks = sizes.mutate(
        rank=ibis.row_number().over(ibis.window(order_by=[sizes.units.desc(), sizes.label]))
    )
    label = (ranks.rank < funnel.limit).ifelse(ranks.label, OTHER)
    return valued.join(ranks.select("label", shown=label), "label").select(*keys, label="shown")


def with_value_columns(rows: ir.Table, by: Sequence[str]) -> ir.Table:
    """Return who is at each step with a column for each of several columns of `by`, such as
    `label.product_category`.

    `by_value.…` has the value of the step's event, `label.…` the one that the unit counts for.
    """
    if len(by) <= 1:
        return rows
    parted = {
        f"{name}.{column}": ibis.coalesce(
            rows[name].split(SEPARATOR)[position], _whole_label(rows[name])
        )
        for name in (VALUE, "label")
        for position, column in enumerate(by)
    }
    return rows.mutate(**parted).drop(VALUE, "label")


def _whole_label(label: ir.Value) -> ir.Value:
    """Return a label that stands for all columns, such as "Other";
    null for one with a value of each.
    """
    return label.notin([OTHER, NO_VALUE]).ifelse(ibis.null("string"), label)


def step_numbers(
    chains: ir.Table, label: Sequence[str] = (), optional: Collection[int] = ()
) -> ir.Table:
    """Return one row per label and step with the count, the values around each quantile,
    and the histogram.

    Args:
        chains: The result of `funnel_chains`.
        label: Columns whose values have numbers of their own.
        optional: The numbers of optional steps; times are counted from the steps that have to be
            taken.

    Returns:
        `label` if requested, `step`, `count`; for each time (`from_previous`, `from_start`) and
        quantile, two columns `…_low_us` and `…_high_us`, between which it lies; for each time its
        sum, `…_total_us`; for each bar of `from_previous`, `bar_<n>_count`.
    """
    timed = _with_times(chains, optional)
    group = [*label, "step"]
    ranked, numbers = _with_ranks(timed, TIMES, group)
    bars = {
        f"bar_{n}_count": _count_inside(ranked.from_previous, bar) for n, bar in enumerate(BARS)
    }
    return ranked.group_by(group).agg(count=ranked.count(), **numbers, **bars)


def _with_ranks(
    rows: ir.Table, times: Sequence[str], group: list[str]
) -> tuple[ir.Table, dict[str, ir.Scalar]]:
    """Return rows with the ranks of their times in a group, and aggregates: each sum,
    and values around quantiles.
    """
    ranks = {
        time: ibis.row_number().over(ibis.window(group_by=group, order_by=rows[time]))
        for time in times
    }
    ranked = rows.mutate(
        unit_count=rows.count().over(ibis.window(group_by=group)),
        **{f"{time}_rank": ranks[time] for time in times},
    )
    numbers: dict[str, ir.Scalar] = {
        f"{time}_total_us": ranked[time].cast(EXACT).sum() for time in times
    }
    for time in times:
        for name, tenths in TENTHS.items():
            # The quantile of n values lies at rank (n - 1) * tenths / 10, with ranks from 0 to
            # n - 1.
            tenth, ten_ranks = (ranked.unit_count - 1) * tenths, ranked[f"{time}_rank"] * 10
            is_low = (ten_ranks <= tenth) & (tenth < ten_ranks + 10)
            is_high = (ten_ranks >= tenth) & (tenth > ten_ranks - 10)
            numbers[f"{time}_{name}_low_us"] = ranked[time].max(where=is_low)
            numbers[f"{time}_{name}_high_us"] = ranked[time].max(where=is_high)
    return ranked, numbers


def key_columns(chains: ir.Table) -> list[str]:
    """Return the columns that identify what is counted: units, held columns,
    and the start of an attempt for totals.
    """
    return [
        name
        for name in chains.columns
        if name not in {"step", "event_at", "event_id", VALUE, "label"}
    ]


def _attributed_value(chains: ir.Table, funnel: Funnel) -> ir.StringValue:
    """Return the one value of a unit, as an aggregate over its chain;
    null if the attribution finds none.
    """
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


def _with_times(chains: ir.Table, optional: Collection[int]) -> ir.Table:
    """Return the chains with the microseconds from the previous step (null
    at step 1) and from step 1.
    """
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


def _count_inside(time_us: ir.IntegerValue, between: Bin) -> ir.IntegerScalar:
    """Return how many times are in a bin, as an aggregate."""
    low, high = between
    inside = time_us >= low * SECOND_US
    inside = inside if high is None else inside & (time_us < high * SECOND_US)
    return inside.ifelse(1, 0).sum()


def conversion_times(chains: ir.Table, definition: TimeToConvert) -> Answer:
    """Return the number of units that took both steps, the average,
    quantiles and bins of their times.

    Args:
        chains: The result of `funnel_chains`.
        definition: The steps and bins.

    Raises:
        DefinitionError: Bins of the width that is asked for would be more than a hundred.
    """
    times = times_between(chains, definition)
    (row,) = rows_of(time_numbers(times))

    def count_bins(bins: list[Bin]) -> list[int]:
        (counts,) = rows_of(bin_counts(times, bins))
        return [counts[f"bin_{n}"] or 0 for n in range(len(bins))]

    return _conversion_answer(row, definition, count_bins)


def keeps_times_between(definition: TimeToConvert) -> bool:
    """Return whether the kernel keeps the times between these two steps of each unit together."""
    return definition.first in {1, definition.last - 1}


def counted_times(times: StepTimes, definition: TimeToConvert) -> Row | None:
    """Return what `conversion_times` does, from the kernel's times; None for steps whose times it
    does not keep together.

    Raises:
        DefinitionError: As `conversion_times`.
    """
    if not keeps_times_between(definition):
        return None
    values = np.sort(
        times.from_start[definition.last - 1]
        if definition.first == 1
        else times.from_previous[definition.last - 1]
    )
    row = {"count": len(values), **time_row("took", values)}
    row |= {"least_us": int(values[0]), "most_us": int(values[-1])} if len(values) else {}

    def count_bins(bins: list[Bin]) -> list[int]:
        ends = [
            (low * SECOND_US, np.inf if high is None else high * SECOND_US) for low, high in bins
        ]
        return [int(np.diff(np.searchsorted(values, end))[0]) for end in ends]

    return _conversion_answer(row, definition, count_bins)


def _conversion_answer(
    row: Row, definition: TimeToConvert, count_bins: Callable[[list[Bin]], list[int]]
) -> Answer:
    answer: Answer = {
        "from_step": definition.first,
        "to_step": definition.last,
        "count": row["count"],
    }
    if not row["count"]:
        return answer | {"average_s": None} | {f"{name}_s": None for name in TENTHS} | {"bins": []}
    answer["average_s"] = average_s(row["took_total_us"], row["count"])
    answer |= {f"{name}_s": quantile_s(row, "took", name) for name in TENTHS}
    bins = bins_of(definition, row["count"], row["least_us"], row["most_us"])
    shown = zip(bins, count_bins(bins), strict=True)
    return answer | {
        "bins": [{"from_s": low, "to_s": high, "count": count} for (low, high), count in shown]
    }


def times_between(chains: ir.Table, definition: TimeToConvert) -> ir.Table:
    """Return `took`, the microseconds from the one step to the other,
    for each unit that took both.
    """
    step_times = chains.group_by(key_columns(chains)).agg(
        from_at=chains.event_at.max(where=chains.step == definition.first),
        to_at=chains.event_at.max(where=chains.step == definition.last),
    )
    step_times = step_times.filter(step_times.to_at.notnull())
    return step_times.select(
        took=step_times.to_at.delta(step_times.from_at, unit="microsecond").cast("int64")
    )


def time_numbers(times: ir.Table) -> ir.Table:
    """Return one row: `count`, `least_us`, `most_us`, `took_total_us`,
    and the values around each quantile.
    """
    ranked, numbers = _with_ranks(times, ["took"], [])
    return ranked.agg(
        count=ranked.count(), least_us=ranked.took.min(), most_us=ranked.took.max(), **numbers
    )


def bin_counts(times: ir.Table, bins: list[Bin]) -> ir.Table:
    """Return one row with the number of times in each bin, `bin_<n>`."""
    return times.agg(
        **{f"bin_{n}": _count_inside(times.took, between) for n, between in enumerate(bins)}
    )


def bins_of(definition: TimeToConvert, count: int, least_us: int, most_us: int) -> list[Bin]:
    """Return the bins, half-open, that hold all of `count` times between the least and the most.

    Without a choice there are as many as the cube root of the number of times, rounded up, at most
    60, of one width in whole seconds, from the shortest time to the longest.

    Raises:
        DefinitionError: Bins of the width that is asked for would be more than a hundred.
    """
    if width_s := definition.width_s:
        number = most_us // (width_s * SECOND_US) + 1
        if number > MAX_BINS:
            raise DefinitionError(
                f"Times are up to {most_us // SECOND_US} s, so bins of {width_s} s would be "
                f"{number:,}; ask for wider ones, at most {MAX_BINS}."
            )
        return [(n * width_s, (n + 1) * width_s) for n in range(number)]
    if definition.edges_s:
        return list(zip((0, *definition.edges_s), (*definition.edges_s, None), strict=True))
    number = definition.bin_count or next(
        n for n in range(1, MOST_CHOSEN_BINS + 1) if n**3 >= count or n == MOST_CHOSEN_BINS
    )
    first_s = least_us // SECOND_US
    span_us = most_us - first_s * SECOND_US
    width_s = span_us // (number * SECOND_US) + 1
    number = definition.bin_count or span_us // (width_s * SECOND_US) + 1
    return [(first_s + n * width_s, first_s + (n + 1) * width_s) for n in range(number)]
