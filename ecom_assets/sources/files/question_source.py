"""Files as the source of the events of a question."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Protocol

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.events.missing import Words
from ecom_assets.funnels.definition import Funnel
from ecom_assets.funnels.kernel.passes import StepTimes
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.events import FileEvents, needs_few_columns
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.sources.files.row_counts import RowCounts, rows_line
from ecom_assets.sources.visitor_segments import visitor_segment, visitor_segment_of_text
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.tables.queries import Extent, KnownDays, Period, within
from ecom_assets.visitor_segments.segment import VisitorSegment


class Files(Protocol):
    """Files that are open in an engine of their own."""

    @property
    def con(self) -> Backend:
        """The engine."""

    @property
    def settings(self) -> Settings:
        """The settings by which they are read."""

    @property
    def files(self) -> RecordFiles:
        """The files themselves."""

    @property
    def rows(self) -> RowCounts:
        """How many rows were read, and why not all of them count."""


class RowsOfFiles(Protocol):
    """A source of events that are rows of files."""

    @property
    def files(self) -> Files:
        """The files."""

    def clean(self) -> ir.Table:
        """Return clean events of all days."""


def facts_of(files: Files) -> dict[str, Any]:
    """Return what an answer says of its files: the rows that were read, and the currency."""
    settings = files.settings
    currency = settings.known_currency if "currency" in settings.model_fields_set else ""
    return {"data_version": None, "currency": currency or None, "rows": files.rows.as_json()}


@dataclass
class FileSource:
    """The clean events of files; see `EventSource`."""

    files: FileEvents
    of_orders: bool = field(default=False, init=False)
    has_kernel: bool = field(default=True, init=False)
    is_bounded: bool = field(default=False, init=False)
    newest_date: date | None = field(default=None, init=False)
    lacking: Sequence[str] = field(default=(), init=False)

    @property
    def settings(self) -> Settings:
        """The settings by which the files are read."""
        return self.files.settings

    @property
    def words(self) -> Words | None:
        """The files' own words for event types."""
        return self.files.mapping.own_words()

    def translate(self, event_type: str) -> str:
        """Return the platform's word for an event type of the files."""
        return self.files.mapping.translate(event_type)

    def allow(self, columns: Iterable[str]) -> None:
        """Refuse nothing: who has the files may see all of them."""

    def segment(self, named: Any) -> VisitorSegment | None:  # noqa: ANN401 (a name, or a definition of any form)
        """Return the visitor segment that is declared under a name, in a file of its own, or defined."""
        read = visitor_segment_of_text if isinstance(named, str) else visitor_segment
        return read(named, self.settings.visitor_segments)

    @contextmanager
    def open(self, columns: Sequence[str] | None, timezone: str | None) -> Iterator["EventsOfFiles"]:  # noqa: ARG002 (the settings have it)
        """Open the events with the columns that a question names, None for all."""
        if columns is not None:
            self.files = self.files.naming(columns)
        yield EventsOfFiles(self)

    def clean(self) -> ir.Table:
        """Return clean events of all days."""
        return self.files.clean()

    def nothing(self) -> str:
        """Return why no row counts as an event."""
        return f"\n{rows_line(self.files.rows.as_json())}"

    def facts(self) -> dict[str, Any]:
        """Return the rows that were read, and the currency."""
        return facts_of(self.files)


@dataclass(frozen=True)
class EventsOfFiles:
    """Events of files in an engine of their own; see `OpenEvents`."""

    source: "RowsOfFiles"

    @property
    def files(self) -> Files:
        """The files."""
        return self.source.files

    @cached_property
    def clean(self) -> ir.Table:
        """Clean events of all days."""
        return self.source.clean()

    @property
    def con(self) -> Backend:
        """The engine."""
        return self.files.con

    @property
    def timezone(self) -> str:
        """The time zone that days begin in."""
        return self.files.settings.timezone

    def events(self) -> ir.Table:
        """Return clean events of all days."""
        return self.clean

    @cached_property
    def _ends(self) -> dict[str, Any]:
        """The first and the last day of events, and the newest time; None each without events."""
        # Both times are in the footers of Parquet files, from which the engine answers.
        clean, is_utc = self.clean, self.timezone == "UTC"
        ends = {"oldest_at": clean.event_at.min(), "newest_at": clean.event_at.max()}
        if not is_utc:  # where the day of a later time can be an earlier one
            ends |= {"first": clean.event_date.min(), "last": clean.event_date.max()}
        (known,) = clean.agg(**ends).to_pyarrow().to_pylist()
        if is_utc and known["newest_at"] is not None:
            known |= {"first": known["oldest_at"].date(), "last": known["newest_at"].date()}
        return {"first": None, "last": None, **known}

    @property
    def known(self) -> KnownDays:
        """The first and the last day of events."""
        return KnownDays(self._ends["first"], self._ends["last"])

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest event, in UTC; None without events."""
        newest: datetime | None = self._ends["newest_at"]
        return newest

    def extent(self, period: Period | None) -> Extent:
        """Return how many events a period has, or all days."""
        if period is None:
            # Known once the rows are checked, which every answer waits for.
            return Extent(self.files.rows.counted, self._ends["first"], self._ends["last"])
        events = within(self.clean, period)
        days = events.event_date
        (row,) = (
            events.agg(event_count=events.count(), first_date=days.min(), last_date=days.max()).to_pyarrow().to_pylist()
        )
        return Extent(**row)

    def missing(self, first: date, last: date) -> frozenset[date]:
        """Return the days between two of which nothing was received.

        In a single file, a day without events had none; one without a landing folder is unknown, as in published
        tables. ECOM_EMPTY_DAYS may say otherwise.
        """
        meaning = self.files.settings.empty_days
        landed = [file.received_date for file in self.files.files.files() if file.received_date]
        if meaning == "zero" or not (landed or meaning == "unknown"):
            return frozenset()
        first = first if meaning == "unknown" else max(first, min(landed))
        asked_for = set(Days.between(first, max(first, last) + ONE_DAY).dates)
        seen = self.clean.select("event_date").distinct().event_date.to_pyarrow().to_pylist()
        return frozenset(asked_for - set(seen))

    def step_times(self, funnel: Funnel) -> StepTimes | None:
        """Return how long visitors took to each step of a funnel, found in the pass that checks the rows."""
        if not isinstance(self.source, FileSource) or not needs_few_columns(funnel):
            return None
        self.source.files, times = self.source.files.with_few_columns().with_times(funnel)
        return times

    def stored(self, session_rule: str) -> None:
        """Return nothing: files have no tables of sessions."""
