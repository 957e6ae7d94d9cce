"""Overview: the numbers of the shop against the period before."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.measures import HEADLINES
from ecom_assets.core.tables.queries import NoSourceError
from ecom_assets.interfaces.api.routes import products, sales
from ecom_assets.interfaces.boards.model import Subject
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
from ecom_assets.interfaces.dashboard.board_tiles import OF_SUBJECT
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, View
from ecom_assets.interfaces.dashboard.pages.mapping import reminder
from ecom_assets.interfaces.dashboard.pages.sales import CHANGES

KEY_NUMBERS: Final[Mapping[Subject, tuple[str, ...]]] = {
    "sales": HEADLINES,
    "conversion": ("conversion_rate",),
    "sessions": ("session_conversion_rate", "session_count", "bounce_rate"),
}
POINTS = TableColumn.from_fields(sales.Point, "start_date", *HEADLINES)
BEST = (
    TableColumn("name", "Product", href="href"),
    *TableColumn.from_fields(
        products.TopProduct, "product_category", "sold_item_count", "revenue_amount"
    ),
)
CHANNELS = (TableColumn.from_field(sales.Channel, "channel"), *CHANGES)


def key_numbers(view: View) -> Block:
    """Return the numbers of the shop;
    those whose source is missing are left out if the others are known.
    """
    tiles: list[Tile] = []
    missing: list[NoSourceError] = []
    for subject, names in KEY_NUMBERS.items():
        href = view.link("sales") if subject == "sales" else ""
        try:
            tiles += [replace(OF_SUBJECT[subject](view, name)[0], href=href) for name in names]
        except NoSourceError as error:
            missing.append(error)
    if not tiles:
        raise missing[0]
    return Tiles(tiles)


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
    return DataTable(rows, BEST, csv=view.csv("/analytics/products/top.csv"))


def best_channels(view: View) -> Block:
    """Return the channels with the most revenue."""
    answer = view.answer(sales.revenue_by_channel, limit=6)
    return DataTable(
        answer["channels"],
        CHANNELS,
        csv=view.csv("/analytics/revenue/by-channel"),
        note=coverage_sentence(answer["visit_coverage_rate"]),
    )


PAGE = DashboardPage(
    "overview",
    "Overview",
    position=10,
    summary="How the shop does, against the period before.",
    sections=(
        Section("Files that are due", reminder, is_titled=False),
        Section("Key numbers", key_numbers, is_titled=False),
        Section("Revenue by day", revenue),
        Section("Best-selling products", best_products, "half"),
        Section("Channels that led to orders", best_channels, "half"),
    ),
)
