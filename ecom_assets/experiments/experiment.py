"""Experiments: the definition, and the counts of each variant as an Ibis expression. METRICS "Experiment".

`comparison.py` compares the counts; `answer.py` puts both together.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.tables.columns import ANY_EVENT, EXACT, EventFilter, exact_number_of, holds, text_of
from ecom_assets.tables.conditions import EVERYTHING, Where, columns_of, where_mapping
from ecom_assets.tables.portable import first_of_each

MIN_VARIANTS: Final = 2
MAX_VARIANTS: Final = 20
MULTIPLE: Final = {"exclude": "are left out", "first": "count for the first"}
"""What becomes of units that saw several variants."""
PART: Final = "decimal(19, 6)"
"""The type of the two parts of an amount: the square of a part fits into the 38 digits that engines have.

DuckDB multiplies decimals of 18 digits or fewer in 64 bits, which are too few.
"""
BILLION: Final = 1_000_000_000
MAX_WITHIN_S: Final = 100 * 366 * 86_400


@dataclass(frozen=True)
class Experiment:
    """An experiment: who saw which variant, what counts as success, and how the variants are compared.

    A unit is a visitor. It belongs to the variant of its first exposure, and converts if a goal event follows at the
    same time or later.

    Attributes:
        variant: The column or `properties.key` that names the variant.
        goal: The events that count as success.
        exposure: The events that name the variant; any event that has one by default.
        control: The variant with which the others are compared.
        within_s: How long after the first exposure a goal event counts, in seconds, the end included; None for no
            limit but the last day of the question.
        amount: The number column or `properties.key` of goal events whose sum per unit is compared too; None for none.
        shares: The planned share of each variant, in any unit such as percent. Other variants are ignored. Without
            shares all variants that occur count, and equal shares are expected.
        multiple: What becomes of units exposed to several variants: `exclude` leaves them out, `first` counts them
            for the variant that they saw first.
        where: Conditions on all events, those of exposures and of goals.
        confidence: The confidence level of all intervals, such as 0.95.
        planned_units: The number of units at which the sequential interval is narrowest; it is valid at any number.
    """

    variant: str
    goal: EventFilter
    exposure: EventFilter = ANY_EVENT
    control: str = "control"
    within_s: int | None = None
    amount: str | None = None
    shares: tuple[tuple[str, float], ...] = ()
    multiple: str = "exclude"
    where: Where = EVERYTHING
    confidence: float = 0.95
    planned_units: int = 5_000

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a time or shares that cannot be."""
        if self.within_s is not None and not 1 <= self.within_s <= MAX_WITHIN_S:
            raise DefinitionError(f"`within` of an experiment is 1 s to 100 years; got {self.within_s} s.")
        self._check_shares()

    def _check_shares(self) -> None:
        names = [name for name, _ in self.shares]
        if self.shares and not MIN_VARIANTS <= len(names) <= MAX_VARIANTS:
            raise DefinitionError(
                f"An experiment has {MIN_VARIANTS} to {MAX_VARIANTS} variants, not {len(names)}; list their shares."
            )
        for name, part in self.shares:
            if not 0 < part < math.inf:
                raise DefinitionError(f"The share of the variant {name!r} cannot be {part}; give a number above 0.")
        if self.shares and self.control not in names:
            raise DefinitionError(f"The control {self.control!r} has no share; {did_you_mean(self.control, names)}.")

    @property
    def columns(self) -> list[str]:
        """The columns that variants and amounts are read from, or that are compared with a value."""
        conditions = [self.where, self.goal.where, self.exposure.where]
        named = [column for where in conditions for column in columns_of(where)]
        return [*named, self.variant, *([self.amount] if self.amount else [])]

    def to_mapping(self) -> dict[str, Any]:
        """Return the experiment as in a definition file."""
        mapping: dict[str, Any] = {
            "variant": self.variant,
            "exposure": self.exposure.to_mapping(),
            "control": self.control,
            "goal": self.goal.to_mapping(),
            "within": None if self.within_s is None else f"{self.within_s}s",
            "amount": self.amount,
            "shares": dict(self.shares) or None,
            "multiple": self.multiple,
            "confidence": self.confidence,
            "planned_units": self.planned_units,
        }
        return mapping | where_mapping(self.where)


def variant_counts(events: ir.Table, experiment: Experiment, first: date, last: date) -> ir.Table:
    """Return the counts of each variant.

    Columns: `variant`; `unit_count`; `mixed_count`, units exposed to several variants, which are not among the units
    unless they count for the first; `converted_count`; `open_count`, units whose time for a goal is not over at the
    newest event; `amount_sum` over units, and the columns of `square_sum`. Units that are left out have the variant
    null.

    Args:
        events: Rows of `CleanEvents`, also of days after the last one if `within` is given.
        experiment: The definition.
        first: The first day of exposures.
        last: The last day of exposures, included.

    Raises:
        DefinitionError: A column is missing, or has another kind of value.
    """
    units = _outcomes(events, experiment, first, last)
    is_out = (units.is_mixed == 1) & ibis.literal(experiment.multiple != "first")
    units = units.mutate(variant=is_out.ifelse(ibis.null("string"), units.variant), is_counted=is_out.ifelse(0, 1))
    return units.group_by("variant").agg(
        unit_count=units.is_counted.sum(),
        mixed_count=units.is_mixed.sum(),
        converted_count=units.is_converted.sum(),
        open_count=units.is_open.sum(),
        amount_sum=units.amount.sum(),
        **_square_sums(units.amount),
    )


def _square_sums(amount: ir.DecimalValue) -> dict[str, ir.DecimalScalar]:
    """Return the columns of `square_sum`: the products of the billions in each amount and of the rest, added up."""
    billions = (amount.cast("float64") / BILLION).cast("int64").cast(PART)  # rounded or cut, the rest has what is left
    rest = (amount - (billions * BILLION).cast(EXACT)).cast(PART)
    return {
        "billions_square_sum": (billions * billions).cast(EXACT).sum(),
        "billions_rest_sum": (billions * rest).cast(EXACT).sum(),
        "rest_square_sum": (rest * rest).cast(EXACT).sum(),
    }


def square_sum(counts: Mapping[str, Any]) -> Fraction:
    """Return the exact sum of the squares of amounts, whatever their size, from a row of `variant_counts`."""
    names = ("billions_square_sum", "billions_rest_sum", "rest_square_sum")
    billions, both, rest = (Fraction(Decimal(counts[name])) for name in names)
    return billions * BILLION**2 + 2 * both * BILLION + rest


def _outcomes(events: ir.Table, experiment: Experiment, first: date, last: date) -> ir.Table:
    """Return a row per exposed unit: `variant`, and whether it saw several, converted, and may still convert."""
    exposed = _first_exposures(events, experiment, first, last)
    goals = events.filter(
        experiment.goal.matches(events), holds(events, experiment.where), events.event_date >= ibis.literal(first)
    )
    if experiment.within_s is None:
        goals = goals.filter(goals.event_date <= ibis.literal(last))
    amount = exact_number_of(goals, experiment.amount) if experiment.amount else ibis.literal(0).cast(EXACT)
    after = goals.select("visitor_id", "event_at", amount=amount).join(
        exposed.select("visitor_id", "exposed_at"), "visitor_id"
    )
    after = after.filter(after.event_at >= after.exposed_at)
    newest = events.event_at.max().as_scalar()
    is_open = ibis.literal(0)
    if experiment.within_s is not None:
        length = ibis.interval(seconds=experiment.within_s)
        after = after.filter(after.event_at <= after.exposed_at + length)
        is_open = (exposed.exposed_at + length > newest).ifelse(1, 0)
    reached = after.group_by("visitor_id").agg(goal_count=after.count(), amount=after.amount.sum())
    rows = exposed.mutate(is_open=is_open).left_join(reached, "visitor_id")
    return rows.select(
        "visitor_id",
        "variant",
        "is_mixed",
        "is_open",
        is_converted=rows.goal_count.notnull().ifelse(1, 0),
        amount=rows.amount.fill_null(ibis.literal(0).cast(EXACT)).cast(EXACT),
    )


def _first_exposures(events: ir.Table, experiment: Experiment, first: date, last: date) -> ir.Table:
    """Return each exposed visitor's variant, time of first exposure, and whether there were several variants."""
    in_range = (events.event_date >= ibis.literal(first)) & (events.event_date <= ibis.literal(last))
    rows = events.filter(in_range, experiment.exposure.matches(events), holds(events, experiment.where))
    rows = rows.select("visitor_id", "event_at", "event_id", variant=text_of(rows, experiment.variant))
    if experiment.shares:
        rows = rows.filter(rows.variant.isin([name for name, _ in experiment.shares]))
    is_mixed = (rows.variant.min() != rows.variant.max()).ifelse(1, 0)
    exposed_at = rows.event_at.min(where=rows.variant.notnull())
    units = rows.group_by("visitor_id").agg(exposed_at=exposed_at, is_mixed=is_mixed, variant=rows.variant.min())
    # Not before, because then engines would look for the variant twice in each event.
    units = units.filter(units.variant.notnull())
    if experiment.multiple == "exclude":
        return units
    # Of simultaneous exposures, the one whose event id comes first counts, whatever the order of rows.
    firsts = first_of_each(rows.filter(rows.variant.notnull()), "visitor_id", ["event_at", "event_id"])
    return units.drop("variant").join(firsts.select("visitor_id", "variant"), "visitor_id")
