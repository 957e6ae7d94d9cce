"""Contracts of reconciliation: orders against events, restatements,
and the days that were published.
"""

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.attribution.contracts import KINDS
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.contract import Column, Table, amount, count, day, instant, text

SIDES = ("order", "event")
CAUSES = (
    "missing_event",
    "missing_order",
    "amount_differs",
    "other_parts",
    "duplicate",
    "refund",
    "time_zone_shift",
)
"""Why orders and events of a day differ."""


class OrderEventReconciliation(Table):
    """One row per difference between orders and events,
    on each day whose totals it makes differ.
    """

    layer = "mart"
    key = ("reconciled_date", "kind", "side", "record_id", "cause")
    day_column = "reconciled_date"

    reconciled_date = day("The day whose totals differ by difference_amount", "Day")
    kind = text("Whether something was sold, or paid back", one_of=KINDS)
    cause = text("Why they differ", one_of=CAUSES)
    side = text("Which of the two is of this day", one_of=SIDES)
    record_id = text("That order's id, or that event's", pii=True)
    order_id = text("The order; null where there is none", "Order", nullable=True, pii=True)
    order_date = day("Its day", nullable=True)
    ordered_at = instant("When it was ordered, or paid back, by the order log", nullable=True)
    event_id = text("The event; null where there is none", "Event", nullable=True)
    event_date = day("Its day", nullable=True)
    event_at = instant("When it happened, by the event", nullable=True)
    named_order_id = text(
        "The order that the event names; null where it names none", nullable=True, pii=True
    )
    customer_id = text(
        "Who bought: the order's customer, else the event's visitor",
        "Customer",
        nullable=True,
        pii=True,
    )
    matched_by = text("How order and event were matched; null where only one exists", nullable=True)
    order_amount = amount(
        "The total of the order; null without one", "By the order", nullable=True, at_least=0
    )
    event_amount = amount(
        "The amount of the event; null without one, or if it has none",
        "By the event",
        nullable=True,
    )
    difference_amount = amount(
        "What it adds to orders less events of the day, refunds counting negative", "Difference"
    )


class OrderEventReconciliationDaily(Table):
    """One row per day with an order or a purchase or refund event: both totals,
    and their difference by cause.
    """

    layer = "mart"
    key = ("reconciled_date",)
    day_column = "reconciled_date"
    counted_from = (CleanEvents, UserOrderLog)
    counted_types = KINDS

    reconciled_date = day("The day", "Day")
    order_count = count("Orders and refunds in the order log", "Orders and refunds", unit="orders")
    event_count = count("Purchase and refund events", "Events", unit="events")
    matched_count = count(
        "Orders and refunds with an event of the same day and amount, but for `other_parts`",
        "Matched",
        unit="orders",
    )
    order_amount = amount(
        "What the order lines of the day come to, refunds subtracted", "By orders"
    )
    event_amount = amount(
        "What the purchase and refund events of the day come to, refunds subtracted", "By events"
    )
    difference_amount = amount(
        "How much more the order lines come to than the events; the amounts of the seven causes "
        "add up to it",
        "Difference",
    )
    missing_event_count = count("Orders without an event", unit="differences")
    missing_event_amount = amount("Their sum")
    missing_order_count = count("Purchase events without an order", unit="differences")
    missing_order_amount = amount("Their sum, negative")
    amount_differs_count = count("Orders whose event has another amount", unit="differences")
    amount_differs_amount = amount("Their sum")
    other_parts_count = count(
        "Orders with taxes, shipping, a tip or discounts that their event's amount has, too",
        unit="differences",
    )
    other_parts_amount = amount("Their sum, negative where events say more")
    duplicate_count = count("Further events of an order that has one", unit="differences")
    duplicate_amount = amount("Their sum")
    refund_count = count("Refunds that only one of the two has", unit="differences")
    refund_amount = amount("Their sum")
    time_zone_shift_count = count(
        "Orders and events of which the other is on a neighbouring day", unit="differences"
    )
    time_zone_shift_amount = amount("Their sum; over both days it is zero")
    sent_sums = text(
        "What senders send beside the items as the amount of a purchase or refund, by their pairs "
        "of all days, such as `purchase + shipping`; empty where they send the items, null in rows "
        "from before this was kept",
        nullable=True,
    )


SUM_OF_MANY = "sum_of_rows_changed_by"
"""The key of an entry about the sum of a day's rows, of which more changed than are logged."""
RESTATEMENT_CAUSES = (
    "late_rows",
    "withdrawn_rows",
    "source_restated",
    "rates_changed",
    "identity",
    "rows_of_other_days",
    "definition_changed",
)
"""Why a published number can change; the first that applies."""


class Restatements(Table):
    """One row per published daily number that a run changed: what it was, what it is, and why."""

    layer = "mart"
    key = ("restated_date", "table_name", "restatement_number", "row_key", "column_name")
    day_column = "restated_date"

    restated_date = day("The day whose number changed")
    table_name = text("The table that holds the number")
    restatement_number = count(
        "Place among the restatements of the table's day, from 1", unit="place"
    )
    row_key = text("The row of that day, as JSON of the table's other key columns")
    column_name = text("The number's column")
    before_value = Column(
        "float64", "What it was; null where there was no row, or no value", nullable=True
    )
    after_value = Column(
        "float64", "What it is since; null where there is no row any more, as above", nullable=True
    )
    difference = Column(
        "float64",
        "after_value less before_value; no row counts as zero, but null for rates and means",
        nullable=True,
    )
    cause = text("Why it changed", one_of=RESTATEMENT_CAUSES)
    late_row_count = count(
        "Rows of this day that arrived since the number was published", unit="rows"
    )
    withdrawn_row_count = count("Rows of this day that have gone since", unit="rows")
    late_row_ids = text(
        "Ids of some of the rows that arrived, five at most, as JSON", nullable=True
    )
    published_run_id = text("The run that had published the number")
    run_id = text("The run that changed it")
    restated_at = instant("When it did")


class PublishedDays(Table):
    """One row per day of a published table: how many rows it was published with,
    and what it was counted from.
    """

    layer = "mart"
    written_by = "run"
    key = ("published_date", "table_name")
    day_column = "published_date"

    published_date = day("The day")
    table_name = text("The table")
    row_count = count("Rows of the day", unit="rows")
    source_row_counts = text("Rows of the day by clean table and day of arrival, as JSON")
    run_id = text("The run that published it, or changed it last")
    published_at = instant("When it did")
