"""Experiments: the counts of each variant as an Ibis expression. METRICS "Experiment".

`comparison.py` compares the counts; `answer.py` puts both together.
"""

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.behaviour.experiments.question import ExperimentQuestion
from ecom_assets.core.rows import NamedValues
from ecom_assets.core.tables.columns import EXACT, exact_number_of, holds, text_of
from ecom_assets.core.tables.days import rows_between
from ecom_assets.core.tables.portable import first_of_each

PART: Final = "decimal(19, 6)"
"""The type of the two parts of an amount:
the square of a part fits into the 38 digits that engines have.

DuckDB multiplies decimals of 18 digits or fewer in 64 bits, which are too few.
"""
BILLION: Final = 1_000_000_000


OUTSIDE: Final = {"false": "true", "off": "on", "disabled": "enabled"}
"""What tools of flags call the variant of who is not in an experiment.

Beside the other word of its pair only, it is a variant: of a flag that is on or off.
"""


def outside_values(variants: Collection[str], experiment: ExperimentQuestion) -> list[str]:
    """Return those values of a flag that say who is not in the experiment.

    None does where the definition names it as the control or gives it a share.
    """
    named = {experiment.control, *(experiment.shares or ())}
    words = {variant: variant.strip().lower() for variant in variants}
    return sorted(
        variant
        for variant, word in words.items()
        if word in OUTSIDE
        and variant not in named
        and not {*words.values()} <= {word, OUTSIDE[word]}
    )


def outside_counts(
    events: ir.Table,
    experiment: ExperimentQuestion,
    first: date,
    last: date,
    outside: Collection[str],
) -> ir.Table:
    """Return `unit_count` by `variant`: the units that saw that value from outside only.

    The arguments are those of `variant_counts`.
    """
    rows = _exposures(events, experiment, first, last)
    rows = rows.filter(rows.variant.notnull())
    inside = rows.filter(rows.variant.notin(outside)).select("visitor_id")
    only = rows.anti_join(inside, "visitor_id")
    return only.group_by("variant").agg(unit_count=only.visitor_id.nunique())


def variant_counts(
    events: ir.Table,
    experiment: ExperimentQuestion,
    first: date,
    last: date,
    outside: Collection[str] = (),
) -> ir.Table:
    """Return the counts of each variant.

    A unit is a visitor. It belongs to the variant of its first exposure, and converts if a goal
    event follows at the same time or later.

    Columns: `variant`; `unit_count`; `mixed_count`, units exposed to several variants, which are
    not among the units unless they count for the first; `converted_count`; `open_count`, units
    whose time for a goal is not over at the newest event; `amount_sum` over units, and the columns
    of `square_sum`. Units that are left out have the variant null.

    Args:
        events: Rows of `CleanEvents`, also of days after the last one if `within` is given.
        experiment: The definition.
        first: The first day of exposures.
        last: The last day of exposures, included.
        outside: Values that say who is not in the experiment.

    Raises:
        DefinitionError: A column is missing, or has another kind of value.
    """
    units = _outcomes(events, experiment, first, last, outside)
    is_out = (units.is_mixed == 1) & ibis.literal(experiment.multiple != "first")
    units = units.mutate(
        variant=is_out.ifelse(ibis.null("string"), units.variant), is_counted=is_out.ifelse(0, 1)
    )
    return units.group_by("variant").agg(
        unit_count=units.is_counted.sum(),
        mixed_count=units.is_mixed.sum(),
        converted_count=units.is_converted.sum(),
        open_count=units.is_open.sum(),
        amount_sum=units.amount.sum(),
        **_square_sums(units.amount),
    )


def _square_sums(amount: ir.DecimalValue) -> dict[str, ir.DecimalScalar]:
    """Return the columns of `square_sum`:
    the products of the billions in each amount and of the rest, added up.
    """
    billions = (
        (amount.cast("float64") / BILLION).cast("int64").cast(PART)
    )  # rounded or cut, the rest has what is left
    rest = (amount - (billions * BILLION).cast(EXACT)).cast(PART)
    return {
        "billions_square_sum": (billions * billions).cast(EXACT).sum(),
        "billions_rest_sum": (billions * rest).cast(EXACT).sum(),
        "rest_square_sum": (rest * rest).cast(EXACT).sum(),
    }


def square_sum(counts: NamedValues) -> Fraction:
    """Return the exact sum of the squares of amounts, whatever their size,
    from a row of `variant_counts`.
    """
    names = ("billions_square_sum", "billions_rest_sum", "rest_square_sum")
    billions, cross_terms, rest = (Fraction(Decimal(counts[name])) for name in names)
    return billions * BILLION**2 + 2 * cross_terms * BILLION + rest


def _outcomes(
    events: ir.Table,
    experiment: ExperimentQuestion,
    first: date,
    last: date,
    outside: Collection[str],
) -> ir.Table:
    """Return a row per exposed unit: `variant`, and whether it saw several, converted,
    and may still convert.
    """
    exposed = _first_exposures(events, experiment, first, last, outside)
    goals = rows_between(events, "event_date", (first, last if experiment.within is None else None))
    goals = goals.filter(experiment.goal.filter.matches(goals), holds(goals, experiment.where))
    amount = (
        exact_number_of(goals, experiment.amount)
        if experiment.amount
        else ibis.literal(0).cast(EXACT)
    )
    after = goals.select("visitor_id", "event_at", amount=amount).join(
        exposed.select("visitor_id", "exposed_at"), "visitor_id"
    )
    after = after.filter(after.event_at >= after.exposed_at)
    newest = events.event_at.max().as_scalar()
    is_open = ibis.literal(0)
    if experiment.within is not None:
        length = ibis.interval(seconds=experiment.within)
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


def _exposures(
    events: ir.Table, experiment: ExperimentQuestion, first: date, last: date
) -> ir.Table:
    """Return who was exposed to which value, and when."""
    events = rows_between(events, "event_date", (first, last))
    rows = events.filter(
        experiment.exposure.filter.matches(events), holds(events, experiment.where)
    )
    return rows.select(
        "visitor_id", "event_at", "event_id", variant=text_of(rows, experiment.variant)
    )


def _first_exposures(
    events: ir.Table,
    experiment: ExperimentQuestion,
    first: date,
    last: date,
    outside: Collection[str],
) -> ir.Table:
    """Return each exposed visitor's variant, time of first exposure,
    and whether there were several variants.
    """
    rows = _exposures(events, experiment, first, last)
    if outside:
        rows = rows.filter(rows.variant.isnull() | rows.variant.notin(outside))
    if experiment.shares:
        rows = rows.filter(rows.variant.isin([*experiment.shares]))
    is_mixed = (rows.variant.min() != rows.variant.max()).ifelse(1, 0)
    exposed_at = rows.event_at.min(where=rows.variant.notnull())
    units = rows.group_by("visitor_id").agg(
        exposed_at=exposed_at, is_mixed=is_mixed, variant=rows.variant.min()
    )
    # Not before, because then engines would look for the variant twice in each event.
    units = units.filter(units.variant.notnull())
    if experiment.multiple == "exclude":
        return units
    # Of simultaneous exposures, the one whose event id comes first counts, whatever the order of
    # rows.
    firsts = first_of_each(
        rows.filter(rows.variant.notnull()), "visitor_id", ["event_at", "event_id"]
    )
    return units.drop("variant").join(firsts.select("visitor_id", "variant"), "visitor_id")
