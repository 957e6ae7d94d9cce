"""Files of events as the source of the events of a question, and rows that it writes to a file.

Those of order lines are in `order_source.py`, which loads all that they are joined to.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events.missing import SourceNames
from ecom_assets.behaviour.events.recorded import NOT_BY_ORDERS, not_recorded_by
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.questions.source import Narrowed, OrderTables, identity_rule
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.commerce.attribution.session_columns import direct_warnings, named_of, reads_of
from ecom_assets.core.atomic_files import replacing
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import UsageError, WarehouseError, first_line
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import rows_of, values_of
from ecom_assets.core.tables.queries import Extent, KnownDays, Period, events_in_period
from ecom_assets.core.tables.spreadsheet_text import with_escaped_texts
from ecom_assets.core.warehouse.sql_text import text
from ecom_assets.ingestion.sources.files.events import FileEvents
from ecom_assets.ingestion.sources.files.records import (
    FileRowCounts,
    RecordFiles,
    rows_line,
)
from ecom_assets.ingestion.sources.home_notes import have_activities
from ecom_assets.ingestion.sources.visitor_segments import visitor_segment, visitor_segment_of_text

AROUND: Final = timedelta(days=3)
"""Longer than any two clocks differ, and than any clock goes back."""


class Files(Protocol):
    """Files with the mapping that they fit, open in an engine of their own."""

    @property
    def con(self) -> Backend:
        """The engine."""

    @property
    def files(self) -> RecordFiles:
        """The files."""

    @property
    def settings(self) -> Settings:
        """The settings by which they are read."""

    @property
    def rows(self) -> FileRowCounts:
        """How many rows there are, and how many were refused, by reason."""

    @property
    def currency(self) -> str:
        """The currency of all amounts; empty if none is known."""


OpenFiles = TypeVar("OpenFiles", bound=Files)


@dataclass
class RecordFileSource(ABC, Generic[OpenFiles]):
    """A source of events that are rows of files; see `EventSource`."""

    files: OpenFiles
    of_orders: ClassVar[bool] = False
    has_kernel: ClassVar[bool] = True
    is_bounded: ClassVar[bool] = False
    may_see_people: ClassVar[bool] = True
    newest_date: ClassVar[date | None] = None
    lacking: ClassVar[Sequence[str]] = ()

    @property
    def not_recorded(self) -> frozenset[str]:
        """What the rows do not record."""
        return NOT_BY_ORDERS if self.of_orders else frozenset()

    @property
    def known_at(self) -> datetime:
        """When the files are read: now."""
        return now_utc()

    @property
    def settings(self) -> Settings:
        """The settings by which the files are read."""
        return self.files.settings

    @property
    def source_names(self) -> SourceNames | None:
        """The files' own names of event types, if they have some."""
        return None

    def translate(self, event_type: str) -> str:
        """Return the platform's word for an event type of the files."""
        return event_type

    def allow(self, columns: Iterable[str]) -> None:
        """Refuse nothing: who has the files may see all of them."""

    @abstractmethod
    def segment(self, named: Any) -> VisitorSegment | None:  # noqa: ANN401 (a name, or a definition of any form)
        """Return the visitor segment that is declared under a name,
        in a file of its own, or defined.
        """

    @abstractmethod
    def clean(self) -> ir.Table:
        """Return clean events of all days."""

    @contextmanager
    def open(
        self,
        columns: Sequence[str] | None,
        timezone: str | None,  # noqa: ARG002 (the settings have it)
        identity: IdentityRule | None = None,
    ) -> Iterator["OpenFileEvents"]:
        """Open the events with the columns that a question names, None for all,
        and their visitors by a rule.
        """
        self.identify_by(identity)  # first, as columns are read for a rule
        self.name_columns(columns)
        yield OpenFileEvents(self)

    def name_columns(self, columns: Sequence[str] | None) -> None:
        """Note which columns a question names, so that others need not be read."""

    @abstractmethod
    def identify_by(self, identity: IdentityRule | None) -> None:
        """Find visitors by another rule, or by that of the settings if None,
        whatever was asked before.

        Raises:
            UsageError: They have no visitors to find.
        """

    def warnings(self, events: ir.Table) -> list[str]:  # noqa: ARG002 (a source may have some)
        """Return a sentence for each named column that says the same of all events,
        as it is not known.
        """
        return []

    def has_more_groups(
        self,
        columns: Sequence[str],  # noqa: ARG002 (orders tell)
        most: int,  # noqa: ARG002
        narrowed: Narrowed,  # noqa: ARG002
    ) -> bool:
        """Return that nothing is known of order lines."""
        return False

    def order_tables(self, lines: ir.Table) -> OrderTables | None:  # noqa: ARG002 (of order lines)
        """Return the tables that are made from order lines; None of events."""
        return None

    def nothing(self) -> str:
        """Return why no row counts as an event."""
        return f"\n{rows_line(self.files.rows.as_json())}"

    def facts(self) -> dict[str, Any]:
        """Return the rows that were read, and the currency."""
        is_set = "currency" in self.settings.model_fields_set
        currency = self.settings.set_currency if is_set else self.files.currency
        return {
            "data_version": None,
            "currency": currency or None,
            "rows": self.files.rows.as_json(),
        }


class EventFileSource(RecordFileSource[FileEvents]):
    """The clean events of files."""

    @property
    def source_names(self) -> SourceNames | None:
        """The files' own names of event types."""
        return self.files.mapping.source_names()

    def translate(self, event_type: str) -> str:
        """Return the platform's word for an event type of the files."""
        return self.files.mapping.translate(event_type)

    def segment(self, named: Any) -> VisitorSegment | None:  # noqa: ANN401 (as above)
        """Return the visitor segment that is declared under a name,
        in a file of its own, or defined.
        """
        read = visitor_segment_of_text if isinstance(named, str) else visitor_segment
        return read(named, self.settings.visitor_segments)

    of_sessions: frozenset[str] = frozenset()

    @property
    def not_recorded(self) -> frozenset[str]:
        """What the events do not record: activities have what their mapping names."""
        if not have_activities(self.settings):
            return frozenset()
        return not_recorded_by(self.files.mapping.names_type, has_addresses=False)

    def warnings(self, events: ir.Table) -> list[str]:
        """Return a sentence if the question names where sessions came from,
        and all came directly.
        """
        return direct_warnings(self.files.con, events, self.of_sessions)

    def clean(self) -> ir.Table:
        """Return clean events of all days,
        with the columns of their sessions that a question names.
        """
        events = self.files.clean()
        if not self.of_sessions:
            return events
        from ecom_assets.ingestion.sources.site_lists import with_channels  # noqa: PLC0415 (loads what attribution needs)

        return with_channels(self.files.con, events, self.of_sessions, self)

    def name_columns(self, columns: Sequence[str] | None) -> None:
        """Note which columns a question names, None for all."""
        self.of_sessions = named_of(columns or ())
        if columns is not None:
            beneath = reads_of(self.of_sessions)
            self.files = self.files.naming(
                [*beneath, *(name for name in columns if name not in self.of_sessions)]
            )

    def identify_by(self, identity: IdentityRule | None) -> None:
        """Find visitors by another rule, or by that of the settings."""
        self.files = self.files.by(identity or identity_rule(self.settings))


@dataclass(frozen=True)
class OpenFileEvents:
    """Events of files in an engine of their own; see `OpenEvents`."""

    source: RecordFileSource[Any]

    @property
    def files(self) -> Files:
        """The files."""
        files: Files = self.source.files
        return files

    @cached_property
    def _clean(self) -> ir.Table:
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
        return self._clean

    @cached_property
    def _ends(self) -> dict[str, Any]:
        """The first and the last day of events, and the newest time; None each without events."""
        # Both times are in the footers of Parquet files, from which the engine answers.
        clean, is_utc = self._clean, self.timezone == "UTC"
        times = clean.agg(oldest_at=clean.event_at.min(), newest_at=clean.event_at.max())
        (row,) = rows_of(times)
        oldest_at, newest_at = row["oldest_at"], row["newest_at"]
        if newest_at is None:
            return {"first": None, "last": None, **row}
        if is_utc:
            return row | {"first": oldest_at.date(), "last": newest_at.date()}
        # The day of a later time can be an earlier one, where clocks go back, but not of one that
        # is days later: no clock is a day ahead of UTC, or behind it.
        ends = clean.filter(
            (clean.event_at <= ibis.literal(oldest_at + AROUND))
            | (clean.event_at >= ibis.literal(newest_at - AROUND))
        )
        (dates,) = rows_of(ends.agg(first=ends.event_date.min(), last=ends.event_date.max()))
        return row | dates

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
        events = events_in_period(self._clean, period)
        days = events.event_date
        ends = events.agg(event_count=events.count(), first_date=days.min(), last_date=days.max())
        (row,) = rows_of(ends)
        return Extent(**row)

    def missing(self, first: date, last: date) -> frozenset[date]:
        """Return the days between two of which nothing was received.

        In a single file, a day without events had none; one without a landing folder is unknown, as
        in published tables. ECOM_EMPTY_DAYS may say otherwise.
        """
        meaning = self.files.settings.empty_days
        landed = [file.received_date for file in self.files.files.files() if file.received_date]
        if meaning == "zero" or not (landed or meaning == "unknown"):
            return frozenset()
        first = first if meaning == "unknown" else max(first, min(landed))
        asked_for = set(Days.between(first, max(first, last) + ONE_DAY).dates)
        seen = values_of(self._clean.select("event_date").distinct().event_date)
        return frozenset(asked_for - set(seen))

    def warnings(self) -> list[str]:
        """Return a sentence for each named column that says the same of all events,
        as it is not known.
        """
        return self.source.warnings(self._clean)

    def without_sessions(self, used: Iterable[str]) -> None:
        """Return nothing: what they have of their sessions is not joined."""

    def stored(self, session_rule: str) -> None:
        """Return nothing: files have no tables of sessions."""

    @cached_property
    def order_tables(self) -> OrderTables | None:
        """The tables that are made from order lines; None of events."""
        return self.source.order_tables(self._clean)

    def in_zone(self, rows: ir.Table) -> ir.Table:
        """Return the rows: files are read with days in the time zone that is asked for."""
        return rows


FORMATS = {".parquet": "FORMAT parquet, COMPRESSION zstd", ".csv": "FORMAT csv, HEADER"}


def check_format(option: str, path: Path | None) -> None:
    """Refuse a file that is neither Parquet nor CSV, before any work is done.

    Raises:
        UsageError: Its name ends in another way.
    """
    if path is not None and path.suffix not in FORMATS:
        raise UsageError(f"{option} {path} is neither .parquet nor .csv; end it in one of them.")


def write_rows(con: Backend, rows: ir.Table, path: Path) -> None:
    """Write the rows in their order; a file that was there is replaced when the new one is whole.

    Texts of CSV, which spreadsheets open, are escaped where these would run them.

    Raises:
        WarehouseError: It cannot be written.
    """
    if not path.parent.is_dir():
        raise WarehouseError(
            f"{path} cannot be written: there is no folder {path.parent}; make it, or choose "
            "another."
        )
    written = with_escaped_texts(rows) if path.suffix == ".csv" else rows
    try:
        with replacing(path) as fresh:
            con.raw_sql(
                f"COPY ({con.compile(written)}) TO {text(str(fresh))} ({FORMATS[path.suffix]})"
            )
    except (duckdb.Error, OSError) as error:
        raise WarehouseError(
            f"{path} cannot be written: {first_line(error)}; choose another place."
        ) from error
