"""Contracts of products: daily performance, stock as received, and inventory alerts."""

from ecom_assets.events.contracts import CleanEvents
from ecom_assets.orders.contracts import UserOrderLog
from ecom_assets.tables.contract import Column, Table, amount, count, day, rate, text

STOCK_REJECT_REASONS = (
    "missing_product_id",
    "missing_stock",
    "unparseable_stock",
    "unparseable_reorder_point",
    "unparseable_lead_time",
)
"""Why a line of a catalogue has no valid stock; a line has the first reason that applies, in this order."""
ALERTS = ("out_of_stock", "low", "overstock", "dead")
"""What can be wrong with a product's stock; a product has the first that applies, in this order."""


def view_count(description: str, *, unit: str = "events") -> Column:
    """A count of events, which a shop without events does not know."""
    return Column("int64", f"{description}; null for a shop that gave no events", unit, nullable=True, at_least=0)


def sold_count(description: str, *, unit: str) -> Column:
    """A count of what was sold, which events without a product do not have."""
    unknown = "null on a day of whose purchase and refund events none names a product"
    return Column("int64", f"{description}; {unknown}", unit, nullable=True, at_least=0)


class RawStock(Table):
    """One row per line of the catalogue and day on which it was fetched, exactly as it came, broken lines included."""

    layer = "raw"
    name = "stock"
    key = ("received_date", "record_number")
    day_column = "received_date"

    received_date = day("The day that the stock is of")
    record_number = count("The line's place among those of the day, from 1", unit="place")
    product_id = text("The product", nullable=True)
    product_name = text("Its name", nullable=True)
    product_category = text("Its category", nullable=True)
    received_stock = text("How many there are, as received", nullable=True)
    received_reorder_point = text("Below how many more are to be ordered, as received", nullable=True)
    received_lead_time_days = text("Days from an order to its arrival, as received", nullable=True)
    stock_count = Column("int64", "The number in received_stock; below zero if more was sold", "items", nullable=True)
    reorder_point_count = Column("int64", "The number in received_reorder_point", "items", nullable=True, at_least=0)
    lead_time_days = Column("int64", "The number in received_lead_time_days", "days", nullable=True, at_least=0)
    reject_reason = text("Why the line has no valid stock; null if it has", nullable=True, one_of=STOCK_REJECT_REASONS)
    source = text("Where it came from: `sandbox`, or the path or address that was given")


class InventoryAlerts(Table):
    """One row per product whose newest stock needs attention: why, how long it lasts, and what was sold."""

    layer = "mart"
    key = ("product_id",)

    product_id = text("The product")
    product_name = text("Its name", nullable=True)
    product_category = text("Its category", nullable=True)
    alert = text("What is wrong: the first that applies of these", one_of=ALERTS)
    as_of_date = day("The day that the stock is of; sales count up to its end")
    stock_count = Column("int64", "How many there are; below zero if more was sold", "items")
    reorder_point_count = Column("int64", "Below how many more are to be ordered", "items", nullable=True, at_least=0)
    lead_time_days = Column("int64", "Days from an order to its arrival", "days", nullable=True, at_least=0)
    sold_item_count = count("Items shipped in the days that count, 28 where there are as many", unit="items")
    sales_days_count = count("How many days these are", unit="days")
    daily_sold_items = Column(
        "float64", "sold_item_count ÷ sales_days_count", "items per day", nullable=True, at_least=0
    )
    days_of_cover = Column("float64", "stock_count ÷ daily_sold_items; null if none was sold", "days", nullable=True)
    last_sold_date = day("The last day on which one was shipped, as far as sales reach back", nullable=True)


class ProductPerformance(Table):
    """One row per day and product that was viewed, put into a cart, bought or paid back."""

    layer = "mart"
    key = ("event_date", "product_id")
    day_column = "event_date"
    counted_from = (
        CleanEvents,
        UserOrderLog,
    )

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
        "Gross revenue: Σ shipped; without orders, of the purchase events; null where none of these has an amount",
        nullable=True,
        at_least=0,
    )
    refunded_amount = amount("Σ paid back, negative; null as shipped_amount", nullable=True, at_most=0)
    revenue_amount = amount("Net revenue: shipped less refunded; null as shipped_amount", nullable=True)
    cart_rate = rate("cart_visitor_count among viewing_visitor_count", nullable=True)
    purchases_per_cart = Column(
        "float64", "purchase_count ÷ add_to_cart_count", "orders per cart event", nullable=True, at_least=0
    )
    purchases_per_view = Column(
        "float64", "purchase_count ÷ product_view_count", "orders per view", nullable=True, at_least=0
    )
    sales_source = text("Where purchases and revenue come from", one_of=("orders", "events"))
