"""Correlation: the counts as Ibis expressions, and the odds ratio of them with its interval.

METRICS "Correlation".
"""

import math
from dataclasses import dataclass
from typing import Final

import ibis
import ibis.expr.types as ir
from scipy.special import ndtri

from ecom_assets.behaviour.funnels.chains import VALUE, funnel_chains
from ecom_assets.behaviour.funnels.definition import FIVE_STEPS, Funnel
from ecom_assets.core.tables.intervals import FEW

MAX_VALUES: Final = 1_000
"""The values of a property, and the event types, that are compared: those of most visitors."""
NONE: Final = "(none)"


def entrants(events: ir.Table, funnel: Funnel) -> ir.Table:
    """Return who entered a funnel: `visitor_id`, `entered_at`,
    `until_at` and `is_converted`, 1 or 0.

    `until_at` is the time of the last step, or the end of the window for those who did not convert.
    The events are clean ones with the columns that the funnel names.
    """
    chains = funnel_chains(events, funnel)
    visitors = chains.group_by("visitor_id").agg(
        entered_at=chains.event_at.min(), last_at=chains.event_at.max(), level=chains.step.max()
    )
    is_converted = visitors.level == len(funnel.steps)
    window_end = visitors.entered_at + ibis.interval(seconds=funnel.within)
    return visitors.select(
        "visitor_id",
        "entered_at",
        until_at=is_converted.ifelse(visitors.last_at, window_end),
        is_converted=is_converted.ifelse(1, 0),
    )


def event_type_counts(events: ir.Table, entered: ir.Table, funnel: Funnel) -> ir.Table:
    """Return how many entrants did something after they entered and before they converted.

    Columns: `value`, the event type; `converted_count` and `other_count`. The event types of the
    steps are left out.
    """
    steps = [step.event_type for step in funnel.steps]
    rest = events.filter(events.event_type.notin(steps)).select(
        "visitor_id", "event_at", "event_type"
    )
    joined = rest.join(entered, "visitor_id")
    between = joined.filter(joined.event_at > joined.entered_at, joined.event_at < joined.until_at)
    pairs = between.select("visitor_id", "is_converted", value=between.event_type).distinct()
    return _counted(pairs)


def property_counts(events: ir.Table, entered: ir.Table, funnel: Funnel, column: str) -> ir.Table:
    """Return how many entrants had each value of a property at the first step;
    the columns are as for event types.
    """
    chains = funnel_chains(events, funnel.changed(by=column))
    at_entry = chains.filter(chains.step == 1).select("visitor_id", VALUE)
    values = at_entry.join(entered.select("visitor_id", "is_converted"), "visitor_id")
    return _counted(
        values.select("visitor_id", "is_converted", value=values[VALUE].fill_null(NONE))
    )


def _counted(pairs: ir.Table) -> ir.Table:
    counts = pairs.group_by("value").agg(
        visitor_count=pairs.count(), converted_count=pairs.is_converted.sum()
    )
    ordered = counts.order_by(counts.visitor_count.desc(), counts.value).limit(MAX_VALUES)
    return ordered.select(
        "value", "converted_count", other_count=ordered.visitor_count - ordered.converted_count
    )


LEAST_EXPECTED: Final = 5


@dataclass(frozen=True)
class OddsRatio:
    """The ratio of the odds to convert with something and without it.

    Attributes:
        value: The ratio; 1 if it makes no difference.
        low: The lower end of its interval.
        high: The upper end.
        is_enough: Whether there are enough data for the interval to hold.
    """

    value: float
    low: float
    high: float
    is_enough: bool


def odds_ratio(having: tuple[int, int], lacking: tuple[int, int], confidence: float) -> OddsRatio:
    """Return the odds ratio.

    Args:
        having: How many of those who have it converted, and how many did not.
        lacking: The same of those who lack it.
        confidence: The confidence level of the interval.
    """
    cells = [float(count) for count in (*having, *lacking)]
    if not all(cells):
        cells = [count + 0.5 for count in cells]
    logarithm = math.log(cells[0]) - math.log(cells[1]) - math.log(cells[2]) + math.log(cells[3])
    width = float(ndtri((1 + confidence) / 2)) * math.sqrt(math.fsum(1 / count for count in cells))
    low, high = math.exp(logarithm - width), math.exp(logarithm + width)
    return OddsRatio(
        math.exp(logarithm), low, high, _least_expected(having, lacking) >= LEAST_EXPECTED
    )


@dataclass(frozen=True)
class RateRatio:
    """How many times as often those with something convert as those without it, with the interval
    of D. Katz and others, "Obtaining confidence intervals for the risk ratio in cohort studies",
    Biometrics 34 (1978).
    """

    value: float
    low: float
    high: float


def rate_ratio(having: tuple[int, int], lacking: tuple[int, int], confidence: float) -> RateRatio:
    """Return the ratio of the shares that convert; the arguments are those of `odds_ratio`."""
    cells = [float(count) for count in (*having, *lacking)]
    if not all(cells):
        cells = [count + 0.5 for count in cells]
    with_it, without = cells[0] + cells[1], cells[2] + cells[3]
    logarithm = math.log(cells[0] / with_it) - math.log(cells[2] / without)
    variance = math.fsum((1 / cells[0], -1 / with_it, 1 / cells[2], -1 / without))
    width = float(ndtri((1 + confidence) / 2)) * math.sqrt(variance)
    return RateRatio(math.exp(logarithm), math.exp(logarithm - width), math.exp(logarithm + width))


NEARLY_ALL: Final = 0.95
"""What so many of those who converted did lies on the way to the last step."""


def lies_on_the_way(event_type: str, funnel: Funnel, having: int, converted: int) -> bool:
    """Return whether an event type lies on the way to the last step: the shipped funnel has it
    between the first step and the last, or nearly all of those who converted did it.

    Args:
        event_type: The type.
        funnel: Whose conversion is looked at.
        having: How many of those who converted did it.
        converted: How many converted.
    """
    first, last = funnel.steps[0].event_type, funnel.steps[-1].event_type
    if last in FIVE_STEPS:
        begins = FIVE_STEPS.index(first) if first in FIVE_STEPS else -1
        if event_type in FIVE_STEPS[begins + 1 : FIVE_STEPS.index(last)]:
            return True
    return converted >= FEW and having >= NEARLY_ALL * converted


def _least_expected(having: tuple[int, int], lacking: tuple[int, int]) -> float:
    """Return the count of the smallest cell if it made no difference."""
    total = sum(having) + sum(lacking)
    sides = (min(sum(having), sum(lacking)), min(having[0] + lacking[0], having[1] + lacking[1]))
    return sides[0] * sides[1] / total if total else 0.0
