"""Files of events, or of order lines, as the source of the events of a question,
and rows that it writes to a file.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, NoReturn, TypeVar

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.events.missing import SourceNames
from ecom_assets.behaviour.events.recorded import NOT_BY_ORDERS, not_recorded_by
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.questions.source import Narrowed, identity_rule
from ecom_assets.behaviour.visitor_segments.segment import VisitorSegment
from ecom_assets.commerce.attribution.session_columns import direct_warnings, named_of, reads_of
from ecom_assets.commerce.custom_sales.lines import columns_read
from ecom_assets.commerce.orders.contracts import RawUserOrderLog
from ecom_assets.commerce.orders.orders import (
    OrderRule,
    classify,
    has_copies,
    lines_as_events,
    lone_lines,
    other_records,
    unread_attributes,
    user_order_log,
)
from ecom_assets.core.atomic_files import replacing
from ecom_assets.core.clock import now_utc
from ecom_assets.core.errors import SourceError, UsageError, WarehouseError, first_line
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import rows_of, stored, values_of
from ecom_assets.core.tables.queries import Extent, KnownDays, Period, events_in_period
from ecom_assets.core.tables.spreadsheet_text import with_escaped_texts
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.core.warehouse.sql_text import date_literal, day_in_zone, ident, select, text
from ecom_assets.ingestion.sources.files.currency import ConvertedOrders, Currencies
from ecom_assets.ingestion.sources.files.engine import engine_of_files
from ecom_assets.ingestion.sources.files.events import FileEvents, without_erased
from ecom_assets.ingestion.sources.files.mapping import load_order_mapping
from ecom_assets.ingestion.sources.files.order_tables import FileOrderTables
from ecom_assets.ingestion.sources.files.records import (
    DUPLICATE,
    FileRowCounts,
    RecordFiles,
    rows_line,
)
from ecom_assets.ingestion.sources.files.row_notes import notes_of
from ecom_assets.ingestion.sources.home_notes import have_activities
from ecom_assets.ingestion.sources.site_lists import with_channels
from ecom_assets.ingestion.sources.visitor_segments import visitor_segment, visitor_segment_of_text

LINES = "file_orders"
CLASSIFIED = "classified_file_orders"
SURELY_MORE: Final = 1.5
"""How many times as many as are allowed an approximate count has to be, which errs by a tenth."""
AROUND: Final = timedelta(days=3)
"""Longer than any two clocks differ, and than any clock goes back."""
OF_RULE: Final = ("received_status", "reject_reason")
"""The columns of classified lines beside those that are received."""
OF_VERSION: Final = ("record_id", "received_date")
"""The received columns that say of which record, and of when, a line is."""
UNREAD: Final = "is_unread_"
"""What begins the name of the column that says whether an attribute was sent and is not known."""


def _error(text: str) -> str:
    raise NotImplementedError(text)  # DuckDB raises it


_ERROR: Final = ibis.udf.scalar.builtin(_error, name="error", signature=(("string",), "string"))


@dataclass(frozen=True)
class StoredLines:
    """Order lines that are stored, with the reason if they are rejected.

    Attributes:
        rows: The lines; a query that reads a column of them that was not stored fails.
        have_copies: Whether two of them are of one record or line.
    """

    rows: ir.Table
    have_copies: bool


@dataclass(frozen=True)
class FileOrders:
    """Files with the mapping that they fit, open in an engine of their own.

    To store a line with all of its columns takes longer than all else. So only those are stored
    that a question reads, where that is known and no line has copies: which of these count is
    decided by nearly all columns.
    """

    con: Backend
    files: RecordFiles
    rule: OrderRule
    settings: Settings
    named: frozenset[str] | None = None
    """The columns of `UserOrderLog` that are read; None for all."""

    @classmethod
    def open(cls, paths: Sequence[str], settings: Settings) -> "FileOrders":
        """Find the files and check them.

        Raises:
            UsageError: No path was given.
        """
        if not paths:
            raise UsageError(
                "No orders were given; name a file, folder or glob with --orders PATH."
            )
        con = engine_of_files(settings)
        mapping = load_order_mapping(settings.orders_mapping)
        files = RecordFiles.open(con.con, paths, mapping, settings.timezone)
        rule = OrderRule(settings.max_amount, settings.max_quantity, currency=settings.set_currency)
        return cls(con, files, rule, settings)

    def naming(self, columns: frozenset[str] | None) -> "FileOrders":
        """Return the same files, of whose clean lines only some columns are read; None for all."""
        return self if columns == self.named else replace(self, named=columns)

    def clean(self, *, takes_empty: bool = False) -> ir.Table:
        """Return the rows of `UserOrderLog`, of every day that there is.

        Raises:
            SourceError: The files hold no rows, and that is not taken.
        """
        if self.files.received_days() is None and not takes_empty:
            raise SourceError(f"{self.files.files()[0].path} holds no rows; give a file that does.")
        return self._clean

    @cached_property
    def _clean(self) -> ir.Table:
        """The clean lines. They are stored only where copies have to be decided, which takes
        longest; else each query reads the few columns that it needs.
        """
        stored_lines, days = self._stored, self._days()
        lines = stored_lines.rows
        if not stored_lines.have_copies:
            return lone_lines(lines, self.rule, days)
        flags = [name for name in lines.columns if name.startswith(UNREAD)]
        received = lines.mutate(status=lines.received_status).drop(*OF_RULE, *flags)
        decided = user_order_log(received, None, None, self.rule, days)
        return stored(self.con, "clean_file_orders", decided)

    @cached_property
    def rows(self) -> FileRowCounts:
        """Return the number of lines in the files,
        and of those that are not in `clean`, by reason.
        """
        lines = self._stored.rows
        unread = {
            name.removeprefix(UNREAD): lines[name].ifelse(1, 0).sum().fill_null(0)
            for name in lines.columns
            if name.startswith(UNREAD)
        }
        counted = lines.group_by("reject_reason").agg(row_count=lines.count(), **unread)
        by_reason = {row.pop("reject_reason"): row for row in rows_of(counted)}
        clean = by_reason.pop(None, {})
        rejected = {reason: row["row_count"] for reason, row in by_reason.items()}
        rejected[DUPLICATE] = self._copy_count() if self._stored.have_copies else 0
        return FileRowCounts(
            sum(rejected.values()) - rejected[DUPLICATE] + clean.pop("row_count", 0),
            rejected,
            {name: int(clean.get(name, 0)) for name in unread},
            self.files.malformed_bytes,
            notes_of(self.files, CLASSIFIED),
        )

    def _copy_count(self) -> int:
        """Return how many clean lines are surplus copies of others."""
        lines = self._stored.rows
        clean = lines.filter(lines.reject_reason.isnull())
        (row,) = rows_of(clean.agg(row_count=clean.count(), id_count=clean.uniq_id.nunique()))
        return int(row["row_count"] - row["id_count"])

    def classified(self) -> ir.Table:
        """Return every received line, with the reason if it is rejected."""
        return self._stored.rows

    @cached_property
    def _stored(self) -> StoredLines:
        """These lines, stored, as several passes read them and a file is expensive to read.

        Columns that are null in every line are not stored, which would take as long as others.
        """
        rows = self._classified
        kinds, empty = rows.schema(), self.files.empty_columns() - {"status"}  # the rule fills it
        flags = {
            f"{UNREAD}{name}": is_unread
            for name, is_unread in unread_attributes(rows, self.rule).items()
            if f"received_{name}" not in empty
        }
        rows = rows.mutate(**flags)
        nulls = {name: ibis.null(kinds[name]) for name in sorted(empty)}
        unread: dict[str, ir.Value] = {}
        if self.named is not None:
            kept = {*self.named, *OF_VERSION, *OF_RULE, *flags}
            unread = {
                name: _ERROR(f"{name} of order lines was not stored").cast(kinds[name])
                for name in kinds
                if name not in kept | empty
            }
        lines = stored(self.con, CLASSIFIED, rows.drop(*nulls, *unread)).mutate(**nulls)
        others = rows_of(other_records(lines).select("uniq_id").limit(1))
        (row,) = rows_of(has_copies(lines, are_lines=not others))
        if row["has_copies"] and self.named is not None:
            every = self.naming(None)
            return every._stored  # noqa: SLF001 (of this class)
        return StoredLines(lines.mutate(**unread), bool(row["has_copies"]))

    @property
    def _classified(self) -> ir.Table:
        """The received lines with the reason if they are rejected, and their received status."""
        rows = temporary(self.con, LINES, self._in_one.rows, "VIEW")
        rows = without_erased(self.settings, RawUserOrderLog, rows)
        return classify(rows.mutate(received_status=rows.status), self.rule)

    @cached_property
    def currency(self) -> str:
        """The currency that all amounts state; empty where they state none."""
        return next(iter(self._in_one.names), "")

    @cached_property
    def _in_one(self) -> ConvertedOrders:
        """The received lines, with their amounts in one currency."""
        return Currencies.from_settings(self.settings).convert_orders(self.files, self.dated_sql)

    @property
    def dated_sql(self) -> str:
        """The SELECT of the received lines with their day in the time zone."""
        own_day = day_in_zone(self.files.mapping.kind.at, self.files.timezone)
        return select(f"*, {own_day} AS order_date, '' AS source", f"({self.files.received_sql()})")

    def _days(self) -> Days:
        """Return every day on which a clean line can have been ordered."""
        covered = self.files.received_days()
        if covered is None:
            return Days(())
        last = covered[1] + ONE_DAY
        query = select("min(order_date)", CLASSIFIED, f"order_date <= {date_literal(last)}")
        # All of it, because what is left unread would keep the connection busy.
        ((first,),) = self.con.con.execute(query).fetchall()
        return Days.between(first, last + ONE_DAY) if first else Days(())


Files = FileEvents | FileOrders
OpenFiles = TypeVar("OpenFiles", FileEvents, FileOrders)


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
        return (
            with_channels(self.files.con, events, self.of_sessions, self)
            if self.of_sessions
            else events
        )

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


@dataclass
class OrderFileSource(RecordFileSource[FileOrders]):
    """The clean order lines of files, as events:
    the mapping of orders has said what is a refund.

    `is_of_sales` says whether a question about sales is asked, which names all that it reads.
    """

    takes_empty: bool = False
    is_of_sales: bool = False
    of_orders: ClassVar[bool] = True

    def segment(self, named: Any) -> NoReturn:  # noqa: ANN401, ARG002 (as of the other sources)
        """Refuse visitor segments.

        Raises:
            UsageError: Orders do not say what visitors did.
        """
        raise UsageError(
            "--segment is about what visitors did, which orders do not have; ask with --events "
            "PATH."
        )

    def identify_by(self, identity: IdentityRule | None) -> None:
        """Refuse identity rules.

        Raises:
            UsageError: Orders have customers, and no devices.
        """
        if identity is None:
            return
        raise UsageError(
            "--identity is about devices, which orders do not have; ask with --events PATH."
        )

    def name_columns(self, columns: Sequence[str] | None) -> None:
        """Note which columns a question names, None for all."""
        if self.is_of_sales:
            self.files = self.files.naming(None if columns is None else columns_read(columns))

    def has_more_groups(self, columns: Sequence[str], most: int, narrowed: Narrowed) -> bool:
        """Return whether some columns of Parquet files surely have more than so many combinations
        of values, by an approximate count.

        Text files are read once only, as that takes longest: their lines are counted then.
        """
        files = self.files.files
        if not files.is_parquet or files.row_count() <= most:
            return False
        con = self.files.con
        received = narrowed(temporary(con, LINES, self.files.dated_sql, "VIEW"))
        counted = f"approx_count_distinct(hash({', '.join(map(ident, columns))}))"
        lines = con.compile(received.select(*columns))
        ((count,),) = con.con.execute(select(counted, f"({lines})")).fetchall()
        return bool(count > SURELY_MORE * most)

    def clean(self) -> ir.Table:
        """Return the order lines of all days, as events."""
        return lines_as_events(self.files.clean(takes_empty=self.takes_empty))


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
    def order_tables(self) -> FileOrderTables | None:
        """The tables that are made from order lines; None of events."""
        if not self.source.of_orders:
            return None
        return FileOrderTables(self._clean, self.files.settings)

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
