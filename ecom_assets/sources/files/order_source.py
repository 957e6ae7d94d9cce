"""Files of order lines as the source of the events of a question: each line is a purchase, or a refund."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NoReturn

import ibis.expr.types as ir

from ecom_assets.errors import UsageError
from ecom_assets.settings.settings import Settings
from ecom_assets.sources.files.orders import FileOrders
from ecom_assets.sources.files.question_source import EventsOfFiles, facts_of
from ecom_assets.sources.files.row_counts import rows_line
from ecom_assets.tables.contract import MONEY


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
