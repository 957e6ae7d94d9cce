"""Live: the last minutes, from the newest events."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from starlette.responses import Response

from ecom_assets.core.rows import Answer
from ecom_assets.interfaces.api.routes import realtime
from ecom_assets.interfaces.api.streams import STREAM
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tiles,
)
from ecom_assets.interfaces.dashboard.formats import formatted
from ecom_assets.interfaces.dashboard.page import DashboardPage, PageParameters, Section, View

PRODUCTS = (
    TableColumn("name", "Product", href="href"),
    *TableColumn.from_fields(
        realtime.ProductNow, "visitor_count", "view_count", "add_to_cart_count", "purchase_count"
    ),
)
PAGES_NOW = TableColumn.from_fields(realtime.PageNow, "page", "visitor_count", "view_count")
STEPS = TableColumn.from_fields(
    realtime.StepNow, "event_type", "visitor_count", "from_start_rate", bars=["from_start_rate"]
)
MINUTES = (
    TableColumn("minute", "Minute"),
    TableColumn("event_type", "Event"),
    TableColumn("count", "Events", "count"),
)
TYPES = (
    TableColumn("event_type", "Event"),
    TableColumn("count", "Events", "count"),
    TableColumn("share", "Share", "rate", bar="share"),
)
NUMBERS = ("visitor_count", "event_count", "open_cart_count", "purchase_count", "revenue_amount")
REFRESH_S, STALE_S = 10, 600


def numbers(view: View) -> Block:
    """Return what happened in the last 5 and 30 minutes."""
    result = _read(view)
    short, long = result["windows"][0], result["windows"][-1]
    tiles = [
        replace(tile, label=f"{tile.label}, {short['minutes']} minutes", previous=long[name])
        for name, tile in zip(
            NUMBERS, Tiles.from_fields(realtime.Window, short, NUMBERS).tiles, strict=True
        )
    ]
    return Several((_freshness(result), Tiles(tiles, before=f"in {long['minutes']} minutes")))


def events(view: View) -> Block:
    """Return the events of the last 30 minutes by type."""
    window = _longest(view)
    rows = [
        {"event_type": view.event(name), "count": count, "share": count / window["event_count"]}
        for name, count in sorted(
            window["events_by_type"].items(), key=lambda item: (-item[1], item[0])
        )
    ]
    return DataTable(rows, TYPES, empty="There were no events in the last 30 minutes.")


def minutes(view: View) -> Block:
    """Return the events of the last 30 minutes by minute and type."""
    zone = ZoneInfo(view.request.app.state.settings.timezone)
    types = _longest(view)["events_by_type"]
    nothing = {next(iter(types), ""): 0}  # a minute without events has its place on the axis
    rows = [
        {
            "minute": f"{minute['start_at'].astimezone(zone):%H:%M}",
            "event_type": view.event(name),
            "count": number,
        }
        for minute in _read(view)["minutes"]
        for name, number in (minute["events_by_type"] or nothing).items()
    ]
    axis = {"labelAngle": 0, "labelOverlap": True, "labelSeparation": 12, "grid": False}
    minute = charts.names("minute", axis=axis)
    return Chart(
        charts.coloured_bars(
            minute, charts.number("count", "count"), charts.names("event_type"), MINUTES
        ),
        rows if types else [],
        MINUTES,
        (
            "A bar per minute of the last half hour, with a part per event type; the last minute "
            "is not over."
        ),
        height=200,
        empty="There were no events in the last 30 minutes.",
    )


def funnel(view: View) -> Block:
    """Return how far the visitors of the last hour came."""
    steps = _read(view)["funnel"]["steps"]
    named = [{**step, "event_type": view.event(step["event_type"])} for step in steps]
    return DataTable(
        named if steps[0]["visitor_count"] else [],
        STEPS,
        empty=f"Nobody took the first step, {named[0]['event_type']}, in the last hour.",
    )


def products(view: View) -> Block:
    """Return the products of the most visitors in the last 30 minutes."""
    rows = [view.product(row) for row in _longest(view)["top_products"]]
    return DataTable(rows, PRODUCTS, empty="Nobody looked at a product.")


def pages(view: View) -> Block:
    """Return the pages of the most visitors in the last 30 minutes."""
    return DataTable(
        _longest(view)["top_pages"], PAGES_NOW, empty="No event says on which page it happened."
    )


def _longest(view: View) -> Answer:
    window: Answer = _read(view)["windows"][-1]
    return window


def _freshness(values: Answer) -> Notice:
    if values["data_as_of"] is None:
        return Notice(
            "No event arrived lately. This page shows events as pages and servers send them, to "
            "`ecom collect` or `ecom stream`; files of past days are on all other pages.",
            "info",
        )
    lag = formatted(values["lag_s"], "seconds")
    if values["lag_s"] > STALE_S:
        return Notice(
            f"The newest event is {lag} old: none has arrived since. While `ecom ui` runs, the "
            "simulated shop sends new ones.",
            "info",
        )
    return Notice(f"The newest event is {lag} old.", "good")


def _read(view: View) -> Answer:
    return realtime.realtime(view.request, Response(), realtime.RealTimeParameters())


PAGE = DashboardPage(
    "live",
    "Live",
    position=60,
    summary="The last minutes, from the newest events.",
    asks=PageParameters,
    refresh_s=REFRESH_S,
    stream=STREAM,
    needs_published=False,
    sections=(
        Section("Now", numbers, is_titled=False),
        Section("Events by minute", minutes),
        Section("Funnel of the last hour", funnel, "half"),
        Section("Events of 30 minutes", events, "half"),
        Section("Products of 30 minutes", products, "half"),
        Section("Pages of 30 minutes", pages, "half"),
    ),
)
