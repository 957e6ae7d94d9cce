"""A funnel's numbers per step: by DuckDB's kernel where it can; and how a step is told, with its quantiles.

The only place that chooses between kernel and expression. Not here: the whole answer (`funnel.py`).
"""

from collections.abc import Sequence

import ibis.expr.types as ir
import numpy as np
from ibis.backends.sql import SQLBackend

from ecom_assets.answers.reading import Row
from ecom_assets.transforms.funnel_definition import Funnel
from ecom_assets.transforms.funnel_report import EDGES_S, TENTHS, TIMES
from ecom_assets.warehouse.funnel_kernel import funnel_times, suits
from ecom_assets.warehouse.funnel_walk_passes import StepTimes


def fast_numbers(con: SQLBackend, events: ir.Table, funnel: Funnel, unit: Sequence[str]) -> list[Row] | None:
    """What `step_numbers` finds, by the kernel; None where that does not count this funnel, or not in this engine."""
    if con.name != "duckdb" or not suits(funnel):
        return None
    times = funnel_times(con.con, str(con.compile(events)), funnel, unit)
    return [_row(step, times) for step in range(1, len(funnel.steps) + 1)]


def step_answers(funnel: Funnel, rows: Sequence[Row]) -> list[Row]:
    """The steps as INTERFACE has them, from rows of `step_numbers`; a share is null where nobody could have gone on.

    Times are null at step 1, and where nobody took the step.
    """
    found = {row["step"]: row for row in rows}
    counts = [found[step]["count"] if step in found else 0 for step in range(1, len(funnel.steps) + 1)]
    answers = []
    for place, (step, count) in enumerate(zip(funnel.steps, counts, strict=True), start=1):
        previous = counts[max(place - 2, 0)]
        answers.append(
            {
                "step": place,
                "event_type": step.event_type,
                "count": count,
                "conversion_from_start": count / counts[0] if counts[0] else None,
                "conversion_from_previous": count / previous if previous else None,
            }
            | _times(found[place] if count and place > 1 else None, funnel.within_s)
        )
    return answers


def _times(row: Row | None, within_s: int) -> Row:
    """Quantiles in seconds, between two ranks in proportion; and the histogram of times from the step before."""
    times = {f"{name}_s_{time}": row and _quantile_s(row, time, name) for time in TIMES for name in TENTHS}
    ends = zip((0, *EDGES_S), (*EDGES_S, None), strict=True)
    bars = (
        [
            {"from_s": low, "to_s": high, "count": row[f"bar_{n}_count"]}
            for n, (low, high) in enumerate(ends)
            if row and low <= within_s
        ]
        if row
        else []
    )
    return {**times, "histogram_from_previous": bars}


def _quantile_s(row: Row, time: str, name: str) -> float:
    low, high = row[f"{time}_{name}_low_us"], row[f"{time}_{name}_high_us"]
    part = (row["count"] - 1) * TENTHS[name] % 10
    return float(low * (10 - part) + high * part) / 10e6


def _row(step: int, times: StepTimes) -> Row:
    row: Row = {"step": step, "count": len(times.from_start[step - 1])}
    for time in TIMES:
        values = np.sort(getattr(times, time)[step - 1])
        for name, tenths in TENTHS.items():
            place = (len(values) - 1) * tenths
            for end, rank in (("low", place // 10), ("high", -(-place // 10))):
                row[f"{time}_{name}_{end}_us"] = int(values[rank]) if len(values) else None
    bars, _ = np.histogram(times.from_previous[step - 1], [0, *(edge * 1_000_000 for edge in EDGES_S), np.inf])
    return row | {f"bar_{n}_count": int(count) for n, count in enumerate(bars)}
