"""What each stage costs on each engine: seconds and bytes per million events, over the simulated shop's events.

`python benchmarks/scale.py --engines duckdb postgres spark --size quick` runs every table of behaviour and every check
once per engine, in a home of its own, as `ecom run --events` does. A stage is a subject: the seconds are those of its
tables' slices and of the steps that check them, as Dagster's history has them; the bytes are what its tables take in
the engine afterwards. Not here: orders, deliveries, one more day (`one_more_day.py`).
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
from measuring import ECOM, Result, Spent, costs, run_process, say, scratch, tell
from shop_data import VISITORS, shop, truth

sys.path.insert(0, str(Path(__file__).parents[1]))  # the Postgres server is started as tests start it

from ecom_assets.registry import ALL
from ecom_assets.tables.asset import asset_key
from ecom_assets.warehouse.engines.duckdb import DuckDBEngine
from ecom_assets_tests.postgres_server import fresh_database, running_postgres

MILLION = 1_000_000
ENGINES = ("duckdb", "postgres", "spark")
BLOCK_BYTES = 262_144
STORED = "SELECT count(DISTINCT block_id) FROM pragma_storage_info('{name}') WHERE persistent AND block_id >= 0"
STAGE_OF = {asset_key(table): table.group for table in ALL}

Stages = dict[str, dict[str, float]]


@contextmanager
def address(engine: str, folder: Path) -> Iterator[str]:
    """The address of an empty warehouse, with a server where the engine has one."""
    if engine == "postgres":
        with running_postgres(folder / "pg") as url:
            yield fresh_database(url)
    else:
        yield {"duckdb": f"duckdb://{folder}/warehouse.duckdb", "spark": f"spark://local[2]{folder}/spark"}[engine]


def run(url: str, events: Path, home: Path, conf: Mapping[str, str]) -> tuple[Spent, dict[str, Any]]:
    """One run over all days: what it cost, and its summary."""
    spent = run_process(
        [ECOM, "run", "--events", str(events), "--json"], {"ECOM_HOME": str(home), "ECOM_WAREHOUSE": url, **conf}
    )
    summary: dict[str, Any] = json.loads(spent.printed)
    if not summary["success"] or summary["checks"]["failed"]:
        sys.exit(f"The run failed: {summary['failures']}, {summary['checks']}")
    return spent, summary


def stages(home: Path, run_id: str) -> Stages:
    """The seconds and rows of each subject, as the run's history has them."""
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    found: Stages = defaultdict(lambda: {"tables": 0, "rows": 0, "write_s": 0.0, "check_s": 0.0})
    with dg.DagsterInstance.get() as instance:
        for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS).records:
            event = record.event_log_entry.get_dagster_event()
            stage = _checked_stage(str(event.step_key))
            if stage:
                found[stage]["check_s"] += event.step_success_data.duration_ms / 1000
        for key, stage in STAGE_OF.items():
            made = instance.get_latest_materialization_event(key)
            if made is None or made.asset_materialization is None:
                continue
            told: dict[str, Any] = {name: value.value for name, value in made.asset_materialization.metadata.items()}
            found[stage]["tables"] += 1
            found[stage]["rows"] += int(told["dagster/row_count"])
            found[stage]["write_s"] += float(told["seconds"])
    return found


def _checked_stage(step: str) -> str | None:
    """The subject whose table a step checks; None for a step that writes a table."""
    return next((group for key, group in STAGE_OF.items() if step.startswith(f"{'__'.join(key.path)}_checks")), None)


def table_bytes(engine: str, url: str, folder: Path) -> dict[str, int]:
    """What each subject's tables take on disk, indexes and logs of changes included."""
    found: dict[str, int] = defaultdict(int)
    if engine == "duckdb":
        with closing(DuckDBEngine(folder / "warehouse.duckdb", read_only=True).open()) as opened:
            for table in ALL:
                if opened.has(table):
                    (row,) = opened.con.raw_sql(STORED.format(name=table.qualified_name())).fetchall()
                    found[table.group] += row[0] * BLOCK_BYTES
    elif engine == "postgres":
        with closing(psycopg2.connect(url)) as con, con.cursor() as cursor:
            for table in ALL:
                cursor.execute("SELECT pg_total_relation_size(to_regclass(%s))", (table.qualified_name(),))
                (size,) = cursor.fetchone() or (None,)
                found[table.group] += size or 0
    else:
        for table in ALL:
            path = folder / "spark" / table.layer / table.name
            found[table.group] += sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return found


def measure(engine: str, size: str) -> None:
    """One engine: a line for all, and one for each stage."""
    events = shop(size)
    millions = truth(size)["rows"] / MILLION
    with scratch() as folder, address(engine, folder) as url:
        conf = {"ECOM_SPARK_CONF": "spark.driver.memory=6g"} if engine == "spark" else {}
        spent, summary = run(url, events, folder / "home", conf)
        found = stages(folder / "home", summary["run_id"])
        sizes = table_bytes(engine, url, folder)
    about: dict[str, object] = {"events": truth(size)["rows"], **costs(spent)}
    say(f"{engine}, {millions:.1f} million events: {spent.wall_s:.1f} s, {sum(sizes.values()) / 1e6:.0f} MB")
    tell(Result(f"scale, {engine}, {size}: per million events", spent.wall_s / millions, "s", about=about))
    for stage, told in sorted(found.items()):
        seconds = (told["write_s"] + told["check_s"]) / millions
        more: dict[str, object] = {**told, "mb_per_million": round(sizes[stage] / 1e6 / millions, 2)}
        tell(Result(f"scale, {engine}, {size}: {stage}", seconds, "s", about=more))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--size", choices=VISITORS, default="full")
    given = parser.parse_args()
    for engine in given.engines:
        measure(engine, given.size)


if __name__ == "__main__":
    main()
