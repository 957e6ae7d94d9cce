"""Funnels that are counted every day: a definition with a name, and what it may ask of the daily table.

Not here: where they are declared (`sources/funnel_file.py`), and how they are counted (`conversion_funnel.py`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from ecom_assets.errors import DefinitionError, did_you_mean
from ecom_assets.transforms.funnel_definition import MAX_WINDOW_S, WALKED, Funnel

CLOCK_CHANGE_S: Final = 3 * 3600
"""The most by which clocks go forward in a window, so that its last day is later by the calendar."""

UNITS: Final = {"session": "session", "user": "visitor"}
"""What the table calls the units that a definition names."""

DEFAULT_NAME: Final = "default"


@dataclass(frozen=True)
class DailyFunnel:
    """A funnel by the day on which it was begun.

    Attributes:
        name: By which the table tells funnels apart.
        funnel: The definition.
        units: `session`, `visitor` or both. A session has all of itself for its steps where both are counted, because
            the window is a visitor's; counted alone it has the window.
    """

    name: str
    funnel: Funnel
    units: tuple[str, ...] = ("session", "visitor")

    def __post_init__(self) -> None:
        place = f"The daily funnel {self.name!r}"
        if self.funnel.per == "totals":
            raise DefinitionError(f"{place} counts totals, which days do not have; count per user or per session.")
        if self.funnel.by is not None:
            raise DefinitionError(f"{place} has `by`; leave it out, the table breaks down by the first category.")
        if self.funnel.order not in WALKED and "visitor" in self.units:
            known = ", ".join(WALKED)
            raise DefinitionError(f"{place} has the order {self.funnel.order!r}; use {known}, or count per session.")

    def check_columns(self, columns: Collection[str]) -> None:
        """Refuse conditions and held columns that the table of events has not.

        Raises:
            DefinitionError: The first that is not among `columns`.
        """
        conditions = [*self.funnel.steps, *(one.event for one in self.funnel.exclude)]
        for column in (*(column for step in conditions for column in step.where), *self.funnel.hold):
            if column not in columns:
                raise DefinitionError(
                    f"The daily funnel {self.name!r} names the column {column!r}; {did_you_mean(column, columns)}."
                )

    @property
    def of_sessions(self) -> Funnel:
        """The funnel inside a session."""
        return replace(self.funnel, within_s=MAX_WINDOW_S) if "visitor" in self.units else self.funnel

    @property
    def event_types(self) -> set[str] | None:
        """The event types that matter; None where every event does."""
        if self.funnel.order in {"strict_order", "allow_reentry", "exact"}:
            return None
        conditions = [*self.funnel.steps, *(one.event for one in self.funnel.exclude)]
        return {step.event_type for step in conditions}

    @property
    def window_days(self) -> int:
        """The days after a cohort day into which a visitor's window can reach, where clocks change too."""
        return -(-(self.funnel.within_s + CLOCK_CHANGE_S) // 86_400)


def window_days(funnels: Collection[DailyFunnel]) -> int:
    """The days after a cohort day into which a visitor's window of any of the funnels can reach."""
    return max((one.window_days for one in funnels if "visitor" in one.units), default=0)
