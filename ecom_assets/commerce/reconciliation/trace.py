"""How the comparison of orders with events goes down,
to the lines of the orders and to the events.
"""

from collections.abc import Mapping
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.attribution.contracts import KINDS
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.commerce.reconciliation.contracts import (
    OrderEventReconciliation,
    OrderEventReconciliationDaily,
    Restatements,
)
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    RowsOf,
    Sum,
    TableTrace,
    TraceContext,
    like_row,
)

PURCHASE, REFUND = KINDS
OTHER_PARTS: Final = "other_parts"


def _lines(context: TraceContext) -> ir.Table:
    """Return the order lines of a row's day,
    counted as the order or the refund that they are part of.
    """
    lines = context.on_day(UserOrderLog, "reconciled_date")
    is_refund = lines.status == "refunded"
    kind = is_refund.ifelse(REFUND, PURCHASE)
    return lines.mutate(
        kind=kind, sign=is_refund.ifelse(-1, 1), counted_as=kind.concat(" ").concat(lines.order_id)
    )


def _events(context: TraceContext) -> ir.Table:
    """Return the purchase and refund events of a row's day."""
    events = context.on_day(CleanEvents, "reconciled_date")
    events = events.filter(events.event_type.isin(KINDS))
    return events.mutate(kind=events.event_type, sign=(events.event_type == REFUND).ifelse(-1, 1))


def _differences(context: TraceContext, cause: str, side: str) -> ir.Table:
    result = context.where(
        OrderEventReconciliation, reconciled_date=context.row["reconciled_date"], side=side
    )
    # What an event's amount has beside the items is no difference of the order.
    is_of_cause = result.cause == cause if cause else result.cause != OTHER_PARTS
    return result.filter(is_of_cause)


def _orders_of(cause: str) -> RowsOf:
    """Return the lines of the orders of the day that differ for a cause."""

    def rows(context: TraceContext) -> ir.Table:
        differences = _differences(context, cause, "order")
        return _lines(context).semi_join(differences, ["kind", "order_id"])

    return rows


def _events_of(cause: str) -> RowsOf:
    """Return the events of the day that differ for a cause, whose amount an order would have:
    they are subtracted.
    """

    def rows(context: TraceContext) -> ir.Table:
        events = _events(context).semi_join(
            _differences(context, cause, "event"), ["kind", "event_id"]
        )
        return events.mutate(sign=-events.sign)

    return rows


def _named_by_orders(cause: str, sign: int) -> RowsOf:
    """Return the events, of any day, that go with the day's orders that differ for a cause."""

    def rows(context: TraceContext) -> ir.Table:
        pairs = _differences(context, cause, "order").select("event_date", "event_id", "kind")
        events = context.table(CleanEvents).semi_join(pairs, ["event_date", "event_id"])
        return events.mutate(sign=(events.event_type == REFUND).ifelse(-sign, sign))

    return rows


def _without_counted_as(rows: RowsOf) -> RowsOf:
    """Return the rows without what they count as, to be added up."""

    def rows_to_sum(context: TraceContext) -> ir.Table:
        return rows(context).drop("counted_as")

    return rows_to_sum


def _matched_lines(context: TraceContext) -> ir.Table:
    """Return the lines of the orders of the day that do not differ."""
    differences = _differences(context, "", "order")
    return _lines(context).anti_join(differences, ["kind", "order_id"])


def _orders(cause: str) -> Count:
    return Count(UserOrderLog, _orders_of(cause))


def _order_sum(cause: str) -> Sum:
    return Sum(UserOrderLog, _without_counted_as(_orders_of(cause)), "payment_amount")


def _event_count(cause: str) -> Count:
    return Count(CleanEvents, _events_of(cause))


def _event_sum(cause: str) -> Sum:
    return Sum(CleanEvents, _events_of(cause), "cart_amount")


def _other_amounts(context: TraceContext) -> Derivation:
    """Return that orders and events are added up, where amounts of events have items alone."""
    if not context.row["sent_sums"]:
        of_events = Sum(CleanEvents, _named_by_orders("amount_differs", -1), "cart_amount")
        return (_order_sum("amount_differs"), of_events)
    return Computed(
        "what orders come to, with the parts that amounts of their senders have by `sent_sums`, "
        "less what their events say",
        inputs=_orders("amount_differs"),
    )


SHIFT: Final = "time_zone_shift"
ORDER_TOTAL: Final = Sum(UserOrderLog, _without_counted_as(_lines), "payment_amount")
DAILY: Final[Mapping[str, Derivation]] = {
    "order_count": Count(UserOrderLog, _lines),
    "event_count": Count(CleanEvents, _events),
    "matched_count": Count(UserOrderLog, _matched_lines),
    "order_amount": ORDER_TOTAL,
    "event_amount": Sum(CleanEvents, _events, "cart_amount"),
    "difference_amount": Computed(
        "order_amount less event_amount", ("order_amount", "event_amount")
    ),
    "missing_event_count": _orders("missing_event"),
    "missing_event_amount": _order_sum("missing_event"),
    "missing_order_count": _event_count("missing_order"),
    "missing_order_amount": _event_sum("missing_order"),
    "amount_differs_count": _orders("amount_differs"),
    "amount_differs_amount": ByRow(_other_amounts),
    f"{OTHER_PARTS}_count": _orders(OTHER_PARTS),
    f"{OTHER_PARTS}_amount": Computed(
        "the parts of the orders beside the items that their events' amounts have by `sent_sums`, "
        "negative",
        inputs=_orders(OTHER_PARTS),
        adds_up=True,
    ),
    "duplicate_count": _event_count("duplicate"),
    "duplicate_amount": _event_sum("duplicate"),
    "refund_count": (_orders("refund"), _event_count("refund")),
    "refund_amount": (_order_sum("refund"), _event_sum("refund")),
    f"{SHIFT}_count": (_orders(SHIFT), _event_count(SHIFT)),
    f"{SHIFT}_amount": (
        Sum(CleanEvents, _named_by_orders(SHIFT, 1), "cart_amount"),
        _event_sum(SHIFT),
    ),
}


def _order_lines(context: TraceContext) -> ir.Table:
    row = context.row
    status = "refunded" if row["kind"] == REFUND else "shipped"
    return context.where(
        UserOrderLog, order_date=row["order_date"], order_id=row["order_id"], status=status
    )


NO_ORDER: Final = Computed("there is no order, so that it is unknown")
NO_EVENT: Final = Computed("there is no event, so that it is unknown")


def _order_amount(context: TraceContext) -> Derivation:
    has_order = context.row["order_id"]
    return Sum(UserOrderLog, _order_lines, "payment_amount") if has_order else NO_ORDER


def _event_amount(context: TraceContext) -> Derivation:
    event = like_row(CleanEvents, "event_date", "event_id")
    return Sum(CleanEvents, event, "cart_amount") if context.row["event_id"] else NO_EVENT


DIFFERENCE: Final[Mapping[str, Derivation]] = {
    "order_amount": ByRow(_order_amount),
    "event_amount": ByRow(_event_amount),
    "difference_amount": Computed(
        "what the order says less what the event says, as far as each is of this day, refunds "
        "negative",
        ("order_amount", "event_amount"),
    ),
}
LOGGED: Final = Computed(
    "logged by the run that changed the number; explain the number itself, in its table"
)
TRACES: Final = (
    TableTrace(OrderEventReconciliation, "orders-against-events", DIFFERENCE),
    TableTrace(OrderEventReconciliationDaily, "orders-against-events", DAILY),
    TableTrace(Restatements, "restatements", dict.fromkeys(Restatements.numbers(), LOGGED)),
)
