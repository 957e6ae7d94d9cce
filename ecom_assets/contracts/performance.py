"""Contracts of what searches, categories and products lead to, day by day. Not here: stock (`inventory.py`)."""

from ecom_assets.contracts.table import Column, Table, amount, count, day, rate, text


class SearchPerformance(Table):
    """One row per day and search term: how often it was searched, and what came of it."""

    layer = "mart"
    group = "products"
    key = ("started_date", "search_term")
    day_column = "started_date"

    started_date = day("The day on which the sessions started")
    search_term = text("What was searched: small letters, decoded, single spaces; `(none)` where it is not told")
    search_count = count("Searches", unit="searches")
    session_count = count("Sessions with such a search", unit="sessions")
    clicked_search_count = count("Searches after which a product was viewed before the next search", unit="searches")
    unclicked_search_count = count("Searches after which none was", unit="searches")
    cart_search_count = count("Searches after which something was put into the cart before the next", unit="searches")
    click_rate = rate("clicked_search_count among search_count")
    cart_rate = rate("cart_search_count among search_count")


class CategoryPerformance(Table):
    """One row per day and category that was looked at or put into a cart: what looking at it led to."""

    layer = "mart"
    group = "products"
    key = ("started_date", "product_category")
    day_column = "started_date"

    started_date = day("The day on which the sessions started")
    product_category = text("The category, as events carry it")
    category_view_count = count("Events of type category_view")
    product_view_count = count("Events of type product_view")
    add_to_cart_count = count("Events of type add_to_cart")
    viewing_session_count = count("Sessions that viewed the category or a product of it", unit="sessions")
    cart_session_count = count("Of these, those that put a product of it into the cart afterwards", unit="sessions")
    any_cart_session_count = count("Of these, those that put anything into the cart afterwards", unit="sessions")
    purchase_session_count = count("Of these, those that bought something afterwards", unit="sessions")
    cart_rate = rate("cart_session_count among viewing_session_count", nullable=True)
    any_cart_rate = rate("any_cart_session_count among viewing_session_count", nullable=True)
    purchase_rate = rate("purchase_session_count among viewing_session_count", nullable=True)


def view_count(description: str, *, unit: str = "events") -> Column:
    """A count of events, which a shop without events does not know."""
    return Column("int64", f"{description}; null for a shop that gave no events", unit, nullable=True, at_least=0)


def sold_count(description: str, *, unit: str) -> Column:
    """A count of what was sold, which events that name no product do not tell."""
    unknown = "null on a day of whose purchase and refund events none names a product"
    return Column("int64", f"{description}; {unknown}", unit, nullable=True, at_least=0)


class ProductPerformance(Table):
    """One row per day and product that was viewed, put into a cart, bought or paid back."""

    layer = "mart"
    group = "products"
    key = ("event_date", "product_id")
    day_column = "event_date"

    event_date = day("The day of the events, and of the orders")
    product_id = text("The product; in orders, the item")
    product_category = text("The category that its events of the day carry, the first by text", nullable=True)
    product_view_count = view_count("Events of type product_view")
    add_to_cart_count = view_count("Events of type add_to_cart")
    remove_from_cart_count = view_count("Events of type remove_from_cart")
    viewing_visitor_count = view_count("Visitors who viewed it", unit="visitors")
    cart_visitor_count = view_count("Of these, those who put it into the cart on the same day", unit="visitors")
    purchase_count = sold_count(
        "Orders with a shipped line of it; without orders, events of type purchase", unit="orders"
    )
    sold_item_count = sold_count("Items shipped; without orders, one per purchase event", unit="items")
    refunded_item_count = sold_count("Items paid back; without orders, one per refund event", unit="items")
    shipped_amount = amount(
        "Gross revenue: Σ shipped; without orders, of the purchase events; null where none of these tells an amount",
        nullable=True,
        at_least=0,
    )
    refunded_amount = amount("Σ paid back, negative; null likewise", nullable=True, at_most=0)
    revenue_amount = amount("Net revenue: shipped less refunded; null likewise", nullable=True)
    cart_rate = rate("cart_visitor_count among viewing_visitor_count", nullable=True)
    purchases_per_cart = Column(
        "float64", "purchase_count ÷ add_to_cart_count", "orders per cart event", nullable=True, at_least=0
    )
    purchases_per_view = Column(
        "float64", "purchase_count ÷ product_view_count", "orders per view", nullable=True, at_least=0
    )
    sales_source = text("Where purchases and revenue come from", one_of=("orders", "events"))
