"""The day that was not over when data were read or published: its numbers are provisional, and said to be."""

from datetime import date, datetime

from ecom_assets.clock import today_in
from ecom_assets.tables.queries import Period


def unfinished_day(period: Period, timezone: str, known_at: datetime) -> date | None:
    """Return the day of a period that was not over, in a time zone, at an instant; None if all known days were."""
    today, known_to = today_in(timezone, lambda: known_at), period.known_days.last
    return today if known_to is not None and period.start_date <= today <= min(period.end_date, known_to) else None


def provisional_lines(day: date | str | None) -> list[str]:
    """Return a sentence about the day from which numbers are provisional, if there is one."""
    return [f"{day} is not over: its numbers are provisional, and grow."] if day else []
