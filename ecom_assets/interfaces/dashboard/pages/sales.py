"""Sales: what was sold over time, where, in which category and through which channel."""

from functools import partial

from pydantic import Field

from ecom_assets.commerce.attribution.contracts import ChannelAttribution
from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.commerce.sales.contracts import RevenueDaily
from ecom_assets.commerce.sales.measures import HEADLINES
from ecom_assets.commerce.sales.queries import ChannelDimension, Granularity, Level
from ecom_assets.interfaces.api.routes import products, sales
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    TableColumn,
    Tiles,
    Why,
    compared_tile,
    meaning,
)
from ecom_assets.interfaces.dashboard.charts import SHAPES, shape_of
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Section, View
from ecom_assets.interfaces.dashboard.pages.products import named_category
from ecom_assets.interfaces.dashboard.static_files import address_of_file

TABLE = RevenueDaily
TILES = (*HEADLINES, "shipped_amount", "sold_item_count", "refund_count")
POINTS = TableColumn.from_fields(
    sales.Point, "start_date", "end_date", HEADLINES[0], "refunded_amount", *HEADLINES[1:]
)
CHANGES = TableColumn.from_fields(
    sales.Channel, "revenue_change", "revenue_share", "revenue_amount", bars=("revenue_share",)
)
CATEGORIES = (
    *TableColumn.from_fields(products.Category, "product_category", "order_count"),
    *CHANGES,
)
CHANNELS = (*TableColumn.from_fields(sales.Channel, "channel", "order_count"), *CHANGES)
PLACE_NAMES = {
    "country": ("country",),
    "region": ("region", "country"),
    "city": ("city_name", "country"),
}
ASKED = "revenue_amount, order_count, average_order_value"
"""What the links to the Sales explorer ask."""
MOST_PLACES = 12
MOST_CATEGORIES = 20


class SalesFilters(Filters):
    """The choices of the page."""

    granularity: Granularity = Field("day", title="By")
    level: Level = Field("country", title="Places")
    dimension: ChannelDimension = Field("marketing_channel", title="Channels")


def totals(view: View) -> Block:
    """Return what was sold and refunded."""
    answer = view.answer(sales.sales)
    points = view.answer(sales.revenue_trend)["points"]
    tile = partial(compared_tile, answer, "sales", sales.SalesNumbers, table=TABLE, points=points)
    return Tiles([tile(name) for name in TILES])


def trend(view: View) -> Block:
    """Return the revenue over time."""
    by = view.filters.granularity
    answer = view.answer(sales.revenue_trend, granularity=by)
    x = "started_at" if by == "hour" else "start_date"
    return Chart(
        charts.line(x, "revenue_amount", kind="money", area=True, title="Revenue"),
        answer["points"],
        POINTS,
        f"Revenue by {by} as a line.",
        csv=view.csv("/analytics/revenue/trend", granularity=by),
        definition=meaning(answer, "revenue_amount"),
        why=Why(TABLE, "revenue_amount"),
        links=view.explorer("By any dimension", measures=ASKED),
    )


def world_map(view: View) -> Block:
    """Return the countries with their revenue on a map."""
    answer = view.answer(sales.geographic, level="country", limit=1000)
    places = [{**place, "shape": shape_of(place["country"])} for place in answer["places"]]
    lost = [place["country"] for place in places if place["shape"] is None]
    rows = [
        {name: place[name] for name in ("shape", "country", "revenue_amount")} for place in places
    ]
    return Chart(
        charts.world(
            [row for row in rows if row["shape"]], address_of_file(SHAPES), "revenue_amount"
        ),
        answer["places"],
        (*TableColumn.from_fields(sales.SalesPlace, "country", "order_count"), *CHANGES[1:]),
        "Revenue of each country on a map of the world.",
        csv=view.csv("/analytics/geographic.csv", level="country"),
        height=380,
        definition=meaning(answer, "revenue_amount"),
        note=f"Not on the map: {', '.join(lost)}." if lost else "",
    )


def places(view: View) -> Block:
    """Return the places with the most revenue."""
    level = view.filters.level
    answer = view.answer(sales.geographic, level=level, limit=MOST_PLACES)
    names = PLACE_NAMES[level]
    rows = [
        {**row, "place": ", ".join(row[name] for name in names if row[name])}
        for row in answer["places"]
    ]
    left = (answer["total_count"] or 0) - len(rows)
    return DataTable(
        rows,
        (
            TableColumn("place", level.capitalize()),
            *TableColumn.from_fields(sales.SalesPlace, "revenue_share", "revenue_amount"),
        ),
        csv=view.csv("/analytics/geographic.csv", level=level),
        note=f"And {left} more." if left > 0 else "",
    )


def categories(view: View) -> Block:
    """Return the categories with their revenue."""
    answer = view.answer(products.categories, limit=1000)
    sold = [named_category(row) for row in answer["categories"] if row["revenue_amount"]]
    sold.sort(key=lambda row: row["revenue_amount"], reverse=True)
    left, sold = len(sold[MOST_CATEGORIES:]), sold[:MOST_CATEGORIES]
    return Chart(
        charts.ranking("product_category", "revenue_amount", kind="money", title="Revenue"),
        sold,
        CATEGORIES,
        "Revenue of each category as bars.",
        csv=view.csv("/analytics/categories.csv"),
        height=max(120, 26 * len(sold)),
        definition=meaning(answer, "revenue_amount"),
        note=f"And {left} more with revenue; the CSV has all." if left else "",
        empty="Nothing that was sold in these days has a category.",
        links=view.explorer("Categories by any number", "category", measures=ASKED),
    )


def channels(view: View) -> Block:
    """Return the channels with their revenue."""
    dimension = view.filters.dimension
    answer = view.answer(sales.revenue_by_channel, dimension=dimension)
    return Chart(
        charts.ranking("channel", "revenue_amount", kind="money", title="Revenue"),
        answer["channels"],
        CHANNELS,
        "Revenue of each channel as bars.",
        csv=view.csv("/analytics/revenue/by-channel", dimension=dimension),
        height=max(120, 26 * len(answer["channels"])),
        definition=meaning(answer),
        note=coverage_sentence(answer["visit_coverage_rate"]),
        why=Why(ChannelAttribution, "revenue_amount"),
        links=view.explorer("Landing pages that sell", "channel", "landing_page", measures=ASKED),
    )


PAGE = DashboardPage(
    "sales",
    "Sales",
    position=20,
    summary="What was sold over time, where, and through which channel.",
    asks=SalesFilters,
    sections=(
        Section("Totals", totals, is_titled=False),
        Section("Revenue over time", trend),
        Section("Where revenue comes from", world_map, "two-thirds"),
        Section("Places with the most revenue", places, "third"),
        Section("Categories", categories, "half"),
        Section("Channels", channels, "half"),
    ),
)
