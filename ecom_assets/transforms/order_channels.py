"""The channel that led to an order: the last touch before it that is not direct, as in GA4's reports.

Not here: other ways to give credit (`attribution.py`).
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.transforms.attribution import paths
from ecom_assets.transforms.attribution_rule import AttributionRule
from ecom_assets.transforms.days import Days


def order_channels(conversions: ir.Table, touches: ir.Table, rule: AttributionRule, days: Days) -> ir.Table:
    """One row per order and refund of `days` with its `channel`, keyed as order lines are.

    Without a touch that is not direct it is Direct, without any touch `(none)`. A refund has the channel of the order
    that it takes back.

    Args:
        conversions: All rows of `Conversions`.
        touches: All rows of `Touches`.
        rule: Look-back.
        days: Days of orders.
    """
    orders = conversions.filter(conversions.unit == "order")
    walked = paths(orders, touches, rule, days)
    latest = [(walked.channel == "Direct").ifelse(1, 0), walked.place.desc()]
    unit = ["converted_date", "conversion_id", "visitor_id", "is_refund"]
    ranked = walked.mutate(rank=ibis.row_number().over(ibis.window(group_by=unit, order_by=latest)))
    chosen = ranked.filter(ranked.rank == 0)
    return chosen.select(
        "channel",
        order_date="converted_date",
        order_id="conversion_id",
        customer_id="visitor_id",
        status=chosen.is_refund.ifelse("refunded", "shipped"),
    )
