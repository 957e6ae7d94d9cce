"""Contract of the weekly sales mart of new and returning customers. Not here: retention of cohorts of visitors."""

from ecom_assets.contracts.table import Column, Table, amount, count, day


class CustomerRetention(Table):
    """One row per ISO week, item category and city with an order line; `(all)` holds the totals of either."""

    layer = "mart"
    group = "sales"
    key = ("week_start_date", "item_category", "city_id")
    day_column = "week_start_date"

    week_start_date = day("Monday of the ISO week")
    iso_year_number = Column("int64", "Year that the week belongs to", at_least=1)
    iso_week_number = Column("int64", "Number of the week in that year", at_least=1, at_most=53)
    item_category = Column("string", "Category of the lines, `(none)` without one, `(all)` for the total")
    city_id = Column("string", "City of the lines, see mart.city; `(all)` for the total")
    customers_count = count("Customers who ordered: with a shipped line", unit="customers")
    new_customers_count = count("Of these, those whose first ever order falls in this week", unit="customers")
    returning_customers_count = count("Of these, those who had ordered before this week", unit="customers")
    refunded_customers_count = count("Customers with any refund; they may be new or returning too", unit="customers")
    one_order_customers_count = count("The older reading of new: one order in the week", unit="customers")
    several_orders_customers_count = count("The older reading of returning: several orders", unit="customers")
    new_orders_count = count("Orders of new customers", unit="orders")
    returning_orders_count = count("Orders of returning customers", unit="orders")
    refunded_orders_count = count("Refunds", unit="orders")
    new_revenue_amount = amount("Shipped to new customers", at_least=0)
    returning_revenue_amount = amount("Shipped to returning customers", at_least=0)
    refunded_amount = amount("Refunded to any customer, negative", at_most=0)
