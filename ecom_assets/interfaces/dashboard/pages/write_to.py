"""Whom to write to: who of a list of people agreed to it, with their addresses."""

from typing import Any, Final

from pydantic import Field, JsonValue

from ecom_assets.commerce.customers.contracts import SegmentName
from ecom_assets.commerce.customers.recipients import ListName, RecipientOrder
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.api.routes import recipients
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    DataTable,
    Notice,
    TableColumn,
    Tiles,
)
from ecom_assets.interfaces.dashboard.list_pages import ListPages
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Offset, Section, View

LABELS: Final[dict[str, JsonValue]] = {
    "due_again": "Bought once, and due again",
    "carts": "Left a cart, and bought nothing since",
    "segment": "Customers of a segment",
}
COLUMNS: Final = TableColumn.from_fields(
    recipients.Recipient,
    "email",
    "worth_amount",
    "days_since_count",
    "product_names",
    "last_date",
    "customer_id",
    "email_consent_at",
)
MOST: Final = 50
AGREED: Final = "Who of them agreed to be written to"
"""The label of a link from a list."""


class WriteToFilters(Filters):
    """The choices of the page."""

    people: ListName = Field("due_again", title="People", json_schema_extra={"labels": LABELS})
    segment: SegmentName = Field("At Risk", title="Segment")
    sort_by: RecipientOrder = Field(
        "worth", title="Order by", json_schema_extra={"labels": {"longest": "Longest ago"}}
    )
    offset: Offset = None


def write_to(view: View, label: str, **chosen: str) -> tuple[tuple[str, str], ...]:
    """Return the link from a list to who of it agreed, for callers who may see people."""
    return ((label, view.link("write-to", **chosen)),) if view.may(Scope.PERSONAL) else ()


def _asked(view: View) -> Answer:
    """Return which list is shown, in which order."""
    chosen: WriteToFilters = view.filters
    asked: dict[str, Any] = {"people": chosen.people, "sort_by": chosen.sort_by}
    return asked | ({"segment": chosen.segment} if chosen.people == "segment" else {})


def _answer(view: View) -> Answer:
    first = view.filters.offset or 0
    return view.answer(recipients.recipients, limit=MOST, offset=first, **_asked(view))


def counts(view: View) -> Block:
    """Return how many people a list has, and what they said; without the setting the first only."""
    answer = _answer(view)
    names = list(recipients.RecipientCounts.model_fields)
    shown = names if answer["is_published"] else names[:1]
    return Tiles.from_fields(recipients.RecipientCounts, answer["counts"], shown, answer=answer)


def who(view: View) -> Block:
    """Return who of a list agreed to be written to, for callers who may see people."""
    answer = _answer(view)
    if not answer["is_published"]:
        return Notice(recipients.NOT_PUBLISHED, "info")
    listed, agreed = (answer["counts"][f"{name}_count"] for name in ("listed", "agreed"))
    pages = ListPages(view, "offset", MOST, agreed, "people", WHO.anchor)
    sentence = f"{agreed:,} of {listed:,} agreed to be written to."
    return pages.around(
        DataTable(
            answer["recipients"],
            COLUMNS,
            csv=view.csv("/analytics/customers/to-write-to.csv", **_asked(view)),
            note=f"{sentence} {pages.note}".strip(),
            empty=f"{sentence} Only people whose newest record says that they agreed are shown."
            if listed
            else "Nobody is on this list.",
        )
    )


NEEDS: Final = (Scope.PERSONAL, "Whom to write to")
WHO: Final = Section("Who agreed to be written to", who, needs=NEEDS)
PAGE: Final = DashboardPage(
    "write-to",
    "Whom to write to",
    position=41,
    summary="Who is due again, left a cart or is at risk, and agreed to be written to by e-mail.",
    asks=WriteToFilters,
    has_comparison=False,
    is_ad_hoc=True,
    sections=(Section("People on the list", counts, is_titled=False, needs=NEEDS), WHO),
)
