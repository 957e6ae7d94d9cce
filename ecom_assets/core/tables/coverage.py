"""How much of an amount a join has met, and what may be said of a number that rests on it."""

from typing import Final

from ecom_assets.core.tables import formats

LEAST_COVERAGE: Final = 0.2
"""Below this share of the money, a number that rests on the join is not known."""
WHOLE_COVERAGE: Final = 0.995
"""From this share on, which is shown as 100 %, nothing is said."""


def coverage_note(rate: float | None, known: str, *, too_few: str, partly: str) -> str:
    """Return the share that is known, and what follows from it, as a sentence; empty where all is
    known, or there is nothing to know.

    Args:
        rate: A share from 0 to 1.
        known: What the share is of, around its place: `Visits are known for {share} of orders`.
        too_few: What cannot be said below `LEAST_COVERAGE`.
        partly: What is to be kept in mind from there on.
    """
    if rate is None or rate >= WHOLE_COVERAGE:
        return ""
    consequence = too_few if rate < LEAST_COVERAGE else partly
    return f"{known.format(share=formats.rate(rate))}: {consequence}."
