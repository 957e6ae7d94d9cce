"""The attribution rule, and the credit of channels for conversions by it: METRICS "Attribution".

An example. Four rows come in: three touches of a visitor, and one conversion worth 100.00.

| row | at | channel |
| --- | --- | --- |
| touch | 1 March | Paid Search |
| touch | 3 March | Email |
| touch | 5 March | Direct |
| conversion | 6 March | |

`conversion_touches` pairs the conversion with each touch that counts for it: three rows. A model
says which share of the conversion the touches up to each position have together; a touch gets what
it adds to that. The `linear` model gives:

| channel | touch_position | touch_count | share up to here | credit | money |
| --- | --- | --- | --- | --- | --- |
| Paid Search | 1 | 3 | 1/3 | 0.333333333 | 33.33 |
| Email | 2 | 3 | 2/3 | 0.333333334 | 33.34 |
| Direct | 3 | 3 | 3/3 | 0.333333333 | 33.33 |

What is up to here is rounded, not each part, so that the parts add up to the whole.
`sum_credit` adds touches up by channel. `conversion_credit` puts the models side by side: three
rows, one per channel. `channel_attribution` adds up conversions: one row per day, model and
channel.

Terms: docs/glossary.md#conversion and #credit.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import changed_start_days
from ecom_assets.commerce.attribution.contracts import (
    CREDIT,
    MODELS,
    NO_CHANNEL,
    WITHOUT_SOURCE,
    ChannelAttribution,
    ConversionCredit,
)
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days, day_table
from ecom_assets.core.tables.portable import NO, first_of_each, union_all, union_distinct
from ecom_assets.core.tables.values import DAY_S, hash_of

SHAPES = {"position": (40, 40), "j": (20, 60)}
"""Percentages of the first and the last touch; the touches between them share the rest."""


@dataclass(frozen=True)
class AttributionRule:
    """Which touches count for a conversion, and how some models share its credit.

    `lookback_s` (seconds): a touch counts if its session started at most this long before the
    conversion, and not after it; both bounds are included. 30 days, as in Mixpanel.
    `half_life_s` (seconds): `time_decay` halves the weight of a touch for each half-life before the
    conversion. The age of a touch is in whole seconds. 7 days, as in Mixpanel.
    `two_touches`: what `position` and `j` do with two touches: `normalised` keeps the proportion of
    first to last (Mixpanel: 50/50 and 25/75), `split` divides the share of the middle touches
    equally (Amplitude: 50/50 and 30/70).
    `refund_days` (days): a refund reverses its own order, or where nothing says of which it is, the
    last purchase of the visitor, within this many days before it. Without one, its channel is
    `(none)`. 90 days are more than shops allow for returns.
    `period_days` (days): the Markov chain of a day uses the paths of this many days, the last of
    which is the day.
    """

    lookback_s: int = 30 * DAY_S
    half_life_s: int = 7 * DAY_S
    two_touches: str = "normalised"
    refund_days: int = 90
    period_days: int = 30

    @classmethod
    def of_days(cls, lookback_days: int) -> "AttributionRule":
        """Return the rule of so many days before a conversion, as settings have them."""
        return cls(lookback_s=lookback_days * DAY_S)

    @property
    def definition_hash(self) -> str:
        """Return a short text that differs if the rule does."""
        return hash_of(asdict(self))

    @property
    def lookback_days(self) -> int:
        """Return how many days before a conversion its touches can start;
        allows for clock changes.
        """
        return -(-self.lookback_s // DAY_S) + 1

    @property
    def reach_days(self) -> int:
        """Return for how many days after an event it can change credit."""
        return self.lookback_days + max(self.refund_days + 1, 0) + self.period_days


UNITS_OF_ONE = 10**9
MONEY_PARTS = 10_000
"""The parts of one unit of money in which it is shared among touches: the digits that amounts have.
"""
CENT_PARTS = 100
LARGEST_IN_CENTS, LARGE_PARTS = 10**17, 10**12
"""Money of more parts, such as that of a day on which somebody sends purchases of the most that one
may be worth, is shared in steps of so many parts: the number of steps is a 64-bit integer.
"""
PARTS = "decimal(38, 0)"
"""Sums of money in `MONEY_PARTS`."""
FULL_WEIGHT = 2**40
CONVERSION = ["unit", "converted_date", "conversion_id", "visitor_id", "customer_id", "is_refund"]
SHARING = tuple(model for model in MODELS if model != "markov")
"""Models that share each conversion among its touches."""


def buyer_of(conversions: ir.Table) -> ir.StringValue:
    """Return who bought, of rows of `Conversions` or of credit: the visitor in rows from before
    customers were kept.
    """
    return conversions.customer_id.fill_null(conversions.visitor_id)


# Which touches count for a conversion


def conversion_touches(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    conversions: ir.Table,
    touches: ir.Table,
    rule: AttributionRule,
    days: Days,
    models: Sequence[str] = (),
    also: Sequence[str] = (),
) -> ir.Table:
    """Return one row per conversion or refund of `days` and touch that counts for it.

    A row has the columns of the conversion, `bought_at` and `bought_date` of its purchase, the
    `channel` of the touch, its `touch_position` from 1 to `touch_count`, the `money` of the
    conversion in `MONEY_PARTS`, and what `sum_credit` needs for `models`. `also` are further
    columns of touches that it has.

    A conversion without a touch has one row with the channel `(none)`. A refund has the touches of
    the purchase that it reverses: its own order, else the last purchase of the visitor, within
    `rule.refund_days` before the refund. `conversions` and `touches` are all rows of `Conversions`
    and `Touches`.
    """
    rows = _join_touches(_with_purchase(conversions, rule, days), touches, rule, days, also)
    # Places by subtraction: the touches of a conversion are neighbours among those of its visitor,
    # which are numbered already, and to put all pairs in order takes several times as long.
    ends = rows.group_by("conversion_number").agg(
        first_number=rows.touch_number.min(),
        touch_count=rows.count(),
        sourced_before=(rows.sourced_number - rows.is_sourced).min(),
        last_sourced_number=rows.sourced_number.max(),
    )
    rows = rows.join(ends, "conversion_number")
    added: dict[str, ir.Value] = {
        "touch_position": rows.touch_number - rows.first_number + 1,
        "money": (rows.revenue_amount.fill_null(0) * MONEY_PARTS).cast("int64"),
    }
    if "last_non_direct" in models:
        added["sourced_so_far"] = rows.sourced_number - rows.sourced_before
        added["sourced_in_all"] = rows.last_sourced_number - rows.sourced_before
    if "time_decay" not in models:
        return rows.mutate(**added)
    rows = rows.mutate(**added, weight=decayed_weight(rows.bought_at, rows.touched_at, rule))
    up_to_here = ibis.cumulative_window(group_by="conversion_number", order_by="touch_number")
    whole_conversion = ibis.window(group_by="conversion_number")
    return rows.mutate(
        weight_so_far=rows.weight.sum().over(up_to_here).cast("int64"),
        weight_in_all=rows.weight.sum().over(whole_conversion).cast("int64"),
    )


def _with_purchase(conversions: ir.Table, rule: AttributionRule, days: Days) -> ir.Table:
    """Return the conversions and refunds of `days` with the time and day of their purchase.

    `bought_at` and `bought_date` are a conversion's own. A refund has those of its order, or else
    of the last purchase of the visitor before it; null if that is longer ago than
    `rule.refund_days`, or there is none.
    """
    rows = conversions.filter(
        days.widened(before=rule.refund_days + 1).contain(conversions.converted_date)
    )
    in_order = [rows.converted_at, rows.is_refund.ifelse(1, 0), rows.conversion_id]
    up_to_here = ibis.cumulative_window(group_by=["unit", "visitor_id"], order_by=in_order)
    of_order = ibis.cumulative_window(
        group_by=["unit", "visitor_id", "conversion_id"], order_by=in_order
    )
    purchase_at = rows.is_refund.ifelse(ibis.null("timestamp(6)"), rows.converted_at)
    purchase_date = rows.is_refund.ifelse(ibis.null("date"), rows.converted_date)
    rows = rows.mutate(
        last_purchase_at=purchase_at.max().over(up_to_here),
        last_purchase_date=purchase_date.max().over(up_to_here),
        own_purchase_at=purchase_at.max().over(of_order),
        own_purchase_date=purchase_date.max().over(of_order),
    )
    rows = rows.mutate(
        last_purchase_at=rows.own_purchase_at.fill_null(rows.last_purchase_at),
        last_purchase_date=rows.own_purchase_date.fill_null(rows.last_purchase_date),
    )
    earliest_purchase_at = rows.converted_at - ibis.interval(days=rule.refund_days)
    is_in_time = (rows.last_purchase_at >= earliest_purchase_at).fill_null(NO)
    has_purchase = (~rows.is_refund) | is_in_time
    bought_at = rows.is_refund.ifelse(rows.last_purchase_at, rows.converted_at)
    bought_date = rows.is_refund.ifelse(rows.last_purchase_date, rows.converted_date)
    rows = rows.mutate(
        bought_at=has_purchase.ifelse(bought_at, ibis.null("timestamp(6)")),
        bought_date=has_purchase.ifelse(bought_date, ibis.null("date")),
    )
    rows = rows.filter(days.contain(rows.converted_date))
    return rows.drop(
        "last_purchase_at", "last_purchase_date", "own_purchase_at", "own_purchase_date"
    )


def _join_touches(
    conversions: ir.Table,
    touches: ir.Table,
    rule: AttributionRule,
    days: Days,
    also: Sequence[str],
) -> ir.Table:
    """Return one row per conversion and touch in the look-back before its purchase.

    `conversions` are rows of `_with_purchase`. `conversion_number` numbers the conversions, and
    `touch_number` all touches of a visitor in order. `is_sourced` is 1 for a touch with a source,
    else 0, and `sourced_number` how many of the visitor's touches up to here have one. A conversion
    without a touch has one row, with the channel `(none)` and `is_touched` false.
    """
    conversions = conversions.mutate(
        conversion_number=ibis.row_number().over(ibis.window(order_by=CONVERSION))
    )
    near = days.widened(before=rule.refund_days + rule.lookback_days + 2, after=1)
    touches = touches.filter(near.contain(touches.started_date))
    # Few visitors convert: to put the touches of all others in order took most of the time.
    touches = touches.semi_join(conversions, "visitor_id")
    up_to_here = ibis.cumulative_window(
        group_by="visitor_id", order_by=["started_at", "session_id"]
    )
    is_sourced = touches.channel.notin(WITHOUT_SOURCE).ifelse(1, 0)
    touches = touches.select(
        "visitor_id",
        "session_id",
        "channel",
        *also,
        touched_at="started_at",
        touch_number=ibis.row_number().over(up_to_here),
        is_sourced=is_sourced,
        sourced_number=is_sourced.sum().over(up_to_here).cast("int64"),
    )
    earliest = conversions.bought_at - ibis.interval(seconds=rule.lookback_s)
    rows = conversions.left_join(
        touches,
        [
            conversions.visitor_id == touches.visitor_id,
            touches.touched_at >= earliest,
            touches.touched_at <= conversions.bought_at,
        ],
    ).select(conversions, *(name for name in touches.columns if name != "visitor_id"))
    return rows.mutate(
        is_touched=rows.channel.notnull(),
        channel=rows.channel.fill_null(NO_CHANNEL),
        is_sourced=rows.is_sourced.fill_null(0),
        touch_number=rows.touch_number.fill_null(0),
        sourced_number=rows.sourced_number.fill_null(0),
    )


def decayed_weight(
    converted_at: ir.TimestampValue, touched_at: ir.TimestampValue, rule: AttributionRule
) -> ir.Value:
    """Return 2^(-age ÷ half-life) as a whole number out of `FULL_WEIGHT`, at least 1.

    The power function differs between engines in the last bit; a product of one factor per bit of
    the age does not.
    """
    age_us = converted_at.delta(touched_at, unit="microsecond").cast("float64")
    age_s = (age_us / 1e6).floor().cast("int64").fill_null(0)
    whole = ibis.literal(FULL_WEIGHT, "int64")
    weight = (age_s * 0 + whole).cast("float64")
    for bit in range(rule.lookback_s.bit_length()):
        # Whole numbers, because some engines read fractions as decimals and others as doubles.
        factor = ibis.literal(round(FULL_WEIGHT * 2.0 ** (-(2**bit) / rule.half_life_s)), "int64")
        is_set = (age_s.cast("float64") / float(2**bit)).floor().cast("int64") % 2 == 1
        weight = weight * is_set.ifelse(factor, whole).cast("float64") / whole.cast("float64")
    return ibis.greatest(weight.floor().cast("int64"), ibis.literal(1, "int64"))


# How a model shares a conversion among its touches


class Share(NamedTuple):
    """A fraction of a conversion: `part` of `whole`."""

    part: ir.NumericValue
    whole: ir.NumericValue


ShareUpTo = Callable[[ir.Table, AttributionRule, ir.IntegerValue], Share]
"""Returns the share of a conversion that all touches up to and including a position have together.

It takes rows of `conversion_touches`, the rule, and a position: that of the row's touch, or the one
before it. Up to position 0 the share is 0, and up to the last it is the whole.
"""
ONE = ibis.literal(1, "int64")


def _first_has_all(_rows: ir.Table, _rule: AttributionRule, position: ir.IntegerValue) -> Share:
    return Share((position >= ONE).ifelse(1, 0), ONE)


def _last_has_all(rows: ir.Table, _rule: AttributionRule, position: ir.IntegerValue) -> Share:
    return Share((position >= rows.touch_count).ifelse(1, 0), ONE)


def _last_sourced_has_all(
    rows: ir.Table, _rule: AttributionRule, position: ir.IntegerValue
) -> Share:
    """The last touch with a source has all; the last of all, if no touch has a source."""
    so_far = rows.sourced_so_far - (position == rows.touch_position).ifelse(0, rows.is_sourced)
    has_sourced = rows.sourced_in_all > 0
    includes_last_sourced = so_far == rows.sourced_in_all
    includes_last = position >= rows.touch_count
    return Share(has_sourced.ifelse(includes_last_sourced, includes_last).ifelse(1, 0), ONE)


def _all_have_same(rows: ir.Table, _rule: AttributionRule, position: ir.IntegerValue) -> Share:
    return Share(position, rows.touch_count)


def _by_weight(rows: ir.Table, _rule: AttributionRule, position: ir.IntegerValue) -> Share:
    so_far = rows.weight_so_far - (position == rows.touch_position).ifelse(0, rows.weight)
    return Share(so_far, rows.weight_in_all)


def _by_shape(model: str) -> ShareUpTo:
    """Return the shares where first and last touch have percentages of `SHAPES`."""
    first, last = SHAPES[model]
    middle = 100 - first - last

    def share_up_to(rows: ir.Table, rule: AttributionRule, position: ir.IntegerValue) -> Share:
        count = rows.touch_count
        first_of_two = (
            100 * first // (first + last)
            if rule.two_touches == "normalised"
            else first + middle // 2
        )
        # Between the first and the last; 1 if there is none, since the whole is divided by it.
        between_count = ibis.greatest(count - 2, ONE)
        has_between = count > 2  # noqa: PLR2004 (the first and the last)
        # In parts of a hundredth, each cut into `between_count`.
        whole = 100 * between_count
        before_last = has_between.ifelse(
            first * between_count + middle * (position - 1), first_of_two
        )
        part = ibis.cases((position < 1, 0), (position >= count, whole), else_=before_last)
        return Share(part, whole)

    return share_up_to


SHARE_UP_TO: dict[str, ShareUpTo] = {
    "first": _first_has_all,
    "last": _last_has_all,
    "last_non_direct": _last_sourced_has_all,
    "linear": _all_have_same,
    "position": _by_shape("position"),
    "j": _by_shape("j"),
    "time_decay": _by_weight,
}
"""How each model of `SHARING` shares a conversion."""


def sum_credit(
    rows: ir.Table, rule: AttributionRule, models: Sequence[str], by: Sequence[str]
) -> ir.Table:
    """Return the sums of credit and money of touches by some columns.

    A result row has `credit_<model>`, in whole units of which `UNITS_OF_ONE` are a conversion, and
    `money_<model>`, in `MONEY_PARTS`. `rows` are rows of `conversion_touches` for these models,
    which are some of `SHARING`.
    """
    cumulative: dict[str, ir.Value] = {}
    for model in models:
        share_up_to = SHARE_UP_TO[model]
        for end, position in (("after", rows.touch_position), ("before", rows.touch_position - 1)):
            share = share_up_to(rows, rule, position)
            cumulative[f"credit_{end}_{model}"] = _rounded(ibis.literal(UNITS_OF_ONE), share)
            cumulative[f"money_{end}_{model}"] = _part_of_money(rows.money.abs(), share)
    rows = rows.mutate(**cumulative)
    sums: dict[str, ir.Value] = {}
    for model in models:
        credit = rows[f"credit_after_{model}"] - rows[f"credit_before_{model}"]
        money = rows[f"money_after_{model}"] - rows[f"money_before_{model}"]
        sums[f"credit_{model}"] = rows.is_refund.ifelse(0, credit).sum().cast("int64")
        sums[f"money_{model}"] = (rows.money < 0).ifelse(-money, money).sum().cast(PARTS)
    return rows.group_by(*by).agg(**sums)


def _rounded(amount: ir.NumericValue, share: Share) -> ir.IntegerValue:
    """Return a share of an amount, rounded to a whole number;
    doubles give the same result on all engines.
    """
    if share.whole is ONE:  # all or nothing
        return amount.cast("int64") * share.part
    exact = amount.cast("float64") * share.part.cast("float64") / share.whole.cast("float64")
    return (exact + 0.5).floor().cast("int64")


def _part_of_money(money: ir.IntegerValue, share: Share) -> ir.IntegerValue:
    """Return a share of money: in whole cents if the money is,
    so that what is shown of the parts adds up.
    """
    if share.whole is ONE:
        return money * share.part
    step = ibis.cases(
        (money > LARGEST_IN_CENTS, ibis.literal(LARGE_PARTS, "int64")),
        (money % CENT_PARTS == 0, ibis.literal(CENT_PARTS, "int64")),
        else_=ibis.literal(1, "int64"),
    )
    step_count = (money.cast("float64") / step).floor().cast("int64")
    part = _rounded(step_count, share).cast(money.type()) * step
    result: ir.IntegerValue = (share.part == share.whole).ifelse(money, part)
    return result


def conversion_credit(
    conversions: ir.Table, touches: ir.Table, rule: AttributionRule, days: Days
) -> ir.Table:
    """Return rows of `ConversionCredit`: one per conversion or refund of `days` and channel,
    from all rows of `Conversions` and `Touches`.
    """
    rows = conversion_touches(conversions, touches, rule, days, SHARING)
    sums = sum_credit(rows, rule, SHARING, (*CONVERSION, "bought_date", "channel"))
    return with_model_credit(sums, rule).select(*ConversionCredit.columns)


def with_model_credit(sums: ir.Table, rule: AttributionRule) -> ir.Table:
    """Add the columns of `ModelCredit` to the sums that `sum_credit` returns for `SHARING`."""
    amounts: dict[str, ir.Value] = {}
    for model in SHARING:
        amounts[f"{model}_credit"] = _as_credit(sums[f"credit_{model}"])
        amounts[f"{model}_revenue_amount"] = _as_money(sums[f"money_{model}"])
    return sums.mutate(**amounts, definition_hash=ibis.literal(rule.definition_hash))


# Credit by day, model and channel


def channel_attribution(conversion_credit: ir.Table, effects: ir.Table) -> ir.Table:
    """Return rows of `ChannelAttribution`: one per conversion day, unit, model and channel.

    The arguments are rows of `ConversionCredit` of some days, and all rows of
    `ChannelRemovalEffects`.
    """
    rows = union_all(
        _credit_by_model(conversion_credit),
        _credit_by_markov(conversion_credit, effects),
    )
    return rows.filter((rows.credit != 0) | (rows.revenue_amount != 0))


def _credit_by_model(conversion_credit: ir.Table) -> ir.Table:
    """Return rows of `ChannelAttribution` of the models that share each conversion."""
    names = [name for model in SHARING for name in (f"{model}_credit", f"{model}_revenue_amount")]
    by_channel = conversion_credit.group_by("unit", "converted_date", "channel").agg(
        **{name: conversion_credit[name].sum() for name in names}
    )
    models = union_all(*(ibis.literal(model).name("model").as_table() for model in SHARING))
    rows = by_channel.cross_join(models)

    def of_own_model(suffix: str, dtype: str) -> ir.Value:
        return ibis.cases(
            *((rows.model == model, rows[f"{model}_{suffix}"].cast(dtype)) for model in SHARING)
        )

    rows = rows.select(
        "unit",
        "converted_date",
        "channel",
        "model",
        credit=of_own_model("credit", CREDIT),
        revenue_amount=of_own_model("revenue_amount", MONEY),
    )
    return rows.select(*ChannelAttribution.columns)


def _credit_by_markov(conversion_credit: ir.Table, effects: ir.Table) -> ir.Table:
    """Return rows of `ChannelAttribution` of the Markov model."""
    sums = share_by_removal_effects(conversion_totals(conversion_credit), effects)
    return sums.mutate(
        model=ibis.literal("markov"),
        credit=_as_credit(sums.credit),
        revenue_amount=_as_money(sums.money),
    ).select(*ChannelAttribution.columns)


def conversion_totals(conversion_credit: ir.Table) -> ir.Table:
    """Return `conversion_count` and `total_money` of rows of `ConversionCredit`,
    by unit, day of conversion, day of purchase, and whether there is a touch.

    The first touch of a conversion has all of both, so what first touches get is what there is.
    """
    return conversion_credit.group_by(
        "unit",
        "converted_date",
        "bought_date",
        is_touched=conversion_credit.channel != NO_CHANNEL,
    ).agg(
        conversion_count=conversion_credit.first_credit.sum().cast("int64"),
        total_money=(conversion_credit.first_revenue_amount.sum() * MONEY_PARTS).cast(PARTS),
    )


def share_by_removal_effects(totals: ir.Table, effects: ir.Table) -> ir.Table:
    """Return the `credit` and `money` of each channel by removal effects of the purchase day:
    one row per unit, day of conversion and channel.

    `totals` are rows of `conversion_totals`, `effects` all rows of `ChannelRemovalEffects`.
    """
    effects = effects.select(
        "unit", "channel", "credit_share", "rank_number", bought_date="converted_date"
    )
    # One row per total and channel of the chain of its purchase day.
    rows = totals.filter(totals.is_touched).join(effects, ["unit", "bought_date"])
    units = (rows.credit_share.cast("float64") * float(UNITS_OF_ONE) + 0.5).floor().cast("int64")
    part = _part_of_money(rows.total_money.abs(), Share(units, ibis.literal(UNITS_OF_ONE)))
    rows = rows.mutate(
        credit=rows.conversion_count * units,
        part_money=(rows.total_money < 0).ifelse(-part, part),
    )
    # The channel with the largest share takes what rounding leaves over.
    total = ibis.window(group_by=["unit", "converted_date", "bought_date"])
    remainder = rows.total_money - rows.part_money.sum().over(total).cast(PARTS)
    rows = rows.mutate(money=rows.part_money + (rows.rank_number == 1).ifelse(remainder, 0))
    touched = rows.group_by("unit", "converted_date", "channel").agg(
        credit=rows.credit.sum().cast("int64"), money=rows.money.sum().cast(PARTS)
    )
    untouched = totals.filter(~totals.is_touched)
    untouched = untouched.group_by("unit", "converted_date", channel=ibis.literal(NO_CHANNEL)).agg(
        credit=(untouched.conversion_count.sum() * UNITS_OF_ONE).cast("int64"),
        money=untouched.total_money.sum().cast(PARTS),
    )
    return union_all(touched, untouched)


def _as_credit(units: ir.IntegerValue) -> ir.DecimalValue:
    one_unit = ibis.literal("0.000000001").cast(CREDIT)
    return (units.cast("decimal(18, 0)") * one_unit).cast(CREDIT)


def _as_money(parts: ir.IntegerValue) -> ir.DecimalValue:
    return (parts.cast("decimal(38, 0)") * ibis.literal("0.0001").cast(MONEY)).cast(MONEY)


def order_channels(
    conversions: ir.Table, touches: ir.Table, rule: AttributionRule, days: Days
) -> ir.Table:
    """Return one row per order and refund of `days` with its `channel`, that of `order_touches`."""
    return order_touches(conversions, touches, rule, days).drop("session_id")


def order_touches(
    conversions: ir.Table,
    touches: ir.Table,
    rule: AttributionRule,
    days: Days,
    unit: Literal["order", "purchase"] = "order",
) -> ir.Table:
    """Return one row per order and refund of `days` with the `session_id` and `channel` of the
    touch that led to it; the key is that of order lines. Purchase events are orders of one item.

    It is the last touch with a source; the last of all if all are direct (the channel is Direct, or
    not known if it is of them). Without any touch, the channel is `(none)`, and the session null. A
    refund has the touch of the order that it reverses. The arguments are all rows of `Conversions`
    and `Touches`.
    """
    orders = conversions.filter(conversions.unit == unit)
    rows = conversion_touches(orders, touches, rule, days)
    last_sourced_first = [
        rows.channel.isin(WITHOUT_SOURCE).ifelse(1, 0),
        rows.touch_position.desc(),
    ]
    key = ["converted_date", "conversion_id", "visitor_id", "customer_id", "is_refund"]
    order_touch = first_of_each(rows, key, last_sourced_first)
    return order_touch.select(
        "session_id",
        "channel",
        order_date="converted_date",
        order_id="conversion_id",
        customer_id=buyer_of(order_touch),
        status=order_touch.is_refund.ifelse("refunded", "shipped"),
    )


def touched_days(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    converted: ir.Table,
    fragments: ir.Table,
    changed_orders: ir.Table,
    session_rule: SessionRule,
    rule: AttributionRule,
    days: Days,
) -> ir.Table:
    """Return `days` and the conversion days, as `day`, whose touches,
    refunds or chain a change of `days` can affect.

    The conversion days lie after the change, because only touches before a conversion count. After
    the newest days there are none.

    Args:
        converted: Days of conversions, in a column `day`; duplicates are allowed.
        fragments: All rows of `SessionDays`.
        changed_orders: Order days that `days` can change, in a column `day`.
        session_rule: The rule that cut sessions.
        rule: How far conversions look back.
        days: Days of events, or arrival days of orders.
    """
    moved = union_distinct(
        day_table(days), changed_start_days(fragments, session_rule, days), changed_orders
    )
    seen = converted.select(converted_date="day").distinct()
    last = (moved.day + ibis.interval(days=rule.reach_days)).cast("date")
    reached = seen.join(moved, [seen.converted_date >= moved.day, seen.converted_date <= last])
    return union_distinct(moved, reached.select(day=reached.converted_date))
