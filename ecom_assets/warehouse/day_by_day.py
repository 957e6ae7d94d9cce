"""Fetch rows of another database day by day, and skip days that have not changed since they were fetched.

Each day is committed separately, together with the version that its rows have at the source. So a run that was killed
continues where it stopped when it is started again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import WarehouseError
from ecom_assets.retrying import reconnecting
from ecom_assets.tables.contract import Table, count, day, text
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import schema_of
from ecom_assets.warehouse.engine import Engine, Written


class FetchedDays(Table):
    """One row per day of arrival that was fetched, with the version that its rows had at the source."""

    layer = "raw"
    group = "events"
    written_by = "fetch"
    key = ("received_date",)
    day_column = "received_date"

    received_date = day("The day on which the events arrived")
    source = text("Where they were fetched from")
    source_version = text("What their rows came to at the source; it changes whenever a row does", nullable=True)
    fetched_row_count = count("Rows that were fetched", unit="rows")


Answer = TypeVar("Answer")


class RemoteDays(Protocol):
    """Rows of another database by day."""

    @property
    def name(self) -> str:
        """Return the name that identifies this source."""

    @property
    def failure(self) -> WarehouseError | None:
        """Return the error that ended the last stream of rows early, if any."""

    def rows(self, days: Days) -> ir.Table:
        """Return the rows of some days."""

    def versions(self, days: Days) -> Mapping[date, str]:
        """Return, for each day that has rows, a version that changes whenever the rows change."""

    def reconnect(self) -> None:
        """Open a lost connection again."""


@dataclass(frozen=True)
class DayByDay:
    """The output of an asset whose rows are fetched day by day."""

    source: RemoteDays
    days: Days


Replace = Callable[[type[Table], ir.Table, Days], tuple[Written, Days]]
"""A function that replaces a slice, and returns what was written and the days that were actually replaced."""


def replace_day_by_day(
    engine: Engine, contract: type[Table], given: DayByDay, replace: Replace | None = None
) -> tuple[Written, Days]:
    """Replace the slice of each day in its own transaction; skip days that are unchanged since they were fetched.

    By default, `replace` is the engine's own. Returns what was written, and all days but those it did not replace.

    Raises:
        ConnectionLostError: A connection was lost, and every retry failed; finished days are kept.
        WarehouseError: The source or the warehouse returned an error.
    """
    source = given.source
    replace = replace or (lambda contract, rows, days: (engine.replace(contract, rows, days), days))
    retry = reconnecting(source.reconnect)
    versions = retry(source.versions, given.days)
    kept = _unchanged(engine, contract, given, versions)
    count, sql, left = 0, str(source.rows(given.days).compile()), set[date]()
    for one in (Days((a_day,)) for a_day in given.days.dates if a_day not in kept):
        written, done = retry(_fetch, contract, source, one, replace)
        if not done.dates:
            left.add(one.first)
            continue
        note = _note(source.name, one.first, versions.get(one.first, ""), written.row_count)
        engine.replace(FetchedDays, note, one)
        count += written.row_count
    return Written(count, sql), Days.of(set(given.days.dates) - left)


def _unchanged(engine: Engine, contract: type[Table], given: DayByDay, versions: Mapping[date, str]) -> set[date]:
    """Return the days whose current version was fetched from this source and is still complete in the table."""
    engine.ensure(FetchedDays)
    engine.ensure(contract)
    noted = engine.slice_rows(FetchedDays, given.days).to_pylist()
    present = engine.day_counts(contract, given.days)
    return {
        row["received_date"]
        for row in noted
        if row["source"] == given.source.name
        and row["source_version"] == versions.get(row["received_date"], "")
        and int(row["fetched_row_count"]) == present.get(row["received_date"], 0)
    }


def _fetch(contract: type[Table], source: RemoteDays, days: Days, replace: Replace) -> tuple[Written, Days]:
    try:
        return replace(contract, source.rows(days), days)
    except WarehouseError as error:
        if source.failure is None:
            raise
        raise source.failure from error


def _note(source: str, a_day: date, version: str, row_count: int) -> ir.Table:
    values = {"source": source, "source_version": version, "fetched_row_count": row_count}
    kinds = schema_of(FetchedDays)
    one = ibis.literal(a_day, "date").name("received_date").as_table()
    return one.mutate(**{name: ibis.literal(value, kinds[name]) for name, value in values.items()})
