"""One visitor: when they came, what they did, in order; for keys of scope `personal`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel, Field

from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import EVENTS, require
from ecom_assets.interfaces.api.auth.callers import OTHER_NAMES, require_personal
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


def people(view: View, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
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
        events = reading.events_in(con)
        events = events.filter(events.visitor_id == visitor)
        first, last = events.event_at.min(), events.event_at.max()
        (numbers,) = rows_of(
            events.agg(
                count=events.count(), days=events.event_date.nunique(), first=first, last=last
            )
        )
        newest = events.order_by(events.event_at.desc(), events.event_id.desc()).select(*columns)
        rows = rows_of(newest.limit(MOST, offset=view.filters.offset))
    if not numbers["count"]:
        return Notice(
            f"No event is of the visitor {visitor!r}; the id is as lists of visitors show it.",
            "info",
        )
    return Several((_numbers(numbers), *_events(view, rows, numbers["count"])))


def _numbers(numbers: dict[str, Any]) -> Block:
    return Tiles(
        (
            Tile(
                "Events", numbers["count"], "count", "What this visitor did, as far as events tell."
            ),
            Tile("Days", numbers["days"], "count", "Days on which they came."),
            Tile(
                "First seen",
                numbers["first"].date(),
                "date",
                "The day of their first event, in UTC.",
            ),
            Tile(
                "Last seen",
                numbers["last"].date(),
                "date",
                "The day of their newest event, in UTC.",
            ),
        ),
        compared=False,
    )


def _events(view: View, rows: list[dict[str, Any]], count: int) -> list[Block]:
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
