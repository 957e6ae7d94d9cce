"""One product: its numbers against the period before, day by day, and what is bought with it."""

from functools import partial
from typing import Any

from pydantic import Field

from ecom_assets.api.routes import products
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import Block, Chart, DataTable, TableColumn, Tiles, compared_tile
from ecom_assets.dashboard.page import DashboardPage, Filters, Section, View

DAYS = (
    TableColumn("event_date", "Day", "date"),
    TableColumn("product_view_count", "Views", "count"),
    TableColumn("add_to_cart_count", "Into carts", "count"),
    TableColumn("purchase_count", "Purchases", "count"),
    TableColumn("revenue_amount", "Revenue", "money"),
)
RELATED = (
    TableColumn("name", "Product", href="href"),
    TableColumn("product_category", "Category"),
    TableColumn("order_share", "Of its orders", "rate", bar="order_share"),
    TableColumn("order_count", "Orders with both", "count"),
)


class OneProduct(Filters):
    """Which product."""

    product: str = Field(max_length=500, title="Product")


def _answer(view: View) -> dict[str, Any]:
    return view.answer(partial(products.product, product_id=view.filters.product))


def numbers(view: View) -> Block:
    """Return the numbers of the product."""
    answer = _answer(view)
    tile = partial(compared_tile, answer, "product", table="mart.product_performance", points=answer["trend"])
    return Tiles(
        (
            tile("revenue_amount", "Revenue", "money"),
            tile("sold_item_count", "Items sold", "count"),
            tile("product_view_count", "Views", "count"),
            tile("add_to_cart_count", "Into carts", "count"),
            tile("purchase_count", "Purchases", "count"),
            tile("purchases_per_view", "Purchases per view", "rate"),
        )
    )


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


def related(view: View) -> Block:
    """Return what is bought with the product."""
    answer = _answer(view)
    rows = [view.product(row) for row in answer["related"]]
    return DataTable(rows, RELATED, empty="No order has another product beside it.", note="Of all time.")


PAGE = DashboardPage(
    "product",
    "Product",
    place=31,
    summary="One product, against the period before.",
    asks=OneProduct,
    is_listed=False,
    title_of=lambda view: str(_answer(view)["product_name"] or view.filters.product),
    sections=(
        Section("Numbers", numbers, is_titled=False),
        Section("Views by day", views, "half"),
        Section("Bought with it", related, "half"),
    ),
)
