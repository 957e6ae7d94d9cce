"""Days of which a source says that it has nothing, such as a day without an increment: a fact, not a fault.

The table keeps the rows that it has of such a day. The fact is noted until the source has rows of the day.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pyarrow as pa

from ecom_assets.tables.contract import Table, count, day, instant, text
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import schema_of
from ecom_assets.warehouse.engine import Engine

Row = dict[str, Any]


class AbsentDays(Table):
    """One row per raw table and day of which the source said, when it was last asked, that it has nothing."""

    layer = "raw"
    group = "reconciliation"
    written_by = "run"
    key = ("received_date", "source_table")
    day_column = "received_date"

    received_date = day("The day of which the source has nothing")
    source_table = text("The raw table, such as `raw.user_order_log`")
    kept_count = count("Rows of the day that the table has all the same, and keeps", unit="rows")
    noticed_at = instant("When a run first noticed it")
    run_id = text("The run that noticed it last")


def note_absent(engine: Engine, contract: type[Table], answered: Days, absent: Days, run_id: str) -> None:
    """Record the days of which a source has nothing, and remove the records of other days that it answered for."""
    asked = Days.of({*answered.dates, *absent.dates})
    known = {row["received_date"] for row in absent_days(engine, contract)}
    if not absent.dates and not known & set(asked.dates):
        return
    kept = engine.day_counts(contract, absent) if absent.dates else {}
    engine.ensure(AbsentDays)
    with engine.transaction():
        engine.rewrite(AbsentDays, asked, partial(_renewed, contract.qualified_name(), absent.dates, kept, run_id))


def absent_days(engine: Engine, contract: type[Table] | None = None) -> list[Row]:
    """Return the records of one raw table, or of all, sorted by day."""
    name = contract.qualified_name() if contract else None
    matches = [row for row in engine.noted_rows(AbsentDays) if name in {None, row["source_table"]}]
    return sorted(matches, key=lambda row: (row["received_date"], row["source_table"]))


def absent_lines(rows: Iterable[Row]) -> list[str]:
    """Return a sentence for each day of which a source has nothing."""
    return [
        f"{row['source_table']}: the source has nothing of {row['received_date']}, seen first on "
        f"{row['noticed_at']:%Y-%m-%d %H:%M} UTC; {_kept(row['kept_count'])}"
        for row in rows
    ]


def _kept(number: int) -> str:
    return f"the {number:,} rows that came otherwise stay." if number else "the day is without rows."


def _renewed(name: str, absent: tuple[date, ...], kept: dict[date, int], run_id: str, old: pa.Table) -> pa.Table:
    rows = old.to_pylist()
    since = {row["received_date"]: row["noticed_at"] for row in rows if row["source_table"] == name}
    now = datetime.now(UTC).replace(tzinfo=None)
    fresh = [
        {
            "received_date": day,
            "source_table": name,
            "kept_count": kept.get(day, 0),
            "noticed_at": since.get(day, now),
            "run_id": run_id,
        }
        for day in absent
    ]
    others = [row for row in rows if row["source_table"] != name]
    return pa.Table.from_pylist([*others, *fresh], schema=schema_of(AbsentDays).to_pyarrow())
