"""What each stage costs on each engine: CPU seconds and bytes per million events,
over the simulated shop's events.

`python -m benchmarks.orchestration.scale --engines duckdb postgres spark --size quick` runs every
table of behaviour and every check once per engine, in a home of its own, as `ecom run --events`
does. A stage is a subject: its seconds are the CPU time that the run and its engine's processes
took during the steps that write and check its tables, which run one after another; the bytes are
what its tables take in the engine afterwards.
"""

import argparse
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import psycopg2

from benchmarks.measuring import Result, Spent, costs, report, run_platform, say, scratch
from benchmarks.shop_data import VISITORS, shop, truth
from ecom_assets.core.tables.asset import asset_key
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.postgres_server import fresh_database, running_postgres

MILLION = 1_000_000
ENGINES = ("duckdb", "postgres", "spark")
BLOCK_BYTES = 262_144
EVERY_S = 0.3
"""How often the clock looks."""
STORED = (
    "SELECT count(DISTINCT block_id) FROM pragma_storage_info('{name}') WHERE persistent AND "
    "block_id >= 0"
)
MAIN = '+key:"mart/sessions" or +key:"mart/conversion_funnel"'
STAGE_OF = {asset_key(table): table.group for table in ALL}

Stages = dict[str, dict[str, float]]


@contextmanager
def address(engine: str, folder: Path) -> Iterator[str]:
    """The address of an empty warehouse, with a server where the engine has one."""
    if engine == "postgres":
        with running_postgres(folder / "pg") as url:
            yield fresh_database(url)
    else:
        yield {
            "duckdb": f"duckdb://{folder}/warehouse.duckdb",
            "spark": f"spark://local[2]{folder}/spark",
        }[engine]


def run(
    url: str, events: Path, home: Path, conf: Mapping[str, str], select: str
) -> tuple[Spent, dict[str, Any]]:
    """One run over all days: what it cost, and its summary."""
    arguments = ["--events", str(events), *(["--select", select] if select else [])]
    return run_platform(*arguments, ECOM_HOME=str(home), ECOM_WAREHOUSE=url, **conf)


def stages(home: Path, run_id: str, clock: "TreeClock") -> Stages:
    """The CPU seconds and rows of each subject, by the times at which the
    run's steps began and ended.
    """
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    actual: Stages = defaultdict(
        lambda: {"tables": 0, "rows": 0, "write_cpu_s": 0.0, "check_cpu_s": 0.0}
    )
    with dg.DagsterInstance.get() as instance:
        for step in instance.get_run_step_stats(run_id):
            stage, counter = _stage(step.step_key)
            if stage and step.start_time and step.end_time:
                actual[stage][counter] += clock.between(step.start_time, step.end_time)
        for key, stage in STAGE_OF.items():
            made = instance.get_latest_materialization_event(key)
            if made is None or made.asset_materialization is None:
                continue
            rows: Any = made.asset_materialization.metadata["dagster/row_count"].value
            actual[stage]["tables"] += 1
            actual[stage]["rows"] += int(rows)
    return actual


def _stage(step: str) -> tuple[str | None, str]:
    """The subject whose table a step writes or checks, and which of both it does."""
    steps = {"__".join(key.path): group for key, group in STAGE_OF.items()}
    table, is_check, _ = step.rpartition("_checks")
    return (steps.get(table), "check_cpu_s") if is_check else (steps.get(step), "write_cpu_s")


class TreeClock(threading.Thread):
    """The CPU seconds of the processes that this one has started, and of a
    Postgres server below a folder.
    """

    def __init__(self, folder: Path) -> None:
        """Watch from `start` on; the server's id is in a file called `postmaster.pid`."""
        super().__init__(daemon=True)
        self._folder = folder
        self._seen: list[tuple[float, float]] = []
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until the end."""
        while not self._ended.wait(EVERY_S):
            self._seen.append((time.time(), self._cpu_s()))

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()

    def between(self, begun: float, ended: float) -> float:
        """The CPU seconds between two moments."""
        at, spent = zip(*self._seen, strict=True)
        first, last = np.interp([begun, ended], at, spent)
        return float(last - first)

    @property
    def total(self) -> float:
        """All CPU seconds."""
        return max(spent for _, spent in self._seen) - self._seen[0][1]

    def _cpu_s(self) -> float:
        roots = {
            os.getpid(),
            *(int(file.read_text().split()[0]) for file in self._folder.glob("pg/postmaster.pid")),
        }
        parents, ticks = {}, {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                parents[int(process.name)], ticks[int(process.name)] = (
                    int(fields[1]),
                    sum(map(int, fields[11:15])),
                )
        del ticks[os.getpid()]  # what it takes to look
        return sum(ticks[pid] for pid in ticks if _is_below(pid, roots, parents)) / os.sysconf(
            "SC_CLK_TCK"
        )


def _is_below(pid: int, roots: set[int], parents: dict[int, int]) -> bool:
    while pid not in roots and pid in parents:
        pid = parents[pid]
    return pid in roots


def table_bytes(engine: str, url: str, folder: Path) -> dict[str, int]:
    """What each subject's tables take on disk, indexes and logs of changes included."""
    actual: dict[str, int] = defaultdict(int)
    if engine == "duckdb":
        with closing(DuckDBEngine(folder / "warehouse.duckdb", read_only=True).open()) as opened:
            for table in ALL:
                if opened.has(table):
                    (row,) = opened.con.raw_sql(
                        STORED.format(name=table.qualified_name())
                    ).fetchall()
                    actual[table.group] += row[0] * BLOCK_BYTES
    elif engine == "postgres":
        with closing(psycopg2.connect(url)) as con, con.cursor() as cursor:
            for table in ALL:
                cursor.execute(
                    "SELECT pg_total_relation_size(to_regclass(%s))", (table.qualified_name(),)
                )
                (size,) = cursor.fetchone() or (None,)
                actual[table.group] += size or 0
    else:
        for table in ALL:
            path = folder / "spark" / table.layer / table.name
            actual[table.group] += sum(
                path.stat().st_size for path in path.rglob("*") if path.is_file()
            )
    return actual


def measure(engine: str, size: str, select: str) -> None:
    """One engine: a line for all, and one for each stage."""
    events = shop(size)
    millions = truth(size)["rows"] / MILLION
    with scratch() as folder, address(engine, folder) as url:
        conf = {"ECOM_SPARK_CONF": "spark.driver.memory=6g"} if engine == "spark" else {}
        clock = TreeClock(folder)
        clock.start()
        spent, summary = run(url, events, folder / "home", conf, select)
        clock.end()
        actual = stages(folder / "home", summary["run_id"], clock)
        sizes = table_bytes(engine, url, folder)
    about: dict[str, object] = {
        "events": truth(size)["rows"],
        **costs(spent),
        "tree_cpu_s": round(clock.total, 1),
    }
    say(
        f"{engine}, {millions:.1f} million events: {clock.total:.1f} CPU s, "
        f"{sum(sizes.values()) / 1e6:.0f} MB"
    )
    report(
        Result(
            f"scale, {engine}, {size}: per million events",
            clock.total / millions,
            "CPU s",
            about=about,
        )
    )
    for stage, reported in sorted(actual.items()):
        seconds = (reported["write_cpu_s"] + reported["check_cpu_s"]) / millions
        more: dict[str, object] = {
            **reported,
            "mb_per_million": round(sizes[stage] / 1e6 / millions, 2),
        }
        report(Result(f"scale, {engine}, {size}: {stage}", seconds, "CPU s", about=more))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--size", choices=VISITORS, default="full")
    parser.add_argument(
        "--main", action="store_true", help="clean events, sessions and the daily funnel only"
    )
    arguments = parser.parse_args()
    for engine in arguments.engines:
        measure(engine, arguments.size, MAIN if arguments.main else "")


if __name__ == "__main__":
    main()
