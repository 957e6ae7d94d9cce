"""What a run is at: which tables it has begun and ended, noted as it happens, and what the daemon
saw when it looked for requests last. Pages show it while the run goes on.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from pydantic import TypeAdapter

from ecom_assets.core.clock import now_utc_without_zone
from ecom_assets.core.errors import WorkError
from ecom_assets.core.operations.requests import OperationsStore

MOST_KEPT: Final = 2_000
"""Steps that stay noted, the newest ones."""


@dataclass(frozen=True)
class TableStep:
    """A table that a run computes: when it began and ended (None: not yet), in UTC; its rows."""

    table_name: str
    began_at: datetime
    ended_at: datetime | None = None
    row_count: int | None = None


@dataclass(frozen=True)
class DaemonLook:
    """When Dagster's daemon looked for requests last, in UTC, and the run that these wait for."""

    looked_at: datetime
    waits_for: str = ""


_STEPS: Final = TypeAdapter(list[TableStep])
_LOOKS: Final = TypeAdapter(list[DaemonLook])


def steps_since(home: Path, began_at: datetime) -> list[TableStep]:
    """Return the tables that runs have begun since an instant, in their order."""
    rows = OperationsStore(home).rows(
        "SELECT table_name, began_at, ended_at, row_count FROM steps WHERE began_at >= :began_at "
        "ORDER BY number",
        {"began_at": began_at.isoformat(timespec="milliseconds")},
    )
    return _STEPS.validate_python(rows)


def last_look(home: Path) -> DaemonLook | None:
    """Return what the daemon saw when it looked last; None if it never did."""
    rows = OperationsStore(home).rows("SELECT looked_at, waits_for FROM looks")
    return next(iter(_LOOKS.validate_python(rows)), None)


def note_look(home: Path, waits_for: str = "") -> None:
    """Note that the daemon has looked for requests just now."""
    with OperationsStore(home).writing() as con:
        con.execute("DELETE FROM looks")
        con.execute("INSERT INTO looks VALUES (?, ?)", (_now(), waits_for))


class Listener(Protocol):
    """What hears of the progress of a run; `Progress` of the IO manager is one."""

    def began(self, table: str) -> None:
        """Called when a table is about to be computed."""

    def ended(self, table: str, row_count: int, took_s: float) -> None:
        """Called when a slice has been written."""

    def warn(self, sentence: str) -> None:
        """Called with a warning that people should see."""


@dataclass(frozen=True)
class NotedProgress:
    """Notes in the home what a run is at, and hands it on; a note that fails fails no run."""

    home: Path
    then: Listener

    def began(self, table: str) -> None:
        """Note that a table is about to be computed."""
        with suppress(WorkError), OperationsStore(self.home).writing() as con:
            con.execute("INSERT INTO steps (table_name, began_at) VALUES (?, ?)", (table, _now()))
            con.execute(
                "DELETE FROM steps WHERE number <= (SELECT max(number) FROM steps) - ?",
                (MOST_KEPT,),
            )
        self.then.began(table)

    def ended(self, table: str, row_count: int, took_s: float) -> None:
        """Note that a table has been written."""
        with suppress(WorkError), OperationsStore(self.home).writing() as con:
            con.execute(
                "UPDATE steps SET ended_at = ?, row_count = ? WHERE number = (SELECT max(number) "
                "FROM steps WHERE table_name = ?)",
                (_now(), row_count, table),
            )
        self.then.ended(table, row_count, took_s)

    def warn(self, sentence: str) -> None:
        """Hand a warning on."""
        self.then.warn(sentence)


def _now() -> str:
    return now_utc_without_zone().isoformat(timespec="milliseconds")
