"""Which of a visitor's events count: each, or only the first. `first_events.py` has it as an expression.

This module imports nothing heavy, because the `ecom` command reads a definition before it starts an engine.
"""

from typing import Any, Final

from ecom_assets.errors import DefinitionError, did_you_mean

EVERY, FIRST_TIME, FIRST_EVER = "every", "first_time", "first_ever"
OCCURRENCES: Final = (EVERY, FIRST_TIME, FIRST_EVER)
"""Each; the first that meets the conditions; or the first of its type, if that one meets the conditions."""
MAX_TIMES: Final = 1_000
"""How often something can be demanded to happen in a period."""


def check_occurrence(place: str, value: Any) -> None:  # noqa: ANN401 (any value of a file)
    """Raise if a value does not say which of a visitor's events count; `place` begins the error message.

    Raises:
        DefinitionError: It is none of `OCCURRENCES`.
    """
    if value not in OCCURRENCES:
        raise DefinitionError(f"{place} has the unknown occurrence {value!r}; {did_you_mean(value, OCCURRENCES)}.")
