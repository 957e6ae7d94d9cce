"""The whole platform over some 10 million events, beside a vectorized pandas script for
its main tables of events.

`python -m benchmarks.orchestration.pipeline` runs `ecom run` as a fresh process in a fresh home,
then the rival on the same landing folders, compares the tables that both have row by row, and
reports wall time, CPU time and peak memory. CPU time is the steadier figure on a machine that does
other work.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import (
    Result,
    Spent,
    available_mb,
    costs,
    report,
    run_platform,
    run_process,
    say,
    scratch,
    script,
)
from benchmarks.same_tables import SAME_RULE, require_equal
from benchmarks.shop_data import shop, truth

HERE = Path(__file__).parent
TIMES_FASTER = 2.0
PEAK_MB = {"quick": 2048.0, "full": 2048.0, "huge": 2500.0}
LIMIT = {"ECOM_MEMORY_LIMIT": "1500MB"}
"""What these peaks are kept with, whatever the machine has."""
NEEDS_MB = {"quick": 1_000, "full": 14_000, "huge": 140_000}
"""What the rival needs; measured, with some to spare."""


def platform(events: Path, home: Path) -> tuple[Spent, dict[str, Any]]:
    """`ecom run` in a home of its own: what it cost, and its summary."""
    return run_platform("--events", str(events), ECOM_HOME=str(home), **LIMIT, **SAME_RULE)


def rival(events: Path, out: Path) -> tuple[Spent, dict[str, float]]:
    """The pandas script: what it cost, and its seconds per part."""
    spent = run_process([*script("orchestration.pandas_pipeline"), str(events), str(out)])
    return spent, json.loads(spent.printed)


def measure(size: str, repetitions: int) -> None:
    """Both in turn, as often as asked for; the ratios are medians of pairs."""
    events, about = shop(size), {"events": truth(size)["rows"]}
    pairs: list[tuple[Spent, Spent]] = []
    for repetition in range(repetitions):
        with scratch() as folder:
            ecom_spent, summary = platform(events, folder / "home")
            say(
                f"platform {ecom_spent.wall_s:.1f} s, {ecom_spent.cpu_s:.1f} CPU s, "
                f"{ecom_spent.peak_mb:.0f} MB: {_rows(summary)}"
            )
            pandas_spent, parts = rival(events, folder / "pandas")
            say(
                f"pandas {pandas_spent.wall_s:.1f} s, {pandas_spent.cpu_s:.1f} CPU s, "
                f"{pandas_spent.peak_mb:.0f} MB: {parts}"
            )
            if repetition == 0:
                require_equal(folder / "home" / "warehouse.duckdb", folder / "pandas")
            pairs.append((ecom_spent, pandas_spent))
    ratio = _middle(pairs, lambda ecom_spent, pandas_spent: pandas_spent.wall_s / ecom_spent.wall_s)
    cpu_ratio = _middle(
        pairs, lambda ecom_spent, pandas_spent: pandas_spent.cpu_s / ecom_spent.cpu_s
    )
    peak_mb = max(ecom_spent.peak_mb for ecom_spent, _ in pairs)
    last_ecom, last_pandas = pairs[-1]
    their_costs = {f"pandas_{name}": value for name, value in costs(last_pandas).items()}
    about_ratios = {**about, **costs(last_ecom), **their_costs}
    report(
        Result(
            "pipeline: times faster than pandas, wall",
            ratio,
            "x",
            TIMES_FASTER,
            at_most=False,
            about=about_ratios,
        ),
        Result("pipeline: times faster than pandas, CPU", cpu_ratio, "x", about=about_ratios),
        Result(
            "pipeline: peak memory",
            peak_mb,
            "MB",
            PEAK_MB[size],
            about={**about, **costs(last_ecom)},
        ),
    )


def measure_alone(size: str) -> None:
    """The platform without a rival, which would not fit into memory."""
    with scratch() as folder:
        ours, summary = platform(shop(size), folder / "home")
    say(f"platform {ours.wall_s:.1f} s: {_rows(summary)}")
    about = {"events": truth(size)["rows"], **costs(ours)}
    name = "pipeline_100m" if size == "huge" else "pipeline"
    report(Result(f"{name}: peak memory", ours.peak_mb, "MB", PEAK_MB[size], about=about))


def _rows(summary: dict[str, Any]) -> str:
    return (
        f"{summary['tables']['raw.events']:,} rows received, {summary['sessions']['sessions']:,} "
        "sessions"
    )


def _middle(pairs: list[tuple[Spent, Spent]], of: Callable[[Spent, Spent], float]) -> float:
    return median(of(ecom_spent, pandas_spent) for ecom_spent, pandas_spent in pairs)


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=PEAK_MB, default="full")
    parser.add_argument("--repetitions", type=int, default=1)
    arguments = parser.parse_args()
    needs_mb, free_mb = NEEDS_MB[arguments.size], available_mb()
    if free_mb < needs_mb:
        say(f"pandas is left out: it needs {needs_mb:,} MB, and {free_mb:,.0f} MB are free.")
        measure_alone(arguments.size)
    else:
        measure(arguments.size, arguments.repetitions)


if __name__ == "__main__":
    main()
