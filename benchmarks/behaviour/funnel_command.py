"""`ecom funnel` as a whole process beside ClickHouse's as a whole process,
over Parquet files in the native layout.

Text ids in one file, and integer ids in a landing folder per day; and the command alone over ten
rows.

The command refuses bad rows, names visitors and finds arrival days before it counts; ClickHouse
only counts. Counts are compared first; repetitions take turns.
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
from benchmarks.shop_data import DATA, in_day_folders

STEPS = ("page_view", "product_view", "add_to_cart", "checkout_start", "purchase")
WINDOW_S = 7 * 86_400
TARGETS = {"first question": 2.0, "further questions": 1.5}
"""The command reports the times between steps, too, which ClickHouse does not."""
TARGET_START_S, TARGET_FURTHER_S = 0.7, 0.5
NO_HOME = DATA / "no_home"
"""A folder that does not exist: of a question nothing is kept for the next one."""


def native(events: int) -> Path:
    """The events of `funnel.py` in the columns of `ecommerce_events`; made once."""
    import duckdb

    from benchmarks.behaviour.funnel import make_events

    file = DATA / f"native_events_{events}.parquet"
    if not file.exists():
        part = file.with_suffix(".part")
        duckdb.connect().execute(f"""
            COPY (
                SELECT lpad(to_hex(row_number() OVER ()), 16, '0') AS event_id, visitor_id
                  AS user_id, event_type,
                    event_at AS event_timestamp, (1000 + hash(visitor_id) % 500)::VARCHAR
                      AS product_id,
                    'shoes' AS product_category, 's' || visitor_id AS session_id,
                    'https://shop.example.com/' || event_type AS page_url, NULL::VARCHAR
                      AS referrer_url,
                    NULL::VARCHAR AS cart_value
                FROM '{make_events(events)}'
            ) TO '{part}' (FORMAT parquet, COMPRESSION zstd)
        """)
        part.rename(file)
    return file


def in_folders(events: int, first_user: int = 1) -> Path:
    """The same events with integer ids from a first one on, a folder for each day of arrival;
    made once.

    The user 0 is nobody, whose events, 0.3 % of all, fall to a session.
    """
    folder = DATA / f"native_days_{events}{'' if first_user else '_nobody'}"
    return in_day_folders(native(events), folder, first_user)


def ten_rows(events: int) -> Path:
    """Ten of the events, as CSV."""
    import duckdb

    file = DATA / "native_ten.csv"
    duckdb.connect().execute(f"COPY (FROM '{native(events)}' LIMIT 10) TO '{file}'")
    return file


def clickhouse(file: Path) -> list[int]:
    """ClickHouse's counts per step."""
    from chdb import session as chdb_session

    session: Any = chdb_session
    conditions = ", ".join(f"event_type = '{step}'" for step in STEPS)
    clock = "toUInt64(toUnixTimestamp64Micro(event_timestamp))"
    sql = f"""
        SELECT level, count() FROM (
            SELECT windowFunnel({WINDOW_S * 1_000_000})({clock}, {conditions}) AS level
            FROM file('{file}{"" if file.is_file() else "/*/*.parquet"}', Parquet) GROUP BY user_id
        ) GROUP BY level SETTINGS max_threads = {os.cpu_count()}"""
    lines = [line.split(",") for line in str(session.Session().query(sql, "CSV")).split()]
    return [sum(int(n) for level, n in lines if int(level) >= k) for k in range(1, len(STEPS) + 1)]


def run_ecom(file: Path, home: Path) -> tuple[Spent, list[int]]:
    """The command: what it cost and its counts."""
    values = ["--events", str(file), "--steps", ",".join(STEPS), "--within", "7d", "--json"]
    spent = run_process([ECOM, "funnel", *values], {"ECOM_HOME": str(home)})
    return spent, [step["count"] for step in json.loads(spent.printed)["steps"]]


def run_clickhouse(file: Path) -> tuple[Spent, list[int]]:
    """ClickHouse: what it cost and its counts."""
    spent = run_process([*script("behaviour.funnel_command"), "--clickhouse", str(file)])
    return spent, json.loads(spent.printed)


def measure(events: int, repetitions: int) -> None:
    """Measure all."""
    file, folder, nobody, ten = run_process(
        [*script("behaviour.funnel_command"), "--make", str(events)]
    ).printed.split()
    kinds = (
        (file, "text ids in a file"),
        (folder, "integer ids in 90 folders"),
        (nobody, "integer ids in 90 folders, 0.3 % nobody's"),
    )
    with scratch() as home:
        for which, where in zip(TARGETS, (NO_HOME, home), strict=True):
            for data, ids in kinds:
                compare(Path(data), f"{ids}, {which}", repetitions, where, TARGETS[which])
        for name, where, target in (
            ("ecom funnel over ten rows", NO_HOME, TARGET_START_S),
            ("ecom funnel over ten rows, further questions", home, TARGET_FURTHER_S),
        ):
            starts = [run_ecom(Path(ten), where)[0] for _ in range(repetitions + 1)][1:]
            wall_s = median(start.wall_s for start in starts)
            about = costs(starts[-1])
            report(Result(f"funnel, {name}, wall", wall_s, "s", target, about=about))


def compare(file: Path, label: str, repetitions: int, home: Path, target: float) -> None:
    """Both in turn; ratios are medians of pairs."""
    pairs: list[tuple[Spent, Spent]] = []
    for repetition in range(repetitions + 1):
        (ecom_spent, counts), (chdb_spent, expected) = run_ecom(file, home), run_clickhouse(file)
        if counts != expected:
            sys.exit(
                f"ecom funnel and ClickHouse disagree, so there is nothing to compare: {counts}, "
                f"{expected}"
            )
        if repetition:  # the first round warms the disk's cache
            pairs.append((ecom_spent, chdb_spent))
    say(f"visitors per step {counts}, the same from both")
    report(*ratios(f"funnel, ecom funnel / chDB, whole process, {label}", pairs, target, "chdb"))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--clickhouse", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.clickhouse:
        print(json.dumps(clickhouse(arguments.clickhouse)))
    elif arguments.make:
        folders = (in_folders(arguments.make, first_user) for first_user in (1, 0))
        print(native(arguments.make), *folders, ten_rows(arguments.make))
    else:
        measure(arguments.events, arguments.repetitions)


if __name__ == "__main__":
    main()
