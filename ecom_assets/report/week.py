"""ISO weeks, as `2026-W04`: seven days from a Monday."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

from ecom_assets.errors import UsageError
from ecom_assets.tables.days import ONE_DAY
from ecom_assets.tables.queries import FIRST_DATE, LAST_DATE

_WRITTEN = re.compile(r"(\d{4})-W(\d{2})")
DAYS_AFTER_MONDAY = 6


@dataclass(frozen=True)
class Week:
    """An ISO week, by its Monday."""

    monday: date

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the week that a text such as `2026-W04` names.

        Raises:
            UsageError: It names none.
        """
        match = _WRITTEN.fullmatch(text)
        try:
            week = cls(date.fromisocalendar(int(match[1]), int(match[2]), 1)) if match else None
        except ValueError:
            week = None
        if week is None:
            raise UsageError(f"--week {text!r} is not an ISO week; use YYYY-Www, such as 2026-W04.")
        if week.monday < FIRST_DATE or week.sunday > LAST_DATE:
            raise UsageError(f"--week {text} is outside of {FIRST_DATE} to {LAST_DATE}; ask for a week of the data.")
        return week

    @classmethod
    def newest_whole(cls, newest: date) -> Self:
        """Return the newest week of which all days are up to a day."""
        return cls.of(newest - DAYS_AFTER_MONDAY * ONE_DAY)

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the week that a day is in."""
        return cls(day - day.weekday() * ONE_DAY)

    @property
    def sunday(self) -> date:
        """Return the last day."""
        return self.monday + DAYS_AFTER_MONDAY * ONE_DAY

    @property
    def before(self) -> "Week":
        """Return the week right before."""
        return Week(self.monday - (DAYS_AFTER_MONDAY + 1) * ONE_DAY)

    def __str__(self) -> str:
        """Write it as ISO 8601 does."""
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"
