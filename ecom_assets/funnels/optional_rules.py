"""Which funnels can have optional steps, and the funnel of the steps that have to be taken.

This module imports nothing heavy, as the definition does not. `funnels/chains.py` finds who took optional steps.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from ecom_assets.errors import DefinitionError

if TYPE_CHECKING:
    from ecom_assets.funnels.definition import Funnel


def check_optional(funnel: "Funnel", orders: Collection[str]) -> None:
    """Refuse what a funnel with optional steps does not have.

    Args:
        funnel: The definition.
        orders: The orders in which any event may occur between steps, so that one can be left out.

    Raises:
        DefinitionError: The first of it.
    """
    if {1, len(funnel.steps)} & funnel.optional_steps:
        raise DefinitionError(
            "The first and the last step of a funnel have to be taken; make only steps between them optional."
        )
    if funnel.order not in orders:
        raise DefinitionError(
            f"The order {funnel.order!r} has no optional steps; use one of {', '.join(orders)}, or leave them out."
        )
    if funnel.per == "totals":
        raise DefinitionError("Totals have no optional steps; count per user or session, or leave them out.")
    if funnel.exclude and funnel.exclusion_rule != "posthog":
        raise DefinitionError(
            "In a funnel with optional steps an exclusion drops the whole unit; set the exclusion rule to posthog, or "
            "leave one of them out."
        )
    for what, number in _named(funnel):
        if number in funnel.optional_steps:
            raise DefinitionError(f"{what} names step {number}, which is optional; name steps that have to be taken.")


def _named(funnel: "Funnel") -> list[tuple[str, int]]:
    """Return the steps that other parts of the definition name, with these parts."""
    result = [("An exclusion", number) for one in funnel.exclude for number in (one.after, one.before or 0)]
    if funnel.by_attribution.startswith("step_"):
        result.append(("`by_attribution`", int(funnel.by_attribution.removeprefix("step_"))))
    times = funnel.time_to_convert
    return result + ([("`time_to_convert`", times.first), ("`time_to_convert`", times.last)] if times else [])


def required_steps(funnel: "Funnel") -> list[int]:
    """Return the numbers of the steps that have to be taken, in order."""
    return [number for number in range(1, len(funnel.steps) + 1) if number not in funnel.optional_steps]


def required(funnel: "Funnel") -> "Funnel":
    """Return the funnel of the steps that have to be taken, by their numbers in it."""
    if not funnel.optional_steps:
        return funnel
    kept = required_steps(funnel)
    number_of = {number: place for place, number in enumerate(kept, start=1)}
    own = funnel.by_attribution
    if own.startswith("step_"):
        own = f"step_{number_of[int(own.removeprefix('step_'))]}"
    return replace(
        funnel,
        steps=tuple(funnel.steps[number - 1] for number in kept),
        exclude=tuple(
            replace(one, after=number_of[one.after], before=number_of[one.before or len(funnel.steps)])
            for one in funnel.exclude
        ),
        by_attribution=own,
        time_to_convert=None,
    )
