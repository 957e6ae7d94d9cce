"""Orders against events: both totals, and why they differ."""

from functools import partial
from typing import Any, Final, Literal

from pydantic import Field

from ecom_assets.commerce.reconciliation.contracts import CAUSES, OrderEventReconciliationDaily
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.api.routes import reconciliation
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    TableColumn,
    Tiles,
    Why,
    meaning,
)
from ecom_assets.interfaces.dashboard.list_pages import ListPages
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Offset, Section, View

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
    "other_parts": "With taxes, shipping, tips or discounts",
    "duplicate": "Further event of an order",
    "refund": "Refund that only one has",
    "time_zone_shift": "On a neighbouring day",
}
CAUSE: Final = (
    TableColumn("name", "Cause", href="href"),
    TableColumn("count", "Differences", "count"),
    TableColumn("amount", "Orders less events", "money"),
)
DAYS: Final = TableColumn.from_fields(reconciliation.ReconciledDay, "reconciled_date", *TOTALS)
DIFFERENCES: Final = (
    TableColumn("name", "Cause"),
    *TableColumn.from_fields(
        reconciliation.OrderEventDifference,
        "difference_amount",
        "reconciled_date",
        "order_amount",
        "event_amount",
        "order_id",
        "event_id",
        "customer_id",
    ),
)
MOST: Final = 31
MOST_DIFFERENCES: Final = 50


class ReconciliationFilters(Filters):
    """The choices of the page."""

    cause: Literal["any", reconciliation.Cause] = Field(
        "any", title="Differences", json_schema_extra={"labels": {**CAUSE_NAMES}}
    )
    offset: Offset = None
    differences_offset: Offset = None


def _answer(view: View) -> tuple[Answer, ListPages]:
    route = reconciliation.reconciliation
    return ListPages.asked(view, route, "offset", MOST, "days", DAY_BY_DAY.anchor)


def totals(view: View) -> Block:
    """Return what orders and events come to, and how much more orders do."""
    answer, _ = _answer(view)
    return Tiles.from_fields(
        reconciliation.ReconciledNumbers,
        answer["reconciliation"],
        TOTALS,
        answer=answer,
        why=partial(Why, OrderEventReconciliationDaily),
    )


def causes(view: View) -> Block:
    """Return the differences by cause."""
    answer, _ = _answer(view)
    numbers, may = answer["reconciliation"], view.may(Scope.PERSONAL)
    rows = [
        {
            "name": CAUSE_NAMES[cause],
            "href": view.here(cause=cause, differences_offset=None) + ONE_BY_ONE.anchor
            if may
            else "",
            "count": numbers[f"{cause}_count"],
            "amount": numbers[f"{cause}_amount"],
        }
        for cause in CAUSES
    ]
    note = "The amounts add up to the difference."
    if sums := answer["sent_sums"]:
        note += f" Orders are their items; events send {sums}."
    return DataTable(rows, CAUSE, note=note)


def days(view: View) -> Block:
    """Return both totals day by day."""
    answer, pages = _answer(view)
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


def differences(view: View) -> Block:
    """Return what differs, one by one, for callers who may see people."""
    chosen: ReconciliationFilters = view.filters
    asked: dict[str, Any] = {"cause": None if chosen.cause == "any" else chosen.cause}
    answer, pages = ListPages.asked(
        view,
        reconciliation.reconciliation_differences,
        "differences_offset",
        MOST_DIFFERENCES,
        "differences",
        ONE_BY_ONE.anchor,
        **asked,
    )
    rows = [{**row, "name": CAUSE_NAMES[row["cause"]]} for row in answer["differences"]]
    return pages.around(
        DataTable(
            rows,
            DIFFERENCES,
            csv=view.csv("/analytics/reconciliation/differences.csv", **asked),
            note=pages.note,
            empty="Orders and events of these days are the same.",
            definition=meaning(answer, "differences"),
        )
    )


DAY_BY_DAY: Final = Section("Day by day", days, "two-thirds")
ONE_BY_ONE: Final = Section(
    "One by one", differences, needs=(Scope.PERSONAL, "Which orders and events these are")
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
        DAY_BY_DAY,
        ONE_BY_ONE,
    ),
)
