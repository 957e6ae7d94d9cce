"""Categories: what looking at them led to, and what was sold of them. Not here: products (`products.py`)."""

from typing import Any, Final

from ecom_assets.answers.change import CHANGE, share
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.answers.sales import NUMBERS, numbers, sales_by
from ecom_assets.contracts.performance import CategoryPerformance

COUNTS: Final = (
    "category_view_count",
    "product_view_count",
    "add_to_cart_count",
    "viewing_session_count",
    "cart_session_count",
    "purchase_session_count",
)
DEFINITION: Final = {name: CategoryPerformance.columns[name].description for name in COUNTS} | {
    "cart_rate": CategoryPerformance.columns["cart_rate"].description,
    "purchase_rate": CategoryPerformance.columns["purchase_rate"].description,
    "revenue_change": CHANGE,
    "categories": "Categories as events carry them, and of order lines; sales are those of order lines",
}


def categories(reading: Reading, period: Period, *, limit: int, offset: int = 0) -> dict[str, Any]:
    """Return each category that was looked at or sold, most revenue first, then most looked at."""
    sold = {row["item_category"]: row for row in sales_by(reading, period, "item_category")}
    table = reading.table(CategoryPerformance)
    rows = table.filter(in_period(table.started_date))
    sums = rows.group_by("product_category").agg(**{name: rows[name].sum().cast("int64") for name in COUNTS})
    looked = {row["product_category"]: row for row in reading.rows(sums, period)}
    found = [_category(name, sold.get(name), looked.get(name)) for name in {**sold, **looked}]
    found.sort(key=lambda row: (-row["revenue_amount"], -row["viewing_session_count"], row["product_category"]))
    return {"total_count": len(found), "categories": found[offset : offset + limit]}


def _category(name: str, sold: Row | None, looked: Row | None) -> Row:
    counts = {one: int(looked[one]) if looked else 0 for one in COUNTS}
    sales = {one: sold[one] for one in NUMBERS} if sold else numbers(None)
    return {
        "product_category": name,
        **counts,
        "cart_rate": share(counts["cart_session_count"], counts["viewing_session_count"]),
        "purchase_rate": share(counts["purchase_session_count"], counts["viewing_session_count"]),
        **sales,
        "revenue_share": sold["revenue_share"] if sold else 0.0,
        "revenue_change": sold["revenue_change"] if sold else None,
    }
