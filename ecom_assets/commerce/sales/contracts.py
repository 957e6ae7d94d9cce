"""Contracts of sales: the star schema, daily revenue, and customers by week."""

from dataclasses import replace

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.orders.contracts import STATUSES, UserOrderLog
from ecom_assets.commerce.sales.measures import ChargeMeasures, DiscountMeasures, SalesMeasures
from ecom_assets.core.tables.contract import (
    Column,
    Table,
    amount,
    count,
    day,
    flag,
    instant,
    item_quantity,
    received_amount,
    text,
)

PLACE = "Where the properties have it, else `unknown`; `(all)` where it is summed"


class City(Table):
    """One row per city that an order line names, with the attributes of its latest line."""

    layer = "mart"
    key = ("city_id",)

    city_id = text("The city's id; `(none)` for lines without one")
    city_name = text("Its name, `unknown` without one", "City", example="Munich")
    region = text(
        "Its state or region: as received, by the lookup's name for it, else by the lookup of the "
        "city, else `unknown`",
        "Region",
        example="Bavaria",
    )
    country = text(
        "Its country: as received, by the lookup's name for it, else that of a large city of this "
        "name, else `unknown`",
        "Country",
        example="Germany",
    )
    lookup_version = text("Version of the lookup of regions and countries")


class Item(Table):
    """One row per item that was ordered, with the attributes of its latest line."""

    layer = "mart"
    key = ("item_id",)

    item_id = text("The item")
    item_name = text("Its name, `unknown` without one")
    item_category = text("Its category, `(none)` without one", "Category", example="shoes")
    price_amount = received_amount(
        "Its newest price in an order report; null where none names it", nullable=True
    )
    price_date = day(
        "The newest day with that price in a report; mart.item_prices has the earlier ones",
        nullable=True,
    )
    event_product_id = text(
        "By which other id events name it, where purchase events of orders of it alone do: two at "
        "least, and none of orders of another item; of several the least. Null where none does, "
        "and in rows from before this was kept",
        nullable=True,
    )


class ItemPrices(Table):
    """One row per item and price, with the days on which the price was in force."""

    layer = "mart"
    key = ("item_id", "valid_from_date")
    references = (("item_id", Item),)

    item_id = text("See mart.item")
    valid_from_date = day("The first day with this price")
    valid_to_date = day(
        "The day on which the next price begins; null for the current one", nullable=True
    )
    price_amount = received_amount("The price", at_least=0)


class Customer(Table):
    """One row per customer with an order line, with the attributes of the latest."""

    layer = "mart"
    key = ("customer_id",)
    references = (("city_id", City),)

    customer_id = text("The customer", pii=True)
    first_name = text("First name", nullable=True, pii=True)
    last_name = text("Last name", nullable=True, pii=True)
    city_id = text("City of the latest line")
    first_order_date = day("Day of the first shipped line; null if all were refunds", nullable=True)
    last_order_date = day("Day of the last shipped line; null if all were refunds", nullable=True)
    first_paid_date = day(
        "Day of the first order for which anything was paid; null without one, or before this "
        "column was computed",
        nullable=True,
        chooses_rows=False,
    )
    is_first_paid_renewal = flag(
        "Whether a subscription made that order by itself: who begins with a renewal was a "
        "customer before, and is new on no day; null before this column was computed",
        nullable=True,
        chooses_rows=False,
    )
    order_count = SalesMeasures.order_count
    shipped_amount = SalesMeasures.shipped_amount
    refunded_amount = SalesMeasures.refunded_amount
    revenue_amount = SalesMeasures.revenue_amount


class Calendar(Table):
    """One row per day that was run, or on which something was ordered."""

    layer = "mart"
    key = ("calendar_date",)
    day_column = "calendar_date"

    calendar_date = day("The day, in the reporting zone")
    year_number = Column("int64", "Year", at_least=1)
    quarter_number = Column("int64", "Quarter of the year", at_least=1, at_most=4)
    month_number = Column("int64", "Month of the year", at_least=1, at_most=12)
    month_start_date = day("First day of the month")
    iso_year_number = Column("int64", "Year that the ISO week belongs to", at_least=1)
    iso_week_number = Column("int64", "ISO week of that year", at_least=1, at_most=53)
    week_start_date = day("Monday of the ISO week")
    weekday_number = Column("int64", "Day of the week, Monday is 1", at_least=1, at_most=7)
    is_weekend = flag("Whether it is a Saturday or Sunday")


class Sales(Table):
    """One row per order line, refunds negative; of a refund without an item one per item of its
    order.
    """

    layer = "mart"
    key = ("uniq_id",)
    day_column = "order_date"
    references = (
        ("order_date", Calendar),
        ("customer_id", Customer),
        ("city_id", City),
        ("item_id", Item),
    )

    uniq_id = text("The line; of a part of a refund the refund and the item, as `r-1 > hat`")
    order_id = text("The order that it is part of", pii=True)
    ordered_at = instant("When it was ordered, or paid back")
    order_date = day("The day of that, see mart.calendar")
    customer_id = text("See mart.customer", pii=True)
    city_id = text("See mart.city")
    item_id = text("See mart.item")
    item_category = text("The item's category when the line was taken in, `(none)` without one")
    vendor = UserOrderLog.vendor
    landing_page = UserOrderLog.landing_page
    channel = text(
        "The last touch before the order that is not direct; `(none)` without a touch, see "
        "mart.touches"
    )
    sales_channel = text("Where it was sold, as the order line says; `(none)` without one")
    status = text("Whether it was shipped, or paid back", one_of=STATUSES)
    quantity = item_quantity(
        "How many, or how much of what is sold by length or weight, negative for refunds; null "
        "where it is not known",
        nullable=True,
    )
    revenue_amount = received_amount("What was paid for all of them, negative for refunds")
    shipping_amount = received_amount(
        "What was paid for shipping, negative for refunds", nullable=True
    )
    tax_amount = received_amount(
        "What was paid in taxes beside that, negative for refunds", nullable=True
    )
    tip_amount = received_amount("What was paid as a tip, negative for refunds", nullable=True)
    gross_amount = received_amount(
        "Their price before discounts, negative for refunds",
        nullable=True,
    )
    discount_amount = received_amount(
        "What discounts took off, negative for refunds", nullable=True
    )
    discount_codes = UserOrderLog.discount_codes
    unit_cost_amount = UserOrderLog.unit_cost_amount
    payment_method = UserOrderLog.payment_method
    payment_fee_amount = UserOrderLog.payment_fee_amount
    shipping_cost_amount = UserOrderLog.shipping_cost_amount
    is_restocked = UserOrderLog.is_restocked
    is_renewal = UserOrderLog.is_renewal
    refund_line_id = text(
        "The refund without an item that the row is a part of, in staging.user_order_log; null of "
        "all others",
        nullable=True,
    )


class ProductSalesDaily(SalesMeasures, Table):
    """One row per day and item of which a line was shipped or refunded."""

    layer = "mart"
    key = ("order_date", "item_id")
    day_column = "order_date"
    counted_from = (UserOrderLog,)
    references = (("order_date", Calendar), ("item_id", Item))

    order_date = day("The day of the orders, or of the refunds")
    item_id = text("See mart.item")


class RevenueDaily(SalesMeasures, ChargeMeasures, Table):
    """One row per day, and per day and channel, city, category, and sales channel.

    What is summed has `(all)`.
    """

    layer = "mart"
    key = ("order_date", "channel", "city_id", "item_category", "sales_channel")
    day_column = "order_date"
    counted_from = (UserOrderLog,)

    order_date = day("The day of the orders, or of the refunds")
    channel = text(
        "What led to the orders; `(all)` where the row is of another dimension, or the total"
    )
    city_id = text("See mart.city; `(all)` as for the channel")
    item_category = text("The category; `(all)` as for the channel")
    sales_channel = text("Where the orders were placed; `(all)` as for the channel")


class DiscountPerformance(DiscountMeasures, Table):
    """One row per day and code of discounts of shipped order lines.

    `(none)` has discounts without a code, `(all)` every discounted line once.
    """

    layer = "mart"
    key = ("order_date", "discount_code")
    day_column = "order_date"
    references = (("order_date", Calendar),)

    order_date = day("The day of the orders")
    discount_code = text(
        "The code in capitals; `(none)` without one, `(all)` where it is summed", "Code", pii=True
    )


class PurchaseRevenueDaily(SalesMeasures, Table):
    """One row per day, and per day and category or place, of purchase events.

    What is summed has `(all)`.

    For shops without order lines; where there are some, `mart.revenue_daily` has their sales.
    Amounts are null where no event has one.
    """

    layer = "mart"
    key = ("event_date", "product_category", "country", "region", "city_name")
    day_column = "event_date"
    counted_from = (CleanEvents,)
    counted_types = ("purchase", "refund")

    event_date = day("The day of the events")
    product_category = text(
        "The category that the event carries, `(none)` without one; `(all)` where it is summed"
    )
    country = text(PLACE)
    region = text(PLACE)
    city_name = text(PLACE)
    shipped_amount = replace(SalesMeasures.shipped_amount, nullable=True)
    refunded_amount = replace(SalesMeasures.refunded_amount, nullable=True)
    revenue_amount = replace(SalesMeasures.revenue_amount, nullable=True)


class CustomerRetention(Table):
    """One row per ISO week, category (or item, where lines have none) and city.

    `(all)` holds the totals of either.
    """

    layer = "mart"
    key = ("week_start_date", "item_category", "city_id")
    day_column = "week_start_date"
    counted_from = (UserOrderLog,)

    week_start_date = day("Monday of the ISO week", "Week from")
    iso_year_number = Column("int64", "Year that the week belongs to", at_least=1, example=2026)
    iso_week_number = Column(
        "int64", "Number of the week in that year", at_least=1, at_most=53, example=5
    )
    item_category = Column(
        "string",
        "Category of the lines; where they have none the item; `(all)` for the total",
        example="(all)",
    )
    city_id = Column("string", "City of the lines; `(all)` for the total", example="(all)")
    customers_count = count(
        "Customers who ordered: with a shipped line", "Customers", unit="customers", example=81
    )
    new_customers_count = count(
        "Of these, those whose first order ever, paid or not, falls in this week",
        "First order ever",
        unit="customers",
        example=62,
    )
    returning_customers_count = count(
        "Of these, those who had ordered before this week",
        "Ordered before",
        unit="customers",
        example=19,
    )
    refunded_customers_count = count(
        "Customers with any refund; they may be among the others, too",
        "With a refund",
        unit="customers",
        example=4,
    )
    one_order_customers_count = count(
        "The older reading of new: one order in the week", unit="customers"
    )
    several_orders_customers_count = count(
        "The older reading of returning: several orders", unit="customers"
    )
    new_orders_count = count(
        "Orders of customers whose first order ever falls in this week", unit="orders"
    )
    returning_orders_count = count(
        "Orders of customers who had ordered before this week", unit="orders"
    )
    refunded_orders_count = count("Refunds", unit="orders")
    new_revenue_amount = amount(
        "Shipped to customers whose first order ever falls in this week",
        "Revenue, first order ever",
        at_least=0,
        example="6810.00",
    )
    returning_revenue_amount = amount(
        "Shipped to customers who had ordered before this week",
        "Revenue, ordered before",
        at_least=0,
        example="2210.50",
    )
    refunded_amount = amount("Refunded to any customer, negative", at_most=0, example="-310.00")
    unknown_customer_orders_count = count(
        "Orders whose customer is unknown, which are in neither; null before this column was "
        "computed",
        "Orders of unknown customers",
        unit="orders",
        nullable=True,
        example=0,
    )
    unknown_customer_revenue_amount = amount(
        "Shipped to unknown customers; with that of the others, all that was shipped",
        "Revenue of unknown customers",
        nullable=True,
        at_least=0,
        example="0.00",
    )
