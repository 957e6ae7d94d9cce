"""The causes of a change between two periods, such as weeks: what each part adds to it.

- `revenue_causes`: the change of revenue by the parts of a dimension, such as channels
- `revenue_factors`: the same by factors, such as sessions, orders per session, revenue per order
- `order_value_causes`, `conversion_causes`: the change of a rate by parts, divided into mix (a part
  has another share than before) and rate (its own rate is another one)

Parts are computed as fractions and rounded together, so that they add up to the change exactly. A
dimension whose source is not known on all days of both periods is left out. Another dimension of
revenue is an entry of `REVENUE_DIMENSIONS`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Final

from ecom_assets.commerce.attribution.queries import DEFAULT_MODEL
from ecom_assets.commerce.conversion.queries import By, conversion
from ecom_assets.commerce.products.queries import sales_by_category
from ecom_assets.commerce.sales.coverage import Source, known_days
from ecom_assets.commerce.sales.queries import (
    MARKETING_CHANNEL,
    SALES_CHANNEL,
    by_channel,
    by_sales_channel,
    customers_of_period,
    device_revenue,
    geography,
)
from ecom_assets.core.rows import Answer, Row, without_none
from ecom_assets.core.tables.currencies import rounded_parts, unit_of
from ecom_assets.core.tables.queries import DECIMALS, ZERO, NoSourceError, Period, Reading

NOTHING: Final = Fraction(0)


@dataclass(frozen=True)
class PartRatio:
    """The numerator and the denominator of a part: revenue of so many orders,
    purchases of so many sessions.
    """

    numerator: Fraction = NOTHING
    denominator: Fraction = NOTHING

    @property
    def rate(self) -> Fraction | None:
        """Return numerator ÷ denominator; None without a denominator."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True)
class MixAndRate:
    """What a part adds to the change of a whole rate: because its share changed,
    and because its own rate did.
    """

    mix: Fraction
    rate: Fraction


def mix_and_rate(
    now: Mapping[str, PartRatio], before: Mapping[str, PartRatio]
) -> dict[str, MixAndRate]:
    """Return the mix and rate effect of each part;
    together they are the change of Σ numerators ÷ Σ denominators.

    This is Kitagawa's decomposition (1955) with mean weights: a share that grows adds to the whole
    as far as the part's mean rate is above the whole's, and a rate that grows adds by the part's
    mean share.

    Raises:
        ValueError: One of the periods has no denominator.
    """
    totals = [
        sum((part.denominator for part in parts.values()), NOTHING) for parts in (now, before)
    ]
    if not all(totals):
        raise ValueError("a period without a denominator has no rate")
    rates = [
        sum((part.numerator for part in parts.values()), NOTHING) / total
        for parts, total in zip((now, before), totals, strict=True)
    ]
    middle = (rates[0] + rates[1]) / 2
    names = {**now, **before}
    return {
        name: _effects(now.get(name, PartRatio()), before.get(name, PartRatio()), totals, middle)
        for name in names
    }


def _effects(
    now: PartRatio, before: PartRatio, totals: Sequence[Fraction], middle: Fraction
) -> MixAndRate:
    share_change = now.denominator / totals[0] - before.denominator / totals[1]
    whole = now.numerator / totals[0] - before.numerator / totals[1] - middle * share_change
    # A part that is there in one period only has no change of its own rate: all that it adds is
    # mix.
    rates = [rate for rate in (now.rate, before.rate) if rate is not None]
    mix = (sum(rates, NOTHING) / len(rates) - middle) * share_change if rates else NOTHING
    return MixAndRate(mix, whole - mix)


def factor_contributions(now: Sequence[Fraction], before: Sequence[Fraction]) -> list[Fraction]:
    """Return what each factor adds to the change of the product of all; these add up to it exactly.

    It is the Shapley value: a factor's effect when the factors change one after another, in the
    mean of all orders. For two factors this is the decomposition above.
    """
    count = len(now)
    sums = [NOTHING] * count
    for order in permutations(range(count)):
        values = list(before)
        for position in order:
            earlier = math.prod(values)
            values[position] = now[position]
            sums[position] += math.prod(values) - earlier
    return [total / math.factorial(count) for total in sums]


REST: Final = "(other)"
"""The part of a change that the parts of a dimension do not explain."""
DEVICE: Final = "device"
NEW_OR_RETURNING: Final = "customers"
MOST_PLACES: Final = 1_000
CUSTOMER_KINDS: Final = {
    "new": "new_revenue_amount",
    "returning": "returning_revenue_amount",
    "refunds": "refunded_amount",
}
CONVERSION_DIMENSIONS: Final[tuple[By, ...]] = ("device", "channel")
SIX_DECIMALS: Final = Decimal(1).scaleb(-DECIMALS)
Amounts = Mapping[str, Decimal]
MaybeAmounts = Mapping[str, Decimal | None]


def of_sources(reading: Reading, period: Period, *sources: Source) -> Period:
    """Return a period that knows which of its days the sources have."""
    return replace(period, known=known_days(reading, sources))


def revenue_causes(reading: Reading, period: Period, now: Decimal, before: Decimal) -> list[Row]:
    """Return what each part of each dimension adds to the change of revenue, the largest first.

    A dimension whose source the shop lacks, or does not know for both weeks, is left out. `now` and
    `before` are the revenue of the week and of the week before.
    """
    result = []
    for dimension, (sources, amounts) in REVENUE_DIMENSIONS.items():
        known_period = of_sources(reading, period, *sources)
        if not known_period.is_comparable:
            continue
        try:
            of_weeks = [amounts(reading, days) for days in (known_period, known_period.previous)]
        except NoSourceError:
            continue
        parts_now, parts_before = map(without_none, of_weeks)
        if (of_weeks[0] and not parts_now) or (of_weeks[1] and not parts_before):
            continue
        if len({*parts_now, *parts_before} - {REST}) > 1:
            parts = _contributions(
                (parts_now, now), (parts_before, before), unit_of(reading.currency)
            )
            result.append({"dimension": dimension, "parts": parts})
    return result


def _contributions(
    current: tuple[Amounts, Decimal], previous: tuple[Amounts, Decimal], unit: Decimal
) -> list[Row]:
    """Return what each part adds; what is in none is a rest,
    unless it is less than the unit that totals have.
    """
    (now, total), (before, total_before) = current, previous
    change = total - total_before
    rest = total - sum(now.values(), ZERO), total_before - sum(before.values(), ZERO)
    rows = [
        _contribution(name, now.get(name, ZERO), before.get(name, ZERO), change)
        for name in {**now, **before}
    ]
    rows.sort(key=lambda row: (-abs(row["contribution_amount"]), row["value"]))
    has_rest = any(abs(amount) >= unit for amount in rest)
    return [*rows, *([_contribution(REST, *rest, change)] if has_rest else [])]


def _contribution(name: str, now: Decimal, before: Decimal, change: Decimal) -> Row:
    difference = now - before
    return {
        "value": name,
        "revenue_amount": now,
        "previous_revenue_amount": before,
        "contribution_amount": difference,
        "contribution_share": round(float(difference / change), DECIMALS) if change else None,
    }


def _amounts_of_customers(reading: Reading, period: Period) -> MaybeAmounts:
    counted = customers_of_period(reading, period)
    return {kind: counted[column] for kind, column in CUSTOMER_KINDS.items()}


def _amounts_by(name: str, rows: list[Row]) -> MaybeAmounts:
    return {row[name]: row["revenue_amount"] for row in rows}


def _amounts_of_categories(reading: Reading, period: Period) -> MaybeAmounts:
    return {name: row["revenue_amount"] for name, row in sales_by_category(reading, period).items()}


AmountsOf = Callable[[Reading, Period], MaybeAmounts]
SALES: Final[tuple[Source, ...]] = ("sales",)
SALES_AND_EVENTS: Final[tuple[Source, ...]] = ("sales", "events")
REVENUE_DIMENSIONS: Final[Mapping[str, tuple[tuple[Source, ...], AmountsOf]]] = {
    MARKETING_CHANNEL: (
        SALES_AND_EVENTS,
        lambda tables, week: _amounts_by(
            "channel", by_channel(tables, week, DEFAULT_MODEL)["channels"]
        ),
    ),
    "item_category": (SALES, _amounts_of_categories),
    NEW_OR_RETURNING: (SALES, _amounts_of_customers),
    DEVICE: (SALES_AND_EVENTS, device_revenue),
    SALES_CHANNEL: (
        SALES,
        lambda tables, week: _amounts_by("channel", by_sales_channel(tables, week)["channels"]),
    ),
    "country": (
        SALES,
        lambda tables, week: _amounts_by(
            "country", geography(tables, week, "country")["places"][:MOST_PLACES]
        ),
    ),
}
"""The sources that each dimension of revenue is counted from, and the amounts of its parts."""


def revenue_factors(now: Row, before: Row, base: str, currency: str) -> list[Row] | None:
    """Return what each of three factors adds to the change of revenue;
    None where one of them is unknown or zero.

    What they add is in the digits of the currency, and adds up to the change.

    Revenue is a base (sessions or customers), times orders per unit of the base, times revenue per
    order. `now` and `before` have `revenue_amount`, `order_count` and the base, such as
    `session_count`.
    """
    names = (base, "order_count", "revenue_amount")
    if not all(row.get(name) for row in (now, before) for name in names[:2]):
        return None
    if now["revenue_amount"] is None or before["revenue_amount"] is None:
        return None
    exact = ([Fraction(row[name]) for name in names] for row in (now, before))
    factors_now, factors_before = (
        [units, orders / units, revenue / orders] for units, orders, revenue in exact
    )
    change = now["revenue_amount"] - before["revenue_amount"]
    contributions = factor_contributions(factors_now, factors_before)
    parts = rounded_parts(contributions, change, unit_of(currency))
    factors = (base, f"orders_per_{base.removesuffix('_count')}", "revenue_per_order")
    return [
        {
            "factor": factor,
            "value": _rounded(value),
            "previous": _rounded(other),
            "contribution_amount": part,
        }
        for factor, value, other, part in zip(
            factors, factors_now, factors_before, parts, strict=True
        )
    ]


def _rounded(value: Fraction) -> float:
    return round(float(value), DECIMALS)


def order_value_causes(reading: Reading, period: Period, now: Row, before: Row) -> Row | None:
    """Return the change of the average order value by marketing channel, as mix and rate;
    None where it is unknown.

    `now` and `before` have `order_count`, `revenue_amount` and `average_order_value` of the week
    and the one before.
    """
    known_period = of_sources(reading, period, "sales", "events")
    if (
        not known_period.is_comparable
        or now["average_order_value"] is None
        or before["average_order_value"] is None
    ):
        return None
    try:
        parts_now, parts_before = (
            _order_value_parts(reading, days) for days in (known_period, known_period.previous)
        )
    except NoSourceError:
        return None
    unit = unit_of(reading.currency)
    are_whole = all(
        _adds_up(parts, row, unit) for parts, row in ((parts_now, now), (parts_before, before))
    )
    if not are_whole or len({**parts_now, **parts_before}) < 2:  # noqa: PLR2004 (one part explains nothing)
        return None
    change = now["average_order_value"] - before["average_order_value"]
    return {
        "dimension": MARKETING_CHANNEL,
        "parts": _mix_and_rate(parts_now, parts_before, change, unit),
    }


def _adds_up(parts: Mapping[str, PartRatio], whole: Row, unit: Decimal) -> bool:
    """Return whether every order, and all revenue, is in a part:
    only then do mix and rate add up to the change.

    The revenue of the whole is rounded to the unit of its currency; parts are exact.
    """
    orders = sum((part.denominator for part in parts.values()), Fraction(0))
    revenue = sum((part.numerator for part in parts.values()), Fraction(0))
    return orders == whole["order_count"] and abs(
        revenue - Fraction(whole["revenue_amount"])
    ) < Fraction(unit)


def _order_value_parts(reading: Reading, period: Period) -> dict[str, PartRatio]:
    rows = by_channel(reading, period, DEFAULT_MODEL)["channels"]
    return {
        row["channel"]: PartRatio(
            Fraction(row["revenue_amount"]), Fraction(str(row["order_count"]))
        )
        for row in rows
        if row["revenue_amount"] is not None and (row["order_count"] or row["revenue_amount"])
    }


def conversion_causes(reading: Reading, period: Period) -> list[Row]:
    """Return the change of the conversion rate of sessions by device and by channel,
    as mix and rate.
    """
    known_period = of_sources(reading, period, "events")
    if not known_period.is_comparable:
        return []
    result = []
    for dimension in CONVERSION_DIMENSIONS:
        answer_now, answer_before = (
            conversion(reading, days, None, "session", dimension)
            for days in (known_period, known_period.previous)
        )
        parts, parts_before = (
            _converted_parts(answer_now["breakdown"]),
            _converted_parts(answer_before["breakdown"]),
        )
        is_known = (
            answer_now["conversion_rate"] is not None
            and answer_before["conversion_rate"] is not None
        )
        if not is_known or len({**parts, **parts_before}) < 2:  # noqa: PLR2004 (one part explains nothing)
            continue
        change = Decimal(str(answer_now["conversion_rate"])) - Decimal(
            str(answer_before["conversion_rate"])
        )
        result.append(
            {
                "dimension": dimension,
                "parts": _mix_and_rate(parts, parts_before, change, SIX_DECIMALS),
            }
        )
    return result


def _converted_parts(breakdown: list[Row]) -> dict[str, PartRatio]:
    return {
        part["value"]: PartRatio(
            Fraction(part["steps"][-1]["unit_count"]), Fraction(part["steps"][0]["unit_count"])
        )
        for part in breakdown
        if part["steps"]
    }


def _mix_and_rate(
    now: Mapping[str, PartRatio], before: Mapping[str, PartRatio], change: Decimal, quantum: Decimal
) -> list[Row]:
    effects = mix_and_rate(now, before)
    exact = [part for effect in effects.values() for part in (effect.mix, effect.rate)]
    # Rounded together, so that the parts add up to the change: mix and rate of each by turns.
    amounts = rounded_parts(exact, change, quantum)
    mixes, rates = amounts[::2], amounts[1::2]
    totals = [
        sum((part.denominator for part in parts.values()), Fraction(0)) for parts in (now, before)
    ]
    rows = [
        {
            "value": name,
            **_before_and_after(now.get(name, PartRatio()), before.get(name, PartRatio()), totals),
            "mix_effect": mix,
            "rate_effect": rate,
            "contribution": mix + rate,
        }
        for name, mix, rate in zip(effects, mixes, rates, strict=True)
    ]
    return sorted(rows, key=lambda row: (-abs(row["contribution"]), row["value"]))


def _before_and_after(now: PartRatio, before: PartRatio, totals: list[Fraction]) -> Row:
    values: Answer = {}
    for prefix, part, total in (("", now, totals[0]), ("previous_", before, totals[1])):
        values[f"{prefix}share"] = _rounded(part.denominator / total)
        values[f"{prefix}rate"] = None if part.rate is None else _rounded(part.rate)
    return values
