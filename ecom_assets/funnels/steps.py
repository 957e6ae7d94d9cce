"""The steps of a funnel's answer, from the number and the times of the units that took each step.

This module imports nothing heavy, because the `ecom` command answers with it alone where the kernel counts.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np

from ecom_assets.funnels.definition import ANY, Funnel
from ecom_assets.funnels.kernel.passes import StepTimes
from ecom_assets.funnels.optional_rules import required_steps
from ecom_assets.tables.packed import Ints

Row = dict[str, Any]


def step_answers(funnel: Funnel, rows: Sequence[Row]) -> list[Row]:
    """Return the steps of an answer from rows of `step_numbers` or `step_rows`.

    A share is null if nobody reached the step that it is a share of. Times are null at step 1, and if nobody took the
    step. The previous step is the last one that is not optional.
    """
    result = {row["step"]: row for row in rows}
    counts = [result[step]["count"] if step in result else 0 for step in range(1, len(funnel.steps) + 1)]
    answers, required = [], [*required_steps(funnel)]
    for place, (step, count) in enumerate(zip(funnel.steps, counts, strict=True), start=1):
        previous = counts[max((n for n in required if n < place), default=1) - 1]
        answers.append(
            _counted(place, step.event_type, count, counts[0], previous)
            | ({"optional": True} if step.is_optional else {})
            | _times(result[place] if count and place > 1 else None, funnel.within_s)
        )
    return answers


def plain_steps(event_types: Sequence[str], counts: Sequence[int]) -> list[Row]:
    """Return the steps of an answer without times."""
    return [
        _counted(place, name, count, counts[0], counts[max(place - 2, 0)]) | {"median_s_from_previous": None}
        for place, (name, count) in enumerate(zip(event_types, counts, strict=True), start=1)
    ]


def _counted(place: int, event_type: str, count: int, first: int, previous: int) -> Row:
    return {
        "step": place,
        "event_type": event_type,
        "count": count,
        "conversion_from_start": count / first if first else None,
        "conversion_from_previous": count / previous if previous else None,
    }


def _times(row: Row | None, within_s: int) -> Row:
    """Return quantiles and averages in seconds, and the histogram of times from the previous step."""
    times = {f"{name}_s_{time}": row and quantile_s(row, time, name) for time in TIMES for name in TENTHS}
    times |= {f"average_s_{time}": row and average_s(row[f"{time}_total_us"], row["count"]) for time in TIMES}
    ends = zip((0, *EDGES_S), (*EDGES_S, None), strict=True)
    bars = [
        {"from_s": low, "to_s": high, "count": row[f"bar_{n}_count"]}
        for n, (low, high) in enumerate(ends)
        if row and low <= within_s
    ]
    return {**times, "histogram_from_previous": bars}


def average_s(total_us: Decimal | int, count: int) -> float:
    """Return the mean in seconds of times whose exact sum is known."""
    # Division of whole numbers, because the sum as a float would be rounded before.
    return int(total_us) / (count * 1_000_000)


def quantile_s(row: Row, time: str, name: str) -> float:
    """Return a quantile in seconds, by linear interpolation between the two values around it."""
    low, high = row[f"{time}_{name}_low_us"], row[f"{time}_{name}_high_us"]
    part = (row["count"] - 1) * TENTHS[name] % 10
    return float(low * (10 - part) + high * part) / 10e6


def step_rows(times: StepTimes) -> list[Row]:
    """Return the rows of `step_numbers` from the kernel's times."""
    return [_step_row(step, times) for step in range(1, len(times.counts) + 1)]


def _step_row(step: int, times: StepTimes) -> Row:
    row: Row = {"step": step, "count": times.counts[step - 1]}
    for time in TIMES:
        row |= time_row(time, np.sort(getattr(times, time)[step - 1]))
    bars, _ = np.histogram(times.from_previous[step - 1], [0, *(edge * 1_000_000 for edge in EDGES_S), np.inf])
    return row | {f"bar_{n}_count": int(count) for n, count in enumerate(bars)}


def time_row(time: str, values: Ints) -> Row:
    """Return the exact sum of sorted times in microseconds, and the values around each quantile."""
    # In two parts, because the sum of microseconds can exceed 64 bits.
    total = int((values // 1_000_000).sum()) * 1_000_000 + int((values % 1_000_000).sum())
    row: Row = {f"{time}_total_us": total}
    for name, tenths in TENTHS.items():
        place = (len(values) - 1) * tenths
        for end, rank in (("low", place // 10), ("high", -(-place // 10))):
            row[f"{time}_{name}_{end}_us"] = int(values[rank]) if len(values) else None
    return row


def types_in_doubt(funnel: Funnel, numbers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the event types that may be missing from the data: of steps that nobody took, and of exclusions."""
    taken = {row["step"] for row in numbers if row["count"]}
    seen = {step.event_type for number, step in enumerate(funnel.steps, start=1) if number in taken}
    names = [*(step.event_type for step in funnel.steps), *(one.event.event_type for one in funnel.exclude)]
    return [name for name in names if name not in {*seen, ANY}]


NO_VALUE: Final = "(none)"
TIMES: Final = ("from_previous", "from_start")
TENTHS: Final = {"median": 5, "p90": 9}
"""Quantiles, in tenths of the units that took at most this long."""
EDGES_S: Final = (1, 10, 60, 300, 900, 3_600, 21_600, 86_400, 259_200, 604_800, 2_592_000)
"""The ends of the histogram's bars, in seconds, the same for every funnel; a further bar has no end. Half-open."""
