"""The origin of a table, as recorded by its writers: runs, code version, SQL,
and the tables that it reads.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any

from ecom_assets.core.rows import Answer, Row
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.warehouse.day_notes import Computations, WrittenSlices


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

    def to_mapping(self) -> Answer:
        """Return it as JSON has it."""
        written_at = self.written_at and self.written_at.isoformat(timespec="seconds")
        return asdict(self) | {"written_at": written_at}


@dataclass(frozen=True)
class Computation:
    """The latest computation of a table: the SQL,
    and the stored columns that it reads, by table.
    """

    sql: str | None = None
    upstream: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Notes:
    """What writers noted of tables, as rows of `WrittenSlices` and `Computations`.

    Attributes:
        written: Returns the newest notes of the writes of some days of a table, or of the whole
            table if it has none.
        computed: Returns the note of the latest computation of a table, if there is one.
    """

    written: Callable[[Contract, list[date]], Iterable[Row]]
    computed: Callable[[Contract], list[Row]]

    def writes(self, contract: Contract, days: Iterable[date]) -> list[Write]:
        """Return the runs that wrote some days of a table, the newest first;
        of the whole table if it has no days.
        """
        ranges: dict[tuple[Any, Any, Any], list[Any]] = {}
        for row in self.written(contract, list(days)):
            key = (row.get("run_id"), row.get("code_version"), row.get("write_id"))
            ranges.setdefault(key, []).append(
                row.get("written_at")
            )  # Dagster logs a moment for each day
        writes = [
            Write(run, code, max(filter(None, at), default=None), version, len(at))
            for (run, code, version), at in ranges.items()
        ]
        return sorted(writes, key=lambda write: str(write.written_at or ""), reverse=True)

    def computation(self, contract: Contract) -> Computation:
        """Return the latest computation of a table; an empty one if it was not noted."""
        rows = self.computed(contract)
        return (
            Computation(rows[0]["sql"], json.loads(rows[0]["upstream_columns"]))
            if rows
            else Computation()
        )


def stored_notes(
    query: Callable[[str], list[Row]],
    has: Callable[[Contract], bool],
    name_of: Callable[[Contract], str],
) -> Notes:
    """Return the notes in the tables that writers keep, in a warehouse or in a snapshot of it.

    `query` runs a small query, `has` returns whether a table is there, and `name_of` its name for
    SQL.
    """

    def rows_of(notes: Contract, contract: Contract) -> list[Row]:
        if not has(notes):
            return []
        return query(
            f"SELECT * FROM {name_of(notes)} WHERE table_name = '{contract.qualified_name()}'"  # noqa: S608 (names come from contracts)
        )

    def written(contract: Contract, days: list[date]) -> list[Row]:
        rows = sorted(
            rows_of(WrittenSlices, contract), key=lambda row: row["write_number"], reverse=True
        )
        newest = (_newest(rows, day) for day in (days if contract.day_column else [None]))
        return [row for row in newest if row is not None]

    return Notes(written, partial(rows_of, Computations))


def _newest(rows: list[Row], day: date | None) -> Row | None:
    """Return the newest write of a day, of rows that begin with the newest."""
    return next(
        (row for row in rows if day is None or row["first_date"] <= day < row["end_date"]), None
    )
