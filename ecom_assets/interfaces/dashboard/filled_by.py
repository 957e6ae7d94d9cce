"""Where a number that is not known is filled in, by its name: what each dash links to, of a tile or
of a table.

A number that is in no list here has no page that fills it: there was nothing to count, the days are
not over, or a model has too few.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ecom_assets.core.http_server.callers import Scope


@dataclass(frozen=True)
class FillingPage:
    """A page that fills numbers, or says what fills them, and who may do so there."""

    path: str
    title: str
    scope: Scope


YOUR_DATA: Final = FillingPage("mapping", "Bring a file that says it", Scope.WRITE)
ORDER_COSTS: Final = FillingPage("mapping-costs", "Say what orders cost", Scope.ADMIN)
SHOP: Final = FillingPage("mapping-shop", "Say how long deliveries take", Scope.ADMIN)
PROFIT: Final = FillingPage("profit", "See which costs are not known", Scope.COSTS)
QUALITY: Final = FillingPage("quality", "See whether orders and visits meet", Scope.READ)

_BY_PAGE: Final[Mapping[FillingPage, Iterable[str]]] = {
    YOUR_DATA: (
        *("cost_amount", "costed_revenue_amount", "gross_profit_amount", "gross_margin_rate"),
        *("cost_coverage_rate", "spend_amount", "mer", "spend_share"),
        *("platform_conversion_count", "platform_conversion_amount", "platform_roas"),
        *("click_count", "impression_count", "stock_count"),
    ),
    ORDER_COSTS: (
        *("shipping_cost_amount", "payment_fee_amount", "estimated_commission_amount"),
        *("estimated_shipping_cost_amount", "estimated_payment_fee_amount"),
        "contribution_shipped_amount",
    ),
    SHOP: ("lead_time_days", "reorder_item_count", "reorder_days_count"),
    PROFIT: (
        *("contribution_before_ads_amount", "contribution_after_ads_amount"),
        *("contribution_coverage_rate", "contribution_revenue_amount", "break_even_roas"),
        *("contribution_per_customer", "contribution_rate", "expected_contribution_amount"),
        "payback_months",
    ),
    QUALITY: (
        *("roas", "first_order_roas", "credited_order_count", "credited_revenue_amount"),
        *("touched_order_count", "touched_revenue_amount", "visit_coverage_rate"),
    ),
}
OF_PAGE: Final[Mapping[str, Mapping[str, FillingPage]]] = {
    # There, what they are made of is in the rows above, and rules fill them.
    "profit": {
        "contribution_before_ads_amount": ORDER_COSTS,
        "contribution_coverage_rate": ORDER_COSTS,
    },
    # Of what ads brought; other pages have the shop's.
    "marketing": dict.fromkeys(
        ("new_customer_count", "cost_per_new_customer", "first_order_revenue_amount"), QUALITY
    ),
    # What is by channel, landing page or first channel.
    **{
        page: dict.fromkeys(
            (
                *("revenue_amount", "revenue_share", "previous_revenue_amount", "credit"),
                *("order_count", "customer_count", "average_order_value", "revenue_per_customer"),
            ),
            QUALITY,
        )
        for page in ("attribution", "overview", "sales", "sales-explorer", "cohort-value")
    },
}
FILLED_BY: Final = {name: page for page, names in _BY_PAGE.items() for name in names}


def filling_page(name: str, page: str) -> FillingPage | None:
    """Return what fills a number of a page; None where no page does."""
    return OF_PAGE.get(page, {}).get(name) or FILLED_BY.get(name)
