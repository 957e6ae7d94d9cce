"""Products and stock: what sells, what is looked at, and what to order again;
and one product, day by day.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from fastapi import HTTPException
from pydantic import Field

from ecom_assets.behaviour.journeys.contracts import CategoryPerformance
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.costs.measures import HEADLINES
from ecom_assets.commerce.costs.queries import SORTED_BY
from ecom_assets.commerce.products.contracts import InventoryAlerts, ProductPerformance
from ecom_assets.commerce.products.queries import SortBy, category_sentence, view_sentence
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.core.rows import Answer, Row
from ecom_assets.interfaces.api.routes import products
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tile,
    Tiles,
    Why,
    compared_tile,
    meaning,
)
from ecom_assets.interfaces.dashboard.list_pages import ListPages
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Offset, Section, View
from ecom_assets.interfaces.dashboard.pages.mapping import SHOP

KINDS = {
    "out_of_stock": "Out of stock",
    "low": "Low",
    "overstock": "Overstocked",
    "dead": "Without a sale",
}
TOP = (
    TableColumn("rank_number", "#"),
    TableColumn("name", "Product", href="href"),
    *TableColumn.from_fields(
        products.TopProduct,
        "product_category",
        "product_view_count",
        "add_to_cart_count",
        "purchase_count",
        "purchases_per_view",
        "sold_item_count",
        "revenue_amount",
    ),
)
PROFIT = TableColumn.from_fields(products.TopProduct, *HEADLINES)
CATEGORIES = TableColumn.from_fields(
    products.Category,
    "product_category",
    "viewing_session_count",
    "cart_session_count",
    "cart_rate",
    "purchase_session_count",
    "purchase_rate",
    "revenue_amount",
    bars=("cart_rate", "purchase_rate"),
)
ALERTS = (
    TableColumn("name", "Product", href="href"),
    TableColumn.from_field(products.Alert, "product_category"),
    TableColumn("kind", "Alert"),
    *TableColumn.from_fields(
        products.Alert,
        "stock_count",
        "reorder_point_count",
        "daily_sold_items",
        "days_of_cover",
        "last_sold_date",
    ),
)
REORDER: Final = (
    TableColumn("name", "Product", href="href"),
    *TableColumn.from_fields(products.Alert, "reorder_item_count", "day_without_stock_amount"),
    *TableColumn.from_fields(
        products.Alert, "stock_count", "daily_sold_items", "in_stock_days_count", "lead_time_days"
    ),
)
MOST_PRODUCTS, MOST_ALERTS, MOST_CATEGORIES = 20, 25, 20


class ProductFilters(Filters):
    """The choices of the page."""

    search: str = Field("", title="Search", max_length=200, json_schema_extra={"is_typed": True})
    sort_by: SortBy = Field(
        "revenue",
        title="Order by",
        json_schema_extra={"scopes": dict.fromkeys(SORTED_BY, Scope.COSTS)},
    )
    offset: Offset = None
    reorder_offset: Offset = None
    stock_offset: Offset = None


REFUNDS: Final = "refunded_amount, refund_count, revenue_amount"
"""What is asked of refunds by product."""


def top(view: View) -> Block:
    """Return the first products by the chosen number."""
    search = view.filters.search.strip()
    asked = {"sort_by": view.filters.sort_by, "search": search}
    answer, pages = ListPages.asked(
        view, products.top_products, "offset", MOST_PRODUCTS, "products", **asked
    )
    has_costs = any(row["cost_coverage_rate"] is not None for row in answer["products"])
    table = DataTable(
        [view.product(row) for row in answer["products"]],
        (*TOP, *(PROFIT if has_costs else ())),
        csv=view.csv("/analytics/products/top.csv", **asked),
        note=f"{view_sentence(answer['view_coverage_rate'])} {pages.note}".strip(),
        empty=f"No product has “{search}” in its name or id." if search else DataTable.empty,
        definition=meaning(answer, "revenue_amount", *(HEADLINES if has_costs else ())),
        why=Why(ProductPerformance, "revenue_amount"),
    )
    refunds = view.explorer("Refunds by product", "product", measures=REFUNDS)
    return pages.around(table, *refunds)


def categories(view: View) -> Block:
    """Return the categories: who looked, who put something into a cart, who bought."""
    answer = view.answer(products.categories, limit=1000)
    left = len(answer["categories"]) - MOST_CATEGORIES
    return DataTable(
        [named_category(row) for row in answer["categories"][:MOST_CATEGORIES]],
        CATEGORIES,
        note=" ".join(
            sentence
            for sentence in (
                category_sentence(answer["category_coverage_rate"]),
                f"And {left} more; the CSV has all." if left > 0 else "",
            )
            if sentence
        ),
        csv=view.csv("/analytics/categories.csv"),
        definition=meaning(answer, "cart_rate", "purchase_rate"),
        why=Why(CategoryPerformance, "viewing_session_count"),
    )


def named_category(row: Row) -> Row:
    """Return a category under the name of the item that stands for it."""
    return row | {"product_category": row["product_name"] or row["product_category"]}


def reorder(view: View) -> Block:
    """Return what to order again and how much, what costs most for a day without stock first."""
    asked: dict[str, Any] = {"to_reorder": True, "sort_by": "money"}
    answer, pages = _alerts(view, "reorder_offset", TO_REORDER, **asked)
    rows = [view.product(row) for row in answer["alerts"]]
    days = next((row["reorder_days_count"] for row in rows), None)
    lasts = f" An order lasts {days:,} days after its delivery." if days else ""
    return pages.around(
        DataTable(
            rows,
            REORDER,
            csv=view.csv(
                "/analytics/inventory/alerts.csv",
                with_days=False,
                to_reorder="true",
                sort_by="money",
            ),
            note=f"As of {answer['range']['end_date']}.{lasts} {pages.note}".strip(),
            empty="Nothing is to be ordered again.",
            definition=meaning(answer, "reorder_item_count", "day_without_stock_amount"),
            why=Why(InventoryAlerts, "day_without_stock_amount"),
        ),
        *way_to_delivery_days(view, rows),
    )


def _alerts(
    view: View,
    parameter: str,
    section: Section,
    **asked: Any,  # noqa: ANN401 (any parameter of the route)
) -> tuple[Answer, ListPages]:
    route, anchor = products.inventory_alerts, section.anchor
    return ListPages.asked(view, route, parameter, MOST_ALERTS, "products", anchor, **asked)


def way_to_delivery_days(view: View, rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return where admins say how long deliveries take, if that is not known of some alerts."""
    is_unknown = any(row["lead_time_days"] is None for row in rows)
    if not is_unknown or not view.may(Scope.ADMIN):
        return []
    return [("Say how long deliveries take", view.link(SHOP))]


def stock(view: View) -> Block:
    """Return the stock that needs attention, as of the newest day."""
    answer, pages = _alerts(view, "stock_offset", STOCK)
    rows = [{**view.product(row), "kind": KINDS[row["alert"]]} for row in answer["alerts"]]
    meanings = answer["definition"]
    counts = [
        Tile(
            label,
            answer["counts"].get(kind, 0),
            "count",
            str(meanings.get(kind, meanings.get("alert", ""))),
        )
        for kind, label in KINDS.items()
    ]
    table = DataTable(
        rows,
        ALERTS,
        csv=view.csv("/analytics/inventory/alerts.csv", with_days=False),
        note=f"As of {answer['range']['end_date']}. {pages.note}".strip(),
        empty="No product needs attention.",
        why=Why(InventoryAlerts, "stock_count"),
    )
    return Several((Tiles(counts, compared=False), pages.around(table)))


TO_REORDER: Final = Section("What to reorder", reorder)
STOCK: Final = Section("Stock that needs attention", stock)
LIST: Final = DashboardPage(
    "products",
    "Products and stock",
    position=30,
    summary="What sells, what is looked at, and what to order again.",
    asks=ProductFilters,
    sections=(
        Section("Products", top),
        Section("Categories: from looking to buying", categories),
        TO_REORDER,
        STOCK,
    ),
)


DAYS = TableColumn.from_fields(
    products.ProductDay,
    "event_date",
    "product_view_count",
    "add_to_cart_count",
    "purchase_count",
    "revenue_amount",
)
NUMBERS_OF_PAIRS: Final = ("confidence_rate", "lift", "leverage", "since_date")
PAIRS: Final = (
    TableColumn("name", "Product", href="href"),
    *TableColumn.from_fields(
        products.Pair,
        "product_category",
        "joint_count",
        *NUMBERS_OF_PAIRS,
        bars=("confidence_rate",),
    ),
)
MOST_PAIRS: Final = 20
TILES = (
    "revenue_amount",
    "sold_item_count",
    "product_view_count",
    "add_to_cart_count",
    "purchase_count",
    "purchases_per_view",
)


class OneProduct(Filters):
    """Which product."""

    product: str = Field(max_length=500, title="Product")


def _answer(view: View) -> Answer:
    return view.answer(partial(products.product, product_id=view.filters.product))


def numbers(view: View) -> Block:
    """Return the numbers of the product."""
    answer = _answer(view)
    numbers, table = products.ProductNumbers, ProductPerformance
    tile = partial(compared_tile, answer, "product", numbers, table=table, points=answer["trend"])
    of_product = {"product_id": view.filters.product}
    tiles = Tiles([replace(tile(name), why=Why(table, name, of_product)) for name in TILES])
    if answer["profit"]["cost_coverage_rate"] is None:
        return tiles
    of_item = {"item_id": view.filters.product}
    profit = [
        Tile.from_field(
            products.ProductProfit,
            name,
            answer["profit"][name],
            why=Why(ProfitLines, name, of_item),
        )
        for name in HEADLINES
    ]
    return Several((tiles, Tiles(profit, compared=False)))


def views(view: View) -> Block:
    """Return the views by day."""
    answer = _answer(view)
    path = f"/analytics/products/{view.filters.product}"
    return Chart(
        charts.line("event_date", "product_view_count", area=True, title="Views"),
        answer["trend"],
        DAYS,
        "Views of the product by day as a line.",
        csv=view.csv(path),
    )


def together(view: View) -> Block:
    """Return what is bought with the product: first what is in enough orders with it to say how
    much more often than by chance, by leverage; then the rest, which only their orders are said of.
    """
    asked = partial(products.bought_together, product_id=view.filters.product)
    try:
        answer = view.answer(asked, limit=MOST_PAIRS)
    except HTTPException:  # nobody ever ordered it
        return Notice("No order has the product.")
    fewest = answer["fewest_joint_count"]
    rarer = [
        {**dict.fromkeys(NUMBERS_OF_PAIRS), **row, "joint_count": row["order_count"]}
        for row in _answer(view)["related"]
        if row["order_count"] < fewest
    ]
    return DataTable(
        [view.product(row) for row in [*answer["pairs"], *rarer]],
        PAIRS,
        empty="No order has another product beside it.",
        note="Of all time, since both were on sale."
        + (f" Of fewer than {fewest} orders only their count is said." if rarer else ""),
        definition=meaning(answer, "confidence_rate", "lift", "leverage"),
    )


PRODUCT: Final = DashboardPage(
    "product",
    "Product",
    position=31,
    summary="One product, against the period before.",
    asks=OneProduct,
    is_listed=False,
    title_of=lambda view: str(_answer(view)["product_name"] or view.filters.product),
    sections=(
        Section("Numbers", numbers, is_titled=False),
        Section("Views by day", views),
        Section("Bought with it", together),
    ),
)
PAGES: Final = (LIST, PRODUCT)
