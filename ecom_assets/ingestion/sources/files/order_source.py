"""Files of order lines as the source of the events of a question."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final, NoReturn

import ibis
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.questions.source import Narrowed
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
from ecom_assets.core.errors import SourceError, UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.days import ONE_DAY, Days
from ecom_assets.core.tables.portable import rows_of, stored
from ecom_assets.core.warehouse.local import temporary
from ecom_assets.core.warehouse.sql_text import date_literal, day_in_zone, ident, select
from ecom_assets.ingestion.sources.files.currency import ConvertedOrders, Currencies
from ecom_assets.ingestion.sources.files.engine import engine_of_files
from ecom_assets.ingestion.sources.files.events import without_erased
from ecom_assets.ingestion.sources.files.mapping import load_order_mapping
from ecom_assets.ingestion.sources.files.order_tables import FileOrderTables
from ecom_assets.ingestion.sources.files.question_source import RecordFileSource
from ecom_assets.ingestion.sources.files.records import DUPLICATE, FileRowCounts, RecordFiles
from ecom_assets.ingestion.sources.files.row_notes import notes_of

LINES = "file_orders"
CLASSIFIED = "classified_file_orders"
SURELY_MORE: Final = 1.5
"""How many times as many as are allowed an approximate count has to be, which errs by a tenth."""
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
        rule = OrderRule(settings.max_amount, currency=settings.set_currency)
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

    def order_tables(self, lines: ir.Table) -> FileOrderTables:
        """Return the tables that are made from the lines."""
        return FileOrderTables(lines, self.settings)
