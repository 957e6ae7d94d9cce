"""Checks of attribution: every visit is a touch,
and the credit of all channels adds up to the conversions.
"""

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.contracts import SessionEvents, Sessions
from ecom_assets.commerce.attribution.contracts import (
    CREDIT,
    MODELS,
    ChannelAttribution,
    ConversionCredit,
    Conversions,
    Touches,
)
from ecom_assets.commerce.attribution.credit import SHARING
from ecom_assets.commerce.orders.contracts import UserOrderLog
from ecom_assets.core.tables.check import BrokenRows, check, rows_on_days
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import union_all

PART = ["day", "unit", "model"]


@check(Touches, reads=(Sessions, Touches))
def every_visit_is_a_touch(days: Days | None, sessions: ir.Table, touches: ir.Table) -> BrokenRows:
    """Per day, touches are the sessions in which more happened than refunds."""
    visits = sessions.filter(sessions.event_count > sessions.refund_count)
    visits, touches = (rows_on_days(rows, "started_date", days) for rows in (visits, touches))
    sides = union_all(
        visits.select("started_date", side=1), touches.select("started_date", side=-1)
    )
    per_day = sides.group_by("started_date").agg(residue=sides.side.sum())
    return BrokenRows(per_day.filter(per_day.residue != 0), per_day)


@check(Conversions, reads=(SessionEvents, UserOrderLog, Conversions))
def conversions_are_purchases_and_orders(
    days: Days | None, events: ir.Table, lines: ir.Table, conversions: ir.Table
) -> BrokenRows:
    """Per day, the revenue of conversions equals that of purchase and refund events,
    and of the order lines.
    """
    events = events.filter(events.event_type.isin(["purchase", "refund"]))
    paid = events.cart_amount.fill_null(0).cast(MONEY)
    signed = (lines.status == "refunded").ifelse(-lines.payment_amount, lines.payment_amount)
    sides = (
        _side(
            events,
            events.event_date,
            "purchase",
            (events.event_type == "refund").ifelse(-paid, paid),
        ),
        _side(lines, lines.order_date, "order", signed),
        _side(
            conversions, conversions.converted_date, conversions.unit, -conversions.revenue_amount
        ),
    )
    rows = rows_on_days(union_all(*sides), "day", days)
    sums = rows.group_by("day", "unit").agg(residue=rows.money.sum().cast(MONEY))
    return BrokenRows(sums.filter(sums.residue != 0), sums)


def _side(
    rows: ir.Table, day: ir.DateValue, unit: ir.StringValue | str, money: ir.DecimalValue
) -> ir.Table:
    unit_value = ibis.literal(unit) if isinstance(unit, str) else unit
    return rows.select(day=day, unit=unit_value, money=money.cast(MONEY))


@check(ChannelAttribution, reads=(Conversions, ChannelAttribution))
def credit_adds_up_to_conversions(
    days: Days | None, conversions: ir.Table, credited: ir.Table
) -> BrokenRows:
    """Per day, unit and model, channels' credit and revenue add up to the conversions, exactly."""
    models = union_all(*(ibis.literal(model).name("model").as_table() for model in MODELS))
    due = rows_on_days(conversions, "converted_date", days).cross_join(models)
    due = due.select(
        "unit",
        "model",
        day="converted_date",
        credit=due.is_refund.ifelse(0, -1).cast(CREDIT),
        money=(-due.revenue_amount).cast(MONEY),
    )
    credit = rows_on_days(credited, "converted_date", days)
    credit = credit.select("unit", "model", "credit", day="converted_date", money="revenue_amount")
    sides = union_all(due.select(*PART, "credit", "money"), credit.select(*PART, "credit", "money"))
    sums = sides.group_by(*PART).agg(
        credit_residue=sides.credit.sum().cast(CREDIT), money_residue=sides.money.sum().cast(MONEY)
    )
    return BrokenRows(sums.filter((sums.credit_residue != 0) | (sums.money_residue != 0)), sums)


@check(ConversionCredit, reads=(Conversions, ConversionCredit))
def channels_add_up_to_the_conversion(
    days: Days | None, conversions: ir.Table, credited: ir.Table
) -> BrokenRows:
    """Of each conversion and model,
    the parts of all channels add up to the conversion and its revenue, exactly.
    """
    bought, parts = (
        rows_on_days(conversions, "converted_date", days),
        rows_on_days(credited, "converted_date", days),
    )
    names = [f"{model}_{part}" for model in SHARING for part in ("credit", "revenue_amount")]
    sums = parts.group_by(*Conversions.key).agg(**{name: parts[name].sum() for name in names})
    joined = bought.left_join(sums, list(Conversions.key)).select(
        bought, *(sums[name] for name in names)
    )
    whole, revenue = joined.is_refund.ifelse(0, 1), joined.revenue_amount.fill_null(0)
    differs = (joined[name] != (whole if name.endswith("credit") else revenue) for name in names)
    missing_is_wrong = ibis.or_(*differs).fill_null(ibis.literal(value=True))
    return BrokenRows(joined.filter(missing_is_wrong).select(*Conversions.key), joined)


ATTRIBUTION_CHECKS = [
    every_visit_is_a_touch,
    conversions_are_purchases_and_orders,
    channels_add_up_to_the_conversion,
    credit_adds_up_to_conversions,
]
"""Every invariant of touches, conversions and credit."""
