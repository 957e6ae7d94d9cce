"""Weekly cohorts of all visitors side by side with ClickHouse in a wheel:
who came back in each week after their first.

Both read the same Parquet file, warm, in one process; counts are compared first, and repetitions
take turns. Ours is what `ecom retention` asks, from events to cells, with value and what is
complete.
"""

# ruff: noqa: PLC0415  # a process that only makes the events must not load the contenders

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.behaviour.funnel import make_events
from benchmarks.measuring import Result, report, say

TARGET = 0.5
Counts = dict[str, list[int]]
Ask = Callable[[], Counts]


def question(file: Path) -> tuple[Any, Any, Any]:
    """Return DuckDB, the activity in the file, and the rule."""
    import ibis

    from ecom_assets.behaviour.retention.activity import event_activity
    from ecom_assets.behaviour.retention.question import RetentionQuestion
    from ecom_assets.core.warehouse.local import connect

    con, rule = connect(), RetentionQuestion()
    con.raw_sql(f"SET threads = {os.cpu_count()}")
    events = con.read_parquet(file)
    events = events.mutate(
        event_date=events.event_at.date(), cart_amount=ibis.null("decimal(18, 2)")
    )
    return con, event_activity(events, rule), rule


def expression(file: Path) -> Ask:
    """The expression, through Ibis on DuckDB."""
    from ecom_assets.behaviour.retention.activity import by_period
    from ecom_assets.behaviour.retention.cells import Reach, retention

    con, activity, rule = question(file)
    newest_date = activity.event_date.max().as_scalar()
    cells = retention(by_period(activity), rule, 16, Reach(newest_date, newest_date))
    sql = str(con.compile(cells.select("cohort_date", "cell", "returned_count")))
    return lambda: _as_counts(con.con.execute(sql).fetchall())


def clickhouse(file: Path) -> Ask:
    """ClickHouse: each visitor's distinct weeks, then the weeks since the first."""
    from chdb import session as chdb_session

    session: Any = chdb_session
    opened = session.Session()
    sql = f"""
        SELECT first, (week - first) / 7 AS n, count() FROM (
            SELECT arrayMin(weeks) AS first, arrayJoin(weeks) AS week FROM (
                SELECT groupUniqArray(toMonday(assumeNotNull(event_at))) AS weeks
                  FROM file('{file}', Parquet)
                GROUP BY visitor_id
            )
        ) GROUP BY first, n ORDER BY first, n SETTINGS max_threads = {os.cpu_count()}"""

    def ask() -> Counts:
        rows = [
            json.loads(line) for line in str(opened.query(sql, "JSONCompactEachRow")).splitlines()
        ]
        return _as_counts(
            (date.fromisoformat(first), int(n), int(count)) for first, n, count in rows
        )

    return ask


def _as_counts(rows: Any) -> Counts:  # noqa: ANN401 (rows of either)
    actual: dict[str, dict[int, int]] = {}
    for cohort, n, count in rows:
        actual.setdefault(str(cohort), {})[int(n)] = int(count)
    return {
        cohort: [cells.get(n, 0) for n in range(max(cells) + 1)]
        for cohort, cells in sorted(actual.items())
    }


def _trimmed(counts: Counts) -> Counts:
    """Leave out the weeks at the end in which nobody came; ClickHouse has no row for them."""
    trimmed = {}
    for cohort, row in counts.items():
        last = max(n for n, count in enumerate(row) if count)
        trimmed[cohort] = row[: last + 1]
    return trimmed


def measure(events: int, repetitions: int) -> None:
    """All in turn; ratios are medians of pairs."""
    file = make_events(events)
    asks = {"expression": expression(file), "clickhouse": clickhouse(file)}
    actual = {name: _trimmed(ask()) for name, ask in asks.items()}
    if any(row != actual["clickhouse"] for row in actual.values()):
        sys.exit(f"The contenders disagree, so there is nothing to compare: {actual}")
    say(f"{len(actual['expression'])} cohorts, the same from all")
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in asks}
    for _ in range(repetitions):
        for name, ask in asks.items():
            begun, cpu = time.perf_counter(), time.process_time()
            ask()
            spent[name].append((time.perf_counter() - begun, time.process_time() - cpu))
    report(*_results(spent["expression"], spent["clickhouse"], events))


def _results(
    expression_runs: list[tuple[float, float]], chdb_runs: list[tuple[float, float]], events: int
) -> list[Result]:
    pairs = list(zip(expression_runs, chdb_runs, strict=True))
    wall, cpu = (median(left[n] / other[n] for left, other in pairs) for n in (0, 1))
    wall_s, chdb_wall_s = (
        round(median(run_s for run_s, _ in spent), 3) for spent in (expression_runs, chdb_runs)
    )
    about: dict[str, object] = {"events": events, "wall_s": wall_s, "chdb_wall_s": chdb_wall_s}
    return [
        Result("cohorts by week / chDB, warm, wall", wall, "x", TARGET, about=about),
        Result("cohorts by week / chDB, warm, CPU", cpu, "x", about=about),
    ]


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--events", type=int, default=10_000_000, help="how many events to make (10 million)"
    )
    parser.add_argument("--repetitions", type=int, default=7, help="interleaved repetitions (7)")
    arguments = parser.parse_args()
    measure(arguments.events, arguments.repetitions)


if __name__ == "__main__":
    main()
