"""The measures of products: what was looked at, put into carts, sold and paid back."""

from dataclasses import replace
from typing import Any

from ecom_assets.behaviour.events.recorded import CARTS, PRODUCT_VIEWS, REMOVALS
from ecom_assets.commerce.sales.measures import SalesMeasures
from ecom_assets.core.tables.contract import Column, Ratio, count, per_unit, rate


def view_count(description: str, label: str, *, unit: str = "events", **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """A count of events, which a shop without events does not know."""
    meaning = f"{description}; not known for a shop that gave no events"
    return count(meaning, label, unit=unit, nullable=True, **more)


def sold_count(sold: Column, description: str, **more: Any) -> Column:  # noqa: ANN401 (as `Column`)
    """A count of what was sold, which events without a product do not have."""
    unknown = "not known on a day of whose purchase and refund events none names a product"
    return replace(sold, description=f"{description}; {unknown}", nullable=True, **more)


class ViewMeasures:
    """How often a product was looked at and put into carts."""

    product_view_count = view_count(
        "How often it was viewed", "Views", needs=(PRODUCT_VIEWS,), example=812
    )
    add_to_cart_count = view_count(
        "How often it was put into a cart", "Into carts", needs=(CARTS,), example=40
    )
    remove_from_cart_count = view_count(
        "How often it was taken out of a cart",
        "Out of carts",
        needs=(REMOVALS,),
        better="down",
        example=6,
    )
    viewing_visitor_count = view_count(
        "How many visitors viewed it",
        "Visitors who viewed it",
        needs=(PRODUCT_VIEWS,),
        unit="visitors",
        is_additive=False,
    )
    cart_visitor_count = view_count(
        "How many of them put it into the cart on the same day",
        "Of these, into carts",
        needs=(PRODUCT_VIEWS, CARTS),
        unit="visitors",
        is_additive=False,
    )


class SoldMeasures:
    """What was sold of a product, and paid back."""

    purchase_count = sold_count(
        SalesMeasures.order_count,
        "Orders with it that were not all paid back; without orders, purchase events",
        label="Purchases",
        example=12,
    )
    sold_item_count = sold_count(
        SalesMeasures.sold_item_count,
        "How many were sold; without orders, one per purchase event",
        example=15,
    )
    refunded_item_count = sold_count(
        SalesMeasures.refunded_item_count,
        "How many were paid back; without orders, one per refund event",
        example=1,
    )
    shipped_amount = replace(SalesMeasures.shipped_amount, nullable=True, example="1197.00")
    refunded_amount = replace(SalesMeasures.refunded_amount, nullable=True, example="-79.80")
    revenue_amount = replace(SalesMeasures.revenue_amount, nullable=True, example="1117.20")


class ProductMeasures(SoldMeasures, ViewMeasures):
    """What became of a product on the days that are counted."""

    cart_rate = rate(
        "The share of the visitors who viewed it that put it into the cart on the same day",
        "Cart rate",
        Ratio("cart_visitor_count", "viewing_visitor_count"),
        nullable=True,
    )
    purchases_per_cart = per_unit(
        "Purchases divided by how often it was put into a cart",
        "Purchases per cart",
        Ratio("purchase_count", "add_to_cart_count"),
        unit="orders per cart event",
        format="rate",
        at_least=0,
    )
    purchases_per_view = per_unit(
        "Purchases divided by views",
        "Purchases per view",
        Ratio("purchase_count", "product_view_count"),
        unit="orders per view",
        format="rate",
        at_least=0,
        example=0.0148,
    )
