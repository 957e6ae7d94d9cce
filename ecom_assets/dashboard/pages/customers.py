"""Customers: who is new and who returns, in which segment, tier and quality, and what they are worth."""

from functools import partial
from typing import Final

from ecom_assets.api.routes import customers
from ecom_assets.dashboard import charts
from ecom_assets.dashboard.blocks import (
    Block,
    Chart,
    Notice,
    Several,
    TableColumn,
    Tile,
    Tiles,
    Why,
    compared_tile,
    meaning,
)
from ecom_assets.dashboard.formats import Kind
from ecom_assets.dashboard.page import DashboardPage, Section, View

SEGMENTS = (
    TableColumn("segment", "Segment"),
    TableColumn("customer_count", "Customers", "count"),
    TableColumn("customer_share", "Share", "rate", bar="customer_share"),
    TableColumn("order_count", "Orders", "count"),
    TableColumn("revenue_amount", "Revenue", "money"),
    TableColumn("revenue_share", "Share of revenue", "rate", bar="revenue_share"),
    TableColumn("mean_recency_days", "Days since last order", "decimal"),
)
PROFILES = (
    TableColumn("value", "Value"),
    TableColumn("customer_count", "Customers", "count"),
    TableColumn("customer_share", "Share", "rate", bar="customer_share"),
)
WEEKS = (
    TableColumn("week_start_date", "Week from", "date"),
    TableColumn("customers_count", "Customers", "count"),
    TableColumn("new_customers_count", "New", "count"),
    TableColumn("returning_customers_count", "Returning", "count"),
    TableColumn("refunded_customers_count", "With a refund", "count"),
    TableColumn("new_revenue_amount", "Revenue of new", "money"),
    TableColumn("returning_revenue_amount", "Revenue of returning", "money"),
)
NO_MODEL: Final = {
    "too_few_customers": "fewer than 10 customers came back",
    "no_repeat_orders": "no customer has ordered a second time",
    "no_spread": "all customers have the same history",
    "no_finite_mean": "the amounts of orders are spread too widely to have a mean",
    "not_converged": "the search for the model's parameters did not end",
}


def counts(view: View) -> Block:
    """Return new, returning and retained customers."""
    answer = view.answer(customers.customers)
    tile = partial(compared_tile, answer, "customers", table="mart.sales")
    return Tiles(
        (
            tile("customer_count", "Customers", "count"),
            tile("new_customer_count", "New", "count"),
            tile("returning_customer_count", "Returning", "count"),
            tile("retention_rate", "Retained", "rate"),
        )
    )


def weeks(view: View) -> Block:
    """Return new and returning customers by week."""
    answer = view.answer(customers.customer_retention, limit=1000)
    parts = ("new_customers_count", "returning_customers_count")
    return Chart(
        charts.stacked("week_start_date", parts, ("New", "Returning")),
        answer["weeks"],
        WEEKS,
        "New and returning customers of each week as stacked bars.",
        csv=view.csv("/analytics/customers/retention", limit=1000),
        definition=meaning(answer, "weeks"),
        why=Why("mart.customer_retention", "customers_count"),
        empty="No Monday of these days begins a week with orders; choose more days.",
    )


def segments(view: View) -> Block:
    """Return the segments by recency, frequency and value."""
    answer = view.answer(customers.customer_segments)
    return Chart(
        charts.ranking("segment", "customer_count", title="Customers", sort=None),
        answer["segments"],
        SEGMENTS,
        "Customers of each segment as bars, the best segment first.",
        csv=view.csv("/analytics/customers/segments", with_days=False),
        height=290,
        definition=meaning(answer),
        note=f"Of all customers, as of {answer['range']['end_date']}.",
        why=Why("mart.customer_segments", "segment"),
    )


def value(view: View) -> Block:
    """Return what customers have brought and are expected to bring."""
    answer = view.answer(customers.customers)
    worth = answer["value"]

    def tile(name: str, label: str, kind: Kind, column: str = "") -> Tile:
        why = Why("mart.lifetime_value", column) if column else None
        return Tile(label, worth[name], kind, meaning(answer, name), why=why)

    tiles = (
        tile("revenue_per_customer_amount", "Revenue per customer", "money", "revenue_amount"),
        tile("lifetime_value_amount", "Expected lifetime value", "money", "lifetime_value_amount"),
        tile("churn_risk_rate", "Risk of losing one", "rate"),
        tile("at_risk_customer_count", "Customers at risk", "count"),
    )
    reasons = {name: None for name in (worth["no_model_reason"], worth["no_order_value_reason"]) if name}
    notices = [Notice(f"No value can be expected: {NO_MODEL[name]}.", "info") for name in reasons]
    return Several((Tiles(tiles, compared=False), *notices))


def profile(dimension: str, what: str, view: View) -> Block:
    """Return the current customers by the values of one dimension."""
    answer = view.answer(customers.customer_profiles, dimension=dimension)
    return Chart(
        charts.ranking("value", "customer_count", title="Customers", sort=None),
        answer["profiles"],
        PROFILES,
        f"Current customers by {what} as bars.",
        csv=view.csv("/analytics/customers/profiles", with_days=False, dimension=dimension),
        height=130,
        definition=meaning(answer, dimension),
        note=f"Of all customers, as of {answer['as_of_date']}.",
        why=Why("mart.customer_profiles", "customer_count"),
    )


PAGE = DashboardPage(
    "customers",
    "Customers",
    place=40,
    summary="Who is new, who returns, in which segment and tier, and what they are worth.",
    sections=(
        Section("Customers of these days", counts, is_titled=False),
        Section("New and returning customers by week", weeks, "half"),
        Section("Segments", segments, "half"),
        Section("What all customers are worth", value),
        Section("Tiers", partial(profile, "customer_tier", "tier"), "half"),
        Section("Engagement", partial(profile, "engagement_level", "level of engagement"), "half"),
        Section("Markets", partial(profile, "market_segment", "market segment"), "half"),
        Section("Data quality", partial(profile, "quality_band", "band of data quality"), "half"),
    ),
)
