"""One visitor: when they came, what they did, in order; for keys of scope `personal`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, Field

from ecom_assets.commerce.attribution.contracts import Touches
from ecom_assets.commerce.customers.contracts import CustomerVisitors
from ecom_assets.commerce.sales.contracts import Customer
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import EVENTS, require
from ecom_assets.interfaces.api.auth.callers import OTHER_NAMES, require_personal
from ecom_assets.interfaces.api.store.store import PublishedTables
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tile,
    Tiles,
)
from ecom_assets.interfaces.dashboard.page import DashboardPage, PageParameters, Section, View

MOST: Final = 200
EVENT: Final = (
    TableColumn("event_at", "When (UTC)", "instant"),
    TableColumn("event_type", "What"),
    TableColumn("name", "Product", href="href"),
    TableColumn("product_category", "Category"),
    TableColumn("cart_amount", "Amount", "money"),
    TableColumn("page_url", "Page"),
    TableColumn("source_session_id", "Session"),
)
SHOWN: Final = ("product_id", *(column.name for column in EVENT if column.name != "name"))
"""The columns of events that these are made of."""


class PersonChoices(PageParameters):
    """Whose events, and how many of the newest to leave out."""

    visitor: str = Field("", title="Visitor", max_length=500)
    offset: int = Field(0, ge=0, le=1_000_000, title="Newest left out")


def people(view: View, rows: Iterable[NamedValues]) -> list[Row]:
    """Return rows of visitors with the address of each one's page."""
    return [{**row, "href": view.link("person", visitor=row["visitor_id"])} for row in rows]


def columns_of_people(model: type[BaseModel], *names: str) -> tuple[TableColumn, ...]:
    """Return the columns of a list of visitors, whose ids lead to their pages."""
    return (
        replace(TableColumn.from_field(model, "visitor_id"), href="href"),
        *TableColumn.from_fields(model, *names),
    )


def person(view: View) -> Block:
    """Return when a visitor came and their newest events, the newest first.

    The statements are run as they are, so that no id is in one that is kept.

    Raises:
        ScopeNeededError: The key has no scope `personal`.
    """
    require_personal(view.request.scope, ["visitor_id"])
    reading, visitor = view.context.reading, view.filters.visitor
    if not visitor:
        return Notice(
            "Open a visitor from a list of who is at a step of a funnel, or in a cell of "
            "retention.",
            "info",
        )
    require(reading, EVENTS)
    columns = [name for name in SHOWN if OTHER_NAMES.get(name, name) not in reading.lacking]
    with reading.adhoc() as con:
        tables = PublishedTables(reading, con)
        came_as = _visitors_of(tables, visitor)
        events = reading.events_in(con)
        events = events.filter(events.visitor_id.isin([visitor, *came_as]))
        first, last = events.event_at.min(), events.event_at.max()
        (numbers,) = rows_of(
            events.agg(
                count=events.count(), days=events.event_date.nunique(), first=first, last=last
            )
        )
        if not numbers["count"]:
            return Notice(_nothing_of(tables, visitor), "info")
        numbers |= _visits(tables, [visitor, *came_as])
        newest = events.order_by(events.event_at.desc(), events.event_id.desc()).select(*columns)
        rows = rows_of(newest.limit(MOST, offset=view.filters.offset))
    joined = [Notice(JOINED.format(", ".join(came_as)), "info")] if came_as else []
    return Several((_numbers(numbers), *joined, *_events(view, rows, numbers["count"])))


JOINED: Final = (
    "What the visitors did in whose visits orders of this customer were placed: {}. Visits on "
    "other devices are not known."
)


def _visitors_of(tables: PublishedTables, customer: str) -> list[str]:
    """Return who else the customer is, by the orders that visits placed."""
    if not tables.has(CustomerVisitors):
        return []
    pairs = tables.table(CustomerVisitors)
    pairs = pairs.filter(pairs.customer_id == customer)
    return [
        row["visitor_id"] for row in tables.rows(pairs.select("visitor_id").order_by("visitor_id"))
    ]


def _nothing_of(tables: PublishedTables, visitor: str) -> str:
    """Return why nothing is known of somebody: as a customer, or at all."""
    if tables.has(Customer):
        bought = tables.table(Customer)
        if tables.rows(bought.filter(bought.customer_id == visitor).select(bought.order_count)):
            return (
                f"No visit of the customer {visitor!r} is known: none of their orders meets a "
                "purchase event, and no event has their id."
            )
    return f"No event is of the visitor {visitor!r}; the id is as lists of visitors show it."


def _visits(tables: PublishedTables, visitors: Sequence[str]) -> Answer:
    """Return how many visits visitors made, and the channel of the first; empty if not stored."""
    if not tables.has(Touches):
        return {}
    visits = tables.table(Touches)
    visits = visits.filter(visits.visitor_id.isin(visitors))
    oldest = visits.order_by("started_at", "session_id").select("channel").limit(1)
    channels = tables.rows(oldest)
    (counted,) = tables.rows(visits.agg(visits=visits.count()))
    return {**counted, "channel": channels[0]["channel"] if channels else None}


def _numbers(numbers: NamedValues) -> Block:
    tiles = [
        Tile("Events", numbers["count"], "count", "What this visitor did, as far as events tell."),
        Tile("Days", numbers["days"], "count", "Days on which they came."),
        Tile(
            "First seen", numbers["first"].date(), "date", "The day of their first event, in UTC."
        ),
        Tile("Last seen", numbers["last"].date(), "date", "The day of their newest event, in UTC."),
    ]
    if "visits" in numbers:
        visits = Tile(
            "Visits", numbers["visits"], "count", "How often they came, each time by one channel."
        )
        channel = Tile(
            "First channel", numbers["channel"], "text", "GA4's channel of the first of them."
        )
        tiles = [visits, channel, *tiles]
    return Tiles(tiles, compared=False)


def _events(view: View, rows: list[Row], count: int) -> list[Block]:
    rows_shown = [
        {
            **dict.fromkeys(SHOWN),
            **row,
            "event_type": view.event(row["event_type"]),
            "name": row["product_id"],
            "href": view.link("product", product=row["product_id"]) if row["product_id"] else "",
        }
        for row in rows
    ]
    offset = view.filters.offset
    until = offset + len(rows)
    note = (
        f"Events {offset + 1:,} to {until:,} of {count:,}, the newest first."
        if rows
        else "There are no earlier ones."
    )
    columns = tuple(column for column in EVENT if column.name not in view.context.reading.lacking)
    pages: list[Block] = [DataTable(rows_shown, columns, note=note)]
    if until < count:
        pages.append(
            DataTable([{"name": "Earlier events", "href": view.here(offset=until)}], EARLIER)
        )
    return pages


EARLIER: Final = (TableColumn("name", "", href="href"),)


def _heading(view: View) -> str:
    return f"Visitor {view.filters.visitor}" if view.filters.visitor else "Visitor"


PAGE: Final = DashboardPage(
    "person",
    "Visitor",
    (Section("What they did", person),),
    group="Behaviour",
    asks=PersonChoices,
    is_listed=False,
    is_ad_hoc=True,
    title_of=_heading,
    summary="Everything that one visitor did, in order. Seen with a key that may see people.",
)
