"""The other days that stand beside those of a question, and the lengths of days that forms offer."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator

from ecom_assets.questions.fields import Choices

BEFORE, A_YEAR_BEFORE = "before", "year"
COMPARE: Final = Choices("comparison", {BEFORE: "Period before", A_YEAR_BEFORE: "Same weekdays a year before"})
YEAR_OF_WEEKS: Final = timedelta(weeks=52)
NEEDS_FIRST_DAY: Final = "`compare` needs days that begin somewhere; choose how many days, or the first one."
LAST_DAYS: Final = {
    "": "All days",
    "1d": "Newest day",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "365d": "Last 365 days",
}


def _by_name(compare: object) -> object:
    """Return a comparison by its name: `true` is the period before, `false` none."""
    return (BEFORE if compare else None) if isinstance(compare, bool) else compare


Compare = Annotated[str | None, COMPARE, BeforeValidator(_by_name)]
"""The other days that stand beside those of a question."""
