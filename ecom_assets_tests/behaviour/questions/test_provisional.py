"""A day that is not over is marked, in the shop's time zone,
as long as the data have a part of it.
"""

from datetime import UTC, date, datetime

from ecom_assets.core.tables.queries import KnownDays, Period, range_of
from ecom_assets_tests.each import each

WEEK = (date(2026, 11, 18), date(2026, 11, 24))
EVENING = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


@each(
    "timezone, known_to, provisional_from",
    [
        ("UTC", 24, date(2026, 11, 24)),
        ("Europe/Berlin", 24, None),  # there it is half past midnight: the 24th is over
        ("UTC", 23, None),  # nothing of the 24th is known yet, which is said elsewhere
        ("Pacific/Kiritimati", 24, None),
    ],
)
def test_a_day_is_provisional_until_it_is_over(
    timezone: str, known_to: int, provisional_from: date | None
) -> None:
    known_days = {"events": KnownDays(date(2026, 11, 1), date(2026, 11, known_to))}
    period = Period("custom", *WEEK, known_days)
    assert range_of(period, timezone, EVENING)["provisional_from"] == provisional_from


def test_days_that_are_all_over_are_not_provisional() -> None:
    period = Period("custom", *WEEK, {"events": KnownDays(date(2026, 11, 1), date(2026, 11, 24))})
    assert range_of(period, "UTC", datetime(2026, 11, 25, tzinfo=UTC))["provisional_from"] is None
