"""What one day costs on Snowflake: statements by kind and by table, and bytes,
as its stand-in gets them.

A small simulated shop is run up to its last day but one, then the last day is run and each of its
statements is counted. What a statement takes on the service is not measured here: the stand-in is
another engine. Snowflake bills the seconds in which a warehouse runs, so the count gives the
credits of a small shop, where a statement takes about as long whatever it reads.
"""

import argparse
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from snowflake.connector.cursor import SnowflakeCursor

from benchmarks.measuring import Result, report, say, scratch
from ecom_assets.cli.platform_run import QUIET
from ecom_assets.core.settings.settings import load_settings, prepare_dagster_home
from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets.definitions import build_definitions
from ecom_assets.orchestration.automation.instance.sqlite import patient_history
from ecom_assets.orchestration.automation.jobs import EVERYTHING
from ecom_assets.orchestration.registry import ALL
from ecom_assets_tests.core.warehouse.engines.snowflake_server import (
    fresh_database,
    running_snowflake,
)
from ecom_sandbox.shop.shop import generate

FIRST = date(2026, 1, 1)
SECONDS_EACH = 0.25
"""What a small statement is taken to need on the service, compiling included: an assumption,
not a measurement.
"""
KINDS = {
    "reads": r"SELECT|WITH",
    "locks": r"UPDATE",
    "deletes": r"DELETE",
    "inserts": r"INSERT|COPY|PUT",
    "transactions": r"BEGIN|COMMIT|ROLLBACK",
    "definitions": r"CREATE|ALTER|DROP|DESC|SHOW|USE",
}
IN_THE_WAREHOUSE = {"reads", "locks", "deletes", "inserts"}
"""What needs the warehouse; cloud services do the rest."""


Steps = Sequence[Any]
"""Dagster's records of steps: `step_key`, `start_time`, `end_time`."""


class Log:
    """The statements that this process sends."""

    def __init__(self) -> None:
        """Listen from now on."""
        self.statements: list[str] = []
        self.times: list[float] = []
        self.listening = True
        execute: Any = SnowflakeCursor.execute

        def noted(cursor: SnowflakeCursor, command: str, *args: object, **kwargs: object) -> object:
            if self.listening:
                self.statements.append(command)
                self.times.append(time.time())
            return execute(cursor, command, *args, **kwargs)

        setattr(SnowflakeCursor, "execute", noted)  # noqa: B010 (its overloads are nobody's here)

    def by_kind(self) -> dict[str, int]:
        """How many of each kind."""
        counts = Counter(_kind(statement) for statement in self.statements)
        return dict(counts.most_common())

    def by_table(self, steps: Steps) -> dict[str, int]:
        """How many statements run in the warehouse for each table and its checks;
        steps run one after another.
        """
        actual: Counter[str] = Counter()
        for step in steps:
            table = step.step_key.removesuffix("_checks").replace("__", ".")
            for statement, at in zip(self.statements, self.times, strict=True):
                is_inside = (step.start_time or 0) <= at <= (step.end_time or 0)
                actual[table] += is_inside and _kind(statement) in IN_THE_WAREHOUSE
        return dict(actual.most_common())


def _kind(statement: str) -> str:
    if "information_schema" in statement.lower():
        return "definitions"
    return next(
        (
            name
            for name, pattern in KINDS.items()
            if re.match(rf"\s*({pattern})\b", statement, re.IGNORECASE)
        ),
        "other",
    )


def run_days(home: Path, events: Path, first: date, last: date, url: str) -> tuple[Steps, int]:
    """One run over some days; returns its steps, and how many tables it wrote."""
    os.environ.pop("DAGSTER_HOME", None)
    settings = load_settings(home=home, events=str(events), warehouse=url)
    prepare_dagster_home(settings)
    job = build_definitions(settings).resolve_job_def(EVERYTHING)
    tags = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
    with patient_history(), dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance, run_config=QUIET, raise_on_error=True, tags=tags
        )
        steps = instance.get_run_step_stats(result.run_id)
    return steps, len({event.asset_key for event in result.get_asset_materialization_events()})


def bytes_of(day: date, url: str) -> dict[str, tuple[int, int]]:
    """The rows of a day in each table, and their bytes in Arrow; of tables without a day, all."""
    actual = {}
    with closing(new_engine(load_settings(warehouse=url)).open()) as engine:
        for contract in ALL:
            if engine.has(contract):
                table = engine.table(contract)
                rows = (
                    table.filter(table[contract.day_column] == day)
                    if contract.day_column
                    else table
                )
                written = rows.to_pyarrow()
                actual[contract.qualified_name()] = (written.num_rows, written.nbytes)
    return actual


def measure(days: int, visitors: int) -> None:
    """The last day's statements."""
    last = FIRST + timedelta(days=days - 1)
    with scratch() as folder, running_snowflake() as port:
        url = fresh_database(port)
        generate(folder / "shop", days=days, visitors=visitors, first_day=FIRST)
        events = folder / "shop" / "events"
        run_days(folder / "home", events, FIRST, last - timedelta(days=1), url)
        log = Log()
        steps, tables = run_days(folder / "home", events, last, last, url)
        log.listening = False
        by_table, sizes = log.by_table(steps), bytes_of(last, url)
    kinds = log.by_kind()
    say(f"{len(log.statements)} statements for {tables} tables: {kinds}")
    hours = len(log.statements) * SECONDS_EACH / 3600
    report(
        Result(
            "snowflake: statements for one day",
            len(log.statements),
            "statements",
            about={"tables": tables, **kinds},
        ),
        Result("snowflake: credits of an X-Small for one small day, assumed", hours, "credits"),
    )
    for table, count in by_table.items():
        rows, size = sizes.get(table, (0, 0))
        about: dict[str, object] = {"statements": count, "rows": rows, "bytes": size}
        report(
            Result(
                f"snowflake: {table}, credits of one small day",
                count * SECONDS_EACH / 3600,
                "credits",
                about=about,
            )
        )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--visitors", type=int, default=60)
    arguments = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    measure(arguments.days, arguments.visitors)


if __name__ == "__main__":
    main()
