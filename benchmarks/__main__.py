"""`python -m benchmarks`: every benchmark in a process of its own, a table that says which targets
are met, and what became worse since the table of the last commit.

Exit code 1 says that a benchmark failed, that the whole run became more than 10 % slower, or that a
figure which met its target misses it now by more than its tolerance. The table in
`benchmarks/figures.json` and the page that shows it are written again, for a commit, unless the
machine does other work.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import figures
from benchmarks.figures import Figure
from benchmarks.measuring import script

FULL = {
    "api": [["interfaces.api"]],
    "api_cache": [["interfaces.api_cache"]],
    "api_questions": [["interfaces.api_questions"]],
    "cohorts": [["behaviour.cohorts"]],
    "collect": [["ingestion.collect"]],
    "stream": [["ingestion.stream"], ["interfaces.live_page"]],
    "attribution": [["commerce.attribution"]],
    "custom_sales": [["commerce.custom_sales"]],
    "dashboard": [["interfaces.dashboard"]],
    "delivery": [["outputs.delivery"]],
    "engines": [["orchestration.engines"]],
    "explain": [["interfaces.explain"]],
    "extraction": [["ingestion.extraction"]],
    "files_per_answer": [["interfaces.files_per_answer"]],
    "first_numbers": [["orchestration.first_numbers"]],
    "funnel": [
        ["behaviour.funnel"],
        ["behaviour.funnel_command"],
        ["behaviour.funnel_orders", "--events", "1000000"],
    ],
    "handwritten": [["orchestration.handwritten"]],
    "identity": [["behaviour.identity"]],
    "marketing": [["commerce.marketing"], ["commerce.one_more_ad_day"]],
    "one_caller": [["interfaces.one_caller"]],
    "one_more_day": [["orchestration.one_more_day"]],
    "one_more_order_day": [["commerce.one_more_order_day"]],
    "paging": [["interfaces.paging"]],
    "pipeline": [["orchestration.pipeline"]],
    "profit": [["commerce.profit"]],
    "publication": [["outputs.publication"]],
    "questions": [["behaviour.questions"], ["behaviour.sessions_from_files"]],
    "scale": [["orchestration.scale"]],
    "small_runs": [["orchestration.small_runs"]],
    "snowflake_statements": [["core.snowflake_statements"]],
    "upload": [["interfaces.upload"]],
    "whole_run": [["orchestration.whole_run"]],
}
QUICK = {
    "api": [["interfaces.api", "--size", "quick", "--rounds", "2"]],
    "api_cache": [["interfaces.api_cache", "--requests", "4000"]],
    "api_questions": [
        [
            *("interfaces.api_questions", "--events", "200000", "--lines", "30000"),
            *("--items", "500", "--repetitions", "1"),
        ]
    ],
    "collect": [["ingestion.collect", "5"]],
    "stream": [["ingestion.stream", "500000"], ["interfaces.live_page", "3"]],
    "cohorts": [["behaviour.cohorts", "--events", "1000000", "--repetitions", "3"]],
    "attribution": [["commerce.attribution", "--purchases", "50000"]],
    "custom_sales": [
        ["commerce.custom_sales", "--lines", "60000", "--items", "500", "--repetitions", "1"]
    ],
    "dashboard": [["interfaces.dashboard", "--days", "60"]],
    "engines": [["orchestration.engines"]],
    "delivery": [
        [
            "outputs.delivery",
            "--events",
            "200000",
            "--sdk-events",
            "20000",
            "--memory",
            "50000",
            "500000",
        ]
    ],
    "explain": [["interfaces.explain", "--events", "500000"]],
    "extraction": [["ingestion.extraction", "--events", "50000", "--repetitions", "1"]],
    "files_per_answer": [["interfaces.files_per_answer"]],
    "first_numbers": [["orchestration.first_numbers", "--without-spark"]],
    "funnel": [
        ["behaviour.funnel", "--events", "1000000", "--repetitions", "3"],
        ["behaviour.funnel_command", "--events", "1000000", "--repetitions", "3"],
        ["behaviour.funnel_orders", "--events", "100000"],
    ],
    "handwritten": [["orchestration.handwritten", "--size", "quick"]],
    "identity": [["behaviour.identity", "--events", "1000000", "--repetitions", "1"]],
    "marketing": [
        ["commerce.marketing", "--spend", "50000", "--orders", "20000", "--repetitions", "1"],
        [
            *("commerce.one_more_ad_day", "--days", "3", "--lines", "200", "--visits", "400"),
            *("--spend", "50", "--repetitions", "1"),
        ],
    ],
    "one_caller": [["interfaces.one_caller", "--seconds", "5"]],
    "one_more_day": [
        [
            "orchestration.one_more_day",
            "--size",
            "quick",
            "--repetitions",
            "3",
            "--identity-events",
            "300000",
        ]
    ],
    "one_more_order_day": [
        ["commerce.one_more_order_day", "--days", "3", "6", "--lines", "200", "--repetitions", "1"]
    ],
    "paging": [["interfaces.paging", "--pages", "400", "--sample", "50"]],
    "pipeline": [["orchestration.pipeline", "--size", "quick"]],
    "profit": [
        [
            "commerce.profit",
            "--lines",
            "200000",
            "--items",
            "5000",
            "--costs",
            "20000",
            "--repetitions",
            "1",
        ]
    ],
    "publication": [
        ["outputs.publication", "--days", "1", "4", "--peer-rows", "2000", "--repetitions", "3"]
    ],
    "questions": [
        ["behaviour.questions", "--events", "1000000", "--repetitions", "1"],
        ["behaviour.sessions_from_files", "--events", "1000000", "--repetitions", "1"],
    ],
    "scale": [["orchestration.scale", "--size", "quick"]],
    "small_runs": [["orchestration.small_runs", "--repetitions", "1"]],
    "snowflake_statements": [["core.snowflake_statements"]],
    "upload": [["interfaces.upload", "--rows", "100000"]],
    "whole_run": [["orchestration.whole_run", "--size", "quick", "--repetitions", "1"]],
}
HUGE = {"pipeline_100m": [["orchestration.pipeline", "--size", "huge"]]}
PACKAGES = ("duckdb", "ibis-framework", "dagster", "pandas", "pyarrow", "numpy", "chdb", "polars")
LOADED = 0.5
"""Load per processor, before the start, above which wall times are those of a busy machine."""

Row = dict[str, Any]


def run_script(arguments: list[str]) -> Iterator[Row]:
    """The results of one script; one that fails is a row with nothing but its sentence."""
    with TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.json"
        says_lines = arguments[0] == "behaviour.funnel"
        command = [
            *script(arguments[0]),
            *arguments[1:],
            *(["--json", str(lines)] if says_lines else []),
        ]
        done = subprocess.run(
            command, stdout=None if says_lines else subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            yield {
                "name": f"{arguments[0]} ended with code {done.returncode}",
                "value": None,
                "met": False,
                "failed": True,
            }
        elif says_lines:
            yield from _funnel_rows(lines.read_text())
        else:
            yield from (json.loads(line) for line in done.stdout.splitlines())


def _funnel_rows(text: str) -> Iterator[Row]:
    """What `funnel.py` writes, in the shape of the others: its summary's ratios to ClickHouse."""
    for row in map(json.loads, text.splitlines()):
        if "ratio" in row:
            name = f"funnel, {row['name']} / chDB, {row['mode']}"
            answer = {"value": row["ratio"], "unit": "x", "at_most": True, "wall_s": row["seconds"]}
            yield {**row, **answer, "name": name}


def show(rows: list[Row]) -> None:
    """The table."""
    print(
        "\n"
        f"{'figure':66} {'value':>10} {'target':>10} {'outcome':8} {'wall s':>8} {'CPU s':>8} "
        f"{'MB':>6}"
    )
    for row in rows:
        side = "<=" if row.get("at_most", True) else ">="
        target = "" if row.get("target") is None else f"{side} {row['target']:.3g}"
        outcome = {True: "met", False: "MISSED", None: ""}[row["met"]]
        value = "none" if row["value"] is None else f"{row['value']:.3f} {row.get('unit', '')}"
        costs = " ".join(f"{_number(row.get(name)):>{width}}" for name, width in _COSTS)
        print(f"{row['name']:66} {value:>10} {target:>10} {outcome:8} {costs}")


_COSTS = (("wall_s", 8), ("cpu_s", 8), ("peak_mb", 6))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def conditions() -> Row:
    """What the figures depend on."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        **versions,
    }


def compared(rows: list[Row], subjects: list[str]) -> bool:
    """Say what became of the figures since the table of the last commit; return whether the run
    fails for it. Write the table again, unless the machine does other work.
    """
    measured = [figure_of(row) for row in rows if not row.get("failed")]
    failed = {row["subject"] for row in rows if row.get("failed")}
    finished = [subject for subject in subjects if subject not in failed]
    before = figures.committed()
    comparisons = figures.compare(measured, before, finished)
    print("\n".join(["", *figures.differences(comparisons)]))
    if is_busy(rows):
        print("The machine was doing other work: the table stays as it is.")
    else:
        figures.write(figures.renewed(before, measured, finished))
        print(f"{figures.FILE.name} and {figures.PAGE.name} are written.")
    return any(comparison.fails for comparison in comparisons)


def figure_of(row: Row) -> Figure:
    """Return a result as it is kept."""
    return Figure.of_row(row, machine=figures.machine(), commit=figures.commit())


def is_busy(rows: list[Row]) -> bool:
    """Whether the machine did other work before the first benchmark."""
    return any(row["load_before"] > LOADED * (os.cpu_count() or 1) for row in rows)


def main() -> None:
    """Parse the command line, run, show and compare."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that all works: not compared"
    )
    parser.add_argument(
        "--huge", action="store_true", help="also 100 million events: an hour, and 80 GB of disk"
    )
    parser.add_argument("--only", nargs="+", choices=[*FULL, *HUGE], help="these benchmarks")
    parser.add_argument(
        "--json", type=Path, help="also write every result as a JSON line to this file"
    )
    arguments = parser.parse_args()
    chosen = {**(QUICK if arguments.quick else FULL), **(HUGE if arguments.huge else {})}
    unknown = [name for name in arguments.only or [] if name not in chosen]
    if unknown:
        parser.error(f"{unknown[0]} takes --huge")
    subjects = arguments.only or list(chosen)
    about = conditions()
    rows: list[Row] = []
    for name in subjects:
        print(f"{name} …", file=sys.stderr)
        for command in chosen[name]:
            rows += [{**about, "subject": name, **row} for row in run_script(command)]
    show(rows)
    print(f"\n{', '.join(f'{name} {value}' for name, value in about.items())}")
    if arguments.json:
        arguments.json.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fails = not arguments.quick and compared(rows, subjects)
    sys.exit(fails or any(row.get("failed") for row in rows))


if __name__ == "__main__":
    main()
