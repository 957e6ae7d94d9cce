"""Categories: what looking at them led to, and what was sold of them. Not here: products (`products.py`)."""

from typing import Any, Final

from ecom_assets.answers.change import CHANGE, if_known, share
from ecom_assets.answers.channels import coverage
from ecom_assets.answers.period import Period, in_period
from ecom_assets.answers.reading import Reading, Row
from ecom_assets.answers.sales import NUMBERS, by_revenue, category_sales, numbers
from ecom_assets.answers.sources import DEFINITION as SOURCE
from ecom_assets.answers.sources import EVENTS, ORDERS, find_sales_source
from ecom_assets.contracts.performance import CategoryPerformance

CATEGORY_COUNTS: Final = (
    "category_view_count",
    "product_view_count",
    "add_to_cart_count",
    "viewing_session_count",
    "cart_session_count",
    "purchase_session_count",
)
CATEGORY_DEFINITION: Final = (
    {name: CategoryPerformance.columns[name].description for name in CATEGORY_COUNTS}
    | {
        "cart_rate": CategoryPerformance.columns["cart_rate"].description,
        "purchase_rate": CategoryPerformance.columns["purchase_rate"].description,
        "revenue_change": CHANGE,
        "categories": "Categories as events carry them, and of what was sold; `(none)` has what was sold without one",
        "category_data": "How much of what was sold has a category: all of it (whole), some, or nothing, where neither "
        "the orders nor ECOM_CATALOGUE gave one; null where nothing was sold",
    }
    | SOURCE
)


def categories(reading: Reading, period: Period, *, limit: int, offset: int = 0) -> dict[str, Any]:
    """Return each category that was looked at or sold, most revenue first, then most looked at."""
    source = find_sales_source(reading)
    sold = category_sales(reading, period.of_source(source)) if source else {}
    table = reading.table(CategoryPerformance)
    rows = table.filter(in_period(table.started_date))
    sums = rows.group_by("product_category").agg(**{name: rows[name].sum().cast("int64") for name in CATEGORY_COUNTS})
    looked = {row["product_category"]: row for row in reading.rows(sums, period)}
    found = [_category(name, sold.get(name), looked.get(name), period, source or ORDERS) for name in {**sold, **looked}]
    found.sort(key=lambda row: (by_revenue(row), -(row["viewing_session_count"] or 0), row["product_category"]))
    total = None if period.data == "none" else len(found)
    told = {"source": source, "category_data": coverage(sold.items()), "total_count": total}
    return {**told, "categories": found[offset : offset + limit]}


def _category(name: str, sold: Row | None, looked: Row | None, period: Period, source: str) -> Row:
    counts: Row = {one: int(looked[one]) if looked else 0 for one in CATEGORY_COUNTS}
    counts |= {
        "cart_rate": share(counts["cart_session_count"], counts["viewing_session_count"]),
        "purchase_rate": share(counts["purchase_session_count"], counts["viewing_session_count"]),
    }
    sales = {one: sold[one] for one in NUMBERS} if sold else if_known(numbers(None), period.of_source(source))
    return {
        "product_category": name,
        **if_known(counts, period.of_source(EVENTS)),
        **sales,
        "revenue_share": sold["revenue_share"] if sold else if_known({"": 0.0}, period.of_source(source))[""],
        "revenue_change": sold["revenue_change"] if sold else None,
    }
