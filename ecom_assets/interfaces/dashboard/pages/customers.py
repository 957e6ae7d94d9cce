"""Customers: who is new and who returns, in which segment, tier and quality,
and what they are worth.
"""

from functools import partial
from typing import Final

from pydantic import Field

from ecom_assets.commerce.attribution.queries import coverage_sentence
from ecom_assets.commerce.customers.contracts import (
    CustomerProfiles,
    CustomerSegments,
    LifetimeValue,
)
from ecom_assets.commerce.customers.due_again import DueOrder
from ecom_assets.commerce.sales.contracts import CustomerRetention, Sales
from ecom_assets.core.http_server.callers import Scope
from ecom_assets.interfaces.api.routes import customers
from ecom_assets.interfaces.dashboard import charts
from ecom_assets.interfaces.dashboard.blocks import (
    Block,
    Chart,
    DataTable,
    Notice,
    Several,
    TableColumn,
    Tiles,
    Why,
    compared_tile,
    meaning,
)
from ecom_assets.interfaces.dashboard.list_pages import ListPages
from ecom_assets.interfaces.dashboard.page import DashboardPage, Filters, Offset, Section, View
from ecom_assets.interfaces.dashboard.pages.write_to import AGREED, write_to
from ecom_assets.interfaces.dashboard.wording import needs_key

SEGMENTS = TableColumn.from_fields(
    customers.Segment,
    "segment",
    "customer_count",
    "customer_share",
    "order_count",
    "revenue_amount",
    "revenue_share",
    "mean_recency_days",
    bars=("customer_share", "revenue_share"),
)
PROFILES = TableColumn.from_fields(
    customers.Profile, "value", "customer_count", "customer_share", bars=("customer_share",)
)
WEEKS = TableColumn.from_fields(
    customers.CustomerWeek,
    "week_start_date",
    "customers_count",
    "new_customers_count",
    "returning_customers_count",
    "refunded_customers_count",
    "new_revenue_amount",
    "returning_revenue_amount",
)
WORTH: Final = {
    "revenue_per_customer_amount": Why(LifetimeValue, "revenue_amount"),
    "lifetime_value_amount": Why(LifetimeValue, "lifetime_value_amount"),
    "churn_risk_rate": None,
    "at_risk_customer_count": None,
}
"""What all customers are worth, and where each of these numbers can be traced from."""
DUE: Final = TableColumn.from_fields(
    customers.DueCustomer,
    "customer_id",
    "revenue_amount",
    "days_since_count",
    "product_names",
    "order_date",
    "order_id",
)
MOST_DUE: Final = 25


class CustomerFilters(Filters):
    """The choices of the page."""

    due_by: DueOrder = Field(
        "revenue", title="Due again by", json_schema_extra={"labels": {"longest": "Longest ago"}}
    )
    due_offset: Offset = None


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
    tile = partial(compared_tile, answer, "customers", customers.CustomerNumbers, table=Sales)
    return Tiles([tile(name) for name in customers.CustomerNumbers.model_fields])


def weeks(view: View) -> Block:
    """Return the customers of each week: with their first order ever, or who had ordered before."""
    answer = view.answer(customers.customer_retention, limit=1000)
    parts = ("new_customers_count", "returning_customers_count")
    return Chart(
        charts.stacked_weeks(parts, ("First order ever", "Ordered before")),
        answer["weeks"],
        WEEKS,
        "Customers of each week with their first order ever, and those who had ordered before, as "
        "stacked bars.",
        csv=view.csv("/analytics/customers/retention.csv"),
        definition=meaning(answer, "weeks"),
        why=Why(CustomerRetention, "customers_count"),
        empty="No Monday of these days begins a week with orders; choose more days.",
        links=_revenue_links(view),
    )


def _revenue_links(view: View) -> tuple[tuple[str, str], ...]:
    """Return the links to revenue of new and returning customers, also customer by customer."""
    asked = partial(view.explorer, measures="revenue_amount, customer_count, order_count")
    by_type = asked("Revenue of new and returning customers", "customer_type")
    if not view.may(Scope.PERSONAL):
        return by_type
    return (*by_type, *asked("Customer by customer", "customer_type", behind="who"))


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
        why=Why(CustomerSegments, "segment"),
        links=write_to(view, "Write to those at risk", people="segment"),
    )


def due(view: View) -> Block:
    """Return how many bought once and are due again, and, for callers who may see people, who."""
    sort_by: DueOrder = view.filters.due_by
    answer, pages = ListPages.asked(
        view,
        customers.customers_due_again,
        "due_offset",
        MOST_DUE,
        "customers",
        DUE_AGAIN.anchor,
        sort_by=sort_by,
    )
    tiles = Tiles.from_fields(
        customers.DueAgainAnswer, answer, customers.COUNTS_OF_DUE, answer=answer
    )
    if not view.may(Scope.PERSONAL):
        return Several((tiles, Notice(needs_key("Who they are", Scope.PERSONAL), "info")))
    note = f"As of {answer['as_of_date']}, whatever days are chosen. {pages.note}".strip()
    table = DataTable(
        answer["customers"],
        DUE,
        csv=view.csv("/analytics/customers/due-again.csv", with_days=False, sort_by=sort_by),
        note=note,
        empty="Nobody is due again."
        if answer["due_customer_count"] is not None
        else "Nobody has come back yet, so that nobody knows how long it takes.",
    )
    return Several((tiles, pages.around(table, *write_to(view, AGREED, people="due_again"))))


def value(view: View) -> Block:
    """Return what customers have brought and are expected to bring."""
    answer = view.answer(customers.customers)
    worth = answer["value"]
    tiles = Tiles.from_fields(customers.CustomerValue, worth, WORTH, answer=answer, why=WORTH.get)
    reasons = {
        name: None for name in (worth["no_model_reason"], worth["no_order_value_reason"]) if name
    }
    notices = [Notice(f"No value can be expected: {NO_MODEL[name]}.", "info") for name in reasons]
    return Several((tiles, *notices))


def profile(dimension: str, label: str, view: View) -> Block:
    """Return the current customers by the values of one dimension."""
    answer = view.answer(customers.customer_profiles, dimension=dimension)
    met = coverage_sentence(
        answer["visit_coverage_rate"],
        too_few="too few to say who visits, where no visit is known",
        partly="who has no known visit counts as low",
    )
    return Chart(
        charts.ranking("value", "customer_count", title="Customers", sort=None),
        answer["profiles"],
        PROFILES,
        f"Current customers by {label} as bars.",
        csv=view.csv("/analytics/customers/profiles", with_days=False, dimension=dimension),
        height=130,
        definition=meaning(answer, dimension),
        note=f"Of all customers, as of {answer['as_of_date']}. {met}".strip(),
        why=Why(CustomerProfiles, "customer_count"),
    )


DUE_AGAIN: Final = Section("Bought once, and due again", due)
PAGE = DashboardPage(
    "customers",
    "Customers",
    position=40,
    summary="Who is new, who returns, in which segment and tier, and what they are worth.",
    asks=CustomerFilters,
    sections=(
        Section("Customers of these days", counts, is_titled=False),
        Section("Customers by week", weeks, "half"),
        Section("Segments", segments, "half"),
        Section("What all customers are worth", value),
        DUE_AGAIN,
        Section("Tiers", partial(profile, "customer_tier", "tier"), "half"),
        Section("Engagement", partial(profile, "engagement_level", "level of engagement"), "half"),
        Section("Markets", partial(profile, "market_segment", "market segment"), "half"),
        Section("Data quality", partial(profile, "quality_band", "band of data quality"), "half"),
    ),
)
