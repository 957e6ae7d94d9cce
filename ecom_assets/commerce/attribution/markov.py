"""The Markov model: channel transitions up to each day, and the removal effect of each channel.

A converting path is the touches of one conversion. A non-converting path is a run of touches of a
visitor that led to no conversion within the look-back, as known at the end of the day, without a
longer gap between touches.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from ecom_assets.commerce.attribution.contracts import ChannelRemovalEffects
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.core.tables.days import Days, day_table
from ecom_assets.core.tables.portable import NO, arrow_schema_of, union_all

STEP = ["unit", "here", "there"]
Keep = Callable[[ir.Table], ir.Table]


def step_spans(
    conversions: ir.Table,
    touches: ir.Table,
    rule: AttributionRule,
    days: Days,
    keep: Keep = lambda rows: rows,
) -> ir.Table:
    """Return transitions with the days on which they count: `unit`, `here`, `there`, `begin`,
    `until`, `step_count`.

    They are those of the chains of `days`, from all rows of `Conversions` and `Touches`. `keep`
    stores rows that are read several times, and returns them.
    """
    watched = days.widened(before=rule.period_days - 1)
    own = conversions.filter(watched.contain(conversions.converted_date), ~conversions.is_refund)
    before = watched.widened(before=rule.lookback_days, after=1)
    earlier = touches.filter(before.contain(touches.started_date))
    started = touches.filter(watched.contain(touches.started_date))
    return union_all(_to_conversions(earlier, own, rule), _to_nothing(started, own, rule, keep))


def steps_on(spans: ir.Table, days: Days) -> ir.Table:
    """Count the transitions of the chain of each day: `day`, `unit`, `here`,
    `there`, `step_count`.
    """
    changes = union_all(
        spans.select(*STEP, day="begin", change="step_count"),
        spans.select(*STEP, day="until", change=-spans.step_count),
    )
    days_of_steps = spans.select(*STEP).distinct().cross_join(day_table(days))
    changes = union_all(
        changes, days_of_steps.select(*STEP, "day", change=ibis.literal(0, "int64"))
    )
    changes = changes.group_by(*STEP, "day").agg(change=changes.change.sum().cast("int64"))
    so_far = ibis.cumulative_window(group_by=STEP, order_by="day")
    counts = changes.mutate(step_count=changes.change.sum().over(so_far).cast("int64"))
    return counts.filter(days.contain(counts.day), counts.step_count > 0).select(
        "day", *STEP, "step_count"
    )


def converting_days(spans: ir.Table) -> ir.Table:
    """Return the days, as `day`, and units that have a conversion with a touch."""
    return spans.filter(spans.there == CONVERTED).select("unit", day="begin").distinct()


def _to_conversions(touches: ir.Table, conversions: ir.Table, rule: AttributionRule) -> ir.Table:
    """Return the transitions of converting paths, which count from the day of the conversion.

    The touches of a conversion are neighbours among all of the visitor, so these are put in order,
    and not each path.
    """
    # Few visitors convert: to put the touches of all others in order took most of the time.
    touches = touches.semi_join(conversions, "visitor_id")
    in_order = ibis.window(group_by="visitor_id", order_by=["started_at", "session_id"])
    neighbours = touches.select(
        "visitor_id",
        "channel",
        "started_at",
        next_channel=touches.channel.lead().over(in_order),
        next_at=touches.started_at.lead().over(in_order),
        previous_at=touches.started_at.lag().over(in_order),
    )
    bought = conversions.mutate(
        earliest_at=conversions.converted_at - ibis.interval(seconds=rule.lookback_s)
    )
    in_time = [
        neighbours.started_at >= bought.earliest_at,
        neighbours.started_at <= bought.converted_at,
    ]
    converted = bought.join(neighbours, [bought.visitor_id == neighbours.visitor_id, *in_time])
    goes_on = (converted.next_at <= converted.converted_at).fill_null(NO)
    converted = converted.select(
        "unit",
        here="channel",
        there=goes_on.ifelse(converted.next_channel, CONVERTED),
        begin="converted_date",
        is_first=~(converted.previous_at >= converted.earliest_at).fill_null(NO),
    )
    steps = converted.group_by(*STEP, "begin", "is_first").agg(step_count=converted.count())
    first = steps.filter(steps.is_first).mutate(there=steps.here, here=ibis.literal(START))
    steps = union_all(steps.drop("is_first"), first.drop("is_first"))
    steps = steps.group_by(*STEP, "begin").agg(step_count=steps.step_count.sum().cast("int64"))
    return steps.mutate(until=_days_later(steps.begin, rule.period_days)).select(
        *STEP, "begin", "until", "step_count"
    )


def _to_nothing(
    touches: ir.Table, conversions: ir.Table, rule: AttributionRule, keep: Keep
) -> ir.Table:
    """Return the transitions of non-converting paths, which count until a conversion follows."""
    touches_kept = keep(_unconverted(touches, conversions, rule))
    alone = touches_kept.filter(touches_kept.begin < touches_kept.until)
    alone = alone.group_by("unit", "channel", "begin", "until").agg(step_count=alone.count())
    linked = touches_kept.filter(touches_kept.is_linked)
    linked = linked.mutate(
        begin=linked.next_begin, until=ibis.least(linked.until, linked.next_until)
    )
    linked = linked.filter(linked.begin < linked.until)
    linked = linked.group_by("unit", "channel", "next_channel", "begin", "until").agg(
        step_count=linked.count()
    )
    start, nothing = ibis.literal(START), ibis.literal(NOTHING)
    columns = ["unit", "begin", "until"]
    return union_all(
        *(
            touches.select(*columns, here=source, there=target, step_count=count).select(
                *STEP, "begin", "until", "step_count"
            )
            for touches, source, target, count in (
                (alone, start, alone.channel, alone.step_count),
                (alone, alone.channel, nothing, alone.step_count),
                # A touch that is followed by another one does not end a path, and the next one does
                # not start one.
                (linked, linked.channel, linked.next_channel, linked.step_count),
                (linked, linked.channel, nothing, -linked.step_count),
                (linked, start, linked.next_channel, -linked.step_count),
            )
        )
    )


def _unconverted(touches: ir.Table, conversions: ir.Table, rule: AttributionRule) -> ir.Table:
    """Return each touch per unit with the next one,
    and the days (`begin` to before `until`) without a conversion.
    """
    units = conversions.select("unit").distinct()
    spread = touches.select(
        "visitor_id", "session_id", "channel", "started_at", begin="started_date"
    ).cross_join(units)
    bought = conversions.select("unit", "visitor_id", "converted_at", "converted_date")
    led_to = [
        spread.unit == bought.unit,
        spread.visitor_id == bought.visitor_id,
        spread.started_at <= bought.converted_at,
        bought.converted_at <= spread.started_at + ibis.interval(seconds=rule.lookback_s),
    ]
    led = spread.join(bought, led_to).select("session_id", "unit", "converted_date")
    led = led.group_by("session_id", "unit").agg(led_date=led.converted_date.min())
    followed = spread.left_join(led, ["session_id", "unit"]).select(spread, "led_date")
    followed = followed.mutate(
        until=ibis.least(
            followed.led_date.fill_null(FAR), _days_later(followed.begin, rule.period_days)
        )
    )
    in_order = ibis.window(group_by=["unit", "visitor_id"], order_by=["started_at", "session_id"])
    names = ("channel", "started_at", "begin", "until")
    followed = followed.mutate(
        **{f"next_{name}": followed[name].lead().over(in_order) for name in names}
    )
    silence = followed.next_started_at > followed.started_at + ibis.interval(
        seconds=rule.lookback_s
    )
    return followed.mutate(is_linked=followed.next_channel.notnull() & ~silence)


FAR = ibis.date("8999-01-01")
"""A day after all others; later years stand for dates in statements that are kept
(`warehouse/statements.py`).
"""


def _days_later(day: ir.DateValue, days: int) -> ir.DateValue:
    return (day + ibis.interval(days=days)).cast("date")


START, CONVERTED, NOTHING = "(start)", "(conversion)", "(null)"
Steps = Mapping[tuple[str, str], int]
"""How often each transition from one state to another occurred."""


@dataclass(frozen=True)
class RemovalEffect:
    """Removal effect of a channel: the share of conversions lost without it,
    and its units of the credit.
    """

    channel: str
    effect: float
    units: int


def conversion_rate(steps: Steps, without: str | None = None) -> float:
    """Return the probability of a conversion;
    transitions to the channel `without` lead to no conversion.

    States are eliminated one by one: their incoming transitions are redirected to their targets.
    The algorithm has no subtraction, so it loses no precision (Grassmann, Taksar and Heyman 1985),
    and its order is fixed, so every machine returns the same result.
    """
    flow: dict[str, dict[str, float]] = {}
    for (source, target), count in sorted(steps.items()):
        if source not in {target, without}:
            reached = NOTHING if target == without else target
            row = flow.setdefault(source, {})
            row[reached] = row.get(reached, 0.0) + count
    for state in sorted(set(flow) - {START}):
        _take_out(flow, state)
    start = flow.get(START, {})
    total = sum(start.values())
    return start.get(CONVERTED, 0.0) / total if total else 0.0


def _take_out(flow: dict[str, dict[str, float]], state: str) -> None:
    onward = flow.pop(state)
    total = sum(onward.values())
    for source, row in flow.items():
        come = row.pop(state, 0.0)
        if come:
            for target, weight in onward.items():
                if target != source:
                    row[target] = row.get(target, 0.0) + come * weight / total


def removal_effects(steps: Steps, units: int) -> list[RemovalEffect]:
    """Return the effect of each channel and its share of `units`, greatest first;
    empty if nobody converted.

    Shares are proportional to effects and rounded down; the channels with the largest remainders
    get what is left.
    """
    whole = conversion_rate(steps)
    if not whole:
        return []
    channels = sorted({state for step in steps for state in step} - {START, CONVERTED, NOTHING})
    effects = {
        channel: max(1.0 - conversion_rate(steps, channel) / whole, 0.0) for channel in channels
    }
    shares = _whole_shares(effects, units)
    ranked = sorted(channels, key=lambda channel: (-shares[channel], channel))
    return [RemovalEffect(channel, effects[channel], shares[channel]) for channel in ranked]


def _whole_shares(effects: Mapping[str, float], units: int) -> dict[str, int]:
    total = sum(effects.values())
    exact = {channel: units * effect / total for channel, effect in effects.items()}
    shares = {channel: int(part) for channel, part in exact.items()}
    by_loss: Iterable[str] = sorted(
        exact, key=lambda channel: (shares[channel] - exact[channel], channel)
    )
    left = units - sum(shares.values())
    for channel, _ in zip(by_loss, range(left), strict=False):
        shares[channel] += 1
    return shares


Chain = tuple[date, str, Sequence[RemovalEffect]]
"""A day, a unit of conversions, and the removal effects of their chain."""


def removal_effect_rows(chains: Iterable[Chain]) -> pa.Table:
    """Return the rows of `ChannelRemovalEffects`, ranked by effect."""
    rows = [
        {
            "converted_date": day,
            "unit": unit,
            "channel": effect.channel,
            "removal_effect_rate": effect.effect,
            "credit_share": Decimal(effect.units).scaleb(-9),
            "rank_number": rank,
        }
        for day, unit, effects in chains
        for rank, effect in enumerate(effects, start=1)
    ]
    kinds = arrow_schema_of(ChannelRemovalEffects)
    return pa.Table.from_pylist(rows, schema=pa.schema([(kind.name, kind.type) for kind in kinds]))
