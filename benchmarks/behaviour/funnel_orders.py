"""Funnels in full, in every order, beside ClickHouse's mode of that name;
and what 20 steps cost against 5.

"In full" is counts, times between steps, and the events that each unit took them by, from the
portable expression on DuckDB; ClickHouse counts levels only. Counts are compared first.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from benchmarks.behaviour.funnel import make_events
from benchmarks.behaviour.funnel_rivals import clickhouse
from benchmarks.measuring import Result, report, say
from ecom_assets.behaviour.funnels.chains import funnel_chains
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS, Funnel
from ecom_assets.behaviour.funnels.kernel.counts import funnel_times
from ecom_assets.behaviour.funnels.levels import funnel_levels
from ecom_assets.behaviour.funnels.report import step_numbers
from ecom_assets.core.warehouse.local import connect

MODES = {
    "ordered": "",
    "clickhouse_default": "",
    "strict_increase": ", 'strict_once', 'strict_increase'",
    "strict_order": ", 'strict_order'",
    "strict_deduplication": ", 'strict_deduplication'",
}
GROWTH = 4.0
DAY_S = 86_400


def reported(con: Backend, events: ir.Table, funnel: Funnel) -> list[int]:
    """Our counts per step, from chains with their times."""
    rows = con.to_pyarrow(step_numbers(funnel_chains(events, funnel))).to_pylist()
    actual = {row["step"]: row["count"] for row in rows}
    return [actual.get(step, 0) for step in range(1, len(funnel.steps) + 1)]


def clocked(work: Callable[[], list[int]], repetitions: int) -> tuple[float, list[int]]:
    """CPU seconds, the median of several times, and what came out."""
    spent = []
    for _ in range(repetitions):
        begun = time.process_time()
        actual = work()
        spent.append(time.process_time() - begun)
    return median(spent), actual


def orders(con: Backend, file: Path, repetitions: int) -> None:
    """Each order in full beside ClickHouse's level."""
    events = con.sql(
        f"SELECT *, file_row_number AS event_id FROM read_parquet('{file}', file_row_number = true)"
    )
    for order, modes in MODES.items():
        ecom_s, ecom_counts = clocked(
            partial(
                reported, con, events, Funnel.from_mapping({"steps": FIVE_STEPS, "order": order})
            ),
            repetitions,
        )
        chdb_s, chdb_counts = clocked(clickhouse(file, modes=modes), repetitions)
        if ecom_counts != chdb_counts:
            raise SystemExit(
                f"{order}: {ecom_counts} here and {chdb_counts} in ClickHouse, so there is "
                "nothing to compare."
            )
        say(f"{order}: {ecom_counts}, the same from both")
        report(Result(f"funnel, {order} in full / chDB levels, warm, CPU", ecom_s / chdb_s, "x"))


def growth(con: Backend, events: int, repetitions: int) -> None:
    """What 20 steps cost against 5, in one window of a month, by kernel and by expression."""
    con.raw_sql(f"""
        CREATE OR REPLACE TEMP TABLE many_types AS
        SELECT 'v' || i % {events // 20} AS visitor_id, i AS event_id, 'e' || hash(i * 7) % 20
          AS event_type,
            make_timestamp(1735689600000000 + (hash(i) % {90 * DAY_S})::BIGINT * 1000000)
              AS event_at
        FROM range({events}) AS r(i)""")
    table = con.table("many_types", database=("temp", "main"))
    methods: dict[str, Callable[[Funnel], Any]] = {
        "kernel": lambda funnel: funnel_times(con.con, "SELECT * FROM temp.many_types", funnel),
        "expression": lambda funnel: con.to_pyarrow(funnel_levels(table, funnel).count()),
        "in full": lambda funnel: reported(con, table, funnel),
    }
    for name, count in methods.items():
        spent = {
            steps: clocked(partial(count, funnel), repetitions)[0]
            for steps in (5, 20)
            for funnel in [
                Funnel.from_mapping({"steps": [f"e{n}" for n in range(steps)], "within": "30d"})
            ]
        }
        report(
            Result(
                f"funnel, 20 steps / 5 steps, {name}, CPU",
                spent[20] / spent[5],
                "x",
                GROWTH,
                about={"s": spent},
            )
        )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    con = connect()
    con.con.execute(f"SET threads = {os.cpu_count()}")
    orders(con, make_events(arguments.events), arguments.repetitions)
    growth(con, arguments.events // 10, arguments.repetitions)


if __name__ == "__main__":
    main()
