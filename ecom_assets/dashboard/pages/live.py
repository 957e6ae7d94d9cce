"""Live: the last minutes, from the newest events."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from ecom_assets.api.routes import realtime
from ecom_assets.api.streams import STREAM
from ecom_assets.dashboard.blocks import Block, DataTable, Notice, Several, TableColumn, Tiles
from ecom_assets.dashboard.formats import formatted
from ecom_assets.dashboard.page import DashboardPage, PageParameters, Section, View

PRODUCTS = TableColumn.from_fields(
    realtime.ProductNow, "product_id", "visitor_count", "view_count", "add_to_cart_count", "purchase_count"
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
        for name, tile in zip(NUMBERS, Tiles.from_fields(realtime.Window, short, NUMBERS).tiles, strict=True)
    ]
    return Several((_freshness(result), Tiles(tiles, before=f"in {long['minutes']} minutes")))


def events(view: View) -> Block:
    """Return the events of the last 30 minutes by type."""
    result = _read(view)
    window = result["windows"][-1]
    rows = [
        {"event_type": name, "count": count, "share": count / window["event_count"]}
        for name, count in sorted(window["events_by_type"].items(), key=lambda item: (-item[1], item[0]))
    ]
    return DataTable(rows, TYPES, empty="There were no events in the last 30 minutes.")


def products(view: View) -> Block:
    """Return the products of the most visitors in the last 30 minutes."""
    result = _read(view)
    return DataTable(result["windows"][-1]["top_products"], PRODUCTS, empty="Nobody looked at a product.")


def _freshness(values: dict[str, Any]) -> Notice:
    if values["data_as_of"] is None:
        return Notice(
            "No landing file changed lately: real time reads what ECOM_EVENTS names, so let events land there.",
            "info",
        )
    lag = formatted(values["lag_s"], "seconds")
    if values["lag_s"] > STALE_S:
        return Notice(
            f"The newest event is {lag} old: nothing has landed since in what ECOM_EVENTS names. While `make ui` runs, "
            "the simulated shop sends new events.",
            "info",
        )
    return Notice(f"The newest event is {lag} old.", "good")


def _read(view: View) -> dict[str, Any]:
    return realtime.realtime(view.request, Response(), realtime.RealTimeParameters())


PAGE = DashboardPage(
    "live",
    "Live",
    position=60,
    summary="The last minutes, from the newest events.",
    asks=PageParameters,
    refresh_s=REFRESH_S,
    stream=STREAM,
    sections=(
        Section("Now", numbers, is_titled=False),
        Section("Events of 30 minutes", events, "half"),
        Section("Products of 30 minutes", products, "half"),
    ),
)
