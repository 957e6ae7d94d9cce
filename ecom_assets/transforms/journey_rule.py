"""What a journey is made of, and how much of a long one is kept. Sources: METRICS "Journey". Not here: journeys."""

from dataclasses import dataclass

from ecom_assets.errors import DefinitionError, did_you_mean

DIMENSIONS = ("page_type", "category")
"""What a step of a journey can be."""
START, EXIT = "(start)", "(exit)"
ARROW = " → "
"""Between the steps of a path as text."""
CUT = "…"
"""Ends a path of which more steps are known than are kept."""
MOST_STEPS = 40


@dataclass(frozen=True)
class JourneyRule:
    """Which steps make a journey, and to what length it is told step by step.

    `dimensions`: `page_type` takes each event's type, so that the same names stand in funnels; `category` takes the
    product category of the events that carry one, and passes over the others. `most_steps` (steps, 20): a path keeps
    so many of its steps, then ends in an ellipsis; its length, and every count of transitions, are of all of them.
    `most_places` (steps, 10): transitions are told by their place in the session up to this one, which stands for all
    later ones.
    """

    dimensions: tuple[str, ...] = DIMENSIONS
    most_steps: int = 20
    most_places: int = 10

    def __post_init__(self) -> None:
        """Refuse what no journey is made of."""
        for dimension in self.dimensions:
            if dimension not in DIMENSIONS:
                raise DefinitionError(f"There are no journeys by {dimension!r}; {did_you_mean(dimension, DIMENSIONS)}.")
        if not 1 <= self.most_steps <= MOST_STEPS:
            raise DefinitionError(f"A path of {self.most_steps} steps cannot be kept; give 1 to {MOST_STEPS}.")
        if self.most_places < 1:
            raise DefinitionError(f"{self.most_places} places of a journey are none; give 1 or more.")


def steps_of(path: str | None) -> list[str]:
    """Return the steps of a path as text, without the ellipsis of one that goes on."""
    return [step for step in (path or "").split(ARROW) if step not in {"", CUT}]
