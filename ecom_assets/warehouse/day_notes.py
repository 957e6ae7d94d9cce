"""Notes about days of raw tables: days without rows at the source, days loaded empty, withdrawals, and erased rows."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from ecom_assets.tables.contract import Table, count, day, instant, text
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import schema_of

if TYPE_CHECKING:
    from ecom_assets.warehouse.engine import Engine

Row = dict[str, Any]


class DayNotes(Table, abstract=True):
    """Notes about days of raw tables."""

    layer = "raw"
    group = "reconciliation"
    written_by = "run"
    key: ClassVar[tuple[str, ...]] = ("received_date", "source_table")
    day_column = "received_date"

    received_date = day("The day on which the rows arrived")
    source_table = text("The raw table, such as `raw.events`")


class AbsentDays(DayNotes):
    """One row per raw table and day of which the source said, when it was last asked, that it has nothing."""

    received_date = day("The day of which the source has nothing")
    source_table = text("The raw table, such as `raw.user_order_log`")
    kept_count = count("Rows of the day that the table has all the same, and keeps", unit="rows")
    noticed_at = instant("When a run first noticed it")
    run_id = text("The run that noticed it last")


class EmptyDays(DayNotes):
    """One row per raw table and day of arrival that a run loaded and that had no rows."""

    received_date = day("The day of which the source had no rows when a run asked for them")
    source_table = text("The raw table that was loaded, such as `raw.events`")


class Withdrawals(DayNotes):
    """One row per raw table and day of arrival of which the source has lost the rows, all or most of them.

    While `withdrawn_at` is null the day is held: the table keeps the rows that it had.
    """

    received_date = day("The day on which the rows had arrived")
    source_table = text("The raw table that has them, such as `raw.events`")
    stored_count = count("Rows that the table had of the day", unit="rows")
    offered_count = count("Rows that the source has of it now", unit="rows")
    noticed_at = instant("When a run saw it")
    withdrawn_at = instant("When the rows were withdrawn; null while they are held", nullable=True)
    run_id = text("The run that saw it last")


class ErasedRows(DayNotes):
    """One row per raw table, day of arrival and file with rows of erased people, which are left out and counted."""

    key = ("received_date", "source_table", "source_file")

    received_date = day("The day on which the rows arrived")
    source_table = text("The raw table that they are left out of, such as `raw.events`")
    source_file = text("The file within the source; empty if the rows come from no file")
    erased_count = count("Rows of erased people in the source", unit="rows")


def notes_of(engine: "Engine", notes: type[DayNotes], source_table: str | None = None) -> list[Row]:
    """Return the notes about one raw table or about all, sorted by day."""
    matches = [row for row in engine.noted_rows(notes) if source_table in {None, row["source_table"]}]
    return sorted(matches, key=lambda row: (row["received_date"], row["source_table"]))


def noted_days(engine: "Engine", notes: type[DayNotes], source_table: str) -> set[date]:
    """Return the days of a raw table that have notes."""
    return {row["received_date"] for row in notes_of(engine, notes, source_table)}


def renew_notes(engine: "Engine", notes: type[DayNotes], source_table: str, days: Days, rows: Iterable[Row]) -> None:
    """Replace the notes about some days of a raw table; one about a day that had a note keeps its `noticed_at`."""

    def renewed(old: pa.Table) -> pa.Table:
        stored = old.to_pylist()
        others = [row for row in stored if row["source_table"] != source_table]
        before = {row["received_date"]: row for row in stored if row["source_table"] == source_table}
        fresh = []
        for row in rows:
            earlier = before.get(row["received_date"], {})
            since = {"noticed_at": earlier["noticed_at"]} if "noticed_at" in earlier else {}
            fresh.append({**row, **since, "source_table": source_table})
        return pa.Table.from_pylist([*others, *fresh], schema=schema_of(notes).to_pyarrow())

    engine.ensure(notes)
    with engine.transaction():
        engine.rewrite(notes, days, renewed)


def note_absent(engine: "Engine", contract: type[Table], answered: Days, absent: Days, run_id: str) -> None:
    """Record the days of which a source has nothing, and remove the records of other days that it answered for.

    Such a day, without an increment, is a fact, not a fault: the table keeps the rows that it has of it.
    """
    name, days = contract.qualified_name(), Days.of({*answered.dates, *absent.dates})
    if not absent.dates and not noted_days(engine, AbsentDays, name) & set(days.dates):
        return
    kept = engine.day_counts(contract, absent) if absent.dates else {}
    values = {"noticed_at": datetime.now(UTC).replace(tzinfo=None), "run_id": run_id}
    rows = [{"received_date": day, "kept_count": kept.get(day, 0), **values} for day in absent.dates]
    renew_notes(engine, AbsentDays, name, days, rows)


def absent_lines(rows: Iterable[Row]) -> list[str]:
    """Return a sentence for each day of which a source has nothing."""
    return [
        f"{row['source_table']}: the source has nothing of {row['received_date']}, seen first on "
        f"{row['noticed_at']:%Y-%m-%d %H:%M} UTC; {_kept(row['kept_count'])}"
        for row in rows
    ]


def _kept(number: int) -> str:
    return f"the {number:,} rows that came otherwise stay." if number else "the day is without rows."


class LoadedDays:
    """Returns which days of raw tables a run has loaded; asks the warehouse once for each day.

    A late row belongs to an earlier day than the one on which it arrived. Of a day that no run has loaded, late rows
    are only a part of its rows, from which nothing may be published. A day with rows was loaded; of a day without rows,
    a note says so.
    """

    def __init__(self, engine: "Engine") -> None:
        """Set the open warehouse."""
        self._engine = engine
        self._known: dict[type[Table], dict[date, bool]] = {}

    def among(self, raw: type[Table], days: Days | None) -> Days:
        """Return those of some days, or of all, that a run has loaded into `raw`."""
        if days is None:
            return Days.of(self._stored(raw, None))
        known = self._known.setdefault(raw, {})
        if unknown := Days.of(set(days.dates) - known.keys()):
            loaded = self._stored(raw, unknown)
            known.update({day: day in loaded for day in unknown.dates})
        return Days.of(day for day in days.dates if known[day])

    def note(self, raw: type[Table], days: Days, with_rows: Iterable[date]) -> None:
        """Record that a run has loaded some days of `raw`, of which those `with_rows` have rows."""
        self._known.pop(raw, None)
        name = raw.qualified_name()
        fresh = Days.of(set(days.dates) - set(with_rows) - noted_days(self._engine, EmptyDays, name))
        if fresh.dates:
            renew_notes(self._engine, EmptyDays, name, fresh, [{"received_date": day} for day in fresh.dates])

    def _stored(self, raw: type[Table], days: Days | None) -> set[date]:
        self._engine.ensure(raw)
        noted = noted_days(self._engine, EmptyDays, raw.qualified_name())
        return {*self._engine.day_counts(raw, days), *(noted if days is None else noted & set(days.dates))}
