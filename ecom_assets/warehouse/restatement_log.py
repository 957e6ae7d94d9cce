"""Logs each published number that a run changes, in the transaction that changes it. See docs/adr/0014.

So a run that is killed leaves the old numbers and no entry, or the new ones and theirs; what was logged is never logged
again. Not here: finding what differs (`changed_numbers.py`), and what arrived (`arrivals.py`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pyarrow as pa

from ecom_assets.contracts.restatements import PublishedDays, Restatements
from ecom_assets.contracts.table import Table
from ecom_assets.transforms.days import Days
from ecom_assets.warehouse.arrivals import Counts, Movement, as_text, counted, some_ids
from ecom_assets.warehouse.changed_numbers import ChangedNumber, changed_numbers
from ecom_assets.warehouse.engine import Engine
from ecom_assets.warehouse.schema import schema_of

Row = dict[str, Any]


class RestatementLog:
    """The log of one run: watches published tables being written."""

    def __init__(self, engine: Engine, run_id: str) -> None:
        """Take the open engine, and the run that writes."""
        self.engine = engine
        self.run_id = run_id
        self.causes: dict[str, int] = {}
        """Numbers that the run changed, by cause."""
        self._written: dict[str, set[date]] = {}

    def watching(self, contract: type[Table], days: Days, own: Days) -> "Watch | None":
        """Return what must see a slice of a table being replaced; None for tables that are not published.

        Args:
            contract: The table.
            days: The days that are replaced.
            own: The days that the run is about.
        """
        self._written.setdefault(contract.qualified_name(), set()).update(days.dates)
        if not contract.counted_from:
            return None
        needed: list[type[Table]] = [PublishedDays, Restatements, *contract.counted_from]
        for one in needed:
            self.engine.ensure(one)
        return Watch(self, contract, days, own)

    def rewritten(self, source: type[Table]) -> set[date]:
        """Return the days of a table that this run has replaced."""
        return self._written.get(source.qualified_name(), set())


@dataclass
class Watch:
    """Sees one slice of a published table being replaced."""

    log: RestatementLog
    contract: type[Table]
    days: Days
    own: Days
    notes: dict[date, Row] = field(default_factory=dict)
    old: pa.Table | None = None

    def before(self) -> None:
        """Take the published days as they are, before they are removed."""
        engine = self.log.engine
        counts = engine.day_counts(self.contract, self.days)
        # Days that something else than a run has emptied, such as a migration, are published anew.
        self.notes = {
            row["published_date"]: row
            for row in engine.slice_rows(PublishedDays, self.days).to_pylist()
            if row["table_name"] == self.contract.qualified_name()
            and (row["row_count"] == 0 or counts.get(row["published_date"]))
        }
        self.old = engine.slice_rows(self.contract, Days.of(self.notes)) if self.notes else None

    def after(self) -> None:
        """Compare with what is there now; log what has changed, and note what is published."""
        engine = self.log.engine
        changes: list[ChangedNumber] = []
        if self.old is not None:
            changes = changed_numbers(self.contract, self.old, engine.slice_rows(self.contract, Days.of(self.notes)))
        sources = self._sources()
        self._note(sources, {one.day for one in changes})
        if changes:
            self._log(changes, sources)

    def _sources(self) -> dict[date, Counts]:
        """Return what each day is counted from now; days that cannot have changed keep what was noted."""
        found: dict[date, Counts] = {
            day: json.loads(self.notes[day]["source_row_counts"]) if day in self.notes else {}
            for day in self.days.dates
        }
        for source in self.contract.counted_from:
            name = source.qualified_name()
            moved = {*self.own.dates, *self.log.rewritten(source)}
            asked = Days.of(day for day in self.days.dates if day in moved or day not in self.notes)
            counts = counted(self.log.engine, source, asked, self.contract.counted_types)
            for day in asked.dates:
                found[day] = {**found[day], name: counts.get(day, {})}
        return found

    def _note(self, sources: dict[date, Counts], changed: set[date]) -> None:
        counts = self.log.engine.day_counts(self.contract, self.days)
        published = [day for day in self.days.dates if day in self.own.dates or day in self.notes or counts.get(day)]
        fresh = [
            self._noted(day, {"row_count": counts.get(day, 0), "source_row_counts": as_text(sources[day])}, changed)
            for day in published
        ]
        differing = [row for row in fresh if row != self.notes.get(row["published_date"])]
        if differing:
            days = Days.of(row["published_date"] for row in differing)
            make = partial(_with_notes, self.contract.qualified_name(), differing)
            self.log.engine.rewrite(PublishedDays, days, make)

    def _noted(self, day: date, said: Row, changed: set[date]) -> Row:
        old = self.notes.get(day)
        if old is not None and day not in changed:
            return {**old, **said}
        who = {"run_id": self.log.run_id, "published_at": _now()}
        return {"published_date": day, "table_name": self.contract.qualified_name(), **said, **who}

    def _log(self, changes: list[ChangedNumber], sources: dict[date, Counts]) -> None:
        moved = {
            day: Movement.between(json.loads(self.notes[day]["source_row_counts"]) if day in self.notes else {}, found)
            for day, found in sources.items()
        }
        others = any(one.arrived or one.withdrawn for one in moved.values())
        days = {one.day for one in changes}
        ids = self._ids({day: moved[day] for day in days})
        told = {day: self._why(moved[day], ids.get(day), others=others) for day in days}
        who = {"run_id": self.log.run_id, "restated_at": _now()}
        rows = [self._entry(one) | told[one.day] | who for one in changes]
        for row in rows:
            self.log.causes[row["cause"]] = self.log.causes.get(row["cause"], 0) + 1
        self.log.engine.rewrite(Restatements, Days.of(days), partial(_with_entries, rows))

    def _entry(self, one: ChangedNumber) -> Row:
        return {
            "restated_date": one.day,
            "table_name": self.contract.qualified_name(),
            "row_key": one.row_key,
            "column_name": one.column,
            "before_value": one.before,
            "after_value": one.after,
            "difference": one.difference,
            "published_run_id": self.notes[one.day]["run_id"],
        }

    @staticmethod
    def _why(moved: Movement, ids: list[str] | None, *, others: bool) -> Row:
        cause = "rows_of_other_days" if others else "definition_changed"
        if moved.arrived or moved.withdrawn:
            cause = "late_rows" if moved.arrived else "withdrawn_rows"
        return {
            "cause": cause,
            "late_row_count": moved.arrived,
            "withdrawn_row_count": moved.withdrawn,
            "late_row_ids": json.dumps(ids, ensure_ascii=False) if ids else None,
        }

    def _ids(self, moved: dict[date, Movement]) -> dict[date, list[str]]:
        found: dict[date, list[str]] = {}
        for source in self.contract.counted_from:
            name = source.qualified_name()
            arrivals = {day: one.arrived_on[name] for day, one in sorted(moved.items()) if name in one.arrived_on}
            types = self.contract.counted_types
            for day, ids in some_ids(self.log.engine, source, arrivals, types).items():
                found.setdefault(day, []).extend(ids)
        return {day: ids[:5] for day, ids in found.items()}


def _with_notes(table: str, fresh: list[Row], old: pa.Table) -> pa.Table:
    """Put a table's notes in the place of those it had; other tables' stay."""
    days = {row["published_date"] for row in fresh}
    kept = [row for row in old.to_pylist() if row["table_name"] != table or row["published_date"] not in days]
    return _table(PublishedDays, [*kept, *fresh])


def _with_entries(fresh: list[Row], old: pa.Table) -> pa.Table:
    """Add entries, numbered after those that the table's day has."""
    kept = old.to_pylist()
    last: dict[tuple[date, str], int] = {}
    for row in kept:
        place = row["restated_date"], row["table_name"]
        last[place] = max(last.get(place, 0), row["restatement_number"])
    numbered = [
        {**row, "restatement_number": last.get((row["restated_date"], row["table_name"]), 0) + 1} for row in fresh
    ]
    return _table(Restatements, [*kept, *numbered])


def _table(contract: type[Table], rows: Iterable[Row]) -> pa.Table:
    kinds = schema_of(contract).to_pyarrow()
    return pa.Table.from_pylist([{name: row[name] for name in kinds.names} for row in rows], schema=kinds)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
