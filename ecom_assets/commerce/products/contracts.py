"""Contracts of products: daily performance, stock as received, and inventory alerts."""

from typing import Final, Literal, get_args

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.products.measures import ProductMeasures
from ecom_assets.core.tables.contract import (
    Column,
    Table,
    amount,
    count,
    day,
    item_quantity,
    text,
    unit_cost,
)
from ecom_assets.core.tables.received import BROKEN_PROOF

STOCK_REJECT_REASONS = (
    BROKEN_PROOF,
    "left_out",
    "missing_product_id",
    "missing_stock",
    "unparseable_stock",
    "unparseable_reorder_point",
    "unparseable_lead_time",
)
"""Why a line of a catalogue has no valid stock;
a line has the first reason that applies, in this order.
"""
Alert = Literal["out_of_stock", "low", "overstock", "dead"]
ALERTS: Final[tuple[Alert, ...]] = get_args(Alert)
"""What can be wrong with a product's stock; a product has the first that applies, in this order."""


class RawStock(Table):
    """One row per line of the catalogue and day on which it was fetched, exactly as it came,
    broken lines included.
    """

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
    received_reorder_point = text(
        "Below how many more are to be ordered, as received", nullable=True
    )
    received_lead_time_days = text("Days from an order to its arrival, as received", nullable=True)
    stock_count = Column(
        "int64", "The number in received_stock; below zero if more was sold", "items", nullable=True
    )
    reorder_point_count = Column(
        "int64", "The number in received_reorder_point", "items", nullable=True, at_least=0
    )
    lead_time_days = Column(
        "int64", "The number in received_lead_time_days", "days", nullable=True, at_least=0
    )
    received_unit_cost_amount = text("What it costs, as received", nullable=True, is_cost=True)
    unit_cost_amount = unit_cost(
        "The number in received_unit_cost_amount; null if there is none, or it is below zero",
        nullable=True,
        at_least=0,
    )
    reject_reason = text(
        "Why the line has no valid stock; null if it has",
        nullable=True,
        one_of=STOCK_REJECT_REASONS,
    )
    source = text("Where it came from: `sandbox`, or the path or URL that was read")
    source_file = text(
        "The file in which it came; null from an API, and in rows from before it was kept",
        nullable=True,
    )


class InventoryAlerts(Table):
    """One row per product whose newest stock needs attention: why, how long it lasts,
    and what was sold.
    """

    layer = "mart"
    key = ("product_id",)

    product_id = text("The product", example="P-0042")
    product_name = text("Its name", nullable=True)
    product_category = text("Its category", "Category", nullable=True)
    alert = text("What is wrong: the first that applies of these", one_of=ALERTS)
    as_of_date = day("The day that the stock is of; sales count up to its end")
    stock_count = Column(
        "int64",
        "How many there are; below zero if more was sold",
        "items",
        example=3,
        label="In stock",
    )
    reorder_point_count = Column(
        "int64",
        "Below how many more are to be ordered",
        "items",
        nullable=True,
        at_least=0,
        example=10,
        label="Order at",
    )
    lead_time_days = Column(
        "int64",
        "Days from an order to its arrival, of the catalogue or the shop's own",
        "days",
        nullable=True,
        at_least=0,
        is_additive=False,
        example=7,
        label="Delivery days",
    )
    sold_item_count = item_quantity("Items shipped in the last 28 days", at_least=0)
    sales_days_count = count(
        "Of how many of these days it is known what was sold", unit="days", example=28
    )
    daily_sold_items = Column(
        "float64",
        "How many were sold a day, on average of the days of which sales are known",
        "items per day",
        nullable=True,
        at_least=0,
        example=0.5,
        label="Sold a day",
    )
    days_of_cover = Column(
        "float64",
        "For how many days the stock lasts if as many are sold a day; not known if none was sold",
        "days",
        nullable=True,
        example=6.0,
        label="Days of stock",
    )
    last_sold_date = day(
        "The last day on which one was shipped, as far as sales reach back",
        "Last sold",
        nullable=True,
    )
    in_stock_days_count = count(
        "Of the days of which it is known what was sold, those on which there was stock: the "
        "catalogue of the day does not say that none was left, or one was sold",
        unit="days",
        nullable=True,
        example=21,
        label="Days in stock",
    )
    reorder_days_count = count(
        "How many days a reorder lasts after its delivery (ECOM_REORDER_DAYS)",
        unit="days",
        nullable=True,
        is_additive=False,
        example=28,
    )
    reorder_item_count = count(
        "How many to order: those sold a day in stock, for the days of the delivery and "
        "reorder_days_count, less the stock, in whole items; not known without a delivery time, "
        "or without a day in stock",
        unit="items",
        nullable=True,
        example=22,
        label="To order",
    )
    day_without_stock_amount = amount(
        "What a day without stock costs: the items sold a day in stock, at the mean price paid for "
        "one in the last 28 days",
        "Lost a day",
        nullable=True,
        at_least=0,
        is_additive=False,
        example="9.98",
    )


class ProductPerformance(ProductMeasures, Table):
    """One row per day and product that was viewed, put into a cart, bought or paid back."""

    layer = "mart"
    key = ("event_date", "product_id")
    day_column = "event_date"
    counted_from = (
        CleanEvents,
        UserOrderLog,
    )

    event_date = day("The day of the events, and of the orders", "Day")
    product_id = text("The product; in orders, the item", example="P-0042")
    product_category = text(
        "The category that its events of the day carry, the first by text",
        "Category",
        nullable=True,
        example="shoes",
    )
    sales_source = text("Where purchases and revenue come from", one_of=("orders", "events"))


class ProductsBoughtTogether(Table):
    """One row per day and pair of products of which orders had both; a product with itself has its
    orders, `(all)` with itself all orders.
    """

    layer = "mart"
    key = ("order_date", "product_id", "other_product_id")
    day_column = "order_date"

    order_date = day("The day of the orders")
    product_id = text("The product whose id comes first; `(all)` for all orders")
    other_product_id = text("The other one, or the same")
    order_count = count("Orders with a paid line of both, and at most 50 products", unit="orders")
