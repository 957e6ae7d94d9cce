"""The platform's main tables of events beside the same tables by hand-written SQL, both on DuckDB.

`python benchmarks/handwritten.py` runs `ecom run`, limited to these tables and their checks, as a fresh process in a
fresh home, and `handwritten.sql` as another, in turn. Times count only if all rows are equal.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import median

import duckdb
from measuring import ECOM, Result, Spent, costs, report, run_process, say, scratch
from same_tables import COMPARED
from shop_data import shop, truth

SQL = Path(__file__).with_suffix(".sql")
TABLES = ("raw.events", *(table for table, _ in COMPARED.values()))
RATIO = 1.3


def write_tables(events: Path, file: Path) -> None:
    """Run the hand-written statements over landing folders, into a new DuckDB file."""
    with duckdb.connect(str(file)) as con:
        con.execute(SQL.read_text(encoding="utf-8").replace("{events}", str(events)))


def by_hand(events: Path, file: Path) -> Spent:
    """Return what the hand-written statements cost as a process."""
    return run_process([sys.executable, __file__, "--write", str(events), str(file)])


def platform(events: Path, home: Path) -> Spent:
    """Return what `ecom run` cost for the same tables, with their checks."""
    select = " or ".join(f'key:"{table.replace(".", "/")}"' for table in TABLES)
    command = [ECOM, "run", "--events", str(events), "--select", select, "--json"]
    spent = run_process(command, {"ECOM_HOME": str(home)})
    summary = json.loads(spent.printed)
    if not summary["success"] or summary["checks"]["failed"]:
        sys.exit(f"The platform's run failed: {summary['failures']}, {summary['checks']}")
    return spent


def require_equal(home: Path, file: Path) -> None:
    """End the benchmark unless both hold the same rows: there would be nothing to compare."""
    same_tables = str(Path(__file__).with_name("same_tables.py"))
    tables = json.loads(run_process([sys.executable, same_tables, str(home / "warehouse.duckdb"), str(file)]).printed)
    if wrong := {name: rows for name, rows in tables.items() if rows["differing"] or not rows["rows"]}:
        sys.exit(f"The platform and the hand-written SQL disagree: {wrong}")
    say("equal, row by row: " + ", ".join(f"{name} {rows['rows']:,}" for name, rows in tables.items()))


def measure(size: str, repetitions: int) -> None:
    """Run both in turn, as often as asked for; ratios are medians of pairs."""
    events, pairs = shop(size), []
    for repetition in range(repetitions):
        with scratch() as folder:
            theirs = by_hand(events, folder / "by_hand.duckdb")
            say(f"by hand {theirs.wall_s:.1f} s, {theirs.cpu_s:.1f} CPU s, {theirs.peak_mb:.0f} MB")
            ours = platform(events, folder / "home")
            say(f"platform {ours.wall_s:.1f} s, {ours.cpu_s:.1f} CPU s, {ours.peak_mb:.0f} MB")
            if repetition == 0:
                require_equal(folder / "home", folder / "by_hand.duckdb")
            pairs.append((ours, theirs))
    ours, theirs = pairs[-1]
    by_hand_costs = {f"by_hand_{name}": value for name, value in costs(theirs).items()}
    about = {"events": truth(size)["rows"], **costs(ours), **by_hand_costs}
    for kind, target in (("wall", RATIO), ("cpu", None)):
        ratio = median(getattr(ours, f"{kind}_s") / getattr(theirs, f"{kind}_s") for ours, theirs in pairs)
        report(
            Result(f"handwritten: main tables of events / hand-written SQL, {kind}", ratio, "x", target, about=about)
        )


def main() -> None:
    """Parse the command line; measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("quick", "full"), default="full")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--write", type=Path, nargs=2, metavar=("EVENTS", "FILE"), help="only write the tables")
    given = parser.parse_args()
    if given.write:
        write_tables(*given.write)
    else:
        measure(given.size, given.repetitions)


if __name__ == "__main__":
    main()
