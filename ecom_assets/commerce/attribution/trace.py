"""How conversions go down to purchase events or order lines, and what credit is computed from."""

from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.events.contracts import CleanEvents
from ecom_assets.commerce.attribution.contracts import (
    ChannelAttribution,
    ChannelRemovalEffects,
    ConversionCredit,
    Conversions,
    OrderVisits,
)
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.trace import (
    ByRow,
    Computed,
    Count,
    Derivation,
    Sum,
    TableTrace,
    TraceContext,
)

CONVERTING: Final = ("purchase", "refund")


def _purchases(context: TraceContext) -> ir.Table:
    """Return the purchases and refunds of a row's day."""
    events = context.on_day(CleanEvents, "converted_date")
    events = events.filter(events.event_type.isin(CONVERTING))
    return events.mutate(sign=(events.event_type == "refund").ifelse(-1, 1))


def _lines(context: TraceContext) -> ir.Table:
    lines = context.on_day(UserOrderLog, "converted_date")
    return lines.mutate(sign=(lines.status == "refunded").ifelse(-1, 1))


def _this_purchase(context: TraceContext) -> ir.Table:
    events = _purchases(context)
    return events.filter(events.event_id == context.row["conversion_id"])


def _this_order(context: TraceContext) -> ir.Table:
    lines, row = _lines(context), context.row
    status = "refunded" if row["is_refund"] else "shipped"
    buyer = row["customer_id"] or row["visitor_id"]
    is_of_order = (lines.order_id == row["conversion_id"]) & (lines.customer_id == buyer)
    return lines.filter(is_of_order, lines.status == status)


def _visited_order(context: TraceContext) -> ir.Table:
    lines, row = context.on_day(UserOrderLog, "order_date"), context.row
    status = "refunded" if row["kind"] == "refund" else "shipped"
    return lines.filter(lines.order_id == row["order_id"], lines.status == status)


def _by_unit(of_purchases: Derivation, of_orders: Derivation) -> ByRow:
    def derivation(context: TraceContext) -> Derivation:
        return of_purchases if context.row["unit"] == "purchase" else of_orders

    return ByRow(derivation)


def _shared(how: str) -> ByRow:
    """Return that a number is shared among touches,
    with the day's purchases or order lines as its inputs.
    """
    return _by_unit(
        Computed(how, inputs=Count(CleanEvents, _purchases)),
        Computed(how, inputs=Count(UserOrderLog, _lines)),
    )


CREDIT: Final = (
    "each conversion of the day is shared among the touches before it by the model, see "
    "docs/metrics/attribution.md#attribution; over all channels it adds up to the conversions, "
    "which are the rows below"
)
PART: Final = (
    "the conversion is shared among the touches before it by the model, see "
    "docs/metrics/attribution.md#attribution; over all channels it adds up to the conversion, "
    "whose rows are below"
)
SUMS: Final = (
    "the sums of the order's parts, with taxes, shipping, a tip or before discounts, that the "
    "amount of the event equals to the cent, see docs/metrics/reconciliation.md#what-amounts-have; "
    "the order's rows are below"
)
EFFECT: Final = (
    "the share of conversions that a Markov chain of the touches until this day loses without the "
    "channel, see docs/metrics/attribution.md#removal-effects"
)
TRACES: Final = (
    TableTrace(
        OrderVisits,
        "attribution",
        {"equal_sums": Computed(SUMS, inputs=Count(UserOrderLog, _visited_order))},
    ),
    TableTrace(
        Conversions,
        "attribution",
        {
            "revenue_amount": _by_unit(
                Sum(CleanEvents, _this_purchase, "cart_amount"),
                Sum(UserOrderLog, _this_order, "payment_amount"),
            )
        },
    ),
    TableTrace(
        ConversionCredit,
        "attribution",
        {
            name: _by_unit(
                Computed(PART, inputs=Count(CleanEvents, _this_purchase)),
                Computed(PART, inputs=Count(UserOrderLog, _this_order)),
            )
            for name in ConversionCredit.numbers()
        },
    ),
    TableTrace(
        ChannelRemovalEffects,
        "removal-effects",
        {
            "removal_effect_rate": _shared(EFFECT),
            "credit_share": Computed(
                "removal_effect_rate ÷ its sum over channels", ("removal_effect_rate",)
            ),
            "rank_number": Computed("the place of credit_share among channels", ("credit_share",)),
        },
    ),
    TableTrace(
        ChannelAttribution,
        "attribution",
        {
            "credit": _shared(CREDIT),
            "revenue_amount": _shared(
                CREDIT.replace("conversions, which", "revenue of conversions, which")
            ),
        },
    ),
)
