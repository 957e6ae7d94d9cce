"""The answer to an experiment: how its variants compare, computed from clean events."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

import ibis.expr.types as ir
from ibis.backends.sql import SQLBackend
from pydantic import BaseModel, Field

from ecom_assets.behaviour.events.missing import (
    SourceNames,
    missing_property_warnings,
    missing_type_warnings,
)
from ecom_assets.behaviour.experiments.comparison import (
    MISMATCH_BELOW,
    Interval,
    Posterior,
    Sample,
    SampleRatio,
    beta_posterior,
    credible_difference,
    credible_interval,
    posterior_of_mean,
    probability_best,
    sample_ratio,
    sequential,
)
from ecom_assets.behaviour.experiments.experiment import (
    outside_counts,
    outside_values,
    square_sum,
    variant_counts,
)
from ecom_assets.behaviour.experiments.question import MAX_VARIANTS, ExperimentQuestion
from ecom_assets.behaviour.experiments.text import lines
from ecom_assets.behaviour.questions.answer import Kind, QuestionAnswer, number
from ecom_assets.behaviour.questions.source import QuestionData
from ecom_assets.behaviour.trends.range import TrendRange
from ecom_assets.core.errors import DefinitionError, did_you_mean
from ecom_assets.core.rows import Answer, NamedValues, Row
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.tables.queries import DECIMALS, significant

FEWEST_UNITS = 100
"""Units per variant below which the intervals,
which are approximations for many units, are warned of.
"""


@dataclass(frozen=True)
class VariantSums:
    """The counts that `variant_counts` returns for a variant."""

    variant: str
    unit_count: int = 0
    converted_count: int = 0
    open_count: int = 0
    amount_sum: Fraction = Fraction(0)
    amount_square_sum: Fraction = Fraction(0)

    @classmethod
    def from_row(cls, row: NamedValues) -> "VariantSums":
        """Return the counts of a row."""
        return cls(
            row["variant"],
            int(row["unit_count"]),
            int(row["converted_count"]),
            int(row["open_count"]),
            Fraction(Decimal(row["amount_sum"])),
            square_sum(row),
        )


class ExperimentBounds(BaseModel):
    """The ends of an interval."""

    low: float = Field(description="Lower end")
    high: float = Field(description="Upper end")


class Comparison(BaseModel):
    """How a variant compares with the control in one metric."""

    difference: float = number("Difference", "score", "Its value minus that of the control")
    relative_difference: float | None = number(
        "Against control", "change", "The same, relative to the control; null where that is zero"
    )
    sequential: ExperimentBounds | None = Field(
        description="Interval that is valid at every look; null where nothing varies"
    )
    relative_sequential: ExperimentBounds | None = Field(
        description="The same of the relative difference"
    )
    p_value: float | None = number(
        "p (always valid)", "score", "Always-valid p-value of no difference"
    )
    credible: ExperimentBounds | None = Field(description="Bayesian interval of the difference")
    probability_better: float | None = number(
        "Probability better", "rate", "Probability that its value is above that of the control"
    )


class Metric(BaseModel):
    """A metric of a variant."""

    value: float | None = Field(
        description="Share of units that converted, or amount per unit; null without units"
    )
    credible: ExperimentBounds | None = Field(description="Bayesian interval of the value")
    probability_best: float | None = number(
        "Probability best", "rate", "Probability that it is the highest of all variants"
    )
    against_control: Comparison | None = Field(
        description="Null for the control itself, and without units"
    )


class VariantCounts(BaseModel):
    """A variant, its units and its metrics."""

    variant: str = Field(description="Its name", examples=["test"])
    unit_count: int | None = number(
        "Visitors", "count", "Visitors that were exposed to it, and count"
    )
    expected_share: float = number("Expected share", "rate", "Share of units that was planned")
    converted_count: int | None = number(
        "Converted", "count", "Units with a goal event at or after their first exposure"
    )
    open_count: int | None = number(
        "Open", "count", "Units whose time for a goal is not over at the newest event"
    )
    amount: float | None = Field(description="Sum of the amount; null where none is requested")
    conversion: Metric = Field(description="Share of units that converted")
    mean: Metric | None = Field(description="Amount per unit; null where none is requested")


class OutsideUnits(BaseModel):
    """Units that a flag left out of the experiment."""

    value: str = Field(description="What the flag said", examples=["false"])
    unit_count: int | None = number("Visitors", "count", "Visitors that saw nothing else")


class ExperimentSplit(BaseModel):
    """Whether the units are split as planned."""

    chi_squared: float = Field(description="Pearson's statistic")
    p_value: float = Field(description="Probability of such a split by chance")
    threshold: float = Field(description="P-value below which the split is a mismatch")
    is_mismatch: bool = Field(
        description="Whether the split is not the planned one: the differences may come from it"
    )


class ExperimentAnswer(QuestionAnswer):
    """The result of an experiment."""

    total_count: int | None = Field(description="How many variants there are")
    variants: list[VariantCounts] = Field(
        description="The control first, the others by name or as listed"
    )
    outside: list[OutsideUnits] = Field(
        description="Units that a flag left out of the experiment, by what it said; in no variant, "
        "and not in the split"
    )
    mixed_count: int | None = number("Saw several", "count", "Units exposed to several variants")
    sample_ratio: ExperimentSplit | None = Field(description="Null with fewer than two variants")
    warnings: list[str] = Field(description="Reasons to doubt the comparison, a sentence each")


def compute(question: ExperimentQuestion, data: QuestionData) -> Answer:
    """Return the counts of each variant, and how it compares with the control.

    Raises:
        DefinitionError: The definition does not fit the events.
    """
    # A goal can follow after the last day of exposures.
    events = data.events if question.within is None else data.all_events
    days = TrendRange.between(data.event_days, data.days)
    return experiment_answer(
        data.con, events, question, (days.first, days.last), data.source.source_names
    )


def experiment_answer(
    con: SQLBackend,
    events: ir.Table,
    experiment: ExperimentQuestion,
    days: tuple[date, date],
    source_names: SourceNames | None = None,
) -> Answer:
    """Return the counts of each variant, and how it compares with the control.

    Args:
        con: The engine that has the events.
        events: Rows of `CleanEvents`.
        experiment: The definition.
        days: The first and the last day of exposures.
        source_names: The source's own names of event types.

    Raises:
        DefinitionError: The definition does not fit the events.
    """
    rows = _largest(variant_counts(events, experiment, *days))
    seen = [row["variant"] for row in rows if row["variant"] is not None]
    outside = outside_values(seen, experiment)
    left_out = []
    if outside:
        rows = _largest(variant_counts(events, experiment, *days, outside))
        left_out = _largest(outside_counts(events, experiment, *days, outside))
    variants = _in_order(rows, experiment)
    split = sample_ratio(
        [variant.unit_count for variant in variants], _shares(variants, experiment)
    )
    event_types = [
        part.event_type for part in (experiment.exposure, experiment.goal) if part.event_type
    ]
    return {
        "definition": {
            **experiment.definition(),
            "first_date": str(days[0]),
            "last_date": str(days[1]),
        },
        "variants": _described(variants, experiment),
        "mixed_count": sum(int(row["mixed_count"]) for row in rows),
        "outside": [
            {"value": row["variant"], "unit_count": int(row["unit_count"])} for row in left_out
        ],
        "sample_ratio": _ratio(split),
        "warnings": [
            *missing_type_warnings(con, events, event_types, source_names),
            *_missing_properties(con, events, experiment, variants),
            *_warnings(variants, split),
        ],
    }


def _largest(counted: ir.Table) -> list[Row]:
    """Return the counts of variants with the most units, one more than there may be."""
    return rows_of(counted.order_by(counted.unit_count.desc(), "variant").limit(MAX_VARIANTS + 2))


def _missing_properties(
    con: SQLBackend,
    events: ir.Table,
    experiment: ExperimentQuestion,
    variants: Sequence[VariantSums],
) -> list[str]:
    """Look for keys of `properties` that no event has, where the numbers suggest it."""
    if any(
        variant.amount_sum if experiment.amount else variant.converted_count for variant in variants
    ):
        return []
    numbers = [experiment.amount] if experiment.amount else []
    return missing_property_warnings(con, events, experiment.columns, numbers)


def _in_order(rows: Sequence[NamedValues], experiment: ExperimentQuestion) -> list[VariantSums]:
    """Return the variants, the control first, the others by name."""
    result = {
        row["variant"]: VariantSums.from_row(row) for row in rows if row["variant"] is not None
    }
    if len(result) > MAX_VARIANTS:
        raise DefinitionError(
            f"{experiment.variant} has more than {MAX_VARIANTS} values, so it is not a variant; "
            "name those to compare as shares, such as control=50 and test=50."
        )
    names = [*(experiment.shares or sorted(result))]
    if names and experiment.control not in names:
        raise DefinitionError(
            f"No unit was exposed to the control {experiment.control!r}; "
            f"{did_you_mean(experiment.control, names)}."
        )
    in_order = sorted(names, key=lambda name: name != experiment.control)
    return [result.get(name) or VariantSums(name) for name in in_order]


def _described(variants: Sequence[VariantSums], experiment: ExperimentQuestion) -> list[Row]:
    shares = _shares(variants, experiment)
    rates = _metric([_conversion(variant) for variant in variants], experiment)
    means = (
        _metric([_amounts(variant) for variant in variants], experiment)
        if experiment.amount
        else [None] * len(variants)
    )
    return [
        {
            "variant": variant.variant,
            "unit_count": variant.unit_count,
            "expected_share": _rounded(part),
            "converted_count": variant.converted_count,
            "open_count": variant.open_count,
            "amount": float(variant.amount_sum) if experiment.amount else None,
            "conversion": rate,
            "mean": mean,
        }
        for variant, part, rate, mean in zip(variants, shares, rates, means, strict=True)
    ]


@dataclass(frozen=True)
class _MetricEstimate:
    """A metric of a variant: its sample, what is believed of it,
    and the greatest difference that there can be.
    """

    sample: Sample | None
    posterior: Posterior | None
    most: float = math.inf


def _conversion(variant: VariantSums) -> _MetricEstimate:
    sample = (
        Sample.from_successes(variant.converted_count, variant.unit_count)
        if variant.unit_count
        else None
    )
    return _MetricEstimate(
        sample, beta_posterior(variant.converted_count, variant.unit_count), most=1
    )


def _amounts(variant: VariantSums) -> _MetricEstimate:
    if not variant.unit_count:
        return _MetricEstimate(None, None)
    sample = Sample.from_sums(variant.amount_sum, variant.amount_square_sum, variant.unit_count)
    return _MetricEstimate(sample, posterior_of_mean(sample))


def _metric(metrics: Sequence[_MetricEstimate], experiment: ExperimentQuestion) -> list[Row]:
    """Return the value of a metric for each variant,
    and how it compares with that of the first one, the control.
    """
    believed = [metric.posterior for metric in metrics if metric.posterior]
    best = (
        probability_best(believed) if len(believed) == len(metrics) > 1 else [None] * len(metrics)
    )
    result = []
    for position, (metric, chance) in enumerate(zip(metrics, best, strict=True)):
        credible = (
            credible_interval(metric.posterior, experiment.confidence)
            if metric.posterior and metric.sample
            else None
        )
        metric_values = {
            "value": _rounded(metric.sample.mean) if metric.sample else None,
            "credible": _ends(credible),
        }
        metric_values |= {"probability_best": _rounded(chance)}
        result.append(
            metric_values
            | {"against_control": _compared(metrics[0], metric, experiment) if position else None}
        )
    return result


def _compared(
    control: _MetricEstimate, other: _MetricEstimate, experiment: ExperimentQuestion
) -> Answer | None:
    if not control.sample or not other.sample:
        return None
    difference = other.sample.mean - control.sample.mean
    relative = difference / control.sample.mean if control.sample.mean else None
    looks = sequential(
        control.sample, other.sample, experiment.confidence, experiment.planned_units
    )
    credible, better = None, None
    if control.posterior and other.posterior:
        credible = credible_difference(control.posterior, other.posterior, experiment.confidence)
        better = probability_best([control.posterior, other.posterior])[1]
    return {
        "difference": _rounded(difference),
        "relative_difference": _rounded(relative),
        "sequential": _ends(looks.difference.clipped(control.most) if looks else None),
        "relative_sequential": _ends(looks.relative if looks else None),
        "p_value": significant(looks.p_value) if looks else None,
        "credible": _ends(credible),
        "probability_better": _rounded(better),
    }


def _ends(interval: Interval | None) -> dict[str, float | None] | None:
    return {"low": _rounded(interval.low), "high": _rounded(interval.high)} if interval else None


def _rounded(value: float | None) -> float | None:
    """Return a number rounded to the decimals that are the same on every machine."""
    return None if value is None or math.isnan(value) else round(value, DECIMALS)


def _shares(variants: Sequence[VariantSums], experiment: ExperimentQuestion) -> list[float]:
    planned = experiment.shares or {variant.variant: 1.0 for variant in variants}
    return [planned[variant.variant] / math.fsum(planned.values()) for variant in variants]


def _ratio(split: SampleRatio | None) -> Row | None:
    if not split:
        return None
    ratio = {"chi_squared": _rounded(split.chi_squared), "p_value": significant(split.p_value)}
    return ratio | {"threshold": MISMATCH_BELOW, "is_mismatch": split.is_mismatch}


def _warnings(variants: Sequence[VariantSums], split: SampleRatio | None) -> list[str]:
    """Return a sentence for each reason to doubt the comparison."""
    if not any(variant.unit_count for variant in variants):
        return ["No unit was exposed to a variant on these days."]
    result = []
    if len(variants) == 1:
        result.append(
            f"All units saw the same variant, {variants[0].variant!r}, so there is nothing to "
            "compare."
        )
    few = [
        f"{variant.variant} ({variant.unit_count})"
        for variant in variants
        if variant.unit_count < FEWEST_UNITS
    ]
    if few:
        result.append(
            f"Some variants have fewer than {FEWEST_UNITS} units: {', '.join(few)}; intervals are "
            "too narrow then, and those of `credible` for conversion only can be used."
        )
    if split and split.is_mismatch:
        result.append(
            f"The units are not split as planned (p = {split.p_value:.2g}, below "
            f"{MISMATCH_BELOW}), so the differences may come from the split; find out who is "
            "missing before you trust them."
        )
    return result


EXPERIMENT: Final = Kind(
    "experiment",
    ExperimentQuestion,
    ExperimentAnswer,
    compute,
    (
        "Compare the variants of an experiment: conversion and mean by variant, and whether they "
        "differ"
    ),
    lists=("variants",),
    without="nobody saw a variant",
    lines=lines,
)
