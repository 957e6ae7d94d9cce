"""Contracts of order lines: as received, quarantined, surplus and clean;
held days and their releases.
"""

from ecom_assets.core.tables.contract import (
    Column,
    PersonColumns,
    Table,
    count,
    day,
    flag,
    instant,
    item_quantity,
    received_amount,
    tax_rate,
    text,
    unit_cost,
)
from ecom_assets.core.tables.received import BROKEN_PROOF, RefusedMoney, RowCounts

STATUSES = ("shipped", "refunded")
ORDER_REJECT_REASONS = (
    "malformed_row",
    "left_out",
    "implausible_date",
    "missing_uniq_id",
    "unparseable_date_time",
    "future_date_time",
    "missing_customer",
    "missing_amount",
    "negative_amount",
    "amount_too_large",
    "unknown_status",
    BROKEN_PROOF,
)
"""Why an order line can be quarantined; a line carries the first that applies, in this order."""


class ReceivedOrder(Table, abstract=True):
    """What every received order line carries: text as it came,
    and the values that were read from it.
    """

    layer = "raw"

    id = text(
        "The line's number in its file, as received; it says nothing about the order", nullable=True
    )
    uniq_id = text("The line's own id, or a stable hash where the source has none", nullable=True)
    order_id = text("The source's id of the whole order, if it has one", nullable=True, pii=True)
    date_time = text("When it was ordered or paid back, as received", nullable=True)
    city_id = text("The city's id", nullable=True)
    city_name = text("The city's name", nullable=True)
    region = text("The state or region, where the source says it", nullable=True)
    country = text("The country, where the source says it", nullable=True)
    customer_id = text("Who ordered", nullable=True, pii=True)
    first_name = text("The customer's first name", nullable=True, pii=True)
    last_name = text("The customer's last name", nullable=True, pii=True)
    item_id = text("What was ordered", nullable=True)
    item_name = text("Its name", nullable=True)
    item_category = text(
        "Its category: as received, else the catalogue's when the line was taken in", nullable=True
    )
    vendor = text("Whose product it is, in the same way", nullable=True)
    landing_page = text("The landing page of the order, as received", nullable=True)
    order_keys = text(
        "What else the order is called, such as its number beside its id, as received, with blanks "
        "between them",
        nullable=True,
        pii=True,
    )
    sales_channel = text(
        "Where it was sold, such as web, app, store or marketplace, as received", nullable=True
    )
    received_quantity = text("How many, as received", nullable=True)
    received_payment_amount = text("What was paid for all of them, as received", nullable=True)
    status = text(
        "`shipped` or `refunded`; null in files from before there was a status", nullable=True
    )
    received_currency = text(
        "The currency of what was paid, as received, where the source says it", nullable=True
    )
    received_shipping_amount = text("What was paid for shipping, as received", nullable=True)
    received_tax_amount = text("What was paid in taxes, as received", nullable=True)
    received_tip_amount = text("What was paid as a tip, as received", nullable=True)
    received_gross_amount = text("The price before discounts, as received", nullable=True)
    received_discount_amount = text("What discounts took off, as received", nullable=True)
    received_discount_codes = text("The codes of discounts, as received", nullable=True, pii=True)
    received_tax_rate = text("The rate of the tax, as received", nullable=True)
    received_is_tax_included = text("Whether prices have the tax, as received", nullable=True)
    received_unit_cost_amount = text(
        "What one item cost the shop, as received", nullable=True, is_cost=True
    )
    payment_method = text("How it was paid, where the source says it", nullable=True)
    received_payment_fee_amount = text(
        "What the payment cost, as received", nullable=True, is_cost=True
    )
    received_shipping_cost_amount = text(
        "What shipping cost the shop, as received", nullable=True, is_cost=True
    )
    received_is_restocked = text("Whether items went back on sale, as received", nullable=True)
    received_is_renewal = text(
        "Whether a subscription made the order by itself, as received", nullable=True
    )
    ordered_at = instant(
        "The instant in date_time; null if the text could not be read", nullable=True
    )
    order_date = day("The day of ordered_at; null if that is", nullable=True)
    id_number = Column("int64", "The number in id; null if it is not a number", nullable=True)
    quantity = item_quantity(
        "The number in received_quantity, cut to what fits; null if it is not a number",
        nullable=True,
    )
    payment_amount = received_amount(
        "The number in received_payment_amount, cut to what fits and in `currency`; null if it is "
        "not a number",
        nullable=True,
    )
    shipping_amount = received_amount("The number in received_shipping_amount", nullable=True)
    tax_amount = received_amount("The number in received_tax_amount", nullable=True)
    tip_amount = received_amount("The number in received_tip_amount", nullable=True)
    gross_amount = received_amount("The number in received_gross_amount", nullable=True)
    discount_amount = received_amount("The number in received_discount_amount", nullable=True)
    discount_codes = text(
        "The codes in received_discount_codes in capitals, by name, with `, ` between them",
        nullable=True,
        pii=True,
    )
    tax_rate = tax_rate("The share in received_tax_rate; from 1 on, it is percent", nullable=True)
    is_tax_included = flag("What received_is_tax_included says", nullable=True)
    unit_cost_amount = unit_cost("The number in received_unit_cost_amount", nullable=True)
    payment_fee_amount = received_amount(
        "The number in received_payment_fee_amount", nullable=True, is_cost=True
    )
    shipping_cost_amount = received_amount(
        "The number in received_shipping_cost_amount", nullable=True, is_cost=True
    )
    is_restocked = flag("What received_is_restocked says", nullable=True)
    is_renewal = flag("What received_is_renewal says", nullable=True)
    currency = text(
        "The currency of the amounts that were read: that in received_currency, or the one to "
        "which ECOM_RATES converts them",
        nullable=True,
    )
    left_out = text(
        "The condition of the mapping that leaves the line out, such as a test order; or `holds: ` "
        "and what the line breaks of the file that the mapping was made from",
        nullable=True,
    )
    record_id = text(
        "The record whose versions replace each other: the order where the source gives all of it "
        "at once, else the line; null in rows from before this was kept",
        nullable=True,
        pii=True,
    )
    placed_at = instant("When the order was placed, where the record is an order", nullable=True)
    changed_at = instant("When the source changed the record, where it says so", nullable=True)
    record_number = Column(
        "int64", "The record's place in its file, where it has one", nullable=True
    )
    received_at = instant("When the line arrived, where the source says so", nullable=True)
    received_date = day("The day on which the line arrived")
    source = text("Where the line came from: `sandbox`, or the path or URL that was read")
    source_file = text("The file within the source")
    malformed_row = text(
        "The whole line, where it could not be split into columns",
        nullable=True,
        pii=True,
        is_cost=True,
    )


class RawUserOrderLog(ReceivedOrder):
    """One row per order line received, exactly as it came, copies and broken lines included."""

    name = "user_order_log"
    day_column = "received_date"
    person = PersonColumns("customer_id")


class QuarantinedOrders(ReceivedOrder):
    """One row per received order line that is not clean, with the first reason that applies."""

    layer = "staging"
    day_column = "received_date"

    reject_reason = text("Why it is not a clean order line", one_of=ORDER_REJECT_REASONS)


class ChangedOrderDays(Table):
    """One row per day of arrival and day of order whose numbers the lines that
    arrived can change, held or not.
    """

    layer = "staging"
    key = ("received_date", "order_date")
    day_column = "received_date"

    received_date = day("The day on which lines arrived")
    order_date = day(
        "The day of the order by one of these lines, or by another copy of one; or of a refund "
        "without an item of the same order"
    )


class DuplicateOrders(Table):
    """One row per order line, and day of arrival and order, of which surplus copies arrived;
    the newest stays.
    """

    layer = "staging"
    key = ("received_date", "order_date", "uniq_id")
    day_column = "received_date"

    received_date = day("The day on which the surplus copies arrived")
    order_date = day("The day of the order by the surplus copies")
    uniq_id = text(
        "The line that came more than once, or that a newer version of its record has no more"
    )
    surplus_count = count("Copies of this day that were left out", unit="rows")
    kept_received_date = day(
        "The day on which the copy that stays, or the newest version of the record, arrived"
    )
    kept_order_date = day(
        "The day of the order by the copy that stays; null where the newest version has no such "
        "line",
        nullable=True,
    )


class LineCounts(RowCounts):
    """How many order lines were received, and what became of them: some wait, or are held back."""

    held_count = count(
        "Of these, held back with their day", "Held", unit="rows", better="down", example=0
    )
    waiting_count = count(
        "Of these, waiting until the day they were ordered on is loaded",
        "Waiting",
        unit="rows",
        better="down",
        example=0,
    )


class OrderAccountingDaily(LineCounts, Table):
    """One row per day with received order lines: how many lines came, and what became of them."""

    layer = "mart"
    key = ("received_date",)
    day_column = "received_date"

    received_date = day("The day on which the lines arrived", "Day")


class QuarantinedOrderSamples(RefusedMoney, ReceivedOrder):
    """One row per day, reject reason and place among the first lines that were
    quarantined for it, at most five.
    """

    layer = "mart"
    key = ("received_date", "reject_reason", "sample_number")
    day_column = "received_date"

    reject_reason = text("Why it is not a clean order line", one_of=ORDER_REJECT_REASONS)
    sample_number = count("Place among the lines of the day and reason, from 1", unit="place")
    row_count = count("Lines of the day that were quarantined for this reason", unit="rows")


class UserOrderLog(Table):
    """One row per order line: the latest received of its copies, clean,
    by the day on which it was ordered.
    """

    layer = "staging"
    key = ("uniq_id",)
    day_column = "order_date"

    id = text("The line's number in its file; it says nothing about the order", nullable=True)
    uniq_id = text("The line's own id")
    order_id = text(
        "The source's id of the order, else customer and second: lines of one customer at one "
        "instant",
        pii=True,
    )
    ordered_at = instant("When it was ordered, or paid back")
    order_date = day("The day of that")
    city_id = text("The city's id, `(none)` without one")
    city_name = text("The city's name", nullable=True)
    region = text("The state or region, where the source says it", nullable=True)
    country = text("The country, where the source says it", nullable=True)
    customer_id = text("Who ordered; `(unknown)` where the source has a placeholder", pii=True)
    first_name = text("The customer's first name", nullable=True, pii=True)
    last_name = text("The customer's last name", nullable=True, pii=True)
    item_id = text("What was ordered; `(none)` where the source does not say it, as of a fee")
    item_name = text("Its name", nullable=True)
    item_category = text("Its category, `(none)` without one")
    vendor = text("Whose product it is, where the line or the catalogue says it", nullable=True)
    landing_page = text(
        "The order's landing page without query, where the source says it", nullable=True
    )
    order_keys = text(
        "What else the order is called, with blanks between; null where there is nothing else",
        nullable=True,
        pii=True,
    )
    sales_channel = text(
        "Where it was sold, such as web, app, store or marketplace; `(none)` without one"
    )
    quantity = item_quantity(
        "How many, or how much of what is sold by length or weight; positive for refunds too, 0 "
        "where money went back for no item; null where it is not known, or cannot be",
        nullable=True,
        at_least=0,
    )
    payment_amount = received_amount(
        "What was paid for all of them; positive for refunds too; without the tax where the line "
        "says that prices have it, and its rate",
        at_least=0,
    )
    status = text("Whether it was shipped, or paid back", one_of=STATUSES)
    currency = text("The currency of the amounts, where the source says it", nullable=True)
    shipping_amount = received_amount(
        "What was paid for the order's shipping, on one of its lines, or the line's part; null "
        "where the source does not say it",
        nullable=True,
    )
    tax_amount = received_amount(
        "What was paid in taxes beside payment_amount, in the same way", nullable=True
    )
    tip_amount = received_amount("What was paid as a tip, in the same way", nullable=True)
    gross_amount = received_amount(
        "The price charged for all of them before discounts, without tax as payment_amount; null "
        "where the source does not say it",
        nullable=True,
    )
    discount_amount = received_amount(
        "What discounts of the line and its part of the order's took off, in the same way",
        nullable=True,
        at_least=0,
    )
    discount_codes = text(
        "The codes of its discounts, by name, as `A, B`",
        nullable=True,
        pii=True,
    )
    tax_rate = tax_rate("The rate of the tax as a share, where the source says it", nullable=True)
    is_tax_included = flag(
        "Whether the prices that were received have the tax, where the source says it",
        nullable=True,
    )
    unit_cost_amount = unit_cost("What one item cost the shop", nullable=True, at_least=0)
    payment_method = text("How it was paid, where the source says it", nullable=True)
    payment_fee_amount = received_amount(
        "What the payment cost the shop, on one of the order's lines",
        nullable=True,
        is_cost=True,
    )
    shipping_cost_amount = received_amount(
        "What the shop paid for shipping and labels, in the same way",
        nullable=True,
        is_cost=True,
    )
    is_restocked = flag(
        "Whether what came back is on sale again", nullable=True, chooses_rows=False
    )
    is_renewal = flag(
        "Whether a subscription made the order by itself; null where the source does not say it",
        nullable=True,
        chooses_rows=False,
    )
    shared_order_id = text(
        "The source's id of the order where other orders claim it, too; null where it is the "
        "order's own",
        nullable=True,
        pii=True,
    )
    received_date = day("The day on which this copy arrived")
    source_file = text("The file in which it came")


HOLD_REASONS = ("report_missing", "too_few_customers")
"""Why a day of orders can be held; the first that applies."""


class HeldOrderDays(Table):
    """One row per day of arrival whose order lines are held back: too few customers,
    or no report at all.
    """

    layer = "staging"
    key = ("held_date",)
    day_column = "held_date"

    held_date = day("The day of arrival that is held back")
    reason = text("Why it is held", one_of=HOLD_REASONS, example="too_few_customers")
    observed_count = count("Customers of the day's lines", unit="customers", example=2)
    limit_count = count(
        "ECOM_ORDER_CUSTOMERS_OVER: how many there had to be more than", unit="customers", example=3
    )
    held_row_count = count(
        "Rows of the day that would be clean, and are held back", unit="rows", example=5
    )
    held_at = instant("When a run first held it")


class WaitingOrderDays(Table):
    """One row per day of arrival and day of order whose lines wait, or waited,
    until the rest of that day is loaded.
    """

    layer = "staging"
    key = ("received_date", "order_date")
    day_column = "received_date"

    received_date = day("The day on which the lines arrived")
    order_date = day("The day on which they were ordered, which no run has loaded")
    waits_for_date = day(
        "The day of arrival that must be loaded first; once they count, the day of the run since "
        "then"
    )
    waiting_row_count = count("Clean lines that wait; 0 once they count", unit="rows", example=3)


class DayReleases(Table):
    """One row per source and day that was released although it was held;
    no run computes or removes it.
    """

    layer = "staging"
    written_by = "run"
    key = ("released_date", "source")
    day_column = "released_date"

    released_date = day("The day of arrival that was let in")
    source = text("Whose day it is, such as `orders`")
    reason = text("Why it had been held")
    observed_count = count("What had been observed then", unit="as limit_count")
    limit_count = count("What it had to exceed", unit="as observed_count")
    released_by = text("Who let it in", pii=True)
    released_at = instant("When")


class RawUserActivityLog(Table):
    """One row per activity in the order report, exactly as it came,
    copies and broken lines included.
    """

    layer = "raw"
    name = "user_activity_log"
    day_column = "received_date"
    person = PersonColumns("customer_id")

    id = text("The line's number in its file", nullable=True)
    uniq_id = text("The activity's own id, or a stable hash where the file has none", nullable=True)
    date_time = text("When it was, as received", nullable=True)
    action_id = text("What was done, by the source's number", nullable=True)
    customer_id = text("Who did it", nullable=True, pii=True)
    received_quantity = text("How often, as received", nullable=True)
    activity_at = instant(
        "The instant in date_time; null if the text could not be read", nullable=True
    )
    activity_date = day("The day of activity_at; null if that is", nullable=True)
    quantity = item_quantity("The number in received_quantity", unit="activities", nullable=True)
    received_at = instant("When the line arrived, where the source says so", nullable=True)
    received_date = day("The day of the activity; that of the last one for lines without a day")
    source = text("The address of the order report API")
    source_file = text("The file within the report")
    malformed_row = text(
        "The whole line, where it could not be split into columns", nullable=True, pii=True
    )


class UserActivityLog(Table):
    """One row per activity in the order report, clean and once."""

    layer = "staging"
    key = ("activity_date", "uniq_id")
    day_column = "activity_date"

    uniq_id = text("The activity's own id, or a stable hash where the file has none")
    activity_at = instant("When it was")
    activity_date = day("The day of that")
    action_id = text("What was done, by the source's number")
    customer_id = text("Who did it", pii=True)
    quantity = item_quantity(
        "How often; 1 where the file does not say it", unit="activities", at_least=0
    )


class RawCustomerResearch(Table):
    """One row per line of market research in the order report, exactly as it came,
    copies and broken lines included.
    """

    layer = "raw"
    name = "customer_research"
    day_column = "received_date"

    research_id = text("A stable hash of the line's values", nullable=True)
    id = text("The line's number in its file", nullable=True)
    date_id = text("The day, as received", nullable=True)
    category_id = text("The category, by the source's number", nullable=True)
    geo_id = text("The place, by the source's number", nullable=True)
    received_sales_qty = text("Items sold, as received", nullable=True)
    received_sales_amt = text("What they sold for, as received", nullable=True)
    research_at = instant(
        "The instant in date_id; null if the text could not be read", nullable=True
    )
    research_date = day("The day of research_at; null if that is", nullable=True)
    sales_quantity = item_quantity("The number in received_sales_qty", nullable=True)
    sales_amount = received_amount("The number in received_sales_amt", nullable=True)
    received_at = instant("When the line arrived, where the source says so", nullable=True)
    received_date = day("The day of the research; that of the last one for lines without a day")
    source = text("The address of the order report API")
    source_file = text("The file within the report")
    malformed_row = text(
        "The whole line, where it could not be split into columns", nullable=True, pii=True
    )


class CustomerResearch(Table):
    """One row per day, category, place and numbers of the market research in the order report:
    equal lines once.
    """

    layer = "staging"
    key = ("research_date", "research_id")
    day_column = "research_date"

    research_id = text("A stable hash of the line's values")
    research_date = day("The day")
    category_id = text("The category, by the source's number")
    geo_id = text("The place, by the source's number")
    sales_quantity = item_quantity("Items sold", at_least=0)
    sales_amount = received_amount("What they sold for", at_least=0)


PRICE_REJECT_REASONS = ("missing_name", "unparseable_price")


class RawPriceLog(Table):
    """One row per line of the prices in the order report, exactly as it came."""

    layer = "raw"
    name = "price_log"
    key = ("received_date", "record_number")
    day_column = "received_date"

    received_date = day("The last day of the report's orders: the file itself has no day")
    record_number = count("The line's place in its file, from 1", unit="place")
    item_name = text("The item, or the category, by its name", nullable=True)
    received_price = text("Its price, as received", nullable=True)
    price_amount = received_amount(
        "The number in received_price; null if it is not a number from 0", nullable=True
    )
    reject_reason = text(
        "Why the line has no price; null if it has", nullable=True, one_of=PRICE_REJECT_REASONS
    )
    source = text("The address of the order report API")
    source_file = text("The file within the report")


class PriceLog(Table):
    """One row per item and day of an order report:
    the price in the last line that names the item.
    """

    layer = "staging"
    key = ("received_date", "item_name")
    day_column = "received_date"

    received_date = day("The last day of the report's orders")
    item_name = text("The item, or the category, by its name")
    price_amount = received_amount("Its price on that day", at_least=0)
