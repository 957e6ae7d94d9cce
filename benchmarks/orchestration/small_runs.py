"""`ecom run` and other commands over two rows of events: what they cost with next to no data.

Four runs, each a process of its own: the first of a user of whom nothing is kept, the first in a
new home of that user, one with a day more, and one without news. Then what looks at that home, and
`ecom --help`. CPU seconds are those of a machine
on which four imports, the reference, take `REFERENCE_S`: machines differ by half from day to day.
"""

import argparse
import sys
from pathlib import Path
from statistics import median

from benchmarks.measuring import (
    ECOM,
    Result,
    Spent,
    costs,
    report,
    run_platform,
    run_process,
    scratch,
)

REFERENCE = "import dagster, ibis, duckdb, pandas"
REFERENCE_S = 1.2
"""CPU seconds of the reference on the machine that targets are for."""
HEADER = (
    "event_id,event_timestamp,event_type,user_id,product_id,product_category,session_id,"
    "page_url,referrer_url,cart_value\n"
)
ROWS = (
    "e1,2026-03-01T10:00:00Z,page_view,u1,p1,shoes,s1,/p1,,\n"
    "e2,2026-03-01T10:01:00Z,purchase,u1,p1,shoes,s1,/p1,,12.50\n"
)
ROW_OF_NEXT_DAY = "e3,2026-03-02T10:01:00Z,purchase,u1,p1,shoes,s2,/p1,,12.50\n"
TARGETS_S = {
    "nothing kept on the machine": 12.0,
    "a new home of a user who ran before": 7.0,
    "one more day": 5.0,
    "no news": 5.0,
}
COMMANDS_S = {"--help": 0.2, "status": 1.0, "doctor": 1.0}
"""What is asked of the home afterwards, with its target."""


def reference_s(repetitions: int) -> float:
    """Return the CPU seconds of the reference, the least of some processes."""
    return min(run_process([sys.executable, "-c", REFERENCE]).cpu_s for _ in range(repetitions))


def four_runs(folder: Path) -> dict[str, Spent]:
    """Return what each run cost, in an empty folder, in which the user's own files are too."""
    user = {"HOME": str(folder / "user"), "XDG_CACHE_HOME": str(folder / "user" / "cache")}
    events = folder / "events.csv"
    events.write_text(HEADER + ROWS)
    spent = {}
    for name in TARGETS_S:
        home = folder / ("first" if name == "nothing kept on the machine" else "second")
        if name == "one more day":
            events.write_text(HEADER + ROWS + ROW_OF_NEXT_DAY)
        settings = {"ECOM_HOME": str(home), "ECOM_EVENTS": str(events), **user}
        spent[name], _ = run_platform(**settings)
    for command in COMMANDS_S:
        spent[f"ecom {command}"] = run_process([ECOM, command], settings)
    return spent


def main() -> None:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    repetitions = parser.parse_args().repetitions
    imports_s = reference_s(repetitions)
    targets = TARGETS_S | {f"ecom {command}": target for command, target in COMMANDS_S.items()}
    each: dict[str, list[Spent]] = {name: [] for name in targets}
    for _ in range(repetitions):
        with scratch() as folder:
            for name, spent in four_runs(folder).items():
                each[name].append(spent)
    for name, all_spent in each.items():
        value = median(spent.cpu_s for spent in all_spent) * REFERENCE_S / imports_s
        about = {**costs(all_spent[-1]), "imports_cpu_s": round(imports_s, 2)}
        report(Result(f"two rows: {name}", value, "CPU s", targets[name], about=about))


if __name__ == "__main__":
    main()
