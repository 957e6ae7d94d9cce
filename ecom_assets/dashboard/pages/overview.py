"""Overview: the numbers of the shop against the period before."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ecom_assets.api.routes import behaviour, funnels, products, sales
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    TableColumn,
    Tile,
    Tiles,
    Why,
    compared_tile,
    meaning,
    sparkline,
    with_missing_days,
)
from ecom_assets.dashboard.page import DashboardPage, Section, View
from ecom_assets.dashboard.pages.sales import CHANGES
from ecom_assets.errors import EcomError
from ecom_assets.funnels.contracts import ConversionFunnel
from ecom_assets.funnels.queries import daily_conversion
from ecom_assets.sales.contracts import RevenueDaily
from ecom_assets.sales.measures import HEADLINES
from ecom_assets.sessions.contracts import EngagementDaily
from ecom_assets.tables.queries import NoSourceError, Period

POINTS = TableColumn.from_fields(sales.Point, "start_date", *HEADLINES)
BEST = (
    TableColumn("name", "Product", href="href"),
    *TableColumn.from_fields(products.TopProduct, "product_category", "sold_item_count", "revenue_amount"),
)
CHANNELS = (TableColumn.from_field(sales.Channel, "channel"), *CHANGES)


def key_numbers(view: View) -> Block:
    """Return the six numbers of the shop; those whose source is missing are left out if the others are known."""
    matches: list[Tile] = []
    missing: list[EcomError] = []
    for build in (_sales, _conversion, _sessions):
        try:
            matches += build(view)
        except NoSourceError as error:
            missing.append(error)
    if not matches:
        raise missing[0]
    return Tiles(matches)


def revenue(view: View) -> Block:
    """Return the revenue by day."""
    answer = view.answer(sales.revenue_trend)
    return Chart(
        charts.line("start_date", "revenue_amount", kind="money", area=True, title="Revenue"),
        answer["points"],
        POINTS,
        "Revenue of each day as a line.",
        csv=view.csv("/analytics/revenue/trend"),
        definition=meaning(answer, "revenue_amount"),
        why=Why(RevenueDaily, "revenue_amount"),
    )


def best_products(view: View) -> Block:
    """Return the products with the most revenue."""
    answer = view.answer(products.top_products, limit=6)
    rows = [view.product(row) for row in answer["products"]]
    return DataTable(rows, BEST, csv=view.csv("/analytics/products/top", limit=1000))


def best_channels(view: View) -> Block:
    """Return the channels with the most revenue."""
    answer = view.answer(sales.revenue_by_channel, limit=6)
    return DataTable(answer["channels"], CHANNELS, csv=view.csv("/analytics/revenue/by-channel"))


def _sales(view: View) -> list[Tile]:
    answer = view.answer(sales.sales)
    points = view.answer(sales.revenue_trend)["points"]
    numbers, href = sales.SalesNumbers, view.link("sales")
    tile = partial(compared_tile, answer, "sales", numbers, table=RevenueDaily, points=points, href=href)
    return [tile(name) for name in HEADLINES]


def _conversion(view: View) -> list[Tile]:
    answer = view.answer(funnels.conversion)
    last_step = {"funnel_name": answer["funnel_name"], "unit": answer["unit"], "step": str(len(answer["steps"]))}
    return [
        Tile(
            "Funnel conversion",
            answer["conversion_rate"],
            "rate",
            answer["definition"]["conversion_rate"],
            previous=(answer["previous"] or {}).get("conversion_rate"),
            change=answer["change"]["conversion_rate"],
            trend=sparkline(_conversion_by_day(view, answer["range"])),
            why=Why(ConversionFunnel, "unit_count", last_step),
        )
    ]


def _conversion_by_day(view: View, days: Mapping[str, Any]) -> list[float | None]:
    period = Period("custom", days["start_date"], days["end_date"])
    rows = daily_conversion(view.context.reading, period)
    return [row["conversion_rate"] for row in with_missing_days(rows, days)]


def _sessions(view: View) -> list[Tile]:
    answer = view.answer(behaviour.engagement, limit=1000)
    points = with_missing_days(answer["days"], answer["range"])
    numbers = behaviour.EngagementNumbers
    tile = partial(compared_tile, answer, "engagement", numbers, table=EngagementDaily, points=points)
    return [tile("session_conversion_rate"), tile("session_count"), tile("bounce_rate")]


PAGE = DashboardPage(
    "overview",
    "Overview",
    position=10,
    summary="How the shop does, against the period before.",
    sections=(
        Section("Key numbers", key_numbers, is_titled=False),
        Section("Revenue by day", revenue),
        Section("Best-selling products", best_products, "half"),
        Section("Channels that led to orders", best_channels, "half"),
    ),
)
