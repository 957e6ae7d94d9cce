"""Contracts of the comparison of purchase and refund events with the order log.

Not here: how they are compared (`transforms/reconciliation.py`), what destinations accepted.
"""

from ecom_assets.contracts.events import CleanEvents
from ecom_assets.contracts.orders import UserOrderLog
from ecom_assets.contracts.table import Table, amount, count, day, instant, text

KINDS = ("purchase", "refund")
SIDES = ("order", "event")
CAUSES = ("missing_event", "missing_order", "amount_differs", "duplicate", "refund", "time_zone_shift")
"""Why orders and events of a day differ."""
MATCHED_BY = ("order_id", "customer_amount", "customer_time")


class OrderEventReconciliation(Table):
    """One row per difference between orders and events, on each day whose totals it makes differ."""

    layer = "mart"
    group = "trust"
    key = ("reconciled_date", "kind", "side", "record_id", "cause")
    day_column = "reconciled_date"

    reconciled_date = day("The day whose totals differ by difference_amount")
    kind = text("Whether something was sold, or paid back", one_of=KINDS)
    cause = text("Why they differ", one_of=CAUSES)
    side = text("Which of the two is of this day", one_of=SIDES)
    record_id = text("That order's id, or that event's", pii=True)
    order_id = text("The order; null where there is none", nullable=True, pii=True)
    order_date = day("Its day", nullable=True)
    ordered_at = instant("When it was ordered, or paid back, by the order log", nullable=True)
    event_id = text("The event; null where there is none", nullable=True)
    event_date = day("Its day", nullable=True)
    event_at = instant("When it happened, by the event", nullable=True)
    named_order_id = text("The order that the event names; null where it names none", nullable=True, pii=True)
    customer_id = text("Who bought: the order's customer, else the event's visitor", nullable=True, pii=True)
    matched_by = text("How order and event found each other; null where only one is there", nullable=True)
    order_amount = amount("What the order came to; null without one", nullable=True, at_least=0)
    event_amount = amount("What the event says; null without one, or where it says nothing", nullable=True, at_least=0)
    difference_amount = amount("What it adds to orders less events of the day, refunds counting negative")


class OrderEventReconciliationDaily(Table):
    """One row per day with an order or a purchase or refund event: both totals, and their difference by cause."""

    layer = "mart"
    group = "trust"
    key = ("reconciled_date",)
    day_column = "reconciled_date"
    counted_from = (CleanEvents, UserOrderLog)
    counted_types = KINDS

    reconciled_date = day("The day")
    order_count = count("Orders and refunds in the order log", unit="orders")
    event_count = count("Purchase and refund events", unit="events")
    matched_count = count("Orders and refunds with an event of the same day and amount", unit="orders")
    order_amount = amount("Σ of the order log, refunds negative")
    event_amount = amount("Σ of the events, refunds negative")
    difference_amount = amount("order_amount less event_amount; the six amounts below add up to it")
    missing_event_count = count("Orders without an event", unit="differences")
    missing_event_amount = amount("What they come to")
    missing_order_count = count("Purchase events without an order", unit="differences")
    missing_order_amount = amount("What they come to, negative")
    amount_differs_count = count("Orders whose event says another amount", unit="differences")
    amount_differs_amount = amount("What they come to")
    duplicate_count = count("Further events of an order that has one", unit="differences")
    duplicate_amount = amount("What they come to")
    refund_count = count("Refunds that only one of the two knows", unit="differences")
    refund_amount = amount("What they come to")
    time_zone_shift_count = count("Orders and events of which the other is on a neighbouring day", unit="differences")
    time_zone_shift_amount = amount("What they come to; over both days nothing")
