"""The attribution rule, and the credit of channels for conversions by it: METRICS "Attribution"."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.behaviour.sessions.sessions import changed_start_days
from ecom_assets.commerce.attribution.contracts import (
    MODELS,
    NO_CHANNEL,
    WITHOUT_SOURCE,
    ChannelAttribution,
    ConversionCredit,
)
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.days import Days, day_table
from ecom_assets.core.tables.portable import NO, first_of_each, union_all
from ecom_assets.core.tables.values import DAY_S, hash_of

SHAPES = {"position": (40, 40), "j": (20, 60)}
"""Percentages of the first and the last touch; the touches between them share the rest."""


@dataclass(frozen=True)
class AttributionRule:
    """Which touches count for a conversion, and how some models share its credit.

    `lookback_s` (seconds): a touch counts if its session started at most this long before the
    conversion, and not after it; both bounds are included. 30 days, as in Mixpanel. `half_life_s`
    (seconds): `time_decay` halves the weight of a touch for each half-life before the conversion.
    The age of a touch is in whole seconds. 7 days, as in Mixpanel. `two_touches`: what `position`
    and `j` do with two touches: `normalised` keeps the proportion of first to last (Mixpanel: 50/50
    and 25/75), `split` divides the share of the middle touches equally (Amplitude: 50/50 and
    30/70). `refund_days` (days): a refund reverses the last purchase of the visitor within this
    many days before it. Without one, its channel is `(none)`. 90 days are more than shops allow for
    returns. `period_days` (days): the Markov chain of a day uses the paths of this many days, the
    last of which is the day.
    """

    lookback_s: int = 30 * DAY_S
    half_life_s: int = 7 * DAY_S
    two_touches: str = "normalised"
    refund_days: int = 90
    period_days: int = 30

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
FULL_WEIGHT = 2**40
CREDIT = "decimal(18, 9)"
CONVERSION = ["unit", "converted_date", "conversion_id", "visitor_id", "is_refund"]
SHARING = tuple(model for model in MODELS if model != "markov")
"""Models that share each conversion among its touches."""


def paths(
    conversions: ir.Table,
    touches: ir.Table,
    rule: AttributionRule,
    days: Days,
    models: Sequence[str] = (),
) -> ir.Table:
    """Return one row per conversion or refund of `days` and touch,
    in order from `place` 1 to `touch_count`.

    A conversion without a touch has one row with the channel `(none)`. A refund has the touches of
    the purchase that it reverses: the last purchase of the visitor within `rule.refund_days` before
    the refund. `conversions` and `touches` are all rows of `Conversions` and `Touches`. Each row
    has what `shared` needs for `models`, too.
    """
    joined = _with_touches(_anchored(conversions, rule, days), touches, rule, days)
    summed = {
        name: column for model in models for name, column in _summed(joined, rule, model).items()
    }
    joined = joined.mutate(**summed)
    # By numbers, and all in one projection: most of the time is the sorting of each conversion's
    # touches.
    in_order = ibis.cumulative_window(group_by="conversion_number", order_by="touch_number")
    whole = ibis.window(group_by="conversion_number")
    sums: dict[str, ir.Value] = {}
    for name in summed:
        sums[f"{name}_so_far"] = joined[name].sum().over(in_order).cast("int64")
        sums[f"{name}_in_all"] = joined[name].sum().over(whole).cast("int64")
    return joined.mutate(
        place=ibis.row_number().over(in_order) + 1,
        touch_count=joined.count().over(whole),
        money=(joined.revenue_amount.fill_null(0) * MONEY_PARTS).cast("int64"),
        **sums,
    )


def _with_touches(
    anchored: ir.Table, touches: ir.Table, rule: AttributionRule, days: Days
) -> ir.Table:
    """Return a row per conversion and touch, both numbered; one row if there is none."""
    wanted = anchored.mutate(
        conversion_number=ibis.row_number().over(ibis.window(order_by=CONVERSION))
    )
    near = days.widened(before=rule.refund_days + rule.lookback_days + 2, after=1)
    seen = touches.filter(near.contain(touches.started_date))
    of_visitor = ibis.window(group_by="visitor_id", order_by=["started_at", "session_id"])
    seen = seen.select(
        "visitor_id",
        "session_id",
        "channel",
        touched_at="started_at",
        touch_number=ibis.row_number().over(of_visitor),
    )
    earliest = wanted.anchor_at - ibis.interval(seconds=rule.lookback_s)
    in_time = [seen.touched_at >= earliest, seen.touched_at <= wanted.anchor_at]
    joined = wanted.left_join(seen, [wanted.visitor_id == seen.visitor_id, *in_time])
    joined = joined.select(wanted, "session_id", "channel", "touched_at", "touch_number")
    return joined.mutate(
        is_touched=joined.channel.notnull(), channel=joined.channel.fill_null(NO_CHANNEL)
    )


def _summed(joined: ir.Table, rule: AttributionRule, model: str) -> dict[str, ir.Value]:
    """Return what a model adds up along the touches of a conversion, by the name of its column."""
    if model == "last_non_direct":
        return {"sourced": joined.channel.notin((*WITHOUT_SOURCE, NO_CHANNEL)).ifelse(1, 0)}
    if model == "time_decay":
        return {"weight": decayed_weight(joined.anchor_at, joined.touched_at, rule)}
    return {}


def _anchored(conversions: ir.Table, rule: AttributionRule, days: Days) -> ir.Table:
    """Add `anchor_at` and `anchor_date`: the time and day of the purchase;
    null where it is unknown.
    """
    near = conversions.filter(
        days.widened(before=rule.refund_days + 1).contain(conversions.converted_date)
    )
    so_far = ibis.cumulative_window(
        group_by=["unit", "visitor_id"],
        order_by=[near.converted_at, near.is_refund.ifelse(1, 0), near.conversion_id],
    )
    bought_at = (
        near.is_refund.ifelse(ibis.null("timestamp(6)"), near.converted_at).max().over(so_far)
    )
    bought_date = near.is_refund.ifelse(ibis.null("date"), near.converted_date).max().over(so_far)
    near = near.mutate(bought_at=bought_at, bought_date=bought_date)
    is_known = near.bought_at >= near.converted_at - ibis.interval(days=rule.refund_days)
    is_known = (~near.is_refund) | is_known.fill_null(NO)
    own_at = near.is_refund.ifelse(near.bought_at, near.converted_at)
    own_date = near.is_refund.ifelse(near.bought_date, near.converted_date)
    near = near.mutate(
        anchor_at=is_known.ifelse(own_at, ibis.null("timestamp(6)")),
        anchor_date=is_known.ifelse(own_date, ibis.null("date")),
    )
    return near.filter(days.contain(near.converted_date)).drop("bought_at", "bought_date")


def shared(
    walked: ir.Table, rule: AttributionRule, models: Sequence[str], by: Sequence[str]
) -> ir.Table:
    """Return credit, in whole units, and money, in `MONEY_PARTS`, by some columns:
    `credit_<model>`, `money_<model>`.

    `walked` are rows of `paths` for these models, which are some of `SHARING`.
    """
    parts: dict[str, ir.Value] = {}
    for model in models:
        due = DUE[model](walked, rule)
        for when, position in (("after", walked.place), ("before", walked.place - 1)):
            part, whole = due(position)
            parts[f"{when}_{model}"] = _rounded(ibis.literal(UNITS_OF_ONE), part, whole)
            parts[f"money_{when}_{model}"] = _shared(walked.money.abs(), part, whole)
    dues = walked.mutate(**parts)
    sums: dict[str, ir.Value] = {}
    for model in models:
        credit = dues.is_refund.ifelse(0, dues[f"after_{model}"] - dues[f"before_{model}"])
        money = dues[f"money_after_{model}"] - dues[f"money_before_{model}"]
        money = (dues.money < 0).ifelse(-money, money)
        sums |= {
            f"credit_{model}": credit.sum().cast("int64"),
            f"money_{model}": money.sum().cast("int64"),
        }
    return dues.group_by(*by).agg(**sums)


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


Part = tuple[ir.NumericValue, ir.NumericValue]
"""A part and its whole."""
Due = Callable[[ir.IntegerValue], Part]
"""Returns the share of a conversion that all touches up to and including a place get."""
ONE = ibis.literal(1, "int64")


def _due_at(chosen: ir.IntegerValue) -> Due:
    return lambda position: ((position >= chosen).ifelse(1, 0), ONE)


def _up_to(placed: ir.Table, name: str, position: ir.IntegerValue) -> ir.IntegerValue:
    """Return what all touches up to and including a place, or the one before it, add up to."""
    result: ir.IntegerValue = placed[f"{name}_so_far"] - (position == placed.place).ifelse(
        0, placed[name]
    )
    return result


def _due_last_non_direct(placed: ir.Table, _rule: AttributionRule) -> Due:
    def due(position: ir.IntegerValue) -> Part:
        has_all = _up_to(placed, "sourced", position) == placed.sourced_in_all
        is_due = (placed.sourced_in_all > 0).ifelse(has_all, position >= placed.touch_count)
        return is_due.ifelse(1, 0), ONE

    return due


def _due_by_shape(model: str) -> Callable[[ir.Table, AttributionRule], Due]:
    first, last = SHAPES[model]
    middle = 100 - first - last

    def of_shape(placed: ir.Table, rule: AttributionRule) -> Due:
        count = placed.touch_count
        two = (
            100 * first // (first + last)
            if rule.two_touches == "normalised"
            else first + middle // 2
        )
        # With two touches, `two` is the whole share before the last touch.
        between = ibis.greatest(count - 2, ONE)
        has_between = count > 2  # noqa: PLR2004 (the first and the last)

        def due(position: ir.IntegerValue) -> Part:
            so_far = has_between.ifelse(first * between + middle * (position - 1), two)
            whole = 100 * between
            return ibis.cases((position < 1, 0), (position >= count, whole), else_=so_far), whole

        return due

    return of_shape


DUE: dict[str, Callable[[ir.Table, AttributionRule], Due]] = {
    "first": lambda _placed, _rule: _due_at(ONE),
    "last": lambda placed, _rule: _due_at(placed.touch_count),
    "last_non_direct": _due_last_non_direct,
    "linear": lambda placed, _rule: lambda position: (position, placed.touch_count),
    "position": _due_by_shape("position"),
    "j": _due_by_shape("j"),
    "time_decay": lambda placed, _rule: (
        lambda position: (_up_to(placed, "weight", position), placed.weight_in_all)
    ),
}


def _rounded(
    amount: ir.NumericValue, part: ir.NumericValue, whole: ir.NumericValue
) -> ir.IntegerValue:
    """Return `amount * part / whole`, rounded to a whole number;
    doubles give the same result on all engines.
    """
    exact = amount.cast("float64") * part.cast("float64") / whole.cast("float64")
    return (exact + 0.5).floor().cast("int64")


def _shared(
    money: ir.IntegerValue, part: ir.NumericValue, whole: ir.NumericValue
) -> ir.IntegerValue:
    """Return a part of money: in whole cents if the money is,
    so that what is shown of the parts adds up.
    """
    step = (money % CENT_PARTS == 0).ifelse(CENT_PARTS, 1)
    share = _rounded((money / step).floor().cast("int64"), part, whole) * step
    result: ir.IntegerValue = (part == whole).ifelse(money, share)
    return result


def conversion_totals(credited: ir.Table) -> ir.Table:
    """Return the conversions and the money of rows of `ConversionCredit`,
    by day of conversion and of purchase.

    The first touch of a conversion has all of both, so what first touches get is what there is.
    """
    return credited.group_by(
        "unit", "converted_date", "bought_date", is_touched=credited.channel != NO_CHANNEL
    ).agg(
        conversion_count=credited.first_credit.sum().cast("int64"),
        total_money=(credited.first_revenue_amount.sum() * MONEY_PARTS).cast("int64"),
    )


def by_removal_effects(totals: ir.Table, effects: ir.Table) -> ir.Table:
    """Share what `conversion_totals` returns by the removal effects of the purchase day:
    `credit` and `money`.

    `effects` are all rows of `ChannelRemovalEffects`.
    """
    effects = effects.select(
        "unit", "channel", "credit_share", "rank_number", bought_date="converted_date"
    )
    joined = totals.filter(totals.is_touched).join(effects, ["unit", "bought_date"])
    units = (joined.credit_share.cast("float64") * float(UNITS_OF_ONE) + 0.5).floor().cast("int64")
    part = _shared(joined.total_money.abs(), units, ibis.literal(UNITS_OF_ONE))
    joined = joined.mutate(
        credit=joined.conversion_count * units,
        part_money=(joined.total_money < 0).ifelse(-part, part),
    )
    of_total = ibis.window(group_by=["unit", "converted_date", "bought_date"])
    rest = joined.total_money - joined.part_money.sum().over(of_total).cast("int64")
    joined = joined.mutate(money=joined.part_money + (joined.rank_number == 1).ifelse(rest, 0))
    touched = joined.group_by("unit", "converted_date", "channel").agg(
        credit=joined.credit.sum().cast("int64"), money=joined.money.sum().cast("int64")
    )
    bare = totals.filter(~totals.is_touched)
    untouched = bare.group_by("unit", "converted_date", channel=ibis.literal(NO_CHANNEL)).agg(
        credit=(bare.conversion_count.sum() * UNITS_OF_ONE).cast("int64"),
        money=bare.total_money.sum().cast("int64"),
    )
    return union_all(touched, untouched)


def conversion_credit(
    conversions: ir.Table, touches: ir.Table, rule: AttributionRule, days: Days
) -> ir.Table:
    """Return one row per conversion or refund of `days` and channel,
    from all rows of `Conversions` and `Touches`.
    """
    walked = paths(conversions, touches, rule, days, SHARING).rename(bought_date="anchor_date")
    units = shared(walked, rule, SHARING, (*CONVERSION, "bought_date", "channel"))
    parts: dict[str, ir.Value] = {}
    for model in SHARING:
        parts[f"{model}_credit"] = _as_credit(units[f"credit_{model}"])
        parts[f"{model}_revenue_amount"] = _as_money(units[f"money_{model}"])
    definition_hash = ibis.literal(rule.definition_hash)
    return units.mutate(**parts, definition_hash=definition_hash).select(*ConversionCredit.columns)


def channel_attribution(credited: ir.Table, effects: ir.Table) -> ir.Table:
    """Return one row per conversion day, unit, model and channel.

    The arguments are rows of `ConversionCredit` of some days, and all rows of
    `ChannelRemovalEffects`.
    """
    names = [name for model in SHARING for name in (f"{model}_credit", f"{model}_revenue_amount")]
    wide = credited.group_by("unit", "converted_date", "channel").agg(
        **{name: credited[name].sum() for name in names}
    )
    by_model = union_all(*(ibis.literal(model).name("model").as_table() for model in SHARING))
    long = wide.cross_join(by_model)
    long = long.select(
        "unit",
        "converted_date",
        "channel",
        "model",
        credit=ibis.cases(
            *((long.model == model, long[f"{model}_credit"].cast(CREDIT)) for model in SHARING)
        ),
        revenue_amount=ibis.cases(
            *(
                (long.model == model, long[f"{model}_revenue_amount"].cast(MONEY))
                for model in SHARING
            )
        ),
    )
    markov = by_removal_effects(conversion_totals(credited), effects)
    markov = markov.mutate(
        model=ibis.literal("markov"),
        credit=_as_credit(markov.credit),
        revenue_amount=_as_money(markov.money),
    )
    rows = union_all(*(part.select(*ChannelAttribution.columns) for part in (long, markov)))
    return rows.filter((rows.credit != 0) | (rows.revenue_amount != 0))


def _as_credit(units: ir.IntegerValue) -> ir.DecimalValue:
    one_unit = ibis.literal("0.000000001").cast(CREDIT)
    return (units.cast("decimal(18, 0)") * one_unit).cast(CREDIT)


def _as_money(parts: ir.IntegerValue) -> ir.DecimalValue:
    return (parts.cast("decimal(38, 0)") * ibis.literal("0.0001").cast(MONEY)).cast(MONEY)


def order_channels(
    conversions: ir.Table, touches: ir.Table, rule: AttributionRule, days: Days
) -> ir.Table:
    """Return one row per order and refund of `days` with its `channel`;
    the key is that of order lines.

    The channel is Direct if all touches are direct (not known, if it is of them), and `(none)`
    without any touch. A refund has the channel of the order that it reverses. The arguments are all
    rows of `Conversions` and `Touches`.
    """
    orders = conversions.filter(conversions.unit == "order")
    walked = paths(orders, touches, rule, days)
    latest = [walked.channel.isin(WITHOUT_SOURCE).ifelse(1, 0), walked.place.desc()]
    unit = ["converted_date", "conversion_id", "visitor_id", "is_refund"]
    chosen = first_of_each(walked, unit, latest)
    return chosen.select(
        "channel",
        order_date="converted_date",
        order_id="conversion_id",
        customer_id="visitor_id",
        status=chosen.is_refund.ifelse("refunded", "shipped"),
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
    moved = union_all(
        day_table(days), changed_start_days(fragments, session_rule, days), changed_orders
    ).distinct()
    seen = converted.select(converted_date="day").distinct()
    last = (moved.day + ibis.interval(days=rule.reach_days)).cast("date")
    reached = seen.join(moved, [seen.converted_date >= moved.day, seen.converted_date <= last])
    return union_all(moved, reached.select(day=reached.converted_date)).distinct()
