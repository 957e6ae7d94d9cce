"""When a run wrote a table last, by `ecom status`: as runs note it in the home when they end, and
in the warehouse as they write.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest

from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.sales.contracts import Calendar
from ecom_assets.core.operations.requests import OperationsStore
from ecom_assets.core.operations.run_notes import NOTE_TABLE
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse import day_notes
from ecom_assets.core.warehouse.day_notes import Computations, WrittenSlices
from ecom_assets.core.warehouse.engines.duckdb.engine import DuckDBEngine
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.command import ecom

FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)
Write = Callable[[str, type[Table], str, date | None], None]


@pytest.fixture
def write(home: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Lets a run write a table, of a day or whole, at a time of a day of March, and end there."""

    def written(run: str, contract: type[Table], at: str, day: date | None) -> None:
        now = datetime.fromisoformat(f"2026-03-{at}")
        with (
            monkeypatch.context() as then,
            closing(DuckDBEngine(home / "warehouse.duckdb").open().noting_writes()) as engine,
        ):
            then.setattr(day_notes, "now_utc_without_zone", lambda: now)
            engine.run_id = run
            rows = in_memory([], contract)
            engine.replace(contract, rows, Days((day,)) if day else None, upstream={})

    return written


def note(home: Path, run: str, contract: type[Table], at: str, *, is_written: bool) -> None:
    """Note what became of a table in a run, as the run does when it ends."""
    row = {
        "table_name": contract.qualified_name(),
        "is_written": is_written,
        "ended_at": f"2026-03-{at}.000+00:00",
        "run_id": run,
        "sentence": "",
    }
    with OperationsStore(home).writing() as con:
        con.execute(NOTE_TABLE, row)


def last_runs(home: Path) -> dict[str, tuple[str, str | None]]:
    """Return when each table was written last, and by which run."""
    return {
        row["table"]: (row["last_run_at"], row["last_run_id"])
        for row in ecom("status", "--json", home=home).json
        if row["last_run_at"]
    }


def test_a_run_that_was_killed_wrote_the_tables_that_it_wrote(home: Path, write: Write) -> None:
    """A run of two tables ends; of the next one, the first day's table is written when it dies."""
    write("ended", EngagementDaily, "01 06:00:00", FIRST)
    write("ended", Calendar, "01 06:00:05", None)
    for contract, at in ((EngagementDaily, "01T06:00:01"), (Calendar, "01T06:00:06")):
        note(home, "ended", contract, at, is_written=True)
    as_noted = ("2026-03-01T06:00:01+00:00", "ended")
    calendar = {"mart.calendar": ("2026-03-01T06:00:06+00:00", "ended")}
    assert last_runs(home) == {"mart.engagement_daily": as_noted} | calendar
    write("killed", EngagementDaily, "02 06:00:00", SECOND)
    killed = ("2026-03-02T06:00:00+00:00", "killed")
    assert last_runs(home) == {"mart.engagement_daily": killed} | calendar


def test_a_run_that_failed_to_write_a_table_is_not_named(home: Path, write: Write) -> None:
    write("ended", Calendar, "01 06:00:00", None)
    note(home, "ended", Calendar, "01T06:00:01", is_written=True)
    note(home, "failed", Calendar, "02T06:00:00", is_written=False)
    assert last_runs(home) == {"mart.calendar": ("2026-03-01T06:00:01+00:00", None)}


def test_a_home_without_notes_has_what_its_warehouse_says(home: Path, write: Write) -> None:
    write("ended", Calendar, "01 06:00:00", None)
    assert last_runs(home) == {"mart.calendar": ("2026-03-01T06:00:00+00:00", "ended")}
    with closing(DuckDBEngine(home / "warehouse.duckdb").open().noting_writes()) as engine:
        for column in ("run_id", "written_at"):  # as an earlier version made the table
            engine.execute(f"ALTER TABLE {engine.name_of(WrittenSlices)} DROP COLUMN {column}")
        engine.execute(f"DROP TABLE {engine.name_of(Computations)}")
    assert last_runs(home) == {}
