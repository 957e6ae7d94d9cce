"""The five-step funnel side by side: ClickHouse in a wheel, Polars, pandas,
our expression, our kernel.

`python -m benchmarks.behaviour.funnel` makes the events once, checks that all count the same, then
measures each contender warm (again and again in one process) and as a whole process. Repetitions
are interleaved and the figures are medians of ratios to ClickHouse in the same repetition, because
other work on a machine slows all of them together; ratios of CPU time are steadier still. The
events are synthetic: a few busy visitors and many quiet ones, times in whole seconds with 2.5 %
ties, text as visitor ids.
"""

# A contender measured as a whole process must not pay for the others' imports.
# ruff: noqa: PLC0415

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.behaviour.funnel_rivals import (
    FUNNEL,
    STEPS,
    Count,
    clickhouse,
    clickhouse_seconds,
    pandas,
    polars,
)
from benchmarks.measuring import run_process, script

Row = dict[str, Any]

DATA = Path(__file__).parents[1] / "data"
TARGETS = {("warm", "kernel"): 0.5, ("warm", "expression"): 1.5, ("process", "kernel"): 1.2}
BASE = "clickhouse"


def make_events(events: int) -> Path:
    """About `events` events in Parquet, the same ones every time; made once."""
    import duckdb

    file = DATA / f"funnel_events_{events}.parquet"
    if file.exists():
        return file
    DATA.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    con = duckdb.connect()
    con.execute("SET threads = 1; SELECT setseed(0.42)")
    con.execute(f"""
        COPY (
            WITH visits AS (
                SELECT i, random() AS who, random() AS day, 1 + floor(ln(1 - random()) / ln(1 - 1 /
                6.0))::INT AS n FROM range({events // 6}) AS visit(i)
            ), clicks AS (
                SELECT *, random() AS kind, random() AS pause FROM (SELECT *, unnest(range(n)) AS j
                  FROM
                visits)
            ), timed AS (
                SELECT *, sum(CASE WHEN j = 0 OR pause < 0.025 THEN 0 WHEN pause < 0.03 THEN 2400
                    ELSE 5 + floor(pause * pause * 240) END) OVER (PARTITION BY i ORDER BY j)
                      AS after_s
                FROM clicks
            )
            SELECT 'u' || lpad((floor({events * 0.0284} * pow(who, 2.2))::BIGINT)::VARCHAR, 9, '0')
              AS
            visitor_id,
                make_timestamp((1735689600 + floor(day * 90 * 86400) + after_s)::BIGINT * 1000000)
                  AS
                event_at, CASE WHEN kind < 0.5 THEN '{STEPS[0]}' WHEN kind < 0.88 THEN '{STEPS[1]}'
                    WHEN kind < 0.95 THEN '{STEPS[2]}' WHEN kind < 0.98 THEN '{STEPS[3]}'
                      ELSE '{STEPS[4]}'
                    END AS event_type
            FROM timed ORDER BY floor(day * 90), i * 7919 % 1000003
        ) TO '{part}' (FORMAT parquet, COMPRESSION zstd)
    """)
    part.rename(file)
    return file


def expression(file: Path) -> Count:
    """Our portable expression, through Ibis on DuckDB."""
    from ecom_assets.behaviour.funnels.levels import funnel_levels
    from ecom_assets.core.warehouse.local import connect

    con = connect()
    levels = funnel_levels(con.read_parquet(file), FUNNEL)
    totals = levels.group_by("level").agg(visitors=levels.count())

    def count() -> list[int]:
        at = {row["level"]: row["visitors"] for row in con.to_pyarrow(totals).to_pylist()}
        return [sum(n for level, n in at.items() if level >= k) for k in range(1, len(STEPS) + 1)]

    return count


def kernel(file: Path) -> Count:
    """Our kernel: DuckDB and NumPy, with the times between steps that every answer has."""
    import duckdb

    from ecom_assets.behaviour.funnels.kernel.counts import funnel_times

    con = duckdb.connect()
    return lambda: funnel_times(con, f"SELECT * FROM '{file}'", FUNNEL).counts


CONTENDERS: dict[str, Callable[[Path], Count]] = {
    "clickhouse": clickhouse,
    "clickhouse_seconds": clickhouse_seconds,
    "polars": polars,
    "pandas": pandas,
    "expression": expression,
    "kernel": kernel,
}


def check_equal(file: Path, names: list[str]) -> list[int]:
    """The counts, which all contenders must agree on before anything is timed."""
    actual = {name: whole_process(name, file)[1] for name in names}
    if len({tuple(counts) for counts in actual.values()}) != 1:
        sys.exit(f"The contenders disagree, so there is nothing to compare: {actual}")
    return actual[BASE]


def warm(file: Path, names: list[str], repetitions: int) -> list[Row]:
    """Seconds of each contender again and again in this process, after one unmeasured round."""
    counts = {name: CONTENDERS[name](file) for name in names}
    rows: list[Row] = []
    for repetition in range(-1, repetitions):
        for name, count in counts.items():
            begun, cpu = time.perf_counter(), time.process_time()
            count()
            row = {"seconds": time.perf_counter() - begun, "cpu_s": time.process_time() - cpu}
            rows.append({"mode": "warm", "name": name, "rep": repetition} | row)
    return [row for row in rows if row["rep"] != -1]


def processes(file: Path, names: list[str], repetitions: int) -> list[Row]:
    """Seconds and peak memory of each contender as a whole process, imports included."""
    return [
        {"mode": "process", "name": name, "rep": repetition} | whole_process(name, file)[0]
        for repetition in range(repetitions)
        for name in names
    ]


def whole_process(name: str, file: Path) -> tuple[Row, list[int]]:
    """Runs one contender in a new interpreter: its figures and its counts."""
    spent = run_process([*script("behaviour.funnel"), "--one", name, "--file", str(file)])
    return {"seconds": spent.wall_s, "cpu_s": spent.cpu_s, "peak_mb": spent.peak_mb}, json.loads(
        spent.printed
    )


def summarise(rows: list[Row]) -> list[Row]:
    """Per mode and contender: median seconds, medians of paired ratios in
    wall-clock and in CPU time.
    """
    summary = []
    for mode, name in dict.fromkeys((row["mode"], row["name"]) for row in rows):
        rows_by_rep = {
            row["rep"]: row for row in rows if (row["mode"], row["name"]) == (mode, name)
        }
        base = {row["rep"]: row for row in rows if (row["mode"], row["name"]) == (mode, BASE)}
        ratios = sorted(row["seconds"] / base[rep]["seconds"] for rep, row in rows_by_rep.items())
        target = TARGETS.get((mode, name))
        figures = {
            "seconds": statistics.median(row["seconds"] for row in rows_by_rep.values()),
            "ratio": statistics.median(ratios),
            "lowest": ratios[0],
            "highest": ratios[-1],
            "cpu_ratio": statistics.median(
                row["cpu_s"] / base[rep]["cpu_s"] for rep, row in rows_by_rep.items()
            ),
        }
        summary.append(
            {"mode": mode, "name": name}
            | {key: round(value, 3) for key, value in figures.items()}
            | {"peak_mb": round(max(row.get("peak_mb", 0) for row in rows_by_rep.values())) or None}
            | {"target": target, "met": None if target is None else figures["ratio"] <= target}
        )
    return summary


def show(summary: list[Row]) -> None:
    """The table, with a plain word where a target was missed."""
    names = ("seconds", "ratio", "lowest", "highest", "cpu_ratio")
    print(
        f"{'mode':8} {'contender':20}", *(f"{name:>9}" for name in names), f"{'peak MB':>8}  target"
    )
    for row in summary:
        outcome = (
            "" if row["met"] is None else f"<= {row['target']}: {'met' if row['met'] else 'MISSED'}"
        )
        figures = " ".join(f"{row[name]:9.3f}" for name in names)
        print(f"{row['mode']:8} {row['name']:20} {figures} {row['peak_mb'] or '':>8}  {outcome}")


def main() -> None:
    """Parses the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--events", type=int, default=10_000_000, help="how many events to make (10 million)"
    )
    parser.add_argument(
        "--repetitions", type=int, default=7, help="interleaved repetitions per mode (7)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="contenders"
    )
    parser.add_argument(
        "--json", type=Path, help="also write every measurement as a JSON line to this file"
    )
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(CONTENDERS[arguments.one](arguments.file)()))
        return
    names = list(dict.fromkeys([BASE, *arguments.only]))
    file = make_events(arguments.events)
    print(
        f"{file.name}: visitors per step {check_equal(file, names)}, the same from "
        f"{', '.join(names)}"
    )
    # Processes first: a child's peak memory is at least what this process held when it was started.
    rows = processes(file, names, arguments.repetitions) + warm(file, names, arguments.repetitions)
    summary = summarise(rows)
    show(summary)
    if arguments.json:
        packages = {
            name: importlib.metadata.version(name)
            for name in ("duckdb", "chdb", "polars", "pandas", "numpy")
        }
        about = {
            "events": arguments.events,
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        } | packages
        arguments.json.write_text(
            "".join(json.dumps(about | row) + "\n" for row in [*rows, *summary])
        )


if __name__ == "__main__":
    main()
