"""The smallest page of the dashboard: what to order again, as the API answers it."""

from ecom_assets.interfaces.api.routes import products
from ecom_assets.interfaces.dashboard.blocks import Block, DataTable, TableColumn
from ecom_assets.interfaces.dashboard.page import DashboardPage, Section, View

COLUMNS = (
    TableColumn("product_id", "Product"),
    TableColumn.from_field(products.Alert, "stock_count"),  # with its label and format
)


def alerts(view: View) -> Block:
    """Return the products whose stock needs attention."""
    answer = view.answer(products.inventory_alerts, limit=20)
    csv = view.csv("/analytics/inventory/alerts", with_days=False, limit=1000)
    return DataTable(answer["alerts"], COLUMNS, csv=csv)


PAGE = DashboardPage(
    "stock",
    "Stock",
    (Section("Alerts", alerts),),
    group="Shop",
    position=35,
    summary="What to order again.",
)
