"""`ecom sessions` over a file beside ClickHouse (chDB) and polars with the same totals,
as whole processes.

GA4's rule: half an hour of silence ends a session. Totals are compared first; then all take turns.
The command also refuses bad rows and looks for surplus copies, and computes every column of a
session; the others compute the totals.
"""

# A contender measured as a whole process must not pay for the others' imports.
# ruff: noqa: PLC0415

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.behaviour.question_data import clickhouse_path
from benchmarks.behaviour.questions import FURTHER, HOME, IDS, TARGETS
from benchmarks.measuring import (
    ECOM,
    Result,
    Spent,
    costs,
    ratios,
    report,
    run_process,
    say,
    scratch,
    script,
)

TARGET = 1.0
"""Of the better of the others, of a question about a file that was asked about before."""
IDLE_US, ENGAGED_US = 1_800 * 1_000_000, 10 * 1_000_000
VIEWS = ("page_view", "product_view", "category_view")
Totals = list[float]


def clickhouse(file: Path) -> Totals:
    """Events, visitors, sessions, engaged sessions,
    views and the median duration, by ClickHouse.
    """
    from chdb import session as chdb_session

    session: Any = chdb_session
    at = "toInt64(toUnixTimestamp64Micro(assumeNotNull(event_timestamp)))"
    sql = f"""
        SELECT sum(events), uniqExact(user_id), count(), countIf(took > {ENGAGED_US} OR bought
          OR views > 1),
            sum(views), (quantileExactLow(0.5)(took) + quantileExactHigh(0.5)(took)) / 2 / 1000000
        FROM (
            SELECT user_id, length(one) AS events, one[-1].1 - one[1].1 AS took,
                arrayCount(event -> event.2 IN {VIEWS}, one) AS views,
                arrayExists(event -> event.2 = 'purchase', one) AS bought
            FROM (
                SELECT user_id, arrayJoin(arraySplit((event, gap) -> gap > {IDLE_US}, rows,
                    arrayDifference(arrayMap(event -> event.1, rows)))) AS one
                FROM (
                    SELECT user_id, arraySort(groupArray(({at}, assumeNotNull(event_type)))) AS rows
                    FROM file('{clickhouse_path(file)}', Parquet) GROUP BY user_id
                )
            )
        ) SETTINGS max_threads = {os.cpu_count()}"""
    return [
        float(value)
        for value in json.loads(str(session.Session().query(sql, "JSONCompactEachRow")))
    ]


def polars(file: Path) -> Totals:
    """The same by polars."""
    import polars as pl

    events = pl.scan_parquet(file).select(
        "user_id", "event_type", at=pl.col("event_timestamp").dt.epoch("us")
    )
    events = events.sort("user_id", "at").with_columns(
        begins=(pl.col("user_id") != pl.col("user_id").shift()) | (pl.col("at").diff() > IDLE_US)
    )
    sessions = events.group_by(
        pl.col("begins").fill_null(value=True).cum_sum().alias("number")
    ).agg(
        pl.col("user_id").first(),
        events=pl.len(),
        took=pl.col("at").max() - pl.col("at").min(),
        views=pl.col("event_type").is_in(VIEWS).sum(),
        bought=(pl.col("event_type") == "purchase").any(),
    )
    is_engaged = (pl.col("took") > ENGAGED_US) | pl.col("bought") | (pl.col("views") > 1)
    totals = sessions.select(
        pl.col("events").sum(),
        visitors=pl.col("user_id").n_unique(),
        sessions=pl.len(),
        engaged=is_engaged.sum(),
        views=pl.col("views").sum(),
        median_s=pl.col("took").median() / 1_000_000,
    )
    return [float(value) for value in totals.collect().row(0)]


RIVALS = {"chDB": clickhouse, "polars": polars}


def ours(file: Path, folder: Path) -> tuple[Spent, Totals]:
    """The command: what it cost, and its totals."""
    spent = run_process(
        [ECOM, "sessions", "--events", str(file), "--json"], {"ECOM_HOME": str(folder)}
    )
    answer = json.loads(spent.printed)
    totals = [answer[name] for name in ("events", "visitors", "sessions", "engaged_sessions")]
    views = round(answer["pages_per_session"] * answer["sessions"])
    return spent, [float(value) for value in (*totals, views, answer["median_duration_s"])]


def measure(file: Path, repetitions: int) -> None:
    """All in turns; ratios are to the better of the others in the same round."""
    rounds: list[tuple[Spent, dict[str, Spent]]] = []
    with scratch() as folder:
        for repetition in range(repetitions + 1):
            ecom_spent, totals = ours(file, folder)
            rivals = {}
            for name in RIVALS:
                rivals[name] = run_process(
                    [*script("behaviour.sessions_from_files"), "--rival", name, "--file", str(file)]
                )
                if json.loads(rivals[name].printed) != totals:
                    sys.exit(
                        f"ecom and {name} disagree, so there is nothing to compare: {totals}, "
                        f"{rivals[name]}"
                    )
            if repetition or not repetitions:  # the first round warms the disk's cache
                rounds.append((ecom_spent, rivals))
    say(f"{totals[2]:,.0f} sessions, the same from all")
    about: dict[str, object] = {**costs(ecom_spent)}
    for name, spent in rivals.items():
        about |= {f"{name}_{key}": value for key, value in costs(spent).items()}
    wall = median(
        own_spent.wall_s / min(other.wall_s for other in rivals.values())
        for own_spent, rivals in rounds
    )
    cpu = median(
        own_spent.cpu_s / min(other.cpu_s for other in rivals.values())
        for own_spent, rivals in rounds
    )
    report(
        Result(
            "sessions from files / better of chDB and polars, wall", wall, "x", TARGET, about=about
        ),
        Result("sessions from files / better of chDB and polars, CPU", cpu, "x", about=about),
    )


def measure_beside_clickhouse(file: Path, repetitions: int, ids: str, which: str) -> None:
    """The command and ClickHouse in turns, as the first question of a file or a further one."""
    pairs: list[tuple[Spent, Spent]] = []
    with scratch() as folder:
        home = folder / HOME
        if which == FURTHER:
            home.mkdir()
        for repetition in range(repetitions + 1):
            spent, totals = ours(file, home)
            command = [*script("behaviour.sessions_from_files"), "--rival", "chDB"]
            other = run_process([*command, "--file", str(file)])
            if json.loads(other.printed) != totals:
                sys.exit(f"ecom and chDB disagree: {totals}, {other}")
            if repetition or not repetitions:  # as above
                pairs.append((spent, other))
    group = f"sessions from files / chDB, whole process, {which}"
    report(*ratios(f"{group}, {ids}", pairs, TARGETS[which], "chdb", group))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--rival", choices=RIVALS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rival:
        print(json.dumps(RIVALS[arguments.rival](arguments.file)))
        return
    maker = script("behaviour.question_data")
    made = run_process([*maker, str(arguments.events)]).printed.splitlines()[-1].split()
    measure(Path(made[0]), arguments.repetitions)
    for which in TARGETS:
        for data, ids in zip(made, IDS, strict=True):
            measure_beside_clickhouse(Path(data), arguments.repetitions, ids, which)


if __name__ == "__main__":
    main()
