"""Order lines of files: clean ones by the platform's definitions, and as the source of the events of a question."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, NoReturn

import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from ecom_assets.errors import SourceError, UsageError
from ecom_assets.orders.contracts import RawUserOrderLog
from ecom_assets.orders.orders import OrderRule, classify, user_order_log
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.kinds import load_order_mapping
from ecom_assets.sources.files.opened import without_erased
from ecom_assets.sources.files.question_source import EventsOfFiles, facts_of
from ecom_assets.sources.files.records import RecordFiles
from ecom_assets.sources.files.row_counts import DUPLICATE, RowCounts, rows_line
from ecom_assets.tables.contract import MONEY
from ecom_assets.tables.days import ONE_DAY, Days
from ecom_assets.warehouse.local import connect, keep_within, temporary
from ecom_assets.warehouse.sql_text import day, day_in_zone, select

LINES = "file_orders"


@dataclass(frozen=True)
class FileOrders:
    """Files with the mapping that they fit, open in an engine of their own."""

    con: Backend
    files: RecordFiles
    rule: OrderRule
    settings: Settings

    @classmethod
    def open(cls, paths: Sequence[str], settings: Settings) -> "FileOrders":
        """Find the files and check them.

        Raises:
            UsageError: No path was given.
        """
        if not paths:
            raise UsageError("No orders were given; name a file, folder or glob with --orders PATH.")
        con = connect()
        keep_within(con, settings.memory_limit)
        mapping = load_order_mapping(settings.orders_mapping)
        files = RecordFiles.open(con.con, paths, mapping, settings.timezone)
        return cls(con, files, OrderRule(settings.max_amount, settings.max_quantity), settings)

    def clean(self, *, takes_empty: bool = False) -> ir.Table:
        """Return the rows of `UserOrderLog`, of every day that there is.

        Raises:
            SourceError: The files hold no rows, and that is not taken.
        """
        if self.files.received_days() is None and not takes_empty:
            raise SourceError(f"{self.files.files()[0].path} holds no rows; give a file that does.")
        received = self._received
        return user_order_log(received, None, self.rule, self._days())

    @cached_property
    def rows(self) -> RowCounts:
        """Return the number of lines in the files, and of those that are not in `clean`, by reason."""
        classified = classify(self._received, self.rule)
        ids = classified.uniq_id.nunique(where=classified.reject_reason.isnull())
        counted = classified.group_by("reject_reason").agg(row_count=classified.count(), id_count=ids)
        rows = self.con.to_pyarrow(counted).to_pylist()
        rejected = {row["reject_reason"]: row["row_count"] for row in rows if row["reject_reason"]}
        rejected[DUPLICATE] = sum(row["row_count"] - row["id_count"] for row in rows if not row["reject_reason"])
        return RowCounts(sum(row["row_count"] for row in rows), rejected)

    @cached_property
    def _received(self) -> ir.Table:
        own_day = day_in_zone(self.files.mapping.kind.at, self.files.timezone)
        rows = select(f"*, {own_day} AS order_date, '' AS source", self.files.received_sql())
        # Copies are looked for in several passes, and a file is expensive to read.
        return without_erased(self.settings, RawUserOrderLog, temporary(self.con, LINES, rows))

    def _days(self) -> Days:
        """Return every day on which a clean line can have been ordered."""
        covered = self.files.received_days()
        if covered is None:
            return Days(())
        last = covered[1] + ONE_DAY
        query = select("min(order_date)", LINES, f"order_date <= {day(last)}")
        # All of it, because what is left unread would keep the connection busy.
        ((first,),) = self.con.con.execute(query).fetchall()
        return Days.between(first, last + ONE_DAY) if first else Days(())


def lines_as_events(lines: ir.Table) -> ir.Table:
    """Return rows of `UserOrderLog` with the columns that say who did what when, and the `amount` paid.

    Each is a `purchase`, or a `refund` with a negative amount.
    """
    is_refund = lines.status == "refunded"
    return lines.mutate(
        event_type=is_refund.ifelse("refund", "purchase"),
        visitor_id=lines.customer_id,
        event_id=lines.uniq_id,
        event_date=lines.order_date,
        event_at=lines.ordered_at,
        amount=is_refund.ifelse(-lines.payment_amount, lines.payment_amount).cast(MONEY),
    )


@dataclass(frozen=True)
class OrderFileSource:
    """The clean order lines of files; see `EventSource`."""

    files: FileOrders
    takes_empty: bool = False
    words: None = field(default=None, init=False)
    of_orders: bool = field(default=True, init=False)
    has_kernel: bool = field(default=True, init=False)
    is_bounded: bool = field(default=False, init=False)
    newest_date: date | None = field(default=None, init=False)
    lacking: Sequence[str] = field(default=(), init=False)

    @property
    def settings(self) -> Settings:
        """The settings by which the files are read."""
        return self.files.settings

    def translate(self, event_type: str) -> str:
        """Return the event type: the mapping of orders has said what is a refund."""
        return event_type

    def allow(self, columns: Iterable[str]) -> None:
        """Refuse nothing: who has the files may see all of them."""

    def segment(self, named: Any) -> NoReturn:  # noqa: ANN401, ARG002 (as of the other sources)
        """Refuse visitor segments.

        Raises:
            UsageError: Orders do not say what visitors did.
        """
        raise UsageError("--segment is about what visitors did, which orders do not have; ask with --events PATH.")

    @contextmanager
    def open(self, columns: Sequence[str] | None, timezone: str | None) -> Iterator[EventsOfFiles]:  # noqa: ARG002 (all are there)
        """Open the order lines, as events."""
        yield EventsOfFiles(self)

    def clean(self) -> ir.Table:
        """Return the order lines of all days, as events."""
        return lines_as_events(self.files.clean(takes_empty=self.takes_empty))

    def nothing(self) -> str:
        """Return why no line counts."""
        return f"\n{rows_line(self.files.rows.as_json())}"

    def facts(self) -> dict[str, Any]:
        """Return the lines that were read, and the currency."""
        return facts_of(self.files)
