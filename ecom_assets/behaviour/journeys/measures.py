"""The measures of searches, and of what views of a category lead to."""

from ecom_assets.behaviour.events.recorded import (
    CARTS,
    CATEGORY_VIEWS,
    PRODUCT_VIEWS,
    PURCHASES,
    SEARCHES,
)
from ecom_assets.core.tables.contract import Ratio, count, rate


class SearchMeasures:
    """What came of searches for a term."""

    search_count = count(
        "How often it was searched", "Searches", needs=(SEARCHES,), unit="searches", example=61
    )
    session_count = count(
        "Visits with such a search", "Sessions", needs=(SEARCHES,), unit="sessions", example=54
    )
    clicked_search_count = count(
        "Searches after which a product was viewed before the next search",
        "Led to a product",
        needs=(SEARCHES, PRODUCT_VIEWS),
        unit="searches",
        example=40,
    )
    unclicked_search_count = count(
        "Searches after which no product was viewed before the next search",
        "Led nowhere",
        needs=(SEARCHES, PRODUCT_VIEWS),
        unit="searches",
        better="down",
        example=21,
    )
    empty_search_count = count(
        "Searches that found nothing, of those whose event says how many they found; null where "
        "none says it",
        "Found nothing",
        needs=(SEARCHES,),
        unit="searches",
        better="down",
        nullable=True,
        example=4,
    )
    cart_search_count = count(
        "Searches after which something was put into the cart before the next search",
        "Led to a cart",
        needs=(SEARCHES, CARTS),
        unit="searches",
        example=9,
    )
    click_rate = rate(
        "The share of searches that led to a product",
        "Click rate",
        Ratio("clicked_search_count", "search_count"),
        example=0.656,
    )
    cart_rate = rate(
        "The share of searches that led to a cart",
        "Cart rate",
        Ratio("cart_search_count", "search_count"),
        example=0.148,
    )


class CategoryMeasures:
    """What views of a category, or of products of it, led to."""

    category_view_count = count(
        "How often the category's page was viewed",
        "Views of the category",
        needs=(CATEGORY_VIEWS,),
    )
    product_view_count = count(
        "How often products of the category were viewed",
        "Views of products",
        needs=(PRODUCT_VIEWS,),
    )
    add_to_cart_count = count(
        "How often a product of the category was put into a cart", "Into carts", needs=(CARTS,)
    )
    viewing_session_count = count(
        "Visits that viewed the category or a product of it",
        "Sessions that looked",
        needs=(CATEGORY_VIEWS,),
        unit="sessions",
    )
    cart_session_count = count(
        "Of these visits, those that put a product of it into the cart afterwards",
        "With a cart",
        needs=(CATEGORY_VIEWS, CARTS),
        unit="sessions",
    )
    any_cart_session_count = count(
        "Of these visits, those that put anything into the cart afterwards",
        "With any cart",
        needs=(CATEGORY_VIEWS, CARTS),
        unit="sessions",
    )
    purchase_session_count = count(
        "Of these visits, those that bought something afterwards",
        "With a purchase",
        needs=(CATEGORY_VIEWS, PURCHASES),
        unit="sessions",
    )
    cart_rate = rate(
        "The share of the visits that looked which put a product of the category into the cart",
        "Cart rate",
        Ratio("cart_session_count", "viewing_session_count"),
        nullable=True,
        example=0.09,
    )
    any_cart_rate = rate(
        "The share of the visits that looked which put anything into the cart",
        "Any cart rate",
        Ratio("any_cart_session_count", "viewing_session_count"),
        nullable=True,
    )
    purchase_rate = rate(
        "The share of the visits that looked which bought something",
        "Purchase rate",
        Ratio("purchase_session_count", "viewing_session_count"),
        nullable=True,
        example=0.03,
    )
