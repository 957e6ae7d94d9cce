"""The events of checked Parquet files, for questions whose statements are kept: without Ibis, if all of them were."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecom_assets.events.contracts import CleanEvents
from ecom_assets.sources.files.coded_events import DIRECT, view_direct
from ecom_assets.sources.files.opened import ordinary_events
from ecom_assets.sources.files.row_counts import DUPLICATE, RowCounts
from ecom_assets.warehouse.kept_queries import KeptQueryRunner
from ecom_assets.warehouse.kept_statements import STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    import ibis.expr.types as ir

    from ecom_assets.sources.files.coded_events import CheckedRows
    from ecom_assets.sources.files.opened import OpenedFiles

ARRIVED = "received_date"
LOADED_BESIDE_THE_CHECK = ("ecom_assets.warehouse.local", "ecom_assets.events.identity")
"""What writes a statement that is not kept, with Ibis."""


@dataclass(frozen=True)
class KeptEvents:
    """Clean events of files, and the runner of queries on them.

    Attributes:
        runner: Runs queries on the events.
        events: The clean events, as an argument of the runner's functions.
        checked: What the check of all rows says.
    """

    runner: KeptQueryRunner
    events: ir.Table
    checked: CheckedRows

    @classmethod
    def open(cls, opened: OpenedFiles, question: object, columns: Iterable[str]) -> KeptEvents | None:
        """Take files that are open; None if some rows need the full definitions of cleaning.

        Args:
            opened: The files.
            question: The whole question, by which its kept statements are looked up.
            columns: The columns that it names.
        """
        runner = KeptQueryRunner(opened.con)
        with suppress(OSError):  # without a folder to write to, each statement is written again
            opened.settings.home.mkdir(parents=True, exist_ok=True)
            STATEMENTS.keep_in(opened.settings.home / "statements.sqlite")
        if not runner.has_answered(question):
            for module in LOADED_BESIDE_THE_CHECK:
                import_module(module)
        checked = opened.checked
        if checked is None or checked.has_special:
            return None
        # An unknown column is refused in a sentence that lists all others.
        is_dated = not {name.partition(".")[0] for name in columns} <= {*CleanEvents.columns} - {ARRIVED}
        late_days = opened.settings.late_days
        is_dated = view_direct(opened.con, opened.files, late_days, checked, is_dated=is_dated)
        events = runner.table(
            ordinary_events, runner.temp_table(DIRECT), has_escaped=checked.has_escaped, is_dated=is_dated
        )
        return cls(runner, events, checked)

    @cached_property
    def ends(self) -> tuple[datetime, datetime] | None:
        """The first and the last time of events, in UTC; None without events."""
        # Both are in the footers of Parquet files, from which the engine answers.
        (known,) = self.runner.rows(ends_of, self.events)
        return None if known["last"] is None else (known["first"], known["last"])

    def seen_days(self) -> set[date]:
        """Return the days of all events."""
        return {row["event_date"] for row in self.runner.rows(days_of, self.events)}

    def rows(self) -> dict[str, Any]:
        """Return how many rows there are and were rejected, by reason."""
        return RowCounts(self.checked.read, self.checked.rejected | {DUPLICATE: self.checked.surplus}).as_json()


def days_of(events: ir.Table) -> ir.Table:
    """Return each day of events once."""
    return events.select("event_date").distinct()


def ends_of(events: ir.Table) -> ir.Table:
    """Return the first and the last time of events."""
    return events.agg(first=events.event_at.min(), last=events.event_at.max())
