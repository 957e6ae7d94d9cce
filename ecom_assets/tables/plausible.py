"""The days on which an event or an order can have happened."""

from datetime import date

FIRST_PLAUSIBLE = date(1990, 1, 1)
LAST_PLAUSIBLE = date(2099, 12, 31)


def is_plausible(day: date) -> bool:
    """Return whether a day is plausible as the date of an event or an order."""
    return FIRST_PLAUSIBLE <= day <= LAST_PLAUSIBLE
