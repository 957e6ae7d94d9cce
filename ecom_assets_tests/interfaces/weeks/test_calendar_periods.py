"""Calendar periods: the newest data decide, weeks begin where the shop says, all days are whole."""

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.core.tables.queries import KnownDays, Period
from ecom_assets.core.tables.values import WEEKDAYS
from ecom_assets.interfaces.weeks.calendar_periods import (
    CalendarPeriod,
    PeriodName,
    calendar_periods,
)
from ecom_assets_tests.each import each

THURSDAY = date(2026, 11, 26)


def periods(
    known: KnownDays, week_start: str = "monday", open_from: date | None = None
) -> dict[PeriodName, CalendarPeriod]:
    """Return the calendar periods of a shop with one source."""
    assert known.last is not None
    period = Period("custom", known.last, known.last, {"orders": known})
    return calendar_periods(period, week_start, open_from)


def days(first: str, last: str) -> tuple[date, date]:
    """Return the first and the last of some days."""
    return date.fromisoformat(first), date.fromisoformat(last)


def test_a_thursday_has_the_week_that_ended_on_sunday_and_the_month_up_to_itself() -> None:
    found = periods(KnownDays(date(2024, 1, 1), THURSDAY))
    assert found["day"].days == days("2026-11-26", "2026-11-26")
    assert found["day"].before == days("2026-11-19", "2026-11-19")  # a Thursday, too
    assert found["day"].year_before == days("2025-11-27", "2025-11-27")  # a Thursday, too
    assert found["week"].days == days("2026-11-16", "2026-11-22")
    assert found["week"].before == days("2026-11-09", "2026-11-15")
    assert found["week"].year_before == days("2025-11-17", "2025-11-23")
    assert found["month"].days == days("2026-11-01", "2026-11-26")
    assert found["month"].before == days("2026-10-01", "2026-10-26")
    assert found["month"].year_before == days("2025-11-01", "2025-11-26")


@pytest.mark.parametrize(
    ("week_start", "expected"),
    [
        ("monday", ("2026-11-16", "2026-11-22")),
        ("sunday", ("2026-11-15", "2026-11-21")),
        ("friday", ("2026-11-20", "2026-11-26")),  # ends on the newest day
    ],
)
def test_weeks_begin_on_the_weekday_of_the_shop(week_start: str, expected: tuple[str, str]) -> None:
    found = periods(KnownDays(date(2024, 1, 1), THURSDAY), week_start)
    assert found["week"].days == days(*expected)


def test_a_day_that_is_not_over_or_has_no_data_is_in_no_period() -> None:
    known = KnownDays(date(2024, 1, 1), THURSDAY, missing=(date(2026, 11, 18),))
    found = periods(known, open_from=THURSDAY)
    assert found["day"].days == days("2026-11-25", "2026-11-25")
    assert found["week"].days == days("2026-11-09", "2026-11-15")  # the next one misses a day
    assert found["month"].days == days("2026-11-01", "2026-11-25")


@each(
    "last, before, year_before",
    [
        ("2026-02-28", ("2026-01-01", "2026-01-31"), ("2025-02-01", "2025-02-28")),  # all of it
        ("2026-03-30", ("2026-02-01", "2026-02-28"), ("2025-03-01", "2025-03-30")),
        ("2028-02-28", ("2028-01-01", "2028-01-28"), ("2027-02-01", "2027-02-28")),
        ("2028-02-29", ("2028-01-01", "2028-01-31"), ("2027-02-01", "2027-02-28")),
    ],
)
def test_a_month_stands_beside_the_same_dates_and_a_whole_one_beside_whole_ones(
    last: str, before: tuple[str, str], year_before: tuple[str, str]
) -> None:
    month = periods(KnownDays(date(2024, 1, 1), date.fromisoformat(last)))["month"]
    assert (month.before, month.year_before) == (days(*before), days(*year_before))


def test_a_shop_of_three_days_has_no_week_yet() -> None:
    found = periods(KnownDays(date(2026, 11, 24), THURSDAY))
    assert found.keys() == {"day", "month"}


@given(
    last=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    history=st.integers(0, 800),
    week_start=st.sampled_from(WEEKDAYS),
    missing=st.sets(st.integers(0, 60), max_size=5),
)
def test_every_period_is_whole_and_as_long_as_its_name_says(
    last: date, history: int, week_start: str, missing: set[int]
) -> None:
    day = timedelta(days=1)
    gaps = {last - number * day for number in missing if 0 < number < history}
    known = KnownDays(last - history * day, last, missing=tuple(sorted(gaps)))
    found = periods(known, week_start)
    assert found["day"].days == (last, last)
    month = found["month"]
    assert month.days == (last.replace(day=1), last)
    assert month.before[1] < month.days[0]
    assert month.before[0].day == month.year_before[0].day == 1
    assert (
        month.year_before[1]
        <= last.replace(
            year=last.year - 1, day=min(last.day, monthrange(last.year - 1, last.month)[1])
        )
        or (last + day).day == 1
    )
    if "week" in found:
        first, end = found["week"].days
        own = {first + number * day for number in range(7)}
        assert end - first == 6 * day
        assert not own & gaps
        assert known.first is not None
        assert known.first <= first <= end <= last
        assert first.strftime("%A").lower() == week_start
        assert (first - found["week"].year_before[0]).days == 364
