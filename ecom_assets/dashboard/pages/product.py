"""One product: its numbers against the period before, day by day, and what is bought with it."""

from functools import partial
from typing import Any

from pydantic import Field

from ecom_assets.api.routes import products
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import Block, Chart, DataTable, TableColumn, Tiles, compared_tile
from ecom_assets.dashboard.page import DashboardPage, Filters, Section, View
from ecom_assets.products.contracts import ProductPerformance

DAYS = TableColumn.from_fields(
    products.ProductDay, "event_date", "product_view_count", "add_to_cart_count", "purchase_count", "revenue_amount"
)
RELATED = (
    TableColumn("name", "Product", href="href"),
    *TableColumn.from_fields(products.Related, "product_category", "order_share", "order_count", bars=("order_share",)),
)
TILES = (
    "revenue_amount", "sold_item_count", "product_view_count", "add_to_cart_count", "purchase_count",
    "purchases_per_view",
)  # fmt: skip


class OneProduct(Filters):
    """Which product."""

    product: str = Field(max_length=500, title="Product")


def _answer(view: View) -> dict[str, Any]:
    return view.answer(partial(products.product, product_id=view.filters.product))


def numbers(view: View) -> Block:
    """Return the numbers of the product."""
    answer = _answer(view)
    numbers, table = products.ProductNumbers, ProductPerformance
    tile = partial(compared_tile, answer, "product", numbers, table=table, points=answer["trend"])
    return Tiles([tile(name) for name in TILES])


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
    position=31,
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
