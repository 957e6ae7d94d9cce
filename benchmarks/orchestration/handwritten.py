"""The platform's main tables of events beside the same tables by hand-written SQL, both on DuckDB.

`python -m benchmarks.orchestration.handwritten` runs `ecom run`, limited to these tables and their
checks, as a fresh process in a fresh home, and `handwritten.sql` as another, in turn. Times count
only if all rows are equal.
"""

import argparse
from pathlib import Path

import duckdb

from benchmarks.measuring import (
    Spent,
    ratios,
    report,
    run_platform,
    run_process,
    say,
    scratch,
    script,
)
from benchmarks.same_tables import COMPARED, SAME_RULE, require_equal
from benchmarks.shop_data import shop, truth

SQL = Path(__file__).with_suffix(".sql")
TABLES = ("raw.events", "mart.funnel_entries", *(table for table, _ in COMPARED.values()))
"""What both compute, and what the platform's funnel is read from."""
RATIO = 1.3


def write_tables(events: Path, file: Path) -> None:
    """Run the hand-written statements over landing folders, into a new DuckDB file."""
    with duckdb.connect(str(file)) as con:
        con.execute(SQL.read_text(encoding="utf-8").replace("{events}", str(events)))


def by_hand(events: Path, file: Path) -> Spent:
    """Return what the hand-written statements cost as a process."""
    return run_process([*script("orchestration.handwritten"), "--write", str(events), str(file)])


def platform(events: Path, home: Path) -> Spent:
    """Return what `ecom run` cost for the same tables, with their checks."""
    select = " or ".join(f'key:"{table.replace(".", "/")}"' for table in TABLES)
    return run_platform(
        "--events", str(events), "--select", select, ECOM_HOME=str(home), **SAME_RULE
    )[0]


def measure(size: str, repetitions: int) -> None:
    """Run both in turn, as often as asked for; ratios are medians of pairs."""
    events, pairs = shop(size), []
    for repetition in range(repetitions):
        with scratch() as folder:
            rival_spent = by_hand(events, folder / "by_hand.duckdb")
            say(
                f"by hand {rival_spent.wall_s:.1f} s, {rival_spent.cpu_s:.1f} CPU s, "
                f"{rival_spent.peak_mb:.0f} MB"
            )
            ecom_spent = platform(events, folder / "home")
            say(
                f"platform {ecom_spent.wall_s:.1f} s, {ecom_spent.cpu_s:.1f} CPU s, "
                f"{ecom_spent.peak_mb:.0f} MB"
            )
            if repetition == 0:
                require_equal(folder / "home" / "warehouse.duckdb", folder / "by_hand.duckdb")
            pairs.append((ecom_spent, rival_spent))
    name = "handwritten: main tables of events / hand-written SQL"
    report(*ratios(name, pairs, RATIO, "by_hand", events=truth(size)["rows"]))


def main() -> None:
    """Parse the command line; measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("quick", "full"), default="full")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument(
        "--write", type=Path, nargs=2, metavar=("EVENTS", "FILE"), help="only write the tables"
    )
    arguments = parser.parse_args()
    if arguments.write:
        write_tables(*arguments.write)
    else:
        measure(arguments.size, arguments.repetitions)


if __name__ == "__main__":
    main()
