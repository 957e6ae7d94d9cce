"""Orders against events: both totals, and why they differ."""

from typing import Any, ClassVar, Final

from pydantic import Field

from ecom_assets.commerce.reconciliation.contracts import CAUSES, OrderEventReconciliationDaily
from ecom_assets.interfaces.api.routes import reconciliation
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    TableColumn,
    Tile,
    Tiles,
    Why,
    meaning,
)
from ecom_assets.interfaces.dashboard.list_pages import Pages
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Section, View

TOTALS: Final = (
    "order_amount",
    "event_amount",
    "difference_amount",
    "order_count",
    "event_count",
    "matched_count",
)
CAUSE_NAMES: Final = {
    "missing_event": "Order without an event",
    "missing_order": "Event without an order",
    "amount_differs": "Another amount",
    "duplicate": "Further event of an order",
    "refund": "Refund that only one has",
    "time_zone_shift": "On a neighbouring day",
}
CAUSE: Final = (
    TableColumn("name", "Cause"),
    TableColumn("count", "Differences", "count"),
    TableColumn("amount", "Orders less events", "money"),
)
DAYS: Final = TableColumn.from_fields(reconciliation.ReconciledDay, "reconciled_date", *TOTALS)
MOST: Final = 31


class ReconciliationFilters(Filters):
    """The choices of the page."""

    offset: int | None = Field(None, ge=0, le=1_000_000)
    FORGOTTEN: ClassVar[frozenset[str]] = frozenset({"offset"})


def _answer(view: View) -> dict[str, Any]:
    offset = view.filters.offset or 0
    return view.answer(reconciliation.reconciliation, limit=MOST, offset=offset)


def totals(view: View) -> Block:
    """Return what orders and events come to, and how much more orders do."""
    answer = _answer(view)
    numbers = answer["reconciliation"]
    return Tiles(
        [
            Tile.from_field(
                reconciliation.ReconciledNumbers,
                name,
                numbers[name],
                meaning(answer, name),
                why=Why(OrderEventReconciliationDaily, name),
            )
            for name in TOTALS
        ],
        compared=False,
    )


def causes(view: View) -> Block:
    """Return the differences by cause."""
    answer = _answer(view)
    numbers = answer["reconciliation"]
    rows = [
        {
            "name": CAUSE_NAMES[cause],
            "count": numbers[f"{cause}_count"],
            "amount": numbers[f"{cause}_amount"],
        }
        for cause in CAUSES
    ]
    return DataTable(rows, CAUSE, note="The amounts add up to the difference.")


def days(view: View) -> Block:
    """Return both totals day by day."""
    answer = _answer(view)
    pages = Pages(view, "offset", MOST, answer["total_count"] or 0, "days", "#s3-title")
    return pages.around(
        Chart(
            charts.line("reconciled_date", "difference_amount", kind="money", title="Difference"),
            answer["days"],
            DAYS,
            "How much more orders come to than events, by day as a line.",
            csv=view.csv("/analytics/reconciliation.csv"),
            note=pages.note,
            definition=meaning(answer, "difference_amount", "matched_count"),
            why=Why(OrderEventReconciliationDaily, "difference_amount"),
            is_table_open=True,
        )
    )


PAGE: Final = DashboardPage(
    "reconciliation",
    "Orders against events",
    group="Operation",
    position=25,
    has_comparison=False,
    summary="What orders and events say was sold, and why they differ.",
    asks=ReconciliationFilters,
    sections=(
        Section("Orders and events of these days", totals, is_titled=False),
        Section("Why they differ", causes, "third"),
        Section("Day by day", days, "two-thirds"),
    ),
)
