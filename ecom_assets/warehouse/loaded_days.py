"""The days of a raw table that a run has loaded.

A late row belongs to an earlier day than the one on which it arrived. Of a day that no run has loaded, late rows are
only a part of its rows, from which nothing may be published. A day with rows was loaded; of a day without rows, a note
says so.
"""

from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from ecom_assets.tables.contract import Table, day, text
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import schema_of

if TYPE_CHECKING:
    from ecom_assets.warehouse.engine import Engine


class EmptyDays(Table):
    """One row per raw table and day of arrival that a run loaded and that had no rows."""

    layer = "raw"
    group = "reconciliation"
    written_by = "run"
    key = ("received_date", "source_table")
    day_column = "received_date"

    received_date = day("The day of which the source had no rows when a run asked for them")
    source_table = text("The raw table that was loaded, such as `raw.events`")


class LoadedDays:
    """Returns which days of raw tables were loaded; asks the warehouse once for each day."""

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

    def note(self, raw: type[Table], days: Days, found: Iterable[date]) -> None:
        """Record that a run has loaded some days of `raw`, of which those of `found` have rows."""
        self._known.pop(raw, None)
        empty = Days.of(set(days.dates) - set(found))
        self._engine.ensure(EmptyDays)
        fresh = Days.of(set(empty.dates) - self._noted(raw, empty))
        if fresh.dates:
            with self._engine.transaction():
                self._engine.rewrite(EmptyDays, fresh, partial(_with_days, raw.qualified_name(), fresh))

    def _stored(self, raw: type[Table], days: Days | None) -> set[date]:
        self._engine.ensure(raw)
        return {*self._engine.day_counts(raw, days), *self._noted(raw, days)}

    def _noted(self, raw: type[Table], days: Days | None) -> set[date]:
        name = raw.qualified_name()
        noted = {row["received_date"] for row in self._engine.noted_rows(EmptyDays) if row["source_table"] == name}
        return noted if days is None else noted & set(days.dates)


def _with_days(name: str, days: Days, old: pa.Table) -> pa.Table:
    rows = [*old.to_pylist(), *({"received_date": day, "source_table": name} for day in days.dates)]
    return pa.Table.from_pylist(rows, schema=schema_of(EmptyDays).to_pyarrow())
