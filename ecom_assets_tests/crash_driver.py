"""Runs `ecom` again and again in children that are killed,
without loading its libraries each time.

A program of its own, because forking is safe only where no threads run. It reads one JSON line per
run, of `Attempt`'s fields, and answers with one.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alembic.command
import dagster as dg
import pandas as pd
import pytest

import ecom_assets.cli.app
import ecom_assets.cli.platform_run
import ecom_assets.cli.summary.run
from ecom_assets.cli import main, warehouse
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.warehouse import engine
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.orchestration.privacy import erasure
from ecom_assets.orchestration.privacy.pending import Pending
from ecom_assets_tests.fixed_settings import FIXED
from ecom_assets_tests.orchestration.privacy.few_tables import compute_only_what_was_made

LOADED_ONCE = (
    alembic.command,
    pd,
    ecom_assets.cli.app,
    ecom_assets.cli.platform_run,
    ecom_assets.cli.summary.run,
)
"""What a run needs, loaded here so that no child has to."""
UNREPORTED = "metadata_not_yet_reported"
"""The slice is committed, its metadata are made, and Dagster has not stored
that it was materialized.
"""


@dataclass(frozen=True)
class Attempt:
    """One run of a command: in which home, and when it is to die, if at all: at the nth time of a
    step, or after some seconds.
    """

    home: str
    step: str = ""
    nth: int = 0
    kill_after_s: float | None = None
    arguments: Sequence[str] = ()
    """What the command is given beside."""
    command: str = "run"
    is_brief: bool = False
    """Whether an erasure computes those tables again only that a run has made."""


def serve() -> None:
    """Do every run that is asked for."""
    for line in sys.stdin:
        attempt = Attempt(**json.loads(line))
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _run(attempt)
        if attempt.kill_after_s is not None:
            time.sleep(attempt.kill_after_s)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        answer = {
            "exit_code": os.waitstatus_to_exitcode(status),
            "took_s": time.monotonic() - started,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _run(attempt: Attempt) -> None:
    for name in [name for name in os.environ if name.startswith(("ECOM_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ.update(FIXED)
    os.environ["ECOM_HOME"] = attempt.home
    os.environ["ECOM_ORDER_CUSTOMERS_OVER"] = "0"  # the shops of tests have few customers a day
    os.chdir(Path(attempt.home).parent)
    log = os.open(f"{attempt.home}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if attempt.is_brief:
        compute_only_what_was_made(pytest.MonkeyPatch())
    _die_at(attempt)
    sys.argv = ["ecom", attempt.command, *attempt.arguments]
    exit_code = 1
    try:
        main()
        exit_code = 0
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(exit_code)


def _die_at(attempt: Attempt) -> None:
    reached = 0

    def announce(step: str) -> None:
        nonlocal reached
        reached += step == attempt.step
        if step == attempt.step and reached == attempt.nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def listening(
        begin: Callable[[engine.Engine, str], None],
    ) -> Callable[[engine.Engine, str], None]:
        def begin_listening(self: engine.Engine, address: str) -> None:
            begin(self, address)
            self.on_step = announce

        return begin_listening

    def reporting(add: Callable[..., None]) -> Callable[..., None]:
        def add_and_announce(self: dg.OutputContext, metadata: dict[str, Any]) -> None:
            add(self, metadata)
            announce(UNREPORTED)

        return add_and_announce

    _listen_to_erasures(announce)
    _listen_to_migrations(announce)
    engine.Engine.__init__ = listening(engine.Engine.__init__)  # type: ignore[method-assign, assignment]
    dg.OutputContext.add_output_metadata = reporting(dg.OutputContext.add_output_metadata)  # type: ignore[method-assign]


def _listen_to_erasures(announce: Callable[[str], None]) -> None:
    def recording(write: Callable[..., None]) -> Callable[..., None]:
        def announce_and_write(settings: Settings, pending: Pending) -> None:
            announce(f"{next(reversed(pending.results), 'nothing')} is not recorded")
            write(settings, pending)

        return announce_and_write

    def removing(remove: Callable[..., None]) -> Callable[..., None]:
        def announce_and_remove(settings: Settings, pending: Pending) -> None:
            announce("receipt is written")
            remove(settings, pending)

        return announce_and_remove

    replaced: dict[str, Any] = vars(erasure)
    replaced["write_pending"] = recording(replaced["write_pending"])
    replaced["remove_pending"] = removing(replaced["remove_pending"])


def _listen_to_migrations(announce: Callable[[str], None]) -> None:
    def executing(execute: Callable[..., Any]) -> Callable[..., Any]:
        def execute_and_announce(self: DuckDBEngine, sql: str, *more: Any) -> Any:
            result = execute(self, sql, *more)
            if "RENAME TO" in sql:
                announce("table is renamed")
            return result

        return execute_and_announce

    def migrating(migrate: Callable[..., int]) -> Callable[..., int]:
        def migrate_and_announce(opened: engine.Engine, contract: type[Table]) -> int:
            count = migrate(opened, contract)
            announce("table is migrated")
            return count

        return migrate_and_announce

    replaced: dict[str, Any] = vars(warehouse)
    replaced["migrate"] = migrating(replaced["migrate"])
    DuckDBEngine.execute = executing(DuckDBEngine.execute)  # type: ignore[method-assign]


if __name__ == "__main__":
    serve()
