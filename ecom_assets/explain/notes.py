"""The origin of a table, as recorded by its writers: runs, code version, SQL, and the tables that it reads."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from ecom_assets.tables.contract import Table
from ecom_assets.warehouse.day_notes import Computations, WrittenSlices


@dataclass(frozen=True)
class Write:
    """A run that wrote days of a table. What was not noted is None.

    Attributes:
        code_version: The version of ecom_assets that wrote.
        data_version: Id of the write; days with the same one have rows that nothing changed since.
        day_count: How many of the days in question it wrote; 1 for a table without days.
    """

    run_id: str | None
    code_version: str | None
    written_at: datetime | None
    data_version: str | None = None
    day_count: int = 1

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "run_id": self.run_id,
            "code_version": self.code_version,
            "written_at": self.written_at.isoformat(timespec="seconds") if self.written_at else None,
            "data_version": self.data_version,
            "day_count": self.day_count,
        }


@dataclass(frozen=True)
class Computation:
    """The latest computation of a table: the SQL, and the stored columns that it reads, by table."""

    sql: str | None = None
    upstream: dict[str, list[str]] = field(default_factory=dict)


class Notes(Protocol):
    """A source of the records that writers keep."""

    def writes(self, contract: type[Table], days: Iterable[date]) -> list[Write]:
        """Return the runs that wrote some days of a table, the newest first; of the whole table if it has no days."""

    def computation(self, contract: type[Table]) -> Computation:
        """Return the latest computation of a table."""


@dataclass(frozen=True)
class StoredNotes:
    """The notes in the tables that writers keep, in a warehouse or in a snapshot of it.

    `query` runs a small query, `has` returns whether a table is there, and `name_of` its name for SQL.
    """

    query: Callable[[str], list[dict[str, Any]]]
    has: Callable[[type[Table]], bool]
    name_of: Callable[[type[Table]], str]

    def writes(self, contract: type[Table], days: Iterable[date]) -> list[Write]:
        """Return the runs that wrote some days of a table; see `Notes`."""
        if not self.has(WrittenSlices):
            return []
        place, name = self.name_of(WrittenSlices), contract.qualified_name()
        rows = self.query(f"SELECT * FROM {place} WHERE table_name = '{name}' ORDER BY write_number DESC")  # noqa: S608 (names come from contracts)
        return grouped([_newest(rows, day) for day in (days if contract.day_column else [None])])

    def computation(self, contract: type[Table]) -> Computation:
        """Return the latest computation of a table; see `Notes`."""
        if not self.has(Computations):
            return Computation()
        place, name = self.name_of(Computations), contract.qualified_name()
        return computation_of(self.query(f"SELECT * FROM {place} WHERE table_name = '{name}'"))  # noqa: S608 (as above)


def computation_of(rows: list[dict[str, Any]]) -> Computation:
    """Return the computation in rows of `Computations`; an empty one if there are none."""
    return Computation(rows[0]["sql"], json.loads(rows[0]["upstream_columns"])) if rows else Computation()


def grouped(rows: Iterable[dict[str, Any] | None]) -> list[Write]:
    """Return the writes of some days, each once with its number of days, the newest first.

    For each day, `rows` has the note of its write, or None.
    """
    ranges: dict[tuple[Any, Any, Any], list[Any]] = {}
    for row in rows:
        if row is not None:
            key = (row.get("run_id"), row.get("code_version"), row.get("write_id"))
            ranges.setdefault(key, []).append(row.get("written_at"))  # Dagster logs a moment for each day
    writes = [
        Write(run, code, max(filter(None, at), default=None), version, len(at))
        for (run, code, version), at in ranges.items()
    ]
    return sorted(writes, key=lambda one: str(one.written_at or ""), reverse=True)


def _newest(rows: list[dict[str, Any]], day: date | None) -> dict[str, Any] | None:
    """Return the newest write of a day, of rows that begin with the newest."""
    return next((row for row in rows if day is None or row["first_date"] <= day < row["end_date"]), None)
